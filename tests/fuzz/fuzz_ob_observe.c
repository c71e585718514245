/* fuzz_ob_observe.c - any bytes as a backend's log, cut anywhere: what the observer says keeps its bounds and its form, and does not
 * depend on the cuts. The first byte chooses the format and the cuts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "worker/observe/observe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static void is_text(struct rd *rd, size_t max) {
    char text[OBSERVE_TEXT_MAX + 1];
    rd_str(rd, text, max + 1);
    MUST(!rd->bad);
    for (size_t at = 0, n = strlen(text), glyph; at < n; at += glyph) MUST((glyph = text_glyph(text + at, n - at)) > 0);
}

static void is_whole(const struct buf *out) {
    struct rd rd = rd_over(out->p, out->len);
    MUST(out->len <= OBSERVE_BYTES_MAX);
    int n = 0;
    unsigned kind;
    while ((kind = rd_u8(&rd)) != OBSERVE_END) {
        MUST(kind >= OBSERVE_MESSAGE && kind <= OBSERVE_TURN && ++n <= OBSERVE_MAX);
        is_text(&rd, OBSERVE_NAME_MAX);
        is_text(&rd, OBSERVE_TEXT_MAX);
        MUST(rd_u8(&rd) <= OBSERVE_FAILED);
        rd_raw(&rd, 16);
    }
    is_text(&rd, OBSERVE_NAME_MAX);
    is_text(&rd, OBSERVE_TEXT_MAX);
    rd_raw(&rd, 12 + 1 + 40 + 1);
    MUST(rd_done(&rd));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const formats[] = {"codex-jsonl", "pi-jsonl", "case"};
    if (size < 1) return 0;
    struct observer whole, cut;
    const struct observe_format *f = observe_format_find(formats[data[0] % 3]);
    const size_t step = 1 + data[0] / 3, n = size - 1;
    const uint8_t *p = data + 1;
    observer_init(&whole, f);
    observer_init(&cut, f);
    observer_feed(&whole, p, n);
    for (size_t at = 0; at < n; at += step) observer_feed(&cut, p + at, n - at < step ? n - at : step);
    observer_end(&whole);
    observer_end(&cut);
    is_whole(&whole.out);
    MUST(whole.out.len == cut.out.len && memcmp(whole.out.p, cut.out.p, cut.out.len) == 0);
    MUST(whole.bad_lines + whole.long_lines <= whole.lines);
    observer_release(&whole);
    observer_release(&cut);
    return 0;
}
