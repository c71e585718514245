/* engine_file.c - see engine_file.h: the reader. What is read is an operator's, so it is trusted to ask; what it asks for is held
 * against what a file like this may hold at all: no secret, nothing of the jail's or the harness's own, no path into the host's. */
#include "supervisor/engine_file.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/path.h"
#include "supervisor/secret_shape.h"

#define DAY_S 86400
#define FILE_TEXT_MAX (32u << 10)

const char *const engine_api_words[] = {"none", "chat", "responses", NULL};
const char *const engine_output_words[] = {"text", "codex-jsonl", "pi-jsonl", "case", NULL};

static bool is_line(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f) return false;
    return true;
}

static bool is_text(const char *s) {
    for (; *s; s++)
        if (((unsigned char)*s < 0x20 && *s != '\n' && *s != '\t') || *s == 0x7f) return false;
    return true;
}

static bool is_variable(const char *s) {
    if (!isalpha((unsigned char)*s) && *s != '_') return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_') return false;
    return true;
}

/* The jail builds these itself; and a name of the harness's may stand for an endpoint. */
static bool is_ours(const char *name) {
    static const char *const own[] = {"PATH", "HOME", "USER",   "LOGNAME", "SHELL", "TMPDIR",
                                      "PWD",  "LANG", "LC_ALL", "TERM",    "TZ",    NULL};
    static const char *const prefixes[] = {"LD_", "GIT_", "CTO_", "HERMES_", NULL};
    for (int i = 0; own[i]; i++)
        if (strcmp(name, own[i]) == 0) return true;
    for (int i = 0; prefixes[i]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
    return false;
}

static const char *read_line(struct json_obj *o, const char *key, enum json_need need, size_t most) {
    const char *s = json_str(o, key, need, most);
    if (s && !is_line(s)) (void)json_fail(o, key, "holds a control character");
    if (s && secret_shaped_text(s)) (void)json_fail(o, key, "looks like a secret");
    return s;
}

/* A text with places: those that there are, and that this file has something for. */
static unsigned check_places(struct json_obj *o, const char *key, const struct engine_file *f, const char *text) {
    char unknown[32] = "";
    unsigned used = 0;
    if (!text) return 0;
    if (engine_places_used(text, &used, unknown) < 0)
        (void)json_fail(o, key, "%s is no place that there is; \"{{\" is a brace", unknown);
    if (used & PLACES_OF_MODEL && !f->uses_model)
        (void)json_fail(o, key, "a place of a model, and the file does not say uses_model");
    if (used & PLACE_BIT(program) && f->program == PROGRAM_FIXED)
        (void)json_fail(o, key, "{program}, and the file does not say program");
    if (used & PLACE_BIT(interpreter) && !f->interpreter_name)
        (void)json_fail(o, key, "{interpreter}, and the file does not say interpreter");
    return used;
}

/* --- what is started ------------------------------------------------------------------------------------------------------ */

static int read_list(struct json_obj *o, const char *key, enum json_need need, int max, const char **out) {
    const cJSON *a;
    int n = json_array(o, key, need, max, &a);
    for (int i = 0; i < n; i++) {
        out[i] = json_elem_str(o, key, a, i, ENGINE_FILE_WORD);
        char name[64];
        snprintf(name, sizeof name, "%s[%d]", key, i);
        if (out[i] && !is_line(out[i])) (void)json_fail(o, name, "holds a control character");
    }
    return n < 0 ? 0 : n;
}

static void read_program(struct json_obj *o, struct engine_file *f) {
    static const char *const kinds[] = {"file", "package", "packages", NULL};
    if (json_has(o, "program")) f->program = (enum engine_program)(PROGRAM_FILE + json_enum(o, "program", kinds, -1));
    f->interpreter_name = json_str(o, "interpreter", JSON_OPTIONAL, 32);
    const char *word = f->interpreter_name;
    if (word && (!*word || strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(word)))
        (void)json_fail(o, "interpreter", "lower-case letters and digits only");
    if (word && f->program == PROGRAM_FIXED) (void)json_fail(o, "interpreter", "needs a program to read");
}

static void read_command(struct json_obj *o, struct engine_file *f) {
    unsigned used = 0;
    f->n_command = read_list(o, "command", JSON_REQUIRED, SPEC_MAX_ARGV - 1, f->command);
    if (o->doc->bad) return;
    const char *first = f->n_command ? f->command[0] : "";
    if (first[0] != '/' && strcmp(first, "{program}") != 0 && strcmp(first, "{interpreter}") != 0)
        (void)json_fail(o, "command", "begins with the absolute path of a program, {program} or {interpreter}");
    for (int i = 0; i < f->n_command && !o->doc->bad; i++) {
        if (secret_shaped_text(f->command[i])) (void)json_fail(o, "command", "word %d looks like a secret", i);
        used |= check_places(o, "command", f, f->command[i]);
    }
    if (f->program != PROGRAM_FIXED && !(used & PLACE_BIT(program)))
        (void)json_fail(o, "command", "has no {program}, and the file says program");
}

static void read_stop(struct json_obj *o, struct engine_file *f) {
    static const char *const words[] = {"TERM", "INT", "HUP", "QUIT", NULL};
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    if (json_has(o, "stop_signal")) f->stop_signal = numbers[json_enum(o, "stop_signal", words, -1)];
    if (json_has(o, "stop_grace_ms") && !f->stop_signal)
        (void)json_fail(o, "stop_grace_ms", "there is no stop_signal to wait after");
    f->stop_grace_ms = json_int(o, "stop_grace_ms", ENGINE_STOP_GRACE_MS, 1, ENGINE_STOP_GRACE_MAX_MS);
}

static void read_model(struct json_obj *o, struct engine_file *f) {
    f->uses_model = json_bool(o, "uses_model", false);
    if (f->uses_model)
        f->api = json_enum(o, "api", engine_api_words + 1, -1) == 0 ? API_CHAT : API_RESPONSES;
    else if (json_has(o, "api"))
        (void)json_fail(o, "api", "of no model: the file does not say uses_model");
}

/* --- what it finds -------------------------------------------------------------------------------------------------------- */

static void check_value(struct json_obj *o, const char *name, const char *value) {
    if (value && secret_shaped_text(value))
        (void)json_fail(o, "environment", "%.60s is named or shaped like a secret; no backend is handed one", name);
    if (value && !json_is_utf8(value, strlen(value)))
        (void)json_fail(o, "environment", "the value of %.60s is not UTF-8", name);
    if (value && strlen(value) > ENGINE_FILE_WORD)
        (void)json_fail(o, "environment", "the value of %.60s is longer than %u bytes", name, ENGINE_FILE_WORD);
}

static void read_environment(struct json_obj *o, struct engine_file *f) {
    f->n_environment = read_list(o, "environment", JSON_OPTIONAL, ENGINE_FILE_ENV, f->environment);
    for (int i = 0; i < f->n_environment && !o->doc->bad; i++) {
        const char *name = f->environment[i];
        if (!is_variable(name)) { /* not quoted: whoever writes NAME=VALUE here wrote a value */
            (void)json_fail(o, "environment", "entry %d is no name of a variable; names only, never NAME=VALUE", i);
            continue;
        }
        if (is_ours(name)) (void)json_fail(o, "environment", "%.60s is the jail's or the harness's own", name);
        if (secret_shaped_name(name))
            (void)json_fail(o, "environment", "%.60s is named or shaped like a secret; no backend is handed one", name);
        check_value(o, name, getenv(name));
    }
}

static void read_variable(struct json_obj *o, struct engine_file *f, const char *name) {
    const char *value = read_line(o, name, JSON_REQUIRED, ENGINE_FILE_WORD);
    if (!value) return;
    if (!is_variable(name) || strlen(name) > 128) (void)json_fail(o, name, "is no name of a variable");
    if (is_ours(name)) (void)json_fail(o, name, "is the jail's or the harness's own");
    if (secret_shaped_name(name) && strcmp(value, "{key}") != 0)
        (void)json_fail(o, name, "is named like a secret: it can be the dummy \"{key}\", and nothing else");
    for (int i = 0; i < f->n_environment; i++)
        if (f->environment[i] && strcmp(f->environment[i], name) == 0)
            (void)json_fail(o, name, "is handed on from the environment already");
    (void)check_places(o, name, f, value);
    f->set[f->n_set++] = (struct engine_variable){name, value};
}

static void read_set(struct json_obj *o, struct engine_file *f) {
    struct json_obj s;
    if (!json_child(o, "set", JSON_OPTIONAL, &s)) return;
    if (cJSON_GetArraySize(s.node) > ENGINE_FILE_SET) {
        (void)json_fail(o, "set", "more than %d variables", ENGINE_FILE_SET);
        return;
    }
    for (const cJSON *item = s.node->child; item && !o->doc->bad; item = item->next) read_variable(&s, f, item->string);
    (void)json_end(&s);
}

static void check_path(struct json_obj *o, const struct engine_file *f, int i) {
    static const char *const places[] = {"{home}/", "{state}/"};
    const char *path = f->files[i].path, *rest = NULL;
    for (int k = 0; k < 2; k++)
        if (strncmp(path, places[k], strlen(places[k])) == 0) rest = path + strlen(places[k]);
    if (!rest || strchr(rest, '{') || !path_is_plain_relative(rest, strlen(rest)))
        (void)json_fail(o, "path", "a file below {home}/ or {state}/, without \".\" and \"..\"");
    for (int k = 0; k < i; k++)
        if (strcmp(f->files[k].path, path) == 0) (void)json_fail(o, "path", "the file is named twice");
}

static void read_file_of(struct json_obj *o, struct engine_file *f) {
    struct engine_made_file *m = &f->files[f->n_files];
    m->path = read_line(o, "path", JSON_REQUIRED, 255);
    m->text = json_str(o, "text", JSON_OPTIONAL, FILE_TEXT_MAX);
    const cJSON *doc = json_any(o, "json");
    if ((m->text != NULL) == (doc != NULL)) (void)json_fail(o, "text", "one of text and json is expected");
    if (o->doc->bad) return;
    check_path(o, f, f->n_files);
    f->n_files++;
    if (doc) {
        m->text = m->made = cJSON_Print(doc);
        BUG_UNLESS(m->made != NULL);
    }
    if (!is_text(m->text)) (void)json_fail(o, "text", "holds a control character");
    if (secret_shaped_text(m->text)) (void)json_fail(o, "text", "looks like a secret");
    (void)check_places(o, doc ? "json" : "text", f, m->text);
    (void)json_end(o);
}

static void read_files(struct json_obj *o, struct engine_file *f) {
    const cJSON *a;
    int n = json_array(o, "files", JSON_OPTIONAL, ENGINE_FILE_FILES, &a);
    for (int i = 0; i < n && !o->doc->bad; i++) {
        struct json_obj one;
        if (json_elem_obj(o, "files", a, i, &one)) read_file_of(&one, f);
    }
}

static void read_roots(struct json_obj *o, struct engine_file *f) {
    f->n_read_roots = read_list(o, "read_roots", JSON_OPTIONAL, ENGINE_FILE_ROOTS, f->read_roots);
    for (int i = 0; i < f->n_read_roots && !o->doc->bad; i++)
        if (f->read_roots[i][0] != '/') (void)json_fail(o, "read_roots", "entry %d is not absolute", i);
}

/* --- its end -------------------------------------------------------------------------------------------------------------- */

static int read_choice(struct json_obj *o, const char *key, const char *const *words) {
    return json_has(o, key) ? json_enum(o, key, words, 0) : -1;
}

static int64_t read_ms(struct json_obj *o, const char *key, int64_t most, int64_t scale) {
    return json_has(o, key) ? json_int(o, key, 0, 0, most) * scale : -1;
}

static void read_times(struct json_obj *o, struct engine_file *f) {
    static const char *const ends[] = {"quiet", "first_commit", "exit", NULL};
    struct json_obj t;
    f->commit = read_choice(o, "commit", commit_by_words);
    f->end_of_life = read_choice(o, "end_of_life", ends);
    f->grace_ms = read_ms(o, "grace_ms", 600000, 1);
    f->grace_max_ms = read_ms(o, "grace_max_ms", 3600000, 1);
    f->backend_ms = f->idle_ms = -1;
    if (!json_child(o, "timeouts", JSON_OPTIONAL, &t)) return;
    f->backend_ms = json_has(&t, "backend_s") ? json_int(&t, "backend_s", 0, 1, 7 * DAY_S) * 1000 : -1;
    f->idle_ms = read_ms(&t, "idle_s", DAY_S, 1000);
    (void)json_end(&t);
}

static void read_limits(struct json_obj *o, struct engine_file *f) {
    struct json_obj l;
    if (!json_child(o, "limits", JSON_OPTIONAL, &l)) return;
    f->limits.memory_bytes = json_int(&l, "memory_bytes", 0, 1 << 20, 1ll << 42);
    f->limits.processes = json_int(&l, "processes", 0, 2, 1 << 20);
    f->limits.cpu_s = json_int(&l, "cpu_s", 0, 1, 7 * DAY_S);
    f->limits.disk_bytes = json_int(&l, "disk_bytes", 0, 1 << 16, 1ll << 44);
    f->limits.inodes = json_int(&l, "inodes", 0, 16, 1ll << 32);
    f->limits.output_bytes = json_int(&l, "output_bytes", 0, 1, 1ll << 36);
    f->limits.log_lines = json_int(&l, "log_lines", 0, 1, 1ll << 32);
    (void)json_end(&l);
}

/* --- all of it ------------------------------------------------------------------------------------------------------------ */

static void read_names(struct json_obj *o, struct engine_file *f) {
    static const char *const yes_no[] = {"yes", "no", NULL};
    f->name = json_str(o, "name", JSON_REQUIRED, 64);
    if (f->name && (!*f->name || strspn(f->name, "abcdefghijklmnopqrstuvwxyz0123456789-._") != strlen(f->name)))
        (void)json_fail(o, "name", "lower-case letters, digits and - . _ only");
    f->summary = read_line(o, "summary", JSON_OPTIONAL, 200);
    f->version = read_line(o, "version", JSON_OPTIONAL, 64);
    f->tested = json_enum(o, "tested", yes_no, 1) == 0;
    if (f->tested && !f->version) (void)json_fail(o, "version", "tested with which one?");
}

static void read_all(struct json_obj *o, struct engine_file *f) {
    static const char *const inputs[] = {"none", "task", NULL};
    read_names(o, f);
    read_model(o, f); /* this and the next decide which places there are */
    read_program(o, f);
    read_command(o, f);
    read_environment(o, f);
    read_set(o, f);
    f->stdin_task = json_enum(o, "stdin", inputs, 0) == 1;
    read_files(o, f);
    read_roots(o, f);
    f->output = (enum engine_output)json_enum(o, "output", engine_output_words, 0);
    read_stop(o, f);
    read_times(o, f);
    read_limits(o, f);
    (void)json_end(o);
}

int engine_file_parse(struct engine_file *ret, const char *file, const char *text, size_t len, struct err *e) {
    *ret = (struct engine_file){.commit = -1, .end_of_life = -1};
    if (json_parse(&ret->doc, file, text, len, e) < 0) return -1;
    struct json_obj o = json_root(&ret->doc);
    read_all(&o, ret);
    if (ret->doc.bad) {
        if (e) *e = ret->doc.err;
        engine_file_release(ret);
        return -1;
    }
    digest_bytes(text, len, ret->digest);
    return 0;
}

int engine_file_read(struct engine_file *ret, const char *file, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    if (io_read_file_at(AT_FDCWD, file, ENGINE_FILE_BYTES_MAX, &text, e) < 0) return -1;
    return engine_file_parse(ret, file, buf_str(&text), text.len, e);
}

void engine_file_release(struct engine_file *f) {
    char *const owned[] = {f->shown, f->shown_at, f->program_at, f->interpreter, f->interpreter_at};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    for (int i = 0; i < f->n_files; i++) free(f->files[i].made);
    json_release(&f->doc);
    *f = (struct engine_file){0};
}
