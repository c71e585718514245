/* cassette.h - a recording of what an agent asked and what it was answered: one JSON document a line (JSONL).
 *
 * Line 1:  {"cassette":1,"model":str,"harness":str,"compares":1}        no endpoint, no key, no time: two recordings can be compared
 * then, a line per answered request, in the order in which they ended:
 *          {"n":int,                     from 1, in the order in which they were asked
 *           "path":"/v1/responses",
 *           "request_sha256":hex,        of what is compared (normal.h)
 *           "request":str,               the body as it went up, known values redacted
 *           "status":int,
 *           "content_type":str,
 *           "complete":bool,             false: the answer was cut there
 *           "chunks":[str, ...]}         the answer as the agent got it, in the pieces in which it came. One that is not streamed has one
 *
 * Text is UTF-8; bytes that are none are recorded as U+FFFD. A character that came in two pieces stands whole in the second.
 * Reading is strict: unknown or missing keys, a wrong order of n, another "cassette" or "compares" number are errors with their line.
 */
#ifndef CTO_WORKER_GATEWAY_CASSETTE_H
#define CTO_WORKER_GATEWAY_CASSETTE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/msg.h"

#define CASSETTE_VERSION 1
#define CASSETTE_LINE_MAX (96u << 20)
#define CASSETTE_FILE_MAX (UINT64_C(512) << 20)
#define CASSETTE_PAIRS_MAX 65536
#define CASSETTE_CHUNKS_MAX 262144

/* --- writing --- */
void cassette_put_first(struct buf *line, const char *model, const char *harness);
/* Appends `p` as a JSON string with its quotes. */
void cassette_put_text(struct buf *line, const void *p, size_t n);

/* --- reading --- */
struct cassette_pair {
    uint32_t n;
    enum gw_path path;
    char sha256[65];
    unsigned status;
    char content_type[96];
    bool complete;
    uint32_t chunks;
};
int cassette_read_first(const char *line, size_t len, char *ret_model, size_t model_size, struct err *e);
/* Each chunk, decoded, goes to on_chunk unless that is NULL; its -1 ends the reading with what it put into e. */
typedef int (*cassette_chunk_fn)(void *ctx, const char *p, size_t n, struct err *e);
int cassette_read_pair(const char *line, size_t len, struct cassette_pair *ret, cassette_chunk_fn on_chunk, void *ctx,
                       struct err *e);

#endif
