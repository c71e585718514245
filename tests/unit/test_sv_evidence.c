/* test_sv_evidence.c - the open run directory: names, chain, budget, order of events, and what recovery keeps. */
#include "sv_fixture.h"
#include "common/digest.h"

static int reserved;
static int refuse_first(void *ctx, struct run_record *r, struct err *e) {
    (void)ctx;
    (void)r;
    return ++reserved == 1 ? err_set(e, ERR_CONFLICT, "taken") : 0;
}
static int refuse_hard(void *ctx, struct run_record *r, struct err *e) {
    (void)ctx;
    (void)r;
    return err_set(e, ERR_SYS, "disk");
}

static void test_names(void) {
    struct fixture f;
    struct err e = ERR_INIT;
    fixture_home(&f);
    f.r.started_ms = 1795346354123; /* 2026-11-22T11:19:14.123Z */
    char want[RUN_ID_MAX];
    snprintf(want, sizeof want, "20261122T111914Z-unit-case-%d", (int)getpid());
    NEED(evidence_create(&f.home, &f.r, NULL, NULL, &f.ev, &e) == 0);
    CHECK(strcmp(f.r.run_id, want) == 0);
    struct stat sb;
    CHECK(stat(f.r.run_dir, &sb) == 0 && (sb.st_mode & 0777) == 0700);
    struct evidence *second = NULL, *third = NULL;
    NEED(evidence_create(&f.home, &f.r, NULL, NULL, &second, &e) == 0);
    CHECK(strcmp(f.r.run_id + strlen(want), "-2") == 0);
    NEED(evidence_create(&f.home, &f.r, refuse_first, NULL, &third, &e) == 0);
    CHECK(strcmp(f.r.run_id + strlen(want), "-4") == 0 && reserved == 2);
    CHECK(e.code == ERR_NONE);
    evidence_free(second);
    evidence_free(third);
    struct evidence *none = NULL;
    CHECK(evidence_create(&f.home, &f.r, refuse_hard, NULL, &none, &e) == -1 && none == NULL);
    CHECK(stat(f.r.run_dir, &sb) < 0); /* nothing is made without its row */
    fixture_free(&f);
}

static void test_chain(void) {
    struct fixture f;
    struct err e = ERR_INIT;
    fixture_home(&f);
    fixture_begin(&f);
    fixture_work(&f);
    CHECK(evidence_event(f.ev, "Bad Type", NULL, &e) == -1);
    CHECK(evidence_event(f.ev, "not.an.object", cJSON_CreateArray(), &e) == -1);
    const char *const *types;
    CHECK(evidence_event_types(f.ev, &types) == 6 && strcmp(types[0], "run.started") == 0);
    char *text = fixture_read(f.r.run_dir, EVIDENCE_EVENTS, NULL), prev[65] = EVIDENCE_ZERO_PREV;
    int lines = 0;
    for (char *p = text, *nl; (nl = strchr(p, '\n')) != NULL; p = nl + 1) {
        cJSON *o = cJSON_ParseWithLength(p, (size_t)(nl - p));
        CHECK(strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(o, "prev")), prev) == 0);
        CHECK(cJSON_GetObjectItem(o, "seq")->valueint == ++lines);
        cJSON_Delete(o);
        digest_bytes(p, (size_t)(nl - p), prev);
    }
    CHECK(lines == 6);
    free(text);
    fixture_free(&f);
}

static void test_missing(void) {
    struct fixture f;
    fixture_home(&f);
    fixture_begin(&f);
    const char *m = evidence_missing_event(f.ev, &f.r, true);
    CHECK(m && strcmp(m, "plan.updated") == 0);
    f.r.gated_out = true;
    m = evidence_missing_event(f.ev, &f.r, true);
    CHECK(m && strcmp(m, "backend.gate.blocked") == 0);
    fixture_event(&f, "backend.gate.blocked", NULL);
    CHECK(evidence_missing_event(f.ev, &f.r, true) == NULL);
    CHECK(evidence_missing_event(f.ev, &f.r, false) != NULL);
    fixture_event(&f, "plan.updated", NULL);
    m = evidence_missing_event(f.ev, &f.r, true);
    CHECK(m && strcmp(m, "plan.updated") == 0); /* a preflight block has no more than its four */
    f.r.gated_out = false;
    fixture_event(&f, "git.diff.checked", NULL);
    fixture_event(&f, "patch.applied", NULL);
    fixture_event(&f, "verification.completed", NULL);
    m = evidence_missing_event(f.ev, &f.r, true);
    CHECK(m && strcmp(m, "git.diff.checked") == 0); /* came before patch.applied */
    fixture_free(&f);
}

static void test_budget(void) {
    struct fixture f;
    struct err e = ERR_INIT;
    char big[4096] = {0};
    fixture_home(&f);
    fixture_begin(&f);
    evidence_set_budget(f.ev, (int64_t)evidence_bytes(f.ev) + 5000);
    CHECK(evidence_patch(f.ev, big, sizeof big, &e) == 0);
    CHECK(evidence_patch(f.ev, big, sizeof big, &e) == -1 && e.code == ERR_LIMIT && strstr(e.text, "patch.diff"));
    CHECK(evidence_event(f.ev, "limit.hit", NULL, &e) == 0);
    CHECK(evidence_marker(f.ev, "note.txt", "text", &e) == 0);
    CHECK(evidence_marker(f.ev, "note.txt", "text", &e) == -1);
    CHECK(evidence_marker(f.ev, "../note.txt", "text", &e) == -1);
    CHECK(evidence_marker(f.ev, "stdout.log", "text", &e) == -1);
    record_block(&f.r, BLOCKER_artifact_write_failure, "patch.diff did not fit");
    CHECK(fixture_seal(&f, VERDICT_FAIL));
    struct verify_report v;
    CHECK(fixture_holds(f.r.run_dir, &v));
    fixture_free(&f);
}

static void test_planted(void) {
    struct fixture f;
    struct err e = ERR_INIT;
    fixture_home(&f);
    fixture_begin(&f);
    char path[8192];
    snprintf(path, sizeof path, "%s/patch.diff", f.r.run_dir);
    NEED(symlink("/etc/passwd", path) == 0);
    CHECK(evidence_patch(f.ev, "x", 1, &e) == -1);
    CHECK(unlink(path) == 0);
    CHECK(evidence_patch(f.ev, "x", 1, &e) == 0);
    fixture_write(f.r.run_dir, "patch.diff", "changed", 7);
    CHECK(evidence_complete(f.ev, &f.r, &e) == -1 && strstr(e.text, "patch.diff"));
    fixture_free(&f);
}

/* Death of the supervisor at any byte: cut the events anywhere, reopen, seal, verify. */
static void test_reopen(void) {
    struct fixture f;
    fixture_home(&f);
    fixture_begin(&f);
    fixture_work(&f);
    CHECK(fixture_seal(&f, VERDICT_PASS));
    evidence_free(f.ev);
    f.ev = NULL;
    size_t n;
    char *events = fixture_read(f.r.run_dir, EVIDENCE_EVENTS, &n), dir[4096];
    snprintf(dir, sizeof dir, "%s", f.r.run_dir);
    f.r.n_blockers = 0;
    record_block(&f.r, BLOCKER_supervisor_interrupted, "killed");
    for (size_t cut = 0; cut <= n; cut += cut + 40 < n ? 37 : 1) {
        struct err e = ERR_INIT;
        char digest[DIGEST_HEX_SIZE];
        fixture_write(dir, EVIDENCE_EVENTS, events, cut);
        fixture_write(dir, "trace.jsonl", "{\"step\":1}\n{\"st", 15);
        NEED(evidence_reopen(dir, &f.r, &f.ev, &e) == 0);
        const char *const *types;
        size_t have = evidence_event_types(f.ev, &types);
        for (size_t i = 0; i < have; i++) CHECK(strcmp(types[i], "run.completed") != 0);
        CHECK(!evidence_is_sealed(dir, f.r.run_id));
        if (have < 1) fixture_event(&f, "run.started", NULL);
        CHECK(evidence_contract(f.ev, &f.r, digest, &e) == 0);
        if (have < 2) {
            cJSON *data = cJSON_CreateObject();
            json_put_str(data, "path", EVIDENCE_CONTRACT);
            json_put_str(data, "digest", digest);
            fixture_event(&f, "task.contract.created", data);
        }
        seal_summary_release(&f.sum);
        NEED(fixture_seal(&f, VERDICT_FAIL));
        struct verify_report v;
        if (!CHECK(fixture_holds(dir, &v))) fprintf(stderr, "cut %zu: %s %s\n", cut, v.file, v.what);
        evidence_free(f.ev);
        f.ev = NULL;
    }
    CHECK(evidence_is_sealed(dir, f.r.run_id) && !evidence_is_sealed(dir, "another"));
    struct err cut_err = ERR_INIT;
    char *forged = strstr(events, "\"ts\":\"");
    NEED(forged != NULL);
    forged[6] = '1'; /* the first line is another one now: the second no longer continues it */
    fixture_write(f.dir, "events", events, n);
    char copy[2 * PATH_MAX], cmd[8 * PATH_MAX];
    snprintf(copy, sizeof copy, "%s/copy", f.home.runs);
    snprintf(cmd, sizeof cmd, "cp -r '%s' '%s' && cp '%s/events' '%s/%s'", dir, copy, f.dir, copy, EVIDENCE_EVENTS);
    NEED(fixture_sh(cmd) == 0);
    struct run_record *other = calloc(1, sizeof *other);
    NEED(other != NULL);
    other->c = &f.c;
    other->engine = "fake";
    memcpy(other->run_id, f.r.run_id, sizeof other->run_id);
    NEED(evidence_reopen(copy, other, &f.ev, &cut_err) == 0);
    const char *const *left;
    CHECK(evidence_event_types(f.ev, &left) == 1);
    evidence_free(f.ev);
    f.ev = NULL;
    record_release(other);
    free(other);
    struct run_record *again = calloc(1, sizeof *again);
    struct seal_summary sum;
    struct err e = ERR_INIT;
    again->c = &f.c;
    again->engine = "fake";
    snprintf(again->run_id, sizeof again->run_id, "%s", f.r.run_id);
    CHECK(evidence_read_verdict(dir, again, &sum, &e) == 0);
    CHECK(again->verdict == VERDICT_FAIL && again->n_blockers == 1 &&
          again->blockers[0].id == BLOCKER_supervisor_interrupted);
    CHECK(sum.n_artifacts == f.sum.n_artifacts && strcmp(sum.report_sha256, f.sum.report_sha256) == 0);
    CHECK(strcmp(sum.sums_sha256, f.sum.sums_sha256) == 0 && strcmp(sum.events_head, f.sum.events_head) == 0);
    CHECK(sum.events_total == f.sum.events_total && sum.total_bytes == f.sum.total_bytes);
    seal_summary_release(&sum);
    record_release(again);
    free(again);
    free(events);
    fixture_free(&f);
}

static void test_reopen_nothing(void) {
    struct fixture f;
    struct err e = ERR_INIT;
    fixture_home(&f);
    snprintf(f.r.run_id, sizeof f.r.run_id, "20261122T111914Z-unit-case-1");
    f.r.started_ms = clock_real_ms();
    char dir[2 * PATH_MAX];
    snprintf(dir, sizeof dir, "%s/%s", f.home.runs, f.r.run_id);
    CHECK(!evidence_is_sealed(dir, f.r.run_id));
    CHECK(evidence_reopen(dir, &f.r, &f.ev, &e) == 0);
    fixture_event(&f, "run.started", NULL);
    fixture_free(&f);
}

int main(void) {
    test_names();
    test_chain();
    test_missing();
    test_budget();
    test_planted();
    test_reopen();
    test_reopen_nothing();
    return check_done();
}
