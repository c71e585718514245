/* adapter_check.h - `validate provider-adapter` (design: providers, "Validator"): what is asked, in three files. Each check has a name and
 * is run; what it finds wrong is an error that begins with its name. */
#ifndef CTO_SUPERVISOR_COMMANDS_ADAPTER_CHECK_H
#define CTO_SUPERVISOR_COMMANDS_ADAPTER_CHECK_H

#include "supervisor/commands/lane_run.h"
#include "supervisor/gate_facts.h"
#include "supervisor/model_double.h"
#include "supervisor/progress.h"

struct adapter_check {
    const struct global_options *g;
    struct home home;
    struct cto_case subject;   /* what the gates are asked about */
    const char *name;          /* of the check that runs */
    struct progress *progress; /* one step for each check; NULL */
    cJSON *checked, *errors;
    struct lane_seen last;              /* the run that the proof names */
    char endpoint[128], credential[64]; /* made up; in our environment while runs are made */
    bool interrupted;
};

/* The check that runs does not hold, unless `holds`. Only the first sentence of each counts. */
void adapter_hold(struct adapter_check *a, bool holds, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Gates, decisions and what the backend is told: from facts, nothing is started. */
void adapter_gates(struct adapter_check *a);
/* On our test double, and what of it needs a server to ask. */
void adapter_runs(struct adapter_check *a);
/* The server that a model answers from is our own double of one (model_double.h): the real probe asks it, the gates are asked with what
 * came of that, and runs go there through a real gateway. */
void adapter_models(struct adapter_check *a);
/* A check begins. */
void adapter_begin(struct adapter_check *a, const char *name);

/* Facts with which every gate is open. */
void adapter_good(struct adapter_check *a, struct gate_facts *f, int stage);
/* The first gate that is closed for these facts; NULL: none is. `rec` is the caller's to give up. */
const struct gate_result *adapter_closed(struct adapter_check *a, const struct gate_facts *f, struct run_record *rec);
/* These facts must be refused by that gate with that reason; `word` stands in its sentence. Gives the facts up. */
void adapter_refused(struct adapter_check *a, struct gate_facts *f, const char *gate, enum blocker b, const char *word);
/* A run of the double that does this; what every one of them must be is asked at once. */
struct lane_seen adapter_run(struct adapter_check *a, const char *script, const struct model_double *model,
                             void (*change)(struct cto_case *c));
/* The run is looked through for what may be in no file of it, and given up; `keep`: it is the one that the proof names. */
void adapter_quiet(struct adapter_check *a, struct lane_seen *s, const struct model_double *model, bool keep);

int validate_adapter(const struct global_options *g);

#endif
