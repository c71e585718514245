/* fuzz_sv_observe.c - any bytes as the observer's answer: refused, or a list within its bounds whose events can be written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/observe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct observed o = {.n = 0};
    struct err e = ERR_INIT;
    const int rc = observe_take(data, size, &o, &e);
    MUST(o.n <= OBSERVE_MAX && (rc == 0 || (e.code == ERR_PROTO && e.text[0])));
    for (int i = 0; i < o.n; i++) {
        cJSON *data_of;
        const char *type = observation_event(&o.list[i], &data_of);
        MUST(strncmp(type, "backend.", 8) == 0 && cJSON_IsObject(data_of));
        cJSON_Delete(data_of);
    }
    if (rc == 0) {
        cJSON *report = observed_json(&o);
        struct observed *back = observed_from_json(report);
        cJSON *again = observed_json(back);
        MUST(cJSON_Compare(report, again, true));
        cJSON_Delete(report);
        cJSON_Delete(again);
        observed_free(back);
    }
    free(o.list);
    return 0;
}
