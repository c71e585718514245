/* steps_git.c - what an agent does with git and with other programs: it runs them, as any agent does. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/fake_agent/agent.h"

#define GIT "/usr/bin/git"

int step_strings(struct json_obj *o, const char *key, enum json_need need, const char *argv[AGENT_MAX_ARGS + 1],
                 int at) {
    const cJSON *array = NULL;
    int n = json_array(o, key, need, AGENT_MAX_ARGS - at, &array);
    for (int i = 0; i < n; i++) {
        argv[at] = json_elem_str(o, key, array, i, 4096);
        if (argv[at] == NULL) break;
        at++;
    }
    argv[at] = NULL;
    return at;
}

static int wait_for(pid_t pid, const char *name, struct err *e) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return err_sys(e, "wait for %s", name);
    if (WIFSIGNALED(status)) return err_set(e, ERR_CONFLICT, "%s died of signal %d", name, WTERMSIG(status));
    if (WEXITSTATUS(status) != 0) return err_set(e, ERR_CONFLICT, "%s exited with %d", name, WEXITSTATUS(status));
    return 0;
}

int step_program(const char *const *argv, bool may_fail, struct err *e) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        dprintf(STDERR_FILENO, "cto-harness-fake-agent: %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    int rc = pid < 0 ? err_sys(e, "fork") : wait_for(pid, argv[0], e);
    return may_fail ? 0 : rc;
}

static int do_git(struct json_obj *o, struct err *e) {
    const char *argv[AGENT_MAX_ARGS + 1] = {GIT};
    step_strings(o, "args", JSON_REQUIRED, argv, 1);
    bool may_fail = json_bool(o, "may_fail", false);
    STEP_KEYS_END(o, e);
    return step_program(argv, may_fail, e);
}

static int do_commit(struct json_obj *o, struct err *e) {
    const char *add[AGENT_MAX_ARGS + 1] = {GIT, "add", "--"};
    const char *message = json_str(o, "message", JSON_REQUIRED, 65536);
    if (step_strings(o, "paths", JSON_OPTIONAL, add, 3) == 3) {
        add[2] = "-A";
        add[3] = NULL;
    }
    STEP_KEYS_END(o, e);
    const char *const commit[] = {GIT, "commit", "-q", "-m", message, NULL};
    if (step_program(add, false, e) < 0) return -1;
    return step_program(commit, false, e);
}

static int do_exec(struct json_obj *o, struct err *e) {
    const char *argv[AGENT_MAX_ARGS + 1];
    if (step_strings(o, "argv", JSON_REQUIRED, argv, 0) == 0) json_fail(o, "argv", "a program is expected");
    bool may_fail = json_bool(o, "may_fail", false);
    STEP_KEYS_END(o, e);
    return step_program(argv, may_fail, e);
}

const struct step_type steps_git[] = {{"git", do_git}, {"commit", do_commit}, {"exec", do_exec}, {NULL, NULL}};
