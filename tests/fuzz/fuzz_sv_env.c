/* fuzz_sv_env.c - settings from a file that somebody wrote: refused with the line, or read into known names whose values are
 * shorter than the file, hold no newline, and do not look like a key. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/io.h"
#include "supervisor/env_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static const char *const names[] = {"HERMES_HOME", "CTO_HOME", "GITHUB_ORG", "DEFAULT_SANDCASTLE_PROVIDER",
                                    "SANDCASTLE_REPO"};

static void look_at(const struct env_file *f, size_t size) {
    for (int i = 0; i < f->n; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) known |= strcmp(f->name[i], names[k]) == 0;
        MUST(known && strlen(f->value[i]) < size && !strpbrk(f->value[i], "\r\n"));
        MUST(strncmp(f->value[i], "sk-", 3) != 0 && strncmp(f->value[i], "ghp_", 4) != 0);
    }
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const char *v = env_file_get(f, names[k]);
        MUST(!v || v[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int fd = -1;
    char path[64];
    struct env_file f;
    struct err e = ERR_INIT;
    if (fd < 0) fd = memfd_create("env", MFD_CLOEXEC);
    MUST(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (env_file_read(&f, path, true, &e) < 0) {
        MUST(e.code == ERR_USAGE && e.text[0]);
        return 0;
    }
    look_at(&f, size);
    env_file_release(&f);
    return 0;
}
