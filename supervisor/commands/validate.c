/* validate.c - validators. `failure-matrix`: every failure fixture is run for real and its run directory is looked at as a
 * stranger would: the complete artifact set that verifies, the reason in the event that must carry it, status, exit code. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/batch.h"
#include "supervisor/commands/adapter_check.h"
#include "supervisor/commands/refresh_run.h"
#include "supervisor/commands/stage6.h"
#include "supervisor/commands/validate_stage.h"
#include "supervisor/table.h"
#include "supervisor/tree_digest.h"
#include "supervisor/verify.h"

const char help_validate[] = "Usage: cto-harness validate failure-matrix [-j N] [--json]\n"
                             "       cto-harness validate failure-matrix --table\n"
                             "       cto-harness validate stage1|stage2|stage3|stage4|stage5 [--engine NAME]\n"
                             "                            [--case ID] [--protect DIR]... [--json]\n"
                             "       cto-harness validate provider-adapter [--json]\n"
                             "       cto-harness validate stage6 [--engine NAME] [--case ID] [--json]\n"
                             "       cto-harness validate stage6-real-refresh [--engine NAME] [--json]\n"
                             "\n"
                             "Runs every failure fixture under cases/failures and checks status, blocker,\n"
                             "event and artifacts of each run against its declaration. One entry per failure\n"
                             "class. Exit 0 only when all hold. Fixtures of the case backend run on a test\n"
                             "double of ca, and are shown as such (proof_kind double).\n"
                             "\n"
                             "A stage is a step of the proof ladder of one backend, on this build: 1 closed\n"
                             "by default, 2 an artificial fixture, 3 a copied repository, 4 a disposable one,\n"
                             "5 an owned one. Its validator proves the unproven stages below it first, makes\n"
                             "what it needs in a directory of its own beside the runs, and records the proof,\n"
                             "which a run of the next stage needs. The case backend is shown on a test double\n"
                             "of ca: mechanics (proof_kind double), which open no gate. For exec the\n"
                             "program of CTO_HARNESS_EXEC_ENGINE_FILE runs, with CTO_HARNESS_ALLOW_EXEC=1.\n"
                             "\n"
                             "provider-adapter asks every gate of the case backend about facts that are good\n"
                             "but for one, and runs the test double for timeout, life cycle, history and\n"
                             "protocol. What needs a model asks a test double of a server, through the real\n"
                             "probe and the real gateway: content that comes late, reasoning alone, failures.\n"
                             "\n"
                             "stage6 compares the lanes: the same case on the default lane and on the\n"
                             "candidate, each failure class, what stages 1 to 5 have shown. It leaves a\n"
                             "comparison, which an operator accepts or rejects with 'outcome'; nothing is\n"
                             "eligible before that, and nothing is activated by it. A lane on the test double\n"
                             "counts for nothing.\n"
                             "\n"
                             "stage6-real-refresh takes the newest comparison that 'refresh stage6-real'\n"
                             "left, imports its passes anew, and holds the document against what it finds.\n"
                             "\n"
                             "  -j, --jobs N  runs at the same time (default: the number of processors)\n"
                             "  --table       run nothing; print the table of all reasons as Markdown\n"
                             "  --engine NAME the backend of a stage (default: case)\n"
                             "  --case ID     what it is to do (default: r1-string-slugify)\n"
                             "  --protect DIR must be the same before and after, and never be shown\n"
                             "\n"
                             "Examples:\n"
                             "  cto-harness validate failure-matrix\n"
                             "  cto-harness validate failure-matrix --json | jq '.ok, .classes[].class'\n"
                             "  cto-harness validate stage5 --json | jq '.ok, .stage_status'\n"
                             "  cto-harness validate stage3 --engine exec --case docs-typo --protect ~/src\n";

/* The twelve classes, in the order of the design. */
static const struct {
    const char *name;
    enum blocker blocker;
} classes[] = {
    {"no-diff", BLOCKER_no_diff},
    {"disallowed-file", BLOCKER_disallowed_file_change},
    {"failed-tests", BLOCKER_verification_failed},
    {"missing-test-command", BLOCKER_missing_test_command},
    {"missing-event", BLOCKER_missing_required_event},
    {"reviewer-reject", BLOCKER_reviewer_rejected},
    {"approval-denied", BLOCKER_approval_denied},
    {"timeout", BLOCKER_timeout},
    {"dirty-starting-tree", BLOCKER_dirty_starting_tree},
    {"dirty-ending-tree", BLOCKER_dirty_ending_tree},
    {"artifact-write-failure", BLOCKER_artifact_write_failure},
    {"provider-unavailable", BLOCKER_provider_unavailable},
};
#define N_CLASSES ((int)(sizeof classes / sizeof classes[0]))

struct matrix_check {
    const struct batch *b;
    cJSON *checked, *errors, *classes, *fixtures;
    bool ok;
};

static void complain(struct matrix_check *m, const char *fixture, const char *text) {
    char line[700];
    snprintf(line, sizeof line, "%s: %.600s", fixture, text);
    cJSON_AddItemToArray(m->errors, cJSON_CreateString(line));
    m->ok = false;
}

/* One fixture's run: everything that its row of the table promises. */
static void check_fixture(struct matrix_check *m, int i) {
    const struct matrix_row *row = &m->b->rows[i];
    const struct cto_case *c = &m->b->cases[i];
    char dir[PATH_MAX], text[500];
    struct verify_report v;
    struct err e = ERR_INIT;
    snprintf(dir, sizeof dir, "%s", m->b->report_paths[i]);
    char *slash = strrchr(dir, '/');
    if (slash) *slash = '\0';
    if (row->status == VERDICT_NONE) {
        complain(m, c->id, row->note);
        return;
    }
    if (!row->as_expected) complain(m, c->id, row->note);
    if (verify_run_dir(dir, row->run_id, &v, &e) < 0)
        complain(m, c->id, e.text);
    else if (!v.ok) {
        snprintf(text, sizeof text, "evidence does not verify: %.80s: %.300s", v.file, v.what);
        complain(m, c->id, text);
    }
    for (int k = 0; k < row->n_blockers; k++) {
        const struct blocker_rule *rule = blocker_rule(row->blockers[k]);
        snprintf(text, sizeof text, "event %s does not carry %s", rule->event, rule->reason);
        if (!run_look_carries(dir, rule->event, rule->reason)) complain(m, c->id, text);
        snprintf(text, sizeof text, "marker backend/%s is missing", rule->marker ? rule->marker : "");
        if (rule->marker && !run_look_marker(dir, rule->marker)) complain(m, c->id, text);
    }
    if (strcmp(c->kind, "failure") == 0 && c->expect.status != VERDICT_PASS && verdict_exit_code(row->status) == 0)
        complain(m, c->id, "its exit code is 0");
}

static cJSON *fixture_json(const struct matrix_check *m, int i, int errors_before) {
    const struct matrix_row *row = &m->b->rows[i];
    const struct cto_case *c = &m->b->cases[i];
    cJSON *o = cJSON_CreateObject(), *reasons = cJSON_CreateArray(), *events = cJSON_CreateArray();
    for (int k = 0; k < row->n_blockers; k++) {
        cJSON_AddItemToArray(reasons, cJSON_CreateString(blocker_rule(row->blockers[k])->reason));
        cJSON_AddItemToArray(events, cJSON_CreateString(blocker_rule(row->blockers[k])->event));
    }
    json_put_str(o, "fixture", c->id);
    json_put_str(o, "class", c->expect.failure_class);
    json_put(o, "reasons", reasons);
    json_put(o, "events", events);
    json_put_str(o, "status", verdict_name(row->status));
    json_put_int(o, "exit_code", verdict_exit_code(row->status));
    json_put_str(o, "backend", row->backend);
    json_put_str(o, "proof_kind", c->double_script ? "double" : "real");
    json_put_str(o, "run_id", row->run_id);
    json_put_str(o, "report", m->b->report_paths[i]);
    json_put_bool(o, "passed", cJSON_GetArraySize(m->errors) == errors_before);
    return o;
}

/* One entry per class; a class whose fixture is missing is an error. */
static void check_class(struct matrix_check *m, int k) {
    const struct blocker_rule *rule = blocker_rule(classes[k].blocker);
    cJSON *o = cJSON_CreateObject(), *fixtures = cJSON_CreateArray();
    bool passed = true, any = false, of_double = false;
    const cJSON *f;
    cJSON_ArrayForEach(f, m->fixtures) {
        const cJSON *of = cJSON_GetObjectItemCaseSensitive(f, "class");
        if (!cJSON_IsString(of) || strcmp(of->valuestring, classes[k].name) != 0) continue;
        any = true;
        const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(f, "proof_kind"));
        of_double |= kind && strcmp(kind, "double") == 0;
        passed &= cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(f, "passed"));
        cJSON_AddItemToArray(fixtures, cJSON_CreateString(cJSON_GetObjectItemCaseSensitive(f, "fixture")->valuestring));
    }
    if (!any) complain(m, classes[k].name, "no fixture of this failure class");
    json_put_str(o, "class", classes[k].name);
    json_put_str(o, "reason", rule->reason);
    json_put_str(o, "event", rule->event);
    json_put_str(o, "status", verdict_name(rule->status));
    json_put_int(o, "exit_code", verdict_exit_code(rule->status));
    json_put_str(o, "blocker_class", blocker_class_name(rule->class));
    json_put(o, "fixtures", fixtures);
    json_put_bool(o, "passed", any && passed);
    json_put_str(o, "proof_kind", of_double ? "double" : "real");
    cJSON_AddItemToArray(m->classes, o);
}

static void check_all(struct matrix_check *m, const char *cases_before) {
    char after[DIGEST_HEX_SIZE];
    struct err e = ERR_INIT;
    for (int i = 0; i < m->b->n; i++) {
        int before = cJSON_GetArraySize(m->errors);
        check_fixture(m, i);
        cJSON_AddItemToArray(m->fixtures, fixture_json(m, i, before));
        cJSON_AddItemToArray(m->checked, cJSON_CreateString(m->b->cases[i].id));
    }
    for (int k = 0; k < N_CLASSES; k++) check_class(m, k);
    if (tree_digest(m->b->home.cases, after, &e) < 0)
        complain(m, "cases", e.text);
    else if (strcmp(after, cases_before) != 0)
        complain(m, "cases", "the cases directory changed while the fixtures ran");
    cJSON_AddItemToArray(m->checked, cJSON_CreateString("cases directory unchanged"));
}

static void print_classes(const cJSON *classes_json) {
    static const struct table_column columns[] = {{.title = ""},
                                                  {.title = "", .least = 12},
                                                  {.title = "", .least = 12, .drop = 2},
                                                  {.title = "", .least = 12, .drop = 1}};
    struct table *t = table_new(columns, 4);
    const cJSON *c;
    cJSON_ArrayForEach(c, classes_json) {
        const cJSON *passed = cJSON_GetObjectItemCaseSensitive(c, "passed");
        table_cell(t, cJSON_IsTrue(passed) ? "ok" : "FAILED", NULL);
        table_cell(t, cJSON_GetObjectItemCaseSensitive(c, "class")->valuestring, NULL);
        table_cell(t, cJSON_GetObjectItemCaseSensitive(c, "reason")->valuestring, NULL);
        const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c, "proof_kind"));
        table_cell(t, kind && strcmp(kind, "double") == 0 ? "shown on the test double of ca" : "", NULL);
    }
    table_print(t, stdout, table_width(STDOUT_FILENO), false);
    table_free(t);
}

static int print_result(struct matrix_check *m, const struct global_options *g) {
    int code = m->ok ? EXIT_PASS : EXIT_FAIL;
    if (g->json) {
        cJSON *doc = cJSON_CreateObject();
        json_put_bool(doc, "ok", m->ok);
        json_put_str(doc, "validator", "failure-matrix");
        json_put(doc, "checked", m->checked);
        json_put(doc, "errors", m->errors);
        json_put(doc, "classes", m->classes);
        json_put(doc, "fixtures", m->fixtures);
        return cli_print_json(doc, code);
    }
    const cJSON *c;
    print_classes(m->classes);
    cJSON_ArrayForEach(c, m->errors) printf("error: %s\n", c->valuestring);
    printf("%s: %d fixtures, %d errors\n", m->ok ? "ok" : "FAILED", m->b->n, cJSON_GetArraySize(m->errors));
    cJSON_Delete(m->checked);
    cJSON_Delete(m->errors);
    cJSON_Delete(m->classes);
    cJSON_Delete(m->fixtures);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}

/* Only the failure fixtures of all ids: those that are not in the list without failures. */
static int failure_ids(const char *cases, char ***ret, struct err *e) {
    char **all, **tasks;
    int n = case_ids(cases, true, &all, e), k = 0;
    if (n < 0) return -1;
    int t = case_ids(cases, false, &tasks, e);
    if (t < 0) {
        case_ids_free(all, n);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        bool task = false;
        for (int j = 0; j < t; j++) task |= strcmp(all[i], tasks[j]) == 0;
        if (task)
            free(all[i]);
        else
            all[k++] = all[i];
    }
    case_ids_free(tasks, t);
    *ret = all;
    return k;
}

static int failure_matrix(const struct global_options *g, int jobs) {
    struct err e = ERR_INIT;
    struct home h;
    struct batch b = {0};
    char **ids, before[DIGEST_HEX_SIZE];
    if (home_resolve(&h, &g->home, &e) < 0) return cli_error(&e);
    struct global_options found = *g;
    char own[PATH_MAX];
    int n = failure_ids(h.cases, &ids, &e), code;
    if (n == 0 && home_default_cases(own, NULL) == 0) { /* a folder of the operator's tasks alone: the shipped ones */
        case_ids_free(ids, n);
        memcpy(h.cases, own, sizeof own);
        n = failure_ids(h.cases, &ids, &e);
    }
    if (n < 0) return cli_error(&e);
    if (n == 0) return cli_usage("validate", "no failure fixtures in %s/failures", h.cases);
    found.home.cases = h.cases;
    struct batch_options o = {
        .engine = "fake", .jobs = jobs, .quiet = g->quiet || g->json, .no_color = g->no_color, .with_double = true};
    if (tree_digest(h.cases, before, &e) < 0 || batch_load(&b, &found, ids, n, &e) < 0 || batch_run(&b, &o, &e) < 0) {
        code = cli_error(&e);
    } else if (b.interrupted) {
        code = EXIT_INTERRUPTED;
    } else {
        struct matrix_check m = {.b = &b,
                                 .checked = cJSON_CreateArray(),
                                 .errors = cJSON_CreateArray(),
                                 .classes = cJSON_CreateArray(),
                                 .fixtures = cJSON_CreateArray(),
                                 .ok = true};
        check_all(&m, before);
        code = print_result(&m, g);
    }
    batch_release(&b);
    case_ids_free(ids, n);
    return code;
}

/* The table of README: every reason this build can give. */
static int print_reasons(void) {
    puts("| reason | status | event | class | meaning |\n|---|---|---|---|---|");
    for (int b = 0; b < BLOCKER_COUNT; b++) {
        const struct blocker_rule *r = blocker_rule((enum blocker)b);
        printf("| `%s` | %s | `%s` | %s | %s%s%s%s |\n", r->reason, verdict_name(r->status), r->event,
               blocker_class_name(r->class), r->meaning, r->marker ? "; marker `backend/" : "",
               r->marker ? r->marker : "", r->marker ? "`" : "");
    }
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

struct words {
    const char *jobs_text, *engine, *case_id;
    const char *protect[PROOF_PROTECTED];
    int jobs, n_protect;
    bool table;
};

static int read_words(int argc, char **argv, struct words *w) {
    static const struct option options[] = {
        {"jobs", required_argument, NULL, 'j'},    {"table", no_argument, NULL, 't'},
        {"engine", required_argument, NULL, 'e'},  {"case", required_argument, NULL, 'c'},
        {"protect", required_argument, NULL, 'p'}, {0}};
    int c, rc = 0;
    w->jobs = batch_default_jobs();
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, ":j:", options, NULL)) != -1) {
        switch (c) {
        case 't': w->table = true; break;
        case 'e': rc = cli_once("validate", "--engine", &w->engine, optarg); break;
        case 'c': rc = cli_once("validate", "--case", &w->case_id, optarg); break;
        case 'j':
            rc = cli_once("validate", "-j", &w->jobs_text, optarg);
            if (rc == 0 && (w->jobs = batch_parse_jobs("validate", optarg)) == 0) rc = EXIT_USAGE;
            break;
        case 'p':
            if (w->n_protect == PROOF_PROTECTED) return cli_usage("validate", "--protect: at most %d", PROOF_PROTECTED);
            w->protect[w->n_protect++] = optarg;
            break;
        default: rc = cli_bad_option("validate", c, argv);
        }
    }
    return rc;
}

static int run_stage(const struct global_options *g, int stage, const struct words *w) {
    struct proof_wishes wishes = {.engine = w->engine ? w->engine : "case",
                                  .case_id = w->case_id ? w->case_id : VALIDATE_STAGE_CASE,
                                  .n_protect = w->n_protect};
    char(*paths)[PATH_MAX] = malloc(sizeof *paths * PROOF_PROTECTED);
    struct err e = ERR_INIT;
    int rc = 0, code;
    BUG_UNLESS(paths != NULL);
    for (int i = 0; i < w->n_protect && rc == 0; i++) {
        rc = validate_stage_protect(g, w->protect[i], paths[i], &e);
        wishes.protect[i] = paths[i];
    }
    code = rc < 0 ? cli_error(&e) : validate_stage(g, stage, &wishes);
    free(paths);
    return code;
}

/* Of a validator that there is: what does not go with it. */
static int wrong_options(const char *what, const struct words *w) {
    static const char *const there[] = {"provider-adapter", "stage6", "stage6-real-refresh"};
    bool known = validate_stage_number(what) > 0;
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++) known = known || strcmp(what, there[i]) == 0;
    if (!known)
        return cli_usage("validate",
                         "one validator is expected: failure-matrix, provider-adapter, stage1 to stage6, or "
                         "stage6-real-refresh");
    const char *option = w->jobs_text   ? "-j"
                         : w->table     ? "--table"
                         : w->n_protect ? "--protect"
                         : w->case_id   ? "--case"
                                        : "--engine";
    return cli_usage("validate", "%s takes no %s", what, option);
}

int cmd_validate(const struct global_options *g, int argc, char **argv) {
    struct words w = {0};
    int rc = read_words(argc, argv, &w);
    if (rc != 0) return rc;
    const char *what = optind + 1 == argc ? argv[optind] : "";
    const int stage = validate_stage_number(what);
    const bool alone = !w.table && !w.jobs_text;
    if (stage > 0 && alone) return run_stage(g, stage, &w);
    if (strcmp(what, "stage6") == 0 && alone && !w.n_protect)
        return validate_stage6(g, w.engine ? w.engine : "case", w.case_id ? w.case_id : VALIDATE_STAGE_CASE);
    if (strcmp(what, "stage6-real-refresh") == 0 && alone && !w.n_protect && !w.case_id)
        return validate_refresh(g, w.engine);
    const bool bare = !w.engine && !w.case_id && !w.n_protect;
    if (strcmp(what, "provider-adapter") == 0 && bare && alone) return validate_adapter(g);
    if (strcmp(what, "failure-matrix") != 0) return wrong_options(what, &w);
    if (!bare) return cli_usage("validate", "--engine, --case and --protect go with a stage");
    return w.table ? print_reasons() : failure_matrix(g, w.jobs);
}
