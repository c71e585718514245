/* test_wk_watch.c - what the processes of a jail use, whatever they do about it; and when a close look at their memory is due: not all the
 * time, and at once when the host loses what the jail may have taken. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "common/clock.h"
#include "worker/watch_procs.h"

#define MS 1000u
#define GIB (UINT64_C(1) << 30)

#define TAKEN (UINT64_C(48) << 20)
static int ready[2];

static char *taken;

static void take_early(void) {
    taken = mmap(NULL, TAKEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (taken == MAP_FAILED) _exit(1);
    memset(taken, 1, TAKEN);
}

static void take_memory(void) {
    take_early();
    if (write(ready[1], "", 1) != 1) _exit(1);
}

static void *take_and_wait(void *unused) {
    usleep(50000);
    take_memory();
    for (;;) pause();
    return unused;
}

/* The first thread ends, the second takes memory. */
static void leader_gone(void) {
    pthread_t t;
    if (pthread_create(&t, NULL, take_and_wait, NULL) != 0) _exit(1);
    syscall(SYS_exit, 0);
}

/* A child that is slow to execute its program. */
static void vforks(void) {
    take_early();
    if (vfork() == 0) {
        if (write(ready[1], "", 1) != 1) _exit(1);
        for (;;) pause();
    }
}

/* A true child that has the same, twice. */
static void forks(void) {
    take_early();
    if (fork() == 0) {
        memset(taken, 2, TAKEN);
        if (write(ready[1], "", 1) != 1) _exit(1);
    }
    for (;;) pause();
}

/* A "jail" whose pid 1 waits and whose program is `run`; looks when it says that it is ready. */
static struct procs_look look_at(void (*run)(void), unsigned times) {
    static struct procs p;
    struct procs_look l = {0};
    char c;
    NEED(pipe(ready) == 0);
    const pid_t init = fork();
    NEED(init >= 0);
    if (init == 0) {
        setpgid(0, 0);
        alarm(60); /* nobody outlives a test that has failed */
        if (fork() == 0) {
            alarm(60);
            run();
            _exit(0);
        }
        for (;;) pause();
    }
    NEED(read(ready[0], &c, 1) == 1 && procs_init(&p, init, -1, 0) == 0);
    procs_look(&p, clock_mono_us(), &l);
    CHECK(l.cut && l.anon == 0); /* no time: not all were seen, and that is said */
    procs_look(&p, clock_mono_us() + 10000000, &l);
    CHECK(!l.cut);
    struct procs_look closely = l;
    procs_look_closely(&p, UINT64_MAX, &closely);
    CHECK(closely.anon > times * TAKEN * 9 / 10 && closely.anon < times * TAKEN * 3 / 2);
    CHECK(l.anon > times * TAKEN * 9 / 10 && l.anon < times * TAKEN * 3 / 2);
    kill(-init, SIGKILL);
    NEED(waitpid(init, NULL, 0) == init);
    procs_release(&p);
    close(ready[0]);
    close(ready[1]);
    return l;
}

static void nobody_hides(void) {
    look_at(leader_gone, 1);
    CHECK(look_at(forks, 2).tasks == 2);
}

static void nobody_is_counted_twice(void) { CHECK(look_at(vforks, 1).tasks == 2); }

static void pauses(void) {
    struct close_pause c = {0};
    CHECK(close_pause_over(&c, 1, 8 * GIB)); /* the first time */
    /* A look of 2 s, a gibibyte below the limit: 40 s of pause, of which the first 2 are never cut short. */
    c.available = 8 * GIB;
    c.room = GIB;
    close_pause_begin(&c, 10000 * MS, 2000 * MS, 20);
    CHECK(!close_pause_over(&c, 10001 * MS, 8 * GIB) && !close_pause_over(&c, 11999 * MS, 0));
    CHECK(!close_pause_over(&c, 12000 * MS, 8 * GIB) && !close_pause_over(&c, 12000 * MS, 9 * GIB));
    CHECK(!close_pause_over(&c, 12000 * MS, 7 * GIB) && close_pause_over(&c, 12000 * MS, 7 * GIB - 1));
    CHECK(close_pause_over(&c, 12000 * MS, 0)); /* a host that does not say is looked at as often as may be */
    CHECK(!close_pause_over(&c, 49999 * MS, 8 * GIB) && close_pause_over(&c, 50000 * MS, 8 * GIB));
    const uint64_t now = host_available();
    CHECK(now > (1u << 20) && now < UINT64_C(1) << 50);
}

int main(void) {
    pauses();
    nobody_hides();
    nobody_is_counted_twice();
    return check_done();
}
