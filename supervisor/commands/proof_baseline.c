/* proof_baseline.c - the same fixture, in the same validation, on the default lane: whatever a backend is, its evidence says the same
 * things in the same order (design: stages, `fake_baseline`). A dimension matches or is named. */
#include <stdio.h>
#include <string.h>

#include "supervisor/commands/proof_run.h"

static bool same_kind(const cJSON *a, const cJSON *b) {
    if (cJSON_IsNull(a) || cJSON_IsNull(b))
        return true; /* not known on one lane: the exit code of what was ended, say */
    if (cJSON_IsBool(a)) return cJSON_IsBool(b);
    return (a->type & 0xff) == (b->type & 0xff);
}

/* Every field of the default lane's report is in the other's, and is the same kind of thing. */
static bool report_shape(const struct seen *lane, const struct seen *fake) {
    const cJSON *f;
    cJSON_ArrayForEach(f, fake->report) {
        const cJSON *l = run_look_get(lane->report, f->string);
        if (!l || !same_kind(f, l)) return false;
    }
    return true;
}

static bool event_order(const struct seen *lane, const struct seen *fake) {
    return in_order(lane, required_events_pass) && in_order(fake, required_events_pass) &&
           run_look_true(lane->report, "required_events_passed") &&
           run_look_true(fake->report, "required_events_passed");
}

static bool allowed_writes(const struct seen *lane, const struct seen *fake) {
    return run_look_true(lane->report, "allowed_writes_passed") &&
           run_look_true(fake->report, "allowed_writes_passed") &&
           cJSON_GetArraySize(run_look_get(lane->report, "changed_files")) > 0 &&
           cJSON_GetArraySize(run_look_get(fake->report, "changed_files")) > 0;
}

/* The same commands in the same order, with the same results. */
static bool verification(const struct seen *lane, const struct seen *fake) {
    const cJSON *a = run_look_get(lane->report, "verification"), *b = run_look_get(fake->report, "verification");
    const int n = cJSON_GetArraySize(a);
    if (n != cJSON_GetArraySize(b)) return false;
    for (int i = 0; i < n; i++) {
        const cJSON *x = cJSON_GetArrayItem(a, i), *y = cJSON_GetArrayItem(b, i);
        if (!cJSON_Compare(run_look_get(x, "command"), run_look_get(y, "command"), true) ||
            !cJSON_Compare(run_look_get(x, "exit_code"), run_look_get(y, "exit_code"), true) ||
            !run_look_true(x, "passed") || !run_look_true(y, "passed"))
            return false;
    }
    return cJSON_Compare(run_look_get(lane->report, "tests_passed"), run_look_get(fake->report, "tests_passed"), true);
}

static bool blockers(const struct seen *lane, const struct seen *fake) {
    const cJSON *a = run_look_get(lane->report, "blocker_reasons"), *b = run_look_get(fake->report, "blocker_reasons");
    return cJSON_IsArray(a) && cJSON_Compare(a, b, true) &&
           cJSON_Compare(run_look_get(lane->report, "status"), run_look_get(fake->report, "status"), true);
}

static bool all_digests(const cJSON *digests) {
    const cJSON *d;
    cJSON_ArrayForEach(d, digests) {
        const char *s = cJSON_GetStringValue(d);
        if (!s || strlen(s) != DIGEST_HEX_SIZE - 1) return false;
    }
    return cJSON_GetArraySize(digests) > 0;
}

/* Of everything that the default lane has a digest of. */
static bool digests(const struct seen *lane, const struct seen *fake) {
    const cJSON *a = run_look_get(lane->report, "artifact_digests"),
                *b = run_look_get(fake->report, "artifact_digests");
    const cJSON *d;
    cJSON_ArrayForEach(d, b) {
        const bool log = strncmp(d->string, "backend/", 8) == 0; /* which a silent backend does not have */
        if (!log && !run_look_get(a, d->string)) return false;
    }
    return all_digests(a) && all_digests(b);
}

static bool all_fresh(const struct seen *s) {
    const cJSON *list = run_look_get(s->report, "freshness"), *f;
    cJSON_ArrayForEach(f, list) if (!run_look_true(f, "fresh")) return false;
    return cJSON_GetArraySize(list) > 0;
}

static bool freshness(const struct seen *lane, const struct seen *fake) { return all_fresh(lane) && all_fresh(fake); }

static const struct {
    const char *name;
    bool (*matches)(const struct seen *lane, const struct seen *fake);
} dimensions[] = {{"report_shape", report_shape}, {"event_order", event_order}, {"allowed_writes", allowed_writes},
                  {"verification", verification}, {"blockers", blockers},       {"digests", digests},
                  {"freshness", freshness}};

static void put_path(cJSON *o, const char *key, const struct seen *s) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/" EVIDENCE_REPORT, s->dir) < (int)sizeof path)
        json_put(o, key, json_bytes(path, strlen(path)));
}

void check_baseline(struct proof *p, const struct seen *lane, const struct seen *fake) {
    if (!lane->report || !fake->report) {
        hold(p, "fake_baseline", false, "one of the two lanes has no report");
        return;
    }
    cJSON *o = cJSON_CreateObject();
    char key[64];
    snprintf(key, sizeof key, "%s_path", p->engine->name);
    put_path(o, "fake_path", fake);
    put_path(o, key, lane);
    for (size_t i = 0; i < sizeof dimensions / sizeof dimensions[0]; i++) {
        const bool matches = dimensions[i].matches(lane, fake);
        snprintf(key, sizeof key, "fake_baseline_%s", dimensions[i].name);
        hold(p, key, matches, "the two lanes differ in it");
        json_put_bool(o, dimensions[i].name, matches);
    }
    cJSON_Delete(p->fake_baseline);
    p->fake_baseline = o;
}
