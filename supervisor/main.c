/* main.c - the supervisor's program: takes the global options out of the command line, wherever they stand, and calls the
 * command. Options of the command itself are the command's business. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "build_id.h"
#include "common/io.h"
#include "common/log.h"
#include "supervisor/case.h"
#include "supervisor/commands.h"
#include "supervisor/repo.h"

static int print_help(FILE *out) {
    fputs("Usage: cto-harness [OPTION]... COMMAND [ARGUMENT]...\n\n"
          "Runs coding agents on git repositories unattended, inside a kernel-enforced\n"
          "sandbox, and turns every run into evidence that can be checked.\n\nCommands:\n",
          out);
    for (int i = 0; command_at(i); i++) fprintf(out, "  %-14s %s\n", command_at(i)->name, command_at(i)->summary);
    fputs("\nGlobal options, before or after the command; of a repeated one the last counts:\n"
          "  --home DIR        where store and runs live (default: $CTO_HOME, else\n"
          "                    $HERMES_HOME/cto-planb, else ~/.hermes/cto-planb)\n"
          "  --cases DIR       the cases (default: the installed ones, else those of the\n"
          "                    source tree)\n"
          "  --env-file FILE   settings, NAME=VALUE: paths and names only (default:\n"
          "                    $CTO_HOME/.env)\n"
          "  --json            machine-readable output\n"
          "  --quiet           no progress\n"
          "  --no-color        no colours (so does NO_COLOR=1)\n"
          "  --version         version and build id\n"
          "  --help            this text; 'cto-harness COMMAND --help' tells more\n\n"
          "Exit codes: 0 pass, 1 fail, 2 usage error, 3 blocked, 4 the harness itself\n"
          "failed, 130 interrupted.\n\n"
          "Examples:\n"
          "  cto-harness run-all-fake\n"
          "  cto-harness run-case r1-string-slugify --json | jq .status\n"
          "  cto-harness verify --all\n",
          out);
    return fflush(out) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

/* An option with a value, as "--name value" or "--name=value"; the last one counts, so that what a wrapper or an alias says can be
 * said otherwise. 1: taken, 0: not this one, -1: no value; said. */
static int take_value(const char *name, int argc, char **argv, int *i, const char **ret) {
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0 || (argv[*i][n] != '=' && argv[*i][n] != '\0')) return 0;
    const char *value = argv[*i][n] == '=' ? argv[*i] + n + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    if (!value) {
        log_line("%s needs a value; see 'cto-harness --help'", name);
        return -1;
    }
    *ret = value;
    return 1;
}

/* 1: argv[*i] was a global option and is taken; 0: it is not; -1: it is a bad one. */
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
        int rc = take_global(g, argc, argv, &i);
        if (rc < 0) return -1;
        if (rc == 0) argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    return kept;
}

static int unknown(const char *name) {
    const char *names[64];
    char hint[256] = "";
    int n = 0;
    if (name[0] == '\0') {
        log_line("the command is empty; see 'cto-harness --help'");
        return EXIT_USAGE;
    }
    if (name[0] == '-') {
        log_line("unknown option %.60s; see 'cto-harness --help'", name);
        return EXIT_USAGE;
    }
    for (; n < 64 && command_at(n); n++) names[n] = command_at(n)->name;
    case_suggest(name, names, n, hint, sizeof hint);
    log_line("unknown command %.60s%s; see 'cto-harness --help'", name, hint);
    return EXIT_USAGE;
}

static int print_topic(const char *name) {
    const struct command *c = command_find(name);
    if (!c) return unknown(name);
    fputs(c->help, stdout);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

/* --help stands for the whole command wherever it stands, but for what is another program's command line. */
static bool asks_for_help(int argc, char **argv) {
    int end = strcmp(argv[1], "sandbox") == 0 && argc > 3 ? 3 : argc;
    for (int i = 2; i < end && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

/* What is no command: help and version. -1: it is none of these. */
static int about(int argc, char **argv) {
    bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0, topic = strcmp(argv[1], "help") == 0;
    if (!help && !topic && strcmp(argv[1], "--version") != 0) return -1;
    if (argc > (topic ? 3 : 2)) {
        log_line("unexpected argument %.60s after %s; see 'cto-harness --help'", argv[topic ? 3 : 2], argv[1]);
        return EXIT_USAGE;
    }
    if (topic && argc > 2 && strcmp(argv[2], "--help") != 0 && strcmp(argv[2], "help") != 0)
        return print_topic(argv[2]);
    if (help || topic) return print_help(stdout);
    printf("cto-harness %s\nbuild %s\n", CTO_VERSION, CTO_BUILD_ID);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

/* A caller's mask and dispositions come with exec. With SIGCHLD blocked no exit of a worker would ever be seen, with SIGCHLD
 * ignored every exit status would be eaten, and with SIGTERM blocked nobody could interrupt us. */
static void forget_inherited_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGCHLD, SIG_DFL);
}

int main(int argc, char **argv) {
    struct err e = ERR_INIT;
    struct global_options g = {.program = argc > 0 ? argv[0] : "cto-harness"};
    log_open("cto-harness");
    repo_umask = umask(077);
    forget_inherited_signals();
    if (io_sanitize_std_fds(&e) < 0) return cli_error(&e);
    const char *no_color = getenv("NO_COLOR");
    g.no_color = no_color && no_color[0];
    argc = take_globals(&g, argc, argv);
    if (argc < 0) return EXIT_USAGE;
    if (argc < 2) {
        log_line("a command is expected; see 'cto-harness --help'");
        return EXIT_USAGE;
    }
    int code = about(argc, argv);
    if (code >= 0) return code;
    const struct command *c = command_find(argv[1]);
    if (!c) return unknown(argv[1]);
    if (asks_for_help(argc, argv)) return print_topic(c->name);
    code = c->run(&g, argc - 1, argv + 1);
    if (fflush(stdout) == 0 && !ferror(stdout)) return code; /* an error may be older than the last flush */
    log_line("cannot write to standard output: is the disk full, or the reader gone?");
    return EXIT_HARNESS;
}
