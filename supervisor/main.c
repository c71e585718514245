/* main.c - the supervisor's program: takes the global options out of the command line, wherever they stand, and calls the
 * command. Options of the command itself are the command's business. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "build_id.h"
#include "common/io.h"
#include "common/log.h"
#include "supervisor/case.h"
#include "supervisor/commands.h"

static int print_help(FILE *out) {
    fputs("Usage: cto-harness [OPTION]... COMMAND [ARGUMENT]...\n\n"
          "Runs coding agents on git repositories unattended, inside a kernel-enforced sandbox, and turns every run "
          "into\n"
          "evidence that can be checked.\n\nCommands:\n",
          out);
    for (int i = 0; command_at(i); i++) fprintf(out, "  %-14s %s\n", command_at(i)->name, command_at(i)->summary);
    fputs("\nGlobal options, before or after the command:\n"
          "  --home DIR        where store and runs live (default: $CTO_HOME, else $HERMES_HOME/cto-planb)\n"
          "  --cases DIR       the cases (default: the installed ones, else those of the source tree)\n"
          "  --env-file FILE   settings, NAME=VALUE: paths and names only (default: $CTO_HOME/.env)\n"
          "  --json            machine-readable output\n"
          "  --quiet           no progress\n"
          "  --no-color        no colours (so does NO_COLOR=1)\n"
          "  --version         version and build id\n"
          "  --help            this text; 'cto-harness COMMAND --help' tells more\n\n"
          "Exit codes: 0 pass, 1 fail, 2 usage error, 3 blocked, 4 the harness itself failed, 130 interrupted.\n\n"
          "Examples:\n"
          "  cto-harness run-all-fake\n"
          "  cto-harness run-case r1-string-slugify --json | jq .status\n"
          "  cto-harness verify --all\n",
          out);
    return fflush(out) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

/* An option with a value, as "--name value" or "--name=value". 1: taken, 0: not this one, -1: the value is missing. */
static int take_value(const char *name, int argc, char **argv, int *i, const char **ret) {
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0) return 0;
    if (argv[*i][n] == '=') {
        *ret = argv[*i] + n + 1;
        return 1;
    }
    if (argv[*i][n] != '\0') return 0;
    if (*i + 1 >= argc) return -1;
    *ret = argv[++*i];
    return 1;
}

/* 1: argv[*i] was a global option and is taken; 0: it is not; -1: it lacks its value. */
static int take_global(struct global_options *g, int argc, char **argv, int *i) {
    static const char *const names[] = {"--home", "--cases", "--env-file"};
    const char **places[] = {&g->home.home, &g->home.cases, &g->home.env_file};
    for (int k = 0; k < 3; k++) {
        int rc = take_value(names[k], argc, argv, i, places[k]);
        if (rc != 0) return rc;
    }
    const char *a = argv[*i];
    if (strcmp(a, "--json") == 0)
        g->json = true;
    else if (strcmp(a, "--quiet") == 0)
        g->quiet = true;
    else if (strcmp(a, "--no-color") == 0)
        g->no_color = true;
    else
        return 0;
    return 1;
}

/* Moves what is not global to the front of argv; nothing after "--" is touched. Returns the new argc, -1 on error. */
static int take_globals(struct global_options *g, int argc, char **argv) {
    int kept = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc) argv[kept++] = argv[i++];
            break;
        }
        const char *option = argv[i];
        int rc = take_global(g, argc, argv, &i);
        if (rc < 0) {
            log_line("%s needs a value; see 'cto-harness --help'", option);
            return -1;
        }
        if (rc == 0) argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    return kept;
}

static int unknown(const char *name) {
    const char *names[64];
    char hint[256] = "";
    int n = 0;
    if (name[0] == '-') {
        log_line("unknown option %s; see 'cto-harness --help'", name);
        return EXIT_USAGE;
    }
    for (; n < 64 && command_at(n); n++) names[n] = command_at(n)->name;
    case_suggest(name, names, n, hint, sizeof hint);
    log_line("unknown command %s%s; see 'cto-harness --help'", name, hint);
    return EXIT_USAGE;
}

static int print_topic(const char *name) {
    const struct command *c = name ? command_find(name) : NULL;
    if (!name) return print_help(stdout);
    if (!c) return unknown(name);
    fputs(c->help, stdout);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

int main(int argc, char **argv) {
    struct err e = ERR_INIT;
    struct global_options g = {.program = argc > 0 ? argv[0] : "cto-harness"};
    log_open("cto-harness");
    umask(077);
    if (io_sanitize_std_fds(&e) < 0) return cli_error(&e);
    const char *no_color = getenv("NO_COLOR");
    g.no_color = no_color && no_color[0];
    argc = take_globals(&g, argc, argv);
    if (argc < 0) return EXIT_USAGE;
    if (argc < 2) {
        log_line("a command is expected; see 'cto-harness --help'");
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return print_help(stdout);
    if (strcmp(argv[1], "help") == 0) return print_topic(argc > 2 ? argv[2] : NULL);
    if (strcmp(argv[1], "--version") == 0) {
        printf("cto-harness %s\nbuild %s\n", CTO_VERSION, CTO_BUILD_ID);
        return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
    }
    const struct command *c = command_find(argv[1]);
    if (!c) return unknown(argv[1]);
    if (argc > 2 && strcmp(argv[2], "--help") == 0) {
        fputs(c->help, stdout);
        return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
    }
    int code = c->run(&g, argc - 1, argv + 1);
    if (fflush(stdout) == 0 && !ferror(stdout)) return code; /* an error may be older than the last flush */
    log_line("cannot write to standard output: is the disk full, or the reader gone?");
    return EXIT_HARNESS;
}
