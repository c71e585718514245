/* test_sv_flip.c - a real run directory, made by the program itself: every single byte of every file, changed by one bit, to
 * zero, and inverted, is found, and the file is named. (Made-up directories, longer and shorter files: test_sv_verify.c.) */
#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>

#include "sv_fixture.h"

extern char **environ;

static char home[64];

/* Runs one small case; the run directory in dir. Whatever its verdict: a blocked run is sealed like any other. */
static bool make_run(char *dir, size_t size) {
    char program[4096], runs[128];
    const char *build = getenv("CTO_BUILD_DIR");
    int status = -1;
    pid_t pid;
    snprintf(home, sizeof home, "/tmp/cto-unit-XXXXXX");
    NEED(mkdtemp(home) != NULL);
    snprintf(program, sizeof program, "%s/bin/cto-harness", build ? build : ".");
    char *argv[] = {program, (char[]){"--home"}, home, (char[]){"--quiet"}, (char[]){"run-case"}, (char[]){"docs-typo"},
                    NULL};
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
    int rc = posix_spawn(&pid, program, &fa, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    if (rc != 0) return false;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    snprintf(runs, sizeof runs, "%s/harness-runs", home);
    DIR *d = opendir(runs);
    bool found = false;
    for (struct dirent *de; d && (de = readdir(d));)
        if (strstr(de->d_name, "docs-typo")) found = snprintf(dir, size, "%s/%s", runs, de->d_name) < (int)size;
    if (d) closedir(d);
    return found;
}

static int files, bytes, missed, unnamed;

static void put_byte(int fd, size_t at, char c) { NEED(pwrite(fd, &c, 1, (off_t)at) == 1); }

static void flip_file(const char *dir, const char *path) {
    size_t n;
    struct verify_report v;
    char full[8192], *text = fixture_read(dir, path, &n);
    bool sums = strcmp(path, EVIDENCE_SUMS) == 0;
    snprintf(full, sizeof full, "%s/%s", dir, path);
    int fd = open(full, O_RDWR | O_CLOEXEC);
    NEED(fd >= 0);
    for (size_t k = 0; k < n; k++, bytes++) {
        const char others[3] = {(char)(text[k] ^ (1 << (k % 8))), '\0', (char)~text[k]};
        for (int i = 0; i < 3; i++) {
            if (others[i] == text[k]) continue;
            put_byte(fd, k, others[i]);
            missed += fixture_holds(dir, &v);
            /* a changed digest or name in SHA256SUMS is first seen at the file that it is of */
            unnamed += sums ? v.file[0] == '\0' : strcmp(v.file, path) != 0;
        }
        put_byte(fd, k, text[k]);
    }
    close(fd);
    free(text);
    files++;
}

static void flip_below(const char *dir, const char *prefix) {
    char full[8192], path[512];
    snprintf(full, sizeof full, "%s/%s", dir, prefix);
    DIR *d = opendir(full);
    NEED(d != NULL);
    for (struct dirent *de; (de = readdir(d));) {
        if (de->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "/" : "", de->d_name);
        if (de->d_type == DT_DIR)
            flip_below(dir, path);
        else
            flip_file(dir, path);
    }
    closedir(d);
}

int main(void) {
    char dir[4096];
    struct verify_report v;
    if (!make_run(dir, sizeof dir)) {
        io_remove_tree_at(AT_FDCWD, home, NULL);
        return check_skip("no run could be made with the programs of this build");
    }
    if (!CHECK(fixture_holds(dir, &v))) fprintf(stderr, "    %s: %s\n", v.file, v.what);
    flip_below(dir, "");
    CHECK(missed == 0 && unnamed == 0 && files >= 8 && bytes > 5000);
    CHECK(fixture_holds(dir, &v));
    printf("%d files, %d bytes, %d missed, %d not named\n", files, bytes, missed, unnamed);
    io_remove_tree_at(AT_FDCWD, home, NULL);
    return check_done();
}
