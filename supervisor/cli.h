/* cli.h - what every command gets: parsed global options; and what it gives back: an exit code. */
#ifndef CTO_SUPERVISOR_CLI_H
#define CTO_SUPERVISOR_CLI_H

#include <stdbool.h>

#include "common/err.h"
#include "supervisor/home.h"

/* Exit codes of every command (design: stages). */
enum exit_code {
    EXIT_PASS = 0,
    EXIT_FAIL = 1,
    EXIT_USAGE = 2,
    EXIT_BLOCKED = 3,
    EXIT_HARNESS = 4,
    EXIT_INTERRUPTED = 130
};

struct global_options {
    struct home_options home;
    bool json, quiet, no_color;
    const char *program; /* argv[0] as given */
};

/* A command parses its own argv (argv[0] is its name) with getopt_long; --help never arrives there. Global options are
 * accepted before and after the command's name; main() has taken them out of argv already. */
typedef int (*command_fn)(const struct global_options *g, int argc, char **argv);

struct command {
    const char *name;
    const char *summary; /* one line for the list in --help */
    command_fn run;
    const char *help; /* usage, options, examples, 80 columns: what `NAME --help` prints; main() sees to that */
};
const struct command *command_find(const char *name);

/* "cto-harness: text" on stderr and the exit code that fits the error: ERR_USAGE, ERR_PARSE and ERR_MISSING are the
 * operator's (2), ERR_UNSUPPORTED is 3, the rest is ours (4). */
int cli_error(const struct err *e);
int cli_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What getopt_long() gave back for an option that it does not like (`c` is '?' or ':', with an option string that begins with
 * ':'), in one line. EXIT_USAGE. */
int cli_bad_option(const char *command, int c, char **argv);
/* The front of a command that has no options of its own: skips "--" and leaves optind at the first argument. 0 or EXIT_USAGE. */
int cli_no_options(const char *command, int argc, char **argv);
/* Keeps the value of an option that may stand once only: with two values nobody knows which was meant. 0 or EXIT_USAGE. */
int cli_once(const char *command, const char *option, const char **slot, const char *value);
/* Prints and frees one JSON document, followed by a newline; a failed write (full disk, closed pipe) is EXIT_HARNESS. */
struct cJSON;
int cli_print_json(struct cJSON *doc, int exit_code);

int cmd_admit(const struct global_options *g, int argc, char **argv);
int cmd_health(const struct global_options *g, int argc, char **argv);
int cmd_outcome(const struct global_options *g, int argc, char **argv);
int cmd_approve(const struct global_options *g, int argc, char **argv);
int cmd_audit(const struct global_options *g, int argc, char **argv);
int cmd_compare(const struct global_options *g, int argc, char **argv);
int cmd_case(const struct global_options *g, int argc, char **argv);
int cmd_doctor(const struct global_options *g, int argc, char **argv);
int cmd_eligibility(const struct global_options *g, int argc, char **argv);
int cmd_engines(const struct global_options *g, int argc, char **argv);
int cmd_guard(const struct global_options *g, int argc, char **argv);
int cmd_packet(const struct global_options *g, int argc, char **argv);
int cmd_refresh(const struct global_options *g, int argc, char **argv);
int cmd_report(const struct global_options *g, int argc, char **argv);
int cmd_request(const struct global_options *g, int argc, char **argv);
int cmd_run_all_fake(const struct global_options *g, int argc, char **argv);
int cmd_qwen_loop(const struct global_options *g, int argc, char **argv);
int cmd_run_case(const struct global_options *g, int argc, char **argv);
int cmd_sandbox(const struct global_options *g, int argc, char **argv);
int cmd_schema(const struct global_options *g, int argc, char **argv);
int cmd_store(const struct global_options *g, int argc, char **argv);
int cmd_validate(const struct global_options *g, int argc, char **argv);
int cmd_verify(const struct global_options *g, int argc, char **argv);
int cmd_workspace(const struct global_options *g, int argc, char **argv);

/* Help texts live beside their commands. */
extern const char help_admit[], help_health[], help_approve[], help_outcome[], help_request[], help_case[],
    help_doctor[], help_eligibility[], help_engines[], help_qwen_loop[], help_report[], help_run_all_fake[],
    help_run_case[], help_sandbox[], help_schema[], help_store[], help_validate[], help_verify[];
extern const char help_compare[], help_refresh[];
extern const char help_audit[], help_guard[], help_packet[], help_workspace[];

#endif
