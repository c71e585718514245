/* floor_run.c - the floor of a whole fake run: the same jails, git operations, bytes and fsyncs in the same order, by one
 * program that nobody supervises.
 *
 *   floor_run INSPECTOR AGENT FIXTURE STEPS DIR [NAME=BYTES]...
 *
 * A copy of FIXTURE becomes a workspace in a new directory below DIR/work; the baseline; AGENT does what STEPS says in a jail;
 * the result is looked at and checked out; /bin/true verifies it in a second jail; then the artifacts NAME of BYTES bytes are
 * written into a new directory below DIR/runs and synced as the product's seal does, a record goes durably to DIR/store, and
 * the work directory is removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "floor.h"

#define ENGINE_UID 0x70000000u
#define VERIFIER_UID 0x70000001u
#define RECORD_BYTES 32768 /* what one commit of a run's rows adds to the store's journal, about */
#define AGENT_INSIDE "/opt/agent/cto-harness-fake-agent"

struct places {
    char ws[PATH_MAX], odb[PATH_MAX], check[PATH_MAX], checkout[PATH_MAX], state[PATH_MAX], steps[PATH_MAX],
        patch[PATH_MAX], backend[PATH_MAX], out_log[PATH_MAX], test_log[PATH_MAX];
};

static void join(char ret[PATH_MAX], const char *dir, const char *name) {
    if (snprintf(ret, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX) floor_die("a path is too long");
}

static void make_dir(const char *path, mode_t mode, uid_t uid) {
    OK(mkdir(path, mode));
    if (floor_is_root() && uid != 0) OK(chown(path, uid, uid));
}

static void copy_file(int from_dir, const char *from, int to_dir, const char *to, uid_t uid) {
    struct stat st;
    const int in = FD(openat(from_dir, from, O_RDONLY | O_CLOEXEC));
    OK(fstat(in, &st));
    const int out = FD(openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0100 ? 0755 : 0644));
    if (floor_is_root() && uid != 0) OK(fchown(out, uid, uid));
    for (off_t left = st.st_size; left > 0;) {
        const ssize_t n = copy_file_range(in, NULL, out, NULL, (size_t)left, 0);
        if (n <= 0) floor_die(from);
        left -= n;
    }
    close(in);
    close(out);
}

/* A flat fixture is all that the benchmark's case has. */
static void copy_fixture(const char *from, const char *to) {
    DIR *d = opendir(from);
    if (!d) floor_die(from);
    const int out = FD(open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (struct dirent *de; (de = readdir(d)) != NULL;)
        if (de->d_type == DT_REG) copy_file(dirfd(d), de->d_name, out, de->d_name, ENGINE_UID);
    close(out);
    closedir(d);
}

static void remove_tree(int dir, const char *name) {
    const int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) floor_die(name);
    for (struct dirent *de; (de = readdir(d)) != NULL;) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0) continue;
        if (de->d_type == DT_DIR)
            remove_tree(fd, de->d_name);
        else
            OK(unlinkat(fd, de->d_name, 0));
    }
    closedir(d);
    OK(unlinkat(dir, name, AT_REMOVEDIR));
}

static void set_places(struct places *p, const char *work, const char *out) {
    join(p->ws, work, "ws");
    join(p->odb, work, "odb");
    join(p->check, work, "check");
    join(p->checkout, p->check, "ws");
    join(p->state, work, "state");
    join(p->steps, p->state, "steps.json");
    join(p->patch, out, "patch.diff");
    join(p->backend, out, "backend");
    join(p->out_log, p->backend, "stdout.log");
    join(p->test_log, out, "test.log");
}

static void make_workspace(const struct places *p, const char *work, const char *fixture, const char *steps) {
    make_dir(work, 0711, 0);
    make_dir(p->ws, 0700, ENGINE_UID);
    make_dir(p->odb, 0750, ENGINE_UID);
    if (floor_is_root()) OK(chown(p->odb, ENGINE_UID, VERIFIER_UID));
    make_dir(p->check, 0700, VERIFIER_UID);
    make_dir(p->checkout, 0755, VERIFIER_UID);
    make_dir(p->state, 0755, 0);
    copy_fixture(fixture, p->ws);
    copy_file(AT_FDCWD, steps, AT_FDCWD, p->steps, 0);
}

static void must_pass(const struct floor_jail *j, const char *what) {
    if (floor_jail(j) != 0) {
        errno = 0;
        floor_die(what);
    }
}

static void run_engine(const struct places *p, const char *agent) {
    static char *const argv[] = {AGENT_INSIDE, "/task/steps.json", NULL};
    const struct floor_bind binds[] = {
        {p->ws, "/workspace", true}, {p->state, "/task", false}, {agent, AGENT_INSIDE, false}};
    const int log = FD(open(p->out_log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const struct floor_jail j = {
        .argv = argv, .cwd = "/workspace", .binds = binds, .n_binds = 3, .uid = ENGINE_UID, .out = log, .err = log};
    must_pass(&j, "the agent failed");
    close(log);
}

static void verify(const struct places *p) {
    static char *const argv[] = {"/bin/true", NULL};
    const struct floor_bind binds[] = {{p->checkout, "/workspace", true}};
    const int log = FD(open(p->test_log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const struct floor_jail j = {
        .argv = argv, .cwd = "/workspace", .binds = binds, .n_binds = 1, .uid = VERIFIER_UID, .out = log, .err = log};
    must_pass(&j, "the verification failed");
    close(log);
}

static void write_synced(int dir, const char *name, size_t n) {
    static const char block[1 << 16];
    const int fd = FD(openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    for (size_t left = n; left > 0;) {
        const size_t part = left < sizeof block ? left : sizeof block;
        OK(write(fd, block, part));
        left -= part;
    }
    if (n > 0) OK(fsync(fd));
    close(fd);
}

static void sync_dir(int at, const char *name) {
    const int fd = FD(openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    OK(fsync(fd));
    close(fd);
}

static void seal(const char *out, char **artifacts) {
    const int dir = FD(open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (; *artifacts; artifacts++) {
        char *eq = strchr(*artifacts, '=');
        if (!eq) floor_die("NAME=BYTES");
        *eq = '\0';
        write_synced(dir, *artifacts, (size_t)strtoul(eq + 1, NULL, 10));
    }
    sync_dir(dir, "backend");
    sync_dir(dir, ".");
    sync_dir(dir, "..");
    close(dir);
}

static void record(const char *store) {
    static const char row[RECORD_BYTES];
    const int fd = FD(open(store, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    OK(write(fd, row, sizeof row));
    OK(fdatasync(fd));
    close(fd);
}

int main(int argc, char **argv) {
    static struct places p;
    static char work[PATH_MAX], out[PATH_MAX], store[PATH_MAX], name[64];
    if (argc < 6) {
        fputs("usage: floor_run INSPECTOR AGENT FIXTURE STEPS DIR [NAME=BYTES]...\n", stderr);
        return 2;
    }
    snprintf(name, sizeof name, "work/%d", (int)getpid());
    join(work, argv[5], name);
    snprintf(name, sizeof name, "runs/%lld-%d", (long long)time(NULL), (int)getpid());
    join(out, argv[5], name);
    join(store, argv[5], "store");
    set_places(&p, work, out);
    const struct floor_git g = {.inspector = argv[1],
                                .ws = p.ws,
                                .odb = p.odb,
                                .checkout = p.checkout,
                                .patch = p.patch,
                                .engine = ENGINE_UID,
                                .verifier = VERIFIER_UID};
    umask(022);
    make_dir(out, 0700, 0);
    make_dir(p.backend, 0700, 0);
    make_workspace(&p, work, argv[3], argv[4]);
    floor_enter();
    git_baseline(&g);
    git_start_check(&g);
    run_engine(&p, argv[2]);
    git_engine_ended(&g);
    git_result(&g);
    git_checkout(&g);
    verify(&p);
    seal(out, argv + 6);
    record(store);
    remove_tree(AT_FDCWD, work);
    return 0;
}
