/* proof_dir.c - the directory of a validation, see proof_run.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "supervisor/commands/proof_run.h"

#define REPOSITORIES "repositories"

int proof_dir_make(struct proof *p, struct err *e) {
    char stamp[CLOCK_COMPACT_SIZE];
    if (home_prepare(&p->home, e) < 0) return -1;
    clock_compact(clock_real_ms(), stamp);
    for (int n = 1; n < 1000; n++) {
        char suffix[16] = "";
        if (n > 1) snprintf(suffix, sizeof suffix, "-%d", n);
        snprintf(p->id, sizeof p->id, "%s-validate-stage%d-%d%s", stamp, p->stage, (int)getpid(), suffix);
        if (snprintf(p->dir, sizeof p->dir, "%s/%s", p->home.runs, p->id) >= (int)sizeof p->dir - 512)
            return err_set(e, ERR_LIMIT, "the home's path is too long");
        if (mkdir(p->dir, 0700) == 0) {
            char repositories[PATH_MAX];
            proof_path(p, REPOSITORIES, repositories);
            return mkdir(repositories, 0700) < 0 ? err_sys(e, "mkdir %s", repositories) : 0;
        }
        if (errno != EEXIST) return err_sys(e, "mkdir %s", p->dir);
    }
    return err_set(e, ERR_LIMIT, "no free directory for the validation");
}

void proof_path(const struct proof *p, const char *name, char out[PATH_MAX]) {
    int n = snprintf(out, PATH_MAX, "%s/%s", p->dir, name);
    BUG_UNLESS(n > 0 && n < PATH_MAX);
}

int proof_write(const struct proof *p, const char *name, const cJSON *doc, struct err *e) {
    AUTO_FD int at = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) return err_sys(e, "open %s", p->dir);
    char *text = cJSON_Print(doc);
    BUG_UNLESS(text != NULL);
    AUTO_BUF struct buf b = BUF_INIT(strlen(text) + 1);
    buf_puts(&b, text);
    buf_puts(&b, "\n");
    cJSON_free(text);
    BUG_UNLESS(!b.bad);
    return io_replace_file_at(at, name, b.p, b.len, 0600, 1, e);
}

/* --- sums --------------------------------------------------------------------------------------------------------------- */

static int skip(const struct dirent *de) {
    return strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 && strcmp(de->d_name, EVIDENCE_SUMS) != 0;
}
static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static int add_sums(int at, const char *prefix, int depth, struct buf *out, struct err *e);

static int add_sum(int at, const char *name, const char *prefix, int depth, struct buf *out, struct err *e) {
    struct stat st;
    char path[PATH_MAX], hex[DIGEST_HEX_SIZE];
    if (snprintf(path, sizeof path, "%s%s", prefix, name) >= (int)sizeof path - 1 || depth > 64)
        return err_set(e, ERR_LIMIT, "%s: too deep", name);
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "%s", path);
    if (S_ISDIR(st.st_mode)) {
        AUTO_FD int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) return err_sys(e, "%s", path);
        const size_t n = strlen(path);
        snprintf(path + n, sizeof path - n, "/");
        return add_sums(fd, path, depth + 1, out, e);
    }
    if (!S_ISREG(st.st_mode)) return 0;
    if (digest_file_at(at, name, hex, NULL, e) < 0) return -1;
    buf_printf(out, "%s  %s\n", hex, path);
    return 0;
}

static int add_sums(int at, const char *prefix, int depth, struct buf *out, struct err *e) {
    struct dirent **list = NULL;
    int n = scandirat(at, ".", &list, skip, by_bytes), rc = 0;
    if (n < 0) return err_sys(e, "list %s", prefix);
    for (int i = 0; i < n; i++) {
        if (rc == 0) rc = add_sum(at, list[i]->d_name, prefix, depth, out, e);
        free(list[i]);
    }
    free(list);
    return rc;
}

#define SUMS_MAX (16u << 20)

int proof_dir_close(struct proof *p, struct err *e) {
    AUTO_BUF struct buf sums = BUF_INIT(SUMS_MAX);
    AUTO_FD int at = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) return err_sys(e, "open %s", p->dir);
    if (io_remove_tree_at(at, REPOSITORIES, e) < 0 || add_sums(at, "", 0, &sums, e) < 0) return -1;
    if (sums.bad) return err_set(e, ERR_LIMIT, "too many files");
    return io_replace_file_at(at, EVIDENCE_SUMS, sums.p, sums.len, 0600, 1, e);
}

/* --- later -------------------------------------------------------------------------------------------------------------- */

enum proof_dir_kind proof_dir_kind(const char *dir) {
    const char *name = strrchr(dir, '/');
    if (!name || !strstr(name, "-validate-stage") || run_look_file(dir, EVIDENCE_EVENTS) ||
        run_look_file(dir, EVIDENCE_CONTRACT) || run_look_file(dir, EVIDENCE_REPORT))
        return PROOF_DIR_NONE;
    return run_look_file(dir, EVIDENCE_SUMS) || run_look_file(dir, PROOF_RESULT) ? PROOF_DIR_CLOSED : PROOF_DIR_ENDED;
}

static void path_of(const char *line, char *out, size_t size) {
    const size_t n = strcspn(line, "\n");
    snprintf(out, size, "%.*s", n > 66 ? (int)(n - 66) : 0, n > 66 ? line + 66 : "");
}

/* The first file that is different, more, or missing. */
static void first_difference(const char *a, const char *b, char *out, size_t size) {
    size_t at = 0;
    char x[PATH_MAX], y[PATH_MAX];
    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i] == '\n') at = i + 1;
    path_of(a + at, x, sizeof x);
    path_of(b + at, y, sizeof y);
    snprintf(out, size, "%.250s", x[0] && (!y[0] || strcmp(x, y) < 0) ? x : y);
}

int proof_dir_verify(const char *dir, struct verify_report *ret, struct err *e) {
    AUTO_BUF struct buf now = BUF_INIT(SUMS_MAX), listed = BUF_INIT(0);
    AUTO_FD int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *ret = (struct verify_report){.status = "validation"};
    snprintf(ret->run_id, sizeof ret->run_id, "%.150s", strrchr(dir, '/') + 1);
    if (at < 0) return err_sys(e, "open %s", dir);
    if (add_sums(at, "", 0, &now, e) < 0) return -1;
    if (now.bad || io_read_file_at(at, EVIDENCE_SUMS, SUMS_MAX, &listed, NULL) < 0) {
        snprintf(ret->file, sizeof ret->file, EVIDENCE_SUMS);
        snprintf(ret->what, sizeof ret->what, "is missing, or cannot be read");
        return 0;
    }
    for (size_t i = 0; i < now.len; i++) ret->files += now.p[i] == '\n';
    ret->ok = strcmp(buf_str(&now), buf_str(&listed)) == 0;
    if (ret->ok) return 0;
    first_difference(buf_str(&now), buf_str(&listed), ret->file, sizeof ret->file);
    snprintf(ret->what, sizeof ret->what, "is not what SHA256SUMS says");
    return 0;
}
