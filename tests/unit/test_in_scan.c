/* test_in_scan.c - worktree and index against a tree: what is dirt, what the stat cache may and may not say. */
#include "tests/unit/in_fixture.h"
#include "worker/inspect/hash.h"
#include "worker/inspect/scan.h"
#include "worker/inspect/walk.h"

static struct in_fixture f;
static struct session s;
static char seen[1024];

static int note(void *ctx, char letter, const char *path, size_t n, struct err *e) {
    (void)ctx;
    (void)e;
    size_t at = strlen(seen);
    snprintf(seen + at, sizeof seen - at, "%c%.*s ", letter, (int)n, path);
    return 0;
}

static struct scan scan(struct flat *tree, bool trust_stat, bool index) {
    struct err e = ERR_INIT;
    struct scan sc = {.ws_fd = s.ws_fd, .tree = tree, .ignore = &s.ignore, .trust_stat = trust_stat, .dirt = note};
    seen[0] = '\0';
    CHECK(scan_worktree(&sc, &e) == 0);
    if (index) CHECK(scan_index(&sc, &s.store, &e) == 0);
    return sc;
}

static void test_clean_and_dirty(struct flat *tree) {
    struct scan a = scan(tree, false, true), b = scan(tree, false, true);
    CHECK(a.dirty == 0 && a.fingerprint == b.fingerprint && a.hashed_bytes > 0);
    in_put(&f, "a", "changed\n");
    struct scan c = scan(tree, false, true);
    CHECK(c.dirty == 1 && strcmp(seen, "Ma ") == 0 && c.fingerprint != a.fingerprint);
    in_put(&f, "a", "one\n");
    CHECK(scan(tree, false, true).dirty == 0);
    in_put(&f, "d/x.log", "ignored");
    in_put(&f, "out/deep/er", "ignored");
    CHECK(scan(tree, false, true).dirty == 0);
    NEED(fchmodat(f.ws_fd, "a", 0755, 0) == 0);
    CHECK(scan(tree, false, false).dirty == 1 && strcmp(seen, "Ma ") == 0);
    NEED(fchmodat(f.ws_fd, "a", 0644, 0) == 0);
    NEED(unlinkat(f.ws_fd, "a", 0) == 0);
    CHECK(scan(tree, false, false).dirty == 1 && strcmp(seen, "Da ") == 0);
    NEED(symlinkat("one\n", f.ws_fd, "a") == 0);
    CHECK(scan(tree, false, false).dirty == 1 && strcmp(seen, "Ta ") == 0);
    NEED(unlinkat(f.ws_fd, "a", 0) == 0 && mkfifoat(f.ws_fd, "a", 0600) == 0);
    CHECK(scan(tree, false, false).dirty == 1 && strcmp(seen, "Xa ") == 0);
    NEED(unlinkat(f.ws_fd, "a", 0) == 0 && mkdirat(f.ws_fd, "a", 0755) == 0);
    CHECK(scan(tree, false, false).dirty == 1 && strcmp(seen, "Ta ") == 0);
    NEED(unlinkat(f.ws_fd, "a", AT_REMOVEDIR) == 0);
    in_put(&f, "a", "one\n");
}

/* The cache is used when it may be, and is only as good as stat: a verdict must not use it. */
static void test_stat_cache(struct flat *tree) {
    usleep(50000);
    CHECK(scan(tree, true, false).dirty == 0);
    struct scan warm = scan(tree, true, false);
    CHECK(warm.dirty == 0 && warm.hashed_bytes == 0);
    struct flat_entry *x = flat_find(tree, "a", 1);
    NEED(x != NULL && x->hashed);
    memset(&x->hash, 7, sizeof x->hash);
    CHECK(scan(tree, true, false).dirty == 1);
    CHECK(scan(tree, false, false).dirty == 0);
    in_put(&f, "a", "two\n");
    CHECK(scan(tree, true, false).dirty == 1 && !x->hashed); /* too young to be remembered */
    in_put(&f, "a", "one\n");
    CHECK(scan(tree, true, false).dirty == 0);
}

static void test_index(struct flat *tree) {
    struct flat_entry *x = flat_find(tree, "d/b", 3);
    NEED(x != NULL);
    git_oid was = x->oid;
    memset(&x->oid, 9, sizeof x->oid);
    x->hashed = false;
    CHECK(scan(tree, false, true).dirty == 2 && strcmp(seen, "Md/b Id/b ") == 0);
    x->oid = was;
    in_put(&f, ".git/index", "no index");
    CHECK(scan(tree, false, true).dirty == 1 && strcmp(seen, "I.git/index ") == 0);
    NEED(unlinkat(f.ws_fd, ".git/index", 0) == 0);
    CHECK(scan(tree, false, true).dirty == tree->n);
    NEED(mkfifoat(f.ws_fd, ".git/index", 0600) == 0);
    CHECK(scan(tree, false, true).dirty == 1);
    struct stat_key key = {0};
    CHECK(scan_index_changed(f.ws_fd, &key));
}

static void test_flat(struct flat *tree) {
    CHECK(flat_find(tree, "a", 1) != NULL && flat_find(tree, "aa", 2) == NULL && flat_find(tree, "", 0) == NULL);
    CHECK(flat_has_below(tree, "d", 1) && !flat_has_below(tree, "a", 1) && !flat_has_below(tree, "zz", 2));
    for (size_t i = 1; i < tree->n; i++)
        CHECK(strcmp(flat_path(tree, &tree->v[i - 1]), flat_path(tree, &tree->v[i])) < 0);
}

static void test_hash(void) {
    git_oid a, b;
    hash_blob("", 0, &a);
    CHECK(git_oid_streq(&a, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391") == 0);
    hash_blob("one\n", 4, &a);
    CHECK(git_odb_hash(&b, "one\n", 4, GIT_OBJECT_BLOB) == 0 && git_oid_equal(&a, &b));
    AUTO_FD int fd = openat(f.ws_fd, "a", O_RDONLY | O_CLOEXEC);
    CHECK(hash_blob_fd(fd, 4, &b) == 0 && git_oid_equal(&a, &b));
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && hash_blob_fd(fd, 3, &b) == 1);
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && hash_blob_fd(fd, 5, &b) == 1);
    struct oidset set = {0};
    struct err e = ERR_INIT;
    for (unsigned i = 0; i < 3000; i++) {
        memcpy(a.id, &i, sizeof i);
        CHECK(oidset_add(&set, &a, &e) == 1);
    }
    CHECK(oidset_add(&set, &a, &e) == 0 && oidset_has(&set, &a) && set.n == 3000);
    oidset_release(&set);
    CHECK(!oidset_has(&set, &a));
}

int main(void) {
    struct err e = ERR_INIT;
    struct flat tree = {0};
    in_begin(&f);
    in_put(&f, "a", "one\n");
    in_put(&f, "d/b", "two\n");
    in_put(&f, ".gitignore", "*.log\n/out/\n");
    in_baseline(&f);
    NEED(session_open(&s, &f.args, &e) == 0 && flatten_commit(&s.store, &f.baseline.commit, &tree, &e) == 0);
    test_flat(&tree);
    test_hash();
    test_clean_and_dirty(&tree);
    test_stat_cache(&tree);
    test_index(&tree);
    flat_release(&tree);
    session_release(&s);
    in_end(&f);
    return check_done();
}
