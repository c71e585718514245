/* main.c - cto-harness-ca-double: a stand-in for `ca`, the program of WorkOS Case, for validators and tests of cto-harness.
 *
 * It is no Case: it thinks nothing, and asks a model only where its script says so (model.c), a test double of one. It takes the one shape of command that the harness may use, looks hard at
 * what it was given (ask.c: a missing file, a wrong model setting, a path that it should not see end it), does what its script
 * says, prints what Case was seen to print at such an end, and leaves the files that Case leaves (events.c). The harness refuses to run it for anybody but a validator: it is
 * known by its digest, and by the mark below, which must stay in the program.
 *
 *   /task/double.json   {"mode": word, "code": n}; see supervisor/case.h for the modes
 *   /task/steps.json    the case's fake steps, done by the fake agent beside us
 *
 * Exit: as Case, 0 whatever came of it; 64 the command is of another shape; 65 something given is not as agreed; 66 the script
 * cannot be done; mode exit: its code.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/double_mark.h"
#include "common/io.h"
#include "tests/doubles/ca/ca.h"

#define AGENT "/opt/agent/cto-harness-fake-agent"

/* Volatile, so that no compiler leaves it out. */
static const volatile char mark[] = DOUBLE_MARK;

static const char help_text[] = "ca - a test double of WorkOS Case, for validators of cto-harness; it is not Case\n"
                                "\n"
                                "Usage: ca run --task <task-file> --mode unattended\n";

static void die(int code, const char *what) {
    fflush(stdout);
    fprintf(stderr, "ca-double: %s\n", what);
    exit(code);
}

static int run(const char *const *argv) {
    const pid_t pid = fork();
    if (pid == 0) {
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status = -1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return status == 0 ? 0 : -1;
}

static void must(int rc, const char *what) {
    if (rc < 0) die(66, what);
}

static void do_steps(void) { must(run((const char *const[]){AGENT, "/task/steps.json", NULL}), "a step failed"); }

static void commit(const char *message) {
    must(run((const char *const[]){"/usr/bin/git", "add", "-A", NULL}), "git add failed");
    must(run((const char *const[]){"/usr/bin/git", "commit", "-q", "-m", message, NULL}), "git commit failed");
}

static void add_to(const char *path, const char *text) {
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    must(fd < 0 ? -1 : io_write_full(fd, text, strlen(text), NULL), "a file could not be written");
}

static void hang(void) {
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    for (;;) pause();
}

/* --- what Case prints ------------------------------------------------------------------------------------------------------- */

#define RESULT_GOOD                                                                                                 \
    "{\"status\":\"completed\",\"summary\":\"a test double's\",\"artifacts\":{\"commit\":null,\"filesChanged\":[]," \
    "\"testsPassed\":true},\"error\":null}"
#define RESULT_REJECTED                                                                                          \
    "{\"status\":\"completed\",\"summary\":\"a test double's\",\"artifacts\":{},\"error\":null,"                 \
    "\"findings\":{\"critical\":1,\"warnings\":0,\"info\":0},\"rubric\":{\"role\":\"reviewer\",\"categories\":[" \
    "{\"category\":\"principle-compliance\",\"verdict\":\"fail\",\"detail\":\"the script says so\"}]}}"
#define RESULT_NONE \
    "{\"status\":\"failed\",\"summary\":\"\",\"artifacts\":{},\"error\":\"AGENT_RESULT start delimiter not found\"}"

static void phase(const struct asked *a, const char *name, const char *agent, bool good, const char *result) {
    printf("[unattended] [%s] starting %s...\n[unattended] [%s] %s %s (0s)\n", name, agent, name, agent,
           good ? "done" : "FAILED");
    fflush(stdout);
    event_phase_start(a, name, agent);
    if (strcmp(name, "implement") == 0) event_tool(a, name, agent, "bash", AGENT);
    event_phase_end(a, name, agent, good, result);
}

static void finished(const struct asked *a, const char *failed) {
    if (failed)
        printf("[unattended] Pipeline failed at %s phase.\n", failed);
    else
        puts("[unattended] Pipeline completed successfully.");
    fflush(stdout);
    event_pipeline_end(a, failed);
    leave_task(a);
    fprintf(stderr,
            "{\"level\":\"info\",\"msg\":\"pipeline finished\",\"outcome\":\"%s\"%s%s%s,"
            "\"eventLog\":\"/workspace/.case/%s/events/run-double.jsonl\"}\n",
            failed ? "failed" : "completed", failed ? ",\"failedAgent\":\"" : "", failed ? failed : "",
            failed ? "\"" : "", a->id);
}

static void all_phases(const struct asked *a) {
    phase(a, "implement", "implementer", true, RESULT_GOOD);
    phase(a, "verify", "verifier", true, RESULT_GOOD);
    phase(a, "review", "reviewer", true, RESULT_GOOD);
    finished(a, NULL);
}

/* --- the modes ---------------------------------------------------------------------------------------------------------------- */

static void mode_fix(const struct asked *a) {
    do_steps();
    all_phases(a);
}

static void mode_no_diff(const struct asked *a) { all_phases(a); }

static void mode_disallowed(const struct asked *a) {
    do_steps();
    add_to("outside-of-what-is-allowed.txt", "nobody asked for this file\n");
    commit("A file that nobody asked for");
    all_phases(a);
}

/* A change where it may be made, and not the one that was wanted. */
static void mode_fail_tests(const struct asked *a) {
    add_to(a->allowed, "and something else\n");
    commit("A change that mends nothing");
    all_phases(a);
}

static void mode_hang(const struct asked *a) {
    (void)a;
    hang();
}

static void mode_exit(const struct asked *a) { exit(a->code); }

static void mode_reviewer_reject(const struct asked *a) {
    do_steps();
    phase(a, "implement", "implementer", true, RESULT_GOOD);
    phase(a, "verify", "verifier", true, RESULT_GOOD);
    phase(a, "review", "reviewer", false, RESULT_REJECTED);
    finished(a, "reviewer");
}

static void no_envelope(const struct asked *a) {
    phase(a, "implement", "implementer", false, RESULT_NONE);
    fputs(
        "{\"level\":\"error\",\"msg\":\"agent-protocol-error\",\"error\":\"AGENT_RESULT start delimiter not found\"}\n",
        stderr);
    finished(a, "implementer");
}

static void mode_protocol(const struct asked *a) {
    do_steps();
    no_envelope(a);
}

/* As real agents: nothing is done that no model said. */
static void mode_asks(const struct asked *a) {
    if (ask_model(NULL) == TOLD_ENVELOPE)
        mode_fix(a);
    else
        no_envelope(a);
}

/* As one that falls back to a model of its own choice, and has good work to show for it. */
static void mode_asks_another(const struct asked *a) {
    (void)ask_model("claude-sonnet-4-6");
    mode_fix(a);
}

static void mode_dirty_end(const struct asked *a) {
    do_steps();
    add_to("left-behind.txt", "nobody committed this\n");
    all_phases(a);
}

static void mode_linger(const struct asked *a) {
    do_steps();
    phase(a, "implement", "implementer", true, RESULT_GOOD);
    hang();
}

static const struct {
    const char *name;
    void (*run)(const struct asked *a);
} modes[] = {{"fix", mode_fix},
             {"no-diff", mode_no_diff},
             {"disallowed", mode_disallowed},
             {"fail-tests", mode_fail_tests},
             {"hang", mode_hang},
             {"exit", mode_exit},
             {"reviewer-reject", mode_reviewer_reject},
             {"agent-protocol-error", mode_protocol},
             {"dirty-end", mode_dirty_end},
             {"linger", mode_linger},
             {"asks-model", mode_asks},
             {"asks-another-model", mode_asks_another}};

int main(int argc, char **argv) {
    struct err e = ERR_INIT;
    if (io_sanitize_std_fds(&e) < 0 || mark[0] == '\0') return 64;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) return fputs(help_text, stdout) < 0;
    static const char *const shape[] = {NULL, "run", "--task", NULL, "--mode", "unattended"};
    bool good = argc == 6;
    for (int i = 0; good && i < 6; i++) good = !shape[i] || strcmp(shape[i], argv[i]) == 0;
    if (!good) die(64, "the command is not: ca run --task <task-file> --mode unattended");
    static struct asked a;
    if (ask(&a, argv, &e) < 0) die(65, e.text);
    event_pipeline_start(&a);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].name, a.mode) != 0) continue;
        modes[i].run(&a);
        return 0;
    }
    die(66, "the script has a mode that is none");
    return 66;
}
