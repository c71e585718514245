/* report_observed.c - what the backend said of itself, for report.md: under a heading that says what it is worth, with every word of its
 * quoted. */
#include "common/buf.h"
#include "supervisor/observe.h"
#include "supervisor/seal.h"

void observed_put_md(struct buf *b, const struct observed *o) {
    if (!o) return;
    buf_puts(b, "\n## What the backend said of itself (not proof)\n\n");
    if (o->problem[0]) {
        buf_puts(b, "Its log could not be read: ");
        report_put_text(b, o->problem, true);
        buf_puts(b, "\n");
        return;
    }
    buf_puts(b, "- it ended: ");
    report_put_text(b, o->ended[0] ? o->ended : "it does not say", true);
    if (o->error[0]) {
        buf_puts(b, ", ");
        report_put_text(b, o->error, true);
    }
    buf_printf(b, "\n- %u message%s, %u tool call%s, %u error%s\n", o->messages, o->messages == 1 ? "" : "s", o->tools,
               o->tools == 1 ? "" : "s", o->errors, o->errors == 1 ? "" : "s");
    if (o->usage_seen)
        buf_printf(b, "- tokens: %llu in, %llu out\n", (unsigned long long)o->tokens_in,
                   (unsigned long long)o->tokens_out);
    buf_printf(b, "- %llu line%s, %llu that are no JSON, %llu too long%s\n", (unsigned long long)o->lines,
               o->lines == 1 ? "" : "s", (unsigned long long)o->bad_lines, (unsigned long long)o->long_lines,
               o->truncated ? "; not all of it is in the events" : "");
}
