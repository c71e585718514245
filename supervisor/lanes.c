/* lanes.c - see lanes.h. */
#include "supervisor/lanes.h"

#include <stdio.h>
#include <string.h>

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

const char *lane_status_name(enum lane_status s) {
    static const char *const names[] = {"blocked", "fail", "pass"};
    BUG_UNLESS((unsigned)s < 3);
    return names[s];
}

const char *dimension_name(enum dimension d) {
    static const char *const names[] = {"report_shape", "event_validity", "allowed_path_compliance", "failure_closure",
                                        "artifact_completeness"};
    BUG_UNLESS((unsigned)d < DIM_COUNT);
    return names[d];
}

/* --- one lane ----------------------------------------------------------------------------------------------------------------- */

static void decide(struct lane_state *l, enum dimension d, bool holds, const char *why) {
    l->dims[d] = holds ? LANE_PASS : LANE_FAIL;
    l->why[d][0] = '\0';
    if (!holds) snprintf(l->why[d], sizeof l->why[d], "%.190s", why);
}

/* The first key of the default lane's report that this one lacks, or that is of another type where neither is null; NULL: none. */
static const char *other_shape(const cJSON *report, const cJSON *baseline) {
    const cJSON *key;
    cJSON_ArrayForEach(key, baseline) {
        const cJSON *here = get(report, key->string);
        const bool truth = cJSON_IsBool(key) && cJSON_IsBool(here);
        if (!here) return key->string;
        if (!truth && !cJSON_IsNull(here) && !cJSON_IsNull(key) && (here->type & 0xff) != (key->type & 0xff))
            return key->string;
    }
    return NULL;
}

static void judge_shape(struct lane_state *l, const struct lane_run *r) {
    static const char *const wanted[] = {"schema_version",   "case_id",       "run_id",          "status",
                                         "backend",          "changed_files", "blocker_reasons", "verification",
                                         "artifact_digests", "freshness",     "eligibility",     "sandbox",
                                         "environment",      "timings_ms",    "tests_passed"};
    char why[120];
    const char *lacks = r->baseline ? other_shape(r->report, r->baseline) : NULL;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && !lacks; i++)
        if (!get(r->report, wanted[i])) lacks = wanted[i];
    snprintf(why, sizeof why, "the report has no %.60s, or one of another type", lacks ? lacks : "");
    decide(l, DIM_SHAPE, !lacks, why);
}

void lane_judge(struct lane_state *l, const struct lane_run *r) {
    char text[200];
    const char *backend = cJSON_GetStringValue(get(r->report, "backend"));
    if (!r->report || !backend || strcmp(backend, l->name) != 0) {
        lane_block(l, "the lane's run has no report of its own");
        return;
    }
    l->ran = true;
    judge_shape(l, r);
    const bool events = cJSON_IsTrue(get(r->report, "required_events_passed"));
    decide(l, DIM_EVENTS, r->verifies && events,
           r->verifies ? "a required event is missing or out of its place" : r->verify_why);
    const cJSON *status = get(r->report, "status");
    const bool passed = cJSON_IsString(status) && strcmp(status->valuestring, "pass") == 0;
    decide(l, DIM_PATHS, passed && cJSON_IsTrue(get(r->report, "allowed_writes_passed")),
           passed ? "something else than the allowed paths changed" : "the run of the task is no pass");
    decide(l, DIM_ARTIFACTS, r->verifies && !r->absent, r->absent ? r->absent : r->verify_why);
    if (r->rows == 0) {
        l->dims[DIM_CLOSURE] = LANE_BLOCKED;
        snprintf(l->why[DIM_CLOSURE], sizeof l->why[DIM_CLOSURE], "%.190s",
                 r->closure_why ? r->closure_why : "no failure was shown on this lane");
        return;
    }
    snprintf(text, sizeof text, "%d of %d failure rows did not close as they must", r->open, r->rows);
    decide(l, DIM_CLOSURE, r->open == 0 && r->closed == r->rows, text);
    if (r->open == 0 && r->closed < r->rows) {
        l->dims[DIM_CLOSURE] = LANE_BLOCKED;
        snprintf(l->why[DIM_CLOSURE], sizeof l->why[DIM_CLOSURE],
                 "%d of %d failure rows are not shown on this lane%s%.100s", r->rows - r->closed, r->rows,
                 r->closure_why ? ": " : "", r->closure_why ? r->closure_why : "");
    }
}

void lane_block(struct lane_state *l, const char *rationale) {
    l->ran = false;
    snprintf(l->rationale, sizeof l->rationale, "%.290s", rationale);
    for (int d = 0; d < DIM_COUNT; d++) {
        l->dims[d] = LANE_BLOCKED;
        snprintf(l->why[d], sizeof l->why[d], "%.190s", rationale);
    }
}

enum lane_status lane_conclude(const struct lane_state *l) {
    enum lane_status s = LANE_PASS;
    for (int d = 0; d < DIM_COUNT; d++) {
        if (l->dims[d] == LANE_FAIL) return LANE_FAIL;
        if (l->dims[d] == LANE_BLOCKED) s = LANE_BLOCKED;
    }
    return s;
}

/* --- against each other ------------------------------------------------------------------------------------------------------- */

const char *parity_name(enum parity p) {
    static const char *const names[] = {"blocked", "below", "matches", "beats"};
    BUG_UNLESS((unsigned)p < 4);
    return names[p];
}

enum parity lane_parity(const struct lane_state *candidate, const struct lane_state *fake, enum dimension d) {
    const enum lane_status c = candidate->dims[d], f = fake->dims[d];
    if (c == LANE_BLOCKED || f == LANE_BLOCKED) return PARITY_BLOCKED;
    if (c == f) return c == LANE_PASS ? PARITY_MATCHES : PARITY_BELOW; /* both failing is no parity to be proud of */
    return c == LANE_PASS ? PARITY_BEATS : PARITY_BELOW;
}

static const char *proof_kind(const struct lane_state *l) { return !l->ran ? NULL : l->on_double ? "double" : "real"; }

cJSON *lanes_dimensions(const struct lane_state *lanes, int n, const struct lane_state *candidate) {
    cJSON *all = cJSON_CreateObject();
    BUG_UNLESS(all != NULL);
    for (int d = 0; d < DIM_COUNT; d++) {
        cJSON *o = cJSON_CreateObject();
        BUG_UNLESS(o != NULL);
        for (int i = 0; i < n; i++) {
            cJSON *x = cJSON_CreateObject();
            BUG_UNLESS(x != NULL);
            json_put_str(x, "status", lane_status_name(lanes[i].dims[d]));
            json_put_str(x, "proof_kind", proof_kind(&lanes[i]));
            json_put_str(x, "rationale", lanes[i].why[d][0] ? lanes[i].why[d] : NULL);
            json_put(o, lanes[i].name, x);
        }
        json_put_str(o, "parity", parity_name(lane_parity(candidate, &lanes[0], (enum dimension)d)));
        json_put(all, dimension_name((enum dimension)d), o);
    }
    return all;
}

cJSON *lanes_summary(const struct lane_state *lanes, int n) {
    cJSON *all = cJSON_CreateObject();
    BUG_UNLESS(all != NULL);
    for (int i = 0; i < n; i++) {
        cJSON *x = cJSON_CreateObject();
        BUG_UNLESS(x != NULL);
        json_put_str(x, "status", lane_status_name(lane_conclude(&lanes[i])));
        json_put_str(x, "proof_kind", proof_kind(&lanes[i]));
        json_put_str(x, "rationale", lanes[i].rationale[0] ? lanes[i].rationale : NULL);
        json_put_str(x, "report", lanes[i].report[0] ? lanes[i].report : NULL);
        json_put(all, lanes[i].name, x);
    }
    return all;
}

/* --- failures ----------------------------------------------------------------------------------------------------------------- */

static const struct failure_class classes[FAILURE_CLASSES] = {
    {"no-diff", BLOCKER_no_diff, 2, NULL},
    {"disallowed-file", BLOCKER_disallowed_file_change, 2, NULL},
    {"failed-tests", BLOCKER_verification_failed, 2, NULL},
    {"missing-test-command", BLOCKER_missing_test_command, 2, NULL},
    {"missing-event", BLOCKER_missing_required_event, 2, NULL},
    {"reviewer-reject", BLOCKER_reviewer_rejected, 4, "the default lane has no reviewer that could reject"},
    {"approval-denied", BLOCKER_approval_denied, 4, NULL},
    {"timeout", BLOCKER_timeout, 3, NULL},
    {"dirty-starting-tree", BLOCKER_dirty_starting_tree, 3, NULL},
    {"dirty-ending-tree", BLOCKER_dirty_ending_tree, 4, NULL},
    {"artifact-write-failure", BLOCKER_artifact_write_failure, 3, NULL},
    {"provider-unavailable", BLOCKER_provider_unavailable, 2, NULL},
};

const struct failure_class *failure_class_at(int i) { return i >= 0 && i < FAILURE_CLASSES ? &classes[i] : NULL; }
