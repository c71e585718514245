/* outcome.c - see outcome.h. */
#include "supervisor/outcome.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "supervisor/admission.h"
#include "supervisor/engine_file.h"
#include "supervisor/gates.h"
#include "supervisor/known_values.h"
#include "supervisor/land.h"
#include "supervisor/narrate.h"
#include "supervisor/record_json.h"
#include "supervisor/subject.h"
#include "supervisor/verdict.h"

/* --- the case as it was ------------------------------------------------------------------------------------------------- */

struct finishing {
    const struct outcome_place *p;
    struct store_waiting w;
    struct store_run_row row;
    struct cto_case c, effective;
    struct engine_file file;
    bool case_loaded, file_loaded;
    bool sealed; /* its directory is; `word` is the one in it */
    struct store_outcome word;
    bool nobodys; /* the word in the store was said by nobody who may */
    struct run_record rec;
    char work[PATH_MAX], cases[PATH_MAX];
};

static bool said(const struct finishing *f, const char *word) { return strcmp(f->w.outcome, word) == 0; }

/* What is kept to finish it. A word that the store has of somebody who may say none was never said. */
static int read_waiting(struct finishing *f, const char *run_id, struct err *e) {
    if (store_waiting_get(f->p->store, run_id, &f->w, e) < 0) return -1;
    f->nobodys = (said(f, OUTCOME_ACCEPTED) || said(f, OUTCOME_REJECTED)) && !admission_actor_ok(f->w.actor, NULL);
    if (!f->nobodys) return 0;
    snprintf(f->w.outcome, sizeof f->w.outcome, OUTCOME_MISSING);
    f->w.actor[0] = '\0';
    return 0;
}

static int write_text(const char *dir, const char *name, const char *text, struct err *e) {
    AUTO_FD int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return at < 0 ? err_sys(e, "open %s", dir) : io_replace_file_at(at, name, text, strlen(text), 0600, 0, e);
}

/* The reader of cases wants a folder: it gets one, of the text that was kept. */
static int load_case(struct finishing *f, const struct record_parts *parts, struct err *e) {
    char dir[PATH_MAX], file[PATH_MAX];
    io_remove_tree_at(AT_FDCWD, f->work, NULL);
    snprintf(dir, sizeof dir, "cases/%s%s", parts->is_failure ? "failures/" : "", parts->case_id);
    if (mkdir(f->work, 0700) < 0) return err_sys(e, "mkdir %s", f->work);
    AUTO_FD int at = open(f->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) return err_sys(e, "open %s", f->work);
    if (io_mkdirs_at(at, dir, 0700, e) < 0) return -1;
    snprintf(dir, sizeof dir, "%.3800s/cases/%s%s", f->work, parts->is_failure ? "failures/" : "", parts->case_id);
    if (write_text(dir, "case.json", parts->case_json, e) < 0 ||
        (parts->task && parts->task[0] && write_text(dir, "task.md", parts->task, e) < 0))
        return -1;
    snprintf(dir, sizeof dir, "%.4000s/cases", f->work);
    if (case_load(&f->c, dir, parts->case_id, e) < 0) return -1;
    f->case_loaded = true;
    f->effective = f->c;
    if (!parts->engine_file) return 0;
    if (write_text(f->work, "engine.json", parts->engine_file, e) < 0) return -1;
    snprintf(file, sizeof file, "%.4000s/engine.json", f->work);
    if (engine_file_read(&f->file, file, e) < 0) return -1;
    f->file_loaded = true;
    f->effective = engine_file_apply(&f->file, &f->c);
    return 0;
}

static void finishing_release(struct finishing *f) {
    record_release(&f->rec);
    if (f->file_loaded) engine_file_release(&f->file);
    if (f->case_loaded) case_release(&f->c);
    if (f->work[0]) io_remove_tree_at(AT_FDCWD, f->work, NULL);
    free(f->w.record);
}

/* Time passed for a person; only its length is known, not what this host's clocks said when it began. */
static void set_wait(struct run_record *r, int64_t since_ms) {
    uint64_t last = 1;
    for (int i = 0; i < RUN_OUTCOME; i++)
        if (r->phases[i].entered_us > last) last = r->phases[i].entered_us;
    const int64_t waited = clock_real_ms() - since_ms;
    r->phases[RUN_OUTCOME] = (struct phase_time){since_ms, last + 1};
    r->phases[RUN_DONE] = (struct phase_time){clock_real_ms(), last + 1 + (uint64_t)(waited > 0 ? waited : 0) * 1000};
}

static int load_record(struct finishing *f, struct err *e) {
    struct record_parts parts;
    const int64_t generation = f->rec.generation;
    if (outcome_hold(f->rec.run_dir, &f->w, false, e) < 0) return -1;
    if (record_parts_from_json(f->w.record, &parts, e) < 0) return -1;
    snprintf(f->work, sizeof f->work, "%.3900s/%s", f->p->home->work, f->row.run_id);
    int rc = load_case(f, &parts, e);
    snprintf(f->cases, sizeof f->cases, "%s", parts.cases ? parts.cases : "");
    record_parts_release(&parts);
    f->rec.c = &f->effective;
    struct redactor *known = NULL;
    const struct engine *en = engine_find(f->row.backend);
    if (en) (void)known_values(en, &known, NULL);
    f->rec.secrets = secrets_new(known);
    if (rc == 0) rc = record_from_json(f->w.record, &f->rec, e);
    if (rc < 0) return -1;
    f->rec.generation = generation;
    set_wait(&f->rec, f->w.since_ms);
    if (!f->rec.subject) return err_set(e, ERR_PARSE, "the record of a waiting run names no repository");
    struct run_subject *s = f->rec.subject;
    snprintf(s->outcome, sizeof s->outcome, "%s", f->w.outcome);
    snprintf(s->outcome_actor, sizeof s->outcome_actor, "%s", f->w.actor);
    s->outcome_ms = f->w.said_ms;
    s->outcome_due_ms = f->w.due_ms;
    return 0;
}

/* --- the end ------------------------------------------------------------------------------------------------------------ */

/* 1: nobody has touched it, 0: somebody has, -1: it could not be looked at, which says nothing. */
static int look_at_evidence(struct finishing *f, struct err *e) {
    char now[DIGEST_HEX_SIZE];
    if (evidence_fix(f->rec.run_dir, &f->w.events_bytes, now, e) < 0) return -1; /* no more of them than there are */
    return strcmp(now, f->w.evidence_sha256) == 0;
}

/* A revert that was made stands, whatever is found later: what it was made for was true then. */
static bool was_taken_back(const struct finishing *f) {
    struct store_landing *l = calloc(1, sizeof *l);
    BUG_UNLESS(l != NULL);
    const bool there = store_landing_get(f->p->store, f->rec.run_id, "revert", l, NULL) == 0;
    free(l);
    return there;
}

/* What became of the operator's word where it is not "accepted": in the report, and in the commit that takes the landing back. */
static void word_against(const struct finishing *f, char *out, size_t size) {
    if (said(f, OUTCOME_REJECTED))
        snprintf(out, size, "%.150s rejected the result", f->w.actor);
    else
        snprintf(out, size, "%s",
                 f->nobodys ? "the word in the store is no person's" : "nobody said accepted or rejected in time");
}

/* Only a landing that somebody stands for, of evidence that nobody has touched, stays. Nothing is sealed while one stands that may
 * not: -1 then, and whoever comes next tries again, unless the operator has said to leave it. */
static int judge(struct finishing *f, bool untouched, struct err *e) {
    struct run_record *r = &f->rec;
    struct err why = ERR_INIT;
    char why_not[200];
    word_against(f, why_not, sizeof why_not);
    if (said(f, OUTCOME_REJECTED)) record_block(r, BLOCKER_operator_rejected, "%s", why_not);
    if (said(f, OUTCOME_MISSING)) record_block(r, BLOCKER_missing_operator_outcome, "%s", why_not);
    if (!untouched || (r->n_blockers == 0 && was_taken_back(f)))
        record_block(r, BLOCKER_artifact_write_failure, "the evidence was not as it was when the run began to wait");
    if (r->n_blockers == 0) return 0;
    if (subject_take_back(f->p->store, r->run_id, r->blockers[0].detail, r->subject->revert_commit, &why) == 0)
        return 0;
    if (!f->p->leave_landed)
        return err_set(
            e, ERR_UNSUPPORTED,
            "the word is kept, and the landing cannot be taken back yet: %s; every command that writes tries "
            "again, or: outcome RUN rejected --leave-landed",
            why.text);
    record_block(r, BLOCKER_landing_failed, "the landing was left where it is, by the operator's word: %.250s",
                 why.text);
    return 0;
}

static int tell_and_seal(struct finishing *f, struct seal_summary *sum, struct err *e) {
    struct run_record *r = &f->rec;
    struct evidence *ev = NULL;
    if (evidence_reopen(r->run_dir, r, &ev, e) < 0) return -1;
    evidence_set_secrets(ev, r->secrets);
    struct narrator nar = {.ev = ev, .rec = r};
    int rc = narrate_outcome(&nar, e);
    r->finished_ms = clock_real_ms();
    if (rc == 0) rc = evidence_complete(ev, r, e);
    const char *missing = rc == 0 ? evidence_missing_event(ev, r, true) : NULL;
    if (missing && r->n_blockers == 0)
        record_block(r, BLOCKER_missing_required_event, "required event %s is absent or out of order", missing);
    verdict_conclude(r);
    if (rc == 0) rc = narrate_completed(&nar, e);
    struct seal_input in = *f->p->env;
    cJSON *decision = gates_decision(r);
    in.eligibility = decision;
    if (f->cases[0]) in.cases = f->cases; /* not those of whoever finishes it */
    if (rc == 0) rc = evidence_seal(ev, r, &in, sum, e);
    cJSON_Delete(decision);
    evidence_free(ev);
    return rc;
}

static int finish(struct finishing *f, struct err *e) {
    struct seal_summary sum = {0};
    const int untouched = look_at_evidence(f, e);
    if (untouched < 0 || judge(f, untouched, e) < 0) return -1;
    if (untouched && evidence_cut_events(f->rec.run_dir, f->w.events_bytes, e) < 0) return -1;
    int rc = tell_and_seal(f, &sum, e);
    if (rc == 0) rc = store_run_sealed(f->p->store, &f->rec, &sum, e);
    seal_summary_release(&sum);
    return rc;
}

static void put_end(const struct finishing *f, struct outcome_end *ret) {
    const struct run_record *r = &f->rec;
    *ret = (struct outcome_end){.verdict = r->verdict};
    snprintf(ret->report_path, sizeof ret->report_path, "%.4000s/" EVIDENCE_REPORT, r->run_dir);
    snprintf(ret->commit, sizeof ret->commit, "%s", r->subject->commit);
    snprintf(ret->revert_commit, sizeof ret->revert_commit, "%s", r->subject->revert_commit);
    for (int i = 0; i < r->n_blockers; i++) {
        const size_t n = strlen(ret->why);
        snprintf(ret->why + n, sizeof ret->why - n, "%s%s", n ? "; " : "", r->blockers[i].detail);
    }
}

/* Ours from here on: whoever else finishes it has the directory's lock, and would write the same files. */
static int claim(struct finishing *f, const char *run_id, int *ret_lock, struct err *e) {
    char run[PATH_MAX], work[PATH_MAX];
    snprintf(run, sizeof run, "%.3900s/%s", f->p->home->runs, run_id);
    snprintf(work, sizeof work, "%.3900s/%s", f->p->home->work, run_id);
    *ret_lock = open(run, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*ret_lock < 0) return err_sys(e, "open the run directory");
    if (flock(*ret_lock, LOCK_EX | LOCK_NB) < 0) return err_set(e, ERR_CONFLICT, "another command is finishing it");
    if (store_run_get(f->p->store, run_id, &f->row, e) < 0 || read_waiting(f, run_id, e) < 0) return -1;
    if (f->row.state != RUN_OUTCOME) return err_set(e, ERR_CONFLICT, "it does not wait for an outcome");
    if (!f->sealed && !f->w.outcome[0]) return err_set(e, ERR_USAGE, "nobody has said accepted or rejected");
    memcpy(f->rec.run_id, f->row.run_id, sizeof f->rec.run_id);
    f->rec.generation = f->row.generation;
    record_set_dirs(&f->rec, run, work);
    return store_run_takeover(f->p->store, &f->rec, f->p->self, e);
}

static int other_journal(struct err *e) {
    return err_set(e, ERR_UNSUPPORTED, "the journal of its landing in the store is not of the run's repository");
}

static int journal_fits(struct finishing *f, const char *run_id, struct err *e) {
    char run[PATH_MAX], tree[OID_SIZE];
    struct err why = ERR_INIT;
    struct store_landing *l = calloc(1, sizeof *l);
    BUG_UNLESS(l != NULL);
    snprintf(run, sizeof run, "%.3900s/%s", f->p->home->runs, run_id);
    const bool known =
        store_landing_get(f->p->store, run_id, "land", l, NULL) == 0 && outcome_hold(run, &f->w, false, NULL) == 0;
    const bool other = known && !record_json_is_of(f->w.record, l->target, l->branch, l->old_head);
    free(l);
    if (other) return other_journal(e);
    if (!known) return 0;
    record_json_tree(f->w.record, tree);
    if (land_is_of(f->p->store, run_id, tree, &why) == 0 || why.code != ERR_CONFLICT) return 0;
    return err_set(e, ERR_UNSUPPORTED, "%s", why.text);
}

/* Only the store is to learn of it. */
static int adopt(struct finishing *f, const char *run_id, struct err *e) {
    AUTO_FD int lock = -1;
    struct seal_summary sum = {0};
    struct run_record *r = &f->rec;
    free(f->w.record);
    f->w.record = NULL;
    if (claim(f, run_id, &lock, e) < 0) return -1;
    f->c.id = f->row.case_id;
    r->c = &f->c;
    r->engine = f->row.backend;
    r->started_ms = f->row.started_ms;
    r->subject = calloc(1, sizeof *r->subject);
    BUG_UNLESS(r->subject != NULL);
    r->subject->blobs_fd = -1;
    snprintf(r->subject->outcome, sizeof r->subject->outcome, "%s", f->word.outcome);
    snprintf(r->subject->outcome_actor, sizeof r->subject->outcome_actor, "%s", f->word.actor);
    r->subject->outcome_ms = f->word.said_ms;
    int rc = evidence_read_verdict(r->run_dir, r, &sum, e);
    if (rc == 0) rc = store_run_sealed(f->p->store, r, &sum, e);
    seal_summary_release(&sum);
    return rc;
}

static int settle(struct finishing *f, const char *run_id, struct err *e) {
    AUTO_FD int lock = -1;
    char commit[OID_SIZE], run[PATH_MAX], why_not[200];
    struct err why = ERR_INIT;
    /* This needs the journal alone, so it is done whatever became of record and run directory; but not when a record that is the run's
     * own speaks of another repository. */
    if (read_waiting(f, run_id, e) < 0) return -1;
    snprintf(run, sizeof run, "%.3900s/%s", f->p->home->runs, run_id);
    f->sealed = outcome_is_sealed(run, run_id, &f->word);
    if (f->sealed) return adopt(f, run_id, e);
    if (journal_fits(f, run_id, e) < 0) return -1;
    word_against(f, why_not, sizeof why_not);
    if (said(f, OUTCOME_REJECTED) || said(f, OUTCOME_MISSING))
        (void)subject_take_back(f->p->store, run_id, why_not, commit, NULL);
    free(f->w.record);
    f->w.record = NULL;
    if (claim(f, run_id, &lock, e) < 0) return -1;
    struct store_landing *l = calloc(1, sizeof *l);
    BUG_UNLESS(l != NULL);
    int rc = load_record(f, e);
    if (rc < 0 && e && e->code != ERR_SYS) { /* it says nothing that can be used, and never will */
        (void)store_waiting_forget(f->p->store, run_id, NULL);
        free(l);
        return err_ctx(e, "it cannot be finished, and is sealed as interrupted by the next command that writes");
    }
    if (rc == 0) rc = store_landing_get(f->p->store, run_id, "land", l, &why);
    /* Without its journal nothing can be accepted; what nobody stands for can be left where it is (judge()). */
    const bool lost = rc < 0 && why.code == ERR_MISSING && !said(f, OUTCOME_ACCEPTED);
    if (lost)
        rc = 0;
    else if (rc < 0 && why.code != ERR_NONE && e)
        *e = why;
    if (rc == 0 && !lost) {
        snprintf(f->rec.subject->commit, sizeof f->rec.subject->commit, "%s", l->new_head);
        f->rec.subject->end_clean =
            strcmp(l->state, "finished") == 0; /* land.h looked, and would not say so otherwise */
    }
    free(l);
    return rc == 0 ? finish(f, e) : -1;
}

/* The admission that the run was made under must still be the one in force. */
static int admission_stands(struct store *s, const struct store_landing *l, const char *record, struct err *e) {
    struct store_admission *row = calloc(1, sizeof *row);
    cJSON *o = cJSON_Parse(record);
    BUG_UNLESS(row != NULL);
    const cJSON *subject = cJSON_GetObjectItemCaseSensitive(o, "subject");
    const char *sha = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(subject, "admission_sha256"));
    int rc = store_admission_newest(s, "target", l->target, row, e);
    if (rc == 0 && (row->revoked_ms || !sha || strcmp(row->digest, sha) != 0))
        rc = err_set(e, ERR_CONFLICT, "the target's admission is no longer the one of the run");
    free(row->record);
    free(row);
    cJSON_Delete(o);
    return rc;
}

int outcome_may_accept(const struct home *h, struct store *s, const char *run_id, struct err *e) {
    char run[PATH_MAX], tree[OID_SIZE] = "";
    struct store_landing *l = calloc(1, sizeof *l);
    struct store_waiting w = {0};
    struct err why = ERR_INIT;
    BUG_UNLESS(l != NULL);
    snprintf(run, sizeof run, "%.3900s/%s", h->runs, run_id);
    int rc = store_waiting_get(s, run_id, &w, &why);
    if (rc == 0) rc = outcome_hold(run, &w, true, &why);
    if (rc == 0) rc = store_landing_get(s, run_id, "land", l, &why);
    if (rc == 0 && !record_json_is_of(w.record, l->target, l->branch, l->old_head)) rc = other_journal(&why);
    if (rc == 0) record_json_tree(w.record, tree);
    if (rc == 0) rc = land_stands(s, run_id, tree, &why);
    if (rc == 0) rc = admission_stands(s, l, w.record, &why);
    free(w.record);
    free(l);
    if (rc == 0) return 0;
    return err_set(e, ERR_UNSUPPORTED, "run %s cannot be accepted: %s; nothing was said, put it right or say rejected",
                   run_id, why.text);
}

int outcome_settle(const struct outcome_place *p, const char *run_id, struct outcome_end *ret, struct err *e) {
    struct finishing *f = calloc(1, sizeof *f);
    BUG_UNLESS(f != NULL);
    f->p = p;
    int rc = settle(f, run_id, e);
    if (rc == 0 && ret) put_end(f, ret);
    finishing_release(f);
    free(f);
    return rc < 0 ? err_ctx(e, "outcome of %s", run_id) : 0;
}

/* --- recovery ----------------------------------------------------------------------------------------------------------- */

struct waiting_list {
    char (*ids)[RUN_ID_MAX];
    int n;
};

static int collect(void *ctx, const struct store_run_row *row) {
    struct waiting_list *l = ctx;
    if (row->state != RUN_OUTCOME) return 0;
    l->ids = realloc(l->ids, (size_t)(l->n + 1) * sizeof *l->ids);
    BUG_UNLESS(l->ids != NULL);
    memcpy(l->ids[l->n++], row->run_id, RUN_ID_MAX);
    return 0;
}

/* Somebody else has finished it meanwhile. */
static bool is_over(struct store *s, const char *run_id) {
    struct store_run_row *row = calloc(1, sizeof *row);
    BUG_UNLESS(row != NULL);
    const bool over = store_run_get(s, run_id, row, NULL) == 0 && row->state == RUN_DONE;
    free(row);
    return over;
}

/* 1: nothing to do, yet or any more. */
static int recover_one(const struct outcome_place *p, const char *run_id, struct err *e) {
    struct store_waiting w;
    struct err why = ERR_INIT;
    char run[PATH_MAX];
    const int64_t now = clock_real_ms();
    if (store_waiting_get(p->store, run_id, &w, e) < 0) return is_over(p->store, run_id) ? 1 : -1;
    snprintf(run, sizeof run, "%.3900s/%s", p->home->runs, run_id);
    const bool whole = outcome_hold(run, &w, true, &why) == 0; /* its times are the events' now */
    struct store_outcome word;
    const bool sealed = outcome_is_sealed(run, run_id, &word);
    free(w.record);
    if (sealed) return outcome_settle(p, run_id, NULL, e) == 0 ? 0 : is_over(p->store, run_id) ? 1 : -1;
    if (!w.outcome[0] && now < w.due_ms)
        return whole ? 1 : err_set(e, ERR_UNSUPPORTED, "run %s waits for an outcome, but %s", run_id, why.text);
    if (!w.outcome[0] && store_waiting_say(p->store, run_id, OUTCOME_MISSING, "", now, e) < 0) return -1;
    return outcome_settle(p, run_id, NULL, e) == 0 ? 0 : is_over(p->store, run_id) ? 1 : -1;
}

int outcome_recover(const struct outcome_place *p, void (*warn)(const char *text), struct err *e) {
    struct waiting_list l = {0};
    int rc = store_runs_unfinished(p->store, collect, &l, e) < 0 ? -1 : 0;
    for (int i = 0; rc == 0 && i < l.n; i++) {
        struct err why = ERR_INIT;
        if (recover_one(p, l.ids[i], &why) < 0 && why.code != ERR_CONFLICT) warn(why.text);
    }
    free(l.ids);
    return rc;
}
