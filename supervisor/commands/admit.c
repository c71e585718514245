/* admit.c - `cto-harness admit`: records by which people decide what may be used. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/admission_host.h"
#include "supervisor/cli.h"
#include "supervisor/store.h"
#include "supervisor/table.h"

const char help_admit[] = "Usage: cto-harness admit KIND --template\n"
                          "       cto-harness admit KIND --check FILE\n"
                          "       cto-harness admit KIND --record FILE --actor NAME\n"
                          "       cto-harness admit KIND --list\n"
                          "       cto-harness admit KIND --revoke ID --actor NAME --why TEXT\n"
                          "\n"
                          "Records of what may be used. KIND is model, source, executable, target or\n"
                          "decision. The newest record of a subject counts: one that says no, or that was\n"
                          "revoked, is not replaced by an older one.\n"
                          "\n"
                          "  --template     print a record to start from; it says no\n"
                          "  --check FILE   is it a valid record, and does it say yes? Records nothing;\n"
                          "                 exit 0 when it is valid, whatever it says\n"
                          "  --record FILE  keep it; a program or repository that it admits is looked at\n"
                          "  --list         what was recorded, newest first\n"
                          "  --revoke ID    from now on it admits nothing\n"
                          "  --actor NAME   whose decision it is; never a backend\n"
                          "  --why TEXT     the reason of a revocation\n"
                          "\n"
                          "Examples:\n"
                          "  cto-harness admit target --template > notes.json\n"
                          "  cto-harness admit target --check notes.json\n"
                          "  cto-harness admit target --record notes.json --actor alice\n"
                          "  cto-harness admit model --list --json | jq '.admissions[] | select(.in_force)'\n";

struct wishes {
    const char *check, *record, *revoke, *actor, *why;
    bool template, list;
};

static int read_options(int argc, char **argv, struct wishes *w) {
    static const struct option options[] = {
        {"template", no_argument, NULL, 't'},     {"check", required_argument, NULL, 'c'},
        {"record", required_argument, NULL, 'r'}, {"list", no_argument, NULL, 'l'},
        {"revoke", required_argument, NULL, 'v'}, {"actor", required_argument, NULL, 'a'},
        {"why", required_argument, NULL, 'w'},    {0}};
    int c, rc = 0;
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (c) {
        case 't': w->template = true; break;
        case 'l': w->list = true; break;
        case 'c': rc = cli_once("admit", "--check", &w->check, optarg); break;
        case 'r': rc = cli_once("admit", "--record", &w->record, optarg); break;
        case 'v': rc = cli_once("admit", "--revoke", &w->revoke, optarg); break;
        case 'a': rc = cli_once("admit", "--actor", &w->actor, optarg); break;
        case 'w': rc = cli_once("admit", "--why", &w->why, optarg); break;
        default: rc = cli_bad_option("admit", c, argv);
        }
    }
    if (rc != 0) return rc;
    if (argc - optind != 1)
        return cli_usage("admit", "one KIND is expected: model, source, executable, target or decision");
    if (w->template + w->list + !!w->check + !!w->record + !!w->revoke != 1)
        return cli_usage("admit", "say one of --template, --check, --record, --list, --revoke");
    if (w->actor && !w->record && !w->revoke) return cli_usage("admit", "--actor goes with --record and --revoke");
    if (w->why && !w->revoke) return cli_usage("admit", "--why goes with --revoke");
    return 0;
}

/* --- one record ------------------------------------------------------------------------------------------------------- */

static int read_record(enum admission_kind k, const char *file, struct buf *text, struct admission *a, struct err *e) {
    if (io_read_file_at(AT_FDCWD, file, ADMISSION_BYTES_MAX, text, e) < 0) {
        e->code = ERR_USAGE;
        return -1;
    }
    return admission_read(k, file, buf_str(text), text->len, a, e);
}

static cJSON *refusals(const struct admission *a) {
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < a->n_refusals; i++) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "reason", a->refusals[i].reason);
        json_put_str(o, "detail", a->refusals[i].text);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

static int say(const struct global_options *g, const struct admission *a, const char *id) {
    if (g->json) {
        cJSON *o = cJSON_CreateObject();
        json_put_bool(o, "ok", true);
        json_put_str(o, "kind", admission_rules(a->kind)->name);
        json_put_str(o, "id", id);
        json_put_str(o, "subject", a->subject);
        json_put_str(o, "status", a->status);
        json_put_bool(o, "admits", a->n_refusals == 0);
        json_put(o, "refusals", refusals(a));
        json_put_str(o, "digest", a->digest);
        return cli_print_json(o, EXIT_PASS);
    }
    if (id) printf("%s%s\n", g->quiet ? "" : "recorded ", id);
    if (id && g->quiet) return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
    table_line(stdout, 0, a->subject);
    printf("  valid; it says %s: %s\n", a->status, a->n_refusals == 0 ? "it admits this" : "it admits nothing");
    for (int i = 0; i < a->n_refusals; i++) printf("  %s: %s\n", a->refusals[i].reason, a->refusals[i].text);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

static int check(const struct global_options *g, enum admission_kind k, const char *file) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    struct admission a;
    struct err e = ERR_INIT;
    if (read_record(k, file, &text, &a, &e) < 0) return cli_error(&e);
    if (a.n_refusals == 0 && admission_is_no_double(&a, &e) < 0) {
        err_ctx(&e, "%s", file);
        admission_release(&a);
        return cli_error(&e);
    }
    int code = say(g, &a, NULL);
    admission_release(&a);
    return code;
}

static int open_store(const struct global_options *g, bool writable, struct store **ret, struct err *e) {
    struct home h;
    if (home_resolve(&h, &g->home, e) < 0 || (writable && home_prepare(&h, e) < 0)) return -1;
    return store_open(h.store, writable, ret, e);
}

static int record(const struct global_options *g, enum admission_kind k, const struct wishes *w) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    struct admission a;
    struct store *s = NULL;
    struct err e = ERR_INIT;
    char id[96];
    if (!admission_actor_ok(w->actor, &e) || read_record(k, w->record, &text, &a, &e) < 0) return cli_error(&e);
    /* A record that says no needs no program or repository to be there. */
    int rc = a.n_refusals == 0 ? admission_fits_host(&a, &e) : 0;
    if (rc < 0) err_ctx(&e, "%s", w->record);
    if (rc == 0) rc = open_store(g, true, &s, &e);
    if (rc == 0) rc = store_admission_add(s, &a, buf_str(&text), text.len, w->actor, id, &e);
    store_close(s);
    int code = rc == 0 ? say(g, &a, id) : cli_error(&e);
    admission_release(&a);
    return code;
}

static int take_back(const struct global_options *g, enum admission_kind k, const struct wishes *w) {
    struct store *s = NULL;
    struct err e = ERR_INIT;
    if (!admission_actor_ok(w->actor, &e)) return cli_error(&e);
    if (!admission_why_ok(w->why, false, &e)) return cli_error(&e);
    int rc = open_store(g, true, &s, &e);
    if (rc == 0) rc = store_admission_revoke(s, admission_rules(k)->name, w->revoke, w->actor, w->why, &e);
    store_close(s);
    if (rc < 0) return cli_error(&e);
    if (g->json) {
        cJSON *o = cJSON_CreateObject();
        json_put_bool(o, "ok", true);
        json_put_str(o, "revoked", w->revoke);
        return cli_print_json(o, EXIT_PASS);
    }
    if (!g->quiet) printf("revoked %s\n", w->revoke);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

/* --- the list ----------------------------------------------------------------------------------------------------------- */

struct listing {
    cJSON *list;
    struct table *table;
};

static int list_row(void *ctx, const struct store_admission *a) {
    struct listing *l = ctx;
    char recorded[CLOCK_STAMP_SIZE], revoked[CLOCK_STAMP_SIZE] = "";
    bool in_force = a->newest && a->revoked_ms == 0;
    clock_stamp(a->recorded_ms, recorded);
    if (a->revoked_ms) clock_stamp(a->revoked_ms, revoked);
    if (l->table) {
        table_cell(l->table, a->id, NULL);
        table_cell(l->table, a->status, NULL);
        table_cell(l->table, a->revoked_ms ? "revoked" : a->newest ? "in force" : "replaced", NULL);
        table_cell(l->table, a->actor, NULL);
        table_cell(l->table, a->subject, NULL);
        return 0;
    }
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "id", a->id);
    json_put_str(o, "kind", a->kind);
    json_put_str(o, "subject", a->subject);
    json_put_str(o, "status", a->status);
    json_put_bool(o, "in_force", in_force);
    json_put_str(o, "actor", a->actor);
    json_put_str(o, "recorded_at", recorded);
    json_put_str(o, "revoked_at", a->revoked_ms ? revoked : NULL);
    json_put_str(o, "revoked_by", a->revoked_ms ? a->revoked_by : NULL);
    json_put_str(o, "revoked_why", a->revoked_ms ? a->revoked_why : NULL);
    json_put_str(o, "digest", a->digest);
    cJSON_AddItemToArray(l->list, o);
    return 0;
}

static int list(const struct global_options *g, enum admission_kind k) {
    static const struct table_column columns[] = {{.title = "id"},
                                                  {.title = "says"},
                                                  {.title = "counts"},
                                                  {.title = "actor", .least = 8, .drop = 1},
                                                  {.title = "subject", .least = 16}};
    struct listing l = {0};
    struct store *s = NULL;
    struct err e = ERR_INIT;
    if (open_store(g, false, &s, &e) < 0 && e.code != ERR_MISSING) return cli_error(&e);
    if (g->json)
        l.list = cJSON_CreateArray();
    else
        l.table = table_new(columns, 5);
    int rc =
        s ? store_admissions(s, admission_rules(k)->name, list_row, &l, &e) : 0; /* no store: nothing recorded yet */
    store_close(s);
    int code = EXIT_PASS;
    if (rc < 0) {
        code = cli_error(&e);
        cJSON_Delete(l.list);
    } else if (g->json) {
        cJSON *o = cJSON_CreateObject();
        json_put(o, "admissions", l.list);
        code = cli_print_json(o, EXIT_PASS);
    } else {
        table_print(l.table, stdout, table_width(STDOUT_FILENO), true);
        code = fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
    }
    table_free(l.table);
    return code;
}

int cmd_admit(const struct global_options *g, int argc, char **argv) {
    struct wishes w = {0};
    int rc = read_options(argc, argv, &w);
    if (rc != 0) return rc;
    enum admission_kind k = admission_kind_by_name(argv[optind]);
    if (k == ADMISSION_KINDS)
        return cli_usage("admit", "no kind \"%.40s\"; there are model, source, executable, target and decision",
                         argv[optind]);
    if (w.template) return cli_print_json(admission_template(k), EXIT_PASS);
    if (w.check) return check(g, k, w.check);
    if (w.record) return record(g, k, &w);
    if (w.revoke) return take_back(g, k, &w);
    return list(g, k);
}
