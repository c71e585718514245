/* report_md.c - report.md: the same for a person. Verdict first, then why, what changed, how to reproduce it, then the
 * rest.
 *
 * Paths, details and titles may come from an agent or its repository: they are shown with control bytes made visible
 * and the bytes that Markdown or a terminal would act on escaped, so that nothing in here can pretend to be part of the
 * report.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/text.h"
#include "supervisor/model_use.h"
#include "supervisor/seal.h"
#include "supervisor/standing.h"
#include "supervisor/verdict.h"

#define SHOWN_CHANGES 200

void report_put_text(struct buf *b, const char *text, bool md) {
    for (const char *p = text, *end = text + strlen(text); p < end;) {
        size_t n = text_glyph(p, (size_t)(end - p));
        if (n == 0)
            buf_printf(b, md ? "\\\\x%02x" : "\\x%02x", (unsigned char)*p++);
        else if (md && strchr("\\`*_{}[]<>()#+!|&~", *p))
            buf_puts(b, "\\");
        buf_put(b, p, n);
        p += n;
    }
}

void report_put_shell(struct buf *b, const char *word) {
    size_t n = strlen(word);
    bool plain = n > 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)word[i];
        if (!isalnum(c) && !strchr("@%+=:,./-_", c)) plain = false;
    }
    if (plain) {
        buf_puts(b, word);
        return;
    }
    bool control = false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)word[i] < 0x20 || (unsigned char)word[i] >= 0x7f) control = true;
    buf_puts(b, control ? "$'" : "'");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)word[i];
        if (control && (c < 0x20 || c >= 0x7f))
            buf_printf(b, "\\x%02x", c);
        else if (c == '\'')
            buf_puts(b, control ? "\\'" : "'\\''");
        else if (control && c == '\\')
            buf_puts(b, "\\\\");
        else
            buf_put(b, &c, 1);
    }
    buf_puts(b, "'");
}

static bool of_double(const struct run_record *r) { return r->governed && r->governed->proof_double; }

static void put_verdict(struct buf *b, const struct run_record *r) {
    static const char *const words[] = {"NONE", "PASS", "FAIL", "BLOCKED"};
    char started[CLOCK_STAMP_SIZE], finished[CLOCK_STAMP_SIZE];
    clock_stamp(r->started_ms, started);
    clock_stamp(r->finished_ms, finished);
    buf_printf(b, "# %s: ", words[r->verdict]);
    report_put_text(b, r->c->id, true);
    buf_printf(b, " on %s\n\n", r->engine);
    report_put_text(b, r->c->title ? r->c->title : "", true);
    buf_printf(b, "\n\nRun `%s`, %s to %s.\n", r->run_id, started, finished);
    if (of_double(r))
        buf_puts(
            b,
            "\nThe backend was the harness's **test double**: this shows mechanics, and nothing about the backend.\n");
}

static void put_why(struct buf *b, const struct run_record *r) {
    buf_puts(b, "\n## Why\n\n");
    if (r->n_blockers == 0) {
        buf_puts(b, "Every required event came in its order, only allowed paths changed, ");
        buf_puts(b, verdict_tests(r) == 1 ? "and every verification command passed on the result commit.\n"
                                          : "and the case declares why there is nothing to verify.\n");
        if (r->c->no_test_rationale) {
            buf_puts(b, "\nNo tests: ");
            report_put_text(b, r->c->no_test_rationale, true);
            buf_puts(b, "\n");
        }
        return;
    }
    for (int i = 0; i < r->n_blockers; i++) {
        const struct blocker_rule *rule = blocker_rule(r->blockers[i].id);
        buf_printf(b, "- **%s** (%s): ", rule->reason, blocker_class_name(record_class(r, r->blockers[i].id)));
        report_put_text(b, r->blockers[i].detail, true);
        buf_puts(b, "\n");
    }
    for (int i = 0; i < r->n_dirty; i++) {
        if (i == 0) buf_puts(b, "\nPaths that were not clean:\n\n");
        buf_puts(b, "- ");
        report_put_text(b, r->dirty[i], true);
        buf_puts(b, "\n");
    }
}

/* The log whose end says most about why this is no pass: of the tests when they failed, else of the backend. */
static void put_output(struct buf *b, const struct run_record *r, int dir) {
    bool failed = false;
    for (int i = 0; i < r->c->n_verify; i++) {
        const struct verify_result *v = record_verify(r, i);
        failed |= v->seen && (v->kind != END_EXITED || v->code != 0);
    }
    if (r->verdict == VERDICT_PASS) return;
    if (failed) report_put_tail(b, dir, EVIDENCE_TEST_LOG, "the tests and the agent's code that they ran");
    if (failed && r->n_blockers == 1) return;
    if (report_put_tail(b, dir, "backend/stderr.log", "the agent") > 0) return;
    report_put_tail(b, dir, "backend/stdout.log", "the agent");
}

static bool blocked_by(const struct run_record *r, enum blocker id) {
    for (int i = 0; i < r->n_blockers; i++)
        if (r->blockers[i].id == id) return true;
    return false;
}

/* Why there is no list of changes: "nothing" is said only where somebody looked and found nothing. */
static void put_no_changes(struct buf *b, const struct run_record *r) {
    if (!r->result_seen) {
        if (r->engine_started ||
            blocked_by(r, BLOCKER_supervisor_interrupted)) /* what a dead supervisor knew is lost */
            buf_puts(b, "Not known: nobody could look at the repository after the backend.\n");
        else
            buf_puts(b, "Nothing: the backend was not started.\n");
        return;
    }
    switch (r->result_kind) {
    case RESULT_COMMITTED:
        buf_printf(b, "Nothing: %u commit%s, and the result holds the same files as the baseline.\n", r->result_commits,
                   r->result_commits == 1 ? "" : "s");
        return;
    case RESULT_NONE:
        if (r->result_clean)
            buf_puts(b, "Nothing: there is no commit, and the worktree is as it was.\n");
        else
            buf_printf(b, "Nothing was committed; %u path%s of the worktree changed and stayed uncommitted.\n",
                       r->result_dirty, r->result_dirty == 1 ? "" : "s");
        return;
    case RESULT_NOT_DESCENDANT:
        buf_printf(
            b, "Not compared: `%.12s` does not descend from the baseline `%.12s`, so there is no diff between them. ",
            r->result_head[0] ? r->result_head : "HEAD", r->baseline_head[0] ? r->baseline_head : "(empty)");
        break;
    case RESULT_UNREADABLE: buf_puts(b, "Not known: the repository that the backend left cannot be read. "); break;
    case RESULT_TOO_LARGE:
        buf_puts(b, "Not known: the repository that the backend left is larger than the limits. ");
        break;
    }
    buf_puts(b, "`patch.diff` is empty for that reason, not because nothing changed.\n");
}

static void put_changes(struct buf *b, const struct run_record *r) {
    int net = 0, shown = 0;
    for (int i = 0; i < r->n_changes; i++) net += r->changes[i].scope == 0;
    buf_puts(b, "\n## What changed\n\n");
    if (r->n_changes == 0) {
        put_no_changes(b, r);
        return;
    }
    buf_printf(b, "%d path%s in %u commit%s, `%.12s` to `%.12s`; %s.\n\n", net, net == 1 ? "" : "s", r->result_commits,
               r->result_commits == 1 ? "" : "s", r->baseline_head[0] ? r->baseline_head : "(empty)", r->result_head,
               r->secrets && r->secrets->leaked ? "the exact diff is withheld" : "the exact diff is `patch.diff`");
    for (int i = 0; i < r->n_changes && shown < SHOWN_CHANGES; i++, shown++) {
        const struct change *c = &r->changes[i];
        buf_printf(b, "- %c ", c->letter);
        AUTO_FREE char *quoted = json_quote_path(c->path, strlen(c->path));
        report_put_text(b, quoted, true);
        if (c->scope != 0) buf_puts(b, " (in a commit on the way)");
        if (c->forbidden) buf_puts(b, " **forbidden**");
        if (!c->allowed && !c->forbidden) buf_puts(b, " **not allowed**");
        buf_puts(b, "\n");
    }
    if (r->n_changes > shown || r->changes_truncated)
        buf_printf(b, "- and %d more, all in `report.json`%s\n", r->n_changes - shown,
                   r->changes_truncated ? " (cut there too)" : "");
}

static void put_verification(struct buf *b, const struct run_record *r) {
    buf_puts(b, "\n## Verification\n\n");
    if (r->c->n_verify == 0) buf_puts(b, "The case has no verification command.\n");
    for (int i = 0; i < r->c->n_verify; i++) {
        const struct verify_result *v = record_verify(r, i);
        AUTO_BUF struct buf line = BUF_INIT(1u << 20);
        for (int k = 0; k < r->c->verify[i].argc; k++) {
            if (k) buf_puts(&line, " ");
            report_put_shell(&line, r->c->verify[i].argv[k]);
        }
        buf_puts(b, "- ");
        report_put_text(b, buf_str(&line), true);
        if (!v->seen)
            buf_puts(b, ": not run");
        else
            buf_printf(b, ": %s %d after %llu ms", end_kind_name(v->kind), v->code,
                       (unsigned long long)(v->duration_us / 1000));
        buf_puts(b, "\n");
    }
    if (r->verify_skip[0]) {
        buf_puts(b, "\nSkipped: ");
        report_put_text(b, r->verify_skip, true);
        buf_puts(b, "\n");
    }
}

static void put_reproduce(struct buf *b, const struct run_record *r, const struct seal_input *in) {
    buf_puts(b, "\n## How to reproduce\n\nThe same case on the same backend:\n\n    cto-harness");
    if (in->home) {
        buf_puts(b, " --home ");
        report_put_shell(b, in->home);
    }
    if (in->cases) {
        buf_puts(b, " --cases ");
        report_put_shell(b, in->cases);
    }
    if (of_double(r)) { /* which nobody else can start */
        buf_puts(b, r->c->double_script ? " validate failure-matrix" : " validate stage");
        if (!r->c->double_script) buf_printf(b, "%d", r->governed->stage);
    } else {
        buf_puts(b, " run-case ");
        report_put_shell(b, r->c->id);
        buf_puts(b, " --engine ");
        report_put_shell(b, r->engine);
        if (r->model_replayed) buf_puts(b, " --replay RECORDING"); /* its name is the operator's, and in no evidence */
    }
    buf_puts(b, "\n\nCheck this directory, with the program or without it:\n\n    cto-harness verify ");
    report_put_shell(b, r->run_dir);
    buf_puts(b, "\n    cd ");
    report_put_shell(b, r->run_dir);
    buf_puts(b, " && sha256sum -c SHA256SUMS\n");
    if (r->result_seen && r->n_changes > 0 && !(r->secrets && r->secrets->leaked)) {
        buf_puts(b, "\nThe change on a checkout of the baseline:\n\n    git apply --index ");
        AUTO_BUF struct buf path = BUF_INIT(8192);
        buf_printf(&path, "%s/" EVIDENCE_PATCH, r->run_dir);
        report_put_shell(b, buf_str(&path));
        buf_puts(b, "\n");
    }
}

static void put_sandbox(struct buf *b, const struct run_record *r) {
    buf_puts(b, "\n## Sandbox\n\n");
    report_put_sandbox(b, r);
    for (int i = 0; i < r->n_gates; i++) {
        if (i == 0) buf_puts(b, "\nGates:\n\n");
        buf_printf(b, "- %s: %s", r->gates[i].name, r->gates[i].status);
        if (r->gates[i].reason[0]) buf_puts(b, ", ");
        report_put_text(b, r->gates[i].reason, true);
        buf_puts(b, "\n");
    }
}

static void put_timings(struct buf *b, const struct run_record *r, const struct report_facts *f) {
    int64_t ms[RUN_STATE_COUNT], total = report_phase_ms(r, ms);
    buf_puts(b, "\n## Timings\n\n| phase | ms |\n|---|---:|\n");
    for (int i = 0; i < RUN_DONE; i++)
        if (r->phases[i].entered_us)
            buf_printf(b, "| %s | %lld |\n", run_state_name((enum run_state)i), (long long)ms[i]);
    buf_printf(b, "| total | %lld |\n", (long long)total);
    buf_printf(b,
               "\nBackend: %llu ms cpu, %llu KiB peak, %llu processes, %llu bytes of output. Evidence: %u events, %llu "
               "bytes.\n",
               (unsigned long long)(r->engine_cpu_us / 1000), (unsigned long long)r->engine_rss_kib,
               (unsigned long long)r->engine_processes, (unsigned long long)r->engine_output, f->events_total,
               (unsigned long long)f->bytes);
}

char *report_md_text(const struct run_record *r, const struct seal_input *in, const struct report_facts *f) {
    AUTO_BUF struct buf b = BUF_INIT(16u << 20);
    put_verdict(&b, r);
    put_why(&b, r);
    put_output(&b, r, f->dir);
    put_changes(&b, r);
    put_verification(&b, r);
    report_put_subject_md(&b, r);
    model_use_md(&b, r);
    observed_put_md(&b, r->observed);
    secrets_put_md(&b, r->secrets, !r->recovered);
    put_reproduce(&b, r, in);
    put_sandbox(&b, r);
    put_timings(&b, r, f);
    buf_puts(&b, "\n" STANDING_SENTENCE);
    char *text = buf_detach(&b);
    BUG_UNLESS(text != NULL);
    return text;
}
