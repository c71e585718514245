/* test_wk_case.c - the adapter of Case: the one shape of command, its environment, where each file goes, and what is refused. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "common/io.h"
#include "worker/adapters/adapter.h"

#define BASE                                                                                                      \
    "\"slug\":\"a-task\",\"task_json\":\"{}\",\"head\":\"H\\n\",\"tail\":\"T\\n\",\"config\":\"C\",\"projects\":" \
    "\"P\","                                                                                                      \
    "\"auth\":\"A\",\"models\":\"M\",\"key\":\"K\""

static char dir[] = "/tmp/cto-unit-case-XXXXXX";
static struct engine_plan p;

static int prepare(const char *config, const char *program) {
    const struct run_spec s = {.engine = "case", .engine_config = config, .task = "task\n", .program = program};
    struct err e = ERR_INIT;
    p = (struct engine_plan){.state_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    NEED(p.state_fd >= 0);
    int rc = adapter_by_name("case")->prepare(&s, &p, &e);
    close(p.state_fd);
    CHECK(rc == 0 || e.code != ERR_NONE);
    return rc;
}

static const char *file(const struct jail_seed *v, int n, const char *path) {
    for (int i = 0; i < n; i++)
        if (strcmp(v[i].path, path) == 0) return v[i].text;
    return "(none)";
}

static void as_agreed(void) {
    static const char *const argv[] = {
        "/opt/agent/ca", "run", "--task", "/workspace/.case/tasks/active/a-task.task.json", "--mode", "unattended"};
    static const char *const env[] = {"OPENAI_API_KEY=K", "CASE_DATA_DIR=/scratch/case-data",
                                      "PI_CODING_AGENT_DIR=/scratch/case-data/pi-agent"};
    NEED(prepare("{" BASE "}", "/host/place/ca") == 0);
    CHECK(p.n_argv == 6 && p.n_env == 3 && p.argv[6] == NULL && strcmp(p.cwd, "/task") == 0);
    for (int i = 0; i < 6; i++) CHECK(strcmp(p.argv[i], argv[i]) == 0);
    for (int i = 0; i < 3; i++) CHECK(strcmp(p.env[i], env[i]) == 0);
    CHECK(p.n_binds == 1 && strcmp(p.binds[0].source, "/program") == 0 &&
          strcmp(p.binds[0].target, "/opt/agent/ca") == 0 && !p.binds[0].writable);
    CHECK(p.n_scratch == 4 && strcmp(file(p.scratch, 4, "case-data/config.json"), "C") == 0 &&
          strcmp(file(p.scratch, 4, "case-data/projects.json"), "P") == 0 &&
          strcmp(file(p.scratch, 4, "case-data/pi-agent/models.json"), "M") == 0 &&
          strcmp(file(p.scratch, 4, "case-data/pi-agent/auth.json"), "A") == 0);
    CHECK(p.stop_signal == SIGINT && p.stop_grace_ms > 0 && p.stop_grace_ms < 1000);
    CHECK(p.n_workspace == 4 && strcmp(file(p.workspace, 4, ".git/info/exclude"), "/.case/\n") == 0 &&
          strcmp(file(p.workspace, 4, ".case/active"), "a-task") == 0 &&
          strcmp(file(p.workspace, 4, ".case/tasks/active/a-task.task.json"), "{}") == 0 &&
          strcmp(file(p.workspace, 4, ".case/tasks/active/a-task.md"), "H\ntask\nT\n") == 0);
    CHECK(access(dir, F_OK) == 0);
    for (int i = 0; i < p.n_argv; i++) CHECK(!strstr(p.argv[i], "host"));
}

static void with_the_double(void) {
    char path[100];
    NEED(prepare("{" BASE ",\"double\":\"D\",\"steps\":\"S\"}", "/x") == 0);
    CHECK(p.n_binds == 2 && strcmp(p.binds[0].target, "/opt/agent/cto-harness-fake-agent") == 0 && p.n_argv == 6);
    AUTO_BUF struct buf b = BUF_INIT(100);
    snprintf(path, sizeof path, "%s/double.json", dir);
    CHECK(io_read_file_at(AT_FDCWD, path, 100, &b, NULL) == 0 && strcmp(buf_str(&b), "D") == 0);
}

static void refused(void) {
    CHECK(prepare("{" BASE "}", NULL) < 0);
    CHECK(prepare("{}", "/x") < 0);
    CHECK(prepare(NULL, "/x") < 0);
    CHECK(prepare("{" BASE ",\"surprise\":1}", "/x") < 0);
    CHECK(prepare("{\"slug\":\"../../"
                  "x\",\"task_json\":\"\",\"head\":\"\",\"tail\":\"\",\"config\":\"\",\"projects\":\"\",\"auth\":\"\","
                  "\"models\":\"\",\"key\":\"\"}",
                  "/x") < 0);
    CHECK(prepare("{\"slug\":\"\",\"task_json\":\"\",\"head\":\"\",\"tail\":\"\",\"config\":\"\",\"projects\":\"\","
                  "\"auth\":\"\"}",
                  "/x") < 0);
}

int main(void) {
    NEED(mkdtemp(dir) != NULL);
    as_agreed();
    with_the_double();
    refused();
    NEED(io_remove_tree_at(AT_FDCWD, dir, NULL) == 0);
    return check_done();
}
