/* qwen_loop.c - a case on the Case backend with the local model: what has no secret in it is set here, everything else is the caller's,
 * and the run is that of run-case. What the caller has to give is asked for at once, a line each; what is given and is not good, and
 * what only an operator may say (that the backend may run at all), is the gates' matter and ends in evidence. */
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/cli.h"

#define PREFIX "CTO_HARNESS_CASE_"
#define DEFAULT_CASE "r1-string-slugify"
#define DEFAULT_STAGE "2"

const char help_qwen_loop[] = "Usage: cto-harness qwen-loop [CASE] [--json]\n"
                              "\n"
                              "Runs a case (default: " DEFAULT_CASE ") on the case backend with the local\n"
                              "model qwen-local/qwen3.6-35b-a3b, as 'run-case CASE --engine case' does with\n"
                              "these settings made: MODEL_PROVIDER, MODEL, and STAGE 2 unless you set one.\n"
                              "\n"
                              "Yours to set, all behind CTO_HARNESS_CASE_:\n"
                              "  BIN                   the admitted ca                             (needed)\n"
                              "  MODEL_ADMISSION_FILE  the model's admission                       (needed)\n"
                              "  LOCAL_BASE_URL        your model box; it is shown nowhere\n"
                              "  LOCAL_API_KEY         its key, where it wants one\n"
                              "and CTO_HARNESS_ALLOW_CASE=1, which only an operator may say.\n"
                              "\n"
                              "What is needed and not set is named, and nothing is done (exit 2).\n"
                              "Everything else is asked by the gates: a closed one blocks the run, with its\n"
                              "evidence (exit 3). 'cto-harness eligibility CASE --engine case' says which.\n"
                              "\n"
                              "Examples:\n"
                              "  cto-harness qwen-loop\n"
                              "  cto-harness qwen-loop docs-typo --json | jq '.status, .models_observed'\n";

static const char *setting(const char *name) {
    const char *v = getenv(name);
    return v && v[0] ? v : NULL;
}

/* What is there already and is something else was meant for another run. */
static int fix(const char *name, const char *value) {
    const char *was = setting(name);
    if (was && strcmp(was, value) != 0)
        return cli_usage("qwen-loop",
                         "%s is set to something else than %s; unset it, or use 'run-case CASE --engine case'", name,
                         value);
    if (setenv(name, value, 1) == 0) return EXIT_PASS;
    return cli_usage("qwen-loop", "%s cannot be set", name);
}

static int settings(void) {
    static const struct {
        const char *name, *what;
    } needed[] = {{PREFIX "BIN", "the admitted ca"}, {PREFIX "MODEL_ADMISSION_FILE", "the model's admission"}};
    int rc = EXIT_PASS;
    for (size_t i = 0; rc == EXIT_PASS && i < sizeof needed / sizeof needed[0]; i++)
        if (!setting(needed[i].name))
            rc = cli_usage("qwen-loop", "set %s to the path of %s", needed[i].name, needed[i].what);
    if (rc != EXIT_PASS) return rc;
    if (fix(PREFIX "MODEL_PROVIDER", "qwen-local") != EXIT_PASS) rc = EXIT_USAGE;
    if (fix(PREFIX "MODEL", "qwen3.6-35b-a3b") != EXIT_PASS) rc = EXIT_USAGE;
    if (!setting(PREFIX "STAGE") && fix(PREFIX "STAGE", DEFAULT_STAGE) != EXIT_PASS) rc = EXIT_USAGE;
    return rc;
}

int cmd_qwen_loop(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {{0}};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;) return cli_bad_option("qwen-loop", c, argv);
    if (argc - optind > 1) return cli_usage("qwen-loop", "at most one CASE is expected");
    char *id = optind < argc ? argv[optind] : (char *)(uintptr_t)DEFAULT_CASE;
    const int rc = settings();
    if (rc != EXIT_PASS) return rc;
    char *run[] = {(char *)(uintptr_t) "run-case",
                   (char *)(uintptr_t) "--engine",
                   (char *)(uintptr_t) "case",
                   (char *)(uintptr_t) "--",
                   id,
                   NULL};
    return cmd_run_case(g, 5, run);
}
