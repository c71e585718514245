/* The observer of refused calls: it sees what was refused and changes nothing about it; nothing hangs on it, and nothing of
 * it reaches the program. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "common/clock.h"
#include "tests/unit/sandbox_util.h"

#define FLOOD 30000

static char self[4096];

/* --- inside -------------------------------------------------------------------------------------------------------- */
static int refused(long rc) { return rc < 0 && errno == EPERM; }

static int some(void) {
    int good = 0;
    for (int i = 0; i < 3; i++) good += refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    good += refused(socket(AF_NETLINK, SOCK_RAW, 0));
    good += refused(unshare(CLONE_NEWUSER));
    good += syscall(435 /* clone3 */, NULL, 0) < 0 && errno == ENOSYS;
    good += syscall(9999) < 0 && errno == ENOSYS;
    good += getppid() == 1;
    return good == 8 ? 0 : 1;
}

static int flood(void) {
    for (int i = 0; i < FLOOD; i++)
        if (!refused(unshare(CLONE_NEWNS))) return 1;
    return 0;
}

/* Whole ranges of numbers, the ones that were never given out too, and one call behind them all. */
static int many(void) {
    for (int nr = 450; nr >= 0; nr--)
        if (nr >= 337 || (nr >= 151 && nr <= 183) || (nr >= 205 && nr <= 216) ||
            (nr >= 236 && nr <= 256 && nr != 247) || (nr >= 133 && nr <= 144))
            (void)syscall(nr, -1, -1, -1, -1, -1, -1);
    return refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)) ? 0 : 1;
}

static int inside(const char *what) {
    if (strcmp(what, "some") == 0) return some();
    if (strcmp(what, "flood") == 0) return flood();
    if (strcmp(what, "many") == 0) return many();
    if (strcmp(what, "fds") == 0) return open("/dev/null", O_RDONLY) == 3 ? 0 : 1; /* the lowest one that is free */
    return 9;
}

/* --- outside ------------------------------------------------------------------------------------------------------- */
struct seen {
    int n;
    char names[JAIL_DENIALS_MAX][32];
};
static void on_denied(void *ctx, const struct jail_denial *d) {
    struct seen *s = ctx;
    CHECK(d->count == 1 && s->n < JAIL_DENIALS_MAX);
    snprintf(s->names[s->n++ % JAIL_DENIALS_MAX], 32, "%s", d->name);
}

static struct jail *start(const char *what, const struct jail_observer *o) {
    static struct jail_bind bind = {.target = "/t"};
    bind.source = self;
    const char *const argv[] = {"/t", "inside", what, NULL};
    struct jail_spec s = test_spec(argv);
    struct jail *j = NULL;
    struct err e = ERR_INIT;
    s.binds = &bind;
    s.n_binds = 1;
    s.observer = o;
    if (!CHECK(jail_start(&s, &j, &e) == 0)) fprintf(stderr, "%s\n", e.text);
    NEED(j != NULL);
    return j;
}

static void ends_well(struct jail *j) {
    struct jail_end end = {0};
    CHECK(jail_wait(j, 60000, &end, NULL) == 1 && end.kind == JAIL_END_EXITED && end.code == 0);
}

static void what_was_refused(void) {
    struct seen seen = {0};
    const struct jail_observer o = {.on_denied = on_denied, .ctx = &seen};
    struct jail *j = start("some", &o);
    CHECK(jail_report(j)->denials_observed && jail_denied_fd(j) >= 0);
    CHECK(jail_wait(j, 0, NULL, NULL) == 0 || jail_denials(j)->total > 0); /* a look is no wait */
    usleep(200000);                                                        /* slow: the program waits for us */
    ends_well(j);
    const struct jail_denials *d = jail_denials(j);
    CHECK(d->n == 3 && d->total == 5 && seen.n == 3);
    CHECK(strcmp(d->v[0].name, "ptrace") == 0 && d->v[0].count == 3 && strcmp(seen.names[0], "ptrace") == 0);
    CHECK(strcmp(d->v[1].name, "socket") == 0 && d->v[1].args[0] == AF_NETLINK && d->v[1].args[1] == SOCK_RAW);
    CHECK(strcmp(d->v[2].name, "unshare") == 0 && d->v[2].args[0] == CLONE_NEWUSER && d->v[2].count == 1);
    jail_free(j);
    /* Nobody asked: nobody is told, and the same answers. */
    j = start("some", NULL);
    CHECK(!jail_report(j)->denials_observed && jail_denied_fd(j) < 0 && jail_denials(j)->n == 0);
    ends_well(j);
    jail_free(j);
}

static void not_for_the_program(void) {
    const struct jail_observer o = {.on_denied = NULL};
    struct jail *j = start("fds", &o);
    ends_well(j);
    jail_free(j);
}

static void too_much(void) {
    struct seen seen = {0};
    const struct jail_observer o = {.on_denied = on_denied, .ctx = &seen};
    struct jail *j = start("flood", &o);
    ends_well(j);
    CHECK(jail_denials(j)->n == 1 && jail_denials(j)->v[0].count == FLOOD && seen.n == 1);
    jail_free(j);
    seen.n = 0;
    j = start("many", &o);
    ends_well(j);
    size_t unknown = 0;
    const struct jail_denials *d = jail_denials(j);
    CHECK(d->n > 64 && d->n <= JAIL_DENIALS_MAX && seen.n == (int)d->n);
    uint64_t sum = 0;
    for (size_t i = 0; i < d->n; i++) {
        sum += d->v[i].count;
        unknown += strcmp(d->v[i].name, "unknown") == 0;
        for (size_t k = 0; k < i; k++) CHECK(strcmp(d->v[i].name, d->v[k].name) != 0);
    }
    CHECK(unknown == 1 && sum == d->total); /* numbers that were never given out are one kind */
    CHECK(strcmp(d->v[d->n - 1].name, "ptrace") == 0);
    jail_free(j);
}

/* The program waits in a refused call, and nobody answers. */
static void killed_while_it_waits(void) {
    const struct jail_observer o = {.on_denied = NULL};
    struct jail *j = start("flood", &o);
    CHECK(io_wait(jail_denied_fd(j), POLLIN, 20000, NULL) == 1);
    const uint64_t from = clock_mono_us();
    jail_kill(j);
    CHECK(io_wait(jail_pidfd(j), POLLIN, 20000, NULL) == 1);
    CHECK(clock_mono_us() - from < 5000000u);
    struct jail_end end;
    CHECK(jail_wait(j, 20000, &end, NULL) == 1 && end.kind == JAIL_END_KILLED);
    jail_free(j);
    j = start("flood", &o);
    CHECK(io_wait(jail_denied_fd(j), POLLIN, 20000, NULL) == 1);
    jail_free(j);
}

/* One listener for a process and all that it starts: with one above us the plain filter is installed, and said so. Last:
 * it cannot be undone. */
static void one_above_us(void) {
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog prog = {.len = 1, .filter = allow};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return;
    const long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
    CHECK(fd >= 0);
    const struct jail_observer o = {.on_denied = NULL};
    struct jail *j = start("some", &o);
    CHECK(!jail_report(j)->denials_observed && jail_denied_fd(j) < 0);
    CHECK(jail_report(j)->in_force & JAIL_M_SECCOMP);
    ends_well(j);
    jail_free(j);
}

static void all(void) {
    what_was_refused();
    not_for_the_program();
    too_much();
    killed_while_it_waits();
    one_above_us();
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "inside") == 0) return inside(argv[2]);
    NEED(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    const int rc = test_both_modes(all);
    return rc != 0 ? rc : check_done();
}
