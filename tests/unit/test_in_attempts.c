/* test_in_attempts.c - the marks of forbidden actions: each is seen in every form that git gives it, and what an honest
 * agent does with its own repository leaves none. */
#include "tests/unit/in_fixture.h"
#include "worker/inspect/attempts.h"

#define OID "0123456789abcdef0123456789abcdef01234567"

static struct in_fixture f;
static char seen[2000];

static int note(void *ctx, enum attempt_kind kind, const char *name, size_t n, struct err *e) {
    (void)ctx, (void)e;
    size_t at = strlen(seen);
    snprintf(seen + at, sizeof seen - at, "%s%d %.*s", at ? ", " : "", (int)kind, (int)n, name);
    return 0;
}

static bool config_has(const char *text, const char *want) {
    struct err e = ERR_INIT;
    seen[0] = '\0';
    /* of exactly its size: a read behind the end is one that a sanitizer sees */
    char *copy = malloc(strlen(text) + 1);
    NEED(copy != NULL);
    memcpy(copy, text, strlen(text));
    bool fine = attempts_in_config(copy, strlen(text), note, NULL, &e) == 0 && strcmp(seen, want) == 0;
    if (!fine) fprintf(stderr, "  '%s': '%s', want '%s'\n", text, seen, want);
    free(copy);
    return fine;
}

static void test_remotes(void) {
    CHECK(config_has("[remote \"origin\"]\n\turl = https://x/y\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
                     "1 origin"));
    CHECK(config_has("[REMOTE \"o\"]\nURL=x", "1 o"));
    CHECK(config_has("[remote.old]\n pushurl = x", "1 old"));
    CHECK(config_has("[remote \"a\"] url = x", "1 a"));
    CHECK(config_has("[core]\n\tx = y\n[remote \"a\"]\r\n\turl\t=\tx\r\n[remote \"b\"]\nurl=y\n", "1 a, 1 b"));
    CHECK(config_has("[remote \"a \\\"]b\"]\nurl = x\n", "1 a \\\"]b"));
    CHECK(config_has("[branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n", "1 origin"));
    CHECK(config_has("[branch \"main\"]\n\tpushRemote = https://x/y\n", "1 https://x/y"));
    CHECK(config_has("[url \"https://x/\"]\n\tpushInsteadOf = gh:\n", "1 https://x/"));
}

static void test_credentials(void) {
    CHECK(config_has("[credential]\n\thelper = store\n", "3 helper"));
    CHECK(config_has("[credential \"https://x\"]\n\tusername = me\n", "3 username"));
    CHECK(config_has("[http \"https://x\"]\n\textraHeader = Authorization: Basic eA==\n", "3 extraHeader"));
}

static void test_honest(void) {
    static const char *const honest[] = {
        "",
        "\n\n",
        "[",
        "[remote",
        "[remote \"",
        "[remote \"x\"]",
        "[remote \"x\\",
        "url = x",
        "[]\nurl = x",
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n[gc]\n\tauto = 0\n[user]\n\tname = A\n",
        "[branch \"topic\"]\n\tremote = .\n\tmerge = refs/heads/main\n", /* git branch --track topic main */
        "[remote]\n\tpushDefault = origin\n",                            /* a wish, and no place */
        "[submodule \"lib\"]\n\tactive = true\n\turl = ./lib\n",
        "[url \"https://x/\"]\n\tinsteadOf = gh:\n",
        "# [remote \"x\"]\n; [credential]\n#\turl = x\n",
        "[http]\n\tpostBuffer = 1\n",
        "[remotes \"x\"]\n\turl = x\n[remote-x \"y\"]\nurl = z\n",
        "[remote \"x\"]\n\tpromisor = true\n\tpartialclonefilter = blob:none\n",
    };
    for (size_t i = 0; i < sizeof honest / sizeof *honest; i++) CHECK(config_has(honest[i], ""));
}

static bool repository_has(const char *want) {
    struct err e = ERR_INIT;
    seen[0] = '\0';
    bool fine = attempts_in_repository(f.ws_fd, note, NULL, &e) == 0 && strcmp(seen, want) == 0;
    if (!fine) fprintf(stderr, "  '%s', want '%s'\n", seen, want);
    return fine;
}

static void test_repository(void) {
    CHECK(repository_has("")); /* not even a .git */
    in_put(&f, ".git/config", "[core]\n\tbare = false\n");
    in_put(&f, ".git/refs/heads/origin/main", OID "\n");
    in_put(&f, ".git/packed-refs",
           "# pack-refs with: peeled\n" OID " refs/heads/refs/remotes/x\n" OID " refs/tags/v1\n");
    NEED(mkdirat(f.ws_fd, ".git/branches", 0755) == 0); /* git init makes it */
    NEED(io_mkdirs_at(f.ws_fd, ".git/refs/remotes/origin", 0755, NULL) == 0);
    CHECK(repository_has(""));
    in_put(&f, ".git/config", "[remote \"o\"]\n\turl = x\n");
    in_put(&f, ".git/config.worktree", "[credential]\n\thelper = cache\n");
    CHECK(repository_has("1 o, 3 helper"));
    in_put(&f, ".git/refs/remotes/origin/main", OID "\n");
    CHECK(repository_has("1 o, 3 helper, 2 origin/main"));
    in_put(&f, ".git/packed-refs", OID " refs/heads/x\n" OID " refs/remotes/o/x\n" OID " refs/remotes/o/y");
    CHECK(repository_has("1 o, 3 helper, 2 origin/main, 2 o/x"));
    in_put(&f, ".git/branches/up", "x\n");
    in_put(&f, ".git/remotes/up2", "URL: x\n");
    CHECK(repository_has("1 o, 3 helper, 1 up2, 1 up, 2 origin/main, 2 o/x"));
}

/* Nothing of it may stall or fail us. */
static void test_special_files(void) {
    static const char *const files[] = {".git/config", ".git/config.worktree", ".git/packed-refs", ".git/remotes/up2",
                                        ".git/branches/up"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        NEED(unlinkat(f.ws_fd, files[i], 0) == 0 && mkfifoat(f.ws_fd, files[i], 0600) == 0);
    NEED(io_remove_tree_at(f.ws_fd, ".git/refs/remotes", NULL) == 0 &&
         symlinkat("/etc", f.ws_fd, ".git/refs/remotes") == 0);
    struct err e = ERR_INIT;
    seen[0] = '\0';
    CHECK(attempts_in_repository(f.ws_fd, note, NULL, &e) < 0 && e.code == ERR_PARSE &&
          strstr(e.text, ".git/config:") && strcmp(seen, "1 up2, 1 up") == 0); /* what can be seen is seen */
    NEED(unlinkat(f.ws_fd, ".git/config", 0) == 0 && unlinkat(f.ws_fd, ".git/config.worktree", 0) == 0 &&
         unlinkat(f.ws_fd, ".git/packed-refs", 0) == 0);
    e = ERR_INIT;
    CHECK(attempts_in_repository(f.ws_fd, note, NULL, &e) < 0 && strstr(e.text, ".git/refs/remotes:"));
    NEED(unlinkat(f.ws_fd, ".git/refs/remotes", 0) == 0);
    CHECK(repository_has("1 up2, 1 up"));
    CHECK(attempt_action(0) == NULL && attempt_action(4) == NULL &&
          strcmp(attempt_action(3), "credential_change") == 0);
    CHECK(attempt_text(0) == NULL && attempt_text(2) != NULL);
}

int main(void) {
    in_begin(&f);
    test_remotes();
    test_credentials();
    test_honest();
    test_repository();
    test_special_files();
    in_end(&f);
    return check_done();
}
