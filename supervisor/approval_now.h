/* approval_now.h - is what somebody asked for still as it was? A request says what a case, its backend, a target and what a run may
 * read were like when it was made. A grant is for just that; when it is otherwise by now, nothing is granted, since no run could use
 * it and whoever says the sentence thinks of what is there.
 *
 * The scope is computed as a run would: with the cases and the variables of this command. Variables that are not set here count as
 * they were for the request (those of approval_settings()): whoever grants need not have the environment of whoever asked.
 */
#ifndef CTO_SUPERVISOR_APPROVAL_NOW_H
#define CTO_SUPERVISOR_APPROVAL_NOW_H

#include "supervisor/approval.h"
#include "supervisor/gate_facts.h"
#include "supervisor/home.h"
#include "supervisor/store.h"

/* The facts as a run would read them, an admitted target looked at: what a request is made of. Nothing is written. */
void approval_facts(struct gate_facts *f, const struct cto_case *c, const char *engine, struct store *s);
/* {variable: value}: what of the environment decides on the scope. Paths are made absolute. The caller owns it. */
cJSON *approval_settings(const struct gate_facts *f);

struct approval_now {
    cJSON *scope; /* owned; NULL: there can be none any more, and `why` */
    char why[300];
    char sentence[APPROVAL_SENTENCE_MAX];
};
/* What a request for this case and backend would be now. `request`: the document of one that was made. */
void approval_now_read(struct approval_now *ret, const struct home *h, struct store *s, const char *task_id,
                       const char *engine, const cJSON *request);
void approval_now_release(struct approval_now *n);
/* In words what is otherwise, most of them keys of the scope; [] when nothing is. The caller owns it. */
cJSON *approval_now_differs(const struct approval_now *n, const cJSON *request);

/* 0, or ERR_USAGE with what is otherwise: before a grant. */
int approval_now_check(const struct home *h, struct store *s, const struct store_request *r, struct err *e);

#endif
