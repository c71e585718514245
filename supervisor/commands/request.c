/* request.c - `cto-harness request`: asks a human, and shows what was asked. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "supervisor/approval_ask.h"
#include "supervisor/approval_now.h"
#include "supervisor/cli.h"
#include "supervisor/table.h"

const char help_request[] = "Usage: cto-harness request new CASE --actor NAME [--engine NAME]\n"
                            "       cto-harness request show REQUEST\n"
                            "       cto-harness request list\n"
                            "\n"
                            "Asks for one run of a case that needs a human's approval. A request allows\n"
                            "nothing; it names the scope, and the one sentence that grants it.\n"
                            "\n"
                            "  --actor NAME   who asks; never a backend\n"
                            "  --engine NAME  the backend that is to do it (default: fake)\n"
                            "\n"
                            "Examples:\n"
                            "  cto-harness request new tidy-notes --actor alice\n"
                            "  cto-harness request show request-20261127T181500Z-1 | less\n"
                            "  cto-harness request list --json | jq -r '.requests[].id'\n";

static int open_home(const struct global_options *g, bool writable, struct home *h, struct store **ret, struct err *e) {
    if (home_resolve(h, &g->home, e) < 0 || (writable && home_prepare(h, e) < 0)) return -1;
    return store_open(h->store, writable, ret, e);
}

/* --- new ---------------------------------------------------------------------------------------------------------------- */

static int say(const struct global_options *g, char *text) {
    if (g->json) {
        puts(text);
    } else {
        cJSON *o = cJSON_Parse(text);
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "request_id"));
        const char *sentence = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "sentence"));
        if (g->quiet)
            printf("%s\n", id);
        else
            printf(
                "request %s\n\nIt allows nothing. Whoever may grant it reads it (request show %s) and says:\n\n  %s\n",
                id, id, sentence);
        cJSON_Delete(o);
    }
    cJSON_free(text);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

/* What stands against an approval of this run that no word can change: then it is not asked for. */
static int check_askable(const struct gate_facts *f, struct err *e) {
    if (!f->c->approval_required) return err_set(e, ERR_USAGE, "case %s needs no approval: run it", f->c->id);
    if (f->subject != SUBJECT_TARGET) return 0;
    if (f->target.state == FACT_ABSENT)
        return err_set(e, ERR_USAGE, "set %sSTAGE5_TARGET_ADMISSION_FILE: the request names the target",
                       f->engine->variables);
    if (f->target.state == FACT_BAD)
        return err_set(e, ERR_USAGE, "the target admission does not count: %s", f->target.why);
    if (f->repo_why[0] || !f->repo.head[0])
        return err_set(e, ERR_USAGE, "the target %s: %s", f->repository, f->repo_why[0] ? f->repo_why : f->repo.why);
    return 0;
}

/* The facts as a run would read them now; nothing is made for it. */
static int read_facts(const struct global_options *g, const struct cto_case *c, const char *engine,
                      struct gate_facts *f, struct err *e) {
    struct home h;
    struct store *s = NULL;
    struct err none = ERR_INIT;
    if (open_home(g, false, &h, &s, &none) < 0 && none.code != ERR_MISSING) {
        *e = none;
        return -1;
    }
    approval_facts(f, c, engine, s);
    store_close(s);
    return check_askable(f, e);
}

static int new_request(const struct global_options *g, const char *id, const char *engine, const char *actor) {
    struct home h;
    struct store *s = NULL;
    struct cto_case c;
    struct err e = ERR_INIT;
    if (!admission_actor_ok(actor, &e) || home_resolve(&h, &g->home, &e) < 0 || case_load(&c, h.cases, id, &e) < 0)
        return cli_error(&e);
    char *text = NULL;
    struct gate_facts *f = calloc(1, sizeof *f);
    BUG_UNLESS(f != NULL);
    int rc = read_facts(g, &c, engine, f, &e);
    cJSON *scope = rc == 0 ? gate_facts_scope(f, &e) : NULL;
    if (!scope) rc = -1;
    if (rc == 0) rc = open_home(g, true, &h, &s, &e);
    struct store_request asked;
    if (rc == 0) rc = approval_ask(s, f, scope, actor, &asked, &text, &e);
    cJSON_Delete(scope);
    gate_facts_release(f);
    free(f);
    store_close(s);
    case_release(&c);
    return rc == 0 ? say(g, text) : cli_error(&e);
}

/* --- show, list --------------------------------------------------------------------------------------------------------- */

static int print_document(void *ctx, const struct store_request *r) {
    (void)ctx;
    puts(r->document);
    return 0;
}

struct listing {
    cJSON *json;
    struct table *table;
};

static int list_row(void *ctx, const struct store_request *r) {
    struct listing *l = ctx;
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(r->created_ms, stamp);
    if (l->table) {
        table_cell(l->table, r->id, NULL);
        table_cell(l->table, r->task_id, NULL);
        table_cell(l->table, r->backend, NULL);
        table_cell(l->table, r->actor, NULL);
        return 0;
    }
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "id", r->id);
    json_put_str(o, "task_id", r->task_id);
    json_put_str(o, "backend", r->backend);
    json_put_str(o, "requested_by", r->actor);
    json_put_str(o, "requested_at", stamp);
    json_put_str(o, "scope_digest", r->scope);
    cJSON_AddItemToArray(l->json, o);
    return 0;
}

static int list(const struct global_options *g) {
    static const struct table_column columns[] = {{.title = "request"},
                                                  {.title = "task", .least = 12},
                                                  {.title = "backend"},
                                                  {.title = "asked by", .least = 8, .drop = 1}};
    struct listing l = {0};
    struct home h;
    struct store *s = NULL;
    struct err e = ERR_INIT;
    if (open_home(g, false, &h, &s, &e) < 0 && e.code != ERR_MISSING) return cli_error(&e);
    if (g->json)
        l.json = cJSON_CreateArray();
    else
        l.table = table_new(columns, 4);
    int rc = s ? store_requests(s, NULL, list_row, &l, &e) : 0, code = EXIT_PASS;
    store_close(s);
    if (rc < 0) {
        cJSON_Delete(l.json);
        code = cli_error(&e);
    } else if (g->json) {
        cJSON *o = cJSON_CreateObject();
        json_put(o, "requests", l.json);
        code = cli_print_json(o, EXIT_PASS);
    } else {
        table_print(l.table, stdout, table_width(STDOUT_FILENO), true);
        code = fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
    }
    table_free(l.table);
    return code;
}

static int show(const struct global_options *g, const char *id) {
    struct home h;
    struct store *s = NULL;
    struct err e = ERR_INIT;
    int rc = open_home(g, false, &h, &s, &e);
    if (rc == 0) rc = store_requests(s, id, print_document, NULL, &e);
    store_close(s);
    if (rc < 0) return cli_error(&e);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

int cmd_request(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {
        {"actor", required_argument, NULL, 'a'}, {"engine", required_argument, NULL, 'e'}, {0}};
    const char *actor = NULL, *engine = NULL;
    int c, rc = 0;
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (c) {
        case 'a': rc = cli_once("request", "--actor", &actor, optarg); break;
        case 'e': rc = cli_once("request", "--engine", &engine, optarg); break;
        default: rc = cli_bad_option("request", c, argv);
        }
    }
    if (rc != 0) return rc;
    const char *verb = optind < argc ? argv[optind] : "";
    int rest = argc - optind - 1;
    if (strcmp(verb, "new") == 0 && rest == 1) {
        if (!engine) engine = engine_at(0)->name;
        if (!engine_find(engine))
            return cli_usage("request", "unknown engine \"%.40s\"; 'cto-harness engines' lists them", engine);
        return new_request(g, argv[optind + 1], engine, actor);
    }
    if (actor || engine) return cli_usage("request", "--actor and --engine go with 'request new CASE'");
    if (strcmp(verb, "show") == 0 && rest == 1) return show(g, argv[optind + 1]);
    if (strcmp(verb, "list") == 0 && rest == 0) return list(g);
    return cli_usage("request", "say new CASE, show REQUEST or list");
}
