/* validate_stage.c - `validate stage1`: the gates of a backend, tried on real runs (design: stages, "The proof ladder").
 *
 * Two runs that must be blocked: without the backend's variable, and with it but without a stage. Both as a stranger would look at
 * them: report, events, artifacts, and that nothing beside the run directory changed. Then the fixtures of three failures that close
 * the same way for every backend.
 */
#include "supervisor/commands/validate_stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_id.h"
#include "common/io.h"
#include "supervisor/batch.h"
#include "supervisor/engines.h"
#include "supervisor/standing.h"
#include "supervisor/store.h"
#include "supervisor/tree_digest.h"
#include "supervisor/verify.h"

#define SUBJECT "r1-string-slugify" /* declared for every backend */
static const char *const fixtures[] = {"provider-unavailable", "missing-event", "artifact-write-failure"};
#define N_FIXTURES 3

struct proof {
    const struct global_options *g;
    const struct engine *engine;
    cJSON *checked, *errors, *failure_reports;
    struct home home;
    char last_report[PATH_MAX], last_sha256[DIGEST_HEX_SIZE];
};

static void hold(struct proof *p, const char *name, bool holds, const char *else_text) {
    char text[400];
    cJSON_AddItemToArray(p->checked, cJSON_CreateString(name));
    if (holds) return;
    snprintf(text, sizeof text, "%s: %.300s", name, else_text);
    cJSON_AddItemToArray(p->errors, cJSON_CreateString(text));
}

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

static bool says(const cJSON *o, const char *key, const char *text) {
    const char *s = cJSON_GetStringValue(get(o, key));
    return s && strcmp(s, text) == 0;
}

/* --- a run ---------------------------------------------------------------------------------------------------------------- */

/* One run, quietly. `dir` gets its directory; NULL when the harness itself failed. */
static cJSON *run_one(struct proof *p, const char *id, const char *engine, char dir[PATH_MAX]) {
    struct batch b = {0};
    struct err e = ERR_INIT;
    char *ids[] = {(char *)(uintptr_t)id};
    const struct batch_options o = {.engine = engine, .jobs = 1, .quiet = true, .no_color = true};
    AUTO_BUF struct buf text = BUF_INIT(0);
    cJSON *report = NULL;
    if (batch_load(&b, p->g, ids, 1, &e) == 0 && batch_run(&b, &o, &e) == 0 && b.report_paths[0][0] &&
        io_read_file_at(AT_FDCWD, b.report_paths[0], 64u << 20, &text, &e) == 0) {
        snprintf(p->last_report, sizeof p->last_report, "%s", b.report_paths[0]);
        digest_bytes(buf_str(&text), text.len, p->last_sha256);
        snprintf(dir, PATH_MAX, "%.*s", (int)(strlen(p->last_report) - strlen("/" EVIDENCE_REPORT)), p->last_report);
        report = cJSON_Parse(buf_str(&text));
    }
    if (!report)
        hold(p, "a run", false,
             e.code != ERR_NONE           ? e.text
             : b.failure.code != ERR_NONE ? b.failure.text
                                          : "no report");
    batch_release(&b);
    return report;
}

/* The types of a run's events, each followed by a blank. */
static void event_types(const char *dir, char *out, size_t size) {
    AUTO_BUF struct buf b = BUF_INIT(0);
    char path[PATH_MAX];
    out[0] = '\0';
    snprintf(path, sizeof path, "%.4000s/" EVIDENCE_EVENTS, dir);
    if (io_read_file_at(AT_FDCWD, path, 16u << 20, &b, NULL) < 0) return;
    char *save = NULL;
    for (char *line = strtok_r((char *)b.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        cJSON *event = cJSON_Parse(line);
        const char *type = cJSON_GetStringValue(get(event, "type"));
        size_t n = strlen(out);
        snprintf(out + n, size - n, "%s ", type ? type : "?");
        cJSON_Delete(event);
    }
}

static bool has_file(const char *dir, const char *name, bool empty) {
    struct stat st;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.3900s/%.100s", dir, name);
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (!empty || st.st_size == 0);
}

static void check_artifacts(struct proof *p, const char *dir) {
    static const char *const names[] = {EVIDENCE_REPORT, EVIDENCE_REPORT_MD,     EVIDENCE_CONTRACT,
                                        EVIDENCE_EVENTS, EVIDENCE_TRACE,         EVIDENCE_TEST_LOG,
                                        EVIDENCE_SUMS,   "backend/case-gate.log"};
    struct verify_report v;
    struct err e = ERR_INIT;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        hold(p, names[i], has_file(dir, names[i], false), "is missing in a blocked run");
    hold(p, EVIDENCE_PATCH, has_file(dir, EVIDENCE_PATCH, true), "is missing, or not empty, in a blocked run");
    if (verify_run_dir(dir, strrchr(dir, '/') + 1, &v, &e) < 0)
        hold(p, "evidence_verifies", false, e.text);
    else
        hold(p, "evidence_verifies", v.ok, v.what);
}

/* A run that a gate must have blocked, and that word of its reason. */
static void check_blocked(struct proof *p, const char *name, const char *word) {
    char dir[PATH_MAX] = "", types[400];
    cJSON *report = run_one(p, SUBJECT, p->engine->name, dir);
    if (!report) return;
    event_types(dir, types, sizeof types);
    const cJSON *first = cJSON_GetArrayItem(get(report, "blockers"), 0);
    const char *detail = cJSON_GetStringValue(get(first, "detail"));
    hold(p, name,
         says(report, "status", "blocked") && says(first, "reason", "gate_missing") && detail && strstr(detail, word),
         detail ? detail : "the run was not blocked by its gate");
    hold(p, "case_process_started_false", cJSON_IsFalse(get(report, "case_process_started")),
         "the report says otherwise");
    hold(p, "source_admission_status", says(report, "source_admission_status", "not_admitted"),
         "the report says otherwise");
    hold(p, STANDING_ACTIVATION_KEY "_false", standing_activation_false(report), "the report says otherwise");
    hold(p, STANDING_PROMOTION_KEY, standing_not_promoted(report), "the report says otherwise");
    hold(p, "mutation_mode_none", says(get(report, "eligibility"), "allowed_mutation_mode", "none"),
         "the decision allows something");
    hold(p, "not_applicable", cJSON_GetArraySize(get(report, "not_applicable")) > 0, "the report excuses no event");
    hold(p, "preflight_events",
         strcmp(types, "run.started task.contract.created backend.gate.blocked run.completed ") == 0, types);
    check_artifacts(p, dir);
    cJSON_Delete(report);
}

/* --- the parts ------------------------------------------------------------------------------------------------------------ */

static void check_registry(struct proof *p) {
    const struct engine *en = p->engine;
    hold(p, "registered", engine_find(en->name) == en, "the backend is not in the dispatch table");
    hold(p, "gated_by_env", en->gated_by_env && strncmp(en->gated_by_env, "CTO_HARNESS_ALLOW_", 18) == 0,
         "the backend has no gate of its own");
    hold(p, "default_backend_is_fake", strcmp(engine_at(0)->name, "fake") == 0 && !engine_at(0)->gated_by_env,
         "the default backend is another");
}

/* Their own status and reason, on the lane that shows them; the report is a failure report of every backend's ladder. */
static void check_fixtures(struct proof *p) {
    for (int i = 0; i < N_FIXTURES; i++) {
        char dir[PATH_MAX] = "", name[96], wanted[64];
        cJSON *report = run_one(p, fixtures[i], "fake", dir);
        if (!report) continue;
        snprintf(name, sizeof name, "failure_%s", fixtures[i]);
        snprintf(wanted, sizeof wanted, "%s",
                 i == 0   ? "provider_unavailable"
                 : i == 1 ? "missing_required_event"
                          : "artifact_write_failure");
        const cJSON *first = cJSON_GetArrayItem(get(report, "blocker_reasons"), 0);
        hold(p, name,
             !says(report, "status", "pass") && cJSON_IsString(first) && strcmp(first->valuestring, wanted) == 0,
             "it did not fail closed");
        cJSON_AddItemToArray(p->failure_reports, cJSON_CreateString(p->last_report));
        cJSON_Delete(report);
    }
}

/* What must be the same before and after: the cases, the programs. */
static int outside(const struct proof *p, char ret[2][DIGEST_HEX_SIZE], struct err *e) {
    return tree_digest(p->home.cases, ret[0], e) < 0 || tree_digest(p->home.libexec, ret[1], e) < 0 ? -1 : 0;
}

static void prove(struct proof *p) {
    char before[2][DIGEST_HEX_SIZE], after[2][DIGEST_HEX_SIZE], stage[96];
    struct err e = ERR_INIT;
    bool seen = outside(p, before, &e) == 0;
    snprintf(stage, sizeof stage, "%sSTAGE", p->engine->variables);
    check_registry(p);
    unsetenv(stage);
    unsetenv(p->engine->gated_by_env);
    check_blocked(p, "disabled_by_default", p->engine->gated_by_env);
    setenv(p->engine->gated_by_env, "1", 1);
    check_blocked(p, "stage_gate_blocks", stage);
    unsetenv(p->engine->gated_by_env);
    check_fixtures(p);
    seen = seen && outside(p, after, &e) == 0;
    hold(p, "nothing_outside_changed", seen && memcmp(before, after, sizeof before) == 0,
         seen ? "cases or programs are not as they were" : e.text);
}

/* --- the result ----------------------------------------------------------------------------------------------------------- */

static int keep_proof(struct proof *p, struct err *e) {
    struct store *s = NULL;
    if (store_open(p->home.store, true, &s, e) < 0) return -1;
    const struct store_proof proof = {.backend = p->engine->name,
                                      .stage = 1,
                                      .build_id = CTO_BUILD_ID,
                                      .kind = "real",
                                      .report_path = p->last_report,
                                      .sha256 = p->last_sha256};
    int rc = store_stage_prove(s, &proof, e);
    store_close(s);
    return rc;
}

static int print_proof(struct proof *p) {
    bool ok = cJSON_GetArraySize(p->errors) == 0;
    if (p->g->json) {
        cJSON *o = cJSON_CreateObject();
        json_put_bool(o, "ok", ok);
        json_put_str(o, "validator", "stage1");
        json_put_str(o, "backend", p->engine->name);
        json_put_str(o, "stage_status", ok ? "validated" : "not_validated");
        json_put_str(o, "proof_kind", "real");
        json_put(o, "checked", p->checked);
        json_put(o, "errors", p->errors);
        json_put(o, "pass_reports", cJSON_CreateArray()); /* stage 1 has none: nothing may run */
        json_put(o, "failure_reports", p->failure_reports);
        json_put(o, "fake_baseline", cJSON_CreateNull());
        standing_put(o);
        return cli_print_json(o, ok ? EXIT_PASS : EXIT_FAIL);
    }
    const cJSON *x;
    cJSON_ArrayForEach(x, p->errors) printf("error: %s\n", x->valuestring);
    printf("%s: stage 1 of %s, %d checks, %d errors\n", ok ? "ok" : "FAILED", p->engine->name,
           cJSON_GetArraySize(p->checked), cJSON_GetArraySize(p->errors));
    cJSON_Delete(p->checked);
    cJSON_Delete(p->errors);
    cJSON_Delete(p->failure_reports);
    return fflush(stdout) == 0 ? (ok ? EXIT_PASS : EXIT_FAIL) : EXIT_HARNESS;
}

int validate_stage1(const struct global_options *g, const char *engine) {
    struct proof p = {.g = g, .engine = engine_find(engine)};
    struct err e = ERR_INIT;
    if (!p.engine) return cli_usage("validate", "unknown engine \"%.40s\"; 'cto-harness engines' lists them", engine);
    if (!p.engine->gated_by_env) return cli_usage("validate", "%s has no gate: it is the default lane", engine);
    if (home_resolve(&p.home, &g->home, &e) < 0) return cli_error(&e);
    p.checked = cJSON_CreateArray();
    p.errors = cJSON_CreateArray();
    p.failure_reports = cJSON_CreateArray();
    prove(&p);
    if (cJSON_GetArraySize(p.errors) == 0 && keep_proof(&p, &e) < 0) hold(&p, "proof_recorded", false, e.text);
    return print_proof(&p);
}
