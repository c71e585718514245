/* test_gw_cassette.c - what is compared of a request, and the lines of a cassette both ways. */
#include <string.h>

#include "check.h"
#include "common/json.h"
#include "worker/gateway/budget.h"
#include "worker/gateway/cassette.h"
#include "worker/gateway/normal.h"

static void lines(enum gw_path path, const char *body, const char *want) {
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    struct err e = ERR_INIT;
    if (!CHECK(normal_lines(path, body, strlen(body), &out, &e) == 0 && strcmp(buf_str(&out), want) == 0))
        fprintf(stderr, "  %s\n  gives %s %s\n", body, buf_str(&out), e.text);
}

static void test_lines(void) {
    lines(GW_PATH_CHAT,
          "{\"model\":\"m\",\"stream\":true,\"tools\":[{\"function\":{\"name\":\"b\"}},{\"function\":{\"name\":\"a\"}}]"
          ",\"messages\":[{\"role\":\"system\",\"content\":\"at 5\"},"
          "{\"role\":\"user\",\"content\":\"Go\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"1\",\"function\":{"
          "\"name\":\"a\",\"arguments\":\"{}\"}}]},"
          "{\"role\":\"tool\",\"content\":\"took 5 s\"}]}",
          "path /v1/chat/completions\nmodel m\nstream 1\ntool a\ntool b\nitem system message\nitem user message\n "
          "go\nitem assistant message a\nitem tool message\n");
    lines(GW_PATH_RESPONSES,
          "{\"model\":\"m\",\"instructions\":\"x\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[{"
          "\"type\":\"input_text\",\"text\":\"A  b\"},{\"type\":\"input_image\"}]},"
          "{\"type\":\"function_call\",\"name\":\"shell\"},{\"type\":\"function_call_output\",\"output\":\"y\"},{"
          "\"type\":\"reasoning\"}],\"tools\":[{\"type\":\"web\"}]}",
          "path /v1/responses\nmodel m\nstream 0\ntool web\nitem user message\n a b\n part input_image\nitem  "
          "function_call shell\nitem  function_call_output\nitem  reasoning\n");
    lines(GW_PATH_RESPONSES, "{\"model\":\"m\",\"input\":\"Hello\"}",
          "path /v1/responses\nmodel m\nstream 0\n hello\n");
}

static void text(const char *in, const char *want) {
    AUTO_BUF struct buf body = BUF_INIT(4096), out = BUF_INIT(4096);
    buf_puts(&body, "{\"input\":");
    cassette_put_text(&body, in, strlen(in));
    buf_puts(&body, "}");
    CHECK(normal_lines(GW_PATH_RESPONSES, buf_str(&body), body.len, &out, NULL) == 0);
    const char *got = strstr(buf_str(&out), "stream 0\n ");
    NEED(got != NULL);
    if (!CHECK(strncmp(got + 10, want, strlen(want)) == 0 && strcmp(got + 10 + strlen(want), "\n") == 0))
        fprintf(stderr, "  %s gives %s\n", in, got + 10);
}

static void test_text(void) {
    text("At 12:30 on Sat, 28 November 2026", "at #:# on @, # @ #");
    text("commit deadbee, 1a2b3c4, facade", "commit #, #, facade");
    text("id 550e8400-e29b-41d4-a716-446655440000", "id #-#-#-#-#");
    text("in /scratch/run-1/x.py and (/tmp) or and/or ./a/b", "in / and (/) or and/or ./a/b");
    text("<cwd>/w/s</cwd>", "<cwd>/</cwd>");
    text("a\t\n  b", "a b");
    text("https://h/p", "https://h/p");
    text("\xc3\x84 x", "\xc3\x84 x");
}

static void test_not_compared(void) {
    char hex[DIGEST_HEX_SIZE];
    struct err e = ERR_INIT;
    CHECK(normal_digest(GW_PATH_CHAT, "{", 1, hex, &e) < 0 && e.code == ERR_PARSE);
    AUTO_BUF struct buf many = BUF_INIT(4 << 20);
    buf_puts(&many, "[0");
    for (int i = 0; i < NORMAL_VALUES_MAX; i++) buf_puts(&many, ",0");
    buf_puts(&many, "]");
    CHECK(normal_digest(GW_PATH_CHAT, buf_str(&many), many.len, hex, &e) < 0);
    CHECK(normal_digest(GW_PATH_CHAT, "{}", 2, hex, NULL) == 0 && strlen(hex) == 64);
}

/* --- lines of a cassette ------------------------------------------------------------------------------------------ */
static void round_trip(const char *bytes, size_t n, const char *want) {
    AUTO_BUF struct buf b = BUF_INIT(4096);
    cassette_put_text(&b, bytes, n);
    cJSON *o = cJSON_ParseWithOpts(buf_str(&b), NULL, true);
    if (!CHECK(cJSON_IsString(o) && strcmp(o->valuestring, want) == 0)) fprintf(stderr, "  %s\n", buf_str(&b));
    CHECK(strchr(buf_str(&b), '\n') == NULL);
    cJSON_Delete(o);
}

static void test_text_of_cassette(void) {
    round_trip("a\"\\\n\r\t\x01\x7f/", 9, "a\"\\\n\r\t\x01\x7f/");
    round_trip("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    round_trip("a\0b", 3,
               "a\xef\xbf\xbd"
               "b");
    round_trip("\xc3", 1, "\xef\xbf\xbd");
    round_trip("\xc0\xaf\xed\xa0\x80\xff", 6,
               "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static int join(void *ctx, const char *p, size_t n, struct err *e) {
    (void)e;
    buf_put(ctx, p, n);
    buf_puts(ctx, "|");
    return 0;
}

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PAIR                                                        \
    "{\"n\":3,\"path\":\"/v1/responses\",\"request_sha256\":\"" SHA \
    "\",\"request\":\"{}\",\"status\":200,\"content_type\":\"text/" \
    "event-stream\",\"complete\":true,\"chunks\":[\"a\",\"b\\n\"]}"

static void test_pair(void) {
    struct cassette_pair p;
    struct err e = ERR_INIT;
    AUTO_BUF struct buf chunks = BUF_INIT(4096);
    CHECK(cassette_read_pair(PAIR, strlen(PAIR), &p, join, &chunks, &e) == 0);
    CHECK(p.n == 3 && p.path == GW_PATH_RESPONSES && p.status == 200 && p.complete && p.chunks == 2 &&
          strcmp(p.sha256, SHA) == 0);
    CHECK(strcmp(buf_str(&chunks), "a|b\n|") == 0);
    for (size_t n = 0; n < strlen(PAIR); n++) CHECK(cassette_read_pair(PAIR, n, &p, NULL, NULL, NULL) < 0);
}

static void test_first(void) {
    char model[16];
    struct err e = ERR_INIT;
    AUTO_BUF struct buf line = BUF_INIT(4096);
    cassette_put_first(&line, "m-1", "build");
    CHECK(cassette_read_first(buf_str(&line), line.len, model, sizeof model, &e) == 0 && strcmp(model, "m-1") == 0);
    CHECK(cassette_read_first(buf_str(&line), line.len, model, 3, &e) < 0);
    CHECK(cassette_read_first(PAIR, strlen(PAIR), model, sizeof model, &e) < 0 && strstr(e.text, "no cassette"));
}

/* --- budgets ------------------------------------------------------------------------------------------------------ */
static void test_budget(void) {
    struct budget b;
    uint64_t limit, seen;
    budget_init(&b, &(struct gw_budgets){.requests = 2, .wall_ms = 10});
    CHECK(budget_exhausted(&b, 5000000) == 0); /* not begun */
    budget_begin(&b, 1000000);
    CHECK(budget_exhausted(&b, 1009999) == 0 && budget_news(&b, 1009999, &limit, &seen) == 0);
    b.used.requests = 2;
    CHECK(budget_exhausted(&b, 1009999) == GW_BUDGET_OF_REQUESTS);
    CHECK(budget_news(&b, 1009999, &limit, &seen) == GW_BUDGET_OF_REQUESTS && limit == 2 && seen == 2);
    CHECK(budget_news(&b, 1009999, &limit, &seen) == 0);
    CHECK(budget_news(&b, 1010000, &limit, &seen) == GW_BUDGET_OF_WALL && limit == 10 && seen == 10);
    CHECK(budget_news(&b, 9010000, &limit, &seen) == 0);
    budget_init(&b, &(struct gw_budgets){.requests = 0});
    b.used = (struct gw_budgets){9, 9, 9, 9, 9};
    CHECK(budget_exhausted(&b, 1) == 0);
}

int main(void) {
    test_lines();
    test_text();
    test_not_compared();
    test_text_of_cassette();
    test_pair();
    test_first();
    test_budget();
    return check_done();
}
