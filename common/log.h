/* log.h - one line to stderr, "program: text". Only main-level code of the supervisor and of the stand-alone tools logs;
 * a child's log is a LOG frame. Control bytes and escape sequences in the text are made visible, never passed on. */
#ifndef CTO_COMMON_LOG_H
#define CTO_COMMON_LOG_H

void log_open(const char *program); /* keeps the pointer */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
