/* test_gw_head.c - which requests may be answered at all. The integration test sends the same as bytes; here are the edges. */
#include <string.h>

#include "check.h"
#include "worker/gateway/head.h"

static struct head_field fields[HEAD_FIELDS_MAX + 8];
static size_t n_fields;

static void clear(void) { n_fields = 0; }
static void field(const char *name, const char *value) {
    fields[n_fields++] = (struct head_field){name, value, strlen(name), strlen(value)};
}

static struct head_answer ask(const char *method, const char *target) {
    const struct head h = {.method = method,
                           .target = target,
                           .version = "HTTP/1.1",
                           .fields = fields,
                           .n = n_fields,
                           .bytes_max = 8192,
                           .body_max = 1000};
    return head_check(&h);
}

static struct head_answer with(const char *name, const char *value) {
    clear();
    field("Host", "x");
    field(name, value);
    return ask("POST", "/v1/responses");
}

static void refused(struct head_answer a, enum gw_outcome outcome, unsigned status) {
    if (!CHECK(a.outcome == outcome && a.status == status && a.why != NULL))
        fprintf(stderr, "  %s %u %s\n", gw_outcome_name(a.outcome), a.status, a.why ? a.why : "");
}

static void test_paths(void) {
    clear();
    field("host", "x");
    CHECK(ask("GET", "/v1/models").outcome == GW_OK && ask("GET", "/v1/models?a=/v1/responses").path == GW_PATH_MODELS);
    CHECK(ask("POST", "/v1/chat/completions").path == GW_PATH_CHAT &&
          ask("POST", "/v1/responses").path == GW_PATH_RESPONSES);
    refused(ask("POST", "/v1/models"), GW_REFUSED_PATH, 405);
    CHECK(ask("POST", "/v1/models").path == GW_PATH_MODELS);
    refused(ask("GET", "/v1/responses/x"), GW_REFUSED_PATH, 404);
    refused(ask("GET", "/v1/model"), GW_REFUSED_PATH, 404);
    refused(ask("HEAD", "/v1/models"), GW_REFUSED_PATH, 405);
    refused(ask("GET", "http://h/v1/models"), GW_REFUSED_REQUEST, 400);
    refused(ask("GET", "v1/models"), GW_REFUSED_REQUEST, 400);
    refused(ask("GET", ""), GW_REFUSED_REQUEST, 400);
    refused(ask("GET", "/v1/mo dels"), GW_REFUSED_REQUEST, 400);
    refused(ask("GET", "/v1/models\xc3\xa4"), GW_REFUSED_REQUEST, 400);
    refused(ask("G@T", "/v1/models"), GW_REFUSED_REQUEST, 400);
    CHECK(head_path("/v1/responses?x") == GW_PATH_RESPONSES && head_path("/v1/responses/") == GW_PATH_OTHER);
}

static void test_lengths(void) {
    CHECK(with("Content-Length", "0").outcome == GW_OK && with("content-LENGTH", "1000").length == 1000);
    refused(with("Content-Length", "1001"), GW_REFUSED_REQUEST, 413);
    refused(with("Content-Length", "999999999999999999"), GW_REFUSED_REQUEST, 413);
    refused(with("Content-Length", "1999999999999999999"), GW_REFUSED_REQUEST, 400);
    static const char *const bad[] = {"", "+5", "-5", "5,5", "5 ", "0x5", "5.0"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(with("Content-Length", bad[i]), GW_REFUSED_REQUEST, 400);
    CHECK(with("Transfer-Encoding", "Chunked").outcome == GW_OK);
    refused(with("Transfer-Encoding", "chunked, chunked"), GW_REFUSED_REQUEST, 501);
    refused(with("Transfer-Encoding", ""), GW_REFUSED_REQUEST, 501);
    clear();
    field("Host", "x");
    field("Content-Length", "5");
    field("content-length", "5");
    refused(ask("POST", "/v1/responses"), GW_REFUSED_REQUEST, 400);
    clear();
    field("Host", "x");
    field("Transfer-Encoding", "chunked");
    field("Content-Length", "5");
    refused(ask("POST", "/v1/responses"), GW_REFUSED_REQUEST, 400);
    clear();
    field("Host", "x");
    field("Content-Length", "5");
    refused(ask("GET", "/v1/models"), GW_REFUSED_REQUEST, 400);
}

static void test_fields(void) {
    clear();
    refused(ask("POST", "/v1/responses"), GW_REFUSED_REQUEST, 400);
    refused(with("HOST", "y"), GW_REFUSED_REQUEST, 400);
    refused(with("X", "a\nb"), GW_REFUSED_REQUEST, 400);
    refused(with("X", "a\x7f"), GW_REFUSED_REQUEST, 400);
    refused(with("", "a"), GW_REFUSED_REQUEST, 400);
    refused(with("a:b", "a"), GW_REFUSED_REQUEST, 400);
    CHECK(with("X", "a\tb \xc3\xa4").outcome == GW_OK);
    refused(with("Upgrade", "x"), GW_REFUSED_REQUEST, 400);
    refused(with("Connection", "keep-alive, UPGRADE"), GW_REFUSED_REQUEST, 400);
    CHECK(with("Connection", "keep-alive").outcome == GW_OK && with("Expect", "100-Continue").outcome == GW_OK);
    CHECK(with("Content-Encoding", "identity").outcome == GW_OK);
    refused(with("Content-Encoding", "zstd"), GW_REFUSED_REQUEST, 415);
    clear();
    field("Host", "x");
    while (n_fields < HEAD_FIELDS_MAX) field("a", "b");
    CHECK(ask("POST", "/v1/responses").outcome == GW_OK);
    field("a", "b");
    refused(ask("POST", "/v1/responses"), GW_REFUSED_REQUEST, 431);
    char large[8192];
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = 0;
    refused(with("X", large), GW_REFUSED_REQUEST, 431);
    /* A value that ends before its end. */
    clear();
    field("Host", "x");
    fields[n_fields++] = (struct head_field){"Content-Length", "5\0006", 14, 3};
    refused(ask("POST", "/v1/responses"), GW_REFUSED_REQUEST, 400);
}

int main(void) {
    test_paths();
    test_lengths();
    test_fields();
    return check_done();
}
