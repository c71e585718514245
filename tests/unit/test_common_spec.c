/* test_common_spec.c - the run spec: a full one and a small one are emitted, parsed and emitted again to the same bytes; every
 * field arrives; each key is needed or has its default; unknown keys and wrong values are refused with their path. */
#include <string.h>

#include "check.h"
#include "common/io.h"
#include "common/spec.h"

static void minimal(struct run_spec *s) {
    *s = (struct run_spec){.run_id = "R-1",
                           .build_id = "b",
                           .case_dir = "/cases/x",
                           .work_dir = "/home/w/R-1",
                           .libexec_dir = "/bin",
                           .supervisor_pid = 1,
                           .engine_uid = -1,
                           .verifier_uid = -1,
                           .engine = "fake",
                           .commit = COMMIT_AGENT};
}

static void full(struct run_spec *s) {
    minimal(s);
    s->run_id = "R \"quoted\" \xc3\xa4\n";
    s->fixture = "fixture";
    s->supervisor_pid = INT32_MAX, s->engine_uid = 4294967294, s->verifier_uid = 0;
    s->baseline_empty = true, s->history_commits = 10000, s->generate_dir = "gen", s->generate_count = 1000000,
    s->generate_size = 1 << 20;
    for (int i = 0; i < SPEC_MAX_SUBMODULES; i++) s->submodules[i] = (struct spec_submodule){"lib/sub", "shapes/sub"};
    s->n_submodules = SPEC_MAX_SUBMODULES;
    s->dirty_start = "[{\"do\":\"write\"}]";
    s->clean_start_required = true, s->diff_required = true;
    s->engine_config = "{\"steps\":[]}", s->program = "/opt/ca", s->interpreter = "/opt/node", s->task = "do it\n",
    s->commit = COMMIT_HARNESS, s->network_none = true, s->gateway_port = 8791, s->inspect_ms = 7000, s->keep = true;
    for (int i = 0; i < SPEC_MAX_PATHS; i++) s->ignore[i] = "x/", s->read_roots[i] = "/opt/x", s->pristine[i] = "t.py";
    s->n_ignore = s->n_read_roots = s->n_pristine = SPEC_MAX_PATHS;
    for (int i = 0; i < SPEC_MAX_HIDDEN; i++) s->hidden[i] = "/home/x/cto";
    s->n_hidden = SPEC_MAX_HIDDEN, s->person_home = "/home/x", s->landlock_abi_min = 1000;
    s->limits = (struct spec_limits){INT64_C(1) << 50, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    for (int i = 0; i < SPEC_MAX_VERIFY; i++) {
        for (int k = 0; k < SPEC_MAX_ARGV; k++) s->verify[i].argv[k] = k ? "" : "make";
        s->verify[i].argc = SPEC_MAX_ARGV;
        s->verify[i].timeout_ms = i + 1;
    }
    s->n_verify = SPEC_MAX_VERIFY;
}

static bool same_text(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

static void same(const struct run_spec *a, const struct run_spec *b) {
    CHECK(same_text(a->run_id, b->run_id) && same_text(a->build_id, b->build_id) &&
          same_text(a->case_dir, b->case_dir));
    CHECK(same_text(a->fixture, b->fixture) && same_text(a->work_dir, b->work_dir) &&
          same_text(a->libexec_dir, b->libexec_dir));
    CHECK(a->supervisor_pid == b->supervisor_pid && a->engine_uid == b->engine_uid &&
          a->verifier_uid == b->verifier_uid);
    CHECK(a->baseline_empty == b->baseline_empty && a->history_commits == b->history_commits &&
          same_text(a->generate_dir, b->generate_dir));
    CHECK(a->generate_count == b->generate_count && a->generate_size == b->generate_size &&
          a->n_submodules == b->n_submodules);
    for (int i = 0; i < a->n_submodules; i++)
        CHECK(same_text(a->submodules[i].path, b->submodules[i].path) &&
              same_text(a->submodules[i].fixture, b->submodules[i].fixture));
    CHECK(same_text(a->dirty_start, b->dirty_start) && a->clean_start_required == b->clean_start_required &&
          a->diff_required == b->diff_required);
    CHECK(same_text(a->engine, b->engine) && same_text(a->engine_config, b->engine_config) &&
          same_text(a->task, b->task) && same_text(a->program, b->program) &&
          same_text(a->interpreter, b->interpreter));
    CHECK(a->commit == b->commit && a->network_none == b->network_none && a->gateway_port == b->gateway_port &&
          a->inspect_ms == b->inspect_ms && a->keep == b->keep);
    CHECK(a->n_ignore == b->n_ignore && a->n_read_roots == b->n_read_roots && a->n_pristine == b->n_pristine &&
          a->n_verify == b->n_verify);
    for (int i = 0; i < a->n_ignore; i++) CHECK(same_text(a->ignore[i], b->ignore[i]));
    for (int i = 0; i < a->n_read_roots; i++) CHECK(same_text(a->read_roots[i], b->read_roots[i]));
    CHECK(a->n_hidden == b->n_hidden && same_text(a->person_home, b->person_home) &&
          a->landlock_abi_min == b->landlock_abi_min);
    for (int i = 0; i < a->n_hidden; i++) CHECK(same_text(a->hidden[i], b->hidden[i]));
    for (int i = 0; i < a->n_pristine; i++) CHECK(same_text(a->pristine[i], b->pristine[i]));
    CHECK(memcmp(&a->limits, &b->limits, sizeof a->limits) == 0);
    for (int i = 0; i < a->n_verify; i++) {
        CHECK(a->verify[i].argc == b->verify[i].argc && a->verify[i].timeout_ms == b->verify[i].timeout_ms);
        for (int k = 0; k <= a->verify[i].argc; k++) CHECK(same_text(a->verify[i].argv[k], b->verify[i].argv[k]));
    }
}

static void there_and_back(const struct run_spec *s) {
    struct run_spec got = {0};
    struct err e = ERR_INIT;
    char *text = spec_emit(s);
    if (!CHECK(spec_parse(&got, text, strlen(text), &e) == 0)) fprintf(stderr, "    %s\n", e.text);
    same(s, &got);
    char *again = spec_emit(&got);
    CHECK(strcmp(text, again) == 0);
    free(again);
    free(text);
    spec_release(&got);
}

/* Parses `root`; the error must contain `want`, NULL: none. */
static void parses(cJSON *root, const char *want) {
    struct run_spec s = {.run_id = "untouched"};
    struct err e = ERR_INIT;
    char *text = cJSON_PrintUnformatted(root);
    NEED(text != NULL);
    int rc = spec_parse(&s, text, strlen(text), &e);
    bool good = want ? rc == -1 && strstr(e.text, want) && strcmp(s.run_id, "untouched") == 0 : rc == 0;
    if (!CHECK(good)) fprintf(stderr, "    got \"%s\", want \"%s\"\n", e.text, want ? want : "none");
    if (rc == 0) spec_release(&s);
    cJSON_free(text);
}

static cJSON *document(const struct run_spec *s) {
    char *text = spec_emit(s);
    cJSON *root = cJSON_Parse(text);
    NEED(root != NULL);
    free(text);
    return root;
}

/* Every object of the document, at every depth, refuses one more key, and says where. */
static void unknown_everywhere(cJSON *root, cJSON *node, const char *path) {
    char sub[128], want[256];
    if (cJSON_IsObject(node)) {
        cJSON_AddTrueToObject(node, "zz");
        snprintf(want, sizeof want, ": %s%szz: unknown key", path, path[0] ? "." : "");
        parses(root, want);
        cJSON_DeleteItemFromObjectCaseSensitive(node, "zz");
    }
    int i = 0;
    for (cJSON *c = node->child; c; c = c->next, i++) {
        if (!cJSON_IsObject(c) && !cJSON_IsArray(c)) continue;
        if (cJSON_IsObject(node))
            snprintf(sub, sizeof sub, "%s%s%s", path, path[0] ? "." : "", c->string);
        else
            snprintf(sub, sizeof sub, "%s[%d]", path, i);
        unknown_everywhere(root, c, sub);
    }
}

static const char *const required[] = {"run_id",         "build_id",   "case_dir",     "work_dir",   "libexec_dir",
                                       "supervisor_pid", "engine_uid", "verifier_uid", "submodules", "engine",
                                       "commit",         "limits",     "verify"};

/* Each key of the top: missing (an error, or its default), of a wrong type, twice under another case. */
static void each_key(const struct run_spec *s) {
    cJSON *root = document(s);
    for (int i = 0, n = cJSON_GetArraySize(root); i < n; i++) {
        char key[64], want[128];
        snprintf(key, sizeof key, "%s", cJSON_GetArrayItem(root, i)->string);
        cJSON *without = cJSON_Duplicate(root, true), *wrong = cJSON_Duplicate(root, true),
              *twin = cJSON_Duplicate(root, true);
        bool needed = false;
        for (size_t k = 0; k < sizeof required / sizeof required[0]; k++) needed |= strcmp(required[k], key) == 0;
        cJSON_DeleteItemFromObjectCaseSensitive(without, key);
        snprintf(want, sizeof want, "run spec:1: %s: is missing", key);
        parses(without, needed ? want : NULL);
        cJSON_ReplaceItemInObjectCaseSensitive(wrong, key, cJSON_CreateNull());
        snprintf(want, sizeof want, "run spec:1: %s: ", key);
        parses(wrong, want);
        char upper[64];
        snprintf(upper, sizeof upper, "%c%s", key[0] - 'a' + 'A', key + 1);
        cJSON_AddTrueToObject(twin, upper);
        parses(twin, "unknown key");
        cJSON_Delete(without), cJSON_Delete(wrong), cJSON_Delete(twin);
    }
    cJSON_Delete(root);
}

static void with_value(const struct run_spec *s, const char *key, const char *json, const char *want) {
    cJSON *root = document(s), *value = cJSON_Parse(json);
    NEED(value && cJSON_ReplaceItemInObjectCaseSensitive(root, key, value));
    parses(root, want);
    cJSON_Delete(root);
}

static void wrong_values(const struct run_spec *s) {
    with_value(s, "supervisor_pid", "0", "supervisor_pid: 0 is outside");
    with_value(s, "engine_uid", "-2", "engine_uid: -2 is outside");
    with_value(s, "engine_uid", "4294967295", "outside"); /* (uid_t)-1 means "leave it" to setresuid */
    with_value(s, "verifier_uid", "1.5", "whole number");
    with_value(s, "history_commits", "10001", "outside");
    with_value(s, "generate_count", "-1", "outside");
    with_value(s, "commit", "\"nobody\"", "is not one of agent, harness");
    with_value(s, "verify", "[{\"argv\": [], \"timeout_ms\": 1}]", "verify[0].argv: a command is expected");
    with_value(s, "verify", "[{\"argv\": [\"a\"], \"timeout_ms\": 0}]", "verify[0].timeout_ms: 0 is outside");
    with_value(s, "verify", "[{\"argv\": [\"a\"]}]", "verify[0].timeout_ms: is missing");
    with_value(s, "verify", "[{\"argv\": [\"a\", 1], \"timeout_ms\": 1}]", "verify[0].argv[1]: a string");
    with_value(s, "verify", "[1]", "verify[0]: an object is expected");
    with_value(s, "submodules", "[{\"path\": \"x\"}]", "submodules[0].fixture: is missing");
    with_value(s, "limits", "{\"memory_bytes\": -1}", "limits.memory_bytes: -1 is outside");
    with_value(s, "ignore", "[\"a\", 7]", "ignore[1]: a string is expected");
    with_value(s, "keep", "1", "keep: true or false");
}

static void too_many(void) {
    struct run_spec *s = calloc(1, sizeof *s);
    NEED(s != NULL);
    full(s);
    static const char *const lists[] = {"ignore", "read_roots", "pristine", "submodules", "verify"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        cJSON *root = document(s), *list = cJSON_GetObjectItemCaseSensitive(root, lists[i]);
        cJSON_AddItemToArray(list, cJSON_Duplicate(cJSON_GetArrayItem(list, 0), true));
        parses(root, "entries, at most");
        cJSON_Delete(root);
    }
    cJSON *root = document(s), *argv = cJSON_GetObjectItemCaseSensitive(
                                   cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(root, "verify"), 3), "argv");
    cJSON_AddItemToArray(argv, cJSON_CreateString("x"));
    parses(root, "verify[3].argv: 65 entries, at most 64");
    cJSON_Delete(root);
    free(s);
}

int main(void) {
    struct run_spec *small = calloc(1, sizeof *small), *large = calloc(1, sizeof *large);
    NEED(small && large);
    minimal(small);
    full(large);
    there_and_back(small);
    there_and_back(large);
    cJSON *root = document(large);
    unknown_everywhere(root, root, "");
    cJSON_Delete(root);
    each_key(large);
    wrong_values(large);
    too_many();
    free(small);
    free(large);
    return check_done();
}
