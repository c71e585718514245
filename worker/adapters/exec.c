/* exec.c - any command line as a backend: what an engine file describes, the operator's (exec) or one of ours (codex, pi).
 *
 * Configuration, made by the supervisor, with every place of the file's words filled in:
 *   {"argv": [...], "env": ["NAME=VALUE", ...], "stdin": false, "files": [{"path", "text"}, ...], "program": "/opt/agent/...",
 *    "interpreter": "/opt/agent/...", "stop_signal": 2, "stop_grace_ms": 500}
 * "files" lie in scratch before it starts, their paths are relative to that; "program" and "interpreter" say where it sees what the
 * spec names under these keys. The task's text is /task/task.md, and with "stdin" what it reads there. /scratch/agent is its own
 * directory for state.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/adapters/adapter.h"

#define WORDS_MAX (256u << 10)
#define AGENTS "/opt/agent/"

/* The strings outlive the document: a worker prepares one engine at a time. */
static struct {
    char words[WORDS_MAX];
    size_t used;
} kept;

static const char *keep(struct json_obj *o, const char *key, const char *s) {
    if (s == NULL) return NULL;
    const size_t n = strlen(s) + 1;
    if (n > sizeof kept.words - kept.used) {
        (void)json_fail(o, key, "more than %u bytes", WORDS_MAX);
        return NULL;
    }
    char *at = kept.words + kept.used;
    memcpy(at, s, n);
    kept.used += n;
    return at;
}

static int take(struct json_obj *o, const char *key, int max, const char **out) {
    const cJSON *a;
    int n = json_array(o, key, JSON_REQUIRED, max, &a);
    for (int i = 0; i < n; i++) out[i] = keep(o, key, json_elem_str(o, key, a, i, WORDS_MAX));
    return n < 0 ? 0 : n;
}

static void take_files(struct json_obj *o, struct engine_plan *p) {
    const cJSON *a;
    p->scratch[p->n_scratch++] = (struct jail_seed){.path = "agent"};
    int n = json_array(o, "files", JSON_OPTIONAL, PLAN_FILES_MAX - p->n_scratch, &a);
    for (int i = 0; i < n; i++) {
        struct json_obj f;
        if (!json_elem_obj(o, "files", a, i, &f)) return;
        const char *path = keep(&f, "path", json_str(&f, "path", JSON_REQUIRED, 1024));
        const char *text = keep(&f, "text", json_str(&f, "text", JSON_REQUIRED, WORDS_MAX));
        json_end(&f);
        if (path != NULL && text != NULL) p->scratch[p->n_scratch++] = (struct jail_seed){.path = path, .text = text};
    }
}

/* What the spec names, at the place that the configuration names. */
static void take_mount(struct json_obj *o, const char *key, const char *there, const char *source,
                       struct engine_plan *p) {
    const char *target = keep(o, key, json_str(o, key, JSON_OPTIONAL, 1024));
    if ((target != NULL) != (there != NULL))
        (void)json_fail(o, key, "the spec and the configuration differ on whether there is one");
    else if (target != NULL && strncmp(target, AGENTS, strlen(AGENTS)) != 0)
        (void)json_fail(o, key, "is not below " AGENTS);
    else if (target != NULL)
        p->binds[p->n_binds++] = (struct jail_bind){.source = source, .target = target};
}

static void take_all(struct json_obj *o, const struct run_spec *spec, struct engine_plan *p) {
    p->n_argv = take(o, "argv", PLAN_ARGV_MAX, p->argv);
    p->n_env = take(o, "env", PLAN_ENV_MAX, p->env);
    if (!o->doc->bad && p->n_argv == 0) (void)json_fail(o, "argv", "a command is expected");
    take_files(o, p);
    take_mount(o, "program", spec->program, "/program", p);
    take_mount(o, "interpreter", spec->interpreter, "/interpreter", p);
    if (json_bool(o, "stdin", false)) p->input = spec->task != NULL ? spec->task : "";
    p->stop_signal = (int)json_int(o, "stop_signal", 0, 0, 31);
    p->stop_grace_ms = json_int(o, "stop_grace_ms", 0, 0, 60000);
}

static int prepare(const struct run_spec *spec, struct engine_plan *plan, struct err *e) {
    struct json_doc doc;
    kept.used = 0;
    const char *text = spec->engine_config != NULL ? spec->engine_config : "{}";
    if (json_parse(&doc, "engine's configuration", text, strlen(text), e) < 0) return -1;
    struct json_obj o = json_root(&doc);
    take_all(&o, spec, plan);
    json_end(&o);
    int rc = doc.bad ? -1 : adapter_write(plan, "task.md", spec->task != NULL ? spec->task : "", e);
    if (doc.bad && e != NULL) *e = doc.err;
    json_release(&doc);
    return rc;
}

const struct adapter adapter_exec = {.name = "exec", .prepare = prepare};
const struct adapter adapter_codex = {.name = "codex", .prepare = prepare};
const struct adapter adapter_pi = {.name = "pi", .prepare = prepare};
