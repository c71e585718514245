/* normal.c - see normal.h. */
#include "worker/gateway/normal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "worker/gateway/jscan.h"

#define LINES_MAX (64u << 20)
#define TOOLS_MAX 512

static const cJSON *member(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }
static const char *text_of(const cJSON *o, const char *key) {
    const char *s = cJSON_GetStringValue(member(o, key));
    return s ? s : "";
}

/* --- text --------------------------------------------------------------------------------------------------------- */
static bool is_calendar(const char *p, size_t n) {
    static const char *const names[] = {
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday",  "sunday",  "january",  "february", "march",
        "april",  "may",     "june",      "july",     "august", "september", "october", "november", "december", "mon",
        "tue",    "wed",     "thu",       "fri",      "sat",    "sun",       "jan",     "feb",      "mar",      "apr",
        "jun",    "jul",     "aug",       "sep",      "sept",   "oct",       "nov",     "dec"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == n && strncasecmp(names[i], p, n) == 0) return true;
    return false;
}

static bool is_word(char c) { return isalnum((unsigned char)c) != 0; }

static size_t put_word(struct buf *out, const char *p) {
    size_t n = 0, hex = 0;
    bool digit = false;
    for (; is_word(p[n]); n++) {
        digit |= isdigit((unsigned char)p[n]) != 0;
        hex += isxdigit((unsigned char)p[n]) != 0;
    }
    if (digit || (n >= 7 && hex == n)) {
        buf_puts(out, "#");
    } else if (is_calendar(p, n)) {
        buf_puts(out, "@");
    } else {
        for (size_t i = 0; i < n; i++) {
            const uint8_t c = (uint8_t)tolower((unsigned char)p[i]);
            buf_put(out, &c, 1);
        }
    }
    return n;
}

/* Where a path may begin: not in the middle of "and/or". */
static bool begins_path(const char *p, char before) {
    return *p == '/' && (is_word(p[1]) || p[1] == '.' || p[1] == '_') && !is_word(before) &&
           strchr("/.<", before) == NULL;
}

static void put_text(struct buf *out, const char *p) {
    char before = ' ';
    buf_puts(out, " ");
    while (*p) {
        size_t n = 1;
        if (isspace((unsigned char)*p)) {
            n = strspn(p, " \t\r\n\f\v");
            buf_puts(out, " ");
        } else if (begins_path(p, before)) {
            n = strcspn(p, " \t\r\n\"'`<>(),;");
            buf_puts(out, "/");
        } else if (is_word(*p)) {
            n = put_word(out, p);
        } else {
            buf_put(out, p, 1);
        }
        before = p[n - 1];
        p += n;
    }
    buf_puts(out, "\n");
}

/* --- parts of a request ------------------------------------------------------------------------------------------- */
static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void put_tools(struct buf *out, const cJSON *tools) {
    const char *names[TOOLS_MAX];
    size_t n = 0;
    const cJSON *t;
    cJSON_ArrayForEach(t, tools) {
        if (n == TOOLS_MAX) break;
        const char *name = text_of(member(t, "function"), "name");
        if (!*name) name = text_of(t, "name");
        names[n++] = *name ? name : text_of(t, "type");
    }
    if (n > 0) qsort(names, n, sizeof names[0], by_name);
    for (size_t i = 0; i < n; i++) buf_printf(out, "tool %s\n", names[i]);
}

static void put_content(struct buf *out, const cJSON *content) {
    const cJSON *part;
    if (cJSON_IsString(content)) put_text(out, content->valuestring);
    if (!cJSON_IsArray(content)) return;
    cJSON_ArrayForEach(part, content) {
        const cJSON *text = member(part, "text");
        if (cJSON_IsString(text))
            put_text(out, text->valuestring);
        else
            buf_printf(out, " part %s\n", text_of(part, "type"));
    }
}

static void put_item(struct buf *out, const cJSON *item) {
    const char *role = text_of(item, "role"), *type = text_of(item, "type");
    const cJSON *call;
    buf_printf(out, "item %s %s", role, *type ? type : "message");
    if (strcmp(type, "function_call") == 0 || strcmp(type, "custom_tool_call") == 0)
        buf_printf(out, " %s", text_of(item, "name"));
    cJSON_ArrayForEach(call, member(item, "tool_calls"))
        buf_printf(out, " %s", text_of(member(call, "function"), "name"));
    buf_puts(out, "\n");
    if (strcmp(role, "user") == 0) put_content(out, member(item, "content"));
}

static void put_items(struct buf *out, const cJSON *list) {
    const cJSON *item;
    if (cJSON_IsString(list)) put_text(out, list->valuestring);
    if (!cJSON_IsArray(list)) return;
    cJSON_ArrayForEach(item, list) put_item(out, item);
}

static void count_value(void *ctx, const struct jscan *s, const struct jscan_value *v) {
    (void)s, (void)v;
    ++*(size_t *)ctx;
}

int normal_lines(enum gw_path path, const char *body, size_t len, struct buf *out, struct err *e) {
    struct jscan s;
    size_t values = 0;
    jscan_init(&s, count_value, &values);
    if (jscan_feed(&s, body, len) < 0 || !jscan_end(&s)) return err_set(e, ERR_PARSE, "not JSON");
    if (values > NORMAL_VALUES_MAX) return err_set(e, ERR_LIMIT, "more than %d values", NORMAL_VALUES_MAX);
    cJSON *root = cJSON_ParseWithLength(body, len);
    if (!root) return err_set(e, ERR_PARSE, "cJSON does not read it");
    buf_printf(out, "path %s\nmodel %s\nstream %d\n", gw_path_name(path), text_of(root, "model"),
               cJSON_IsTrue(member(root, "stream")));
    put_tools(out, member(root, "tools"));
    put_items(out, member(root, path == GW_PATH_CHAT ? "messages" : "input"));
    cJSON_Delete(root);
    return out->bad ? err_set(e, ERR_LIMIT, "out of memory") : 0;
}

int normal_digest(enum gw_path path, const char *body, size_t len, char hex[DIGEST_HEX_SIZE], struct err *e) {
    AUTO_BUF struct buf lines = BUF_INIT(LINES_MAX);
    if (normal_lines(path, body, len, &lines, e) < 0) return -1;
    digest_bytes(lines.p, lines.len, hex);
    return 0;
}
