/* scan.c - the worktree against a list of paths, ids and modes.
 *
 * Nothing that the agent wrote has a say: no attributes, no filters, no ignore file of the worktree, no index flags. A
 * file is opened only when stat says that it is regular, and then with O_NOFOLLOW and O_NONBLOCK, because it may have
 * become a FIFO in between. The directory of a submodule that the case declared is not entered: its content is its own
 * repository's business. A link to a commit that the agent made itself is no such thing: what lies below it is in no
 * tree, the verifier never sees it, and so it is untracked like any other file.
 */
#include "worker/inspect/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"
#include "worker/inspect/hash.h"
#include "worker/inspect/inspect.h"
#include "worker/inspect/walk.h"

enum { TAG_PLAIN = 0, TAG_IGNORED = 1 };

/* Timestamps have the granularity of a tick: a file changed as recently as this may change again without showing it. */
#define RACY_NS 20000000

struct pass {
    struct scan *scan;
    int64_t racy_since_ns;
};

static int64_t nanoseconds(const struct timespec *t) { return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec; }

int64_t scan_racy_border(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds(&now) - RACY_NS;
}

struct stat_key scan_key(const struct stat *st) {
    return (struct stat_key){.ino = st->st_ino,
                             .size = (uint64_t)st->st_size,
                             .mtime_ns = nanoseconds(&st->st_mtim),
                             .ctime_ns = nanoseconds(&st->st_ctim),
                             .mode = st->st_mode};
}

static bool same_key(const struct stat_key *a, const struct stat_key *b) {
    return a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns &&
           a->mode == b->mode;
}

static int found(struct scan *s, char letter, const char *path, size_t n, struct err *e) {
    s->dirty++;
    return s->dirt != NULL ? s->dirt(s->ctx, letter, path, n, e) : 0;
}

static void add_to_fingerprint(struct scan *s, const struct walk_entry *w) {
    struct stat_key k = scan_key(&w->st);
    uint64_t fields[5] = {k.size, (uint64_t)k.mtime_ns, (uint64_t)k.ctime_ns, k.mode, k.ino};
    uint64_t h = hash_mix(0x243f6a8885a308d3u, w->path, w->path_len);
    s->fingerprint += hash_mix(h, fields, sizeof fields);
}

/* 0 and the id; 1: not the file that stat saw; -1: unreadable. */
static int hash_link(const struct walk_entry *w, git_oid *ret) {
    char target[MAX_PATH + 2];
    ssize_t n = readlinkat(w->dirfd, w->name, target, sizeof target);
    if (n < 0) return -1;
    if (n > (ssize_t)MAX_PATH) return 1;
    hash_blob(target, (size_t)n, ret);
    return 0;
}

static int hash_file(struct scan *s, const struct walk_entry *w, git_oid *ret) {
    AUTO_FD int fd = openat(w->dirfd, w->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) return -1;
    if (!S_ISREG(st.st_mode) || st.st_size != w->st.st_size) return 1;
    s->hashed_bytes += (uint64_t)st.st_size;
    if (s->hashed_bytes > MAX_TOTAL) return -1;
    return hash_blob_fd(fd, (uint64_t)st.st_size, ret);
}

/* The letter for the content of a file or link that has the right type and mode; 0 when it agrees. */
static char compare_content(struct pass *p, const struct walk_entry *w, struct flat_entry *x) {
    struct stat_key key = scan_key(&w->st);
    if (p->scan->trust_stat && x->hashed && same_key(&key, &x->key)) return git_oid_equal(&x->hash, &x->oid) ? 0 : 'M';
    x->hashed = false;
    if (key.size > MAX_BLOB) return 'M';
    git_oid oid;
    int r = S_ISLNK(w->st.st_mode) ? hash_link(w, &oid) : hash_file(p->scan, w, &oid);
    if (r < 0) return 'X';
    if (r > 0) return 'M';
    if (key.ctime_ns < p->racy_since_ns && key.mtime_ns < p->racy_since_ns) {
        x->hashed = true;
        x->key = key;
        x->hash = oid;
    }
    return git_oid_equal(&oid, &x->oid) ? 0 : 'M';
}

static char compare_tracked(struct pass *p, const struct walk_entry *w, struct flat_entry *x) {
    mode_t type = w->st.st_mode & S_IFMT;
    x->seen = true;
    if (type == S_IFDIR) return x->mode == GIT_FILEMODE_COMMIT ? 0 : 'T';
    if (type != S_IFREG && type != S_IFLNK) return 'X';
    if (x->mode == GIT_FILEMODE_COMMIT) return 'T';
    if ((type == S_IFLNK) != (x->mode == GIT_FILEMODE_LINK)) return 'T';
    if (type == S_IFREG && ((w->st.st_mode & S_IXUSR) != 0) != (x->mode == GIT_FILEMODE_BLOB_EXECUTABLE)) return 'M';
    return compare_content(p, w, x);
}

/* A directory that the tree does not name itself: go in, unless everything in it is ignored. */
static int enter_directory(const struct scan *s, const struct walk_entry *w) {
    bool ignored = w->tag == TAG_IGNORED || ignore_match(s->ignore, w->path, w->path_len, true);
    if (!ignored) return TAG_PLAIN;
    return flat_has_below(s->tree, w->path, w->path_len) ? TAG_IGNORED : WALK_SKIP;
}

static int on_entry(void *ctx, const struct walk_entry *w, struct err *e) {
    struct pass *p = ctx;
    struct scan *s = p->scan;
    bool is_dir = S_ISDIR(w->st.st_mode);
    if (w->dirfd >= 0) add_to_fingerprint(s, w);
    if (w->problem != NULL) {
        if (w->tag == TAG_IGNORED || ignore_match(s->ignore, w->path, w->path_len, is_dir)) return WALK_SKIP;
        return found(s, 'X', w->path, w->path_len, e) < 0 ? -1 : WALK_SKIP;
    }
    struct flat_entry *x = flat_find(s->tree, w->path, w->path_len);
    if (x != NULL) {
        char letter = compare_tracked(p, w, x);
        if (letter != 0 && found(s, letter, w->path, w->path_len, e) < 0) return -1;
        return is_dir && x->submodule ? WALK_SKIP : TAG_PLAIN;
    }
    if (is_dir) return enter_directory(s, w);
    if (w->tag == TAG_IGNORED || ignore_match(s->ignore, w->path, w->path_len, false)) return WALK_SKIP;
    char letter = S_ISREG(w->st.st_mode) || S_ISLNK(w->st.st_mode) ? '?' : 'X';
    return found(s, letter, w->path, w->path_len, e) < 0 ? -1 : WALK_SKIP;
}

int scan_worktree(struct scan *s, struct err *e) {
    struct pass p = {.scan = s, .racy_since_ns = scan_racy_border()};
    bool complete = false;
    s->fingerprint = s->dirty = s->hashed_bytes = 0;
    for (size_t i = 0; i < s->tree->n; i++) s->tree->v[i].seen = false;
    if (walk_tree(s->ws_fd, on_entry, &p, &complete, e) < 0) return -1;
    if (!complete) return found(s, 'X', ".", 1, e);
    for (size_t i = 0; i < s->tree->n; i++) {
        const struct flat_entry *x = &s->tree->v[i];
        if (!x->seen && found(s, 'D', flat_path(s->tree, x), x->len, e) < 0) return -1;
    }
    return 0;
}

/* --- the index ----------------------------------------------------------------------------------- */

bool scan_index_changed(int ws_fd, struct stat_key *key) {
    struct stat st;
    AUTO_FD int fd = io_open_beneath_quiet(ws_fd, ".git/index", O_PATH, 0);
    bool readable = fd >= 0 && fstat(fd, &st) == 0;
    struct stat_key now = readable ? scan_key(&st) : (struct stat_key){0};
    bool unchanged = readable && same_key(key, &now) && now.ctime_ns < scan_racy_border();
    *key = now;
    return !unchanged;
}

/* libgit2 makes room for as many entries as the header claims before it reads the first, and an entry has at least 62
 * bytes. */
static bool claims_too_much(const struct buf *b) {
    struct rd header = rd_over(buf_str(b), b->len);
    const uint8_t *p = rd_raw(&header, 12);
    if (p == NULL) return true;
    uint32_t n = (uint32_t)p[8] << 24 | (uint32_t)p[9] << 16 | (uint32_t)p[10] << 8 | p[11];
    return n > b->len / 62;
}

/* 1: copied; 0: there is none; ERR_PARSE and ERR_LIMIT as usual. */
static int copy_index(int ws_fd, const struct store *store, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(MAX_INDEX);
    AUTO_FD int fd = io_open_beneath_quiet(ws_fd, ".git/index", O_RDONLY | O_NONBLOCK, 0);
    struct stat st;
    if (fd < 0) return errno == ENOENT ? 0 : err_set(e, ERR_PARSE, "cannot be opened");
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) return err_set(e, ERR_PARSE, "not a regular file");
    if ((uint64_t)st.st_size > MAX_INDEX) return err_set(e, ERR_LIMIT, "too large");
    char chunk[16 << 10];
    for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) != 0;) {
        if (n < 0) return err_set(e, ERR_PARSE, "cannot be read");
        buf_put(&b, chunk, (size_t)n);
        if (b.bad) return err_set(e, ERR_LIMIT, "too large");
    }
    if (claims_too_much(&b)) return err_set(e, ERR_PARSE, "claims more entries than it can have");
    return io_replace_file_at(store->dir_fd, "cto-index", b.p != NULL ? (const void *)b.p : "", b.len, 0600, 0, e) < 0
               ? -1
               : 1;
}

static int open_index(struct scan *s, const struct store *store, git_index **ret, struct err *e) {
    char path[4200];
    int r = copy_index(s->ws_fd, store, e);
    if (r < 0) return -1;
    snprintf(path, sizeof path, "%s/%s", store->dir, r > 0 ? "cto-index" : "cto-no-index");
    if (git_index_open(ret, path) < 0) {
        git_error_clear();
        return err_set(e, ERR_PARSE, "corrupt");
    }
    return 0;
}

static bool agrees(const git_index_entry *en, const struct flat_entry *x) {
    return git_index_entry_stage(en) == 0 && en->mode == x->mode && git_oid_equal(&en->id, &x->oid);
}

/* Both lists are sorted by path; libgit2 sorts what it reads, and a twin of an earlier entry finds nothing to agree
 * with. */
static int compare_index(struct scan *s, git_index *index, struct err *e) {
    size_t n = git_index_entrycount(index), i = 0;
    for (size_t j = 0; i < n || j < s->tree->n;) {
        const git_index_entry *en = i < n ? git_index_get_byindex(index, i) : NULL;
        const struct flat_entry *x = j < s->tree->n ? &s->tree->v[j] : NULL;
        const char *path = x != NULL ? flat_path(s->tree, x) : NULL;
        int order = en == NULL ? 1 : x == NULL ? -1 : strcmp(en->path, path);
        bool fine = order == 0 && agrees(en, x);
        const char *where = order <= 0 ? en->path : path;
        if (order <= 0) i++;
        if (order >= 0) j++;
        if (!fine && found(s, 'I', where, strlen(where), e) < 0) return -1;
    }
    return 0;
}

int scan_index(struct scan *s, const struct store *store, struct err *e) {
    struct err why = ERR_INIT;
    git_index *index = NULL;
    if (open_index(s, store, &index, &why) < 0) {
        if (inspect_is_finding(&why)) return found(s, 'I', ".git/index", 10, e);
        *e = why;
        return err_ctx(e, "copy the index");
    }
    int r = compare_index(s, index, e);
    git_index_free(index);
    return r;
}
