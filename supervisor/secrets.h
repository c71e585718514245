/* secrets.h - what a run has to keep to itself, and what came of it: the known values (redact.h), where they were found and replaced,
 * whether one of them is in the committed result, and which shapes of credentials were seen (secret_scan.h).
 *
 * A value in a log is replaced and counted: the run is marked. One in the committed result is no matter of a log: the run fails
 * (secret_leak_detected), the patch is withheld, nothing is landed.
 */
#ifndef CTO_SUPERVISOR_SECRETS_H
#define CTO_SUPERVISOR_SECRETS_H

#include "common/json.h"
#include "supervisor/redact.h"
#include "supervisor/secret_scan.h"

/* Where. The first seven are streams, see evidence.c. */
#define SECRET_PLACES(X)                        \
    X(STDOUT, "backend/stdout.log")             \
    X(STDERR, "backend/stderr.log")             \
    X(TEST_LOG, "test.log")                     \
    X(PATCH, "patch.diff")                      \
    X(CASE_EVENTS, "backend/case-events.jsonl") \
    X(CASE_TASK, "backend/case-task-left.json") \
    X(CASE_NOTES, "backend/case-task-left.md")  \
    X(EVENTS, "events.normalized.jsonl")        \
    X(TRACE, "trace.jsonl")                     \
    X(CONTRACT, "task-contract.json")           \
    X(BACKEND, "backend/")                      \
    X(REPORT, "report")                         \
    X(RECORD, "names and messages")             \
    X(PATHS, "changed paths")                   \
    X(CONTENTS, "committed contents")
enum secret_place {
#define X(name, text) SECRET_IN_##name,
    SECRET_PLACES(X)
#undef X
        SECRET_PLACE_COUNT
};
#define SECRET_STREAMS 7 /* of the places */
const char *secret_place_name(enum secret_place p);

struct secrets {
    struct redactor *redactor; /* owned; NULL: no value is known */
    uint64_t redacted[REDACT_VALUES_MAX][SECRET_PLACE_COUNT];
    uint64_t findings[SHAPE_COUNT][SECRET_STREAMS];
    bool leaked;
    char leak[160]; /* which value, and where: a sentence, without the value */
};

struct secrets *secrets_new(struct redactor *take);
void secrets_free(struct secrets *s); /* NULL is fine */

/* All that follows takes NULL: nothing is known, nothing is done. */
bool secrets_known(const struct secrets *s);
/* A text of which `where` will be told: NULL when it can stay as it is, else malloc'd, to be used in its place. */
char *secrets_clean(struct secrets *s, enum secret_place where, const void *p, size_t n, size_t *ret_n);
/* The same of every text and key in it, in place. */
void secrets_clean_json(struct secrets *s, enum secret_place where, cJSON *o);
/* Takes the counts of a stream over; the stream begins again at zero. */
void secrets_take(struct secrets *s, enum secret_place where, struct redact_stream *from);
void secrets_take_findings(struct secrets *s, enum secret_place where, struct secret_scan *from);
/* Is one of them in these bytes of the committed result? Then that is the leak. */
bool secrets_leaks(struct secrets *s, enum secret_place where, const void *p, size_t n);
/* The stream has found one: if it did, that is the leak. */
bool secrets_stream_leaks(struct secrets *s, enum secret_place where, const struct redact_stream *from);

/* secret_redacted, secret_redactions, secret_findings of a report. `counted` false: its supervisor died, so nobody has the counts. */
void secrets_put(cJSON *report, const struct secrets *s, bool counted);
/* The same for people: nothing when there is nothing to say. */
void secrets_put_md(struct buf *b, const struct secrets *s, bool counted);
/* For a run that is finished by another process: the counts, without any value. */
cJSON *secrets_to_json(const struct secrets *s);
void secrets_from_json(struct secrets *s, const cJSON *o);

#endif
