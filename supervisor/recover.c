/* recover.c - see recover.h.
 *
 * Races: two commands may recover at once. The lock of a dead supervisor is taken and held while its runs are dealt with, and
 * the takeover in the store is conditional on the generation, so a run is sealed once. A kill in the middle of this leaves the
 * run with our own id and generation, and our lock dies with us: the next command does it again.
 *
 * The processes of the dead supervisor are gone or going: they die by PDEATHSIG. A work directory is removed only here or by
 * its own supervisor; a process that still writes there for a few microseconds makes the removal try again.
 */
#include "supervisor/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cgroup.h"
#include "common/io.h"
#include "supervisor/narrate.h"
#include "supervisor/verdict.h"

#define RECOVER_BATCH 4096

struct recovery {
    const struct home *home;
    struct store *store;
    const char *self;
    const struct seal_input *env;
    struct store_run_row *rows;
    int n, cap;
};

static int collect(void *ctx, const struct store_run_row *row) {
    struct recovery *r = ctx;
    if (strcmp(row->supervisor_id, r->self) == 0 || row->state == RUN_OUTCOME) return 0;
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->rows = realloc(r->rows, (size_t)r->cap * sizeof *r->rows);
        BUG_UNLESS(r->rows != NULL);
    }
    r->rows[r->n++] = *row;
    return r->n >= RECOVER_BATCH;
}

/* The dead supervisor's lock, held until the caller closes it. -1: it lives, or somebody else is at it. A lock file that is
 * gone belonged to a supervisor that ended and left the run: made anew, so that only one recovers it. */
static int lock_of(const struct recovery *r, const char *supervisor_id) {
    char path[PATH_MAX + 128];
    snprintf(path, sizeof path, "%s/%s", r->home->locks, supervisor_id);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &fl) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

/* A case that is no longer there: enough of one to seal what was left. */
static void unknown_case(struct cto_case *c, const char *id) {
    *c = (struct cto_case){.id = id,
                           .title = "(the case is no longer there)",
                           .kind = "task",
                           .authority_basis = "unknown",
                           .risk_class = "unknown",
                           .mutation_mode = "none",
                           .rollback_expectation = "none",
                           .clean_start_required = true,
                           .diff_required = true};
}

static int seal_interrupted(struct recovery *r, struct run_record *rec, struct seal_summary *sum, struct err *e) {
    struct evidence *ev = NULL;
    if (evidence_reopen(rec->run_dir, rec, &ev, e) < 0) return -1;
    struct narrator nar = {.ev = ev, .rec = rec};
    cJSON *decision = NULL;
    record_block(rec, BLOCKER_supervisor_interrupted, "the supervisor ended before the run did; sealed by recovery");
    int rc = narrate_begin(&nar, e);
    if (rc == 0) rc = narrate_findings(&nar, e);
    if (rc == 0) rc = evidence_complete(ev, rec, e);
    rec->finished_ms = clock_real_ms();
    verdict_conclude(rec);
    if (rc == 0) rc = narrate_completed(&nar, e);
    struct seal_input in = *r->env;
    in.eligibility = decision;
    if (rc == 0) rc = evidence_seal(ev, rec, &in, sum, e);
    evidence_free(ev);
    return rc;
}

static int recover_run(struct recovery *r, const struct store_run_row *row, struct err *e) {
    struct run_record *rec = calloc(1, sizeof *rec);
    struct cto_case *c = calloc(1, sizeof *c);
    struct seal_summary sum = {0};
    BUG_UNLESS(rec != NULL && c != NULL);
    bool known = case_load(c, r->home->cases, row->case_id, NULL) == 0;
    if (!known) unknown_case(c, row->case_id);
    *rec = (struct run_record){.c = c,
                               .engine = row->backend,
                               .attempt = row->attempt,
                               .started_ms = row->started_ms,
                               .cause_blocker = BLOCKER_COUNT};
    memcpy(rec->run_id, row->run_id, sizeof rec->run_id);
    memcpy(rec->matrix_id, row->matrix_id, sizeof rec->matrix_id);
    record_set_dirs(rec, row->run_dir, row->work_dir);
    int rc = store_run_takeover(r->store, row->run_id, row->generation, r->self, &rec->generation, e);
    if (rc == 0) {
        io_remove_tree_at(AT_FDCWD, rec->work_dir, NULL);
        bool sealed = evidence_is_sealed(rec->run_dir, rec->run_id);
        rc = sealed ? evidence_read_verdict(rec->run_dir, rec, &sum, e) : seal_interrupted(r, rec, &sum, e);
        if (rc == 0) rc = store_run_sealed(r->store, rec, &sum, e);
    } else if (e && e->code == ERR_CONFLICT) {
        rc = 0; /* somebody else was faster */
        *e = ERR_INIT;
    }
    seal_summary_release(&sum);
    record_release(rec);
    if (known) case_release(c);
    free(c);
    free(rec);
    return rc < 0 ? err_ctx(e, "recover %s", row->run_id) : 0;
}

/* Matrices whose supervisor died before their report was complete: the runs are the evidence and are sealed; half a report is
 * none, so its directory goes and the row says interrupted. */
struct lost_matrices {
    struct recovery *r;
    struct store_matrix *v;
    int n;
};

static int collect_matrix(void *ctx, const struct store_matrix *m) {
    struct lost_matrices *l = ctx;
    if (m->finished_ms != 0 || strcmp(m->supervisor_id, l->r->self) == 0) return 0;
    l->v = realloc(l->v, (size_t)(l->n + 1) * sizeof *l->v);
    BUG_UNLESS(l->v != NULL);
    l->v[l->n++] = *m;
    return 0;
}

static int recover_matrices(struct recovery *r, struct err *e) {
    struct lost_matrices l = {.r = r};
    AUTO_FD int runs = open(r->home->runs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = store_matrices(r->store, collect_matrix, &l, e) < 0 ? -1 : 0;
    for (int i = 0; rc == 0 && i < l.n; i++) {
        AUTO_FD int lock = lock_of(r, l.v[i].supervisor_id[0] ? l.v[i].supervisor_id : "nobody");
        if (lock < 0) continue;
        l.v[i].finished_ms = clock_real_ms();
        l.v[i].interrupted = true;
        rc = runs < 0 ? 0 : io_remove_tree_at(runs, l.v[i].id, e);
        if (rc == 0) rc = store_matrix_finish(r->store, &l.v[i], e);
    }
    free(l.v);
    return rc;
}

static int still_unfinished(void *ctx, const struct store_run_row *row) {
    const char *name = *(const char **)ctx;
    const char *slash = strrchr(row->work_dir, '/');
    return slash && strcmp(slash + 1, name) == 0;
}

/* Directories under work/ that no unfinished run owns, unless kept on request. */
static void sweep_work(struct recovery *r) {
    AUTO_FD int at = open(r->home->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int copy = at < 0 ? -1 : fcntl(at, F_DUPFD_CLOEXEC, 3);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) return;
    for (struct dirent *de; (de = readdir(d));) {
        const char *name = de->d_name, *dot = strrchr(name, '.');
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (dot && strcmp(dot, ".kept") == 0)) continue;
        if (store_runs_unfinished(r->store, still_unfinished, &name, NULL) != 0) continue;
        for (int tries = 0; tries < 50 && io_remove_tree_at(at, name, NULL) < 0; tries++)
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    closedir(d);
}

/* Lock files nobody holds. Held while it is unlinked: a name is never reused (time, pid, counter). */
static void sweep_locks(struct recovery *r) {
    DIR *d = opendir(r->home->locks);
    if (!d) return;
    for (struct dirent *de; (de = readdir(d));) {
        if (de->d_name[0] == '.' || strcmp(de->d_name, r->self) == 0) continue;
        AUTO_FD int fd = lock_of(r, de->d_name);
        if (fd >= 0) unlinkat(dirfd(d), de->d_name, 0);
    }
    closedir(d);
}

/* Groups of dead workers. Those beside our own each time, since a worker may still be dying when its run is recovered; those anywhere
 * when something was recovered, since the dead one may have been started from another group. */
void recover_groups(bool anywhere) {
    struct cgroup_places p;
    cgroup_places_open(&p);
    (void)cgroup_sweep(&p);
    cgroup_places_close(&p);
    if (anywhere) (void)cgroup_sweep_host();
}

int recover_home(const struct home *h, struct store *s, const char *supervisor_id, const struct seal_input *env,
                 struct err *e) {
    struct recovery r = {.home = h, .store = s, .self = supervisor_id, .env = env};
    int rc = store_runs_unfinished(s, collect, &r, e) < 0 ? -1 : 0;
    for (int i = 0; rc == 0 && i < r.n; i++) {
        AUTO_FD int lock = lock_of(&r, r.rows[i].supervisor_id);
        if (lock >= 0) rc = recover_run(&r, &r.rows[i], e);
    }
    free(r.rows);
    recover_groups(r.n > 0);
    if (rc < 0 || recover_matrices(&r, e) < 0) return -1;
    sweep_work(&r);
    sweep_locks(&r);
    return 0;
}
