/* source_fresh.h - is the admission of a backend's source still current? A change of the source demands the adapter's checks again, so
 * what was admitted later than those ran is stale. */
#ifndef CTO_SUPERVISOR_SOURCE_FRESH_H
#define CTO_SUPERVISOR_SOURCE_FRESH_H

#include "common/digest.h"
#include "supervisor/engines.h"
#include "supervisor/store.h"

enum freshness { FRESH_NOT_APPLICABLE, FRESH_MISSING, FRESH_STALE, FRESH };
const char *freshness_name(enum freshness f); /* "not_applicable", "missing", "stale", "fresh" */

struct source_fresh {
    enum freshness state;
    char id[96], sha256[DIGEST_HEX_SIZE], pin[160]; /* of the admission that counts; "" */
    int64_t recorded_ms;
    char why[200]; /* when it is not fresh */
};
/* `checked_ms`: when the evidence that must not be older was made; 0: not asked. `s` may be NULL: nothing was ever recorded. */
void source_fresh_read(struct source_fresh *ret, const struct engine *en, struct store *s, int64_t checked_ms);
struct cJSON;
struct cJSON *source_fresh_json(const struct source_fresh *f);

#endif
