/* The gates before a run: facts that open all of them, then one fact after the other that closes one, with its blocker and its
 * word in the decision. Every gate that there is must have been closed by something here, and a closed one must close the run. */
#include "sv_gates_world.h"

/* What the model answered, and what it means; and before it was asked. */
static void of_the_model(const char *engine) {
    static const struct {
        enum gw_outcome outcome;
        enum blocker b;
    } rows[] = {{GW_REASONING_ONLY, BLOCKER_provider_response_shape},
                {GW_UNAUTHORIZED, BLOCKER_provider_auth_unavailable},
                {GW_WRONG_MODEL, BLOCKER_model_mismatch},
                {GW_UNREACHABLE, BLOCKER_provider_unavailable},
                {GW_TIMED_OUT, BLOCKER_provider_unavailable},
                {GW_GARBAGE, BLOCKER_provider_unavailable},
                {GW_RATE_LIMITED, BLOCKER_provider_unavailable},
                {GW_SERVER_ERROR, BLOCKER_provider_unavailable},
                {GW_REDIRECTED, BLOCKER_provider_unavailable},
                {(enum gw_outcome)0, BLOCKER_provider_unavailable}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        good(engine);
        f.probe.outcome = rows[i].outcome;
        CHECK(closed("response_shape", "failed", rows[i].b, gw_outcome_name(rows[i].outcome)));
        CHECK(!gates_wait_for_a_probe(&r));
    }
    good(engine);
    f.probed = false;
    CHECK(!gates_evaluate(&r, &f) && strcmp(gate("response_shape")->status, "not_evaluated") == 0);
    if (!f.engine->has_adapter) return;
    CHECK(gates_wait_for_a_probe(&r) && !gates_wait_for_a_look(&r) && decision_fits(true));
    c.allowed_writes.n = 0; /* nobody is asked for a run that is blocked anyway */
    CHECK(!gates_evaluate(&r, &f) && !gates_wait_for_a_probe(&r) && decision_fits(false));
}

/* What an operator is told of it: the status that came, and where to look. */
static void of_the_model_and_what_to_do(const char *engine) {
    static char key[] = "sk-0123456789";
    static const struct {
        enum gw_outcome outcome;
        unsigned status;
        bool key, held_back;
        const char *says, *variable;
    } rows[] = {
        {GW_REJECTED, 404, true, false, "rejected, HTTP 404: ", "LOCAL_BASE_URL end in /v1"},
        {GW_REJECTED, 400, true, false, "does the box serve qwen3.6-35b-a3b?", ""},
        {GW_UNAUTHORIZED, 401, false, false, "it wants a key: set ", "LOCAL_API_KEY"},
        {GW_UNAUTHORIZED, 403, true, false, "unauthorized, HTTP 403: ", "LOCAL_API_KEY the key of this box?"},
        {GW_UNREACHABLE, 0, true, false, "ended as unreachable: ", "LOCAL_BASE_URL its place?"},
        {GW_UNREACHABLE, 0, true, true, "the model was not asked: ", ""},
        {GW_TLS, 0, true, false, "https://", "LOCAL_CA_FILE"},
        {GW_RATE_LIMITED, 429, true, false, "HTTP 429", "LOCAL_IN_FLIGHT"},
        {GW_SERVER_ERROR, 503, true, false, "HTTP 503", ""},
        {GW_GARBAGE, 200, true, false, "OpenAI", "LOCAL_BASE_URL"},
        {GW_REDIRECTED, 301, true, false, "HTTP 301", "LOCAL_BASE_URL"},
        {GW_REASONING_ONLY, 200, true, false, "reason less", ""},
        {GW_WRONG_MODEL, 200, true, false, "it named other-7b", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char variable[96] = "";
        good(engine);
        f.route.key = rows[i].key ? key : NULL;
        f.probe = (struct model_probe_result){
            .outcome = rows[i].outcome, .status = rows[i].status, .held_back = rows[i].held_back, .model = "other-7b"};
        memset(f.probe.detail, 'x', 74); /* the longest that the gateway says */
        if (rows[i].variable[0]) snprintf(variable, sizeof variable, "%s%s", f.engine->variables, rows[i].variable);
        CHECK(!gates_evaluate(&r, &f));
        const char *reason = gate("response_shape")->reason;
        CHECK(strstr(reason, rows[i].says) && strstr(reason, variable));
        CHECK(!strstr(reason, key) && strlen(reason) + 1 < sizeof gate("response_shape")->reason);
        CHECK((strstr(reason, "that ended as") == NULL) == rows[i].held_back);
        f.route.key = NULL;
    }
}

static void of_every_engine(const char *engine) {
    good(engine);
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
    c.allowed_writes.n = 0;
    CHECK(closed("contract", "failed", BLOCKER_eligibility_denied, "no allowed_writes"));
    good(engine);
    c.forbidden_actions.n = 0;
    CHECK(closed("contract", "failed", BLOCKER_eligibility_denied, "no forbidden_actions"));
    good(engine);
    c.approval_required = true;
    CHECK(closed("approval", "missing", BLOCKER_gate_missing, "approval"));
    good(engine);
    c.backends.n = 0;
    CHECK(closed("backend", "failed", BLOCKER_eligibility_denied, "not declared for the"));
    if (!f.engine->gated_by_env) {
        good(engine);
        approved();
        c.mutation_mode = "sandbox-repo";
        CHECK(closed("contract", "failed", BLOCKER_eligibility_denied, "needs a proven stage"));
        return;
    }
    good(engine);
    f.allowed = false;
    CHECK(closed("engine", "missing", BLOCKER_gate_missing, f.engine->gated_by_env));
}

static void of_approvals(void) {
    static const struct {
        const char *state;
        int64_t decided, expires;
        enum blocker b; /* BLOCKER_COUNT: open */
        const char *word;
    } rows[] = {{"granted", 900, 2000, BLOCKER_COUNT, ""},
                {"granted", 1000, 1001, BLOCKER_COUNT, ""},
                {"granted", 900, 1000, BLOCKER_approval_expired, "has expired"},
                {"granted", 400, 1000, BLOCKER_approval_expired, "has expired"},
                {"granted", 400, 1001, BLOCKER_COUNT, ""},
                {"granted", 1001, 2000, BLOCKER_approval_expired, "later than now"},
                {"denied", 900, 0, BLOCKER_approval_denied, "denied by carol: no"},
                {"revoked", 900, 2000, BLOCKER_approval_expired, "was revoked"},
                {"claimed", 900, 2000, BLOCKER_approval_consumed, "for one run"},
                {"consumed", 900, 2000, BLOCKER_approval_consumed, "for one run"},
                {"of a newer program", 900, 2000, BLOCKER_approval_consumed, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        good("fake");
        c.approval_required = true;
        f.now_ms = rows[i].decided < 900 ? 500 : 1000; /* and the clock went back */
        f.seen_ms = 1000;
        f.approval = (struct approval_seen){
            .id = "a", .actor = "carol", .why = "no", .decided_ms = rows[i].decided, .expires_ms = rows[i].expires};
        snprintf(f.approval.state, sizeof f.approval.state, "%.15s", rows[i].state);
        bool open = rows[i].b == BLOCKER_COUNT;
        CHECK(closed(open ? NULL : "approval", "failed", rows[i].b, rows[i].word));
        CHECK(r.approval && strcmp(r.approval->state, f.approval.state) == 0);
    }
    for (size_t i = 0; i < 3; i++) { /* no command lets them say it; a store may have been changed by hand */
        static const char *const nobody[] = {"codex", "FAKE", ""};
        good("fake");
        approved();
        snprintf(f.approval.actor, sizeof f.approval.actor, "%s", nobody[i]);
        CHECK(closed("approval", "failed", BLOCKER_gate_missing, "no person's word"));
    }
    good("fake");
    c.approval_required = true;
    f.approval = (struct approval_seen){.id = "a", .state = "granted", .decided_ms = 1, .expires_ms = INT64_MAX};
    snprintf(f.scope_why, sizeof f.scope_why, "too much to be bound"); /* so it is for something else */
    CHECK(closed("approval", "failed", BLOCKER_gate_missing, "too much"));
    good("fake");
    f.approval = (struct approval_seen){.id = "a", .state = "denied"}; /* nobody had to be asked */
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
}

static void of_stages(const char *engine) {
    good(engine);
    f.stage = 0;
    f.predecessor_proven = false;
    CHECK(closed("stage", "missing", BLOCKER_gate_missing, "STAGE"));
    good(engine);
    f.stage = -1;
    CHECK(closed("stage", "failed", BLOCKER_gate_missing, "none of 2 to 5"));
    good(engine);
    f.predecessor_proven = false;
    CHECK(closed("stage", "missing", BLOCKER_stage_not_proven, "stage 2 is not proven"));
    good(engine);
    c.mutation_mode = "sandbox-repo";
    put_record(&f.source, ADMIT_SOURCE, "{\"status\":\"admitted\",\"allowed_execution_mode\":\"sandbox-repo\"}");
    CHECK(closed("contract", "failed", BLOCKER_eligibility_denied, "wider than stage 3"));
    f.stage = 4;
    CHECK(closed("contract", "failed", BLOCKER_eligibility_denied, "needs approval_required"));
    c.mutation_mode = "copied-fixture"; /* from stage 4 on whatever the mode */
    CHECK(closed("contract", "failed", BLOCKER_eligibility_denied,
                 "STAGE is 4, and from stage 4 on a case needs approval_required"));
    c.mutation_mode = "sandbox-repo";
    approved();
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
    good(engine);
    c.n_verify = 0;
    CHECK(closed("contract", "failed", BLOCKER_eligibility_denied, "no_test_rationale"));
    c.no_test_rationale = "a text nobody can test";
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
}

static void of_engine_files(void) {
    good("exec");
    free(f.file);
    f.file = NULL;
    CHECK(closed("engine_file", "missing", BLOCKER_gate_missing, "CTO_HARNESS_EXEC_ENGINE_FILE"));
    snprintf(f.file_why, sizeof f.file_why, "3: name: is missing");
    CHECK(closed("engine_file", "failed", BLOCKER_provider_unavailable, "name: is missing"));
}

static void of_programs(const char *engine) {
    char bin[64];
    snprintf(bin, sizeof bin, "%sBIN", engine_find(engine)->variables);
    good(engine);
    f.executable = "";
    CHECK(closed("executable", "missing", BLOCKER_provider_unavailable, bin));
    good(engine);
    admission_release(&f.build.admission);
    f.build.state = FACT_ABSENT;
    CHECK(closed("executable", "missing", BLOCKER_provider_unavailable, "admit executable"));
    f.build.state = FACT_BAD;
    snprintf(f.build.why, sizeof f.build.why, "another digest");
    CHECK(closed("executable", "failed", BLOCKER_provider_unavailable, "another digest"));
    good(engine);
    put_record(&f.build, ADMIT_EXECUTABLE, "{\"status\":\"discovery_only\"}");
    CHECK(closed("executable", "failed", BLOCKER_provider_unavailable, "discovery_only"));
    good(engine); /* whatever else is admitted */
    put_record(&f.build, ADMIT_EXECUTABLE, program_of(strcmp(engine, "pi") == 0 ? "codex" : "pi"));
    CHECK(closed("executable", "failed", BLOCKER_provider_unavailable, "for another backend"));
    good(engine);
    put_record(&f.source, ADMIT_SOURCE, "{}");
    CHECK(closed("source", "failed", BLOCKER_eligibility_denied, "not_admitted"));
    f.stage = 2; /* an artificial fixture needs no admission of the source */
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
    good(engine);
    put_record(&f.source, ADMIT_SOURCE, "{\"status\":\"admitted\",\"allowed_execution_mode\":\"none\"}");
    CHECK(closed("source", "failed", BLOCKER_eligibility_denied, "allows none"));
    good(engine);
    f.stage = 5;
    approved();
    CHECK(closed("source", "failed", BLOCKER_eligibility_denied, "license"));
    put_record(&f.source, ADMIT_SOURCE, "{\"status\":\"admitted\",\"license_note\":\"resolved\"}");
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
    admission_release(&f.source.admission);
    f.source.state = FACT_ABSENT;
    CHECK(closed("source", "missing", BLOCKER_eligibility_denied, "no source admission"));
    f.source.state = FACT_BAD;
    snprintf(f.source.why, sizeof f.source.why, "it was revoked");
    CHECK(closed("source", "failed", BLOCKER_eligibility_denied, "revoked"));
}

static void of_decisions(const char *engine) {
    static const struct {
        const char *edits, *word;
    } rows[] = {
        {"{}", "no provider has been decided on"},
        {"{\"decision_status\":\"local_provider_required\",\"provider\":\"other\",\"model\":\"m\",\"evidence_sources\":"
         "[\"x\"]}",
         "another provider"},
        {"{\"decision_status\":\"external_provider_approved\",\"provider_class\":\"external_anthropic\",\"provider\":"
         "\"anthropic\","
         "\"model\":\"m\",\"evidence_sources\":[\"x\"]}",
         "does not allow provider qwen-local"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        good(engine);
        put_record(&f.decision, ADMIT_DECISION, rows[i].edits);
        CHECK(closed("decision", "failed", BLOCKER_provider_not_decided, rows[i].word));
    }
    good(engine);
    admission_release(&f.decision.admission);
    f.decision.state = FACT_ABSENT;
    CHECK(closed("decision", "missing", BLOCKER_provider_not_decided, "PROVIDER_DECISION_FILE"));
    f.decision.state = FACT_BAD;
    snprintf(f.decision.why, sizeof f.decision.why, "12: provider: is missing");
    CHECK(closed("decision", "failed", BLOCKER_provider_not_decided, "is missing"));
    /* local_provider_required and an external provider that is admitted: the decision alone stands against it */
    good(engine);
    f.provider = "anthropic", f.model = "claude";
    put_record(&f.model_record, ADMIT_MODEL,
               "{\"status\":\"admitted\",\"provider\":\"anthropic\",\"model\":\"claude\"}");
    CHECK(closed("decision", "failed", BLOCKER_provider_not_decided, "does not allow provider anthropic"));
}

static void of_models(const char *engine) {
    good(engine);
    f.interface_proven = false;
    CHECK(closed("interface", "missing", BLOCKER_gate_missing, "validate provider-adapter"));
    good(engine);
    f.model = "qwen3.6-35b-a3c";
    put_record(&f.decision, ADMIT_DECISION,
               "{\"decision_status\":\"local_provider_required\",\"provider\":\"qwen-local\",\"model\":\"qwen3.6-35b-"
               "a3c\",\"evidence_sources\":[\"x\"]}");
    CHECK(closed("model", "failed", BLOCKER_model_not_admitted, "another model"));
    CHECK(strcmp(r.governed->model_admission_status, "mismatch") == 0);
    good(engine);
    put_record(&f.model_record, ADMIT_MODEL, "{}");
    CHECK(closed("model", "failed", BLOCKER_model_not_admitted, "not_admitted"));
    CHECK(strcmp(r.governed->model_admission_status, "not_admitted") == 0);
    good(engine);
    admission_release(&f.model_record.admission);
    f.model_record.state = FACT_ABSENT;
    CHECK(closed("model", "missing", BLOCKER_model_not_admitted, "MODEL_ADMISSION_FILE"));
    CHECK(strcmp(r.governed->model_admission_status, "missing_admission") == 0);
    f.model_record.state = FACT_BAD;
    snprintf(f.model_record.why, sizeof f.model_record.why, "3: status: is missing");
    CHECK(closed("model", "failed", BLOCKER_model_not_admitted, "status: is missing"));
    CHECK(strcmp(r.governed->model_admission_status, "invalid_admission") == 0);
    good(engine);
    f.model = "";
    CHECK(closed("model", "missing", BLOCKER_model_not_admitted, "MODEL_PROVIDER"));
    good(engine);
    f.route.state = ROUTE_ABSENT;
    f.probed = false; /* nobody asks where nobody is */
    CHECK(!gates_evaluate(&r, &f) && strcmp(gate("local_config")->status, "missing") == 0 &&
          strstr(gate("local_config")->reason, "LOCAL_BASE_URL") && !gates_wait_for_a_probe(&r));
    snprintf(closed_names[n_closed++], sizeof closed_names[0], "local_config");
    f.replay = true; /* a recording needs neither */
    f.route.state = ROUTE_ABSENT;
    f.probed = false;
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
    good(engine);
    f.route.state = ROUTE_BAD;
    snprintf(f.route.why, sizeof f.route.why, "LOCAL_API_KEY: too short");
    CHECK(closed("local_config", "failed", BLOCKER_provider_local_config_unavailable, "too short"));
    of_the_model(engine);
    if (f.engine->has_adapter) of_the_model_and_what_to_do(engine);
}

/* Only Case's own pipeline loses the credentials of openai-codex. */
static void of_auth(void) {
    for (int i = 1; i < 4; i++) {
        good(engines[i]);
        f.provider = "openai-codex", f.model = "gpt-5.5";
        put_record(&f.model_record, ADMIT_MODEL,
                   "{\"status\":\"admitted\",\"provider\":\"openai-codex\",\"model\":\"gpt-5.5\"}");
        put_record(&f.decision, ADMIT_DECISION,
                   "{\"decision_status\":\"external_provider_approved\",\"provider_class\":\"external_openai_codex\","
                   "\"provider\":\"openai-codex\",\"model\":\"gpt-5.5\",\"evidence_sources\":[\"x\"]}");
        if (strcmp(engines[i], "case") != 0) {
            CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
            continue;
        }
        CHECK(closed("auth_bridge", "missing", BLOCKER_provider_auth_unavailable, "AUTH_BRIDGE=1"));
        f.auth_bridge = true;
        CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
    }
}

#define TARGET                                                                                           \
    "{\"admission_status\":\"admitted\",\"repository_owner\":\"o\",\"ownership_evidence\":\"e\",\"risk_" \
    "classification\":"                                                                                  \
    "\"low_risk_noncritical\",\"noncritical_rationale\":\"r\",\"allowed_paths\":[\"src/"                 \
    "\",\"README\"],\"approval_source\":\"s\"}"
#define TARGET_FORBIDS                                                                                   \
    "{\"admission_status\":\"admitted\",\"repository_owner\":\"o\",\"ownership_evidence\":\"e\",\"risk_" \
    "classification\":"                                                                                  \
    "\"low_risk_noncritical\",\"noncritical_rationale\":\"r\",\"allowed_paths\":[\"src/"                 \
    "\",\"README\"],\"forbidden_paths\":[\"deploy/\",\"SRC/A\"],\"approval_source\":\"s\"}"

/* A run of exec on an admitted target, all open. */
static void targeted(void) {
    good("exec");
    f.stage = 5;
    c.mutation_mode = "owned-noncritical-repo";
    approved();
    f.subject = SUBJECT_TARGET;
    put_record(&f.target, ADMIT_TARGET, TARGET);
    f.repository = f.target.admission.subject;
    looked_at();
}

#define REPO(field, value, reason, word)                               \
    do {                                                               \
        targeted();                                                    \
        f.repo.field = (value);                                        \
        CHECK(closed("repository", "failed", BLOCKER_##reason, word)); \
    } while (0)

/* The repositories of stages 3 and 5: records first, then what was found there, and that in this order. */
static void of_repositories(void) {
    static const char *wider[] = {"src/", "lib/"}, *below[] = {"src/a", "README"};
    targeted();
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
    f.looked = false; /* nobody looks while a record is missing, and nothing is claimed about what nobody saw */
    CHECK(!gates_evaluate(&r, &f) && gates_wait_for_a_look(&r) &&
          strcmp(gate("repository")->status, "not_evaluated") == 0 &&
          strcmp(gate("clean_start")->status, "not_evaluated") == 0 &&
          strcmp(gate("pristine")->status, "not_evaluated") == 0 &&
          strcmp(gate("approval")->status, "not_evaluated") == 0);
    free(f.file);
    f.file = NULL;
    CHECK(!gates_evaluate(&r, &f) && !gates_wait_for_a_look(&r) &&
          strcmp(gate("repository")->status, "not_evaluated") == 0);
    targeted();
    admission_release(&f.target.admission);
    f.target.state = FACT_ABSENT;
    CHECK(closed("target", "missing", BLOCKER_target_not_admitted, "STAGE5_TARGET_ADMISSION_FILE"));
    f.target.state = FACT_BAD;
    CHECK(closed("target", "failed", BLOCKER_target_not_admitted, "does not count"));
    targeted();
    put_record(&f.target, ADMIT_TARGET, "{\"admission_status\":\"not_admitted\"}");
    CHECK(closed("target", "failed", BLOCKER_target_not_admitted, "not_admitted"));
    targeted();
    c.allowed_writes = (struct case_list){wider, 2};
    CHECK(closed("target", "failed", BLOCKER_target_not_admitted, "lib/"));
    c.allowed_writes = (struct case_list){below, 2};
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
    put_record(&f.target, ADMIT_TARGET, TARGET_FORBIDS);
    CHECK(closed("target", "failed", BLOCKER_target_not_admitted, "may write src/a, the target's admission forbids"));
    REPO(is_repository, false, target_not_admitted, "there is none");
    REPO(owner_uid, (uint32_t)geteuid() + 1, unowned_repository, "belongs to user");
    REPO(bare, true, target_not_admitted, "bare");
    REPO(linked_worktree, true, target_not_admitted, "linked worktree");
    REPO(busy, true, target_not_admitted, "under way");
    REPO(unborn, true, target_not_admitted, "no commit");
    REPO(commits, 0, target_not_admitted, "no commit");
    REPO(detached, true, target_not_admitted, "detached");
    REPO(shallow, true, target_not_admitted, "shallow");
    REPO(submodules, true, target_not_admitted, "submodules");
    REPO(alternates, true, target_not_admitted, "borrows");
    targeted();
    snprintf(f.repo.why, sizeof f.repo.why, "its index has an extension that nobody knows");
    f.repo.clean = false;
    f.repo.commits = 0; /* they were not counted: that is not why */
    CHECK(!gates_evaluate(&r, &f) && gate("repository")->blocker == BLOCKER_target_not_admitted);
    CHECK(strstr(gate("repository")->reason, "extension that nobody knows"));
    REPO(local_filesystem, false, target_not_admitted, "network file system");
    targeted();
    f.repo.clean = false;
    f.repo.only_dirty = true;
    snprintf(f.repo.why, sizeof f.repo.why, "a file is changed");
    CHECK(closed("clean_start", "failed", BLOCKER_dirty_starting_tree, "not clean"));
    targeted();
    f.pristine_lacks = "tests/all.sh";
    CHECK(closed("pristine", "missing", BLOCKER_eligibility_denied, "tests/all.sh"));
    f.pristine_lacks = NULL;
    f.pristine_known = false;
    CHECK(closed("pristine", "failed", BLOCKER_eligibility_denied, "could not be searched"));
    targeted();
    f.repo.remotes = true; /* its owner's business */
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
    good("exec");
    f.stage = 3;
    sourced();
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
    f.repo.remotes = true;
    CHECK(closed("repository", "failed", BLOCKER_unowned_repository, "somebody else's"));
    f.repo.remotes = false;
    f.source_is_target = true;
    CHECK(closed("source_repository", "failed", BLOCKER_eligibility_denied, "target repository"));
    f.source_is_target = false;
    f.repository = "";
    CHECK(closed("source_repository", "missing", BLOCKER_gate_missing, "STAGE3_SOURCE_REPOSITORY"));
}

/* A validator's run of our double: everything that it needs is built in, whatever the variables say; only the case itself, the
 * approval and a program that is not there still close a gate. */
static void of_the_double(void) {
    char libexec[PATH_MAX];
    good("case");
    setenv("CTO_HARNESS_CASE_BIN", "/nonsense", 1);
    setenv("CTO_HARNESS_ALLOW_CASE", "0", 1);
    setenv("CTO_HARNESS_CASE_MODEL", "another", 1);
    programs(libexec);
    for (int stage = STAGE_FIRST; stage <= STAGE_LAST; stage++) {
        good("case");
        gate_facts_release(&f);
        gate_facts_read_double(&f, &c, "case", NULL, libexec, stage);
        CHECK(f.proof_double && f.stage == stage && f.executable_sha256[0]);
        if (stage >= 4) approved();
        if (stage == 3) sourced();
        CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
        CHECK(r.governed && r.governed->proof_double && r.governed->stage == stage &&
              strcmp(r.governed->model_admission_status, "admitted") == 0 &&
              strcmp(r.governed->executable_sha256, f.executable_sha256) == 0);
    }
    c.allowed_writes.n = 0;
    CHECK(closed("contract", "failed", BLOCKER_eligibility_denied, "no allowed_writes"));
    good("case");
    gate_facts_release(&f);
    gate_facts_read_double(&f, &c, "case", NULL, "/there/is/nothing", 2);
    CHECK(closed("executable", "failed", BLOCKER_provider_unavailable, "not there"));
    /* the same facts without the word of a validator */
    good("case");
    f.probed = false;
    CHECK(!gates_evaluate(&r, &f) && gates_wait_for_a_probe(&r) && !r.governed->proof_double);
    gate_facts_release(&f);
    gate_facts_read(&f, &c, "case", NULL);
    CHECK(!f.proof_double && !f.allowed);
}

static void all_were_closed(void) {
    good("case");
    gates_evaluate(&r, &f);
    for (int i = 0; i < r.n_gates; i++) {
        bool seen = strcmp(r.gates[i].name, "provider") == 0; /* closed throughout: see closed() */
        for (int k = 0; k < n_closed; k++) seen = seen || strcmp(closed_names[k], r.gates[i].name) == 0;
        if (!CHECK(seen)) fprintf(stderr, "    nothing closed gate %s\n", r.gates[i].name);
    }
}

int main(void) {
    of_every_engine("fake");
    of_every_engine("case");
    of_stages("exec");
    of_stages("case");
    of_approvals();
    of_engine_files();
    of_programs("case");
    of_programs("codex");
    of_programs("pi");
    of_decisions("case");
    of_models("pi");
    /* an engine file that uses a model is asked like the others, one that does not is not */
    good("exec");
    CHECK(gates_evaluate(&r, &f) && gate_facts_needs(&f) == (NEED_STAGE | NEED_FILE));
    exec_uses_model = true;
    of_decisions("exec");
    of_models("exec");
    good("exec");
    CHECK(gates_evaluate(&r, &f) && (gate_facts_needs(&f) & NEED_MODEL));
    exec_uses_model = false;
    of_auth();
    of_the_double();
    of_repositories();
    all_were_closed();
    gate_facts_release(&f);
    record_release(&r);
    return check_done();
}
