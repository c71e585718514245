/* in_fixture.h - a temporary run for the inspector's unit tests: a workspace, our store, a baseline made by the real
 * code. */
#ifndef CTO_TESTS_UNIT_IN_FIXTURE_H
#define CTO_TESTS_UNIT_IN_FIXTURE_H

#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "tests/unit/check.h"
#include "worker/inspect/repo.h"
#include "worker/inspect/session.h"

struct in_fixture {
    char dir[64], ws[80], odb[80];
    int ws_fd;
    struct inspect_args args;
    struct baseline baseline;
};

static inline void in_put(const struct in_fixture *f, const char *path, const char *text) {
    struct err e = ERR_INIT;
    char dir[256];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL) {
        *slash = '\0';
        NEED(io_mkdirs_at(f->ws_fd, dir, 0755, &e) == 0);
    }
    NEED(io_replace_file_at(f->ws_fd, path, text, strlen(text), 0644, 0, &e) == 0);
}

static inline void in_begin(struct in_fixture *f) {
    *f = (struct in_fixture){.dir = "/tmp/cto-in.XXXXXX"};
    NEED(git_libgit2_init() > 0);
    NEED(mkdtemp(f->dir) != NULL);
    snprintf(f->ws, sizeof f->ws, "%s/ws", f->dir);
    snprintf(f->odb, sizeof f->odb, "%s/odb", f->dir);
    NEED(mkdir(f->ws, 0755) == 0 && mkdir(f->odb, 0755) == 0);
    f->ws_fd = open(f->ws, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(f->ws_fd >= 0);
    f->args = (struct inspect_args){.step = INSPECT_CENSUS, .ws = f->ws, .odb = f->odb, .run_id = "test"};
}

static inline void in_baseline(struct in_fixture *f) {
    struct err e = ERR_INIT;
    if (baseline_make(&f->args, f->ws_fd, &f->baseline, &e) < 0) fprintf(stderr, "%s\n", e.text);
    NEED(!git_oid_is_zero(&f->baseline.commit));
}

static inline void in_end(struct in_fixture *f) {
    struct err e = ERR_INIT;
    baseline_release(&f->baseline);
    close(f->ws_fd);
    CHECK(io_remove_tree_at(AT_FDCWD, f->dir, &e) == 0);
    git_libgit2_shutdown();
}

#endif
