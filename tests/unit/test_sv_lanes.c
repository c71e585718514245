/* test_sv_lanes.c - the comparison of lanes: what a dimension is from what was found, parity, and that nothing is left out. */
#include <string.h>

#include "check.h"
#include "supervisor/lanes.h"

#define KEYS(backend)                                                                                              \
    "{\"schema_version\":\"1\",\"case_id\":\"c\",\"run_id\":\"r\",\"status\":\"pass\",\"backend\":\"" backend      \
    "\",\"changed_files\":[],\"blocker_reasons\":[],\"verification\":[],\"artifact_digests\":{},\"freshness\":{}," \
    "\"eligibility\":{},\"sandbox\":{},\"environment\":{},\"timings_ms\":{},\"tests_passed\":true,"                \
    "\"allowed_writes_passed\":true,\"required_events_passed\":true"

static cJSON *doc(const char *text) {
    cJSON *o = cJSON_Parse(text);
    NEED(o != NULL);
    return o;
}

static struct lane_state judged(const char *name, const struct lane_run *r) {
    struct lane_state l = {.name = name};
    lane_judge(&l, r);
    return l;
}

static bool only(const struct lane_state *l, enum dimension d, enum lane_status s) {
    for (int i = 0; i < DIM_COUNT; i++)
        if (l->dims[i] != ((enum dimension)i == d ? s : LANE_PASS)) return false;
    return l->why[d][0] != '\0';
}

static void test_one_lane(void) {
    cJSON *fake = doc(KEYS("fake") "}"), *same = doc(KEYS("case") ",\"more\":1}"), *other;
    struct lane_run r = {
        .report = same, .baseline = fake, .verifies = true, .verify_why = "", .rows = 12, .closed = 12};
    struct lane_state l = judged("case", &r);
    CHECK(l.ran && lane_conclude(&l) == LANE_PASS);
    l = judged("codex", &r); /* a report of somebody else */
    CHECK(!l.ran && lane_conclude(&l) == LANE_BLOCKED && l.rationale[0]);
    r.verifies = false;
    r.verify_why = "patch.diff digest is another";
    l = judged("case", &r);
    CHECK(l.dims[DIM_EVENTS] == LANE_FAIL && l.dims[DIM_ARTIFACTS] == LANE_FAIL &&
          strstr(l.why[DIM_EVENTS], "patch.diff"));
    r.verifies = true;
    r.absent = "trace.jsonl";
    l = judged("case", &r);
    CHECK(only(&l, DIM_ARTIFACTS, LANE_FAIL));
    r.absent = NULL;
    r.closed = 11;
    r.open = 1;
    l = judged("case", &r);
    CHECK(only(&l, DIM_CLOSURE, LANE_FAIL));
    r.open = 0; /* one is not shown: no failure, and no pass */
    r.closure_why = "stage 4 is not proven";
    l = judged("case", &r);
    CHECK(only(&l, DIM_CLOSURE, LANE_BLOCKED) && strstr(l.why[DIM_CLOSURE], "stage 4"));
    r.rows = r.closed = 0;
    l = judged("case", &r);
    CHECK(only(&l, DIM_CLOSURE, LANE_BLOCKED));
    r.rows = r.closed = 12;
    static const struct {
        const char *key, *value;
        enum dimension d;
    } rows[] = {{"allowed_writes_passed", "false", DIM_PATHS},
                {"allowed_writes_passed", "null", DIM_PATHS},
                {"status", "\"fail\"", DIM_PATHS},
                {"required_events_passed", "false", DIM_EVENTS},
                {"freshness", NULL, DIM_SHAPE},
                {"changed_files", "{}", DIM_SHAPE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        other = cJSON_Duplicate(same, true);
        cJSON_DeleteItemFromObjectCaseSensitive(other, rows[i].key);
        if (rows[i].value) json_put(other, rows[i].key, cJSON_Parse(rows[i].value));
        r.report = other;
        l = judged("case", &r);
        if (!CHECK(only(&l, rows[i].d, LANE_FAIL))) fprintf(stderr, "    row %zu\n", i);
        cJSON_Delete(other);
    }
    cJSON_Delete(fake);
    cJSON_Delete(same);
}

static void test_parity(void) {
    static const enum parity want[3][3] = {/* fake: blocked, fail, pass */
                                           {PARITY_BLOCKED, PARITY_BLOCKED, PARITY_BLOCKED},
                                           {PARITY_BLOCKED, PARITY_BELOW, PARITY_BELOW},
                                           {PARITY_BLOCKED, PARITY_BEATS, PARITY_MATCHES}};
    for (int c = 0; c < 3; c++)
        for (int f = 0; f < 3; f++) {
            struct lane_state candidate = {.name = "case"}, fake = {.name = "fake"};
            candidate.dims[DIM_PATHS] = (enum lane_status)c;
            fake.dims[DIM_PATHS] = (enum lane_status)f;
            CHECK(lane_parity(&candidate, &fake, DIM_PATHS) == want[c][f]);
        }
}

static void test_documents(void) {
    struct lane_state lanes[4] = {{.name = "fake"}, {.name = "case"}, {.name = "codex"}, {.name = "pi"}};
    for (int i = 0; i < 2; i++)
        for (int d = 0; d < DIM_COUNT; d++) lanes[i].dims[d] = LANE_PASS;
    lanes[0].ran = lanes[1].ran = lanes[1].on_double = true;
    lane_block(&lanes[2], LANE_NO_CODEX);
    lane_block(&lanes[3], LANE_NO_PI);
    cJSON *all = lanes_dimensions(lanes, 4, &lanes[1]), *sum = lanes_summary(lanes, 4), *d;
    CHECK(cJSON_GetArraySize(all) == DIM_COUNT && cJSON_GetArraySize(sum) == 4);
    cJSON_ArrayForEach(d, all) {
        CHECK(cJSON_GetArraySize(d) == 5);
        CHECK(strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(d, "parity")), "matches") == 0);
        CHECK(strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(d, "case"), "proof_kind")),
                     "double") == 0);
        const cJSON *pi = cJSON_GetObjectItem(d, "pi");
        CHECK(strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(pi, "status")), "blocked") == 0 &&
              strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(pi, "rationale")),
                     "not run without explicit Pi probe and admission") == 0 &&
              cJSON_IsNull(cJSON_GetObjectItem(pi, "proof_kind")));
    }
    cJSON_Delete(all);
    cJSON_Delete(sum);
}

static void test_classes(void) {
    bool seen[BLOCKER_COUNT] = {false};
    for (int i = 0; i < FAILURE_CLASSES; i++) {
        const struct failure_class *c = failure_class_at(i);
        CHECK(c && c->stage >= 2 && c->stage <= 5 && !seen[c->blocker]);
        seen[c->blocker] = true;
    }
    CHECK(!failure_class_at(FAILURE_CLASSES) && !failure_class_at(-1));
}

int main(void) {
    test_one_lane();
    test_parity();
    test_documents();
    test_classes();
    return check_done();
}
