/* executor.c - see executor.h. One loop per executor_run() call; a flight is started whenever a place is free, from the loop's
 * thread only, so there is no locking anywhere but in the store file and the home's lock. */
#include "supervisor/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "build_id.h"
#include "common/io.h"
#include "supervisor/binaries.h"
#include "supervisor/flight.h"
#include "supervisor/orphans.h"

#define TICK_MS 100
#define LEAST_FILES 64

/* The lock that says "this supervisor lives": held by descriptor, so the kernel drops it with the process. */
static int take_lock(struct executor *x, struct err *e) {
    static int taken; /* this process may have had others in the same second: what is theirs is not ours */
    char stamp[CLOCK_COMPACT_SIZE], path[PATH_MAX + 128];
    clock_compact(clock_real_ms(), stamp);
    for (int i = 0; i < 100; i++) {
        snprintf(x->id, sizeof x->id, "%s-%d-%d", stamp, (int)getpid(), taken++);
        snprintf(path, sizeof path, "%s/%s", x->home.locks, x->id);
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 && errno == EEXIST) continue;
        if (fd < 0) return err_sys(e, "create lock %s", path);
        struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        struct stat st;
        /* another command's recovery may sweep the file away between its creation and the lock: then take the next name */
        if (fcntl(fd, F_OFD_SETLK, &fl) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0) {
            x->lock_fd = fd;
            return 0;
        }
        close(fd);
    }
    return err_set(e, ERR_CONFLICT, "no free lock name in %s", x->home.locks);
}

static void drop_lock(struct executor *x) {
    char path[PATH_MAX + 128];
    if (x->lock_fd < 0) return;
    snprintf(path, sizeof path, "%s/%s", x->home.locks, x->id);
    unlink(path);
    close(x->lock_fd);
}

/* Each run needs about a dozen descriptors here, a worker a few more; libuv aborts when it gets no pipe for its signals. */
static int raise_file_limit(struct err *e) {
    struct rlimit rl;
    if (getrlimit(RLIMIT_NOFILE, &rl) < 0) return err_sys(e, "limit of open files");
    if (rl.rlim_cur < rl.rlim_max) {
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }
    if (rl.rlim_max >= LEAST_FILES) return 0;
    return err_set(e, ERR_USAGE, "only %llu open files are allowed here, %d are needed: raise the limit (ulimit -n)",
                   (unsigned long long)rl.rlim_max, LEAST_FILES);
}

static void describe(struct executor *x) {
    struct utsname u;
    if (uname(&u) == 0) {
        snprintf(x->host, sizeof x->host, "%s", u.nodename);
        snprintf(x->kernel, sizeof x->kernel, "%s %s %s", u.sysname, u.release, u.machine);
    }
    x->env = (struct seal_input){.host = x->host,
                                 .kernel = x->kernel,
                                 .harness_version = CTO_VERSION,
                                 .build_id = CTO_BUILD_ID,
                                 .home = home_is_one_directory(&x->home) ? x->home.home : NULL,
                                 .cases = x->home.cases};
    x->env.binaries = binaries_list(x->binaries, &x->env.n_binaries);
}

int executor_open(const struct home *h, recover_warn_fn warn, struct executor **ret, struct err *e) {
    struct executor *x = calloc(1, sizeof *x);
    BUG_UNLESS(x != NULL);
    x->home = *h;
    x->lock_fd = -1;
    x->reserve = RESERVE_NONE;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* an inherited RLIMIT_FSIZE is an error of a write (EFBIG), not the end of us */
    snprintf(x->worker_path, sizeof x->worker_path, "%s/cto-harness-worker", h->libexec);
    if (raise_file_limit(e) < 0 || home_prepare(h, e) < 0 || binaries_check(h->libexec, &x->binaries, e) < 0 ||
        store_open(h->store, true, &x->store, e) < 0 || take_lock(x, e) < 0 ||
        store_supervisor_add(x->store, x->id, getpid(), e) < 0 || orphans_adopt(e) < 0)
        goto fail;
    reserve_open(&x->reserve, h->runs);
    describe(x);
    const struct recover_by by = {.supervisor_id = x->id, .env = &x->env, .warn = warn};
    if (recover_home(h, x->store, &by, e) < 0) goto fail;
    int rc = uv_loop_init(&x->loop);
    if (rc < 0) {
        err_set(e, ERR_SYS, "event loop: %s", uv_strerror(rc));
        goto fail;
    }
    x->loop_ready = true;
    *ret = x;
    return 0;
fail:
    executor_close(x);
    return -1;
}

struct store *executor_store(struct executor *x) {
    return x->store;
}
const char *executor_id(const struct executor *x) { return x->id; }
bool executor_interrupted(const struct executor *x) { return x->interrupted; }
const struct seal_input *executor_environment(const struct executor *x) { return &x->env; }

void executor_close(struct executor *x) {
    if (!x) return;
    if (x->loop_ready) {
        uv_run(&x->loop, UV_RUN_NOWAIT);
        uv_loop_close(&x->loop);
    }
    store_close(x->store);
    binaries_free(x->binaries);
    reserve_release(&x->reserve);
    drop_lock(x);
    free(x);
}

static const int wanted[] = {SIGINT, SIGTERM, SIGHUP};

/* A signal that came when no run was under way: a second Ctrl-C must not cost the summary, and the first one of a validator, which
 * runs one batch after the other, must not be lost: its next batch does not begin. */
static volatile sig_atomic_t late_signal;
static void note_late(int signum) { late_signal = signum; }

static void stop_services(struct executor *x) {
    for (size_t i = 0; i < sizeof x->signals / sizeof x->signals[0]; i++) {
        if (uv_is_closing((uv_handle_t *)&x->signals[i])) continue;
        uv_close((uv_handle_t *)&x->signals[i], NULL); /* back to the default action */
        signal(wanted[i], note_late);
    }
    if (!uv_is_closing((uv_handle_t *)&x->tick)) uv_close((uv_handle_t *)&x->tick, NULL);
}

static void report_unstarted(struct executor *x, int i, const struct err *e) { x->ev->done(x->ctx, i, NULL, NULL, e); }

static void start_more(struct executor *x) {
    while (!x->interrupted && x->fatal.code == ERR_NONE && x->in_flight < x->parallel && x->next_job < x->n_jobs) {
        struct err e = ERR_INIT;
        int i = x->next_job++;
        if (flight_start(x, i, &e) < 0) {
            report_unstarted(x, i, &e);
            x->fatal = e; /* no row or no directory could be made: the next one would fare no better */
        }
    }
    if (x->in_flight == 0) stop_services(x);
}

void executor_landed(struct flight *f) {
    struct executor *x = f->x;
    for (struct flight **p = &x->flights; *p; p = &(*p)->next)
        if (*p == f) {
            *p = f->next;
            break;
        }
    x->in_flight--;
    reserve_refill(&x->reserve);
    if (f->error.code != ERR_NONE && x->fatal.code == ERR_NONE) x->fatal = f->error;
    start_more(x);
}

static void on_signal(uv_signal_t *s, int signum) {
    struct executor *x = s->data;
    char text[80];
    x->interrupted = true;
    x->interrupt_signal = signum;
    snprintf(text, sizeof text, "interrupted by the operator (signal %d)", signum);
    for (struct flight *f = x->flights, *next; f; f = next) {
        next = f->next; /* a flight without a worker may land at once */
        flight_cancel(f, BLOCKER_supervisor_interrupted, text);
    }
    if (x->in_flight == 0) stop_services(x);
}

static void on_tick(uv_timer_t *t) {
    struct executor *x = t->data;
    if (x->ev->tick) x->ev->tick(x->ctx);
}

static void start_services(struct executor *x) {
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        uv_signal_init(&x->loop, &x->signals[i]);
        x->signals[i].data = x;
        uv_signal_start(&x->signals[i], on_signal, wanted[i]);
    }
    uv_timer_init(&x->loop, &x->tick);
    x->tick.data = x;
    if (x->ev->tick) uv_timer_start(&x->tick, on_tick, TICK_MS, TICK_MS);
}

int executor_run(struct executor *x, const struct job *jobs, int n, int parallel, const struct executor_events *ev,
                 void *ctx, struct err *e) {
    x->jobs = jobs;
    x->n_jobs = n;
    x->next_job = 0;
    x->parallel = parallel > 0 ? parallel : 1;
    x->ev = ev;
    x->ctx = ctx;
    x->fatal = ERR_INIT;
    if (late_signal) {
        x->interrupted = true;
        x->interrupt_signal = late_signal;
    }
    start_services(x);
    start_more(x);
    uv_run(&x->loop, UV_RUN_DEFAULT);
    BUG_UNLESS(x->in_flight == 0 && x->flights == NULL);
    recover_groups(false);
    if (x->fatal.code == ERR_NONE) return 0;
    if (e) *e = x->fatal;
    return -1;
}
