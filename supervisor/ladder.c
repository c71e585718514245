/* ladder.c - see ladder.h. Rows are collected first and judged afterwards, so that no statement is open while files are read. */
#include "supervisor/ladder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h"
#include "common/io.h"
#include "common/json.h"
#include "common/path.h"
#include "supervisor/standing.h"
#include "supervisor/store.h"

#define EVIDENCE_MAX (64u << 20)

const char *rung_status_name(enum rung_status s) {
    static const char *const names[] = {"not_proven", "mechanics_validated", "validated"};
    BUG_UNLESS((unsigned)s < 3);
    return names[s];
}

/* --- evidence -------------------------------------------------------------------------------------------------------------- */

char *ladder_evidence(const struct home *h, const char *path, const char *sha256, char why[160]) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    char digest[DIGEST_HEX_SIZE];
    size_t n = strlen(h->runs);
    const char *below = strncmp(path, h->runs, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
    if (!below || !path_is_plain_relative(below, strlen(below))) {
        snprintf(why, 160, "its evidence is not among the runs of this home");
        return NULL;
    }
    AUTO_FD int runs = open(h->runs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD int fd = runs < 0 ? -1 : io_open_beneath_quiet(runs, below, O_RDONLY | O_NONBLOCK, 0);
    char at[64];
    snprintf(at, sizeof at, "/proc/self/fd/%d", fd); /* the very file that was opened, whatever happens to its name */
    if (fd < 0 || io_read_file_at(AT_FDCWD, at, EVIDENCE_MAX, &text, NULL) < 0) {
        snprintf(why, 160, "its evidence cannot be read");
        return NULL;
    }
    digest_bytes(buf_str(&text), text.len, digest);
    if (strcmp(digest, sha256) != 0) {
        snprintf(why, 160, "its evidence is not what was recorded");
        return NULL;
    }
    char *out = text.p ? buf_detach(&text) : strdup("");
    BUG_UNLESS(out != NULL);
    return out;
}

/* --- the rungs --------------------------------------------------------------------------------------------------------------- */

struct proofs {
    struct store_proof_row *v;
    size_t n;
};

static int keep_proof(void *ctx, const struct store_proof_row *row) {
    struct proofs *p = ctx;
    struct store_proof_row *more = realloc(p->v, (p->n + 1) * sizeof *more);
    BUG_UNLESS(more != NULL);
    p->v = more;
    p->v[p->n++] = *row;
    return 0;
}

static bool holds(const struct home *h, const struct store_proof_row *row, char why[160]) {
    char *text = ladder_evidence(h, row->report_path, row->sha256, why);
    bool there = text != NULL;
    free(text);
    return there;
}

static void judge_proof(struct rung *r, const struct home *h, const struct store_proof_row *row) {
    bool real = strcmp(row->kind, "real") == 0, dbl = strcmp(row->kind, "double") == 0;
    enum rung_status says = real ? RUNG_VALIDATED : RUNG_MECHANICS;
    if ((!real && !dbl) || r->status >= says) return;
    if (strcmp(row->build_id, CTO_BUILD_ID) != 0) {
        if (r->status == RUNG_NOT_PROVEN && !r->why[0]) snprintf(r->why, sizeof r->why, "proven on another build only");
        return;
    }
    char why[160];
    if (!holds(h, row, why)) {
        if (r->status == RUNG_NOT_PROVEN) snprintf(r->why, sizeof r->why, "%s", why);
        return;
    }
    *r = (struct rung){.status = says, .proven_ms = row->proven_ms};
    snprintf(r->report_path, sizeof r->report_path, "%s", row->report_path);
    snprintf(r->sha256, sizeof r->sha256, "%s", row->sha256);
}

static int read_rungs(struct ladder *l, const struct home *h, struct store *s, const char *backend, struct err *e) {
    struct proofs p = {0};
    int rc = s ? store_proofs(s, backend, keep_proof, &p, e) : 0;
    for (size_t i = 0; rc == 0 && i < p.n; i++)
        if (p.v[i].stage >= 0 && p.v[i].stage <= STAGE_COUNT) judge_proof(&l->rungs[p.v[i].stage], h, &p.v[i]);
    free(p.v);
    for (int i = 0; i <= STAGE_COUNT; i++)
        if (l->rungs[i].status == RUNG_NOT_PROVEN && !l->rungs[i].why[0])
            snprintf(l->rungs[i].why, sizeof l->rungs[i].why, "no proof of it was recorded");
    return rc;
}

/* A comparison lies in a directory that has its id. */
static int read_acceptance(struct ladder *l, struct store *s, struct err *e) {
    const struct rung *six = &l->rungs[STAGE_COUNT];
    char id[RUN_ID_MAX];
    if (!s || six->status != RUNG_VALIDATED) return 0;
    const char *end = strrchr(six->report_path, '/'), *begin = end;
    while (begin > six->report_path && begin[-1] != '/') begin--;
    if ((size_t)(end - begin) >= sizeof id) return 0;
    snprintf(id, sizeof id, "%.*s", (int)(end - begin), begin);
    return store_outcome_is(s, id, "accepted", &l->comparison_accepted, e);
}

/* --- repeatability ------------------------------------------------------------------------------------------------------------ */

static bool says(const cJSON *o, const char *key, const char *word) {
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return s && strcmp(s, word) == 0;
}

static bool is_stage5(const cJSON *report) {
    const cJSON *stage = cJSON_GetObjectItemCaseSensitive(report, "case_stage");
    return cJSON_IsNumber(stage) && stage->valueint == 5;
}

/* A run that counts: the report that was sealed, a pass of stage 5 by the real backend, accepted, promoting nothing. */
static bool counts(const cJSON *report) {
    return is_stage5(report) && says(report, "status", "pass") && says(report, "proof_kind", "real") &&
           says(report, "operator_outcome", "accepted") && standing_activation_false(report) &&
           standing_not_promoted(report);
}

struct passes {
    struct store_run_row *v;
    int n;
};

static int keep_run(void *ctx, const struct store_run_row *row) {
    struct passes *p = ctx;
    if (p->n < LADDER_RUNS_MAX) p->v[p->n++] = *row;
    return 0;
}

static bool seen_before(const struct passes *p, const bool *good, int i) {
    for (int k = 0; k < i; k++)
        if (good[k] && strcmp(p->v[k].case_id, p->v[i].case_id) == 0) return true;
    return false;
}

static void judge_run(struct ladder *l, const struct home *h, const struct passes *p, bool *good, int i) {
    char path[4096], why[160];
    if (snprintf(path, sizeof path, "%s/%s/" EVIDENCE_REPORT, h->runs, p->v[i].run_id) >= (int)sizeof path) return;
    AUTO_FREE char *text = ladder_evidence(h, path, p->v[i].report_sha256, why);
    if (!text) {
        l->not_holding++;
        return;
    }
    cJSON *report = cJSON_Parse(text);
    good[i] = counts(report);
    cJSON_Delete(report);
    if (!good[i] || seen_before(p, good, i)) return;
    if (l->repeatability_count < LADDER_REPEATS) {
        struct repeat *r = &l->repeats[l->repeatability_count];
        snprintf(r->run_id, sizeof r->run_id, "%s", p->v[i].run_id);
        snprintf(r->case_id, sizeof r->case_id, "%s", p->v[i].case_id);
        snprintf(r->report_path, sizeof r->report_path, "%s", path);
        snprintf(r->sha256, sizeof r->sha256, "%s", p->v[i].report_sha256);
    }
    l->repeatability_count++;
}

static int read_repeats(struct ladder *l, const struct home *h, struct store *s, const char *backend, struct err *e) {
    bool good[LADDER_RUNS_MAX] = {false};
    struct passes p = {.v = calloc(LADDER_RUNS_MAX, sizeof *p.v)};
    BUG_UNLESS(p.v != NULL);
    int rc = s ? store_runs_accepted(s, backend, LADDER_RUNS_MAX, keep_run, &p, e) : 0;
    for (int i = 0; rc == 0 && i < p.n; i++) judge_run(l, h, &p, good, i);
    free(p.v);
    return rc;
}

void ladder_conclude(struct ladder *l) {
    bool all = true;
    for (int i = 1; i <= STAGE_COUNT; i++) all = all && l->rungs[i].status == RUNG_VALIDATED;
    l->candidate_default_eligible = all && l->comparison_accepted;
    /* Passes without the stage that compares them are runs, no repetition. */
    if (l->rungs[5].status != RUNG_VALIDATED || l->rungs[6].status != RUNG_VALIDATED) l->repeatability_count = 0;
    l->repeatability_status = l->not_holding > 0                         ? "fail"
                              : l->repeatability_count >= LADDER_REPEATS ? "pass"
                                                                         : "blocked";
    l->repeatability_eligible = l->candidate_default_eligible && strcmp(l->repeatability_status, "pass") == 0;
}

int ladder_read(struct ladder *ret, const struct home *h, struct store *s, const char *backend, struct err *e) {
    memset(ret, 0, sizeof *ret);
    if (read_rungs(ret, h, s, backend, e) < 0 || read_acceptance(ret, s, e) < 0 ||
        read_repeats(ret, h, s, backend, e) < 0)
        return -1;
    ladder_conclude(ret);
    return 0;
}
