/* approval.c - see approval.h. */
#include "supervisor/approval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "supervisor/root_binding.h"
#include "supervisor/tree_digest.h"

static cJSON *list(const struct case_list *l) { return json_strings(l->v, (size_t)l->n); }

static cJSON *commands(const struct cto_case *c) {
    cJSON *a = cJSON_CreateArray();
    BUG_UNLESS(a != NULL);
    for (int i = 0; i < c->n_verify; i++)
        cJSON_AddItemToArray(a, json_strings(c->verify[i].argv, (size_t)c->verify[i].argc));
    return a;
}

void approval_target(const struct cto_case *c, const struct approval_for *of, char *out, size_t size) {
    if (of->target[0])
        snprintf(out, size, "target-admission:%s", of->target);
    else
        snprintf(out, size, "%s:%s", c->baseline_empty ? "empty-repository" : "copied-fixture", c->id);
}

cJSON *approval_scope(const struct cto_case *c, const struct approval_for *of, struct err *e) {
    char folder[DIGEST_HEX_SIZE];
    if (tree_digest(c->dir, folder, e) < 0) return NULL;
    cJSON *roots = root_binding(&c->read_roots, of->roots, of->n_roots, of->n_read_roots, e);
    if (!roots) return NULL;
    char task[DIGEST_HEX_SIZE], target[APPROVAL_TARGET_MAX];
    const char *text = c->task ? c->task : "";
    digest_bytes(text, strlen(text), task);
    approval_target(c, of, target, sizeof target);
    cJSON *o = json_new_object();
    json_put_str(o, "execution_scope", "one approved Harness run only");
    json_put_str(o, "task_id", c->id);
    json_put_str(o, "task_sha256", task);
    json_put_str(o, "case_folder_sha256", folder);
    json_put_str(o, "target_repository", target);
    json_put_str(o, "target_admission_sha256", of->target_sha256[0] ? of->target_sha256 : NULL);
    json_put_str(o, "target_head", of->head[0] ? of->head : NULL); /* a copied fixture has none before the run */
    json_put_str(o, "backend", of->engine);
    json_put_str(o, "engine_file_sha256", of->file[0] ? of->file : NULL);
    json_put_str(o, "program_sha256", of->program[0] ? of->program : NULL);
    json_put_str(o, "model_provider", of->provider[0] ? of->provider : NULL);
    json_put_str(o, "model", of->model[0] ? of->model : NULL);
    json_put_str(o, "mutation_mode", c->mutation_mode);
    json_put(o, "allowed_paths", list(&c->allowed_writes));
    json_put(o, "forbidden_paths", list(&c->forbidden_paths));
    json_put(o, "forbidden_actions", list(&c->forbidden_actions));
    json_put(o, "verification_commands", commands(c));
    json_put(o, "pristine", list(&c->pristine));
    json_put(o, "read_roots", roots);
    return o;
}

/* Key order is fixed above and cJSON keeps it, so equal scopes are equal bytes. */
void approval_scope_digest(const cJSON *scope, char ret[DIGEST_HEX_SIZE]) {
    char *text = cJSON_PrintUnformatted(scope);
    BUG_UNLESS(text != NULL);
    digest_bytes(text, strlen(text), ret);
    cJSON_free(text);
}

/* The human is told where it is; records and evidence say its admission's id. */
void approval_sentence(const struct cto_case *c, const struct approval_for *of, char out[APPROVAL_SENTENCE_MAX]) {
    char target[APPROVAL_TARGET_MAX];
    approval_target(c, of, target, sizeof target);
    snprintf(out, APPROVAL_SENTENCE_MAX, "I approve %s against %s for the %s task.", c->id,
             of->path[0] ? of->path : target, c->title);
}

cJSON *approval_request(const struct cto_case *c, const struct approval_for *of, const cJSON *scope, const char *id,
                        const char *actor, int64_t created_ms) {
    char stamp[CLOCK_STAMP_SIZE], sentence[APPROVAL_SENTENCE_MAX], digest[DIGEST_HEX_SIZE], command[256];
    clock_stamp(created_ms, stamp);
    approval_sentence(c, of, sentence);
    approval_scope_digest(scope, digest);
    snprintf(command, sizeof command, "cto-harness run-case %s --engine %s", c->id, of->engine);
    cJSON *o = json_new_object();
    json_put_str(o, "schema_version", "1.0");
    json_put_str(o, "request_id", id);
    json_put_str(o, "task_id", c->id);
    json_put_str(o, "title", c->title);
    json_put_str(o, "requested_by", actor);
    json_put_str(o, "requested_at", stamp);
    json_put(o, "scope", cJSON_Duplicate(scope, true));
    json_put_str(o, "scope_digest", digest);
    json_put_str(o, "sentence", sentence);
    json_put(o, "success_criteria", list(&c->success_criteria));
    json_put_str(o, "rollback_expectation", c->rollback_expectation);
    json_put_str(o, "harness_command", command);
    json_put(o, "evidence_pointers", list(&c->evidence_expectations));
    json_put(o, "blocked_actions", list(&c->forbidden_actions));
    json_put_str(o, "next_allowed_action", "approve grant with the exact sentence, or approve deny");
    json_put_bool(o, "approval_granted", false);
    json_put_bool(o, "execution_allowed", false);
    json_put_str(o, "statement", "This record is not execution evidence.");
    return o;
}
