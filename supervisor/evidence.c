/* evidence.c - the open run directory: names, files, appending.
 *
 * Everything is reached by a descriptor of the directory and made with O_EXCL without following links: whoever could
 * plant a name there first makes the run fail instead of making us write elsewhere. Streams go straight to disk;
 * nothing of an artifact is kept in memory but its size and the time of its last write, taken from our own clock, never
 * from the file.
 *
 * The directory's row in the store exists before the directory does (reserve): after a kill at any point, whatever lies
 * on the disk has a row that leads to it.
 */
#include "supervisor/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/io.h"
#include "supervisor/evidence_internal.h"

static const char *const fixed_paths[SLOT_FIXED] = {
    [SLOT_EVENTS] = EVIDENCE_EVENTS,
    [SLOT_TRACE] = EVIDENCE_TRACE,
    [SLOT_CONTRACT] = EVIDENCE_CONTRACT,
    [SLOT_PATCH] = EVIDENCE_PATCH,
    [SLOT_TEST_LOG] = EVIDENCE_TEST_LOG,
    [SLOT_STDOUT] = "backend/stdout.log",
    [SLOT_STDERR] = "backend/stderr.log",
    [SLOT_CASE_EVENTS] = "backend/case-events.jsonl",
    [SLOT_CASE_TASK] = "backend/case-task-left.json",
    [SLOT_CASE_NOTES] = "backend/case-task-left.md",
};

struct evidence *evidence_new(const struct run_record *r) {
    struct evidence *ev = calloc(1, sizeof *ev);
    if (!ev) return NULL;
    ev->dir = -1;
    ev->last_type = -1;
    snprintf(ev->run_id, sizeof ev->run_id, "%s", r->run_id);
    snprintf(ev->case_id, sizeof ev->case_id, "%s", r->c->id);
    snprintf(ev->backend, sizeof ev->backend, "%s", r->engine);
    memcpy(ev->prev, EVIDENCE_ZERO_PREV, sizeof ev->prev);
    /* A wall clock that was put back since the run began (a recovery may come a day later) must not make what is written now
     * older than its run. */
    ev->real0_ms = clock_real_ms();
    if (ev->real0_ms < r->started_ms) ev->real0_ms = r->started_ms;
    ev->mono0_us = clock_mono_us();
    for (int i = 0; i < SLOT_FIXED; i++) evidence_add_file(ev, fixed_paths[i]);
    return ev;
}

struct evidence_file *evidence_add_file(struct evidence *ev, const char *path) {
    BUG_UNLESS(ev->n_files < SLOT_FIXED + EVIDENCE_MAX_MARKERS);
    int room = ev->n_files < SLOT_FIXED ? SLOT_FIXED : ev->n_files + 1; /* the fixed ones at once */
    struct evidence_file *more = realloc(ev->files, (size_t)room * sizeof *more);
    BUG_UNLESS(more != NULL);
    ev->files = more;
    struct evidence_file *f = &ev->files[ev->n_files++];
    *f = (struct evidence_file){.fd = -1};
    snprintf(f->path, sizeof f->path, "%s", path);
    return f;
}

void evidence_free(struct evidence *ev) {
    if (!ev) return;
    evidence_streams_release(ev);
    for (int i = 0; i < ev->n_files; i++)
        if (ev->files[i].fd >= 0) close(ev->files[i].fd);
    if (ev->dir >= 0) close(ev->dir);
    for (int i = 0; i < ev->n_types; i++) free(ev->types[i]);
    free(ev->types);
    free(ev->files);
    free(ev->index);
    free(ev);
}

int64_t evidence_now(const struct evidence *ev) {
    return ev->real0_ms + (int64_t)((clock_mono_us() - ev->mono0_us) / 1000);
}

void evidence_set_budget(struct evidence *ev, int64_t bytes) { ev->budget = bytes; }
uint64_t evidence_bytes(const struct evidence *ev) { return ev->bytes; }

/* --- making the directory --------------------------------------------------------------------------------------------
 * */

static int compose(const struct home *h, struct run_record *r, int n, struct err *e) {
    char stamp[CLOCK_COMPACT_SIZE], suffix[16] = "";
    clock_compact(r->started_ms, stamp);
    if (n > 1) snprintf(suffix, sizeof suffix, "-%d", n);
    int len = snprintf(r->run_id, sizeof r->run_id, "%s-%s-%d%s", stamp, r->c->id, (int)getpid(), suffix);
    if (len < 0 || (size_t)len >= sizeof r->run_id) return err_set(e, ERR_LIMIT, "run id of %d bytes is too long", len);
    char run[PATH_MAX], work[PATH_MAX];
    int a = snprintf(run, sizeof run, "%s/%s", h->runs, r->run_id);
    int b = snprintf(work, sizeof work, "%s/%s", h->work, r->run_id);
    if (a < 0 || b < 0 || (size_t)a >= sizeof run || (size_t)b >= sizeof work)
        return err_set(e, ERR_LIMIT, "home %s: the path is too long", h->home);
    record_set_dirs(r, run, work);
    return 0;
}

static int make_directory(const char *run_dir, struct evidence *ev, struct err *e) {
    if (mkdir(run_dir, 0700) < 0) {
        if (errno == EEXIST) return err_set(e, ERR_CONFLICT, "%s exists", run_dir);
        return err_sys(e, "mkdir %s", run_dir);
    }
    ev->dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (ev->dir >= 0 && mkdirat(ev->dir, "backend", 0700) == 0) return 0;
    err_sys(e, "%s %s", ev->dir < 0 ? "open" : "make backend in", run_dir);
    rmdir(run_dir); /* it is empty; left, it would be a run that nobody ever seals */
    return -1;
}

/* 1: this name is taken, try the next. */
static int try_name(struct run_record *r, evidence_reserve_fn reserve, void *ctx, struct err *e) {
    struct stat sb;
    struct err why = ERR_INIT;
    if (lstat(r->run_dir, &sb) == 0) return 1;
    if (errno != ENOENT) return err_sys(e, "%s", r->run_dir);
    if (!reserve || reserve(ctx, r, &why) == 0) return 0;
    if (why.code == ERR_CONFLICT) return 1;
    if (e) *e = why;
    return -1;
}

int evidence_create(const struct home *h, struct run_record *r, evidence_reserve_fn reserve, void *ctx,
                    struct evidence **ret, struct err *e) {
    if (r->started_ms == 0) r->started_ms = clock_real_ms();
    int rc = 1;
    for (int n = 1; rc == 1; n++) {
        if (n > 100000) return err_set(e, ERR_LIMIT, "no free run id below %s", h->runs);
        if (compose(h, r, n, e) < 0) return -1;
        rc = try_name(r, reserve, ctx, e);
    }
    if (rc < 0) return -1;
    struct evidence *ev = evidence_new(r);
    if (!ev) return err_set(e, ERR_SYS, "evidence: out of memory");
    if (make_directory(r->run_dir, ev, e) < 0) {
        evidence_free(ev);
        return -1;
    }
    *ret = ev;
    return 0;
}

/* --- appending -------------------------------------------------------------------------------------------------------
 * */

static int open_slot(struct evidence *ev, struct evidence_file *f, struct err *e) {
    if (f->fd >= 0) return 0;
    int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | (f->exists ? 0 : O_CREAT | O_EXCL);
    f->fd = io_open_beneath(ev->dir, f->path, flags, 0600, e);
    if (f->fd < 0) return -1;
    if (!f->exists) f->written_ms = evidence_now(ev);
    if (!f->exists &&
        f - ev->files <= SLOT_TRACE) /* where none can be set aside, a full disk is an error of the write */
        (void)!fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0, EVIDENCE_AHEAD);
    f->exists = true;
    return 0;
}

int evidence_append(struct evidence *ev, int slot, const void *p, size_t n, bool line, struct err *e) {
    BUG_UNLESS(slot >= 0 && slot < ev->n_files);
    struct evidence_file *f = &ev->files[slot];
    if (open_slot(ev, f, e) < 0) return -1;
    if (n > 0 && io_write_full(f->fd, p, n, e) < 0) {
        /* How much went through is unknown now. A line is taken back whole; a stream keeps what is there. */
        struct stat sb;
        if (line && ftruncate(f->fd, (off_t)f->size) < 0)
            return err_ctx(e, "%s (and it could not be cut back)", f->path);
        if (!line && fstat(f->fd, &sb) == 0 && (uint64_t)sb.st_size >= f->size) {
            ev->bytes += (uint64_t)sb.st_size - f->size;
            f->size = (uint64_t)sb.st_size;
        }
        return err_ctx(e, "%s", f->path);
    }
    f->size += n;
    ev->bytes += n;
    f->written_ms = evidence_now(ev);
    return 0;
}

int evidence_test_log(struct evidence *ev, const char *text, struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(EVIDENCE_MARKER_MAX);
    AUTO_FREE char *clean = secrets_clean(ev->secrets, SECRET_IN_TEST_LOG, text, strlen(text), NULL);
    buf_printf(&line, "%s\n", clean ? clean : text);
    if (evidence_flush_stream(ev, SECRET_IN_TEST_LOG, e) < 0) return -1; /* it stands behind what came before */
    if (line.bad) return err_set(e, ERR_LIMIT, "test.log: a line of more than %u bytes", EVIDENCE_MARKER_MAX);
    return evidence_append(ev, SLOT_TEST_LOG, line.p, line.len, true, e);
}

static bool is_marker_name(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > 64 || name[0] == '.' || strcmp(name, "stdout.log") == 0 || strcmp(name, "stderr.log") == 0)
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

int evidence_marker(struct evidence *ev, const char *name, const char *text, struct err *e) {
    char path[96];
    AUTO_FREE char *clean = secrets_clean(ev->secrets, SECRET_IN_BACKEND, text, strlen(text), NULL);
    if (clean) text = clean;
    size_t n = strlen(text);
    if (!is_marker_name(name)) return err_set(e, ERR_INTERNAL, "\"%.80s\" cannot name a file under backend/", name);
    if (n > EVIDENCE_MARKER_MAX)
        return err_set(e, ERR_LIMIT, "backend/%s: more than %u bytes", name, EVIDENCE_MARKER_MAX);
    if (ev->n_files == SLOT_FIXED + EVIDENCE_MAX_MARKERS)
        return err_set(e, ERR_LIMIT, "backend/%s: more than %d markers", name, EVIDENCE_MAX_MARKERS);
    snprintf(path, sizeof path, "backend/%s", name);
    for (int i = SLOT_FIXED; i < ev->n_files; i++)
        if (strcmp(ev->files[i].path, path) == 0) return err_set(e, ERR_CONFLICT, "%s exists", path);
    struct evidence_file *f = evidence_add_file(ev, path);
    int rc = evidence_append(ev, ev->n_files - 1, text, n, true, e);
    if (f->fd >= 0) close(f->fd); /* markers are written once */
    f->fd = -1;
    if (!f->exists) ev->n_files--;
    return rc;
}

/* After a recovery, or a first try that failed, the contract may be there already. When its event is in the chain, the file
 * that the event names stands; otherwise it may be half a file, and is written anew. */
static int readopt_contract(struct evidence *ev, const char *text, char digest[DIGEST_HEX_SIZE], struct err *e) {
    struct evidence_file *f = &ev->files[SLOT_CONTRACT];
    for (int i = 0; i < ev->n_types; i++)
        if (strcmp(ev->types[i], "task.contract.created") == 0)
            return digest_file_at(ev->dir, f->path, digest, NULL, e);
    AUTO_FD int fd = io_open_beneath(ev->dir, f->path, O_WRONLY | O_TRUNC | O_NOFOLLOW, 0, e);
    if (fd < 0 || io_write_full(fd, text, strlen(text), e) < 0) return -1;
    ev->bytes += strlen(text) - f->size;
    f->size = strlen(text);
    f->written_ms = evidence_now(ev);
    digest_bytes(text, strlen(text), digest);
    return 0;
}

int evidence_contract(struct evidence *ev, const struct run_record *r, char digest[DIGEST_HEX_SIZE], struct err *e) {
    struct evidence_file *f = &ev->files[SLOT_CONTRACT];
    AUTO_FREE char *text = contract_text(r);
    char *clean = secrets_clean(ev->secrets, SECRET_IN_CONTRACT, text, strlen(text), NULL);
    if (clean) {
        free(text);
        text = clean;
    }
    if (f->exists && (ev->reopened || f->size == 0)) return readopt_contract(ev, text, digest, e);
    if (f->exists) return err_set(e, ERR_CONFLICT, "%s exists", EVIDENCE_CONTRACT);
    if (evidence_append(ev, SLOT_CONTRACT, text, strlen(text), true, e) < 0) return -1;
    digest_bytes(text, strlen(text), digest);
    close(take_fd(&f->fd));
    return 0;
}

/* --- complete? -------------------------------------------------------------------------------------------------------
 * */

static int explain_no_tests(struct evidence *ev, const struct run_record *r, struct err *e) {
    AUTO_BUF struct buf why = BUF_INIT(8192);
    if (r->verify_skip[0])
        buf_printf(&why, "No verification was run: %s", r->verify_skip);
    else if (r->n_blockers > 0)
        buf_printf(&why, "No verification was run: %s: %s", blocker_rule(r->blockers[0].id)->reason,
                   r->blockers[0].detail);
    else if (r->c->no_test_rationale)
        buf_printf(&why, "No verification was run: %s", r->c->no_test_rationale);
    else if (r->c->n_verify == 0)
        buf_puts(&why, "No verification was run: the case has no verification command.");
    else
        buf_puts(&why, "The verification commands wrote no output.");
    return evidence_test_log(ev, buf_str(&why), e);
}

static int check_file(const struct evidence *ev, const struct evidence_file *f, const struct run_record *r,
                      struct err *e) {
    struct stat sb;
    AUTO_FD int fd = io_open_beneath(ev->dir, f->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, e);
    if (fd < 0) return -1;
    if (fstat(fd, &sb) < 0) return err_sys(e, "%s", f->path);
    if (!S_ISREG(sb.st_mode)) return err_set(e, ERR_PARSE, "%s: not a regular file", f->path);
    if ((uint64_t)sb.st_size != f->size)
        return err_set(e, ERR_CONFLICT, "%s: %lld bytes on disk, %llu written", f->path, (long long)sb.st_size,
                       (unsigned long long)f->size);
    if (f->written_ms < r->started_ms) return err_set(e, ERR_CONFLICT, "%s: written before the run started", f->path);
    return 0;
}

int evidence_complete(struct evidence *ev, const struct run_record *r, struct err *e) {
    if (evidence_flush(ev, e) < 0) return -1;
    if (!ev->files[SLOT_PATCH].exists && evidence_append(ev, SLOT_PATCH, "", 0, false, e) < 0) return -1;
    if (!ev->files[SLOT_TEST_LOG].exists && explain_no_tests(ev, r, e) < 0) return -1;
    if (!ev->files[SLOT_TRACE].exists && evidence_append(ev, SLOT_TRACE, "", 0, false, e) < 0) return -1;
    if (!ev->files[SLOT_CONTRACT].exists) return err_set(e, ERR_MISSING, "%s was not written", EVIDENCE_CONTRACT);
    if (!ev->files[SLOT_EVENTS].exists) return err_set(e, ERR_MISSING, "%s was not written", EVIDENCE_EVENTS);
    for (int i = 0; i < ev->n_files; i++)
        if (ev->files[i].exists && check_file(ev, &ev->files[i], r, e) < 0) return -1;
    return 0;
}
