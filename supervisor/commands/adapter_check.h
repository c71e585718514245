/* adapter_check.h - `validate provider-adapter` (design: providers, "Validator"): what is asked, in two files. Each check has a name and
 * is run; what it finds wrong is an error that begins with its name. */
#ifndef CTO_SUPERVISOR_COMMANDS_ADAPTER_CHECK_H
#define CTO_SUPERVISOR_COMMANDS_ADAPTER_CHECK_H

#include "supervisor/commands/lane_run.h"
#include "supervisor/gate_facts.h"
#include "supervisor/progress.h"

struct adapter_check {
    const struct global_options *g;
    struct home home;
    struct cto_case subject;   /* what the gates are asked about */
    const char *name;          /* of the check that runs */
    struct progress *progress; /* one step for each check; NULL */
    cJSON *checked, *not_run, *errors;
    struct lane_seen last;              /* the run that the proof names */
    char endpoint[128], credential[64]; /* made up; in our environment while runs are made */
    bool interrupted;
};

/* The check that runs does not hold, unless `holds`. Only the first sentence of each counts. */
void adapter_hold(struct adapter_check *a, bool holds, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Gates, decisions and what the backend is told: from facts, nothing is started. */
void adapter_gates(struct adapter_check *a);
/* On our test double. */
void adapter_runs(struct adapter_check *a);
/* A check begins. */
void adapter_begin(struct adapter_check *a, const char *name);

int validate_adapter(const struct global_options *g);

#endif
