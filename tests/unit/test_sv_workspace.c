/* test_sv_workspace.c - the pure pieces of the workspace's lint: claims, secrets, links, front matter, what a tree of the YAML helper
 * must be. */
#include <string.h>

#include "check.h"
#include "supervisor/claims.h"
#include "supervisor/workspace.h"
#include "supervisor/yaml.h"

static void test_claims(void) {
    static const struct {
        const char *line, *claim; /* NULL: none */
    } rows[] = {
        {"No Core promotion occurs.", NULL},
        {"Runtime default activation remains false.", NULL},
        {"Do not activate Case as default backend.", NULL},
        {"core_promotion_status: not-promoted", NULL},
        {"core_promotion_status: promoted", "promoted"},
        {"core-promoted: yes", "promoted"},
        {"Core promotion: true", "promoted"},
        {"The route was PROMOTED yesterday", "promoted"},
        {"Nothing was promoted.", NULL},
        {"It was not late. It was promoted.", "promoted"}, /* each sentence for itself */
        {"runtime_default_activation: true", "activated"},
        {"runtime_default_activation: false", NULL},
        {"Case is activated", "activated"},
        {"Case is never activated", NULL},
        {"Case is the default backend.", "default-backend"},
        {"default-backend: case", "default-backend"},
        {"The default backend is fake.", NULL},
        {"Case, not fake, is the default backend", NULL}, /* a guess has its limits: "not" takes back */
        {"The fake lane is gone; case is the default engine", "default-backend"},
        {"Evidence for the candidate-default of the case backend", NULL},
        {"Blockers before promotion", NULL},
        {"depromoted promotedness", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *claim = claim_in(rows[i].line, strlen(rows[i].line));
        if (!CHECK(rows[i].claim ? claim && strcmp(claim, rows[i].claim) == 0 : !claim))
            fprintf(stderr, "%s: %s\n", rows[i].line, claim ? claim : "no claim");
    }
}

static void test_secrets(void) {
    static const char *const bad[] = {"key: sk-0123456789abcdef0123456789",
                                      "`ghp_0123456789abcdefghij`",
                                      "**AKIAABCDEFGHIJKLMNOP**",
                                      "token=abcd1234efgh5678ijkl9012mnop",
                                      "https://x.example/?key=ghp_aaaaaaaaaaaaaaaaaaaa",
                                      "-----BEGIN PRIVATE KEY-----",
                                      "sha256:0123456789ABCDEF0123456789ABCDEF"};
    static const char *const good[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                       "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                       "commit 7959ac917cdeb0983b4aaa20bb9f42021747fed8",
                                       "20261122T121005Z-r1-string-slugify-4711",
                                       "evidence/2026-11-22-first-governed-run-of-case.md",
                                       "PLANB-PRD-0012-a-long-and-honest-title",
                                       "see docs/how-we-plan.md, and nothing else"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!CHECK(ws_secret_in(bad[i], strlen(bad[i])))) fprintf(stderr, "missed: %s\n", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!CHECK(!ws_secret_in(good[i], strlen(good[i])))) fprintf(stderr, "taken for a secret: %s\n", good[i]);
}

static void links_of(const char *line, const char *all) {
    char target[200], got[400] = "";
    for (size_t at = 0; ws_next_link(line, strlen(line), &at, target, sizeof target);)
        snprintf(got + strlen(got), sizeof got - strlen(got), "<%s>", target);
    if (!CHECK(strcmp(got, all) == 0)) fprintf(stderr, "%s: %s, not %s\n", line, got, all);
}

static void resolves(const char *file, const char *target, const char *want) {
    char out[32];
    bool ok = ws_resolve(file, target, out, sizeof out);
    if (!CHECK(want ? ok && strcmp(out, want) == 0 : !ok))
        fprintf(stderr, "%s + %s: %s\n", file, target, ok ? out : "no");
}

static void test_links(void) {
    links_of("[a](b.md) and ![c](d%20e.png \"title\") [f](#here)", "<b.md><d e.png><>");
    links_of("`[no](code)` [yes](<x y>)", "<x>");
    links_of("[ref]: sub/x.md#part", "<sub/x.md>");
    links_of("no ](", "");
    links_of("[a](b", "");
    resolves("a/b.md", "c.md", "a/c.md");
    resolves("a/b.md", "../c.md", "c.md");
    resolves("a/b.md", "./x/../c.md", "a/c.md");
    resolves("a/b.md", "../../c.md", NULL);
    resolves("b.md", "..", NULL);
    resolves("b.md", "/etc/passwd", NULL);
    resolves("b.md", "0123456789012345678901234567890123456789", NULL);
    resolves("a/b.md", "..", "");
}

static void test_front_matter(void) {
    struct front_matter m;
    const char *text = "---\na: b\n---\nbody\n";
    NEED(front_matter_find(text, strlen(text), &m));
    CHECK(m.yaml_len == 5 && memcmp(m.yaml, "a: b\n", 5) == 0 && m.yaml_line == 2 && m.body_line == 4 &&
          m.body_len == 5);
    static const char *const none[] = {
        "", "---", "---\n", "---\na: b\n", " ---\na: b\n---\n", "a\n---\nb\n---\n", "----\na\n----\n"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        CHECK(!front_matter_find(none[i], strlen(none[i]), &m) && m.body == none[i]);
    text = "---\r\na: b\r\n---\r\n";
    CHECK(front_matter_find(text, strlen(text), &m) && m.yaml_len == 6 && m.body_len == 0);
    char *long_one = malloc(2 * FRONT_MATTER_MAX);
    NEED(long_one != NULL);
    memset(long_one, 'x', 2 * FRONT_MATTER_MAX);
    memcpy(long_one, "---\n", 4);
    for (size_t i = 100; i < 2 * FRONT_MATTER_MAX; i += 100) long_one[i] = '\n';
    memcpy(long_one + 2 * FRONT_MATTER_MAX - 5, "\n---\n", 5);
    CHECK(!front_matter_find(long_one, 2 * FRONT_MATTER_MAX, &m));
    free(long_one);
}

static bool tree_ok(const char *json) {
    cJSON *o = cJSON_Parse(json);
    NEED(o != NULL);
    bool ok = yaml_tree_ok(o, 0);
    cJSON_Delete(o);
    return ok;
}

static void test_trees(void) {
    CHECK(tree_ok("{\"line\":1,\"text\":\"x\"}"));
    CHECK(tree_ok("{\"line\":1,\"map\":[{\"key\":\"k\",\"line\":1,\"value\":{\"line\":2,\"list\":[]}}]}"));
    static const char *const bad[] = {
        "7",
        "[]",
        "{}",
        "{\"line\":1}",
        "{\"text\":\"x\"}",
        "{\"line\":0,\"text\":\"x\"}",
        "{\"line\":\"1\",\"text\":\"x\"}",
        "{\"line\":1,\"text\":7}",
        "{\"line\":1,\"text\":\"x\",\"more\":1}",
        "{\"line\":1,\"list\":{}}",
        "{\"line\":1,\"list\":[7]}",
        "{\"line\":1,\"map\":[{\"key\":\"k\"}]}",
        "{\"line\":1,\"map\":[{\"key\":7,\"line\":1,\"value\":{\"line\":1,\"text\":\"\"}}]}",
        "{\"line\":1,\"map\":[{\"key\":\"k\",\"line\":1,\"value\":7}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!CHECK(!tree_ok(bad[i]))) fprintf(stderr, "taken: %s\n", bad[i]);
    char deep[4096] = "";
    for (int i = 0; i < 40; i++) strncat(deep, "{\"line\":1,\"list\":[", sizeof deep - strlen(deep) - 1);
    strncat(deep, "{\"line\":1,\"text\":\"\"}", sizeof deep - strlen(deep) - 1);
    for (int i = 0; i < 40; i++) strncat(deep, "]}", sizeof deep - strlen(deep) - 1);
    CHECK(!tree_ok(deep));
}

static void test_names(void) {
    CHECK(name_in("refs/heads/core-work-172", "CORE-WORK-172") && name_in("CORE-WORK-172-b", "core-work-172"));
    CHECK(!name_in("CORE-WORK-1723", "CORE-WORK-172") && !name_in("XCORE-WORK-172", "CORE-WORK-172"));
    CHECK(name_in("xCORE-WORK-172 CORE-WORK-172", "CORE-WORK-172") && !name_in("anything", ""));
    CHECK(name_in("/srv/worktrees/core-a/x", "worktrees/core-a"));
}

int main(void) {
    test_claims();
    test_secrets();
    test_links();
    test_front_matter();
    test_trees();
    test_names();
    return check_done();
}
