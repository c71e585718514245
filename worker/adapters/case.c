/* case.c - WorkOS Case, the program `ca`: one shape of command, a task file, a state of its own for each run.
 *
 * Configuration, made by the supervisor (case_task.h has what is in it; all of them text of files, but the slug):
 *   {"slug", "task_json", "head", "tail", "config", "projects", "auth", "models", "key", "double"?, "steps"?}
 * The task's text is head + the case's task.md + tail. Where things are is decided here:
 *
 *   /workspace/.case/   active, tasks/active/SLUG.task.json and SLUG.md: Case keeps its task beside the code and writes there
 *   /workspace/.git/info/exclude   so that "git add -A" of an agent leaves it alone
 *   /workspace/.case/SLUG/events/  its event logs, which the evidence keeps with what became of the task
 *   /scratch/case-data  CASE_DATA_DIR: config.json, projects.json, and in pi-agent/ (PI_CODING_AGENT_DIR) auth.json and models.json,
 *                       which says where the model answers; with a dummy as OPENAI_API_KEY, or the agent in it sends no request
 *   /task               where it starts, and where it cannot write: a program of Bun obeys .env and bunfig.toml of the directory that it
 *                       is started in, so that must not be the repository
 *
 * "double" and "steps" are what our test double of ca is to do; a validator's run alone has them.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "worker/adapters/adapter.h"

#define AGENTS "/opt/agent/"
#define WORDS_MAX (256u << 10)
#define TASKS ".case/tasks/active/"
#define STOP_GRACE_MS 500

/* The strings outlive the document: a worker prepares one engine at a time. */
static struct {
    char words[WORDS_MAX];
    size_t used;
} kept;

/* Three texts after each other, kept; NULL when there is no room. */
static const char *join(const char *a, const char *b, const char *c) {
    const char *const parts[] = {a, b, c};
    char *at = kept.words + kept.used;
    for (int i = 0; i < 3; i++) {
        const size_t n = strlen(parts[i]);
        if (n + 1 > sizeof kept.words - kept.used) return NULL;
        memcpy(kept.words + kept.used, parts[i], n);
        kept.used += n;
    }
    kept.words[kept.used++] = '\0';
    return at;
}

static const char *take(struct json_obj *o, const char *key, enum json_need need) {
    const char *s = json_str(o, key, need, WORDS_MAX);
    const char *copy = s != NULL ? join(s, "", "") : NULL;
    if (s != NULL && copy == NULL) (void)json_fail(o, key, "more than %u bytes", WORDS_MAX);
    return copy;
}

/* A file name that leads nowhere else. */
static const char *take_slug(struct json_obj *o) {
    const char *s = take(o, "slug", JSON_REQUIRED);
    if (s != NULL && (s[0] == '\0' || strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(s)))
        (void)json_fail(o, "slug", "lower-case letters, digits and '-' only");
    return s;
}

static void put(struct jail_seed *list, int *n, const char *path, const char *text) {
    list[(*n)++] = (struct jail_seed){.path = path, .text = text};
}

static void place(struct json_obj *o, const struct run_spec *spec, struct engine_plan *p) {
    const char *slug = take_slug(o), *json = take(o, "task_json", JSON_REQUIRED);
    const char *head = json_str(o, "head", JSON_REQUIRED, WORDS_MAX),
               *tail = json_str(o, "tail", JSON_REQUIRED, WORDS_MAX);
    put(p->scratch, &p->n_scratch, "case-data/config.json", take(o, "config", JSON_REQUIRED));
    put(p->scratch, &p->n_scratch, "case-data/projects.json", take(o, "projects", JSON_REQUIRED));
    put(p->scratch, &p->n_scratch, "case-data/pi-agent/auth.json", take(o, "auth", JSON_REQUIRED));
    put(p->scratch, &p->n_scratch, "case-data/pi-agent/models.json", take(o, "models", JSON_REQUIRED));
    const char *key = json_str(o, "key", JSON_REQUIRED, 128);
    const char *variable = key != NULL ? join("OPENAI_API_KEY=", key, "") : NULL;
    if (variable != NULL) p->env[p->n_env++] = variable;
    if (key != NULL && variable == NULL) (void)json_fail(o, "key", "more than %u bytes", WORDS_MAX);
    if (o->doc->bad || slug == NULL || head == NULL || tail == NULL) return;
    const char *text = join(head, spec->task != NULL ? spec->task : "", tail), *file = join(TASKS, slug, ".task.json");
    const char *md = join(TASKS, slug, ".md"), *argument = join("/workspace/" TASKS, slug, ".task.json"),
               *events = join(".case/", slug, "/events/");
    if (text == NULL || events == NULL || file == NULL || md == NULL || argument == NULL) {
        (void)json_fail(o, "head", "the task has more than %u bytes", WORDS_MAX);
        return;
    }
    put(p->workspace, &p->n_workspace, ".git/info/exclude", "/.case/\n");
    put(p->workspace, &p->n_workspace, ".case/active", slug);
    put(p->workspace, &p->n_workspace, file, json);
    put(p->workspace, &p->n_workspace, md, text);
    p->left[p->n_left++] = (struct plan_left){events, OUT_CASE_EVENTS};
    p->left[p->n_left++] = (struct plan_left){file, OUT_CASE_TASK};
    p->left[p->n_left++] = (struct plan_left){md, OUT_CASE_NOTES};
    const char *const argv[] = {AGENTS "ca", "run", "--task", argument, "--mode", "unattended"};
    for (size_t i = 0; i < sizeof argv / sizeof argv[0]; i++) p->argv[p->n_argv++] = argv[i];
}

/* What the double is to do, where it can read it; the steps are the fake agent's, which it starts for that. */
static int place_double(struct json_obj *o, struct engine_plan *p, struct err *e) {
    const char *script = json_str(o, "double", JSON_OPTIONAL, WORDS_MAX),
               *steps = json_str(o, "steps", JSON_OPTIONAL, WORDS_MAX);
    if (script == NULL || steps == NULL) return 0;
    p->binds[p->n_binds++] =
        (struct jail_bind){.source = "/libexec/cto-harness-fake-agent", .target = AGENTS "cto-harness-fake-agent"};
    if (adapter_write(p, "double.json", script, e) < 0) return -1;
    return adapter_write(p, "steps.json", steps, e);
}

static int prepare(const struct run_spec *spec, struct engine_plan *plan, struct err *e) {
    struct json_doc doc;
    const char *text = spec->engine_config != NULL ? spec->engine_config : "{}";
    kept.used = 0;
    if (spec->program == NULL) return err_set(e, ERR_MISSING, "no program for the case engine");
    if (json_parse(&doc, "case engine's configuration", text, strlen(text), e) < 0) return -1;
    struct json_obj o = json_root(&doc);
    place(&o, spec, plan);
    int rc = place_double(&o, plan, e);
    json_end(&o);
    if (doc.bad && e != NULL) *e = doc.err;
    if (doc.bad) rc = -1;
    json_release(&doc);
    plan->binds[plan->n_binds++] = (struct jail_bind){.source = "/program", .target = AGENTS "ca"};
    plan->env[plan->n_env++] = "CASE_DATA_DIR=/scratch/case-data";
    plan->env[plan->n_env++] = "PI_CODING_AGENT_DIR=/scratch/case-data/pi-agent";
    plan->cwd = "/task"; /* PYTHONDONTWRITEBYTECODE=1 is in every jail's environment */
    plan->stop_signal = SIGINT;
    plan->stop_grace_ms = STOP_GRACE_MS;
    return rc;
}

const struct adapter adapter_case = {.name = "case", .prepare = prepare};
