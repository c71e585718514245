/* frame.h - length-prefixed frames: u32 payload length, u16 type, u16 zero, payload. Little-endian.
 *
 * The reader is fed what a read() returned and yields whole frames. It keeps only an incomplete frame, in memory allocated
 * when a frame spans reads and bounded by the largest payload that the table permits on this channel in this direction: a
 * length above the bound is an error before anything is allocated.
 */
#ifndef CTO_COMMON_FRAME_H
#define CTO_COMMON_FRAME_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/msg.h"

#define FRAME_HEADER 8u

struct frame {
    unsigned type;
    const uint8_t *payload; /* valid inside the callback only */
    size_t len;
};

struct frame_reader {
    enum msg_direction direction;
    enum msg_channel channel;
    struct buf partial;
    bool any_channel; /* a test's or the worker's reader of an inspector: both channels share the stream */
};

void frame_reader_init(struct frame_reader *r, enum msg_direction d, enum msg_channel c);
void frame_reader_release(struct frame_reader *r);
/* Calls `on` for each whole frame; its -1 stops and is passed on (it has set `e`). Type, direction, channel and length are
 * checked here; state and once-ness by the caller. */
typedef int (*frame_fn)(void *ctx, const struct frame *f, struct err *e);
int frame_feed(struct frame_reader *r, const void *p, size_t n, frame_fn on, void *ctx, struct err *e);
/* At end of stream: is there half a frame? ERR_PROTO then. */
int frame_finish(const struct frame_reader *r, struct err *e);

/* Writing. frame_put appends header and payload; payload NULL with len 0 is fine. */
void frame_put(struct buf *b, enum msg_type type, const void *payload, size_t len);
/* Blocking write of one frame: header and payload in one writev when they fit. `lead` bytes go before the payload
 * (OUTPUT's stream number), so that bulk is never copied. */
int frame_write(int fd, enum msg_type type, const void *lead, size_t lead_len, const void *payload, size_t len,
                struct err *e);
int frame_write_buf(int fd, enum msg_type type, const struct buf *payload, struct err *e);

#endif
