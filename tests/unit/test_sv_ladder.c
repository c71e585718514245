/* test_sv_ladder.c - what counts as proven: a row of this build whose evidence lies among this home's runs and is what the row says;
 * real before double, double never enough; what repeats, and what follows from it. And the operator's decision on a core review. */
#include <errno.h>
#include <unistd.h>

#include "build_id.h"
#include "sv_fixture.h"
#include "supervisor/core_decision.h"
#include "supervisor/ladder.h"
#include "supervisor/store.h"

static struct fixture f;
static struct store *s;

static void evidence_file(const char *dir, const char *text, char path[4096], char sha[DIGEST_HEX_SIZE]) {
    char full[4096];
    snprintf(full, sizeof full, "%.3000s/%.500s", f.home.runs, dir);
    if (mkdir(full, 0700) < 0) NEED(errno == EEXIST);
    fixture_write(full, "report.json", text, strlen(text));
    snprintf(path, 4096, "%.3500s/report.json", full);
    digest_bytes(text, strlen(text), sha);
}

static void prove(int stage, const char *kind, const char *build, const char *path, const char *sha) {
    struct err e = ERR_INIT;
    const struct store_proof p = {
        .backend = "case", .build_id = build, .kind = kind, .report_path = path, .sha256 = sha, .stage = stage};
    if (!CHECK(store_stage_prove(s, &p, &e) == 0)) fprintf(stderr, "%s\n", e.text);
}

static const struct ladder *look(void) {
    static struct ladder l;
    struct err e = ERR_INIT;
    if (!CHECK(ladder_read(&l, &f.home, s, "case", &e) == 0)) fprintf(stderr, "%s\n", e.text);
    return &l;
}

static void sql(const char *text) {
    struct err e = ERR_INIT;
    char cmd[4096];
    (void)e;
    snprintf(cmd, sizeof cmd, "sqlite3 '%.200s' \"%.3000s\"", f.home.store, text);
    NEED(fixture_sh(cmd) == 0);
}

static void test_rungs(void) {
    char path[4096], sha[DIGEST_HEX_SIZE], other[4096], other_sha[DIGEST_HEX_SIZE];
    CHECK(look()->rungs[1].status == RUNG_NOT_PROVEN && strstr(look()->rungs[1].why, "no proof"));
    evidence_file("one", "{}", path, sha);
    evidence_file("two", "{\"a\": 1}", other, other_sha);
    prove(1, "real", "another", path, sha);
    CHECK(look()->rungs[1].status == RUNG_NOT_PROVEN && strstr(look()->rungs[1].why, "another build"));
    prove(1, "double", CTO_BUILD_ID, path, sha);
    CHECK(look()->rungs[1].status == RUNG_MECHANICS);
    prove(1, "real", CTO_BUILD_ID, other, sha); /* not its digest */
    CHECK(look()->rungs[1].status == RUNG_MECHANICS);
    prove(1, "real", CTO_BUILD_ID, other, other_sha);
    CHECK(look()->rungs[1].status == RUNG_VALIDATED && strcmp(look()->rungs[1].report_path, other) == 0);
    fixture_write(f.home.runs, "two/report.json", "{\"a\": 2}", 8);
    CHECK(look()->rungs[1].status == RUNG_MECHANICS);
    fixture_write(f.home.runs, "two/report.json", "{\"a\": 1}", 8);
    CHECK(look()->rungs[1].status == RUNG_VALIDATED && look()->rungs[2].status == RUNG_NOT_PROVEN);
}

static void test_places(void) {
    char path[4096], sha[DIGEST_HEX_SIZE], link[4096], outside[4096], why[160];
    evidence_file("three", "{}", path, sha);
    snprintf(outside, sizeof outside, "%s/outside.json", f.dir);
    fixture_write(f.dir, "outside.json", "{}", 2);
    CHECK(ladder_evidence(&f.home, outside, sha, why) == NULL && strstr(why, "not among"));
    snprintf(link, sizeof link, "%.3500s/three/../../outside.json", f.home.runs);
    CHECK(ladder_evidence(&f.home, link, sha, why) == NULL && strstr(why, "not among"));
    snprintf(link, sizeof link, "%.3500s/three/link.json", f.home.runs);
    NEED(symlink(outside, link) == 0);
    CHECK(ladder_evidence(&f.home, link, sha, why) == NULL && strstr(why, "cannot be read"));
    snprintf(link, sizeof link, "%.3500s/three", f.home.runs);
    CHECK(ladder_evidence(&f.home, link, sha, why) == NULL && strstr(why, "cannot be read"));
    char *text = ladder_evidence(&f.home, path, sha, why);
    CHECK(text && strcmp(text, "{}") == 0);
    free(text);
}

/* A sealed pass of stage 5 as it will be in the store; its report is what `report` says. */
static void pass(const char *run, const char *case_id, const char *report) {
    char path[4096], sha[DIGEST_HEX_SIZE], text[2000];
    evidence_file(run, report, path, sha);
    snprintf(text, sizeof text,
             "INSERT OR IGNORE INTO supervisors VALUES ('sv', 1, 1); INSERT OR IGNORE INTO cases VALUES ('%s', 't', "
             "'task', 1);"
             "INSERT INTO runs (run_id, case_id, backend, supervisor_id, generation, state, verdict, started_at, "
             "finished_at, run_dir,"
             " work_dir, report_sha256) VALUES ('%s', '%s', 'case', 'sv', 1, 'done', 'pass', 1, 2, 'x/%s', 'w', '%s');"
             "INSERT INTO outcomes VALUES ('%s', 'accepted', 'alice', 3);",
             case_id, run, case_id, run, sha, run);
    sql(text);
}

#define REPORT(kind, outcome, stage)                                                                                   \
    "{\"status\": \"pass\", \"case_stage\": " stage ", \"proof_kind\": \"" kind "\", \"operator_outcome\": \"" outcome \
    "\", \"runtime_default_activation\": false, \"core_promotion_status\": \"not-promoted\"}"

static void all_stages(void) {
    char path[4096], sha[DIGEST_HEX_SIZE];
    evidence_file("comparison", "{}", path, sha);
    for (int i = 1; i <= 6; i++) prove(i, "real", CTO_BUILD_ID, path, sha);
}

static void test_repeats(void) {
    pass("r1", "case-a", REPORT("real", "accepted", "5"));
    CHECK(look()->repeatability_count == 0 &&
          strcmp(look()->repeatability_status, "blocked") == 0); /* stage 6 is not proven */
    all_stages();
    CHECK(look()->repeatability_count == 1 && !look()->candidate_default_eligible);
    for (int stage = 5; stage <= 6; stage++) { /* a double is no proof of the stages that make runs a repetition */
        char text[200];
        snprintf(text, sizeof text, "UPDATE stage_proofs SET proof_kind = 'double' WHERE stage = %d", stage);
        sql(text);
        CHECK(look()->repeatability_count == 0);
        all_stages();
        CHECK(look()->repeatability_count == 1);
    }
    pass("r2", "case-a", REPORT("real", "accepted", "5")); /* the same case */
    pass("r3", "case-b", REPORT("double", "accepted", "5"));
    pass("r4", "case-c", REPORT("real", "accepted", "4"));
    pass("r5", "case-d", REPORT("real", "rejected", "5"));
    pass("r6", "case-e",
         "{\"status\": \"pass\", \"case_stage\": 5, \"proof_kind\": \"real\", \"operator_outcome\": \"accepted\", "
         "\"runtime_default_activation\": true, \"core_promotion_status\": \"not-promoted\"}");
    CHECK(look()->repeatability_count == 1 && strcmp(look()->repeatability_status, "blocked") == 0);
    pass("r7", "case-f", REPORT("real", "accepted", "5"));
    CHECK(look()->repeatability_count == 2 && strcmp(look()->repeatability_status, "pass") == 0 &&
          !look()->repeatability_eligible);
    sql("INSERT INTO outcomes VALUES ('comparison', 'rejected', 'alice', 3)");
    CHECK(!look()->candidate_default_eligible);
    sql("UPDATE outcomes SET outcome = 'accepted' WHERE subject = 'comparison'");
    CHECK(look()->candidate_default_eligible && look()->repeatability_eligible);
    sql("UPDATE stage_proofs SET proof_kind = 'double' WHERE stage = 3");
    CHECK(!look()->candidate_default_eligible && !look()->repeatability_eligible);
    all_stages();
    CHECK(look()->repeatability_eligible);
    fixture_write(f.home.runs, "r7/report.json", "{}", 2);
    CHECK(look()->not_holding == 1 && strcmp(look()->repeatability_status, "fail") == 0 &&
          !look()->repeatability_eligible);
}

static void test_none(void) {
    struct ladder l;
    struct err e = ERR_INIT;
    CHECK(ladder_read(&l, &f.home, NULL, "case", &e) == 0 && l.rungs[6].status == RUNG_NOT_PROVEN &&
          l.repeatability_count == 0 && strcmp(l.repeatability_status, "blocked") == 0 &&
          !l.candidate_default_eligible);
}

static void test_decision(void) {
    struct core_decision d;
    struct err e = ERR_INIT;
    char id[96];
    CHECK(core_decision_read(&d, s, &e) == 0 && d.state == 0 && core_decision_read(&d, NULL, &e) == 0 && d.state == 0);
    NEED(core_decision_record(s, 1, "alice", "time to ask", id, &e) == 0);
    CHECK(core_decision_read(&d, s, &e) == 0 && d.state == 1 && strcmp(d.actor, "alice") == 0 && strcmp(d.id, id) == 0);
    CHECK(core_decision_record(s, 1, "alice", "time to ask", id, &e) < 0 && e.code == ERR_USAGE);
    sql("UPDATE admissions SET status = 'activated' WHERE subject = 'core-promotion'");
    CHECK(core_decision_read(&d, s, &e) == 0 && d.state == 0);
    sql("UPDATE admissions SET status = 'core_promotion_deferred' WHERE subject = 'core-promotion'"); /* not what its record says */
    CHECK(core_decision_read(&d, s, &e) == 0 && d.state == 0);
    sql("UPDATE admissions SET status = 'core_promotion_requested', record = record || ' ' WHERE subject = "
        "'core-promotion'");
    CHECK(core_decision_read(&d, s, &e) == 0 && d.state == 0);
    CHECK(core_decision_record(s, 2, "bob", "Case was promoted", id, &e) < 0 && e.code == ERR_USAGE);
    NEED(core_decision_record(s, 2, "bob", "later", id, &e) == 0);
    CHECK(core_decision_read(&d, s, &e) == 0 && d.state == 2);
    sql("UPDATE admissions SET actor = 'promoted by bob' WHERE status = 'core_promotion_deferred'");
    CHECK(core_decision_read(&d, s, &e) == 0 && d.state == 0);
    sql("UPDATE admissions SET actor = 'bob' WHERE status = 'core_promotion_deferred'");
    CHECK(core_decision_read(&d, s, &e) == 0 && d.state == 2);
    CHECK(store_admission_revoke(s, "decision", id, "bob", "no", &e) == 0);
    CHECK(core_decision_read(&d, s, &e) == 0 && d.state == 0);
}

int main(void) {
    struct err e = ERR_INIT;
    if (access("/usr/bin/sqlite3", X_OK) < 0) return check_skip("sqlite3 is not installed (tools/install-deps check)");
    fixture_home(&f);
    NEED(store_open(f.home.store, true, &s, &e) == 0);
    test_none();
    test_rungs();
    test_places();
    test_repeats();
    test_decision();
    store_close(s);
    fixture_free(&f);
    return check_done();
}
