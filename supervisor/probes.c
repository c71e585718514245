/* probes.c - see probes.h. The report is counted again here: a program that says "ok" over results that are not is not
 * believed, and neither is one that tried nothing. */
#include "supervisor/probes.h"

#include <stdio.h>
#include <string.h>

#include "supervisor/binaries.h"
#include "supervisor/launcher.h"

#define PROGRAM "cto-harness-probe"
#define DEADLINE_MS (5 * 60 * 1000) /* some seconds, on an idle host */
#define REPORT_BYTES (4u << 20)

static const char *text_of(const cJSON *o, const char *key) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsString(v) ? v->valuestring : "";
}

static int number_of(const cJSON *o, const char *key) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(v) ? v->valueint : -1;
}

static const cJSON *results(const cJSON *report) { return cJSON_GetObjectItemCaseSensitive(report, "results"); }

static int count(const cJSON *report, const char *result) {
    const cJSON *row;
    int n = 0;
    cJSON_ArrayForEach(row, results(report)) n += strcmp(text_of(row, "result"), result) == 0;
    return n;
}

bool probes_held(const cJSON *report) {
    const int held = count(report, "held"), by_design = count(report, "open by design"),
              skipped = count(report, "skipped");
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(report, "ok")) && held > 0 &&
           number_of(report, "changes") == 0 && held + by_design + skipped == cJSON_GetArraySize(results(report));
}

int probes_run(const char *libexec, cJSON **ret, struct err *e) {
    AUTO_BUF struct buf out = BUF_INIT(REPORT_BYTES);
    char path[4096 + 64];
    snprintf(path, sizeof path, "%s/" PROGRAM, libexec);
    if (binaries_check_file(path, e) < 0) return -1;
    const int code = launcher_ask(path, "--json", &out, DEADLINE_MS, e);
    if (code < 0) return -1;
    cJSON *report = cJSON_Parse(buf_str(&out));
    if (!cJSON_IsArray(results(report)) || cJSON_GetArraySize(results(report)) == 0) {
        cJSON_Delete(report);
        return err_set(e, ERR_UNSUPPORTED, "%s ended with status %d and gave no list: no jail can be built here?", path,
                       code);
    }
    *ret = report;
    return 0;
}

/* One line per reason, where it stands first. */
static void print_skipped(const cJSON *report) {
    const cJSON *row, *other;
    cJSON_ArrayForEach(row, results(report)) {
        bool first = true;
        int n = 0;
        if (strcmp(text_of(row, "result"), "skipped") != 0) continue;
        cJSON_ArrayForEach(other, results(report)) {
            if (strcmp(text_of(other, "result"), "skipped") != 0 ||
                strcmp(text_of(other, "detail"), text_of(row, "detail")) != 0)
                continue;
            if (n == 0) first = other == row;
            n++;
        }
        if (first) printf("  skipped   %d: %s\n", n, text_of(row, "detail"));
    }
}

void probes_print(const cJSON *report) {
    const cJSON *row;
    printf("\nAttempts to get out of the jails (engine, verifier, inspector, worker): %d\n"
           "  held %d, not held %d, open by design %d, skipped %d, without an answer %d, changes outside %d\n",
           cJSON_GetArraySize(results(report)), count(report, "held"), count(report, "not held"),
           count(report, "open by design"), count(report, "skipped"),
           count(report, "hung") + count(report, "no answer"), number_of(report, "changes"));
    cJSON_ArrayForEach(row, results(report)) {
        const char *result = text_of(row, "result");
        if (strcmp(result, "held") == 0 || strcmp(result, "skipped") == 0) continue;
        printf("  %s: %s: %s (%s)%s%s\n", strcmp(result, "open by design") == 0 ? "by design" : "NOT HELD",
               text_of(row, "jail"), text_of(row, "name"), text_of(row, "tries"), *text_of(row, "detail") ? ": " : "",
               text_of(row, "detail"));
    }
    print_skipped(report);
}
