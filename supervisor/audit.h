/* audit.h - the ten claims of the whole (design: governance, `audit endgoal`), each decided by evidence of this home and this build:
 * proven when everything that decides it is there and holds, else not proven. A claim is never proven by a setting or a sentence.
 */
#ifndef CTO_SUPERVISOR_AUDIT_H
#define CTO_SUPERVISOR_AUDIT_H

#include "supervisor/ladder.h"

#define AUDIT_CLAIMS 10
#define AUDIT_PARTS_MAX 6

struct audit_part { /* something that decides a claim */
    const char *name;
    bool holds;
    char ref[4096]; /* the file or record that shows it; "" */
    char why[200];  /* of what does not hold */
};

struct audit_claim {
    const char *id, *claim;
    bool proven;
    struct audit_part parts[AUDIT_PARTS_MAX];
    int n_parts;
};

struct audit {
    struct audit_claim claims[AUDIT_CLAIMS];
    bool complete;
};

/* `s` may be NULL: then there is no evidence. -1: the store cannot be read. */
int audit_endgoal(struct audit *ret, const struct home *h, struct store *s, struct err *e);

#endif
