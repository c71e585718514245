/* proof_pass.c - the run of a stage that must pass, and its twin on the default lane. */
#include <stdio.h>
#include <string.h>

#include "supervisor/commands/proof_run.h"
#include "supervisor/stages.h"

bool proof_subject(struct proof *p, const char *changes) {
    struct err e = ERR_INIT;
    if (proof_case(p, p->w->case_id, PROOF_CASES, p->w->case_id, changes, &e) == 0 &&
        proof_case(p, p->w->case_id, PROOF_BASELINE, p->w->case_id, NULL, &e) == 0)
        return true;
    hold(p, "subject_case", false, e.text);
    return false;
}

struct run_of proof_subject_run(const struct proof *p) {
    return (struct run_of){.folder = PROOF_CASES, .id = p->w->case_id, .lane = p->lane};
}

/* First of all: why it is none. Of a run that was blocked every other check fails as well, and its sentence would be untrue: that the
 * jail can write more than it may, where there was no jail. */
static void check_ended(struct proof *p, const cJSON *r) {
    holdf(p, "pass", run_look_says(r, "status", "pass"), "it ended %s: %.300s", run_look_text(r, "status"),
          run_look_text(cJSON_GetArrayItem(run_look_get(r, "blockers"), 0), "detail"));
    p->unstarted = cJSON_IsFalse(run_look_get(r, "case_process_started"));
}

/* What the report of every governed pass says. */
static void check_report(struct proof *p, const cJSON *r) {
    const struct stage_rules *rules = stage_rules(p->stage);
    const cJSON *stage = run_look_get(r, "case_stage"), *decision = run_look_get(r, "eligibility");
    hold(p, "tests_passed", run_look_true(r, "tests_passed"), "nothing says that its tests passed");
    hold(p, "allowed_writes_passed", run_look_true(r, "allowed_writes_passed"), "it changed what it may not");
    hold(p, "backend_started", run_look_true(r, "case_process_started"), "the backend was not started");
    hold(p, "backend_is_the_one", run_look_says(r, "backend", p->engine->name), "another backend ran");
    hold(p, "stage", cJSON_IsNumber(stage) && stage->valueint == p->stage, "the report has another stage");
    hold(p, "allowed_mutation_scope", run_look_says(r, "allowed_mutation_scope", rules->allowed_mutation_scope),
         "the report has another scope");
    hold(p, "allowed_mutation_mode", run_look_says(decision, "allowed_mutation_mode", rules->mutation_mode),
         "the decision has another mode");
    hold(p, "decision_selected_it", run_look_says(decision, "selected_backend", p->engine->name),
         "the decision selected another backend");
    hold(p, "proof_kind", run_look_says(r, "proof_kind", p->on_double ? "double" : "real"),
         "the report has another kind of proof");
}

void check_pass(struct proof *p, const struct seen *s) {
    if (!s->report) return;
    check_report(p, s->report);
    check_evidence(p, "pass", s);
    proof_note_report(p->pass_reports, s);
    struct seen fake;
    const struct run_of what = {.folder = PROOF_BASELINE, .id = p->w->case_id, .lane = p->fake};
    proof_shows(p, s);
    proof_do(p, &what, &fake);
    check_baseline(p, s, &fake);
    seen_release(&fake);
    p->unstarted = false;
}

/* --- where it may write ------------------------------------------------------------------------------------------------- */

static bool within(const char *path, const char *dir) {
    const size_t n = strlen(dir);
    return n > 0 && strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Of what a jail mounts, the engine may write the workspace alone; the rest that it can write is memory of its own. */
static bool one_writable_mount(const struct seen *s) {
    cJSON *mounts = proof_view(s, "engine_mount");
    const cJSON *m;
    int writable = 0;
    bool workspace = false;
    cJSON_ArrayForEach(m, mounts) {
        if (strncmp(m->valuestring, "rw ", 3) != 0) continue;
        writable++;
        workspace |= strcmp(m->valuestring, "rw /area/ws on /workspace") == 0;
    }
    cJSON_Delete(mounts);
    return writable == 1 && workspace;
}

static bool is_list(const cJSON *list, const char *a, const char *b) {
    const cJSON *x = cJSON_GetArrayItem(list, 0), *y = cJSON_GetArrayItem(list, 1);
    return cJSON_GetArraySize(list) == 2 && cJSON_IsString(x) && cJSON_IsString(y) && strcmp(x->valuestring, a) == 0 &&
           strcmp(y->valuestring, b) == 0;
}

void check_roots(struct proof *p, const struct seen *s) {
    const cJSON *r = s->report, *engine = run_look_get(run_look_get(r, "sandbox"), "engine");
    const char *workspace = run_look_text(r, "runtime_workspace_root"),
               *artifacts = run_look_text(r, "run_artifact_dir");
    const char *disposable = run_look_text(r, "disposable_repository_dir");
    check_ended(p, r);
    hold(p, "writable_roots", workspace[0] && within(workspace, artifacts) && strcmp(workspace, artifacts) != 0,
         "runtime_workspace_root does not lie in run_artifact_dir");
    hold(p, "writable_roots", !within(s->dir, artifacts) && !within(artifacts, s->dir),
         "the evidence lies where the run may write");
    hold(p, "writable_roots", is_list(run_look_get(engine, "write_roots"), "/workspace", "/scratch"),
         "the jail's write roots are others");
    hold(p, "writable_roots", one_writable_mount(s), "the jail has another writable mount than the workspace");
    hold(p, "disposable_repository_dir", (disposable[0] != '\0') == (p->stage == 4),
         p->stage == 4 ? "the report names none" : "the report names one, which this stage has not");
}

cJSON *proof_view(const struct seen *s, const char *step) {
    cJSON *trace = run_look_lines(s->dir, EVIDENCE_TRACE), *all = cJSON_CreateArray();
    const cJSON *line;
    cJSON_ArrayForEach(line, trace) {
        if (!run_look_says(line, "step", step)) continue;
        cJSON_AddItemToArray(all, cJSON_CreateString(run_look_text(line, "detail")));
    }
    cJSON_Delete(trace);
    return all;
}
