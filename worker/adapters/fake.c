/* fake.c - the fake backend: a real child process in the same jail as any agent, which does what the case's steps say.
 *
 * Configuration: {"steps": [...], "executable": "/path"} or the steps alone, [...]. The steps are not read here: the
 * agent reads them, strictly. "executable" names another program inside the jail; one that is not there is how a case
 * shows what happens when a backend is missing.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/adapters/adapter.h"

#define FAKE_AGENT "/opt/agent/cto-harness-fake-agent"
#define FAKE_STEPS "/task/steps.json"

/* Writes {"steps": ...} for the agent. */
static int write_steps(const struct engine_plan *plan, const cJSON *steps, struct err *e) {
    cJSON *root = cJSON_CreateObject();
    cJSON *copy = steps != NULL ? cJSON_Duplicate(steps, 1) : cJSON_CreateArray();
    if (root == NULL || copy == NULL) err_bug(__FILE__, __LINE__, "out of memory");
    json_put(root, "steps", copy);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (text == NULL) err_bug(__FILE__, __LINE__, "out of memory");
    int rc = adapter_write(plan, "steps.json", text, e);
    free(text);
    return rc;
}

/* The executable goes into `keep`: the document ends here. */
static int read_config(const char *text, const struct engine_plan *plan, char *keep, size_t keep_size, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(JSON_MAX_BYTES);
    bool bare = text[strspn(text, " \t\r\n")] == '[';
    buf_puts(&b, bare ? "{\"steps\":" : "");
    buf_puts(&b, text);
    buf_puts(&b, bare ? "}" : "");
    struct json_doc doc;
    if (json_parse(&doc, "fake engine's configuration", buf_str(&b), b.len, e) < 0) return -1;
    struct json_obj o = json_root(&doc);
    const cJSON *steps = json_any(&o, "steps");
    const char *executable = json_str(&o, "executable", JSON_OPTIONAL, keep_size - 1);
    if (executable != NULL && executable[0] != '/') json_fail(&o, "executable", "must be an absolute path in the jail");
    json_end(&o);
    if (executable != NULL && !doc.bad) memcpy(keep, executable, strlen(executable) + 1);
    int rc = doc.bad ? -1 : write_steps(plan, steps, e);
    if (doc.bad && e != NULL) *e = doc.err;
    json_release(&doc);
    return rc;
}

static int prepare(const struct run_spec *spec, struct engine_plan *plan, struct err *e) {
    static char executable[1024]; /* a worker prepares one engine at a time */
    executable[0] = '\0';
    if (read_config(spec->engine_config != NULL ? spec->engine_config : "[]", plan, executable, sizeof executable, e) <
        0)
        return -1;
    if (spec->task != NULL && adapter_write(plan, "task.md", spec->task, e) < 0) return -1;
    plan->binds[plan->n_binds++] = (struct jail_bind){
        .source = "/libexec/cto-harness-fake-agent",
        .target = FAKE_AGENT,
    };
    plan->argv[plan->n_argv++] = executable[0] != '\0' ? executable : FAKE_AGENT;
    plan->argv[plan->n_argv++] = FAKE_STEPS;
    return 0;
}

const struct adapter adapter_fake = {.name = "fake", .prepare = prepare};
