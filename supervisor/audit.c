/* audit.c - see audit.h. What several claims look at is found once; then each claim asks for its parts. A run counts as evidence when
 * its directory verifies and is the one that was sealed; of each kind the newest few are tried. */
#include "supervisor/audit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/binaries.h"
#include "supervisor/case.h"
#include "supervisor/engines.h"
#include "supervisor/standing.h"
#include "supervisor/store.h"
#include "supervisor/verify.h"

#define LISTED 400 /* rows of a status that are considered, newest first */
#define TRIED 20   /* directories that are verified before it is said that there is none */

struct finder {
    struct audit *a;
    struct audit_claim *at; /* the claim that is decided */
    const struct home *h;
    struct store *s;
    struct ladder l;
};

/* --- parts ------------------------------------------------------------------------------------------------------------------ */

static void part(struct finder *f, const char *name, bool holds, const char *ref, const char *why, ...)
    __attribute__((format(printf, 5, 6)));
static void part(struct finder *f, const char *name, bool holds, const char *ref, const char *why, ...) {
    BUG_UNLESS(f->at->n_parts < AUDIT_PARTS_MAX);
    struct audit_part *p = &f->at->parts[f->at->n_parts++];
    p->name = name;
    p->holds = holds;
    snprintf(p->ref, sizeof p->ref, "%s", holds ? ref : "");
    va_list ap;
    va_start(ap, why);
    if (!holds) vsnprintf(p->why, sizeof p->why, why, ap);
    va_end(ap);
}

static void rung(struct finder *f, const char *name, int stage) {
    const struct rung *r = &f->l.rungs[stage];
    part(f, name, r->status == RUNG_VALIDATED, r->report_path, "%s",
         r->status == RUNG_MECHANICS ? "proven with a double only" : r->why);
}

/* --- runs as evidence --------------------------------------------------------------------------------------------------------- */

typedef bool (*report_fn)(const cJSON *report);

struct rows {
    struct store_run_row *v;
    int n;
    const char *reason; /* only with this blocker; NULL: any */
};

static int keep(void *ctx, const struct store_run_row *row) {
    struct rows *r = ctx;
    if (r->reason && !strstr(row->reasons, r->reason)) return 0;
    r->v[r->n++] = *row;
    return r->n == TRIED;
}

/* Its report, when the directory holds, is the sealed one, and is of this build. */
static cJSON *holding_report(const struct finder *f, const struct store_run_row *row, char path[4096]) {
    char dir[4096], why[160];
    struct verify_report v;
    if (snprintf(dir, sizeof dir, "%s/%s", f->h->runs, row->run_id) >= (int)sizeof dir ||
        snprintf(path, 4096, "%s/%s/" EVIDENCE_REPORT, f->h->runs, row->run_id) >= 4096)
        return NULL;
    if (verify_run_dir(dir, row->run_id, &v, NULL) < 0 || !v.ok || strcmp(v.report_sha256, row->report_sha256) != 0)
        return NULL;
    AUTO_FREE char *text = ladder_evidence(f->h, path, row->report_sha256, why);
    cJSON *report = text ? cJSON_Parse(text) : NULL;
    const cJSON *build =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(report, "environment"), "build_id");
    if (cJSON_IsString(build) && strcmp(build->valuestring, CTO_BUILD_ID) == 0) return report;
    cJSON_Delete(report);
    return NULL;
}

/* The newest run of this status, and with this reason, that holds and of which `shows` is true. */
static void run_that(struct finder *f, const char *name, const char *status, const char *reason, report_fn shows,
                     const char *why) {
    const struct store_filter filter = {.status = status, .limit = LISTED};
    struct rows r = {.v = calloc(TRIED, sizeof *r.v), .reason = reason};
    BUG_UNLESS(r.v != NULL);
    char path[4096] = "";
    bool found = false;
    if (f->s && store_runs_list(f->s, &filter, keep, &r, NULL) >= 0)
        for (int i = 0; i < r.n && !found; i++) {
            cJSON *report = holding_report(f, &r.v[i], path);
            found = report && shows(report);
            cJSON_Delete(report);
        }
    part(f, name, found, path, "%s", why);
    free(r.v);
}

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

static bool says(const cJSON *o, const char *key, const char *word) {
    const char *s = cJSON_GetStringValue(get(o, key));
    return s && strcmp(s, word) == 0;
}

static bool has_reason(const cJSON *report, const char *reason) {
    const cJSON *x;
    cJSON_ArrayForEach(x, get(report, "blocker_reasons")) {
        if (cJSON_IsString(x) && strcmp(x->valuestring, reason) == 0) return true;
    }
    return false;
}

static bool promotes_nothing(const cJSON *r) { return standing_activation_false(r) && standing_not_promoted(r); }

static bool was_routed(const cJSON *r) {
    const cJSON *d = get(r, "eligibility");
    const char *backend = cJSON_GetStringValue(get(r, "backend"));
    return backend && cJSON_IsString(get(d, "decision_id")) && says(d, "selected_backend", backend);
}

static bool was_denied(const cJSON *r) {
    const cJSON *d = get(r, "eligibility");
    return says(d, "selected_backend", "none") && cJSON_GetArraySize(get(d, "denied_backends")) > 0;
}

static bool changed_within(const cJSON *r) {
    return cJSON_IsTrue(get(r, "allowed_writes_passed")) && cJSON_GetArraySize(get(r, "changed_files")) > 0;
}

static bool tests_decided(const cJSON *r) {
    return cJSON_IsTrue(get(r, "tests_passed")) && cJSON_GetArraySize(get(r, "verification")) > 0;
}

static bool left_its_paths(const cJSON *r) { return has_reason(r, "disallowed_file_change"); }
static bool failed_its_tests(const cJSON *r) { return has_reason(r, "verification_failed"); }

static bool names_files_by_relative_paths(const cJSON *r) {
    const cJSON *x, *paths = get(r, "artifact_paths");
    int n = 0;
    cJSON_ArrayForEach(x, paths) {
        if (!cJSON_IsString(x) || x->valuestring[0] == '/') return false;
        n++;
    }
    return n > 0;
}

/* --- other records ------------------------------------------------------------------------------------------------------------ */

static int keep_matrix(void *ctx, const struct store_matrix *m) {
    struct store_matrix *newest = ctx;
    if (strcmp(m->kind, "run-all-fake") == 0 && m->finished_ms > 0) *newest = *m;
    return 0;
}

/* Those that come with the program, whatever --cases says: a matrix of one case of one's own shows nothing. */
static int64_t cases_there_are(void) {
    char dir[PATH_MAX], **ids = NULL;
    int n = home_default_cases(dir, NULL) < 0 ? -1 : case_ids(dir, false, &ids, NULL);
    if (n < 0) return INT64_MAX; /* not known */
    case_ids_free(ids, n);
    return n;
}

static void matrix_part(struct finder *f) {
    struct store_matrix *m = calloc(1, sizeof *m);
    struct verify_report v;
    char dir[4096], why[160] = "run-all-fake was not run to its end";
    BUG_UNLESS(m != NULL);
    bool there = f->s && store_matrices(f->s, keep_matrix, m, NULL) == 0 && m->id[0];
    bool good = there && !m->interrupted && m->unexpected == 0 && m->planned > 0;
    if (there && !good) snprintf(why, sizeof why, "the newest run-all-fake was not as expected");
    if (good && m->planned < cases_there_are()) {
        snprintf(why, sizeof why, "the newest run-all-fake left cases out");
        good = false;
    }
    AUTO_FREE char *text = good ? ladder_evidence(f->h, m->report_path, m->report_sha256, why) : NULL;
    cJSON *report = text ? cJSON_Parse(text) : NULL;
    if (text && !says(get(report, "environment"), "build_id", CTO_BUILD_ID)) {
        snprintf(why, sizeof why, "the newest run-all-fake is of another build");
        good = false;
    }
    good = good && text && snprintf(dir, sizeof dir, "%s/%s", f->h->runs, m->id) < (int)sizeof dir &&
           verify_matrix_dir(dir, &v, NULL) == 0 && v.ok;
    part(f, "run_all_fake_as_expected", good, m->report_path, "%s", why);
    cJSON_Delete(report);
    free(m);
}

struct approval_found {
    char id[96];
    char run_id[RUN_ID_MAX];
};

static int keep_approval(void *ctx, const struct store_approval *a) {
    struct approval_found *found = ctx;
    struct err e = ERR_INIT;
    if (strcmp(a->state, "consumed") != 0 || strcmp(a->run_verdict, "pass") != 0 || !admission_actor_ok(a->actor, &e))
        return 0;
    snprintf(found->id, sizeof found->id, "%s", a->id);
    snprintf(found->run_id, sizeof found->run_id, "%s", a->run_id);
    return 1;
}

/* The row and the report must name each other. */
static void approval_part(struct finder *f) {
    struct approval_found a = {.id = ""};
    char path[4096] = "";
    bool holds = false;
    struct store_run_row *row = calloc(1, sizeof *row);
    BUG_UNLESS(row != NULL);
    if (f->s && store_approvals(f->s, NULL, NULL, NULL, keep_approval, &a, NULL) == 1 &&
        store_run_get(f->s, a.run_id, row, NULL) == 0) {
        cJSON *report = holding_report(f, row, path);
        holds = report && says(get(report, "approval"), "approval_id", a.id);
        cJSON_Delete(report);
    }
    part(f, "approval_of_a_person_was_used_once", holds, path,
         "no passing run that used a person's approval, with evidence");
    free(row);
}

static int count_target(void *ctx, const struct store_admission *a) {
    struct err e = ERR_INIT;
    struct admission r;
    if (!a->newest || a->revoked_ms || admission_read(ADMIT_TARGET, a->id, a->record, strlen(a->record), &r, &e) < 0)
        return 0;
    if (r.n_refusals == 0 && strcmp(r.digest, a->digest) == 0) snprintf(ctx, 96, "%s", a->id);
    admission_release(&r);
    return 0;
}

static void target_part(struct finder *f) {
    char id[96] = "";
    bool read = f->s && store_admissions(f->s, "target", count_target, id, NULL) == 0;
    part(f, "target_admission_in_force", read && id[0], id, "no target repository is admitted");
}

static void programs_part(struct finder *f) {
    struct binaries *b = NULL;
    struct err e = ERR_INIT;
    bool same = binaries_check(f->h->libexec, &b, &e) == 0;
    part(f, "programs_of_one_build", same, f->h->libexec, "%.190s", e.text);
    binaries_free(b);
}

/* --- the claims ----------------------------------------------------------------------------------------------------------------- */

static void cortex_governs(struct finder *f) {
    run_that(f, "runs_promote_nothing", NULL, NULL, promotes_nothing, "no run of this build whose evidence holds");
    rung(f, "stage1_validated", 1);
}

static void hermes_controls(struct finder *f) {
    approval_part(f);
    part(f, "operator_outcome_recorded", f->l.repeatability_count > 0, f->l.repeats[0].report_path,
         "no stage 5 pass with an accepted outcome");
}

static void cto_routes(struct finder *f) {
    run_that(f, "decision_before_a_pass", "pass", NULL, was_routed, "no pass whose report has an eligibility decision");
    run_that(f, "decision_that_denied", "blocked", NULL, was_denied,
             "no blocked run whose decision denied its backend");
}

static void harness_proves(struct finder *f) {
    matrix_part(f);
    run_that(f, "pass_by_its_tests", "pass", NULL, tests_decided,
             "no pass of this build whose tests and evidence hold");
    run_that(f, "failed_tests_fail", "fail", "verification_failed", failed_its_tests,
             "no run of this build that failed by its tests");
}

static void case_only_after_proof(struct finder *f) {
    rung(f, "stage1_validated", 1);
    rung(f, "stage2_validated", 2);
}

static void bounded_changes(struct finder *f) {
    run_that(f, "change_within_its_paths", "pass", NULL, changed_within,
             "no pass of this build that changed files within its paths");
    run_that(f, "change_outside_fails", "fail", "disallowed_file_change", left_its_paths,
             "no run of this build that failed by leaving its paths");
    rung(f, "stage3_validated", 3);
    rung(f, "stage4_validated", 4);
}

static void targets_protected(struct finder *f) {
    target_part(f);
    rung(f, "stage5_validated", 5);
}

static void default_is_earned(struct finder *f) {
    bool fake = strcmp(engine_at(0)->name, "fake") == 0, gated = true;
    for (int i = 1; engine_at(i); i++) gated = gated && engine_at(i)->gated_by_env;
    part(f, "default_lane_is_fake", fake && gated, "", "another backend is the default, or one has no gate");
    rung(f, "stage1_validated", 1);
    run_that(f, "runs_activate_nothing", NULL, NULL, promotes_nothing, "no run of this build whose evidence holds");
}

static void candidate_evidence(struct finder *f) {
    rung(f, "stage6_validated", 6);
    part(f, "comparison_accepted", f->l.comparison_accepted, f->l.rungs[6].report_path,
         "no operator accepted the comparison");
    part(f, "repeatability_passed", f->l.repeatability_eligible, f->l.repeats[0].report_path,
         "repeatability is %s, %d of %d", f->l.repeatability_status, f->l.repeatability_count, LADDER_REPEATS);
}

static void transportable(struct finder *f) {
    programs_part(f);
    matrix_part(f);
    run_that(f, "evidence_names_files_by_relative_paths", "pass", NULL, names_files_by_relative_paths,
             "no pass of this build whose evidence can be copied");
}

static const struct {
    const char *id, *claim;
    void (*decide)(struct finder *f);
} claims[AUDIT_CLAIMS] = {
    {"cortex_governs", "Cortex governs", cortex_governs},
    {"hermes_controls", "Hermes controls", hermes_controls},
    {"cto_routes", "CTO routes", cto_routes},
    {"harness_proves", "Harness proves", harness_proves},
    {"case_executes_only_after_proof", "Case executes only after proof", case_only_after_proof},
    {"bounded_code_changes_with_evidence", "bounded code changes with evidence", bounded_changes},
    {"target_repos_stay_owned_and_protected", "target repos stay owned and protected", targets_protected},
    {"default_status_is_earned_not_assumed", "default status is earned not assumed", default_is_earned},
    {"candidate_default_evidence", "candidate-default evidence", candidate_evidence},
    {"transportable_stack", "transportable stack", transportable},
};

int audit_endgoal(struct audit *ret, const struct home *h, struct store *s, struct err *e) {
    struct finder *f = calloc(1, sizeof *f);
    BUG_UNLESS(f != NULL);
    memset(ret, 0, sizeof *ret);
    *f = (struct finder){.a = ret, .h = h, .s = s};
    int rc = ladder_read(&f->l, h, s, LADDER_BACKEND, e);
    ret->complete = rc == 0;
    for (int i = 0; rc == 0 && i < AUDIT_CLAIMS; i++) {
        f->at = &ret->claims[i];
        f->at->id = claims[i].id;
        f->at->claim = claims[i].claim;
        claims[i].decide(f);
        f->at->proven = f->at->n_parts > 0;
        for (int k = 0; k < f->at->n_parts; k++) f->at->proven = f->at->proven && f->at->parts[k].holds;
        ret->complete = ret->complete && f->at->proven;
    }
    free(f);
    return rc;
}
