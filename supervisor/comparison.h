/* comparison.h - the directory of a comparison among the runs of a home: one document, report.md for people, SHA256SUMS over both; and
 * the store's row beside it, of which the digest stands there. As a matrix has it (matrix_report.h), so that a kill leaves nothing
 * half. Two kinds: the lanes of stage 6, and the read-only import of two stage-5 passes.
 *
 * The document never changes afterwards: what the operator says of it is a row of the store under the comparison's id.
 */
#ifndef CTO_SUPERVISOR_COMPARISON_H
#define CTO_SUPERVISOR_COMPARISON_H

#include "common/digest.h"
#include "common/json.h"
#include "supervisor/executor.h"

enum comparison_kind { COMPARISON_STAGE6, COMPARISON_REFRESH, COMPARISON_KINDS };
const char *comparison_kind_name(enum comparison_kind k); /* also part of the id */
const char *comparison_file(enum comparison_kind k);      /* name of the document */

struct comparison {
    enum comparison_kind kind;
    char id[RUN_ID_MAX], backend[32];
    char path[4096], sha256[DIGEST_HEX_SIZE]; /* of the document */
    int64_t made_ms;
    int passed, failed, blocked; /* how many things it decided, for the row */
};

/* Finds an id, makes row and directory. `c` has kind and backend; `x` is open. */
int comparison_begin(struct comparison *c, const struct home *h, struct executor *x, struct err *e);
/* Writes document and text, then the row. The document has the field comparison_id already. */
int comparison_finish(struct comparison *c, const struct home *h, struct store *s, const cJSON *doc, const char *md,
                      struct err *e);

/* The one of this id; the newest of its kind when `id` is NULL (and of the backend, unless NULL). ERR_MISSING: there is none. It holds
 * when the directory verifies and the document has the row's digest: else ERR_CONFLICT says what does not. *ret_doc is the caller's. */
int comparison_read(struct comparison *ret, const struct home *h, struct store *s, enum comparison_kind kind,
                    const char *id, const char *backend, cJSON **ret_doc, struct err *e);
/* Is there a comparison of this id, of any kind? */
bool comparison_known(struct store *s, const char *id, enum comparison_kind *ret);

#endif
