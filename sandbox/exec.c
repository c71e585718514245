/* exec.c - finds and executes the program, in a vfork child: its memory is pid 1's, so it touches nothing but its
 * stack. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/internal.h"

#define EXEC_PATH_MAX 4096

static int try_exec(const char *path, const char *const *argv, const char *const *envp) {
    execve(path, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
    return errno;
}

int exec_program(const char *const *argv, const char *const *envp) {
    if (strchr(argv[0], '/')) return try_exec(argv[0], argv, envp);
    int result = ENOENT;
    const size_t name = strlen(argv[0]);
    for (const char *dir = JAIL_PATH; *dir;) {
        const size_t n = strcspn(dir, ":");
        char path[EXEC_PATH_MAX];
        if (n + 1 + name >= sizeof path) return ENAMETOOLONG;
        memcpy(path, dir, n);
        path[n] = '/';
        memcpy(path + n + 1, argv[0], name + 1);
        const int error = try_exec(path, argv, envp);
        if (error == EACCES)
            result = EACCES; /* as a shell does: found, but not executable */
        else if (error != ENOENT && error != ENOTDIR)
            return error;
        dir += n + (dir[n] == ':');
    }
    return result;
}
