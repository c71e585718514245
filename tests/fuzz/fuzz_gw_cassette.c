/* fuzz_gw_cassette.c - any bytes as lines of a cassette: refused with a reason, or within bounds; and any bytes as a text in one, which
 * is read again as what was written, where it was text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "worker/gateway/cassette.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static int count(void *ctx, const char *p, size_t n, struct err *e) {
    (void)e;
    MUST(strlen(p) == n);
    ++*(uint32_t *)ctx;
    return 0;
}

static void read_it(const char *line, size_t n) {
    struct cassette_pair p;
    char model[64];
    uint32_t chunks = 0;
    struct err e = ERR_INIT;
    if (cassette_read_first(line, n, model, sizeof model, &e) == 0)
        MUST(e.code == ERR_NONE && strlen(model) < sizeof model);
    else
        MUST(e.text[0]);
    e = ERR_INIT;
    if (cassette_read_pair(line, n, &p, count, &chunks, &e) < 0)
        MUST(e.text[0]);
    else
        MUST(p.n >= 1 && p.chunks == chunks && strlen(p.sha256) == 64 && p.status >= 200 && p.status < 600 &&
             p.path != GW_PATH_OTHER);
}

static void write_it(const uint8_t *p, size_t n) {
    struct buf b = BUF_INIT(16 << 20);
    cassette_put_text(&b, p, n);
    MUST(!b.bad && memchr(b.p, '\n', b.len) == NULL && json_is_utf8(b.p, b.len));
    cJSON *o = cJSON_ParseWithLengthOpts((const char *)b.p, b.len, NULL, false);
    MUST(cJSON_IsString(o));
    if (json_is_utf8(p, n) && memchr(p, 0, n) == NULL)
        MUST(strlen(o->valuestring) == n && memcmp(o->valuestring, p, n) == 0);
    cJSON_Delete(o);
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_it(data ? (const char *)data : "", size);
    write_it(data ? data : (const uint8_t *)"", size);
    return 0;
}
