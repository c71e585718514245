/* case_new.c - the scaffold of a case.
 *
 * A new case must lint clean and pass at once, so that whoever writes one starts from green and changes one thing at a
 * time. So the template is a whole small case: a greeting that is wrong, a check that fails, a fake lane that mends it.
 *
 * Everything goes into a hidden folder beside the others (its name is no case id, so nobody lists it meanwhile), then
 * one rename that refuses to replace makes it a case.
 */
#include "supervisor/commands/case_new.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "supervisor/home.h"

#define COPY_DEPTH 32
#define LINK_MAX_LEN 4096
#define FILES_MAX (64u << 20) /* of one file: a fixture is part of a git tree */

static const char template_json[] =
    "{\n"
    "  \"id\": \"%s\",\n"
    "  \"title\": \"Greet the world, not nobody\",\n"
    "  \"kind\": \"task\",\n"
    "  \"authority_basis\": \"artificial case kept with the harness\",\n"
    "  \"risk_class\": \"low\",\n"
    "  \"mutation_mode\": \"copied-fixture\",\n"
    "  \"success_criteria\": [\"sh check.sh exits 0\", \"only greeting.txt changes\"],\n"
    "  \"rollback_expectation\": \"discard the copied workspace\",\n"
    "  \"allowed_writes\": [\"greeting.txt\"],\n"
    "  \"forbidden_paths\": [\".git/\", \".github/workflows/\", \".env\", \".env.*\"],\n"
    "  \"forbidden_actions\": [\n"
    "    \"push\", \"merge\", \"deploy\", \"close\", \"pr_open\", \"issue_close\", \"public_publication\",\n"
    "    \"credential_change\", \"vendor_source_mutation\", \"cortex_core_mutation\"\n"
    "  ],\n"
    "  \"verification\": [{\"argv\": [\"sh\", \"check.sh\"], \"timeout_s\": 30}],\n"
    "  \"pristine\": [\"check.sh\"],\n"
    "  \"timeouts\": {\"backend_s\": 60},\n"
    "  \"fake\": {\n"
    "    \"steps\": [\n"
    "      {\"do\": \"replace\", \"path\": \"greeting.txt\", \"old\": \"nobody\", \"new\": \"world\"},\n"
    "      {\"do\": \"commit\", \"message\": \"Greet the world\"}\n"
    "    ]\n"
    "  },\n"
    "  \"expect\": {\"status\": \"pass\"}\n"
    "}\n";

static const char template_task[] =
    "# Greet the world, not nobody\n"
    "\n"
    "`greeting.txt` greets nobody. It must read exactly `hello, world` and end with a newline.\n"
    "\n"
    "- Change `greeting.txt` only.\n"
    "- `sh check.sh` must exit 0.\n"
    "- Commit the result.\n";

static const char template_greeting[] = "hello, nobody\n";
static const char template_check[] = "#!/bin/sh\n"
                                     "# Exits 0 when the greeting is right, and says what is wrong when it is not.\n"
                                     "test \"$(cat greeting.txt)\" = \"hello, world\" && exit 0\n"
                                     "echo \"greeting.txt says: $(cat greeting.txt)\"\n"
                                     "exit 1\n";

static int put_file(int dir, const char *name, const char *text, struct err *e) {
    return io_replace_file_at(dir, name, text, strlen(text), 0644, 0, e);
}

/* --- copying ------------------------------------------------------------------------------------------------------ */

static int copy_tree(int from, int to, int depth, const char *skip, struct err *e);

static int copy_file(int from, int to, const char *name, mode_t mode, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(FILES_MAX);
    if (io_read_file_at(from, name, FILES_MAX - 1, &b, e) < 0) return -1;
    return io_replace_file_at(to, name, buf_str(&b), b.len, mode & 0777, 0, e);
}

static int copy_link(int from, int to, const char *name, struct err *e) {
    char target[LINK_MAX_LEN];
    ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
    if (n < 0) return err_sys(e, "read the link %s", name);
    target[n] = '\0';
    return symlinkat(target, to, name) < 0 ? err_sys(e, "make the link %s", name) : 0;
}

static int copy_dir(int from, int to, const char *name, int depth, struct err *e) {
    if (depth == COPY_DEPTH) return err_set(e, ERR_LIMIT, "%s: more than %d folders deep", name, COPY_DEPTH);
    AUTO_FD int sub_from = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub_from < 0) return err_sys(e, "open %s", name);
    if (mkdirat(to, name, 0755) < 0) return err_sys(e, "make the folder %s", name);
    AUTO_FD int sub_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub_to < 0) return err_sys(e, "open the new %s", name);
    return copy_tree(sub_from, sub_to, depth + 1, NULL, e);
}

static int copy_entry(int from, int to, const char *name, int depth, struct err *e) {
    struct stat st;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "look at %s", name);
    if (S_ISDIR(st.st_mode)) return copy_dir(from, to, name, depth, e);
    if (S_ISLNK(st.st_mode)) return copy_link(from, to, name, e);
    if (S_ISREG(st.st_mode)) return copy_file(from, to, name, st.st_mode, e);
    return err_set(e, ERR_USAGE, "%s is no file, folder or symbolic link", name);
}

/* Copies what is in `from`, but for the entry `skip`. */
static int copy_tree(int from, int to, int depth, const char *skip, struct err *e) {
    int rc = 0, fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        (void)err_sys(e, "list a folder");
        if (fd >= 0) close(fd);
        return -1;
    }
    for (struct dirent *entry; rc == 0 && (entry = readdir(d));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (skip && strcmp(name, skip) == 0)) continue;
        rc = copy_entry(from, to, name, depth, e);
    }
    closedir(d);
    return rc;
}

/* --- filling the folder ------------------------------------------------------------------------------------------- */

static int fill_from_template(int dir, const char *id, struct err *e) {
    AUTO_BUF struct buf json = BUF_INIT(16u << 10);
    buf_printf(&json, template_json, id);
    if (mkdirat(dir, "fixture", 0755) < 0) return err_sys(e, "make fixture/");
    AUTO_FD int fixture = openat(dir, "fixture", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fixture < 0) return err_sys(e, "open fixture/");
    if (put_file(dir, "case.json", buf_str(&json), e) < 0 || put_file(dir, "task.md", template_task, e) < 0 ||
        put_file(fixture, "greeting.txt", template_greeting, e) < 0 ||
        put_file(fixture, "check.sh", template_check, e) < 0)
        return -1;
    return 0;
}

static int fill_from_case(int dir, const char *id, const struct cto_case *c, struct err *e) {
    AUTO_FD int from = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0) return err_sys(e, "open %s", c->dir);
    cJSON *doc = cJSON_Duplicate(c->doc->root, 1);
    BUG_UNLESS(doc != NULL && cJSON_ReplaceItemInObjectCaseSensitive(doc, "id", cJSON_CreateString(id)));
    char *text = cJSON_Print(doc);
    cJSON_Delete(doc);
    BUG_UNLESS(text != NULL);
    AUTO_BUF struct buf json = BUF_INIT(4 * CASE_FILE_MAX);
    buf_printf(&json, "%s\n", text);
    free(text);
    if (json.bad) return err_set(e, ERR_LIMIT, "case.json is too large");
    return put_file(dir, "case.json", buf_str(&json), e) < 0 ? -1 : copy_tree(from, dir, 0, "case.json", e);
}

static int fill(int parent, const char *temporary, const char *id, const struct cto_case *from, struct err *e) {
    AUTO_FD int dir = openat(parent, temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) return err_sys(e, "open the new folder");
    return from ? fill_from_case(dir, id, from, e) : fill_from_template(dir, id, e);
}

/* Makes parent/name whole or not at all. */
static int make_folder(int parent, const char *name, const char *id, const struct cto_case *from, struct err *e) {
    char temporary[CASE_ID_MAX + 48];
    (void)snprintf(temporary, sizeof(temporary), ".new-%s-%ld", name, (long)getpid());
    if (mkdirat(parent, temporary, 0755) < 0) {
        if (errno == EACCES || errno == EROFS || errno == EPERM)
            return err_set(e, ERR_USAGE, "the cases folder is not writable (%s): give one of your own with --cases DIR",
                           strerror(errno));
        return err_sys(e, "make a folder for case %s", id);
    }
    int rc = fill(parent, temporary, id, from, e);
    if (rc == 0 && renameat2(parent, temporary, parent, name, RENAME_NOREPLACE) < 0)
        rc = errno == EEXIST ? err_set(e, ERR_USAGE, "case \"%s\" exists already", id) : err_sys(e, "name case %s", id);
    if (rc < 0) (void)io_remove_tree_at(parent, temporary, NULL);
    return rc;
}

static int place_new(const char *cases_dir, const char *id, const struct cto_case *from, char place[CASE_ID_MAX + 16],
                     struct err *e) {
    bool failure = from && strcmp(from->kind, "failure") == 0;
    AUTO_FD int root = open(cases_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return err_sys(e, "open the cases in %s", cases_dir);
    if (failure && io_mkdirs_at(root, "failures", 0755, e) < 0) return -1;
    AUTO_FD int parent = openat(root, failure ? "failures" : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (parent < 0) return err_sys(e, "open %s/failures", cases_dir);
    (void)snprintf(place, CASE_ID_MAX + 16, "%s%s", failure ? "failures/" : "", id);
    return make_folder(parent, id, id, from, e);
}

int case_id_check(const char *id, struct err *e) {
    if (case_id_valid(id)) return 0;
    return err_set(e, ERR_USAGE,
                   "\"%.80s\" is no case id: lower-case letters, digits and single '-', at most %d bytes, not \"all\" "
                   "or \"failures\"",
                   id, CASE_ID_MAX);
}

/* A case of this folder, else one of those that came with the program: what one starts from is seldom one's own yet. */
static int load_source(struct cto_case *ret, const char *cases_dir, const char *id, struct err *e) {
    char place[CASE_ID_MAX + 16], all[PATH_MAX];
    struct err here = ERR_INIT, there = ERR_INIT;
    if (case_find(cases_dir, id, place, &here) == 0) return case_load(ret, cases_dir, id, e);
    if (home_default_cases(all, NULL) == 0 && strcmp(all, cases_dir) != 0) {
        if (case_find(all, id, place, &there) == 0) return case_load(ret, all, id, e);
        if (!strstr(here.text, "did you mean")) /* the folder that has something like it has the better hint */
            return err_set(e, ERR_USAGE, "--from: not in %.120s, and of the installed cases: %s", cases_dir,
                           there.text);
    }
    return err_set(e, ERR_USAGE, "--from: %s", here.text);
}

int case_new(const char *cases_dir, const char *id, const char *from, char place[CASE_ID_MAX + 16], struct err *e) {
    char taken[CASE_ID_MAX + 16];
    struct cto_case source;
    if (case_id_check(id, e) < 0) return -1;
    if (case_find(cases_dir, id, taken, NULL) == 0)
        return err_set(e, ERR_USAGE, "case \"%s\" exists already in %s/%s", id, cases_dir, taken);
    if (from && load_source(&source, cases_dir, from, e) < 0) return -1;
    /* The program's own umask keeps evidence private; a case is source text for everybody who reads the tree. */
    mode_t before = umask(022);
    int rc = place_new(cases_dir, id, from ? &source : NULL, place, e);
    (void)umask(before);
    if (from) case_release(&source);
    return rc;
}
