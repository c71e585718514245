/* fuzz_frame.c - the frame reader on hostile bytes. Beside memory safety: however a stream is cut into reads, the same
 * frames come out, and an error comes at the same frame. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t hash;
    unsigned frames;
};

static int on_frame(void *ctx, const struct frame *f, struct err *e) {
    struct seen *s = ctx;
    const struct msg_rule *rule = msg_rule(f->type);
    (void)e;
    if (!rule || f->len > rule->largest) abort();
    s->hash = (s->hash ^ f->type ^ (f->len << 16)) * 1099511628211u;
    for (size_t i = 0; i < f->len; i++) s->hash = (s->hash ^ f->payload[i]) * 1099511628211u;
    s->frames++;
    return 0;
}

/* Cuts the stream into reads of `step` bytes; false: the reader refused it. */
static bool feed(const uint8_t *p, size_t n, size_t step, enum msg_direction d, enum msg_channel c, struct seen *s) {
    struct frame_reader r;
    struct err e = ERR_INIT;
    bool good = true;
    frame_reader_init(&r, d, c);
    for (size_t at = 0; good && at < n; at += step) {
        size_t take = n - at < step ? n - at : step;
        /* An own block for each read, so that a reader that looks beyond it is seen. */
        uint8_t *block = malloc(take);
        if (!block) abort();
        memcpy(block, p + at, take);
        good = frame_feed(&r, block, take, on_frame, s, &e) == 0;
        free(block);
    }
    if (good) good = frame_finish(&r, &e) == 0;
    if (!good && e.code == ERR_NONE) abort(); /* refused without saying why */
    frame_reader_release(&r);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    enum msg_direction d = data[0] & 1 ? MSG_TO_WORKER : MSG_TO_SUPERVISOR;
    enum msg_channel c = data[0] & 2 ? MSG_BULK : MSG_CONTROL;
    struct seen whole = {0}, cut = {0};
    bool a = feed(data + 2, size - 2, size, d, c, &whole);
    bool b = feed(data + 2, size - 2, 1 + data[1] % 17u, d, c, &cut);
    if (a != b || whole.frames != cut.frames || whole.hash != cut.hash) abort();
    return 0;
}
