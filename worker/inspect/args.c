/* args.c - the command line of an inspector.
 *
 * It comes from the worker, which is trusted; it is checked all the same, because a wrong path here would be a wrong
 * path in the Landlock rules. Each option names the steps that know it: an option in the wrong step is an error, not
 * ignored.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "worker/inspect/inspect.h"

static const struct {
    const char *name;
    unsigned step;
} steps[] = {
    {"watch", INSPECT_WATCH}, {"commit", INSPECT_COMMIT},     {"census", INSPECT_CENSUS},
    {"diff", INSPECT_DIFF},   {"checkout", INSPECT_CHECKOUT},
};

enum {
    OPT_WS = 1,
    OPT_ODB,
    OPT_OUT,
    OPT_BASELINE,
    OPT_HEAD,
    OPT_HISTORY,
    OPT_EMPTY,
    OPT_SUBMODULE,
    OPT_IGNORE,
    OPT_RUN_ID,
    OPT_PARENT,
    OPT_MADE,
    OPT_START_LOOKS,
    OPT_LANDING,
    OPT_CONTENTS
};

static const struct option options[] = {
    {"ws", required_argument, NULL, OPT_WS},          {"odb", required_argument, NULL, OPT_ODB},
    {"out", required_argument, NULL, OPT_OUT},        {"baseline", required_argument, NULL, OPT_BASELINE},
    {"head", required_argument, NULL, OPT_HEAD},      {"history", required_argument, NULL, OPT_HISTORY},
    {"empty", no_argument, NULL, OPT_EMPTY},          {"submodule", required_argument, NULL, OPT_SUBMODULE},
    {"ignore", required_argument, NULL, OPT_IGNORE},  {"run-id", required_argument, NULL, OPT_RUN_ID},
    {"parent", required_argument, NULL, OPT_PARENT},  {"start-looks", required_argument, NULL, OPT_START_LOOKS},
    {"made-by-harness", no_argument, NULL, OPT_MADE}, {"landing", no_argument, NULL, OPT_LANDING},
    {"contents", no_argument, NULL, OPT_CONTENTS},    {NULL, 0, NULL, 0},
};

const char *args_step_name(unsigned step) {
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i].step == step) return steps[i].name;
    return "none";
}

static int number(const char *what, const char *s, long lo, long hi, long *ret, struct err *e) {
    char *end = NULL;
    errno = 0;
    long v = strtol(s, &end, 10);
    if (errno != 0 || end == s || *end != '\0' || v < lo || v > hi)
        return err_set(e, ERR_USAGE, "--%s %s: expected a number from %ld to %ld", what, s, lo, hi);
    *ret = v;
    return 0;
}

static int set_option(struct inspect_args *a, int opt, const char *v, struct err *e) {
    long n = 0;
    switch (opt) {
    case OPT_WS: a->ws = v; return 0;
    case OPT_ODB: a->odb = v; return 0;
    case OPT_OUT: a->out = v; return 0;
    case OPT_BASELINE: a->baseline = v; return 0;
    case OPT_HEAD: a->head = v; return 0;
    case OPT_EMPTY: a->empty = true; return 0;
    case OPT_RUN_ID: a->run_id = v; return 0;
    case OPT_MADE: a->made_by_harness = true; return 0;
    case OPT_LANDING: a->landing = true; return 0;
    case OPT_CONTENTS: a->contents = true; return 0;
    case OPT_START_LOOKS:
        if (number("start-looks", v, 1, 100, &n, e) < 0) return -1;
        a->start_looks = (int)n;
        return 0;
    case OPT_HISTORY:
        if (number("history", v, 0, MAX_HISTORY, &n, e) < 0) return -1;
        a->history = (int)n;
        return 0;
    case OPT_PARENT:
        if (number("parent", v, 1, 1 << 22, &n, e) < 0) return -1;
        a->parent = (pid_t)n;
        return 0;
    case OPT_SUBMODULE:
        if (a->n_submodules == SPEC_MAX_SUBMODULES)
            return err_set(e, ERR_USAGE, "--submodule: more than %d", SPEC_MAX_SUBMODULES);
        a->submodules[a->n_submodules++] = v;
        return 0;
    case OPT_IGNORE:
        if (a->n_ignore == SPEC_MAX_PATHS) return err_set(e, ERR_USAGE, "--ignore: more than %d", SPEC_MAX_PATHS);
        a->ignore[a->n_ignore++] = v;
        return 0;
    default: return err_set(e, ERR_USAGE, "unknown option, or an option without its value");
    }
}

static int check_directory(const char *name, const char *path, bool needed, struct err *e) {
    if (!needed) return path == NULL ? 0 : err_set(e, ERR_USAGE, "--%s: this step does not take it", name);
    if (path == NULL || path[0] != '/') return err_set(e, ERR_USAGE, "--%s: expected an absolute directory", name);
    return 0;
}

static int check(const struct inspect_args *a, struct err *e) {
    unsigned reads_ws = INSPECT_WATCH | INSPECT_COMMIT | INSPECT_CENSUS;
    if (check_directory("ws", a->ws, (a->step & reads_ws) != 0, e) < 0) return -1;
    if (check_directory("odb", a->odb, true, e) < 0) return -1;
    if (check_directory("out", a->out, a->step == INSPECT_CHECKOUT, e) < 0) return -1;
    if (a->step != INSPECT_WATCH && (a->history > 0 || a->empty || a->n_submodules > 0))
        return err_set(e, ERR_USAGE, "--history, --empty and --submodule belong to the watch step");
    if (a->empty && (a->history > 0 || a->n_submodules > 0))
        return err_set(e, ERR_USAGE, "--empty excludes --history and --submodule");
    if (a->made_by_harness && a->step != INSPECT_CENSUS)
        return err_set(e, ERR_USAGE, "--made-by-harness belongs to the census step");
    if (a->contents && a->step != INSPECT_DIFF) return err_set(e, ERR_USAGE, "--contents belongs to the diff step");
    if (a->contents && a->landing) return err_set(e, ERR_USAGE, "--landing says all that --contents would");
    if (a->landing && a->step != INSPECT_DIFF) return err_set(e, ERR_USAGE, "--landing belongs to the diff step");
    return 0;
}

int args_parse(int argc, char **argv, struct inspect_args *ret, struct err *e) {
    struct inspect_args a = {.run_id = "unnamed", .start_looks = 1};
    for (size_t i = 0; argc > 1 && i < sizeof steps / sizeof *steps; i++)
        if (strcmp(argv[1], steps[i].name) == 0) a.step = steps[i].step;
    if (a.step == 0) return err_set(e, ERR_USAGE, "expected a step: watch, commit, census, diff or checkout");
    opterr = 0;
    optind = 2;
    for (int opt; (opt = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (set_option(&a, opt, optarg, e) < 0) return -1;
    if (optind < argc) return err_set(e, ERR_USAGE, "unexpected argument: %s", argv[optind]);
    if (check(&a, e) < 0) return -1;
    *ret = a;
    return 0;
}
