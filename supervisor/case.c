/* case.c - the strict reader of a case folder.
 *
 * A case is the contract that a run is judged by, so nothing in it may be misunderstood: every key is claimed by
 * exactly one reader below, every value has a type and bounds, and the first thing that does not fit ends the reading
 * with file, line and key. A key that is misspelt would otherwise be a rule that is silently not applied
 * ("forbiden_paths").
 *
 * The order is one flat list, read_root(); errors stick in the JSON document, so that the readers need no error paths
 * of their own and the end looks once. What needs more than this one file (does the fixture exist? do the expectations
 * fit the table of blockers?) is case_lint.c.
 *
 * Reading fills lists of the largest permitted size, in one scratch area that lives as long as the reading; case_pack.c
 * then moves what was found into one allocation of exactly its size.
 */
#include "supervisor/case.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/path.h"
#include "supervisor/case_pack.h"
#include "supervisor/case_steps.h"
#include "supervisor/engines.h"
#include "supervisor/model_double.h"

#define TEXT_MAX 2000u
#define NAME_MAX_LEN 64u
#define ARG_MAX_LEN 8192u
#define DAY_S 86400
#define WEEK_S (7 * DAY_S)

/* What a case points into while it is read. */
struct scratch {
    const char *lists[CASE_LISTS][CASE_MAX_LIST];
    struct spec_command verify[SPEC_MAX_VERIFY];
    char *dir, *file, *task, *dirty_start, *fake_config, *double_script;
};

const char *const forbidden_actions_all[] = {"push",
                                             "merge",
                                             "deploy",
                                             "close",
                                             "pr_open",
                                             "issue_close",
                                             "public_publication",
                                             "credential_change",
                                             "vendor_source_mutation",
                                             "cortex_core_mutation",
                                             NULL};

const char *const required_events_pass[] = {
    "run.started",      "task.contract.created",  "plan.updated",  "patch.applied",
    "git.diff.checked", "verification.completed", "run.completed", NULL};

const char *const required_events_approved[] = {
    "run.started",   "task.contract.created", "plan.updated",           "approval.requested", "approval.granted",
    "patch.applied", "git.diff.checked",      "verification.completed", "run.completed",      NULL};

static const char *const kind_words[] = {"task", "failure", NULL};
static const char *const risk_words[] = {"low", "medium", "high", NULL};
static const char *const mutation_words[] = {
    "none", "copied-fixture", "sandbox-repo", "owned-noncritical-repo", "candidate-default", NULL};
static const char *const end_of_life_words[] = {"quiet", "first_commit", "exit", NULL};
static const char *const network_words[] = {"loopback", "none", NULL};
static const char *const status_words[] = {"pass", "fail", "blocked", NULL}; /* enum verdict from VERDICT_PASS on */

static int count_words(const char *const *words) {
    int n = 0;
    while (words[n]) n++;
    return n;
}

/* --- single values ------------------------------------------------------------------------------------------------ */

/* Is it one line of printable text? These strings end in reports, on terminals and in event lines. */
static bool is_line(const char *s) {
    if (!*s) return false;
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f) return false;
    return true;
}

static const char *read_line(struct json_obj *o, const char *key, enum json_need need) {
    const char *s = json_str(o, key, need, TEXT_MAX);
    if (s && !is_line(s)) (void)json_fail(o, key, "must be one line of text without control bytes, and not empty");
    return s;
}

/* A word of a closed list, as the word itself. */
static const char *read_word(struct json_obj *o, const char *key, const char *const *words) {
    int i = json_enum(o, key, words, -1);
    return i < 0 ? NULL : words[i];
}

static int64_t read_seconds(struct json_obj *o, const char *key, int64_t dflt_s, int64_t lo_s, int64_t hi_s) {
    return json_int(o, key, dflt_s, lo_s, hi_s) * 1000;
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

/* Says what is wrong with one element in `why`, or returns true. */
typedef bool (*elem_check)(const char *s, char *why, size_t size);

static bool check_line(const char *s, char *why, size_t size) {
    if (is_line(s)) return true;
    (void)snprintf(why, size, "must be one line of text without control bytes, and not empty");
    return false;
}

static bool check_rule(enum path_rule_kind kind, const char *s, char *why, size_t size) {
    struct err e = ERR_INIT;
    if (path_rule_check(kind, s, &e) == 0) return true;
    (void)snprintf(why, size, "%s", e.text);
    return false;
}

static bool check_allowed(const char *s, char *why, size_t size) { return check_rule(PATH_ALLOWED, s, why, size); }
static bool check_forbidden(const char *s, char *why, size_t size) { return check_rule(PATH_FORBIDDEN, s, why, size); }

static bool check_plain_path(const char *s, char *why, size_t size) {
    if (is_line(s) && path_is_plain_relative(s, strlen(s))) return true;
    (void)snprintf(why, size, "\"%.100s\" is not a plain relative path", s);
    return false;
}

/* Their names stand in the sandbox's report, which has a size. */
#define READ_ROOT_MAX 255
#define READ_ROOTS_MAX 16
/* Which of these a run may show is a question for the host that it runs on: worker/read_roots.c. */
static bool check_absolute_path(const char *s, char *why, size_t size) {
    if (is_line(s) && s[0] == '/' && strlen(s) <= READ_ROOT_MAX && path_is_plain_relative(s + 1, strlen(s + 1)))
        return true;
    (void)snprintf(why, size, "\"%.100s\" is not a plain absolute path of a directory below \"/\"", s);
    return false;
}

static bool check_word(const char *s, const char *const *words, const char *what, char *why, size_t size) {
    char hint[160];
    int n = count_words(words);
    for (int i = 0; i < n; i++)
        if (strcmp(words[i], s) == 0) return true;
    case_suggest(s, words, n, hint, sizeof(hint));
    (void)snprintf(why, size, "\"%.60s\" is not %s%s", s, what, hint);
    return false;
}

static bool check_backend(const char *s, char *why, size_t size) {
    const char *words[16] = {NULL};
    for (int i = 0; i < 15 && engine_at(i); i++) words[i] = engine_at(i)->name;
    return check_word(s, words, "a backend", why, size);
}

static bool check_action(const char *s, char *why, size_t size) {
    return check_word(s, forbidden_actions_all, "one of the ten forbidden actions", why, size);
}

/* "word.word": also types that nothing emits, since a fixture asks for exactly that. */
static bool check_event(const char *s, char *why, size_t size) {
    size_t n = strlen(s), ok = strspn(s, "abcdefghijklmnopqrstuvwxyz_.");
    if (ok == n && strchr(s, '.') && s[0] != '.' && s[n - 1] != '.' && !strstr(s, "..")) return true;
    (void)snprintf(why, size, "\"%.60s\" is not an event type such as \"run.started\"", s);
    return false;
}

static void read_list(struct json_obj *o, const char *key, enum json_need need, elem_check check,
                      struct case_list *ret) {
    const cJSON *array = NULL;
    int n = json_array(o, key, need, CASE_MAX_LIST, &array);
    for (int i = 0; i < n; i++) {
        char place[96], why[400];
        const char *s = json_elem_str(o, key, array, i, TEXT_MAX);
        if (!s) return;
        (void)snprintf(place, sizeof(place), "%s[%d]", key, i);
        if (!check(s, why, sizeof(why))) (void)json_fail(o, place, "%s", why);
        for (int j = 0; j < ret->n; j++)
            if (strcmp(ret->v[j], s) == 0) (void)json_fail(o, place, "\"%.100s\" is listed twice", s);
        ret->v[ret->n++] = s;
    }
}

static void read_full_list(struct json_obj *o, const char *key, elem_check check, struct case_list *ret) {
    read_list(o, key, JSON_REQUIRED, check, ret);
    if (!o->doc->bad && ret->n == 0) (void)json_fail(o, key, "must not be empty");
}

static void default_list(struct case_list *list, const char *const *words) {
    for (int i = 0; words[i]; i++) list->v[list->n++] = words[i];
}

/* --- the parts of case.json --------------------------------------------------------------------------------------- */

static void read_identity(struct json_obj *o, struct cto_case *c, const char *id) {
    c->id = json_str(o, "id", JSON_REQUIRED, CASE_ID_MAX);
    if (c->id && strcmp(c->id, id) != 0)
        (void)json_fail(o, "id", "is \"%s\", but the folder's name is \"%s\"", c->id, id);
    c->title = read_line(o, "title", JSON_REQUIRED);
    c->kind = read_word(o, "kind", kind_words);
    c->authority_basis = read_line(o, "authority_basis", JSON_REQUIRED);
    c->risk_class = read_word(o, "risk_class", risk_words);
    c->mutation_mode = read_word(o, "mutation_mode", mutation_words);
    c->approval_required = json_bool(o, "approval_required", false);
    c->approval_denied = json_bool(o, "approval_denied", false);
    if (c->approval_denied && (!c->approval_required || !c->kind || strcmp(c->kind, "failure") != 0))
        (void)json_fail(o, "approval_denied", "goes with approval_required in a failure fixture only");
    c->rollback_expectation = read_line(o, "rollback_expectation", JSON_REQUIRED);
    c->no_test_rationale = read_line(o, "no_test_rationale", JSON_OPTIONAL);
    read_full_list(o, "success_criteria", check_line, &c->success_criteria);
    read_list(o, "evidence_expectations", JSON_OPTIONAL, check_line, &c->evidence_expectations);
}

static void read_rules(struct json_obj *o, struct cto_case *c) {
    static const char *const fake_only[] = {"fake", NULL};
    if (json_has(o, "backends"))
        read_full_list(o, "backends", check_backend, &c->backends);
    else
        default_list(&c->backends, fake_only);
    read_full_list(o, "allowed_writes", check_allowed, &c->allowed_writes);
    read_list(o, "forbidden_paths", JSON_OPTIONAL, check_forbidden, &c->forbidden_paths);
    read_full_list(o, "forbidden_actions", check_action, &c->forbidden_actions);
    read_list(o, "ignore", JSON_OPTIONAL, check_forbidden, &c->ignore);
    read_list(o, "pristine", JSON_OPTIONAL, check_plain_path, &c->pristine);
    read_list(o, "read_roots", JSON_OPTIONAL, check_absolute_path, &c->read_roots);
    if (c->read_roots.n > READ_ROOTS_MAX) (void)json_fail(o, "read_roots", "more than %d", READ_ROOTS_MAX);
    c->landlock_abi_min = json_int(o, "landlock_abi_min", 0, 0, 1000);
    c->clean_start_required = json_bool(o, "clean_start_required", true);
    c->diff_required = json_bool(o, "diff_required", true);
    if (json_has(o, "required_events"))
        read_full_list(o, "required_events", check_event, &c->required_events);
    else
        default_list(&c->required_events, c->approval_required ? required_events_approved : required_events_pass);
    if (c->required_events.n > CASE_MAX_EVENTS)
        (void)json_fail(o, "required_events", "more than %d event types", CASE_MAX_EVENTS);
}

static void read_command(struct json_obj *o, struct spec_command *ret) {
    const cJSON *array = NULL;
    int n = json_array(o, "argv", JSON_REQUIRED, SPEC_MAX_ARGV, &array);
    if (n == 0) (void)json_fail(o, "argv", "must not be empty");
    for (int i = 0; i < n; i++) {
        const char *s = json_elem_str(o, "argv", array, i, ARG_MAX_LEN);
        if (!s) return;
        if (i == 0 && !*s) (void)json_fail(o, "argv[0]", "must name a program");
        ret->argv[ret->argc++] = s;
    }
    ret->timeout_ms = read_seconds(o, "timeout_s", 60, 1, DAY_S);
    (void)json_end(o);
}

static void read_verification(struct json_obj *o, struct cto_case *c) {
    const cJSON *array = NULL;
    int n = json_array(o, "verification", JSON_OPTIONAL, SPEC_MAX_VERIFY, &array);
    for (int i = 0; i < n; i++) {
        struct json_obj command;
        if (!json_elem_obj(o, "verification", array, i, &command)) return;
        read_command(&command, &c->verify[c->n_verify++]);
    }
}

static void read_lifecycle(struct json_obj *o, struct cto_case *c) {
    struct json_obj t;
    c->commit = (enum commit_by)json_enum(o, "commit", commit_by_words, COMMIT_AGENT);
    c->end_of_life = (enum end_of_life)json_enum(o, "end_of_life", end_of_life_words, EOL_QUIET);
    c->grace_ms = json_int(o, "grace_ms", 2000, 0, 600000);
    c->grace_max_ms = json_int(o, "grace_max_ms", 30000, 0, 3600000);
    if (c->grace_max_ms < c->grace_ms)
        (void)json_fail(o, json_has(o, "grace_max_ms") ? "grace_max_ms" : "grace_ms",
                        "grace_max_ms (%lld) is below grace_ms (%lld)", (long long)c->grace_max_ms,
                        (long long)c->grace_ms);
    c->network_none = json_enum(o, "network", network_words, 0) == 1;
    c->backend_timeout_ms = 300 * 1000;
    c->setup_timeout_ms = 120 * 1000;
    c->inspect_timeout_ms = 60 * 1000;
    c->outcome_timeout_ms = 7 * DAY_S * 1000;
    if (!json_child(o, "timeouts", JSON_OPTIONAL, &t)) return;
    c->backend_timeout_ms = read_seconds(&t, "backend_s", 300, 1, WEEK_S);
    c->idle_timeout_ms = read_seconds(&t, "idle_s", 0, 0, WEEK_S);
    c->setup_timeout_ms = read_seconds(&t, "setup_s", 120, 1, DAY_S);
    c->inspect_timeout_ms = read_seconds(&t, "inspect_s", 60, 1, DAY_S);
    c->outcome_timeout_ms = read_seconds(&t, "outcome_s", 7 * DAY_S, 1, 30 * DAY_S);
    (void)json_end(&t);
}

static void read_limits(struct json_obj *o, struct cto_case *c) {
    const int64_t huge = INT64_C(1) << 50;
    struct json_obj l;
    if (!json_child(o, "limits", JSON_OPTIONAL, &l)) return;
    struct {
        const char *key;
        int64_t *value, hi;
    } const rows[] = {
        {"memory_bytes", &c->limits.memory_bytes, huge},
        {"processes", &c->limits.processes, 1 << 20},
        {"cpu_s", &c->limits.cpu_s, WEEK_S},
        {"disk_bytes", &c->limits.disk_bytes, huge},
        {"inodes", &c->limits.inodes, 1 << 30},
        {"open_files", &c->limits.open_files, 1 << 20},
        {"file_bytes", &c->limits.file_bytes, huge},
        {"scratch_bytes", &c->limits.scratch_bytes, huge},
        {"output_bytes", &c->limits.output_bytes, huge},
        {"log_lines", &c->limits.log_lines, 1 << 30},
        {"run_dir_bytes", &c->run_dir_bytes, huge},
        {"model_requests", &c->model_requests, 1 << 30},
        {"model_tokens_in", &c->model_tokens_in, huge},
        {"model_tokens_out", &c->model_tokens_out, huge},
        {"model_bytes", &c->model_bytes, huge},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (json_has(&l, rows[i].key)) *rows[i].value = json_int(&l, rows[i].key, JSON_INT_REQUIRED, 1, rows[i].hi);
    (void)json_end(&l);
}

static const char *read_plain_path(struct json_obj *o, const char *key) {
    char why[160];
    const char *s = json_str(o, key, JSON_REQUIRED, 255);
    if (s && !check_plain_path(s, why, sizeof(why))) (void)json_fail(o, key, "%s", why);
    return s;
}

static void read_submodules(struct json_obj *o, struct cto_case *c) {
    const cJSON *array = NULL;
    int n = json_array(o, "submodules", JSON_OPTIONAL, SPEC_MAX_SUBMODULES, &array);
    for (int i = 0; i < n; i++) {
        struct json_obj sub;
        if (!json_elem_obj(o, "submodules", array, i, &sub)) return;
        struct spec_submodule *s = &c->submodules[c->n_submodules++];
        s->path = read_plain_path(&sub, "path");
        s->fixture = read_plain_path(&sub, "fixture");
        (void)json_end(&sub);
    }
}

static void read_baseline(struct json_obj *o, struct cto_case *c) {
    struct json_obj b, g;
    if (!json_child(o, "baseline", JSON_OPTIONAL, &b)) return;
    c->baseline_empty = json_bool(&b, "empty", false);
    c->history_commits = json_int(&b, "history_commits", 0, 0, 10000);
    read_submodules(&b, c);
    if (json_child(&b, "generate", JSON_OPTIONAL, &g)) {
        c->generate_dir = read_plain_path(&g, "dir");
        c->generate_count = json_int(&g, "count", JSON_INT_REQUIRED, 1, 100000);
        c->generate_size = json_int(&g, "size", JSON_INT_REQUIRED, 0, 1 << 20);
        (void)json_end(&g);
    }
    if (c->baseline_empty && (c->history_commits || c->n_submodules || c->generate_dir))
        (void)json_fail(&b, "empty", "an empty repository has no history, submodules or generated files");
    (void)json_end(&b);
}

/* The steps travel to the fake agent as JSON text: compact, bounded, because they are a part of one RUN_SPEC frame. */
static char *compact(struct json_obj *o, const char *key, const cJSON *node) {
    char *text = cJSON_PrintUnformatted(node);
    BUG_UNLESS(text != NULL);
    if (strlen(text) > CASE_STEPS_MAX) (void)json_fail(o, key, "longer than %u bytes", CASE_STEPS_MAX);
    return text;
}

static void read_fake(struct json_obj *o, struct cto_case *c, struct scratch *s) {
    struct json_obj f;
    if (json_has(o, "dirty_start") && case_steps_check(o, "dirty_start", JSON_OPTIONAL) >= 0)
        c->dirty_start = s->dirty_start = compact(o, "dirty_start", json_any(o, "dirty_start"));
    if (!json_child(o, "fake", JSON_OPTIONAL, &f)) return;
    (void)case_steps_check(&f, "steps", JSON_REQUIRED);
    (void)read_line(&f, "executable", JSON_OPTIONAL);
    if (json_end(&f) == 0 && !o->doc->bad) c->fake_config = s->fake_config = compact(o, "fake", f.node);
}

/* Read again by the double, in the jail. */
static void read_double(struct json_obj *o, struct cto_case *c, struct scratch *s) {
    static const char *const modes[] = {"fix",       "no-diff", "disallowed",      "fail-tests",
                                        "hang",      "exit",    "reviewer-reject", "agent-protocol-error",
                                        "dirty-end", "linger",  "asks-model",      "asks-another-model",
                                        NULL};
    struct json_obj d;
    if (!json_child(o, "double", JSON_OPTIONAL, &d)) return;
    (void)json_enum(&d, "mode", modes, -1);
    (void)json_int(&d, "code", 0, 0, 255);
    const int model = json_has(&d, "model") ? json_enum(&d, "model", model_double_modes, -1) : -1;
    if (model >= 0) c->double_model = model_double_modes[model];
    (void)json_end(&d);
    if (!c->kind || strcmp(c->kind, "failure") != 0)
        (void)json_fail(o, "double", "is for failure fixtures only: any other case runs on it as it is");
    bool declared = false;
    for (int i = 0; i < c->backends.n; i++) declared |= strcmp(c->backends.v[i], "case") == 0;
    if (!declared) (void)json_fail(o, "double", "goes with \"case\" in backends, whose double it is");
    if (!o->doc->bad) c->double_script = s->double_script = compact(o, "double", d.node);
}

static void read_expect(struct json_obj *o, struct cto_case *c) {
    struct json_obj x;
    const char *words[CASE_MAX_LIST];
    struct case_list reasons = {.v = words};
    if (!json_child(o, "expect", JSON_REQUIRED, &x)) return;
    c->expect.status = (enum verdict)(VERDICT_PASS + json_enum(&x, "status", status_words, -1));
    read_list(&x, "blockers", JSON_OPTIONAL, check_line, &reasons);
    for (int i = 0; i < reasons.n && !o->doc->bad; i++) {
        enum blocker b = blocker_by_reason(reasons.v[i]);
        if (b == BLOCKER_COUNT)
            (void)json_fail(&x, "blockers", "\"%.60s\" is not a blocker reason", reasons.v[i]);
        else
            c->expect.blockers[c->expect.n_blockers++] = b;
    }
    c->expect.failure_class = read_line(&x, "failure_class", JSON_OPTIONAL);
    c->expect.marker = read_line(&x, "marker", JSON_OPTIONAL);
    (void)json_end(&x);
}

static void check_whole(struct json_obj *o, struct cto_case *c) {
    bool fake = false;
    for (int i = 0; i < c->backends.n; i++) fake |= strcmp(c->backends.v[i], "fake") == 0;
    if (fake && !c->fake_config) (void)json_fail(o, "fake", "missing, though \"fake\" is one of the backends");
}

static int read_root(struct cto_case *c, struct scratch *s, const char *id, struct err *e) {
    struct json_obj o = json_root(c->doc);
    read_identity(&o, c, id);
    read_rules(&o, c);
    read_verification(&o, c);
    read_lifecycle(&o, c);
    read_limits(&o, c);
    read_baseline(&o, c);
    read_fake(&o, c, s);
    read_double(&o, c, s);
    read_expect(&o, c);
    (void)json_end(&o);
    if (!c->doc->bad) check_whole(&o, c);
    if (!c->doc->bad) return 0;
    *e = c->doc->err;
    return -1;
}

/* --- the folder --------------------------------------------------------------------------------------------------- */

static int read_task(struct cto_case *c, struct scratch *s, int dir, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(CASE_TASK_MAX);
    if (io_read_file_at(dir, "task.md", CASE_TASK_MAX - 1, &b, e) < 0) {
        if (e->sys == ENOENT)
            return err_set(e, ERR_USAGE, "%s/task.md is missing: say there what is to be done", c->dir);
        return err_ctx(e, "case %s: task.md", c->dir);
    }
    if (b.len == 0) return err_set(e, ERR_USAGE, "%s/task.md:1: empty: say what is to be done", c->dir);
    if (memchr(b.p, 0, b.len) || !json_is_utf8(b.p, b.len))
        return err_set(e, ERR_USAGE, "%s/task.md:1: not UTF-8 text", c->dir);
    c->task = s->task = buf_detach(&b);
    BUG_UNLESS(c->task != NULL);
    return 0;
}

static int read_json(struct cto_case *c, struct scratch *s, int dir, const char *id, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(CASE_FILE_MAX);
    if (io_read_file_at(dir, "case.json", CASE_FILE_MAX - 1, &b, e) < 0) {
        if (e->sys == ENOENT) return err_set(e, ERR_USAGE, "%s is missing: every folder here is a case", c->file);
        return err_ctx(e, "case %s: case.json", c->dir);
    }
    c->doc = calloc(1, sizeof(*c->doc));
    BUG_UNLESS(c->doc != NULL);
    if (json_parse(c->doc, c->file, buf_str(&b), b.len, e) < 0) return -1;
    return read_root(c, s, id, e);
}

/* A failure fixture among the tasks would turn run-all-fake red; a task among the fixtures would never be run there. */
static int check_place(struct cto_case *c, const char *place, struct err *e) {
    bool below = strchr(place, '/') != NULL;
    if (below == (strcmp(c->kind, "failure") == 0)) return 0;
    struct json_obj o = json_root(c->doc);
    (void)json_fail(&o, "kind", "is \"%s\", but the folder is %s", c->kind,
                    below ? "under failures/" : "not under failures/");
    *e = c->doc->err;
    return -1;
}

static int open_folder(struct cto_case *c, struct scratch *s, const char *cases_dir, const char *place, struct err *e) {
    char *root = realpath(cases_dir, NULL);
    if (!root) return err_sys(e, "cases folder %s", cases_dir);
    int n = asprintf(&s->dir, "%s/%s", root, place);
    free(root);
    BUG_UNLESS(n > 0 && asprintf(&s->file, "%s/case.json", s->dir) > 0);
    c->dir = s->dir;
    c->file = s->file;
    if (n >= PATH_MAX) return err_set(e, ERR_LIMIT, "the path of case %s is too long", place);
    int fd = open(c->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_sys(e, "open case %s", c->dir) : fd;
}

void case_forget_document(struct cto_case *c) {
    if (!c->doc) return;
    if (c->mutation_mode && strcmp(c->mutation_mode, "owned-noncritical-repo") == 0 && !c->kept_text) {
        c->kept_text = strndup(c->doc->text, c->doc->len);
        BUG_UNLESS(c->kept_text != NULL);
    }
    json_release(c->doc);
    free(c->doc);
    c->doc = NULL;
}

void case_release(struct cto_case *c) {
    if (!c) return;
    case_forget_document(c);
    free(c->kept_text);
    free(c->memory);
    memset(c, 0, sizeof(*c));
}

static struct scratch *scratch_new(struct cto_case *c) {
    struct scratch *s = calloc(1, sizeof(*s));
    struct case_list *lists[CASE_LISTS];
    BUG_UNLESS(s != NULL);
    memset(c, 0, sizeof(*c));
    case_lists(c, lists);
    for (int i = 0; i < CASE_LISTS; i++) lists[i]->v = s->lists[i];
    c->verify = s->verify;
    return s;
}

static void scratch_free(struct scratch *s) {
    free(s->dir);
    free(s->file);
    free(s->task);
    free(s->dirty_start);
    free(s->fake_config);
    free(s->double_script);
    free(s);
}

bool case_declares(const struct cto_case *c, const char *backend) {
    for (int i = 0; i < c->backends.n; i++)
        if (strcmp(c->backends.v[i], backend) == 0) return true;
    return false;
}

int case_load(struct cto_case *ret, const char *cases_dir, const char *id, struct err *e) {
    char place[CASE_ID_MAX + 16];
    struct err mine = ERR_INIT;
    memset(ret, 0, sizeof(*ret));
    if (case_find(cases_dir, id, place, e) < 0) return -1;
    struct scratch *s = scratch_new(ret);
    AUTO_FD int dir = open_folder(ret, s, cases_dir, place, &mine);
    bool good = dir >= 0 && read_json(ret, s, dir, id, &mine) == 0 && check_place(ret, place, &mine) == 0 &&
                read_task(ret, s, dir, &mine) == 0;
    if (good) {
        case_pack(ret);
        ret->doc->file = ret->file;
    }
    scratch_free(s);
    if (good) return 0;
    if (e) *e = mine;
    case_release(ret);
    return -1;
}
