/* launcher.c - see launcher.h. */
#include "supervisor/launcher.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "build_paths.h"
#include "supervisor/ask.h"

int launcher_path(char *out, size_t size, struct err *e) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return err_sys(e, "find the running program through /proc/self/exe");
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (slash) *slash = '\0';
    const char *dirs[] = {self, CTO_LIBEXEC_DIR};
    for (size_t i = 0; i < 2; i++)
        if (snprintf(out, size, "%s/cto-harness-sandbox", dirs[i]) < (int)size && access(out, X_OK) == 0) return 0;
    return err_set(e, ERR_MISSING, "cto-harness-sandbox is neither in %s nor in %s: install the program again", self,
                   CTO_LIBEXEC_DIR);
}

int launcher_ask(const char *path, const char *argument, struct buf *out, int timeout_ms, struct err *e) {
    const char *const argv[] = {path, argument, NULL};
    return ask(argv, -1, out, timeout_ms, e);
}
