/* case_ids.c - which cases there are, and what somebody meant who named one that is not there.
 *
 * The folder is the only register: a case is a directory with a case.json in cases/ (tasks) or cases/failures/ (failure
 * fixtures). Names that cannot be ids are left out here (an editor's or scaffold's temporary directory), but a folder
 * with a valid name and no case.json is listed too: reading it then says what is missing, instead of silently testing
 * less.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "supervisor/case.h"

#define FAILURES "failures"
#define MAX_CASES 4096

bool case_id_valid(const char *id) {
    size_t n = strlen(id);
    if (n == 0 || n > CASE_ID_MAX || id[0] == '-' || id[n - 1] == '-') return false;
    for (size_t i = 0; i < n; i++) {
        bool word = (id[i] >= 'a' && id[i] <= 'z') || (id[i] >= '0' && id[i] <= '9');
        if (!word && (id[i] != '-' || id[i - 1] == '-')) return false;
    }
    return strcmp(id, FAILURES) != 0 && strcmp(id, "all") != 0; /* a folder of ours and a word of `case lint` */
}

struct id_list {
    char **v;
    int n, cap;
};

static void list_put(struct id_list *l, const char *id) {
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->v = realloc(l->v, (size_t)l->cap * sizeof(*l->v));
        BUG_UNLESS(l->v != NULL);
    }
    l->v[l->n] = strdup(id);
    BUG_UNLESS(l->v[l->n] != NULL);
    l->n++;
}

static int compare_ids(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Appends the ids of one folder, sorted. */
static int list_folder(const char *path, struct id_list *l, struct err *e) {
    int first = l->n, rc = 0;
    DIR *d = opendir(path);
    if (!d) return err_sys(e, "open the cases in %s", path);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(d);
        if (!entry) {
            if (errno) rc = err_sys(e, "list the cases in %s", path);
            break;
        }
        struct stat st;
        if (!case_id_valid(entry->d_name)) continue;
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) continue;
        if (l->n == MAX_CASES) {
            rc = err_set(e, ERR_LIMIT, "%s holds more than %d cases", path, MAX_CASES);
            break;
        }
        list_put(l, entry->d_name);
    }
    closedir(d);
    if (l->n > first) qsort(l->v + first, (size_t)(l->n - first), sizeof(*l->v), compare_ids);
    return rc;
}

/* Runs are recorded by case id: the same id in both folders would make two different cases one. */
static int refuse_twins(const struct id_list *l, int n_tasks, struct err *e) {
    for (int i = n_tasks; i < l->n; i++)
        if (n_tasks > 0 && bsearch(&l->v[i], l->v, (size_t)n_tasks, sizeof(*l->v), compare_ids))
            return err_set(e, ERR_PARSE, "case \"%s\" exists twice, as a task and under " FAILURES "/: rename one",
                           l->v[i]);
    return 0;
}

void case_ids_free(char **ids, int n) {
    if (!ids) return;
    for (int i = 0; i < n; i++) free(ids[i]);
    free(ids);
}

int case_ids(const char *cases_dir, bool with_failures, char ***ret, struct err *e) {
    struct id_list l = {0};
    AUTO_FREE char *failures = NULL;
    if (asprintf(&failures, "%s/" FAILURES, cases_dir) < 0) failures = NULL;
    BUG_UNLESS(failures != NULL);
    int rc = list_folder(cases_dir, &l, e);
    int n_tasks = l.n;
    if (rc == 0 && with_failures && access(failures, F_OK) == 0) rc = list_folder(failures, &l, e);
    if (rc == 0) rc = refuse_twins(&l, n_tasks, e);
    if (rc < 0) {
        case_ids_free(l.v, l.n);
        return -1;
    }
    if (!l.v) {
        l.v = calloc(1, sizeof(*l.v));
        BUG_UNLESS(l.v != NULL);
    }
    *ret = l.v;
    return l.n;
}

/* Levenshtein distance, for names up to CASE_ID_MAX; longer ones are not near anything. */
static int distance(const char *a, const char *b) {
    int row[CASE_ID_MAX + 1];
    int na = (int)strnlen(a, CASE_ID_MAX + 1), nb = (int)strnlen(b, CASE_ID_MAX + 1);
    if (na > CASE_ID_MAX || nb > CASE_ID_MAX) return CASE_ID_MAX;
    for (int j = 0; j <= nb; j++) row[j] = j;
    for (int i = 1; i <= na; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            int above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[nb];
}

/* How far `known` is from what was typed; a name that holds the typed text, or is held by it, is near. */
static int farness(const char *name, const char *known) {
    size_t n = strlen(name);
    if (n >= 3 && (strstr(known, name) || strstr(name, known))) return 1;
    int d = distance(name, known), limit = (int)(n / 3) + 1;
    return d <= limit ? d : CASE_ID_MAX;
}

void case_suggest(const char *name, const char *const *known, int n, char *out, size_t size) {
    const char *best[3] = {NULL, NULL, NULL};
    int far[3] = {CASE_ID_MAX, CASE_ID_MAX, CASE_ID_MAX};
    for (int i = 0; i < n; i++) {
        const char *candidate = known[i];
        int d = farness(name, candidate);
        for (int slot = 0; slot < 3; slot++) {
            if (d >= far[slot]) continue;
            const char *displaced = best[slot];
            int displaced_far = far[slot];
            best[slot] = candidate;
            far[slot] = d;
            candidate = displaced;
            d = displaced_far;
        }
    }
    BUG_UNLESS(size > 0);
    out[0] = '\0';
    if (!best[0]) return;
    int len = snprintf(out, size, " (did you mean %s%s%s%s%s?)", best[0], best[1] ? ", " : "", best[1] ? best[1] : "",
                       best[2] ? ", " : "", best[2] ? best[2] : "");
    if (len < 0 || (size_t)len >= size) out[0] = '\0';
}

static int unknown_id(const char *cases_dir, const char *id, struct err *e) {
    char **ids = NULL;
    char hint[3 * CASE_ID_MAX + 32] = "";
    int n = case_ids(cases_dir, true, &ids, NULL);
    if (n < 0) return err_set(e, ERR_USAGE, "no cases in %s: name their folder with --cases", cases_dir);
    case_suggest(id, (const char *const *)ids, n, hint, sizeof(hint));
    case_ids_free(ids, n);
    return err_set(e, ERR_USAGE, "unknown case \"%.80s\"%s; `cto-harness case list` shows all", id, hint);
}

int case_find(const char *cases_dir, const char *id, char ret[CASE_ID_MAX + 16], struct err *e) {
    static const char *const places[] = {"", FAILURES "/"};
    AUTO_FD int dir = open(cases_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; dir >= 0 && case_id_valid(id) && i < 2; i++) {
        char path[CASE_ID_MAX + 16];
        struct stat st;
        (void)snprintf(path, sizeof(path), "%s%s", places[i], id);
        if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) continue;
        memcpy(ret, path, sizeof(path));
        return 0;
    }
    return unknown_id(cases_dir, id, e);
}
