/* cli.c - shared by all commands: the table of commands, errors to exit codes, JSON to stdout. */
#include "supervisor/cli.h"

#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "supervisor/commands.h"

static const struct command table[] = {
    {"run-case", "run one case on one backend", cmd_run_case, help_run_case},
    {"run-all-fake", "run every case on the deterministic lane", cmd_run_all_fake, help_run_all_fake},
    {"qwen-loop", "run a case on Case with the local model", cmd_qwen_loop, help_qwen_loop},
    {"case", "list, check and create cases", cmd_case, help_case},
    {"engines", "list the backends and how they are gated", cmd_engines, help_engines},
    {"eligibility", "may a backend do a case? The decision, without a run", cmd_eligibility, help_eligibility},
    {"request", "ask for one run that needs an approval", cmd_request, help_request},
    {"health", "everything that can be shown here, in one command", cmd_health, help_health},
    {"outcome", "accept or reject what was landed", cmd_outcome, help_outcome},
    {"approve", "grant or deny what was asked", cmd_approve, help_approve},
    {"admit", "record what may be used: models, programs, repositories", cmd_admit, help_admit},
    {"validate", "prove a property of this build: failure-matrix, stages, adapter", cmd_validate, help_validate},
    {"report", "show and list runs", cmd_report, help_report},
    {"verify", "check a run's evidence, offline", cmd_verify, help_verify},
    {"schema", "print the JSON Schemas of all documents", cmd_schema, help_schema},
    {"compare", "show the comparison of lanes of stage 6", cmd_compare, help_compare},
    {"refresh", "judge two accepted passes again: is the result repeatable?", cmd_refresh, help_refresh},
    {"doctor", "say what this host can do", cmd_doctor, help_doctor},
    {"sandbox", "run any command in the jail", cmd_sandbox, help_sandbox},
    {"packet", "what a core review would be asked to look at", cmd_packet, help_packet},
    {"guard", "is somebody at work in the core repository?", cmd_guard, help_guard},
    {"audit", "the ten claims of the whole, proven or not", cmd_audit, help_audit},
    {"workspace", "check a planning workspace", cmd_workspace, help_workspace},
    {"store", "describe and check the store", cmd_store, help_store},
};

const struct command *command_at(int i) {
    return i >= 0 && (size_t)i < sizeof table / sizeof table[0] ? &table[i] : NULL;
}

const struct command *command_find(const char *name) {
    for (int i = 0; command_at(i); i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

int cli_error(const struct err *e) {
    log_line("%s", e->text);
    switch (e->code) {
    case ERR_USAGE:
    case ERR_PARSE:
    case ERR_MISSING: return EXIT_USAGE;
    case ERR_UNSUPPORTED: return EXIT_BLOCKED;
    default: return EXIT_HARNESS;
    }
}

int cli_usage(const char *command, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_line("%s: %s; see 'cto-harness %s --help'", command, text, command);
    return EXIT_USAGE;
}

int cli_bad_option(const char *command, int c, char **argv) {
    const char *word = argv[optind > 0 ? optind - 1 : 0];
    if (c == ':') return cli_usage(command, "%.60s needs a value", word);
    if (strncmp(word, "--", 2) != 0) return cli_usage(command, "unknown option -%c", optopt);
    if (optopt && strchr(word, '=')) return cli_usage(command, "%.60s: this option takes no value", word);
    return cli_usage(command, "unknown option %.60s", word);
}

int cli_no_options(const char *command, int argc, char **argv) {
    static const struct option options[] = {{0}};
    optind = 0;
    int c = getopt_long(argc, argv, ":", options, NULL);
    return c == -1 ? 0 : cli_bad_option(command, c, argv);
}

int cli_once(const char *command, const char *option, const char **slot, const char *value) {
    if (*slot) return cli_usage(command, "%s is given twice", option);
    *slot = value;
    return 0;
}

int cli_print_json(cJSON *doc, int exit_code) {
    char *text = cJSON_Print(doc);
    cJSON_Delete(doc);
    BUG_UNLESS(text != NULL);
    bool ok = fputs(text, stdout) >= 0 && fputc('\n', stdout) != EOF && fflush(stdout) == 0;
    free(text);
    return ok ? exit_code : EXIT_HARNESS; /* main() says what is wrong with standard output */
}
