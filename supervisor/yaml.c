/* yaml.c - see yaml.h. The text goes in as a sealed file in memory, so that nobody waits for anybody while it is written. */
#include "supervisor/yaml.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/ask.h"
#include "supervisor/binaries.h"

#define ANSWER_MAX (16u << 20) /* each of 20,000 nodes with its line, each byte of the text escaped */
#define DEPTH_MAX 33

int yaml_find(const char *libexec, char ret[4096], struct err *e) {
    if (snprintf(ret, 4096, "%s/cto-harness-yaml", libexec) >= 4096) return err_set(e, ERR_LIMIT, "path too long");
    return binaries_check_file(ret, e);
}

static int as_file(const void *p, size_t n, struct err *e) {
    AUTO_FD int fd = memfd_create("yaml", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return err_sys(e, "memfd_create");
    if (io_write_full(fd, p, n, e) < 0) return -1;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0 ||
        lseek(fd, 0, SEEK_SET) < 0)
        return err_sys(e, "seal");
    return take_fd(&fd);
}

static bool is_line(const cJSON *v) { return cJSON_IsNumber(v) && v->valuedouble >= 1 && v->valuedouble <= (1 << 21); }

static bool pair_ok(const cJSON *pair, int depth) {
    return cJSON_IsObject(pair) && cJSON_GetArraySize(pair) == 3 &&
           cJSON_IsString(cJSON_GetObjectItemCaseSensitive(pair, "key")) &&
           is_line(cJSON_GetObjectItemCaseSensitive(pair, "line")) &&
           yaml_tree_ok(cJSON_GetObjectItemCaseSensitive(pair, "value"), depth);
}

/* The recursion is bounded by DEPTH_MAX. */
bool yaml_tree_ok(const cJSON *node, int depth) {
    if (depth > DEPTH_MAX || !cJSON_IsObject(node) || cJSON_GetArraySize(node) != 2 ||
        !is_line(cJSON_GetObjectItemCaseSensitive(node, "line")))
        return false;
    if (yaml_text(node)) return true;
    const cJSON *items = yaml_items(node), *x;
    bool map = yaml_is_map(node);
    if (!items) return false;
    cJSON_ArrayForEach(x, items) {
        if (map ? !pair_ok(x, depth + 1) : !yaml_tree_ok(x, depth + 1)) return false;
    }
    return true;
}

/* What it says when it refuses. */
static int refused(const cJSON *answer, int *ret_line, struct err *e) {
    const cJSON *why = cJSON_GetObjectItemCaseSensitive(answer, "error");
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(why, "line");
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(why, "text"));
    if (!text) return err_set(e, ERR_INTERNAL, "cto-harness-yaml: no answer that can be read");
    *ret_line = is_line(line) ? line->valueint : 0;
    return err_set(e, ERR_PARSE, "%.300s", text);
}

static int take(const struct buf *out, int code, cJSON **ret, int *ret_line, struct err *e) {
    cJSON *answer = cJSON_ParseWithLength(buf_str(out), out->len);
    int rc = -1;
    if (code == 1) {
        rc = refused(answer, ret_line, e);
    } else if (code != 0) {
        err_set(e, ERR_LIMIT, "cto-harness-yaml: ended with status %d", code);
    } else {
        cJSON *tree = cJSON_DetachItemFromObjectCaseSensitive(answer, "document");
        if (tree && yaml_tree_ok(tree, 0)) {
            *ret = tree;
            rc = 0;
        } else {
            cJSON_Delete(tree);
            err_set(e, ERR_INTERNAL, "cto-harness-yaml: no answer that can be read");
        }
    }
    cJSON_Delete(answer);
    return rc;
}

int yaml_read(const char *program, const void *p, size_t n, cJSON **ret, int *ret_line, struct err *e) {
    char parent[24];
    AUTO_BUF struct buf out = BUF_INIT(ANSWER_MAX);
    *ret_line = 0;
    if (n > YAML_TEXT_MAX) return err_set(e, ERR_PARSE, "more than %u bytes", YAML_TEXT_MAX);
    AUTO_FD int in = as_file(p, n, e);
    if (in < 0) return -1;
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    const char *const argv[] = {program, "--parent", parent, NULL};
    int code = ask(argv, in, &out, YAML_DEADLINE_MS, e);
    return code < 0 ? -1 : take(&out, code, ret, ret_line, e);
}

/* --- reading a tree ------------------------------------------------------------------------------------------------------- */

int yaml_line(const cJSON *node) {
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(node, "line");
    return is_line(line) ? line->valueint : 0;
}

const char *yaml_text(const cJSON *node) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(node, "text"));
}

bool yaml_is_map(const cJSON *node) { return cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(node, "map")); }
bool yaml_is_list(const cJSON *node) { return cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(node, "list")); }

const cJSON *yaml_items(const cJSON *node) {
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(node, yaml_is_map(node) ? "map" : "list");
    return cJSON_IsArray(items) ? items : NULL;
}

const cJSON *yaml_get(const cJSON *map, const char *key, int *ret_line) {
    const cJSON *pair;
    if (ret_line) *ret_line = yaml_line(map);
    if (!yaml_is_map(map)) return NULL;
    cJSON_ArrayForEach(pair, yaml_items(map)) {
        if (strcmp(cJSON_GetObjectItemCaseSensitive(pair, "key")->valuestring, key) != 0) continue;
        if (ret_line) *ret_line = yaml_line(pair);
        return cJSON_GetObjectItemCaseSensitive(pair, "value");
    }
    return NULL;
}
