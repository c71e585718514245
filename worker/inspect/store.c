/* store.c - see store.h. The odb is put together by hand from a pack backend and a loose backend: git_repository_open
 * would read configuration and alternates, and check owners; a repository that wraps an odb has none of that.
 */
#include "worker/inspect/store.h"

#include <errno.h>
#include <fcntl.h>
#include <git2/odb_backend.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/git_names.h"
#include "common/io.h"
#include "worker/inspect/inspect.h"
#include "worker/inspect/out.h"

#define EMPTY_TREE "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

static const char config[] =
    "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n[gc]\n\tauto = 0\n";
static const char head[] = "ref: refs/heads/" INSPECT_BRANCH "\n";

int store_create(const char *dir, struct err *e) {
    AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_sys(e, "open %s", dir);
    static const char *const dirs[] = {"objects/pack", "refs/heads", "refs/cto"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (io_mkdirs_at(fd, dirs[i], 0755, e) < 0) return -1;
    if (io_replace_file_at(fd, "HEAD", head, sizeof head - 1, 0644, 0, e) < 0) return -1;
    return io_replace_file_at(fd, "config", config, sizeof config - 1, 0644, 0, e);
}

int store_set_baseline(const char *dir, const git_oid *baseline, const char *pack, struct err *e) {
    AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_sys(e, "open %s", dir);
    char hex[GIT_OID_HEXSZ + 1], text[256];
    git_oid_tostr(hex, sizeof hex, baseline);
    int n = snprintf(text, sizeof text, "%s\n", hex);
    if (pack != NULL && io_replace_file_at(fd, "refs/cto/baseline", text, (size_t)n, 0644, 0, e) < 0) return -1;
    n = snprintf(text, sizeof text, "%s %s\n", hex, pack != NULL ? pack : "-");
    return io_replace_file_at(fd, "cto-state", text, (size_t)n, 0644, 0, e);
}

static int open_base(struct store *s, const char *pack, struct err *e) {
    char path[4300];
    git_odb_backend *b = NULL;
    snprintf(path, sizeof path, "%s/objects/pack/%s.idx", s->dir, pack);
    if (git_odb_new(&s->base) < 0) return out_git_error(e, ERR_INTERNAL, "open the baseline's pack");
    if (git_odb_backend_one_pack(&b, path) < 0 || git_odb_add_backend(s->base, b, 1) < 0)
        return out_git_error(e, ERR_INTERNAL, "open the baseline's pack");
    return 0;
}

static int read_state(struct store *s, struct err *e) {
    char text[256], pack[128];
    int r = store_read_note(s, "cto-state", text, sizeof text, e);
    if (r < 0) return -1;
    if (r == 0) return err_set(e, ERR_INTERNAL, "%s has no cto-state: the watch step has not made a baseline", s->dir);
    char hex[GIT_OID_HEXSZ + 1];
    if (sscanf(text, "%40s %127s", hex, pack) != 2 || git_oid_fromstr(&s->baseline, hex) < 0)
        return err_set(e, ERR_INTERNAL, "%s/cto-state is damaged", s->dir);
    s->baseline_empty = git_oid_is_zero(&s->baseline);
    return s->baseline_empty ? 0 : open_base(s, pack, e);
}

static int open_backends(struct store *s, struct err *e) {
    char objects[4200];
    git_odb_backend *packed = NULL, *loose = NULL;
    snprintf(objects, sizeof objects, "%s/objects", s->dir);
    if (git_odb_new(&s->odb) < 0 || git_odb_backend_pack(&packed, objects) < 0 ||
        git_odb_add_backend(s->odb, packed, 2) < 0 || git_odb_backend_loose(&loose, objects, -1, 0, 0755, 0444) < 0 ||
        git_odb_add_backend(s->odb, loose, 1) < 0 || git_repository_wrap_odb(&s->repo, s->odb) < 0)
        return out_git_error(e, ERR_INTERNAL, "open our object database");
    return 0;
}

int store_open(struct store *s, const char *dir, int ws_fd, struct err *e) {
    *s = (struct store){.dir_fd = -1, .import = {.ws_fd = -1, .odb_fd = -1}};
    s->dir = strdup(dir);
    s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir == NULL || s->dir_fd < 0) {
        err_sys(e, "open %s", dir);
        store_release(s);
        return -1;
    }
    if (read_state(s, e) < 0 || open_backends(s, e) < 0 || import_open(&s->import, ws_fd, s->dir_fd, s->dir, e) < 0) {
        store_release(s);
        return -1;
    }
    store_begin(s);
    return 0;
}

void store_release(struct store *s) {
    git_repository_free(s->repo);
    git_odb_free(s->odb);
    git_odb_free(s->base);
    import_release(&s->import);
    free(s->dir);
    if (s->dir_fd >= 0) close(s->dir_fd);
    *s = (struct store){.dir_fd = -1, .import = {.ws_fd = -1, .odb_fd = -1}};
}

static uint64_t cpu_us(void) {
    struct timespec t;
    BUG_UNLESS(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void store_begin(struct store *s) {
    s->bytes_read = s->import.work = 0;
    s->cpu_from_us = cpu_us();
}

bool store_is_base(const struct store *s, const git_oid *oid) {
    return s->base != NULL && git_odb_exists_ext(s->base, oid, GIT_ODB_LOOKUP_NO_REFRESH);
}

/* In our odb, or brought there. The empty tree needs to be nowhere: git and libgit2 both know it by heart. */
static int make_available(struct store *s, const git_oid *oid, struct err *e) {
    if (git_oid_streq(oid, EMPTY_TREE) == 0) return 0;
    if (git_odb_exists_ext(s->odb, oid, GIT_ODB_LOOKUP_NO_REFRESH)) return 0;
    int r = import_loose(&s->import, oid, e);
    if (r != 0) return r < 0 ? -1 : 0;
    r = import_packs(&s->import, e);
    if (r < 0) return -1;
    if (r > 0 && git_odb_refresh(s->odb) < 0) return out_git_error(e, ERR_INTERNAL, "look at an imported pack");
    if (git_odb_exists_ext(s->odb, oid, GIT_ODB_LOOKUP_NO_REFRESH)) return 0;
    const struct err *why = &s->import.refused;
    if (why->code == ERR_NONE) return err_set(e, ERR_MISSING, "the object is not there");
    return err_set(e, why->code == ERR_LIMIT ? ERR_LIMIT : ERR_MISSING,
                   "the object is not there, and a pack was not taken over: %.300s", why->text);
}

int store_need(struct store *s, const git_oid *oid, git_object_t type, uint64_t max, uint64_t *ret_size,
               struct err *e) {
    char hex[GIT_OID_HEXSZ + 1];
    git_oid_tostr(hex, sizeof hex, oid);
    size_t size = 0;
    git_object_t actual = GIT_OBJECT_INVALID;
    int r = make_available(s, oid, e);
    if (r == 0 && git_odb_read_header(&size, &actual, s->odb, oid) < 0) r = out_git_error(e, ERR_PARSE, "corrupt");
    if (r == 0 && actual != type)
        r = err_set(e, ERR_PARSE, "it is a %s",
                    actual > 0 && actual <= GIT_OBJECT_TAG ? git_object_type2string(actual) : "thing");
    if (r == 0 && size > max)
        r = err_set(e, ERR_LIMIT, "it has %zu bytes, more than %llu", size, (unsigned long long)max);
    if (r < 0) return err_ctx(e, "%s %s", git_object_type2string(type), hex);
    if (ret_size != NULL) *ret_size = size;
    return 0;
}

/* Counts what is really read, so that no repository makes one step read for ever. A small object can be dear to read
 * (packcost.h bounds it), and a tree can be read in many places: so the processor's time counts as well, looked at now
 * and then because asking for it is a system call. */
static int spend(struct store *s, uint64_t size, struct err *e) {
    s->bytes_read += size;
    if (++s->reads % 8 == 0 && cpu_us() - s->cpu_from_us > MAX_CPU_S * 1000000ull)
        return err_set(e, ERR_LIMIT, "its objects take more than %u s to read", MAX_CPU_S);
    if (s->bytes_read > MAX_TOTAL)
        return err_set(e, ERR_LIMIT, "more than %llu bytes of objects", (unsigned long long)MAX_TOTAL);
    return 0;
}

int store_commit(struct store *s, const git_oid *oid, git_commit **ret, struct err *e) {
    char hex[GIT_OID_HEXSZ + 1];
    git_commit *c = NULL;
    if (store_need(s, oid, GIT_OBJECT_COMMIT, MAX_COMMIT_SIZE, NULL, e) < 0) return -1;
    git_oid_tostr(hex, sizeof hex, oid);
    if (git_commit_lookup(&c, s->repo, oid) < 0) {
        out_git_error(e, ERR_PARSE, "corrupt");
        return err_ctx(e, "commit %s", hex);
    }
    if (git_commit_parentcount(c) > MAX_PARENTS) {
        git_commit_free(c);
        return err_set(e, ERR_LIMIT, "commit %s has more than %u parents", hex, MAX_PARENTS);
    }
    *ret = c;
    return 0;
}

/* Two entries of one name, one a directory: they need not be neighbours in git's order, so look back over the run of
 * names that begin with this one. */
static bool has_twin(const git_tree *t, size_t i, const char *name, size_t n) {
    while (i-- > 0) {
        const char *other = git_tree_entry_name(git_tree_entry_byindex(t, i));
        if (strncmp(other, name, n) != 0) return false;
        if (other[n] == '\0') return true;
    }
    return false;
}

static int entry_order(const git_tree_entry *a, const git_tree_entry *b) { return git_tree_entry_cmp(a, b); }

static const char *entry_fault(const git_tree *t, size_t i) {
    const git_tree_entry *en = git_tree_entry_byindex(t, i);
    const char *name = git_tree_entry_name(en);
    size_t n = strlen(name);
    if (!name_is_safe(name, n)) return "a name that must not be in a tree";
    switch (git_tree_entry_filemode_raw(en)) {
    case GIT_FILEMODE_TREE:
        if (has_twin(t, i, name, n)) return "two entries of one name";
        break;
    case GIT_FILEMODE_BLOB:
    case GIT_FILEMODE_BLOB_EXECUTABLE:
    case GIT_FILEMODE_LINK:
    case GIT_FILEMODE_COMMIT: break;
    default: return "a mode that git does not write";
    }
    if (i > 0 && entry_order(git_tree_entry_byindex(t, i - 1), en) >= 0) return "entries out of order";
    return NULL;
}

static int check_tree(const git_tree *t, const char *hex, struct err *e) {
    char text[OUT_QUOTE_SIZE];
    size_t n = git_tree_entrycount(t);
    for (size_t i = 0; i < n; i++) {
        const char *fault = entry_fault(t, i);
        if (fault == NULL) continue;
        const char *name = git_tree_entry_name(git_tree_entry_byindex(t, i));
        return err_set(e, ERR_PARSE, "tree %s: %s: '%s'", hex, fault, out_quote(name, strlen(name), text));
    }
    return 0;
}

int store_tree(struct store *s, const git_oid *oid, git_tree **ret, struct err *e) {
    char hex[GIT_OID_HEXSZ + 1];
    uint64_t size = 0;
    git_tree *t = NULL;
    if (store_need(s, oid, GIT_OBJECT_TREE, MAX_TREE, &size, e) < 0 || spend(s, size, e) < 0) return -1;
    git_oid_tostr(hex, sizeof hex, oid);
    if (git_tree_lookup(&t, s->repo, oid) < 0) {
        out_git_error(e, ERR_PARSE, "corrupt");
        return err_ctx(e, "tree %s", hex);
    }
    if (check_tree(t, hex, e) < 0) {
        git_tree_free(t);
        return -1;
    }
    *ret = t;
    return 0;
}

int store_blob(struct store *s, const git_oid *oid, git_odb_object **ret, struct err *e) {
    uint64_t size = 0;
    if (store_need(s, oid, GIT_OBJECT_BLOB, MAX_BLOB, &size, e) < 0 || spend(s, size, e) < 0) return -1;
    if (git_odb_read(ret, s->odb, oid) < 0) {
        char hex[GIT_OID_HEXSZ + 1];
        out_git_error(e, ERR_PARSE, "corrupt");
        return err_ctx(e, "blob %s", git_oid_tostr(hex, sizeof hex, oid));
    }
    return 0;
}

int store_write_note(const struct store *s, const char *name, const char *text, struct err *e) {
    return io_replace_file_at(s->dir_fd, name, text, strlen(text), 0644, 0, e);
}

int store_read_note(const struct store *s, const char *name, char *out, size_t out_size, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(4096);
    if (faccessat(s->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) return 0;
    if (io_read_file_at(s->dir_fd, name, out_size - 1, &b, e) < 0) return -1;
    memcpy(out, buf_str(&b), b.len);
    out[b.len] = '\0';
    return 1;
}

int store_write_ref(const struct store *s, const char *name, const git_oid *oid, struct err *e) {
    char path[64], text[GIT_OID_HEXSZ + 2];
    snprintf(path, sizeof path, "refs/cto/%s", name);
    git_oid_tostr(text, GIT_OID_HEXSZ + 1, oid);
    text[GIT_OID_HEXSZ] = '\n';
    text[GIT_OID_HEXSZ + 1] = '\0';
    return store_write_note(s, path, text, e);
}

int store_read_ref(const struct store *s, const char *name, git_oid *ret, struct err *e) {
    char path[64], text[64];
    snprintf(path, sizeof path, "refs/cto/%s", name);
    int r = store_read_note(s, path, text, sizeof text, e);
    if (r <= 0) return r;
    if (git_oid_fromstrn(ret, text, GIT_OID_HEXSZ) < 0) return err_set(e, ERR_INTERNAL, "our ref %s is damaged", path);
    return 1;
}
