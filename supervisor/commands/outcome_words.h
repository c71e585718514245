/* outcome_words.h - what run-case and outcome say alike. */
#ifndef CTO_SUPERVISOR_COMMANDS_OUTCOME_WORDS_H
#define CTO_SUPERVISOR_COMMANDS_OUTCOME_WORDS_H

#include "supervisor/cli.h"
#include "supervisor/outcome.h"

/* Who says it when a variable does. */
#define OUTCOME_BY_VARIABLE "operator (by variable)"

/* CTO_HARNESS_<ENGINE>_STAGE5_OPERATOR_OUTCOME, when it is one of the two words; NULL: not said. */
const char *outcome_said_beforehand(const char *engine);
/* What `outcome` does: the word of a human on a run that waits, and all that follows from it. */
int outcome_say(const struct home *h, const char *run_id, const char *word, const char *actor, struct outcome_end *ret,
                struct err *e);
/* Exit status 3: nothing more is allowed until a human has spoken. */
int outcome_print_waiting(const struct global_options *g, const char *run_id);

#endif
