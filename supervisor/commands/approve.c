/* approve.c - `cto-harness approve`: what a human says to a request. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "supervisor/admission.h"
#include "supervisor/approval.h"
#include "supervisor/approval_now.h"
#include "supervisor/cli.h"
#include "supervisor/store.h"
#include "supervisor/table.h"

const char help_approve[] = "Usage: cto-harness approve grant --request ID --sentence TEXT --actor NAME\n"
                            "                           [--expires TIME]\n"
                            "       cto-harness approve deny --request ID --actor NAME [--why TEXT]\n"
                            "       cto-harness approve revoke APPROVAL --actor NAME\n"
                            "       cto-harness approve list\n"
                            "\n"
                            "Grants or denies what a request asks. A grant is for one run of exactly its\n"
                            "scope; the run that starts uses it up. It is refused when the request is stale:\n"
                            "what it names (case, backend, target and its HEAD, model, read roots) is no\n"
                            "longer as it was. A denial is final.\n"
                            "\n"
                            "  --request ID     the request; 'request list' shows them\n"
                            "  --sentence TEXT  the sentence of the request, word for word\n"
                            "  --actor NAME     whose word it is; never a backend\n"
                            "  --expires TIME   until when, as 2026-11-28T18:00:00Z (default: 24 hours from\n"
                            "                   now, at most 30 days)\n"
                            "  --why TEXT       the reason of a denial\n"
                            "\n"
                            "Examples:\n"
                            "  cto-harness approve grant --request request-20261127T181500Z-1 --actor bob \\\n"
                            "    --sentence 'I approve tidy-notes against copied-fixture:tidy-notes for the\n"
                            "  Tidy the notes task.'\n"
                            "  cto-harness approve deny --request request-20261127T181500Z-1 --actor bob\n";

struct words {
    const char *request, *sentence, *actor, *expires, *why;
};

static int open_store(const struct global_options *g, bool writable, struct home *h, struct store **ret,
                      struct err *e) {
    if (home_resolve(h, &g->home, e) < 0 || (writable && home_prepare(h, e) < 0)) return -1;
    return store_open(h->store, writable, ret, e);
}

/* --- one decision ------------------------------------------------------------------------------------------------------- */

static int keep_request(void *ctx, const struct store_request *r) {
    struct store_request *to = ctx;
    *to = *r;
    to->document = strdup(r->document);
    BUG_UNLESS(to->document != NULL);
    return 0;
}

static int check_sentence(const struct store_request *r, const char *said, struct err *e) {
    cJSON *doc = cJSON_Parse(r->document);
    const char *sentence = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(doc, "sentence"));
    int rc = 0;
    if (!sentence)
        rc = err_set(e, ERR_USAGE, "request %s is a fixture's own; nothing grants it", r->id);
    else if (strcmp(sentence, said) != 0)
        rc = err_set(e, ERR_USAGE, "--sentence: not the sentence of request %s; say exactly: %.330s", r->id, sentence);
    cJSON_Delete(doc);
    return rc;
}

static int until(const char *text, int64_t *ret, struct err *e) {
    int64_t now = clock_real_ms();
    *ret = now + APPROVAL_DEFAULT_MS;
    if (!text) return 0;
    if (clock_parse_when(text, ret) < 0)
        return err_set(e, ERR_USAGE, "--expires %.60s: a time as 2026-11-28T18:00:00Z is expected", text);
    if (*ret <= now) return err_set(e, ERR_USAGE, "--expires %.60s: that is past", text);
    if (*ret > now + APPROVAL_MAX_MS) return err_set(e, ERR_USAGE, "--expires %.60s: more than 30 days from now", text);
    return 0;
}

static int say(const struct global_options *g, const struct store_request *r, const char *id, bool granted,
               int64_t expires_ms) {
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(expires_ms, stamp);
    if (g->json) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "approval_id", id);
        json_put_str(o, "request_id", r->id);
        json_put_bool(o, "approval_granted", granted);
        json_put_bool(o, "execution_allowed", granted);
        json_put_str(o, "execution_scope", granted ? "one approved Harness run only" : "none");
        json_put_str(o, "scope_digest", r->scope);
        json_put_str(o, "expires_at", granted ? stamp : NULL);
        json_put_str(o, "statement", "This record is not execution evidence.");
        return cli_print_json(o, EXIT_PASS);
    }
    if (g->quiet)
        printf("%s\n", id);
    else if (granted)
        printf("granted %s: one run of %s on %s, until %s\n", id, r->task_id, r->backend, stamp);
    else
        printf("denied %s: %s on %s\n", id, r->task_id, r->backend);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

static int decide(const struct global_options *g, const struct words *w, bool grant) {
    struct home h;
    struct store *s = NULL;
    struct err e = ERR_INIT;
    char id[96];
    int64_t expires = 0;
    struct store_request r = {.document = NULL};
    if (!w->request) return cli_usage("approve", "--request is missing");
    if (grant && !w->sentence)
        return cli_usage("approve", "--sentence is missing; 'request show %.60s' has it", w->request);
    if (!admission_why_ok(w->why, true, &e)) return cli_error(&e);
    if (!admission_actor_ok(w->actor, &e)) return cli_error(&e);
    int rc = grant ? until(w->expires, &expires, &e) : 0;
    if (rc == 0) rc = open_store(g, true, &h, &s, &e);
    if (rc == 0) rc = store_requests(s, w->request, keep_request, &r, &e);
    if (rc == 0 && grant) rc = check_sentence(&r, w->sentence, &e);
    if (rc == 0 && grant) rc = approval_now_check(&h, s, &r, &e);
    if (rc == 0)
        rc = store_approval_add(s, &r, grant ? "granted" : "denied", w->actor, w->why ? w->why : "", expires, id, &e);
    store_close(s);
    int code = rc == 0 ? say(g, &r, id, grant, expires) : cli_error(&e);
    free((char *)(uintptr_t)r.document);
    return code;
}

static int take_back(const struct global_options *g, const char *id, const char *actor) {
    struct home h;
    struct store *s = NULL;
    struct err e = ERR_INIT;
    if (!admission_actor_ok(actor, &e)) return cli_error(&e);
    int rc = open_store(g, true, &h, &s, &e);
    if (rc == 0) rc = store_approval_revoke(s, id, actor, &e);
    store_close(s);
    if (rc < 0) return cli_error(&e);
    if (g->json) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "revoked", id);
        return cli_print_json(o, EXIT_PASS);
    }
    if (!g->quiet) printf("revoked %s\n", id);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

/* --- the list ----------------------------------------------------------------------------------------------------------- */

struct listing {
    cJSON *json;
    struct table *table;
};

/* What a grant is worth now: a stored state does not age by itself. */
static const char *worth(const struct store_approval *a) {
    return strcmp(a->state, "granted") == 0 && a->expires_ms <= clock_real_ms() ? "expired" : a->state;
}

static void put_stamp(cJSON *o, const char *key, int64_t ms) {
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(ms, stamp);
    json_put_str(o, key, ms ? stamp : NULL);
}

static int list_row(void *ctx, const struct store_approval *a) {
    struct listing *l = ctx;
    if (l->table) {
        table_cell(l->table, a->id, NULL);
        table_cell(l->table, worth(a), NULL);
        table_cell(l->table, a->actor, NULL);
        table_cell(l->table, a->request_id, NULL);
        table_cell(l->table, a->run_id[0] ? a->run_id : "-", NULL);
        return 0;
    }
    bool granted = strcmp(a->state, "denied") != 0, used = strcmp(a->state, "consumed") == 0;
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "approval_id", a->id);
    json_put_str(o, "request_id", a->request_id);
    json_put_str(o, "state", worth(a));
    json_put_bool(o, "approval_required", true);
    json_put_bool(o, "approval_granted", granted);
    json_put_bool(o, "execution_allowed", strcmp(worth(a), "granted") == 0);
    json_put_bool(o, "approval_consumed", used);
    json_put_bool(o, "consumed_by_pass_evidence", used && strcmp(a->run_verdict, "pass") == 0);
    json_put_str(o, "actor", a->actor);
    json_put_str(o, "why", a->why[0] ? a->why : NULL);
    put_stamp(o, "decided_at", a->decided_ms);
    put_stamp(o, "expires_at", a->expires_ms);
    put_stamp(o, "revoked_at", a->revoked_ms);
    json_put_str(o, "revoked_by", a->revoked_by[0] ? a->revoked_by : NULL);
    json_put_str(o, "run_id", a->run_id[0] ? a->run_id : NULL);
    json_put_str(o, "scope_digest", a->scope);
    json_put_str(o, "statement", "This record is not execution evidence.");
    cJSON_AddItemToArray(l->json, o);
    return 0;
}

static int list(const struct global_options *g) {
    static const struct table_column columns[] = {{.title = "approval"},
                                                  {.title = "is"},
                                                  {.title = "actor", .least = 8},
                                                  {.title = "request", .drop = 1},
                                                  {.title = "run", .least = 16, .drop = 2}};
    struct listing l = {0};
    struct home h;
    struct store *s = NULL;
    struct err e = ERR_INIT;
    if (open_store(g, false, &h, &s, &e) < 0 && e.code != ERR_MISSING) return cli_error(&e);
    if (g->json)
        l.json = cJSON_CreateArray();
    else
        l.table = table_new(columns, 5);
    int rc = s ? store_approvals(s, NULL, NULL, NULL, list_row, &l, &e) : 0, code = EXIT_PASS;
    store_close(s);
    if (rc < 0) {
        cJSON_Delete(l.json);
        code = cli_error(&e);
    } else if (g->json) {
        cJSON *o = cJSON_CreateObject();
        json_put(o, "approvals", l.json);
        code = cli_print_json(o, EXIT_PASS);
    } else {
        table_print(l.table, stdout, table_width(STDOUT_FILENO), true);
        code = fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
    }
    table_free(l.table);
    return code;
}

static int read_words(int argc, char **argv, struct words *w) {
    static const struct option options[] = {
        {"request", required_argument, NULL, 'r'}, {"sentence", required_argument, NULL, 's'},
        {"actor", required_argument, NULL, 'a'},   {"expires", required_argument, NULL, 'e'},
        {"why", required_argument, NULL, 'w'},     {0}};
    int c, rc = 0;
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (c) {
        case 'r': rc = cli_once("approve", "--request", &w->request, optarg); break;
        case 's': rc = cli_once("approve", "--sentence", &w->sentence, optarg); break;
        case 'a': rc = cli_once("approve", "--actor", &w->actor, optarg); break;
        case 'e': rc = cli_once("approve", "--expires", &w->expires, optarg); break;
        case 'w': rc = cli_once("approve", "--why", &w->why, optarg); break;
        default: rc = cli_bad_option("approve", c, argv);
        }
    }
    return rc;
}

int cmd_approve(const struct global_options *g, int argc, char **argv) {
    struct words w = {0};
    int rc = read_words(argc, argv, &w);
    if (rc != 0) return rc;
    const char *verb = optind < argc ? argv[optind] : "";
    int rest = argc - optind - 1;
    if (strcmp(verb, "grant") == 0 && rest == 0 && !w.why) return decide(g, &w, true);
    if (strcmp(verb, "deny") == 0 && rest == 0 && !w.sentence && !w.expires) return decide(g, &w, false);
    if (strcmp(verb, "revoke") == 0 && rest == 1 && !w.request && !w.sentence && !w.expires && !w.why)
        return take_back(g, argv[optind + 1], w.actor);
    if (strcmp(verb, "list") == 0 && rest == 0 && !w.actor && !w.request && !w.sentence && !w.expires && !w.why)
        return list(g);
    return cli_usage("approve", "say grant, deny, revoke APPROVAL or list, with the options that belong to it");
}
