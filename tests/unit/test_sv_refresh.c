/* test_sv_refresh.c - the refresh: a pass in which everything holds, and one thing after the other that does not; what follows from two
 * of them and the ladder. */
#include <string.h>

#include "check.h"
#include "supervisor/refresh.h"

static const char report_text[] =
    "{\"schema_version\":\"1.0\",\"run_id\":\"r\",\"case_id\":\"c\",\"backend\":\"exec\",\"status\":\"pass\",\"case_"
    "stage\":5,"
    "\"proof_kind\":\"real\",\"target_repository_admission_status\":\"admitted\",\"target_repository_admission_"
    "sha256\":\"d\","
    "\"target_commit\":\"t\",\"approval_source\":\"alice\",\"operator_outcome\":\"accepted\",\"changed_files\":[\"src/"
    "a.c\"],"
    "\"artifacts_dir\":\"x\",\"verification\":[],\"blocker_reasons\":[],\"artifact_digests\":{},\"freshness\":{},"
    "\"eligibility\":{},\"sandbox\":{},\"environment\":{},\"timings_ms\":{},\"tests_passed\":true,\"repository_kind\":"
    "\"target\","
    "\"models_observed\":[],\"required_events_passed\":true,\"allowed_writes_passed\":true,\"allowed_paths_passed\":"
    "true,"
    "\"forbidden_paths_passed\":true,\"forbidden_actions_attempted\":false,\"push_merge_deploy_close_pr_open_"
    "attempted\":false,"
    "\"public_publication_attempted\":false,\"branch_policy\":{\"remotes\":[],\"push_allowed\":false,\"merge_allowed\":"
    "false},"
    "\"target_repository_start_clean\":true,\"target_repository_ending_clean\":true,\"target_revert_commit\":null,"
    "\"no_test_rationale\":null,\"runtime_default_activation\":false,\"core_promotion_status\":\"not-promoted\"}";
static const char proof_text[] =
    "{\"run_id\":\"r\",\"case_id\":\"c\",\"backend\":\"exec\",\"status\":\"pass\",\"target_commit\":\"t\","
    "\"approval_source\":\"alice\",\"operator_outcome\":\"accepted\",\"changed_files\":[\"src/a.c\"],"
    "\"target_repository_admission_sha256\":\"d\",\"approval_granted\":true,\"execution_allowed\":false,\"approval_"
    "id\":\"a\","
    "\"approval_actor\":\"bob\",\"approval_timestamp\":\"2026\",\"approval_scope_sha256\":\"s\","
    "\"forbidden_actions_attempted\":false,\"push_merge_deploy_close_pr_open_attempted\":false,"
    "\"public_publication_attempted\":false,\"runtime_default_activation\":false,\"core_promotion_status\":\"not-"
    "promoted\"}";

static cJSON *report, *proof, *contract;
static struct source_fresh source;
static struct refresh_facts f;

static void good(void) {
    cJSON_Delete(report);
    cJSON_Delete(proof);
    cJSON_Delete(contract);
    report = cJSON_Parse(report_text);
    proof = cJSON_Parse(proof_text);
    contract = cJSON_Parse("{\"allowed_paths\":[\"src/\",\"README.md\"]}");
    NEED(report && proof && contract);
    source = (struct source_fresh){.state = FRESH};
    f = (struct refresh_facts){.report = report,
                               .proof = proof,
                               .contract = contract,
                               .run_id = "r",
                               .case_id = "c",
                               .backend = "exec",
                               .verifies = true,
                               .sealed = true,
                               .said_accepted = true,
                               .approval_found = true,
                               .approval_consumed = true,
                               .approval_id = "a",
                               .approval_actor = "bob",
                               .source = &source,
                               .target_known = true,
                               .target_looked = true,
                               .target_has_commit = true,
                               .target_untouched = true,
                               .rerun = LANE_PASS,
                               .closure = LANE_PASS};
}

/* The facts as they are now: that dimension is `s` with that word in its sentence, and the pass does not count. */
static bool stops(enum refresh_dim d, enum lane_status s, const char *word) {
    struct refresh_pass p;
    refresh_judge(&p, &f);
    const bool fine = p.dims[d] == s && strstr(p.why[d], word) && refresh_pass_status(&p) != LANE_PASS;
    if (!fine) fprintf(stderr, "    %s: %s: %s\n", refresh_dim_name(d), lane_status_name(p.dims[d]), p.why[d]);
    good();
    return fine;
}

static void put(cJSON *o, const char *key, const char *value) {
    cJSON_DeleteItemFromObjectCaseSensitive(o, key);
    if (value) json_put(o, key, cJSON_Parse(value));
}

static void test_good(void) {
    struct refresh_pass p;
    good();
    refresh_judge(&p, &f);
    for (int d = 0; d < REFRESH_DIMS; d++)
        if (!CHECK(p.dims[d] == LANE_PASS && !p.why[d][0]))
            fprintf(stderr, "    %s\n", refresh_dim_name((enum refresh_dim)d));
    CHECK(refresh_pass_status(&p) == LANE_PASS);
    put(report, "tests_passed", "null"); /* a case that says why it has no test */
    put(report, "no_test_rationale", "\"prose only\"");
    refresh_judge(&p, &f);
    CHECK(refresh_pass_status(&p) == LANE_PASS);
    source.state = FRESH_NOT_APPLICABLE;
    refresh_judge(&p, &f);
    CHECK(refresh_pass_status(&p) == LANE_PASS);
    cJSON *o = refresh_pass_json(&p);
    CHECK(cJSON_GetArraySize(o) == REFRESH_DIMS);
    CHECK(!refresh_secret_key(o) && !refresh_claim(o)); /* its own names are no harm */
    cJSON_Delete(o);
    good();
}

static void test_facts(void) {
    f.verifies = false;
    f.verify_why = "patch.diff digest";
    CHECK(stops(REFRESH_EVIDENCE, LANE_FAIL, "patch.diff"));
    f.sealed = false;
    CHECK(stops(REFRESH_EVIDENCE, LANE_FAIL, "sealed"));
    f.proof = NULL;
    CHECK(stops(REFRESH_EVIDENCE, LANE_FAIL, "missing"));
    f.report = NULL;
    CHECK(stops(REFRESH_EVIDENCE, LANE_FAIL, "missing"));
    f.absent = "trace.jsonl";
    CHECK(stops(REFRESH_ARTIFACTS, LANE_FAIL, "trace.jsonl"));
    f.said_accepted = false;
    CHECK(stops(REFRESH_ACCEPTED, LANE_FAIL, "accept"));
    f.approval_found = false;
    CHECK(stops(REFRESH_APPROVAL, LANE_FAIL, "no approval"));
    f.approval_consumed = false;
    CHECK(stops(REFRESH_APPROVAL, LANE_FAIL, "no approval"));
    f.approval_actor = "mallory";
    CHECK(stops(REFRESH_APPROVAL, LANE_FAIL, "another approval or actor"));
    source.state = FRESH_STALE;
    CHECK(stops(REFRESH_SOURCE, LANE_FAIL, ""));
    source.state = FRESH_MISSING;
    CHECK(stops(REFRESH_SOURCE, LANE_BLOCKED, ""));
    f.target_known = false;
    CHECK(stops(REFRESH_TARGET, LANE_BLOCKED, "admission"));
    f.target_looked = false;
    CHECK(stops(REFRESH_TARGET, LANE_BLOCKED, "looked at"));
    f.target_has_commit = false;
    CHECK(stops(REFRESH_TARGET, LANE_FAIL, "landed commit"));
    f.target_untouched = false;
    CHECK(stops(REFRESH_TARGET, LANE_FAIL, "changed"));
    f.rerun = LANE_FAIL;
    f.rerun_why = "command 1";
    CHECK(stops(REFRESH_RERUN, LANE_FAIL, "command 1"));
    f.rerun = LANE_BLOCKED;
    CHECK(stops(REFRESH_RERUN, LANE_BLOCKED, "not run again"));
    f.closure = LANE_BLOCKED;
    f.closure_why = "no comparison";
    CHECK(stops(REFRESH_CLOSURE, LANE_BLOCKED, "no comparison"));
}

static void test_documents(void) {
    static const struct {
        bool in_proof;
        const char *key, *value;
        enum refresh_dim d;
    } rows[] = {
        {false, "status", "\"fail\"", REFRESH_EVIDENCE},
        {false, "case_stage", "4", REFRESH_EVIDENCE},
        {false, "proof_kind", "\"double\"", REFRESH_EVIDENCE},
        {false, "model_use", "{\"from_recording\":true}", REFRESH_EVIDENCE},
        {false, "run_id", "\"another\"", REFRESH_EVIDENCE},
        {false, "target_repository_admission_status", "\"not_admitted\"", REFRESH_EVIDENCE},
        {true, "status", "\"fail\"", REFRESH_EVIDENCE},
        {true, "target_commit", "\"another\"", REFRESH_EVIDENCE},
        {true, "approval_source", "\"Alice\"", REFRESH_EVIDENCE}, /* exactly as the proof has it */
        {true, "changed_files", "[]", REFRESH_EVIDENCE},
        {false, "tests_passed", "false", REFRESH_SHAPE},
        {false, "tests_passed", "null", REFRESH_SHAPE},
        {false, "branch_policy", NULL, REFRESH_SHAPE},
        {false, "required_events_passed", "false", REFRESH_EVENTS},
        {false, "allowed_paths_passed", "null", REFRESH_PATHS},
        {false, "forbidden_paths_passed", "false", REFRESH_PATHS},
        {false, "changed_files", "[\"lib/b.c\"]", REFRESH_PATHS},
        {false, "forbidden_actions_attempted", "true", REFRESH_ACTIONS},
        {true, "push_merge_deploy_close_pr_open_attempted", "true", REFRESH_ACTIONS},
        {false, "public_publication_attempted", "null", REFRESH_ACTIONS},
        {false, "branch_policy", "{\"remotes\":[\"origin\"],\"push_allowed\":false,\"merge_allowed\":false}",
         REFRESH_ACTIONS},
        {false, "branch_policy", "{\"remotes\":[],\"push_allowed\":true,\"merge_allowed\":false}", REFRESH_ACTIONS},
        {false, "operator_outcome", "\"rejected\"", REFRESH_ACCEPTED},
        {true, "approval_source", NULL, REFRESH_APPROVAL},
        {true, "approval_source", "\"\"", REFRESH_APPROVAL},
        {true, "approval_granted", "false", REFRESH_APPROVAL},
        {true, "execution_allowed", "true", REFRESH_APPROVAL},
        {true, "approval_timestamp", "null", REFRESH_APPROVAL},
        {true, "approval_id", "\"another\"", REFRESH_APPROVAL},
        {false, "target_repository_ending_clean", "false", REFRESH_TARGET},
        {false, "target_revert_commit", "\"x\"", REFRESH_TARGET},
        {false, "runtime_default_activation", "true", REFRESH_STANDING},
        {true, "runtime_default_activation", NULL, REFRESH_STANDING},
        {true, "core_promotion_status", "\"promoted\"", REFRESH_STANDING},
        {true, "default_backend_activated", "true", REFRESH_STANDING},
        {true, "note", "\"Case was promoted to the core.\"", REFRESH_STANDING},
        {true, "note", "{\"deep\":[{\"promotion\":\"requested\"}]}", REFRESH_STANDING},
        {true, "api_key", "\"x\"", REFRESH_SECRETS},
        {false, "environment", "{\"deep\":[{\"authToken\":1}]}", REFRESH_SECRETS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put(rows[i].in_proof ? proof : report, rows[i].key, rows[i].value);
        if (!CHECK(stops(rows[i].d, LANE_FAIL, ""))) fprintf(stderr, "    row %zu: %s\n", i, rows[i].key);
    }
}

static void test_conclude(void) {
    struct refresh_pass p[2];
    struct refresh_result r;
    struct ladder l = {.repeatability_status = "pass", .repeatability_eligible = true};
    l.rungs[5].status = l.rungs[6].status = RUNG_VALIDATED;
    good();
    refresh_judge(&p[0], &f);
    p[1] = p[0];
    refresh_conclude(&r, p, 2, &l);
    CHECK(r.count == 2 && r.passed && r.eligible && strcmp(r.status, "pass") == 0 && !r.why[0]);
    refresh_conclude(&r, p, 1, &l);
    CHECK(r.count == 1 && !r.passed && !r.eligible && strcmp(r.status, "blocked") == 0 && r.why[0]);
    p[1].dims[REFRESH_RERUN] = LANE_BLOCKED;
    refresh_conclude(&r, p, 2, &l);
    CHECK(r.count == 1 && strcmp(r.status, "blocked") == 0 && strstr(r.why, "target_validation_rerun"));
    p[0].dims[REFRESH_PATHS] = LANE_FAIL;
    refresh_conclude(&r, p, 2, &l);
    CHECK(r.count == 0 && strcmp(r.status, "fail") == 0 && strstr(r.why, "allowed_path_compliance"));
    p[0].dims[REFRESH_PATHS] = p[1].dims[REFRESH_RERUN] = LANE_PASS;
    l.rungs[6].status = RUNG_MECHANICS; /* a double makes no repetition */
    refresh_conclude(&r, p, 2, &l);
    CHECK(r.count == 0 && !r.passed && strcmp(r.status, "blocked") == 0);
    l.rungs[6].status = RUNG_VALIDATED;
    l.repeatability_eligible = false; /* as the ladder has it */
    refresh_conclude(&r, p, 2, &l);
    CHECK(r.passed && !r.eligible);
    l.repeatability_status = "fail"; /* another accepted pass does not hold */
    refresh_conclude(&r, p, 2, &l);
    CHECK(!r.passed && strcmp(r.status, "fail") == 0 && r.why[0]);
}

int main(void) {
    test_good();
    test_facts();
    test_documents();
    test_conclude();
    cJSON_Delete(report);
    cJSON_Delete(proof);
    cJSON_Delete(contract);
    return check_done();
}
