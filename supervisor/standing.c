/* standing.c - see standing.h. */
#include "supervisor/standing.h"

#include <string.h>

void standing_put(cJSON *o) {
    json_put_bool(o, STANDING_ACTIVATION_KEY, false);
    json_put_str(o, STANDING_PROMOTION_KEY, STANDING_PROMOTION);
}

bool standing_activation_false(const cJSON *o) {
    return cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(o, STANDING_ACTIVATION_KEY));
}

bool standing_not_promoted(const cJSON *o) {
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, STANDING_PROMOTION_KEY));
    return s && strcmp(s, STANDING_PROMOTION) == 0;
}
