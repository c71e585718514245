/* proof_no_target.c - stage 2: was any target repository named to the backend, or shown to it? (design: stages, stage 2)
 *
 * Looked for are the paths of every target admission that the store has, of what the operator wants protected, and of a repository
 * that the validator makes, admits and names in the very variable that a stage-5 run would read. Looked in is all that the backend
 * was given: contract, task and configuration as evidence has them, its case's folder, argv, names of variables and mounts from the
 * worker's trace; of an operator's command also the values, which evidence does not have. The proof names paths by their digests: it is
 * evidence too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "supervisor/commands/proof_run.h"
#include "supervisor/engine_file.h"

#define PROOF_NAME "stage2-no-target-inspection.json"
#define CUT "...[cut]"

struct inspection {
    struct proof *p;
    const struct seen *s;
    cJSON *paths, *found;
    char *config; /* of an operator's command: argv and NAME=VALUE */
    char folder[PATH_MAX];
    bool bad;
    int n;
};

bool no_target_before(struct proof *p) {
    struct err e = ERR_INIT;
    if (owned_make(p, "canary", PROOF_CASES, p->w->case_id, true, &p->owned, &e) < 0 ||
        owned_admit(p, &p->owned, PROOF_CASES, p->w->case_id, NULL, &e) < 0) {
        hold(p, "no_target_inspection", false, e.text);
        return false;
    }
    proof_set(p, "STAGE5_TARGET_ADMISSION_FILE", p->owned.file);
    return true;
}

static void find(struct inspection *in, const char *what, const char *path) {
    char hex[DIGEST_HEX_SIZE], file[PATH_MAX] = "";
    struct err e = ERR_INIT;
    digest_bytes(path, strlen(path), hex);
    int found = run_look_mentions(in->s->dir, path, file, sizeof file, &e);
    if (found == 0) found = run_look_mentions(in->folder, path, file, sizeof file, &e);
    if (found == 0 && in->config && run_look_names(in->config, strlen(in->config), path)) {
        found = 1;
        snprintf(file, sizeof file, "argv or environment of the command");
    }
    if (found < 0) {
        in->bad = true;
        hold(in->p, "no_target_inspection", false, e.text);
    }
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "what", what);
    json_put_str(o, "path_sha256", hex);
    json_put_bool(o, "found", found != 0);
    cJSON_AddItemToArray(in->paths, o);
    in->n++;
    if (found <= 0) return;
    cJSON_AddItemToArray(in->found, cJSON_CreateString(hex));
    holdf(in->p, "no_target_inspection", false, "the path of %s is in %.200s", what, file);
}

static int find_admitted(void *ctx, const struct store_admission *a) {
    char what[128];
    snprintf(what, sizeof what, "target admission %.90s", a->id);
    find(ctx, what, a->subject);
    return 0;
}

static void find_all(struct inspection *in) {
    struct store *s = NULL;
    struct err e = ERR_INIT;
    if (store_open(in->p->home.store, false, &s, &e) < 0 || store_admissions(s, "target", find_admitted, in, &e) < 0) {
        in->bad = true;
        hold(in->p, "no_target_inspection", false, e.text);
    }
    store_close(s);
    for (int i = 0; i < in->p->w->n_protect; i++) find(in, "a protected root", in->p->w->protect[i]);
}

/* A search that finds nothing must be one that would: what is there is found, whole. */
static bool not_vacuous(const cJSON *view, const char *what) {
    const cJSON *x;
    bool workspace = strcmp(what, "engine_mount") != 0;
    cJSON_ArrayForEach(x, view) {
        const size_t n = strlen(x->valuestring), cut = strlen(CUT);
        if (n >= cut && strcmp(x->valuestring + n - cut, CUT) == 0) return false;
        workspace |= run_look_names(x->valuestring, n, "/workspace");
    }
    return workspace && cJSON_GetArraySize(view) > 0;
}

static void put_view(struct inspection *in, cJSON *o, const char *key, const char *step) {
    cJSON *view = proof_view(in->s, step);
    holdf(in->p, "no_target_inspection", not_vacuous(view, step), "%s is not whole in the trace", key);
    json_put(o, key, view);
}

static char *engine_config(const struct proof *p) {
    char variable[96];
    if (!(p->engine->needs & NEED_FILE)) return NULL;
    snprintf(variable, sizeof variable, "%sENGINE_FILE", p->engine->variables);
    const char *path = getenv(variable);
    struct engine_file *file = calloc(1, sizeof *file);
    BUG_UNLESS(file != NULL);
    char *text = NULL;
    if (path && engine_file_read(file, path, NULL) == 0) {
        if (engine_file_find(file, p->engine->variables, false, NULL) == 0)
            text = engine_file_config(file, "", ENGINE_GATEWAY_PORT);
        engine_file_release(file);
    }
    free(file);
    return text;
}

static cJSON *searched(void) {
    static const char *const names[][2] = {
        {"contract", EVIDENCE_CONTRACT},
        {"argv", EVIDENCE_TRACE " engine_argument"},
        {"environment", EVIDENCE_TRACE " engine_environment; of an operator's command its values too"},
        {"inputs", "the case's folder; backend/"},
        {"config", "backend/; the engine file of an operator's command"},
        {"mount_table", EVIDENCE_TRACE " engine_mount; " EVIDENCE_REPORT " sandbox"},
        {"everything_else", "every other file of the run directory"}};
    cJSON *o = cJSON_CreateObject();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) json_put_str(o, names[i][0], names[i][1]);
    return o;
}

static void write_proof(struct inspection *in) {
    cJSON *o = cJSON_CreateObject();
    char path[PATH_MAX];
    struct err e = ERR_INIT;
    json_put_str(o, "schema_version", "1.0");
    json_put_str(o, "run_id", in->s->run_id);
    json_put_str(o, "backend", in->p->engine->name);
    json_put_str(o, "report_sha256", in->s->sha256);
    json_put(o, "searched", searched());
    put_view(in, o, "argv", "engine_argument");
    put_view(in, o, "environment_names", "engine_environment");
    put_view(in, o, "mount_table", "engine_mount");
    json_put(o, "paths", in->paths);
    json_put(o, "found", in->found);
    json_put_bool(o, "target_repository_named", cJSON_GetArraySize(in->found) > 0);
    hold(in->p, "no_target_inspection", proof_write(in->p, PROOF_NAME, o, &e) == 0, e.text);
    cJSON_Delete(o);
    proof_path(in->p, PROOF_NAME, path);
    json_put_str(in->p->extra, "no_target_inspection", path);
}

void check_no_target(struct proof *p, const struct seen *s) {
    struct inspection in = {.p = p, .s = s, .paths = cJSON_CreateArray(), .found = cJSON_CreateArray()};
    BUG_UNLESS(in.paths && in.found);
    in.config = engine_config(p);
    if (snprintf(in.folder, sizeof in.folder, "%s/" PROOF_CASES, p->dir) >= (int)sizeof in.folder) in.bad = true;
    find_all(&in);
    hold(p, "no_target_inspection", !in.bad && in.n > 0, "not everything could be looked at");
    write_proof(&in);
    cJSON_free(in.config);
    hold(p, "canary_target_untouched", owned_untouched(&p->owned), "the canary repository is not as it was");
    owned_revoke(p, &p->owned);
    proof_set(p, "STAGE5_TARGET_ADMISSION_FILE", NULL);
}
