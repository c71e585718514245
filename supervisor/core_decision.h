/* core_decision.h - what the operator decided about asking for a core review. It asks, or it waits; it grants nothing. Kept among the
 * decisions of the store (kind decision, subject core-promotion): the newest counts, a revoked one is as if nothing was said. */
#ifndef CTO_SUPERVISOR_CORE_DECISION_H
#define CTO_SUPERVISOR_CORE_DECISION_H

#include <stdint.h>

#include "common/err.h"

struct store;

struct core_state {
    const char *name, *meaning;
};
#define CORE_STATES 3
const struct core_state *core_state(int i); /* 0: not_decided */
int core_state_by_name(const char *name);   /* -1: none of them */

struct core_decision {
    int state; /* of core_state(); 0 also when nobody said anything, and when what was recorded cannot be read */
    char id[96], actor[160], why[400];
    int64_t decided_ms;
};
int core_decision_read(struct core_decision *ret, struct store *s, struct err *e); /* `s` may be NULL */
/* Durable. ERR_USAGE when it is in force already. */
int core_decision_record(struct store *s, int state, const char *actor, const char *why, char ret_id[96],
                         struct err *e);

#endif
