/* case.c - `cto-harness case list | lint | new`: what is there, what is wrong with it, a start for one more.
 *
 * Reads the cases folder only, no store and no run: it works before anything was ever run, and while runs go on.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/json.h"
#include "common/log.h"
#include "supervisor/case.h"
#include "supervisor/cli.h"
#include "supervisor/commands/case_new.h"
#include "supervisor/seal.h"
#include "supervisor/table.h"

const char help_case[] = "Usage: cto-harness case list\n"
                         "       cto-harness case lint [ID... | all]\n"
                         "       cto-harness case new ID [--from ID]\n"
                         "\n"
                         "A case is a folder below the cases folder: case.json, task.md and fixture/.\n"
                         "Failure fixtures are below failures/. 'cto-harness schema case' describes every\n"
                         "key of case.json.\n"
                         "\n"
                         "  list             every case: id, kind, expected end, title, verification\n"
                         "  lint             reads cases strictly and checks them against fixture, rules\n"
                         "                   and the table of blockers; one line \"file:line: key: message\"\n"
                         "                   for each mistake; default: all\n"
                         "  new ID           makes a case that lints clean and passes on the fake backend,\n"
                         "                   to be changed from there; with --cases DIR in DIR, which is\n"
                         "                   made when it is not there\n"
                         "      --from ID    as a copy of that case, of DIR or of the installed ones\n"
                         "\n"
                         "Global options: --cases DIR (which folder), --json, --quiet.\n"
                         "Exit codes: 0 done; 2 a mistake in a case or in the arguments; 4 the harness\n"
                         "could not do it.\n"
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

static const struct table_column list_columns[] = {{.title = "CASE", .least = 26},
                                                   {.title = "KIND", .drop = 2},
                                                   {.title = "EXPECT", .drop = 3},
                                                   {.title = "TITLE", .least = 14, .drop = 4},
                                                   {.title = "VERIFICATION", .least = 16, .drop = 1}};
#define LIST_COLUMNS ((int)(sizeof(list_columns) / sizeof(list_columns[0])))

static void put_row(struct table *t, const struct cto_case *c) {
    AUTO_BUF struct buf commands = BUF_INIT(256u << 10);
    for (int i = 0; i < c->n_verify; i++) {
        if (i) buf_puts(&commands, "; ");
        put_argv(&commands, &c->verify[i]);
    }
    table_cell(t, c->id, NULL);
    table_cell(t, c->kind, NULL);
    table_cell(t, verdict_name(c->expect.status), NULL);
    table_cell(t, c->title, NULL);
    table_cell(t, c->n_verify ? buf_str(&commands) : "-", NULL);
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
    struct table *table = table_new(list_columns, LIST_COLUMNS);
    for (int i = 0; i < n; i++) {
        struct cto_case c;
        if (case_load(&c, cases_dir, ids[i], &e) < 0) {
            rc = cli_error(&e);
            continue;
        }
        if (rows)
            BUG_UNLESS(cJSON_AddItemToArray(rows, row_json(&c)));
        else
            put_row(table, &c);
        case_release(&c);
    }
    case_ids_free(ids, n);
    if (!rows && n > 0) table_print(table, stdout, table_width(STDOUT_FILENO), !g->quiet);
    if (!rows && n == 0 && !g->quiet) log_line("no case in %s: `cto-harness case new NAME` makes one", cases_dir);
    table_free(table);
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
        table_line(stdout, 0, text);
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

/* `--cases DIR` need not exist for `case new`: the first case of one's own is what makes it. */
struct new_folder {
    const char *made; /* NULL: it was there */
};

static int make_cases_folder(const struct global_options *g, struct new_folder *f, struct err *e) {
    const char *dir = g->home.cases;
    if (!dir || !dir[0]) return 0;
    mode_t before = umask(022); /* source text, as the cases in it */
    int rc = mkdir(dir, 0755);
    (void)umask(before);
    if (rc == 0)
        f->made = dir;
    else if (errno != EEXIST)
        return err_set(e, ERR_USAGE, "--cases %.300s: %s; give a directory that can be made", dir, strerror(errno));
    return 0;
}

/* Commands that work as they stand, typed in the same place: the same program, the same cases. */
static void put_command(struct buf *b, const struct global_options *g, const char *cases_dir, const char *command,
                        const char *id) {
    buf_puts(b, "  ");
    report_put_shell(b, g->program);
    if (g->home.home) {
        buf_puts(b, " --home ");
        report_put_shell(b, g->home.home);
    }
    if (g->home.env_file) {
        buf_puts(b, " --env-file ");
        report_put_shell(b, g->home.env_file);
    }
    if (g->home.cases) {
        buf_puts(b, " --cases ");
        report_put_shell(b, cases_dir);
    }
    buf_printf(b, " %s %s\n", command, id);
}

static int say_made(const struct global_options *g, const char *cases_dir, const char *place, const char *id) {
    AUTO_BUF struct buf dir = BUF_INIT(2 * PATH_MAX);
    AUTO_BUF struct buf text = BUF_INIT(64u << 10);
    buf_printf(&dir, "%s/%s", cases_dir, place);
    if (g->json) {
        cJSON *doc = cJSON_CreateObject();
        json_put_str(doc, "id", id);
        json_put_str(doc, "dir", buf_str(&dir));
        return cli_print_json(doc, EXIT_PASS);
    }
    if (g->quiet) return EXIT_PASS;
    buf_puts(&text, "made ");
    report_put_text(&text, buf_str(&dir), false);
    buf_puts(&text, "\nnext: edit case.json, task.md and fixture/, then\n");
    put_command(&text, g, cases_dir, "case lint", id);
    put_command(&text, g, cases_dir, "run-case", id);
    (void)fputs(buf_str(&text), stdout);
    return EXIT_PASS;
}

static int new_case(const struct global_options *g, const char *id, const char *from) {
    char place[CASE_ID_MAX + 16];
    struct home h;
    struct err e = ERR_INIT;
    struct new_folder folder = {NULL};
    int rc = case_id_check(id, &e);
    if (rc == 0) rc = make_cases_folder(g, &folder, &e);
    if (rc == 0) rc = home_resolve(&h, &g->home, &e);
    if (rc == 0) rc = case_new(h.cases, id, from, place, &e);
    if (rc == 0) return say_made(g, h.cases, place, id);
    if (folder.made) (void)rmdir(folder.made);
    return cli_error(&e);
}

/* --- command line ------------------------------------------------------------------------------------------------- */

int cmd_case(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {{"from", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
    const char *from = NULL;
    struct home h;
    struct err e = ERR_INIT;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        if (c != 'f') return cli_bad_option("case", c, argv);
        if (cli_once("case", "--from", &from, optarg) != 0) return EXIT_USAGE;
    }
    if (optind >= argc) return cli_usage("case", "say list, lint or new");
    const char *word = argv[optind];
    int n = argc - optind - 1;
    char **rest = argv + optind + 1;
    bool is_new = strcmp(word, "new") == 0, lint = strcmp(word, "lint") == 0;
    if (from && !is_new) return cli_usage("case", "--from is for 'case new'");
    if (is_new && n != 1) return cli_usage("case", "new takes exactly one id, not %d", n);
    if (is_new) return new_case(g, rest[0], from);
    if (!lint && strcmp(word, "list") != 0) return cli_usage("case", "say list, lint or new, not \"%.60s\"", word);
    if (!lint && n) return cli_usage("case", "list takes no argument: %.60s", rest[0]);
    if (home_resolve(&h, &g->home, &e) < 0) return cli_error(&e);
    return lint ? lint_cases(g, h.cases, n, rest) : list_cases(g, h.cases);
}
