/* main.c - cto-harness-observe FORMAT: a backend's recorded output on standard input, records of common/observe.h on standard output.
 *
 * What an agent wrote is read here and nowhere else: in a process that can do nothing but answer. Order: descriptors to the contract ->
 * die with the caller -> no file, no network, no exec, no new process, limits -> read, parse, write. The caller keeps the deadline, and
 * takes the answer as data.
 *
 * Exit 0: the answer is whole. Anything else: there is none.
 */
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/jail.h"
#include "worker/observe/observe.h"

#define MEMORY_LIMIT (256ull << 20) /* the costliest line of 1 MiB takes a sixth */
#define CPU_S 8u

static int set_up_process(int argc, char **argv, const struct observe_format **ret, struct err *e) {
    char *end = NULL;
    if (io_sanitize_std_fds(e) < 0) return -1;
    if (close_range(3, ~0u, 0) < 0) return err_sys(e, "close_range");
    signal(SIGPIPE, SIG_IGN);
    *ret = argc == 2 || argc == 4 ? observe_format_find(argv[1]) : NULL;
    if (!*ret || (argc == 4 && strcmp(argv[2], "--parent") != 0))
        return err_set(e, ERR_USAGE, "usage: cto-harness-observe codex-jsonl|pi-jsonl|case [--parent PID] <LOG");
    if (argc == 2) return 0; /* by hand */
    long parent = strtol(argv[3], &end, 10);
    if (parent < 1 || *end) return err_set(e, ERR_USAGE, "cto-harness-observe: --parent takes a process id");
    return jail_bind_life((pid_t)parent, -1) < 0 ? err_set(e, ERR_CONFLICT, "the caller is gone") : 0;
}

static int confine(struct err *e) {
    struct jail_limits limits = {.memory_bytes = MEMORY_LIMIT, .cpu_s = CPU_S, .open_files = 8, .file_bytes = 1u << 20};
    struct jail_report report;
    return jail_confine_self(NULL, 0, &limits, true, &report, e);
}

static int go_through(struct observer *o, struct err *e) {
    static char chunk[64 << 10];
    for (;;) {
        ssize_t n = io_read_full(0, chunk, sizeof chunk, e);
        if (n < 0) return -1;
        observer_feed(o, chunk, (size_t)n);
        if ((size_t)n < sizeof chunk) return 0;
    }
}

int main(int argc, char **argv) {
    struct err e = ERR_INIT;
    const struct observe_format *format = NULL;
    struct observer o;
    int rc = set_up_process(argc, argv, &format, &e);
    if (rc == 0) rc = confine(&e);
    if (rc < 0) {
        fprintf(stderr, "%s\n", e.text);
        return e.code == ERR_USAGE ? 2 : 4;
    }
    observer_init(&o, format);
    rc = go_through(&o, &e);
    observer_end(&o);
    if (rc == 0) rc = io_write_full(1, o.out.p, o.out.len, &e);
    observer_release(&o);
    return rc == 0 ? 0 : 4;
}
