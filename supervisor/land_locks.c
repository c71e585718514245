/* land_locks.c - who may touch the target. Two kinds of locks: our own flock on .git, which the kernel drops with the process, and
 * git's lock files, which stay when their owner is killed. So ours of the second kind are made as links of complete files: whenever
 * one exists its content says whose it is, and whoever recovers removes it without guessing. A lock file that says something else
 * is somebody's, alive or not: it is never removed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/land_internal.h"

#define HOLD_TRIES 30
#define HOLD_PAUSE_MS 100

int land_hold(struct landing *l, const char *target, struct err *e) {
    if (repo_open(&l->repo, target, e) < 0) return -1;
    /* Another landing takes part of a second: it is waited for. */
    for (int tries = 0; tries <= HOLD_TRIES; tries++) {
        if (flock(l->repo.git_fd, LOCK_EX | LOCK_NB) == 0) return 0;
        if (errno != EWOULDBLOCK) return err_sys(e, "lock the target");
        nanosleep(&(struct timespec){.tv_nsec = HOLD_PAUSE_MS * 1000000L}, NULL);
    }
    return err_set(e, ERR_CONFLICT, "another landing on the target is under way: try again when it has ended");
}

void land_release(struct landing *l) {
    tree_changes_release(&l->changes);
    if (l->stage_fd >= 0) close(l->stage_fd);
    l->stage_fd = -1;
    repo_close(&l->repo); /* drops the flock */
}

/* --- the staging directory ----------------------------------------------------------------------------------------- */

/* Changing places is what keeps a file that somebody saves in the same moment. */
static int probe_exchange(int stage, struct err *e) {
    if (file_write_at(stage, "a", MODE_FILE, "", 0, false, e) < 0 ||
        file_write_at(stage, "b", MODE_FILE, "", 0, false, e) < 0)
        return -1;
    const int rc = renameat2(stage, "a", stage, "b", RENAME_EXCHANGE);
    const int why = errno;
    unlinkat(stage, "a", 0);
    unlinkat(stage, "b", 0);
    if (rc == 0) return 0;
    return err_set(e, ERR_UNSUPPORTED, "the target's file system cannot exchange two files: %s", strerror(why));
}

int land_stage_open(struct landing *l, bool again, struct err *e) {
    const bool made = mkdirat(l->repo.git_fd, LAND_STAGE, 0700) == 0;
    if (!made && errno != EEXIST) return err_sys(e, "prepare the landing in the target's .git");
    if (!made && !again)
        return err_set(
            e, ERR_CONFLICT,
            "a landing of another home is unfinished in the target: run a command of that home, or, when it is gone, "
            "remove .git/" LAND_STAGE " after a look into it");
    l->stage_fd = io_open_beneath_quiet(l->repo.git_fd, LAND_STAGE, O_RDONLY | O_DIRECTORY, 0);
    if (l->stage_fd < 0) return err_sys(e, "prepare the landing in the target's .git");
    return made ? probe_exchange(l->stage_fd, e) : 0;
}

/* --- git's locks --------------------------------------------------------------------------------------------------- */

#define LOCK_TEXT_MAX 256

static void owner_text(const struct landing *l, char out[LOCK_TEXT_MAX]) {
    snprintf(out, LOCK_TEXT_MAX, "cto-harness %s %s\n", l->j.kind, l->j.run_id);
}

/* What becomes the branch's file holds what that holds; nobody else knows the id. */
static void branch_text(const struct landing *l, char out[LOCK_TEXT_MAX]) {
    snprintf(out, LOCK_TEXT_MAX, "%s\n", l->j.new_head);
}

static void branch_lock(const struct landing *l, char out[300]) { snprintf(out, 300, "%s.lock", l->j.branch); }

static bool is_ours(const struct landing *l, const char *lock, const char *text) {
    AUTO_BUF struct buf found = BUF_INIT(LOCK_TEXT_MAX);
    return file_read(l->repo.git_fd, lock, LOCK_TEXT_MAX, &found, NULL, NULL) == 0 && found.len == strlen(text) &&
           memcmp(found.p, text, found.len) == 0;
}

static int take_lock(const struct landing *l, const char *lock, const char *text, struct err *e) {
    unlinkat(l->stage_fd, "lock", 0);
    if (file_write_at(l->stage_fd, "lock", MODE_FILE, text, strlen(text), true, e) < 0) return -1;
    const int rc = linkat(l->stage_fd, "lock", l->repo.git_fd, lock, 0), why = errno;
    unlinkat(l->stage_fd, "lock", 0);
    if (rc == 0 || (why == EEXIST && is_ours(l, lock, text))) return 0;
    errno = why;
    if (why != EEXIST) return err_sys(e, "lock the target for git");
    const char *name = strrchr(lock, '/');
    return err_set(
        e, ERR_CONFLICT,
        "git is at work in the target (%s): try again when it has ended; when no git command runs there, one was "
        "killed and left that file",
        name ? name + 1 : lock);
}

static int make_branch_dir(const struct landing *l, struct err *e) {
    char dir[256];
    struct err why = ERR_INIT;
    snprintf(dir, sizeof dir, "%s", l->j.branch);
    *strrchr(dir, '/') = '\0';
    if (io_mkdirs_at(l->repo.git_fd, dir, 0777, &why) == 0) return 0; /* git packs refs and removes empty directories */
    errno = why.sys;
    return err_sys(e, "make the branch's directory in the target's .git");
}

/* In git's order: who changes files takes the index first, who changes refs takes them last. */
int land_lock_git(struct landing *l, bool branch, struct err *e) {
    char owner[LOCK_TEXT_MAX], text[LOCK_TEXT_MAX], lock[300];
    owner_text(l, owner);
    branch_text(l, text);
    branch_lock(l, lock);
    if (take_lock(l, "index.lock", owner, e) < 0 || take_lock(l, "HEAD.lock", owner, e) < 0) return -1;
    if (!branch) return 0;
    return make_branch_dir(l, e) < 0 ? -1 : take_lock(l, lock, text, e);
}

static void drop_lock(const struct landing *l, const char *lock, const char *text) {
    if (is_ours(l, lock, text)) unlinkat(l->repo.git_fd, lock, 0);
}

void land_drop_locks(const struct landing *l) {
    char owner[LOCK_TEXT_MAX], text[LOCK_TEXT_MAX], lock[300];
    owner_text(l, owner);
    branch_text(l, text);
    branch_lock(l, lock);
    drop_lock(l, lock, text);
    drop_lock(l, "HEAD.lock", owner);
    drop_lock(l, "index.lock", owner);
}

void land_unlock_git(struct landing *l) {
    land_drop_locks(l);
    if (l->stage_fd >= 0) close(l->stage_fd);
    l->stage_fd = -1;
    (void)io_remove_tree_at(l->repo.git_fd, LAND_STAGE, NULL);
}

/* --- the branch ---------------------------------------------------------------------------------------------------- */

static void sync_dir(const struct landing *l, const char *path) {
    const char *name;
    AUTO_FD int fd = file_parent(l->repo.git_fd, path, &name);
    if (fd >= 0) (void)fsync(fd); /* the rename is done: a failure here is for syncfs() at the end to repeat */
}

int land_move_branch(struct landing *l, struct err *e) {
    char lock[300];
    git_oid now;
    const int found = repo_read_ref(&l->repo, l->j.branch, &now, e);
    if (found < 0) return -1;
    if (found == 0 || !git_oid_equal(&now, &l->old_head))
        return err_set(e, ERR_CONFLICT, "the target's branch has moved since the run began");
    branch_lock(l, lock);
    if (renameat(l->repo.git_fd, lock, l->repo.git_fd, l->j.branch) < 0) return err_sys(e, "move the target's branch");
    l->moved = true;
    sync_dir(l, l->j.branch);
    return 0;
}

/* --- reflogs ------------------------------------------------------------------------------------------------------- */

/* Is the move the log's last line already? A killed process may have come so far. */
static bool is_logged(int fd, const char *move) {
    char tail[1024];
    const off_t size = lseek(fd, 0, SEEK_END), from = size > (off_t)sizeof tail - 1 ? size - (off_t)sizeof tail + 1 : 0;
    const ssize_t n = size < 0 ? -1 : pread(fd, tail, sizeof tail - 1, from);
    if (n <= 0) return false;
    tail[n] = '\0';
    char *end = strrchr(tail, '\n');
    if (end) *end = '\0';
    const char *line = strrchr(tail, '\n');
    return strncmp(line ? line + 1 : tail, move, strlen(move)) == 0;
}

static void append_log(const struct landing *l, const char *log, int64_t when_s) {
    char move[2 * REPO_ID_SIZE + 2], line[512], dir[300];
    snprintf(dir, sizeof dir, "%s", log);
    *strrchr(dir, '/') = '\0';
    if (io_mkdirs_at(l->repo.git_fd, dir, 0777, NULL) < 0) return;
    AUTO_FD int fd = io_open_beneath_quiet(l->repo.git_fd, log, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK, 0666);
    snprintf(move, sizeof move, "%s %s ", l->j.old_head, l->j.new_head);
    if (fd < 0 || is_logged(fd, move)) return;
    const int n = snprintf(line, sizeof line, "%s" REPO_NAME " <" REPO_EMAIL "> %lld +0000\tcto-harness: %s %s\n", move,
                           (long long)when_s, l->j.kind, l->j.run_id);
    if (n > 0 && (size_t)n < sizeof line && io_write_full(fd, line, (size_t)n, NULL) == 0) (void)fsync(fd);
}

void land_reflogs(const struct landing *l) {
    char log[300];
    git_commit *c = NULL;
    if (git_commit_lookup(&c, l->repo.git, &l->new_head) < 0) return;
    const int64_t when_s = git_commit_time(c);
    git_commit_free(c);
    snprintf(log, sizeof log, "logs/%s", l->j.branch);
    append_log(l, log, when_s);
    append_log(l, "logs/HEAD", when_s);
}
