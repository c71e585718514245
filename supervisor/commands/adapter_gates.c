/* adapter_gates.c - the checks of validate provider-adapter that start nothing: the gates of the case backend asked about facts that
 * are good but for one, the decision that they make, the records that lead there, and what the backend is told. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "supervisor/case_task.h"
#include "supervisor/commands/adapter_check.h"
#include "supervisor/double.h"
#include "supervisor/gates.h"

void adapter_good(struct adapter_check *a, struct gate_facts *f, int stage) {
    gate_facts_read_double(f, &a->subject, "case", NULL, a->home.libexec, stage);
}

const struct gate_result *adapter_closed(struct adapter_check *a, const struct gate_facts *f, struct run_record *rec) {
    *rec = (struct run_record){.c = &a->subject, .engine = "case"};
    (void)gates_evaluate(rec, f);
    for (int i = 0; i < rec->n_gates; i++)
        if (strcmp(rec->gates[i].status, "passed") != 0) return &rec->gates[i];
    return NULL;
}

void adapter_refused(struct adapter_check *a, struct gate_facts *f, const char *gate, enum blocker b,
                     const char *word) {
    struct run_record rec;
    const struct gate_result *g = adapter_closed(a, f, &rec);
    adapter_hold(a, g != NULL, "no gate closes");
    if (g)
        adapter_hold(a, strcmp(g->name, gate) == 0 && g->blocker == b && strstr(g->reason, word),
                     "gate %s says %s (%.120s)", g->name,
                     g->blocker < BLOCKER_COUNT ? blocker_rule(g->blocker)->reason : "nothing", g->reason);
    record_release(&rec);
    gate_facts_release(f);
}

static void replace(struct fact_record *r, enum admission_kind k, const char *changes) {
    if (r->state == FACT_THERE) admission_release(&r->admission);
    *r = (struct fact_record){0};
    double_record(r, k, changes);
}

static void absent(struct fact_record *r) {
    if (r->state == FACT_THERE) admission_release(&r->admission);
    *r = (struct fact_record){0};
}

#define WHEN "\"admission_timestamp\":\"2020-01-01T00:00:00Z\""
#define MODEL(provider, model) \
    "{\"status\":\"admitted\",\"provider\":\"" provider "\",\"model\":\"" model "\"," WHEN "}"
#define DECISION(status, class, provider, model)                                           \
    "{\"decision_status\":\"" status                                                       \
    "\",\"provider_class\":\"" class "\",\"provider\":\"" provider "\",\"model\":\"" model \
                                     "\",\"evidence_sources\":[\"a check\"],\"effect\":\"a check\"}"

/* --- models and providers ------------------------------------------------------------------------------------------------------ */

static void check_models(struct adapter_check *a) {
    struct gate_facts f;
    struct run_record rec;
    adapter_begin(a, "model_provider_gate_blocks");
    adapter_good(a, &f, STAGE_FIRST);
    const struct gate_result *g = adapter_closed(a, &f, &rec);
    adapter_hold(a, !g, "the facts that must pass do not: gate %s, %.120s", g ? g->name : "", g ? g->reason : "");
    record_release(&rec);
    f.provider = f.model = "";
    adapter_refused(a, &f, "model", BLOCKER_model_not_admitted, "MODEL_PROVIDER");
    adapter_good(a, &f, STAGE_FIRST);
    absent(&f.model_record);
    adapter_refused(a, &f, "model", BLOCKER_model_not_admitted, "MODEL_ADMISSION_FILE");

    adapter_begin(a, "admission_mismatch_blocks");
    adapter_good(a, &f, STAGE_FIRST);
    replace(&f.model_record, ADMIT_MODEL, MODEL("openai-codex", "gpt-5.5"));
    (void)adapter_closed(a, &f, &rec);
    adapter_hold(a, rec.governed && strcmp(rec.governed->model_admission_status, "mismatch") == 0,
                 "the status is not mismatch");
    record_release(&rec);
    adapter_refused(a, &f, "model", BLOCKER_model_not_admitted, "another model");

    adapter_begin(a, "missing_credentials_blocks"); /* a class is missing, or is not a class but a value */
    adapter_good(a, &f, STAGE_FIRST);
    replace(&f.model_record, ADMIT_MODEL,
            "{\"status\":\"admitted\",\"provider\":\"qwen-local\",\"model\":\"qwen3.6-35b-a3b\","
            "\"credential_source_class\":\"\"," WHEN "}");
    adapter_refused(a, &f, "model", BLOCKER_model_not_admitted, "credential_source_class");
    adapter_good(a, &f, STAGE_FIRST);
    replace(&f.model_record, ADMIT_MODEL,
            "{\"status\":\"admitted\",\"provider\":\"qwen-local\",\"model\":\"qwen3.6-35b-a3b\","
            "\"credential_source_class\":\"sk-abcdefghijklmnop0123456789abcdef\"," WHEN "}");
    adapter_refused(a, &f, "model", BLOCKER_model_not_admitted, "does not count");
}

static void check_providers(struct adapter_check *a) {
    struct gate_facts f;
    adapter_begin(a, "provider_decision_blocks");
    adapter_good(a, &f, STAGE_FIRST);
    absent(&f.decision);
    adapter_refused(a, &f, "decision", BLOCKER_provider_not_decided, "no provider decision");
    adapter_good(a, &f, STAGE_FIRST);
    replace(&f.decision, ADMIT_DECISION, "{}"); /* the template: not decided */
    adapter_refused(a, &f, "decision", BLOCKER_provider_not_decided, "no provider has been decided");

    adapter_begin(a, "external_fallback_blocks");
    adapter_good(a, &f, STAGE_FIRST);
    f.provider = "anthropic";
    f.model = "claude-sonnet-4-6"; /* where Case goes by itself */
    replace(&f.model_record, ADMIT_MODEL, MODEL("anthropic", "claude-sonnet-4-6"));
    adapter_refused(a, &f, "decision", BLOCKER_provider_not_decided, "does not allow provider");
    adapter_good(a, &f, STAGE_FIRST);
    replace(&f.decision, ADMIT_DECISION,
            DECISION("local_provider_required", "external_openai_codex", "openai-codex", "gpt-5.5"));
    adapter_refused(a, &f, "decision", BLOCKER_provider_not_decided, "does not count");

    adapter_begin(a, "codex_auth_gap_blocks");
    adapter_good(a, &f, STAGE_FIRST);
    f.provider = "openai-codex";
    f.model = "gpt-5.5";
    f.auth_bridge = false;
    replace(&f.model_record, ADMIT_MODEL, MODEL("openai-codex", "gpt-5.5"));
    replace(&f.decision, ADMIT_DECISION,
            DECISION("external_provider_approved", "external_openai_codex", "openai-codex", "gpt-5.5"));
    adapter_refused(a, &f, "auth_bridge", BLOCKER_provider_auth_unavailable, "OPENAI_CODEX_AUTH_BRIDGE");

    adapter_begin(a, "missing_local_config_blocks");
    adapter_good(a, &f, STAGE_FIRST);
    f.route.state = ROUTE_ABSENT;
    adapter_refused(a, &f, "local_config", BLOCKER_provider_local_config_unavailable, "LOCAL_BASE_URL");
}

/* --- the program, the task ------------------------------------------------------------------------------------------------------ */

#define BUILD(path, shape)                                                                 \
    "{\"status\":\"admitted\",\"executable_path\":\"" path "\",\"command_shape\":\"" shape \
    "\",\"build_timestamp\":\"2020-01-01T00:00:00Z\"}"
#define SHAPE "ca run --task <task-file> --mode unattended"

static void check_program(struct adapter_check *a) {
    struct gate_facts f;
    struct err e = ERR_INIT;
    char path[DOUBLE_PATH_MAX];
    adapter_begin(a, "wrong_executable_blocks");
    adapter_good(a, &f, STAGE_FIRST);
    replace(&f.build, ADMIT_EXECUTABLE, BUILD("/opt/case/dist/case", SHAPE)); /* the package of that name */
    adapter_refused(a, &f, "executable", BLOCKER_provider_unavailable, "named ca");
    adapter_good(a, &f, STAGE_FIRST);
    f.executable = "";
    adapter_refused(a, &f, "executable", BLOCKER_provider_unavailable, "BIN");
    snprintf(path, sizeof path, "%s/" DOUBLE_PROGRAM, a->home.libexec);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    adapter_hold(a, fd >= 0 && double_refuse(fd, DIGEST_EMPTY, &e) < 0,
                 "the test double would be taken for the program");

    adapter_begin(a, "wrong_command_shape_blocks");
    adapter_good(a, &f, STAGE_FIRST);
    replace(&f.build, ADMIT_EXECUTABLE, BUILD("/opt/case/dist/ca", "ca run <prompt>"));
    adapter_refused(a, &f, "executable", BLOCKER_provider_unavailable, "command_shape");
}

static void check_contract(struct adapter_check *a) {
    struct gate_facts f;
    const struct cto_case whole = a->subject;
    adapter_begin(a, "wrong_task_contract_blocks");
    for (int i = 0; i < 5; i++) {
        static const char *const words[] = {"allowed_writes", "forbidden_actions", "no_test_rationale", "wider",
                                            "not declared"};
        if (i == 0) a->subject.allowed_writes.n = 0;
        if (i == 1) a->subject.forbidden_actions.n = 0;
        if (i == 2) a->subject.n_verify = 0, a->subject.no_test_rationale = NULL;
        if (i == 3) a->subject.mutation_mode = "owned-noncritical-repo";
        if (i == 4) a->subject.backends.n = 0;
        adapter_good(a, &f, STAGE_FIRST);
        adapter_refused(a, &f, i == 4 ? "backend" : "contract", BLOCKER_eligibility_denied, words[i]);
        a->subject = whole;
    }
}

/* --- the decision, the input ------------------------------------------------------------------------------------------------------ */

/* What no other check closes: nothing is decided without the operator, the ladder, the source and somebody's word. */
static void check_denials(struct adapter_check *a) {
    struct gate_facts f;
    adapter_good(a, &f, STAGE_FIRST);
    f.allowed = false;
    adapter_refused(a, &f, "engine", BLOCKER_gate_missing, "CTO_HARNESS_ALLOW_CASE");
    adapter_good(a, &f, STAGE_FIRST);
    f.predecessor_proven = false;
    adapter_refused(a, &f, "stage", BLOCKER_stage_not_proven, "is not proven");
    adapter_good(a, &f, STAGE_FIRST);
    f.interface_proven = false;
    adapter_refused(a, &f, "interface", BLOCKER_gate_missing, "provider-adapter has not passed");
    adapter_good(a, &f, STAGE_FIRST + 1);
    absent(&f.source);
    adapter_refused(a, &f, "source", BLOCKER_eligibility_denied, "no source admission");
    adapter_good(a, &f, STAGE_FIRST);
    struct engine bare = *f.engine;
    bare.has_adapter = false;
    f.engine = &bare;
    adapter_refused(a, &f, "provider", BLOCKER_provider_unavailable, "no adapter");
    adapter_good(a, &f, STAGE_FIRST);
    f.no_model = false;
    f.probed = true;
    f.route.state = ROUTE_THERE;
    f.probe.outcome = GW_REASONING_ONLY; /* it thinks, and says nothing */
    adapter_refused(a, &f, "response_shape", BLOCKER_provider_response_shape, "that ended as");
    const bool asks = a->subject.approval_required;
    a->subject.approval_required = true;
    adapter_good(a, &f, STAGE_FIRST);
    adapter_refused(a, &f, "approval", BLOCKER_gate_missing, "requires an approval");
    a->subject.approval_required = asks;
}

static void check_decision(struct adapter_check *a) {
    static const char *const texts[] = {"decision_id",           "task_id",        "selected_backend", "risk_class",
                                        "allowed_mutation_mode", "escalation_path"};
    static const char *const lists[] = {"denied_backends", "required_gates", "passed_gates", "missing_gates",
                                        "reasons"};
    adapter_begin(a, "eligibility_decision_shape");
    check_denials(a);
    for (int open = 0; open < 2; open++) {
        struct gate_facts f;
        struct run_record rec;
        adapter_good(a, &f, STAGE_FIRST);
        if (!open) f.provider = "";
        (void)adapter_closed(a, &f, &rec);
        cJSON *d = gates_decision(&rec);
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            adapter_hold(a, cJSON_IsString(cJSON_GetObjectItemCaseSensitive(d, texts[i])), "%s is no text", texts[i]);
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
            adapter_hold(a, cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(d, lists[i])), "%s is no list", lists[i]);
        adapter_hold(a, cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(d, "approval_required")),
                     "approval_required is no truth value");
        adapter_hold(a, lane_says(d, "selected_backend", open ? "case" : "none"), "selected_backend is another");
        adapter_hold(a, lane_says(d, "allowed_mutation_mode", open ? a->subject.mutation_mode : "none"),
                     "allowed_mutation_mode is another");
        adapter_hold(a, (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(d, "denied_backends")) == 0) == open,
                     "denied_backends does not fit");
        cJSON_Delete(d);
        record_release(&rec);
        gate_facts_release(&f);
    }
}

static void check_input(struct adapter_check *a) {
    static const char *const parts[] = {"\n## Allowed Paths\n",    "\n## Forbidden Actions\n",
                                        "\n## Verification\n",     "\n## Evidence Expectations\n",
                                        "\n- filesChanged: only ", "\n## Result Envelope\n"};
    struct case_task t;
    adapter_begin(a, "adapter_input_shape");
    case_task_make(&t, &a->subject, "qwen-local", "qwen3.6-35b-a3b", 8791, 0);
    AUTO_FREE char *text = case_task_text(&t, &a->subject);
    AUTO_FREE char *all = case_task_config(&t, &a->subject, NULL);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        adapter_hold(a, strstr(text, parts[i]), "the task has no part %.60s", parts[i] + 1);
    cJSON *task = cJSON_Parse(t.task_json), *config = cJSON_Parse(t.config), *whole = cJSON_Parse(all);
    const cJSON *chosen =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(config, "models"), "default");
    adapter_hold(a, lane_says(task, "repo", "fixture") && lane_says(task, "mode", "unattended"),
                 "the task is not the fixture's, or not unattended");
    adapter_hold(a, lane_says(chosen, "provider", "openai") && lane_says(chosen, "model", "qwen3.6-35b-a3b"),
                 "models.default is not the admitted model, as Case is told it inside a run");
    adapter_hold(a, whole && !cJSON_GetObjectItemCaseSensitive(whole, "double"),
                 "a program that is no double is told of one");
    adapter_hold(a, all && !strstr(all, a->home.cases) && !strstr(all, a->home.home) && !strstr(all, a->home.runs),
                 "it names a path of this host");
    cJSON_Delete(task);
    cJSON_Delete(config);
    cJSON_Delete(whole);
    case_task_release(&t);
}

void adapter_gates(struct adapter_check *a) {
    check_models(a);
    check_providers(a);
    check_program(a);
    check_contract(a);
    check_decision(a);
    check_input(a);
}
