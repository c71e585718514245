/* proof_case.c - the cases that a validator runs: copies of the operator's, with what the stage needs changed. On disk, so that a
 * run's evidence names a case that is there, an approval's scope has a folder, and a run that waits finds its text again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/case.h"
#include "supervisor/commands/lane_run.h"
#include "supervisor/commands/proof_run.h"
#include "supervisor/stages.h"

#define CASE_JSON "case.json"
#define DEPTH_MAX 64
#define FILE_MAX (256u << 20)

/* --- the folder --------------------------------------------------------------------------------------------------------- */

static int copy_dir(int from, int to, int depth, struct err *e);

static int copy_file(int from, int to, const char *name, mode_t mode, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    if (io_read_file_at(from, name, FILE_MAX, &text, e) < 0) return -1;
    AUTO_FD int fd = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return err_sys(e, "create %s", name);
    if (text.len > 0 && io_write_full(fd, text.p, text.len, e) < 0) return err_ctx(e, "%s", name);
    return fchmod(fd, mode & 0777) < 0 ? err_sys(e, "chmod %s", name) : 0;
}

static int copy_entry(int from, int to, const char *name, int depth, struct err *e) {
    struct stat st;
    char target[PATH_MAX];
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "%s", name);
    if (S_ISREG(st.st_mode)) return copy_file(from, to, name, st.st_mode, e);
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlinkat(from, name, target, sizeof target - 1);
        if (n < 0) return err_sys(e, "%s", name);
        target[n] = '\0';
        return symlinkat(target, to, name) < 0 ? err_sys(e, "%s", name) : 0;
    }
    if (!S_ISDIR(st.st_mode)) return err_set(e, ERR_USAGE, "%s is no file, directory or symbolic link", name);
    AUTO_FD int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0 || mkdirat(to, name, 0700) < 0) return err_sys(e, "%s", name);
    AUTO_FD int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out < 0 || fchmod(out, (st.st_mode & 0777) | 0700) < 0) return err_sys(e, "%s", name);
    return copy_dir(in, out, depth + 1, e) < 0 ? err_ctx(e, "%s", name) : 0;
}

static int copy_dir(int from, int to, int depth, struct err *e) {
    if (depth > DEPTH_MAX) return err_set(e, ERR_LIMIT, "deeper than %d directories", DEPTH_MAX);
    AUTO_FD int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) return err_sys(e, "list a directory");
    take_fd(&copy);
    int rc = 0;
    for (struct dirent *de; rc == 0 && (de = readdir(d));) {
        const char *name = de->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !(depth == 0 && strcmp(name, CASE_JSON) == 0))
            rc = copy_entry(from, to, name, depth, e);
    }
    closedir(d);
    return rc;
}

/* --- case.json ---------------------------------------------------------------------------------------------------------- */

/* RFC 7396, of objects. */
static void merge(cJSON *into, const cJSON *changes) {
    const cJSON *c;
    cJSON_ArrayForEach(c, changes) {
        cJSON *old = cJSON_GetObjectItemCaseSensitive(into, c->string);
        if (cJSON_IsObject(c) && cJSON_IsObject(old)) {
            merge(old, c);
            continue;
        }
        if (old) cJSON_DeleteItemFromObjectCaseSensitive(into, c->string);
        if (!cJSON_IsNull(c)) json_put(into, c->string, cJSON_Duplicate(c, true));
    }
}

static int merge_text(cJSON *doc, const char *changes, struct err *e) {
    if (!changes) return 0;
    cJSON *c = cJSON_Parse(changes);
    if (!c) return err_set(e, ERR_INTERNAL, "changes of a case are no JSON");
    merge(doc, c);
    cJSON_Delete(c);
    return 0;
}

const char *proof_case_mode(int stage) {
    static const char *const modes[] = {
        [2] = "{\"mutation_mode\":\"copied-fixture\",\"approval_required\":false}",
        [3] = "{\"mutation_mode\":\"copied-fixture\",\"approval_required\":false}",
        [4] = "{\"mutation_mode\":\"sandbox-repo\",\"approval_required\":true}",
        [5] = "{\"mutation_mode\":\"owned-noncritical-repo\",\"approval_required\":true}",
    };
    BUG_UNLESS(stage >= 2 && stage <= 5);
    return modes[stage];
}

#define OWN "cto-harness-validation"

/* An approval is of a case with all that its folder holds: with this in it, what one validator asks for and is granted or denied is
 * nobody else's, also when two of them prove the same stage at once. */
static int write_own(int to, const struct proof *p, struct err *e) {
    return io_replace_file_at(to, OWN, p->id, strlen(p->id), 0600, 0, e);
}

static int write_case(int to, const char *id, cJSON *doc, const char *mode, const char *changes, struct err *e) {
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "required_events"); /* those of the mode */
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "id");
    json_put_str(doc, "id", id);
    if (merge_text(doc, mode, e) < 0 || merge_text(doc, changes, e) < 0) return -1;
    char *text = cJSON_Print(doc);
    BUG_UNLESS(text != NULL);
    int rc = io_replace_file_at(to, CASE_JSON, text, strlen(text), 0600, 0, e);
    cJSON_free(text);
    return rc;
}

void proof_cases(const struct proof *p, const char *id, char ret[PATH_MAX]) { lane_cases(p->home.cases, id, ret); }

int proof_case(struct proof *p, const char *from, const char *folder, const char *id, const char *changes,
               struct err *e) {
    char at[CASE_ID_MAX + 16], source[PATH_MAX], target[CASE_ID_MAX + 64], cases[PATH_MAX];
    AUTO_BUF struct buf text = BUF_INIT(0);
    proof_cases(p, from, cases);
    if (case_find(cases, from, at, e) < 0) return -1;
    if (snprintf(source, sizeof source, "%s/%s", cases, at) >= (int)sizeof source)
        return err_set(e, ERR_LIMIT, "the path of the cases is too long");
    /* The same place, since it must fit the kind. */
    snprintf(target, sizeof target, "%s/%s%s", folder, strncmp(at, "failures/", 9) == 0 ? "failures/" : "", id);
    AUTO_FD int dir = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD int in = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || in < 0) return err_sys(e, "open %s", dir < 0 ? p->dir : source);
    if (io_read_file_at(in, CASE_JSON, CASE_FILE_MAX, &text, e) < 0 || io_mkdirs_at(dir, target, 0700, e) < 0)
        return -1;
    AUTO_FD int out = openat(dir, target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out < 0) return err_sys(e, "open %s", target);
    cJSON *doc = cJSON_Parse(buf_str(&text));
    if (!doc) return err_set(e, ERR_PARSE, "%s/" CASE_JSON " is no JSON", source);
    const bool fake = strcmp(folder, PROOF_BASELINE) == 0; /* which has no stages */
    int rc = write_case(out, id, doc, proof_case_mode(fake ? 2 : p->stage), changes, e);
    cJSON_Delete(doc);
    if (rc == 0) rc = copy_dir(in, out, 0, e);
    return rc == 0 ? write_own(out, p, e) : -1;
}
