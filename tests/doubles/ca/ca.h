/* ca.h - between the files of the test double of ca: what it was asked, what it leaves, what a model says. */
#ifndef CTO_TESTS_DOUBLES_CA_H
#define CTO_TESTS_DOUBLES_CA_H

#include <stdbool.h>

#include "common/err.h"

struct asked {
    char id[128];       /* of the task */
    char mode[64];      /* of the script */
    int code;           /* of mode exit */
    char allowed[1024]; /* the first allowed path that is a file */
};

/* Reads everything that ca is given and holds it against what was agreed; prints what it saw on stdout, for tests to look at. Ends in
 * the repository. */
int ask(struct asked *ret, char **argv, struct err *e);

/* events.c: what Case writes beside the code, in its own form: a line of an event log for each, ended by it. `result`: of the agent, JSON;
 * NULL: it gave none. */
void event_pipeline_start(const struct asked *a);
void event_phase_start(const struct asked *a, const char *phase, const char *agent);
void event_tool(const struct asked *a, const char *phase, const char *agent, const char *tool, const char *args);
void event_phase_end(const struct asked *a, const char *phase, const char *agent, bool good, const char *result);
void event_pipeline_end(const struct asked *a, const char *failed);
/* Its own state of the task, which says at the end that all went well, whatever did. */
void leave_task(const struct asked *a);

/* model.c: one completion, asked the way that its agents ask: where models.json says, of the model of config.json (or of `other`). */
enum told {
    TOLD_ENVELOPE, /* content with a result envelope */
    TOLD_NOTHING   /* whatever else: Case sees no difference */
};
enum told ask_model(const char *other);

#endif
