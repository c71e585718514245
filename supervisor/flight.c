/* flight.c - see flight.h. Everything the machine asks for is done here; everything the kernel says goes into the machine,
 * and after each such event flight_after() looks at what became of it. Actions never call back into the machine. */
#include "supervisor/flight.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_id.h"
#include "common/io.h"
#include "supervisor/approval_used.h"
#include "supervisor/denials.h"
#include "supervisor/double.h"
#include "supervisor/gates.h"
#include "supervisor/known_values.h"
#include "supervisor/subject.h"

void flight_artifact_error(struct flight *f, const struct err *e) {
    if (f->rec.artifact_failed) return;
    f->rec.artifact_failed = true;
    snprintf(f->rec.artifact_detail, sizeof f->rec.artifact_detail, "%.280s", e->text);
}

static void on_watch(void *ctx) {
    struct flight *f = ctx;
    run_watch(&f->run, clock_mono_us());
    flight_after(f);
}

int flight_tell_store(struct flight *f, struct err *e) {
    for (int s = 0; s < RUN_STATE_COUNT; s++) {
        const struct phase_time *at = &f->rec.phases[s];
        if (!(f->untold >> s & 1u)) continue;
        if (store_run_transition(f->x->store, f->rec.run_id, f->rec.generation, (enum run_state)s, at->entered_real_ms,
                                 at->entered_us, e) < 0)
            return -1;
        f->untold &= ~(1u << s);
    }
    return 0;
}

static void on_entered(void *ctx, struct run *r, enum run_state from) {
    struct flight *f = ctx;
    struct err e = ERR_INIT;
    (void)from;
    int64_t real = clock_real_ms();
    uint64_t mono = clock_mono_us();
    f->rec.phases[r->state] = (struct phase_time){real, mono};
    /* done is written by the seal's own durable transaction; a disk that the agent filled will have room by then */
    if (r->state != RUN_DONE) f->untold |= 1u << r->state;
    if (flight_tell_store(f, &e) < 0 && e.sys != ENOSPC && f->error.code == ERR_NONE) f->error = e;
    e = ERR_INIT;
    if (r->state == RUN_ENGINE) {
        if (narrate_engine(&f->nar, &e) < 0) flight_artifact_error(f, &e);
        f->watch = watch_start(&f->x->loop, f->rec.work_dir, on_watch, f);
    }
    if (r->state >= RUN_INSPECTING && f->watch) {
        watch_close(f->watch);
        f->watch = NULL;
    }
    if (r->state >= RUN_INSPECTING) gateway_proc_end(f->gw);
    if (r->state == RUN_INSPECTING && narrate_engine_end(&f->nar, &e) < 0) flight_artifact_error(f, &e);
    if (r->state >= RUN_ENGINE && r->state <= RUN_COLLECTING && f->wp) worker_proc_read_bulk(f->wp);
    if (f->x->ev->state) f->x->ev->state(f->x->ctx, f->index, &f->rec, r->state);
}

static void on_stop(void *ctx, enum stop_reason reason) {
    struct flight *f = ctx;
    struct err e = ERR_INIT;
    const char *why = reason == STOP_COMMITTED ? "committed and clean"
                      : reason == STOP_IDLE    ? "idle limit"
                                               : "total limit";
    if (evidence_trace(f->ev, "engine.stop", clock_mono_us(), 0, reason == STOP_COMMITTED, why, &e) < 0)
        flight_artifact_error(f, &e);
    worker_proc_stop(f->wp, reason);
}

static void on_kill(void *ctx) {
    struct flight *f = ctx;
    struct err e = ERR_INIT;
    if (evidence_trace(f->ev, "worker.kill", clock_mono_us(), 0, false, f->rec.cause, &e) < 0)
        flight_artifact_error(f, &e);
    if (f->wp) worker_proc_kill(f->wp);
}

static void on_wake(void *ctx) {
    struct flight *f = ctx;
    if (f->watch) watch_refresh(f->watch);
    if (f->wp) worker_proc_wake(f->wp);
}

/* --- contents of the committed result, which are landed or only searched ------------------------------------------------- */

static int keep_contents(void *ctx, const void *p, size_t n, struct err *e) {
    struct flight *f = ctx;
    return f->rec.search_contents ? 0 : subject_take_blobs(&f->rec, p, n, e);
}

/* Once one of them holds a known value, no more of them is wanted. */
static int take_contents(struct flight *f, const void *p, size_t n, struct err *e) {
    struct secrets *s = f->rec.secrets;
    if (s->leaked) return 0;
    if (!secrets_known(s)) return keep_contents(f, p, n, e);
    if (!f->contents) f->contents = redact_stream_new(s->redactor);
    const int rc = redact_feed(f->contents, p, n, keep_contents, f, e);
    (void)secrets_stream_leaks(s, SECRET_IN_CONTENTS, f->contents);
    return rc;
}

static int end_contents(struct flight *f, struct err *e) {
    if (!f->contents || f->rec.secrets->leaked) return 0;
    const int rc = redact_flush(f->contents, keep_contents, f, e);
    (void)secrets_stream_leaks(f->rec.secrets, SECRET_IN_CONTENTS, f->contents);
    return rc;
}

void flight_streams_end(struct flight *f) {
    struct err e = ERR_INIT;
    if (end_contents(f, &e) < 0 || evidence_flush(f->ev, &e) < 0 ||
        (f->rec.secrets->leaked && evidence_withhold_patch(f->ev, &e) < 0))
        flight_artifact_error(f, &e);
}

static void on_bulk(void *ctx, unsigned type, const uint8_t *p, size_t n) {
    struct flight *f = ctx;
    struct err e = ERR_INIT;
    int rc = 0;
    if (f->rec.artifact_failed) return;
    if (type == MSG_OUTPUT) {
        rc = evidence_output(f->ev, (enum out_stream)p[0], p + 1, n - 1, &e);
    } else if (type == MSG_ARTIFACT && p[0] == ARTIFACT_BLOBS) {
        rc = take_contents(f, p + 1, n - 1, &e);
    } else if (type == MSG_ARTIFACT_END && p[0] == ARTIFACT_BLOBS) {
        rc = end_contents(f, &e);
    } else if (type == MSG_ARTIFACT) {
        rc = f->rec.secrets->leaked ? evidence_withhold_patch(f->ev, &e) : evidence_patch(f->ev, p + 1, n - 1, &e);
        f->rec.patch_bytes += n - 1;
    }
    if (rc < 0) flight_artifact_error(f, &e);
}

static void on_trace(void *ctx, const char *step, uint64_t start_us, uint64_t dur_us, bool ok, const char *detail) {
    struct flight *f = ctx;
    struct err e = ERR_INIT;
    if (evidence_trace(f->ev, step, start_us, dur_us, ok, detail, &e) < 0) flight_artifact_error(f, &e);
}

static void on_denied(void *ctx, const struct denied_call *d) {
    struct flight *f = ctx;
    struct err e = ERR_INIT;
    if (evidence_event(f->ev, DENIALS_EVENT, denials_event(d), &e) < 0) flight_artifact_error(f, &e);
}

static void on_limit(void *ctx, const struct limit_seen *l) {
    struct flight *f = ctx;
    struct err e = ERR_INIT;
    if (narrate_limit(&f->nar, l, &e) < 0) flight_artifact_error(f, &e);
}

static void on_model(void *ctx, const struct model_request *q) {
    struct flight *f = ctx;
    struct err e = ERR_INIT;
    if (narrate_model(&f->nar, q, &e) < 0) flight_artifact_error(f, &e);
}

static const struct run_ops ops = {on_entered, on_stop,   on_kill,  on_wake, on_bulk,
                                   on_trace,   on_denied, on_limit, on_model};

static void on_bytes(void *ctx, enum msg_channel c, const void *p, size_t n) {
    struct flight *f = ctx;
    run_bytes(&f->run, clock_mono_us(), c, p, n);
    flight_after(f);
}

static void on_eof(void *ctx, enum msg_channel c) {
    struct flight *f = ctx;
    run_eof(&f->run, clock_mono_us(), c);
    flight_after(f);
}

static void on_exited(void *ctx, int64_t status, int signal) {
    struct flight *f = ctx;
    worker_proc_read_bulk(f->wp); /* its end of file must be seen, whatever state this is */
    run_exited(&f->run, clock_mono_us(), status, signal);
    flight_after(f);
}

static const struct worker_events worker_events = {on_bytes, on_eof, on_exited};

static void on_timer(uv_timer_t *t) {
    struct flight *f = t->data;
    if (f->run.state == RUN_SEALING || f->run.state == RUN_LANDING) {
        flight_finish(f);
        return;
    }
    run_time(&f->run, clock_mono_us());
    flight_after(f);
}

void flight_after(struct flight *f) {
    struct err e = ERR_INIT;
    if (f->rec.committed_seen && !f->told_commit) {
        f->told_commit = true;
        if (narrate_committed(&f->nar, &e) < 0) flight_artifact_error(f, &e);
    }
    if (f->error.code != ERR_NONE && f->run.state < RUN_LANDING)
        run_cancel(&f->run, clock_mono_us(), BLOCKER_worker_failed, f->error.text);
    if (f->run.state == RUN_SEALING || f->run.state == RUN_LANDING) {
        flight_finish(f);
        return;
    }
    uint64_t next = run_next_deadline(&f->run);
    if (next == 0) {
        uv_timer_stop(&f->timer);
        return;
    }
    uv_update_time(&f->x->loop);
    uv_timer_start(&f->timer, on_timer, (uint64_t)clock_left_ms(next), 0);
}

void flight_cancel(struct flight *f, enum blocker why, const char *text) {
    if (f->asking) flight_forget_model(f);
    run_cancel(&f->run, clock_mono_us(), why, text);
    if (!f->finishing) flight_after(f);
}

static void copy_list(const char **out, int *n, const struct case_list *l) {
    for (*n = 0; *n < l->n; ++*n) out[*n] = l->v[*n];
}

/* What our double is to do; a program that is not ours is told nothing of it. */
static const char *double_script(const struct flight *f) {
    if (!f->proof_double) return NULL;
    return f->rec.c->double_script ? f->rec.c->double_script : "{\"mode\":\"fix\"}";
}

static unsigned flight_port(const struct flight *f) { return f->has_gateway ? f->route.port : ROUTE_PORT; }
static const char *flight_model(const struct flight *f) { return f->rec.governed ? f->rec.governed->model : ""; }

/* The RUN_SPEC of a case. Borrows from case, home and flight. */
static char *build_spec(const struct flight *f) {
    const struct cto_case *c = f->rec.c;
    struct run_spec *s = calloc(1, sizeof *s);
    BUG_UNLESS(s != NULL);
    char fixture[PATH_MAX + 16], subject[PATH_MAX] = "";
    if (f->rec.subject) subject_path(&f->rec, "", subject, sizeof subject);
    const bool own = f->rec.subject == NULL; /* else a tree of git's is the baseline, and just that */
    const char *from = own ? c->dir : subject;
    snprintf(fixture, sizeof fixture, "%s/fixture", from);
    *s = (struct run_spec){.run_id = f->rec.run_id,
                           .build_id = CTO_BUILD_ID,
                           .case_dir = from,
                           .fixture = access(fixture, F_OK) == 0 ? "fixture" : NULL,
                           .work_dir = f->rec.work_dir,
                           .libexec_dir = f->x->home.libexec,
                           .supervisor_pid = getpid(),
                           .engine_uid = f->slot.engine_uid,
                           .verifier_uid = f->slot.verifier_uid,
                           .baseline_empty = own && c->baseline_empty,
                           .history_commits = own ? c->history_commits : 0,
                           .generate_dir = own ? c->generate_dir : NULL,
                           .generate_count = own ? c->generate_count : 0,
                           .generate_size = own ? c->generate_size : 0,
                           .n_submodules = own ? c->n_submodules : 0,
                           .dirty_start = c->dirty_start,
                           .clean_start_required = c->clean_start_required,
                           .diff_required = c->diff_required,
                           .engine = f->rec.engine,
                           .engine_config = c->fake_config,
                           .task = c->task,
                           .commit = c->commit,
                           .network_none = c->network_none,
                           .gateway_port = f->has_gateway ? f->route.port : 0,
                           .hidden = {f->x->home.home, f->x->home.runs, f->x->home.work},
                           .n_hidden = 3,
                           .person_home = getenv("HOME"),
                           .landlock_abi_min = c->landlock_abi_min,
                           .inspect_ms = c->inspect_timeout_ms,
                           .limits = c->limits,
                           .n_verify = c->n_verify,
                           .landing = !own && subject_lands(f->rec.subject->kind),
                           .contents = f->rec.search_contents,
                           .keep = f->keep};
    memcpy(s->submodules, c->submodules, sizeof s->submodules);
    if (c->n_verify > 0) memcpy(s->verify, c->verify, (size_t)c->n_verify * sizeof s->verify[0]);
    copy_list(s->ignore, &s->n_ignore, &c->ignore);
    copy_list(s->pristine, &s->n_pristine, &c->pristine);
    copy_list(s->read_roots, &s->n_read_roots, &c->read_roots);
    char *config = NULL;
    if (f->file) {
        s->engine_config = config = engine_file_config(f->file, flight_model(f), flight_port(f));
        s->program = f->file->shown;
        s->interpreter = f->file->interpreter;
        for (int i = 0; i < f->file->n_read_roots && s->n_read_roots < SPEC_MAX_PATHS; i++)
            s->read_roots[s->n_read_roots++] = f->file->read_roots[i];
    }
    if (f->task) {
        s->engine_config = config = case_task_config(f->task, c, double_script(f));
        s->program = f->program;
        s->ignore[s->n_ignore++] = CASE_TASK_DIR;
    }
    char *text = spec_emit(s);
    cJSON_free(config);
    free(s);
    return text;
}

/* run_spec's lists are as long as the case's may be. */
_Static_assert(CASE_MAX_LIST < SPEC_MAX_PATHS, "a case list must fit a spec list");

static int reserve_row(void *ctx, struct run_record *r, struct err *e) {
    struct flight *f = ctx;
    f->reserved = store_run_insert(f->x->store, r, f->x->id, e) == 0;
    return f->reserved ? 0 : -1;
}

static int prepare(struct flight *f, struct err *e) {
    const struct cto_case *c = f->rec.c;
    f->rec.started_ms = clock_real_ms();
    f->rec.generation = 1;
    f->rec.phases[RUN_PLANNED] = (struct phase_time){f->rec.started_ms, clock_mono_us()};
    if (evidence_create(&f->x->home, &f->rec, reserve_row, f, &f->ev, e) < 0) {
        /* A directory without a row would never be sealed: when it is there in spite of all, the row stays for recovery. */
        if (f->reserved && access(f->rec.run_dir, F_OK) < 0 && errno == ENOENT)
            store_run_forget(f->x->store, f->rec.run_id, f->rec.generation, NULL);
        return -1;
    }
    evidence_set_secrets(f->ev, f->rec.secrets);
    f->nar = (struct narrator){.ev = f->ev, .rec = &f->rec};
    if (narrate_begin(&f->nar, e) < 0) {
        flight_artifact_error(f, e);
        *e = ERR_INIT;
    }
    evidence_set_budget(f->ev, c->run_dir_bytes);
    return 0;
}

/* Past the gates: a uid, a work directory, a worker. */
static int launch(struct flight *f, struct err *e) {
    if (f->rec.subject && (subject_prepare(&f->rec, e) < 0 || narrate_branch_policy(&f->nar, e) < 0)) return -1;
    if (slot_claim(&f->slot, e) < 0) return -1;
    if (mkdir(f->rec.work_dir, 0700) < 0) return err_sys(e, "mkdir %s", f->rec.work_dir);
    AUTO_FD int gateway = -1;
    if (f->has_gateway && flight_gateway_start(f, &gateway, e) < 0) return -1;
    char *spec = build_spec(f);
    int rc =
        worker_proc_spawn(&f->x->loop, f->x->worker_path, spec, strlen(spec), gateway, &worker_events, f, &f->wp, e);
    free(spec);
    return rc;
}

/* A fixture brings its own denial, as rows like any other's. */
static void deny_fixture(struct store *s, struct gate_facts *f) {
    struct store_request *r = calloc(1, sizeof *r);
    BUG_UNLESS(r != NULL);
    char id[96];
    snprintf(r->task_id, sizeof r->task_id, "%s", f->c->id);
    snprintf(r->backend, sizeof r->backend, "%s", f->engine->name);
    snprintf(r->actor, sizeof r->actor, "fixture");
    snprintf(r->scope, sizeof r->scope, "%s", f->scope);
    r->created_ms = f->now_ms;
    r->document = "{}";
    if (store_request_id(s, r->id, NULL) == 0 && store_request_add(s, r, NULL) == 0)
        (void)store_approval_add(s, r, "denied", "fixture", "the fixture's own denial", 0, id, NULL);
    free(r);
}

/* What Case will be told, in the evidence too: written from what we made, since its own copy is the agent's by then. */
static bool prepare_case(struct flight *f, const struct gate_facts *facts) {
    struct err e = ERR_INIT;
    f->task = calloc(1, sizeof *f->task);
    BUG_UNLESS(f->task != NULL);
    case_task_make(f->task, f->rec.c, facts->provider, facts->model, flight_port(f), f->rec.started_ms);
    int n = f->proof_double ? asprintf(&f->program, "%s/" DOUBLE_PROGRAM, f->x->home.libexec)
                            : asprintf(&f->program, "%s", facts->executable);
    BUG_UNLESS(n > 0);
    AUTO_FREE char *config = case_task_config(f->task, f->rec.c, double_script(f));
    AUTO_FREE char *text = case_task_text(f->task, f->rec.c);
    if (strlen(config) > CASE_TASK_CONFIG_MAX) {
        gates_close(&f->rec, "contract", BLOCKER_eligibility_denied,
                    "the case says more than the case backend can be told");
        return false;
    }
    if (evidence_marker(f->ev, "case-task.md", text, &e) < 0 ||
        evidence_marker(f->ev, "case-task.json", f->task->task_json, &e) < 0 ||
        evidence_marker(f->ev, "case-config.json", f->task->config, &e) < 0 ||
        evidence_marker(f->ev, "case-projects.json", f->task->projects, &e) < 0 ||
        evidence_marker(f->ev, "case-models.json", f->task->models, &e) < 0)
        flight_artifact_error(f, &e);
    return true;
}

/* The name of a generated file in the evidence: its own name, and a number because that may be there twice. */
static void marker_name(int i, const char *path, char out[64]) {
    const int n = snprintf(out, 64, "engine-file-%d-", i + 1);
    snprintf(out + n, 64 - (size_t)n, "%.40s", strrchr(path, '/') + 1);
    for (char *p = out; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-", *p)) *p = '_';
}

/* What an engine of a file will be told, likewise: the whole, and each file that it will find. */
static bool prepare_engine(struct flight *f) {
    struct err e = ERR_INIT;
    const char *model = flight_model(f);
    AUTO_FREE char *config = engine_file_config(f->file, model, flight_port(f));
    AUTO_FREE char *text = engine_file_evidence(f->file, model, flight_port(f));
    if (!config) {
        gates_close(&f->rec, "contract", BLOCKER_eligibility_denied,
                    "the engine file says more than a backend can be told");
        return false;
    }
    int rc = evidence_marker(f->ev, "engine-config.json", text, &e);
    for (int i = 0; rc == 0 && i < f->file->n_files; i++) {
        char name[64];
        AUTO_FREE char *made = engine_file_text(f->file, i, model, flight_port(f));
        marker_name(i, f->file->files[i].path, name);
        rc = evidence_marker(f->ev, name, made, &e);
    }
    if (rc < 0) flight_artifact_error(f, &e);
    return true;
}

static void read_facts(struct flight *f, struct gate_facts *facts) {
    const struct cto_case *c = f->x->jobs[f->index].c; /* as it is asked for: a scope is of that */
    const struct job *job = &f->x->jobs[f->index];
    if (!f->proof_double) {
        gate_facts_read(facts, c, f->rec.engine, f->x->store);
    } else {
        gate_facts_read_double(facts, c, f->rec.engine, f->x->store,
                               job->double_absent ? DOUBLE_NOWHERE : f->x->home.libexec, f->proof_double);
        if (job->model) double_asks(facts, job->model);
    }
    facts->replay = job->replay != NULL;
}

/* What both allow: the case's own list, and forbidden is what either forbids. */
static void join_forbidden(struct flight *f, const struct cto_case *c) {
    const cJSON *theirs = cJSON_GetObjectItemCaseSensitive(f->admission, "forbidden_paths"), *rule;
    f->forbidden = calloc((size_t)c->forbidden_paths.n + (size_t)cJSON_GetArraySize(theirs) + 1, sizeof *f->forbidden);
    BUG_UNLESS(f->forbidden != NULL);
    int n = 0;
    for (int i = 0; i < c->forbidden_paths.n; i++) f->forbidden[n++] = c->forbidden_paths.v[i];
    cJSON_ArrayForEach(rule, theirs) {
        bool there = false;
        for (int i = 0; i < n; i++) there |= strcmp(f->forbidden[i], rule->valuestring) == 0;
        if (!there) f->forbidden[n++] = rule->valuestring;
    }
    f->effective = *c;
    f->effective.forbidden_paths = (struct case_list){f->forbidden, n};
    f->rec.c = &f->effective;
}

static void copy_field(char *out, size_t size, const struct admission *a, const char *field) {
    snprintf(out, size, "%s", admission_text(a, field));
}

/* What the run is about, as far as records say: the contract names it before anything is decided. */
static void set_subject(struct flight *f, struct gate_facts *facts) {
    if (facts->subject == SUBJECT_FIXTURE) return;
    struct run_subject *s = f->rec.subject = calloc(1, sizeof *s);
    BUG_UNLESS(s != NULL);
    s->kind = facts->subject;
    s->blobs_fd = -1;
    snprintf(s->path, sizeof s->path, "%s", facts->repository);
    if (facts->target.state != FACT_THERE) return;
    const struct admission *a = &facts->target.admission;
    snprintf(s->admission_id, sizeof s->admission_id, "%s", facts->target_id);
    memcpy(s->admission_sha256, a->digest, sizeof s->admission_sha256);
    copy_field(s->owner, sizeof s->owner, a, "repository_owner");
    copy_field(s->approval_source, sizeof s->approval_source, a, "approval_source");
    f->admission = cJSON_Duplicate(a->doc, true);
    BUG_UNLESS(f->admission != NULL);
    join_forbidden(f, f->rec.c);
}

/* And as it was found, when everything else had been decided. */
static void note_look(struct run_subject *s, const struct gate_facts *facts) {
    if (!facts->looked) return;
    s->repo = facts->repo;
    memcpy(s->head, facts->repo.head, sizeof s->head);
    memcpy(s->tree_before, facts->repo.tree, sizeof s->tree_before);
    memcpy(s->branch, facts->repo.branch, sizeof s->branch);
    s->start_clean = facts->repo.clean;
}

static bool evaluate(struct flight *f, struct gate_facts *facts) {
    bool passed = gates_evaluate(&f->rec, facts);
    if (!gates_wait_for_a_look(&f->rec)) return passed;
    gate_facts_look(facts, f->x->store);
    note_look(f->rec.subject, facts);
    return gates_evaluate(&f->rec, facts);
}

/* The operator's own bound: never longer than what case and engine file say. */
static void bound_time(struct flight *f, int timeout_s) {
    const int64_t ms = (int64_t)timeout_s * 1000;
    if (timeout_s <= 0 || (f->rec.c->backend_timeout_ms > 0 && f->rec.c->backend_timeout_ms <= ms)) return;
    if (f->rec.c != &f->effective) f->effective = *f->rec.c;
    f->effective.backend_timeout_ms = ms;
    f->rec.c = &f->effective;
}

/* Of two runs that want the same approval now, one gets it; and none when the evidence of a run says that it had it. */
static bool take_approval(struct flight *f) {
    const struct approval_seen *a = f->rec.approval;
    char by[RUN_ID_MAX], why[RUN_ID_MAX + 200];
    struct err e = ERR_INIT;
    if (!a) return true;
    if (store_approval_claim(f->x->store, a->id, f->rec.run_id, clock_real_ms(), &e) < 0) {
        gates_close(&f->rec, "approval", BLOCKER_approval_consumed, e.text);
        return false;
    }
    if (!approval_was_used(f->x->home.runs, a, f->rec.c->id, f->rec.run_id, by)) return true;
    snprintf(why, sizeof why,
             "approval %.90s was for one run, and %s had it; the store, which does not know, is not of today", a->id,
             by[0] ? by : "nobody can say whether one");
    gates_close(&f->rec, "approval", BLOCKER_approval_consumed, why);
    return false;
}

/* All gates have passed: what the run takes with it. */
static bool take(struct flight *f, struct gate_facts *facts) {
    bool passed = true;
    if (!take_approval(f)) return false;
    f->has_gateway = (gate_facts_needs(facts) & NEED_MODEL) && !facts->no_model;
    if (f->has_gateway) {
        f->route = facts->route;
        facts->route = (struct model_route){.state = ROUTE_ABSENT};
    }
    if (facts->file) {
        f->file = facts->file;
        facts->file = NULL;
        f->effective = engine_file_apply(f->file, f->rec.c);
        f->rec.c = &f->effective;
        f->rec.output = engine_output_words[f->file->output];
        passed = prepare_engine(f);
    }
    bound_time(f, facts->timeout_s);
    if (strcmp(f->rec.engine, "case") == 0) passed = prepare_case(f, facts);
    return passed;
}

/* A value that cannot be searched for closes a gate (local_config). */
static void set_secrets(struct flight *f) {
    struct redactor *known = NULL;
    const struct model_double *own = f->x->jobs[f->index].model;
    if (own)
        (void)known_values_of(model_double_url(own), model_double_key(own), &known, NULL);
    else
        (void)known_values(engine_find(f->rec.engine), &known, NULL);
    f->rec.secrets = secrets_new(known);
    f->rec.search_contents = secrets_known(f->rec.secrets) && !(f->rec.subject && subject_lands(f->rec.subject->kind));
}

static void give_up_facts(struct flight *f) {
    gate_facts_release(f->facts);
    free(f->facts);
    f->facts = NULL;
}

void flight_decided(struct flight *f, bool passed) {
    passed = passed && take(f, f->facts);
    give_up_facts(f);
    on_trace(f, "gates", f->gates_us, clock_mono_us() - f->gates_us, passed, passed ? "all passed" : "blocked");
    run_gate(&f->run, clock_mono_us(), !passed);
    if (passed && !f->nar.contract_written) { /* nothing may be done that was not asked for in writing */
        run_cancel(&f->run, clock_mono_us(), BLOCKER_artifact_write_failure, f->rec.artifact_detail);
    } else if (passed) {
        struct err why = ERR_INIT;
        if (launch(f, &why) < 0)
            run_spawn_failed(&f->run, clock_mono_us(), why.text);
        else
            run_spawned(&f->run, clock_mono_us());
    }
    flight_after(f);
}

static void decide(struct flight *f) {
    if (f->rec.c->approval_denied && !f->facts->approval.id[0]) {
        deny_fixture(f->x->store, f->facts);
        gate_facts_release(f->facts);
        read_facts(f, f->facts);
    }
    bool passed = evaluate(f, f->facts);
    if (gates_wait_for_a_probe(&f->rec))
        flight_ask_model(f);
    else
        flight_decided(f, passed);
}

int flight_start(struct executor *x, int index, struct err *e) {
    struct flight *f = calloc(1, sizeof *f);
    BUG_UNLESS(f != NULL);
    const struct job *job = &x->jobs[index];
    f->x = x;
    f->index = index;
    f->keep = job->keep;
    f->proof_double = job->proof_double;
    BUG_UNLESS(!f->proof_double || strcmp(job->engine, "case") == 0);
    BUG_UNLESS(f->proof_double || !job->model);
    f->slot.lock_fd = -1;
    f->rec.c = job->c;
    f->rec.engine = job->engine;
    f->rec.output = engine_output_words[strcmp(job->engine, "case") == 0 ? OUTPUT_CASE : OUTPUT_TEXT];
    f->rec.attempt = job->attempt ? job->attempt : 1;
    snprintf(f->rec.matrix_id, sizeof f->rec.matrix_id, "%s", job->matrix_id ? job->matrix_id : "");
    run_init(&f->run, &f->rec, &ops, f);
    /* The facts are large: only while they are wanted. */
    f->facts = malloc(sizeof *f->facts);
    BUG_UNLESS(f->facts != NULL);
    read_facts(f, f->facts);
    set_subject(f, f->facts);
    set_secrets(f);
    if (prepare(f, e) < 0) {
        evidence_free(f->ev);
        record_release(&f->rec);
        cJSON_Delete(f->admission);
        free(f->forbidden);
        give_up_facts(f);
        free(f);
        return -1;
    }
    uv_timer_init(&x->loop, &f->timer);
    f->timer.data = f;
    f->next = x->flights;
    x->flights = f;
    x->in_flight++;
    f->gates_us = clock_mono_us();
    decide(f);
    return 0;
}
