/* worker_proc.c - see worker_proc.h.
 *
 * Descriptors are made CLOEXEC and handed over by number through uv_spawn, which clears the flag on the child's copies only.
 * Reads land in one buffer for the whole loop: a read callback runs to its end before the next read, so runs in flight cost
 * no read buffer each.
 */
#include "supervisor/worker_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/io.h"
#include "supervisor/orphans.h"

struct worker_proc {
    uv_process_t process;
    uv_pipe_t control, bulk;
    int wake;
    int pid;
    int open_handles; /* freed when it reaches zero after close */
    bool exited, bulk_reading, closing, has_process;
    const struct worker_events *ev;
    void *ctx;
};

static char read_buffer[65536];

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret) {
    (void)h, (void)suggested;
    *ret = uv_buf_init(read_buffer, sizeof read_buffer);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b) {
    struct worker_proc *w = s->data;
    enum msg_channel c = s == (uv_stream_t *)&w->control ? MSG_CONTROL : MSG_BULK;
    if (w->closing) return;
    if (n > 0) {
        w->ev->bytes(w->ctx, c, b->base, (size_t)n);
    } else if (n < 0) {
        uv_read_stop(s);
        w->ev->eof(w->ctx, c);
    }
}

static void on_exit_cb(uv_process_t *p, int64_t status, int signal) {
    struct worker_proc *w = p->data;
    w->exited = true;
    orphans_include(w->pid);
    if (!w->closing) w->ev->exited(w->ctx, status, signal);
}

/* Three connected pairs: ours[i] stays here, theirs[i] goes to the child. Control is a socket because both write. */
struct ends {
    int control[2], bulk[2], wake;
};

static void ends_close(struct ends *p) {
    int *all[] = {&p->control[0], &p->control[1], &p->bulk[0], &p->bulk[1], &p->wake};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (*all[i] >= 0) close(*all[i]);
}

static int ends_open(struct ends *p, struct err *e) {
    *p = (struct ends){{-1, -1}, {-1, -1}, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->control) < 0) {
        p->control[0] = p->control[1] = -1;
        return err_sys(e, "control channel");
    }
    if (pipe2(p->bulk, O_CLOEXEC) < 0) {
        p->bulk[0] = p->bulk[1] = -1;
        err_sys(e, "bulk channel");
    } else if ((p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        err_sys(e, "wake descriptor");
    } else {
        return 0;
    }
    ends_close(p);
    return -1;
}

static int start_process(struct worker_proc *w, uv_loop_t *loop, const char *program, const struct ends *p, int gateway,
                         struct err *e) {
    char pid[24];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--supervisor-pid", pid, NULL};
    char sanitizer[512] = "";
    char *env[4] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin", (char *)(uintptr_t) "LANG=C.UTF-8", NULL, NULL};
    const char *san = getenv("ASAN_OPTIONS"); /* read by a sanitizer build's own runtime; nothing else looks at it */
    if (san && (size_t)snprintf(sanitizer, sizeof sanitizer, "ASAN_OPTIONS=%s", san) < sizeof sanitizer)
        env[2] = sanitizer;
    uv_stdio_container_t io[WORKER_FD_COUNT] = {
        [WORKER_FD_STDIN] = {.flags = UV_IGNORE},
        [WORKER_FD_STDOUT] = {.flags = UV_IGNORE},
        [WORKER_FD_STDERR] = {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
        [WORKER_FD_CONTROL] = {.flags = UV_INHERIT_FD, .data.fd = p->control[1]},
        [WORKER_FD_BULK] = {.flags = UV_INHERIT_FD, .data.fd = p->bulk[1]},
        [WORKER_FD_WAKE] = {.flags = UV_INHERIT_FD, .data.fd = p->wake},
        [WORKER_FD_GATEWAY] = {.flags = gateway >= 0 ? UV_INHERIT_FD : UV_IGNORE, .data.fd = gateway},
    };
    uv_process_options_t o = {.exit_cb = on_exit_cb,
                              .file = program,
                              .args = argv,
                              .env = env,
                              .flags =
                                  UV_PROCESS_DETACHED, /* Ctrl-C is for us; what becomes of a run is decided here */
                              .stdio = io,
                              .stdio_count = WORKER_FD_COUNT};
    int rc = uv_spawn(loop, &w->process, &o);
    w->process.data = w;
    w->open_handles++; /* also a failed spawn leaves a handle to close */
    w->has_process = true;
    if (rc < 0) {
        w->exited = true;
        return err_set(e, ERR_SYS, "start %s: %s", program, uv_strerror(rc));
    }
    w->pid = w->process.pid;
    orphans_except(w->pid);
    return 0;
}

struct spec_write {
    uv_write_t req;
    struct buf bytes;
};

static void on_written(uv_write_t *req, int status) {
    (void)status; /* a worker that cannot be written to is a worker that ends; its exit says so */
    struct spec_write *sw = req->data;
    buf_release(&sw->bytes);
    free(sw);
}

/* What the channel does not take at once waits in memory of its own: nearly always nothing. */
static int send_rest(struct worker_proc *w, struct buf *bytes, size_t sent) {
    struct spec_write *sw = calloc(1, sizeof *sw);
    if (!sw) return UV_ENOMEM;
    sw->bytes = *bytes;
    sw->req.data = sw;
    uv_buf_t b = uv_buf_init((char *)sw->bytes.p + sent, (unsigned)(sw->bytes.len - sent));
    int rc = uv_write(&sw->req, (uv_stream_t *)&w->control, &b, 1, on_written);
    if (rc == 0)
        *bytes = BUF_INIT(bytes->max); /* the write owns them now */
    else
        free(sw);
    return rc;
}

static int send_frame(struct worker_proc *w, enum msg_type type, const void *p, size_t n, struct err *e) {
    AUTO_BUF struct buf bytes = BUF_INIT(FRAME_HEADER + msg_rule(type)->largest);
    frame_put(&bytes, type, p, n);
    uv_buf_t b = uv_buf_init((char *)bytes.p, (unsigned)bytes.len);
    int sent = bytes.bad ? UV_E2BIG : uv_try_write((uv_stream_t *)&w->control, &b, 1);
    if (sent == UV_EAGAIN) sent = 0;
    int rc = sent < 0 ? sent : (size_t)sent == bytes.len ? 0 : send_rest(w, &bytes, (size_t)sent);
    return rc == 0 ? 0 : err_set(e, ERR_SYS, "send %s: %s", msg_rule(type)->name, uv_strerror(rc));
}

static int attach(uv_pipe_t *pipe, uv_loop_t *loop, struct worker_proc *w, int *fd, struct err *e) {
    uv_pipe_init(loop, pipe, 0);
    pipe->data = w;
    w->open_handles++;
    int rc = uv_pipe_open(pipe, *fd);
    if (rc < 0) return err_set(e, ERR_SYS, "attach channel: %s", uv_strerror(rc));
    *fd = -1; /* the handle owns it now */
    return 0;
}

int worker_proc_spawn(uv_loop_t *loop, const char *program, const char *spec, size_t n, int gateway,
                      const struct worker_events *ev, void *ctx, struct worker_proc **ret, struct err *e) {
    struct ends p;
    if (ends_open(&p, e) < 0) return -1;
    struct worker_proc *w = calloc(1, sizeof *w);
    BUG_UNLESS(w != NULL);
    *w = (struct worker_proc){.wake = -1, .ev = ev, .ctx = ctx};
    bool ok = attach(&w->control, loop, w, &p.control[0], e) == 0 && attach(&w->bulk, loop, w, &p.bulk[0], e) == 0 &&
              start_process(w, loop, program, &p, gateway, e) == 0;
    w->wake = take_fd(&p.wake);
    ends_close(&p);
    if (!ok || send_frame(w, MSG_RUN_SPEC, spec, n, e) < 0) {
        worker_proc_kill(w);
        worker_proc_close(w);
        return -1;
    }
    uv_read_start((uv_stream_t *)&w->control, on_alloc, on_read);
    *ret = w;
    return 0;
}

int worker_proc_pid(const struct worker_proc *w) { return w->pid; }

void worker_proc_read_bulk(struct worker_proc *w) {
    if (w->bulk_reading || w->closing) return;
    w->bulk_reading = true;
    uv_read_start((uv_stream_t *)&w->bulk, on_alloc, on_read);
}

void worker_proc_stop(struct worker_proc *w, enum stop_reason reason) {
    uint8_t r = (uint8_t)reason;
    struct err e = ERR_INIT;
    if (send_frame(w, MSG_STOP, &r, 1, &e) < 0) worker_proc_kill(w);
}

void worker_proc_kill(struct worker_proc *w) {
    if (!w->exited && w->pid > 0) uv_process_kill(&w->process, SIGKILL);
}

void worker_proc_wake(struct worker_proc *w) {
    uint64_t one = 1;
    if (w->wake >= 0 && write(w->wake, &one, sizeof one) < 0) return; /* full counter: a wake is pending anyway */
}

static void on_closed(uv_handle_t *h) {
    struct worker_proc *w = h->data;
    if (--w->open_handles > 0) return;
    if (w->wake >= 0) close(w->wake);
    free(w);
}

void worker_proc_close(struct worker_proc *w) {
    if (!w || w->closing) return;
    w->closing = true;
    orphans_include(w->pid); /* nobody's any more: the loop will not reap it */
    uv_handle_t *handles[] = {(uv_handle_t *)&w->control, (uv_handle_t *)&w->bulk, (uv_handle_t *)&w->process};
    for (int i = 0; i < (w->has_process ? 3 : 2); i++)
        if (handles[i]->data == w && !uv_is_closing(handles[i])) uv_close(handles[i], on_closed);
}
