/* parts.h - commands of this program, run as processes of their own, some at the same time: what `health` is made of.
 *
 * A lane is a list of parts in order; lanes run beside each other, at most `parallel` at once. Each part has a deadline; what is
 * over it is killed, and what it had started dies with it. A part's standard output is one JSON document.
 */
#ifndef CTO_SUPERVISOR_PARTS_H
#define CTO_SUPERVISOR_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/json.h"

#define PARTS_ARGS 12
#define PARTS_OUTPUT_MAX (32u << 20)

struct part {
    const char *name;
    const char *args[PARTS_ARGS]; /* after the program and the global options; NULL-terminated */
    int lane;                     /* parts of one lane run in the order of the table */
    int timeout_s;

    /* filled */
    bool started, ended, late;
    int exit_code; /* 128 + N for a signal */
    int64_t took_ms;
    cJSON *document; /* owned; NULL: it gave none */
    char said[300];  /* the first line of its standard error; "" */
    pid_t pid;
    int pidfd, out_fd, err_fd;
    uint64_t begun_us;
};

/* Who wants to know: `ended` as each ends; `waits` before each wait, which is for a second at most. */
struct parts_watcher {
    void (*ended)(void *ctx, const struct part *p);
    void (*waits)(void *ctx, const struct part *parts, int n);
    void *ctx;
};

/* `argv0` and `globals` (NULL-terminated) go before each part's own arguments. -1: the machinery failed; parts that had been started
 * are dead then. */
int parts_run(struct part *parts, int n, int parallel, const char *argv0, const char *const *globals,
              const struct parts_watcher *w, struct err *e);
void parts_release(struct part *parts, int n);

#endif
