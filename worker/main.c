/* main.c - cto-harness-worker: one run, from an empty work directory to a verified result.
 *
 * Started by the supervisor only, with the descriptors of enum worker_fd. The steps stand in run_steps() in the order
 * in which they happen, and that order is what the run's evidence rests on: nothing of the engine starts before the
 * start check, nothing looks at the engine's files for a verdict before its whole process tree is dead, and the
 * verifier's jail is built from a checkout of the result commit, never from the engine's workspace.
 *
 * Every failure is told once (FAILED) and ends the process with 1; DONE and exit 0 is the only good end. What the
 * worker started dies with it: jails by their pid 1, inspectors by PDEATHSIG.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "build_id.h"
#include "common/io.h"
#include "common/log.h"
#include "worker/worker.h"

static const char usage_text[] =
    "usage: cto-harness-worker --supervisor-pid N\n"
    "       cto-harness-worker --build-id | --help\n"
    "\n"
    "One run of cto-harness. Started by cto-harness, with its descriptors; it is of no use by hand.\n";

static void on_sigpipe(int sig) { (void)sig; }

/* A handler, not SIG_IGN: an ignored signal stays ignored over exec and would be handed to engines and inspectors. */
static void catch_sigpipe(void) {
    struct sigaction sa = {.sa_handler = on_sigpipe, .sa_flags = SA_RESTART};
    sigaction(SIGPIPE, &sa, NULL);
}

static int run_steps(struct worker *w, struct err *e) {
    if (entry_take_spec(w, e) < 0) return -1;
    if (enter_run(w, e) < 0) return -1; /* needs mount and unshare, which its filter takes away */
    if (workspace_make(w, e) < 0) return -1;
    if (inspection_baseline(w, e) < 0) return -1; /* the watch inspector lives from here to the engine's death */
    if (engine_dirty_start(w, e) < 0) return -1;
    if (inspection_start_check(w, e) < 0) return -1;
    if (w->stop_early) return 0;
    if (engine_run(w, e) < 0) return -1; /* returns when nothing of the engine lives any more */
    if (inspection_result(w, e) < 0) return -1;
    return verify_run(w, e);
}

/* A STOP that crossed our last frames would turn the supervisor's end of file into ECONNRESET when we close on it. */
static void drain_control(int fd) {
    char scrap[64];
    while (recv(fd, scrap, sizeof scrap, MSG_DONTWAIT) > 0) continue;
}

static int run(pid_t supervisor) {
    struct err e = ERR_INIT;
    struct worker w = {.supervisor = supervisor, .mode = jail_mode(), .blame = FAILED_SPEC, .watch = INSPECTOR_INIT};
    if (entry_check_fds(&e) < 0) {
        log_line("%s", e.text);
        return 1;
    }
    if (jail_bind_life(supervisor, WORKER_FD_CONTROL) < 0) return UP_EXIT_ORPHAN;
    if (up_init(&w.up, WORKER_FD_CONTROL, WORKER_FD_BULK, supervisor, &e) < 0) {
        log_line("%s", e.text);
        return 1;
    }
    int rc = run_steps(&w, &e);
    inspect_kill(&w.watch);
    if (rc == 0) {
        up_control(&w.up, MSG_DONE, NULL);
    } else {
        bool sandbox = e.code == ERR_UNSUPPORTED && w.blame == FAILED_WORKER;
        up_failed(&w.up, sandbox ? FAILED_SANDBOX : w.blame, &e);
    }
    drain_control(WORKER_FD_CONTROL);
    spec_release(&w.spec);
    up_release(&w.up);
    return rc == 0 ? 0 : 1;
}

static int parse_pid(const char *text, pid_t *ret) {
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v <= 0 || v > INT32_MAX) return -1;
    *ret = (pid_t)v;
    return 0;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"supervisor-pid", required_argument, NULL, 'p'},
        {"build-id", no_argument, NULL, 'b'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    log_open("cto-harness-worker");
    struct err e = ERR_INIT;
    if (io_sanitize_std_fds(&e) < 0) return 4;
    umask(022);
    catch_sigpipe();
    pid_t supervisor = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'b') return puts(CTO_BUILD_ID) < 0;
        if (c == 'h') return fputs(usage_text, stdout) < 0;
        if (c != 'p' || parse_pid(optarg, &supervisor) < 0) {
            fputs(usage_text, stderr);
            return 2;
        }
    }
    if (supervisor == 0 || optind != argc) {
        fputs(usage_text, stderr);
        return 2;
    }
    return run(supervisor);
}
