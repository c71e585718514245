/* root_binding.c - see root_binding.h. */
#include "supervisor/root_binding.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "supervisor/tree_digest.h"

#define BOUND_MAX (DIGEST_HEX_SIZE + 64)

static bool below(const char *path, const char *dir) {
    const size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static bool is_system(const char *path, const struct stat *st) {
    return below(path, "/usr") && strcmp(path, "/usr/local") != 0 && !below(path, "/usr/local") &&
           strstr(path, "/../") == NULL && S_ISDIR(st->st_mode) && st->st_uid == 0 &&
           (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int bind(const char *path, struct tree_limits *left, char ret[BOUND_MAX], struct err *e) {
    struct stat st;
    char hex[DIGEST_HEX_SIZE];
    if (lstat(path, &st) == 0 && is_system(path, &st)) {
        snprintf(ret, BOUND_MAX, "system %llx:%llu %u %o", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                 (unsigned)st.st_gid, (unsigned)st.st_mode);
        return 0;
    }
    if (tree_digest_within(path, left, hex, e) == 0) {
        snprintf(ret, BOUND_MAX, "content %s", hex);
        return 0;
    }
    if (left->bytes < 0) return err_set(e, ERR_LIMIT, "more than %lld MiB in all", ROOT_BINDING_BYTES >> 20);
    if (left->entries < 0) return err_set(e, ERR_LIMIT, "more than %d files in all", ROOT_BINDING_ENTRIES);
    return -1;
}

static int bind_list(cJSON *o, const char *const *v, int n, int n_named, const char *whose, struct tree_limits *left,
                     struct err *e) {
    for (int i = 0; i < n; i++) {
        struct err why = ERR_INIT;
        char bound[BOUND_MAX], which[64] = "the program's package or interpreter";
        if (cJSON_GetObjectItemCaseSensitive(o, v[i])) continue; /* named twice */
        if (bind(v[i], left, bound, &why) < 0) {
            if (i < n_named) snprintf(which, sizeof which, "read_roots[%d] of the %s", i, whose);
            return err_set(e, ERR_USAGE, "%s cannot be bound by an approval: %.300s", which, why.text);
        }
        json_put_str(o, v[i], bound);
    }
    return 0;
}

cJSON *root_binding(const struct case_list *of_case, const char *const *roots, int n, int n_named, struct err *e) {
    struct tree_limits left = {
        .entries = ROOT_BINDING_ENTRIES, .bytes = ROOT_BINDING_BYTES, .until_us = clock_mono_us() + ROOT_BINDING_US};
    cJSON *o = json_new_object();
    if (bind_list(o, of_case->v, of_case->n, of_case->n, "case", &left, e) == 0 &&
        bind_list(o, roots, n, n_named, "engine file", &left, e) == 0)
        return o;
    cJSON_Delete(o);
    return NULL;
}
