/* err.h - the one error object.
 *
 * Every function that can fail takes a `struct err *` as its last argument, returns 0 or -1 (or NULL), and leaves the
 * object untouched on success. The text reads outermost first: "run 7: read spec: connection reset".
 * Callers on the way up add context with err_ctx(). Fixed size and without pointers, so that it can cross a fork, a
 * pipe or a frame as it is. Libraries return errors; only main-level code prints them.
 */
#ifndef CTO_COMMON_ERR_H
#define CTO_COMMON_ERR_H

#define ERR_TEXT_MAX 480

/* Append only: the numbers cross process borders (status pipe of the jail, FAILED frame). */
enum err_code {
    ERR_NONE = 0,
    ERR_SYS = 1,         /* a system call failed; `sys` is its errno */
    ERR_USAGE = 2,       /* the operator gave something wrong: exit 2 */
    ERR_PARSE = 3,       /* bytes that are not what they claim to be */
    ERR_LIMIT = 4,       /* a declared bound was reached */
    ERR_PROTO = 5,       /* the peer said what it may not say now */
    ERR_UNSUPPORTED = 6, /* the host lacks a mechanism that is required */
    ERR_CONFLICT = 7,    /* somebody else owns it or got there first */
    ERR_MISSING = 8,     /* something that must exist does not */
    ERR_INTERNAL = 9,    /* an invariant does not hold */
};

struct err {
    enum err_code code;
    int sys; /* errno, 0 when the cause is not a system call */
    char text[ERR_TEXT_MAX];
};

#define ERR_INIT ((struct err){.code = ERR_NONE})

/* All return -1, so that a caller can write `return err_set(...)`. `e` may be NULL: then only the value counts. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As err_set with code ERR_SYS and ": strerror(errno)" appended; reads errno first. */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prefix "context: " to the text; code and errno stay. */
int err_ctx(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* An invariant that must hold whatever the input: prints where, and aborts. Never compiled out. */
#define BUG_UNLESS(cond) ((cond) ? (void)0 : err_bug(__FILE__, __LINE__, #cond))
void err_bug(const char *file, int line, const char *what) __attribute__((noreturn));

#endif
