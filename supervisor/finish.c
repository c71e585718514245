/* finish.c - the last part of a run: nothing of it lives, judge, tell, seal, store, clean up.
 *
 * Order matters. Orphans first, because until they are gone the workspace can still change. The verdict next, because events
 * carry its reasons. run.completed last of the events. Sealing (hashing, fsync) takes milliseconds, so it runs in the thread
 * pool; nobody else touches the flight meanwhile. The store comes after the files, and only then is the run reported: what is
 * reported is durable. The work directory goes last, in the pool too: the verdict does not wait for it.
 *
 * A result that is to be landed is landed after the verdict is known to be a pass and before anything of that is sealed. On a
 * repository that the harness made, the run ends there; on somebody's, it is put down to wait (outcome.h), and the flight ends
 * without a seal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cgroup.h"
#include "common/io.h"
#include "supervisor/case_log.h"
#include "supervisor/flight.h"
#include "supervisor/orphans.h"
#include "supervisor/gates.h"
#include "supervisor/outcome.h"
#include "supervisor/subject.h"
#include "supervisor/verdict.h"

#define ORPHAN_RETRY_MS 2
#define CLEAR_AT_ONCE 2 /* of the pool's four threads */
#define ORPHAN_LIMIT_US (10u * 1000000u)

static void on_retry(uv_timer_t *t) { flight_finish(t->data); }

/* False: something of a dead worker still lives; this is called again. */
static bool orphans_gone(struct flight *f) {
    int alive = orphans_reap();
    uint64_t now = clock_mono_us();
    if (f->finish_deadline_us == 0) f->finish_deadline_us = now + ORPHAN_LIMIT_US;
    if (alive == 0) return true;
    if (now < f->finish_deadline_us) {
        uv_timer_start(&f->timer, on_retry, ORPHAN_RETRY_MS, 0);
        return false;
    }
    alive = orphans_give_up();
    if (alive > 0)
        record_block(&f->rec, BLOCKER_sandbox_violation, "%d processes of a dead worker could not be ended within 10 s",
                     alive);
    return true;
}

/* A worker that ended well has removed the groups of its jails itself. */
static void sweep_groups(const struct flight *f) {
    struct cgroup_places p;
    if (f->rec.worker_clean || f->rec.gated_out) return;
    cgroup_places_open(&p);
    (void)cgroup_sweep(&p);
    cgroup_places_close(&p);
}

static void tell_findings(struct flight *f) {
    struct run_record *rec = &f->rec;
    struct err e = ERR_INIT;
    if (narrate_observed(&f->nar, &e) < 0) flight_artifact_error(f, &e);
    if (rec->engine_started && strcmp(rec->engine, "case") == 0) rec->case_marks = case_log_read(rec->run_dir);
    verdict_judge(rec);
    /* What could not be written at the start is tried once more: the failure stands, but the set may yet be whole. */
    if (narrate_begin(&f->nar, &e) < 0) flight_artifact_error(f, &e);
    if (narrate_findings(&f->nar, &e) < 0) flight_artifact_error(f, &e);
}

/* What must be so before a result may go anywhere, and before a run may be called a pass. */
static void check_evidence(struct flight *f) {
    struct run_record *rec = &f->rec;
    struct err e = ERR_INIT;
    if (evidence_complete(f->ev, rec, &e) < 0) flight_artifact_error(f, &e);
    if (rec->artifact_failed) record_block(rec, BLOCKER_artifact_write_failure, "%s", rec->artifact_detail);
    const char *missing = evidence_missing_event(f->ev, rec, true);
    if (missing && rec->n_blockers == 0)
        record_block(rec, BLOCKER_missing_required_event, "required event %s is absent or out of order", missing);
}

static void tell_end(struct flight *f) {
    struct run_record *rec = &f->rec;
    struct err e = ERR_INIT;
    check_evidence(f);
    rec->finished_ms = clock_real_ms();
    verdict_conclude(rec);
    if (narrate_completed(&f->nar, &e) < 0) {
        flight_artifact_error(f, &e);
        f->error = e;
    }
}

/* Gone, or aside under a name that recovery leaves alone. */
static void clear_work_dir(const struct flight *f) {
    if (!f->rec.worker_clean && !f->rec.gated_out) slot_forget_projects(AT_FDCWD, f->rec.work_dir, &f->slot);
    if (f->keep) {
        AUTO_BUF struct buf kept = BUF_INIT(2 * PATH_MAX);
        buf_printf(&kept, "%s.kept", f->rec.work_dir);
        if (rename(f->rec.work_dir, buf_str(&kept)) == 0 || errno == ENOENT) return;
    }
    if (f->rec.subject) subject_remove(&f->rec);
    io_remove_tree_at(AT_FDCWD, f->rec.work_dir, NULL); /* what stays is taken by the next command's recovery */
}

static void seal_work(uv_work_t *w) {
    struct flight *f = w->data;
    struct seal_input in = f->x->env;
    cJSON *decision = gates_decision(&f->rec); /* as it was at the start: the gates are in the record */
    in.eligibility = decision;
    if (f->error.code == ERR_NONE && evidence_seal(f->ev, &f->rec, &in, &f->sum, &f->error) < 0)
        err_ctx(&f->error, "seal %s", f->rec.run_id);
    cJSON_Delete(decision);
}

static void on_timer_closed(uv_handle_t *h) {
    struct flight *f = h->data;
    if (f->file) engine_file_release(f->file);
    free(f->file);
    if (f->facts) gate_facts_release(f->facts);
    free(f->facts);
    if (f->task) case_task_release(f->task);
    free(f->task);
    free(f->program);
    cJSON_Delete(f->admission);
    free(f->forbidden);
    outcome_parcel_release(&f->parcel);
    run_release(&f->run);
    redact_stream_free(f->contents);
    record_release(&f->rec);
    seal_summary_release(&f->sum);
    free(f);
}

/* After the verdict is durable: a tree that an agent filled with a million directories takes its time to go, and nothing waits
 * for that but the place in the queue (so that disk use stays bounded). */
static void clear_work(uv_work_t *w) { clear_work_dir(w->data); }

static void clear_done(uv_work_t *w, int status);

/* At most half of the pool's threads clear up: with all of them in the trees of hostile agents, no other run could be sealed. */
static void clear_more(struct executor *x) {
    while (x->clearing < CLEAR_AT_ONCE && x->to_clear) {
        struct flight *f = x->to_clear;
        x->to_clear = f->next_to_clear;
        x->clearing++;
        if (uv_queue_work(&x->loop, &f->work, clear_work, clear_done) < 0) clear_done(&f->work, 0);
    }
}

static void clear_done(uv_work_t *w, int status) {
    struct flight *f = w->data;
    struct executor *x = f->x;
    (void)status;
    x->clearing--;
    clear_more(x);
    slot_release(&f->slot);
    executor_landed(f);
    uv_close((uv_handle_t *)&f->timer, on_timer_closed);
}

static void hand_over(struct flight *f) {
    struct executor *x = f->x;
    evidence_free(f->ev);
    f->ev = NULL;
    x->ev->done(x->ctx, f->index, &f->rec, f->parked ? NULL : &f->sum, f->error.code == ERR_NONE ? NULL : &f->error);
    f->next_to_clear = x->to_clear;
    x->to_clear = f;
    clear_more(x);
}

static void seal_done(uv_work_t *w, int status) {
    struct flight *f = w->data;
    struct executor *x = f->x;
    (void)status;
    if (f->error.code == ERR_NONE && flight_tell_store(f, &f->error) < 0) err_ctx(&f->error, "store %s", f->rec.run_id);
    if (f->error.code == ERR_NONE && store_run_sealed(x->store, &f->rec, &f->sum, &f->error) < 0)
        err_ctx(&f->error, "store %s", f->rec.run_id);
    run_sealed(&f->run, clock_mono_us());
    hand_over(f);
}

static void queue(struct flight *f, uv_work_cb work, uv_after_work_cb done) {
    f->work.data = f;
    int rc = uv_queue_work(&f->x->loop, &f->work, work, done);
    if (rc < 0) { /* cannot happen with a valid loop; without a thread it is done here */
        work(&f->work);
        done(&f->work, rc);
    }
}

/* --- landing (subject.h) ------------------------------------------------------------------------------------------------ */

/* May it go to its repository? Every check held, and what came to be landed is whole and allowed. */
static bool may_land(struct flight *f) {
    struct run_record *rec = &f->rec;
    struct err e = ERR_INIT;
    char why[200];
    if (rec->n_blockers > 0) return false;
    if (!subject_landing_fits(rec, why, sizeof why)) {
        record_block(rec, BLOCKER_landing_failed, "%s", why);
        return false;
    }
    const bool waits = rec->subject->kind == SUBJECT_TARGET;
    if (waits && outcome_pack(&f->parcel, rec, f->file ? f->file->doc.text : NULL, &e) < 0) {
        record_block(rec, BLOCKER_landing_failed, "%s", e.text);
        return false;
    }
    if (narrate_landed(&f->nar, waits ? &f->parcel : NULL, &e) < 0) flight_artifact_error(f, &e);
    if (evidence_complete(f->ev, rec, &e) < 0) flight_artifact_error(f, &e);
    return !rec->artifact_failed;
}

/* In the pool, with a connection of its own: the loop's store belongs to the loop's thread. What a run needs in order to wait is
 * kept before anything is written to the repository. */
static void land_work(uv_work_t *w) {
    struct flight *f = w->data;
    struct store *s = NULL;
    const bool waits = f->rec.subject->kind == SUBJECT_TARGET;
    if (store_open(f->x->home.store, true, &s, &f->land_error) == 0 &&
        (!waits || outcome_park(s, &f->rec, &f->parcel, &f->land_error) == 0) &&
        subject_land(s, &f->rec, &f->land_error) == 0)
        subject_look_again(&f->rec);
    store_close(s);
}

static void land_done(uv_work_t *w, int status) {
    struct flight *f = w->data;
    struct run_subject *s = f->rec.subject;
    (void)status;
    if (f->land_error.code != ERR_NONE) record_block(&f->rec, BLOCKER_landing_failed, "%s", f->land_error.text);
    f->parked = s->kind == SUBJECT_TARGET && s->commit[0] && f->land_error.code == ERR_NONE;
    run_landed(&f->run, clock_mono_us(), f->parked);
    if (f->parked) { /* whoever reads the store next must find that it waits */
        if (f->error.code == ERR_NONE && flight_tell_store(f, &f->error) < 0)
            err_ctx(&f->error, "store %s", f->rec.run_id);
        hand_over(f);
        return;
    }
    tell_end(f);
    queue(f, seal_work, seal_done);
}

/* From the verdict on. */
static void conclude(struct flight *f) {
    tell_findings(f);
    const bool landing = f->run.state == RUN_LANDING;
    if (landing && may_land(f)) {
        queue(f, land_work, land_done);
        return;
    }
    if (landing) run_landed(&f->run, clock_mono_us(), false);
    if (f->rec.subject && f->rec.engine_started) subject_look_again(&f->rec);
    tell_end(f);
    queue(f, seal_work, seal_done);
}

static const char *output_format(const struct flight *f) { return observe_format(f->rec.output); }

/* In the pool: a helper reads the log, for some milliseconds, or for as long as it is let. */
static void observe_work(uv_work_t *w) {
    struct flight *f = w->data;
    f->rec.observed = observe_log(f->x->home.libexec, f->rec.run_dir, output_format(f));
}

static void observe_done(uv_work_t *w, int status) {
    (void)status;
    conclude(w->data);
}

void flight_finish(struct flight *f) {
    if (f->finishing) return;
    uv_timer_stop(&f->timer);
    watch_close(f->watch);
    f->watch = NULL;
    worker_proc_close(f->wp);
    f->wp = NULL;
    flight_gateway_close(f);
    if (!orphans_gone(f)) return;
    sweep_groups(f);
    f->finishing = true;
    reserve_use(&f->x->reserve);
    flight_streams_end(f);
    if (f->rec.engine_started && output_format(f))
        queue(f, observe_work, observe_done);
    else
        conclude(f);
}
