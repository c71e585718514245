/* outcome.h - the end of a run whose result was landed on somebody's repository (design: governance, "Governed execution" 5).
 *
 * Such a run waits, unsealed, until a human has said `accepted` or `rejected`, in any process, or until its time is over. The word is
 * made durable first; what follows from it (the event, the revert of a rejected landing, the seal) is done by whoever finds it said,
 * so that a kill in between delays it and changes nothing.
 */
#ifndef CTO_SUPERVISOR_OUTCOME_H
#define CTO_SUPERVISOR_OUTCOME_H

#include "supervisor/evidence.h"
#include "supervisor/home.h"
#include "supervisor/record.h"
#include "supervisor/store.h"

#define OUTCOME_ACCEPTED "accepted"
#define OUTCOME_REJECTED "rejected"
#define OUTCOME_MISSING "missing" /* nobody said it in time */

struct outcome_place {
    const struct home *home;
    struct store *store;
    const struct seal_input *env;
    const char *self;  /* this supervisor's id: its lock is held */
    bool leave_landed; /* a landing that cannot be taken back stays, and the run is sealed all the same */
};

/* Before the landing: keeps all that is needed to finish the run. From here on it can wait. */
int outcome_park(struct store *s, const struct run_record *r, const char *engine_file, struct err *e);

/* Before "accepted" is said: is what was landed still on its branch, under the admission of the run? ERR_UNSUPPORTED when it is not;
 * nothing has been said then. */
int outcome_may_accept(struct store *s, const char *run_id, struct err *e);

struct outcome_end {
    enum verdict verdict;
    char report_path[4200], commit[OID_SIZE], revert_commit[OID_SIZE];
    char why[1200]; /* the blockers' sentences; "" */
};
/* Finishes the run with the word that the store has. ERR_CONFLICT: somebody else is at it. `ret` may be NULL. */
int outcome_settle(const struct outcome_place *p, const char *run_id, struct outcome_end *ret, struct err *e);
/* In recovery: every waiting run that a word was said of, or whose time is over, and those of dead supervisors that were landing.
 * What cannot be finished now is told to `warn`, and stays. */
int outcome_recover(const struct outcome_place *p, void (*warn)(const char *text), struct err *e);

#endif
