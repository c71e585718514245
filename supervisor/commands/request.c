/* request.c - `cto-harness request`: asks a human, and shows what was asked. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
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
                            "The list says what became of each: open, granted, claimed (a run has it now),\n"
                            "consumed, denied, revoked, expired; or stale: open or granted, but what it names\n"
                            "is no longer as it was, so that it can neither be granted nor be used (--json\n"
                            "says what: stale_because). Ask anew then.\n"
                            "\n"
                            "  --actor NAME   who asks; never a backend\n"
                            "  --engine NAME  the backend that is to do it (default: fake)\n"
                            "\n"
                            "Examples:\n"
                            "  cto-harness request new tidy-notes --actor alice\n"
                            "  cto-harness request show request-20261127T181500Z-1 | less\n"
                            "  cto-harness request list --json | jq -r '.requests[] | .state + \" \" + .id'\n";

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
    if (!case_declares(f->c, f->engine->name))
        return err_set(e, ERR_USAGE, "case %s is not declared for the %s backend: ask for another with --engine",
                       f->c->id, f->engine->name);
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

/* Many requests are for the same case: what it would be now is read once. */
struct known {
    char *key;
    struct approval_now now;
};

struct listing {
    cJSON *json;
    struct table *table;
    const struct home *home;
    struct store *store;
    struct known *known;
    size_t n_known;
};

static void listing_release(struct listing *l) {
    for (size_t i = 0; i < l->n_known; i++) {
        approval_now_release(&l->known[i].now);
        free(l->known[i].key);
    }
    free(l->known);
    table_free(l->table);
}

static const struct approval_now *now_of(struct listing *l, const struct store_request *r, const cJSON *request) {
    AUTO_FREE char *key = NULL;
    char *settings = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(request, "settings"));
    BUG_UNLESS(asprintf(&key, "%s %s %s", r->task_id, r->backend, settings ? settings : "") >= 0);
    cJSON_free(settings);
    for (size_t i = 0; i < l->n_known; i++)
        if (strcmp(l->known[i].key, key) == 0) return &l->known[i].now;
    l->known = realloc(l->known, (l->n_known + 1) * sizeof *l->known);
    BUG_UNLESS(l->known != NULL);
    struct known *k = &l->known[l->n_known++];
    approval_now_read(&k->now, l->home, l->store, r->task_id, r->backend, request);
    k->key = TAKE_PTR(key);
    return &k->now;
}

/* What is in the way of a request that could yet lead to a run; [] for any other. */
static cJSON *stale_because(struct listing *l, const struct store_request *r, const char *state) {
    if (strcmp(state, "open") != 0 && strcmp(state, "granted") != 0) return json_new_array();
    cJSON *request = cJSON_Parse(r->document);
    cJSON *list = approval_now_differs(now_of(l, r, request), request);
    cJSON_Delete(request);
    return list;
}

/* A stored state does not age by itself. */
static const char *state_of(const struct store_request *r) {
    if (!r->approval_state[0]) return "open";
    if (strcmp(r->approval_state, "granted") == 0 && r->expires_ms <= clock_real_ms()) return "expired";
    return r->approval_state;
}

static void put_row(struct listing *l, const struct store_request *r, const char *state, cJSON *because) {
    char stamp[CLOCK_STAMP_SIZE];
    cJSON *o = json_new_object();
    clock_stamp(r->created_ms, stamp);
    json_put_str(o, "id", r->id);
    json_put_str(o, "state", state);
    json_put(o, "stale_because", because);
    json_put_str(o, "task_id", r->task_id);
    json_put_str(o, "backend", r->backend);
    json_put_str(o, "requested_by", r->actor);
    json_put_str(o, "requested_at", stamp);
    json_put_str(o, "scope_digest", r->scope);
    json_put_str(o, "approval_id", r->approval_id[0] ? r->approval_id : NULL);
    json_put_str(o, "approval_state", r->approval_state[0] ? r->approval_state : NULL);
    clock_stamp(r->expires_ms, stamp);
    json_put_str(o, "approval_expires_at", r->expires_ms ? stamp : NULL);
    cJSON_AddItemToArray(l->json, o);
}

static int list_row(void *ctx, const struct store_request *r) {
    struct listing *l = ctx;
    const char *state = state_of(r);
    cJSON *because = stale_because(l, r, state);
    if (cJSON_GetArraySize(because) > 0) state = "stale";
    if (!l->table) {
        put_row(l, r, state, because);
        return 0;
    }
    cJSON_Delete(because);
    table_cell(l->table, r->id, NULL);
    table_cell(l->table, state, NULL);
    table_cell(l->table, r->task_id, NULL);
    table_cell(l->table, r->backend, NULL);
    table_cell(l->table, r->actor, NULL);
    return 0;
}

static int list(const struct global_options *g) {
    static const struct table_column columns[] = {{.title = "request"},
                                                  {.title = "is"},
                                                  {.title = "task", .least = 12},
                                                  {.title = "backend"},
                                                  {.title = "asked by", .least = 8, .drop = 1}};
    struct home h;
    struct store *s = NULL;
    struct err e = ERR_INIT;
    if (open_home(g, false, &h, &s, &e) < 0 && e.code != ERR_MISSING) return cli_error(&e);
    struct listing l = {.home = &h, .store = s};
    if (g->json)
        l.json = json_new_array();
    else
        l.table = table_new(columns, 5);
    int rc = s ? store_requests(s, NULL, list_row, &l, &e) : 0, code = EXIT_PASS;
    store_close(s);
    if (rc < 0) {
        cJSON_Delete(l.json);
        code = cli_error(&e);
    } else if (g->json) {
        cJSON *o = json_new_object();
        json_put(o, "requests", l.json);
        code = cli_print_json(o, EXIT_PASS);
    } else {
        table_print(l.table, stdout, table_width(STDOUT_FILENO), true);
        code = fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
    }
    listing_release(&l);
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
