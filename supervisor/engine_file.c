/* engine_file.c - see engine_file.h. */
#include "supervisor/engine_file.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "supervisor/secret_shape.h"

#define TASK_IN_JAIL "/task/task.md"
#define WORKSPACE_IN_JAIL "/workspace"
#define WORD_MAX 4096u
#define DAY_S 86400
#define PROGRAM_MAX (1ll << 30) /* what is larger is not hashed: the supervisor waits for it */

static bool is_line(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f) return false;
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

/* --- reading ------------------------------------------------------------------------------------------------------------ */

static int read_list(struct json_obj *o, const char *key, enum json_need need, int max, const char **out) {
    const cJSON *a;
    int n = json_array(o, key, need, max, &a);
    for (int i = 0; i < n; i++) {
        out[i] = json_elem_str(o, key, a, i, WORD_MAX);
        char name[64];
        snprintf(name, sizeof name, "%s[%d]", key, i);
        if (out[i] && !is_line(out[i])) (void)json_fail(o, name, "holds a control character");
    }
    return n < 0 ? 0 : n;
}

static void read_command(struct json_obj *o, struct engine_file *f) {
    f->n_command = read_list(o, "command", JSON_REQUIRED, SPEC_MAX_ARGV - 1, f->command);
    if (o->doc->bad) return;
    if (f->n_command == 0 || f->command[0][0] != '/')
        (void)json_fail(o, "command", "begins with the absolute path of a program");
    for (int i = 0; i < f->n_command && !o->doc->bad; i++)
        if (secret_shaped_text(f->command[i])) (void)json_fail(o, "command", "word %d looks like a secret", i);
}

static void read_environment(struct json_obj *o, struct engine_file *f) {
    f->n_environment = read_list(o, "environment", JSON_OPTIONAL, ENGINE_FILE_ENV, f->environment);
    for (int i = 0; i < f->n_environment && !o->doc->bad; i++) {
        const char *name = f->environment[i], *value = getenv(name);
        if (!is_variable(name)) { /* not quoted: whoever writes NAME=VALUE here wrote a value */
            (void)json_fail(o, "environment", "entry %d is no name of a variable; names only, never NAME=VALUE", i);
            continue;
        }
        if (is_ours(name)) (void)json_fail(o, "environment", "%.60s is the jail's or the harness's own", name);
        if (secret_shaped_name(name) || (value && secret_shaped_text(value)))
            (void)json_fail(o, "environment", "%.60s is named or shaped like a secret; no backend is handed one", name);
        if (value && !json_is_utf8(value, strlen(value)))
            (void)json_fail(o, "environment", "the value of %.60s is not UTF-8", name);
        if (value && strlen(value) > WORD_MAX)
            (void)json_fail(o, "environment", "the value of %.60s is longer than %u bytes", name, WORD_MAX);
    }
}

static void read_roots(struct json_obj *o, struct engine_file *f) {
    f->n_read_roots = read_list(o, "read_roots", JSON_OPTIONAL, ENGINE_FILE_ROOTS, f->read_roots);
    for (int i = 0; i < f->n_read_roots && !o->doc->bad; i++)
        if (f->read_roots[i][0] != '/') (void)json_fail(o, "read_roots", "entry %d is not absolute", i);
}

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

static void read_all(struct json_obj *o, struct engine_file *f) {
    f->name = json_str(o, "name", JSON_REQUIRED, 64);
    if (f->name && (!*f->name || strspn(f->name, "abcdefghijklmnopqrstuvwxyz0123456789-._") != strlen(f->name)))
        (void)json_fail(o, "name", "lower-case letters, digits and - . _ only");
    read_command(o, f);
    read_environment(o, f);
    read_roots(o, f);
    read_times(o, f);
    read_limits(o, f);
    if (json_bool(o, "uses_model", false))
        (void)json_fail(o, "uses_model", "an exec backend has no gateway, so it reaches no model: it must be false");
    (void)json_end(o);
}

/* Links are followed, as exec does: /bin/sh is one. What is there only inside the jail has no digest here. */
static void digest_program(struct engine_file *f) {
    struct stat st;
    AUTO_FD int fd = open(f->command[0], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PROGRAM_MAX ||
        digest_fd(fd, f->sha256, NULL, NULL) < 0)
        f->sha256[0] = '\0';
}

int engine_file_read(struct engine_file *ret, const char *file, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    *ret = (struct engine_file){.commit = -1, .end_of_life = -1};
    if (io_read_file_at(AT_FDCWD, file, ENGINE_FILE_BYTES_MAX, &text, e) < 0) return -1;
    if (json_parse(&ret->doc, file, buf_str(&text), text.len, e) < 0) return -1;
    struct json_obj o = json_root(&ret->doc);
    read_all(&o, ret);
    if (ret->doc.bad) {
        if (e) *e = ret->doc.err;
        engine_file_release(ret);
        return -1;
    }
    digest_bytes(buf_str(&text), text.len, ret->digest);
    digest_program(ret);
    return 0;
}

void engine_file_release(struct engine_file *f) { json_release(&f->doc); }

/* --- use ------------------------------------------------------------------------------------------------------------------ */

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

/* Each {task} and {workspace} of a word. */
static cJSON *put_in(const char *word) {
    AUTO_BUF struct buf b = BUF_INIT(4u * WORD_MAX);
    while (*word) {
        static const struct {
            const char *name, *value;
        } places[] = {{"{task}", TASK_IN_JAIL}, {"{workspace}", WORKSPACE_IN_JAIL}};
        size_t i = 0, n = 1;
        while (i < 2 && strncmp(word, places[i].name, n = strlen(places[i].name)) != 0) i++;
        if (i < 2)
            buf_puts(&b, places[i].value);
        else
            buf_put(&b, word, n = 1);
        word += n;
    }
    return cJSON_CreateString(buf_str(&b));
}

char *engine_file_config(const struct engine_file *f) {
    cJSON *o = cJSON_CreateObject(), *argv = cJSON_CreateArray(), *env = cJSON_CreateArray();
    BUG_UNLESS(o && argv && env);
    for (int i = 0; i < f->n_command; i++) cJSON_AddItemToArray(argv, put_in(f->command[i]));
    for (int i = 0; i < f->n_environment; i++) {
        AUTO_BUF struct buf b = BUF_INIT(2u * WORD_MAX);
        const char *value = getenv(f->environment[i]);
        if (!value) continue;
        buf_printf(&b, "%s=%s", f->environment[i], value);
        cJSON_AddItemToArray(env, cJSON_CreateString(buf_str(&b)));
    }
    json_put(o, "argv", argv);
    json_put(o, "env", env);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    return text;
}
