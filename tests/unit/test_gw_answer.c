/* test_gw_answer.c - what answers say of themselves, fed whole, in all pairs of pieces, and byte by byte; a probe's judgement. */
#include <string.h>

#include "check.h"
#include "worker/gateway/answer.h"
#include "worker/gateway/probe.h"

struct want {
    enum answer_verdict feed, end;
    const char *model;
    uint64_t in, out;
};

static void feed_all(const char *text, bool stream, size_t first, size_t step, const struct want *w) {
    struct answer a;
    enum answer_verdict v = ANSWER_FINE;
    const size_t n = strlen(text);
    answer_init(&a, GW_API_CHAT, stream, "m-1");
    for (size_t at = 0; at < n && v == ANSWER_FINE;) {
        size_t size = at == 0 && first > 0 ? first : step;
        if (size > n - at) size = n - at;
        v = answer_feed(&a, text + at, size);
        at += size;
    }
    const bool good = CHECK(v == w->feed) & CHECK(v != ANSWER_FINE || answer_end(&a) == w->end) &
                      CHECK(strcmp(a.model, w->model) == 0) & CHECK(a.tokens_in == w->in && a.tokens_out == w->out);
    if (!good)
        fprintf(stderr, "  %s: %d %s %u %u\n", text, (int)v, a.model, (unsigned)a.tokens_in, (unsigned)a.tokens_out);
}

static void gives(const char *text, bool stream, struct want w) {
    for (size_t first = 0; first <= strlen(text); first++) feed_all(text, stream, first, strlen(text), &w);
    feed_all(text, stream, 1, 1, &w);
}

#define JSON(text, ...) gives(text, false, (struct want){__VA_ARGS__})
#define SSE(text, ...) gives(text, true, (struct want){__VA_ARGS__})

static void test_json(void) {
    JSON("{\"model\":\"m-1\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}", ANSWER_FINE, ANSWER_FINE, "m-1",
         3, 4);
    JSON("{\"usage\":{\"input_tokens\":3,\"output_tokens\":4,\"output_tokens_details\":{\"output_tokens\":99}},"
         "\"model\":\"m-1\"}",
         ANSWER_FINE, ANSWER_FINE, "m-1", 3, 4);
    JSON("{\"usage\":{\"prompt_tokens\":-3,\"completion_tokens\":1.5}}", ANSWER_FINE, ANSWER_NO_MODEL, "", 0, 0);
    JSON("{\"usage\":{\"prompt_tokens\":1e3,\"completion_tokens\":99999999999999999999}}", ANSWER_FINE, ANSWER_NO_MODEL,
         "", 0, 0);
    JSON("{\"x\":{\"model\":\"other\"},\"choices\":[{\"model\":\"other\"}]}", ANSWER_FINE, ANSWER_NO_MODEL, "", 0, 0);
    JSON("{\"model\":null}", ANSWER_FINE, ANSWER_NO_MODEL, "", 0, 0);
    JSON("{\"error\":{\"message\":\"x\"}}", ANSWER_FINE, ANSWER_FINE, "", 0, 0);
    JSON("{\"error\":null,\"model\":null}", ANSWER_FINE, ANSWER_NO_MODEL, "", 0, 0);
    JSON("[]", ANSWER_FINE, ANSWER_GARBAGE, "", 0, 0);
    JSON("{\"model\":\"m-1\"", ANSWER_FINE, ANSWER_GARBAGE, "m-1", 0, 0);
    JSON("hello", ANSWER_GARBAGE, ANSWER_GARBAGE, "", 0, 0);
}

static void test_wrong(void) {
    static const char *const bodies[] = {"{\"model\":\"m-2\"}",
                                         "{\"model\":\"m-1\\u0000\"}",
                                         "{\"response\":{\"model\":\"m-2\"}}",
                                         "{\"\\u006dodel\":\"m-2\"}",
                                         "{\"model\":\"m-1\",\"model\":\"m-2\"}",
                                         "{\"model\":7}",
                                         "{\"model\":\"\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct answer a;
        answer_init(&a, GW_API_RESPONSES, false, "m-1");
        const enum answer_verdict v = answer_feed(&a, bodies[i], strlen(bodies[i]));
        CHECK(v == ANSWER_WRONG_MODEL && answer_end(&a) == ANSWER_WRONG_MODEL);
    }
    SSE("data: {\"model\":\"m-2\"}\n\ndata: {\"model\":\"m-1\"}\n\n", ANSWER_WRONG_MODEL, ANSWER_FINE, "m-2", 0, 0);
    SSE("data:{\"model\":\"m-2\"}\r\n\r\n", ANSWER_WRONG_MODEL, ANSWER_FINE, "m-2", 0, 0);
    SSE("data: {\"model\":\ndata: \"m-2\"}\n\n", ANSWER_WRONG_MODEL, ANSWER_FINE, "m-2", 0, 0);
}

#define DELTA "data: {\"model\":\"m-1\",\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n"
static void test_stream(void) {
    SSE(DELTA "data: [DONE]\n\n", ANSWER_FINE, ANSWER_FINE, "m-1", 0, 0);
    SSE(DELTA "data: [DONE]\n", ANSWER_FINE, ANSWER_FINE, "m-1", 0, 0);
    SSE(DELTA "data:[DONE] \r\n\r\n", ANSWER_FINE, ANSWER_FINE, "m-1", 0, 0);
    SSE(DELTA
        "data: "
        "{\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n",
        ANSWER_FINE, ANSWER_FINE, "m-1", 9, 2);
    SSE("event: response.completed\rdata: "
        "{\"type\":\"response.completed\",\"response\":{\"model\":\"m-1\",\"usage\":{\"input_tokens\":5,\"output_"
        "tokens\":6}}}\r\r",
        ANSWER_FINE, ANSWER_FINE, "m-1", 5, 6);
    SSE("data: {\"error\":{\"message\":\"x\"}}\n\n", ANSWER_FINE, ANSWER_FINE, "", 0, 0);
    SSE(": a\n\ndata\ndata: {\"type\":\"error\"}\n\n", ANSWER_FINE, ANSWER_FINE, "", 0, 0);
    SSE("data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", ANSWER_FINE, ANSWER_NO_MODEL, "", 0,
        0);
    SSE("data: {\"model\":null,\"type\":\"response.completed\"}\n\n", ANSWER_FINE, ANSWER_NO_MODEL, "", 0, 0);
    SSE(DELTA, ANSWER_FINE, ANSWER_BROKEN, "m-1", 0, 0);
    SSE(DELTA ": [DONE]\n\nxdata: [DONE]\n\n", ANSWER_FINE, ANSWER_BROKEN, "m-1", 0, 0);
    SSE("", ANSWER_FINE, ANSWER_GARBAGE, "", 0, 0);
    SSE(": only\n\nid: 1\n\n", ANSWER_FINE, ANSWER_GARBAGE, "", 0, 0);
    SSE("data: [DONE\n\n", ANSWER_GARBAGE, ANSWER_FINE, "", 0, 0);
    SSE("data: [DONE]x\n\n", ANSWER_GARBAGE, ANSWER_FINE, "", 0, 0);
    SSE("data: []\n\n", ANSWER_GARBAGE, ANSWER_FINE, "", 0, 0);
    SSE("data: {\"a\":1} {\n\n", ANSWER_GARBAGE, ANSWER_FINE, "", 0, 0);
    SSE("data: hello\n\n", ANSWER_GARBAGE, ANSWER_FINE, "", 0, 0);
    SSE("<html>\n\n", ANSWER_FINE, ANSWER_GARBAGE, "", 0, 0);
}

static enum gw_outcome judged(enum gw_api api, const char *text) { return probe_judge(api, text, strlen(text)); }

static void test_probe(void) {
    CHECK(judged(GW_API_CHAT, "{\"choices\":[{\"message\":{\"content\":\"ok\"}}]}") == GW_OK);
    CHECK(judged(GW_API_CHAT, "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"ok\"}]}}]}") ==
          GW_OK);
    CHECK(judged(GW_API_CHAT, "{\"choices\":[{\"message\":{\"content\":\" \\n\",\"reasoning_content\":\"hm\"}}]}") ==
          GW_REASONING_ONLY);
    CHECK(judged(GW_API_CHAT, "{\"choices\":[{\"message\":{\"reasoning\":\"hm\"}}]}") == GW_REASONING_ONLY);
    CHECK(judged(GW_API_CHAT, "{\"choices\":[]}") == GW_GARBAGE && judged(GW_API_CHAT, "{}") == GW_GARBAGE &&
          judged(GW_API_CHAT, "7") == GW_GARBAGE);
    CHECK(judged(GW_API_RESPONSES,
                 "{\"output\":[{\"type\":\"reasoning\",\"content\":[{\"type\":\"reasoning_text\",\"text\":\"x\"}]},"
                 "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"ok\"}]}]}") == GW_OK);
    CHECK(judged(GW_API_RESPONSES,
                 "{\"output\":[{\"type\":\"reasoning\",\"content\":[{\"type\":\"output_text\",\"text\":\"x\"}]}]}") ==
          GW_REASONING_ONLY);
    CHECK(judged(GW_API_RESPONSES,
                 "{\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"reasoning_text\",\"text\":\"x\"}]}]}") ==
          GW_REASONING_ONLY);
    CHECK(judged(GW_API_RESPONSES, "{\"output\":[]}") == GW_REASONING_ONLY &&
          judged(GW_API_RESPONSES, "{\"choices\":[]}") == GW_GARBAGE);
}

int main(void) {
    test_json();
    test_wrong();
    test_stream();
    test_probe();
    return check_done();
}
