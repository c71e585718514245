/* steps_file.c - what an agent does to files. Plain calls, no care taken: an agent takes none either. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "worker/fake_agent/agent.h"

#define BLOCK (64u << 10)

/* --- helpers ---------------------------------------------------------------------------------------------------- */

static int base64_digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c != '\0' ? strchr(digits, c) : NULL;
    return p != NULL ? (int)(p - digits) : -1;
}

static int base64_decode(const char *s, struct buf *out) {
    size_t n = strlen(s);
    if (n % 4 != 0) return -1;
    for (size_t i = 0; i < n; i += 4) {
        size_t pad = i + 4 < n ? 0 : (size_t)(s[n - 1] == '=') + (size_t)(s[n - 2] == '=');
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int d = k >= 4 - pad ? 0 : base64_digit(s[i + k]);
            if (d < 0) return -1;
            v = v << 6 | (uint32_t)d;
        }
        for (size_t k = 0; k < 3 - pad; k++) buf_put_u8(out, (uint8_t)(v >> (16 - 8 * k)));
    }
    return out->bad ? -1 : 0;
}

int step_content(struct json_obj *o, struct buf *out) {
    const char *text = json_str(o, "text", JSON_OPTIONAL, AGENT_MAX_TEXT);
    const char *base64 = json_str(o, "base64", JSON_OPTIONAL, AGENT_MAX_TEXT);
    if ((text == NULL) == (base64 == NULL)) return json_fail(o, "text", "exactly one of text and base64 is expected");
    if (base64 != NULL && base64_decode(base64, out) < 0) return json_fail(o, "base64", "not base64");
    if (text != NULL) buf_puts(out, text);
    return 0;
}

/* "755" or NULL. */
static mode_t read_mode(struct json_obj *o, enum json_need need, mode_t dflt) {
    const char *s = json_str(o, "mode", need, 5);
    if (s == NULL) return dflt;
    if (s[0] == '\0' || strspn(s, "01234567") != strlen(s)) {
        json_fail(o, "mode", "an octal mode such as \"755\" is expected");
        return dflt;
    }
    return (mode_t)strtoul(s, NULL, 8);
}

static const char *read_path(struct json_obj *o, const char *key) {
    return json_str(o, key, JSON_REQUIRED, PATH_MAX - 1);
}

static int make_parents(const char *path, struct err *e) {
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) return 0;
    snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
    for (char *p = dir + 1;; p++) {
        if (*p != '/' && *p != '\0') continue;
        char c = *p;
        *p = '\0';
        if (mkdir(dir, 0755) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
            return err_sys(e, "mkdir %s", dir);
        *p = c;
        if (c == '\0') return 0;
    }
}

static int open_new(const char *path, int flags, struct err *e) {
    if (make_parents(path, e) < 0) return -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    return fd < 0 ? err_sys(e, "open %s", path) : fd;
}

static int put_repeated(int fd, unsigned char byte, int64_t size, struct err *e) {
    static unsigned char block[BLOCK];
    memset(block, byte, sizeof block);
    for (int64_t left = size; left > 0; left -= BLOCK)
        if (io_write_full(fd, block, left < (int64_t)BLOCK ? (size_t)left : BLOCK, e) < 0) return -1;
    return 0;
}

/* --- steps ------------------------------------------------------------------------------------------------------ */

static int do_write(struct json_obj *o, struct err *e) {
    AUTO_BUF struct buf content = BUF_INIT(AGENT_MAX_TEXT);
    const char *path = read_path(o, "path");
    int64_t byte = -1, size = 0;
    if (json_has(o, "repeat_byte")) {
        byte = json_int(o, "repeat_byte", JSON_INT_REQUIRED, 0, 255);
        size = json_int(o, "size", JSON_INT_REQUIRED, 0, INT64_C(1) << 40);
    } else {
        step_content(o, &content);
    }
    bool has_mode = json_has(o, "mode");
    mode_t mode = read_mode(o, JSON_OPTIONAL, 0644);
    STEP_KEYS_END(o, e);
    AUTO_FD int fd = open_new(path, O_TRUNC, e);
    if (fd < 0) return -1;
    if (has_mode && fchmod(fd, mode) < 0) return err_sys(e, "chmod %s", path);
    int rc = byte >= 0 ? put_repeated(fd, (unsigned char)byte, size, e)
                       : io_write_full(fd, buf_str(&content), content.len, e);
    return rc < 0 ? err_ctx(e, "%s", path) : 0;
}

static int do_append(struct json_obj *o, struct err *e) {
    const char *path = read_path(o, "path");
    const char *text = json_str(o, "text", JSON_REQUIRED, AGENT_MAX_TEXT);
    STEP_KEYS_END(o, e);
    AUTO_FD int fd = open_new(path, O_APPEND, e);
    return fd < 0 ? -1 : io_write_full(fd, text, strlen(text), e);
}

static int do_replace(struct json_obj *o, struct err *e) {
    const char *path = read_path(o, "path");
    const char *old = json_str(o, "old", JSON_REQUIRED, AGENT_MAX_TEXT);
    const char *new = json_str(o, "new", JSON_REQUIRED, AGENT_MAX_TEXT);
    STEP_KEYS_END(o, e);
    AUTO_BUF struct buf text = BUF_INIT(16u << 20), out = BUF_INIT(32u << 20);
    if (io_read_file_at(AT_FDCWD, path, text.max, &text, e) < 0) return -1;
    const char *p = memmem(buf_str(&text), text.len, old, strlen(old));
    if (p == NULL) return err_set(e, ERR_MISSING, "%s: the text to replace is not there", path);
    size_t before = (size_t)(p - buf_str(&text));
    buf_put(&out, buf_str(&text), before);
    buf_puts(&out, new);
    buf_put(&out, p + strlen(old), text.len - before - strlen(old));
    AUTO_FD int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0) return err_sys(e, "open %s", path);
    return io_write_full(fd, buf_str(&out), out.len, e);
}

static int do_delete(struct json_obj *o, struct err *e) {
    const char *path = read_path(o, "path");
    struct stat st;
    STEP_KEYS_END(o, e);
    if (lstat(path, &st) < 0) return err_sys(e, "delete %s", path);
    if (!S_ISDIR(st.st_mode)) return unlink(path) < 0 ? err_sys(e, "delete %s", path) : 0;
    return io_remove_tree_at(AT_FDCWD, path, e);
}

static int do_rename(struct json_obj *o, struct err *e) {
    const char *from = read_path(o, "from"), *to = read_path(o, "to");
    STEP_KEYS_END(o, e);
    if (make_parents(to, e) < 0) return -1;
    return rename(from, to) < 0 ? err_sys(e, "rename %s to %s", from, to) : 0;
}

static int do_chmod(struct json_obj *o, struct err *e) {
    const char *path = read_path(o, "path");
    mode_t mode = read_mode(o, JSON_REQUIRED, 0);
    STEP_KEYS_END(o, e);
    return chmod(path, mode) < 0 ? err_sys(e, "chmod %s", path) : 0;
}

static int do_symlink(struct json_obj *o, struct err *e) {
    const char *path = read_path(o, "path"), *target = read_path(o, "target");
    STEP_KEYS_END(o, e);
    if (make_parents(path, e) < 0) return -1;
    return symlink(target, path) < 0 ? err_sys(e, "symlink %s", path) : 0;
}

static int do_mkdir(struct json_obj *o, struct err *e) {
    const char *path = read_path(o, "path");
    STEP_KEYS_END(o, e);
    if (make_parents(path, e) < 0) return -1;
    return mkdir(path, 0755) < 0 ? err_sys(e, "mkdir %s", path) : 0;
}

static int do_fifo(struct json_obj *o, struct err *e) {
    const char *path = read_path(o, "path");
    STEP_KEYS_END(o, e);
    if (make_parents(path, e) < 0) return -1;
    return mkfifo(path, 0644) < 0 ? err_sys(e, "mkfifo %s", path) : 0;
}

static int do_write_many(struct json_obj *o, struct err *e) {
    const char *dir = read_path(o, "dir");
    int64_t count = json_int(o, "count", JSON_INT_REQUIRED, 0, 10000000);
    int64_t size = json_int(o, "size", JSON_INT_REQUIRED, 0, INT64_C(1) << 30);
    STEP_KEYS_END(o, e);
    for (int64_t i = 0; i < count; i++) {
        char path[PATH_MAX + 32];
        snprintf(path, sizeof path, "%s/f%06lld.txt", dir, (long long)i);
        AUTO_FD int fd = open_new(path, O_TRUNC, e);
        if (fd < 0 || put_repeated(fd, (unsigned char)('a' + i % 26), size, e) < 0) return -1;
    }
    return 0;
}

static int do_read(struct json_obj *o, struct err *e) {
    static const char *const words[] = {"present", "missing", "denied", NULL};
    const char *path = read_path(o, "path");
    int expect = json_enum(o, "expect", words, -1);
    STEP_KEYS_END(o, e);
    AUTO_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int found = fd >= 0 ? 0 : errno == ENOENT || errno == ENOTDIR ? 1 : 2;
    if (found == expect) return 0;
    return err_set(e, ERR_CONFLICT, "%s is %s, expected %s", path, words[found], words[expect]);
}

static int do_expect_fail(struct json_obj *o, struct err *e) {
    const cJSON *array = NULL;
    int n = json_array(o, "steps", JSON_REQUIRED, AGENT_MAX_STEPS, &array);
    if (step_read(o, e) < 0) return -1;
    return steps_must_fail(o, "steps", array, n, e);
}

const struct step_type steps_file[] = {
    {"write", do_write},   {"append", do_append}, {"replace", do_replace},       {"delete", do_delete},
    {"rename", do_rename}, {"chmod", do_chmod},   {"symlink", do_symlink},       {"mkdir", do_mkdir},
    {"fifo", do_fifo},     {"read", do_read},     {"write_many", do_write_many}, {"expect_fail", do_expect_fail},
    {NULL, NULL},
};
