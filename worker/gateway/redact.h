/* redact.h - known values out of bytes on their way: the real key, the endpoint, what else the configuration names.
 *
 * A value is found as it is, with any of its characters escaped as JSON may (\/ and \u002f), URL-encoded, in hexadecimal digits and
 * in base64 at each of its three alignments and in both alphabets; the endpoint in any case, also without its port when it was written so. Found over the borders of pieces: what may be the beginning of a value is held back
 * until more comes, and nothing else ever is. What is found becomes [redacted:NAME]. A value that a model's server spreads over
 * several events of a stream is several texts to every reader of bytes: see spell.h.
 */
#ifndef CTO_WORKER_GATEWAY_REDACT_H
#define CTO_WORKER_GATEWAY_REDACT_H

#include "common/buf.h"
#include "worker/gateway/config.h"

struct redact;
/* Never NULL. `c` may go. */
struct redact *redact_new(const struct gw_config *c);
void redact_free(struct redact *r);

/* One direction of one request. The carry is bounded by six times the longest value. */
struct redact_stream {
    const struct redact *r;
    struct buf carry;
    uint64_t found;
};
void redact_begin(struct redact_stream *s, const struct redact *r);
void redact_release(struct redact_stream *s);
/* Appends to `out` all of carry and p that is decided. out->bad: there was no room. */
void redact_feed(struct redact_stream *s, const void *p, size_t n, struct buf *out);
/* The rest: no more comes. */
void redact_end(struct redact_stream *s, struct buf *out);
/* A whole text. Returns how many values were found; `out` is only written (replaced) when there is one. */
uint64_t redact_whole(const struct redact *r, const void *p, size_t n, struct buf *out);
/* The first place from `from` on where a value stands, of *ret_n bytes, or may begin (0: the text ends before that is decided); n: none. */
size_t redact_find(const struct redact *r, const void *p, size_t n, size_t from, size_t *ret_n);
size_t redact_longest(const struct redact *r); /* value, in bytes; 0: none is known */

#endif
