/* test_common_io.c - opening beneath a directory against every kind of link, whole-file reads with a bound, replacing, mkdirs,
 * standard descriptors, waiting. As root and as an ordinary user. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "common/io.h"

static int top;

static void put(const char *path, const char *text) {
    int fd = openat(top, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    NEED(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void refuses(const char *path, int flags, int want) {
    struct err e = ERR_INIT;
    int fd = io_open_beneath(top, path, flags, 0600, &e);
    if (!CHECK(fd == -1 && e.code == ERR_SYS && (want == 0 || e.sys == want) && strstr(e.text, path)))
        fprintf(stderr, "    %s: fd %d, errno %d, %s\n", path, fd, e.sys, e.text);
    if (fd >= 0) close(fd);
}

static void beneath(void) {
    struct err e = ERR_INIT;
    NEED(mkdirat(top, "d", 0700) == 0 && mkdirat(top, "d/e", 0700) == 0 && mkdirat(top, "outside", 0700) == 0);
    put("d/e/f", "inside");
    put("outside/secret", "secret");
    AUTO_FD int d = openat(top, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(symlinkat("../outside/secret", d, "up") == 0 && symlinkat("e", d, "dirlink") == 0 &&
         symlinkat("e/f", d, "filelink") == 0);
    NEED(symlinkat("/etc/passwd", d, "absolute") == 0 && symlinkat("/proc/self/root", d, "magic") == 0 &&
         symlinkat("loop", d, "loop") == 0);
    AUTO_FD int good = io_open_beneath(d, "e/f", O_RDONLY, 0, &e);
    CHECK(good >= 0 && fcntl(good, F_GETFD) == FD_CLOEXEC && e.code == ERR_NONE);
    AUTO_FD int same = io_open_beneath(d, "e/../e/f", O_RDONLY, 0, &e); /* beneath, although it goes up on the way */
    CHECK(same >= 0);
    AUTO_FD int self = io_open_beneath(d, ".", O_RDONLY | O_DIRECTORY, 0, &e);
    CHECK(self >= 0);
    AUTO_FD int path_fd = io_open_beneath(d, "e", O_PATH | O_DIRECTORY, 0, &e);
    CHECK(path_fd >= 0);
    AUTO_FD int made = io_open_beneath(d, "e/new", O_WRONLY | O_CREAT | O_EXCL, 0640, &e);
    struct stat st;
    CHECK(made >= 0 && fstat(made, &st) == 0 && (st.st_mode & 0777) == (0640 & ~022));
    AUTO_FD int nameless = io_open_beneath(d, "e", O_WRONLY | O_TMPFILE, 0600, &e);
    CHECK(nameless >= 0 || e.sys == EOPNOTSUPP);
    int saved = top;
    top = d;
    refuses("up", O_RDONLY, ELOOP);
    refuses("filelink", O_RDONLY, ELOOP);
    refuses("dirlink/f", O_RDONLY, ELOOP);
    refuses("absolute", O_RDONLY, ELOOP);
    refuses("magic/etc/passwd", O_RDONLY, ELOOP);
    refuses("loop", O_RDONLY, ELOOP);
    refuses("filelink", O_WRONLY | O_CREAT, ELOOP);
    refuses("../outside/secret", O_RDONLY, EXDEV);
    refuses("..", O_RDONLY, EXDEV);
    refuses("e/../../outside/secret", O_RDONLY, EXDEV);
    refuses("/etc/passwd", O_RDONLY, EXDEV);
    refuses("none", O_RDONLY, ENOENT);
    refuses("e/f/x", O_RDONLY, ENOTDIR);
    refuses("e", O_WRONLY, EISDIR);
    top = saved;
    errno = 0;
    CHECK(io_open_beneath_quiet(d, "up", O_RDONLY, 0) == -1 && errno == ELOOP);
}

/* A hostile program moves directories about while we walk: the outside file is never opened. */
static void against_renames(void) {
    NEED(mkdirat(top, "race", 0700) == 0 && mkdirat(top, "race/a", 0700) == 0 && mkdirat(top, "race/a/b", 0700) == 0);
    put("race/a/b/secret", "inside");
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        for (;;) {
            renameat(top, "race/a/b", top, "race/c");
            if (symlinkat("../../outside", top, "race/a/b") == 0) unlinkat(top, "race/a/b", 0);
            renameat(top, "race/c", top, "race/a/b");
        }
    }
    AUTO_FD int race = openat(top, "race", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int opened = 0, outside = 0, tried = 0;
    for (time_t end = time(NULL) + 2; time(NULL) < end; tried++) {
        char text[16] = "";
        AUTO_FD int fd = io_open_beneath_quiet(race, "a/b/secret", O_RDONLY, 0);
        if (fd < 0) continue;
        opened++;
        outside += read(fd, text, sizeof text - 1) != 6 || strcmp(text, "inside") != 0;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    CHECK(outside == 0 && opened > 0);
    printf("%d of %d opens while names moved\n", opened, tried);
}

static void reading(void) {
    AUTO_BUF struct buf b = BUF_INIT(5);
    struct err e = ERR_INIT;
    static char big[40000];
    memset(big, 'x', sizeof big - 1);
    put("big", big);
    put("empty", "");
    CHECK(io_read_file_at(top, "big", sizeof big - 1, &b, &e) == 0 && b.len == sizeof big - 1 && b.p[0] == 'x' &&
          b.p[b.len] == 0);
    CHECK(io_read_file_at(top, "empty", 0, &b, &e) == 0 && b.len == 0 &&
          strcmp(buf_str(&b), "") == 0); /* replaced, not appended */
    CHECK(e.code == ERR_NONE);
    CHECK(io_read_file_at(top, "big", sizeof big - 2, &b, &e) == -1 && e.code == ERR_LIMIT && strstr(e.text, "39998"));
    CHECK(io_read_file_at(top, "none", 10, &b, &e) == -1 && e.sys == ENOENT);
    CHECK(io_read_file_at(top, "d", 10, &b, &e) == -1);
    NEED(mkfifoat(top, "fifo", 0600) == 0);
    CHECK(io_read_file_at(top, "fifo", 10, &b, &e) == -1 && e.code == ERR_PARSE); /* and does not wait for a writer */
    CHECK(io_read_file_at(AT_FDCWD, "/dev/zero", 10, &b, &e) == -1 && e.code == ERR_PARSE);
}

static void replacing(void) {
    AUTO_BUF struct buf b = BUF_INIT(100);
    struct err e = ERR_INIT;
    struct stat st;
    for (int sync = 0; sync < 2; sync++) {
        CHECK(io_replace_file_at(top, "d/r", "one", 3, 0644, sync, &e) == 0 &&
              io_replace_file_at(top, "d/r", "two!", 4, 0600, sync, &e) == 0);
        CHECK(io_read_file_at(top, "d/r", 10, &b, &e) == 0 && strcmp(buf_str(&b), "two!") == 0);
        CHECK(fstatat(top, "d/r", &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & 07777) == 0600);
    }
    put("victim", "victim");
    NEED(symlinkat("victim", top, "alias") == 0);
    CHECK(io_replace_file_at(top, "alias", "new", 3, 0600, 0, &e) ==
          0); /* the link is replaced, what it pointed to is not written */
    CHECK(fstatat(top, "alias", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode));
    CHECK(io_read_file_at(top, "victim", 10, &b, &e) == 0 && strcmp(buf_str(&b), "victim") == 0);
    char tmp[64]; /* somebody planted a link under the temporary name */
    snprintf(tmp, sizeof tmp, ".planted.%d.tmp", (int)getpid());
    NEED(symlinkat("victim", top, tmp) == 0 && e.code == ERR_NONE);
    CHECK(io_replace_file_at(top, "planted", "evil", 4, 0600, 0, &e) == -1 && e.sys == ELOOP);
    CHECK(io_read_file_at(top, "victim", 10, &b, &e) == 0 && strcmp(buf_str(&b), "victim") == 0);
    CHECK(io_replace_file_at(top, "none/x", "x", 1, 0600, 0, &e) == -1 && e.sys == ENOENT);
    CHECK(io_replace_file_at(top, "d", "x", 1, 0600, 0, &e) == -1); /* a directory stands there */
    snprintf(tmp, sizeof tmp, ".d.%d.tmp", (int)getpid());
    CHECK(fstatat(top, tmp, &st, AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT); /* the temporary file went */
    static char longest[5000];
    memset(longest, 'n', sizeof longest - 1);
    CHECK(io_replace_file_at(top, longest, "x", 1, 0600, 0, &e) == -1 && e.code == ERR_LIMIT);
}

static void directories(void) {
    struct err e = ERR_INIT;
    struct stat st;
    umask(0);
    CHECK(io_mkdirs_at(top, "m/n/o", 0750, &e) == 0 && io_mkdirs_at(top, "m/n/o", 0700, &e) == 0 &&
          io_mkdirs_at(top, "m/n/o/", 0700, &e) == 0);
    CHECK(fstatat(top, "m/n", &st, 0) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0750);
    umask(022);
    CHECK(io_mkdirs_at(AT_FDCWD, "/", 0700, &e) == 0 && io_mkdirs_at(AT_FDCWD, "/tmp", 0700, &e) == 0 &&
          e.code == ERR_NONE);
    put("m/file", "");
    CHECK(io_mkdirs_at(top, "m/file/x", 0700, &e) == -1 && e.sys == ENOTDIR && strstr(e.text, "m/file/x"));
    static char longest[5000];
    memset(longest, 'n', sizeof longest - 1);
    CHECK(io_mkdirs_at(top, longest, 0700, &e) == -1 && e.code == ERR_LIMIT);
    if (geteuid() != 0) {
        NEED(mkdirat(top, "locked", 0500) == 0);
        CHECK(io_mkdirs_at(top, "locked/x", 0700, &e) == -1 && e.sys == EACCES);
    }
}

/* Each pattern of closed standard descriptors, in a child. */
static void standard_descriptors(void) {
    for (int closed = 0; closed < 8; closed++) {
        int status = -1;
        pid_t pid = fork();
        NEED(pid >= 0);
        if (pid == 0) {
            for (int i = 0; i < 3; i++)
                if (closed >> i & 1) close(i);
            struct err e = ERR_INIT;
            if (io_sanitize_std_fds(&e) < 0) _exit(1);
            for (int i = 0; i < 3; i++)
                if (fcntl(i, F_GETFD) < 0) _exit(2);
            int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
            if (next < 3) _exit(3);
            if ((closed & 1) && (fcntl(0, F_GETFL) & O_ACCMODE) != O_RDONLY) _exit(4);
            if ((closed & 4) && write(2, "x", 1) != 1) _exit(5);
            _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

static void on_alarm(int s) { (void)s; }

static void transfers(void) {
    int p[2];
    struct err e = ERR_INIT;
    char got[10] = "";
    NEED(pipe2(p, O_CLOEXEC) == 0);
    CHECK(io_wait(p[0], POLLIN, 0, &e) == 0 && io_wait(p[0], POLLIN, 1, &e) == 0);
    CHECK(io_write_full(p[1], "abc", 3, &e) == 0 && io_write_full(p[1], "", 0, &e) == 0);
    CHECK(io_wait(p[0], POLLIN, -1, &e) == 1);
    struct sigaction sa = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &sa, NULL); /* no SA_RESTART: the read is interrupted and goes on */
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < 5; i++) {
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
            kill(getppid(), SIGALRM);
        }
        if (write(p[1], "def", 3) != 3) _exit(1);
        _exit(0);
    }
    CHECK(io_read_full(p[0], got, 6, &e) == 6 && memcmp(got, "abcdef", 6) == 0);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    CHECK(io_write_full(p[1], "xy", 2, &e) == 0);
    close(p[1]);
    CHECK(io_read_full(p[0], got, 6, &e) == 2 && io_read_full(p[0], got, 6, &e) == 0 &&
          e.code == ERR_NONE); /* the end */
    close(p[0]);
    CHECK(io_read_full(-1, got, 1, &e) == -1 && e.sys == EBADF && io_write_full(-1, got, 1, &e) == -1);
    int fd = 7, moved = take_fd(&fd);
    CHECK(moved == 7 && fd == -1);
}

int main(void) {
    char dir[] = "/tmp/cto-unit-XXXXXX";
    umask(022);
    NEED(mkdtemp(dir) != NULL);
    top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(top >= 0);
    beneath();
    against_renames();
    reading();
    replacing();
    directories();
    standard_descriptors();
    transfers();
    close(top);
    CHECK(io_remove_tree_at(AT_FDCWD, dir, NULL) == 0);
    return check_done();
}
