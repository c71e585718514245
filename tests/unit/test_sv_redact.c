/* test_sv_redact.c - known values in every spelling that is promised, wherever the stream is cut, beside and inside each other, at the
 * start and at the end; what is merely similar stays; and how fast that is. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "common/buf.h"
#include "supervisor/redact.h"

#define URL "http://10.77.3.9:8000/v1"
#define HOST "10.77.3.9:8000"
#define KEY "k3y+/Zq~w_%41.9"
#define MARK_URL "[redacted:LOCAL_BASE_URL]"
#define MARK_KEY "[redacted:LOCAL_API_KEY]"

static const struct redact_value values[] = {
    {"LOCAL_BASE_URL", URL}, {"LOCAL_BASE_URL", HOST}, {"LOCAL_API_KEY", KEY}, {"LOCAL_API_KEY", KEY}};
static struct redactor *r;
static struct buf out = BUF_INIT(1u << 20);

static int take(void *ctx, const void *p, size_t n, struct err *e) {
    (void)ctx, (void)e;
    CHECK(n > 0);
    buf_put(&out, p, n);
    return 0;
}

/* The pieces [0, a), [a, b), [b, n). */
static const char *cut(const char *p, size_t n, size_t a, size_t b) {
    struct redact_stream *s = redact_stream_new(r);
    buf_reset(&out);
    NEED(redact_feed(s, p, a, take, NULL, NULL) == 0 && redact_feed(s, p + a, b - a, take, NULL, NULL) == 0 &&
         redact_feed(s, p + b, n - b, take, NULL, NULL) == 0 && redact_flush(s, take, NULL, NULL) == 0);
    redact_stream_free(s);
    return buf_str(&out);
}

static const char *bytewise(const char *p, size_t n) {
    struct redact_stream *s = redact_stream_new(r);
    buf_reset(&out);
    for (size_t i = 0; i < n; i++) NEED(redact_feed(s, p + i, 1, take, NULL, NULL) == 0);
    NEED(redact_flush(s, take, NULL, NULL) == 0);
    redact_stream_free(s);
    return buf_str(&out);
}

/* As wanted in one piece, in every two, in every three of short ones, and byte by byte. */
static void expect(const char *what, const char *text, const char *want) {
    const size_t n = strlen(text);
    size_t len = 0;
    char *at_once = redact_text(r, text, n, &len, NULL);
    int good = CHECK(strcmp(at_once ? at_once : text, want) == 0 && (!at_once || len == strlen(want)));
    free(at_once);
    for (size_t a = 0; good && a <= n; a++) {
        good = CHECK(strcmp(cut(text, n, a, a), want) == 0);
        for (size_t b = a; good && n < 200 && b <= n; b++) good = CHECK(strcmp(cut(text, n, a, b), want) == 0);
    }
    good = good && CHECK(strcmp(bytewise(text, n), want) == 0);
    if (!good) fprintf(stderr, "    %s: \"%s\" became \"%s\"\n", what, text, buf_str(&out));
}

static char *base64(const char *p, size_t n, bool url) {
    const char *digits = url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                             : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = calloc(1, n * 2 + 8), *to = text;
    NEED(text != NULL);
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)(unsigned char)p[i] << 16;
        if (i + 1 < n) v |= (unsigned)(unsigned char)p[i + 1] << 8;
        if (i + 2 < n) v |= (unsigned char)p[i + 2];
        for (int k = 0; k < 4; k++) *to++ = i + (size_t)k > n ? '=' : digits[v >> (18 - 6 * k) & 63];
    }
    return text;
}

static bool has_digits_of(const char *text,
                          const char *value) { /* any eight digits that only the value can have made */
    char shifted[256];
    for (int k = 0; k < 3; k++)
        for (int url = 0; url < 2; url++) {
            memset(shifted, 'A', (size_t)k);
            snprintf(shifted + k, sizeof shifted - (size_t)k, "%s", value);
            char *digits = base64(shifted, strlen(shifted), url);
            for (size_t i = k ? 4 : 0; i + 8 < strlen(digits) - 4; i++) {
                char piece[9] = "";
                memcpy(piece, digits + i, 8);
                if (strstr(text, piece)) return free(digits), true;
            }
            free(digits);
        }
    return false;
}

static void in_base64(void) {
    static const char *const whole[] = {URL, HOST, KEY};
    for (size_t v = 0; v < 3; v++)
        for (size_t before = 0; before < 7; before++)
            for (size_t after = 0; after < 4; after++)
                for (int url = 0; url < 2; url++) {
                    char text[128] = "", wrapped[512] = "", *to = wrapped;
                    snprintf(text, sizeof text, "%.*s%s%.*s", (int)before, "#pre:=.", whole[v], (int)after, "\n.;x");
                    char *digits = base64(text, strlen(text), url);
                    const char *got = bytewise(digits, strlen(digits));
                    CHECK(strstr(got, v < 2 ? MARK_URL : MARK_KEY) && !has_digits_of(got, whole[v]));
                    for (size_t width = 3; width < 20; width += 4) { /* as base64 -w does, in a diff, in JSON */
                        static const char *const breaks[] = {"\n", "\r\n", "\n+", "\n ", "\\n", "\\r\\n", "\\n-"};
                        for (size_t b = 0; b < sizeof breaks / sizeof breaks[0]; b++) {
                            to = wrapped;
                            for (size_t i = 0; digits[i]; i++)
                                to += snprintf(to, 8, "%s%c", i && i % width == 0 ? breaks[b] : "", digits[i]);
                            if (!CHECK(strstr(bytewise(wrapped, strlen(wrapped)), v < 2 ? MARK_URL : MARK_KEY)))
                                fprintf(stderr, "    %s\n", wrapped);
                        }
                    }
                    free(digits);
                }
    /* a diff of JSON with slashes that are escaped */
    char *digits = base64(KEY "????????", strlen(KEY) + 8, false), text[128];
    NEED(strchr(digits, '/') || strchr(digits, '+'));
    for (size_t i = 0, k = 0; k == 0 || digits[i - 1]; i++) {
        if (digits[i] == '/') text[k++] = '\\';
        text[k++] = digits[i];
    }
    CHECK(strstr(bytewise(text, strlen(text)), MARK_KEY) != NULL);
    free(digits);
}

/* One byte in way number `form`. */
#define N_FORMS 10
static int spell(char *to, int form, unsigned c) {
    switch (form) {
    case 1: return snprintf(to, 16, "%%%02x", c);
    case 2: return snprintf(to, 16, "%%%02X", c);
    case 3: return snprintf(to, 16, "%%25%02x", c);
    case 4: return snprintf(to, 16, "\\u%04x", c);
    case 5: return snprintf(to, 16, "\\u%04X", c);
    case 6: return snprintf(to, 16, "\\x%02x", c);
    case 7: return snprintf(to, 16, "\\%03o", c);
    case 8: return snprintf(to, 16, "\\\\u%04x", c);
    case 9: return snprintf(to, 16, "\\\\\\\\u%04x", c);
    default: return snprintf(to, 16, "%c", (int)c);
    }
}

/* The two ways in turn. */
static char *spelled(const char *value, int one, int two) {
    char *text = calloc(1, 16 * strlen(value) + 16), *to = text;
    NEED(text != NULL);
    for (size_t i = 0; value[i]; i++) to += spell(to, i % 2 ? two : one, (unsigned char)value[i]);
    return text;
}

static void in_escapes(void) {
    for (int a = 0; a < N_FORMS; a++)
        for (int b = 0; b < N_FORMS; b++) {
            char *key = spelled(KEY, a, b), *url = spelled(URL, a, b), text[1200], want[200];
            snprintf(text, sizeof text, "a=%s&b={%s}", url, key);
            snprintf(want, sizeof want, "a=%s&b={%s}", MARK_URL, MARK_KEY);
            if (CHECK(strcmp(bytewise(text, strlen(text)), want) == 0))
                expect("spelled", key, MARK_KEY);
            else
                fprintf(stderr, "    %s became %s\n", text, buf_str(&out));
            free(key);
            free(url);
        }
}

static void in_hex(void) {
    char hex[128] = "", upper[128] = "", wrapped[256] = "", *to = wrapped;
    for (size_t i = 0; i < strlen(KEY); i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)KEY[i]);
        snprintf(upper + 2 * i, 3, "%02X", (unsigned char)KEY[i]);
    }
    for (size_t i = 0; hex[i]; i++) to += snprintf(to, 4, "%s%c", i == 5 ? "\n" : "", hex[i]);
    expect("hex", hex, MARK_KEY);
    expect("HEX", upper, MARK_KEY);
    expect("xxd", wrapped, MARK_KEY);
}

static void beside_each_other(void) {
    expect("plain", "x " URL " y", "x " MARK_URL " y");
    expect("nothing else", URL, MARK_URL);
    expect("inside", "http://" HOST "/other", "http://" MARK_URL "/other");
    expect("the longer one", URL "/v1", MARK_URL "/v1");
    expect("twice", KEY KEY "," HOST HOST, MARK_KEY MARK_KEY "," MARK_URL MARK_URL);
    expect("begun and begun again", "k3yk3y+/Zq~wk3y+/Zq~w_%41.9", "k3yk3y+/Zq~w" MARK_KEY);
    expect("slashes", "http:\\/\\/10.77.3.9:8000\\/v1", MARK_URL);
    expect("URL in URL", "http%3A%2F%2f10.77.3.9%3a8000%2Fv1", MARK_URL);
    expect("twice encoded", "http%253A%252F%252F10.77.3.9%253A8000%252Fv1", MARK_URL);
    expect("its own percent sign", "k3y+/Zq~w_%2541.9", MARK_KEY);
    expect("and that", "k3y%2b%2FZq%7ew_%252541.9", MARK_KEY);
    expect("Markdown", "k3y\\+\\/Zq\\~w\\_%41\\.9", MARK_KEY);
    expect("text in text", "\\\\\"http:\\\\\\\\/\\\\/10.77.3.9:8000\\\\/v1\\\\\"", "\\\\\"" MARK_URL "\\\\\"");
}

static void similar(void) {
    static const char *const rows[] = {"",
                                       "h",
                                       "http://10.77.3.9:800",
                                       "http://10.77.3.9:8001/v1",
                                       "http://10.77.3.9/8000/v1",
                                       "HTTP%3",
                                       "\\u00",
                                       "%2510",
                                       "k3y+/Zq~w_A.9",
                                       "k3y+/Zq~w_%4",
                                       "\\\\\\\\\\\\\\",
                                       "aHR0cDovLzEwLjc3LjMuOTo4",
                                       "a\n+b"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) expect("similar", rows[i], rows[i]);
    CHECK(redact_text(r, "k3y", 3, NULL, NULL) == NULL && redact_text(NULL, KEY, 5, NULL, NULL) == NULL);
    const char zeros[] = "a\0" KEY "\0b";
    size_t n = 0;
    char *clean = redact_text(r, zeros, sizeof zeros - 1, &n, NULL);
    NEED(clean != NULL);
    CHECK(n == 4 + strlen(MARK_KEY) && memcmp(clean, "a\0" MARK_KEY "\0b", n) == 0);
    free(clean);
}

static void counts(void) {
    uint64_t found[REDACT_VALUES_MAX] = {0};
    free(redact_text(r, URL " " KEY " " HOST, strlen(URL KEY HOST) + 2, NULL, found));
    CHECK(redactor_names(r) == 2 && strcmp(redactor_name(r, 0), "LOCAL_BASE_URL") == 0);
    CHECK(found[0] == 2 && found[1] == 1 && redactor_names(NULL) == 0);
    struct redact_stream *s = redact_stream_new(r);
    buf_reset(&out);
    NEED(redact_feed(s, URL, strlen(URL) - 1, take, NULL, NULL) == 0);
    CHECK(out.len == 0 && redact_found_any(s) == 0);
    NEED(redact_flush(s, take, NULL, NULL) == 0);
    CHECK(strcmp(buf_str(&out), "http://" MARK_URL "/v") == 0 && redact_found(s, 0) == 1);
    NEED(redact_feed(s, KEY, strlen(KEY), take, NULL, NULL) == 0 && redact_flush(s, take, NULL, NULL) == 0);
    CHECK(redact_found_any(s) == 2);
    redact_stream_free(s);
}

/* What is held back stays below the bound, whatever comes. */
static void bounded(void) {
    struct redact_stream *s = redact_stream_new(r);
    size_t fed = 0;
    srand(7);
    buf_reset(&out);
    for (int i = 0; i < 3000; i++) {
        static const char *const bits[] = {"k3y",  "\\\\\\\\", "u006b",  "%6",           "b",
                                           "http", "\n",       "10.77.", "31302e37372e", "%25"};
        const char *b = bits[rand() % 10];
        NEED(redact_feed(s, b, strlen(b), take, NULL, NULL) == 0);
        fed += strlen(b);
        if (redact_found_any(s) == 0) CHECK(fed - out.len <= redactor_span(r));
    }
    redact_stream_free(s);
}

static void refused(void) {
    static const char *const bad[] = {"",
                                      "EMPTY",
                                      "1234567",
                                      "with space",
                                      "back\\slash",
                                      "quote\"quote",
                                      "tab\tthere",
                                      "umlaut\xc3\xa4xx",
                                      "not-promoted",
                                      "promoted"};
    struct err e = ERR_INIT;
    struct redactor *none = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        e = ERR_INIT;
        CHECK(redact_value_check("NAME", bad[i], &e) < 0 && e.code == ERR_USAGE && strstr(e.text, "NAME"));
        CHECK(i < 2 || !strstr(e.text, bad[i]));
        CHECK(redactor_new(&(struct redact_value){"NAME", bad[i]}, 1, &none, NULL) < 0 && !none);
    }
    static const struct {
        const char *value, *want;
    } told[] = {{"sk-0123456\n", "byte 11 of 11 is a line feed"},
                {"sk-0123456\r", "byte 11 of 11 is a carriage return"},
                {" sk-012345", "byte 1 of 10 is a space"},
                {"sk-\t0123456", "byte 4 of 11 is a tab"},
                {"sk-\x7f"
                 "0123456",
                 "a control character"},
                {"sk-\xc3\xa4"
                 "0123456",
                 "no ASCII"},
                {"\"sk-01234\"", "byte 1 of 10 is a quotation mark"}};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        e = ERR_INIT;
        CHECK(redact_value_check("NAME", told[i].value, &e) < 0 && strstr(e.text, told[i].want));
    }
    CHECK(redact_value_check("NA]ME", "12345678", &e) < 0 && redact_value_check("", "12345678", &e) < 0);
    CHECK(redact_value_check("NAME", "12345678", &e) == 0);
    char *huge = calloc(1, REDACT_VALUE_MAX + 2);
    NEED(huge != NULL);
    memset(huge, 'X', REDACT_VALUE_MAX + 1);
    CHECK(redact_value_check("NAME", huge, &e) < 0);
    huge[REDACT_VALUE_MAX] = '\0';
    NEED(redactor_new(&(struct redact_value){"NAME", huge}, 1, &none, NULL) == 0);
    struct redact_stream *s = redact_stream_new(none);
    buf_reset(&out);
    for (int i = 0; i < REDACT_VALUE_MAX; i++) NEED(redact_feed(s, "\\u0058", 6, take, NULL, NULL) == 0);
    CHECK(redact_found(s, 0) == 0 || out.len > 0); /* it may yet go on, with another x: one match all the same */
    NEED(redact_flush(s, take, NULL, NULL) == 0);
    CHECK(strcmp(buf_str(&out), "[redacted:NAME]") == 0);
    redact_stream_free(s);
    redactor_free(none);
    free(huge);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int drop(void *ctx, const void *p, size_t n, struct err *e) {
    (void)e;
    memcpy(ctx, p, n);
    return 0;
}

static void fill(char *text, size_t n, const char *const *words, unsigned n_words) {
    srand(3);
    for (size_t at = 0; at < n;) {
        const char *w = words[(unsigned)rand() % n_words];
        const size_t len = strlen(w) < n - at ? strlen(w) : n - at;
        memcpy(text + at, w, len);
        at += len;
    }
}

static double megabytes(struct redact_stream *s, const char *text, size_t n, char *copy) {
    const size_t step = 16u << 10;
    const double t0 = seconds();
    for (size_t i = 0; i < n; i += step)
        NEED((s ? redact_feed(s, text + i, step, drop, copy, NULL) : drop(copy, text + i, step, NULL)) == 0);
    return (double)n / 1e6 / (seconds() - t0);
}

/* Said, not asserted: it depends on the machine. */
static void speed(void) {
    static const char *const usual[] = {"the ",  "test ",   "return x;\n", "{\"type\":\"item\"}", "\\n",
                                        "AAB0 ", "passed ", "src/main.c:", "0x7ffe0134 "};
    static const char *const near[] = {"http://", "10.77.", "%20", "k3y+", "\\u006b", "aHR0cDov"};
    const size_t n = 16u << 20;
    char *text = malloc(n), *copy = malloc(64u << 10);
    NEED(text && copy);
    struct redact_stream *s = redact_stream_new(r);
    fill(text, n, usual, 9);
    const double a = megabytes(s, text, n, copy), plain = megabytes(NULL, text, n, copy);
    fill(text, n, near, 6);
    const double b = megabytes(s, text, n, copy);
    printf("%.0f MB/s of usual output through three values, %.0f MB/s of what nearly matches, memcpy alone %.0f MB/s\n",
           a, b, plain);
    redact_stream_free(s);
    free(text);
    free(copy);
}

int main(void) {
    NEED(redactor_new(values, sizeof values / sizeof values[0], &r, NULL) == 0);
    beside_each_other();
    in_escapes();
    in_hex();
    in_base64();
    similar();
    counts();
    bounded();
    refused();
    speed();
    redactor_free(r);
    buf_release(&out);
    return check_done();
}
