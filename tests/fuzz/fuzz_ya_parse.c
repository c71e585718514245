/* fuzz_ya_parse.c - any bytes as YAML: refused with a reason, or a tree within its bounds that says of each node a line of the text,
 * prints as JSON and is the same when it is read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/yaml/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static int lines_of(const uint8_t *p, size_t n) {
    int lines = 1;
    for (size_t i = 0; i < n; i++) lines += p[i] == '\n';
    return lines;
}

static int count(const cJSON *node, int depth, int lines) {
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(node, "line"), *x;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(node, "list"),
                *map = cJSON_GetObjectItemCaseSensitive(node, "map");
    int n = 1;
    MUST(depth <= YAML_DEPTH_MAX && cJSON_GetArraySize(node) == 2);
    MUST(cJSON_IsNumber(line) && line->valueint >= 1 && line->valueint <= lines);
    MUST((list != NULL) + (map != NULL) + cJSON_IsString(cJSON_GetObjectItemCaseSensitive(node, "text")) == 1);
    cJSON_ArrayForEach(x, list) n += count(x, depth + 1, lines);
    cJSON_ArrayForEach(x, map) {
        const char *key = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x, "key"));
        MUST(key && strcmp(key, "<<") != 0 && cJSON_GetArraySize(x) == 3);
        for (const cJSON *y = x->next; y; y = y->next)
            MUST(strcmp(key, cJSON_GetObjectItemCaseSensitive(y, "key")->valuestring) != 0);
        n += 1 + count(cJSON_GetObjectItemCaseSensitive(x, "value"), depth + 1, lines);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cJSON *tree = NULL;
    int line = -1;
    struct err e = ERR_INIT;
    if (yaml_parse(data ? (const char *)data : "", size, &tree, &line, &e) < 0) {
        MUST(e.text[0] && line >= 0 && tree == NULL);
        return 0;
    }
    MUST(e.code == ERR_NONE && count(tree, 0, lines_of(data, size)) <= YAML_NODES_MAX);
    char *text = cJSON_PrintUnformatted(tree);
    MUST(text != NULL);
    cJSON *again = cJSON_Parse(text);
    MUST(cJSON_Compare(tree, again, true));
    cJSON_Delete(again);
    free(text);
    cJSON_Delete(tree);
    return 0;
}
