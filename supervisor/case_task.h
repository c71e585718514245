/* case_task.h - what WorkOS Case is told: its task and the configuration of its state, from a case and the admitted model. Nothing
 * else: no path of this host, no repository but the copied fixture, no endpoint but the gateway's place in the jail, and no credential:
 * the key that it is told is a dummy.
 *
 * The task is Case's own format: SLUG.task.json with a SLUG.md beside it, which is head + the case's task.md + tail.
 */
#ifndef CTO_SUPERVISOR_CASE_TASK_H
#define CTO_SUPERVISOR_CASE_TASK_H

#include "supervisor/case.h"

struct case_task {
    char *task_json, *head, *tail, *config, *projects, *auth, *models; /* all malloc'd */
};

/* Case keeps the task and its own notes there, in the workspace: the run's `ignore` names it. */
#define CASE_TASK_DIR ".case/"

/* `provider` and `model` as admitted; `port` of the gateway, in the jail. */
void case_task_make(struct case_task *ret, const struct cto_case *c, const char *provider, const char *model,
                    unsigned port, int64_t created_ms);
void case_task_release(struct case_task *t);
/* What fits into a run's spec. */
#define CASE_TASK_CONFIG_MAX (120u << 10)
/* head + task.md + tail; malloc'd. */
char *case_task_text(const struct case_task *t, const struct cto_case *c);

/* Inside a run Case is told a name of its own for the local provider: it hands no key to a provider that it does not know. Never the
 * identity of an admission. */
const char *case_runtime_provider(const char *provider);

/* The worker's configuration, malloc'd JSON. `script`: what our test double is to do, the words of case.json's "double"; NULL for
 * a program that is not ours. */
char *case_task_config(const struct case_task *t, const struct cto_case *c, const char *script);

#endif
