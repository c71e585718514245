/* stages.h - the proof ladder as data (design: stages, "The proof ladder"). Pure. */
#ifndef CTO_SUPERVISOR_STAGES_H
#define CTO_SUPERVISOR_STAGES_H

#include <stdbool.h>

#define STAGE_COUNT 6

struct stage_rules {
    const char *name;
    const char *mutation_mode;          /* the widest that a run of this stage may have */
    const char *allowed_mutation_scope; /* exact words, as reports have them */
};
const struct stage_rules *stage_rules(int stage); /* 1..6 */

/* Modes from narrow to wide: none, copied-fixture, sandbox-repo, owned-noncritical-repo, candidate-default. An unknown word is wider
 * than all, and nothing is within an unknown one. */
bool stage_mode_within(const char *mode, const char *widest);
bool stage_allows(int stage, const char *mode);

#endif
