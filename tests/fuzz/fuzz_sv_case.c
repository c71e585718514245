/* fuzz_sv_case.c - case.json from a stranger: refused with the file's name, or read into something whose every list is within
 * its bounds and whose run spec can be written. The folder lies in memory; its id is "fuzz". */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "common/path.h"
#include "supervisor/case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static char dir[64];

static void go(void) { io_remove_tree_at(AT_FDCWD, dir, NULL); }

static void put(const char *name, const void *p, size_t n) {
    char path[128];
    snprintf(path, sizeof path, "%s/fuzz/%s", dir, name);
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0 && io_write_full(fd, p, n, NULL) == 0);
}

static void set_up(void) {
    char path[128];
    snprintf(dir, sizeof dir, "%s/cto-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    MUST(mkdtemp(dir) != NULL);
    atexit(go);
    snprintf(path, sizeof path, "%s/fuzz", dir);
    MUST(mkdir(path, 0700) == 0);
    put("task.md", "# do it\n", 8);
}

static void complain(void *arg, const char *text) {
    (void)arg;
    MUST(text && text[0]);
}

static void check(struct cto_case *c) {
    const struct case_list *lists[] = {&c->backends,        &c->success_criteria, &c->evidence_expectations,
                                       &c->allowed_writes,  &c->forbidden_paths,  &c->forbidden_actions,
                                       &c->required_events, &c->ignore,           &c->pristine};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        MUST(lists[i]->n >= 0 && lists[i]->n <= CASE_MAX_LIST);
        for (int k = 0; k < lists[i]->n; k++) MUST(lists[i]->v[k] != NULL);
    }
    for (int i = 0; i < c->allowed_writes.n; i++)
        MUST(path_rule_check(PATH_ALLOWED, c->allowed_writes.v[i], NULL) == 0);
    for (int i = 0; i < c->forbidden_paths.n; i++)
        MUST(path_rule_check(PATH_FORBIDDEN, c->forbidden_paths.v[i], NULL) == 0);
    MUST(strcmp(c->id, "fuzz") == 0 && c->title && c->task && c->n_verify >= 0 && c->n_verify <= SPEC_MAX_VERIFY);
    for (int i = 0; i < c->n_verify; i++)
        MUST(c->verify[i].argc > 0 && c->verify[i].argc <= SPEC_MAX_ARGV &&
             c->verify[i].argv[c->verify[i].argc] == NULL && c->verify[i].timeout_ms > 0);
    MUST(c->backend_timeout_ms > 0 && c->idle_timeout_ms >= 0 && c->setup_timeout_ms > 0 && c->inspect_timeout_ms > 0 &&
         c->grace_ms >= 0 && c->grace_max_ms >= 0);
    MUST(c->expect.status > VERDICT_NONE && c->expect.n_blockers >= 0 && c->expect.n_blockers <= BLOCKER_COUNT);
    MUST(case_lint(c, complain, NULL) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cto_case c;
    struct err e = ERR_INIT;
    if (!dir[0]) set_up();
    put("case.json", data, size);
    if (case_load(&c, dir, "fuzz", &e) < 0) {
        MUST(e.code != ERR_NONE && strstr(e.text, "fuzz"));
        return 0;
    }
    check(&c);
    case_release(&c);
    return 0;
}
