/* test_in_refs.c - every form that HEAD and what it names can have; nothing blocks and nothing is believed. */
#include "tests/unit/in_fixture.h"
#include "worker/inspect/refs.h"

#define OID "0123456789abcdef0123456789abcdef01234567"

static struct in_fixture f;

static struct head read_head(void) {
    struct head h;
    refs_read_head(f.ws_fd, &h);
    return h;
}

static bool is(enum head_state state, const char *why) {
    struct head h = read_head();
    bool fine = h.state == state && strstr(h.why, why) != NULL;
    if (!fine) fprintf(stderr, "  state %d, why '%s'\n", (int)h.state, h.why);
    return fine;
}

static void test_plain(void) {
    char hex[41];
    CHECK(is(HEAD_UNREADABLE, "missing"));
    in_put(&f, ".git/HEAD", OID "\n");
    struct head h = read_head();
    CHECK(h.state == HEAD_OID && strcmp(git_oid_tostr(hex, sizeof hex, &h.oid), OID) == 0);
    in_put(&f, ".git/HEAD", "ref: refs/heads/x\n");
    CHECK(is(HEAD_UNBORN, "refs/heads/x"));
    in_put(&f, ".git/refs/heads/x", OID);
    CHECK(is(HEAD_OID, ""));
    in_put(&f, ".git/refs/heads/x", "ref: refs/heads/y\n");
    CHECK(is(HEAD_UNREADABLE, "not an object id"));
    in_put(&f, ".git/refs/heads/x", "");
    CHECK(is(HEAD_UNREADABLE, "not an object id"));
}

static void test_packed(void) {
    unlinkat(f.ws_fd, ".git/refs/heads/x", 0);
    in_put(&f, ".git/packed-refs", "# pack-refs with: peeled\n" OID " refs/heads/xx\n" OID " refs/heads/x\n^" OID "\n");
    CHECK(is(HEAD_OID, ""));
    in_put(&f, ".git/packed-refs", OID " refs/heads/x");
    CHECK(is(HEAD_OID, ""));
    in_put(&f, ".git/packed-refs", OID " refs/heads/xx\n" OID " refs/heads/");
    CHECK(is(HEAD_UNBORN, ""));
    in_put(&f, ".git/packed-refs", "zz23456789abcdef0123456789abcdef01234567 refs/heads/x\n");
    CHECK(is(HEAD_UNREADABLE, "packed-refs"));
    in_put(&f, ".git/refs/heads/x", OID);
    CHECK(is(HEAD_OID, "")); /* loose before packed */
}

static void test_bad_names(void) {
    static const char *const bad[] = {"ref: refs/heads/../x",
                                      "ref: refs/.x",
                                      "ref: refs/heads/x.lock",
                                      "ref: /refs/heads/x",
                                      "ref: refs/heads/x/",
                                      "ref: refs//x",
                                      "ref: HEAD",
                                      "ref: refs/a b",
                                      "ref: refs/a\tb",
                                      "ref: refs/a:b",
                                      "ref: refs/a\\b",
                                      "ref: refs/x.",
                                      "ref: ",
                                      "ref: refs/",
                                      "ref:refs/heads/x",
                                      "nonsense",
                                      "0123456789abcdef0123456789abcdef0123456",
                                      OID "0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        in_put(&f, ".git/HEAD", bad[i]);
        if (!CHECK(is(HEAD_UNREADABLE, "HEAD"))) fprintf(stderr, "  %s\n", bad[i]);
    }
    char big[5000];
    memset(big, ' ', sizeof big);
    memcpy(big, OID, 40);
    big[sizeof big - 1] = '\0';
    in_put(&f, ".git/HEAD", big);
    CHECK(is(HEAD_UNREADABLE, "larger"));
}

static void test_special_files(void) {
    in_put(&f, ".git/HEAD", "ref: refs/heads/x\n");
    NEED(unlinkat(f.ws_fd, ".git/refs/heads/x", 0) == 0 && mkfifoat(f.ws_fd, ".git/refs/heads/x", 0600) == 0);
    CHECK(is(HEAD_UNREADABLE, "not a regular file"));
    NEED(unlinkat(f.ws_fd, ".git/refs/heads/x", 0) == 0 &&
         symlinkat("/etc/hostname", f.ws_fd, ".git/refs/heads/x") == 0);
    CHECK(is(HEAD_UNREADABLE, "refs/heads/x"));
    NEED(unlinkat(f.ws_fd, ".git/refs/heads/x", 0) == 0 && mkdirat(f.ws_fd, ".git/refs/heads/x", 0700) == 0);
    CHECK(is(HEAD_UNREADABLE, "not a regular file"));
    NEED(unlinkat(f.ws_fd, ".git/HEAD", 0) == 0 && mkfifoat(f.ws_fd, ".git/HEAD", 0600) == 0);
    CHECK(is(HEAD_UNREADABLE, "not a regular file"));
}

int main(void) {
    in_begin(&f);
    test_plain();
    test_packed();
    test_bad_names();
    test_special_files();
    in_end(&f);
    return check_done();
}
