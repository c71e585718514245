/* admission_schema.c - templates and JSON Schemas of records, made from the fields that the reader reads. What a schema cannot
 * say (a path's shortest form, what holds between fields) the reader says. */
#include <string.h>

#include "supervisor/admission.h"
#include "supervisor/case.h"

cJSON *admission_template(enum admission_kind k) {
    const struct admission_rules *r = admission_rules(k);
    cJSON *o = json_new_object();
    for (size_t i = 0; i < r->n_fields; i++) {
        if (!r->fields[i].example) continue;
        cJSON *v = cJSON_Parse(r->fields[i].example);
        BUG_UNLESS(v != NULL);
        json_put(o, r->fields[i].name, v);
    }
    return o;
}

static void put_words(cJSON *o, const char *const *words) {
    size_t n = 0;
    while (words[n]) n++;
    json_put(o, "enum", json_strings(words, n));
}

static void put_text(cJSON *o, const struct admission_field *f) {
    static const char *const patterns[] = {[FIELD_WORD] = "^[A-Za-z0-9_+@/][A-Za-z0-9._+@/-]*$",
                                           [FIELD_LINE] = "^[^\\u0000-\\u001f\\u007f]+$",
                                           [FIELD_PATH] = "^/.*[^/]$",
                                           [FIELD_PIN] = "^[A-Za-z0-9_+@/][A-Za-z0-9._+@/-]*$",
                                           [FIELD_URL] = "^https://[A-Za-z0-9][!-~]*$",
                                           [FIELD_COMMIT] = "^[0-9a-f]{40}$",
                                           [FIELD_SHA256] = "^[0-9a-f]{64}$",
                                           [FIELD_WHEN] = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?$"};
    json_put_str(o, "type", "string");
    json_put_int(o, "maxLength",
                 f->type == FIELD_WORD || f->type == FIELD_PIN ? 128
                 : f->type == FIELD_PATH                       ? ADMISSION_SUBJECT_MAX - 1
                                                               : 2000);
    if (f->need != FIELD_EMPTY) json_put_str(o, "pattern", patterns[f->type]);
}

static void put_list(cJSON *o, const struct admission_field *f) {
    cJSON *items = json_new_object();
    json_put_str(o, "type", "array");
    json_put_str(items, "type", "string");
    if (f->type == FIELD_ACTIONS) put_words(items, forbidden_actions_all);
    json_put(o, "items", items);
    json_put_bool(o, "uniqueItems", true);
    if (f->need == FIELD_REQUIRED) json_put_int(o, "minItems", 1);
}

static cJSON *property(const struct admission_field *f) {
    cJSON *o = json_new_object();
    json_put_str(o, "description", f->meaning);
    switch (f->type) {
    case FIELD_ENUM: put_words(o, f->words); break;
    case FIELD_BOOL: json_put_str(o, "type", "boolean"); break;
    case FIELD_LINES:
    case FIELD_ALLOWED:
    case FIELD_FORBIDDEN:
    case FIELD_ACTIONS: put_list(o, f); break;
    default: put_text(o, f);
    }
    return o;
}

cJSON *admission_schema(enum admission_kind k) {
    const struct admission_rules *r = admission_rules(k);
    cJSON *o = json_new_object(), *properties = json_new_object(), *required = cJSON_CreateArray();
    BUG_UNLESS(required != NULL);
    char id[96] = "urn:cto-harness:schema:";
    strncat(id, r->schema, sizeof id - strlen(id) - 1);
    json_put_str(o, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_put_str(o, "$id", id);
    json_put_str(o, "title", r->title);
    json_put_str(o, "type", "object");
    for (size_t i = 0; i < r->n_fields; i++) {
        json_put(properties, r->fields[i].name, property(&r->fields[i]));
        if (r->fields[i].need != FIELD_OPTIONAL) cJSON_AddItemToArray(required, cJSON_CreateString(r->fields[i].name));
    }
    json_put(o, "properties", properties);
    json_put(o, "required", required);
    json_put_bool(o, "additionalProperties", false);
    return o;
}
