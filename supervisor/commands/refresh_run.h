/* refresh_run.h - `refresh stage6-real` in two files: what is read of a pass, and the document made of it. */
#ifndef CTO_SUPERVISOR_COMMANDS_REFRESH_RUN_H
#define CTO_SUPERVISOR_COMMANDS_REFRESH_RUN_H

#include "supervisor/cli.h"
#include "supervisor/comparison.h"
#include "supervisor/refresh.h"
#include "supervisor/store.h"

#define REFRESH_PROOF "stage5-owned-repo-proof.json"
#define REFRESH_STATUS_TARGET "unchanged"

struct imported { /* a pass */
    struct store_run_row row;
    cJSON *report, *proof, *contract;
    char dir[4096], report_path[4400], proof_path[4400], proof_sha256[DIGEST_HEX_SIZE];
    struct store_approval approval;
    struct source_fresh source;
    struct refresh_pass judged;
};

struct refresh {
    const struct global_options *g;
    struct home home;
    struct store *store; /* the executor's */
    struct imported passes[2];
    int n;
    struct ladder ladder;
    struct refresh_result result;
    cJSON *stage6; /* the newest comparison of the backend; NULL */
    struct comparison compared, made;
    enum lane_status closure;
    char closure_why[240];
};

/* Everything that is known of the run, judged. ERR_USAGE: there is no such run, or it is none that could count. */
int refresh_import(struct refresh *x, const char *run, struct imported *ret, struct err *e);
/* Imports `runs` (one or two, then NULL), and concludes. */
int refresh_all(struct refresh *x, const char *const *runs, struct err *e);
void refresh_free(struct refresh *x);
void refresh_carry(struct refresh *x, const char *backend); /* stage 6: comparison, failure closure */
cJSON *refresh_document(const struct refresh *x);
char *refresh_text(const struct refresh *x); /* report.md; malloc'd */

/* `validate stage6-real-refresh`: the newest such comparison of this home (or of the backend), held against the evidence as it is now.
 * An exit code. */
int validate_refresh(const struct global_options *g, const char *engine);

#endif
