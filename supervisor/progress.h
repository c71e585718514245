/* progress.h - what a person sees while runs go on, or a validator's steps: a live table on a terminal, plain lines elsewhere. Text that came from
 * outside (case ids are ours; details may quote an agent) passes through json_quote_path-like cleaning before it is shown. */
#ifndef CTO_SUPERVISOR_PROGRESS_H
#define CTO_SUPERVISOR_PROGRESS_H

#include <stdbool.h>

#include "supervisor/record.h"

struct progress;
struct progress *progress_new(int total, bool quiet, bool no_color); /* on stderr */
/* Of one run, whose caller tells what came of it: a live line on a terminal, and elsewhere nothing. */
struct progress *progress_new_alone(bool quiet, bool no_color);
void progress_state(struct progress *p, int i, const struct run_record *rec, enum run_state s);
/* as_expected colours the line: a failure fixture that fails as it should is good news. */
void progress_done(struct progress *p, int i, const char *id, const struct run_record *rec, bool as_expected,
                   const char *note);
/* Instead of those two, for work of one thing after the other: the next of `total` begins, and is called so. NULL is fine. */
void progress_step(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void progress_tick(struct progress *p); /* NULL is fine */
/* For work of which several things go on at once and each that ends is said elsewhere: `done` of `total` are over, and this goes on.
 * Seen on a terminal only. */
void progress_now(struct progress *p, int done, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void progress_hide(struct progress *p); /* clears the live part until the next of these; NULL is fine */
void progress_free(struct progress *p); /* clears the live part; NULL is fine */

#endif
