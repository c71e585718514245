/* verify.c - one directory, checked from the outside in: which files are there, do their bytes have the listed digests,
 * does the chain of events hold, does the report agree with all of it. Nothing is believed before the step that covers
 * it.
 *
 * The directory may have been made by an enemy: names and sizes are bounded, links are not followed, FIFOs and devices
 * are not opened for reading, JSON is parsed with bounded depth. The check compares with what this program knows
 * (blockers, event order, constants), never with a rule that the directory brings along.
 */
#include "supervisor/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/seal.h"
#include "supervisor/verify_internal.h"

int verify_bad(struct verify_state *v, const char *file, const char *fmt, ...) {
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (v->out->what[0]) return -1;
    AUTO_BUF struct buf clean = BUF_INIT(8192); /* names in a hostile directory are not for the terminal */
    report_put_text(&clean, file, false);
    snprintf(v->out->file, sizeof v->out->file, "%s", buf_str(&clean));
    buf_reset(&clean);
    report_put_text(&clean, text, false);
    snprintf(v->out->what, sizeof v->out->what, "%s", buf_str(&clean));
    return -1;
}

const struct verify_file *verify_find(const struct verify_state *v, const char *path) {
    for (int i = 0; i < v->n_files; i++)
        if (strcmp(v->files[i].path, path) == 0) return &v->files[i];
    return NULL;
}

static bool tree_is_sane(const cJSON *node, int depth) {
    if (depth > JSON_MAX_DEPTH) return false;
    int keys = 0;
    for (const cJSON *c = node->child; c; c = c->next) {
        if (cJSON_IsObject(node)) {
            if (++keys > VERIFY_MAX_FILES) return false;
            for (const cJSON *d = c->next; d; d = d->next)
                if (strcmp(c->string, d->string) == 0) return false;
        }
        if (c->child && !tree_is_sane(c, depth + 1)) return false;
    }
    return true;
}

cJSON *verify_json(const char *text, size_t n) {
    const char *end = NULL;
    if (memchr(text, 0, n) || !json_is_utf8(text, n)) return NULL;
    cJSON *o = cJSON_ParseWithLengthOpts(text, n, &end, 0);
    while (o && end < text + n && strchr(" \t\r\n", *end)) end++;
    if (o && (end != text + n || !tree_is_sane(o, 1))) {
        cJSON_Delete(o);
        return NULL;
    }
    return o;
}

static void release(struct verify_state *v) {
    if (v->dir >= 0) close(v->dir);
    free(v->files);
    for (int i = 0; i < v->n_types; i++) free(v->types[i]);
    cJSON_Delete(v->completed_data);
    cJSON_Delete(v->gate_data);
    cJSON_Delete(v->approval_data);
    free(v);
}

static struct verify_state *open_state(const char *dir, struct verify_report *ret, struct err *e) {
    memset(ret, 0, sizeof *ret);
    struct verify_state *v = calloc(1, sizeof *v);
    BUG_UNLESS(v != NULL);
    v->out = ret;
    memcpy(v->prev, EVIDENCE_ZERO_PREV, sizeof v->prev);
    v->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (v->dir >= 0) return v;
    if (errno == ENOENT || errno == ENOTDIR)
        err_set(e, ERR_MISSING, "%s: no such run directory", dir);
    else
        err_sys(e, "%s", dir);
    release(v);
    return NULL;
}

int verify_run_dir(const char *dir, const char *expect_run_id, struct verify_report *ret, struct err *e) {
    struct verify_state *v = open_state(dir, ret, e);
    if (!v) return -1;
    bool ok = verify_files(v) == 0 && verify_required(v) == 0 && verify_events(v) == 0 && verify_result(v) == 0;
    if (ok && expect_run_id && strcmp(v->run_id, expect_run_id) != 0)
        ok = verify_bad(v, EVIDENCE_EVENTS, "is of run %s, expected %s", v->run_id, expect_run_id) == 0;
    ret->ok = ok;
    ret->files = v->n_files + 1;
    ret->events = v->seq;
    snprintf(ret->run_id, sizeof ret->run_id, "%s", v->run_id);
    snprintf(ret->case_id, sizeof ret->case_id, "%s", v->case_id);
    BUG_UNLESS(ok || ret->what[0]);
    release(v);
    return 0;
}

int verify_matrix_dir(const char *dir, struct verify_report *ret, struct err *e) {
    struct verify_state *v = open_state(dir, ret, e);
    if (!v) return -1;
    v->any_document = true;
    ret->ok = verify_files(v) == 0;
    ret->files = v->n_files + 1;
    release(v);
    return 0;
}
