/* test_sv_case_task.c - what Case is told: the exact bytes for a small case; nothing of this host in any of it, for every case of
 * the tree; and the script of our double in the worker's configuration only when there is one. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "common/json.h"
#include "supervisor/case_task.h"
#include "supervisor/engine_places.h"

static const char *criteria[] = {"it works"}, *writes[] = {"src/a.py", "docs/"}, *actions[] = {"push", "deploy"},
                  *evidence[] = {"a test for it"};
static struct spec_command verify[] = {{.argv = {"sh", "-c", "make 'all'", NULL}, .argc = 3},
                                       {.argv = {"make", NULL}, .argc = 1}};
static struct cto_case small = {.id = "unit-case",
                                .dir = "/secret/place/unit-case",
                                .title = "A title",
                                .task = "Do it.\n",
                                .success_criteria = {criteria, 1},
                                .evidence_expectations = {evidence, 1},
                                .allowed_writes = {writes, 2},
                                .forbidden_actions = {actions, 2},
                                .verify = verify,
                                .n_verify = 2,
                                .fake_config = "{\"steps\":[{\"do\":\"say_done\"}],\"executable\":\"/x\"}"};

static const char wanted[] =
    "# A title\n\n## Objective\n\nDo it.\n"
    "\n## Repository\n\nThe copied fixture unit-case, which is checked out already. There is no other repository.\n"
    "\n## Acceptance Criteria\n\n- it works\n"
    "\n## Allowed Paths\n\n- src/a.py\n- docs/\n"
    "\n## Forbidden Actions\n\n- push\n- deploy\n"
    "\n## Verification\n\n    sh -c 'make '\\''all'\\'''\n    make\n"
    "\n## Evidence Expectations\n\n- filesChanged: only src/a.py, docs/\n"
    "- the change is committed on the branch that is checked out, and the worktree is clean after it\n- a test for it\n"
    "\n## Result Envelope\n\nEvery agent ends its last message with exactly one of these, outside of any reasoning:\n\n"
    "<<<AGENT_RESULT\n{\"status\": \"completed\", \"summary\": \"...\", \"artifacts\": {\"commit\": \"...\", "
    "\"filesChanged\": "
    "[\"src/a.py\",\"docs/\"], \"testsPassed\": true}, \"error\": null}\nAGENT_RESULT>>>\n\n## Progress Log\n";

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }
static const char *text_of(const cJSON *o, const char *key) {
    const char *s = cJSON_GetStringValue(get(o, key));
    return s ? s : "(none)";
}

static void task_exactly(void) {
    struct case_task t;
    case_task_make(&t, &small, "qwen-local", "qwen3.6-35b-a3b", 8791, 0);
    char *text = case_task_text(&t, &small);
    if (!CHECK(strcmp(text, wanted) == 0)) fprintf(stderr, "%s", text);
    cJSON *o = cJSON_Parse(t.task_json);
    NEED(o != NULL);
    CHECK(strcmp(text_of(o, "id"), "unit-case") == 0 && strcmp(text_of(o, "mode"), "unattended") == 0 &&
          strcmp(text_of(o, "status"), "active") == 0 &&
          strcmp(text_of(o, "created"), "1970-01-01T00:00:00.000Z") == 0 &&
          strcmp(text_of(o, "repo"), "fixture") == 0 && cJSON_IsNull(get(o, "prUrl")) &&
          cJSON_IsFalse(get(o, "tested")) && cJSON_GetArraySize(o) == 12);
    cJSON_Delete(o);
    free(text);
    case_task_release(&t);
}

static void state_exactly(void) {
    struct case_task t;
    case_task_make(&t, &small, "qwen-local", "qwen3.6-35b-a3b", 8791, 0);
    cJSON *o = cJSON_Parse(t.config);
    const cJSON *chosen = get(get(o, "models"), "default");
    CHECK(strcmp(text_of(chosen, "provider"), "openai") == 0 &&
          strcmp(text_of(chosen, "model"), "qwen3.6-35b-a3b") == 0 && cJSON_GetArraySize(get(o, "models")) == 1 &&
          cJSON_GetArraySize(o) == 3);
    cJSON_Delete(o);
    o = cJSON_Parse(t.projects);
    const cJSON *repo = cJSON_GetArrayItem(get(o, "repos"), 0);
    CHECK(cJSON_GetArraySize(get(o, "repos")) == 1 && strcmp(text_of(repo, "path"), "/workspace") == 0 &&
          strcmp(text_of(get(repo, "commands"), "test"), "sh -c 'make '\\''all'\\''' && make") == 0);
    cJSON_Delete(o);
    CHECK(strcmp(t.auth, "{}\n") == 0);
    /* the gateway's place, a dummy for a key, and just the admitted model */
    o = cJSON_Parse(t.models);
    const cJSON *one = cJSON_GetObjectItem(cJSON_GetObjectItem(o, "providers"), "openai");
    CHECK(strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(one, "baseUrl")), "http://127.0.0.1:8791/v1") == 0 &&
          strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(one, "api")), "openai-completions") == 0 &&
          cJSON_GetArraySize(cJSON_GetObjectItem(one, "models")) == 1 && strstr(t.models, "qwen3.6-35b-a3b") &&
          strstr(t.models, ENGINE_GATEWAY_KEY));
    cJSON_Delete(o);
    case_task_release(&t);
    CHECK(strcmp(case_runtime_provider("openai-codex"), "openai-codex") == 0);
}

/* Only a validator's run has a script; a program that is not ours sees no step. */
static void scripts(void) {
    struct case_task t;
    case_task_make(&t, &small, "p", "m", 8791, 0);
    for (int with = 0; with < 2; with++) {
        char *config = case_task_config(&t, &small, with ? "{\"mode\":\"fix\"}" : NULL);
        cJSON *o = cJSON_Parse(config);
        NEED(o != NULL);
        CHECK((get(o, "double") != NULL) == with && (get(o, "steps") != NULL) == with);
        CHECK(with || !strstr(config, "say_done"));
        if (with) CHECK(strcmp(text_of(o, "steps"), "{\"steps\":[{\"do\":\"say_done\"}]}") == 0);
        CHECK(!strstr(config, "secret") && strcmp(text_of(o, "slug"), "unit-case") == 0);
        cJSON_Delete(o);
        free(config);
    }
    case_task_release(&t);
}

/* Of every case of the tree: its configuration fits and names no place of this host. */
static void every_case(void) {
    char **ids, dir[PATH_MAX];
    struct err e = ERR_INIT;
    NEED(realpath("cases", dir) != NULL);
    int n = case_ids(dir, true, &ids, &e), slashes;
    NEED(n > 50);
    for (int i = 0; i < n; i++) {
        struct cto_case c;
        struct case_task t;
        NEED(case_load(&c, dir, ids[i], &e) == 0);
        case_task_make(&t, &c, "qwen-local", "qwen3.6-35b-a3b", 8791, 0);
        char *config = case_task_config(&t, &c, NULL);
        slashes = strstr(config, dir) != NULL || strstr(config, c.dir) != NULL;
        if (!CHECK(!slashes && strlen(config) <= CASE_TASK_CONFIG_MAX)) fprintf(stderr, "    %s\n", ids[i]);
        free(config);
        case_task_release(&t);
        case_release(&c);
    }
    case_ids_free(ids, n);
}

int main(void) {
    task_exactly();
    state_exactly();
    scripts();
    every_case();
    return check_done();
}
