/* record_json.c - see record_json.h. Each list of fields stands once and is used in both directions. */
#include "supervisor/record_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/json.h"
#include "supervisor/engines.h"
#include "supervisor/gates.h"
#include "supervisor/model_use.h"
#include "supervisor/subject.h"

/* It never settles on these lists: */
/* clang-format off */
#define INT_FIELDS(X)                                                                                                  \
    X(attempt)                                                                                                         \
    X(generation)                                                                                                      \
    X(started_ms)                                                                                                      \
    X(finished_ms)                                                                                                     \
    X(baseline_files) X(baseline_commits) X(baseline_bytes) X(committed_ms) X(stop_sent) X(engine_kind) X(engine_code) \
        X(engine_cpu_us) X(engine_rss_kib) X(engine_processes) X(engine_output) X(engine_dropped) X(result_kind)       \
            X(result_dirty) X(result_commits) X(n_attempts) X(case_marks) X(patch_seen) X(patch_bytes)                 \
                X(artifact_bytes)
#define BOOL_FIELDS(X)                                                                                         \
    X(baseline_seen)                                                                                           \
    X(baseline_clean)                                                                                          \
    X(engine_started)                                                                                          \
    X(committed_seen)                                                                                          \
    X(engine_ended) X(result_seen) X(result_clean) X(made_by_harness) X(changes_truncated) X(denied_truncated) \
        X(denied_unseen) X(worker_done) X(worker_clean) X(patch_whole) X(model_replayed)
/* clang-format on */
#define TEXT_FIELDS(X) \
    X(run_id)          \
    X(matrix_id)       \
    X(baseline_head)   \
    X(committed_head) X(engine_detail) X(result_head) X(result_detail) X(forbidden_action) X(verify_skip)

#define GOVERNED_TEXTS(X)     \
    X(provider)               \
    X(model)                  \
    X(model_admission_status) \
    X(source_admission_status) X(model_admission_file) X(model_admission_sha256) X(executable_sha256)
#define APPROVAL_TEXTS(X) X(id) X(request_id) X(state) X(actor) X(requester) X(why) X(scope)
#define APPROVAL_INTS(X) X(requested_ms) X(decided_ms) X(expires_ms)
#define SUBJECT_TEXTS(X) \
    X(path)              \
    X(admission_id)      \
    X(admission_sha256)  \
    X(owner) X(approval_source) X(head) X(tree_before) X(branch) X(tree) X(commit) X(before) X(after)
#define SUBJECT_BOOLS(X) X(start_clean) X(end_clean)
#define VERIFY_INTS(X) X(kind) X(code) X(duration_us) X(output_bytes) X(dropped_bytes)
#define LIMIT_INTS(X) X(index) X(limit) X(seen)
#define DENIED_INTS(X) X(by) X(command) X(count)

/* --- writing ------------------------------------------------------------------------------------------------------------ */

static cJSON *add_array(cJSON *o, const char *key) {
    cJSON *a = cJSON_CreateArray();
    BUG_UNLESS(a != NULL);
    json_put(o, key, a);
    return a;
}

/* Text as it is; bytes that are no text as {"hex": ..}. */
static void put_bytes(cJSON *o, const char *key, const char *text) {
    const size_t n = strlen(text);
    if (json_is_utf8(text, n)) {
        json_put(o, key, cJSON_CreateString(text));
        return;
    }
    char *hex = malloc(2 * n + 1);
    BUG_UNLESS(hex != NULL);
    for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", (unsigned char)text[i]);
    cJSON *x = json_new_object();
    json_put(x, "hex", cJSON_CreateString(hex));
    json_put(o, key, x);
    free(hex);
}

static void put_gates(cJSON *o, const struct run_record *r) {
    cJSON *a = add_array(o, "gates");
    for (int i = 0; i < r->n_gates; i++) {
        cJSON *x = json_new_object();
        json_put(x, "name", cJSON_CreateString(r->gates[i].name));
        cJSON_AddItemToArray(a, x); /* all have passed, or the run would not wait */
    }
}

static void put_lists(cJSON *o, const struct run_record *r) {
    cJSON *a = add_array(o, "changes");
    for (int i = 0; i < r->n_changes; i++) {
        const struct change *c = &r->changes[i];
        cJSON *x = json_new_object();
        json_put_int(x, "letter", c->letter);
        json_put_int(x, "old_mode", c->old_mode);
        json_put_int(x, "new_mode", c->new_mode);
        json_put_int(x, "scope", c->scope);
        put_bytes(x, "path", c->path);
        json_put_bool(x, "allowed", c->allowed);
        json_put_bool(x, "forbidden", c->forbidden);
        cJSON_AddItemToArray(a, x);
    }
    a = add_array(o, "verify");
    for (int i = 0; i < r->c->n_verify; i++) {
        const struct verify_result *v = record_verify(r, i);
        cJSON *x = json_new_object();
        json_put_bool(x, "seen", v->seen);
#define X(f) json_put_int(x, #f, (int64_t)v->f);
        VERIFY_INTS(X)
#undef X
        put_bytes(x, "detail", v->detail);
        cJSON_AddItemToArray(a, x);
    }
    a = add_array(o, "limits");
    for (int i = 0; i < r->n_limits; i++) {
        const struct limit_seen *l = &r->limits[i];
        cJSON *x = json_new_object();
        json_put_bool(x, "of_backend", l->of_backend);
        json_put_bool(x, "ended", l->ended);
        put_bytes(x, "name", l->name);
        put_bytes(x, "mechanism", l->mechanism);
#define X(f) json_put_int(x, #f, (int64_t)l->f);
        LIMIT_INTS(X)
#undef X
        cJSON_AddItemToArray(a, x);
    }
}

static void put_denied(cJSON *o, const struct run_record *r) {
    cJSON *a = add_array(o, "denied");
    for (int i = 0; i < r->n_denied; i++) {
        const struct denied_call *d = &r->denied[i];
        cJSON *x = json_new_object();
        put_bytes(x, "name", d->name);
        json_put_bool(x, "closed", d->closed);
#define X(f) json_put_int(x, #f, (int64_t)d->f);
        DENIED_INTS(X)
#undef X
        for (int k = 0; k < DENIED_ARGS; k++) { /* a number of JSON has 53 bits */
            char key[24], value[24];
            snprintf(key, sizeof key, "arg%d", k);
            snprintf(value, sizeof value, "%llx", (unsigned long long)d->args[k]);
            json_put(x, key, cJSON_CreateString(value));
        }
        cJSON_AddItemToArray(a, x);
    }
}

/* Times since the run began: another process may have another clock. */
static void put_phases(cJSON *o, const struct run_record *r) {
    cJSON *a = add_array(o, "phases");
    const uint64_t first = r->phases[RUN_PLANNED].entered_us;
    for (int i = 0; i < RUN_STATE_COUNT; i++) {
        const struct phase_time *p = &r->phases[i];
        cJSON *x = json_new_object();
        json_put_int(x, "real_ms", p->entered_real_ms);
        json_put_int(x, "after_us", p->entered_us ? (int64_t)(p->entered_us - first) : -1);
        cJSON_AddItemToArray(a, x);
    }
}

static void put_people(cJSON *o, const struct run_record *r) {
    if (r->governed) {
        cJSON *x = json_new_object();
        json_put_int(x, "stage", r->governed->stage);
        json_put_bool(x, "proof_double", r->governed->proof_double);
#define X(f) put_bytes(x, #f, r->governed->f);
        GOVERNED_TEXTS(X)
#undef X
        json_put(o, "governed", x);
    }
    if (r->approval) {
        cJSON *x = json_new_object();
#define X(f) put_bytes(x, #f, r->approval->f);
        APPROVAL_TEXTS(X)
#undef X
#define X(f) json_put_int(x, #f, r->approval->f);
        APPROVAL_INTS(X)
#undef X
        json_put(o, "approval", x);
    }
    if (r->subject) {
        cJSON *x = json_new_object();
        json_put_int(x, "kind", r->subject->kind);
#define X(f) put_bytes(x, #f, r->subject->f);
        SUBJECT_TEXTS(X)
#undef X
#define X(f) json_put_bool(x, #f, r->subject->f);
        SUBJECT_BOOLS(X)
#undef X
        json_put(o, "subject", x);
    }
}

/* The directory that holds the case's own, or cases/failures/: for "How to reproduce". */
static void put_cases(cJSON *o, const struct cto_case *c) {
    const size_t n = c->dir ? strlen(c->dir) : 0, id = strlen(c->id) + (strcmp(c->kind, "failure") == 0 ? 9 : 0) + 1;
    AUTO_FREE char *dir = n > id ? strndup(c->dir, n - id) : NULL;
    if (dir) put_bytes(o, "cases", dir);
}

char *record_to_json(const struct run_record *r, const char *case_json, const char *engine_file) {
    cJSON *o = json_new_object();
    json_put_int(o, "format", 1);
    put_bytes(o, "case_id", r->c->id);
    json_put_bool(o, "is_failure", strcmp(r->c->kind, "failure") == 0);
    put_bytes(o, "case_json", case_json);
    put_cases(o, r->c);
    put_bytes(o, "task", r->c->task ? r->c->task : "");
    if (engine_file) put_bytes(o, "engine_file", engine_file);
    put_bytes(o, "engine", r->engine);
    if (r->sandbox_json) put_bytes(o, "sandbox", r->sandbox_json);
#define X(f) json_put_int(o, #f, (int64_t)r->f);
    INT_FIELDS(X)
#undef X
#define X(f) json_put_bool(o, #f, r->f);
    BOOL_FIELDS(X)
#undef X
#define X(f) put_bytes(o, #f, r->f);
    TEXT_FIELDS(X)
#undef X
    put_gates(o, r);
    put_lists(o, r);
    put_denied(o, r);
    put_phases(o, r);
    put_people(o, r);
    secrets_clean_json(r->secrets, SECRET_IN_RECORD, o); /* the case or the engine file may say one */
    json_put(o, "observed", observed_json(r->observed));
    json_put(o, "model_use", model_use_to_json(r->model_use));
    json_put(o, "secrets", secrets_to_json(r->secrets));
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    return text;
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

static int64_t get_int(const cJSON *o, const char *key) { return json_exact(get(o, key)); }

static bool get_bool(const cJSON *o, const char *key) { return cJSON_IsTrue(get(o, key)); }

/* malloc'd; NULL when it is absent. */
static char *get_bytes(const cJSON *o, const char *key) {
    const cJSON *x = get(o, key);
    const char *hex = cJSON_GetStringValue(get(x, "hex")), *text = cJSON_GetStringValue(x);
    if (!hex) return text ? strdup(text) : NULL;
    const size_t n = strlen(hex) / 2;
    char *out = calloc(n + 1, 1);
    BUG_UNLESS(out != NULL);
    for (size_t i = 0; i < n; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (char)strtoul(two, NULL, 16);
    }
    return out;
}

static void get_text(const cJSON *o, const char *key, char *out, size_t size) {
    AUTO_FREE char *text = get_bytes(o, key);
    snprintf(out, size, "%s", text ? text : "");
}

static void *list(const cJSON *a, int max, size_t size, int *ret_n) {
    int n = cJSON_GetArraySize(a);
    *ret_n = n > max ? max : n;
    if (*ret_n == 0) return NULL;
    void *v = calloc((size_t)*ret_n, size);
    BUG_UNLESS(v != NULL);
    return v;
}

static void read_gates(const cJSON *o, struct run_record *r) {
    const cJSON *a = get(o, "gates");
    r->gates = list(a, 64, sizeof *r->gates, &r->n_gates);
    for (int i = 0; i < r->n_gates; i++) {
        const char *name = gates_name(cJSON_GetStringValue(get(cJSON_GetArrayItem(a, i), "name")));
        r->gates[i] = (struct gate_result){.name = name, .status = "passed", .blocker = BLOCKER_COUNT};
    }
}

static void read_changes(const cJSON *o, struct run_record *r) {
    const cJSON *a = get(o, "changes"), *x;
    r->changes = list(a, RECORD_MAX_CHANGES, sizeof *r->changes, &r->cap_changes);
    cJSON_ArrayForEach(x, a) {
        if (r->n_changes == r->cap_changes) break;
        char *path = get_bytes(x, "path");
        r->changes[r->n_changes++] = (struct change){.letter = (char)get_int(x, "letter"),
                                                     .old_mode = (uint32_t)get_int(x, "old_mode"),
                                                     .new_mode = (uint32_t)get_int(x, "new_mode"),
                                                     .scope = (uint8_t)get_int(x, "scope"),
                                                     .path = path ? path : strdup(""),
                                                     .allowed = get_bool(x, "allowed"),
                                                     .forbidden = get_bool(x, "forbidden")};
    }
}

static void read_lists(const cJSON *o, struct run_record *r) {
    const cJSON *a = get(o, "verify");
    for (int i = 0; i < r->c->n_verify && i < cJSON_GetArraySize(a); i++) {
        const cJSON *x = cJSON_GetArrayItem(a, i);
        struct verify_result *v = record_verify_slot(r, i);
        v->seen = get_bool(x, "seen");
#define X(f) v->f = (__typeof__(v->f))get_int(x, #f);
        VERIFY_INTS(X)
#undef X
        get_text(x, "detail", v->detail, sizeof v->detail);
    }
    a = get(o, "limits");
    r->limits = list(a, RECORD_MAX_LIMITS, sizeof *r->limits, &r->n_limits);
    for (int i = 0; i < r->n_limits; i++) {
        const cJSON *x = cJSON_GetArrayItem(a, i);
        struct limit_seen *l = &r->limits[i];
        l->of_backend = get_bool(x, "of_backend");
        l->ended = get_bool(x, "ended");
        get_text(x, "name", l->name, sizeof l->name);
        get_text(x, "mechanism", l->mechanism, sizeof l->mechanism);
#define X(f) l->f = (__typeof__(l->f))get_int(x, #f);
        LIMIT_INTS(X)
#undef X
    }
}

static void read_denied(const cJSON *o, struct run_record *r) {
    const cJSON *a = get(o, "denied");
    r->denied = list(a, RECORD_MAX_DENIED, sizeof *r->denied, &r->n_denied);
    for (int i = 0; i < r->n_denied; i++) {
        const cJSON *x = cJSON_GetArrayItem(a, i);
        struct denied_call *d = &r->denied[i];
        get_text(x, "name", d->name, sizeof d->name);
        d->closed = get_bool(x, "closed");
#define X(f) d->f = (__typeof__(d->f))get_int(x, #f);
        DENIED_INTS(X)
#undef X
        for (int k = 0; k < DENIED_ARGS; k++) {
            char key[24];
            snprintf(key, sizeof key, "arg%d", k);
            const char *value = cJSON_GetStringValue(get(x, key));
            d->args[k] = value ? strtoull(value, NULL, 16) : 0;
        }
    }
}

static void read_phases(const cJSON *o, struct run_record *r) {
    const cJSON *a = get(o, "phases");
    for (int i = 0; i < RUN_STATE_COUNT && i < cJSON_GetArraySize(a); i++) {
        const cJSON *x = cJSON_GetArrayItem(a, i);
        int64_t after = get_int(x, "after_us");
        r->phases[i].entered_real_ms = get_int(x, "real_ms");
        r->phases[i].entered_us = after >= 0 ? (uint64_t)after + 1 : 0; /* 0 is "never" */
    }
}

static void read_people(const cJSON *o, struct run_record *r) {
    const cJSON *x = get(o, "governed");
    if (x) {
        r->governed = calloc(1, sizeof *r->governed);
        BUG_UNLESS(r->governed != NULL);
        r->governed->stage = (int)get_int(x, "stage");
        r->governed->proof_double = get_bool(x, "proof_double");
#define X(f) get_text(x, #f, r->governed->f, sizeof r->governed->f);
        GOVERNED_TEXTS(X)
#undef X
    }
    if ((x = get(o, "approval"))) {
        r->approval = calloc(1, sizeof *r->approval);
        BUG_UNLESS(r->approval != NULL);
#define X(f) get_text(x, #f, r->approval->f, sizeof r->approval->f);
        APPROVAL_TEXTS(X)
#undef X
#define X(f) r->approval->f = get_int(x, #f);
        APPROVAL_INTS(X)
#undef X
    }
    if ((x = get(o, "subject"))) {
        struct run_subject *s = r->subject = calloc(1, sizeof *s);
        BUG_UNLESS(s != NULL);
        s->blobs_fd = -1;
        s->kind = get_int(x, "kind") == SUBJECT_TARGET ? SUBJECT_TARGET : SUBJECT_DISPOSABLE;
#define X(f) get_text(x, #f, s->f, sizeof s->f);
        SUBJECT_TEXTS(X)
#undef X
#define X(f) s->f = get_bool(x, #f);
        SUBJECT_BOOLS(X)
#undef X
    }
}

int record_from_json(const char *text, struct run_record *r, struct err *e) {
    cJSON *o = cJSON_Parse(text);
    const struct engine *en = engine_find(cJSON_GetStringValue(get(o, "engine")) ? get(o, "engine")->valuestring : "");
    if (!cJSON_IsObject(o) || get_int(o, "format") != 1 || !en) {
        cJSON_Delete(o);
        return err_set(e, ERR_PARSE, "the record of a waiting run cannot be read");
    }
#define X(f) r->f = (__typeof__(r->f))get_int(o, #f);
    INT_FIELDS(X)
#undef X
#define X(f) r->f = get_bool(o, #f);
    BOOL_FIELDS(X)
#undef X
#define X(f) get_text(o, #f, r->f, sizeof r->f);
    TEXT_FIELDS(X)
#undef X
    r->engine = en->name;
    r->cause_blocker = BLOCKER_COUNT;
    r->sandbox_json = get_bytes(o, "sandbox");
    read_gates(o, r);
    read_changes(o, r);
    read_lists(o, r);
    read_denied(o, r);
    read_phases(o, r);
    read_people(o, r);
    r->observed = observed_from_json(get(o, "observed"));
    r->model_use = model_use_from_json(get(o, "model_use"));
    if (!r->secrets) r->secrets = secrets_new(NULL);
    secrets_from_json(r->secrets, get(o, "secrets"));
    cJSON_Delete(o);
    return 0;
}

bool record_json_is_of(const char *text, const char *target, const char *branch, const char *old_head) {
    cJSON *o = cJSON_Parse(text);
    const cJSON *s = get(o, "subject");
    AUTO_FREE char *path = get_bytes(s, "path"), *on = get_bytes(s, "branch"), *head = get_bytes(s, "head");
    cJSON_Delete(o);
    return path && on && head && strcmp(path, target) == 0 && strcmp(on, branch) == 0 && strcmp(head, old_head) == 0;
}

void record_json_tree(const char *text, char ret[OID_SIZE]) {
    cJSON *o = cJSON_Parse(text);
    AUTO_FREE char *tree = get_bytes(get(o, "subject"), "tree");
    snprintf(ret, OID_SIZE, "%s", tree ? tree : "");
    cJSON_Delete(o);
}

void record_parts_release(struct record_parts *p) {
    free(p->case_json);
    free(p->task);
    free(p->engine_file);
    free(p->cases);
    *p = (struct record_parts){0};
}

int record_parts_from_json(const char *text, struct record_parts *ret, struct err *e) {
    cJSON *o = cJSON_Parse(text);
    *ret = (struct record_parts){.case_json = get_bytes(o, "case_json"),
                                 .task = get_bytes(o, "task"),
                                 .engine_file = get_bytes(o, "engine_file"),
                                 .cases = get_bytes(o, "cases"),
                                 .is_failure = get_bool(o, "is_failure")};
    get_text(o, "case_id", ret->case_id, sizeof ret->case_id);
    cJSON_Delete(o);
    if (ret->case_json && case_id_valid(ret->case_id)) return 0;
    record_parts_release(ret);
    return err_set(e, ERR_PARSE, "the record of a waiting run cannot be read");
}
