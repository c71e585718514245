/* normal.h - what of a request is compared with a recorded one. Pure.
 *
 * Real agents put into a request what is another one each time: ids of sessions and calls, dates, directories, versions of tools,
 * timings and commit hashes in the output of commands. A comparison of bytes would never hold; one of nothing would play a wrong
 * answer. Compared is the SHA-256 of these lines, in this order:
 *
 *   path, model, stream             as they are
 *   the names of the tools          sorted
 *   of each message or input item   role and type
 *     of the user                   its text, without what changes (below)
 *     of the assistant              nothing more: what it said and called comes from the cassette itself
 *     a call of a tool              its name. Not its arguments: they come from the cassette
 *     the output of a tool          nothing more: commands tell times, hashes and paths
 *     system, developer             nothing more: agents put date, directory and environment there
 *
 * Text without what changes: a word with a digit in it, or of seven and more letters that are all hexadecimal, is one mark; an
 * absolute path another; the name of a day or month a third; runs of blanks are one blank; letters are compared without case.
 *
 * So a replay repeats a run whose agent asks the same things in the same order of the same model, with the same tools. It does not
 * prove that the agent sent the same bytes, and it does not notice a changed system prompt or another output of a command. Requests of
 * equal digest are answered in the order in which they were recorded.
 */
#ifndef CTO_WORKER_GATEWAY_NORMAL_H
#define CTO_WORKER_GATEWAY_NORMAL_H

#include "common/digest.h"
#include "common/msg.h"

#define NORMAL_RULES 1 /* "compares" of a cassette: changes with any change of the above */

/* ERR_LIMIT: too large a document to compare (more than NORMAL_VALUES_MAX values); ERR_PARSE: cJSON does not read it. */
#define NORMAL_VALUES_MAX 400000
int normal_digest(enum gw_path path, const char *body, size_t len, char hex[DIGEST_HEX_SIZE], struct err *e);
/* The lines themselves, for tests and for people who look why two differ. */
int normal_lines(enum gw_path path, const char *body, size_t len, struct buf *out, struct err *e);

#endif
