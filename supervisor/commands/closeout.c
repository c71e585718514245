/* closeout.c - see closeout.h. Nothing is believed that does not verify: the directory first, then the store's rows beside it. */
#include "supervisor/commands/closeout.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/io.h"
#include "supervisor/evidence.h"
#include "supervisor/locate.h"
#include "supervisor/seal.h"
#include "supervisor/standing.h"
#include "supervisor/store.h"
#include "supervisor/verify.h"

static const char *const proofs[] = {"stage3-copied-repo-proof.json", "stage4-disposable-sandbox-proof.json",
                                     "stage5-owned-repo-proof.json"};

struct closeout {
    struct located at;
    struct verify_report verified;
    cJSON *report;
    struct store_approval approval;
    char proof[4400], proof_sha256[DIGEST_HEX_SIZE];
};

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }
static const char *text(const cJSON *o, const char *key) { return cJSON_GetStringValue(get(o, key)); }

static int take_approval(void *ctx, const struct store_approval *a) {
    ((struct closeout *)ctx)->approval = *a;
    return 1;
}

static void find_proof(struct closeout *c) {
    AUTO_FD int dir = open(c->at.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; dir >= 0 && i < sizeof proofs / sizeof proofs[0]; i++) {
        if (digest_file_at(dir, proofs[i], c->proof_sha256, NULL, NULL) < 0) continue;
        snprintf(c->proof, sizeof c->proof, "%.4000s/%s", c->at.dir, proofs[i]);
        return;
    }
    c->proof_sha256[0] = '\0';
}

/* Of this home, finished, whole, and as the store has it. */
static int check(struct closeout *c, const char *run, struct err *e) {
    AUTO_BUF struct buf report = BUF_INIT(0);
    char path[4400];
    if (!c->at.in_store || c->at.is_matrix)
        return err_set(e, ERR_USAGE, "%.160s: a closeout is of a run that this home's store knows", run);
    if (c->at.row.state != RUN_DONE)
        return err_set(e, ERR_USAGE, "run %s is not finished: it is in state %s", run, run_state_name(c->at.row.state));
    if (verify_run_dir(c->at.dir, c->at.row.run_id, &c->verified, e) < 0) return -1;
    if (!c->verified.ok)
        return err_set(e, ERR_CONFLICT, "run %s does not verify: %s%s%s", run, c->verified.file,
                       c->verified.file[0] ? ": " : "", c->verified.what);
    if (strcmp(c->verified.report_sha256, c->at.row.report_sha256) != 0)
        return err_set(e, ERR_CONFLICT, "run %s: report.json is not the one that the store has", run);
    snprintf(path, sizeof path, "%.4000s/" EVIDENCE_REPORT, c->at.dir);
    if (io_read_file_at(AT_FDCWD, path, 64u << 20, &report, e) < 0) return -1;
    c->report = cJSON_Parse(buf_str(&report));
    return c->report ? 0 : err_set(e, ERR_PARSE, "%s is not JSON", path);
}

static int gather(struct closeout *c, const struct global_options *g, const char *run, struct err *e) {
    struct home h;
    struct store *s = NULL;
    if (home_resolve(&h, &g->home, e) < 0 || locate(&h, run, &c->at, e) < 0 || check(c, run, e) < 0) return -1;
    if (store_open(h.store, false, &s, e) < 0) return -1;
    int rc = store_approvals(s, NULL, NULL, c->at.row.run_id, take_approval, c, e);
    store_close(s);
    if (rc < 0) return -1;
    if (!c->approval.id[0])
        return err_set(e, ERR_USAGE, "run %s was not a governed one: no approval was claimed for it", run);
    find_proof(c);
    return 0;
}

static void copy(cJSON *o, const cJSON *from, const char *key) {
    const cJSON *x = get(from, key);
    json_put(o, key, x ? cJSON_Duplicate(x, true) : cJSON_CreateNull());
}

static void put_stamp(cJSON *o, const char *key, int64_t ms) {
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(ms, stamp);
    json_put_str(o, key, ms > 0 ? stamp : NULL);
}

static void put_approval(cJSON *o, const struct closeout *c) {
    const struct store_approval *a = &c->approval;
    const bool consumed = strcmp(a->state, "consumed") == 0, passed = strcmp(a->run_verdict, "pass") == 0;
    json_put_str(o, "request_id", a->request_id);
    json_put_str(o, "requested_by", a->requester);
    put_stamp(o, "requested_at", a->requested_ms);
    json_put_str(o, "approval_id", a->id);
    json_put_str(o, "approval_actor", a->actor);
    put_stamp(o, "approval_timestamp", a->decided_ms);
    put_stamp(o, "approval_expiry", a->expires_ms);
    json_put_str(o, "approval_scope_sha256", a->scope);
    json_put_str(o, "execution_scope", "one approved Harness run only");
    json_put_bool(o, "approval_required", true);
    json_put_bool(o, "approval_granted", true);
    json_put_bool(o, "execution_allowed", false);
    json_put_bool(o, "approval_consumed", consumed);
    json_put_bool(o, "consumed_by_pass_evidence", consumed && passed);
}

static cJSON *document(const struct closeout *c) {
    static const char *const from_report[] = {"case_id",
                                              "backend",
                                              "status",
                                              "blocker_reasons",
                                              "case_stage",
                                              "proof_kind",
                                              "repository_kind",
                                              "baseline_head",
                                              "result_head",
                                              "changed_files",
                                              "target_repository_admission_id",
                                              "target_repository_admission_sha256",
                                              "target_commit",
                                              "target_revert_commit",
                                              "operator_outcome",
                                              "operator_outcome_actor"};
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put_str(o, "schema_version", "1.0");
    json_put_str(o, "run_id", c->at.row.run_id);
    for (size_t i = 0; i < sizeof from_report / sizeof from_report[0]; i++) copy(o, c->report, from_report[i]);
    put_approval(o, c);
    char path[4400];
    snprintf(path, sizeof path, "%.4000s/" EVIDENCE_REPORT, c->at.dir);
    json_put_str(o, "report", path);
    json_put_str(o, "report_sha256", c->verified.report_sha256);
    json_put_str(o, "sha256sums_sha256", c->verified.sums_sha256);
    json_put_str(o, "proof", c->proof[0] ? c->proof : NULL);
    json_put_str(o, "proof_sha256", c->proof_sha256[0] ? c->proof_sha256 : NULL);
    json_put_bool(o, "evidence_verified", true);
    standing_put(o);
    json_put_str(o, "statement", "This closeout does not authorize another Case run.");
    return o;
}

void closeout_line(struct buf *b, const char *what, const char *value) {
    buf_printf(b, "%-16s ", what);
    report_put_text(b, value && value[0] ? value : "-", false);
    buf_puts(b, "\n");
}

/* For people: the same, one thing a line. */
static int print_text(const struct closeout *c) {
    AUTO_BUF struct buf b = BUF_INIT(1u << 20);
    closeout_line(&b, "run", c->at.row.run_id);
    closeout_line(&b, "verdict", text(c->report, "status"));
    closeout_line(&b, "task", text(c->report, "case_id"));
    closeout_line(&b, "backend", text(c->report, "backend"));
    closeout_line(&b, "asked by", c->approval.requester);
    closeout_line(&b, "approved by", c->approval.actor);
    closeout_line(&b, "approval", c->approval.id);
    closeout_line(&b, "target admission", text(c->report, "target_repository_admission_id"));
    closeout_line(&b, "landed as", text(c->report, "target_commit"));
    closeout_line(&b, "reverted by", text(c->report, "target_revert_commit"));
    closeout_line(&b, "outcome", text(c->report, "operator_outcome"));
    closeout_line(&b, "said by", text(c->report, "operator_outcome_actor"));
    closeout_line(&b, "proof", c->proof);
    closeout_line(&b, "evidence", "verified");
    buf_puts(&b, "\n" STANDING_SENTENCE "This closeout does not authorize another Case run.\n");
    fputs(buf_str(&b), stdout);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

int closeout_run(const struct global_options *g, const char *run) {
    struct closeout *c = calloc(1, sizeof *c);
    struct err e = ERR_INIT;
    BUG_UNLESS(c != NULL);
    int rc = gather(c, g, run, &e), code;
    if (rc < 0)
        code = e.code == ERR_CONFLICT ? (cli_error(&e), EXIT_FAIL) : cli_error(&e);
    else
        code = g->json ? cli_print_json(document(c), EXIT_PASS) : print_text(c);
    cJSON_Delete(c->report);
    free(c);
    return code;
}
