/* test_gw_body.c - the scanner of JSON, and what an agent's request says by it. Each text is fed whole and in every two pieces. */
#include <string.h>

#include "check.h"
#include "common/json.h"
#include "worker/gateway/body.h"

/* --- the scanner -------------------------------------------------------------------------------------------------- */
static bool accepts(const char *text, size_t n, size_t split) {
    struct jscan s;
    jscan_init(&s, NULL, NULL);
    return jscan_feed(&s, text, split) == 0 && jscan_feed(&s, text + split, n - split) == 0 && jscan_end(&s);
}

static void all_ways(const char *text, bool want) {
    const size_t n = strlen(text);
    for (size_t i = 0; i <= n; i++)
        if (!CHECK(accepts(text, n, i) == want)) fprintf(stderr, "  %s at %zu\n", text, i);
    if (want) { /* what is accepted here, cJSON reads */
        cJSON *o = cJSON_ParseWithOpts(text, NULL, true);
        CHECK(o != NULL);
        cJSON_Delete(o);
    }
}

static void test_grammar(void) {
    static const char *const good[] = {"{}",
                                       "[]",
                                       " [ ] ",
                                       "1",
                                       "-0",
                                       "0.5",
                                       "1e5",
                                       "-12.5E+10",
                                       "\"\"",
                                       "\"a\\n\\u00e4\\\"\\\\\\/\"",
                                       "true",
                                       "false",
                                       "null",
                                       "[1,2]",
                                       "{\"a\":1,\"b\":[{}]}",
                                       "{\"a\" : {\"b\":\n[null]}}",
                                       "[[[[]]],[]]",
                                       "\"\xc3\xa4\"",
                                       "\"\\ud83d\\ude00\""};
    static const char *const bad[] = {"",        " ",        "{",          "[",
                                      "}",       "[,]",      "[1,]",       "{,}",
                                      "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",
                                      "01",      "-",        "1.",         ".5",
                                      "1e",      "1e+",      "+1",         "0x1",
                                      "tru",     "True",     "nul",        "nulll",
                                      "\"",      "\"\\x\"",  "\"\\u12\"",  "\"\\u12g4\"",
                                      "\"\n\"",  "\"\nn\"",  "\"\x01\"",   "[1 2]",
                                      "1 2",     "{}{}",     "[}",         "{]",
                                      "[1}",     "'a'",      "//",         "{\"a\" 1}",
                                      "--1",     "1-",       "\"a\"\"b\"", "{\"a\":1 \"b\":2}",
                                      "{1:2}"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) all_ways(good[i], true);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) all_ways(bad[i], false);
    char deep[2 * JSCAN_DEPTH + 1];
    for (size_t depth = JSCAN_DEPTH - 1; depth <= JSCAN_DEPTH; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        CHECK(accepts(deep, 2 * depth, 7) == (depth < JSCAN_DEPTH));
    }
}

struct told {
    char text[2048];
};
static void tell(void *ctx, const struct jscan *s, const struct jscan_value *v) {
    struct told *t = ctx;
    const size_t n = strlen(t->text);
    char path[256] = "";
    for (unsigned i = 1; i <= s->depth && i <= JSCAN_KEYS; i++)
        snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", s->key[i]);
    snprintf(t->text + n, sizeof t->text - n, "%s=%d:%s%s@%zu-%zu;", path, (int)v->kind, v->text, v->cut ? "!" : "",
             v->start, v->end);
}

static void tells(const char *text, const char *want) {
    for (size_t split = 0; split <= strlen(text); split++) {
        struct jscan s;
        struct told t = {""};
        jscan_init(&s, tell, &t);
        CHECK(jscan_feed(&s, text, split) == 0 && jscan_feed(&s, text + split, strlen(text) - split) == 0 &&
              jscan_end(&s));
        if (!CHECK(strcmp(t.text, want) == 0)) fprintf(stderr, "  %s\n  gives %s\n  not   %s\n", text, t.text, want);
    }
}

static void test_values(void) {
    tells("{\"a\":1,\"\\u0062\":\"x\\u00e4\"}", "/a=1:1@5-6;/b=0:x\xc3\xa4@16-25;=5:@0-26;");
    tells("[true,[null],{\"k\":false}]", "/[]=2:@1-5;/[]/[]=4:@7-11;/[]=6:@6-12;/[]/k=3:@18-23;/[]=5:@13-24;=6:@0-25;");
    tells("\"\\ud83d\\ude00\"", "=0:\xf0\x9f\x98\x80@0-14;");
    tells("\"\\ud83dx\"", "=0:?x!@0-9;");
    tells("\"\\ud83d\\u0041\"", "=0:?A!@0-14;");
    tells("\"a\\u0000b\"", "=0:a?b!@0-10;");
    tells("-12.5e3", "=1:-12.5e3@0-7;");
}

/* --- requests ----------------------------------------------------------------------------------------------------- */
static enum body_verdict judge(const char *text, size_t split, struct body *b) {
    body_init(b, "m-1");
    body_feed(b, text, split);
    body_feed(b, text + split, strlen(text) - split);
    return body_end(b);
}

static void says(const char *text, enum body_verdict want) {
    struct body b;
    for (size_t i = 0; i <= strlen(text); i++)
        if (!CHECK(judge(text, i, &b) == want)) fprintf(stderr, "  %s\n", text);
}

static void test_model(void) {
    says("{\"model\":\"m-1\"}", BODY_FINE);
    says("{\"x\":{\"model\":\"other\"},\"y\":[{\"model\":\"other\"}],\"model\":\"m-1\"}", BODY_FINE);
    says("{\"mo\\u0064el\":\"m\\u002d1\"}", BODY_FINE);
    says("{\"model\":\"m-1 \"}", BODY_OTHER_MODEL);
    says("{\"model\":\"m-1\\u0000\"}", BODY_OTHER_MODEL);
    says("{\"model\":\"m-10\"}", BODY_OTHER_MODEL);
    says("{\"model\":\"m-\"}", BODY_OTHER_MODEL);
    says("{\"model\":\"\"}", BODY_OTHER_MODEL);
    says("{}", BODY_NO_MODEL);
    says("{\"model\":1}", BODY_NO_MODEL);
    says("{\"model\":{\"id\":\"m-1\"}}", BODY_NO_MODEL);
    says("{\"Model\":\"m-1\"}", BODY_NO_MODEL);
    says("{\"model\":\"m-1\",\"MODEL\":\"m-1\"}", BODY_TWO_MODELS);
    says("{\"model\":\"m-1\",\"model\":\"m-1\"}", BODY_TWO_MODELS);
    says("{\"model\":\"x\",\"model\":\"m-1\"}", BODY_TWO_MODELS);
    says("[{\"model\":\"m-1\"}]", BODY_MALFORMED);
    says("{\"model\":\"m-1\"} x", BODY_MALFORMED);
    says("{\"model\":\"m-1\",\"stream\":1}", BODY_AMBIGUOUS);
    says("{\"model\":\"m-1\",\"stream\":true,\"Stream\":false}", BODY_AMBIGUOUS);
    says("{\"model\":\"m-1\",\"stream_options\":[]}", BODY_AMBIGUOUS);
    says("{\"model\":\"m-1\",\"stream\":null,\"stream_options\":null}", BODY_FINE);
}

static void becomes(const char *text, const char *want) {
    struct body b;
    AUTO_BUF struct buf t = BUF_INIT(strlen(text)); /* not one byte more than the agent may send */
    buf_puts(&t, text);
    CHECK(judge(text, strlen(text), &b) == BODY_FINE && b.stream && !b.include_usage);
    body_ask_for_usage(&b, &t);
    if (!CHECK(!t.bad && strcmp(buf_str(&t), want) == 0)) fprintf(stderr, "  %s\n", buf_str(&t));
    CHECK(judge(buf_str(&t), 0, &b) == BODY_FINE && b.stream && b.include_usage);
}

/* To us it does not ask, or not surely; to some server it does. */
static void test_usage_twice(void) {
    static const char want[] = "{\"model\":\"m-1\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}";
    becomes("{\"model\":\"m-1\",\"stream\":true,\"stream_options\":{\"include_usage\":false,\"include_usage\":true}}",
            want);
    becomes("{\"model\":\"m-1\",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"Include_Usage\":false}}",
            want);
    becomes(
        "{\"model\":\"m-1\",\"stream\":true,\"stream_options\":{\"include_u\\u017fage\":false,\"include_usage\":true}}",
        want);
    says("{\"model\":\"m-1\",\"\\u017ftream\":true}", BODY_AMBIGUOUS);
    says("{\"model\":\"m-1\",\"\xc5\xbftream_option\xc5\xbf\":{}}", BODY_AMBIGUOUS);
    says("{\"model\":\"m-1\",\"model\\u0000\":\"m-2\"}", BODY_AMBIGUOUS);
    says("{\"model\":\"m-1\",\"stream\\u0000x\":true}", BODY_AMBIGUOUS);
    says("{\"model\":\"m-1\",\"a key that is longer than what is kept of one\":true}", BODY_FINE);
}

static void test_usage(void) {
    becomes(" {\"model\":\"m-1\",\"stream\":true}",
            " {\"stream_options\":{\"include_usage\":true},\"model\":\"m-1\",\"stream\":true}");
    becomes("{\"stream_options\": {\"include_usage\": false, \"a\": [1]} ,\"model\":\"m-1\",\"stream\":true}",
            "{\"stream_options\": {\"include_usage\":true} ,\"model\":\"m-1\",\"stream\":true}");
    becomes("{\"model\":\"m-1\",\"stream\":true,\"stream_options\":null}",
            "{\"model\":\"m-1\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    becomes("{\"model\":\"m-1\",\"stream\":true,\"stream_options\":{}}",
            "{\"model\":\"m-1\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
}

int main(void) {
    test_grammar();
    test_values();
    test_model();
    test_usage();
    test_usage_twice();
    return check_done();
}
