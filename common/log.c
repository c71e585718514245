/* log.c - see log.h. One write(2) per line, so that lines of several processes do not mix. */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"

static const char *log_program = "cto-harness";

void log_open(const char *program) { log_program = program; }

void log_line(const char *fmt, ...) {
    char text[2048], line[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    int start = snprintf(line, sizeof line, "%s: ", log_program);
    size_t n = start > 0 ? (size_t)start : 0;
    for (const char *p = text, *end = text + strlen(text); p < end && n < sizeof line - 6;) {
        size_t glyph = text_glyph(p, (size_t)(end - p));
        if (glyph == 0) n += (size_t)snprintf(line + n, sizeof line - n, "\\x%02x", (unsigned char)*p++);
        for (; glyph > 0; glyph--) line[n++] = *p++;
    }
    line[n++] = '\n';
    ssize_t w = write(STDERR_FILENO, line, n);
    (void)w; /* nothing better to do with a failure to complain */
}
