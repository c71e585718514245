/* gateway_proc.c - see gateway_proc.h. It is over when both its exit and the end of its channel have been seen: what it said last may be
 * read after it is gone. Descriptors are made CLOEXEC and handed over by number through uv_spawn. */
#include "supervisor/gateway_proc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/io.h"
#include "supervisor/orphans.h"

struct gateway_proc {
    uv_process_t process;
    uv_pipe_t control;
    uv_timer_t timer;
    uv_shutdown_t shutdown;
    struct buf config; /* of the write that is under way */
    uv_write_t write;
    int open_handles; /* freed when it reaches zero after close */
    bool exited, eof, told, ending, closing, has_process;
    const struct gateway_events *ev;
    void *ctx;
};

static char read_buffer[16384]; /* for all of them: a callback runs to its end before the next read */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret) {
    (void)h, (void)suggested;
    *ret = uv_buf_init(read_buffer, sizeof read_buffer);
}

static void maybe_over(struct gateway_proc *g) {
    if (!g->exited || !g->eof || g->told || g->closing) return;
    g->told = true;
    uv_timer_stop(&g->timer);
    g->ev->over(g->ctx);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b) {
    struct gateway_proc *g = s->data;
    if (g->closing) return;
    if (n > 0) {
        g->ev->bytes(g->ctx, b->base, (size_t)n);
    } else if (n < 0) {
        uv_read_stop(s);
        g->eof = true;
        maybe_over(g);
    }
}

static void on_exit_cb(uv_process_t *p, int64_t status, int signal) {
    struct gateway_proc *g = p->data;
    (void)status, (void)signal; /* what it did is what it said; a last word that is missing is seen */
    g->exited = true;
    orphans_include(p->pid);
    maybe_over(g);
}

static int start_process(struct gateway_proc *g, uv_loop_t *loop, const char *program, bool probe, int control,
                         const struct gateway_fds *fds, struct err *e) {
    char sanitizer[512] = "";
    char *argv[] = {(char *)(uintptr_t)program, probe ? (char *)(uintptr_t) "--probe" : NULL, NULL};
    char *env[] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin", (char *)(uintptr_t) "LANG=C.UTF-8", NULL, NULL};
    const char *san = getenv("ASAN_OPTIONS"); /* read by a sanitizer build's own runtime; nothing else looks at it */
    if (san && (size_t)snprintf(sanitizer, sizeof sanitizer, "ASAN_OPTIONS=%s", san) < sizeof sanitizer)
        env[2] = sanitizer;
    uv_stdio_container_t io[GATEWAY_FD_COUNT];
    for (int i = 0; i < GATEWAY_FD_COUNT; i++) io[i] = (uv_stdio_container_t){.flags = UV_IGNORE};
    int given[GATEWAY_FD_COUNT];
    for (int i = 0; i < GATEWAY_FD_COUNT; i++) given[i] = -1;
    given[GATEWAY_FD_STDERR] = STDERR_FILENO;
    given[GATEWAY_FD_CONTROL] = control;
    if (fds) {
        given[GATEWAY_FD_LISTENER] = fds->listener;
        given[GATEWAY_FD_RECORD] = fds->record;
        given[GATEWAY_FD_REPLAY] = fds->replay;
        for (int i = 0; i < fds->n_slots; i++) given[GATEWAY_FD_SLOTS + i] = fds->slots[i];
    }
    int count = 0;
    for (int i = 0; i < GATEWAY_FD_COUNT; i++) {
        if (given[i] < 0) continue;
        io[i].flags = UV_INHERIT_FD;
        io[i].data.fd = given[i];
        count = i + 1;
    }
    uv_process_options_t o = {.exit_cb = on_exit_cb,
                              .file = program,
                              .args = argv,
                              .env = env,
                              .flags = UV_PROCESS_DETACHED, /* Ctrl-C is for us */
                              .stdio = io,
                              .stdio_count = count};
    int rc = uv_spawn(loop, &g->process, &o);
    g->process.data = g;
    g->open_handles++; /* also a failed spawn leaves a handle to close */
    g->has_process = true;
    if (rc < 0) {
        g->exited = true;
        return err_set(e, ERR_SYS, "start %s: %s", program, uv_strerror(rc));
    }
    orphans_except(g->process.pid);
    return 0;
}

static void on_written(uv_write_t *req, int status) {
    struct gateway_proc *g = req->data;
    (void)status;                                           /* one that cannot be written to ends; that is seen */
    if (g->config.p) memset(g->config.p, 0, g->config.len); /* the real key was in it */
    buf_release(&g->config);
}

static int send_config(struct gateway_proc *g, const char *config, size_t n, struct err *e) {
    g->config = BUF_INIT(FRAME_HEADER + msg_rule(MSG_GW_CONFIG)->largest);
    if (n > msg_rule(MSG_GW_CONFIG)->largest) return err_set(e, ERR_LIMIT, "the gateway's configuration is too large");
    frame_put(&g->config, MSG_GW_CONFIG, config, n);
    uv_buf_t b = uv_buf_init((char *)g->config.p, (unsigned)g->config.len);
    g->write.data = g;
    int rc = uv_write(&g->write, (uv_stream_t *)&g->control, &b, 1, on_written);
    return rc == 0 ? 0 : err_set(e, ERR_SYS, "send the gateway's configuration: %s", uv_strerror(rc));
}

int gateway_proc_spawn(uv_loop_t *loop, const char *program, bool probe, const char *config, size_t n,
                       const struct gateway_fds *fds, const struct gateway_events *ev, void *ctx,
                       struct gateway_proc **ret, struct err *e) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return err_sys(e, "the gateway's channel");
    AUTO_FD int theirs = pair[1];
    struct gateway_proc *g = calloc(1, sizeof *g);
    BUG_UNLESS(g != NULL);
    *g = (struct gateway_proc){.ev = ev, .ctx = ctx};
    uv_timer_init(loop, &g->timer);
    uv_pipe_init(loop, &g->control, 0);
    g->timer.data = g->control.data = g;
    g->open_handles = 2;
    int rc = uv_pipe_open(&g->control, pair[0]);
    if (rc < 0) {
        close(pair[0]);
        err_set(e, ERR_SYS, "attach the gateway's channel: %s", uv_strerror(rc));
    }
    if (rc < 0 || start_process(g, loop, program, probe, theirs, fds, e) < 0 || send_config(g, config, n, e) < 0) {
        gateway_proc_close(g);
        return -1;
    }
    uv_read_start((uv_stream_t *)&g->control, on_alloc, on_read);
    *ret = g;
    return 0;
}

static void on_late(uv_timer_t *t) { gateway_proc_kill(t->data); }

static void on_shut(uv_shutdown_t *req, int status) { (void)req, (void)status; }

void gateway_proc_end(struct gateway_proc *g) {
    if (!g || g->ending || g->closing) return;
    g->ending = true;
    if (uv_shutdown(&g->shutdown, (uv_stream_t *)&g->control, on_shut) < 0) gateway_proc_kill(g);
    uv_timer_start(&g->timer, on_late, GATEWAY_END_MS, 0);
}

void gateway_proc_kill(struct gateway_proc *g) {
    if (g && g->has_process && !g->exited) uv_process_kill(&g->process, SIGKILL);
}

static void on_closed(uv_handle_t *h) {
    struct gateway_proc *g = h->data;
    if (--g->open_handles > 0) return;
    free(g);
}

void gateway_proc_close(struct gateway_proc *g) {
    if (!g || g->closing) return;
    gateway_proc_kill(g);
    g->closing = true;
    if (g->has_process) orphans_include(g->process.pid); /* the loop will not reap it any more: orphans_reap() does */
    uv_handle_t *handles[] = {(uv_handle_t *)&g->control, (uv_handle_t *)&g->timer, (uv_handle_t *)&g->process};
    for (int i = 0; i < (g->has_process ? 3 : 2); i++)
        if (!uv_is_closing(handles[i])) uv_close(handles[i], on_closed);
}
