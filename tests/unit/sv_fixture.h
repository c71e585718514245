/* sv_fixture.h - a home in a temporary directory, a case without files, and a run of it that is written as an executor
 * would write one, for the tests of store, evidence, seal and verify. */
#ifndef CTO_TESTS_UNIT_SV_FIXTURE_H
#define CTO_TESTS_UNIT_SV_FIXTURE_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"
#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/evidence.h"
#include "supervisor/seal.h"
#include "supervisor/verify.h"

#ifndef FIXTURE_TMP
#define FIXTURE_TMP "/tmp"
#endif

struct fixture {
    char dir[64];
    struct home home;
    struct cto_case c;
    struct run_record r;
    struct evidence *ev;
    struct seal_summary sum;
    struct seal_input in;
    cJSON *eligibility;
};

/* A shell command; its exit status. */
static inline int fixture_sh(const char *cmd) {
    int status = -1;
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
        _exit(127);
    }
    NEED(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static inline void fixture_home(struct fixture *f) {
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "%s/cto-unit-XXXXXX", FIXTURE_TMP);
    NEED(mkdtemp(f->dir) != NULL);
    snprintf(f->home.home, sizeof f->home.home, "%s", f->dir);
    snprintf(f->home.store, sizeof f->home.store, "%s/cto.db", f->dir);
    snprintf(f->home.runs, sizeof f->home.runs, "%s/harness-runs", f->dir);
    snprintf(f->home.work, sizeof f->home.work, "%s/work", f->dir);
    NEED(mkdir(f->home.runs, 0700) == 0);
    static const char *criteria[] = {"it works"}, *writes[] = {"src/", "a b.c"}, *actions[] = {"push", "merge"};
    static struct spec_command verify[] = {{.argv = {"sh", "-c", "make 'test'", NULL}, .argc = 3, .timeout_ms = 1000}};
    f->c = (struct cto_case){.id = "unit-case",
                             .title = "A *case* of a test",
                             .kind = "task",
                             .authority_basis = "test",
                             .risk_class = "low",
                             .mutation_mode = "copied-fixture",
                             .rollback_expectation = "none",
                             .diff_required = true,
                             .clean_start_required = true,
                             .success_criteria = {criteria, 1},
                             .allowed_writes = {writes, 2},
                             .forbidden_actions = {actions, 2},
                             .verify = verify,
                             .n_verify = 1,
                             .task = "do it",
                             .expect = {.status = VERDICT_PASS}};
    f->r = (struct run_record){.c = &f->c, .engine = "fake", .attempt = 1, .cause_blocker = BLOCKER_COUNT};
    f->eligibility = cJSON_CreateObject();
    json_put_str(f->eligibility, "selected_backend", "fake");
    f->in = (struct seal_input){.eligibility = f->eligibility,
                                .host = "h",
                                .kernel = "6.18",
                                .harness_version = "0",
                                .build_id = "b",
                                .home = f->home.home};
}

static inline void fixture_free(struct fixture *f) {
    evidence_free(f->ev);
    seal_summary_release(&f->sum);
    record_release(&f->r);
    cJSON_Delete(f->eligibility);
    io_remove_tree_at(AT_FDCWD, f->dir, NULL);
}

static inline void fixture_phase(struct fixture *f, enum run_state s) {
    f->r.phases[s].entered_real_ms = clock_real_ms();
    f->r.phases[s].entered_us = clock_mono_us();
}

static inline void fixture_change(struct fixture *f, char letter, const char *path, bool allowed) {
    struct run_record *r = &f->r;
    r->changes = realloc(r->changes, (size_t)(r->n_changes + 1) * sizeof *r->changes);
    NEED(r->changes != NULL);
    r->changes[r->n_changes++] = (struct change){
        .letter = letter, .old_mode = 0100644, .new_mode = 0100644, .path = strdup(path), .allowed = allowed};
}

static inline void fixture_event(struct fixture *f, const char *type, cJSON *data) {
    struct err e = ERR_INIT;
    if (!CHECK(evidence_event(f->ev, type, data, &e) == 0)) fprintf(stderr, "%s\n", e.text);
}

/* Directory, contract, and the events up to it. */
static inline void fixture_begin(struct fixture *f) {
    struct err e = ERR_INIT;
    char digest[DIGEST_HEX_SIZE];
    NEED(evidence_create(&f->home, &f->r, NULL, NULL, &f->ev, &e) == 0);
    fixture_phase(f, RUN_PLANNED);
    fixture_event(f, "run.started", NULL);
    NEED(evidence_contract(f->ev, &f->r, digest, &e) == 0);
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "path", EVIDENCE_CONTRACT);
    json_put_str(data, "digest", digest);
    fixture_event(f, "task.contract.created", data);
    CHECK(evidence_trace(f->ev, "preflight", clock_mono_us(), 12, true, "clean", &e) == 0);
}

/* An engine that committed one allowed change; its tests passed. */
static inline void fixture_work(struct fixture *f) {
    struct err e = ERR_INIT;
    struct run_record *r = &f->r;
    static const char patch[] = "diff --git a/src/x b/src/x\n+\033[31mred\n";
    fixture_event(f, "plan.updated", NULL);
    fixture_phase(f, RUN_ENGINE);
    CHECK(evidence_output(f->ev, OUT_STDOUT, "hello\n", 6, &e) == 0);
    CHECK(evidence_output(f->ev, OUT_STDERR, "oops\xff\n", 6, &e) == 0);
    CHECK(evidence_patch(f->ev, patch, sizeof patch - 1, &e) == 0);
    CHECK(evidence_output(f->ev, OUT_VERIFY, "ok 1\n", 5, &e) == 0);
    CHECK(evidence_marker(f->ev, "provider-lifecycle-harness-completed.txt", "done\n", &e) == 0);
    r->baseline_seen = r->baseline_clean = r->engine_started = r->engine_ended = r->result_seen = r->result_clean =
        true;
    r->engine_kind = END_EXITED;
    r->result_kind = RESULT_COMMITTED;
    r->result_commits = 1;
    memset(r->baseline_head, 'a', OID_SIZE - 1);
    memset(r->result_head, 'b', OID_SIZE - 1);
    fixture_change(f, 'M', "src/x", true);
    fixture_change(f, 'A', "src/we\"ird\n\xff", true);
    *record_verify_slot(r, 0) = (struct verify_result){.seen = true, .kind = END_EXITED, .duration_us = 3000};
    free(r->sandbox_json);
    r->sandbox_json = strdup("{\"mode\":\"user\",\"kernel\":\"6.18\"}");
    fixture_event(f, "patch.applied", NULL);
    fixture_event(f, "git.diff.checked", NULL);
    fixture_event(f, "verification.completed", NULL);
}

static inline bool fixture_seal(struct fixture *f, enum verdict v) {
    struct err e = ERR_INIT;
    f->r.verdict = v;
    f->r.finished_ms = clock_real_ms();
    fixture_phase(f, RUN_SEALING);
    if (!CHECK(evidence_complete(f->ev, &f->r, &e) == 0)) fprintf(stderr, "%s\n", e.text);
    fixture_event(f, "run.completed", evidence_completed_data(&f->r));
    int rc = evidence_seal(f->ev, &f->r, &f->in, &f->sum, &e);
    if (rc < 0) fprintf(stderr, "%s\n", e.text);
    return rc == 0;
}

static inline bool fixture_holds(const char *dir, struct verify_report *ret) {
    struct err e = ERR_INIT;
    NEED(verify_run_dir(dir, NULL, ret, &e) == 0);
    return ret->ok;
}

/* A file below the run directory as a malloc'd, NUL-terminated text. */
static inline char *fixture_read(const char *dir, const char *path, size_t *ret_n) {
    struct err e = ERR_INIT;
    struct buf b = BUF_INIT(0);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(fd >= 0 && io_read_file_at(fd, path, 64u << 20, &b, &e) == 0);
    close(fd);
    if (ret_n) *ret_n = b.len;
    char *text = b.p ? buf_detach(&b) : strdup("");
    return text;
}

static inline void fixture_write(const char *dir, const char *path, const void *p, size_t n) {
    char full[8192];
    struct err e = ERR_INIT;
    snprintf(full, sizeof full, "%s/%s", dir, path);
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    NEED(fd >= 0 && io_write_full(fd, p, n, &e) == 0);
    close(fd);
}

#endif
