/* gate_facts.h - all that the gates decide on, read once before a run: variables, records, proofs of the ladder, the digest of the
 * program. Reading them starts nothing, and looks at no repository. Deciding on them is pure, see gates.h.
 */
#ifndef CTO_SUPERVISOR_GATE_FACTS_H
#define CTO_SUPERVISOR_GATE_FACTS_H

#include "supervisor/admission.h"
#include "supervisor/approval.h"
#include "supervisor/case.h"
#include "supervisor/engine_file.h"
#include "supervisor/engines.h"
#include "supervisor/model_probe.h"
#include "supervisor/record.h"
#include "supervisor/subject.h"

/* A record that a variable names or the store holds. */
enum fact_state { FACT_ABSENT, FACT_BAD, FACT_THERE };
struct fact_record {
    enum fact_state state;
    struct admission admission; /* of FACT_THERE; owned */
    char why[300];              /* of FACT_BAD: what is wrong; names no path */
    char file[4096];            /* where it was read; "" when the store has it */
};

/* Stages run from 2 to 5; 6 compares what they left. */
#define STAGE_FIRST 2
#define STAGE_LAST 5

#define TIMEOUT_S_MAX 86400

struct gate_facts {
    const struct cto_case *c;    /* borrowed */
    const struct engine *engine; /* static */
    bool allowed;                /* its variable is "1" */
    int stage;                   /* 0: not asked for; -1: something else than a stage */
    int timeout_s;           /* how long the backend may take at most; 0: as its case says; -1: no number of seconds */
    bool predecessor_proven; /* of `stage`, on this build, by a proof that counts for this engine */
    bool interface_proven;   /* validate provider-adapter passed on this build */
    const char *provider, *model;            /* as asked for by variables; "" */
    const char *executable;                  /* path; "" */
    char executable_sha256[DIGEST_HEX_SIZE]; /* "" when it cannot be read */
    bool proof_double;                       /* a validator's run of our test double, see double.h */
    bool no_model;       /* of such a run: it talks to none, so none is asked and there is no gateway */
    char local_why[200]; /* why what was given as endpoint or key cannot be kept out of the output; "" */
    bool auth_bridge;
    struct model_route route; /* of NEED_MODEL; owned. The gates ask for its state alone */
    bool replay;              /* a recording answers: no endpoint is needed, and none is asked */
    bool probed;              /* `probe` is filled */
    struct model_probe_result probe;
    struct fact_record model_record, decision, source, build;
    struct engine_file *file; /* of NEED_FILE, or built in; owned, NULL when there is none that can be used */
    char file_why[300];       /* why not; "": none was named */
    enum subject_kind subject;
    struct fact_record target; /* of SUBJECT_TARGET */
    char target_id[96];        /* of its admission in the store; "" */
    const char *repository;    /* of SUBJECT_SOURCE and SUBJECT_TARGET; "" */
    bool source_is_target;     /* somebody has recorded an admission of SUBJECT_SOURCE's repository as a target */
    bool looked;               /* the next four are filled: gate_facts_look() */
    struct repo_facts repo;
    char repo_why[300];          /* why it could not be looked at; names no path; "" */
    bool pristine_known;         /* HEAD was searched for what the case brings back before its verification */
    const char *pristine_lacks;  /* the first of it that HEAD has not; NULL */
    int64_t now_ms, seen_ms;     /* by this host's clock; as late as the store has seen it, see store_seen_ms() */
    char scope[DIGEST_HEX_SIZE]; /* of this run, see approval.h; "" when no approval is required */
    char scope_why[300]; /* why an approval is required and there is no scope to grant; names no path of the host; "" */
    struct approval_seen approval; /* what counts for the scope; id "" when nobody said anything */
};

struct store;
/* `s` may be NULL: then nothing was ever recorded. Never fails: what cannot be read is a fact too. */
void gate_facts_read(struct gate_facts *f, const struct cto_case *c, const char *engine, struct store *s);
/* The same of a run of our test double at `stage`; the programs are in `libexec`. For struct job's proof_double alone. */
void gate_facts_read_double(struct gate_facts *f, const struct cto_case *c, const char *engine, struct store *s,
                            const char *libexec, int stage);
/* Of enum engine_need: the backend's, and what its engine file asks for. */
unsigned gate_facts_needs(const struct gate_facts *f);
/* For what an approval would be: borrows from the facts. */
struct approval_for gate_facts_approval(const struct gate_facts *f);
/* What an approval of such a run is good for; NULL when the case cannot be read. The caller owns it. */
cJSON *gate_facts_scope(const struct gate_facts *f, struct err *e);
/* The second phase, only when every gate of the first has passed: looks at the repository that the run is about, and then reads
 * what was said of it as it is now. Nothing is written, nothing is started. */
void gate_facts_look(struct gate_facts *f, struct store *s);
/* Is there a repository to look at? */
bool gate_facts_need_look(const struct gate_facts *f);
void gate_facts_release(struct gate_facts *f);

#endif
