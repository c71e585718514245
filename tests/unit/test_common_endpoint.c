/* test_common_endpoint.c - the URL of a model's server: what is right comes out in its parts, all else is refused, and no error repeats
 * any of it. */
#include "common/endpoint.h"

#include <string.h>

#include "check.h"

static void gives(const char *url, bool tls, bool numeric, const char *host, unsigned port, const char *path,
                  const char *authority) {
    struct endpoint ep;
    struct err e = ERR_INIT;
    char a[ENDPOINT_AUTHORITY_SIZE];
    if (!CHECK(endpoint_parse(url, &ep, &e) == 0)) {
        fprintf(stderr, "%s: %s\n", url, e.text);
        return;
    }
    endpoint_authority(&ep, a);
    if (!CHECK(ep.tls == tls && ep.numeric == numeric && strcmp(ep.host, host) == 0 && ep.port == port &&
               strcmp(ep.path, path) == 0 && strcmp(a, authority) == 0))
        fprintf(stderr, "%s: %s %u %s %s\n", url, ep.host, (unsigned)ep.port, ep.path, a);
}

static void test_right(void) {
    gives("http://127.0.0.1:8000/v1", false, true, "127.0.0.1", 8000, "/v1", "127.0.0.1:8000");
    gives("https://Box.Example.TEST/v1/", true, false, "box.example.test", 443, "/v1", "box.example.test:443");
    gives("HTTP://spark-1", false, false, "spark-1", 80, "", "spark-1:80");
    gives("http://a_b.test:65535/", false, false, "a_b.test", 65535, "", "a_b.test:65535");
    gives("https://[::1]:8443/a/b", true, true, "::1", 8443, "/a/b", "[::1]:8443");
    gives("http://[2001:DB8::1]", false, true, "2001:db8::1", 80, "", "[2001:db8::1]:80");
    gives("http://h/v1.2/..x/.y", false, false, "h", 80, "/v1.2/..x/.y", "h:80");
}

static void test_refused(void) {
    static const char *const urls[] = {"",
                                       "127.0.0.1",
                                       "//h/v1",
                                       "ftp://h",
                                       "http:/h",
                                       "http://",
                                       "http:///v1",
                                       "https://:443/v1",
                                       "http://h:",
                                       "http://h:0",
                                       "http://h:65536",
                                       "http://h:123456",
                                       "http://h:8x",
                                       "http://h:+80",
                                       "http://h:80:80",
                                       "http://user@h",
                                       "http://u:p@h/v1",
                                       "http://h/v1?key=a",
                                       "http://h/v1#a",
                                       "http://h?x",
                                       "http://h/a/../b",
                                       "http://h/./a",
                                       "http://h/..",
                                       "http://h//a",
                                       "http://h/a//b",
                                       "http://h/%2e",
                                       "http://h/a b",
                                       "http://h/a\tb",
                                       "http://h/a\nb",
                                       "http://h\\@x/",
                                       "http://h/\\x",
                                       "http://[::1",
                                       "http://[::1]x",
                                       "http://[::1]:",
                                       "http://[h]",
                                       "http://[127.0.0.1]",
                                       "http://127.1",
                                       "http://2130706433",
                                       "http://0x7f.1:80 ",
                                       "http://1.2.3.4.5",
                                       "http://.h",
                                       "http://-h",
                                       "http://h..x",
                                       "http://h\x7f",
                                       "http://h\xc3\xa4/",
                                       "http://h,x/"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct endpoint ep = {.port = 7};
        struct err e = ERR_INIT;
        if (!CHECK(endpoint_parse(urls[i], &ep, &e) < 0 && e.code == ERR_USAGE && ep.port == 7))
            fprintf(stderr, "%s\n", urls[i]);
        CHECK(strncmp(e.text, "endpoint: ", 10) == 0);
        if (strlen(urls[i]) > 8) CHECK(strstr(e.text, urls[i] + 7) == NULL);
    }
    char longer[ENDPOINT_MAX + 8];
    memset(longer, 'a', sizeof longer);
    memcpy(longer, "http://", 7);
    struct endpoint ep;
    longer[ENDPOINT_MAX] = 0;
    CHECK(endpoint_parse(longer, &ep, NULL) < 0);
    longer[7 + 253] = 0;
    CHECK(endpoint_parse(longer, &ep, NULL) == 0);
    longer[7 + 253] = 'a';
    longer[7 + 254] = 0;
    CHECK(endpoint_parse(longer, &ep, NULL) < 0);
}

int main(void) {
    test_right();
    test_refused();
    return check_done();
}
