/* recover.c - see recover.h.
 *
 * Races: two commands may recover at once. The lock of a dead supervisor is taken and held while its runs are dealt with, and
 * the takeover in the store is conditional on the generation, so a run is sealed once. A kill in the middle of this leaves the
 * run with our own id and generation, and our lock dies with us: the next command does it again.
 *
 * The processes of the dead supervisor are gone or going: they die by PDEATHSIG. A work directory is removed only here or by
 * its own supervisor; a process that still writes there for a few microseconds makes the removal try again.
 *
 * A row is believed only as far as it leads into this home: its names are used below our own directories, its paths are not used
 * at all. One run that cannot be sealed keeps nobody from running others.
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
#include "supervisor/known_values.h"
#include "supervisor/land.h"
#include "supervisor/narrate.h"
#include "supervisor/outcome.h"
#include "supervisor/record_json.h"
#include "supervisor/slots.h"
#include "supervisor/subject.h"
#include "supervisor/verdict.h"

#define RECOVER_BATCH 4096

#define LAST_STAMP_MS 253402300799999ll /* the last moment of the year 9999 */

struct recovery {
    const struct home *home;
    struct store *store;
    const char *self;
    const struct seal_input *env;
    recover_warn_fn warn;
    struct store_run_row *rows;
    int n, cap;
};

/* One that waits for a human is not interrupted: as long as what it needs to be finished is there. */
static bool waits(const struct recovery *r, const struct store_run_row *row) {
    struct store_waiting w;
    struct record_parts parts;
    char run[PATH_MAX];
    if (row->state != RUN_OUTCOME || store_waiting_get(r->store, row->run_id, &w, NULL) < 0) return false;
    const bool whole = record_parts_from_json(w.record, &parts, NULL) == 0;
    if (whole) record_parts_release(&parts);
    free(w.record);
    snprintf(run, sizeof run, "%.3900s/%s", r->home->runs, row->run_id);
    return whole && access(run, F_OK) == 0;
}

static int collect(void *ctx, const struct store_run_row *row) {
    struct recovery *r = ctx;
    if (strcmp(row->supervisor_id, r->self) == 0 || waits(r, row)) return 0;
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->rows = realloc(r->rows, (size_t)r->cap * sizeof *r->rows);
        BUG_UNLESS(r->rows != NULL);
    }
    r->rows[r->n++] = *row;
    return r->n >= RECOVER_BATCH;
}

/* May it be joined to a directory of ours? */
static bool is_plain_name(const char *name) {
    return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strchr(name, '/') == NULL;
}

/* The dead supervisor's lock, held until the caller closes it. -1: it lives, or somebody else is at it. A lock file that is
 * gone belonged to a supervisor that ended and left the run: made anew, so that only one recovers it. A name that nobody can have
 * stands for one that is dead. */
static int lock_of(const struct recovery *r, const char *supervisor_id) {
    char path[PATH_MAX + 128];
    snprintf(path, sizeof path, "%s/%s", r->home->locks, is_plain_name(supervisor_id) ? supervisor_id : "nobody");
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

static int seal_interrupted(struct recovery *r, bool waited, struct run_record *rec, struct seal_summary *sum,
                            struct err *e) {
    struct evidence *ev = NULL;
    if (evidence_reopen(rec->run_dir, rec, &ev, e) < 0) return -1;
    evidence_set_secrets(ev, rec->secrets);
    struct narrator nar = {.ev = ev, .rec = rec};
    cJSON *decision = NULL;
    record_block(rec, BLOCKER_supervisor_interrupted, "%s; sealed by recovery",
                 waited ? "what was kept to finish the run after a human's word is lost or was changed"
                        : "the supervisor ended before the run did");
    int rc = narrate_begin(&nar, e);
    if (rc == 0) rc = narrate_findings(&nar, e);
    const char *late = rc == 0 ? evidence_misplaced_event(ev, rec) : NULL;
    if (late) record_block(rec, BLOCKER_missing_required_event, "required event %s came out of order", late);
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

/* Where a run of this home is, whatever its row says. A start that no calendar has is not told on. */
static int place_run(const struct recovery *r, const struct store_run_row *row, struct run_record *rec, struct err *e) {
    char run[PATH_MAX], work[PATH_MAX];
    if (!is_plain_name(row->run_id)) return err_set(e, ERR_PARSE, "its id is no name of a directory");
    int a = snprintf(run, sizeof run, "%s/%s", r->home->runs, row->run_id);
    int b = snprintf(work, sizeof work, "%s/%s", r->home->work, row->run_id);
    if (a < 0 || b < 0 || (size_t)a >= sizeof run || (size_t)b >= sizeof work)
        return err_set(e, ERR_LIMIT, "the path of its directory is too long");
    memcpy(rec->run_id, row->run_id, sizeof rec->run_id);
    memcpy(rec->matrix_id, row->matrix_id, sizeof rec->matrix_id);
    record_set_dirs(rec, run, work);
    rec->engine = row->backend;
    rec->recovered = true;
    rec->attempt = row->attempt;
    rec->generation = row->generation;
    rec->started_ms = row->started_ms < 0 || row->started_ms > LAST_STAMP_MS ? clock_real_ms() : row->started_ms;
    return 0;
}

/* A sealed directory stands as it is, unless the store knows a sealed report of this run, and another one. */
static int adopt_sealed(const struct store_run_row *row, struct run_record *rec, struct seal_summary *sum,
                        struct err *e) {
    if (evidence_read_verdict(rec->run_dir, rec, sum, e) < 0) return -1;
    if (row->report_sha256[0] == '\0' || strcmp(row->report_sha256, sum->report_sha256) == 0) return 0;
    return err_set(e, ERR_CONFLICT, "report.json is not the one that was sealed: the store has another digest");
}

/* Its supervisor died while it landed the result. When the repository has it (land_recover() has settled that by now), the run is
 * complete but for a human's word, and waits for it as if nothing had happened. */
static bool resume_waiting(struct recovery *r, const struct store_run_row *row, struct run_record *rec) {
    struct store_landing *l = calloc(1, sizeof *l);
    struct store_waiting w;
    BUG_UNLESS(l != NULL);
    bool resumed = row->state == RUN_LANDING && store_waiting_get(r->store, row->run_id, &w, NULL) == 0;
    if (resumed) free(w.record);
    resumed = resumed && store_landing_get(r->store, row->run_id, "land", l, NULL) == 0 &&
              strcmp(l->state, "finished") == 0 &&
              store_run_transition(r->store, row->run_id, rec->generation, RUN_OUTCOME, clock_real_ms(),
                                   clock_mono_us(), NULL) == 0;
    free(l);
    return resumed;
}

/* What an interrupted run had landed on somebody's repository is taken back: nobody will be asked about it any more. */
static void take_back(const struct recovery *r, const struct run_record *rec) {
    struct store_landing *l = calloc(1, sizeof *l);
    struct err e = ERR_INIT;
    char commit[OID_SIZE], text[800];
    BUG_UNLESS(l != NULL);
    const bool landed =
        store_landing_get(r->store, rec->run_id, "land", l, NULL) == 0 && strcmp(l->state, "finished") == 0;
    const size_t n = strlen(r->home->work);
    const bool own = landed && strncmp(l->target, r->home->work, n) == 0 && l->target[n] == '/';
    if (landed && !own && land_revert(r->store, rec->run_id, "the run was interrupted", commit, &e) < 0) {
        snprintf(text, sizeof text,
                 "run %s was interrupted, and what it landed on %.200s could not be taken back: %.200s", rec->run_id,
                 l->target, e.text);
        r->warn(text);
    }
    free(l);
}

/* Reverts that are owed: of runs that are sealed, are no pass, and whose landing stands all the same. */
static int owe(void *ctx, const struct store_landing *l) {
    struct recovery *r = ctx;
    const size_t n = strlen(r->home->work);
    struct err e = ERR_INIT;
    char commit[OID_SIZE], text[900];
    if (strncmp(l->target, r->home->work, n) == 0 && l->target[n] == '/') return 0; /* it went with the run */
    if (land_revert(r->store, l->run_id, "its run is no pass", commit, &e) == 0) return 0;
    snprintf(text, sizeof text,
             "what run %s landed on %.300s stands, although the run is no pass, and cannot be taken back yet: "
             "%.250s",
             l->run_id, l->target, e.text);
    r->warn(text);
    return 0;
}

/* *ret_in_dir: what fails is the directory's fault, not the row's. */
static int seal_run(struct recovery *r, const struct store_run_row *row, struct run_record *rec, bool *ret_in_dir,
                    struct err *e) {
    struct seal_summary sum = {0};
    struct err why = ERR_INIT;
    int rc = store_run_takeover(r->store, rec, r->self, &why);
    if (rc == 0) {
        if (resume_waiting(r, row, rec)) return 0;
        slot_forget_projects(AT_FDCWD, rec->work_dir, NULL);
        io_remove_tree_at(AT_FDCWD, rec->work_dir, NULL);
        if (!evidence_is_sealed(rec->run_dir, rec->run_id)) take_back(r, rec);
        rc = evidence_is_sealed(rec->run_dir, rec->run_id)
                 ? adopt_sealed(row, rec, &sum, &why)
                 : seal_interrupted(r, row->state == RUN_OUTCOME, rec, &sum, &why);
        *ret_in_dir = rc < 0;
        if (rc == 0) rc = store_run_sealed(r->store, rec, &sum, &why);
    } else if (why.code == ERR_CONFLICT) {
        rc = 0; /* somebody else was faster */
    }
    seal_summary_release(&sum);
    if (rc < 0 && e) *e = why;
    return rc;
}

/* No run is to blame: the same would befall every other, and the next try may succeed. */
static bool is_of_host(const struct err *why) {
    switch (why->sys) {
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case ENOMEM:
    case EMFILE:
    case ENFILE: return true;
    default: return why->code == ERR_USAGE || (why->code == ERR_SYS && why->sys == 0); /* the store's own */
    }
}

/* What could not be put in order is an error of the host's, or told and left as it is. `dir`: the fault is in that directory. */
static int settle(const struct recovery *r, const char *what, const char *id, const char *dir, const struct err *why,
                  struct err *e) {
    if (is_of_host(why)) {
        if (e) *e = *why;
        return err_ctx(e, "recover %s", id);
    }
    AUTO_FREE char *text = NULL;
    int n = dir ? asprintf(&text,
                           "%s %s could not be recovered and is left as it is: %s; move %s away, and the next "
                           "command seals it as failed",
                           what, id, why->text, dir)
                : asprintf(&text,
                           "%s %s could not be recovered and is left as it is: %s; `store check` says what does not "
                           "hold in the store: put a copy in its place, or move it away",
                           what, id, why->text);
    BUG_UNLESS(n > 0);
    r->warn(text);
    return 0;
}

static int recover_run(struct recovery *r, const struct store_run_row *row, struct err *e) {
    struct err why = ERR_INIT;
    bool in_dir = false;
    struct run_record *rec = calloc(1, sizeof *rec);
    struct cto_case *c = calloc(1, sizeof *c);
    BUG_UNLESS(rec != NULL && c != NULL);
    bool known = case_load(c, r->home->cases, row->case_id, NULL) == 0;
    if (!known) unknown_case(c, row->case_id);
    *rec = (struct run_record){.c = c, .cause_blocker = BLOCKER_COUNT};
    /* What reached the disk has no known value in it any more; what is written now has none that this process knows. */
    struct redactor *values = NULL;
    const struct engine *en = engine_find(row->backend);
    if (en) (void)known_values(en, &values, NULL);
    rec->secrets = secrets_new(values);
    int rc = place_run(r, row, rec, &why);
    if (rc == 0) rc = seal_run(r, row, rec, &in_dir, &why);
    if (rc < 0) rc = settle(r, "run", row->run_id, in_dir ? rec->run_dir : NULL, &why, e);
    record_release(rec);
    if (known) case_release(c);
    free(c);
    free(rec);
    return rc;
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

/* Half a report, below our own directory and under a name that no run has. */
static int remove_report(const struct recovery *r, int runs, const char *id, struct err *e) {
    struct store_run_row *run = calloc(1, sizeof *run);
    BUG_UNLESS(run != NULL);
    bool own = runs >= 0 && is_plain_name(id) && store_run_get(r->store, id, run, NULL) < 0;
    free(run);
    return own ? io_remove_tree_at(runs, id, e) : 0;
}

static int recover_matrices(struct recovery *r, struct err *e) {
    struct lost_matrices l = {.r = r};
    AUTO_FD int runs = open(r->home->runs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = store_matrices(r->store, collect_matrix, &l, e) < 0 ? -1 : 0;
    for (int i = 0; rc == 0 && i < l.n; i++) {
        AUTO_FD int lock = lock_of(r, l.v[i].supervisor_id);
        if (lock < 0) continue;
        l.v[i].finished_ms = clock_real_ms();
        l.v[i].interrupted = true;
        struct err why = ERR_INIT;
        rc = remove_report(r, runs, l.v[i].id, &why);
        if (rc == 0) rc = store_matrix_finish(r->store, &l.v[i], &why);
        if (rc < 0) rc = settle(r, "matrix", l.v[i].id, NULL, &why, e);
    }
    free(l.v);
    return rc;
}

struct named {
    const char *name;
    size_t n;
};

static int still_unfinished(void *ctx, const struct store_run_row *row) {
    const struct named *o = ctx;
    return strlen(row->run_id) == o->n && memcmp(row->run_id, o->name, o->n) == 0;
}

static bool is_owned(const struct recovery *r, const char *name, size_t n) {
    struct named o = {name, n};
    return store_runs_unfinished(r->store, still_unfinished, &o, NULL) != 0;
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
        if (dot && strcmp(dot, SUBJECT_SUFFIX) == 0) {
            if (is_owned(r, name, (size_t)(dot - name))) continue;
        } else if (is_owned(r, name, strlen(name))) {
            continue;
        }
        slot_forget_projects(at, name, NULL);
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

static void warn_of_landing(void *ctx, const char *text) { ((const struct recovery *)ctx)->warn(text); }

int recover_home(const struct home *h, struct store *s, const struct recover_by *by, struct err *e) {
    struct recovery r = {.home = h, .store = s, .self = by->supervisor_id, .env = by->env, .warn = by->warn};
    /* Targets first: whether a run has landed is known when it is sealed. */
    if (land_recover(s, warn_of_landing, &r, e) < 0) return -1;
    int rc = store_runs_unfinished(s, collect, &r, e) < 0 ? -1 : 0;
    for (int i = 0; rc == 0 && i < r.n; i++) {
        AUTO_FD int lock = lock_of(&r, r.rows[i].supervisor_id);
        if (lock >= 0) rc = recover_run(&r, &r.rows[i], e);
    }
    free(r.rows);
    recover_groups(r.n > 0);
    const struct outcome_place place = {.home = h, .store = s, .env = by->env, .self = by->supervisor_id};
    if (rc < 0 || store_landings_owed(s, owe, &r, e) < 0 || recover_matrices(&r, e) < 0 ||
        outcome_recover(&place, by->warn, e) < 0)
        return -1;
    sweep_work(&r);
    sweep_locks(&r);
    return 0;
}
