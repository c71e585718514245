/* case.c - the lines that Case writes to its standard error; the last says how its pipeline ended, and at which agent. Its marks of
 * protocol and review are looked for elsewhere (supervisor/case_log.h), without any parser. */
#include <string.h>

#include "worker/observe/observe.h"

static bool is_error(const cJSON *line) {
    const cJSON *level = observe_get(line, "level");
    const char *word = cJSON_GetStringValue(level);
    return word ? strcmp(word, "error") == 0 || strcmp(word, "fatal") == 0
                : cJSON_IsNumber(level) && level->valuedouble >= 50; /* as pino counts */
}

static void take(struct observer *o, const cJSON *line) {
    const char *msg = observe_text(line, "msg"), *error = observe_text(line, "error");
    const char *phase = observe_text(line, "phase"), *agent = observe_text(line, "agent");
    if (!msg) return;
    if (strcmp(msg, "pipeline finished") == 0) {
        const char *failed = observe_text(line, "failedAgent");
        observe_ended(o, observe_text(line, "outcome"), failed);
        observe_put(o, OBSERVE_TURN, observe_text(line, "outcome"), failed, failed ? OBSERVE_FAILED : OBSERVE_UNKNOWN,
                    0, 0);
    } else if (is_error(line)) {
        o->errors++;
        observe_put(o, OBSERVE_ERROR, phase ? phase : agent ? agent : "log", error ? error : msg, OBSERVE_FAILED, 0, 0);
    } else {
        o->messages++;
        observe_put(o, OBSERVE_MESSAGE, phase ? phase : agent ? agent : "log", msg, OBSERVE_UNKNOWN, 0, 0);
    }
}

const struct observe_format observe_case = {"case", take, "none"};
