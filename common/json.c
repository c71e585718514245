/* json.c - see json.h. cJSON parses; the checks it lacks (size, depth, duplicate keys, unclaimed keys) stand here, and so do
 * the places: cJSON keeps no positions, so a line is found afterwards by walking the text, which cJSON has already accepted,
 * along the path of keys. That walk runs only when there is an error to explain. */
#include "common/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json_place.h"

static int stick(struct json_doc *d, const char *path, const char *key, const char *text) {
    char full[320];
    if (d->bad) return -1;
    d->bad = true;
    snprintf(full, sizeof full, "%s%s%s", path, path[0] && key && key[0] && key[0] != '[' ? "." : "", key ? key : "");
    int line = json_place_line(d->text, d->len, full);
    if (full[0])
        err_set(&d->err, ERR_USAGE, "%s:%d: %s: %s", d->file, line, full, text);
    else
        err_set(&d->err, ERR_USAGE, "%s:%d: %s", d->file, line, text);
    return -1;
}

int json_fail(struct json_obj *o, const char *key, const char *fmt, ...) {
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return stick(o->doc, o->path, key, text);
}

static const char *find_duplicate(const cJSON *obj) {
    for (const cJSON *a = obj->child; a; a = a->next)
        for (const cJSON *b = a->next; b; b = b->next)
            if (strcmp(a->string, b->string) == 0) return b->string;
    return NULL;
}

/* Depth, key counts and duplicates of the whole tree; depth is bounded, so recursion is. */
static int check_tree(struct json_doc *d, const cJSON *node, const char *path, int depth) {
    if (depth > JSON_MAX_DEPTH) return stick(d, path, NULL, "nested too deeply");
    if (cJSON_IsObject(node)) {
        int keys = cJSON_GetArraySize(node);
        if (keys > JSON_MAX_KEYS) return stick(d, path, NULL, "too many keys");
        const char *twice = find_duplicate(node);
        if (twice) return stick(d, path, twice, "the key stands there twice");
    }
    int i = 0;
    for (const cJSON *c = node->child; c; c = c->next, i++) {
        char sub[256];
        if (!cJSON_IsObject(c) && !cJSON_IsArray(c)) continue;
        if (cJSON_IsObject(node))
            snprintf(sub, sizeof sub, "%s%s%s", path, path[0] ? "." : "", c->string);
        else
            snprintf(sub, sizeof sub, "%s[%d]", path, i);
        if (check_tree(d, c, sub, depth + 1) < 0) return -1;
    }
    return 0;
}

/* A NUL written as an escape: cJSON would take it, and every reader of a C string would see less than what stands there. */
static bool has_escaped_nul(const char *text, size_t len) {
    for (size_t i = 0; i + 6 <= len; i++) {
        if (text[i] != '\\') continue;
        if (memcmp(text + i + 1, "u0000", 5) == 0) return true;
        i++;
    }
    return false;
}

int json_parse(struct json_doc *doc, const char *file, const char *text, size_t len, struct err *e) {
    *doc = (struct json_doc){.file = file, .len = len};
    if (len > JSON_MAX_BYTES) return err_set(e, ERR_USAGE, "%s: larger than %u bytes", file, JSON_MAX_BYTES);
    if (memchr(text, 0, len)) return err_set(e, ERR_USAGE, "%s: holds a NUL byte; not JSON", file);
    if (has_escaped_nul(text, len))
        return err_set(e, ERR_USAGE, "%s: holds a NUL, written as \\u0000; leave it out", file);
    if (!json_is_utf8(text, len)) return err_set(e, ERR_USAGE, "%s: not UTF-8", file);
    doc->text = malloc(len + 1);
    if (!doc->text) return err_set(e, ERR_SYS, "%s: out of memory", file);
    memcpy(doc->text, text, len);
    doc->text[len] = '\0';
    const char *end = NULL;
    doc->root = cJSON_ParseWithLengthOpts(doc->text, len + 1, &end, 1);
    if (!doc->root) {
        size_t at = end ? (size_t)(end - doc->text) : 0;
        int line = 1;
        for (size_t i = 0; i < at && i < len; i++) line += doc->text[i] == '\n';
        err_set(e, ERR_USAGE, "%s:%d: not valid JSON from here on", file, line);
        json_release(doc);
        return -1;
    }
    if (!cJSON_IsObject(doc->root)) stick(doc, "", NULL, "an object is expected");
    if (!doc->bad) check_tree(doc, doc->root, "", 0);
    if (doc->bad) {
        if (e) *e = doc->err;
        json_release(doc);
        return -1;
    }
    return 0;
}

void json_release(struct json_doc *doc) {
    cJSON_Delete(doc->root);
    free(doc->text);
    doc->root = NULL;
    doc->text = NULL;
}

struct json_obj json_root(struct json_doc *doc) {
    return (struct json_obj){.doc = doc, .node = doc->root};
}

/* Finds and claims a key. */
static const cJSON *claim(struct json_obj *o, const char *key) {
    unsigned i = 0;
    if (!o->node) return NULL;
    for (const cJSON *c = o->node->child; c; c = c->next, i++)
        if (strcmp(c->string, key) == 0) {
            o->claimed |= UINT64_C(1) << i;
            return c;
        }
    if (o->n_absent < JSON_MAX_KEYS) o->absent[o->n_absent++] = key;
    return NULL;
}

/* One letter too many, too few or changed, two swapped, or the same letters in another case. */
static bool is_slip(const char *typed, const char *key) {
    if (strcasecmp(typed, key) == 0) return true;
    size_t n = strlen(typed), m = strlen(key), head = 0, tail = 0;
    if (n < 3 || m < 3 || n > m + 1 || m > n + 1) return false;
    while (head < n && head < m && typed[head] == key[head]) head++;
    while (tail < n - head && tail < m - head && typed[n - 1 - tail] == key[m - 1 - tail]) tail++;
    size_t a = n - head - tail, b = m - head - tail;
    return (a <= 1 && b <= 1) || (a == 2 && b == 2 && typed[head] == key[head + 1] && typed[head + 1] == key[head]);
}

/* A key that nobody has asked for and that is a slip of this one; NULL: none. */
static const char *slip_of(const struct json_obj *o, const char *key) {
    unsigned i = 0;
    for (const cJSON *c = o->node ? o->node->child : NULL; c; c = c->next, i++)
        if (!(o->claimed >> i & 1) && is_slip(c->string, key)) return c->string;
    return NULL;
}

static int unknown_key(struct json_obj *o, const char *key) {
    for (int i = 0; i < o->n_absent; i++)
        if (is_slip(key, o->absent[i])) return json_fail(o, key, "unknown key (did you mean %s?)", o->absent[i]);
    return json_fail(o, key, "unknown key");
}

static const cJSON *claim_needed(struct json_obj *o, const char *key, enum json_need need) {
    const cJSON *c = claim(o, key);
    const char *slip = c || need != JSON_REQUIRED ? NULL : slip_of(o, key);
    if (slip)
        unknown_key(o, slip);
    else if (!c && need == JSON_REQUIRED)
        json_fail(o, key, "is missing");
    return c;
}

static const char *check_string(struct json_obj *o, const char *key, const cJSON *c, size_t max_len) {
    if (!cJSON_IsString(c)) {
        json_fail(o, key, "a string is expected");
        return NULL;
    }
    if (strlen(c->valuestring) > max_len) {
        json_fail(o, key, "longer than %zu bytes", max_len);
        return NULL;
    }
    return c->valuestring;
}

const char *json_str(struct json_obj *o, const char *key, enum json_need need, size_t max_len) {
    const cJSON *c = claim_needed(o, key, need);
    return c ? check_string(o, key, c, max_len) : NULL;
}

int json_enum(struct json_obj *o, const char *key, const char *const *words, int dflt) {
    const cJSON *c = claim_needed(o, key, dflt < 0 ? JSON_REQUIRED : JSON_OPTIONAL);
    const char *s = c ? check_string(o, key, c, 256) : NULL;
    if (!s) return dflt < 0 ? 0 : dflt;
    char list[256] = "";
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], s) == 0) return i;
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", words[i]);
    }
    json_fail(o, key, "\"%s\" is not one of %s", s, list);
    return dflt < 0 ? 0 : dflt;
}

int64_t json_int(struct json_obj *o, const char *key, int64_t dflt, int64_t lo, int64_t hi) {
    const cJSON *c = claim_needed(o, key, dflt == JSON_INT_REQUIRED ? JSON_REQUIRED : JSON_OPTIONAL);
    if (!c) return dflt == JSON_INT_REQUIRED ? lo : dflt;
    double v = c->valuedouble;
    if (!cJSON_IsNumber(c) || v > 9007199254740992.0 || v < -9007199254740992.0 || v != (double)(int64_t)v)
        json_fail(o, key, "a whole number is expected");
    else if (v < (double)lo || v > (double)hi)
        json_fail(o, key, "%.0f is outside %lld..%lld", v, (long long)lo, (long long)hi);
    else
        return (int64_t)v;
    return lo;
}

bool json_bool(struct json_obj *o, const char *key, bool dflt) {
    const cJSON *c = claim(o, key);
    if (!c) return dflt;
    if (!cJSON_IsBool(c)) json_fail(o, key, "true or false is expected");
    return cJSON_IsTrue(c);
}

bool json_has(const struct json_obj *o, const char *key) {
    return o->node && cJSON_GetObjectItemCaseSensitive(o->node, key) != NULL;
}

static struct json_obj enter(struct json_obj *o, const char *key, const cJSON *c) {
    struct json_obj sub = {.doc = o->doc, .node = c};
    int n = snprintf(sub.path, sizeof sub.path, "%s%s%s", o->path, o->path[0] ? "." : "", key);
    if (n < 0 || n >= (int)sizeof sub.path) sub.path[0] = '\0'; /* only the place in a message suffers */
    return sub;
}

bool json_child(struct json_obj *o, const char *key, enum json_need need, struct json_obj *ret) {
    const cJSON *c = claim_needed(o, key, need);
    *ret = (struct json_obj){.doc = o->doc};
    if (!c) return false;
    if (!cJSON_IsObject(c)) {
        json_fail(o, key, "an object is expected");
        return false;
    }
    *ret = enter(o, key, c);
    return true;
}

int json_array(struct json_obj *o, const char *key, enum json_need need, int max_elems, const cJSON **ret) {
    const cJSON *c = claim_needed(o, key, need);
    *ret = NULL;
    if (!c) return -1;
    if (!cJSON_IsArray(c)) {
        json_fail(o, key, "an array is expected");
        return -1;
    }
    int n = cJSON_GetArraySize(c);
    if (n > max_elems) {
        json_fail(o, key, "%d entries, at most %d", n, max_elems);
        return -1;
    }
    *ret = c;
    return n;
}

const char *json_elem_str(struct json_obj *o, const char *key, const cJSON *array, int i, size_t max_len) {
    char name[96];
    snprintf(name, sizeof name, "%s[%d]", key, i);
    const cJSON *c = cJSON_GetArrayItem(array, i);
    return c ? check_string(o, name, c, max_len) : NULL;
}

bool json_elem_obj(struct json_obj *o, const char *key, const cJSON *array, int i, struct json_obj *ret) {
    char name[96];
    snprintf(name, sizeof name, "%s[%d]", key, i);
    const cJSON *c = cJSON_GetArrayItem(array, i);
    *ret = (struct json_obj){.doc = o->doc};
    if (!cJSON_IsObject(c)) {
        json_fail(o, name, "an object is expected");
        return false;
    }
    *ret = enter(o, name, c);
    return true;
}

const cJSON *json_any(struct json_obj *o, const char *key) { return claim(o, key); }

int json_end(struct json_obj *o) {
    unsigned i = 0;
    if (o->doc->bad || !o->node) return o->doc->bad ? -1 : 0;
    for (const cJSON *c = o->node->child; c; c = c->next, i++)
        if (!(o->claimed >> i & 1)) return unknown_key(o, c->string);
    return 0;
}
