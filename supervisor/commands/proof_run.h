/* proof_run.h - what the validators of the proof ladder share (design: stages, "The proof ladder"): a proof in the making, its
 * directory, its runs, what people would have to do for them, and what it prints.
 *
 * A validator asks for one thing after the other with hold(); each is a named check in `checked`, and each that does not hold a
 * sentence in `errors`. A proof without errors is ok and is recorded in the store for its stage, backend and build.
 *
 * All that a validator makes lies in a directory of its own beside the runs, <time>-validate-stageN-<pid>: cases/, rows/ and
 * baseline/ with the cases that it ran (copies of the operator's with what the stage needs changed), the proofs that are its own, the
 * result, SHA256SUMS. Repositories in it go at the end. One that is killed leaves such a directory, and nothing that another one
 * looks at.
 */
#ifndef CTO_SUPERVISOR_COMMANDS_PROOF_RUN_H
#define CTO_SUPERVISOR_COMMANDS_PROOF_RUN_H

#include "supervisor/batch.h"
#include "supervisor/commands/run_look.h"
#include "supervisor/engines.h"
#include "supervisor/ladder.h"
#include "supervisor/progress.h"
#include "supervisor/store.h"
#include "supervisor/verify.h"

#define PROOF_ACTOR "validator" /* who asks, grants, admits and accepts in a validator's runs, and says so */
#define PROOF_SETTINGS 8
#define PROOF_PROTECTED 16
#define PROOF_CASES "cases"       /* folders of the validation directory: on the lane that is validated */
#define PROOF_ROWS "rows"         /* of failures */
#define PROOF_BASELINE "baseline" /* of the fake lane */

struct proof_wishes {
    const char *engine, *case_id;
    const char *protect[PROOF_PROTECTED]; /* absolute, resolved */
    int n_protect;
};

/* Where a run goes. */
struct lane {
    const char *engine;
    int double_stage; /* > 0: our test double of ca, at this stage */
};

/* A repository that a validator owns: a source, a target. */
struct owned {
    char path[PATH_MAX], file[PATH_MAX]; /* the latter: of its admission; "" */
    char admission_id[96];
    char head[OID_SIZE], tree[OID_SIZE], content[DIGEST_HEX_SIZE];
};

struct proof {
    const struct global_options *g;
    const struct proof_wishes *w;
    const struct engine *engine;
    int stage;
    struct home home;
    bool on_double;     /* of ca: what it proves is mechanics */
    struct lane lane;   /* the one that is validated */
    struct lane fake;   /* and what it is compared with */
    struct lane misled; /* the double, which can be made to do what must fail; also for the ladder of another backend */
    cJSON *checked, *errors, *pass_reports, *failure_reports, *fake_baseline, *predecessors;
    cJSON *extra;                                             /* an object: paths and facts of this stage alone */
    char id[RUN_ID_MAX], dir[PATH_MAX];                       /* of the validation; "" for stage 1 */
    char last_report[PATH_MAX], last_sha256[DIGEST_HEX_SIZE]; /* what the store names as the proof */
    struct owned owned;        /* of the run that is being made, at the stages that have one */
    struct progress *progress; /* one step for each run; NULL: nobody is shown anything */
    char granted[96];          /* the approval of the run that comes next; "" */
    bool interrupted;
    bool unstarted; /* while the run that must pass is looked at: it was blocked, so it shows nothing either way */
    struct {
        char name[96];
        char *was; /* owned; NULL: it was not set */
    } settings[PROOF_SETTINGS];
    int n_settings;
};

void proof_begin(struct proof *p, const struct global_options *g, const struct proof_wishes *w, int stage);
void proof_release(struct proof *p);

/* This stage will make that many runs: from here on people see which one it is at. */
void proof_steps(struct proof *p, size_t runs);

/* A named check. hold() with a literal sentence for when it does not hold; holdf() composes it. */
void hold(struct proof *p, const char *name, bool holds, const char *else_text);
void holdf(struct proof *p, const char *name, bool holds, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* A setting of the backend for the runs that follow: CTO_HARNESS_<ENGINE>_<name> (name NULL: its gate). NULL: not set. All are put
 * back by proof_settings_back(). */
void proof_set(struct proof *p, const char *name, const char *value);
void proof_settings_back(struct proof *p);

/* --- proof_dir.c: the validation's directory --- */
int proof_dir_make(struct proof *p, struct err *e);
void proof_path(const struct proof *p, const char *name, char out[PATH_MAX]);
int proof_write(const struct proof *p, const char *name, const cJSON *doc, struct err *e);
/* Removes what is no evidence (repositories) and writes SHA256SUMS. */
int proof_dir_close(struct proof *p, struct err *e);
#define PROOF_RESULT "validation.json"
/* For `verify`: is this the directory of a validation, and was that ended before it was over? Then there is nothing to hold. */
enum proof_dir_kind { PROOF_DIR_NONE, PROOF_DIR_CLOSED, PROOF_DIR_ENDED };
enum proof_dir_kind proof_dir_kind(const char *dir);
int proof_dir_verify(const char *dir, struct verify_report *ret, struct err *e);

/* --- proof_case.c: the cases that are run --- */
/* A copy of `from` (of the operator's cases) in a folder of the validation, as `id`; `changes` is merged into its case.json (null
 * removes a key, objects are merged), `expect` NULL leaves what it expects. */
int proof_case(struct proof *p, const char *from, const char *folder, const char *id, const char *changes,
               struct err *e);
/* Where a case of this id is: among the operator's, else among the shipped ones, which have the fixtures of failures. */
void proof_cases(const struct proof *p, const char *id, char ret[PATH_MAX]);
/* What every run of this stage's case has: mode and approval. */
const char *proof_case_mode(int stage);

/* --- proof_do.c: runs --- */
struct seen {      /* a run that was made */
    cJSON *report; /* NULL: there was none */
    char dir[PATH_MAX], run_id[RUN_ID_MAX], sha256[DIGEST_HEX_SIZE];
    bool waiting; /* for a human's word: no report yet */
};
struct run_of {
    const char *folder, *id; /* folder NULL: the operator's own cases */
    struct lane lane;
    bool absent; /* the double, as if it was not there */
};
/* Quietly. A run that could not be made at all is an error of the proof; then there is no report. */
void proof_do(struct proof *p, const struct run_of *what, struct seen *ret);
void seen_release(struct seen *s);
/* Asks for the run and says this word to it ("granted" or "denied"). */
int proof_ask(struct proof *p, const struct run_of *what, const char *word, struct err *e);
/* Says it to a run that waits, and reads its report. */
void proof_accept(struct proof *p, struct seen *s);
/* Lets the time of a run that waits run out. */
void proof_let_pass(struct proof *p, struct seen *s, int64_t ms);
/* What evidence of every run must be: verifies, all files, the standing rules; names begin with `name`. */
void check_evidence(struct proof *p, const char *name, const struct seen *s);
/* In the order of the list, NULL-terminated; others may stand between. */
bool in_order(const struct seen *s, const char *const *types);
void proof_note_report(cJSON *list, const struct seen *s);
/* This report is what the store names as the proof. */
void proof_shows(struct proof *p, const struct seen *s);

/* --- proof_pass.c: the run that must pass --- */
/* The operator's case as this stage runs it and as the default lane does; false: an error was noted. */
bool proof_subject(struct proof *p, const char *changes);
struct run_of proof_subject_run(const struct proof *p);
/* What the report of each stage's pass says; then the same case on the default lane, and the two compared. */
void check_pass(struct proof *p, const struct seen *s);
/* Writable roots: the workspace and the run's directory, at stage 4 the disposable repository; never the evidence. */
void check_roots(struct proof *p, const struct seen *s);
/* What the engine was given, from the trace: the texts of "engine_argument", "engine_environment" (names) or "engine_mount". */
cJSON *proof_view(const struct seen *s, const char *step);

/* --- proof_target.c: repositories that a validator owns --- */
/* A new one with the fixture of a case in a folder of the validation; `history`: with a second commit. */
int owned_make(struct proof *p, const char *name, const char *folder, const char *id, bool history, struct owned *ret,
               struct err *e);
/* Its admission as a target, recorded; `changes` is merged into a good one. */
int owned_admit(struct proof *p, struct owned *o, const char *folder, const char *id, const char *changes,
                struct err *e);
void owned_revoke(struct proof *p, struct owned *o);
/* A file more in the fixture of a row's case, which the repository that was made of it does not have. */
int owned_lacks(const struct proof *p, const char *id, const char *name, struct err *e);
int owned_write(const struct owned *o, const char *name, const char *text, struct err *e); /* adds to a file in it */
/* The same HEAD, clean, and the same bytes as when it was made. */
bool owned_untouched(const struct owned *o);

/* --- proof_no_target.c --- */
/* Proves that no target repository was named to the backend; before(): makes one that could be. */
bool no_target_before(struct proof *p);
void check_no_target(struct proof *p, const struct seen *s);

/* --- proof_baseline.c: the same fixture on the fake lane --- */
void check_baseline(struct proof *p, const struct seen *lane, const struct seen *fake);

/* --- proof_outside.c: what nobody may have changed --- */
struct outside {
    cJSON *before; /* what: digest; owned */
    bool bad;
};
void outside_look(struct proof *p, struct outside *ret);
void outside_check(struct proof *p, struct outside *before);

/* --- proof_rows.c: what must fail --- */
enum row_lane { ROW_OWN, ROW_MISLED, ROW_FAKE };
struct failure_row {
    const char *name;
    const char *fixture; /* of the operator's cases; NULL: the subject case (ROW_OWN), reviewer-reject else */
    const char *script;  /* what the double does; NULL: fix */
    const char *changes; /* in case.json, beside the stage's; NULL */
    const char *reason;  /* the first blocker */
    const char *status;  /* "fail" or "blocked" */
    enum row_lane lane;
    unsigned wants; /* of enum row_wants */
};
/* Of ROW_LACKS: a file of the case's fixture, and what the row changes in its case. */
#define PROOF_KEPT "kept-by-nobody.txt"
#define PROOF_KEPT_CHANGES "{\"pristine\":[\"" PROOF_KEPT "\"]}"
enum row_wants {
    ROW_UNSTARTED = 1, /* nothing of the backend may have been started */
    ROW_ABSENT = 2,    /* its program is not there */
    ROW_DENIED = 4,    /* the approval is denied */
    ROW_DIRTY = 8,     /* the repository is dirty */
    ROW_UNOWNED = 16,  /* the target's admission has no evidence of ownership */
    ROW_CRITICAL = 32, /* nor is it noncritical */
    ROW_SILENCE = 64,  /* nobody says anything to the result */
    ROW_UNASKED = 128, /* and nobody was asked before */
    ROW_LACKS = 256    /* the case brings PROOF_KEPT back, and the repository's HEAD has none */
};
struct row_steps { /* what a stage does around a row's run; each may be NULL */
    /* Repositories, admissions, settings; false: the row cannot be run, and an error was noted. */
    bool (*before)(struct proof *p, const struct failure_row *row, const struct run_of *what);
    void (*after)(struct proof *p, const struct failure_row *row, const struct seen *s);
};
void check_rows(struct proof *p, const struct failure_row *rows, size_t n, const struct row_steps *steps);

/* --- the stages; each assumes that its predecessors are proven --- */
void prove_stage1(struct proof *p);
void prove_stage2(struct proof *p);
void prove_stage3(struct proof *p);
void prove_stage4(struct proof *p);
void prove_stage5(struct proof *p);

#endif
