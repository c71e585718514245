/* test_in_trees.c - store, import, commit graph and tree difference over objects that the test writes itself. */
#include <git2/sys/commit.h>
#include <git2/sys/repository.h>

#include "tests/unit/in_fixture.h"
#include "worker/inspect/commits.h"
#include "worker/inspect/treediff.h"

static struct in_fixture f;
static struct session s;
static char seen[4096];

static int note(void *ctx, const struct tree_change *c, struct err *e) {
    (void)ctx;
    (void)e;
    size_t at = strlen(seen);
    snprintf(seen + at, sizeof seen - at, "%c%s ", c->letter, c->path);
    return 0;
}

struct entry {
    const char *name;
    git_filemode_t mode;
    git_oid oid;
};

static git_oid object(git_object_t type, const void *p, size_t n) {
    git_oid oid;
    NEED(git_odb_write(&oid, s.store.odb, p, n, type) == 0);
    return oid;
}

static git_oid blob(const char *text) { return object(GIT_OBJECT_BLOB, text, strlen(text)); }

static git_oid tree(const struct entry *v, size_t n) {
    AUTO_BUF struct buf b = BUF_INIT(1u << 16);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&b, "%o %s", (unsigned)v[i].mode, v[i].name);
        buf_put_u8(&b, 0);
        buf_put(&b, v[i].oid.id, GIT_OID_RAWSZ);
    }
    return object(GIT_OBJECT_TREE, b.p != NULL ? (const void *)b.p : "", b.len);
}

static git_oid commit(const git_oid *of_tree, const git_oid *const *parents, size_t n) {
    git_signature *who = NULL;
    git_oid oid;
    const git_oid *v[4] = {NULL};
    for (size_t i = 0; i < n; i++) v[i] = parents[i];
    NEED(git_signature_new(&who, "T", "t@t", 1, 0) == 0);
    NEED(git_commit_create_from_ids(&oid, s.store.repo, NULL, who, who, NULL, "m", of_tree, n, v) == 0);
    git_signature_free(who);
    return oid;
}

static bool differs(const git_oid *a, const git_oid *b, const char *expected) {
    struct err e = ERR_INIT;
    uint64_t budget = 1000;
    seen[0] = '\0';
    int r = treediff(&s.store, a, b, &budget, note, NULL, &e);
    bool fine = r == 0 && strcmp(seen, expected) == 0;
    if (!fine) fprintf(stderr, "  %d '%s' %s\n", r, seen, e.text);
    return fine;
}

static void test_treediff(void) {
    git_oid x = blob("x"), y = blob("y");
    git_oid sub_x = tree((struct entry[]){{"f", GIT_FILEMODE_BLOB, x}}, 1);
    git_oid sub_y = tree((struct entry[]){{"f", GIT_FILEMODE_BLOB, y}}, 1);
    git_oid a = tree(
        (struct entry[]){{"a", GIT_FILEMODE_BLOB, x}, {"d", GIT_FILEMODE_TREE, sub_x}, {"k", GIT_FILEMODE_BLOB, x}}, 3);
    git_oid b = tree(
        (struct entry[]){{"a", GIT_FILEMODE_LINK, x}, {"d", GIT_FILEMODE_TREE, sub_y}, {"n", GIT_FILEMODE_BLOB, x}}, 3);
    git_oid c = tree((struct entry[]){{"a", GIT_FILEMODE_BLOB_EXECUTABLE, x},
                                      {"d", GIT_FILEMODE_BLOB, x},
                                      {"k", GIT_FILEMODE_TREE, sub_x}},
                     3);
    CHECK(differs(&a, &a, ""));
    CHECK(differs(&a, &b, "Ta Md/f Dk An "));
    CHECK(differs(&b, &a, "Ta Md/f Ak Dn "));
    CHECK(differs(&a, &c, "Ma Ad Dd/f Dk Ak/f "));
    CHECK(differs(NULL, &a, "Aa Ad/f Ak "));
    CHECK(differs(&a, NULL, "Da Dd/f Dk "));
    struct err e = ERR_INIT;
    uint64_t budget = 2;
    CHECK(treediff(&s.store, NULL, &a, &budget, note, NULL, &e) < 0 && e.code == ERR_LIMIT);
}

static bool refused(git_oid oid, enum err_code code, const char *word) {
    struct err e = ERR_INIT;
    git_tree *t = NULL;
    int r = store_tree(&s.store, &oid, &t, &e);
    git_tree_free(t);
    bool fine = r < 0 && e.code == code && strstr(e.text, word) != NULL;
    if (!fine) fprintf(stderr, "  %d %d %s\n", r, (int)e.code, e.text);
    return fine;
}

static void test_bad_trees(void) {
    git_oid x = blob("x"), sub = tree((struct entry[]){{"f", GIT_FILEMODE_BLOB, x}}, 1);
    CHECK(refused(x, ERR_PARSE, "it is a blob"));
    CHECK(refused(tree((struct entry[]){{".git", GIT_FILEMODE_TREE, sub}}, 1), ERR_PARSE, "name"));
    CHECK(refused(tree((struct entry[]){{"..", GIT_FILEMODE_TREE, sub}}, 1), ERR_PARSE, "name"));
    CHECK(refused(tree((struct entry[]){{"b", GIT_FILEMODE_BLOB, x}, {"a", GIT_FILEMODE_BLOB, x}}, 2), ERR_PARSE,
                  "order"));
    CHECK(refused(tree((struct entry[]){{"a", GIT_FILEMODE_BLOB, x}, {"a", GIT_FILEMODE_BLOB, x}}, 2), ERR_PARSE,
                  "order"));
    CHECK(refused(
        tree(
            (struct entry[]){{"a", GIT_FILEMODE_BLOB, x}, {"a-b", GIT_FILEMODE_BLOB, x}, {"a", GIT_FILEMODE_TREE, sub}},
            3),
        ERR_PARSE, "one name"));
    CHECK(refused(tree((struct entry[]){{"a", 0100664, x}}, 1), ERR_PARSE, "mode"));
    git_oid absent = x;
    absent.id[0] ^= 0xff;
    CHECK(refused(absent, ERR_MISSING, "not there"));
    git_oid deep = sub;
    struct flat flat = {0};
    struct err e = ERR_INIT;
    for (unsigned i = 0; i < MAX_DEPTH; i++) deep = tree((struct entry[]){{"d", GIT_FILEMODE_TREE, deep}}, 1);
    CHECK(flatten(&s.store, &deep, &flat, &e) == 0 && flat.n == 1);
    deep = tree((struct entry[]){{"d", GIT_FILEMODE_TREE, deep}}, 1);
    CHECK(flatten(&s.store, &deep, &flat, &e) < 0 && e.code == ERR_LIMIT && flat.n == 1);
    flat_release(&flat);
}

static enum relation relation_of(const git_oid *head, size_t *ret_n) {
    struct err e = ERR_INIT;
    enum relation r = RELATION_OTHER;
    struct commit_list list = {0};
    CHECK(commits_since_baseline(&s.store, head, &r, &list, &e) == 0);
    *ret_n = list.n;
    commit_list_release(&list);
    return r;
}

static void test_graph(void) {
    const git_oid *base = &f.baseline.commit;
    git_oid t = tree((struct entry[]){{"x", GIT_FILEMODE_BLOB, blob("x")}}, 1);
    git_oid root = commit(&t, NULL, 0), one = commit(&t, &base, 1);
    const git_oid *p_one = &one, *both[] = {&root, &one};
    git_oid two = commit(&t, &p_one, 1), merge = commit(&t, both, 2);
    size_t n = 0;
    CHECK(relation_of(base, &n) == RELATION_SAME && n == 0);
    CHECK(relation_of(&root, &n) == RELATION_OTHER && n == 0);
    CHECK(relation_of(&one, &n) == RELATION_DESCENDS && n == 1);
    CHECK(relation_of(&two, &n) == RELATION_DESCENDS && n == 2);
    CHECK(relation_of(&merge, &n) == RELATION_DESCENDS && n == 3);
    git_oid zero = {{0}};
    CHECK(relation_of(&zero, &n) == RELATION_OTHER);
    CHECK(store_is_base(&s.store, base) && !store_is_base(&s.store, &one));
}

static void test_notes_and_refs(void) {
    struct err e = ERR_INIT;
    git_oid got;
    char text[16];
    CHECK(store_read_ref(&s.store, "nothing", &got, &e) == 0);
    CHECK(store_write_ref(&s.store, "result", &f.baseline.commit, &e) == 0);
    CHECK(store_read_ref(&s.store, "result", &got, &e) == 1 && git_oid_equal(&got, &f.baseline.commit));
    CHECK(store_write_note(&s.store, "note", "text", &e) == 0);
    CHECK(store_read_note(&s.store, "note", text, sizeof text, &e) == 1 && strcmp(text, "text") == 0);
    CHECK(store_read_note(&s.store, "note", text, 3, &e) < 0);
}

int main(void) {
    struct err e = ERR_INIT;
    in_begin(&f);
    in_put(&f, "a", "one\n");
    in_baseline(&f);
    NEED(session_open(&s, &f.args, &e) == 0);
    test_treediff();
    test_bad_trees();
    test_graph();
    test_notes_and_refs();
    session_release(&s);
    in_end(&f);
    return check_done();
}
