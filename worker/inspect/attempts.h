/* attempts.h - what a forbidden action leaves behind in the agent's .git.
 *
 * Forbidden actions are made impossible first: no network, no credentials, no remotes. Detected second, by the marks
 * that the ordinary way to them leaves: a remote with a place to push to, a remote-tracking ref, a credential helper.
 * The baseline has none of these, so whatever is there was put there by the agent. An attempt that leaves no mark (a
 * push to an address on the command line, a tool of its own) fails all the same, but is not seen.
 */
#ifndef CTO_WORKER_INSPECT_ATTEMPTS_H
#define CTO_WORKER_INSPECT_ATTEMPTS_H

#include "common/err.h"
#include "common/msg.h"

/* `name` is hostile bytes. -1 stops. */
typedef int (*attempt_fn)(void *ctx, enum attempt_kind kind, const char *name, size_t n, struct err *e);

/* The text of a git configuration file, also a broken one. */
int attempts_in_config(const char *text, size_t n, attempt_fn fn, void *ctx, struct err *e);
/* The repository in a workspace: configuration, refs loose and packed, remotes as old git kept them. What is not there is no
 * attempt; a place that we cannot read whole may hide one: -1 with ERR_LIMIT or ERR_PARSE, after all others have been looked at. */
int attempts_in_repository(int ws_fd, attempt_fn fn, void *ctx, struct err *e);

#endif
