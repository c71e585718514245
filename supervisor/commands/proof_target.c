/* proof_target.c - repositories that a validator owns: sources and targets, in its own directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "supervisor/admission.h"
#include "supervisor/commands/proof_run.h"
#include "supervisor/repo.h"

/* Where proof_case() put it. */
static int case_path(const struct proof *p, const char *folder, const char *id, const char *name, char out[PATH_MAX]) {
    static const char *const places[] = {"", "failures/"};
    for (int i = 0; i < 2; i++)
        if (snprintf(out, PATH_MAX, "%s/%s/%s%s/%s", p->dir, folder, places[i], id, name) < PATH_MAX &&
            access(out, F_OK) == 0)
            return 0;
    return -1;
}

int owned_make(struct proof *p, const char *name, const char *folder, const char *id, bool history, struct owned *ret,
               struct err *e) {
    char fixture[PATH_MAX];
    struct repo_facts facts;
    *ret = (struct owned){.file = ""};
    if (snprintf(ret->path, sizeof ret->path, "%s/repositories/%s", p->dir, name) >= (int)sizeof ret->path)
        return err_set(e, ERR_LIMIT, "the home's path is too long");
    if (case_path(p, folder, id, "fixture", fixture) < 0)
        return err_set(e, ERR_USAGE, "case %s has no fixture to make a repository of", id);
    if (repo_create(ret->path, fixture, "main", &facts, e) < 0) return -1;
    if (history && (repo_add_empty_commit(ret->path, "Second\n", e) < 0 || repo_look(ret->path, &facts, e) < 0))
        return -1;
    if (facts.why[0]) return err_set(e, ERR_INTERNAL, "%s", facts.why);
    snprintf(ret->head, sizeof ret->head, "%s", facts.head);
    snprintf(ret->tree, sizeof ret->tree, "%s", facts.tree);
    return repo_content_digest(ret->path, ret->content, e);
}

int owned_write(const struct owned *o, const char *name, const char *text, struct err *e) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", o->path, name) >= (int)sizeof path)
        return err_set(e, ERR_LIMIT, "the path is too long");
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    return fd < 0 ? err_sys(e, "open %s", path) : io_write_full(fd, text, strlen(text), e);
}

int owned_lacks(const struct proof *p, const char *id, const char *name, struct err *e) {
    struct owned fixture = {.file = ""};
    if (case_path(p, PROOF_ROWS, id, "fixture", fixture.path) < 0)
        return err_set(e, ERR_USAGE, "case %s has no fixture", id);
    return owned_write(&fixture, name, "of the case alone\n", e);
}

bool owned_untouched(const struct owned *o) {
    struct repo_facts facts;
    char now[DIGEST_HEX_SIZE];
    return repo_look(o->path, &facts, NULL) == 0 && strcmp(facts.head, o->head) == 0 && facts.clean &&
           repo_content_digest(o->path, now, NULL) == 0 && strcmp(now, o->content) == 0;
}

/* --- admission ---------------------------------------------------------------------------------------------------------- */

static void put(cJSON *o, const char *key, cJSON *value) {
    cJSON_DeleteItemFromObjectCaseSensitive(o, key);
    json_put(o, key, value);
}

static void put_changes(cJSON *o, const char *changes) {
    cJSON *c = changes ? cJSON_Parse(changes) : NULL;
    BUG_UNLESS(!changes || c);
    while (c && c->child) {
        cJSON *item = cJSON_DetachItemViaPointer(c, c->child);
        char name[64];
        snprintf(name, sizeof name, "%s", item->string);
        put(o, name, item);
    }
    cJSON_Delete(c);
}

static cJSON *record_of(struct proof *p, const struct owned *o, const char *folder, const char *id) {
    char path[PATH_MAX], stamp[CLOCK_STAMP_SIZE];
    AUTO_BUF struct buf text = BUF_INIT(0);
    if (case_path(p, folder, id, "case.json", path) < 0 ||
        io_read_file_at(AT_FDCWD, path, CASE_FILE_MAX, &text, NULL) < 0)
        return NULL;
    cJSON *c = cJSON_Parse(buf_str(&text)), *r = admission_template(ADMIT_TARGET);
    clock_stamp(clock_real_ms(), stamp);
    put(r, "admission_status", cJSON_CreateString("admitted"));
    put(r, "target_repository_path", cJSON_CreateString(o->path));
    put(r, "repository_owner", cJSON_CreateString(PROOF_ACTOR));
    put(r, "ownership_evidence", cJSON_CreateString("made by the validator for itself"));
    put(r, "risk_classification", cJSON_CreateString("low_risk_noncritical"));
    put(r, "noncritical_rationale", cJSON_CreateString("nothing depends on it, and it goes when the validation ends"));
    put(r, "allowed_paths", cJSON_Duplicate(run_look_get(c, "allowed_writes"), true));
    put(r, "approval_source", cJSON_CreateString(PROOF_ACTOR));
    put(r, "approval_timestamp", cJSON_CreateString(stamp));
    cJSON_Delete(c);
    return r;
}

static int record(struct proof *p, struct owned *o, const char *text, struct err *e) {
    struct admission a;
    struct store *s = NULL;
    if (admission_read(ADMIT_TARGET, "the validator's admission", text, strlen(text), &a, e) < 0) return -1;
    int rc = store_open(p->home.store, true, &s, e);
    if (rc == 0) rc = store_admission_add(s, &a, text, strlen(text), PROOF_ACTOR, o->admission_id, e);
    store_close(s);
    admission_release(&a);
    return rc;
}

int owned_admit(struct proof *p, struct owned *o, const char *folder, const char *id, const char *changes,
                struct err *e) {
    cJSON *doc = record_of(p, o, folder, id);
    if (!doc) return err_set(e, ERR_PARSE, "case %s cannot be read", id);
    put_changes(doc, changes);
    char *text = cJSON_Print(doc);
    cJSON_Delete(doc);
    BUG_UNLESS(text != NULL);
    int rc = 0;
    if (snprintf(o->file, sizeof o->file, "%s.admission.json", o->path) >= (int)sizeof o->file)
        rc = err_set(e, ERR_LIMIT, "the home's path is too long");
    if (rc == 0) rc = io_replace_file_at(AT_FDCWD, o->file, text, strlen(text), 0600, 0, e);
    if (rc == 0) rc = record(p, o, text, e);
    cJSON_free(text);
    return rc;
}

void owned_revoke(struct proof *p, struct owned *o) {
    struct store *s = NULL;
    struct err e = ERR_INIT;
    if (!o->admission_id[0]) return;
    int rc = store_open(p->home.store, true, &s, &e);
    if (rc == 0) rc = store_admission_revoke(s, "target", o->admission_id, PROOF_ACTOR, "the validation is over", &e);
    store_close(s);
    hold(p, "admissions_revoked", rc == 0, e.text);
    o->admission_id[0] = '\0';
}
