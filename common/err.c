/* err.c - see err.h. Text is assembled with vsnprintf into the fixed array; what does not fit is cut, which is better than
 * an error path that can itself fail. */
#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static int err_store(struct err *e, enum err_code code, int sys, const char *fmt,
                                                           va_list ap) {
    char text[ERR_TEXT_MAX]; /* the arguments may point into e->text */
    if (!e) return -1;
    int n = vsnprintf(text, sizeof text, fmt, ap);
    if (n < 0) text[0] = '\0';
    if (sys != 0) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, ": %s", strerror(sys));
    }
    memcpy(e->text, text, sizeof text);
    e->code = code;
    e->sys = sys;
    return -1;
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int r = err_store(e, code, 0, fmt, ap);
    va_end(ap);
    return r;
}

int err_sys(struct err *e, const char *fmt, ...) {
    int saved = errno;
    va_list ap;
    va_start(ap, fmt);
    int r = err_store(e, ERR_SYS, saved, fmt, ap);
    va_end(ap);
    return r;
}

int err_ctx(struct err *e, const char *fmt, ...) {
    char prefix[ERR_TEXT_MAX / 2], text[ERR_TEXT_MAX];
    if (!e) return -1;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    if (n < 0) return -1;
    n = snprintf(text, sizeof text, "%s: %s", prefix, e->text);
    if (n >= 0) memcpy(e->text, text, sizeof text);
    return -1;
}

void err_bug(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, what);
    abort();
}
