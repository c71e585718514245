/* evidence_fix.c - one digest over a run directory that is complete but for its end: what a run that waits for a human is held
 * against when it goes on. Not part of it are the files of the seal, which come later, and what the events' file has grown since. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/evidence_internal.h"

#define FIX_FILES_MAX 128

struct listing {
    char *names[FIX_FILES_MAX];
    int n;
};

static void listing_release(struct listing *l) {
    for (int i = 0; i < l->n; i++) free(l->names[i]);
}

static bool comes_later(const char *path) {
    for (int i = 0; evidence_of_the_seal[i]; i++)
        if (strcmp(path, evidence_of_the_seal[i]) == 0) return true;
    return false;
}

/* Every name, files or not: what was put there is found too. */
static int list_into(struct listing *l, int at, const char *dir, struct err *e) {
    int fd = openat(at, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0) close(fd);
        return err_sys(e, "open %s of the run directory", dir);
    }
    int rc = 0;
    for (struct dirent *de; rc == 0 && (de = readdir(d));) {
        char path[300];
        const bool top = strcmp(dir, ".") == 0;
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0) continue;
        snprintf(path, sizeof path, "%s%s%s", top ? "" : dir, top ? "" : "/", de->d_name);
        if (comes_later(path) || strcmp(path, "backend") == 0) continue;
        if (l->n == FIX_FILES_MAX) rc = err_set(e, ERR_LIMIT, "more than %d files in the run directory", FIX_FILES_MAX);
        if (rc == 0) l->names[l->n++] = strdup(path);
    }
    closedir(d);
    return rc;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The first *size bytes; all of it when that is negative, and then it says how many. */
static int digest_start(int at, int64_t *size, char ret[DIGEST_HEX_SIZE], struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(0);
    if (io_read_file_at(at, EVIDENCE_EVENTS, 1u << 30, &b, e) < 0) return -1;
    if (*size < 0) *size = (int64_t)b.len;
    if ((uint64_t)*size > b.len) *size = (int64_t)b.len; /* shorter than it was: another digest */
    digest_bytes(buf_str(&b), (size_t)*size, ret);
    return 0;
}

int evidence_fix(const char *run_dir, int64_t *events_bytes, char ret[DIGEST_HEX_SIZE], struct err *e) {
    struct listing l = {0};
    AUTO_BUF struct buf all = BUF_INIT(1u << 20);
    AUTO_FD int at = open(run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (at < 0) return err_sys(e, "open the run directory");
    int rc = list_into(&l, at, ".", e);
    if (rc == 0) rc = list_into(&l, at, "backend", e);
    qsort(l.names, (size_t)l.n, sizeof l.names[0], by_name);
    for (int i = 0; rc == 0 && i < l.n; i++) {
        char digest[DIGEST_HEX_SIZE];
        struct stat st;
        if (fstatat(at, l.names[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)) {
            buf_printf(&all, "no file  %s\n",
                       l.names[i]); /* something that was put there: another digest, not an error */
            continue;
        }
        rc = strcmp(l.names[i], EVIDENCE_EVENTS) == 0 ? digest_start(at, events_bytes, digest, e)
                                                      : digest_file_at(at, l.names[i], digest, NULL, e);
        if (rc == 0) buf_printf(&all, "%s  %s\n", digest, l.names[i]);
    }
    listing_release(&l);
    if (rc == 0 && all.bad) rc = err_set(e, ERR_LIMIT, "the run directory's list is too long");
    if (rc == 0) digest_bytes(buf_str(&all), all.len, ret);
    return rc;
}

int evidence_cut_events(const char *run_dir, int64_t bytes, struct err *e) {
    AUTO_FD int at = open(run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_FD int fd = at < 0 ? -1 : openat(at, EVIDENCE_EVENTS, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 || ftruncate(fd, (off_t)bytes) < 0 ? err_sys(e, "cut %s", EVIDENCE_EVENTS) : 0;
}
