/* flight_model.c - a flight's dealings with its model: asked before the run starts, reached through a gateway while the engine works.
 *
 * The order: every other gate has passed -> the breaker of the endpoint -> a real completion (model_probe.h) -> the last gate ->
 * gateway, then worker. The gateway is started first, because the worker is handed the other end of its listener's channel. It is asked
 * to end when the engine has, and a run is not over before it is (run.h). What the endpoint did in the run counts for its breaker.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/flight.h"
#include "supervisor/gates.h"

/* Of a case that says nothing: far above what a task needs, and an end for what runs away. */
#define MODEL_REQUESTS 1000
#define MODEL_BYTES (INT64_C(4) << 30)

static bool by_responses(const struct flight *f) { return f->facts->file && f->facts->file->api == API_RESPONSES; }

static void gateway_path(const struct flight *f, char *out, size_t size) {
    snprintf(out, size, "%s/" GATEWAY_PROGRAM, f->x->home.libexec);
}

/* --- before the run --------------------------------------------------------------------------------------------------------- */

static void answer(struct flight *f, const struct model_probe_result *r) {
    f->facts->probed = true;
    f->facts->probe = *r;
    f->asking = false;
    flight_decided(f, gates_evaluate(&f->rec, f->facts));
}

static void on_probed(void *ctx, const struct model_probe_result *r) {
    struct flight *f = ctx;
    struct err e = ERR_INIT;
    f->probe = NULL;
    if (f->endpoint[0] && store_endpoint_told(f->x->store, f->endpoint, r->outcome, clock_real_ms(), &e) < 0 &&
        f->error.code == ERR_NONE)
        f->error = e;
    answer(f, r);
}

/* The flight must not be decided from within its own start. */
static void on_refused(uv_timer_t *t) {
    struct flight *f = t->data;
    struct model_probe_result r = {.outcome = GW_UNREACHABLE, .held_back = true};
    char until[CLOCK_STAMP_SIZE];
    clock_stamp(f->breaker_until_ms, until);
    if (f->error.code != ERR_NONE)
        snprintf(r.detail, sizeof r.detail, "its circuit breaker cannot be read from the store");
    else
        snprintf(r.detail, sizeof r.detail, "the circuit breaker of the endpoint is open until %s", until);
    answer(f, &r);
}

/* Who gives a whole task a minute, in its case or by the engine's setting, does not wait for three to hear "ok". */
static int64_t probe_limit_ms(const struct flight *f) {
    const int64_t limits[] = {f->rec.c->backend_timeout_ms, (int64_t)f->facts->timeout_s * 1000};
    int64_t least = PROBE_LIMIT_MS;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i] > 0 && limits[i] < least) least = limits[i];
    return least;
}

void flight_ask_model(struct flight *f) {
    struct model_route *route = &f->facts->route;
    struct store_endpoint seen = {0};
    struct err e = ERR_INIT;
    f->asking = true;
    if (route->state != ROUTE_THERE) { /* then the gate says what is missing */
        f->facts->probed = true;
        f->asking = false;
        flight_decided(f, gates_evaluate(&f->rec, f->facts));
        return;
    }
    if (route->in_flight > 0) model_route_name(route, f->endpoint);
    int may = f->endpoint[0] ? store_endpoint_may_ask(f->x->store, f->endpoint, clock_real_ms(), &seen, &e) : 1;
    if (may < 0 && f->error.code == ERR_NONE) f->error = e;
    if (may <= 0) {
        f->breaker_until_ms = seen.retry_ms;
        uv_timer_start(&f->timer, on_refused, 0, 0);
        return;
    }
    gateway_path(f, f->gateway_path, sizeof f->gateway_path);
    if (f->x->ev->state) f->x->ev->state(f->x->ctx, f->index, &f->rec, RUN_PLANNED); /* it may take minutes */
    model_probe_start(&f->x->loop, f->gateway_path, route, f->facts->model, by_responses(f),
                      geteuid() == 0 ? (int64_t)SLOT_PROBE_UID : -1, probe_limit_ms(f), on_probed, f, &f->probe);
}

void flight_forget_model(struct flight *f) {
    uv_timer_stop(&f->timer);
    model_probe_cancel(f->probe);
    f->probe = NULL;
    f->asking = false;
}

/* --- while it runs ---------------------------------------------------------------------------------------------------------- */

static void on_gateway_bytes(void *ctx, const void *p, size_t n) {
    struct flight *f = ctx;
    run_bytes(&f->run, clock_mono_us(), MSG_GATEWAY, p, n);
    flight_after(f);
}

static void on_gateway_over(void *ctx) {
    struct flight *f = ctx;
    run_gateway_ended(&f->run, clock_mono_us());
    flight_after(f);
}

static const struct gateway_events gateway_events = {on_gateway_bytes, on_gateway_over};

/* One lock file for each request that may be under way at the endpoint, shared by all runs of this home. */
static int open_slots(const struct flight *f, struct gateway_fds *fds, struct err *e) {
    char path[PATH_MAX + 64];
    if (f->route.in_flight == 0) return 0;
    snprintf(path, sizeof path, "%s/endpoints", f->x->home.home);
    if (mkdir(path, 0700) < 0 && errno != EEXIST) return err_sys(e, "mkdir %s", path);
    for (int i = 0; i < f->route.in_flight && i < GATEWAY_SLOTS_MAX; i++) {
        snprintf(path, sizeof path, "%s/endpoints/%s.%d", f->x->home.home, f->endpoint, i);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) return err_sys(e, "open %s", path);
        fds->slots[fds->n_slots++] = fd;
    }
    return 0;
}

/* It was looked at when the command began; what stands there now may be a pipe, and nobody waits for who writes to it. */
static int open_cassettes(const struct job *job, struct gateway_fds *fds, struct err *e) {
    struct stat st;
    if (job->replay) {
        fds->replay = open(job->replay, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fds->replay < 0 || fstat(fds->replay, &st) < 0) return err_sys(e, "open the recording %s", job->replay);
        if (!S_ISREG(st.st_mode)) return err_set(e, ERR_USAGE, "the recording %s: not a regular file", job->replay);
    }
    if (job->record) {
        fds->record = open(job->record, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fds->record < 0) return err_sys(e, "make the recording %s", job->record);
    }
    return 0;
}

static void close_fds(struct gateway_fds *fds) {
    int *all[] = {&fds->listener, &fds->record, &fds->replay};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (*all[i] >= 0) close(take_fd(all[i]));
    for (int i = 0; i < fds->n_slots; i++) close(fds->slots[i]);
}

static char *gateway_config(const struct flight *f, const struct gateway_fds *fds) {
    const struct cto_case *c = f->rec.c;
    const struct route_config rc = {.run_id = f->rec.run_id,
                                    .model = f->rec.governed->model,
                                    .record = fds->record >= 0,
                                    .replay = fds->replay >= 0,
                                    .slots = fds->n_slots,
                                    .uid = f->slot.verifier_uid,
                                    .idle_ms =
                                        f->file && f->file->output == OUTPUT_CODEX_JSONL ? ROUTE_IDLE_CODEX_MS : 0,
                                    .budgets = {.requests = c->model_requests ? c->model_requests : MODEL_REQUESTS,
                                                .tokens_in = c->model_tokens_in,
                                                .tokens_out = c->model_tokens_out,
                                                .bytes = c->model_bytes ? c->model_bytes : MODEL_BYTES,
                                                .wall_ms = c->backend_timeout_ms}};
    return model_route_config(&f->route, &rc);
}

static int spawn(struct flight *f, struct gateway_fds *fds, struct err *e) {
    const struct job *job = &f->x->jobs[f->index];
    if (open_cassettes(job, fds, e) < 0 || (fds->replay < 0 && open_slots(f, fds, e) < 0)) return -1;
    f->rec.model_replayed = fds->replay >= 0;
    gateway_path(f, f->gateway_path, sizeof f->gateway_path);
    char *text = gateway_config(f, fds);
    int rc =
        gateway_proc_spawn(&f->x->loop, f->gateway_path, false, text, strlen(text), fds, &gateway_events, f, &f->gw, e);
    free_wiped(text);
    return rc;
}

int flight_gateway_start(struct flight *f, int *ret_worker_end, struct err *e) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return err_sys(e, "the listener's channel");
    struct gateway_fds fds = {.listener = pair[1], .record = -1, .replay = -1};
    int rc = spawn(f, &fds, e);
    close_fds(&fds);
    if (rc < 0) {
        close(pair[0]);
        return err_ctx(e, "the model gateway");
    }
    run_gateway_started(&f->run);
    f->rec.with_gateway = true;
    *ret_worker_end = pair[0];
    return 0;
}

/* Of the endpoint's own failures the last one counts, when nothing came after it. */
void flight_gateway_close(struct flight *f) {
    const struct model_use *u = f->rec.model_use;
    gateway_proc_close(f->gw);
    f->gw = NULL;
    model_route_release(&f->route);
    if (!u || u->last_outcome == 0 || !f->endpoint[0]) return;
    struct err e = ERR_INIT;
    if (store_endpoint_told(f->x->store, f->endpoint, u->last_outcome, clock_real_ms(), &e) < 0 && e.sys != ENOSPC &&
        f->error.code == ERR_NONE)
        f->error = e;
}
