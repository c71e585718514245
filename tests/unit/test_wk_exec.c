/* test_wk_exec.c - the adapter of engine files: argv, environment, files, mounts and input as its configuration has them, under each
 * of its names; and what is refused. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "common/io.h"
#include "worker/adapters/adapter.h"

#define BASE "\"argv\":[\"/opt/agent/x\",\"-\"],\"env\":[\"A=1\"]"

static char dir[] = "/tmp/cto-unit-exec-XXXXXX";
static struct engine_plan p;

static int prepare(const char *engine, const char *config, const char *program, const char *interpreter) {
    const struct run_spec s = {
        .engine = engine, .engine_config = config, .task = "task\n", .program = program, .interpreter = interpreter};
    struct err e = ERR_INIT;
    p = (struct engine_plan){.state_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    NEED(p.state_fd >= 0);
    int rc = adapter_by_name(engine)->prepare(&s, &p, &e);
    close(p.state_fd);
    CHECK(rc == 0 || e.code != ERR_NONE);
    return rc;
}

static void full(const char *engine) {
    NEED(prepare(engine,
                 "{" BASE
                 ",\"stdin\":true,\"files\":[{\"path\":\"home/.rc\",\"text\":\"x\"}],\"program\":\"/opt/agent/x\","
                 "\"interpreter\":\"/opt/agent/bin/node\",\"stop_signal\":2,\"stop_grace_ms\":700}",
                 "/host/x", "/host/node") == 0);
    CHECK(p.n_argv == 2 && strcmp(p.argv[1], "-") == 0 && p.n_env == 1 && strcmp(p.env[0], "A=1") == 0 && !p.cwd);
    CHECK(p.n_scratch == 2 && strcmp(p.scratch[0].path, "agent") == 0 && !p.scratch[0].text &&
          strcmp(p.scratch[1].path, "home/.rc") == 0 && strcmp(p.scratch[1].text, "x") == 0 && p.n_workspace == 0);
    CHECK(p.n_binds == 2 && strcmp(p.binds[0].source, "/program") == 0 &&
          strcmp(p.binds[0].target, "/opt/agent/x") == 0 && strcmp(p.binds[1].source, "/interpreter") == 0 &&
          !p.binds[0].writable && !p.binds[1].writable);
    CHECK(p.input && strcmp(p.input, "task\n") == 0 && p.stop_signal == SIGINT && p.stop_grace_ms == 700);
}

static void least(void) {
    char path[100];
    NEED(prepare("exec", "{" BASE "}", NULL, NULL) == 0);
    CHECK(!p.input && p.stop_signal == 0 && p.n_binds == 0 && p.n_scratch == 1);
    AUTO_BUF struct buf b = BUF_INIT(100);
    snprintf(path, sizeof path, "%s/task.md", dir);
    CHECK(io_read_file_at(AT_FDCWD, path, 100, &b, NULL) == 0 && strcmp(buf_str(&b), "task\n") == 0);
}

static void refused(void) {
    static const char *const configs[] = {NULL,
                                          "{}",
                                          "[]",
                                          "{\"argv\":[],\"env\":[]}",
                                          "{\"argv\":[\"x\"]}",
                                          "{" BASE ",\"surprise\":1}",
                                          "{" BASE ",\"program\":\"/opt/agent/x\"}",
                                          "{" BASE ",\"interpreter\":\"/opt/agent/x\"}",
                                          "{" BASE ",\"files\":[{\"path\":\"home/x\"}]}",
                                          "{" BASE ",\"files\":[1]}",
                                          "{" BASE ",\"stop_signal\":32}",
                                          "{" BASE ",\"stop_grace_ms\":60001}"};
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++)
        if (!CHECK(prepare("exec", configs[i], NULL, NULL) < 0)) fprintf(stderr, "    %s\n", configs[i]);
    CHECK(prepare("exec", "{" BASE "}", "/host/x", NULL) < 0);
    CHECK(prepare("exec", "{" BASE ",\"program\":\"/usr/bin/x\"}", "/host/x", NULL) < 0);
}

int main(void) {
    NEED(mkdtemp(dir) != NULL);
    full("exec");
    full("codex");
    full("pi");
    least();
    refused();
    NEED(io_remove_tree_at(AT_FDCWD, dir, NULL) == 0);
    return check_done();
}
