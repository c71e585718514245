/* fuzz_gw_answer.c - any bytes as an answer. How they are cut into pieces changes nothing; a document that is taken is one for cJSON,
 * too, and the model that was read is the one that cJSON reads. First byte: how; second: the size of the pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "worker/gateway/answer.h"
#include "worker/gateway/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static enum answer_verdict run(struct answer *a, bool stream, const uint8_t *p, size_t n, size_t piece) {
    enum answer_verdict v = ANSWER_FINE;
    answer_init(a, GW_API_CHAT, stream, "m-1");
    while (n > 0 && v == ANSWER_FINE) {
        const size_t size = n < piece ? n : piece;
        v = answer_feed(a, p, size);
        p += size;
        n -= size;
    }
    return v == ANSWER_FINE ? answer_end(a) : v;
}

/* cJSON refuses halves of surrogate pairs and takes a NUL for an end. */
static bool can_compare(const uint8_t *p, size_t n) {
    for (size_t i = 0; i + 1 < n; i++)
        if (p[i] == '\\' && p[i + 1] == 'u') return false;
    return memchr(p, 0, n) == NULL;
}

static void compare(const struct answer *a, const uint8_t *p, size_t n) {
    cJSON *o = cJSON_ParseWithLengthOpts((const char *)p, n, NULL, false);
    MUST(cJSON_IsObject(o));
    for (const cJSON *c = o->child; c; c = c->next)
        if (strcmp(c->string, "model") == 0)
            MUST(cJSON_IsNull(c) || (cJSON_IsString(c) && strcmp(c->valuestring, "m-1") == 0));
    MUST(a->model[0] == 0 || strcmp(a->model, "m-1") == 0);
    cJSON_Delete(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct answer a, b;
    if (size < 2) return 0;
    const bool stream = data[0] & 1;
    const size_t piece = 1 + data[1] % 64;
    data += 2;
    size -= 2;
    const enum answer_verdict one = run(&a, stream, data, size, size + 1), two = run(&b, stream, data, size, piece);
    MUST(one == two);
    if (one == ANSWER_FINE || one == ANSWER_BROKEN)
        MUST(a.tokens_in == b.tokens_in && a.tokens_out == b.tokens_out && strcmp(a.model, b.model) == 0);
    MUST(strlen(a.model) <= GW_MODEL_MAX);
    if (stream) return 0;
    if (one == ANSWER_FINE && can_compare(data, size)) compare(&a, data, size);
    (void)probe_judge(GW_API_CHAT, (const char *)data, size);
    (void)probe_judge(GW_API_RESPONSES, (const char *)data, size);
    return 0;
}
