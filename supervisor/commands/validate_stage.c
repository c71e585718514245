/* validate_stage.c - the proof ladder as a command: which stages must come first, what is recorded, what is printed.
 *
 * A ladder belongs to one backend and one build. Stage 1 starts nothing of a backend, so its proof is real in any ladder. From stage 2
 * on a ladder is real or shown on our double of ca, and a real one is never held up by a double's proof: ladder.h tells the two
 * apart, and the gates of a run ask the store for real ones alone. */
#include "supervisor/commands/validate_stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h"
#include "common/io.h"
#include "supervisor/commands/lane_run.h"
#include "supervisor/standing.h"
#include "supervisor/stages.h"

int validate_stage_number(const char *word) {
    const bool stage = strncmp(word, "stage", 5) == 0 && word[5] >= '1' && word[5] <= '0' + VALIDATE_STAGE_LAST;
    return stage && word[6] == '\0' ? word[5] - '0' : 0;
}

static bool inside(const char *path, const char *dir) {
    const size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0' || strcmp(dir, "/") == 0);
}

int validate_stage_protect(const struct global_options *g, const char *dir, char out[PATH_MAX], struct err *e) {
    struct home h;
    if (home_resolve(&h, &g->home, e) < 0) return -1;
    if (!realpath(dir, out)) return err_set(e, ERR_USAGE, "--protect %.300s: %s", dir, strerror(errno));
    const char *ours[] = {h.home, h.runs, h.work};
    for (size_t i = 0; i < 3; i++)
        if (inside(ours[i], out))
            return err_set(e, ERR_USAGE, "--protect %.300s: the home lies in it, and a validation writes there", dir);
    return 0;
}

/* --- the result ----------------------------------------------------------------------------------------------------------- */

static bool is_ok(const struct proof *p) { return !p->interrupted && cJSON_GetArraySize(p->errors) == 0; }
static const char *kind(const struct proof *p) { return p->on_double ? "double" : "real"; }

static const char *status(const struct proof *p, bool missing) {
    if (missing) return "missing";
    if (!is_ok(p)) return "not_validated";
    return p->on_double ? rung_status_name(RUNG_MECHANICS) : rung_status_name(RUNG_VALIDATED);
}

static int record(struct proof *p, struct err *e) {
    struct store *s = NULL;
    if (store_open(p->home.store, true, &s, e) < 0) return -1;
    const struct store_proof proof = {.backend = p->engine->name,
                                      .stage = p->stage,
                                      .build_id = CTO_BUILD_ID,
                                      .kind = kind(p),
                                      .report_path = p->last_report,
                                      .sha256 = p->last_sha256};
    int rc = store_stage_prove(s, &proof, e);
    store_close(s);
    return rc;
}

static cJSON *copy(const cJSON *list) { return list ? cJSON_Duplicate(list, true) : cJSON_CreateNull(); }

#define SAYS_DOUBLE \
    "shown on the harness's own test double of ca: it proves the mechanics of this stage, and nothing about Case"
#define SAYS_MISLED                                                                                                  \
    "failures of a misbehaving backend are shown on the harness's own test double of ca: your program is not asked " \
    "to misbehave"

static void put_words(cJSON *o, const struct proof *p) {
    if (p->on_double) json_put_str(o, "double_note", SAYS_DOUBLE);
    if (p->stage > 1 && !p->on_double) json_put_str(o, "failure_note", SAYS_MISLED);
}

static cJSON *result(const struct proof *p, bool missing) {
    char name[16];
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    snprintf(name, sizeof name, "stage%d", p->stage);
    json_put_bool(o, "ok", is_ok(p));
    json_put_str(o, "validator", name);
    json_put_str(o, "backend", p->engine->name);
    json_put_str(o, "build_id", CTO_BUILD_ID);
    json_put_str(o, "stage_status", status(p, missing));
    json_put_str(o, "proof_kind", kind(p));
    put_words(o, p);
    json_put_str(o, "allowed_mutation_scope", stage_rules(p->stage)->allowed_mutation_scope);
    json_put(o, "checked", copy(p->checked));
    json_put(o, "errors", copy(p->errors));
    json_put(o, "pass_reports", copy(p->pass_reports));
    json_put(o, "failure_reports", copy(p->failure_reports));
    json_put(o, "fake_baseline", copy(p->fake_baseline));
    json_put(o, "predecessors", copy(p->predecessors));
    const cJSON *x;
    cJSON_ArrayForEach(x, p->extra) json_put(o, x->string, cJSON_Duplicate(x, true));
    json_put_str(o, "validation_dir", p->dir[0] ? p->dir : NULL);
    standing_put(o);
    return o;
}

static int print(const struct proof *p, bool missing) {
    const int code = p->interrupted ? EXIT_INTERRUPTED : missing ? EXIT_BLOCKED : is_ok(p) ? EXIT_PASS : EXIT_FAIL;
    if (p->g->json) return cli_print_json(result(p, missing), code);
    const cJSON *x;
    cJSON_ArrayForEach(x, p->errors) printf("error: %s\n", x->valuestring);
    printf("%s: stage %d of %s, %d checks, %d errors: %s\n",
           is_ok(p)  ? "ok"
           : missing ? "BLOCKED"
                     : "FAILED",
           p->stage, p->engine->name, cJSON_GetArraySize(p->checked), cJSON_GetArraySize(p->errors),
           status(p, missing));
    if (p->on_double) puts("  " SAYS_DOUBLE);
    if (p->dir[0]) printf("  evidence: %s\n", p->dir);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}

/* --- the ladder ----------------------------------------------------------------------------------------------------------- */

static void prove(struct proof *p) {
    static void (*const stages[])(struct proof *) = {prove_stage1, prove_stage2, prove_stage3, prove_stage4,
                                                     prove_stage5};
    char stage[8];
    struct err e = ERR_INIT;
    if (p->stage > 1 && proof_dir_make(p, &e) < 0) {
        hold(p, "validation_directory", false, e.text);
        return;
    }
    snprintf(stage, sizeof stage, "%d", p->stage);
    if (p->stage > 1) proof_set(p, "STAGE", stage);
    stages[p->stage - 1](p);
    proof_settings_back(p);
    progress_free(TAKE_PTR(p->progress));
    hold(p, "proof_named", p->last_report[0], "no run shows it");
    if (is_ok(p) && record(p, &e) < 0) hold(p, "proof_recorded", false, e.text);
    if (p->stage == 1) return;
    cJSON *doc = result(p, false);
    hold(p, "evidence_kept", proof_write(p, PROOF_RESULT, doc, &e) == 0 && proof_dir_close(p, &e) == 0, e.text);
    cJSON_Delete(doc);
}

static void note(struct proof *p, int stage, const char *status_word, bool ran) {
    cJSON *o = cJSON_CreateObject();
    json_put_int(o, "stage", stage);
    json_put_str(o, "status", status_word);
    json_put_bool(o, "ran_now", ran);
    cJSON_AddItemToArray(p->predecessors, o);
}

/* Of a double's ladder either kind holds; stage 1 is real in both. */
static enum rung_status needed(const struct proof *p, int stage) {
    return p->on_double && stage > 1 ? RUNG_MECHANICS : RUNG_VALIDATED;
}

static void prove_before(struct proof *p, int stage) {
    struct proof *before = malloc(sizeof *before);
    BUG_UNLESS(before != NULL);
    proof_begin(before, p->g, p->w, stage);
    before->home = p->home;
    prove(before);
    p->interrupted |= before->interrupted;
    note(p, stage, status(before, false), true);
    const cJSON *x;
    cJSON_ArrayForEach(x, before->errors) holdf(p, "predecessors", false, "stage %d: %s", stage, x->valuestring);
    proof_release(before);
    free(before);
}

static int read_ladder(const struct proof *p, struct ladder *l, struct err *e) {
    struct store *s = NULL;
    struct err none = ERR_INIT;
    if (store_open(p->home.store, false, &s, &none) < 0 && none.code != ERR_MISSING) {
        *e = none;
        return -1;
    }
    int rc = ladder_read(l, &p->home, s, p->engine->name, e);
    store_close(s);
    return rc;
}

/* Bottom up; the first that cannot be proven ends it. */
static void climb(struct proof *p) {
    struct ladder *l = calloc(1, sizeof *l);
    struct err e = ERR_INIT;
    BUG_UNLESS(l != NULL);
    hold(p, "predecessors", read_ladder(p, l, &e) == 0, e.text);
    for (int stage = 1; stage < p->stage && is_ok(p); stage++) {
        if (l->rungs[stage].status >= needed(p, stage))
            note(p, stage, rung_status_name(l->rungs[stage].status), false);
        else
            prove_before(p, stage);
    }
    free(l);
}

/* --- may it be tried at all? ---------------------------------------------------------------------------------------------- */

/* An operator's own backend is allowed and described by the operator, not by a validator. */
static bool is_missing(struct proof *p) {
    char variable[96];
    const struct engine *en = p->engine;
    if (p->stage == 1 || p->on_double) return false;
    BUG_UNLESS(en->gated_by_env && en->variables); /* it was asked for a stage, which the default lane has none of */
    const char *allowed = getenv(en->gated_by_env);
    snprintf(variable, sizeof variable, "%sENGINE_FILE", en->variables);
    const char *file = getenv(variable);
    holdf(p, "allowed_by_operator", allowed && strcmp(allowed, "1") == 0, "set %s=1 to allow the %s backend",
          en->gated_by_env, en->name);
    holdf(p, "described_by_operator", !(en->needs & NEED_FILE) || (file && file[0]),
          "set %s to a file that describes the command", variable);
    return !is_ok(p);
}

static bool cannot_run(struct proof *p) {
    if (p->stage > 1)
        holdf(p, "has_an_adapter", p->engine->has_adapter, "this build has no adapter for the %s backend",
              p->engine->name);
    return !is_ok(p);
}

/* Before anything is made: a mistake in the command changes nothing. */
static int check_case(const struct home *h, const struct proof_wishes *w, struct err *e) {
    struct cto_case c;
    char cases[PATH_MAX];
    lane_cases(h->cases, w->case_id, cases);
    if (case_load(&c, cases, w->case_id, e) < 0) return -1;
    const char *lacks = !case_declares(&c, w->engine)            ? w->engine
                        : !case_declares(&c, engine_at(0)->name) ? engine_at(0)->name
                                                                 : NULL;
    int rc = 0;
    if (strcmp(c.kind, "task") != 0)
        rc = err_set(e, ERR_USAGE, "--case %s: a failure fixture; name a case that can pass", w->case_id);
    else if (lacks)
        rc = err_set(e, ERR_USAGE, "--case %s: not declared for the %s backend; name one that both lanes can do",
                     w->case_id, lacks);
    case_release(&c);
    return rc;
}

int validate_stage(const struct global_options *g, int stage, const struct proof_wishes *w) {
    const struct engine *en = engine_find(w->engine);
    struct err e = ERR_INIT;
    struct home h;
    if (!en) return cli_usage("validate", "unknown engine \"%.40s\"; 'cto-harness engines' lists them", w->engine);
    if (!en->gated_by_env) return cli_usage("validate", "%s has no gate: it is the default lane", w->engine);
    if (home_resolve(&h, &g->home, &e) < 0 || (stage > 1 && check_case(&h, w, &e) < 0)) return cli_error(&e);
    struct proof *p = malloc(sizeof *p);
    BUG_UNLESS(p != NULL);
    proof_begin(p, g, w, stage);
    p->home = h;
    const bool missing = cannot_run(p) || is_missing(p);
    if (!missing) {
        if (stage > 1) climb(p);
        if (is_ok(p)) prove(p);
    }
    const int code = print(p, missing);
    proof_release(p);
    free(p);
    return code;
}

int validate_stages_below(const struct global_options *g, int stage, const struct proof_wishes *w,
                          cJSON **ret_predecessors, cJSON **ret_errors, struct err *e) {
    struct home h;
    if (home_resolve(&h, &g->home, e) < 0 || check_case(&h, w, e) < 0) return EXIT_USAGE;
    struct proof *p = malloc(sizeof *p);
    BUG_UNLESS(p != NULL);
    proof_begin(p, g, w, stage);
    p->home = h;
    const bool missing = cannot_run(p) || is_missing(p);
    if (!missing) climb(p);
    const int code = p->interrupted ? EXIT_INTERRUPTED : missing ? EXIT_BLOCKED : is_ok(p) ? EXIT_PASS : EXIT_FAIL;
    *ret_predecessors = copy(p->predecessors);
    *ret_errors = copy(p->errors);
    proof_release(p);
    free(p);
    return code;
}
