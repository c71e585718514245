/* adapter_model.c - the checks of validate provider-adapter that need somebody who answers: our test double of a model's server, in each
 * of its ways to answer. Nothing between it and the gates is a double: the probe of a run asks it, and in a run the gateway does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/commands/adapter_check.h"
#include "supervisor/double.h"
#include "supervisor/gates.h"
#include "supervisor/gateway_proc.h"
#include "supervisor/model_probe.h"
#include "supervisor/slots.h"

#define PROVIDER "qwen-local"
#define MODEL "qwen3.6-35b-a3b"
#define PROBE_TOKENS 1024   /* with fewer a model that reasons first has none left for content */
#define PROBE_TIME_MS 30000 /* the double answers at once, or DELAYED_US later */
#define DELAYED_US 300000   /* less than it waits */
#define RUN_TOKENS 8192     /* what models.json says, and so what ca asks for */
#define ASKS "{\"mode\":\"asks-model\"}"

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

/* NULL: it could not be started, which is an error of the check. */
static struct model_double *start(struct adapter_check *a, const char *mode) {
    struct model_double *d = NULL;
    struct err e = ERR_INIT;
    if (model_double_start(a->home.libexec, mode, &d, &e) < 0) adapter_hold(a, false, "%s: %.250s", mode, e.text);
    return d;
}

/* Gives the server up. So many completions were asked for, each with its key and for the admitted model. */
static void end(struct adapter_check *a, struct model_double *d, const char *mode, int requests, int max_tokens) {
    struct model_double_asked asked = {0};
    struct err e = ERR_INIT;
    if (model_double_end(d, &asked, &e) < 0) adapter_hold(a, false, "%s: %.250s", mode, e.text);
    adapter_hold(a, asked.requests == requests && asked.others == 0,
                 "%s: the server was asked for %d completions and %d other things, not for %d and 0", mode,
                 asked.requests, asked.others, requests);
    adapter_hold(a, asked.authorized == asked.requests, "%s: the server was not given its key", mode);
    adapter_hold(a, asked.max_tokens == max_tokens, "%s: room for %d tokens was asked for, not for %d", mode,
                 asked.max_tokens, max_tokens);
    adapter_hold(a, strcmp(asked.model, MODEL) == 0, "%s: the server was asked for another model", mode);
}

/* --- the probe and the gates ----------------------------------------------------------------------------------------------------- */

static void on_answer(void *ctx, const struct model_probe_result *r) { *(struct model_probe_result *)ctx = *r; }

static struct model_probe_result probe(const struct adapter_check *a, const struct model_double *d) {
    struct model_probe_result r = {.outcome = GW_UNREACHABLE, .detail = "nothing came of it"};
    struct model_route route;
    struct model_probe *p;
    uv_loop_t loop;
    char program[PATH_MAX + sizeof GATEWAY_PROGRAM + 1];
    BUG_UNLESS(uv_loop_init(&loop) == 0);
    snprintf(program, sizeof program, "%s/" GATEWAY_PROGRAM, a->home.libexec);
    model_route_make(&route, model_double_url(d), model_double_key(d));
    model_probe_start(&loop, program, &route, MODEL, false, geteuid() == 0 ? (int64_t)SLOT_PROBE_UID : -1,
                      PROBE_TIME_MS, on_answer, &r, &p);
    uv_run(&loop, UV_RUN_DEFAULT);
    BUG_UNLESS(uv_loop_close(&loop) == 0);
    model_route_release(&route);
    return r;
}

/* Good facts, but for what a server like this makes of the last gate. `b` BLOCKER_COUNT: every gate opens. The time that it took. */
static uint64_t shows(struct adapter_check *a, const char *mode, enum blocker b, const char *word) {
    struct gate_facts f;
    struct run_record rec;
    struct model_double *d = a->interrupted ? NULL : start(a, mode);
    if (!d) return 0;
    adapter_good(a, &f, STAGE_FIRST);
    double_asks(&f, d);
    (void)adapter_closed(a, &f, &rec);
    adapter_hold(a, gates_wait_for_a_probe(&rec), "%s: the gates are decided before the model was asked", mode);
    record_release(&rec);
    f.probe = probe(a, d);
    f.probed = true;
    end(a, d, mode, 1, PROBE_TOKENS);
    const uint64_t took = f.probe.latency_us;
    if (b != BLOCKER_COUNT) {
        adapter_refused(a, &f, "response_shape", b, word);
        return took;
    }
    const struct gate_result *g = adapter_closed(a, &f, &rec);
    adapter_hold(a, !g, "%s: gate %s is closed: %.150s", mode, g ? g->name : "", g ? g->reason : "");
    record_release(&rec);
    gate_facts_release(&f);
    return took;
}

/* --- runs ------------------------------------------------------------------------------------------------------------------------ */

static bool observed_only(const cJSON *report, int requests) {
    const cJSON *list = get(report, "models_observed"), *one = cJSON_GetArrayItem(list, 0), *n = get(one, "requests");
    return cJSON_GetArraySize(list) == 1 && lane_says(one, "provider", PROVIDER) && lane_says(one, "model", MODEL) &&
           cJSON_IsNumber(n) && n->valueint == requests;
}

/* It started, asked once through its gateway, and passed. */
static void allows(struct adapter_check *a, const char *mode) {
    const char *name = a->name;
    struct model_double *d = a->interrupted ? NULL : start(a, mode);
    if (!d) return;
    struct lane_seen s = adapter_run(a, ASKS, d, NULL);
    adapter_hold(a, lane_says(s.report, "status", "pass"), "a run with such a model is no pass");
    adapter_hold(a, cJSON_IsTrue(get(s.report, "case_process_started")), "it was not started");
    adapter_hold(a,
                 lane_says(s.report, "case_model_provider", PROVIDER) && lane_says(s.report, "case_model", MODEL) &&
                     lane_says(s.report, "case_model_admission_status", "admitted"),
                 "the admission identity is not " PROVIDER "/" MODEL);
    adapter_hold(a, lane_says(s.report, "case_runtime_model_provider", "openai"),
                 "case_runtime_model_provider is not openai");
    adapter_hold(a, observed_only(s.report, 1), "models_observed is not its one request to " PROVIDER "/" MODEL);
    adapter_quiet(a, &s, d, false);
    a->name = name;
    end(a, d, mode, 2, RUN_TOKENS); /* the probe's and its own */
}

static void blocks(struct adapter_check *a, const char *mode) {
    const char *name = a->name;
    struct model_double *d = a->interrupted ? NULL : start(a, mode);
    if (!d) return;
    struct lane_seen s = adapter_run(a, ASKS, d, NULL);
    adapter_hold(a, lane_blocked_by(&s, "blocked", "provider_response_shape"),
                 "a run with such a model is not blocked by provider_response_shape");
    adapter_hold(a, cJSON_IsFalse(get(s.report, "case_process_started")), "it was started");
    adapter_hold(a, lane_says(s.report, "failure_reason", "provider response shape unavailable"),
                 "failure_reason has other words");
    adapter_hold(a, lane_has_file(&s, "backend/provider-reasoning-only.txt"),
                 "marker backend/provider-reasoning-only.txt is missing");
    adapter_hold(a, cJSON_GetArraySize(get(s.report, "models_observed")) == 0, "it says that it used a model");
    adapter_quiet(a, &s, d, false);
    a->name = name;
    end(a, d, mode, 1, PROBE_TOKENS);
}

void adapter_models(struct adapter_check *a) {
    adapter_begin(a, "local_provider_delayed_content_allows_case");
    const uint64_t took = shows(a, "delayed", BLOCKER_COUNT, "");
    adapter_hold(a, a->interrupted || took >= DELAYED_US, "nothing was waited for: it came after %llu us",
                 (unsigned long long)took);
    shows(a, "content-from-256", BLOCKER_COUNT, ""); /* a small probe would have seen none */
    allows(a, "delayed");

    adapter_begin(a, "local_provider_reasoning_only_blocks");
    shows(a, "reasoning-only", BLOCKER_provider_response_shape, "reasoning_only");
    shows(a, "content-from-4096", BLOCKER_provider_response_shape, "reasoning_only"); /* the room is what decides */
    shows(a, "unauthorized", BLOCKER_provider_auth_unavailable, "unauthorized");      /* what else is no answer */
    shows(a, "server-error", BLOCKER_provider_unavailable, "server_error");
    shows(a, "garbage", BLOCKER_provider_unavailable, "garbage");
    shows(a, "wrong-model", BLOCKER_model_mismatch, "wrong_model");
    blocks(a, "reasoning-only");

    adapter_begin(a, "qwen_local_openai_compat_allows_case");
    shows(a, "content", BLOCKER_COUNT, "");
    allows(a, "content");
}
