/* observe.h - what a backend said of itself, read from its log by the helper cto-harness-observe: the supervisor parses nothing that an
 * agent wrote. What comes back is checked again, and stays a claim: it becomes events of ours with the claim as data, and a part of the
 * report, and no verdict ever asks for it. So a helper that fails costs the run nothing but that part.
 */
#ifndef CTO_SUPERVISOR_OBSERVE_H
#define CTO_SUPERVISOR_OBSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/json.h"
#include "common/observe.h"

#define OBSERVE_DEADLINE_MS 10000

struct observation {
    enum observe_kind kind;
    enum observe_ok ok;
    uint64_t a, b;
    char name[OBSERVE_NAME_MAX + 1], text[OBSERVE_TEXT_MAX + 1];
};

struct observed {
    char format[16];
    bool complete;     /* there is an answer, of the whole log, and nothing of it was left out */
    char problem[200]; /* why not; "" */
    char ended[OBSERVE_NAME_MAX + 1], error[OBSERVE_TEXT_MAX + 1];
    uint32_t messages, tools, errors;
    bool usage_seen, truncated;
    uint64_t tokens_in, tokens_out, lines, bad_lines, long_lines;
    struct observation *list; /* owned; until the events are told */
    int n;
};

/* `output` is the word of an engine file (engine_file.h). NULL: a text, which nobody observes. */
const char *observe_format(const char *output);
/* Reads the log of a run that has ended. Blocks, at most OBSERVE_DEADLINE_MS: for the thread pool. Never fails; the caller frees. */
struct observed *observe_log(const char *libexec, const char *run_dir, const char *format);
void observed_free(struct observed *o); /* NULL is fine */

/* The helper's answer; it must end exactly at its end. Pure. */
int observe_take(const void *p, size_t n, struct observed *ret, struct err *e);
/* An observation as an event: its type, and the data, which the caller owns. */
const char *observation_event(const struct observation *v, cJSON **ret_data);
/* `backend_observed` of a report, and back. NULL is null. */
cJSON *observed_json(const struct observed *o);
struct observed *observed_from_json(const cJSON *o);
struct buf;
void observed_put_md(struct buf *b, const struct observed *o); /* nothing for NULL */

#endif
