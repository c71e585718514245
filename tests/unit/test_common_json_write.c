/* test_common_json_write.c - bytes that need not be text: UTF-8 as RFC 3629 has it (compared with a slow decoder over all code
 * points and all short byte strings), quoting as git does, and puts. */
#include <string.h>

#include "check.h"
#include "common/json.h"

/* A second opinion: decodes and compares with the shortest encoding. */
static size_t encode(uint32_t c, unsigned char out[4]) {
    if (c < 0x80) return out[0] = (unsigned char)c, 1;
    if (c < 0x800) return out[0] = (unsigned char)(0xc0 | c >> 6), out[1] = (unsigned char)(0x80 | (c & 63)), 2;
    if (c < 0x10000) {
        out[0] = (unsigned char)(0xe0 | c >> 12), out[1] = (unsigned char)(0x80 | (c >> 6 & 63)),
        out[2] = (unsigned char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (unsigned char)(0xf0 | c >> 18), out[1] = (unsigned char)(0x80 | (c >> 12 & 63));
    out[2] = (unsigned char)(0x80 | (c >> 6 & 63)), out[3] = (unsigned char)(0x80 | (c & 63));
    return 4;
}

static void utf8(void) {
    unsigned char s[5];
    int wrong = 0;
    for (uint32_t c = 0; c < 0x200000; c++) {
        size_t n = encode(c, s);
        bool valid = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
        wrong += json_is_utf8(s, n) != valid;
        if (n > 1) wrong += json_is_utf8(s, n - 1) || json_is_utf8(s + 1, n - 1); /* cut at either end */
    }
    CHECK(wrong == 0);
    /* two bytes: exactly the 1920 two-byte letters and pairs of ASCII */
    int valid = 0;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            valid += json_is_utf8((unsigned char[]){(unsigned char)a, (unsigned char)b}, 2);
    CHECK(valid == 128 * 128 + 1920);
    CHECK(!json_is_utf8("\xc0\x80", 2) && !json_is_utf8("\xe0\x80\x80", 3) &&
          !json_is_utf8("\xf0\x80\x80\x80", 4)); /* overlong */
    CHECK(!json_is_utf8("\xed\xa0\x80", 3) && !json_is_utf8("\xf8\x88\x80\x80\x80", 5) && json_is_utf8("", 0));
}

static void quotes(const char *bytes, size_t n, const char *want) {
    char *got = json_quote_path(bytes, n);
    if (!CHECK(strcmp(got, want) == 0)) fprintf(stderr, "    got %s, want %s\n", got, want);
    free(got);
}

static void quoting(void) {
    quotes("a b/c", 5, "a b/c");
    quotes("", 0, "");
    quotes("a\"b\\c", 5, "\"a\\\"b\\\\c\""); /* else a name could look like another name that was quoted */
    quotes("\xc3\xa4", 2, "\xc3\xa4");
    quotes("\xff", 1, "\"\\377\"");
    quotes("a\nb", 3, "\"a\\nb\"");
    quotes("\a\b\t\v\f\r", 6, "\"\\a\\b\\t\\v\\f\\r\"");
    quotes("\"\\\x7f", 3, "\"\\\"\\\\\\177\"");
    quotes("a\x7f", 2, "\"a\\177\"");
    quotes("\x1b[31m", 5, "\"\\033[31m\"");
    quotes("a\0b", 3, "\"a\\000b\"");
    quotes("\xc3\xa4\xff", 3, "\"\\303\\244\\377\"");
    char all[256], back[256 * 4 + 3];
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    char *q = json_quote_path(all, sizeof all); /* the longest form; the block must be large enough (ASan) */
    CHECK(strlen(q) < sizeof back);
    free(q);
    memset(all, '\xff', sizeof all);
    q = json_quote_path(all, sizeof all);
    CHECK(strlen(q) == 4 * sizeof all + 2);
    free(q);
}

static void puts_and_lists(void) {
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "s", "x\n");
    json_put_str(o, "null", NULL);
    json_put_str(o, "raw", "\xff\x1b");
    json_put_int(o, "i", INT64_C(1) << 50);
    json_put_bool(o, "b", true);
    json_put(o, "bytes", json_bytes("\0", 1));
    json_put(o, "list", json_strings((const char *const[]){"a", "\xfe"}, 2));
    json_put(o, "none", json_strings(NULL, 0));
    char *text = cJSON_PrintUnformatted(o);
    CHECK(strcmp(text,
                 "{\"s\":\"x\\n\",\"null\":null,\"raw\":\"\\\"\\\\377\\\\033\\\"\",\"i\":1125899906842624,\"b\":true,"
                 "\"bytes\":\"\\\"\\\\000\\\"\",\"list\":[\"a\",\"\\\"\\\\376\\\"\"],\"none\":[]}") == 0);
    CHECK(json_is_utf8(text, strlen(text)));
    cJSON_free(text);
    /* Arguments of commands are text, not paths: quotes and newlines must arrive as they were. */
    cJSON *argv = json_strings((const char *const[]){"test \"$x\" = 'y'\n\\"}, 1);
    CHECK(strcmp(cJSON_GetArrayItem(argv, 0)->valuestring, "test \"$x\" = 'y'\n\\") == 0);
    cJSON_Delete(argv);
    cJSON_Delete(o);
}

int main(void) {
    utf8();
    quoting();
    puts_and_lists();
    return check_done();
}
