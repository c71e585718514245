/* env_file.c - see env_file.h. */
#include "supervisor/env_file.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "supervisor/secret_shape.h"

static const char *const known[] = {"HERMES_HOME",     "CTO_HOME", "GITHUB_ORG", "DEFAULT_SANDCASTLE_PROVIDER",
                                    "SANDCASTLE_REPO", NULL};
const char *const env_file_unused[] = {"GITHUB_ORG", "DEFAULT_SANDCASTLE_PROVIDER", "SANDCASTLE_REPO", NULL};

static bool is_known(const char *name) {
    for (int i = 0; known[i]; i++)
        if (strcmp(known[i], name) == 0) return true;
    return false;
}

/* One line in place. Returns -1 on error; an empty line or comment adds nothing. */
static int take_line(struct env_file *f, const char *path, int line, char *s, struct err *e) {
    while (*s == ' ' || *s == '\t') s++;
    size_t n = strlen(s);
    while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r')) s[--n] = '\0';
    if (n == 0 || *s == '#') return 0;
    char *eq = strchr(s, '=');
    if (!eq) return err_set(e, ERR_USAGE, "%s:%d: NAME=VALUE is expected", path, line);
    *eq = '\0';
    char *v = eq + 1;
    size_t vn = strlen(v);
    if (vn >= 2 && (v[0] == '"' || v[0] == '\'') && v[vn - 1] == v[0]) {
        v[vn - 1] = '\0';
        v++;
    }
    for (const char *c = v; *c; c++)
        if (iscntrl((unsigned char)*c))
            return err_set(e, ERR_USAGE, "%s:%d: the value holds a control character (a stray carriage return?)", path,
                           line);
    if (secret_shaped_name(s) || secret_shaped_value(v))
        return err_set(e, ERR_USAGE, "%s:%d: the value looks like a secret; only paths and names belong here", path,
                       line);
    if (!is_known(s))
        return err_set(e, ERR_USAGE, "%s:%d: unknown name %.64s; .env.example lists the known ones", path, line, s);
    if (f->n == ENV_FILE_MAX) return err_set(e, ERR_USAGE, "%s:%d: too many settings", path, line);
    f->name[f->n] = s;
    f->value[f->n++] = v;
    return 0;
}

int env_file_read(struct env_file *f, const char *path, bool required, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(0);
    struct err why = ERR_INIT;
    *f = (struct env_file){0};
    if (io_read_file_at(AT_FDCWD, path, 65536, &b, &why) < 0) {
        if (!required && why.code == ERR_SYS) return 0;
        return err_set(e, ERR_USAGE, "env file: %s", why.text);
    }
    if (memchr(buf_str(&b), 0, b.len)) return err_set(e, ERR_USAGE, "env file %s: holds a NUL byte", path);
    f->text = strdup(buf_str(&b));
    BUG_UNLESS(f->text != NULL);
    int line = 1;
    for (char *s = f->text, *next; s; s = next, line++) {
        next = strchr(s, '\n');
        if (next) *next++ = '\0';
        if (take_line(f, path, line, s, e) < 0) {
            env_file_release(f);
            return -1;
        }
    }
    return 0;
}

const char *env_file_get(const struct env_file *f, const char *name) {
    for (int i = f->n - 1; i >= 0; i--)
        if (strcmp(f->name[i], name) == 0) return f->value[i][0] ? f->value[i] : NULL;
    return NULL;
}

void env_file_release(struct env_file *f) {
    free(f->text);
    *f = (struct env_file){0};
}
