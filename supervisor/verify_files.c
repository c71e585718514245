/* verify_files.c - the set of files against SHA256SUMS. The list is the only authority on what belongs here: it must be
 * in the one form that we write (so that no byte of it can change without notice), name every file once, and name
 * nothing else.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/io.h"
#include "common/path.h"
#include "supervisor/verify_internal.h"

static bool is_lower_hex(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f'))) return false;
    return true;
}

size_t sums_parse_line(const char *p, size_t n, struct sums_line *ret) {
    const char *end = memchr(p, '\n', n);
    if (!end || end - p < 67 || !is_lower_hex(p, 64) || p[64] != ' ' || p[65] != ' ') return 0;
    ret->path = p + 66;
    ret->path_len = (size_t)(end - ret->path);
    if (ret->path_len >= 256 || !path_is_plain_relative(ret->path, ret->path_len)) return 0;
    for (size_t i = 0; i < ret->path_len; i++)
        if ((unsigned char)ret->path[i] <= ' ' || (unsigned char)ret->path[i] >= 0x7f || ret->path[i] == '\\') return 0;
    memcpy(ret->sha256, p, 64);
    ret->sha256[64] = '\0';
    return (size_t)(end - p) + 1;
}

/* --- walking ---------------------------------------------------------------------------------------------------------
 * */

static int add_file(struct verify_state *v, const char *path, uint64_t size) {
    if (strcmp(path, EVIDENCE_SUMS) == 0) return 0;
    if (v->n_files == VERIFY_MAX_FILES) return verify_bad(v, "", "more than %d files", VERIFY_MAX_FILES);
    if (size > VERIFY_MAX_FILE) return verify_bad(v, path, "larger than %llu bytes", VERIFY_MAX_FILE);
    v->total += size;
    if (v->total > VERIFY_MAX_TOTAL) return verify_bad(v, "", "files of more than %llu bytes", VERIFY_MAX_TOTAL);
    struct verify_file *f = &v->files[v->n_files++];
    snprintf(f->path, sizeof f->path, "%s", path);
    f->size = size;
    return 0;
}

static int walk(struct verify_state *v, const char *prefix, int depth);

static int visit(struct verify_state *v, const char *prefix, const char *name, int depth) {
    char path[256];
    struct stat sb;
    int n = snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof path) return verify_bad(v, name, "a name that is too long");
    if (fstatat(v->dir, path, &sb, AT_SYMLINK_NOFOLLOW) < 0)
        return verify_bad(v, path, "cannot be looked at: %s", strerror(errno));
    if (S_ISREG(sb.st_mode)) return add_file(v, path, (uint64_t)sb.st_size);
    if (!S_ISDIR(sb.st_mode)) return verify_bad(v, path, "is neither a file nor a directory");
    if (depth == VERIFY_MAX_DEPTH || v->n_dirs == VERIFY_MAX_DIRS) return verify_bad(v, path, "too many directories");
    snprintf(v->dirs[v->n_dirs++], sizeof v->dirs[0], "%s", path);
    return walk(v, path, depth + 1);
}

static int walk(struct verify_state *v, const char *prefix, int depth) {
    int fd = io_open_beneath_quiet(v->dir, prefix[0] ? prefix : ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        int saved = errno;
        if (fd >= 0) close(fd);
        return verify_bad(v, prefix, "cannot be listed: %s", strerror(saved));
    }
    int rc = 0;
    errno = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(d)) != NULL; errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = visit(v, prefix, entry->d_name, depth);
    if (rc == 0 && errno != 0) rc = verify_bad(v, prefix, "cannot be listed: %s", strerror(errno));
    closedir(d);
    return rc;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct verify_file *)a)->path, ((const struct verify_file *)b)->path);
}

/* --- digests ---------------------------------------------------------------------------------------------------------
 * */

static int check_digest(struct verify_state *v, struct verify_file *f, const char *listed) {
    struct err why = ERR_INIT;
    struct stat sb;
    char hex[DIGEST_HEX_SIZE];
    uint64_t size = 0;
    AUTO_FD int fd = io_open_beneath_quiet(v->dir, f->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
    if (fd < 0) return verify_bad(v, f->path, "cannot be read: %s", strerror(errno));
    if (fstat(fd, &sb) < 0 || !S_ISREG(sb.st_mode) || (uint64_t)sb.st_size != f->size)
        return verify_bad(v, f->path, "changed while it was being checked");
    if (digest_fd(fd, hex, &size, &why) < 0) return verify_bad(v, f->path, "cannot be read: %s", why.text);
    if (size != f->size) return verify_bad(v, f->path, "changed while it was being checked");
    if (strcmp(hex, listed) != 0) return verify_bad(v, f->path, "digest is %s, SHA256SUMS says %s", hex, listed);
    memcpy(f->sha256, hex, sizeof f->sha256);
    v->out->bytes += size;
    return 0;
}

/* Form and order of every line first, so that a complaint about the list is not mistaken for one about a file. */
static int check_form(struct verify_state *v, const struct buf *text) {
    struct sums_line l;
    char path[256], last[256] = "";
    int line = 1;
    for (size_t at = 0, n; at < text->len; at += n, line++) {
        n = sums_parse_line((const char *)text->p + at, text->len - at, &l);
        if (n == 0)
            return verify_bad(v, EVIDENCE_SUMS, "line %d is not 64 hex digits, two spaces and a plain path", line);
        snprintf(path, sizeof path, "%.*s", (int)l.path_len, l.path);
        if (strcmp(path, last) <= 0) return verify_bad(v, EVIDENCE_SUMS, "line %d (%s) is not in order", line, path);
        memcpy(last, path, sizeof last);
    }
    return 0;
}

static int check_sums(struct verify_state *v, const struct buf *text) {
    struct sums_line l;
    char path[256];
    int i = 0;
    if (check_form(v, text) < 0) return -1;
    for (size_t at = 0; at < text->len; i++) {
        at += sums_parse_line((const char *)text->p + at, text->len - at, &l);
        snprintf(path, sizeof path, "%.*s", (int)l.path_len, l.path);
        if (i < v->n_files && strcmp(v->files[i].path, path) < 0)
            return verify_bad(v, v->files[i].path, "is not listed in SHA256SUMS");
        if (i == v->n_files || strcmp(v->files[i].path, path) != 0)
            return verify_bad(v, path, "is listed in SHA256SUMS, but missing");
        if (check_digest(v, &v->files[i], l.sha256) < 0) return -1;
    }
    return i < v->n_files ? verify_bad(v, v->files[i].path, "is not listed in SHA256SUMS") : 0;
}

/* A directory belongs here when it holds a listed file; backend/ may be empty. */
static int check_dirs(struct verify_state *v) {
    for (int i = 0; i < v->n_dirs; i++) {
        bool used = strcmp(v->dirs[i], "backend") == 0;
        size_t n = strlen(v->dirs[i]);
        for (int k = 0; k < v->n_files && !used; k++)
            used = strncmp(v->files[k].path, v->dirs[i], n) == 0 && v->files[k].path[n] == '/';
        if (!used) return verify_bad(v, v->dirs[i], "is an extra directory");
    }
    return 0;
}

int verify_required(struct verify_state *v) {
    static const char *const required[] = {EVIDENCE_EVENTS, EVIDENCE_TRACE,     EVIDENCE_CONTRACT, EVIDENCE_PATCH,
                                           EVIDENCE_REPORT, EVIDENCE_REPORT_MD, EVIDENCE_TEST_LOG};
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++)
        if (!verify_find(v, required[i])) return verify_bad(v, required[i], "is missing from the artifact set");
    for (int i = 0; i < v->n_dirs; i++)
        if (strcmp(v->dirs[i], "backend") == 0) return 0;
    return verify_bad(v, "backend", "is missing from the artifact set");
}

int verify_files(struct verify_state *v) {
    struct err why = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(0);
    v->files = calloc(VERIFY_MAX_FILES, sizeof *v->files);
    BUG_UNLESS(v->files != NULL);
    if (walk(v, "", 0) < 0) return -1;
    qsort(v->files, (size_t)v->n_files, sizeof v->files[0], by_path);
    struct stat sb;
    if (fstatat(v->dir, EVIDENCE_SUMS, &sb, AT_SYMLINK_NOFOLLOW) < 0)
        return verify_bad(v, EVIDENCE_SUMS, "is missing: the run was not sealed");
    if (!S_ISREG(sb.st_mode) || io_read_file_at(v->dir, EVIDENCE_SUMS, 1u << 20, &text, &why) < 0)
        return verify_bad(v, EVIDENCE_SUMS, "cannot be read: %s", why.text);
    digest_bytes(text.p, text.len, v->out->sums_sha256);
    if (check_sums(v, &text) < 0 || check_dirs(v) < 0) return -1;
    static const char *const main_files[] = {EVIDENCE_REPORT, VERIFY_STAGE6_FILE, VERIFY_REFRESH_FILE};
    const struct verify_file *report = NULL;
    for (int i = 0; i < (v->any_document ? 3 : 1) && !report; i++) report = verify_find(v, main_files[i]);
    if (!report) return verify_bad(v, EVIDENCE_REPORT, "is missing from the artifact set");
    memcpy(v->out->report_sha256, report->sha256, sizeof v->out->report_sha256);
    return 0;
}
