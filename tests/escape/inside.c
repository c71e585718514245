/* inside.c - the program in the jail: the list of all probes, and running one of them.
 *
 * Every attempt is a forked child, so that one that is killed (a foreign system call is), hangs or changes itself does
 * not take the next one with it. The answer is one record on a pipe; a child that ends by a signal was held.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "tests/escape/escape.h"

#define ATTEMPT_MS 30000
#define LINGER_S 40

static const struct probe_table *const tables[] = {&probes_files,   &probes_hidden, &probes_mounts, &probes_proc,
                                                   &probes_process, &probes_limits, &probes_kernel, &probes_sockets,
                                                   &probes_network, &probes_tty};
#define N_TABLES (sizeof tables / sizeof tables[0])

const struct probe *const *probes_all(size_t *ret_n) {
    static const struct probe *all[PROBES_MAX];
    static size_t n;
    if (n == 0)
        for (size_t t = 0; t < N_TABLES; t++)
            for (size_t i = 0; i < tables[t]->n && n < PROBES_MAX; i++) all[n++] = &tables[t]->v[i];
    *ret_n = n;
    return all;
}

const char *probe_subject(size_t index) {
    for (size_t t = 0; t < N_TABLES; index -= tables[t++]->n)
        if (index < tables[t]->n) return tables[t]->subject;
    return "?";
}

const char *wall_name(unsigned index) {
    static const char *const names[] = {
#define X(name, text) text,
        WALL_TABLE(X)
#undef X
    };
    return index < WALL_COUNT ? names[index] : "?";
}

const char *const world_ns_names[] = {"mnt", "pid", "net", "ipc", "uts", "cgroup", "user"};

/* --- for attempts ----------------------------------------------------------------------------------------------------- */
static char detail[DETAIL_MAX];

void say(const char *fmt, ...) {
    va_list ap;
    const int saved = errno;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    errno = saved;
}

enum verdict skip(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    return SKIP;
}

static const char *place(const char *tree, const struct probe *p, const char *name) {
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, PATH_MAX, "%s/%s/%s", tree, p->name, name);
    return out;
}

const char *in_canary(const struct world *w, const struct probe *p, const char *name) {
    char tree[sizeof w->dir + 8];
    snprintf(tree, sizeof tree, "%s/canary", w->dir);
    return place(tree, p, name);
}
const char *in_ro(const struct world *w, const struct probe *p, const char *name) { return place(w->ro, p, name); }
const char *in_rw(const struct world *w, const struct probe *p, const char *name) { return place(w->rw, p, name); }

static size_t index_of(const struct probe *p) {
    size_t n;
    const struct probe *const *all = probes_all(&n);
    for (size_t i = 0; i < n; i++)
        if (all[i] == p) return i;
    return n;
}

const char *probe_tag(const struct probe *p, char out[16]) {
    snprintf(out, 16, "esc-%u", (unsigned)index_of(p));
    return out;
}

/* --- one attempt ------------------------------------------------------------------------------------------------------ */
void inside_call(const struct world *w, size_t index, struct answer *a) {
    size_t n;
    const struct probe *p = probes_all(&n)[index];
    detail[0] = '\0';
    errno = 0;
    a->verdict = (int)p->attempt(w, p);
    const int error = errno;
    snprintf(a->detail, sizeof a->detail, "%s",
             detail[0]                          ? detail
             : a->verdict == HELD && error != 0 ? strerror(error)
                                                : "");
}

static void ended_without_answer(int ws, struct answer *a) {
    if (WIFSIGNALED(ws)) {
        a->verdict = HELD;
        snprintf(a->detail, sizeof a->detail, "killed by signal %d", WTERMSIG(ws));
    } else if (WEXITSTATUS(ws) == 0) {
        a->verdict = OPEN; /* it became another program, and that one ended well */
    } else {
        snprintf(a->detail, sizeof a->detail, "exit status %d", WEXITSTATUS(ws));
    }
}

void inside_one(const struct world *w, size_t index, struct answer *a) {
    int p[2], ws = 0;
    *a = (struct answer){.verdict = ANSWER_NONE};
    if (pipe2(p, O_CLOEXEC) < 0) return;
    const pid_t pid = fork();
    if (pid == 0) {
        struct answer mine = {.verdict = ANSWER_NONE};
        close(p[0]);
        inside_call(w, index, &mine);
        _exit(write(p[1], &mine, sizeof mine) == (ssize_t)sizeof mine ? 1 : 2);
    }
    close(p[1]);
    AUTO_FD int from = p[0];
    if (pid < 0) return;
    const int ready = io_wait(from, POLLIN, ATTEMPT_MS, NULL);
    const bool answered = ready > 0 && io_read_full(from, a, sizeof *a, NULL) == (ssize_t)sizeof *a;
    if (ready <= 0) kill(pid, SIGKILL);
    waitpid(pid, &ws, 0);
    if (ready <= 0) a->verdict = ANSWER_HUNG;
    if (ready > 0 && !answered) {
        *a = (struct answer){.verdict = ANSWER_NONE};
        ended_without_answer(ws, a);
    }
}

static int load_world(const char *path, struct world *w) {
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && io_read_full(fd, w, sizeof *w, NULL) == (ssize_t)sizeof *w ? 0 : -1;
}

int inside_main(int argc, char **argv) {
    static struct world w;
    size_t n;
    const struct probe *const *all = probes_all(&n);
    if (argc < 4 || load_world(argv[2], &w) < 0) return 99;
    signal(SIGUSR2, SIG_IGN); /* of its own signals to everybody it wants to live */
    w.jail_uid = geteuid();
    for (int i = 3; i < argc; i++) {
        const size_t index = strtoul(argv[i], NULL, 10);
        struct answer a;
        if (index >= n) return 98;
        inside_one(&w, index, &a);
        dprintf(1, "%zu %d %s\n", index, a.verdict, a.detail);
        if (all[index]->flags & ORPHAN) sleep(LINGER_S);
    }
    return 0;
}
