/* case_log.c - see case_log.h. */
#include "supervisor/case_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"

/* As Case prints them: a line for people on stdout, and its last line of JSON on stderr. */
static const struct {
    const char *text;
    enum case_mark mark;
} marks[] = {{"Pipeline failed at reviewer phase", CASE_MARK_REVIEWER},
             {"\"failedAgent\":\"reviewer\"", CASE_MARK_REVIEWER},
             {"AGENT_RESULT start delimiter not found", CASE_MARK_PROTOCOL},
             {"AGENT_RESULT end delimiter not found", CASE_MARK_PROTOCOL},
             {"agent-protocol-error", CASE_MARK_PROTOCOL}};

enum { PLAIN, ESC, CONTROL, STRING, STRING_ESC }; /* where in an escape sequence the next byte is */

/* Is the byte part of the text? A newline ends whatever was begun: no sequence may swallow the rest of a log. */
static bool is_text(struct case_log *l, unsigned char c) {
    if (c == '\n' || c == '\r') {
        l->escape = PLAIN;
        return true;
    }
    switch (l->escape) {
    case PLAIN:
        if (c != 0x1b) return true;
        l->escape = ESC;
        return false;
    case ESC:
        if (c >= 0x20 && c <= 0x2f) return false; /* intermediate: the final byte follows */
        l->escape = c == '[' ? CONTROL : c == ']' || c == 'P' || c == '_' || c == '^' ? STRING : PLAIN;
        return false;
    case CONTROL:
        if (c >= 0x40 && c <= 0x7e) l->escape = PLAIN;
        return false;
    case STRING:
        if (c == 0x07) l->escape = PLAIN;
        if (c == 0x1b) l->escape = STRING_ESC;
        return false;
    default: l->escape = c == '\\' ? PLAIN : STRING; return false;
    }
}

static void search(struct case_log *l) {
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (memmem(l->text, l->n, marks[i].text, strlen(marks[i].text))) l->marks |= marks[i].mark;
    if (l->n <= CASE_LOG_KEEP) return;
    memmove(l->text, l->text + l->n - CASE_LOG_KEEP, CASE_LOG_KEEP);
    l->n = CASE_LOG_KEEP;
}

void case_log_feed(struct case_log *l, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        if (l->bytes == CASE_LOG_MAX) {
            l->marks |= CASE_MARK_UNREAD;
            break;
        }
        l->bytes++;
        if (is_text(l, p[i])) l->text[l->n++] = (char)p[i];
        if (l->n == sizeof l->text) search(l);
    }
    search(l);
}

static unsigned read_stream(int dir, const char *path) {
    static const size_t step = 32u << 10;
    struct err e = ERR_INIT;
    AUTO_FD int fd = io_open_beneath(dir, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, &e);
    if (fd < 0) return e.sys == ENOENT ? 0 : CASE_MARK_UNREAD; /* it said nothing there */
    struct case_log *l = calloc(1, sizeof *l);
    char *chunk = malloc(step);
    BUG_UNLESS(l != NULL && chunk != NULL);
    ssize_t n;
    while ((n = io_read_full(fd, chunk, step, &e)) > 0 && !(l->marks & CASE_MARK_UNREAD))
        case_log_feed(l, chunk, (size_t)n);
    unsigned found = l->marks | (n < 0 ? CASE_MARK_UNREAD : 0u);
    free(chunk);
    free(l);
    return found;
}

unsigned case_log_read(const char *run_dir) {
    AUTO_FD int dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) return CASE_MARK_UNREAD;
    return read_stream(dir, "backend/stdout.log") | read_stream(dir, "backend/stderr.log");
}
