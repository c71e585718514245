/* comparison.c - see comparison.h. */
#include "supervisor/comparison.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/io.h"
#include "supervisor/ladder.h"
#include "supervisor/matrix_report.h"
#include "supervisor/verify.h"

static const struct {
    const char *name, *file;
    bool with_pid;
} kinds[COMPARISON_KINDS] = {
    [COMPARISON_STAGE6] = {"stage6-candidate-default", VERIFY_STAGE6_FILE, true},
    [COMPARISON_REFRESH] = {"stage6-real-governed-refresh", VERIFY_REFRESH_FILE, false},
};

const char *comparison_kind_name(enum comparison_kind k) { return kinds[k].name; }
const char *comparison_file(enum comparison_kind k) { return kinds[k].file; }

/* --- making one ------------------------------------------------------------------------------------------------------------ */

struct begin {
    struct comparison *c;
    struct executor *x;
};

static int reserve(void *ctx, const char *id, struct err *e) {
    const struct begin *b = ctx;
    struct store_matrix m = {.started_ms = b->c->made_ms};
    snprintf(m.id, sizeof m.id, "%s", id);
    snprintf(m.kind, sizeof m.kind, "%s", kinds[b->c->kind].name);
    snprintf(m.backend, sizeof m.backend, "%s", b->c->backend);
    snprintf(m.supervisor_id, sizeof m.supervisor_id, "%s", executor_id(b->x));
    return store_matrix_insert(executor_store(b->x), &m, e);
}

int comparison_begin(struct comparison *c, const struct home *h, struct executor *x, struct err *e) {
    struct begin b = {c, x};
    c->made_ms = clock_real_ms();
    return matrix_dir_create(h, kinds[c->kind].name, kinds[c->kind].with_pid, c->made_ms, reserve, &b, c->id, e);
}

static int write_one(int dir, const char *name, const char *text, struct buf *sums, char sha256[DIGEST_HEX_SIZE],
                     struct err *e) {
    digest_bytes(text, strlen(text), sha256);
    if (sums) buf_printf(sums, "%s  %s\n", sha256, name);
    return io_replace_file_at(dir, name, text, strlen(text), 0600, 1, e);
}

static int write_files(struct comparison *c, const struct home *h, const char *json, const char *md, struct err *e) {
    char at[8192], other[DIGEST_HEX_SIZE];
    AUTO_BUF struct buf sums = BUF_INIT(4096);
    snprintf(at, sizeof at, "%s/%s", h->runs, c->id);
    if (snprintf(c->path, sizeof c->path, "%s/%s", at, kinds[c->kind].file) >= (int)sizeof c->path)
        return err_set(e, ERR_LIMIT, "%s: path too long", at);
    AUTO_FD int dir = open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) return err_sys(e, "open %s", at);
    /* in the order of their names, as the list must be */
    if (write_one(dir, EVIDENCE_REPORT_MD, md, &sums, other, e) < 0 ||
        write_one(dir, kinds[c->kind].file, json, &sums, c->sha256, e) < 0 ||
        write_one(dir, EVIDENCE_SUMS, buf_str(&sums), NULL, other, e) < 0)
        return err_ctx(e, "%s", at);
    return 0;
}

int comparison_finish(struct comparison *c, const struct home *h, struct store *s, const cJSON *doc, const char *md,
                      struct err *e) {
    AUTO_FREE char *json = cJSON_Print(doc);
    BUG_UNLESS(json != NULL);
    if (write_files(c, h, json, md, e) < 0) return -1;
    struct store_matrix m = {.finished_ms = clock_real_ms(),
                             .planned = c->passed + c->failed + c->blocked,
                             .passed = c->passed,
                             .failed = c->failed,
                             .blocked = c->blocked};
    snprintf(m.id, sizeof m.id, "%s", c->id);
    snprintf(m.report_path, sizeof m.report_path, "%s", c->path);
    snprintf(m.report_sha256, sizeof m.report_sha256, "%s", c->sha256);
    return store_matrix_finish(s, &m, e);
}

/* --- reading one ----------------------------------------------------------------------------------------------------------- */

struct search {
    const char *kind, *id, *backend;
    struct store_matrix m;
    bool found;
};

static int consider(void *ctx, const struct store_matrix *m) { /* oldest first: the last one stays */
    struct search *q = ctx;
    const bool good = strcmp(m->kind, q->kind) == 0 && m->finished_ms && m->report_path[0] &&
                      (q->id ? strcmp(m->id, q->id) == 0 : !q->backend || strcmp(m->backend, q->backend) == 0);
    if (good) q->m = *m;
    q->found |= good;
    return 0;
}

static int read_it(struct comparison *c, const struct home *h, cJSON **ret_doc, struct err *e) {
    char dir[8192], why[160] = "";
    struct verify_report v;
    snprintf(dir, sizeof dir, "%s/%s", h->runs, c->id);
    if (verify_matrix_dir(dir, &v, e) < 0) return -1;
    if (!v.ok) return err_set(e, ERR_CONFLICT, "comparison %s does not hold: %s %s", c->id, v.file, v.what);
    if (snprintf(c->path, sizeof c->path, "%s/%s", dir, kinds[c->kind].file) >= (int)sizeof c->path)
        return err_set(e, ERR_LIMIT, "%s: path too long", dir);
    AUTO_FREE char *text = ladder_evidence(h, c->path, c->sha256, why);
    *ret_doc = text ? cJSON_Parse(text) : NULL;
    if (*ret_doc) return 0;
    return err_set(e, ERR_CONFLICT, "comparison %s does not hold: %s", c->id, why[0] ? why : "its document is no JSON");
}

int comparison_read(struct comparison *ret, const struct home *h, struct store *s, enum comparison_kind kind,
                    const char *id, const char *backend, cJSON **ret_doc, struct err *e) {
    struct search q = {.kind = kinds[kind].name, .id = id, .backend = backend};
    *ret = (struct comparison){.kind = kind};
    if (s && store_matrices(s, consider, &q, e) < 0) return -1;
    if (!q.found)
        return err_set(e, ERR_MISSING, "no %s comparison%s%.150s in this home; see 'cto-harness compare --help'",
                       q.kind, id ? " " : "", id ? id : "");
    snprintf(ret->id, sizeof ret->id, "%s", q.m.id);
    snprintf(ret->backend, sizeof ret->backend, "%s", q.m.backend);
    snprintf(ret->sha256, sizeof ret->sha256, "%s", q.m.report_sha256);
    ret->made_ms = q.m.started_ms;
    return read_it(ret, h, ret_doc, e);
}

bool comparison_known(struct store *s, const char *id, enum comparison_kind *ret) {
    struct store_matrix m;
    if (store_matrix_get(s, id, &m, NULL) < 0 || !m.finished_ms || !m.report_path[0]) return false;
    for (int k = 0; k < COMPARISON_KINDS; k++) {
        if (strcmp(m.kind, kinds[k].name) != 0) continue;
        *ret = (enum comparison_kind)k;
        return true;
    }
    return false;
}
