/* engine.c - the engine: from its adapter's plan to the end of its last process.
 *
 * The engine sees /workspace (its own), /task (read-only: what it was asked), what its adapter mounts, what the case
 * grants to read, and nothing else of the host. The watch inspector is read as long as the engine lives and killed
 * right after: what decides is the census that follows, not the last answer of a watch.
 *
 * dirty_start steps are run by the fake agent in the same kind of jail, before the start check, in the name of the
 * case.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "worker/adapters/adapter.h"
#include "worker/copy.h"
#include "worker/jailed.h"
#include "worker/left.h"

#define DIRTY_TIMEOUT_US (60 * 1000000ull)
#define ENV_MAX 96
#define BINDS_MAX (2 + PLAN_BINDS_MAX + SPEC_MAX_PATHS)

/* Owns the arrays that a jail_spec points into. */
struct engine {
    struct engine_plan plan;
    const char *env[ENV_MAX + 1];
    struct jail_bind binds[BINDS_MAX];
    struct jail_listener listener;
    struct jailed jailed;
};

static int merge_env(struct engine *g, struct err *e) {
    size_t n = 0;
    for (const char *const *p = jail_default_env(); *p != NULL; p++) {
        if (n == ENV_MAX) return err_set(e, ERR_INTERNAL, "default environment is too large");
        g->env[n++] = *p;
    }
    for (int i = 0; i < g->plan.n_env; i++) {
        if (n == ENV_MAX) return err_set(e, ERR_INTERNAL, "environment is too large");
        g->env[n++] = g->plan.env[i];
    }
    g->env[n] = NULL;
    return 0;
}

static size_t collect_binds(const struct run_spec *s, const char *state_dir, struct engine *g) {
    size_t n = 0;
    g->binds[n++] = (struct jail_bind){.source = "/area/ws", .target = "/workspace", .writable = true};
    g->binds[n++] = (struct jail_bind){.source = state_dir, .target = "/task", .no_exec = true};
    for (int i = 0; i < g->plan.n_binds; i++) g->binds[n++] = g->plan.binds[i];
    for (int i = 0; i < s->n_read_roots; i++)
        g->binds[n++] = (struct jail_bind){.source = s->read_roots[i], .target = s->read_roots[i]};
    return n;
}

static int make_plan(struct worker *w, const struct run_spec *s, const char *state_dir, struct engine *g,
                     struct err *e) {
    const struct adapter *a = adapter_by_name(s->engine);
    if (a == NULL) return err_set(e, ERR_MISSING, "this worker knows no engine \"%s\"", s->engine);
    AUTO_FD int state = open(state_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (state < 0) return err_sys(e, "open %s", state_dir);
    g->plan.state_fd = state;
    int rc = a->prepare(s, &g->plan, e);
    g->plan.state_fd = -1;
    if (rc < 0 || merge_env(g, e) < 0) return -1;
    g->jailed.workspace = "/area/ws";
    g->jailed.project = &w->ws;
    g->jailed.spec = (struct jail_spec){
        .profile = JAIL_ENGINE,
        .argv = g->plan.argv,
        .envp = g->env,
        .cwd = g->plan.cwd != NULL ? g->plan.cwd : "/workspace",
        .binds = g->binds,
        .n_binds = collect_binds(s, state_dir, g),
        .seeds = g->plan.scratch,
        .n_seeds = (size_t)g->plan.n_scratch,
        .uid = w->mode == JAIL_MODE_ROOT ? (uid_t)s->engine_uid : 0,
        .stop_signal = g->plan.stop_signal,
    };
    g->jailed.ask_us = (uint64_t)g->plan.stop_grace_ms * 1000;
    return 0;
}

/* --- dirty start ------------------------------------------------------------------------------------------------ */

static int dirty_start(struct worker *w, struct err *e) {
    static struct engine g;
    struct run_spec s = w->spec; /* the strings stay the run's */
    s.engine = "fake";
    s.engine_config = w->spec.dirty_start;
    s.task = NULL;
    if (mkdir("/area/dirty", 0755) < 0) return err_sys(e, "make dirty");
    if (make_plan(w, &s, "/area/dirty", &g, e) < 0) return -1;
    g.jailed.timeout_us = DIRTY_TIMEOUT_US;
    g.jailed.watch = &w->watch; /* it may be woken by what we do here, and must not block on a full pipe */
    w->watch.relay.mute_looks = true;
    struct ending end;
    int rc = jailed_run(w, &g.jailed, &end, e);
    w->watch.relay.mute_looks = false;
    if (rc < 0) return -1;
    if (end.kind != END_EXITED || end.code != 0)
        return err_set(e, ERR_PARSE, "the case's steps ended with %s %d %s", end_kind_name(end.kind), end.code,
                       end.detail);
    return io_remove_tree_at(AT_FDCWD, "/area/dirty", e);
}

int engine_dirty_start(struct worker *w, struct err *e) {
    if (w->spec.dirty_start == NULL) return 0;
    struct span s = span_start("dirty_start");
    int rc = dirty_start(w, e);
    if (rc < 0) err_ctx(e, "dirty_start");
    return span_close(&w->up, &s, rc, e);
}

/* --- the engine ------------------------------------------------------------------------------------------------- */

static void send_end(struct worker *w, const struct ending *end) {
    AUTO_BUF struct buf b = BUF_INIT(1024);
    buf_put_u8(&b, (uint8_t)end->kind);
    buf_put_u32(&b, (uint32_t)end->code);
    buf_put_u64(&b, end->cpu_us);
    buf_put_u64(&b, end->max_rss_kib);
    buf_put_u64(&b, end->processes);
    buf_put_u64(&b, end->output_bytes);
    buf_put_u64(&b, end->dropped_bytes);
    buf_put_str(&b, end->detail);
    up_control(&w->up, MSG_ENGINE_END, &b);
}

/* What an engine is given to see, as lines of the trace: each argument, the names of its environment's variables (not what they hold),
 * each mount. A text that is too long for a line is cut, and says so by its end. */
#define SEES_LINE 1000u
#define SEES_CUT "...[cut]"

static void sees(struct worker *w, const char *what, const char *text) {
    struct span s = span_start("engine_%s", what);
    const bool fits = strlen(text) <= SEES_LINE;
    span_end(&w->up, &s, true, "%.*s%s", (int)SEES_LINE, text, fits ? "" : SEES_CUT);
}

static void tell_names(struct worker *w, const char *const *envp) {
    AUTO_BUF struct buf b = BUF_INIT(64u << 10);
    for (const char *const *p = envp; *p; p++) {
        const int n = (int)strcspn(*p, "=");
        if (b.len > 0 && b.len + (size_t)n + 1 > SEES_LINE) {
            sees(w, "environment", buf_str(&b));
            buf_reset(&b);
        }
        buf_printf(&b, "%s%.*s", b.len > 0 ? " " : "", n, *p);
    }
    sees(w, "environment", buf_str(&b));
}

static void tell_view(struct worker *w, const struct jail_spec *j) {
    for (const char *const *p = j->argv; *p; p++) sees(w, "argument", *p);
    tell_names(w, j->envp);
    for (size_t i = 0; i < j->n_binds; i++) {
        char line[2 * PATH_MAX + 16];
        const struct jail_bind *b = &j->binds[i];
        snprintf(line, sizeof line, "%s %s on %s", b->writable ? "rw" : "ro", b->hide ? "nothing" : b->source,
                 b->target);
        sees(w, "mount", line);
    }
}

static void started(struct worker *w, const struct jail *j) {
    w->engine_ran = true;
    w->watch.relay.mute_dirty = true; /* paths are listed for the start check, not while the engine works */
    up_control(&w->up, MSG_STARTED, NULL);
    const struct jail_report *r = jail_report(j);
    struct span s = span_start("engine_start");
    AUTO_BUF struct buf b = BUF_INIT(1024);
    for (unsigned i = 0; i < JAIL_M_COUNT; i++)
        if (r->in_force & (1u << i)) buf_printf(&b, "%s%s", b.len > 0 ? ", " : "", jail_mechanism_name(i));
    span_end(&w->up, &s, true, "in force: %s; landlock %d; seccomp %d instructions", buf_str(&b), r->landlock_abi,
             r->seccomp_instructions);
}

/* After the start check, so that the tree was looked at without them; no program of the run's has been here yet. */
static int place_files(const struct worker *w, const struct engine_plan *plan, struct err *e) {
    if (plan->n_workspace == 0) return 0;
    struct copier c = {.owner = worker_engine_uid(w)};
    AUTO_FD int ws = open("/area/ws", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (ws < 0) return err_sys(e, "open the workspace");
    for (int i = 0; i < plan->n_workspace; i++) {
        const struct jail_seed *s = &plan->workspace[i];
        char buf[PATH_MAX];
        const char *dir, *name;
        if (copy_split(s->path, buf, &dir, &name, e) < 0) return -1;
        AUTO_FD int at = copy_open_dir(&c, ws, dir, false, e);
        if (at < 0 || copy_bytes(&c, at, name, s->text, strlen(s->text), e) < 0)
            return err_ctx(e, "the engine's own file %s", s->path);
    }
    return 0;
}

/* What it reads on stdin, as a file that nobody can change any more: it ends, unlike a pipe whose writer must be served, and whoever
 * opens /dev/stdin anew may only read too. */
static int make_input(const char *text, struct err *e) {
    AUTO_FD int fd = memfd_create("task", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return err_sys(e, "the engine's input");
    if (io_write_full(fd, text, strlen(text), e) < 0) return -1;
    if (lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return err_sys(e, "the engine's input");
    return take_fd(&fd);
}

/* An engine whose steps never ran leaves the workspace as it was; the census after it proves that. */
static int run_engine(struct worker *w, struct ending *end, struct err *e) {
    static struct engine g;
    if (make_plan(w, &w->spec, "/area/state", &g, e) < 0 || place_files(w, &g.plan, e) < 0) return -1;
    g.jailed.out = OUT_STDOUT;
    g.jailed.err = OUT_STDERR;
    g.jailed.watch = &w->watch;
    g.jailed.stoppable = true;
    g.jailed.observed = DENIED_BY_ENGINE;
    g.jailed.on_started = started;
    g.listener = (struct jail_listener){.socket = WORKER_FD_GATEWAY, .port = (uint16_t)w->spec.gateway_port};
    if (w->spec.gateway_port > 0) g.jailed.spec.listener = &g.listener;
    tell_view(w, &g.jailed.spec);
    AUTO_FD int input = g.plan.input != NULL ? make_input(g.plan.input, e) : -1;
    if (g.plan.input != NULL && input < 0) return -1;
    g.jailed.input = input > 0 ? input : 0;
    if (jailed_run(w, &g.jailed, end, e) < 0) return -1;
    if (!w->engine_ran || g.plan.n_left == 0) return 0;
    AUTO_FD int ws = open("/area/ws", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (ws < 0) return err_sys(e, "open the workspace");
    left_send(w, ws, &g.plan);
    return 0;
}

int engine_run(struct worker *w, struct err *e) {
    struct span s = span_start("engine");
    struct ending end;
    int rc = run_engine(w, &end, e);
    inspect_kill(&w->watch);
    if (rc < 0) {
        err_ctx(e, "engine");
        return span_close(&w->up, &s, rc, e);
    }
    w->engine.exited = end.kind == END_EXITED;
    jailed_tell_limits(w, 0, &end);
    span_end(&w->up, &s, true, "%s %d%s%s", end_kind_name(end.kind), end.code, end.detail[0] != '\0' ? ": " : "",
             end.detail);
    send_end(w, &end);
    return 0;
}
