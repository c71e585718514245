/* locate.c - id or path. What holds a '/' or is "." is a path; anything else is an id, looked up in the store and below
 * the home's runs, and only then tried as a directory here: an id must not be shadowed by where somebody happens to
 * stand. */
#include "supervisor/locate.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_dir(const char *path) {
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

int locate_store(const struct home *h, struct store **ret, struct err *e) {
    struct err why = ERR_INIT;
    *ret = NULL;
    if (store_open(h->store, false, ret, &why) == 0 || why.code == ERR_MISSING) return 0;
    if (e) *e = why;
    return -1;
}

static int look_up(const struct home *h, const char *name, struct located *ret, struct err *e) {
    struct store *s = NULL;
    if (locate_store(h, &s, e) < 0) return -1;
    if (!s) return 0;
    if (store_run_get(s, name, &ret->row, NULL) == 0)
        ret->in_store = true;
    else if (store_matrix_get(s, name, &ret->matrix, NULL) == 0)
        ret->in_store = ret->is_matrix = true;
    store_close(s);
    return 0;
}

int locate(const struct home *h, const char *name, struct located *ret, struct err *e) {
    memset(ret, 0, sizeof *ret);
    if (strlen(name) >= sizeof ret->dir)
        return err_set(e, ERR_USAGE, "the name of the run is too long; `cto-harness report list` shows what there is");
    if (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        if (!is_dir(name)) return err_set(e, ERR_USAGE, "%s: no such directory", name);
        snprintf(ret->dir, sizeof ret->dir, "%s", name);
        return 0;
    }
    if (name[0] && strlen(name) < sizeof ret->id) {
        if (look_up(h, name, ret, e) < 0) return -1;
        int n = snprintf(ret->dir, sizeof ret->dir, "%s/%s", h->runs, name);
        bool here = n > 0 && (size_t)n < sizeof ret->dir && is_dir(ret->dir);
        if (!here && ret->in_store && !ret->is_matrix) { /* as recorded: the runs of this home may have moved */
            snprintf(ret->dir, sizeof ret->dir, "%s", ret->row.run_dir);
            here = is_dir(ret->dir);
        }
        if (!here && ret->is_matrix && ret->matrix.report_path[0]) {
            snprintf(ret->dir, sizeof ret->dir, "%s", ret->matrix.report_path);
            char *slash = strrchr(ret->dir, '/');
            if (slash) *slash = '\0';
            here = is_dir(ret->dir);
        }
        if (here || ret->in_store) {
            snprintf(ret->id, sizeof ret->id, "%s", name);
            return 0;
        }
        if (is_dir(name)) {
            snprintf(ret->dir, sizeof ret->dir, "%s", name);
            return 0;
        }
    }
    return err_set(e, ERR_USAGE, "no run \"%.160s\" below %s; `cto-harness report list` shows what there is", name,
                   h->runs);
}
