/* fuzz_sv_redact.c - any bytes, cut anywhere, through two known values that overlap: what comes out does not depend on the cuts, holds
 * none of the values any more, and is the input itself when there was none in it. The first bytes say where the cuts are. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "supervisor/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static int take(void *ctx, const void *p, size_t n, struct err *e) {
    (void)e;
    MUST(n > 0);
    buf_put(ctx, p, n);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct redact_value values[] = {{"URL", "http://a%b:80/v"}, {"HOST", "a%b:80/v"}, {"KEY", "aaaaaaa7"}};
    static struct redactor *r;
    static const uint8_t none[1];
    if (!r) MUST(redactor_new(values, 3, &r, NULL) == 0);
    if (!data) data = none;
    const size_t n_cuts = size > 0 ? data[0] % 16 : 0, head = size > n_cuts ? n_cuts + 1 : size;
    const uint8_t *p = data + head;
    const size_t n = size - head;
    struct buf out = BUF_INIT(SIZE_MAX / 2);
    struct redact_stream *s = redact_stream_new(r);
    size_t at = 0, fed = 0, len = n;
    for (size_t k = 0; at < n; k++) {
        size_t take_now = n_cuts ? data[1 + k % n_cuts] : n;
        if (take_now > n - at) take_now = n - at;
        if (take_now == 0) take_now = 1;
        MUST(redact_feed(s, p + at, take_now, take, &out, NULL) == 0);
        at += take_now;
        fed += take_now;
        MUST(redact_found_any(s) > 0 || fed - out.len <= redactor_span(r));
    }
    MUST(redact_flush(s, take, &out, NULL) == 0 && !out.bad);
    char *whole = redact_text(r, p, n, &len, NULL);
    MUST((whole != NULL) == (redact_found_any(s) > 0));
    MUST(out.len == len && (len == 0 || memcmp(out.p, whole ? (const void *)whole : p, len) == 0));
    for (size_t i = 0; i < 3; i++)
        MUST(out.len == 0 || !memmem(out.p, out.len, values[i].value, strlen(values[i].value)));
    redact_stream_free(s);
    buf_release(&out);
    free(whole);
    return 0;
}
