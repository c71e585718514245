/* batch.h - a list of cases on one backend, run to the end: what run-case, run-all-fake and the validators share. */
#ifndef CTO_SUPERVISOR_BATCH_H
#define CTO_SUPERVISOR_BATCH_H

#include "supervisor/cli.h"
#include "supervisor/executor.h"
#include "supervisor/matrix_report.h"

struct batch {
    struct home home;
    struct executor *x;
    struct cto_case *cases; /* loaded, in order */
    struct matrix_row *rows;
    char **report_paths; /* of each run, "" when there is none */
    bool *waiting;       /* of each run: it waits for a human's word, and has no verdict yet */
    char **why;          /* of each run, "reason: detail" lines, cleaned for a terminal; NULL when there is none */
    int n;
    char matrix_id[RUN_ID_MAX]; /* "" when there is no matrix */
    bool interrupted;
    struct err failure; /* the harness itself failed */
};

/* Loads the cases before anything is written: a broken one is a usage error and changes nothing. */
int batch_load(struct batch *b, const struct global_options *g, char *const *ids, int n, struct err *e);
struct batch_options {
    const char *engine;
    int jobs;
    bool keep;
    const char *matrix_kind; /* NULL: no matrix */
    bool quiet, no_color;
    bool alone;             /* one run, which the caller tells of: progress_new_alone() */
    struct progress *outer; /* of whoever runs this batch as a step, to be kept moving; NULL */
    bool with_double;       /* a validator: cases with a "double" run on our test double of ca, whatever `engine` is */
    /* A validator of a stage: > 0: `engine` is "case", and all run on the double at this stage. */
    int double_stage;
    bool double_absent;          /* and as if its program was not there */
    const char *record, *replay; /* of a single run, see struct job; NULL */
    const struct model_double
        *model; /* of each run on the double: what it may ask; NULL: what its case says (double.model) */
};
/* Runs them; rows and report paths are filled. 0 also when runs fail: that is in the rows. */
int batch_run(struct batch *b, const struct batch_options *o, struct err *e);
void batch_release(struct batch *b);

/* Number of processors this process may use: the default of -j. */
int batch_default_jobs(void);
/* 1..4096, or a usage error (0). */
int batch_parse_jobs(const char *command, const char *text);

#endif
