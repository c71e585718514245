/* fuzz_gw_body.c - any bytes as an agent's request. What may pass names the admitted model exactly once, whoever reads it and in any
 * case; what the gateway adds changes nothing else; what is compared for a replay can be made of it. First byte: the size of pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "worker/gateway/body.h"
#include "worker/gateway/normal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static enum body_verdict run(struct body *b, const uint8_t *p, size_t n, size_t piece) {
    body_init(b, "m-1");
    while (n > 0) {
        const size_t size = n < piece ? n : piece;
        body_feed(b, p, size);
        p += size;
        n -= size;
    }
    return body_end(b);
}

static cJSON *parse(const void *p, size_t n) { return cJSON_ParseWithLengthOpts(p, n, NULL, false); }

static void check_model(const cJSON *o) {
    int models = 0;
    for (const cJSON *c = o->child; c; c = c->next) {
        if (strcasecmp(c->string, "model") != 0) continue;
        models++;
        MUST(strcmp(c->string, "model") == 0 && cJSON_IsString(c) && strcmp(c->valuestring, "m-1") == 0);
    }
    MUST(models == 1);
}

/* But for stream_options both are the same. */
static void check_usage(const struct body *b, const uint8_t *p, size_t n, cJSON *before) {
    struct buf text = BUF_INIT(n);
    struct body again;
    buf_put(&text, p, n);
    body_ask_for_usage(b, &text);
    MUST(!text.bad && run(&again, text.p, text.len, 7) == BODY_FINE && again.include_usage &&
         again.stream == b->stream);
    cJSON *after = parse(text.p, text.len);
    MUST(after != NULL);
    check_model(after);
    cJSON_DeleteItemFromObjectCaseSensitive(before, "stream_options");
    cJSON_DeleteItemFromObjectCaseSensitive(after, "stream_options");
    char *one = cJSON_PrintUnformatted(before), *two = cJSON_PrintUnformatted(after);
    MUST(one && two && strcmp(one, two) == 0);
    free(one);
    free(two);
    cJSON_Delete(after);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct body a, b;
    struct buf lines = BUF_INIT(1 << 20);
    if (size < 1) return 0;
    const size_t piece = 1 + data[0] % 64;
    data++;
    size--;
    const enum body_verdict one = run(&a, data, size, size + 1), two = run(&b, data, size, piece);
    MUST(one == two && strcmp(a.model, b.model) == 0 && strlen(a.model) <= GW_MODEL_MAX);
    (void)normal_lines(GW_PATH_CHAT, (const char *)data, size, &lines, NULL);
    (void)normal_lines(GW_PATH_RESPONSES, (const char *)data, size, &lines, NULL);
    buf_release(&lines);
    if (one != BODY_FINE) return 0;
    cJSON *o = parse(data, size);
    if (!o) return 0; /* a half of a surrogate pair */
    check_model(o);
    check_usage(&a, data, size, o);
    cJSON_Delete(o);
    return 0;
}
