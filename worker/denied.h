/* denied.h - frames about what a jail's filter refused; see denied.c. Used by jailed.c for the jails of engine and
 * verification. */
#ifndef CTO_WORKER_DENIED_H
#define CTO_WORKER_DENIED_H

#include "sandbox/jail.h"
#include "worker/worker.h"

struct denied {
    struct worker *w;
    enum denied_by by;
    int command; /* index of the verification command; 0 for the engine */
    struct jail_observer observer;
};

/* Before the start: spec.observer = &d->observer. `d` must outlive the jail. */
void denied_observe(struct denied *d, struct worker *w, enum denied_by by, int command);
/* After STARTED or VERIFY_START: says so when nothing can be observed here. */
void denied_started(const struct denied *d, const struct jail *j);
/* After the end of the jail, before ENGINE_END or VERIFY_END. */
void denied_totals(const struct denied *d, const struct jail *j);

#endif
