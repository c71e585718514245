/* test_gw_redact.c - known values out of bytes, in every form, over every border; and nothing else held back or changed. */
#include <string.h>

#include "check.h"
#include "worker/gateway/redact.h"

static struct gw_config config(void) {
    struct gw_config c = {.endpoint_url = "https://Box.test:8443/v1/", .key = "sk-1234567890", .n_redact = 1};
    c.redact[0] = (struct gw_known){"other", "back\\slash\"quote"};
    NEED(endpoint_parse(c.endpoint_url, &c.endpoint, NULL) == 0);
    return c;
}

static struct redact *table;

static void gives(const char *text, const char *want) {
    const size_t n = strlen(text);
    for (size_t split = 0; split <= n; split++) {
        struct redact_stream s;
        AUTO_BUF struct buf out = BUF_INIT(1 << 20);
        redact_begin(&s, table);
        redact_feed(&s, text, split, &out);
        redact_feed(&s, text + split, n - split, &out);
        redact_end(&s, &out);
        redact_release(&s);
        if (!CHECK(!out.bad && strcmp(buf_str(&out), want) == 0))
            fprintf(stderr, "  %s at %zu gives %s\n", text, split, buf_str(&out));
    }
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    const uint64_t found = redact_whole(table, text, n, &out);
    CHECK((found > 0) == (strcmp(text, want) != 0));
    if (found > 0) CHECK(strcmp(buf_str(&out), want) == 0);
}

static void test_forms(void) {
    gives("sk-1234567890", "[redacted:key]");
    gives("a sk-1234567890b", "a [redacted:key]b");
    gives("sk-1234567890sk-1234567890", "[redacted:key][redacted:key]");
    gives("sk-sk-1234567890", "sk-[redacted:key]");
    gives("SK-1234567890", "SK-1234567890");
    gives("s\\u006B-12345\\u00367890", "[redacted:key]");
    gives("\\u0073k-1234567890", "[redacted:key]");
    gives("https://box.test:8443/v1/chat", "[redacted:endpoint]/chat");
    gives("HTTPS://BOX.TEST:8443/V1", "[redacted:endpoint]");
    gives("https:\\/\\/box.test:8443\\/v1", "[redacted:endpoint]");
    gives("https%3A%2F%2Fbox.test%3A8443%2Fv1", "[redacted:endpoint]");
    gives("https%3a%2f%2fbox.test%3a8443%2fv1", "[redacted:endpoint]");
    gives("host box.test:8443 port", "host [redacted:endpoint] port");
    gives("https://box.test:8443/x", "https://[redacted:endpoint]/x");
    gives("back\\slash\"quote", "[redacted:other]");
    gives("back\\\\slash\\\"quote", "[redacted:other]");
}

static void test_base64(void) {
    gives("c2stMTIzNDU2Nzg5MA==", "[redacted:key]A==");  /* "sk-1234567890" */
    gives("eHNrLTEyMzQ1Njc4OTA=", "eH[redacted:key]A="); /* "x" before it */
    gives("eHhzay0xMjM0NTY3ODkw", "eHh[redacted:key]");  /* "xx" before it */
}

static void test_hex(void) {
    gives("736b2d31323334353637383930", "[redacted:key]");
    gives("736B2D31323334353637383930", "[redacted:key]");
    gives("61736b2d3132333435363738393061", "61[redacted:key]61");
    gives("426f782e746573743a38343433", "[redacted:endpoint]");
}

/* 62 and 63 are other characters in the base64 of URLs. */
static void test_alphabets(void) {
    struct redact *before = table;
    struct gw_config c = {.key = "sk-?\?>>~~12"}; /* c2stPz8-Pn5-MTI= */
    table = redact_new(&c);
    gives("c2stPz8+Pn5+MTI=", "[redacted:key]I=");
    gives("c2stPz8-Pn5-MTI=", "[redacted:key]I=");
    redact_free(table);
    table = before;
}

static void test_without_port(void) {
    struct redact *before = table;
    struct gw_config c = {.endpoint_url = "https://model.box.test/v1", .key = ""};
    NEED(endpoint_parse(c.endpoint_url, &c.endpoint, NULL) == 0);
    table = redact_new(&c);
    gives("no route to Model.Box.test", "no route to [redacted:endpoint]");
    gives("model.box.test:443", "[redacted:endpoint]:443");
    gives("https://model.box.test/v1/x", "[redacted:endpoint]/x");
    gives("https://model.box.test/v2", "https://[redacted:endpoint]/v2");
    redact_free(table);
    table = before;
}

static void test_left_alone(void) {
    gives("", "");
    gives("sk-123456789", "sk-123456789");
    gives("sk-123456789\\", "sk-123456789\\");
    gives("s\\u006", "s\\u006");
    gives("box.test:844", "box.test:844");
    gives("\\n\\t\\\\ \\u00e4 \\ux", "\\n\\t\\\\ \\u00e4 \\ux");
}

/* Nothing but the beginning of a value is held back. */
static void test_held(void) {
    struct redact_stream s;
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    redact_begin(&s, table);
    redact_feed(&s, "data: {}\n\n", 10, &out);
    CHECK(out.len == 10);
    redact_feed(&s, "x sk-12", 7, &out);
    CHECK(out.len == 12);
    redact_feed(&s, "!", 1, &out);
    CHECK(out.len == 18);
    redact_feed(&s, "\\", 1, &out);
    CHECK(out.len == 18);
    redact_feed(&s, "n", 1, &out);
    CHECK(out.len == 20);
    redact_release(&s);
}

int main(void) {
    const struct gw_config c = config();
    table = redact_new(&c);
    test_forms();
    test_base64();
    test_hex();
    test_alphabets();
    test_without_port();
    test_left_alone();
    test_held();
    redact_free(table);
    return check_done();
}
