/* gates.c - see gates.h. One ordered list; each gate is a name, what a backend must need for it to apply, and a question about
 * the facts. */
#include "supervisor/gates.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/path.h"
#include "supervisor/flip.h"
#include "supervisor/stages.h"

/* A text that was cut, here or by whoever quotes it, may have lost a part of its last character. */
static void mend_utf8(char *text) {
    const size_t n = strlen(text);
    for (size_t at = 0, one; at < n; at += one) {
        for (one = 1; one < 4 && at + one < n && !json_is_utf8(text + at, one);) one++;
        if (json_is_utf8(text + at, one)) continue;
        text[at] = '?';
        one = 1;
    }
}

/* Closes the gate: `status` is "missing" for what can be supplied, "failed" for what is wrong. */
static void closed(struct gate_result *g, const char *status, enum blocker b, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void closed(struct gate_result *g, const char *status, enum blocker b, const char *fmt, ...) {
    if (g->reason[0]) return; /* the first reason counts */
    g->status = status;
    g->blocker = b;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(g->reason, sizeof g->reason, fmt, ap);
    va_end(ap);
    mend_utf8(g->reason);
}

static bool listed(const struct case_list *l, const char *word) {
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->v[i], word) == 0) return true;
    return false;
}

/* The first refusal of a valid record closes the gate with the reason that the record's kind has. */
static void refused(struct gate_result *g, const struct fact_record *r, enum blocker other) {
    if (r->admission.n_refusals == 0) return;
    const struct admission_refusal *f = &r->admission.refusals[0];
    enum blocker b = blocker_by_reason(f->reason);
    closed(g, "failed", b == BLOCKER_COUNT ? other : b, "%s", f->text);
}

/* --- the questions, in their order ---------------------------------------------------------------------------------- */

static void ask_engine(const struct gate_facts *f, struct gate_result *g) {
    if (!f->allowed)
        closed(g, "missing", BLOCKER_gate_missing, "set %s=1 to allow the %s backend", f->engine->gated_by_env,
               f->engine->name);
    if (f->timeout_s < 0)
        closed(g, "failed", BLOCKER_gate_missing, "%sTIMEOUT_SECONDS is no number of seconds from 1 to %d",
               f->engine->variables, TIMEOUT_S_MAX);
}

static void ask_stage(const struct gate_facts *f, struct gate_result *g) {
    if (f->stage == 0)
        closed(g, "missing", BLOCKER_gate_missing, "set %sSTAGE to the stage of this run, %d to %d",
               f->engine->variables, STAGE_FIRST, STAGE_LAST);
    if (f->stage < 0)
        closed(g, "failed", BLOCKER_gate_missing, "%sSTAGE is none of %d to %d", f->engine->variables, STAGE_FIRST,
               STAGE_LAST);
    if (!f->predecessor_proven)
        closed(g, "missing", BLOCKER_stage_not_proven,
               "stage %d is not proven for the %s backend on this build; run validate stage%d --engine %s",
               f->stage - 1, f->engine->name, f->stage - 1, f->engine->name);
}

static void ask_backend(const struct gate_facts *f, struct gate_result *g) {
    if (!listed(&f->c->backends, f->engine->name))
        closed(g, "failed", BLOCKER_eligibility_denied, "case %s is not declared for the %s backend", f->c->id,
               f->engine->name);
}

static void ask_contract(const struct gate_facts *f, struct gate_result *g) {
    const struct cto_case *c = f->c;
    if (c->allowed_writes.n == 0) closed(g, "failed", BLOCKER_eligibility_denied, "the case names no allowed_writes");
    if (c->forbidden_actions.n == 0)
        closed(g, "failed", BLOCKER_eligibility_denied, "the case names no forbidden_actions");
    if (f->engine->needs & NEED_STAGE && c->n_verify == 0 && !c->no_test_rationale)
        closed(g, "failed", BLOCKER_eligibility_denied, "the case has neither a verification nor a no_test_rationale");
    if (f->engine->needs & NEED_STAGE && f->stage > 0 && !stage_allows(f->stage, c->mutation_mode))
        closed(g, "failed", BLOCKER_eligibility_denied, "mutation mode %.40s is wider than stage %d, which allows %s",
               c->mutation_mode, f->stage, stage_rules(f->stage)->mutation_mode);
    bool wide = !stage_mode_within(c->mutation_mode, "copied-fixture");
    if (wide && !(f->engine->needs & NEED_STAGE))
        closed(g, "failed", BLOCKER_eligibility_denied, "mutation mode %.40s needs a proven stage, and %s has none",
               c->mutation_mode, f->engine->name);
    if (wide && !c->approval_required)
        closed(g, "failed", BLOCKER_eligibility_denied, "mutation mode %.40s needs approval_required",
               c->mutation_mode);
    else if (f->stage >= 4 && !c->approval_required)
        closed(g, "failed", BLOCKER_eligibility_denied,
               "%sSTAGE is %d, and from stage 4 on a case needs approval_required; a lower stage may do for this one",
               f->engine->variables, f->stage);
}

static void ask_interface(const struct gate_facts *f, struct gate_result *g) {
    if (!f->interface_proven)
        closed(g, "missing", BLOCKER_gate_missing, "validate provider-adapter has not passed on this build");
}

/* Stage 2 runs an artificial fixture, for which the source needs no admission; from 5 on its license must be settled. */
static void ask_source(const struct gate_facts *f, struct gate_result *g) {
    const struct fact_record *r = &f->source;
    if (f->stage > 0 && f->stage <= STAGE_FIRST) return;
    if (r->state == FACT_ABSENT)
        closed(g, "missing", BLOCKER_eligibility_denied, "no source admission of %s; admit source --record",
               f->engine->source);
    if (r->state == FACT_BAD)
        closed(g, "failed", BLOCKER_eligibility_denied, "the source admission does not count: %.150s", r->why);
    if (r->state != FACT_THERE) return;
    refused(g, r, BLOCKER_eligibility_denied);
    if (f->stage >= STAGE_LAST && strcmp(admission_text(&r->admission, "license_note"), "resolved") != 0)
        closed(g, "failed", BLOCKER_eligibility_denied, "the license of %s is not resolved, stage %d needs that",
               f->engine->source, f->stage);
    if (!stage_mode_within(f->c->mutation_mode, admission_text(&r->admission, "allowed_execution_mode")))
        closed(g, "failed", BLOCKER_eligibility_denied, "the source admission allows %.40s, not %.40s",
               admission_text(&r->admission, "allowed_execution_mode"), f->c->mutation_mode);
}

static void ask_executable(const struct gate_facts *f, struct gate_result *g) {
    const struct fact_record *r = &f->build;
    if (!f->executable[0])
        closed(g, "missing", BLOCKER_provider_unavailable, "set %sBIN to the admitted program", f->engine->variables);
    if (r->state == FACT_ABSENT)
        closed(g, "missing", BLOCKER_provider_unavailable,
               "no executable admission of the program; admit executable --record");
    if (r->state == FACT_BAD)
        closed(g, "failed", BLOCKER_provider_unavailable, "the executable admission does not count: %.140s", r->why);
    if (r->state != FACT_THERE) return;
    refused(g, r, BLOCKER_provider_unavailable);
    if (strcmp(admission_text(&r->admission, "command_shape"), f->engine->shape) != 0)
        closed(g, "failed", BLOCKER_provider_unavailable, "the program is admitted for another backend: as \"%.60s\"",
               admission_text(&r->admission, "command_shape"));
}

static void ask_engine_file(const struct gate_facts *f, struct gate_result *g) {
    if (f->file) return;
    if (f->file_why[0])
        closed(g, "failed", BLOCKER_provider_unavailable, "the engine file cannot be used: %.150s", f->file_why);
    closed(g, "missing", BLOCKER_gate_missing, "set %sENGINE_FILE to a file that describes the command",
           f->engine->variables);
}

static void ask_decision(const struct gate_facts *f, struct gate_result *g) {
    const struct fact_record *r = &f->decision;
    if (r->state == FACT_ABSENT)
        closed(g, "missing", BLOCKER_provider_not_decided,
               "no provider decision; %sPROVIDER_DECISION_FILE or admit decision --record", f->engine->variables);
    if (r->state == FACT_BAD)
        closed(g, "failed", BLOCKER_provider_not_decided, "the provider decision does not count: %.150s", r->why);
    if (r->state != FACT_THERE) return;
    refused(g, r, BLOCKER_provider_not_decided);
    bool local_required = strcmp(r->admission.status, "local_provider_required") == 0;
    bool local = strcmp(f->provider, "qwen-local") == 0;
    if (f->provider[0] && local != local_required)
        closed(g, "failed", BLOCKER_provider_not_decided, "the decision says %s, which does not allow provider %.60s",
               r->admission.status, f->provider);
    if (f->provider[0] && strcmp(f->provider, admission_text(&r->admission, "provider")) != 0)
        closed(g, "failed", BLOCKER_provider_not_decided, "the decision names another provider than %.60s",
               f->provider);
    if (f->model[0] && strcmp(f->model, admission_text(&r->admission, "model")) != 0)
        closed(g, "failed", BLOCKER_provider_not_decided, "the decision names another model than %.60s", f->model);
}

/* What the report says of the model, and the reason when it is not "admitted". */
static const char *model_status(const struct gate_facts *f) {
    const struct fact_record *r = &f->model_record;
    if (r->state == FACT_ABSENT) return "missing_admission";
    if (r->state == FACT_BAD) return "invalid_admission";
    if (strcmp(f->provider, admission_text(&r->admission, "provider")) != 0 ||
        strcmp(f->model, admission_text(&r->admission, "model")) != 0)
        return "mismatch";
    return r->admission.n_refusals == 0 ? "admitted" : "not_admitted";
}

static void ask_model(const struct gate_facts *f, struct gate_result *g) {
    const char *status = model_status(f), *variables = f->engine->variables;
    if (!f->provider[0] || !f->model[0])
        closed(g, "missing", BLOCKER_model_not_admitted, "set %sMODEL_PROVIDER and %sMODEL", variables, variables);
    if (strcmp(status, "missing_admission") == 0)
        closed(g, "missing", BLOCKER_model_not_admitted, "set %sMODEL_ADMISSION_FILE to the model's admission",
               variables);
    if (strcmp(status, "invalid_admission") == 0)
        closed(g, "failed", BLOCKER_model_not_admitted, "the model admission does not count: %.150s",
               f->model_record.why);
    if (strcmp(status, "mismatch") == 0)
        closed(g, "failed", BLOCKER_model_not_admitted, "the admission is for another model than %.60s/%.60s",
               f->provider, f->model);
    if (strcmp(status, "not_admitted") == 0) refused(g, &f->model_record, BLOCKER_model_not_admitted);
}

/* Case's own pipeline does not hand the OAuth headers on. */
static void ask_auth_bridge(const struct gate_facts *f, struct gate_result *g) {
    if (strcmp(f->provider, "openai-codex") == 0 && strcmp(f->engine->name, "case") == 0 && !f->auth_bridge)
        closed(g, "missing", BLOCKER_provider_auth_unavailable,
               "provider openai-codex needs %sOPENAI_CODEX_AUTH_BRIDGE=1: the backend does not pass its credentials on",
               f->engine->variables);
}

static void ask_local_config(const struct gate_facts *f, struct gate_result *g) {
    if (f->local_why[0]) closed(g, "failed", BLOCKER_provider_local_config_unavailable, "%s", f->local_why);
    if (f->replay) return;
    if (f->route.state == ROUTE_BAD)
        closed(g, "failed", BLOCKER_provider_local_config_unavailable, "%.190s", f->route.why);
    if (strcmp(f->provider, "qwen-local") == 0 && f->route.state == ROUTE_ABSENT)
        closed(g, "missing", BLOCKER_provider_local_config_unavailable, "provider qwen-local needs %sLOCAL_BASE_URL",
               f->engine->variables);
}

/* Within: the same rule, or below a directory that is allowed. */
static bool covered(const char *rule, const cJSON *by) {
    const cJSON *a;
    cJSON_ArrayForEach(a, by) {
        const char *text = a->valuestring;
        size_t n = strlen(text);
        if (strcmp(text, rule) == 0 || (n > 0 && text[n - 1] == '/' && strncmp(rule, text, n) == 0)) return true;
    }
    return false;
}

/* Its forbidden paths win in the run too: what an agent would do there would be for nothing. */
static bool forbidden_by(const cJSON *list, const char *rule) {
    const cJSON *x;
    cJSON_ArrayForEach(x, list) if (path_rule_match(PATH_FORBIDDEN, x->valuestring, rule, strlen(rule))) return true;
    return false;
}

static void ask_target(const struct gate_facts *f, struct gate_result *g) {
    const struct fact_record *r = &f->target;
    if (r->state == FACT_ABSENT)
        closed(g, "missing", BLOCKER_target_not_admitted,
               "set %sSTAGE5_TARGET_ADMISSION_FILE to the target's admission", f->engine->variables);
    if (r->state == FACT_BAD)
        closed(g, "failed", BLOCKER_target_not_admitted, "the target admission does not count: %.140s", r->why);
    if (r->state != FACT_THERE) return;
    refused(g, r, BLOCKER_target_not_admitted);
    const cJSON *allowed = cJSON_GetObjectItemCaseSensitive(r->admission.doc, "allowed_paths"),
                *forbidden = cJSON_GetObjectItemCaseSensitive(r->admission.doc, "forbidden_paths");
    for (int i = 0; i < f->c->allowed_writes.n; i++) {
        const char *rule = f->c->allowed_writes.v[i];
        if (!covered(rule, allowed))
            closed(g, "failed", BLOCKER_target_not_admitted,
                   "the case may write %.80s, the target's admission does not allow that", rule);
        if (forbidden_by(forbidden, rule))
            closed(g, "failed", BLOCKER_target_not_admitted,
                   "the case may write %.80s, the target's admission forbids that", rule);
    }
}

static void ask_source_repository(const struct gate_facts *f, struct gate_result *g) {
    if (!f->repository[0])
        closed(g, "missing", BLOCKER_gate_missing,
               "set %sSTAGE3_SOURCE_REPOSITORY to a local repository of yours, which is copied and stays as it is",
               f->engine->variables);
    if (f->source_is_target)
        closed(g, "failed", BLOCKER_eligibility_denied, "a target repository is no source of a copied-repository run");
}

/* What can be worked with: a plain repository of the person who runs this, on a branch, with history. */
static void ask_repository(const struct gate_facts *f, struct gate_result *g) {
    const struct repo_facts *r = &f->repo;
    const enum blocker b = f->subject == SUBJECT_TARGET ? BLOCKER_target_not_admitted : BLOCKER_eligibility_denied;
    if (f->repo_why[0]) closed(g, "failed", b, "the repository: %.150s", f->repo_why);
    if (!r->is_repository) closed(g, "failed", b, "the repository: %.150s", r->why[0] ? r->why : "there is none");
    if (r->owner_uid != (uint32_t)geteuid())
        closed(g, "failed", BLOCKER_unowned_repository, "the repository belongs to user %u, this is user %u",
               (unsigned)r->owner_uid, (unsigned)geteuid());
    if (r->bare || r->linked_worktree) closed(g, "failed", b, "the repository is bare, or a linked worktree");
    if (r->busy) closed(g, "failed", b, "a merge, a rebase or the like is under way in the repository");
    if (r->unborn) closed(g, "failed", b, "the repository has no commit");
    if (r->detached) closed(g, "failed", b, "HEAD of the repository is detached");
    if (r->shallow) closed(g, "failed", b, "the repository is a shallow clone");
    if (r->submodules) closed(g, "failed", b, "the repository has submodules");
    if (r->alternates) closed(g, "failed", b, "the repository borrows objects of another");
    if (r->why[0] && !r->only_dirty) closed(g, "failed", b, "the repository: %.150s", r->why);
    if (r->commits == 0) closed(g, "failed", b, "the repository has no commit that can be read");
    if (!r->local_filesystem) closed(g, "failed", b, "the repository is on a network file system");
    if (f->subject == SUBJECT_SOURCE && r->remotes)
        closed(g, "failed", BLOCKER_unowned_repository,
               "the repository has remotes, so it may be a copy of somebody else's");
}

static void ask_clean_start(const struct gate_facts *f, struct gate_result *g) {
    if (f->repo.clean) return;
    const bool dirty = f->repo.only_dirty || (!f->repo_why[0] && !f->repo.why[0]); /* else nobody could look that far */
    closed(g, "failed", BLOCKER_dirty_starting_tree, "%s: %.140s",
           dirty ? "the repository is not clean" : "the repository cannot be called clean",
           f->repo_why[0]   ? f->repo_why
           : f->repo.why[0] ? f->repo.why
                            : "commit or put away what is there");
}

static void ask_pristine(const struct gate_facts *f, struct gate_result *g) {
    if (f->pristine_lacks)
        closed(
            g, "missing", BLOCKER_eligibility_denied,
            "the case brings %.100s back before its verification, and HEAD of the repository has none; commit one, or "
            "take it out of pristine",
            f->pristine_lacks);
    if (!f->pristine_known)
        closed(g, "failed", BLOCKER_eligibility_denied,
               "HEAD of the repository could not be searched for the case's pristine paths");
}

static void ask_approval(const struct gate_facts *f, struct gate_result *g) {
    const struct approval_seen *a = &f->approval;
    if (!f->c->approval_required) return;
    if (f->scope_why[0])
        closed(g, "failed", BLOCKER_gate_missing, "%s", f->scope_why);
    else if (!a->id[0])
        closed(g, "missing", BLOCKER_gate_missing,
               "the case requires an approval, and none was granted for it as it is now; request new %s --engine %s",
               f->c->id, f->engine->name);
    else if (strcmp(a->state, "denied") == 0)
        closed(g, "failed", BLOCKER_approval_denied, "denied by %.100s%s%.60s", a->actor, a->why[0] ? ": " : "",
               a->why);
    else if (strcmp(a->state, "revoked") == 0)
        closed(g, "failed", BLOCKER_approval_expired, "approval %.90s was revoked", a->id);
    else if (strcmp(a->state, "granted") != 0)
        closed(g, "failed", BLOCKER_approval_consumed, "approval %.90s was for one run, which had it", a->id);
    else if (a->decided_ms > f->now_ms)
        closed(g, "failed", BLOCKER_approval_expired, "approval %.90s was granted later than now by this host's clock",
               a->id);
    else if (a->expires_ms <= f->seen_ms)
        closed(g, "failed", BLOCKER_approval_expired, "approval %.90s has expired", a->id);
    else if (!admission_actor_ok(a->actor, NULL))
        closed(g, "failed", BLOCKER_gate_missing, "approval %.90s is no person's word", a->id);
}

static void ask_provider(const struct gate_facts *f, struct gate_result *g) {
    if (!f->engine->has_adapter)
        closed(g, "failed", BLOCKER_provider_unavailable, "this build has no adapter for the %s backend",
               f->engine->name);
}

/* Where an operator looks first, of an answer that was none. Settings by their names, never by their values. */
static void look_here(const struct gate_facts *f, char *out, size_t size) {
    const struct model_probe_result *p = &f->probe;
    const char *v = f->engine->variables;
    out[0] = '\0';
    switch (p->outcome) {
    case GW_UNREACHABLE: snprintf(out, size, "is the box up, and %sLOCAL_BASE_URL its place?", v); break;
    case GW_TLS: snprintf(out, size, "does it speak https://, by a certificate of %sLOCAL_CA_FILE?", v); break;
    case GW_UNAUTHORIZED:
        snprintf(out, size,
                 f->route.key && f->route.key[0] ? "is %sLOCAL_API_KEY the key of this box?"
                                                 : "it wants a key: set %sLOCAL_API_KEY",
                 v);
        break;
    case GW_REJECTED:
        if (p->status == 404 || p->status == 405)
            snprintf(out, size, "does %sLOCAL_BASE_URL end in /v1, and has the box the model?", v);
        else
            snprintf(out, size, "does the box serve %.60s?", f->model);
        break;
    case GW_RATE_LIMITED: snprintf(out, size, "ask less of it at once: %sLOCAL_IN_FLIGHT", v); break;
    case GW_SERVER_ERROR: snprintf(out, size, "its own log says why"); break;
    case GW_GARBAGE: snprintf(out, size, "is an OpenAI-compatible API at %sLOCAL_BASE_URL?", v); break;
    case GW_REDIRECTED: snprintf(out, size, "name the place it leads to in %sLOCAL_BASE_URL", v); break;
    case GW_REASONING_ONLY: snprintf(out, size, "of 1024 tokens none was left: let it reason less"); break;
    case GW_WRONG_MODEL:
        if (p->model[0]) snprintf(out, size, "it named %.60s", p->model);
        break;
    default: break;
    }
}

/* A real completion was asked for, and this is what came of it. */
static void ask_response_shape(const struct gate_facts *f, struct gate_result *g) {
    const struct model_probe_result *p = &f->probe;
    char status[24] = "", look[128];
    if (f->no_model || f->replay) return; /* our double without a server, and a recording, which is one */
    if (f->route.state == ROUTE_ABSENT)
        closed(g, "missing", BLOCKER_provider_local_config_unavailable,
               "no endpoint for provider %.60s: set %sLOCAL_BASE_URL", f->provider, f->engine->variables);
    if (p->outcome == GW_OK) return;
    const enum blocker b = p->outcome == GW_REASONING_ONLY ? BLOCKER_provider_response_shape
                           : p->outcome == GW_UNAUTHORIZED ? BLOCKER_provider_auth_unavailable
                           : p->outcome == GW_WRONG_MODEL  ? BLOCKER_model_mismatch
                                                           : BLOCKER_provider_unavailable;
    if (p->held_back) closed(g, "failed", b, "the model was not asked: %.130s", p->detail);
    if (p->status) snprintf(status, sizeof status, ", HTTP %u", p->status);
    look_here(f, look, sizeof look);
    closed(g, "failed", b, "the model was asked for a completion, and that ended as %s%s: %.74s%s%s",
           gw_outcome_name(p->outcome), status, p->detail, look[0] ? "; " : "", look);
}

#define ALL_SUBJECTS 0u
#define SUBJECT(kind) (1u << SUBJECT_##kind)
#define PROBE (1u << 31) /* asked when the model was: last of all, and only when everything else has passed */
static const struct {
    const char *name;
    unsigned needs;    /* applies to backends that need all of these */
    unsigned subjects; /* and to runs about one of these */
    unsigned look;     /* for which of these the question can be asked only when the repository was looked at */
    void (*ask)(const struct gate_facts *f, struct gate_result *g);
} gates[] = {
    {"engine", 0, ALL_SUBJECTS, 0, ask_engine},
    {"stage", NEED_STAGE, ALL_SUBJECTS, 0, ask_stage},
    {"backend", 0, ALL_SUBJECTS, 0, ask_backend},
    {"contract", 0, ALL_SUBJECTS, 0, ask_contract},
    {"interface", NEED_MODEL, ALL_SUBJECTS, 0, ask_interface},
    {"source", NEED_EXECUTABLE, ALL_SUBJECTS, 0, ask_source},
    {"executable", NEED_EXECUTABLE, ALL_SUBJECTS, 0, ask_executable},
    {"engine_file", NEED_FILE, ALL_SUBJECTS, 0, ask_engine_file},
    {"decision", NEED_MODEL, ALL_SUBJECTS, 0, ask_decision},
    {"model", NEED_MODEL, ALL_SUBJECTS, 0, ask_model},
    {"auth_bridge", NEED_MODEL, ALL_SUBJECTS, 0, ask_auth_bridge},
    {"local_config", NEED_STAGE, ALL_SUBJECTS, 0, ask_local_config},
    {"provider", 0, ALL_SUBJECTS, 0, ask_provider},
    {"response_shape", NEED_MODEL, ALL_SUBJECTS, PROBE, ask_response_shape},
    {"source_repository", NEED_STAGE, SUBJECT(SOURCE), 0, ask_source_repository},
    {"target", NEED_STAGE, SUBJECT(TARGET), 0, ask_target},
    {"repository", NEED_STAGE, SUBJECT(SOURCE) | SUBJECT(TARGET), SUBJECT(SOURCE) | SUBJECT(TARGET), ask_repository},
    {"clean_start", NEED_STAGE, SUBJECT(SOURCE) | SUBJECT(TARGET), SUBJECT(SOURCE) | SUBJECT(TARGET), ask_clean_start},
    {"pristine", NEED_STAGE, SUBJECT(SOURCE) | SUBJECT(TARGET), SUBJECT(SOURCE) | SUBJECT(TARGET), ask_pristine},
    {"approval", 0, ALL_SUBJECTS, SUBJECT(TARGET), ask_approval}};
#define N_GATES (sizeof gates / sizeof gates[0])

static bool applies(size_t i, const struct gate_facts *f) {
    const bool subject = gates[i].subjects == ALL_SUBJECTS || gates[i].subjects >> f->subject & 1u;
    return subject && (gate_facts_needs(f) & gates[i].needs) == gates[i].needs;
}

static bool too_early(size_t i, const struct gate_facts *f) {
    if (gates[i].look == PROBE) return !f->probed && !f->no_model && !f->replay;
    return !f->looked && gates[i].look >> f->subject & 1u;
}

/* --- results ---------------------------------------------------------------------------------------------------------- */

static const char *source_status(const struct gate_facts *f) {
    return f->source.state == FACT_THERE && f->source.admission.n_refusals == 0 ? "admitted" : "not_admitted";
}

static void describe(struct run_record *rec, const struct gate_facts *f) {
    if (f->approval.id[0]) {
        rec->approval = malloc(sizeof *rec->approval);
        BUG_UNLESS(rec->approval != NULL);
        *rec->approval = f->approval;
    }
    if (f->engine->needs == 0) return;
    struct governed *g = rec->governed = calloc(1, sizeof *g);
    BUG_UNLESS(g != NULL);
    g->proof_double = f->proof_double;
    g->stage = f->stage > 0 ? f->stage : 0;
    snprintf(g->source_admission_status, sizeof g->source_admission_status, "%s", source_status(f));
    snprintf(g->executable_sha256, sizeof g->executable_sha256, "%s", f->executable_sha256);
    if (!(gate_facts_needs(f) & NEED_MODEL)) return;
    snprintf(g->provider, sizeof g->provider, "%.128s", f->provider);
    snprintf(g->model, sizeof g->model, "%.128s", f->model);
    snprintf(g->model_admission_status, sizeof g->model_admission_status, "%s", model_status(f));
    snprintf(g->model_admission_file, sizeof g->model_admission_file, "%s", f->model_record.file);
    if (f->model_record.state == FACT_THERE)
        snprintf(g->model_admission_sha256, sizeof g->model_admission_sha256, "%s", f->model_record.admission.digest);
}

bool gates_evaluate(struct run_record *rec, const struct gate_facts *f) {
    bool passed = true;
    free(rec->gates);
    free(rec->governed);
    rec->governed = NULL;
    free(rec->approval);
    rec->approval = NULL;
    int n = 0;
    for (size_t i = 0; i < N_GATES; i++) n += applies(i, f);
    rec->gates = calloc((size_t)n, sizeof rec->gates[0]);
    BUG_UNLESS(rec->gates != NULL);
    rec->n_gates = 0;
    for (size_t i = 0; i < N_GATES; i++) {
        if (!applies(i, f)) continue;
        struct gate_result *g = &rec->gates[rec->n_gates++];
        *g = (struct gate_result){.name = gates[i].name, .status = "passed", .blocker = BLOCKER_COUNT};
        if (too_early(i, f))
            g->status = "not_evaluated";
        else if (!flipped(gates[i].name))
            gates[i].ask(f, g);
        passed = passed && strcmp(g->status, "passed") == 0;
    }
    describe(rec, f);
    return passed;
}

const char *gates_name(const char *name) {
    for (size_t i = 0; name && i < N_GATES; i++)
        if (strcmp(gates[i].name, name) == 0) return gates[i].name;
    return "unknown";
}

static bool of_probe(const char *name) {
    for (size_t i = 0; i < N_GATES; i++)
        if (strcmp(gates[i].name, name) == 0) return gates[i].look == PROBE;
    return false;
}

/* No gate is closed, and some that ask the one or the other are open questions. */
static bool waits(const struct run_record *rec, bool probe) {
    bool asked = false, other = false;
    for (int i = 0; i < rec->n_gates; i++) {
        if (rec->gates[i].reason[0]) return false;
        if (strcmp(rec->gates[i].status, "not_evaluated") != 0) continue;
        if (of_probe(rec->gates[i].name) == probe)
            asked = true;
        else
            other = true;
    }
    return asked && !(probe && other);
}

bool gates_wait_for_a_look(const struct run_record *rec) { return waits(rec, false); }
bool gates_wait_for_a_probe(const struct run_record *rec) { return waits(rec, true); }

void gates_close(struct run_record *rec, const char *name, enum blocker b, const char *why) {
    for (int i = 0; i < rec->n_gates; i++)
        if (strcmp(rec->gates[i].name, name) == 0) closed(&rec->gates[i], "failed", b, "%s", why);
}

static cJSON *gate_names(const struct run_record *rec, const char *status) {
    cJSON *a = cJSON_CreateArray();
    for (int i = 0; i < rec->n_gates; i++)
        if (!status || strcmp(rec->gates[i].status, status) == 0 ||
            (strcmp(status, "missing") == 0 && strcmp(rec->gates[i].status, "failed") == 0))
            cJSON_AddItemToArray(a, cJSON_CreateString(rec->gates[i].name));
    return a;
}

static cJSON *reasons(const struct run_record *rec) {
    cJSON *a = cJSON_CreateArray();
    for (int i = 0; i < rec->n_gates; i++)
        if (rec->gates[i].reason[0]) cJSON_AddItemToArray(a, cJSON_CreateString(rec->gates[i].reason));
    return a;
}

cJSON *gates_decision(const struct run_record *rec) {
    bool passed = true; /* the model itself is asked when a run starts, and not by a decision alone */
    for (int i = 0; i < rec->n_gates; i++) passed &= strcmp(rec->gates[i].status, "passed") == 0;
    passed |= gates_wait_for_a_probe(rec);
    cJSON *d = cJSON_CreateObject(), *denied = cJSON_CreateArray();
    char id[RUN_ID_MAX + 16];
    snprintf(id, sizeof id, "decision-%s", rec->run_id[0] ? rec->run_id : rec->c->id);
    json_put_str(d, "decision_id", id);
    json_put_str(d, "task_id", rec->c->id);
    json_put_str(d, "selected_backend", passed ? rec->engine : "none");
    if (!passed) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "backend", rec->engine);
        json_put(o, "reasons", reasons(rec));
        cJSON_AddItemToArray(denied, o);
    }
    json_put(d, "denied_backends", denied);
    json_put_str(d, "risk_class", rec->c->risk_class);
    json_put(d, "required_gates", gate_names(rec, NULL));
    json_put(d, "passed_gates", gate_names(rec, "passed"));
    json_put(d, "missing_gates", gate_names(rec, "missing"));
    json_put_str(d, "allowed_mutation_mode", passed ? rec->c->mutation_mode : "none");
    json_put_bool(d, "approval_required", rec->c->approval_required);
    json_put(d, "reasons", reasons(rec));
    json_put_str(d, "escalation_path", passed ? "none" : "operator");
    return d;
}
