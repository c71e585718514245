/* health.c - one command over everything that this program can show of itself: the fake lane, the failure matrix, the ladder, store,
 * schemas, cases. Each part is a command that anybody can run alone. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/batch.h"
#include "supervisor/ladder.h"
#include "supervisor/parts.h"
#include "supervisor/progress.h"
#include "supervisor/standing.h"
#include "supervisor/store.h"
#include "supervisor/table.h"

const char help_health[] = "Usage: cto-harness health [-j N] [--json]\n"
                           "\n"
                           "Runs the fake lane, every validator in order, and the checks of store, cases\n"
                           "and schemas; what can run at the same time does. Exit 0 only if all pass.\n"
                           "\n"
                           "On a fresh clone the ladder is mechanics_validated: its proofs are made with a\n"
                           "test double of ca, and say so. What needs a real backend's passes and has none\n"
                           "is not_applicable, and says why.\n"
                           "\n"
                           "  -j, --jobs N  parts at the same time (default: twice the number of processors,\n"
                           "                since most of their time they wait)\n"
                           "\n"
                           "Examples:\n"
                           "  cto-harness health\n"
                           "  cto-harness health --json | jq '.status, .ladder, .parts[].name'\n";

enum { LANE_FAKE, LANE_MATRIX, LANE_LADDER, LANE_CHECKS };

static const struct part table[] = {
    {.name = "run_all_fake", .args = {"run-all-fake", "-j", "2", "--json"}, .lane = LANE_FAKE, .timeout_s = 300},
    {.name = "case_stage1", .args = {"validate", "stage1", "--json"}, .lane = LANE_LADDER, .timeout_s = 120},
    {.name = "case_provider_adapter",
     .args = {"validate", "provider-adapter", "--json"},
     .lane = LANE_LADDER,
     .timeout_s = 120},
    {.name = "case_stage2", .args = {"validate", "stage2", "--json"}, .lane = LANE_LADDER, .timeout_s = 180},
    {.name = "case_stage3", .args = {"validate", "stage3", "--json"}, .lane = LANE_LADDER, .timeout_s = 180},
    {.name = "case_stage4", .args = {"validate", "stage4", "--json"}, .lane = LANE_LADDER, .timeout_s = 180},
    {.name = "case_stage5", .args = {"validate", "stage5", "--json"}, .lane = LANE_LADDER, .timeout_s = 180},
    {.name = "case_stage6", .args = {"validate", "stage6", "--json"}, .lane = LANE_LADDER, .timeout_s = 180},
    {.name = "failure_matrix",
     .args = {"validate", "failure-matrix", "-j", "2", "--json"},
     .lane = LANE_MATRIX,
     .timeout_s = 300},
    {.name = "cases", .args = {"case", "lint", "--json"}, .lane = LANE_CHECKS, .timeout_s = 60},
    {.name = "schemas", .args = {"schema", "--json"}, .lane = LANE_CHECKS, .timeout_s = 60},
    {.name = "doctor", .args = {"doctor", "--json"}, .lane = LANE_CHECKS, .timeout_s = 60},
    /* last of the lane that takes longest, over what the others wrote */
    {.name = "store", .args = {"store", "check", "--json"}, .lane = LANE_LADDER, .timeout_s = 120},
};
#define N_PARTS ((int)(sizeof table / sizeof table[0]))

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

/* Exit status and document must say the same; anything else is a fail. */
static const char *status_of(const struct part *p) {
    if (p->late || !p->document || cJSON_IsFalse(get(p->document, "ok"))) return p->exit_code == 3 ? "blocked" : "fail";
    if (p->exit_code == 0) return "pass";
    return p->exit_code == 3 ? "blocked" : "fail";
}

static void why_of(const struct part *p, char *out, size_t size) {
    const cJSON *first = cJSON_GetArrayItem(get(p->document, "errors"), 0), *totals = get(p->document, "totals");
    const char *text = cJSON_GetStringValue(first);
    out[0] = '\0';
    if (strcmp(status_of(p), "pass") == 0) return;
    if (p->late)
        snprintf(out, size, "not over after %d s", p->timeout_s);
    else if (totals)
        snprintf(out, size, "%.0f of %.0f cases did not end as expected; cto-harness %s",
                 cJSON_GetNumberValue(get(totals, "unexpected")), cJSON_GetNumberValue(get(totals, "planned")),
                 p->args[0]);
    else
        snprintf(out, size, "%.280s", text ? text : p->said[0] ? p->said : "it says nothing; run it alone");
}

/* What a person sees of it. */
struct view {
    const struct global_options *g;
    struct progress *progress;
};

/* A line for each part that is over, and on a terminal one more of those that are at work: some take ten seconds and more. */
static void on_ended(void *ctx, const struct part *p) {
    const struct view *v = ctx;
    char why[300];
    if (v->g->json || v->g->quiet) return;
    why_of(p, why, sizeof why);
    progress_hide(v->progress);
    printf("%-8s %-22s %6.1f s%s%s\n", status_of(p), p->name, (double)p->took_ms / 1000, why[0] ? "  " : "", why);
    fflush(stdout);
}

static void on_wait(void *ctx, const struct part *parts, int n) {
    const struct view *v = ctx;
    AUTO_BUF struct buf now = BUF_INIT(1024);
    int over = 0;
    for (int i = 0; i < n; i++) {
        over += parts[i].ended;
        if (parts[i].started && !parts[i].ended) buf_printf(&now, "%s%s", now.len > 0 ? ", " : "", parts[i].name);
    }
    progress_now(v->progress, over, "%s", buf_str(&now));
}

static const struct part *find(const struct part *parts, const char *name) {
    for (int i = 0; i < N_PARTS; i++)
        if (strcmp(parts[i].name, name) == 0) return &parts[i];
    return NULL;
}

static const char *overall(const struct part *parts) {
    const char *status = "pass";
    for (int i = 0; i < N_PARTS; i++) {
        const char *s = status_of(&parts[i]);
        if (strcmp(s, "fail") == 0) return s;
        if (strcmp(s, "blocked") == 0) status = s;
    }
    return status;
}

/* What the whole ladder of case is: as good as its weakest rung. */
static const char *ladder_status(const struct ladder *l) {
    enum rung_status least = RUNG_VALIDATED;
    for (int stage = 1; stage <= STAGE_COUNT; stage++)
        if (l->rungs[stage].status < least) least = l->rungs[stage].status;
    return rung_status_name(least);
}

static cJSON *parts_json(const struct part *parts) {
    cJSON *a = cJSON_CreateArray();
    BUG_UNLESS(a != NULL);
    for (int i = 0; i < N_PARTS; i++) {
        const struct part *p = &parts[i];
        char why[300];
        cJSON *o = cJSON_CreateObject();
        why_of(p, why, sizeof why);
        json_put_str(o, "name", p->name);
        json_put_str(o, "command", p->args[0]);
        json_put_str(o, "argument", p->args[1]);
        json_put_str(o, "status", status_of(p));
        json_put_int(o, "exit_code", p->exit_code);
        json_put_int(o, "duration_ms", p->took_ms);
        json_put_str(o, "reason", why[0] ? why : NULL);
        cJSON_AddItemToArray(a, o);
    }
    return a;
}

static bool lists(const cJSON *array, const char *word) {
    const cJSON *x;
    cJSON_ArrayForEach(x, array) if (cJSON_IsString(x) && strcmp(x->valuestring, word) == 0) return true;
    return false;
}

/* A check of a validator by its name: run, and no error begins with it. */
static bool check_held(const struct part *p, const char *check) {
    const cJSON *x;
    if (!lists(get(p->document, "checked"), check)) return false;
    cJSON_ArrayForEach(x,
                       get(p->document, "errors")) if (cJSON_IsString(x) &&
                                                       strncmp(x->valuestring, check, strlen(check)) == 0) return false;
    return true;
}

static void put_refresh(cJSON *o, const struct ladder *l) {
    cJSON *r = cJSON_CreateObject();
    const bool there = l->repeatability_count >= LADDER_REPEATS;
    json_put_str(r, "status", there ? l->repeatability_status : "not_applicable");
    json_put_str(r, "reason", there ? NULL : "it needs two accepted stage-5 passes of a real backend");
    json_put_int(r, "repeatability_count", l->repeatability_count);
    json_put(o, "case_stage6_real_governed_refresh", r);
}

static int print(const struct global_options *g, const struct part *parts, const struct ladder *l, int64_t took_ms) {
    const char *status = overall(parts);
    const int code = strcmp(status, "pass") == 0 ? EXIT_PASS : strcmp(status, "fail") == 0 ? EXIT_FAIL : EXIT_BLOCKED;
    if (!g->json) {
        printf("\nladder of case: %s\nhealth: %s in %.1f s\n", ladder_status(l), status, (double)took_ms / 1000);
        return fflush(stdout) == 0 ? code : EXIT_HARNESS;
    }
    const struct part *adapter = find(parts, "case_provider_adapter");
    cJSON *o = cJSON_CreateObject(), *a = cJSON_CreateObject(), *rungs = cJSON_CreateObject();
    BUG_UNLESS(o && a && rungs);
    json_put_str(o, "schema_version", "1.0");
    json_put_str(o, "status", status);
    json_put_str(o, "ladder", ladder_status(l));
    for (int stage = 1; stage <= STAGE_COUNT; stage++) {
        char key[32];
        snprintf(key, sizeof key, "stage%d", stage);
        json_put_str(rungs, key, rung_status_name(l->rungs[stage].status));
    }
    json_put(o, "stages", rungs);
    json_put_bool(a, "passed", strcmp(status_of(adapter), "pass") == 0);
    json_put(o, "case_provider_adapter", a);
    json_put_bool(o, "provider_timeout_fail_closed", check_held(adapter, "provider_timeout_fail_closed"));
    put_refresh(o, l);
    json_put(o, "parts", parts_json(parts));
    json_put_int(o, "duration_ms", took_ms);
    standing_put(o);
    return cli_print_json(o, code);
}

static int read_ladder(const struct home *h, struct ladder *l, struct err *e) {
    struct store *s = NULL;
    if (store_open(h->store, false, &s, e) < 0) return -1;
    int rc = ladder_read(l, h, s, LADDER_BACKEND, e);
    store_close(s);
    return rc;
}

static int run_parts(const struct global_options *g, struct part parts[N_PARTS], int jobs, const char *const *globals,
                     struct err *e) {
    struct view v = {.g = g, .progress = progress_new(N_PARTS, g->json || g->quiet, g->no_color)};
    const struct parts_watcher w = {.ended = on_ended, .waits = on_wait, .ctx = &v};
    const int rc = parts_run(parts, N_PARTS, jobs, "/proc/self/exe", globals, &w, e);
    progress_free(v.progress);
    return rc;
}

static int run(const struct global_options *g, int jobs) {
    struct home h;
    struct err e = ERR_INIT;
    struct part parts[N_PARTS];
    struct ladder *l = calloc(1, sizeof *l);
    const int64_t began = (int64_t)clock_mono_us();
    const char *globals[8];
    int n = 0, code;
    BUG_UNLESS(l != NULL);
    if (g->home.home) globals[n++] = "--home", globals[n++] = g->home.home;
    if (g->home.cases) globals[n++] = "--cases", globals[n++] = g->home.cases;
    if (g->home.env_file) globals[n++] = "--env-file", globals[n++] = g->home.env_file;
    globals[n++] = "--quiet";
    globals[n] = NULL;
    memcpy(parts, table, sizeof parts);
    int rc = home_resolve(&h, &g->home, &e);
    if (rc == 0) rc = run_parts(g, parts, jobs, globals, &e);
    if (rc == 0) rc = read_ladder(&h, l, &e);
    code = rc == 0 ? print(g, parts, l, ((int64_t)clock_mono_us() - began) / 1000) : cli_error(&e);
    parts_release(parts, N_PARTS);
    free(l);
    return code;
}

int cmd_health(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {{"jobs", required_argument, NULL, 'j'}, {0}};
    const char *text = NULL;
    int c, rc = 0, jobs = 2 * batch_default_jobs();
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, ":j:", options, NULL)) != -1)
        rc = c == 'j' ? cli_once("health", "-j", &text, optarg) : cli_bad_option("health", c, argv);
    if (rc != 0) return rc;
    if (optind < argc) return cli_usage("health", "it takes no \"%.60s\"", argv[optind]);
    if (text && (jobs = batch_parse_jobs("health", text)) == 0) return EXIT_USAGE;
    return run(g, jobs);
}
