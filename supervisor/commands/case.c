/* case.c - `cto-harness case list | lint | new`: what is there, what is wrong with it, a start for one more.
 *
 * Reads the cases folder only, no store and no run: it works before anything was ever run, and while runs go on.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/json.h"
#include "supervisor/case.h"
#include "supervisor/cli.h"
#include "supervisor/commands/case_new.h"

const char help_case[] =
    "usage: cto-harness case list\n"
    "       cto-harness case lint [ID... | all]\n"
    "       cto-harness case new ID [--from ID]\n"
    "\n"
    "A case is a folder below the cases folder: case.json, task.md and fixture/. Failure fixtures are below "
    "failures/.\n"
    "\n"
    "  list             every case: id, kind, expected end, title, verification\n"
    "  lint             reads cases strictly and checks them against fixture, rules and the table of blockers;\n"
    "                   one line \"file:line: key: message\" for each mistake; default: all\n"
    "  new ID           makes a case that lints clean and passes on the fake backend, to be changed from there\n"
    "      --from ID    as a copy of that case instead of the built-in example\n"
    "\n"
    "Global options: --cases DIR (which folder), --json, --quiet.\n"
    "Exit codes: 0 done; 2 a mistake in a case or in the arguments; 4 the harness could not do it.\n"
    "\n"
    "Examples:\n"
    "  cto-harness case list --json | jq -r '.cases[].id'\n"
    "  cto-harness case lint r1-string-slugify no-diff\n"
    "  cto-harness --cases ./my-cases case new fix-typo --from shell-wordcount\n";

/* --- list --------------------------------------------------------------------------------------------------------- */

/* As one would type it: quoted where a shell would need it. */
static void put_argv(struct buf *out, const struct spec_command *v) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@%+";
    for (int i = 0; i < v->argc; i++) {
        const char *s = v->argv[i];
        if (i) buf_puts(out, " ");
        if (*s && strspn(s, plain) == strlen(s)) {
            buf_puts(out, s);
            continue;
        }
        buf_puts(out, "'");
        for (; *s; s++) {
            if (*s == '\'')
                buf_puts(out, "'\\''");
            else
                buf_put_u8(out, (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : (uint8_t)*s);
        }
        buf_puts(out, "'");
    }
}

static void print_row(const struct cto_case *c) {
    AUTO_BUF struct buf commands = BUF_INIT(256u << 10);
    for (int i = 0; i < c->n_verify; i++) {
        if (i) buf_puts(&commands, "; ");
        put_argv(&commands, &c->verify[i]);
    }
    (void)printf("%-34s %-8s %-8s %-52s %s\n", c->id, c->kind, verdict_name(c->expect.status), c->title,
                 c->n_verify ? buf_str(&commands) : "-");
}

static cJSON *row_json(const struct cto_case *c) {
    cJSON *row = cJSON_CreateObject(), *commands = cJSON_CreateArray(), *expect = cJSON_CreateObject();
    const char *reasons[BLOCKER_COUNT];
    json_put_str(row, "id", c->id);
    json_put_str(row, "kind", c->kind);
    json_put_str(row, "title", c->title);
    json_put(row, "backends", json_strings(c->backends.v, (size_t)c->backends.n));
    for (int i = 0; i < c->n_verify; i++) {
        cJSON *command = cJSON_CreateObject();
        json_put(command, "argv", json_strings(c->verify[i].argv, (size_t)c->verify[i].argc));
        json_put_int(command, "timeout_ms", c->verify[i].timeout_ms);
        BUG_UNLESS(cJSON_AddItemToArray(commands, command));
    }
    json_put(row, "verification", commands);
    for (int i = 0; i < c->expect.n_blockers; i++) reasons[i] = blocker_rule(c->expect.blockers[i])->reason;
    json_put_str(expect, "status", verdict_name(c->expect.status));
    json_put(expect, "blockers", json_strings(reasons, (size_t)c->expect.n_blockers));
    json_put_str(expect, "failure_class", c->expect.failure_class);
    json_put(row, "expect", expect);
    json_put_str(row, "dir", c->dir);
    return row;
}

/* Shows every case that can be read and complains about each that cannot. */
static int list_cases(const struct global_options *g, const char *cases_dir) {
    char **ids = NULL;
    struct err e = ERR_INIT;
    int rc = EXIT_PASS, n = case_ids(cases_dir, true, &ids, &e);
    if (n < 0) return cli_error(&e);
    cJSON *rows = g->json ? cJSON_CreateArray() : NULL;
    if (!g->json && !g->quiet)
        (void)printf("%-34s %-8s %-8s %-52s %s\n", "CASE", "KIND", "EXPECT", "TITLE", "VERIFICATION");
    for (int i = 0; i < n; i++) {
        struct cto_case c;
        if (case_load(&c, cases_dir, ids[i], &e) < 0) {
            rc = cli_error(&e);
            continue;
        }
        if (rows)
            BUG_UNLESS(cJSON_AddItemToArray(rows, row_json(&c)));
        else
            print_row(&c);
        case_release(&c);
    }
    case_ids_free(ids, n);
    if (!rows) return rc;
    cJSON *doc = cJSON_CreateObject();
    json_put(doc, "cases", rows);
    return cli_print_json(doc, rc);
}

/* --- lint --------------------------------------------------------------------------------------------------------- */

struct lint_output {
    const char *id;
    cJSON *errors; /* NULL: plain lines on standard output */
    int count;
};

/* "file:line: key: message" taken apart again; a text that is not of that form is all message. */
static cJSON *error_json(const char *id, const char *text) {
    cJSON *o = cJSON_CreateObject();
    const char *at = strstr(text, ".json:"), *key_end = NULL;
    char *end = NULL;
    long line = at ? strtol(at + 6, &end, 10) : 0;
    json_put_str(o, "case", id);
    if (!at || line <= 0 || strncmp(end, ": ", 2) != 0) {
        json_put_str(o, "message", text);
        return o;
    }
    json_put(o, "file", json_bytes(text, (size_t)(at + 5 - text)));
    json_put_int(o, "line", line);
    key_end = strstr(end + 2, ": ");
    if (key_end) json_put(o, "key", json_bytes(end + 2, (size_t)(key_end - end - 2)));
    json_put_str(o, "message", key_end ? key_end + 2 : end + 2);
    return o;
}

static void complain(void *arg, const char *text) {
    struct lint_output *out = arg;
    out->count++;
    if (out->errors)
        BUG_UNLESS(cJSON_AddItemToArray(out->errors, error_json(out->id, text)));
    else
        (void)printf("%s\n", text);
}

static void lint_one(struct lint_output *out, const char *cases_dir, const char *id) {
    struct cto_case c;
    struct err e = ERR_INIT;
    out->id = id;
    if (case_load(&c, cases_dir, id, &e) < 0) {
        complain(out, e.text);
        return;
    }
    (void)case_lint(&c, complain, out);
    case_release(&c);
}

/* An id that does not exist is a mistake of the caller, not of a case: refused before anything is checked. */
static int known_ids(const char *cases_dir, int n, char **ids) {
    for (int i = 0; i < n; i++) {
        char place[CASE_ID_MAX + 16];
        struct err e = ERR_INIT;
        if (case_find(cases_dir, ids[i], place, &e) < 0) return cli_error(&e);
    }
    return EXIT_PASS;
}

static int lint_ids(const struct global_options *g, const char *cases_dir, int n, char **ids) {
    struct lint_output out = {.errors = g->json ? cJSON_CreateArray() : NULL};
    for (int i = 0; i < n; i++) lint_one(&out, cases_dir, ids[i]);
    int rc = out.count ? EXIT_USAGE : EXIT_PASS;
    if (!out.errors) {
        if (!g->quiet)
            (void)printf("%d case%s checked, %d mistake%s\n", n, n == 1 ? "" : "s", out.count,
                         out.count == 1 ? "" : "s");
        return rc;
    }
    cJSON *doc = cJSON_CreateObject();
    json_put_bool(doc, "ok", out.count == 0);
    json_put_int(doc, "checked", n);
    json_put(doc, "errors", out.errors);
    return cli_print_json(doc, rc);
}

static int lint_all(const struct global_options *g, const char *cases_dir) {
    char **ids = NULL;
    struct err e = ERR_INIT;
    int n = case_ids(cases_dir, true, &ids, &e);
    if (n < 0) return cli_error(&e);
    int rc = lint_ids(g, cases_dir, n, ids);
    case_ids_free(ids, n);
    return rc;
}

static int lint_cases(const struct global_options *g, const char *cases_dir, int n, char **ids) {
    if (n == 0 || (n == 1 && strcmp(ids[0], "all") == 0)) return lint_all(g, cases_dir);
    int rc = known_ids(cases_dir, n, ids);
    return rc == EXIT_PASS ? lint_ids(g, cases_dir, n, ids) : rc;
}

/* --- new ---------------------------------------------------------------------------------------------------------- */

static int new_case(const struct global_options *g, const char *cases_dir, const char *id, const char *from) {
    char place[CASE_ID_MAX + 16];
    struct err e = ERR_INIT;
    if (case_new(cases_dir, id, from, place, &e) < 0) return cli_error(&e);
    if (g->json) {
        AUTO_BUF struct buf dir = BUF_INIT(8192);
        buf_printf(&dir, "%s/%s", cases_dir, place);
        cJSON *doc = cJSON_CreateObject();
        json_put_str(doc, "id", id);
        json_put_str(doc, "dir", buf_str(&dir));
        return cli_print_json(doc, EXIT_PASS);
    }
    if (!g->quiet)
        (void)printf("made %s/%s\nnext: edit case.json, task.md and fixture/, then\n  cto-harness case lint %s\n"
                     "  cto-harness run-case %s\n",
                     cases_dir, place, id, id);
    return EXIT_PASS;
}

/* --- command line ------------------------------------------------------------------------------------------------- */

struct arguments {
    const char *from;
    bool help;
};

static int parse(struct arguments *a, int argc, char **argv) {
    static const struct option options[] = {
        {"from", required_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    optind = 0;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h')
            a->help = true;
        else if (c == 'f')
            a->from = optarg;
        else
            return cli_usage("case", "unknown option or missing value: %s", argv[optind > 0 ? optind - 1 : 0]);
    }
    return EXIT_PASS;
}

int cmd_case(const struct global_options *g, int argc, char **argv) {
    struct arguments a = {0};
    struct home h;
    struct err e = ERR_INIT;
    int rc = parse(&a, argc, argv);
    if (rc != EXIT_PASS) return rc;
    if (a.help) return fputs(help_case, stdout) < 0 || fflush(stdout) ? EXIT_HARNESS : EXIT_PASS;
    if (optind >= argc) return cli_usage("case", "which one: list, lint or new?");
    const char *word = argv[optind];
    int n = argc - optind - 1;
    char **rest = argv + optind + 1;
    bool is_new = strcmp(word, "new") == 0;
    if (a.from && !is_new) return cli_usage("case", "--from is for `case new`");
    if (home_resolve(&h, &g->home, &e) < 0) return cli_error(&e);
    if (strcmp(word, "lint") == 0) return lint_cases(g, h.cases, n, rest);
    if (strcmp(word, "list") == 0)
        return n ? cli_usage("case", "list takes no argument: %s", rest[0]) : list_cases(g, h.cases);
    if (!is_new) return cli_usage("case", "\"%s\" is not one of list, lint, new", word);
    return n == 1 ? new_case(g, h.cases, rest[0], a.from) : cli_usage("case", "new takes exactly one id");
}
