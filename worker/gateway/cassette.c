/* cassette.c - see cassette.h. Reading takes nothing on trust: a cassette is a file that people edit. */
#include "worker/gateway/cassette.h"

#include <string.h>

#include "common/json.h"
#include "worker/gateway/normal.h"

/* --- writing ------------------------------------------------------------------------------------------------------ */
/* Length of the well-formed character at p; 0: there is none. */
static size_t character(const uint8_t *p, size_t n) {
    const size_t len = p[0] < 0x80                   ? 1
                       : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                       : (p[0] & 0xf0) == 0xe0       ? 3
                       : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                                     : 0;
    return len > 0 && len <= n && json_is_utf8(p, len) ? len : 0;
}

static size_t plain_run(const uint8_t *p, size_t n) {
    size_t i = 0;
    while (i < n && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\') i++;
    return i;
}

void cassette_put_text(struct buf *line, const void *bytes, size_t n) {
    const uint8_t *p = bytes;
    buf_puts(line, "\"");
    while (n > 0) {
        size_t used = plain_run(p, n);
        if (used > 0) {
            buf_put(line, p, used);
        } else if (*p == '\n') {
            buf_puts(line, "\\n");
            used = 1;
        } else if (*p == '"' || *p == '\\') {
            buf_printf(line, "\\%c", *p);
            used = 1;
        } else if (*p == 0) {
            buf_puts(line, "\xef\xbf\xbd"); /* no text has it */
            used = 1;
        } else if (*p < 0x20 || *p == 0x7f) {
            buf_printf(line, "\\u%04x", *p);
            used = 1;
        } else if ((used = character(p, n)) > 0) {
            buf_put(line, p, used);
        } else {
            buf_puts(line, "\xef\xbf\xbd");
            used = 1;
        }
        p += used;
        n -= used;
    }
    buf_puts(line, "\"");
}

void cassette_put_first(struct buf *line, const char *model, const char *harness) {
    buf_printf(line, "{\"cassette\":%d,\"compares\":%d,\"model\":", CASSETTE_VERSION, NORMAL_RULES);
    cassette_put_text(line, model, strlen(model));
    buf_puts(line, ",\"harness\":");
    cassette_put_text(line, harness, strlen(harness));
    buf_puts(line, "}\n");
}

/* --- reading ------------------------------------------------------------------------------------------------------ */
struct keys {
    const char *name;
    const cJSON *value;
};

/* Exactly these keys, each once. NULL: e says which not. The caller deletes. */
static cJSON *take(const char *line, size_t len, struct keys *k, size_t n, struct err *e) {
    if (memchr(line, 0, len) != NULL || !json_is_utf8(line, len)) {
        err_set(e, ERR_USAGE, "not UTF-8 text");
        return NULL;
    }
    cJSON *root = cJSON_ParseWithLength(line, len);
    if (!cJSON_IsObject(root)) {
        cJSON_Delete(root);
        err_set(e, ERR_USAGE, "not a JSON object");
        return NULL;
    }
    size_t seen = 0;
    for (const cJSON *c = root->child; c; c = c->next) {
        size_t i = 0;
        while (i < n && strcmp(k[i].name, c->string) != 0) i++;
        if (i == n || k[i].value) {
            err_set(e, ERR_USAGE, "a key that is unknown or there twice: %.40s", c->string);
            cJSON_Delete(root);
            return NULL;
        }
        k[i].value = c;
        seen++;
    }
    if (seen == n) return root;
    for (size_t i = 0; i < n; i++)
        if (!k[i].value) err_set(e, ERR_USAGE, "the key %s is missing", k[i].name);
    cJSON_Delete(root);
    return NULL;
}

static bool whole(const cJSON *v, double lo, double hi) {
    return cJSON_IsNumber(v) && v->valuedouble >= lo && v->valuedouble <= hi &&
           v->valuedouble == (double)(int64_t)v->valuedouble;
}

static bool copy(const cJSON *v, char *out, size_t size) {
    const char *s = cJSON_GetStringValue(v);
    if (!s || strlen(s) >= size) return false;
    memcpy(out, s, strlen(s) + 1);
    return true;
}

int cassette_read_first(const char *line, size_t len, char *ret_model, size_t model_size, struct err *e) {
    struct keys k[] = {{"cassette", NULL}, {"compares", NULL}, {"model", NULL}, {"harness", NULL}};
    char harness[256];
    cJSON *root = take(line, len, k, sizeof k / sizeof k[0], e);
    if (!root) return err_ctx(e, "no cassette");
    int rc = 0;
    if (!whole(k[0].value, CASSETTE_VERSION, CASSETTE_VERSION))
        rc = err_set(e, ERR_USAGE, "a cassette of another version than %d", CASSETTE_VERSION);
    else if (!whole(k[1].value, NORMAL_RULES, NORMAL_RULES))
        rc = err_set(e, ERR_USAGE, "recorded when requests were compared by other rules: record it again");
    else if (!copy(k[2].value, ret_model, model_size) || !copy(k[3].value, harness, sizeof harness))
        rc = err_set(e, ERR_USAGE, "model and harness must be short strings");
    cJSON_Delete(root);
    return rc;
}

static bool is_sha256(const char *s) { return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64; }

static enum gw_path path_of(const cJSON *v) {
    const char *s = cJSON_GetStringValue(v);
    for (unsigned k = GW_PATH_CHAT; k <= GW_PATH_RESPONSES; k++)
        if (s && strcmp(s, gw_path_name(k)) == 0) return (enum gw_path)k;
    return GW_PATH_OTHER;
}

static bool is_content_type(const char *s) {
    return strcmp(s, "application/json") == 0 || strcmp(s, "text/event-stream") == 0;
}

static int read_chunks(const cJSON *list, struct cassette_pair *p, cassette_chunk_fn on_chunk, void *ctx,
                       struct err *e) {
    const cJSON *c;
    if (!cJSON_IsArray(list)) return err_set(e, ERR_USAGE, "chunks is not a list");
    cJSON_ArrayForEach(c, list) {
        const char *s = cJSON_GetStringValue(c);
        if (!s) return err_set(e, ERR_USAGE, "chunks holds something that is no string");
        if (++p->chunks > CASSETTE_CHUNKS_MAX) return err_set(e, ERR_LIMIT, "more than %d chunks", CASSETTE_CHUNKS_MAX);
        if (on_chunk && on_chunk(ctx, s, strlen(s), e) < 0) return -1;
    }
    return 0;
}

int cassette_read_pair(const char *line, size_t len, struct cassette_pair *ret, cassette_chunk_fn on_chunk, void *ctx,
                       struct err *e) {
    enum { N, PATH, SHA, REQUEST, STATUS, TYPE, COMPLETE, CHUNKS, KEYS };
    struct keys k[KEYS] = {{"n", NULL},      {"path", NULL},         {"request_sha256", NULL}, {"request", NULL},
                           {"status", NULL}, {"content_type", NULL}, {"complete", NULL},       {"chunks", NULL}};
    struct cassette_pair p = {.n = 0};
    cJSON *root = take(line, len, k, KEYS, e);
    if (!root) return -1;
    int rc = 0;
    p.path = path_of(k[PATH].value);
    if (!whole(k[N].value, 1, CASSETTE_PAIRS_MAX))
        rc = err_set(e, ERR_USAGE, "n is not a number from 1");
    else if (p.path == GW_PATH_OTHER)
        rc = err_set(e, ERR_USAGE, "path is none that is recorded");
    else if (!copy(k[SHA].value, p.sha256, sizeof p.sha256) || !is_sha256(p.sha256))
        rc = err_set(e, ERR_USAGE, "request_sha256 is not 64 hexadecimal digits");
    else if (!cJSON_IsString(k[REQUEST].value))
        rc = err_set(e, ERR_USAGE, "request is not a string");
    else if (!whole(k[STATUS].value, 200, 599))
        rc = err_set(e, ERR_USAGE, "status is not an HTTP status from 200");
    else if (!copy(k[TYPE].value, p.content_type, sizeof p.content_type) || !is_content_type(p.content_type))
        rc = err_set(e, ERR_USAGE, "content_type is none that is recorded");
    else if (!cJSON_IsBool(k[COMPLETE].value))
        rc = err_set(e, ERR_USAGE, "complete is not true or false");
    if (rc == 0) {
        p.n = (uint32_t)k[N].value->valuedouble;
        p.status = (unsigned)k[STATUS].value->valuedouble;
        p.complete = cJSON_IsTrue(k[COMPLETE].value);
        rc = read_chunks(k[CHUNKS].value, &p, on_chunk, ctx, e);
    }
    cJSON_Delete(root);
    if (rc == 0) *ret = p;
    return rc;
}
