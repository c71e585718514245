/* repo.c - the baseline.
 *
 * The agent's .git is written by hand, a handful of small files: libgit2's own init would look for templates,
 * configuration and what the file system can do. It has one pack, one ref, no hooks, no remotes, no alternates and no
 * reflog; there is nothing in it but the baseline and its generated history, so that nobody can look up the answer in
 * the future.
 *
 * Identity and dates are fixed: the same fixture gives the same baseline id, everywhere and always.
 */
#include "worker/inspect/repo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/git_names.h"
#include "common/io.h"
#include "common/path.h"
#include "worker/inspect/history.h"
#include "worker/inspect/out.h"
#include "worker/inspect/scan.h"
#include "worker/inspect/walk.h"

static const char agent_config[] =
    "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n"
    "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";
static const char agent_head[] = "ref: refs/heads/" INSPECT_BRANCH "\n";

struct builder {
    int root_fd;
    const char *root;
    struct workshop shop;
    struct flat files;
    struct buf content;
    uint64_t bytes;
    int64_t racy_since;
    const char *const *submodules;
    git_oid submodule_heads[SPEC_MAX_SUBMODULES];
    int n_submodules;
};

void baseline_release(struct baseline *b) { flat_release(&b->tree); }

/* --- reading the fixture ------------------------------------------------------------------------- */

static int refuse(const struct walk_entry *w, const char *why, struct err *e) {
    char text[OUT_QUOTE_SIZE];
    return err_set(e, ERR_USAGE, "fixture: %s: %s", out_quote(w->path, w->path_len, text), why);
}

static int read_content(struct builder *b, const struct walk_entry *w, struct err *e) {
    buf_reset(&b->content);
    if (b->bytes + (uint64_t)w->st.st_size > MAX_FIXTURE) return refuse(w, "the fixture is larger than 512 MiB", e);
    if (S_ISLNK(w->st.st_mode)) {
        char target[MAX_PATH + 1];
        ssize_t n = readlinkat(w->dirfd, w->name, target, sizeof target);
        if (n < 0) return err_sys(e, "fixture: read a symbolic link");
        buf_put(&b->content, target, (size_t)n);
        return 0;
    }
    if (io_read_file_at(w->dirfd, w->name, MAX_FIXTURE, &b->content, e) < 0) return err_ctx(e, "fixture");
    return 0;
}

static int add_file(struct builder *b, const struct walk_entry *w, struct err *e) {
    git_oid oid;
    uint32_t mode = GIT_FILEMODE_BLOB;
    if (read_content(b, w, e) < 0 || workshop_blob(&b->shop, b->content.p, b->content.len, &oid, e) < 0) return -1;
    if (S_ISLNK(w->st.st_mode))
        mode = GIT_FILEMODE_LINK;
    else if (w->st.st_mode & S_IXUSR)
        mode = GIT_FILEMODE_BLOB_EXECUTABLE;
    if (flat_add(&b->files, w->path, w->path_len, mode, &oid, e) < 0) return -1;
    struct flat_entry *x = &b->files.v[b->files.n - 1];
    x->key = scan_key(&w->st);
    x->hash = oid;
    x->hashed = x->key.ctime_ns < b->racy_since && x->key.mtime_ns < b->racy_since;
    b->bytes += b->content.len;
    return 0;
}

static int on_fixture_entry(void *ctx, const struct walk_entry *w, struct err *e) {
    struct builder *b = ctx;
    if (w->problem != NULL) return refuse(w, w->problem, e);
    if (!name_is_safe(w->name, strlen(w->name))) return refuse(w, "a name that git does not take", e);
    if (S_ISREG(w->st.st_mode) || S_ISLNK(w->st.st_mode)) return add_file(b, w, e) < 0 ? -1 : 0;
    if (!S_ISDIR(w->st.st_mode)) return refuse(w, "not a file, directory or symbolic link", e);
    for (int i = 0; i < b->n_submodules; i++) {
        if (strcmp(b->submodules[i], w->path) != 0) continue;
        return flat_add(&b->files, w->path, w->path_len, GIT_FILEMODE_COMMIT, &b->submodule_heads[i], e) < 0
                   ? -1
                   : WALK_SKIP;
    }
    return 0;
}

/* --- writing the repository ---------------------------------------------------------------------- */

static int put(int fd, const char *path, const char *text, struct err *e) {
    return io_replace_file_at(fd, path, text, strlen(text), 0644, 0, e);
}

static int make_layout(int root_fd, struct err *e) {
    if (mkdirat(root_fd, ".git", 0755) < 0) return err_sys(e, "make .git in the workspace");
    static const char *const dirs[] = {".git/objects/pack", ".git/objects/info", ".git/refs/heads", ".git/refs/tags"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (io_mkdirs_at(root_fd, dirs[i], 0755, e) < 0) return -1;
    if (put(root_fd, ".git/config", agent_config, e) < 0) return -1;
    return put(root_fd, ".git/HEAD", agent_head, e);
}

static int put_branch(int root_fd, const git_oid *commit, struct err *e) {
    char text[GIT_OID_HEXSZ + 2];
    git_oid_tostr(text, GIT_OID_HEXSZ + 1, commit);
    text[GIT_OID_HEXSZ] = '\n';
    text[GIT_OID_HEXSZ + 1] = '\0';
    return put(root_fd, ".git/refs/heads/" INSPECT_BRANCH, text, e);
}

static git_index_entry index_entry(const struct flat *f, const struct flat_entry *x, const struct stat *st) {
    git_index_entry en = {.mode = x->mode, .id = x->oid, .path = flat_path(f, x)};
    en.ctime.seconds = (int32_t)st->st_ctim.tv_sec;
    en.ctime.nanoseconds = (uint32_t)st->st_ctim.tv_nsec;
    en.mtime.seconds = (int32_t)st->st_mtim.tv_sec;
    en.mtime.nanoseconds = (uint32_t)st->st_mtim.tv_nsec;
    en.dev = (uint32_t)st->st_dev;
    en.ino = (uint32_t)st->st_ino;
    en.uid = st->st_uid;
    en.gid = st->st_gid;
    en.file_size = x->mode == GIT_FILEMODE_COMMIT ? 0 : (uint32_t)st->st_size;
    return en;
}

/* The index with true stat fields, so that the agent's first `git status` opens no file; its tree is the baseline's. */
static int make_index(struct builder *b, git_oid *ret_tree, struct err *e) {
    char path[4200];
    git_index *index = NULL;
    snprintf(path, sizeof path, "%s/.git/index", b->root);
    int r = git_index_open(&index, path);
    for (size_t i = 0; r == 0 && i < b->files.n; i++) {
        const struct flat_entry *x = &b->files.v[i];
        struct stat st = {0};
        if (fstatat(b->root_fd, flat_path(&b->files, x), &st, AT_SYMLINK_NOFOLLOW) < 0) {
            git_index_free(index);
            return err_sys(e, "fixture: it changed while it was read");
        }
        git_index_entry en = index_entry(&b->files, x, &st);
        r = git_index_add(index, &en);
    }
    if (r == 0) r = git_index_write_tree_to(ret_tree, index, b->shop.repo);
    if (r == 0) r = git_index_write(index);
    git_index_free(index);
    return r < 0 ? out_git_error(e, ERR_INTERNAL, "make the baseline's index") : 0;
}

/* Everything from the files to the commit in memory. The layout of .git is there. */
static int make_commit(struct builder *b, const git_oid *parent, git_oid *ret, struct err *e) {
    bool complete = false;
    git_oid tree;
    b->content = BUF_INIT(MAX_FIXTURE);
    b->racy_since = scan_racy_border();
    int r = walk_tree(b->root_fd, on_fixture_entry, b, &complete, e);
    buf_release(&b->content);
    if (r < 0) return -1;
    if (!complete) return err_set(e, ERR_USAGE, "fixture: more than %u files", MAX_FILES);
    flat_sort(&b->files);
    if (make_index(b, &tree, e) < 0) return -1;
    return workshop_commit(&b->shop, &tree, parent, 0, "baseline\n", ret, e);
}

static void builder_release(struct builder *b) {
    workshop_release(&b->shop);
    flat_release(&b->files);
}

/* --- submodules ---------------------------------------------------------------------------------- */

static int make_submodule(const struct inspect_args *a, int ws_fd, const char *path, git_oid *ret, struct err *e) {
    char root[4200], objects[4300], name[PACK_NAME_SIZE];
    uint32_t n = 0;
    if (!path_is_plain_relative(path, strlen(path)) || strpbrk(path, "\"\\\n") != NULL)
        return err_set(e, ERR_USAGE, "--submodule %s: not a plain path", path);
    AUTO_FD int fd = io_open_beneath(ws_fd, path, O_RDONLY | O_DIRECTORY, 0, e);
    if (fd < 0) return err_ctx(e, "submodule");
    snprintf(root, sizeof root, "%s/%s", a->ws, path);
    snprintf(objects, sizeof objects, "%s/.git/objects", root);
    struct builder b = {.root_fd = fd, .root = root};
    int r = workshop_open(&b.shop, a->odb, e);
    if (r == 0) r = make_layout(fd, e);
    if (r == 0) r = make_commit(&b, NULL, ret, e);
    if (r == 0) r = workshop_pack(&b.shop, objects, name, &n, e);
    if (r == 0) r = put_branch(fd, ret, e);
    builder_release(&b);
    return r < 0 ? err_ctx(e, "submodule %s", path) : 0;
}

/* As `git submodule init` would: so that the agent's `git submodule status` calls it checked out. */
static int configure_submodules(const struct inspect_args *a, int ws_fd, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(64u << 10);
    buf_puts(&text, agent_config);
    for (int i = 0; i < a->n_submodules; i++)
        buf_printf(&text, "[submodule \"%s\"]\n\tactive = true\n\turl = ./%s\n", a->submodules[i], a->submodules[i]);
    return put(ws_fd, ".git/config", buf_str(&text), e);
}

static int name_submodules(const struct inspect_args *a, int ws_fd, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(64u << 10);
    for (int i = 0; i < a->n_submodules; i++)
        buf_printf(&text, "[submodule \"%s\"]\n\tpath = %s\n\turl = ./%s\n", a->submodules[i], a->submodules[i],
                   a->submodules[i]);
    if (text.bad) return err_set(e, ERR_USAGE, "--submodule: names too long");
    if (text.len == 0) return 0;
    AUTO_FD int fd = io_open_beneath(ws_fd, ".gitmodules", O_WRONLY | O_CREAT | O_APPEND, 0644, e);
    return fd < 0 ? -1 : io_write_full(fd, text.p, text.len, e);
}

/* --- all of it ----------------------------------------------------------------------------------- */

static int copy_file(const char *from_dir, int to_fd, const char *name, struct err *e) {
    static char chunk[64 << 10];
    char from[4400], to[128];
    snprintf(from, sizeof from, "%s/objects/pack/%s", from_dir, name);
    snprintf(to, sizeof to, ".git/objects/pack/%s", name);
    AUTO_FD int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0) return err_sys(e, "open %s", from);
    AUTO_FD int out = io_open_beneath(to_fd, to, O_WRONLY | O_CREAT | O_EXCL, 0444, e);
    if (out < 0) return -1;
    for (;;) {
        ssize_t n = io_read_full(in, chunk, sizeof chunk, e);
        if (n < 0) return -1;
        if (n == 0) return 0;
        if (io_write_full(out, chunk, (size_t)n, e) < 0) return -1;
    }
}

/* The pack is ours; the agent gets a copy, because it may do what it likes with its own. */
static int give_pack(const struct inspect_args *a, int ws_fd, const char *pack, struct err *e) {
    char name[PACK_NAME_SIZE + 8];
    snprintf(name, sizeof name, "%s.pack", pack);
    if (copy_file(a->odb, ws_fd, name, e) < 0) return -1;
    snprintf(name, sizeof name, "%s.idx", pack);
    return copy_file(a->odb, ws_fd, name, e);
}

static int make_full(const struct inspect_args *a, struct builder *b, struct baseline *ret, struct err *e) {
    git_oid parent;
    char objects[4200];
    for (int i = 0; i < a->n_submodules; i++)
        if (make_submodule(a, b->root_fd, a->submodules[i], &b->submodule_heads[i], e) < 0) return -1;
    b->submodules = a->submodules;
    b->n_submodules = a->n_submodules;
    snprintf(objects, sizeof objects, "%s/objects", a->odb);
    if (name_submodules(a, b->root_fd, e) < 0 || workshop_open(&b->shop, a->odb, e) < 0) return -1;
    if (a->history > 0 && history_make(&b->shop, b->root_fd, a->history, &parent, e) < 0) return -1;
    if (make_layout(b->root_fd, e) < 0 || configure_submodules(a, b->root_fd, e) < 0 ||
        make_commit(b, a->history > 0 ? &parent : NULL, &ret->commit, e) < 0 ||
        workshop_pack(&b->shop, objects, ret->pack, &ret->objects, e) < 0 || give_pack(a, b->root_fd, ret->pack, e) < 0)
        return -1;
    ret->files = (uint32_t)b->files.n;
    ret->bytes = b->bytes;
    ret->commits = (uint32_t)a->history + 1;
    return put_branch(b->root_fd, &ret->commit, e);
}

int baseline_make(const struct inspect_args *a, int ws_fd, struct baseline *ret, struct err *e) {
    struct builder b = {.root_fd = ws_fd, .root = a->ws};
    *ret = (struct baseline){0};
    if (faccessat(ws_fd, ".git", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return err_set(e, ERR_USAGE, "fixture: it has a .git; give its files only");
    if (store_create(a->odb, e) < 0) return -1;
    int r = a->empty ? make_layout(ws_fd, e) : make_full(a, &b, ret, e);
    if (r == 0) {
        ret->tree = b.files;
        b.files = (struct flat){0};
        r = store_set_baseline(a->odb, &ret->commit, a->empty ? NULL : ret->pack, e);
    }
    builder_release(&b);
    if (r < 0) baseline_release(ret);
    return r;
}

/* --- counting ------------------------------------------------------------------------------------ */

static bool exists(int fd, const char *path) { return faccessat(fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0; }

static int count_ref(void *ctx, const struct walk_entry *w, struct err *e) {
    (void)e;
    if (!S_ISDIR(w->st.st_mode)) ++*(uint32_t *)ctx;
    return 0;
}

int repo_count(int ws_fd, struct repo_census *ret, struct err *e) {
    AUTO_BUF struct buf config = BUF_INIT(64u << 10);
    bool complete = false;
    *ret = (struct repo_census){0};
    AUTO_FD int refs = io_open_beneath(ws_fd, ".git/refs", O_RDONLY | O_DIRECTORY, 0, e);
    if (refs < 0 || walk_tree(refs, count_ref, &ret->refs, &complete, e) < 0) return -1;
    if (io_read_file_at(ws_fd, ".git/config", 64u << 10, &config, e) < 0) return -1;
    ret->remotes = strstr(buf_str(&config), "[remote") != NULL;
    ret->alternates =
        exists(ws_fd, ".git/objects/info/alternates") || exists(ws_fd, ".git/objects/info/http-alternates");
    ret->reflogs = exists(ws_fd, ".git/logs");
    ret->hooks = exists(ws_fd, ".git/hooks");
    return 0;
}
