/* json_write.c - writing side of json.h: bytes that need not be text, and puts that cannot half-fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

/* Length of the valid UTF-8 sequence at p (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF); 0 when invalid. */
static size_t utf8_sequence(const unsigned char *p, size_t n) {
    if (p[0] < 0x80) return 1;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < len) return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

bool json_is_utf8(const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    while (n > 0) {
        size_t len = utf8_sequence(p, n);
        if (len == 0) return false;
        p += len;
        n -= len;
    }
    return true;
}

static bool is_plain(const unsigned char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] < 0x20 || p[i] == 0x7f || p[i] == '"' || p[i] == '\\')
            return false; /* as git: a quote is always quoted */
    return json_is_utf8(p, n);
}

char *json_quote_path(const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    char *out = malloc(4 * n + 3);
    BUG_UNLESS(out != NULL);
    if (is_plain(p, n)) {
        memcpy(out, p, n);
        out[n] = '\0';
        return out;
    }
    size_t o = 0;
    out[o++] = '"';
    for (size_t i = 0; i < n; i++) {
        static const char named[] = "\a\b\t\n\v\f\r", letters[] = "abtnvfr";
        const char *at = p[i] ? strchr(named, p[i]) : NULL;
        if (at || p[i] == '"' || p[i] == '\\') {
            out[o++] = '\\';
            out[o++] = at ? letters[at - named] : (char)p[i];
        } else if (p[i] < 0x20 || p[i] >= 0x7f) {
            o += (size_t)snprintf(out + o, 5, "\\%03o", p[i]);
        } else {
            out[o++] = (char)p[i];
        }
    }
    out[o++] = '"';
    out[o] = '\0';
    return out;
}

cJSON *json_bytes(const void *p, size_t n) {
    char *s = json_quote_path(p, n);
    cJSON *j = cJSON_CreateString(s);
    free(s);
    BUG_UNLESS(j != NULL);
    return j;
}

cJSON *json_new_object(void) {
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    return o;
}

cJSON *json_new_array(void) {
    cJSON *a = cJSON_CreateArray();
    BUG_UNLESS(a != NULL);
    return a;
}

void json_put(cJSON *obj, const char *key, cJSON *value) {
    BUG_UNLESS(value != NULL && cJSON_AddItemToObject(obj, key, value));
}

/* Text as it is; only what is not UTF-8 needs quoting. */
static cJSON *text_json(const char *s) {
    return json_is_utf8(s, strlen(s)) ? cJSON_CreateString(s) : json_bytes(s, strlen(s));
}

void json_put_str(cJSON *obj, const char *key, const char *value) {
    json_put(obj, key, value ? text_json(value) : cJSON_CreateNull());
}

void json_put_int(cJSON *obj, const char *key, int64_t value) { json_put(obj, key, cJSON_CreateNumber((double)value)); }
void json_put_bool(cJSON *obj, const char *key, bool value) { json_put(obj, key, cJSON_CreateBool(value)); }

cJSON *json_strings(const char *const *v, size_t n) {
    cJSON *a = cJSON_CreateArray();
    BUG_UNLESS(a != NULL);
    for (size_t i = 0; i < n; i++) BUG_UNLESS(cJSON_AddItemToArray(a, text_json(v[i])));
    return a;
}

int64_t json_exact(const cJSON *n) {
    const double most = (double)JSON_EXACT_MAX;
    return cJSON_IsNumber(n) && n->valuedouble >= -most && n->valuedouble <= most ? (int64_t)n->valuedouble : 0;
}

uint64_t json_exact_count(const cJSON *n) {
    const int64_t v = json_exact(n);
    return v > 0 ? (uint64_t)v : 0;
}
