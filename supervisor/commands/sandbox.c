/* sandbox.c - `cto-harness sandbox exec`: finds the static launcher and becomes it. Nothing of the supervisor stays. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/cli.h"
#include "supervisor/launcher.h"

const char help_sandbox[] = "Usage: cto-harness sandbox exec [--profile P] [--write DIR]... [--read DIR]...\n"
                            "                                [OPTION]... -- CMD [ARG]...\n"
                            "\n"
                            "Runs CMD in the jail that engines run in: namespaces, minimal read-only root,\n"
                            "Landlock, seccomp, no network but its own loopback. It is the program\n"
                            "cto-harness-sandbox, which takes the same options;\n"
                            "'cto-harness sandbox exec --help' lists them.\n"
                            "\n"
                            "Examples:\n"
                            "  cto-harness sandbox exec -- id\n"
                            "  cto-harness sandbox exec --write \"$PWD\" -- make test\n";

int cmd_sandbox(const struct global_options *g, int argc, char **argv) {
    (void)g;
    struct err e = ERR_INIT;
    char path[4096];
    if (argc < 2 || strcmp(argv[1], "exec") != 0) return cli_usage("sandbox", "'exec' is expected");
    if (launcher_path(path, sizeof path, &e) < 0) return cli_error(&e);
    argv[1] = path;
    execv(path, argv + 1);
    err_sys(&e, "start %s", path);
    return cli_error(&e);
}
