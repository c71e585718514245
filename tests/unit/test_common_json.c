/* test_common_json.c - strict reading: each way to be wrong gives an error with file, line and key path; the first one sticks;
 * bounds of size, depth and number of keys; and where json_place finds things. */
#include <string.h>

#include "check.h"
#include "common/json.h"
#include "common/json_place.h"

typedef void (*read_fn)(struct json_obj *o);

/* Reads `text` with `fn` and json_end(); the error must be exactly `want` (NULL: there must be none). */
static void reads(const char *text, read_fn fn, const char *want) {
    struct json_doc doc;
    struct err e = ERR_INIT;
    const char *got = NULL;
    int rc = json_parse(&doc, "f.json", text, strlen(text), &e);
    if (rc == 0) {
        struct json_obj o = json_root(&doc);
        if (fn) fn(&o);
        rc = fn ? json_end(&o) : 0;
        CHECK((rc < 0) == doc.bad);
        if (doc.bad) got = doc.err.text;
        if (doc.bad) CHECK(doc.err.code == ERR_USAGE);
    } else {
        CHECK(e.code == ERR_USAGE && doc.root == NULL && doc.text == NULL);
        got = e.text;
    }
    if (!CHECK(want ? got && strcmp(got, want) == 0 : got == NULL))
        fprintf(stderr, "    %.60s\n    got  %s\n    want %s\n", text, got ? got : "no error",
                want ? want : "no error");
    json_release(&doc);
}

static void nothing(struct json_obj *o) { (void)o; }
static void str_a(struct json_obj *o) { json_str(o, "a", JSON_REQUIRED, 3); }
static void str_opt(struct json_obj *o) { CHECK(json_str(o, "a", JSON_OPTIONAL, 3) == NULL); }
static void int_a(struct json_obj *o) { json_int(o, "a", JSON_INT_REQUIRED, -5, 10); }
static void bool_a(struct json_obj *o) { json_bool(o, "a", true); }
static const char *const words[] = {"one", "two", NULL};
static void enum_a(struct json_obj *o) { json_enum(o, "a", words, -1); }
static void enum_opt(struct json_obj *o) { CHECK(json_enum(o, "a", words, 1) == 1); }

static void child_b_str(struct json_obj *o) {
    struct json_obj c;
    if (!json_child(o, "b", JSON_REQUIRED, &c)) return;
    json_str(&c, "a", JSON_REQUIRED, 3);
    json_end(&c);
}

static void list_of_str(struct json_obj *o) {
    const cJSON *a;
    int n = json_array(o, "v", JSON_REQUIRED, 2, &a);
    for (int i = 0; i < n; i++) json_elem_str(o, "v", a, i, 3);
}

static void list_of_obj(struct json_obj *o) {
    const cJSON *a;
    int n = json_array(o, "v", JSON_REQUIRED, 9, &a);
    for (int i = 0; i < n; i++) {
        struct json_obj c;
        if (!json_elem_obj(o, "v", a, i, &c)) return;
        child_b_str(&c);
        json_end(&c);
    }
}

static void own_word(struct json_obj *o) {
    json_any(o, "a");
    json_fail(o, "a", "no %s here", "cats");
    json_fail(o, "b", "not the first");
    json_fail(o, "", "at the object itself");
}
static void whole_object(struct json_obj *o) { json_fail(o, "", "wants more"); }

static void not_json(void) {
    reads("", NULL, "f.json:1: not valid JSON from here on");
    reads("{", NULL, "f.json:1: not valid JSON from here on");
    reads("{\n\"a\": 1,\n\"b\": tru\n}", NULL, "f.json:3: not valid JSON from here on");
    reads("{}\n\n x", NULL, "f.json:3: not valid JSON from here on");
    reads("{} {}", NULL, "f.json:1: not valid JSON from here on");
    reads("{\"a\": 1,}", NULL, "f.json:1: not valid JSON from here on");
    reads("// c\n{}", NULL, "f.json:1: not valid JSON from here on");
    reads("{'a': 1}", NULL, "f.json:1: not valid JSON from here on");
    reads("{\"a\": NaN}", NULL, "f.json:1: not valid JSON from here on");
    reads("{\"a\": \"\\x\"}", NULL, "f.json:1: not valid JSON from here on");
    reads("[]", NULL, "f.json:1: an object is expected");
    reads("\n\n\"x\"", NULL, "f.json:3: an object is expected");
    reads("\n{}\n", nothing, NULL);
    reads("{\"a\": \"\xff\"}", NULL, "f.json: not UTF-8");
    struct json_doc doc;
    struct err e = ERR_INIT;
    CHECK(json_parse(&doc, "f", "{}\0", 3, &e) == -1 && strcmp(e.text, "f: holds a NUL byte; not JSON") == 0);
    CHECK(json_parse(&doc, "f", "{} ", 2, &e) == 0); /* exactly the bytes given, no NUL needed */
    json_release(&doc);
    json_release(&doc);
}

static void twice_and_unknown(void) {
    reads("{\"a\": \"x\",\n\"a\": \"x\"}", str_a, "f.json:2: a: the key stands there twice");
    reads("{\"b\":{\n\"c\": {},\n \"c\": 1}}", nothing, "f.json:3: b.c: the key stands there twice");
    reads("{\"v\":[1,\n{\"x\":1,\n\"x\":2}]}", nothing, "f.json:3: v[1].x: the key stands there twice");
    reads("{\"\\u0061\": 1, \"a\": 1}", nothing, "f.json:1: a: the key stands there twice");
    reads("{\"a\": \"x\",\n\n\"zz\": 1}", str_a, "f.json:3: zz: unknown key");
    reads("{\"A\": \"x\",\n\"b\": \"y\"}", str_a,
          "f.json:1: A: unknown key (did you mean a?)");                      /* before: a is missing */
    reads("{\"A\": \"x\", \"a\": \"y\"}", str_a, "f.json:1: A: unknown key"); /* case counts */
    reads("{\"b\": {\"a\": \"x\",\n\"q\": 1}}", child_b_str, "f.json:2: b.q: unknown key");
    reads("{\"v\": [{\"b\": {\"a\": \"\"}},\n{\"b\": {\"a\": \"\",\n\"q\": []}}]}", list_of_obj,
          "f.json:3: v[1].b.q: unknown key");
}

static void wrong_types(void) {
    reads("{}", str_a, "f.json:1: a: is missing");
    reads("{\n\"a\": 1}", str_a, "f.json:2: a: a string is expected");
    reads("{\"a\": null}", str_a, "f.json:1: a: a string is expected");
    reads("{\"a\": \"abcd\"}", str_a, "f.json:1: a: longer than 3 bytes");
    reads("{\"a\": \"\xc3\xa4\xc3\xa4\"}", str_a, "f.json:1: a: longer than 3 bytes"); /* bytes, not letters */
    reads("{\"a\": \"abc\"}", str_a, NULL);
    reads("{}", str_opt, NULL);
    reads("{}", enum_a, "f.json:1: a: is missing");
    reads("{}", enum_opt, NULL);
    reads("{\"a\": \"two\"}", enum_a, NULL);
    reads("{\"a\": \"three\"}", enum_a, "f.json:1: a: \"three\" is not one of one, two");
    reads("{\"a\": 1}", enum_a, "f.json:1: a: a string is expected");
    reads("{\n\n\"a\": 1}", bool_a, "f.json:3: a: true or false is expected");
    reads("{\"a\": \"true\"}", bool_a, "f.json:1: a: true or false is expected");
    reads("{\"a\": false}", bool_a, NULL);
    reads("{}", child_b_str, "f.json:1: b: is missing");
    reads("{\"b\": []}", child_b_str, "f.json:1: b: an object is expected");
    reads("{\"b\": {\n}}", child_b_str, "f.json:1: b.a: is missing"); /* the line of the deepest part that exists */
    reads("{}", list_of_str, "f.json:1: v: is missing");
    reads("{\"v\": {}}", list_of_str, "f.json:1: v: an array is expected");
    reads("{\"v\": [\"a\",\n\"b\",\n\"c\"]}", list_of_str, "f.json:1: v: 3 entries, at most 2");
    reads("{\"v\": [\"a\",\n7]}", list_of_str, "f.json:2: v[1]: a string is expected");
    reads("{\"v\": [\"a\",\n\"long\"]}", list_of_str, "f.json:2: v[1]: longer than 3 bytes");
    reads("{\"v\": [{\"b\": {\"a\": \"\"}},\n3]}", list_of_obj, "f.json:2: v[1]: an object is expected");
    reads("{\"v\": [{\"b\":\n{\"a\":\n0}}]}", list_of_obj, "f.json:2: v[0].b.a: a string is expected");
    reads("{\n\"a\": 1}", own_word, "f.json:2: a: no cats here"); /* the first one sticks */
    reads("\n{}", whole_object, "f.json:2: wants more");
}

static void numbers(void) {
    reads("{}", int_a, "f.json:1: a: is missing");
    reads("{\"a\": -5}", int_a, NULL);
    reads("{\"a\": 10}", int_a, NULL);
    reads("{\"a\": 11}", int_a, "f.json:1: a: 11 is outside -5..10");
    reads("{\"a\": -6}", int_a, "f.json:1: a: -6 is outside -5..10");
    reads("{\"a\": 1.5}", int_a, "f.json:1: a: a whole number is expected");
    reads("{\"a\": \"1\"}", int_a, "f.json:1: a: a whole number is expected");
    reads("{\"a\": true}", int_a, "f.json:1: a: a whole number is expected");
    reads("{\"a\": 1e300}", int_a, "f.json:1: a: a whole number is expected");
    reads("{\"a\": 1e999}", int_a, "f.json:1: a: a whole number is expected");
    reads("{\"a\": -1e999}", int_a, "f.json:1: a: a whole number is expected");
    reads("{\"a\": 9223372036854775808}", int_a, "f.json:1: a: a whole number is expected");
}

/* A NUL that is written as an escape would cut the string behind the reader's back. */
static void escaped_nul(void) {
    reads("{\"a\": \"x\\u0000y\"}", str_a, "f.json: holds a NUL, written as \\u0000; leave it out");
    reads("{\"a\": \"\\u0000\"}", str_a, "f.json: holds a NUL, written as \\u0000; leave it out");
    reads("{\"a\\u0000b\": 1}", nothing, "f.json: holds a NUL, written as \\u0000; leave it out");
    reads("{\"a\": \"\\\\u0000\"}", str_a, "f.json:1: a: longer than 3 bytes"); /* a backslash and five letters */
    reads("{\"a\": \"\\u0001\"}", str_a, NULL);
}

static void put_nested(struct buf *b, int depth) {
    buf_reset(b);
    buf_puts(b, "{\"a\":");
    for (int i = 1; i < depth; i++) buf_puts(b, "[");
    buf_puts(b, "{}");
    for (int i = 1; i < depth; i++) buf_puts(b, "]");
    buf_puts(b, "}");
}

static void bounds(void) {
    AUTO_BUF struct buf b = BUF_INIT(2 << 20);
    struct json_doc doc;
    struct err e = ERR_INIT;
    put_nested(&b, JSON_MAX_DEPTH);
    CHECK(json_parse(&doc, "f", buf_str(&b), b.len, &e) == 0);
    json_release(&doc);
    put_nested(&b, JSON_MAX_DEPTH + 1);
    CHECK(json_parse(&doc, "f", buf_str(&b), b.len, &e) == -1 && strstr(e.text, "nested too deeply"));
    put_nested(&b, 100000);
    CHECK(json_parse(&doc, "f", buf_str(&b), b.len, &e) == -1);
    for (int keys = JSON_MAX_KEYS; keys <= JSON_MAX_KEYS + 1; keys++) {
        buf_reset(&b);
        for (int i = 0; i < keys; i++) buf_printf(&b, "%s\"k%d\": %d", i ? "," : "{", i, i);
        buf_puts(&b, "}");
        int rc = json_parse(&doc, "f", buf_str(&b), b.len, &e);
        CHECK(keys == JSON_MAX_KEYS ? rc == 0 : rc == -1 && strstr(e.text, "too many keys"));
        if (rc < 0) continue;
        struct json_obj o = json_root(&doc);
        for (int i = 0; i < keys; i++) { /* each of the bits */
            char key[16];
            CHECK(json_end(&o) == -1);
            doc.bad = false;
            snprintf(key, sizeof key, "k%d", keys - 1 - i);
            CHECK(json_int(&o, key, -1, 0, 100) == keys - 1 - i);
        }
        CHECK(json_end(&o) == 0);
        json_release(&doc);
    }
    buf_reset(&b);
    buf_printf(&b, "{\"a\": \"%*s\"}", (int)(JSON_MAX_BYTES - 9), "");
    CHECK(b.len == JSON_MAX_BYTES && json_parse(&doc, "f", buf_str(&b), b.len, &e) == 0);
    json_release(&doc);
    buf_puts(&b, " ");
    CHECK(json_parse(&doc, "f", buf_str(&b), b.len, &e) == -1 && strstr(e.text, "larger than 1048576 bytes"));
}

static void values(void) {
    static const char text[] = "{\"s\": \"\\u00e4\\n\", \"i\": -7, \"e\": \"two\", \"t\": true, \"o\": {\"x\": 1}, "
                               "\"v\": [\"p\", \"q\"], \"any\": null}";
    struct json_doc doc;
    struct json_obj o, sub;
    const cJSON *a;
    NEED(json_parse(&doc, "f", text, sizeof text - 1, NULL) == 0);
    o = json_root(&doc);
    CHECK(strcmp(json_str(&o, "s", JSON_REQUIRED, 3), "\xc3\xa4\n") == 0);
    CHECK(json_int(&o, "i", JSON_INT_REQUIRED, -10, 10) == -7 && json_int(&o, "absent", 42, 0, 1) == 42);
    CHECK(json_enum(&o, "e", words, -1) == 1 && json_bool(&o, "t", false) && json_bool(&o, "absent", true));
    CHECK(json_has(&o, "o") && !json_has(&o, "O") && json_child(&o, "o", JSON_OPTIONAL, &sub));
    CHECK(json_int(&sub, "x", 0, 0, 9) == 1 && json_end(&sub) == 0 && strcmp(sub.path, "o") == 0);
    CHECK(!json_child(&o, "absent", JSON_OPTIONAL, &sub) && sub.node == NULL && !json_has(&sub, "x") &&
          json_end(&sub) == 0);
    CHECK(json_array(&o, "v", JSON_REQUIRED, 2, &a) == 2 && strcmp(json_elem_str(&o, "v", a, 1, 1), "q") == 0);
    CHECK(json_array(&o, "absent", JSON_OPTIONAL, 2, &a) == -1 && a == NULL);
    CHECK(json_end(&o) == -1 && strstr(doc.err.text, "any: unknown key"));
    json_release(&doc);
}

static void places(void) {
    static const char text[] =
        "{\n \"a\": {\"b\": [1,\n  [2,\n   {\"c\": \"}]\\\"{\",\n    \"d\": 4}]],\n  \"a\": 5},\n \"z\": 6\n}\n";
    static const struct {
        const char *path;
        int line;
    } t[] = {{"", 1},
             {"a", 2},
             {"a.b", 2},
             {"a.b[0]", 2},
             {"a.b[1]", 3},
             {"a.b[1][1]", 4},
             {"a.b[1][1].c", 4},
             {"a.b[1][1].d", 5},
             {"a.b[1][1].none", 4},
             {"a.a", 6},
             {"z", 7},
             {"none", 1},
             {"a.b[9]", 2},
             {"a[0]", 2},
             {"z.x", 7},
             {"a.b[1][", 3},
             {"[", 1},
             {".", 1},
             {"a..b", 2}};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        if (!CHECK(json_place_line(text, sizeof text - 1, t[i].path) == t[i].line))
            fprintf(stderr, "    %s: line %d\n", t[i].path, json_place_line(text, sizeof text - 1, t[i].path));
    CHECK(json_place_line("{\"a\":1,\n\"a\":2}", 14, "a") == 2); /* of a double key, the last */
    for (size_t n = 0; n < sizeof text; n++) {                   /* never beyond the end, also of text that is cut */
        char *cut = malloc(n + 1);
        NEED(cut != NULL);
        memcpy(cut, text, n);
        for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) CHECK(json_place_line(cut, n, t[i].path) >= 1);
        free(cut);
    }
}

int main(void) {
    not_json();
    twice_and_unknown();
    wrong_types();
    numbers();
    escaped_nul();
    bounds();
    values();
    places();
    return check_done();
}
