/* exec.c - any command line of the operator's as a backend. Configuration, made by the supervisor from an engine file:
 * {"argv": [...], "env": ["NAME=VALUE", ...]}. The task's text is /task/task.md. */
#include <stdlib.h>
#include <string.h>

#include "worker/adapters/adapter.h"

#define WORDS_MAX (256u << 10)

/* The strings outlive the document: a worker prepares one engine at a time. */
static char words[WORDS_MAX];

static const char *keep(size_t *used, const char *s) {
    size_t n = strlen(s) + 1;
    if (n > sizeof words - *used) return NULL;
    char *at = words + *used;
    memcpy(at, s, n);
    *used += n;
    return at;
}

static int take(struct json_obj *o, const char *key, int max, const char **out, size_t *used) {
    const cJSON *a;
    int n = json_array(o, key, JSON_REQUIRED, max, &a);
    for (int i = 0; i < n; i++) {
        const char *s = json_elem_str(o, key, a, i, WORDS_MAX);
        if (s != NULL && (out[i] = keep(used, s)) == NULL) (void)json_fail(o, key, "more than %u bytes", WORDS_MAX);
    }
    return n < 0 ? 0 : n;
}

static int prepare(const struct run_spec *spec, struct engine_plan *plan, struct err *e) {
    struct json_doc doc;
    size_t used = 0;
    const char *text = spec->engine_config != NULL ? spec->engine_config : "{}";
    if (json_parse(&doc, "exec engine's configuration", text, strlen(text), e) < 0) return -1;
    struct json_obj o = json_root(&doc);
    plan->n_argv = take(&o, "argv", PLAN_ARGV_MAX, plan->argv, &used);
    plan->n_env = take(&o, "env", PLAN_ENV_MAX, plan->env, &used);
    if (!doc.bad && (plan->n_argv == 0 || plan->argv[0][0] != '/'))
        json_fail(&o, "argv", "begins with an absolute path");
    json_end(&o);
    int rc = doc.bad ? -1 : adapter_write(plan, "task.md", spec->task != NULL ? spec->task : "", e);
    if (doc.bad && e != NULL) *e = doc.err;
    json_release(&doc);
    return rc;
}

const struct adapter adapter_exec = {.name = "exec", .prepare = prepare};
