/* admission.h - records by which people decide what may be used: a model, a source, an executable, a target repository, the
 * choice of provider (design: governance, providers "Records").
 *
 * A record is a small JSON file that somebody writes and stands for. Reading is strict: every field of its kind, no other, each of
 * its type and bounds, nothing secret-shaped; the first thing that does not hold is named with file, line and field. What a kind's
 * fields are is data (admission_fields.c), from which reader, template and JSON Schema are made, so that they cannot differ.
 *
 * A valid record may still say no: `not_admitted`, `not_decided` and `discovery_only` are kept, and block.
 */
#ifndef CTO_SUPERVISOR_ADMISSION_H
#define CTO_SUPERVISOR_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/json.h"

enum admission_kind { ADMIT_MODEL, ADMIT_SOURCE, ADMIT_EXECUTABLE, ADMIT_TARGET, ADMIT_DECISION, ADMISSION_KINDS };

#define ADMISSION_SUBJECT_MAX 4096
#define ADMISSION_BYTES_MAX (64u << 10)
/* A record may be dated this far ahead of the host's clock, for a bare date written east of it. */
#define ADMISSION_AHEAD_MS (26ll * 3600 * 1000)

enum field_type {
    FIELD_ENUM,      /* one of `words` */
    FIELD_WORD,      /* letters, digits, . _ - : at most 128 bytes */
    FIELD_LINE,      /* one line of text, at most 2000 bytes */
    FIELD_LINES,     /* a list of such lines */
    FIELD_PATH,      /* absolute, in its shortest form, at most 4095 bytes */
    FIELD_URL,       /* https://, without user, password, query or fragment */
    FIELD_COMMIT,    /* 40 lower-case hex digits */
    FIELD_PIN,       /* those, or a tag as FIELD_WORD */
    FIELD_SHA256,    /* 64 of them */
    FIELD_WHEN,      /* clock_parse_when(), and not in the future */
    FIELD_ALLOWED,   /* a list of path rules, see common/path.h */
    FIELD_FORBIDDEN, /* a list of forbidden path rules */
    FIELD_ACTIONS,   /* a list of forbidden actions, each known */
    FIELD_BOOL
};

/* EMPTY: the key must be there, its text or list may be empty. */
enum field_need { FIELD_REQUIRED, FIELD_EMPTY, FIELD_OPTIONAL };

struct admission_field {
    const char *name;
    enum field_type type;
    enum field_need need;
    const char *const *words; /* of FIELD_ENUM, NULL-terminated */
    const char *example;      /* for templates: JSON text */
    const char *meaning;
};

struct admission;
struct admission_rules {
    const char *name;         /* "model": the word of the command line */
    const char *schema;       /* "model-admission": the schema's name */
    const char *title;        /* "Model admission" */
    const char *status_field; /* which field says whether it may be used */
    const char *when_field;   /* when it was said; NULL: the moment it was recorded */
    const struct admission_field *fields;
    size_t n_fields;
    /* What holds between fields of a well-formed record; complains with json_fail(). */
    void (*check)(struct json_obj *o);
    /* What it is about, from its fields. */
    void (*subject)(const cJSON *doc, char *out, size_t size);
    /* A valid record that says no: all the reasons, by admission_refuse(). */
    void (*judge)(struct admission *a);
};

const struct admission_rules *admission_rules(enum admission_kind k);
/* ADMISSION_KINDS when there is none of that name. */
enum admission_kind admission_kind_by_name(const char *name);

#define ADMISSION_REFUSALS 12
struct admission_refusal {
    const char *reason; /* a blocker's reason, static */
    char text[200];     /* one human sentence */
};

struct admission {
    enum admission_kind kind;
    cJSON *doc;                          /* owned */
    char subject[ADMISSION_SUBJECT_MAX]; /* what it is about: "provider/model", a path, a source's name, "provider" */
    char status[64];
    int64_t when_ms; /* 0: the record does not say */
    struct admission_refusal refusals[ADMISSION_REFUSALS];
    int n_refusals;               /* 0: it admits what it is about */
    char digest[DIGEST_HEX_SIZE]; /* of the record's bytes as they were read */
};

/* `file` is for messages. On error nothing is kept. */
int admission_read(enum admission_kind k, const char *file, const char *text, size_t len, struct admission *ret,
                   struct err *e);
void admission_release(struct admission *a);
/* A field's text; "" when it is absent or no string. */
const char *admission_text(const struct admission *a, const char *field);

void admission_refuse(struct admission *a, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The record as somebody would start to write it: every field, with an example; it says no, and it is valid where an example can
 * be. The caller owns both. */
cJSON *admission_template(enum admission_kind k);
cJSON *admission_schema(enum admission_kind k);

/* Is this the word of a backend, or no name at all? Nobody decides in its name. */
bool admission_actor_ok(const char *actor, struct err *e);
/* The reason in an option: one line of UTF-8, not shaped like a secret, at most 300 bytes. */
bool admission_why_ok(const char *why, bool may_be_empty, struct err *e);

#endif
