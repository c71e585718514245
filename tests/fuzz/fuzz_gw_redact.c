/* fuzz_gw_redact.c - any bytes with known values among them, in any pieces: the pieces change nothing, and no value is left. A byte of
 * 0x80 and more stands for a value or a part of one. First byte: the size of the pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/gateway/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())
#define KEY "sk-12345678"

static struct redact *table(void) {
    static struct redact *r;
    struct gw_config c = {.endpoint_url = "http://box.test:81/v1", .key = KEY};
    if (r) return r;
    MUST(endpoint_parse(c.endpoint_url, &c.endpoint, NULL) == 0);
    return r = redact_new(&c);
}

static void expand(const uint8_t *p, size_t n, struct buf *out) {
    static const char *const words[] = {KEY,
                                        "sk-1234",
                                        "\\u0073k-12345678",
                                        "http://box.test:81/v1",
                                        "http:\\/\\/",
                                        "box.test:81",
                                        "http%3A%2F%2Fbox.test%3A81%2Fv1",
                                        "c2stMTIzNDU2Nzg",
                                        "sk-\\u00312345678",
                                        "\\u00",
                                        "BOX.test:81",
                                        "5678"};
    for (size_t i = 0; i < n; i++)
        if (p[i] >= 0x80)
            buf_puts(out, words[p[i] % (sizeof words / sizeof words[0])]);
        else
            buf_put(out, &p[i], 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf text = BUF_INIT(8 << 20), whole = BUF_INIT(8 << 20), pieces = BUF_INIT(8 << 20);
    struct redact_stream s;
    if (size < 1) return 0;
    const size_t piece = 1 + data[0] % 64;
    expand(data + 1, size - 1, &text);
    if (!text.bad && text.len > 0) {
        const uint64_t found = redact_whole(table(), text.p, text.len, &whole);
        redact_begin(&s, table());
        for (size_t at = 0; at < text.len; at += piece)
            redact_feed(&s, text.p + at, text.len - at < piece ? text.len - at : piece, &pieces);
        redact_end(&s, &pieces);
        MUST(s.found == found);
        if (found == 0) buf_put(&whole, text.p, text.len);
        MUST(!whole.bad && !pieces.bad && whole.len == pieces.len && memcmp(whole.p, pieces.p, whole.len) == 0);
        MUST(memmem(whole.p, whole.len, KEY, strlen(KEY)) == NULL &&
             memmem(whole.p, whole.len, "box.test:81", 11) == NULL);
        redact_release(&s);
    }
    buf_release(&text);
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
