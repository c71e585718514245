/* jailed.c - see jailed.h. Maps what the jail library knows about an end to the kinds that the supervisor records.
 *
 * "Ours" wins only when the kill did end it: a program that exited by itself while our STOP was on its way has
 * exited. One that was asked to end, and then did, was stopped, with whatever code it thinks fit for that: ours too. */
#include "worker/jailed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "worker/pump.h"

/* The program may open /dev/stdout anew, which asks for permission on the pipe itself: it is given to the jail's uid.
 * */
static int make_pipe(const struct worker *w, const struct jailed *j, int *ret_reader, int *ret_writer, struct err *e) {
    int p[2];
    if (pipe2(p, O_CLOEXEC) < 0) return err_sys(e, "pipe");
    *ret_reader = p[0];
    *ret_writer = p[1];
    if (fcntl(p[0], F_SETFL, O_NONBLOCK) < 0) return err_sys(e, "pipe");
    if (w->mode == JAIL_MODE_ROOT && fchown(p[1], j->spec.uid, j->spec.uid) < 0) return err_sys(e, "pipe owner");
    return 0;
}

static struct pump_cap make_cap(const struct worker *w) {
    const uint64_t *v = w->limits.v;
    return (struct pump_cap){.max_bytes = v[LIMIT_output_bytes], .max_lines = v[LIMIT_log_lines]};
}

/* A start that failed. Only a missing mechanism is an error of the run; the rest is how this program ended.
 * ERR_MISSING with an errno is a program that could not be executed, without one a mount source that is not there. */
static int start_failed(const struct err *why, struct ending *ret, struct err *e) {
    if (why->code == ERR_UNSUPPORTED) {
        *e = *why;
        return -1;
    }
    ret->kind = why->code == ERR_MISSING && why->sys != 0 ? END_EXEC_FAILED : END_SETUP_FAILED;
    ret->code = why->sys;
    snprintf(ret->detail, sizeof ret->detail, "%s", why->text);
    return 0;
}

/* The limits that tell by a signal. */
static void from_signal(const struct limits *l, const struct jail_end *end, struct ending *ret) {
    ret->kind = END_SIGNALLED;
    if (ret->code == SIGXFSZ)
        ret->hits[ret->n_hits++] =
            (struct limit_hit){true, LIMIT_file_bytes, l->v[LIMIT_file_bytes], l->v[LIMIT_file_bytes], "rlimit"};
    if (ret->code == SIGXCPU)
        ret->hits[ret->n_hits++] =
            (struct limit_hit){true, LIMIT_cpu_s, l->v[LIMIT_cpu_s], (end->cpu_us + 999999) / 1000000, "rlimit"};
}

static void took_too_much(struct ending *ret, const struct limit_hit *h) {
    if (ret->n_hits == 0) ret->hits[ret->n_hits++] = *h;
    ret->kind = END_LIMIT;
    limit_hit_text(&ret->hits[0], ret->detail, sizeof ret->detail);
}

static void cut_output(const struct pump *p, const struct limits *l, struct ending *ret) {
    if (p->cap.dropped == 0) return;
    const bool by_lines = p->cap.lines >= p->cap.max_lines;
    const enum limit_id id = by_lines ? LIMIT_log_lines : LIMIT_output_bytes;
    const uint64_t seen =
        by_lines ? p->cap.lines + 1 : p->cap.bytes + p->cap.dropped; /* of lines only that there were more */
    ret->hits[ret->n_hits++] = (struct limit_hit){true, id, l->v[id], seen, "relay"};
}

/* See ENGINE_END in msg.h for the two kinds of code. */
static void from_asking(const struct jail_end *end, struct ending *ret) {
    const bool exited = end->kind == JAIL_END_EXITED;
    ret->kind = END_STOPPED;
    ret->ours = true;
    ret->code = exited ? -end->code : end->code;
    snprintf(ret->detail, sizeof ret->detail, "it was asked to, and ended by %s %d", exited ? "exit" : "signal",
             end->code);
}

static bool by_a_limit(const struct ending *ret) { return ret->n_hits > 0; }

static void from_jail(const struct limits *l, const struct jail_end *end, const struct pump *p, struct ending *ret) {
    ret->code = end->code;
    switch (end->kind) {
    case JAIL_END_EXITED: ret->kind = END_EXITED; break;
    case JAIL_END_SIGNALLED: from_signal(l, end, ret); break;
    case JAIL_END_EXEC_FAILED: ret->kind = END_EXEC_FAILED; break;
    case JAIL_END_SETUP_FAILED:
        ret->kind = END_SETUP_FAILED;
        snprintf(ret->detail, sizeof ret->detail, "%s", end->err.text);
        break;
    case JAIL_END_KILLED:
    default:
        ret->code = SIGKILL;
        ret->ours = p->stopped || p->timed_out || p->limited;
        ret->kind = p->stopped ? END_STOPPED : p->timed_out ? END_TIMED_OUT : END_SIGNALLED;
        if (!ret->ours) snprintf(ret->detail, sizeof ret->detail, "pid 1 of the jail was killed from outside");
        break;
    }
    const bool itself = end->kind == JAIL_END_EXITED || end->kind == JAIL_END_SIGNALLED;
    if (p->asked && itself && !by_a_limit(ret)) from_asking(end, ret);
    ret->cpu_us = end->cpu_us;
    ret->max_rss_kib = end->max_rss_kib;
    ret->processes = end->processes;
    ret->output_bytes = p->cap.bytes;
    ret->dropped_bytes = p->cap.dropped;
    ret->stop_reason = p->stop_reason;
}

static int pump_it(struct worker *w, struct jailed *j, struct jail *jail, const int readers[2], struct ending *ret,
                   struct err *e) {
    static struct watchdog dog; /* large; one jail at a time */
    struct pump p = {.w = w,
                     .jail = jail,
                     .cap = make_cap(w),
                     .watch = j->watch,
                     .stoppable = j->stoppable,
                     .ask_us = j->ask_us,
                     .dog = &dog};
    if (readers[0] >= 0) p.streams[p.n_streams++] = (struct pump_stream){.fd = readers[0], .name = j->out};
    if (readers[1] >= 0) p.streams[p.n_streams++] = (struct pump_stream){.fd = readers[1], .name = j->err};
    if (j->timeout_us != 0) p.deadline_us = clock_mono_us() + j->timeout_us;
    ret->started = true;
    if (j->on_started != NULL) j->on_started(w, jail);
    if (j->observed != 0) denied_started(&j->denied, jail);
    struct jail_end end = {0};
    const uid_t uid = w->mode == JAIL_MODE_ROOT ? j->spec.uid : 0;
    watchdog_start(&dog, &w->limits, jail, uid, j->workspace, j->project);
    if (pump_run(&p, &end, e) < 0) {
        watchdog_release(&dog);
        return -1;
    }
    if (j->observed != 0) denied_totals(&j->denied, jail);
    from_jail(&w->limits, &end, &p, ret);
    watchdog_end(&dog, &end, ret->kind == END_SIGNALLED || (ret->kind == END_EXITED && ret->code != 0));
    if (dog.hit.hit || ret->n_hits > 0) took_too_much(ret, &dog.hit);
    cut_output(&p, &w->limits, ret);
    watchdog_release(&dog);
    return 0;
}

/* In force before the first byte of the program, gone when the inspectors come. */
static int hold_disk(const struct worker *w, const struct jailed *j, int *ret_dir, struct err *e) {
    if (j->project->id == 0) return 0;
    *ret_dir = open(j->workspace, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*ret_dir < 0) return err_sys(e, "open %s", j->workspace);
    return project_hold(j->project, &w->limits, *ret_dir, e);
}

static int run_piped(struct worker *w, struct jailed *j, struct ending *ret, struct err *e) {
    AUTO_FD int r0 = -1, w0 = -1, r1 = -1, w1 = -1;
    if (j->out != 0 && make_pipe(w, j, &r0, &w0, e) < 0) return -1;
    if (j->err != 0 && j->err != j->out && make_pipe(w, j, &r1, &w1, e) < 0) return -1;
    j->spec.stdin_fd = j->input > 0 ? j->input : -1;
    j->spec.stdout_fd = w0;
    j->spec.stderr_fd = j->err != 0 && j->err == j->out ? w0 : w1;
    struct jail *jail = NULL;
    struct err why = ERR_INIT;
    denied_observe(&j->denied, w, j->observed, j->command);
    j->spec.observer = j->observed != 0 ? &j->denied.observer : NULL;
    int rc = jail_start(&j->spec, &jail, &why);
    if (w0 >= 0) close(take_fd(&w0)); /* only the jail holds the write ends */
    if (w1 >= 0) close(take_fd(&w1));
    if (rc < 0) return start_failed(&why, ret, e);
    rc = pump_it(w, j, jail, (const int[2]){r0, r1}, ret, e);
    jail_free(jail);
    return rc;
}

int jailed_run(struct worker *w, struct jailed *j, struct ending *ret, struct err *e) {
    uint64_t start = clock_mono_us();
    *ret = (struct ending){0};
    limits_apply(&w->limits, &j->spec);
    j->spec.loopback = !w->spec.network_none;
    j->spec.landlock_min = (int)w->spec.landlock_abi_min;
    AUTO_FD int dir = -1;
    int rc = hold_disk(w, j, &dir, e);
    if (rc == 0) rc = run_piped(w, j, ret, e);
    if (dir >= 0) project_let_go(j->project, dir);
    ret->duration_us = clock_mono_us() - start;
    return rc;
}

void jailed_tell_limits(struct worker *w, unsigned index, const struct ending *end) {
    for (int i = 0; i < end->n_hits; i++) {
        const struct limit_hit *h = &end->hits[i];
        AUTO_BUF struct buf b = BUF_INIT(256);
        buf_put_u16(&b, (uint16_t)index);
        buf_put_str(&b, limit_name(h->id));
        buf_put_u64(&b, h->limit);
        buf_put_u64(&b, h->seen);
        buf_put_str(&b, h->mechanism);
        buf_put_u8(&b, end->kind == END_LIMIT && i == 0);
        up_control(&w->up, MSG_LIMIT, &b);
    }
}
