/* case_steps.c - the vocabulary of fake lanes as one table, and its structural check.
 *
 * The fake agent reads the same JSON inside the jail, where a mistake would look like a failing backend: a typing error
 * in a case must not become a verdict about an agent. So the words, their keys, types and bounds are checked here, when
 * the case is read, with file and line. The table says what may be written; what a step does is the fake agent's
 * matter.
 *
 * Keys are checked by the strict reader (json.h): a key that the row does not list stays unclaimed and is an error.
 */
#include "supervisor/case_steps.h"

#include <arpa/inet.h>
#include <string.h>

#include "supervisor/case.h"

#define MAX_KEYS 7
#define MAX_TEXT (64u << 10)
#define MAX_ARGS 64
#define MAX_NEST 4

enum key_type {
    KEY_NONE,
    KEY_NAME, /* a path or another non-empty text: hostile ones ("../x", "/etc/passwd") are what some lanes are about */
    KEY_TEXT, /* any text, "" too */
    KEY_BASE64, /* text of the base64 alphabet */
    KEY_INT,
    KEY_BOOL,
    KEY_MODE,    /* octal digits */
    KEY_WORDS,   /* array of text */
    KEY_STEPS,   /* array of steps */
    KEY_ADDRESS, /* an IPv4 address */
    KEY_ENUM,    /* one of the rule's words */
};

enum need { OPT, MUST, ONE_OF }; /* ONE_OF: exactly one of the row's keys with this mark */

struct key_rule {
    const char *name;
    enum key_type type;
    enum need need;
    int64_t lo, hi;           /* KEY_INT */
    const char *const *words; /* KEY_ENUM */
};

struct step_rule {
    const char *word;
    struct key_rule keys[MAX_KEYS];
};

static const char *const stream_words[] = {"stdout", "stderr", NULL};
static const char *const read_words[] = {"present", "missing", "denied", NULL};
static const char *const connect_words[] = {"failed", "refused", "connected", NULL};
static const char *const signal_words[] = {"KILL", "TERM", "INT",  "HUP",  "QUIT", "SEGV", "ABRT", "BUS",
                                           "FPE",  "ILL",  "PIPE", "USR1", "STOP", "XCPU", "XFSZ", NULL};

#define KEY(name, type, need) \
    { name, KEY_##type, need, 0, 0, NULL }
#define INT_KEY(name, need, lo, hi) \
    { name, KEY_INT, need, lo, hi, NULL }
#define ENUM_KEY(name, need, words) \
    { name, KEY_ENUM, need, 0, 0, words }
#define PATH_KEY(name) KEY(name, NAME, MUST)
#define MAY_FAIL KEY("may_fail", BOOL, OPT)
#define HOUR_MS 3600000

static const struct step_rule step_rules[] = {
    {"write",
     {PATH_KEY("path"), KEY("text", TEXT, ONE_OF), KEY("base64", BASE64, ONE_OF),
      INT_KEY("repeat_byte", ONE_OF, 0, 255),
      INT_KEY("size", OPT, 0, INT64_C(1) << 40), /* with repeat_byte: check_size() */
      KEY("mode", MODE, OPT)}},
    {"append", {PATH_KEY("path"), KEY("text", TEXT, MUST)}},
    {"replace", {PATH_KEY("path"), KEY("old", NAME, MUST), KEY("new", TEXT, MUST)}},
    {"delete", {PATH_KEY("path")}},
    {"rename", {PATH_KEY("from"), PATH_KEY("to")}},
    {"chmod", {PATH_KEY("path"), KEY("mode", MODE, MUST)}},
    {"symlink", {PATH_KEY("path"), PATH_KEY("target")}},
    {"mkdir", {PATH_KEY("path")}},
    {"fifo", {PATH_KEY("path")}},
    {"write_many", {PATH_KEY("dir"), INT_KEY("count", MUST, 1, 1000000), INT_KEY("size", MUST, 0, 1 << 30)}},
    {"read", {PATH_KEY("path"), ENUM_KEY("expect", MUST, read_words)}},
    {"git", {KEY("args", WORDS, MUST), MAY_FAIL}},
    {"commit", {KEY("message", NAME, MUST), KEY("paths", WORDS, OPT)}},
    {"exec", {KEY("argv", WORDS, MUST), MAY_FAIL}},
    {"connect", {KEY("host", ADDRESS, MUST), INT_KEY("port", MUST, 1, 65535), ENUM_KEY("expect", OPT, connect_words)}},
    {"output",
     {ENUM_KEY("stream", OPT, stream_words), KEY("text", TEXT, ONE_OF), KEY("base64", BASE64, ONE_OF),
      INT_KEY("repeat", OPT, 1, INT64_C(1) << 40)}},
    {"sleep", {INT_KEY("ms", MUST, 0, HOUR_MS)}},
    {"spawn",
     {INT_KEY("ms", MUST, 0, HOUR_MS), KEY("setsid", BOOL, OPT), KEY("ignore_signals", BOOL, OPT),
      KEY("double_fork", BOOL, OPT), KEY("hold_stdout", BOOL, OPT), KEY("text", TEXT, OPT), KEY("then", STEPS, OPT)}},
    {"exit", {INT_KEY("code", MUST, 0, 255)}},
    {"signal", {ENUM_KEY("signal", MUST, signal_words)}},
    {"say_done", {{0}}},
    {"hang", {{0}}},
    {"expect_fail", {KEY("steps", STEPS, MUST)}},
};
#define N_STEP_RULES (sizeof(step_rules) / sizeof(step_rules[0]))

static int check_array(struct json_obj *o, const char *key, enum json_need need, int depth);

static void check_mode(struct json_obj *o, const char *key, enum json_need need) {
    const char *s = json_str(o, key, need, 8);
    if (!s) return;
    size_t n = strlen(s);
    if (n < 3 || n > 4 || strspn(s, "01234567") != n)
        (void)json_fail(o, key, "\"%s\" is not an octal mode such as \"755\"", s);
}

static void check_base64(struct json_obj *o, const char *key, enum json_need need) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *s = json_str(o, key, need, MAX_TEXT);
    if (!s) return;
    size_t n = strlen(s), data = strspn(s, alphabet);
    size_t pad = n - data;
    if (n % 4 != 0 || pad > 2 || strspn(s + data, "=") != pad) (void)json_fail(o, key, "not base64 with padding");
}

static void check_words(struct json_obj *o, const char *key, enum json_need need) {
    const cJSON *array = NULL;
    int n = json_array(o, key, need, MAX_ARGS, &array);
    if (n == 0) (void)json_fail(o, key, "must not be empty");
    for (int i = 0; i < n && !o->doc->bad; i++) (void)json_elem_str(o, key, array, i, MAX_TEXT);
}

static void check_key(struct json_obj *o, const struct key_rule *k, int depth) {
    struct in_addr address;
    enum json_need need = k->need == MUST ? JSON_REQUIRED : JSON_OPTIONAL;
    const char *s;
    switch (k->type) {
    case KEY_NAME:
        s = json_str(o, k->name, need, MAX_TEXT);
        if (s && !*s) (void)json_fail(o, k->name, "must not be empty");
        break;
    case KEY_TEXT: (void)json_str(o, k->name, need, MAX_TEXT); break;
    case KEY_BASE64: check_base64(o, k->name, need); break;
    case KEY_INT: (void)json_int(o, k->name, need == JSON_REQUIRED ? JSON_INT_REQUIRED : k->lo, k->lo, k->hi); break;
    case KEY_BOOL: (void)json_bool(o, k->name, false); break;
    case KEY_MODE: check_mode(o, k->name, need); break;
    case KEY_ENUM: (void)json_enum(o, k->name, k->words, need == JSON_REQUIRED ? -1 : 0); break;
    case KEY_ADDRESS:
        s = json_str(o, k->name, need, 64);
        if (s && inet_pton(AF_INET, s, &address) != 1) (void)json_fail(o, k->name, "\"%s\" is not an IPv4 address", s);
        break;
    case KEY_WORDS: check_words(o, k->name, need); break;
    case KEY_STEPS:
        if (need == JSON_REQUIRED || json_has(o, k->name)) (void)check_array(o, k->name, need, depth + 1);
        break;
    case KEY_NONE: break;
    }
}

/* "size" says how often repeat_byte is written: neither means anything alone. */
static void check_size(struct json_obj *o) {
    bool repeated = json_has(o, "repeat_byte"), sized = json_has(o, "size");
    if (repeated && !sized) (void)json_fail(o, "repeat_byte", "needs \"size\" beside it");
    if (sized && !repeated) (void)json_fail(o, "size", "only together with \"repeat_byte\"");
}

static void check_one_of(struct json_obj *o, const struct step_rule *r) {
    int marked = 0, given = 0;
    const char *first = NULL;
    for (int i = 0; i < MAX_KEYS && r->keys[i].name; i++) {
        if (r->keys[i].need != ONE_OF) continue;
        marked++;
        if (!first) first = r->keys[i].name;
        if (json_has(o, r->keys[i].name)) given++;
    }
    if (marked > 0 && given != 1)
        (void)json_fail(o, first, "\"%s\" needs exactly one content key, and has %d", r->word, given);
}

static void unknown_step(struct json_obj *o, const char *word) {
    const char *known[N_STEP_RULES];
    char hint[160];
    for (size_t i = 0; i < N_STEP_RULES; i++) known[i] = step_rules[i].word;
    case_suggest(word, known, (int)N_STEP_RULES, hint, sizeof(hint));
    (void)json_fail(o, "do", "\"%s\" is not a step%s", word, hint);
}

static void check_step(struct json_obj *o, int depth) {
    const char *word = json_str(o, "do", JSON_REQUIRED, 32);
    if (!word) return;
    const struct step_rule *r = NULL;
    for (size_t i = 0; i < N_STEP_RULES && !r; i++)
        if (strcmp(step_rules[i].word, word) == 0) r = &step_rules[i];
    if (!r) {
        unknown_step(o, word);
        return;
    }
    for (int i = 0; i < MAX_KEYS && r->keys[i].name; i++) check_key(o, &r->keys[i], depth);
    check_one_of(o, r);
    if (strcmp(word, "write") == 0) check_size(o);
    (void)json_end(o);
}

static int check_array(struct json_obj *o, const char *key, enum json_need need, int depth) {
    const cJSON *array = NULL;
    if (depth > MAX_NEST) return json_fail(o, key, "steps within steps: at most %d levels", MAX_NEST);
    int n = json_array(o, key, need, CASE_MAX_STEPS, &array);
    for (int i = 0; i < n; i++) {
        struct json_obj step;
        if (!json_elem_obj(o, key, array, i, &step)) return -1;
        check_step(&step, depth);
        if (o->doc->bad) return -1;
    }
    return o->doc->bad ? -1 : n;
}

int case_steps_check(struct json_obj *o, const char *key, enum json_need need) { return check_array(o, key, need, 0); }
