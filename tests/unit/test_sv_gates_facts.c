/* test_sv_gates_facts.c - what the gates are told: settings and files as they are read, texts that were cut, modes that contain each other,
 * our test double, which no setting can name. */
#include "sv_gates_world.h"

/* From the environment: closed by default, and by every value but "1"; a stage is one digit. */
static void variables(void) {
    static const char *const wrong[] = {"", "0", "11", "1 ", "yes", "true"}, *const stages[] = {"1", "6", "22", "two",
                                                                                                " 2"};
    good("codex");
    unsetenv("CTO_HARNESS_ALLOW_CODEX");
    gate_facts_release(&f);
    gate_facts_read(&f, &c, "codex", NULL);
    CHECK(!f.allowed && f.stage == 0 && !f.predecessor_proven && !f.interface_proven &&
          f.model_record.state == FACT_ABSENT);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("CTO_HARNESS_ALLOW_CODEX", wrong[i], 1);
        gate_facts_release(&f);
        gate_facts_read(&f, &c, "codex", NULL);
        CHECK(!f.allowed);
    }
    setenv("CTO_HARNESS_ALLOW_CODEX", "1", 1);
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        setenv("CTO_HARNESS_CODEX_STAGE", stages[i], 1);
        gate_facts_release(&f);
        gate_facts_read(&f, &c, "codex", NULL);
        CHECK(f.allowed && f.stage == -1);
    }
    setenv("CTO_HARNESS_CODEX_STAGE", "2", 1);
    setenv("CTO_HARNESS_CASE_STAGE", "5", 1); /* another backend's */
    gate_facts_release(&f);
    gate_facts_read(&f, &c, "codex", NULL);
    CHECK(f.stage == 2 && !f.predecessor_proven);
    r.engine = "codex";
    CHECK(!gates_evaluate(&r, &f) && strcmp(gate("stage")->status, "missing") == 0);
    gate_facts_release(&f);
    gate_facts_read(&f, &c, "fake", NULL);
    r.engine = "fake";
    CHECK(f.allowed && gates_evaluate(&r, &f) && r.governed == NULL);
}

/* Known by the mark in it, wherever that lies. By its digest: e2e/case_double.sh, which has the programs beside each other. */
static void the_double_is_refused(void) {
    char libexec[PATH_MAX], path[DOUBLE_PATH_MAX + 8], copy[] = "/tmp/cto-unit-double-XXXXXX";
    static char bytes[4 << 20];
    struct err e = ERR_INIT;
    programs(libexec);
    snprintf(path, sizeof path, "%s/" DOUBLE_PROGRAM, libexec);
    CHECK(double_refuse(-1, DIGEST_EMPTY, &e) == 0);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    NEED(fd >= 0);
    CHECK(double_refuse(fd, DIGEST_EMPTY, &e) < 0 && strstr(e.text, "test double"));
    snprintf(path, sizeof path, "%s/" MODEL_DOUBLE_PROGRAM, libexec);
    AUTO_FD int model = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(model >= 0 && double_refuse(model, DIGEST_EMPTY, &e) < 0);
    AUTO_FD int out = mkostemp(copy, O_CLOEXEC);
    NEED(out >= 0 && unlink(copy) == 0);
    const size_t n = sizeof DOUBLE_MARK_ANY - 1, step = 64u << 10; /* across every border of what is read at once */
    for (size_t at = step - n - 1; at <= step + 1; at++) {
        memset(bytes, 'x', 3 * step);
        memcpy(bytes + at, DOUBLE_MARK_ANY, n);
        NEED(pwrite(out, bytes, 3 * step, 0) == (ssize_t)(3 * step));
        if (!CHECK(double_refuse(out, DIGEST_EMPTY, &e) < 0)) fprintf(stderr, "    mark at %zu\n", at);
        bytes[at + n - 1] ^= 1;
        NEED(pwrite(out, bytes, 3 * step, 0) == (ssize_t)(3 * step));
        CHECK(double_refuse(out, DIGEST_EMPTY, &e) == 0);
    }
}

/* A reason that was cut inside a letter is still UTF-8. */
static void letters(void) {
    good("fake");
    c.approval_required = true;
    f.now_ms = 1000;
    f.approval = (struct approval_seen){.id = "a", .state = "denied", .actor = "b"};
    for (size_t n = 0; n < 64; n++) {
        memset(f.approval.why, 'a', n);
        snprintf(f.approval.why + n, sizeof f.approval.why - n,
                 "\xc3\xa9\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82\xc3\xa9\xc3\xa9");
        gates_evaluate(&r, &f);
        CHECK(json_is_utf8(gate("approval")->reason, strlen(gate("approval")->reason)));
    }
    /* provider and model are two fields, not one text */
    good("pi");
    f.provider = "qwen-local/qwen3.6", f.model = "35b-a3b";
    put_record(&f.model_record, ADMIT_MODEL,
               "{\"status\":\"admitted\",\"provider\":\"qwen-local\",\"model\":\"qwen3.6/35b-a3b\"}");
    gates_evaluate(&r, &f);
    CHECK(strcmp(r.governed->model_admission_status, "mismatch") == 0);
    good("pi"); /* a decision for another model */
    put_record(&f.decision, ADMIT_DECISION,
               "{\"decision_status\":\"local_provider_required\",\"provider\":\"qwen-local\",\"model\":\"m\","
               "\"evidence_sources\":[\"x\"]}");
    CHECK(closed("decision", "failed", BLOCKER_provider_not_decided, "another model"));
}

static void modes(void) {
    CHECK(stage_allows(2, "copied-fixture") && !stage_allows(2, "sandbox-repo") && stage_allows(4, "sandbox-repo"));
    CHECK(!stage_allows(1, "copied-fixture") && !stage_allows(5, "candidate-default") &&
          !stage_allows(5, "everything"));
    CHECK(stage_mode_within("none", "none") && !stage_mode_within("none", "") &&
          !stage_mode_within("", "candidate-default"));
}

int main(void) {
    good("fake");
    the_double_is_refused();
    variables();
    letters();
    modes();
    gate_facts_release(&f);
    record_release(&r);
    return check_done();
}
