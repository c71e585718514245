/* admission.c - the strict reader of records, see admission.h. What fields there are stands in admission_fields.c. */
#include "supervisor/admission.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/path.h"
#include "supervisor/case.h"
#include "supervisor/engines.h"
#include "supervisor/secret_shape.h"

#define LIST_MAX 128
#define WORD_LEN 128u
#define LINE_LEN 2000u
#define ACTOR_LEN 128u
#define WHY_LEN 300u

/* --- one value -------------------------------------------------------------------------------------------------------- */

static bool is_line(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f) return false;
    return true;
}

static bool is_word(const char *s) {
    if (*s == '-' || *s == '.' || strstr(s, "..")) return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("._-+@/", *s)) return false;
    return true;
}

static bool is_hex(const char *s, size_t n) { return strlen(s) == n && strspn(s, "0123456789abcdef") == n; }

/* Absolute and as short as it can be: two spellings of one path would be two subjects. */
static bool is_path(const char *s) {
    size_t n = strlen(s);
    if (s[0] != '/' || n < 2 || s[n - 1] == '/') return false;
    for (const char *p = s; p; p = strchr(p + 1, '/')) {
        size_t segment = strcspn(p + 1, "/");
        if (segment == 0 || (segment == 1 && p[1] == '.') || (segment == 2 && p[1] == '.' && p[2] == '.')) return false;
    }
    return true;
}

static bool is_url(const char *s) {
    static const char scheme[] = "https://";
    if (strncmp(s, scheme, sizeof scheme - 1) != 0) return false;
    const char *host = s + sizeof scheme - 1;
    if (!isalnum((unsigned char)*host)) return false;
    for (; *s; s++)
        if (*s <= ' ' || *s >= 0x7f || strchr("@?#\\\"<>", *s)) return false;
    return true;
}

/* What is wrong with a text of this type, or NULL. */
static const char *complaint(enum field_type type, const char *s) {
    int64_t when;
    switch (type) {
    case FIELD_PIN:
    case FIELD_WORD: return is_word(s) ? NULL : "letters, digits and . _ - + @ / only, and no \"..\"";
    case FIELD_PATH:
        return is_line(s) && is_path(s) ? NULL : "an absolute path in its shortest form, without a slash at its end";
    case FIELD_URL: return is_url(s) ? NULL : "an https:// address without user, query or fragment";
    case FIELD_COMMIT: return is_hex(s, 40) ? NULL : "40 lower-case hex digits are expected";
    case FIELD_SHA256: return is_hex(s, 64) ? NULL : "64 lower-case hex digits are expected";
    case FIELD_WHEN:
        if (clock_parse_when(s, &when) < 0) return "a date, or a time as 2026-11-22T11:19:14+01:00, is expected";
        return when <= clock_real_ms() + ADMISSION_AHEAD_MS ? NULL : "lies in the future by this host's clock";
    default: return is_line(s) ? NULL : "must be one line of text without control bytes";
    }
}

static size_t longest(enum field_type type) {
    switch (type) {
    case FIELD_PIN:
    case FIELD_WORD: return WORD_LEN;
    case FIELD_PATH: return ADMISSION_SUBJECT_MAX - 1;
    default: return LINE_LEN;
    }
}

static bool may_hold_secrets(enum field_type type) {
    return type == FIELD_LINE || type == FIELD_LINES || type == FIELD_WORD;
}

static void read_text(struct json_obj *o, const struct admission_field *f) {
    const char *s = json_str(o, f->name, f->need == FIELD_OPTIONAL ? JSON_OPTIONAL : JSON_REQUIRED, longest(f->type));
    if (!s) return;
    if (!*s) {
        if (f->need != FIELD_EMPTY) (void)json_fail(o, f->name, "must not be empty");
        return;
    }
    const char *wrong = complaint(f->type, s);
    if (wrong)
        (void)json_fail(o, f->name, "%s", wrong);
    else if (may_hold_secrets(f->type) ? secret_shaped_text(s) : secret_shaped_path(s))
        (void)json_fail(o, f->name, "looks like a secret; records hold names and classes, never values");
}

/* --- lists ------------------------------------------------------------------------------------------------------------ */

static const char *elem_complaint(enum field_type type, const char *s, struct err *e) {
    if (type == FIELD_ALLOWED || type == FIELD_FORBIDDEN)
        return path_rule_check(type == FIELD_ALLOWED ? PATH_ALLOWED : PATH_FORBIDDEN, s, e) == 0 ? NULL : e->text;
    if (type == FIELD_ACTIONS) {
        for (int i = 0; forbidden_actions_all[i]; i++)
            if (strcmp(forbidden_actions_all[i], s) == 0) return NULL;
        return "is not a forbidden action";
    }
    if (!*s || !is_line(s)) return "must be one line of text without control bytes, and not empty";
    return secret_shaped_text(s) ? "looks like a secret; records hold names and classes, never values" : NULL;
}

static void read_list(struct json_obj *o, const struct admission_field *f) {
    const cJSON *a;
    int n = json_array(o, f->name, f->need == FIELD_OPTIONAL ? JSON_OPTIONAL : JSON_REQUIRED, LIST_MAX, &a);
    if (n == 0 && f->need == FIELD_REQUIRED) (void)json_fail(o, f->name, "must not be empty");
    for (int i = 0; i < n; i++) {
        char name[96];
        struct err e = ERR_INIT;
        const char *s = json_elem_str(o, f->name, a, i, LINE_LEN), *wrong = s ? elem_complaint(f->type, s, &e) : NULL;
        snprintf(name, sizeof name, "%s[%d]", f->name, i);
        if (wrong) (void)json_fail(o, name, "%s", wrong);
        for (int k = 0; s && k < i; k++)
            if (cJSON_IsString(cJSON_GetArrayItem(a, k)) && strcmp(cJSON_GetArrayItem(a, k)->valuestring, s) == 0)
                (void)json_fail(o, name, "stands there twice");
    }
}

static void read_field(struct json_obj *o, const struct admission_field *f) {
    switch (f->type) {
    case FIELD_ENUM: (void)json_enum(o, f->name, f->words, -1); break;
    case FIELD_BOOL:
        if (!json_has(o, f->name)) (void)json_fail(o, f->name, "is missing");
        (void)json_bool(o, f->name, false);
        break;
    case FIELD_LINES:
    case FIELD_ALLOWED:
    case FIELD_FORBIDDEN:
    case FIELD_ACTIONS: read_list(o, f); break;
    default: read_text(o, f);
    }
}

/* --- the record --------------------------------------------------------------------------------------------------------- */

/* Before anything else, so that a message says what matters: a record with a key in it is worse than one with a typing error. */
static void refuse_secret_names(struct json_obj *o, const struct admission_rules *r) {
    for (const cJSON *c = o->node->child; c; c = c->next) {
        bool known = false;
        for (size_t i = 0; i < r->n_fields; i++) known = known || strcmp(r->fields[i].name, c->string) == 0;
        if (!known && secret_shaped_name(c->string))
            (void)json_fail(o, c->string, "looks like a secret; records hold names and classes, never values");
    }
}

static void take(struct admission *a, const struct admission_rules *r) {
    snprintf(a->status, sizeof a->status, "%s", admission_text(a, r->status_field));
    r->subject(a->doc, a->subject, sizeof a->subject);
    if (r->when_field) (void)clock_parse_when(admission_text(a, r->when_field), &a->when_ms);
    r->judge(a);
}

int admission_read(enum admission_kind k, const char *file, const char *text, size_t len, struct admission *ret,
                   struct err *e) {
    const struct admission_rules *r = admission_rules(k);
    struct json_doc doc;
    *ret = (struct admission){.kind = k};
    if (len > ADMISSION_BYTES_MAX)
        return err_set(e, ERR_USAGE, "%s: a record has at most %u bytes", file, ADMISSION_BYTES_MAX);
    if (json_parse(&doc, file, text, len, e) < 0) return -1;
    struct json_obj o = json_root(&doc);
    refuse_secret_names(&o, r);
    for (size_t i = 0; i < r->n_fields; i++) read_field(&o, &r->fields[i]);
    (void)json_end(&o);
    if (!doc.bad && r->check) r->check(&o);
    if (doc.bad) {
        if (e) *e = doc.err;
        json_release(&doc);
        return -1;
    }
    ret->doc = doc.root;
    doc.root = NULL;
    json_release(&doc);
    digest_bytes(text, len, ret->digest);
    take(ret, r);
    return 0;
}

void admission_release(struct admission *a) {
    cJSON_Delete(a->doc);
    a->doc = NULL;
}

const char *admission_text(const struct admission *a, const char *field) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(a->doc, field);
    return cJSON_IsString(v) ? v->valuestring : "";
}

void admission_refuse(struct admission *a, const char *reason, const char *fmt, ...) {
    BUG_UNLESS(a->n_refusals < ADMISSION_REFUSALS);
    struct admission_refusal *f = &a->refusals[a->n_refusals++];
    f->reason = reason;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
}

bool admission_why_ok(const char *why, bool may_be_empty, struct err *e) {
    if (!why || !*why) {
        if (may_be_empty) return true;
        err_set(e, ERR_USAGE, "--why TEXT is missing or empty");
    } else if (strlen(why) > WHY_LEN || !is_line(why) || !json_is_utf8(why, strlen(why))) {
        err_set(e, ERR_USAGE, "--why: at most %u bytes of text in one line", WHY_LEN);
    } else if (secret_shaped_text(why)) {
        err_set(e, ERR_USAGE, "--why: looks like a secret, and it is kept for ever");
    } else {
        return true;
    }
    return false;
}

static bool names_engine(const char *actor) {
    for (int i = 0; engine_at(i); i++)
        if (strcasecmp(engine_at(i)->name, actor) == 0) return true;
    return false;
}

bool admission_actor_ok(const char *actor, struct err *e) {
    if (!actor || !*actor) {
        err_set(e, ERR_USAGE, "--actor is missing: whose decision is it?");
    } else if (strlen(actor) > ACTOR_LEN || !is_line(actor) || !json_is_utf8(actor, strlen(actor))) {
        err_set(e, ERR_USAGE, "--actor: at most %u bytes of text in one line", ACTOR_LEN);
    } else if (actor[0] == ' ' || actor[strlen(actor) - 1] == ' ') {
        err_set(e, ERR_USAGE, "--actor: a name without blanks at its ends");
    } else if (names_engine(actor)) {
        err_set(e, ERR_USAGE, "--actor %s: that is a backend, and no backend decides anything", actor);
    } else {
        return true;
    }
    return false;
}
