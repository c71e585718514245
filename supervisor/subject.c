/* subject.c - see subject.h. */
#include "supervisor/subject.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/text.h"

#define BLOBS_MAX (512ull << 20) /* as the inspector has it */
#define TAKE_BACK_TRIES 10
#define TAKE_BACK_PAUSE_MS 200
#define TITLE_BYTES 200
#define LAND_NAME "cto-harness"
#define LAND_EMAIL "harness@localhost"

void subject_path(const struct run_record *r, const char *name, char *out, size_t size) {
    int n = snprintf(out, size, "%s" SUBJECT_SUFFIX "%s%s", r->work_dir, name[0] ? "/" : "", name);
    BUG_UNLESS(n > 0 && (size_t)n < size);
}

/* --- before the run ----------------------------------------------------------------------------------------------------- */

/* What a library says of the repository names its path; what is told on names none. */
static int without_path(const char *what, const char *path, const struct err *why, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(4096);
    const char *at = why->text;
    for (const char *hit; path[0] && (hit = strstr(at, path)); at = hit + strlen(path)) {
        buf_put(&b, at, (size_t)(hit - at));
        buf_puts(&b, "the repository");
    }
    buf_puts(&b, at);
    return err_set(e, why->code, "%s: %s", what, b.bad ? "it is not as it must be" : buf_str(&b));
}

static int make_disposable(struct run_record *r, struct err *e) {
    char from[PATH_MAX], at[PATH_MAX];
    struct err why = ERR_INIT;
    snprintf(from, sizeof from, "%.4000s/fixture", r->c->dir);
    subject_path(r, "disposable", at, sizeof at);
    if (repo_create(at, from, "main", &r->subject->repo, &why) < 0) return err_set(e, why.code, "%s", why.text);
    snprintf(r->subject->path, sizeof r->subject->path, "%s", at);
    snprintf(r->subject->head, sizeof r->subject->head, "%s", r->subject->repo.head);
    snprintf(r->subject->branch, sizeof r->subject->branch, "%s", r->subject->repo.branch);
    snprintf(r->subject->tree_before, sizeof r->subject->tree_before, "%s", r->subject->repo.tree);
    r->subject->start_clean = r->subject->repo.clean;
    return 0;
}

int subject_prepare(struct run_record *r, struct err *e) {
    struct run_subject *s = r->subject;
    char dir[PATH_MAX], fixture[PATH_MAX], blobs[PATH_MAX];
    struct err why = ERR_INIT;
    subject_path(r, "", dir, sizeof dir);
    subject_path(r, "fixture", fixture, sizeof fixture);
    subject_path(r, "blobs", blobs, sizeof blobs);
    if (mkdir(dir, 0700) < 0) return err_sys(e, "mkdir %s", dir);
    if (s->kind == SUBJECT_DISPOSABLE && make_disposable(r, e) < 0) return err_ctx(e, "the disposable repository");
    if (s->kind == SUBJECT_SOURCE && repo_content_digest(s->path, s->before, &why) < 0)
        return without_path("read the source repository", s->path, &why, e);
    if (repo_export(s->path, s->head, fixture, &why) < 0) return without_path("copy HEAD's tree", s->path, &why, e);
    if (!subject_lands(s->kind)) return 0;
    s->blobs_fd = open(blobs, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return s->blobs_fd < 0 ? err_sys(e, "create %s", blobs) : 0;
}

/* --- what the inspector sends ------------------------------------------------------------------------------------------- */

int subject_take_blobs(struct run_record *r, const void *p, size_t n, struct err *e) {
    struct run_subject *s = r->subject;
    if (s->blobs_written + n > BLOBS_MAX) return err_set(e, ERR_LIMIT, "more than %llu bytes to be landed", BLOBS_MAX);
    if (io_write_full(s->blobs_fd, p, n, e) < 0) return err_ctx(e, "the contents to be landed");
    s->blobs_written += n;
    return 0;
}

/* --- landing ------------------------------------------------------------------------------------------------------------ */

static int copy_range(int from, off_t at, uint64_t n, int to, struct err *e) {
    char buffer[64 << 10];
    while (n > 0) {
        ssize_t got = pread(from, buffer, n < sizeof buffer ? (size_t)n : sizeof buffer, at);
        if (got <= 0) return err_sys(e, "read the contents to be landed");
        if (io_write_full(to, buffer, (size_t)got, e) < 0) return -1;
        at += got;
        n -= (uint64_t)got;
    }
    return 0;
}

/* Where a link leads, from the directory it lies in: within the repository, and not into .git? What a name leads to may be a link
 * itself, whose parent is anywhere: up goes a link only before it has gone down. Then no chain of such links leads out either. */
static bool link_stays_inside(const char *path, const char *to) {
    int depth = 0;
    bool down = false;
    for (const char *p = path; (p = strchr(p, '/')); p++) depth++;
    if (to[0] == '/' || to[0] == '\0') return false;
    for (const char *p = to; *p;) {
        const size_t n = strcspn(p, "/");
        if (n == 2 && strncmp(p, "..", 2) == 0) {
            if (down || --depth < 0) return false;
        } else if (n > 0 && !(n == 1 && *p == '.')) {
            if (n >= 4 && (strncasecmp(p, ".git", 4) == 0 || strncasecmp(p, "git~", 4) == 0)) return false;
            down = true;
        }
        p += n + (p[n] == '/');
    }
    return true;
}

static int check_link(const struct run_subject *s, int i, off_t offset, struct err *e) {
    char to[4096];
    const uint64_t n = s->sizes[i];
    if (n < sizeof to && pread(s->blobs_fd, to, (size_t)n, offset) == (ssize_t)n) {
        to[n] = '\0';
        if (link_stays_inside(s->changes[i].path, to)) return 0;
    }
    return err_set(
        e, ERR_CONFLICT,
        "a symbolic link of the result leads out of the repository, or into .git, or up again behind a name");
}

/* One file for each content, named by what it must hash to; land() takes the digest. */
static int split_blobs(const struct run_subject *s, const char *dir, struct err *e) {
    AUTO_FD int at = -1;
    off_t offset = 0;
    if (mkdir(dir, 0700) < 0 || (at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) return err_sys(e, "%s", dir);
    for (int i = 0; i < s->n_changes; i++) {
        if (s->changes[i].mode == 0) continue;
        if (s->changes[i].mode == 0120000 && check_link(s, i, offset, e) < 0) return -1;
        AUTO_FD int fd = openat(at, s->changes[i].oid, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 && errno != EEXIST) return err_sys(e, "create %s", s->changes[i].oid);
        if (fd >= 0 && copy_range(s->blobs_fd, offset, s->sizes[i], fd, e) < 0) return -1;
        offset += (off_t)s->sizes[i];
    }
    return 0;
}

static void compose_message(const struct run_record *r, char *out, size_t size) {
    snprintf(out, size,
             "%.*s\n\nLanded by cto-harness after verification.\n\nCase: %s\nBackend: %s\nRun: %s\nResult: %s\n",
             (int)text_fits(r->c->title, TITLE_BYTES), r->c->title, r->c->id, r->engine, r->run_id, r->result_head);
}

int subject_land(struct store *st, struct run_record *r, struct err *e) {
    struct run_subject *s = r->subject;
    char blobs[PATH_MAX], message[1024];
    subject_path(r, "blobs.d", blobs, sizeof blobs);
    if (split_blobs(s, blobs, e) < 0) return -1;
    compose_message(r, message, sizeof message);
    const struct land_order order = {.target = s->path,
                                     .branch = s->branch,
                                     .identity = &s->repo.identity,
                                     .old_head = s->head,
                                     .expect_tree = s->tree,
                                     .blob_dir = blobs,
                                     .message = message,
                                     .author_name = LAND_NAME,
                                     .author_email = LAND_EMAIL,
                                     .when_s = clock_real_ms() / 1000,
                                     .changes = s->changes,
                                     .n_changes = s->n_changes,
                                     .run_id = r->run_id};
    struct err why = ERR_INIT, owed = ERR_INIT;
    if (land(st, &order, s->commit, &why) == 0) return 0;
    /* On its branch, and not as it must be: a failed run leaves nothing behind. What cannot be taken back now, recovery owes. */
    if (s->commit[0] &&
        subject_take_back(st, r->run_id, "the landing could not be completed", s->revert_commit, &owed) < 0)
        return without_path("the landing could not be completed, and stands until it can be taken back", s->path, &owed,
                            e);
    return without_path(s->commit[0] ? "the landing was taken back, since it could not be completed"
                                     : "land on the repository",
                        s->path, &why, e);
}

int subject_take_back(struct store *st, const char *run_id, const char *reason, char ret_commit[OID_SIZE],
                      struct err *e) {
    struct err why = ERR_INIT;
    for (int tries = 0; tries < TAKE_BACK_TRIES; tries++) {
        why = ERR_INIT;
        if (land_revert(st, run_id, reason, ret_commit, &why) == 0) return 0;
        if (why.code != ERR_CONFLICT) break;
        nanosleep(&(struct timespec){.tv_nsec = TAKE_BACK_PAUSE_MS * 1000000L},
                  NULL); /* git itself locks for moments */
    }
    if (e) *e = why;
    return -1;
}

void subject_look_again(struct run_record *r) {
    struct run_subject *s = r->subject;
    if (repo_look(s->path, &s->repo, NULL) < 0) return;
    const char *head = s->revert_commit[0] ? s->revert_commit : s->commit[0] ? s->commit : s->head;
    s->end_clean = s->repo.clean && strcmp(s->repo.head, head) == 0;
    if (s->kind == SUBJECT_SOURCE) (void)repo_content_digest(s->path, s->after, NULL);
}

void subject_remove(const struct run_record *r) {
    char dir[PATH_MAX];
    subject_path(r, "", dir, sizeof dir);
    io_remove_tree_at(AT_FDCWD, dir, NULL);
}
