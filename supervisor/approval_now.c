/* approval_now.c - see approval_now.h. */
#include "supervisor/approval_now.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/secret_shape.h"

/* Of the backend's own, and the interpreter's, whose name is the engine file's; what else there is (its stage, say) decides on gates,
 * not on the scope. */
static const char *const deciding[] = {"MODEL_PROVIDER", "MODEL", "BIN", "ENGINE_FILE", "STAGE5_TARGET_ADMISSION_FILE"};
#define N_DECIDING ((int)(sizeof deciding / sizeof deciding[0]))
#define VARIABLE_MAX 96

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

void approval_facts(struct gate_facts *f, const struct cto_case *c, const char *engine, struct store *s) {
    gate_facts_read(f, c, engine, s);
    if (f->subject == SUBJECT_TARGET && f->target.state == FACT_THERE) gate_facts_look(f, s);
}

static void put_setting(cJSON *o, const struct engine *en, const char *word) {
    char name[VARIABLE_MAX], real[PATH_MAX];
    snprintf(name, sizeof name, "%s%s", en->variables, word);
    for (char *p = name; *p; p++) *p = (char)toupper((unsigned char)*p);
    const char *value = getenv(name);
    if (!value || !value[0] || secret_shaped_text(value)) return;
    const bool relative = strstr(word, "FILE") && value[0] != '/';
    json_put_str(o, name, relative && realpath(value, real) ? real : value);
}

cJSON *approval_settings(const struct gate_facts *f) {
    cJSON *o = json_new_object();
    if (!f->engine->variables) return o;
    for (int i = 0; i < N_DECIDING; i++) put_setting(o, f->engine, deciding[i]);
    if (f->file && f->file->interpreter_name) put_setting(o, f->engine, f->file->interpreter_name);
    return o;
}

/* What is not set here is as it was for the request, while its scope is computed. The names that were set, to be put back. */
static cJSON *borrow_settings(const struct engine *en, const cJSON *settings) {
    cJSON *set = json_new_array();
    const cJSON *x;
    if (!cJSON_IsObject(settings)) return set;
    cJSON_ArrayForEach(x, settings) {
        const bool own = en->variables && strncmp(x->string, en->variables, strlen(en->variables)) == 0;
        if (own && cJSON_IsString(x) && cJSON_GetArraySize(set) <= N_DECIDING && !getenv(x->string) &&
            setenv(x->string, x->valuestring, 0) == 0)
            cJSON_AddItemToArray(set, cJSON_CreateString(x->string));
    }
    return set;
}

static void return_settings(cJSON *set) {
    const cJSON *x;
    cJSON_ArrayForEach(x, set) unsetenv(x->valuestring);
    cJSON_Delete(set);
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
        cJSON *set = borrow_settings(en, get(request, "settings"));
        read_now(ret, &c, en, s);
        return_settings(set);
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
