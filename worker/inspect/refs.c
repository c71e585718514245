/* refs.c - the agent's HEAD.
 *
 * A ref may be a symbolic link, a FIFO, a device of some network file system, ten gigabytes, or a loop. So nothing
 * here is opened without O_NONBLOCK and openat2's beneath and no-symlink rules, only a regular file is read, 4 KiB of
 * a ref and 16 MiB of packed-refs, and HEAD may point once. What does not fit is "not readable", and not readable is
 * "not committed".
 */
#include "worker/inspect/refs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "worker/inspect/out.h"

#define REF_MAX 4096u
#define PACKED_MAX (16u << 20)
#define REF_NAME_MAX 1024u

int refs_read_plain(int ws_fd, const char *path, size_t max, struct buf *out, struct err *e) {
    AUTO_FD int fd = io_open_beneath_quiet(ws_fd, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENOENT) return 0;
    if (fd < 0) return err_sys(e, "open");
    struct stat st;
    if (fstat(fd, &st) < 0) return err_sys(e, "stat");
    if (!S_ISREG(st.st_mode)) return err_set(e, ERR_PARSE, "not a regular file");
    if ((uint64_t)st.st_size > max) return err_set(e, ERR_LIMIT, "larger than %zu bytes", max);
    buf_reset(out);
    uint8_t chunk[4096];
    for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) != 0;) {
        if (n < 0) return err_sys(e, "read");
        buf_put(out, chunk, (size_t)n);
        if (out->bad) return err_set(e, ERR_LIMIT, "larger than %zu bytes", max);
    }
    return 1;
}

/* A ref name that a path below .git may be made of. */
static bool ref_name_ok(const char *name, size_t n) {
    if (n < 6 || n > REF_NAME_MAX || memcmp(name, "refs/", 5) != 0) return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c <= 0x20 || c == 0x7f || strchr("~^:?*[\\", c) != NULL) return false;
        bool at_start = i == 0 || name[i - 1] == '/';
        if (at_start && (c == '/' || c == '.')) return false;
        if (c == '.' && i + 1 < n && name[i + 1] == '.') return false;
    }
    if (name[n - 1] == '/' || name[n - 1] == '.') return false;
    return n < 5 || memcmp(name + n - 5, ".lock", 5) != 0;
}

/* The content of a ref file is 40 hex digits and white space. */
static bool parse_oid(const char *p, size_t n, git_oid *ret) {
    while (n > 0 && isspace((unsigned char)p[n - 1])) n--;
    if (n != GIT_OID_HEXSZ) return false;
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)p[i])) return false;
    return git_oid_fromstrn(ret, p, n) == 0;
}

static void unreadable(struct head *h, const char *file, const char *why) {
    h->state = HEAD_UNREADABLE;
    snprintf(h->why, sizeof h->why, "%s: %.160s", file, why);
}

static void read_packed(int ws_fd, const char *ref, struct head *h) {
    AUTO_BUF struct buf b = BUF_INIT(PACKED_MAX);
    struct err e = ERR_INIT;
    int got = refs_read_plain(ws_fd, ".git/packed-refs", PACKED_MAX, &b, &e);
    if (got < 0) {
        unreadable(h, ".git/packed-refs", e.text);
        return;
    }
    const char *p = buf_str(&b), *end = p + b.len;
    size_t n = strlen(ref);
    while (got == 1 && p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((eol != NULL ? eol : end) - p);
        if (len == GIT_OID_HEXSZ + 1 + n && p[GIT_OID_HEXSZ] == ' ' && memcmp(p + GIT_OID_HEXSZ + 1, ref, n) == 0) {
            /* git would take the last of two, others the first: no answer is right */
            if (h->state == HEAD_OID || !parse_oid(p, GIT_OID_HEXSZ, &h->oid)) {
                unreadable(h, ".git/packed-refs",
                           h->state == HEAD_OID ? "a ref stands there twice" : "not an object id");
                return;
            }
            h->state = HEAD_OID;
        }
        if (eol == NULL) break;
        p = eol + 1;
    }
    if (h->state == HEAD_OID) return;
    char text[OUT_QUOTE_SIZE];
    h->state = HEAD_UNBORN;
    snprintf(h->why, sizeof h->why, "HEAD names %.200s, which does not exist", out_quote(ref, n, text));
}

static void read_ref(int ws_fd, const char *ref, struct head *h) {
    AUTO_BUF struct buf b = BUF_INIT(REF_MAX);
    struct err e = ERR_INIT;
    char path[REF_NAME_MAX + 8], text[OUT_QUOTE_SIZE];
    snprintf(path, sizeof path, ".git/%s", ref);
    int got = refs_read_plain(ws_fd, path, REF_MAX, &b, &e);
    if (got == 0)
        read_packed(ws_fd, ref, h);
    else if (got < 0)
        unreadable(h, out_quote(path, strlen(path), text), e.text);
    else if (parse_oid(buf_str(&b), b.len, &h->oid))
        h->state = HEAD_OID;
    else
        unreadable(h, out_quote(path, strlen(path), text), "not an object id");
}

void refs_read_head(int ws_fd, struct head *ret) {
    AUTO_BUF struct buf b = BUF_INIT(REF_MAX);
    struct err e = ERR_INIT;
    *ret = (struct head){.state = HEAD_UNREADABLE};
    int got = refs_read_plain(ws_fd, ".git/HEAD", REF_MAX, &b, &e);
    if (got <= 0) {
        unreadable(ret, ".git/HEAD", got < 0 ? e.text : "missing");
        return;
    }
    const char *text = buf_str(&b);
    if (b.len < 5 || memcmp(text, "ref: ", 5) != 0) {
        if (parse_oid(text, b.len, &ret->oid))
            ret->state = HEAD_OID;
        else
            unreadable(ret, ".git/HEAD", "neither an object id nor a ref");
        return;
    }
    char ref[REF_NAME_MAX + 1];
    size_t n = b.len - 5;
    while (n > 0 && isspace((unsigned char)text[5 + n - 1])) n--;
    if (memchr(text + 5, '\0', n) != NULL || !ref_name_ok(text + 5, n)) {
        unreadable(ret, ".git/HEAD", "names something that is not a ref");
        return;
    }
    memcpy(ref, text + 5, n);
    ref[n] = '\0';
    read_ref(ws_fd, ref, ret);
}
