/* report_subject.c - what report.md says of the repository that a governed run was about. Of somebody's repository it names owner,
 * admission and commits, never the place. */
#include <string.h>

#include "common/clock.h"
#include "supervisor/seal.h"
#include "supervisor/subject.h"

static void put_which(struct buf *b, const struct run_subject *s) {
    const char *branch = strncmp(s->branch, "refs/heads/", 11) == 0 ? s->branch + 11 : s->branch;
    switch (s->kind) {
    case SUBJECT_TARGET:
        buf_puts(b, "An admitted repository of ");
        report_put_text(b, s->owner[0] ? s->owner : "nobody who is named", true);
        buf_puts(b, " (");
        report_put_text(b, s->admission_id[0] ? s->admission_id : "no admission", true);
        buf_puts(b, ")");
        break;
    case SUBJECT_SOURCE: buf_puts(b, "A copy of a local repository, which stays as it is"); break;
    case SUBJECT_DISPOSABLE: buf_puts(b, "A repository that was made for this run and went with it"); break;
    default: buf_puts(b, "The case's fixture");
    }
    if (!s->head[0]) {
        buf_puts(b, ". Nobody looked at it.\n");
        return;
    }
    buf_puts(b, ", branch ");
    report_put_text(b, branch, true);
    buf_printf(b, " at `%.12s`, %s at the start.\n", s->head, s->start_clean ? "clean" : "**not clean**");
}

static void put_outcome(struct buf *b, const struct run_subject *s) {
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(s->outcome_ms, stamp);
    if (strcmp(s->outcome, "missing") == 0) {
        buf_puts(b, "\nNobody said in time whether it may stay.\n");
    } else if (s->outcome[0]) {
        buf_printf(b, "\n%s by ", strcmp(s->outcome, "accepted") == 0 ? "Accepted" : "Rejected");
        report_put_text(b, s->outcome_actor, true);
        buf_printf(b, ", %s.\n", stamp);
    }
    if (s->revert_commit[0]) buf_printf(b, "\nTaken back by `%s`.\n", s->revert_commit);
}

void report_put_subject_md(struct buf *b, const struct run_record *r) {
    const struct run_subject *s = r->subject;
    if (!s) return;
    buf_puts(b, "\n## The repository\n\n");
    put_which(b, s);
    if (s->kind == SUBJECT_SOURCE && s->after[0])
        buf_puts(b, strcmp(s->before, s->after) == 0 ? "\nIts content afterwards is what it was.\n"
                                                     : "\n**It was changed while the run went on.**\n");
    if (!subject_lands(s->kind)) return;
    if (s->commit[0])
        buf_printf(b, "\nLanded as one commit, `%s`, with the tree that was verified.\n", s->commit);
    else
        buf_puts(b, "\nNothing was landed on it.\n");
    put_outcome(b, s);
}
