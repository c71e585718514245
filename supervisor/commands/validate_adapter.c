/* validate_adapter.c - `validate provider-adapter`: see adapter_check.h. The runs, on our test double of ca, and the result.
 *
 * What needs a model is in adapter_model.c, on a double of a server. So the proof is one of mechanics: it is kept as such, and opens
 * the gate of the interface, which asks for no more; no stage counts it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "build_id.h"
#include "common/io.h"
#include "supervisor/ask.h"
#include "supervisor/commands/adapter_check.h"
#include "supervisor/double.h"
#include "supervisor/ladder.h"
#include "supervisor/standing.h"
#include "supervisor/store.h"

#define ADAPTER_CHECKS 23

void adapter_begin(struct adapter_check *a, const char *name) {
    a->name = name;
    progress_step(a->progress, "provider-adapter: %s", name);
    cJSON_AddItemToArray(a->checked, cJSON_CreateString(name));
}

void adapter_hold(struct adapter_check *a, bool holds, const char *fmt, ...) {
    char text[400];
    if (holds) return;
    const cJSON *said;
    const size_t n = strlen(a->name);
    cJSON_ArrayForEach(said, a->errors) if (strncmp(said->valuestring, a->name, n) == 0 &&
                                            said->valuestring[n] == ':') return;
    int used = snprintf(text, sizeof text, "%s: ", a->name);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text + used, sizeof text - (size_t)used, fmt, ap);
    va_end(ap);
    cJSON_AddItemToArray(a->errors, cJSON_CreateString(text));
}

/* --- runs ---------------------------------------------------------------------------------------------------------------------- */

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

static void soon(struct cto_case *c) { c->backend_timeout_ms = 1000; }
static void little_grace(struct cto_case *c) { c->grace_ms = 300; }
static void with_history(struct cto_case *c) { c->history_commits = 4; }

struct lane_seen adapter_run(struct adapter_check *a, const char *script, const struct model_double *model,
                             void (*change)(struct cto_case *c)) {
    struct lane_seen s;
    struct err e = ERR_INIT;
    const struct lane_order o = {.case_id = LANE_SUBJECT,
                                 .engine = "case",
                                 .script = script,
                                 .model = model,
                                 .change = change,
                                 .outer = a->progress};
    if (lane_run(a->g, &o, &s, &e) < 0) adapter_hold(a, false, "the run could not be made: %.300s", e.text);
    a->interrupted |= s.interrupted;
    adapter_hold(a, s.report && s.verified.ok, "its evidence does not verify: %.200s", s.verified.what);
    adapter_hold(a, lane_says(s.report, "proof_kind", "double"), "it does not say that it was the double");
    const cJSON *seen = get(s.report, "models_observed");
    adapter_hold(a, cJSON_IsFalse(get(s.report, "external_fallback_used")), "it says that another model was used");
    adapter_hold(a, model || cJSON_GetArraySize(seen) == 0, "it says that a model was used");
    adapter_hold(a, cJSON_IsFalse(get(s.report, "secret_redacted")),
                 "endpoint or credential had to be taken out of what it printed");
    return s;
}

/* Endpoint and credential were in our environment, or were those of its server: no file of any run may have them. */
void adapter_quiet(struct adapter_check *a, struct lane_seen *s, const struct model_double *model, bool keep) {
    static const char *const names[] = {"no_secret_in_artifacts", "no_endpoint_in_artifacts"};
    const char *const values[] = {a->credential, a->endpoint, model ? model_double_key(model) : NULL,
                                  model ? model_double_authority(model) : NULL};
    for (int i = 0; i < 4; i++) {
        if (keep && i < 2) adapter_begin(a, names[i]); /* named once, asked of every run */
        a->name = names[i % 2];
        const int found = values[i] ? lane_mentions(s, values[i]) : 0;
        adapter_hold(a, found == 0, "%s %s", s->run_id, found < 0 ? "could not be searched" : "has it in a file");
    }
    if (keep)
        a->last = *s;
    else
        lane_seen_release(s);
}

static void check_timeout(struct adapter_check *a) {
    adapter_begin(a, "provider_timeout_fail_closed");
    struct lane_seen s = adapter_run(a, "{\"mode\":\"hang\"}", NULL, soon);
    adapter_hold(a, lane_blocked_by(&s, "blocked", "timeout"), "it did not end blocked, with reason timeout");
    adapter_hold(a, lane_has_file(&s, "backend/provider-timeout.txt"),
                 "marker backend/provider-timeout.txt is missing");
    adapter_quiet(a, &s, NULL, false);
}

static void check_history(struct adapter_check *a) {
    adapter_begin(a, "lifecycle_ignores_existing_history");
    struct lane_seen s = adapter_run(a, "{\"mode\":\"no-diff\"}", NULL, with_history);
    cJSON *committed = lane_event(&s, "lifecycle.committed");
    adapter_hold(a, lane_blocked_by(&s, "fail", "no_diff"), "commits from before the run count as its work");
    adapter_hold(a, !committed, "lifecycle.committed without a commit of the backend's");
    cJSON_Delete(committed);
    adapter_quiet(a, &s, NULL, false);
}

static void check_protocol(struct adapter_check *a) {
    adapter_begin(a, "agent_protocol_classified");
    struct lane_seen s = adapter_run(a, "{\"mode\":\"agent-protocol-error\"}", NULL, NULL);
    adapter_hold(a, lane_blocked_by(&s, "fail", "agent_protocol_error"), "it is not agent_protocol_error");
    adapter_hold(a, lane_says(s.report, "failure_reason", "case agent result protocol failed"),
                 "failure_reason has other words");
    adapter_hold(a, lane_has_file(&s, "backend/provider-agent-protocol.txt"),
                 "marker backend/provider-agent-protocol.txt is missing");
    adapter_quiet(a, &s, NULL, false);
}

/* Nothing of ours is there that a program of ours would need: it must not go on, and the run of one that ends so is no pass. */
static void check_config(struct adapter_check *a) {
    char program[DOUBLE_PATH_MAX];
    AUTO_BUF struct buf out = BUF_INIT(64u << 10);
    struct err e = ERR_INIT;
    adapter_begin(a, "missing_config_write_blocks");
    snprintf(program, sizeof program, "%s/" DOUBLE_PROGRAM, a->home.libexec);
    const char *const argv[] = {"/bin/sh",    "-c",     "exec \"$0\" \"$@\" 2>&1", program,
                                "run",        "--task", "/nonexistent.task.json",  "--mode",
                                "unattended", NULL};
    const int code = ask(argv, -1, &out, 10000, &e);
    adapter_hold(a, code == 65, "without its state it ends with %d, not 65", code);
    struct lane_seen s = adapter_run(a, "{\"mode\":\"exit\",\"code\":65}", NULL, NULL);
    adapter_hold(a, lane_blocked_by(&s, "fail", "backend_failed"), "a backend that ends with 65 is not backend_failed");
    adapter_hold(a, lane_says(s.report, "failure_reason", "case engine failed with exit code 65"),
                 "failure_reason has other words");
    adapter_quiet(a, &s, NULL, false);
}

static void check_approval_events(struct adapter_check *a) {
    static const char *const fields[] = {"actor", "scope", "mutation_mode", "timestamp"};
    struct lane_seen s;
    struct err e = ERR_INIT;
    const struct lane_order o = {.case_id = "approval-denied", .engine = "fake", .outer = a->progress};
    adapter_begin(a, "approval_events_valid");
    if (lane_run(a->g, &o, &s, &e) < 0) adapter_hold(a, false, "the run could not be made: %.300s", e.text);
    adapter_hold(a, lane_blocked_by(&s, "blocked", "approval_denied") && s.verified.ok, "a denial does not block");
    cJSON *asked = lane_event(&s, "approval.requested"), *denied = lane_event(&s, "approval.denied"),
          *granted = lane_event(&s, "approval.granted");
    adapter_hold(a, asked && denied && !granted, "requested and denied are not both there, or something was granted");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        adapter_hold(a, cJSON_IsString(get(denied, fields[i])) && cJSON_IsString(get(asked, fields[i])),
                     "an approval event has no %s", fields[i]);
    adapter_hold(a, get(denied, "expiry") != NULL, "an approval event has no expiry");
    cJSON_Delete(asked);
    cJSON_Delete(denied);
    cJSON_Delete(granted);
    adapter_quiet(a, &s, NULL, false);
}

static void check_committed(struct adapter_check *a) {
    adapter_begin(a, "lifecycle_supervision_accepts_committed_diff");
    struct lane_seen s = adapter_run(a, "{\"mode\":\"linger\"}", NULL, little_grace);
    adapter_hold(a, lane_says(s.report, "status", "pass"), "a valid commit of a backend that lingers is no pass");
    adapter_hold(a, cJSON_IsTrue(get(get(s.report, "backend_end"), "ended_by_harness")),
                 "it was not ended by the harness");
    adapter_hold(a, lane_has_file(&s, "backend/provider-lifecycle-harness-completed.txt"),
                 "marker backend/provider-lifecycle-harness-completed.txt is missing");
    adapter_quiet(a, &s, NULL, true);
}

/* --- the whole ------------------------------------------------------------------------------------------------------------------ */

static const char *const settings[] = {"CTO_HARNESS_CASE_LOCAL_BASE_URL", "CTO_HARNESS_CASE_LOCAL_API_KEY"};

void adapter_runs(struct adapter_check *a) {
    unsigned long long r[2] = {0};
    char *was[2];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r) r[0] = (unsigned long long)(uintptr_t)a;
    snprintf(a->endpoint, sizeof a->endpoint, "http://127.0.0.1:9/v1-%016llx", r[0]);
    snprintf(a->credential, sizeof a->credential, "made-up-%016llx", r[1]);
    const char *const values[] = {a->endpoint, a->credential};
    for (int i = 0; i < 2; i++) {
        const char *v = getenv(settings[i]);
        was[i] = v ? strdup(v) : NULL;
        setenv(settings[i], values[i], 1);
    }
    void (*const checks[])(struct adapter_check *) = {check_timeout,  check_history,  check_protocol,
                                                      check_config,   adapter_models, check_approval_events,
                                                      check_committed};
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && !a->interrupted; i++) checks[i](a);
    for (int i = 0; i < 2; i++) {
        if (was[i])
            setenv(settings[i], was[i], 1);
        else
            unsetenv(settings[i]);
        free(was[i]);
    }
}

static int keep(struct adapter_check *a, struct err *e) {
    struct store *s = NULL;
    if (store_open(a->home.store, true, &s, e) < 0) return -1;
    const struct store_proof p = {.backend = LADDER_BACKEND,
                                  .stage = STORE_STAGE_INTERFACE,
                                  .build_id = CTO_BUILD_ID,
                                  .kind = "double",
                                  .report_path = a->last.path,
                                  .sha256 = a->last.sha256};
    const int rc = store_stage_prove(s, &p, e);
    store_close(s);
    return rc;
}

static int print(struct adapter_check *a) {
    const bool ok = cJSON_GetArraySize(a->errors) == 0;
    const int code = a->interrupted ? EXIT_INTERRUPTED : ok ? EXIT_PASS : EXIT_FAIL;
    const cJSON *x;
    if (a->g->json) {
        cJSON *o = cJSON_CreateObject();
        BUG_UNLESS(o != NULL);
        json_put_bool(o, "ok", ok && !a->interrupted);
        json_put_str(o, "validator", "provider-adapter");
        json_put_str(o, "backend", LADDER_BACKEND);
        json_put_str(o, "interface_status", ok && !a->interrupted ? "mechanics_validated" : "not_validated");
        json_put_str(o, "proof_kind", "double");
        json_put_str(o, "report", a->last.path[0] ? a->last.path : NULL);
        json_put(o, "checked", TAKE_PTR(a->checked));
        json_put(o, "not_run", json_new_array()); /* every check of it is made */
        json_put(o, "errors", TAKE_PTR(a->errors));
        standing_put(o);
        return cli_print_json(o, code);
    }
    cJSON_ArrayForEach(x, a->errors) printf("error: %s\n", x->valuestring);
    printf("%s: provider adapter of " LADDER_BACKEND
           ", %d checks, %d errors; shown on test doubles of ca and of a model's server\n",
           ok ? "ok" : "FAILED", cJSON_GetArraySize(a->checked), cJSON_GetArraySize(a->errors));
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}

int validate_adapter(const struct global_options *g) {
    struct adapter_check a = {.g = g, .name = ""};
    struct err e = ERR_INIT;
    char cases[PATH_MAX];
    if (home_resolve(&a.home, &g->home, &e) < 0) return cli_error(&e);
    lane_cases(a.home.cases, LANE_SUBJECT, cases);
    if (case_load(&a.subject, cases, LANE_SUBJECT, &e) < 0) return cli_error(&e);
    a.checked = cJSON_CreateArray();
    a.errors = cJSON_CreateArray();
    a.progress = progress_new(ADAPTER_CHECKS, g->quiet || g->json, g->no_color);
    adapter_gates(&a);
    adapter_runs(&a);
    progress_free(TAKE_PTR(a.progress));
    a.name = "proof_recorded";
    if (cJSON_GetArraySize(a.errors) == 0 && !a.interrupted && keep(&a, &e) < 0) adapter_hold(&a, false, "%s", e.text);
    const int code = print(&a);
    cJSON_Delete(a.checked);
    cJSON_Delete(a.errors);
    lane_seen_release(&a.last);
    case_release(&a.subject);
    return code;
}
