/* engine_use.c - an engine file in use: the program that it means on this host, the case as it has it, and what the worker and the
 * evidence are told. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/path.h"
#include "supervisor/engine_file.h"

#define AGENTS "/opt/agent/"
#define TREE "node_modules"
#define PROGRAM_MAX (1ll << 30) /* what is larger is not hashed: the supervisor waits for it */

/* --- the program ---------------------------------------------------------------------------------------------------------- */

/* Links are followed, as exec does: /bin/sh is one. What is there only inside the jail has no digest here. */
static void digest_program(const char *path, char sha256[DIGEST_HEX_SIZE]) {
    struct stat st;
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PROGRAM_MAX ||
        digest_fd(fd, sha256, NULL, NULL) < 0)
        sha256[0] = '\0';
}

static char *join(const char *a, const char *b) {
    AUTO_BUF struct buf out = BUF_INIT(16u << 10);
    buf_puts(&out, a);
    buf_puts(&out, b);
    char *text = buf_detach(&out);
    BUG_UNLESS(text != NULL);
    return text;
}

#define VARIABLE_MAX 96

static const char *variable_of(const char *variables, const char *name, char out[VARIABLE_MAX]) {
    snprintf(out, VARIABLE_MAX, "%s%s", variables, name);
    for (char *p = out + strlen(variables); *p; p++) *p = (char)toupper((unsigned char)*p);
    return out;
}

/* The path that a setting holds. NULL: it is not set, or is none; then e says so. */
static const char *setting(const char *variables, const char *name, bool needed, struct err *e) {
    char variable[VARIABLE_MAX];
    const char *path = getenv(variable_of(variables, name, variable));
    if (!path || !path[0]) {
        if (needed) err_set(e, ERR_USAGE, "set %s to the program", variable);
        return NULL;
    }
    if (path[0] == '/' && strlen(path) < 4096 && path_is_plain_relative(path + 1, strlen(path) - 1)) return path;
    err_set(e, ERR_USAGE, "%s is no absolute path, or has \"..\" or a double slash in it", variable);
    return NULL;
}

/* How much of "@scope/name/..." is the name; 0: nothing comes after it. */
static size_t package_name(const char *p) {
    size_t n = strcspn(p, "/");
    if (p[0] == '@' && p[n] == '/') n += 1 + strcspn(p + n + 1, "/");
    return p[n] == '/' ? n : 0;
}

/* The package that a program belongs to, or all that are beside it: what it loads lies there. */
static int show_package(struct engine_file *f, const char *path, struct err *e) {
    const char *tree = NULL;
    for (const char *p = path; (p = strstr(p, "/" TREE "/")) != NULL; p++) tree = p;
    const size_t name = tree ? package_name(tree + sizeof "/" TREE) : 0;
    if (name == 0) return err_set(e, ERR_USAGE, "the program is in no package: there is no " TREE " above it");
    const size_t up_to = (size_t)(tree - path) + sizeof "/" TREE - 1;
    f->shown = strndup(path, f->program == PROGRAM_PACKAGE ? up_to + 1 + name : up_to);
    BUG_UNLESS(f->shown != NULL);
    f->shown_at = join(AGENTS, f->shown + (tree + 1 - path));
    f->program_at = join(AGENTS, tree + 1);
    return 0;
}

static void show_file(struct engine_file *f, const char *path) {
    f->shown = join(path, "");
    f->shown_at = join(AGENTS, strrchr(path, '/') + 1);
    f->program_at = join(f->shown_at, "");
}

/* It has no admission of its own: what it was is in the evidence. */
static int find_interpreter(struct engine_file *f, const char *variables, struct err *e) {
    struct err why = ERR_INIT;
    if (!f->interpreter_name) return 0;
    const char *path = setting(variables, f->interpreter_name, false, &why);
    if (!path && why.code != ERR_NONE) {
        *e = why;
        return -1;
    }
    f->interpreter = path ? join(path, "") : NULL;
    f->interpreter_at = join(path ? AGENTS "bin/" : "", f->interpreter_name);
    if (path) digest_program(path, f->interpreter_sha256);
    return 0;
}

static void bind(struct engine_file *f) {
    for (f->n_bound = 0; f->n_bound < f->n_read_roots; f->n_bound++) f->bound[f->n_bound] = f->read_roots[f->n_bound];
    if (f->shown && f->program != PROGRAM_FILE) f->bound[f->n_bound++] = f->shown;
    if (f->interpreter) f->bound[f->n_bound++] = f->interpreter;
}

int engine_file_find(struct engine_file *f, const char *variables, bool digest, struct err *e) {
    bind(f);
    if (f->program == PROGRAM_FIXED) {
        if (digest) digest_program(f->command[0], f->sha256);
        return 0;
    }
    const char *path = setting(variables, "BIN", true, e);
    if (!path) return -1;
    if (f->program == PROGRAM_FILE)
        show_file(f, path);
    else if (show_package(f, path, e) < 0)
        return -1;
    if (digest) digest_program(path, f->sha256);
    if (find_interpreter(f, variables, e) < 0) return -1;
    bind(f);
    return 0;
}

static int is_there(const char *variables, const char *name, const char *path, struct err *e) {
    char variable[VARIABLE_MAX], real[PATH_MAX];
    struct stat st;
    (void)variable_of(variables, name, variable);
    if (!realpath(path, real) || stat(path, &st) < 0)
        return err_set(e, ERR_USAGE, "what %s names: %s", variable, strerror(errno));
    if (strcmp(path, real) != 0)
        return err_set(e, ERR_USAGE, "the path of %s holds a symbolic link; name where it leads (readlink -f)",
                       variable);
    if (!S_ISREG(st.st_mode)) return err_set(e, ERR_USAGE, "what %s names is no file", variable);
    return 0;
}

int engine_file_there(const struct engine_file *f, const char *variables, struct err *e) {
    if (f->program != PROGRAM_FIXED) {
        const char *path = setting(variables, "BIN", true, e);
        if (!path || is_there(variables, "BIN", path, e) < 0) return -1;
    }
    return f->interpreter ? is_there(variables, f->interpreter_name, f->interpreter, e) : 0;
}

/* --- the case ------------------------------------------------------------------------------------------------------------- */

static void tighten(int64_t *limit, int64_t other) {
    if (other > 0 && (*limit == 0 || other < *limit)) *limit = other;
}

static void choose(int64_t *ms, int64_t other) {
    if (other >= 0) *ms = other;
}

struct cto_case engine_file_apply(const struct engine_file *f, const struct cto_case *c) {
    struct cto_case r = *c;
    if (f->commit >= 0) r.commit = (enum commit_by)f->commit;
    if (f->end_of_life >= 0) r.end_of_life = (enum end_of_life)f->end_of_life;
    choose(&r.grace_ms, f->grace_ms);
    choose(&r.grace_max_ms, f->grace_max_ms);
    choose(&r.backend_timeout_ms, f->backend_ms);
    choose(&r.idle_timeout_ms, f->idle_ms);
    tighten(&r.limits.memory_bytes, f->limits.memory_bytes);
    tighten(&r.limits.processes, f->limits.processes);
    tighten(&r.limits.cpu_s, f->limits.cpu_s);
    tighten(&r.limits.disk_bytes, f->limits.disk_bytes);
    tighten(&r.limits.inodes, f->limits.inodes);
    tighten(&r.limits.output_bytes, f->limits.output_bytes);
    tighten(&r.limits.log_lines, f->limits.log_lines);
    return r;
}

/* --- what is told --------------------------------------------------------------------------------------------------------- */

struct telling {
    const struct engine_file *f;
    struct engine_places places;
    char port[16], base_url[64];
    bool cut; /* something did not fit */
};

static void begin(struct telling *t, const struct engine_file *f, const char *model, unsigned port) {
    *t = (struct telling){.f = f, .places = engine_places_fixed()};
    snprintf(t->port, sizeof t->port, "%u", port);
    snprintf(t->base_url, sizeof t->base_url, "http://127.0.0.1:%u/v1", port);
    t->places.value[PLACE_program] = f->program_at;
    t->places.value[PLACE_interpreter] = f->interpreter_at;
    t->places.value[PLACE_model] = model;
    t->places.value[PLACE_port] = t->port;
    t->places.value[PLACE_base_url] = t->base_url;
}

/* The text with its places filled in, after `prefix`; malloc'd. */
static char *fill(struct telling *t, const char *prefix, const char *text) {
    AUTO_BUF struct buf b = BUF_INIT(ENGINE_FILE_CONFIG_MAX);
    buf_puts(&b, prefix);
    engine_places_fill(&b, text, &t->places);
    t->cut |= b.bad;
    char *made = b.bad || !b.p ? strdup("") : buf_detach(&b);
    BUG_UNLESS(made != NULL);
    return made;
}

static cJSON *filled(struct telling *t, const char *prefix, const char *text) {
    char *made = fill(t, prefix, text);
    cJSON *s = cJSON_CreateString(made);
    BUG_UNLESS(s != NULL);
    free(made);
    return s;
}

static cJSON *argv(struct telling *t) {
    cJSON *a = json_new_array();
    for (int i = 0; i < t->f->n_command; i++) BUG_UNLESS(cJSON_AddItemToArray(a, filled(t, "", t->f->command[i])));
    return a;
}

static cJSON *environment(struct telling *t) {
    cJSON *a = json_new_array();
    for (int i = 0; i < t->f->n_environment; i++) {
        AUTO_BUF struct buf b = BUF_INIT(2u * ENGINE_FILE_WORD);
        const char *value = getenv(t->f->environment[i]);
        if (!value) continue;
        buf_printf(&b, "%s=%s", t->f->environment[i], value);
        BUG_UNLESS(cJSON_AddItemToArray(a, cJSON_CreateString(buf_str(&b))));
    }
    for (int i = 0; i < t->f->n_set; i++) {
        AUTO_BUF struct buf name = BUF_INIT(256);
        buf_printf(&name, "%s=", t->f->set[i].name);
        BUG_UNLESS(cJSON_AddItemToArray(a, filled(t, buf_str(&name), t->f->set[i].value)));
    }
    return a;
}

static cJSON *set(struct telling *t) {
    cJSON *o = json_new_object();
    for (int i = 0; i < t->f->n_set; i++) json_put(o, t->f->set[i].name, filled(t, "", t->f->set[i].value));
    return o;
}

/* As the worker wants them, relative to scratch, or as the backend sees them. */
static cJSON *files(struct telling *t, bool absolute) {
    cJSON *a = json_new_array();
    for (int i = 0; i < t->f->n_files; i++) {
        static const char scratch[] = "/scratch/";
        cJSON *o = json_new_object();
        char *path = fill(t, "", t->f->files[i].path);
        json_put_str(o, "path", absolute ? path : path + strlen(scratch));
        json_put(o, "text", filled(t, "", t->f->files[i].text));
        free(path);
        BUG_UNLESS(cJSON_AddItemToArray(a, o));
    }
    return a;
}

static void put_stop(cJSON *o, const struct engine_file *f) {
    if (!f->stop_signal) return;
    json_put_int(o, "stop_signal", f->stop_signal);
    json_put_int(o, "stop_grace_ms", f->stop_grace_ms);
}

static char *print(cJSON *o, bool pretty) {
    char *text = pretty ? cJSON_Print(o) : cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    return text;
}

char *engine_file_config(const struct engine_file *f, const char *model, unsigned port) {
    struct telling t;
    begin(&t, f, model, port);
    cJSON *o = json_new_object();
    json_put(o, "argv", argv(&t));
    json_put(o, "env", environment(&t));
    json_put_bool(o, "stdin", f->stdin_task);
    json_put(o, "files", files(&t, false));
    if (f->shown) json_put_str(o, "program", f->shown_at);
    if (f->interpreter) json_put_str(o, "interpreter", f->interpreter_at);
    put_stop(o, f);
    char *text = print(o, false);
    if (!t.cut && strlen(text) <= ENGINE_FILE_CONFIG_MAX) return text;
    free(text);
    return NULL;
}

static void put_digest(cJSON *o, const char *key, const char *sha256) {
    json_put_str(o, key, sha256[0] ? sha256 : NULL);
}

char *engine_file_evidence(const struct engine_file *f, const char *model, unsigned port) {
    struct telling t;
    begin(&t, f, model, port);
    cJSON *o = json_new_object();
    json_put_str(o, "name", f->name);
    json_put_str(o, "engine_file_sha256", f->digest);
    json_put_str(o, "version", f->version);
    json_put_bool(o, "tested", f->tested);
    json_put(o, "argv", argv(&t));
    json_put(o, "environment", json_strings(f->environment, (size_t)f->n_environment));
    json_put(o, "set", set(&t));
    json_put_str(o, "stdin", f->stdin_task ? "task" : "none");
    json_put(o, "files", files(&t, true));
    put_digest(o, "program_sha256", f->sha256);
    if (f->interpreter_name) put_digest(o, "interpreter_sha256", f->interpreter_sha256);
    json_put_str(o, "api", engine_api_words[f->api]);
    json_put_str(o, "output", engine_output_words[f->output]);
    put_stop(o, f);
    return print(o, true);
}

char *engine_file_text(const struct engine_file *f, int i, const char *model, unsigned port) {
    struct telling t;
    begin(&t, f, model, port);
    return fill(&t, "", f->files[i].text);
}
