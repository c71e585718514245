/* entry.c - the first milliseconds: are the descriptors what the contract says, who are we, what shall we do.
 *
 * The contract is checked before anything is sent: a worker started by hand must not write frames to somebody's
 * terminal. The spec is the only thing that is ever read from the supervisor but for one STOP, so exactly one frame
 * is taken and a byte after it is a protocol error.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "build_id.h"
#include "common/clock.h"
#include "common/frame.h"
#include "worker/worker.h"

#define SPEC_DEADLINE_US (10 * 1000000ull)

static int check_kind(int fd, struct err *e) {
    struct stat st;
    int type = 0;
    socklen_t len = sizeof type;
    if (fd == WORKER_FD_CONTROL && (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM))
        return err_set(e, ERR_PROTO, "descriptor %d is not a stream socket; cto-harness starts this program", fd);
    if (fd == WORKER_FD_GATEWAY && (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM))
        return err_set(e, ERR_PROTO, "descriptor %d is not a stream socket; cto-harness starts this program", fd);
    if (fd == WORKER_FD_BULK && (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode)))
        return err_set(e, ERR_PROTO, "descriptor %d is not a pipe; cto-harness starts this program", fd);
    return 0;
}

int entry_check_fds(struct err *e) {
    for (int fd = 0; fd < WORKER_FD_COUNT; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0 && fd == WORKER_FD_GATEWAY) break; /* a run without one */
        if (flags < 0)
            return err_set(e, ERR_PROTO,
                           "descriptor %d is not open; cto-harness starts this program with its descriptors", fd);
        if (check_kind(fd, e) < 0) return -1;
        /* Ours by inheritance, so not CLOEXEC from birth: nothing that we start may have them. */
        if (fd > WORKER_FD_STDERR && fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0) return err_sys(e, "descriptor %d", fd);
    }
    if (syscall(SYS_close_range, (unsigned)WORKER_FD_COUNT, ~0u, 0u) < 0) return err_sys(e, "close_range");
    return 0;
}

static void hello(struct worker *w) {
    AUTO_BUF struct buf b = BUF_INIT(128);
    buf_put_str(&b, CTO_BUILD_ID);
    buf_put_u32(&b, (uint32_t)getpid());
    up_control(&w->up, MSG_HELLO, &b);
}

struct taken {
    struct run_spec *spec;
    int frames;
};

static int on_spec_frame(void *ctx, const struct frame *f, struct err *e) {
    struct taken *t = ctx;
    if (f->type != MSG_RUN_SPEC || t->frames++ != 0) return err_set(e, ERR_PROTO, "expected exactly one RUN_SPEC");
    return spec_parse(t->spec, f->payload, f->len, e);
}

static int read_spec(struct worker *w, struct frame_reader *reader, struct err *e) {
    struct taken t = {.spec = &w->spec};
    uint64_t deadline = clock_mono_us() + SPEC_DEADLINE_US;
    static char chunk[64 << 10];
    while (t.frames == 0) {
        struct pollfd p = {.fd = w->up.control, .events = POLLIN};
        int n = poll(&p, 1, clock_left_ms(deadline));
        if (n < 0 && errno != EINTR) return err_sys(e, "poll");
        if (n == 0) return err_set(e, ERR_LIMIT, "no RUN_SPEC within 10 seconds");
        if (n < 0) continue;
        ssize_t got = recv(w->up.control, chunk, sizeof chunk, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) up_lost();
        if (frame_feed(reader, chunk, (size_t)got, on_spec_frame, &t, e) < 0) return -1;
    }
    return frame_finish(reader, e);
}

static int check_spec(const struct worker *w, struct err *e) {
    const struct run_spec *s = &w->spec;
    if (strcmp(s->build_id, CTO_BUILD_ID) != 0)
        return err_set(e, ERR_PROTO,
                       "the run is of build %.16s and this worker of build %.16s; install both from one build",
                       s->build_id, CTO_BUILD_ID);
    if (s->supervisor_pid != w->supervisor)
        return err_set(e, ERR_PROTO, "the spec names supervisor %lld, the command line %d",
                       (long long)s->supervisor_pid, (int)w->supervisor);
    if (w->mode == JAIL_MODE_ROOT && (s->engine_uid <= 0 || s->verifier_uid <= 0 || s->engine_uid == s->verifier_uid))
        return err_set(e, ERR_PROTO, "as root a run needs two different unprivileged uids, not %lld and %lld",
                       (long long)s->engine_uid, (long long)s->verifier_uid);
    return 0;
}

int entry_take_spec(struct worker *w, struct err *e) {
    w->blame = FAILED_SPEC;
    hello(w);
    struct frame_reader reader;
    frame_reader_init(&reader, MSG_TO_WORKER, MSG_CONTROL);
    int rc = read_spec(w, &reader, e);
    frame_reader_release(&reader);
    if (rc < 0) return err_ctx(e, "read spec");
    if (check_spec(w, e) < 0) return -1;
    w->blame = FAILED_WORKER;
    return 0;
}
