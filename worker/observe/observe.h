/* observe.h - the output of a backend read into observations. Pure: bytes in, records of common/observe.h out; no descriptor.
 *
 * Formats: "codex-jsonl" and "pi-jsonl" are those agents' standard output, "case" is Case's standard error. Each line is parsed on its
 * own; what is no JSON object, too long or nested too deep is counted and left. A last line without its end is read like any other.
 */
#ifndef CTO_WORKER_OBSERVE_OBSERVE_H
#define CTO_WORKER_OBSERVE_OBSERVE_H

#include "common/buf.h"
#include "common/json.h"
#include "common/observe.h"

#define OBSERVE_PENDING 16 /* tools that have begun and not ended, of which the words are kept */

struct pending_tool {
    char id[OBSERVE_NAME_MAX + 1], name[OBSERVE_NAME_MAX + 1], text[OBSERVE_TEXT_MAX + 1];
};

struct observer;
struct observe_format {
    const char *name;
    void (*line)(struct observer *o, const cJSON *line);
    const char *never; /* how it ended when it never said */
};

struct observer {
    const struct observe_format *format;
    struct buf out; /* owned */
    int n;
    bool left_out, usage_seen, closed;
    char ended[OBSERVE_NAME_MAX + 1], error[OBSERVE_TEXT_MAX + 1];
    uint32_t messages, tools, errors;
    uint64_t tokens_in, tokens_out, lines, bad_lines, long_lines;
    struct pending_tool pending[OBSERVE_PENDING];
    int n_pending;
    struct buf line; /* the beginning of one; owned */
    bool skipping;   /* it is too long */
};

const struct observe_format *observe_format_find(const char *name); /* NULL: there is none of that name */
void observer_init(struct observer *o, const struct observe_format *f);
void observer_feed(struct observer *o, const void *p, size_t n);
/* The last line, what is pending, and the record that ends it; o->out is complete then. */
void observer_end(struct observer *o);
void observer_release(struct observer *o);

/* --- for the formats ---------------------------------------------------------------------------------------------------- */
/* Texts may be NULL and are cleaned and cut. */
void observe_put(struct observer *o, enum observe_kind kind, const char *name, const char *text, enum observe_ok ok,
                 uint64_t a, uint64_t b);
void observe_tool_begins(struct observer *o, const char *id, const char *name, const char *text);
/* Its name and words are those of its beginning when that was seen, else these. */
void observe_tool_ends(struct observer *o, const char *id, const char *name, const char *text, enum observe_ok ok,
                       uint64_t ms);
void observe_tokens(struct observer *o, const cJSON *in, const cJSON *out); /* adds; no number is none */
void observe_ended(struct observer *o, const char *how, const char *error);
/* At most OBSERVE_TEXT_MAX bytes of it as a text that may be shown. */
void observe_clean(const char *text, size_t max, char *out);
const cJSON *observe_get(const cJSON *o, const char *key);
const char *observe_text(const cJSON *o, const char *key); /* NULL when it is none */

extern const struct observe_format observe_codex, observe_pi, observe_case;

#endif
