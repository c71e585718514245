/* case_task.c - see case_task.h. */
#include "supervisor/case_task.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "supervisor/engine_places.h"
#include "supervisor/seal.h"

#define TEXT_MAX (2u << 20) /* case.json is smaller, and no part of it stands here more than four times */

static char *print(cJSON *o) {
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    return text;
}

static char *finish(struct buf *b) {
    char *text = b->p ? buf_detach(b) : strdup("");
    BUG_UNLESS(text != NULL);
    return text;
}

/* --- the task ----------------------------------------------------------------------------------------------------------- */

static char *task_json(const struct cto_case *c, int64_t created_ms) {
    char created[CLOCK_STAMP_SIZE];
    clock_stamp(created_ms, created);
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "id", c->id);
    json_put_str(o, "status", "active");
    json_put_str(o, "created", created);
    json_put_str(o, "repo", "fixture");
    json_put_str(o, "issueType", "freeform");
    json_put_str(o, "mode", "unattended");
    json_put_str(o, "profile", "standard");
    json_put(o, "agents", cJSON_CreateObject());
    json_put_bool(o, "tested", false);
    json_put_bool(o, "manualTested", false);
    json_put_str(o, "prUrl", NULL);
    json_put_str(o, "prNumber", NULL);
    return print(o);
}

static void put_list(struct buf *b, const char *title, const struct case_list *l) {
    if (l->n == 0) return;
    buf_printf(b, "\n## %s\n\n", title);
    for (int i = 0; i < l->n; i++) buf_printf(b, "- %s\n", l->v[i]);
}

static void put_command(struct buf *b, const struct spec_command *v) {
    for (int i = 0; i < v->argc; i++) {
        if (i > 0) buf_puts(b, " ");
        report_put_shell(b, v->argv[i]);
    }
}

static void put_verification(struct buf *b, const struct cto_case *c) {
    buf_puts(b, "\n## Verification\n\n");
    if (c->n_verify == 0) buf_printf(b, "None: %s\n", c->no_test_rationale ? c->no_test_rationale : "no command");
    for (int i = 0; i < c->n_verify; i++) {
        buf_puts(b, "    ");
        put_command(b, &c->verify[i]);
        buf_puts(b, "\n");
    }
}

static void put_expectations(struct buf *b, const struct cto_case *c) {
    buf_puts(b, "\n## Evidence Expectations\n\n- filesChanged: only ");
    for (int i = 0; i < c->allowed_writes.n; i++) buf_printf(b, "%s%s", i ? ", " : "", c->allowed_writes.v[i]);
    buf_puts(b, "\n- the change is committed on the branch that is checked out, and the worktree is clean after it\n");
    for (int i = 0; i < c->evidence_expectations.n; i++) buf_printf(b, "- %s\n", c->evidence_expectations.v[i]);
}

/* The changed files as the reminder's example has them. */
static void put_files(struct buf *b, const struct cto_case *c) {
    char *text = NULL;
    cJSON *a = json_strings(c->allowed_writes.v, (size_t)c->allowed_writes.n);
    text = cJSON_PrintUnformatted(a);
    cJSON_Delete(a);
    BUG_UNLESS(text != NULL);
    buf_puts(b, text);
    cJSON_free(text);
}

static char *head(const struct cto_case *c) {
    struct buf b = BUF_INIT(TEXT_MAX);
    buf_printf(&b, "# %s\n\n## Objective\n\n", c->title);
    return finish(&b);
}

static char *tail(const struct cto_case *c) {
    struct buf b = BUF_INIT(TEXT_MAX);
    buf_printf(
        &b, "\n## Repository\n\nThe copied fixture %s, which is checked out already. There is no other repository.\n",
        c->id);
    put_list(&b, "Acceptance Criteria", &c->success_criteria);
    put_list(&b, "Allowed Paths", &c->allowed_writes);
    put_list(&b, "Forbidden Actions", &c->forbidden_actions);
    put_verification(&b, c);
    put_expectations(&b, c);
    buf_puts(&b, "\n## Result Envelope\n\nEvery agent ends its last message with exactly one of these, outside of any "
                 "reasoning:\n\n<<<AGENT_RESULT\n{\"status\": \"completed\", \"summary\": \"...\", \"artifacts\": "
                 "{\"commit\": \"...\", \"filesChanged\": ");
    put_files(&b, c);
    buf_puts(&b, ", \"testsPassed\": true}, \"error\": null}\nAGENT_RESULT>>>\n\n## Progress Log\n");
    return finish(&b);
}

/* --- its state ---------------------------------------------------------------------------------------------------------- */

const char *case_runtime_provider(const char *provider) {
    return strcmp(provider, "qwen-local") == 0 ? "openai" : provider;
}

/* Without a default Case falls back to a hosted model of its own choice, in silence. */
static char *config(const char *provider, const char *model) {
    cJSON *o = cJSON_CreateObject(), *models = cJSON_CreateObject(), *chosen = cJSON_CreateObject();
    json_put_str(chosen, "provider", case_runtime_provider(provider));
    json_put_str(chosen, "model", model);
    json_put(models, "default", chosen);
    json_put_int(o, "version", 1);
    json_put_str(o, "projects", "./projects.json");
    json_put(o, "models", models);
    return print(o);
}

/* Where the model answers: the gateway, in the jail's own network, under the name that Case is told. It sends what it takes for a key;
 * the same in OPENAI_API_KEY, without which it hands none on. */
static char *models(const char *provider, const char *model, unsigned port) {
    AUTO_BUF struct buf url = BUF_INIT(64);
    cJSON *o = json_new_object(), *providers = json_new_object(), *one = json_new_object(), *list = json_new_array(),
          *entry = json_new_object();
    buf_printf(&url, "http://127.0.0.1:%u/v1", port);
    json_put_str(entry, "id", model);
    json_put_int(entry, "contextWindow", 128000);
    json_put_int(entry, "maxTokens", 8192);
    BUG_UNLESS(cJSON_AddItemToArray(list, entry));
    json_put_str(one, "baseUrl", buf_str(&url));
    json_put_str(one, "api", "openai-completions");
    json_put_str(one, "apiKey", ENGINE_GATEWAY_KEY);
    json_put(one, "models", list);
    json_put(providers, case_runtime_provider(provider), one);
    json_put(o, "providers", providers);
    return print(o);
}

/* Language and package manager are what Case was seen to accept; nothing here depends on them. */
static char *projects(const struct cto_case *c) {
    cJSON *o = cJSON_CreateObject(), *repos = cJSON_CreateArray(), *repo = cJSON_CreateObject(),
          *commands = cJSON_CreateObject();
    AUTO_BUF struct buf test = BUF_INIT(TEXT_MAX);
    for (int i = 0; i < c->n_verify; i++) {
        if (i > 0) buf_puts(&test, " && ");
        put_command(&test, &c->verify[i]);
    }
    json_put_str(commands, "setup", "true");
    json_put_str(commands, "test", c->n_verify > 0 ? buf_str(&test) : "true");
    json_put_str(repo, "name", "fixture");
    json_put_str(repo, "evidenceStrategy", "test-output");
    json_put_str(repo, "path", "/workspace");
    json_put_str(repo, "remote", "https://example.invalid/fixture.git");
    json_put_str(repo, "description", c->id);
    json_put_str(repo, "language", "python");
    json_put_str(repo, "packageManager", "pip");
    json_put(repo, "commands", commands);
    BUG_UNLESS(cJSON_AddItemToArray(repos, repo));
    json_put(o, "repos", repos);
    return print(o);
}

void case_task_make(struct case_task *ret, const struct cto_case *c, const char *provider, const char *model,
                    unsigned port, int64_t created_ms) {
    *ret = (struct case_task){.task_json = task_json(c, created_ms),
                              .head = head(c),
                              .tail = tail(c),
                              .config = config(provider, model),
                              .projects = projects(c),
                              .auth = strdup("{}\n"),
                              .models = models(provider, model, port)};
    BUG_UNLESS(ret->auth != NULL);
}

void case_task_release(struct case_task *t) {
    char *all[] = {t->task_json, t->head, t->tail, t->config, t->projects, t->auth, t->models};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
    *t = (struct case_task){0};
}

char *case_task_text(const struct case_task *t, const struct cto_case *c) {
    struct buf b = BUF_INIT(3u * TEXT_MAX);
    buf_puts(&b, t->head);
    buf_puts(&b, c->task ? c->task : "");
    buf_puts(&b, t->tail);
    return finish(&b);
}

char *case_task_config(const struct case_task *t, const struct cto_case *c, const char *script) {
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "slug", c->id);
    json_put_str(o, "task_json", t->task_json);
    json_put_str(o, "head", t->head);
    json_put_str(o, "tail", t->tail);
    json_put_str(o, "config", t->config);
    json_put_str(o, "projects", t->projects);
    json_put_str(o, "auth", t->auth);
    json_put_str(o, "models", t->models);
    json_put_str(o, "key", ENGINE_GATEWAY_KEY);
    if (script) {
        json_put_str(o, "double", script);
        cJSON *fake = cJSON_Parse(c->fake_config ? c->fake_config : "{\"steps\":[]}"), *steps = cJSON_CreateObject();
        cJSON *list = cJSON_DetachItemFromObjectCaseSensitive(fake, "steps");
        json_put(steps, "steps", list ? list : cJSON_CreateArray());
        char *text = cJSON_PrintUnformatted(steps);
        BUG_UNLESS(text != NULL);
        json_put_str(o, "steps", text);
        cJSON_free(text);
        cJSON_Delete(steps);
        cJSON_Delete(fake);
    }
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    return text;
}
