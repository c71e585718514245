/* standing.h - the two standing rules that no command changes (design: mission, "Standing rules"), in the one place of the program
 * where they are said: no backend is activated as the default, nothing is promoted to the core.
 *
 * They are constants, on purpose. No option, variable, file, record or row of the store leads here, so nothing that anybody writes
 * makes any document say otherwise. Whoever prints them calls standing_put(); tests/lint/standing.sh finds who does not.
 */
#ifndef CTO_SUPERVISOR_STANDING_H
#define CTO_SUPERVISOR_STANDING_H

#include <stdbool.h>

#include "common/json.h"

/* The names of the two fields, and the only words that they have. */
#define STANDING_ACTIVATION_KEY "runtime_default_activation"
#define STANDING_PROMOTION_KEY "core_promotion_status"
#define STANDING_PROMOTION "not-promoted"
/* For people: the last line of each report. */
#define STANDING_SENTENCE "Default activation: false. Core promotion: " STANDING_PROMOTION ".\n"

/* Both fields. */
void standing_put(cJSON *o);
/* Does a document that was read say exactly this? Each on its own, so that a complaint can name the field. */
bool standing_activation_false(const cJSON *o);
bool standing_not_promoted(const cJSON *o);

#endif
