/* outcome.h - the end of a run whose result was landed on somebody's repository (design: governance, "Governed execution" 5).
 *
 * Such a run waits, unsealed, until a human has said `accepted` or `rejected`, in any process, or until its time is over. The word is
 * made durable first; what follows from it (the event, the revert of a rejected landing, the seal) is done by whoever finds it said,
 * so that a kill in between delays it and changes nothing.
 *
 * What is needed to finish it is a record in the store. The run's own events say, before anything is landed, what that record is and
 * until when the run waits (result.landing: waiting), and the store has a digest of the run directory: neither can be changed alone.
 * A record that is not the one is not accepted and nothing is sealed by what it says; the landing stays until somebody says rejected or
 * the time in the events is over, and is then taken back by the journal. A journal that is not of the record's repository is believed
 * no more, whatever was said.
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

/* All that is needed to finish the run, as it is told to its events (narrate_landed()) and then kept. */
struct outcome_parcel {
    char *record; /* owned; NULL: there is none */
    char sha256[DIGEST_HEX_SIZE];
    int64_t since_ms, due_ms;
};
int outcome_pack(struct outcome_parcel *ret, const struct run_record *r, const char *engine_file, struct err *e);
void outcome_parcel_release(struct outcome_parcel *p);
/* Before the landing: keeps it. From here on the run can wait. */
int outcome_park(struct store *s, const struct run_record *r, const struct outcome_parcel *p, struct err *e);

/* Holds the row of a waiting run against the events in its directory. Its times become theirs, also after an error, when they say
 * any. ERR_PARSE: its record, or when `strict` one of its times, is not what the run was put down with. ERR_SYS: the events
 * cannot be read now, which says nothing. */
int outcome_hold(const char *run_dir, struct store_waiting *w, bool strict, struct err *e);

/* Is the run's directory sealed, although its row waits? So it is when somebody was killed between the two, or has put a copy of the
 * store from before in its place. What is sealed stands, whatever is said now. `ret`: the word in it; outcome "" when none was said. */
bool outcome_is_sealed(const char *run_dir, const char *run_id, struct store_outcome *ret);

/* Before "accepted" is said: is the record the run's own, and what was landed still on its branch, under the admission of the run?
 * ERR_UNSUPPORTED when it is not; nothing has been said then. */
int outcome_may_accept(const struct home *h, struct store *s, const char *run_id, struct err *e);

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
