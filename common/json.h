/* json.h - strict reading on top of cJSON: every key is claimed once, every unclaimed key is an error, and each error says
 * file, line and key path. cJSON parses; this adds bounds (size, depth, duplicate keys) and places.
 *
 *     struct json_doc doc;
 *     if (json_parse(&doc, "case.json", text, len, e) < 0) return -1;
 *     struct json_obj o = json_root(&doc);
 *     char *id = json_str(&o, "id", JSON_REQUIRED, 64);
 *     int64_t n = json_int(&o, "timeout_s", 600, 1, 86400);      (optional: the default)
 *     if (json_end(&o) < 0 || doc.bad) -> error in doc.err
 *
 * The first error sticks in the document; later reads return defaults, so that a reader checks once at the end.
 */
#ifndef CTO_COMMON_JSON_H
#define CTO_COMMON_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define JSON_MAX_BYTES (1u << 20)
#define JSON_MAX_DEPTH 32
#define JSON_MAX_KEYS 64                  /* keys of one object */
#define JSON_EXACT_MAX (INT64_C(1) << 53) /* whole numbers up to here are read as they were written, by everybody */

struct json_doc {
    const char *file; /* for messages; not owned */
    char *text;       /* owned copy */
    size_t len;
    cJSON *root; /* owned */
    bool bad;
    struct err err; /* the first error */
};

struct json_obj {
    struct json_doc *doc;
    const cJSON *node;
    char path[256];                    /* "verification[0]" ; "" at the root */
    uint64_t claimed;                  /* bit per child in order */
    const char *absent[JSON_MAX_KEYS]; /* keys that were asked for and are not there; literals */
    int n_absent;
};

int json_parse(struct json_doc *doc, const char *file, const char *text, size_t len, struct err *e);
void json_release(struct json_doc *doc);
struct json_obj json_root(struct json_doc *doc);

enum json_need { JSON_OPTIONAL, JSON_REQUIRED };

/* Strings point into the document. max_len in bytes; NUL inside is refused. Missing optional: NULL. */
const char *json_str(struct json_obj *o, const char *key, enum json_need need, size_t max_len);
/* One of the NULL-terminated words; returns its index, or `dflt` when absent (dflt < 0: required). */
int json_enum(struct json_obj *o, const char *key, const char *const *words, int dflt);
/* Whole numbers in [lo, hi]; dflt when absent; JSON_INT_REQUIRED as dflt makes it required. */
#define JSON_INT_REQUIRED INT64_MIN
int64_t json_int(struct json_obj *o, const char *key, int64_t dflt, int64_t lo, int64_t hi);
bool json_bool(struct json_obj *o, const char *key, bool dflt);
bool json_has(const struct json_obj *o, const char *key);
/* An object child; ok=false (and o.node NULL) when absent and optional. */
bool json_child(struct json_obj *o, const char *key, enum json_need need, struct json_obj *ret);
/* Array child: number of elements, -1 when absent. Elements by json_elem_*. */
int json_array(struct json_obj *o, const char *key, enum json_need need, int max_elems, const cJSON **ret);
const char *json_elem_str(struct json_obj *o, const char *key, const cJSON *array, int i, size_t max_len);
bool json_elem_obj(struct json_obj *o, const char *key, const cJSON *array, int i, struct json_obj *ret);
/* Takes the child whatever it is, marks it claimed; NULL when absent. */
const cJSON *json_any(struct json_obj *o, const char *key);
/* Every key claimed? Otherwise the error names the first one that is not, and which absent key may have been meant. A required key
 * that is missing while a slip of it is there is this error, too. */
int json_end(struct json_obj *o);
/* A reader's own complaint about a key: "file:line: key: text". Sticks like the others. Returns -1. */
int json_fail(struct json_obj *o, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Writing: bytes that need not be UTF-8 (paths of hostile repositories, tool output) as a JSON string. Valid UTF-8 without
 * control bytes, quotes and backslashes stays as it is; anything else is written as git does: "a\377b" in C quotes, the quotes
 * included, so that no two different paths look the same. */
cJSON *json_bytes(const void *p, size_t n);
char *json_quote_path(const void *p, size_t n); /* the same as a C string, malloc'd */
bool json_is_utf8(const void *p, size_t n);
/* These make or add, and abort when memory is out: a half-written report must not exist. */
cJSON *json_new_object(void);
cJSON *json_new_array(void);
void json_put(cJSON *obj, const char *key, cJSON *value);
/* NULL: JSON null. Text that is not UTF-8 is quoted as json_bytes does; newlines and the like stay text. */
void json_put_str(cJSON *obj, const char *key, const char *value);
void json_put_int(cJSON *obj, const char *key, int64_t value);
void json_put_bool(cJSON *obj, const char *key, bool value);
/* Reading back what was written: a whole number within +-JSON_EXACT_MAX; 0 for all else, NULL too. json_exact_count: not below 0. */
int64_t json_exact(const cJSON *n);
uint64_t json_exact_count(const cJSON *n);
cJSON *json_strings(const char *const *v, size_t n); /* text, as json_put_str */

#endif
