/* refresh_import.c - see refresh_run.h: all that is known of a stage-5 pass, read and judged. Nothing of it is changed, and of the
 * target neither. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/commands/refresh_rerun.h"
#include "supervisor/commands/refresh_run.h"
#include "supervisor/engines.h"
#include "supervisor/evidence.h"
#include "supervisor/locate.h"
#include "supervisor/repo.h"
#include "supervisor/verify.h"

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }
static const char *text(const cJSON *o, const char *key) {
    const char *s = cJSON_GetStringValue(get(o, key));
    return s ? s : "";
}

static cJSON *read_json(const char *dir, const char *name, char digest[DIGEST_HEX_SIZE]) {
    AUTO_BUF struct buf b = BUF_INIT(0);
    AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (digest) digest[0] = '\0';
    if (fd < 0 || io_read_file_at(fd, name, 64u << 20, &b, NULL) < 0) return NULL;
    if (digest) digest_bytes(buf_str(&b), b.len, digest);
    return cJSON_ParseWithLength(buf_str(&b), b.len);
}

/* --- the target ---------------------------------------------------------------------------------------------------------------- */

struct target {
    const char *id, *sha256; /* as the report has them */
    char path[ADMISSION_SUBJECT_MAX];
    bool known;
};

static int take_target(void *ctx, const struct store_admission *a) {
    struct target *t = ctx;
    if (strcmp(a->id, t->id) != 0) return 0;
    snprintf(t->path, sizeof t->path, "%s", a->subject);
    t->known = a->newest && !a->revoked_ms && strcmp(a->digest, t->sha256) == 0;
    return 1;
}

/* Where it is, is nowhere but in the store. */
static bool find_target(struct refresh *x, const struct imported *p, struct target *t) {
    t->id = text(p->report, "target_repository_admission_id");
    t->sha256 = text(p->report, "target_repository_admission_sha256");
    return t->id[0] && store_admissions(x->store, "target", take_target, t, NULL) >= 0 && t->path[0];
}

static void rerun(struct refresh *x, const struct imported *p, const struct target *t, struct refresh_facts *f,
                  char why[240]) {
    struct cto_case c;
    char name[RUN_ID_MAX + 16];
    struct err e = ERR_INIT;
    f->rerun = LANE_BLOCKED;
    f->rerun_why = why;
    if (case_load(&c, x->home.cases, p->row.case_id, &e) < 0) {
        snprintf(why, 240, "the case is not there any more");
        return;
    }
    snprintf(name, sizeof name, "%s.refresh", p->row.run_id);
    const struct rerun_order o = {.home = &x->home,
                                  .c = &c,
                                  .repository = t->path,
                                  .base = text(p->report, "repository_head"),
                                  .landed = text(p->report, "target_commit"),
                                  .name = name};
    f->rerun = refresh_rerun(&o, why, 240);
    case_release(&c);
}

/* Looked at before and after all that is done with it here. */
static void look_at_target(struct refresh *x, const struct imported *p, struct refresh_facts *f, char why[240]) {
    struct target *t = calloc(1, sizeof *t);
    struct repo_facts *r = calloc(1, sizeof *r);
    char before[DIGEST_HEX_SIZE], after[DIGEST_HEX_SIZE];
    BUG_UNLESS(t && r);
    const char *commit = text(p->report, "target_commit");
    f->rerun = LANE_BLOCKED;
    f->rerun_why = "the target cannot be read";
    if (find_target(x, p, t)) {
        f->target_known = t->known;
        f->target_looked = repo_look(t->path, r, NULL) == 0 && r->is_repository &&
                           repo_content_digest(t->path, before, NULL) == 0 &&
                           repo_contains(t->path, commit, &f->target_has_commit, NULL) == 0;
        f->target_why = r->is_repository ? "" : "it is no repository any more";
        if (f->target_looked) rerun(x, p, t, f, why);
        f->target_untouched =
            f->target_looked && repo_content_digest(t->path, after, NULL) == 0 && strcmp(before, after) == 0;
    } else {
        f->target_why = "its admission is not in the store";
    }
    free(r);
    free(t);
}

/* --- the pass ------------------------------------------------------------------------------------------------------------------ */

static int take_approval(void *ctx, const struct store_approval *a) {
    ((struct imported *)ctx)->approval = *a;
    return 1;
}

static int find(struct refresh *x, const char *run, struct imported *p, struct err *e) {
    struct located *at = calloc(1, sizeof *at);
    BUG_UNLESS(at != NULL);
    int rc = locate(&x->home, run, at, e);
    if (rc == 0 && (!at->in_store || at->is_matrix))
        rc = err_set(e, ERR_USAGE, "%.160s is no run that this home's store knows", run);
    if (rc == 0 && at->row.state != RUN_DONE)
        rc = err_set(e, ERR_USAGE, "run %s is not finished: it is in state %s", run, run_state_name(at->row.state));
    if (rc == 0) {
        p->row = at->row;
        snprintf(p->dir, sizeof p->dir, "%s", at->dir);
        snprintf(p->report_path, sizeof p->report_path, "%.4000s/" EVIDENCE_REPORT, p->dir);
        snprintf(p->proof_path, sizeof p->proof_path, "%.4000s/" REFRESH_PROOF, p->dir);
    }
    free(at);
    return rc;
}

static const char *absent(const struct imported *p) {
    static const char *const names[] = {EVIDENCE_REPORT,   EVIDENCE_REPORT_MD, EVIDENCE_CONTRACT,
                                        EVIDENCE_EVENTS,   EVIDENCE_TRACE,     EVIDENCE_PATCH,
                                        EVIDENCE_TEST_LOG, EVIDENCE_SUMS,      REFRESH_PROOF};
    AUTO_FD int fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (fd < 0 || faccessat(fd, names[i], R_OK, AT_SYMLINK_NOFOLLOW) < 0) return names[i];
    return NULL;
}

int refresh_import(struct refresh *x, const char *run, struct imported *p, struct err *e) {
    struct verify_report v = {0};
    struct store_outcome said = {0};
    struct err why = ERR_INIT;
    char rerun_why[240] = "", verify_why[440] = "";
    if (find(x, run, p, e) < 0) return -1;
    if (verify_run_dir(p->dir, p->row.run_id, &v, &why) < 0)
        snprintf(verify_why, sizeof verify_why, "%.400s", why.text);
    else if (!v.ok)
        snprintf(verify_why, sizeof verify_why, "%.60s %.300s", v.file, v.what);
    p->report = read_json(p->dir, EVIDENCE_REPORT, NULL);
    p->proof = read_json(p->dir, REFRESH_PROOF, p->proof_sha256);
    p->contract = read_json(p->dir, EVIDENCE_CONTRACT, NULL);
    if (store_outcome_get(x->store, p->row.run_id, &said, e) < 0 ||
        store_approvals(x->store, NULL, NULL, p->row.run_id, take_approval, p, e) < 0)
        return -1;
    const struct engine *en = engine_find(p->row.backend);
    if (!en) return err_set(e, ERR_USAGE, "run %s is of a backend that this build does not have", run);
    source_fresh_read(&p->source, en, x->store, p->row.finished_ms);
    struct refresh_facts f = {.report = p->report,
                              .proof = p->proof,
                              .contract = p->contract,
                              .run_id = p->row.run_id,
                              .case_id = p->row.case_id,
                              .backend = p->row.backend,
                              .verifies = v.ok,
                              .verify_why = verify_why,
                              .sealed = v.ok && strcmp(v.report_sha256, p->row.report_sha256) == 0,
                              .absent = absent(p),
                              .said_accepted = strcmp(said.outcome, "accepted") == 0,
                              .approval_found = p->approval.id[0] != '\0',
                              .approval_consumed = strcmp(p->approval.state, "consumed") == 0 &&
                                                   strcmp(p->approval.run_verdict, "pass") == 0,
                              .approval_id = p->approval.id,
                              .approval_actor = p->approval.actor,
                              .source = &p->source,
                              .closure = x->closure,
                              .closure_why = x->closure_why};
    look_at_target(x, p, &f, rerun_why);
    refresh_judge(&p->judged, &f);
    return 0;
}

/* --- stage 6 ------------------------------------------------------------------------------------------------------------------- */

static enum lane_status closure_of(const cJSON *doc, const char *backend, char why[240]) {
    const cJSON *row, *lane = get(get(get(doc, "dimensions"), dimension_name(DIM_CLOSURE)), backend);
    const char *status = text(lane, "status");
    int n = 0;
    cJSON_ArrayForEach(row, get(doc, "failure_matrix_coverage")) n++;
    if (n != FAILURE_CLASSES) {
        snprintf(why, 240, "the stage-6 comparison covers %d of %d failure classes", n, FAILURE_CLASSES);
        return LANE_FAIL;
    }
    if (strcmp(status, "pass") == 0) return LANE_PASS;
    snprintf(why, 240, "in the stage-6 comparison: %.190s", text(lane, "rationale"));
    return strcmp(status, "fail") == 0 ? LANE_FAIL : LANE_BLOCKED;
}

/* The comparison that proves the stage, which need not be the newest; "" when none does. */
static void proven_comparison(const struct ladder *l, char id[RUN_ID_MAX]) {
    const char *path = l->rungs[STAGE_COUNT].report_path, *end = strrchr(path, '/'), *begin = end;
    id[0] = '\0';
    while (begin && begin > path && begin[-1] != '/') begin--;
    if (end && (size_t)(end - begin) < RUN_ID_MAX) snprintf(id, RUN_ID_MAX, "%.*s", (int)(end - begin), begin);
}

void refresh_carry(struct refresh *x, const char *backend) {
    struct err e = ERR_INIT;
    char id[RUN_ID_MAX];
    proven_comparison(&x->ladder, id);
    if (comparison_read(&x->compared, &x->home, x->store, COMPARISON_STAGE6, id[0] ? id : NULL, backend, &x->stage6,
                        &e) < 0) {
        x->closure = e.code == ERR_CONFLICT ? LANE_FAIL : LANE_BLOCKED;
        snprintf(x->closure_why, sizeof x->closure_why, "%.230s", e.text);
        return;
    }
    x->closure = closure_of(x->stage6, backend, x->closure_why);
}
