/* pump.c - see pump.h.
 *
 * Order inside one round: the supervisor first (a STOP must not wait behind a flood), then the watch, then at most
 * one chunk of each stream, so that no stream starves another. A STOP kills at once, also while a bulk write waits
 * for room: up.c calls back for that. Where the engine knows a signal for it, a STOP asks first and kills a moment later.
 */
#include "worker/pump.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/worker.h"

#define DRAIN_US 200000ull       /* for what is left in the pipes after the end */
#define DIE_US (60 * 1000000ull) /* a killed jail must be gone by then */

/* --- output ----------------------------------------------------------------------------------------------------- */

size_t pump_admit(struct pump_cap *cap, const char *p, size_t n) {
    size_t room = cap->max_bytes - cap->bytes < n ? (size_t)(cap->max_bytes - cap->bytes) : n;
    size_t take = 0;
    while (take < room && cap->lines < cap->max_lines) {
        const char *nl = memchr(p + take, '\n', room - take);
        if (nl == NULL) {
            take = room;
            break;
        }
        take = (size_t)(nl - p) + 1;
        cap->lines++;
    }
    cap->bytes += take;
    cap->dropped += n - take;
    return take;
}

static void mark_cut(struct pump *p, enum out_stream name) {
    char line[160];
    p->cap.marked = true;
    line[0] = (char)name;
    bool by_lines = p->cap.lines >= p->cap.max_lines;
    int n = snprintf(
        line + 1, sizeof line - 1, "\n[output cut here: limit of %llu %s reached; the rest is counted, not kept]\n",
        (unsigned long long)(by_lines ? p->cap.max_lines : p->cap.max_bytes), by_lines ? "lines" : "bytes");
    up_bulk(&p->w->up, MSG_OUTPUT, line, (size_t)n + 1);
}

/* One chunk. 1: there may be more, 0: nothing now or ended. */
static int read_stream(struct pump *p, struct pump_stream *s) {
    static char chunk[1 + PUMP_CHUNK];
    if (s->fd < 0) return 0;
    ssize_t n = read(s->fd, chunk + 1, PUMP_CHUNK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) {
        s->fd = -1; /* the owner closes it */
        return 0;
    }
    size_t take = pump_admit(&p->cap, chunk + 1, (size_t)n);
    chunk[0] = (char)s->name;
    if (take > 0) up_bulk(&p->w->up, MSG_OUTPUT, chunk, 1 + take);
    if (p->cap.dropped > 0 && !p->cap.marked) mark_cut(p, s->name);
    return 1;
}

static void drain(struct pump *p) {
    uint64_t deadline = clock_mono_us() + DRAIN_US;
    bool more = true;
    while (more && clock_mono_us() < deadline) {
        more = false;
        for (int i = 0; i < p->n_streams; i++)
            if (read_stream(p, &p->streams[i])) more = true;
    }
}

/* --- the supervisor --------------------------------------------------------------------------------------------- */

static void kill_jail(struct pump *p) {
    jail_kill(p->jail);
    if (p->killed_us == 0) p->killed_us = clock_mono_us();
}

static int on_command(void *ctx, const struct frame *f, struct err *e) {
    struct pump *p = ctx;
    if (f->type != MSG_STOP || p->stopped || f->len != 1 || f->payload[0] < STOP_COMMITTED ||
        f->payload[0] > STOP_CANCELLED)
        return err_set(e, ERR_PROTO, "supervisor sent something else than one STOP");
    p->stopped = true;
    p->stop_reason = f->payload[0];
    if (p->ask_us != 0 && jail_stop(p->jail) == 0) {
        p->asked = true;
        p->patience_us = clock_mono_us() + p->ask_us;
    } else {
        kill_jail(p);
    }
    return 0;
}

static void hear(void *ctx) {
    struct pump *p = ctx;
    char chunk[256];
    ssize_t n = recv(p->w->up.control, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) up_lost();
    if (frame_feed(&p->commands, chunk, (size_t)n, on_command, p, &p->trouble) < 0) {
        p->w->up.listen = NULL;
        kill_jail(p);
    }
}

/* --- the loop --------------------------------------------------------------------------------------------------- */

enum { AT_CONTROL, AT_JAIL, AT_WATCH, AT_DENIED, AT_STREAM, AT_COUNT = AT_STREAM + 2 };

static void fill_set(const struct pump *p, struct pollfd set[AT_COUNT]) {
    bool listening = p->w->up.listen != NULL;
    set[AT_CONTROL] = (struct pollfd){.fd = p->w->up.control, .events = listening ? POLLIN : 0};
    set[AT_JAIL] = (struct pollfd){.fd = jail_pidfd(p->jail), .events = POLLIN};
    set[AT_WATCH] = (struct pollfd){.fd = p->watch != NULL ? p->watch->out : -1, .events = POLLIN};
    set[AT_DENIED] = (struct pollfd){.fd = jail_denied_fd(p->jail), .events = POLLIN};
    for (int i = 0; i < 2; i++)
        set[AT_STREAM + i] = (struct pollfd){.fd = i < p->n_streams ? p->streams[i].fd : -1, .events = POLLIN};
}

static void look(struct pump *p, uint64_t now) {
    if (p->killed_us == 0 && p->patience_us != 0 && now >= p->patience_us) kill_jail(p);
    if (p->dog == NULL || p->killed_us != 0 || now < p->dog->next_us || !watchdog_look(p->dog)) return;
    p->limited = true;
    kill_jail(p);
}

/* While a bulk write waits for room. */
static void tick(void *ctx) { look(ctx, clock_mono_us()); }

/* The nearest of the deadlines; kills when the program's own has passed. */
static int check_deadlines(struct pump *p, int *ret_timeout_ms, struct err *e) {
    uint64_t now = clock_mono_us();
    if (p->killed_us == 0 && p->deadline_us != 0 && now >= p->deadline_us) {
        p->timed_out = true;
        kill_jail(p);
    }
    look(p, now);
    if (p->killed_us != 0 && now > p->killed_us + DIE_US)
        return err_set(e, ERR_LIMIT, "processes of the jail still live a minute after they were killed");
    uint64_t next = p->killed_us != 0 ? p->killed_us + DIE_US + 1000 : p->deadline_us;
    if (p->killed_us == 0 && p->dog != NULL && (next == 0 || p->dog->next_us < next)) next = p->dog->next_us;
    if (p->killed_us == 0 && p->patience_us != 0 && (next == 0 || p->patience_us < next)) next = p->patience_us;
    *ret_timeout_ms = clock_left_ms(next);
    return 0;
}

static int read_watch(struct pump *p, struct err *e) {
    int rc = inspect_read(p->w, p->watch, e);
    if (rc > 0) return 0;
    if (rc < 0) return -1;
    if (p->w->engine_ran) p->w->blame = FAILED_INSPECT;
    return err_set(e, ERR_PROTO, "inspector (watch): ended while the engine was alive");
}

/* 1: the jail's pid 1 is dead. */
static int one_round(struct pump *p, struct err *e) {
    struct pollfd set[AT_COUNT];
    int timeout = -1;
    if (check_deadlines(p, &timeout, e) < 0) return -1;
    fill_set(p, set);
    int n = poll(set, AT_COUNT, timeout);
    if (n < 0 && errno != EINTR) return err_sys(e, "poll");
    if (n <= 0) return 0;
    if (set[AT_CONTROL].revents & (POLLHUP | POLLERR | POLLNVAL)) up_lost();
    if (set[AT_CONTROL].revents & POLLIN) hear(p);
    if (set[AT_JAIL].revents != 0) return 1;
    if (set[AT_WATCH].revents != 0 && read_watch(p, e) < 0) return -1;
    if (set[AT_DENIED].revents & POLLIN) jail_denied_serve(p->jail);
    for (int i = 0; i < p->n_streams; i++)
        if (set[AT_STREAM + i].revents != 0) read_stream(p, &p->streams[i]);
    return 0;
}

static int finish(struct pump *p, struct jail_end *end, struct err *e) {
    int rc = jail_wait(p->jail, (int)(DIE_US / 1000), end, e);
    if (rc < 0) return -1;
    if (rc == 0) return err_set(e, ERR_LIMIT, "the jail did not end within a minute");
    drain(p);
    if (p->trouble.code == ERR_NONE) return 0;
    *e = p->trouble;
    return -1;
}

static int loop(struct pump *p, struct jail_end *end, struct err *e) {
    int rc;
    do {
        rc = one_round(p, e);
    } while (rc == 0);
    if (rc > 0) return finish(p, end, e);
    kill_jail(p);
    struct jail_end unused;
    (void)jail_wait(p->jail, (int)(DIE_US / 1000), &unused, NULL);
    return -1;
}

int pump_run(struct pump *p, struct jail_end *end, struct err *e) {
    struct up *up = &p->w->up;
    p->trouble = ERR_INIT;
    frame_reader_init(&p->commands, MSG_TO_WORKER, MSG_CONTROL);
    if (p->stoppable) {
        up->listen_ctx = p;
        up->listen = hear;
    }
    up->tick_ctx = p;
    up->tick = tick;
    int rc = loop(p, end, e);
    up->tick = NULL;
    up->tick_ctx = NULL;
    up->listen = NULL;
    up->listen_ctx = NULL;
    frame_reader_release(&p->commands);
    return rc;
}
