/* secrets.c - see secrets.h. */
#include "supervisor/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *secret_place_name(enum secret_place p) {
    static const char *const names[] = {
#define X(name, text) text,
        SECRET_PLACES(X)
#undef X
    };
    return names[p];
}

struct secrets *secrets_new(struct redactor *take) {
    struct secrets *s = calloc(1, sizeof *s);
    BUG_UNLESS(s != NULL);
    s->redactor = take;
    return s;
}

void secrets_free(struct secrets *s) {
    if (!s) return;
    redactor_free(s->redactor);
    free(s);
}

bool secrets_known(const struct secrets *s) { return s && redactor_names(s->redactor) > 0; }

static void add(struct secrets *s, enum secret_place where, const uint64_t found[REDACT_VALUES_MAX]) {
    for (int i = 0; i < redactor_names(s->redactor); i++) s->redacted[i][where] += found[i];
}

char *secrets_clean(struct secrets *s, enum secret_place where, const void *p, size_t n, size_t *ret_n) {
    uint64_t found[REDACT_VALUES_MAX] = {0};
    char *text = secrets_known(s) ? redact_text(s->redactor, p, n, ret_n, found) : NULL;
    if (text) add(s, where, found);
    return text;
}

static void clean_text(struct secrets *s, enum secret_place where, char **text) {
    if (!*text) return;
    char *clean = secrets_clean(s, where, *text, strlen(*text), NULL);
    if (!clean) return;
    char *copy = cJSON_malloc(strlen(clean) + 1);
    BUG_UNLESS(copy != NULL);
    memcpy(copy, clean, strlen(clean) + 1);
    free(clean);
    cJSON_free(*text);
    *text = copy;
}

/* As deep as we nest ourselves, and as cJSON reads. */
void secrets_clean_json(struct secrets *s, enum secret_place where, cJSON *o) {
    if (!secrets_known(s)) return;
    for (cJSON *x = o; x; x = x->next) {
        if (!(x->type & cJSON_StringIsConst)) clean_text(s, where, &x->string);
        if (!(x->type & cJSON_IsReference)) clean_text(s, where, &x->valuestring);
        secrets_clean_json(s, where, x->child);
        if (x == o && !o->prev) break; /* a tree of its own: no sibling of it is meant */
    }
}

void secrets_take(struct secrets *s, enum secret_place where, struct redact_stream *from) {
    uint64_t found[REDACT_VALUES_MAX] = {0};
    if (!s || !from) return;
    redact_take_found(from, found);
    add(s, where, found);
}

void secrets_take_findings(struct secrets *s, enum secret_place where, struct secret_scan *from) {
    if (!s) return;
    for (int i = 0; i < SHAPE_COUNT; i++) s->findings[i][where] += from->found[i];
    memset(from->found, 0, sizeof from->found);
}

static void leak(struct secrets *s, enum secret_place where, const char *name) {
    if (s->leaked) return;
    s->leaked = true;
    snprintf(s->leak, sizeof s->leak, "the committed result holds the value of %s: found in %s", name,
             secret_place_name(where));
}

bool secrets_leaks(struct secrets *s, enum secret_place where, const void *p, size_t n) {
    uint64_t found[REDACT_VALUES_MAX] = {0};
    char *text = secrets_known(s) ? redact_text(s->redactor, p, n, NULL, found) : NULL;
    if (!text) return false;
    free(text);
    for (int i = 0; i < redactor_names(s->redactor); i++)
        if (found[i] > 0) leak(s, where, redactor_name(s->redactor, i));
    return true;
}

bool secrets_stream_leaks(struct secrets *s, enum secret_place where, const struct redact_stream *from) {
    if (!s || !from || redact_found_any(from) == 0) return false;
    for (int i = 0; i < redactor_names(s->redactor); i++)
        if (redact_found(from, i) > 0) leak(s, where, redactor_name(s->redactor, i));
    return true;
}

/* --- the report ----------------------------------------------------------------------------------------------------------- */

static cJSON *counts(const struct secrets *s, bool *ret_any) {
    cJSON *a = json_new_array();
    for (int i = 0; s && i < redactor_names(s->redactor); i++)
        for (int w = 0; w < SECRET_PLACE_COUNT; w++) {
            if (s->redacted[i][w] == 0) continue;
            cJSON *o = json_new_object();
            json_put_str(o, "name", redactor_name(s->redactor, i));
            json_put_str(o, "where", secret_place_name((enum secret_place)w));
            json_put_int(o, "count", (int64_t)s->redacted[i][w]);
            cJSON_AddItemToArray(a, o);
            *ret_any = true;
        }
    return a;
}

static cJSON *findings(const struct secrets *s) {
    cJSON *a = json_new_array();
    for (int i = 0; s && i < SHAPE_COUNT; i++)
        for (int w = 0; w < SECRET_STREAMS; w++) {
            if (s->findings[i][w] == 0) continue;
            cJSON *o = json_new_object();
            json_put_str(o, "shape", secret_shape_name((enum secret_shape)i));
            json_put_str(o, "where", secret_place_name((enum secret_place)w));
            json_put_int(o, "count", (int64_t)s->findings[i][w]);
            cJSON_AddItemToArray(a, o);
        }
    return a;
}

void secrets_put(cJSON *report, const struct secrets *s, bool counted) {
    bool any = false;
    cJSON *a = counts(s, &any);
    json_put(report, "secret_redacted", counted ? cJSON_CreateBool(any) : cJSON_CreateNull());
    json_put(report, "secret_redactions", a);
    json_put(report, "secret_findings", findings(s));
}

static void put_counts_md(struct buf *b, const struct secrets *s) {
    for (int i = 0; i < redactor_names(s->redactor); i++)
        for (int w = 0; w < SECRET_PLACE_COUNT; w++)
            if (s->redacted[i][w] > 0)
                buf_printf(b, "- `%s` in %s: %llu\n", redactor_name(s->redactor, i),
                           secret_place_name((enum secret_place)w), (unsigned long long)s->redacted[i][w]);
}

static void put_findings_md(struct buf *b, const struct secrets *s) {
    bool any = false;
    for (int i = 0; i < SHAPE_COUNT; i++)
        for (int w = 0; w < SECRET_STREAMS; w++) {
            if (s->findings[i][w] == 0) continue;
            if (!any)
                buf_puts(b, "\nShapes of credentials, to be looked at (a shape is no proof, and no verdict):\n\n");
            any = true;
            buf_printf(b, "- %s in `%s`: %llu\n", secret_shape_name((enum secret_shape)i),
                       secret_place_name((enum secret_place)w), (unsigned long long)s->findings[i][w]);
        }
}

void secrets_put_md(struct buf *b, const struct secrets *s, bool counted) {
    bool any = false, found = false;
    if (!s) return;
    cJSON_Delete(counts(s, &any));
    cJSON *list = findings(s);
    found = cJSON_GetArraySize(list) > 0;
    cJSON_Delete(list);
    if (!any && !found && !s->leaked) return;
    buf_puts(b, "\n## Secrets\n\n");
    if (s->leaked) buf_printf(b, "**%s.** `patch.diff` is withheld, and nothing was landed.\n\n", s->leak);
    if (any)
        buf_puts(
            b, "Values that the harness was given were found and replaced by `[redacted:NAME]` before they reached the "
               "disk:\n\n");
    if (any) put_counts_md(b, s);
    if (!counted) buf_puts(b, "\nWhat its supervisor had replaced until it died is not counted.\n");
    put_findings_md(b, s);
}

cJSON *secrets_to_json(const struct secrets *s) {
    cJSON *o = json_new_object();
    secrets_put(o, s, true);
    return o;
}

/* A name that this process knows no value of is counted under its name all the same. */
static int index_of(struct secrets *s, const char *name) {
    for (int i = 0; i < redactor_names(s->redactor); i++)
        if (strcmp(redactor_name(s->redactor, i), name) == 0) return i;
    return redactor_add_name(s->redactor, name);
}

static const char *text_of(const cJSON *o, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return text ? text : "";
}

static uint64_t count_of(const cJSON *o) { return json_exact_count(cJSON_GetObjectItemCaseSensitive(o, "count")); }

void secrets_from_json(struct secrets *s, const cJSON *o) {
    const cJSON *x;
    if (!s->redactor) BUG_UNLESS(redactor_new(NULL, 0, &s->redactor, NULL) == 0);
    cJSON_ArrayForEach(x, cJSON_GetObjectItemCaseSensitive(o, "secret_redactions")) {
        const int i = index_of(s, text_of(x, "name"));
        for (int w = 0; i >= 0 && w < SECRET_PLACE_COUNT; w++)
            if (strcmp(secret_place_name((enum secret_place)w), text_of(x, "where")) == 0)
                s->redacted[i][w] += count_of(x);
    }
    cJSON_ArrayForEach(x, cJSON_GetObjectItemCaseSensitive(o, "secret_findings")) {
        for (int i = 0; i < SHAPE_COUNT; i++)
            for (int w = 0; w < SECRET_STREAMS; w++)
                if (strcmp(secret_shape_name((enum secret_shape)i), text_of(x, "shape")) == 0 &&
                    strcmp(secret_place_name((enum secret_place)w), text_of(x, "where")) == 0)
                    s->findings[i][w] += count_of(x);
    }
}
