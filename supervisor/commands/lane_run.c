/* lane_run.c - see lane_run.h. */
#include "supervisor/commands/lane_run.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/evidence.h"

#define SEARCHED_MAX (64u << 20) /* of one file */
#define DEPTH_MAX 4

void lane_seen_release(struct lane_seen *s) {
    cJSON_Delete(s->report);
    s->report = NULL;
}

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

/* --- running ------------------------------------------------------------------------------------------------------------------ */

static void look(const struct batch *b, int i, struct lane_seen *s) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    *s = (struct lane_seen){.as_expected = b->rows[i].as_expected, .interrupted = b->interrupted};
    if (!b->report_paths[i][0] || b->rows[i].status == VERDICT_NONE ||
        io_read_file_at(AT_FDCWD, b->report_paths[i], SEARCHED_MAX, &text, NULL) < 0)
        return;
    snprintf(s->path, sizeof s->path, "%s", b->report_paths[i]);
    snprintf(s->dir, sizeof s->dir, "%.*s", (int)(strlen(s->path) - strlen("/" EVIDENCE_REPORT)), s->path);
    snprintf(s->run_id, sizeof s->run_id, "%s", b->rows[i].run_id);
    digest_bytes(buf_str(&text), text.len, s->sha256);
    s->report = cJSON_Parse(buf_str(&text));
    struct err e = ERR_INIT;
    if (verify_run_dir(s->dir, s->run_id, &s->verified, &e) < 0)
        snprintf(s->verified.what, sizeof s->verified.what, "%.390s", e.text);
    if (s->verified.ok && strcmp(s->verified.report_sha256, b->rows[i].report_sha256) != 0) {
        s->verified.ok = false;
        snprintf(s->verified.what, sizeof s->verified.what, "the report is not the one that was sealed");
    }
}

static int finish(struct batch *b, int n, struct lane_seen *ret, struct err *e) {
    for (int i = 0; i < n; i++) look(b, i, &ret[i]);
    const int rc = b->failure.code == ERR_NONE ? 0 : err_set(e, b->failure.code, "%s", b->failure.text);
    batch_release(b);
    return rc;
}

void lane_cases(const char *own, const char *id, char ret[PATH_MAX]) {
    char at[CASE_ID_MAX + 16], shipped[PATH_MAX];
    if (case_find(own, id, at, NULL) == 0 || home_default_cases(shipped, NULL) < 0 ||
        case_find(shipped, id, at, NULL) < 0)
        snprintf(ret, PATH_MAX, "%s", own);
    else
        memcpy(ret, shipped, sizeof shipped);
}

/* The same options, with the folder that has all of these. */
static int with_cases(const struct global_options *g, const char *const *ids, int n, struct global_options *ret,
                      char cases[PATH_MAX], struct err *e) {
    struct home h;
    if (home_resolve(&h, &g->home, e) < 0) return -1;
    snprintf(cases, PATH_MAX, "%s", h.cases);
    for (int i = 0; i < n && strcmp(cases, h.cases) == 0; i++) lane_cases(h.cases, ids[i], cases);
    *ret = *g;
    ret->home.cases = cases;
    return 0;
}

int lane_run(const struct global_options *g, const struct lane_order *o, struct lane_seen *ret, struct err *e) {
    struct batch b = {0};
    char *ids[] = {(char *)(uintptr_t)o->case_id};
    const struct batch_options how = {.engine = o->engine,
                                      .jobs = 1,
                                      .quiet = true,
                                      .no_color = true,
                                      .outer = o->outer,
                                      .with_double = o->script != NULL,
                                      .model = o->model};
    struct global_options found;
    char cases[PATH_MAX];
    *ret = (struct lane_seen){0};
    int rc = with_cases(g, &o->case_id, 1, &found, cases, e);
    if (rc == 0) rc = batch_load(&b, &found, ids, 1, e);
    if (rc == 0 && o->change) o->change(&b.cases[0]);
    if (rc == 0) b.cases[0].double_script = o->script;
    if (rc == 0) rc = batch_run(&b, &how, e);
    if (rc == 0) return finish(&b, 1, ret, e);
    batch_release(&b);
    return -1;
}

int lane_run_all(const struct global_options *g, const char *engine, const char *const *ids, int n,
                 struct progress *outer, struct lane_seen *ret, struct err *e) {
    struct batch b = {0};
    const struct batch_options how = {
        .engine = engine, .jobs = batch_default_jobs(), .quiet = true, .no_color = true, .outer = outer};
    struct global_options found;
    char cases[PATH_MAX];
    memset(ret, 0, (size_t)n * sizeof *ret);
    if (with_cases(g, ids, n, &found, cases, e) == 0 &&
        batch_load(&b, &found, (char *const *)(uintptr_t)ids, n, e) == 0 && batch_run(&b, &how, e) == 0)
        return finish(&b, n, ret, e);
    batch_release(&b);
    return -1;
}

/* --- looking ------------------------------------------------------------------------------------------------------------------ */

bool lane_says(const cJSON *o, const char *key, const char *text) {
    const char *s = cJSON_GetStringValue(get(o, key));
    return s && strcmp(s, text) == 0;
}

bool lane_blocked_by(const struct lane_seen *s, const char *status, const char *reason) {
    const char *first = cJSON_GetStringValue(cJSON_GetArrayItem(get(s->report, "blocker_reasons"), 0));
    return lane_says(s->report, "status", status) && first && strcmp(first, reason) == 0;
}

bool lane_has_file(const struct lane_seen *s, const char *name) {
    struct stat st;
    char path[PATH_MAX];
    return s->dir[0] && snprintf(path, sizeof path, "%s/%s", s->dir, name) < (int)sizeof path &&
           lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

const char *lane_absent(const struct lane_seen *s) {
    static const char *const names[] = {EVIDENCE_REPORT, EVIDENCE_REPORT_MD, EVIDENCE_CONTRACT, EVIDENCE_EVENTS,
                                        EVIDENCE_TRACE,  EVIDENCE_PATCH,     EVIDENCE_TEST_LOG, EVIDENCE_SUMS};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!lane_has_file(s, names[i])) return names[i];
    return NULL;
}

cJSON *lane_event(const struct lane_seen *s, const char *type) {
    AUTO_BUF struct buf b = BUF_INIT(0);
    char path[PATH_MAX], *save = NULL;
    cJSON *found = NULL;
    if (!s->dir[0] || snprintf(path, sizeof path, "%s/" EVIDENCE_EVENTS, s->dir) >= (int)sizeof path ||
        io_read_file_at(AT_FDCWD, path, SEARCHED_MAX, &b, NULL) < 0 || !b.p)
        return NULL;
    for (char *line = strtok_r((char *)b.p, "\n", &save); line && !found; line = strtok_r(NULL, "\n", &save)) {
        cJSON *event = cJSON_Parse(line);
        if (lane_says(event, "type", type)) {
            found = cJSON_DetachItemFromObjectCaseSensitive(event, "data");
            if (!found) found = cJSON_CreateObject();
            const char *ts = cJSON_GetStringValue(get(event, "ts"));
            if (!get(found, "ts")) json_put_str(found, "ts", ts);
        }
        cJSON_Delete(event);
    }
    return found;
}

static int search(int dir, const char *text, int depth);

static int search_one(int dir, const char *name, const char *text, int depth) {
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return -1;
    if (S_ISDIR(st.st_mode)) {
        const int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) return -1;
        if (depth > 0) return search(fd, text, depth - 1);
        close(fd);
        return -1;
    }
    AUTO_BUF struct buf b = BUF_INIT(0);
    if (!S_ISREG(st.st_mode) || io_read_file_at(dir, name, SEARCHED_MAX, &b, NULL) < 0) return -1;
    return b.len > 0 && memmem(b.p, b.len, text, strlen(text)) != NULL;
}

/* Takes the descriptor. */
static int search(int dir, const char *text, int depth) {
    DIR *d = fdopendir(dir);
    int rc = d ? 0 : -1;
    if (!d) close(dir);
    for (struct dirent *x; rc == 0 && (x = readdir(d)) != NULL;)
        if (strcmp(x->d_name, ".") != 0 && strcmp(x->d_name, "..") != 0) rc = search_one(dir, x->d_name, text, depth);
    if (d) closedir(d);
    return rc;
}

int lane_mentions(const struct lane_seen *s, const char *text) {
    const int fd = s->dir[0] ? open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return fd < 0 ? -1 : search(fd, text, DEPTH_MAX);
}
