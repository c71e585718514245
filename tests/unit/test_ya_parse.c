/* test_ya_parse.c - YAML as a tree: what is data comes out as it stands, with its line; what is more than data is refused, and so is
 * what is beyond a bound, exactly there. */
#include <string.h>

#include "check.h"
#include "worker/yaml/parse.h"

static char *json_of(const char *text, size_t n, int *line, struct err *e) {
    cJSON *tree = NULL;
    if (yaml_parse(text, n, &tree, line, e) < 0) return NULL;
    char *out = cJSON_PrintUnformatted(tree);
    cJSON_Delete(tree);
    NEED(out != NULL);
    return out;
}

static void gives(const char *text, const char *json) {
    int line;
    struct err e = ERR_INIT;
    char *out = json_of(text, strlen(text), &line, &e);
    if (!CHECK(out && strcmp(out, json) == 0))
        fprintf(stderr, "%s\n  gives %s %s\n", text, out ? out : "nothing:", e.text);
    free(out);
}

static void refuses(const char *text, size_t n, const char *word, int at) {
    int line = -1;
    struct err e = ERR_INIT;
    char *out = json_of(text, n, &line, &e);
    if (!CHECK(!out && strstr(e.text, word) && line == at))
        fprintf(stderr, "%.60s\n  line %d (want %d): %s\n", text, line, at, out ? out : e.text);
    free(out);
}

static void test_data(void) {
    gives("", "{\"line\":1,\"text\":\"\"}");
    gives("# only a comment\n", "{\"line\":1,\"text\":\"\"}");
    gives("\n\nplain", "{\"line\":3,\"text\":\"plain\"}");
    gives("a: 1\nb:\n- yes\n- 'no'\n",
          "{\"line\":1,\"map\":[{\"key\":\"a\",\"line\":1,\"value\":{\"line\":1,\"text\":\"1\"}},{\"key\":\"b\","
          "\"line\":2,\"value\":{\"line\":3,\"list\":[{\"line\":3,\"text\":\"yes\"},{\"line\":4,\"text\":\"no\"}]}}]}");
    gives("{a: {}, b: []}",
          "{\"line\":1,\"map\":[{\"key\":\"a\",\"line\":1,\"value\":{\"line\":1,\"map\":[]}},{\"key\":\"b\",\"line\":1,"
          "\"value\":{\"line\":1,\"list\":[]}}]}");
    gives("k:", "{\"line\":1,\"map\":[{\"key\":\"k\",\"line\":1,\"value\":{\"line\":1,\"text\":\"\"}}]}");
    gives("\"a\\\"b\\n\"", "{\"line\":1,\"text\":\"a\\\"b\\n\"}");
    gives("gr\xc3\xbc\xc3\x9f", "{\"line\":1,\"text\":\"gr\xc3\xbc\xc3\x9f\"}");
}

static void test_refused(void) {
    static const struct {
        const char *text, *word;
        int line;
    } rows[] = {
        {"a: &x 1", "anchors", 1},
        {"a: 1\nb: *x", "aliases", 2},
        {"&x [a]", "anchors", 1},
        {"&x {a: b}", "anchors", 1},
        {"a:\n  <<: {b: c}", "merge", 2},
        {"a: !!str 1", "tags", 1},
        {"!x [a]", "tags", 1},
        {"!x {a: b}", "tags", 1},
        {"%TAG !e! tag:x,2:\n---\na: 1", "%TAG", 1},
        {"a: 1\n---\nb: 2", "one document", 2},
        {"a: 1\na: 2", "twice", 2},
        {"{[a]: b}", "key must be a text", 1},
        {"{{a: b}: c}", "key must be a text", 1},
        {"a: [1", "no YAML", 1},
        {"\tx: 1", "no YAML", 1},
        {"a: \"\\0\"", "NUL", 1},
        {"a: \xff", "no YAML", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refuses(rows[i].text, strlen(rows[i].text), rows[i].word, rows[i].line);
    refuses("a\0b", 3, "no YAML", 1);
    refuses("\xff\xfe"
            "a\0",
            4, "no YAML", 1); /* UTF-16 by its mark */
}

/* A billion laughs, in small. */
static void test_bomb(void) {
    static const char bomb[] = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    refuses(bomb, sizeof bomb - 1, "anchors", 1);
}

static char *repeated(const char *head, const char *part, size_t times, size_t *ret_n) {
    size_t h = strlen(head), k = strlen(part);
    char *text = malloc(h + times * k + 1);
    NEED(text != NULL);
    memcpy(text, head, h);
    for (size_t i = 0; i < times; i++) memcpy(text + h + i * k, part, k);
    *ret_n = h + times * k;
    text[*ret_n] = '\0';
    return text;
}

static void bound(const char *head, const char *part, size_t times, bool good, const char *word) {
    size_t n;
    int line;
    struct err e = ERR_INIT;
    char *text = repeated(head, part, times, &n), *out = json_of(text, n, &line, &e);
    if (!CHECK(good ? out != NULL : !out && strstr(e.text, word) != NULL))
        fprintf(stderr, "%zu times %s: %s\n", times, part, out ? "taken" : e.text);
    free(out);
    free(text);
}

static void keys(int n, bool good) {
    char *text = malloc((size_t)n * 16 + 1);
    size_t len = 0;
    int line;
    struct err e = ERR_INIT;
    NEED(text != NULL);
    for (int i = 0; i < n; i++) len += (size_t)snprintf(text + len, 16, "k%d: v\n", i);
    char *out = json_of(text, len, &line, &e);
    CHECK(good ? out != NULL : !out && strstr(e.text, "2000 keys") != NULL && line == n);
    free(out);
    free(text);
}

static void nested(size_t depth, bool good) {
    char text[256];
    int line;
    struct err e = ERR_INIT;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    char *out = json_of(text, 2 * depth, &line, &e);
    CHECK(good ? out != NULL : !out && strstr(e.text, "nested") != NULL);
    free(out);
}

int main(void) {
    test_data();
    test_refused();
    test_bomb();
    bound("", "- a\n", YAML_NODES_MAX - 1, true, ""); /* and the list */
    bound("", "- a\n", YAML_NODES_MAX, false, "nodes");
    bound("", "- {}\n", YAML_NODES_MAX, false, "nodes");
    bound("a", "b", YAML_BYTES_MAX - 1, true, "");
    bound("a", "b", YAML_BYTES_MAX, false, "bytes");
    keys(YAML_KEYS_MAX, true);
    keys(YAML_KEYS_MAX + 1, false);
    nested(YAML_DEPTH_MAX, true);
    nested(YAML_DEPTH_MAX + 1, false);
    return check_done();
}
