/* admission_fields.c - the five kinds of record as data, and what holds between their fields (design: governance, "Target
 * repository admission"; providers, "Records"). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "supervisor/admission.h"
#include "supervisor/case.h"

static const char *text(const cJSON *doc, const char *name) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(doc, name);
    return cJSON_IsString(v) ? v->valuestring : "";
}

static bool is(const cJSON *doc, const char *name, const char *word) { return strcmp(text(doc, name), word) == 0; }

/* --- model ---------------------------------------------------------------------------------------------------------- */

static const char *const admitted_words[] = {"admitted", "not_admitted", NULL};

static const struct admission_field model_fields[] = {
    {"status", FIELD_ENUM, FIELD_REQUIRED, admitted_words, "\"not_admitted\"", "May it be used?"},
    {"provider", FIELD_WORD, FIELD_REQUIRED, NULL, "\"qwen-local\"", "Who serves it; the identity of the admission."},
    {"model", FIELD_WORD, FIELD_REQUIRED, NULL, "\"qwen3.6-35b-a3b\"", "The model as the provider names it."},
    {"credential_source_class", FIELD_WORD, FIELD_REQUIRED, NULL, "\"pi-models-json-local-provider-no-secret\"",
     "Where credentials come from: a class, never a value."},
    {"allowed_network_class", FIELD_WORD, FIELD_REQUIRED, NULL, "\"local-tailscale-vllm-spark1\"",
     "What may be reached: a class, never an address."},
    {"approval_source", FIELD_LINE, FIELD_REQUIRED, NULL, "\"operator decision of 2026-11-01\"",
     "Who decided, where it can be read."},
    {"admission_timestamp", FIELD_WHEN, FIELD_REQUIRED, NULL, "\"2026-11-01T09:00:00Z\"", "When it was decided."},
    {"review_trigger", FIELD_LINE, FIELD_REQUIRED, NULL,
     "\"a change of credential source, endpoint, default or fallback model\"", "What makes it stale."},
    {"evidence_expectations", FIELD_LINES, FIELD_OPTIONAL, NULL, "[\"report.json names the model seen on the wire\"]",
     "What runs with it must show."}};

static void model_subject(const cJSON *doc, char *out, size_t size) {
    snprintf(out, size, "%s/%s", text(doc, "provider"), text(doc, "model"));
}

static void model_check(struct json_obj *o) {
    /* Case is told "openai" inside a run that uses the local model, so that word names nobody. */
    if (is(o->node, "provider", "openai"))
        (void)json_fail(o, "provider",
                        "\"openai\" is a name inside a run, never an admission's; write the provider's own");
}

static void model_judge(struct admission *a) {
    if (strcmp(a->status, "admitted") != 0)
        admission_refuse(a, "model_not_admitted", "the record says %s for %.120s", a->status, a->subject);
}

/* --- source ----------------------------------------------------------------------------------------------------------- */

static const char *const license_words[] = {"unresolved", "resolved", NULL};
static const char *const source_type_words[] = {"git", "archive", NULL};
static const char *const mode_words[] = {
    "none", "copied-fixture", "sandbox-repo", "owned-noncritical-repo", "candidate-default", NULL};

static const struct admission_field source_fields[] = {
    {"status", FIELD_ENUM, FIELD_REQUIRED, admitted_words, "\"not_admitted\"", "May it be used?"},
    {"source_name", FIELD_WORD, FIELD_REQUIRED, NULL, "\"workos-case\"", "Its name here."},
    {"source_url", FIELD_URL, FIELD_REQUIRED, NULL, "\"https://github.com/workos/case.git\"",
     "Where it is fetched from."},
    {"web_url", FIELD_URL, FIELD_REQUIRED, NULL, "\"https://github.com/workos/case\"", "Where a person reads it."},
    {"source_type", FIELD_ENUM, FIELD_REQUIRED, source_type_words, "\"git\"", "What is fetched."},
    {"observed_branch", FIELD_WORD, FIELD_REQUIRED, NULL, "\"main\"", "The branch on which the pin was seen."},
    {"pinned_commit", FIELD_COMMIT, FIELD_OPTIONAL, NULL, "\"7959ac917cdeb0983b4aaa20bb9f42021747fed8\"",
     "The commit; this or pinned_tag."},
    {"pinned_tag", FIELD_WORD, FIELD_OPTIONAL, NULL, NULL, "A tag that does not move; this or pinned_commit."},
    {"commit_date", FIELD_WHEN, FIELD_REQUIRED, NULL, "\"2026-10-01\"", "Of the pinned commit."},
    {"retrieval_date", FIELD_WHEN, FIELD_REQUIRED, NULL, "\"2026-11-01\"", "When it was fetched."},
    {"retrieval_command", FIELD_LINE, FIELD_REQUIRED, NULL, "\"git clone https://github.com/workos/case.git\"",
     "The command that fetched it."},
    {"integrity_reference", FIELD_LINE, FIELD_REQUIRED, NULL, "\"git fsck --full; the commit id\"",
     "What its bytes are held against."},
    {"license_note", FIELD_ENUM, FIELD_REQUIRED, license_words, "\"unresolved\"",
     "Is its license settled? Needed before an owned repository is changed with it."},
    {"allowed_execution_mode", FIELD_ENUM, FIELD_REQUIRED, mode_words, "\"copied-fixture\"",
     "The widest mode of mutation."},
    {"protected_source_boundary", FIELD_LINE, FIELD_REQUIRED, NULL,
     "\"the checkout is read-only and never a workspace\"", "What is never changed."},
    {"previous_source_id", FIELD_PIN, FIELD_EMPTY, NULL, "\"\"", "The pin before this one."},
    {"new_source_id", FIELD_PIN, FIELD_REQUIRED, NULL, "\"7959ac917cdeb0983b4aaa20bb9f42021747fed8\"",
     "The pin itself, commit or tag."},
    {"approval_source", FIELD_LINE, FIELD_REQUIRED, NULL, "\"operator decision of 2026-11-01\"", "Who decided."},
    {"review_trigger", FIELD_LINE, FIELD_REQUIRED, NULL, "\"any other pin\"", "What makes it stale."}};

static void source_subject(const cJSON *doc, char *out, size_t size) {
    snprintf(out, size, "%s", text(doc, "source_name"));
}

static bool names_a_branch(const char *tag) {
    static const char *const branches[] = {"main",   "master", "HEAD",    "trunk", "develop",
                                           "latest", "stable", "nightly", NULL};
    static const char *const places[] = {"origin/",     "upstream/",     "heads/", "remotes/",
                                         "refs/heads/", "refs/remotes/", NULL};
    for (int i = 0; places[i]; i++)
        if (strncasecmp(tag, places[i], strlen(places[i])) == 0) return true;
    for (int i = 0; branches[i]; i++)
        if (strcasecmp(tag, branches[i]) == 0) return true;
    return false;
}

static void source_check(struct json_obj *o) {
    bool commit = text(o->node, "pinned_commit")[0] != '\0', tag = text(o->node, "pinned_tag")[0] != '\0';
    if (commit == tag) (void)json_fail(o, "pinned_commit", "give pinned_commit or pinned_tag, one of them");
    if (tag &&
        (is(o->node, "pinned_tag", text(o->node, "observed_branch")) || names_a_branch(text(o->node, "pinned_tag"))))
        (void)json_fail(o, "pinned_tag", "that is a branch, which moves; pin a commit or a tag");
    if (!is(o->node, "new_source_id", text(o->node, commit ? "pinned_commit" : "pinned_tag")))
        (void)json_fail(o, "new_source_id", "it must be the pin itself");
}

static void source_judge(struct admission *a) {
    if (strcmp(a->status, "admitted") != 0)
        admission_refuse(a, "eligibility_denied", "the source record says %s for %.120s", a->status, a->subject);
}

/* --- executable ------------------------------------------------------------------------------------------------------- */

static const char *const executable_words[] = {"admitted", "not_admitted", "discovery_only", NULL};
/* Each with the name that its program has; the first is what a template says. */
#define SHAPES(X)                                          \
    X("ca run --task <task-file> --mode unattended", "ca") \
    X("codex exec --json <prompt on stdin>", "codex")      \
    X("pi --mode json <prompt on stdin>", "cli.js")
static const char *const shape_words[] = {
#define X(shape, name) shape,
    SHAPES(X)
#undef X
        NULL};
static const char *const shape_names[] = {
#define X(shape, name) name,
    SHAPES(X)
#undef X
};

static const struct admission_field executable_fields[] = {
    {"status", FIELD_ENUM, FIELD_REQUIRED, executable_words, "\"not_admitted\"",
     "May it be started? discovery_only: it was looked at, no more."},
    {"executable_path", FIELD_PATH, FIELD_REQUIRED, NULL, "\"/opt/case/dist/ca\"", "The program."},
    {"source_url", FIELD_URL, FIELD_REQUIRED, NULL, "\"https://github.com/workos/case.git\"",
     "What it was built from."},
    {"pinned_commit", FIELD_COMMIT, FIELD_REQUIRED, NULL, "\"7959ac917cdeb0983b4aaa20bb9f42021747fed8\"",
     "The commit it was built from."},
    {"build_command", FIELD_LINE, FIELD_REQUIRED, NULL, "\"bun run build:binary\"", "How it was built."},
    {"command_shape", FIELD_ENUM, FIELD_REQUIRED, shape_words, "\"ca run --task <task-file> --mode unattended\"",
     "The one way in which it is started."},
    {"sha256", FIELD_SHA256, FIELD_REQUIRED, NULL, "\"" DIGEST_EMPTY "\"",
     "Of the program; another digest is another program."},
    {"node_version", FIELD_LINE, FIELD_REQUIRED, NULL, "\"v20.20.2\"", "Node at the build."},
    {"bun_version", FIELD_LINE, FIELD_REQUIRED, NULL, "\"1.2.0\"", "Bun at the build; without it there is no build."},
    {"build_timestamp", FIELD_WHEN, FIELD_REQUIRED, NULL, "\"2026-11-01T09:00:00Z\"", "When it was built."},
    {"approval_source", FIELD_LINE, FIELD_REQUIRED, NULL, "\"operator decision of 2026-11-01\"", "Who decided."}};

static void executable_subject(const cJSON *doc, char *out, size_t size) {
    snprintf(out, size, "%s", text(doc, "executable_path"));
}

static bool below(const char *path, const char *dir) {
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static void executable_check(struct json_obj *o) {
    static const char *const passing[] = {"/tmp", "/var/tmp", "/dev/shm", "/run", NULL};
    const char *path = text(o->node, "executable_path"), *slash = strrchr(path, '/');
    for (int i = 0; passing[i]; i++)
        if (below(path, passing[i]) && is(o->node, "status", "admitted"))
            (void)json_fail(o, "executable_path", "it is in %s, where anybody may put things: discovery_only at most",
                            passing[i]);
    for (int i = 0; shape_words[i]; i++)
        if (is(o->node, "command_shape", shape_words[i]) && (!slash || strcmp(slash + 1, shape_names[i]) != 0))
            (void)json_fail(o, "executable_path", "the program is named %s%s", shape_names[i],
                            i == 0 ? "; the package named case is something else" : ", when it is started so");
}

static void executable_judge(struct admission *a) {
    if (strcmp(a->status, "admitted") != 0)
        admission_refuse(a, "provider_unavailable", "the build report says %s for the executable", a->status);
}

/* --- target ----------------------------------------------------------------------------------------------------------- */

/* A record that is still being filled in is valid and says no, so most fields may be empty; the judge below names each. */
static const struct admission_field target_fields[] = {
    {"admission_status", FIELD_ENUM, FIELD_REQUIRED, admitted_words, "\"not_admitted\"", "May a run change it?"},
    {"target_repository_path", FIELD_PATH, FIELD_REQUIRED, NULL, "\"/srv/repositories/notes\"",
     "The repository, absolute."},
    {"repository_owner", FIELD_LINE, FIELD_EMPTY, NULL, "\"\"", "Whose it is."},
    {"ownership_evidence", FIELD_LINE, FIELD_EMPTY, NULL, "\"\"", "How that is known."},
    {"risk_classification", FIELD_WORD, FIELD_REQUIRED, NULL, "\"unclassified\"",
     "low_risk_noncritical, or it is refused."},
    {"noncritical_rationale", FIELD_LINE, FIELD_EMPTY, NULL, "\"\"", "Why nothing depends on it."},
    {"allowed_paths", FIELD_ALLOWED, FIELD_EMPTY, NULL, "[]", "Exact files, or directories ending in /."},
    {"forbidden_paths", FIELD_FORBIDDEN, FIELD_EMPTY, NULL,
     "[\".env\", \".env.*\", \"secrets/\", \"credentials/\", \"deploy/\", \"infra/\", \".github/workflows/\", "
     "\"package-lock.json\", \"pnpm-lock.yaml\", \"yarn.lock\", \"node_modules/\", \"vendor/\", \".git/\"]",
     "Never changed, whatever is allowed."},
    {"forbidden_actions", FIELD_ACTIONS, FIELD_EMPTY, NULL,
     "[\"push\", \"merge\", \"deploy\", \"close\", \"pr_open\", \"issue_close\", \"public_publication\", "
     "\"credential_change\", \"vendor_source_mutation\", \"cortex_core_mutation\"]",
     "All of them; none can be permitted."},
    {"approval_source", FIELD_LINE, FIELD_EMPTY, NULL, "\"\"", "Who decided, where it can be read."},
    {"approval_timestamp", FIELD_WHEN, FIELD_REQUIRED, NULL, "\"2026-11-01T09:00:00Z\"", "When it was decided."},
    {"operator_outcome_required", FIELD_BOOL, FIELD_REQUIRED, NULL, "true",
     "A person says accepted or rejected afterwards."},
    {"review_trigger", FIELD_LINE, FIELD_REQUIRED, NULL,
     "\"a change of path, allowed paths, forbidden actions or risk\"", "What makes it stale."}};

static void target_subject(const cJSON *doc, char *out, size_t size) {
    snprintf(out, size, "%s", text(doc, "target_repository_path"));
}

/* Reports copy these, and never say where a repository is. */
static void target_check(struct json_obj *o) {
    static const char *const told[] = {"repository_owner", "approval_source"};
    const char *place = text(o->node, "target_repository_path");
    for (size_t i = 0; place[0] && i < sizeof told / sizeof told[0]; i++)
        if (strstr(text(o->node, told[i]), place))
            (void)json_fail(o, told[i], "it names the repository's path, and stands in reports, which may not");
}

static int list_size(const cJSON *doc, const char *name) {
    return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(doc, name));
}

static const char *missing_action(const cJSON *doc) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(doc, "forbidden_actions"), *a;
    for (int i = 0; forbidden_actions_all[i]; i++) {
        bool there = false;
        cJSON_ArrayForEach(a, list) there = there || strcmp(a->valuestring, forbidden_actions_all[i]) == 0;
        if (!there) return forbidden_actions_all[i];
    }
    return NULL;
}

/* None of these sentences names the path: they end in reports. */
static void target_judge(struct admission *a) {
    const char *action = missing_action(a->doc);
    if (strcmp(a->status, "admitted") != 0)
        admission_refuse(a, "target_not_admitted", "the target admission says %s", a->status);
    if (!text(a->doc, "repository_owner")[0] || !text(a->doc, "ownership_evidence")[0])
        admission_refuse(a, "unowned_repository", "the target admission has no owner or no evidence of ownership");
    if (!is(a->doc, "risk_classification", "low_risk_noncritical") || !text(a->doc, "noncritical_rationale")[0])
        admission_refuse(a, "critical_repository",
                         "the target is not classified low_risk_noncritical with a rationale");
    if (list_size(a->doc, "allowed_paths") == 0)
        admission_refuse(a, "target_not_admitted", "the target admission has no allowed_paths");
    if (action)
        admission_refuse(a, "target_not_admitted", "forbidden_actions of the target admission lacks %s", action);
    if (!text(a->doc, "approval_source")[0])
        admission_refuse(a, "target_not_admitted", "the target admission has no approval_source");
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(a->doc, "operator_outcome_required")))
        admission_refuse(a, "target_not_admitted", "the target admission does not require an operator outcome");
}

/* --- decision --------------------------------------------------------------------------------------------------------- */

static const char *const decision_words[] = {"not_decided", "external_provider_approved", "local_provider_required",
                                             NULL};
static const char *const class_words[] = {"external_anthropic", "external_openai_codex", "local_case_compatible", NULL};

static const struct admission_field decision_fields[] = {
    {"decision_status", FIELD_ENUM, FIELD_REQUIRED, decision_words, "\"not_decided\"", "Which providers may run."},
    {"provider_class", FIELD_ENUM, FIELD_REQUIRED, class_words, "\"local_case_compatible\"", "What kind of provider."},
    {"provider", FIELD_WORD, FIELD_EMPTY, NULL, "\"\"", "Empty while not decided."},
    {"model", FIELD_WORD, FIELD_EMPTY, NULL, "\"\"", "Empty while not decided."},
    {"fallback_provider", FIELD_WORD, FIELD_EMPTY, NULL, "\"\"", "Counts only when an admission names it."},
    {"fallback_model", FIELD_WORD, FIELD_EMPTY, NULL, "\"\"", "With fallback_provider, or empty."},
    {"approval_source", FIELD_LINE, FIELD_REQUIRED, NULL, "\"not decided yet\"", "Who decided, where it can be read."},
    {"credential_source_class", FIELD_WORD, FIELD_REQUIRED, NULL, "\"pi-models-json-local-provider-no-secret\"",
     "Where credentials come from: a class, never a value."},
    {"allowed_network_class", FIELD_WORD, FIELD_REQUIRED, NULL, "\"local-tailscale-vllm-spark1\"",
     "What may be reached: a class, never an address."},
    {"review_trigger", FIELD_LINE, FIELD_REQUIRED, NULL, "\"a change of provider, model or fallback\"",
     "What makes it stale."},
    {"evidence_sources", FIELD_LINES, FIELD_EMPTY, NULL, "[]", "What the decision rests on."},
    {"effect", FIELD_LINE, FIELD_REQUIRED, NULL, "\"nothing may run\"", "What it means, in a sentence."}};

static void decision_subject(const cJSON *doc, char *out, size_t size) {
    (void)doc;
    snprintf(out, size, "provider"); /* there is one decision; the newest counts */
}

static void decision_check(struct json_obj *o) {
    bool decided = !is(o->node, "decision_status", "not_decided");
    bool local = is(o->node, "provider_class", "local_case_compatible");
    bool provider = text(o->node, "provider")[0] != '\0', model = text(o->node, "model")[0] != '\0';
    if (!decided && provider) (void)json_fail(o, "provider", "must be empty while decision_status is not_decided");
    if (!decided && model) (void)json_fail(o, "model", "must be empty while decision_status is not_decided");
    if (decided && !provider) (void)json_fail(o, "provider", "a decision names its provider");
    if (decided && !model) (void)json_fail(o, "model", "a decision names its model");
    if (is(o->node, "decision_status", "local_provider_required") && !local)
        (void)json_fail(o, "provider_class", "local_provider_required goes with local_case_compatible only");
    if (is(o->node, "decision_status", "external_provider_approved") && local)
        (void)json_fail(o, "provider_class", "external_provider_approved goes with an external class only");
    if ((text(o->node, "fallback_provider")[0] != '\0') != (text(o->node, "fallback_model")[0] != '\0'))
        (void)json_fail(o, "fallback_model", "fallback_provider and fallback_model stand together or are both empty");
    if (decided && list_size(o->node, "evidence_sources") == 0)
        (void)json_fail(o, "evidence_sources", "a decision names what it rests on");
}

static void decision_judge(struct admission *a) {
    if (strcmp(a->status, "not_decided") == 0)
        admission_refuse(a, "provider_not_decided", "no provider has been decided on; nothing may run");
}

#define FIELDS(name) name##_fields, sizeof name##_fields / sizeof name##_fields[0]
static const struct admission_rules table[ADMISSION_KINDS] = {
    [ADMIT_MODEL] = {"model", "model-admission", "Model admission", "status", "admission_timestamp", FIELDS(model),
                     model_check, model_subject, model_judge},
    [ADMIT_SOURCE] = {"source", "source-admission", "Source admission", "status", "retrieval_date", FIELDS(source),
                      source_check, source_subject, source_judge},
    [ADMIT_EXECUTABLE] = {"executable", "executable-admission", "Executable admission and build report", "status",
                          "build_timestamp", FIELDS(executable), executable_check, executable_subject,
                          executable_judge},
    [ADMIT_TARGET] = {"target", "target-admission", "Target repository admission", "admission_status",
                      "approval_timestamp", FIELDS(target), target_check, target_subject, target_judge},
    [ADMIT_DECISION] = {"decision", "provider-decision", "Provider decision record", "decision_status", NULL,
                        FIELDS(decision), decision_check, decision_subject, decision_judge},
};

const struct admission_rules *admission_rules(enum admission_kind k) {
    BUG_UNLESS((unsigned)k < ADMISSION_KINDS);
    return &table[k];
}

enum admission_kind admission_kind_by_name(const char *name) {
    int k = 0;
    while (k < ADMISSION_KINDS && strcmp(table[k].name, name) != 0) k++;
    return (enum admission_kind)k;
}
