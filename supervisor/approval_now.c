/* approval_now.c - see approval_now.h. */
#include "supervisor/approval_now.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/secret_shape.h"

/* Of the backend's own; what else there is (its stage, say) decides on gates, not on the scope. */
static const char *const deciding[] = {"MODEL_PROVIDER", "MODEL", "BIN", "ENGINE_FILE", "STAGE5_TARGET_ADMISSION_FILE"};
#define N_DECIDING (sizeof deciding / sizeof deciding[0])
#define VARIABLE_MAX 96

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

static void variable(const struct engine *en, size_t i, char out[VARIABLE_MAX]) {
    snprintf(out, VARIABLE_MAX, "%s%s", en->variables, deciding[i]);
}

void approval_facts(struct gate_facts *f, const struct cto_case *c, const char *engine, struct store *s) {
    gate_facts_read(f, c, engine, s);
    if (f->subject == SUBJECT_TARGET && f->target.state == FACT_THERE) gate_facts_look(f, s);
}

cJSON *approval_settings(const struct engine *en) {
    cJSON *o = json_new_object();
    for (size_t i = 0; en->variables && i < N_DECIDING; i++) {
        char name[VARIABLE_MAX], real[PATH_MAX];
        variable(en, i, name);
        const char *value = getenv(name);
        if (!value || !value[0] || secret_shaped_text(value)) continue;
        const bool relative = strstr(deciding[i], "FILE") && value[0] != '/';
        json_put_str(o, name, relative && realpath(value, real) ? real : value);
    }
    return o;
}

/* What is not set here is as it was for the request, while its scope is computed. One bit for each that was set: to be put back. */
static unsigned borrow_settings(const struct engine *en, const cJSON *settings) {
    unsigned set = 0;
    for (size_t i = 0; en->variables && i < N_DECIDING; i++) {
        char name[VARIABLE_MAX];
        variable(en, i, name);
        const char *value = cJSON_GetStringValue(get(settings, name));
        if (value && !getenv(name) && setenv(name, value, 0) == 0) set |= 1u << i;
    }
    return set;
}

static void return_settings(const struct engine *en, unsigned set) {
    for (size_t i = 0; i < N_DECIDING; i++) {
        char name[VARIABLE_MAX];
        if (!(set >> i & 1u)) continue;
        variable(en, i, name);
        unsetenv(name);
    }
}

static void read_now(struct approval_now *ret, const struct cto_case *c, const struct engine *en, struct store *s) {
    struct err e = ERR_INIT;
    struct gate_facts *f = calloc(1, sizeof *f);
    BUG_UNLESS(f != NULL);
    approval_facts(f, c, en->name, s);
    const struct approval_for of = gate_facts_approval(f);
    ret->scope = gate_facts_scope(f, &e);
    if (ret->scope)
        approval_sentence(c, &of, ret->sentence);
    else
        snprintf(ret->why, sizeof ret->why, "%.290s", e.text);
    gate_facts_release(f);
    free(f);
}

void approval_now_read(struct approval_now *ret, const struct home *h, struct store *s, const char *task_id,
                       const char *engine, const cJSON *request) {
    const struct engine *en = engine_find(engine);
    struct cto_case c;
    struct err e = ERR_INIT;
    *ret = (struct approval_now){.scope = NULL};
    if (!en) {
        snprintf(ret->why, sizeof ret->why, "this build has no backend %.32s", engine);
    } else if (case_load(&c, h->cases, task_id, &e) < 0) {
        snprintf(ret->why, sizeof ret->why, "its case cannot be read: %.250s", e.text);
    } else {
        const unsigned set = borrow_settings(en, get(request, "settings"));
        read_now(ret, &c, en, s);
        return_settings(en, set);
        case_release(&c);
    }
}

void approval_now_release(struct approval_now *n) {
    cJSON_Delete(n->scope);
    n->scope = NULL;
}

/* --- comparison --------------------------------------------------------------------------------------------------------- */

static void note(cJSON *list, const char *outer, const char *key) {
    char text[PATH_MAX + 64];
    snprintf(text, sizeof text, "%s%s%s", outer, outer[0] ? " " : "", key);
    const size_t n = strlen(text);
    cJSON_AddItemToArray(list, json_is_utf8(text, n) ? cJSON_CreateString(text) : json_bytes(text, n));
}

/* Keys of objects one by one, as deep as they go; of anything else that it differs. */
static void compare(cJSON *list, const char *outer, const cJSON *then, const cJSON *now) {
    const cJSON *x;
    cJSON_ArrayForEach(x, now) if (!get(then, x->string)) note(list, outer, x->string);
    cJSON_ArrayForEach(x, then) {
        const cJSON *y = get(now, x->string);
        if (cJSON_IsObject(x) && cJSON_IsObject(y))
            compare(list, x->string, x, y);
        else if (!y || !cJSON_Compare(x, y, true))
            note(list, outer, x->string);
    }
}

cJSON *approval_now_differs(const struct approval_now *n, const cJSON *request) {
    cJSON *list = json_new_array();
    const cJSON *then = get(request, "scope");
    const char *sentence = cJSON_GetStringValue(get(request, "sentence"));
    if (!n->scope) {
        note(list, "", n->why);
        return list;
    }
    compare(list, "", then, n->scope);
    if (cJSON_GetArraySize(list) == 0 && (!sentence || strcmp(sentence, n->sentence) != 0)) note(list, "", "sentence");
    return list;
}

int approval_now_check(const struct home *h, struct store *s, const struct store_request *r, struct err *e) {
    char words[260] = "", scope[DIGEST_HEX_SIZE];
    struct approval_now *now = calloc(1, sizeof *now);
    cJSON *request = cJSON_Parse(r->document);
    BUG_UNLESS(now != NULL);
    approval_now_read(now, h, s, r->task_id, r->backend, request);
    cJSON *list = approval_now_differs(now, request);
    if (now->scope) approval_scope_digest(now->scope, scope);
    if (now->scope && cJSON_GetArraySize(list) == 0 && strcmp(scope, r->scope) != 0) note(list, "", "scope_digest");
    const cJSON *x;
    cJSON_ArrayForEach(x, list) {
        const size_t n = strlen(words);
        snprintf(words + n, sizeof words - n, "%s%s", n ? ", " : "", x->valuestring);
    }
    const bool same = cJSON_GetArraySize(list) == 0;
    cJSON_Delete(list);
    cJSON_Delete(request);
    approval_now_release(now);
    free(now);
    if (same) return 0;
    return err_set(e, ERR_USAGE,
                   "request %s is stale: no longer as asked: %s; make a new request: request new %s --engine %s", r->id,
                   words, r->task_id, r->backend);
}
