/* claims.h - sentences that nobody may write into a planning record: that something was promoted, that something was activated, that
 * a gated backend is the default. Pure. A guess by words, made to refuse: a sentence that has one of these and no word that takes it
 * back ("not", "no", "never", "false", ...) is a claim. */
#ifndef CTO_SUPERVISOR_CLAIMS_H
#define CTO_SUPERVISOR_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>

/* What the line claims ("promoted", "activated", "default-backend"), or NULL. Sentences end at . ! ? ; and at the end of the line. */
const char *claim_in(const char *line, size_t n);
/* Does this name stand in the text, whatever its case, and not as a part of a longer word? */
bool name_in(const char *text, const char *name);

#endif
