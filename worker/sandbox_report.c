/* sandbox_report.c - READY's JSON: the sandbox of this run, as the report shows it.
 *
 *   {"mode": "root"|"user", "kernel": "6.1.0-18-amd64", "landlock_abi": 7,
 *    "read_roots": [what the case shows of the host to engine and verifier],
 *    "landlock_missing": {what this kernel's Landlock lacks: what holds it instead},
 *    "worker":   {"mechanisms": [name], "seccomp_instructions": n},
 *    "engine":   {"mechanisms": [name], "seccomp": {"table": name, "instructions": n,
 *                 "withheld": [call that the engine's table permits and this one does not], "narrowed": [call of which
 *                 this one permits less]}, "write_roots": ["/workspace", "/scratch"], "network": "loopback"|"none",
 *                 "limits": {name: {"value": n, "mechanism": text, "guarantee": bool}}, "uid": n},
 *    "verifier": {the same},
 *    "cgroup":   {"version": 0|1|2, "why": text}}
 *
 * A limit that is no guarantee is a kill threshold (limits.h).
 *
 * For engine and verifier "mechanisms" is what their profile requires here: a jail that lacks one of them is never
 * started, so when the engine runs, they are in force. The trace of the engine's start repeats what its jail reported.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "common/json.h"
#include "worker/worker.h"

static cJSON *mechanisms(uint32_t bits) {
    const char *names[JAIL_M_COUNT];
    size_t n = 0;
    for (unsigned i = 0; i < JAIL_M_COUNT; i++)
        if (bits & (1u << i)) names[n++] = jail_mechanism_name(i);
    return json_strings(names, n);
}

static cJSON *names(const char *list) {
    cJSON *a = cJSON_CreateArray();
    for (; *list; list += strlen(list) + 1) cJSON_AddItemToArray(a, cJSON_CreateString(list));
    return a;
}

static cJSON *filter(enum jail_profile profile) {
    const struct jail_filter f = jail_filter(profile);
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "table", f.table);
    json_put_int(o, "instructions", f.instructions);
    json_put(o, "withheld", names(f.withheld));
    json_put(o, "narrowed", names(f.narrowed));
    return o;
}

static cJSON *jail(const struct worker *w, enum jail_profile profile, int64_t uid) {
    static const char *const write_roots[] = {"/workspace", "/scratch"};
    cJSON *o = cJSON_CreateObject();
    json_put(o, "mechanisms", mechanisms(jail_required(profile, w->mode) | (w->limits.group ? JAIL_M_CGROUP : 0)));
    json_put(o, "seccomp", filter(profile));
    json_put(o, "write_roots", json_strings(write_roots, 2));
    json_put_str(o, "network", w->spec.network_none ? "none" : "loopback");
    json_put(o, "limits", limits_json(&w->limits));
    if (uid >= 0) json_put_int(o, "uid", uid);
    return o;
}

/* Why it is not version 2, and not version 1 either. */
static const char *cgroup_why(const struct limits *l) {
    if (l->group || cgroup_version(&l->places) != 1) return l->places.why;
    return "version 1 is used for a case that sets memory_bytes or processes: entering a group is slow there";
}

/* Of the kernel; the worker's own report has 0 because a worker can have no Landlock file rules. */
static void put_landlock(cJSON *o) {
    struct jail_landlock_gap gaps[JAIL_LANDLOCK_PARTS];
    const int abi = jail_landlock_abi();
    const size_t n = jail_landlock_gaps(abi, gaps);
    cJSON *missing = cJSON_CreateObject();
    for (size_t i = 0; i < n; i++) json_put_str(missing, gaps[i].name, gaps[i].held_by);
    json_put_int(o, "landlock_abi", abi);
    json_put(o, "landlock_missing", missing);
}

char *sandbox_report_json(const struct worker *w) {
    struct utsname un = {0};
    uname(&un);
    cJSON *o = cJSON_CreateObject(), *own = cJSON_CreateObject();
    json_put_str(o, "mode", w->mode == JAIL_MODE_ROOT ? "root" : "user");
    json_put_str(o, "kernel", un.release);
    put_landlock(o);
    json_put(o, "read_roots", json_strings(w->spec.read_roots, (size_t)w->spec.n_read_roots));
    json_put(own, "mechanisms", mechanisms(w->report.in_force));
    json_put_int(own, "seccomp_instructions", w->report.seccomp_instructions);
    json_put(o, "worker", own);
    json_put(o, "engine", jail(w, JAIL_ENGINE, worker_engine_uid(w)));
    json_put(o, "verifier", jail(w, JAIL_VERIFIER, worker_verifier_uid(w)));
    cJSON *group = cJSON_CreateObject();
    json_put_int(group, "version", w->limits.group ? cgroup_version(&w->limits.places) : 0);
    json_put_str(group, "why", cgroup_why(&w->limits));
    json_put(o, "cgroup", group);
    char *text = cJSON_PrintUnformatted(o);
    BUG_UNLESS(text != NULL);
    cJSON_Delete(o);
    return text;
}
