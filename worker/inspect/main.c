/* main.c - cto-harness-inspect: libgit2 on hostile bytes, confined.
 *
 * Order: descriptors to the contract -> die with the worker -> libgit2 told to look at nothing on its own and
 * initialised -> confined to exactly the paths of the step -> work. Nothing that the agent wrote is read before the
 * confinement; the watch step, whose first half still has no agent, narrows itself once more before there is one.
 *
 * Output is frames (out.h); a step ends with DONE and exit 0, or with FAILED and exit 1. The watch step has no DONE:
 * it ends with its reader.
 */
#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/jail.h"
#include "worker/inspect/inspect.h"
#include "worker/inspect/out.h"

#define MEMORY_LIMIT (3ull << 30)
#define WATCH_CPU_S 86400u /* it looks once a second for as long as the engine lives */
#define STEP_CPU_S 1200u

static int set_up_process(const struct inspect_args *a, struct err *e) {
    if (io_sanitize_std_fds(e) < 0) return -1;
    if (close_range(INSPECT_FD_COUNT, ~0u, 0) < 0) return err_sys(e, "close_range");
    signal(SIGPIPE, SIG_IGN);
    umask(022);
    if (a->parent != 0 && jail_bind_life(a->parent, -1) < 0) return err_set(e, ERR_CONFLICT, "the worker is gone");
    return 0;
}

/* No configuration of system or user, no owner checks (the agent's uid is another one), every hash compared. */
static int set_up_git(struct err *e) {
    static const git_config_level_t levels[] = {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
                                                GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL};
    int r = git_libgit2_init();
    for (size_t i = 0; r >= 0 && i < sizeof levels / sizeof *levels; i++)
        r = git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
    if (r >= 0) r = git_libgit2_opts(GIT_OPT_SET_TEMPLATE_PATH, "");
    if (r >= 0) r = git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    if (r >= 0) r = git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
    if (r >= 0) r = git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 0);
    if (r >= 0) r = git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, (size_t)MAX_OBJECTS);
#if CTO_GIT2_OBJECT_SIZE
    /* A second wall behind packcost.c, unknown to the library of Debian's first release. */
    if (r >= 0) (void)git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECT_SIZE, (size_t)MAX_BLOB);
#endif
    return r < 0 ? out_git_error(e, ERR_INTERNAL, "initialise libgit2") : 0;
}

static int confine(const struct inspect_args *a, struct err *e) {
    struct jail_path_rule rules[3];
    size_t n = 0;
    if (a->ws != NULL && a->step != INSPECT_DIFF && a->step != INSPECT_CHECKOUT)
        rules[n++] = (struct jail_path_rule){.path = a->ws, .writable = a->step == INSPECT_WATCH};
    rules[n++] =
        (struct jail_path_rule){.path = a->odb, .writable = a->step != INSPECT_DIFF && a->step != INSPECT_CHECKOUT};
    if (a->out != NULL) rules[n++] = (struct jail_path_rule){.path = a->out, .writable = true};
    struct jail_limits limits = {.memory_bytes = MEMORY_LIMIT,
                                 .cpu_s = a->step == INSPECT_WATCH ? WATCH_CPU_S : STEP_CPU_S,
                                 .open_files = 256,
                                 .file_bytes = MAX_TOTAL};
    struct jail_report report;
    return jail_confine_self(rules, n, &limits, a->step != INSPECT_WATCH, &report, e);
}

static int run_step(const struct inspect_args *a, enum failed_class *ret_class, struct err *e) {
    *ret_class = FAILED_INSPECT;
    switch (a->step) {
    case INSPECT_WATCH: return step_watch(a, ret_class, e);
    case INSPECT_COMMIT: return step_commit(a, e);
    case INSPECT_CENSUS: return step_census(a, e);
    case INSPECT_DIFF: return step_diff(a, e);
    default: return step_checkout(a, e);
    }
}

int main(int argc, char **argv) {
    struct inspect_args a;
    struct err e = ERR_INIT;
    enum failed_class class = FAILED_WORKER; /* until the agent's bytes come into play */
    int r = args_parse(argc, argv, &a, &e);
    if (r == 0) r = set_up_process(&a, &e);
    if (r == 0) r = confine(&a, &e);
    /* after it: the library's TLS part reads every CA certificate of the host when it can, which is 7 ms of a step */
    if (r == 0) r = set_up_git(&e);
    if (r == 0) r = run_step(&a, &class, &e);
    if (r == 0 && a.step != INSPECT_WATCH) r = out_done(&e);
    if (r == 0) return 0;
    err_ctx(&e, "inspect %s", argc > 1 ? argv[1] : "?");
    out_failed(e.code == ERR_UNSUPPORTED ? FAILED_SANDBOX : class, &e);
    return 1;
}
