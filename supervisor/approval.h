/* approval.h - what a human is asked, and what the answer is good for (design: governance, "Governed execution"). Pure.
 *
 * A scope is everything that a run must be like to use an approval: task and its text, target, backend, model, mode, paths, actions,
 * verification, and what
 * it may read of the host. Its digest stands in request, approval and run; when one of them differs, the approval is for something else.
 */
#ifndef CTO_SUPERVISOR_APPROVAL_H
#define CTO_SUPERVISOR_APPROVAL_H

#include "common/digest.h"
#include "common/json.h"
#include "supervisor/case.h"

#define APPROVAL_SENTENCE_MAX 8192
#define APPROVAL_TARGET_MAX 128
/* How long a grant is good for when nobody says. */
#define APPROVAL_DEFAULT_MS (24ll * 3600 * 1000)
/* And at most. */
#define APPROVAL_MAX_MS (30 * APPROVAL_DEFAULT_MS)

struct approval_for {
    const char *engine;
    const char *file, *program;   /* digests of the backend's engine file and program; "" for one without */
    const char *provider, *model; /* "" for a backend without one */
    /* of an admitted target: where it is, its admission, HEAD as it is now; else "" */
    const char *path, *target, *target_sha256, *head;
    /* what the engine file shows of the host (struct engine_file.bound), its read_roots first; the case's own come from the case */
    const char *const *roots;
    int n_roots, n_read_roots;
};
/* The scope as data; the caller owns it. The whole folder of the case counts: contract, task, fixture. What the worker then copies is
 * that folder, a moment later; so it is with what a run may read of the host (root_binding.h). NULL when something of it cannot be
 * read, or is too much. */
cJSON *approval_scope(const struct cto_case *c, const struct approval_for *of, struct err *e);
void approval_scope_digest(const cJSON *scope, char ret[DIGEST_HEX_SIZE]);
/* What is changed, as a report may say it: never a path of the host. */
void approval_target(const struct cto_case *c, const struct approval_for *of, char *out, size_t size);
/* The one sentence that grants it. */
void approval_sentence(const struct cto_case *c, const struct approval_for *of, char out[APPROVAL_SENTENCE_MAX]);
/* The request as a document: scope, sentence, criteria, what is and stays blocked. It grants nothing. */
cJSON *approval_request(const struct cto_case *c, const struct approval_for *of, const cJSON *scope, const char *id,
                        const char *actor, int64_t created_ms);

#endif
