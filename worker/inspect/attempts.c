/* attempts.c - see attempts.h.
 *
 * The configuration is read by hand and not by libgit2, whose reader follows include.path to wherever it says. A line is
 * enough: a value that goes on over the next line can at worst look like a key, and a key counts only in a section that
 * says what it is about. Nothing is unquoted but the name of a section.
 */
#include "worker/inspect/attempts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/io.h"
#include "worker/inspect/refs.h"
#include "worker/inspect/walk.h"

#define CONFIG_MAX (1u << 20)
#define PACKED_MAX (16u << 20)
#define OID_HEX 40u

/* --- configuration ------------------------------------------------------------------------------- */

struct text {
    const char *p;
    size_t n;
};

struct section {
    struct text name, sub; /* sub.p is NULL when there is none */
};

static struct text trim(struct text t) {
    while (t.n > 0 && isspace((unsigned char)*t.p)) t.p++, t.n--;
    while (t.n > 0 && isspace((unsigned char)t.p[t.n - 1])) t.n--;
    return t;
}

static bool is(struct text t, const char *word) { return t.n == strlen(word) && strncasecmp(t.p, word, t.n) == 0; }

/* After the '['. Returns what stands behind the ']'. Both forms: [name "sub"] and the older [name.sub]. */
static struct text read_section(struct text t, struct section *ret) {
    *ret = (struct section){.name = {t.p, 0}};
    while (t.n > 0 && (isalnum((unsigned char)*t.p) || *t.p == '-')) t.p++, t.n--, ret->name.n++;
    bool quoted = false;
    if (t.n > 0 && *t.p == '.') {
        t.p++, t.n--;
        const char *end = memchr(t.p, ']', t.n);
        ret->sub = (struct text){t.p, end != NULL ? (size_t)(end - t.p) : t.n};
    }
    for (; t.n > 0 && (quoted || *t.p != ']'); t.p++, t.n--) {
        if (*t.p == '\\' && quoted && t.n > 1) {
            t.p++, t.n--;
            ret->sub.n++;
        } else if (*t.p == '"') {
            quoted = !quoted;
            if (quoted) ret->sub = (struct text){t.p + 1, 0};
            continue;
        }
        if (quoted) ret->sub.n++;
    }
    if (t.n > 0) t.p++, t.n--;
    return trim(t);
}

static int judge_key(const struct section *s, struct text key, struct text value, attempt_fn fn, void *ctx,
                     struct err *e) {
    bool url = is(key, "url") || is(key, "pushurl");
    if (is(s->name, "remote") && s->sub.p != NULL && url) return fn(ctx, ATTEMPT_REMOTE, s->sub.p, s->sub.n, e);
    /* "." is this very repository: a branch that follows another one of it */
    if (is(s->name, "branch") && (is(key, "remote") || is(key, "pushremote")) && value.n > 0 && !is(value, "."))
        return fn(ctx, ATTEMPT_REMOTE, value.p, value.n, e);
    if (is(s->name, "url") && s->sub.p != NULL && is(key, "pushinsteadof"))
        return fn(ctx, ATTEMPT_REMOTE, s->sub.p, s->sub.n, e);
    if (is(s->name, "credential") || (is(s->name, "http") && is(key, "extraheader")))
        return fn(ctx, ATTEMPT_CREDENTIAL, key.p, key.n, e);
    return 0;
}

static int read_key(const struct section *s, struct text line, attempt_fn fn, void *ctx, struct err *e) {
    if (line.n == 0 || *line.p == '#' || *line.p == ';') return 0;
    const char *equals = memchr(line.p, '=', line.n);
    struct text key = {line.p, equals != NULL ? (size_t)(equals - line.p) : line.n}, value = {line.p, 0};
    if (equals != NULL) value = (struct text){equals + 1, line.n - key.n - 1};
    return judge_key(s, trim(key), trim(value), fn, ctx, e);
}

int attempts_in_config(const char *text, size_t n, attempt_fn fn, void *ctx, struct err *e) {
    struct section s = {.name = {text, 0}};
    for (const char *p = text, *end = text + n; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        struct text line = trim((struct text){p, (size_t)((eol != NULL ? eol : end) - p)});
        while (line.n > 0 && *line.p == '[') line = read_section((struct text){line.p + 1, line.n - 1}, &s);
        if (read_key(&s, line, fn, ctx, e) < 0) return -1;
        if (eol == NULL) break;
        p = eol + 1;
    }
    return 0;
}

/* --- the repository ------------------------------------------------------------------------------ */

struct finder {
    attempt_fn fn;
    void *ctx;
    enum attempt_kind kind;
    bool stop;         /* one of a kind is enough to judge, and a million more cost time only */
    struct err hidden; /* the first place that could not be looked at */
};

/* What cannot be read may hold any mark, and git reads more than we do: larger files, through links. */
static int cannot_read(struct finder *f, const char *path, enum err_code code, const char *why) {
    if (f->hidden.code == ERR_NONE) err_set(&f->hidden, code, "%s: %s", path, why);
    return 0;
}

static int on_entry(void *ctx, const struct walk_entry *w, struct err *e) {
    struct finder *f = ctx;
    if (f->stop) return WALK_SKIP;
    if (S_ISDIR(w->st.st_mode)) return 0;
    f->stop = true;
    return f->fn(f->ctx, f->kind, w->path, w->path_len, e) < 0 ? -1 : WALK_SKIP;
}

/* The first file below a directory of .git, when the directory is there. */
static int look_below(int ws_fd, const char *path, struct finder *f, struct err *e) {
    bool complete;
    AUTO_FD int fd = io_open_beneath_quiet(ws_fd, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
    f->stop = false;
    if (fd < 0 && errno != ENOENT && errno != ENOTDIR) return cannot_read(f, path, ERR_PARSE, strerror(errno));
    return fd < 0 ? 0 : walk_tree(fd, on_entry, f, &complete, e);
}

static int read_whole(int ws_fd, const char *path, size_t max, struct buf *out, struct finder *f) {
    struct err why = ERR_INIT;
    const int got = refs_read_plain(ws_fd, path, max, out, &why);
    return got < 0 ? cannot_read(f, path, why.code == ERR_LIMIT ? ERR_LIMIT : ERR_PARSE, why.text) : got;
}

static int look_in_packed_refs(int ws_fd, struct finder *f, struct err *e) {
    static const char prefix[] = " refs/remotes/";
    AUTO_BUF struct buf b = BUF_INIT(PACKED_MAX);
    if (read_whole(ws_fd, ".git/packed-refs", PACKED_MAX, &b, f) != 1) return 0;
    for (const char *p = buf_str(&b), *end = p + b.len; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((eol != NULL ? eol : end) - p), name = OID_HEX + sizeof prefix - 1;
        if (len > name && memcmp(p + OID_HEX, prefix, sizeof prefix - 1) == 0)
            return f->fn(f->ctx, f->kind, p + name, len - name, e);
        if (eol == NULL) break;
        p = eol + 1;
    }
    return 0;
}

static int look_in_config(int ws_fd, const char *path, struct finder *f, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(CONFIG_MAX);
    if (read_whole(ws_fd, path, CONFIG_MAX, &b, f) != 1) return 0;
    return attempts_in_config(buf_str(&b), b.len, f->fn, f->ctx, e);
}

int attempts_in_repository(int ws_fd, attempt_fn fn, void *ctx, struct err *e) {
    struct finder f = {.fn = fn, .ctx = ctx, .kind = ATTEMPT_REMOTE, .hidden = ERR_INIT};
    if (look_in_config(ws_fd, ".git/config", &f, e) < 0 || look_in_config(ws_fd, ".git/config.worktree", &f, e) < 0 ||
        look_below(ws_fd, ".git/remotes", &f, e) < 0 || look_below(ws_fd, ".git/branches", &f, e) < 0)
        return -1;
    f.kind = ATTEMPT_TRACKING_REF;
    if (look_below(ws_fd, ".git/refs/remotes", &f, e) < 0 || look_in_packed_refs(ws_fd, &f, e) < 0) return -1;
    if (f.hidden.code == ERR_NONE) return 0;
    *e = f.hidden;
    return -1;
}
