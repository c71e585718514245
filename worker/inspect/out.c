/* out.c - writing frames.
 *
 * Each function builds one payload in a bounded buffer and writes it whole. Strings that the agent chose (author,
 * subject, path) are cut to what the table permits, so that a hostile commit can never make us break the protocol.
 */
#include "worker/inspect/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/frame.h"
#include "common/io.h"

#define AUTHOR_MAX 512u
#define SUBJECT_MAX 1024u
#define DETAIL_MAX 700u
#define ATTEMPT_NAME_MAX 400u
#define MSG_PATH_ROOM (5000u) /* of a path, in frames of 5 KiB */

static int frames_fd = INSPECT_FD_OUT;

void out_set_fd(int fd) { frames_fd = fd; }
int out_fd(void) { return frames_fd; }

static int send_frame(enum msg_type type, const struct buf *b, struct err *e) {
    BUG_UNLESS(!b->bad && b->len <= msg_rule(type)->largest);
    return frame_write_buf(frames_fd, type, b, e);
}

static size_t at_most(size_t n, size_t max) { return n < max ? n : max; }

int out_baseline(const char *oid, bool clean, uint32_t files, uint64_t bytes, uint32_t commits, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(128);
    buf_put_str(&b, oid);
    buf_put_u8(&b, clean);
    buf_put_u32(&b, files);
    buf_put_u64(&b, bytes);
    buf_put_u32(&b, commits);
    return send_frame(MSG_BASELINE, &b, e);
}

int out_look(bool moved, bool clean, const char *head, uint64_t fingerprint, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(128);
    buf_put_u8(&b, moved);
    buf_put_u8(&b, clean);
    buf_put_str(&b, head);
    buf_put_u64(&b, fingerprint);
    return send_frame(MSG_LOOK, &b, e);
}

int out_dirty(char letter, const char *path, size_t n, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(5u << 10);
    buf_put_u8(&b, (uint8_t)letter);
    buf_put_bytes(&b, path, at_most(n, MSG_PATH_ROOM));
    return send_frame(MSG_DIRTY, &b, e);
}

int out_change(unsigned scope, char letter, uint32_t old_mode, uint32_t new_mode, const char *path, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(5u << 10);
    buf_put_u8(&b, (uint8_t)scope);
    buf_put_u8(&b, (uint8_t)letter);
    buf_put_u32(&b, old_mode);
    buf_put_u32(&b, new_mode);
    buf_put_bytes(&b, path, at_most(strlen(path), MSG_PATH_ROOM));
    return send_frame(MSG_CHANGE, &b, e);
}

int out_commit(const git_commit *c, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(2048);
    const git_signature *who = git_commit_author(c);
    const char *message = git_commit_message(c);
    char oid[GIT_OID_HEXSZ + 1], author[AUTHOR_MAX];
    unsigned parents = git_commit_parentcount(c);
    int n = snprintf(author, sizeof author, "%s <%s>", who != NULL ? who->name : "", who != NULL ? who->email : "");
    buf_put_str(&b, git_oid_tostr(oid, sizeof oid, git_commit_id(c)));
    buf_put_u8(&b, (uint8_t)(parents < 255 ? parents : 255));
    buf_put_i64(&b, who != NULL ? who->when.time : 0);
    buf_put_bytes(&b, author, at_most(n > 0 ? (size_t)n : 0, sizeof author - 1));
    buf_put_bytes(&b, message, at_most(message != NULL ? strcspn(message, "\n") : 0, SUBJECT_MAX));
    return send_frame(MSG_COMMIT, &b, e);
}

int out_result(const struct out_result *r, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(1024);
    buf_put_u8(&b, (uint8_t)r->kind);
    buf_put_str(&b, r->head);
    buf_put_u8(&b, r->clean);
    buf_put_u32(&b, r->dirty_paths);
    buf_put_u32(&b, r->commits);
    buf_put_u8(&b, r->made_by_harness);
    buf_put_bytes(&b, r->detail, at_most(strlen(r->detail), DETAIL_MAX));
    return send_frame(MSG_RESULT, &b, e);
}

int out_trace(const char *step, uint64_t start, bool ok, struct err *e, const char *fmt, ...) {
    AUTO_BUF struct buf b = BUF_INIT(2048);
    char detail[DETAIL_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    buf_put_str(&b, step);
    buf_put_u64(&b, start);
    buf_put_u64(&b, clock_mono_us() - start);
    buf_put_u8(&b, ok);
    buf_put_bytes(&b, detail, at_most(n > 0 ? (size_t)n : 0, sizeof detail - 1));
    return send_frame(MSG_TRACE, &b, e);
}

int out_attempt(enum attempt_kind kind, const char *name, size_t n, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(512);
    buf_put_u8(&b, (uint8_t)kind);
    buf_put_bytes(&b, name, at_most(n, ATTEMPT_NAME_MAX));
    return send_frame(MSG_ATTEMPT, &b, e);
}

int out_tree(const char *oid, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(64);
    buf_put_str(&b, oid);
    return send_frame(MSG_TREE, &b, e);
}

/* Never cut: another path would be landed than the one that was judged. */
int out_land(uint32_t mode, const char *oid, uint64_t size, const char *path, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(5u << 10);
    size_t n = strlen(path);
    if (n > MSG_PATH_ROOM) return err_set(e, ERR_LIMIT, "a path of %zu bytes is too long to be landed", n);
    buf_put_u32(&b, mode);
    buf_put_str(&b, oid);
    buf_put_u64(&b, size);
    buf_put_bytes(&b, path, n);
    return send_frame(MSG_LAND, &b, e);
}

int out_artifact(enum artifact_id id, const void *p, size_t n, struct err *e) {
    uint8_t which = (uint8_t)id;
    return frame_write(frames_fd, MSG_ARTIFACT, &which, 1, p, n, e);
}

int out_artifact_end(enum artifact_id id, uint64_t total, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(16);
    buf_put_u8(&b, (uint8_t)id);
    buf_put_u64(&b, total);
    return send_frame(MSG_ARTIFACT_END, &b, e);
}

void out_failed(enum failed_class c, const struct err *why) {
    AUTO_BUF struct buf b = BUF_INIT(1024);
    struct err ignored = ERR_INIT;
    buf_put_u8(&b, (uint8_t)c);
    buf_put_u32(&b, (uint32_t)why->code);
    buf_put_u32(&b, (uint32_t)why->sys);
    buf_put_str(&b, why->text);
    (void)send_frame(MSG_FAILED, &b, &ignored);
}

int out_done(struct err *e) { return frame_write(frames_fd, MSG_DONE, NULL, 0, NULL, 0, e); }

const char *out_quote(const char *p, size_t n, char buffer[OUT_QUOTE_SIZE]) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (at + 8 > OUT_QUOTE_SIZE) {
            memcpy(buffer + at, "...", 3);
            at += 3;
            break;
        }
        if (c >= 0x20 && c < 0x7f && c != '\\')
            buffer[at++] = (char)c;
        else
            at += (size_t)snprintf(buffer + at, OUT_QUOTE_SIZE - at, "\\%03o", c);
    }
    buffer[at] = '\0';
    return buffer;
}

int out_git_error(struct err *e, enum err_code code, const char *what) {
    int saved = errno;
    const git_error *g = git_error_last();
    char text[OUT_QUOTE_SIZE];
    const char *message = g != NULL && g->message != NULL ? g->message : "no reason given";
    int klass = g != NULL ? g->klass : GIT_ERROR_NONE;
    if (klass == GIT_ERROR_OS &&
        (saved == ENOSPC || saved == EDQUOT || saved == EIO || saved == EMFILE || saved == ENFILE)) {
        errno = saved;
        return err_sys(e, "%s", what);
    }
    if (klass == GIT_ERROR_NOMEMORY) code = ERR_LIMIT;
    return err_set(e, code, "%s: %s", what, out_quote(message, strlen(message), text));
}
