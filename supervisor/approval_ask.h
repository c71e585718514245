/* approval_ask.h - asks a human for one run: the request as a row of the store. It allows nothing. */
#ifndef CTO_SUPERVISOR_APPROVAL_ASK_H
#define CTO_SUPERVISOR_APPROVAL_ASK_H

#include "supervisor/gate_facts.h"
#include "supervisor/store.h"

/* Adds the request that these facts and their scope make; `ret` is the request as the store has it. `*ret_document` is its JSON,
 * owned by the caller; ret->document points to it. */
int approval_ask(struct store *s, const struct gate_facts *f, const cJSON *scope, const char *actor,
                 struct store_request *ret, char **ret_document, struct err *e);

#endif
