/* Records: every field of every kind missing, empty, of the wrong type, too long, secret-shaped, twice; unknown keys; what holds
 * between fields; what a valid record refuses; templates and schemas. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "common/clock.h"
#include "common/io.h"
#include "supervisor/admission.h"
#include "supervisor/admission_host.h"
#include "supervisor/case.h"

static int read_doc(enum admission_kind k, const cJSON *doc, struct admission *a, struct err *e) {
    char *text = cJSON_PrintUnformatted(doc);
    NEED(text != NULL);
    *e = ERR_INIT;
    int rc = admission_read(k, "r.json", text, strlen(text), a, e);
    free(text);
    return rc;
}

/* Refused, and the message names the file and what is wrong. */
static bool refused(enum admission_kind k, const cJSON *doc, const char *part) {
    struct admission a;
    struct err e;
    if (read_doc(k, doc, &a, &e) == 0) {
        admission_release(&a);
        fprintf(stderr, "accepted although it should say %s\n", part);
        return false;
    }
    bool good = e.code == ERR_USAGE && strncmp(e.text, "r.json:", 7) == 0 && strstr(e.text, part);
    if (!good) fprintf(stderr, "not \"%s\": %s\n", part, e.text);
    return good;
}

static cJSON *with(enum admission_kind k, const char *field, cJSON *value) {
    cJSON *doc = admission_template(k);
    if (value && cJSON_HasObjectItem(doc, field))
        cJSON_ReplaceItemInObjectCaseSensitive(doc, field, value);
    else if (value)
        cJSON_AddItemToObject(doc, field, value);
    else
        cJSON_DeleteItemFromObjectCaseSensitive(doc, field);
    return doc;
}

static bool refused_with(enum admission_kind k, const char *field, cJSON *value, const char *part) {
    cJSON *doc = with(k, field, value);
    bool good = refused(k, doc, part);
    cJSON_Delete(doc);
    return good;
}

static bool is_list(enum field_type t) {
    return t == FIELD_LINES || t == FIELD_ALLOWED || t == FIELD_FORBIDDEN || t == FIELD_ACTIONS;
}

static cJSON *long_text(void) {
    char text[6000];
    memset(text, 'a', sizeof text - 1);
    text[0] = '/';
    text[sizeof text - 1] = '\0';
    return cJSON_CreateString(text);
}

static cJSON *list_of(const char *one, const char *other) {
    cJSON *a = cJSON_CreateArray();
    if (one) cJSON_AddItemToArray(a, cJSON_CreateString(one));
    if (other) cJSON_AddItemToArray(a, cJSON_CreateString(other));
    return a;
}

static void test_text_field(enum admission_kind k, const struct admission_field *f) {
    CHECK(refused_with(k, f->name, long_text(), f->name));
    CHECK(refused_with(k, f->name, cJSON_CreateNumber(7), f->name));
    CHECK(refused_with(k, f->name, cJSON_CreateString("two\nlines"), f->name));
    if (f->need != FIELD_EMPTY) CHECK(refused_with(k, f->name, cJSON_CreateString(""), f->name));
    if (f->type == FIELD_LINE || f->type == FIELD_WORD)
        CHECK(refused_with(k, f->name, cJSON_CreateString("sk-0123456789abcdef0123456789"), "secret"));
}

static void test_list_field(enum admission_kind k, const struct admission_field *f) {
    CHECK(refused_with(k, f->name, cJSON_CreateString("push"), f->name));
    CHECK(refused_with(k, f->name, list_of("push", "push"), "twice"));
    CHECK(refused_with(k, f->name, list_of("", NULL), f->name));
    cJSON *numbers = cJSON_CreateArray();
    cJSON_AddItemToArray(numbers, cJSON_CreateNumber(1));
    CHECK(refused_with(k, f->name, numbers, f->name));
    if (f->need == FIELD_REQUIRED) CHECK(refused_with(k, f->name, cJSON_CreateArray(), f->name));
    if (f->type == FIELD_ALLOWED) {
        CHECK(refused_with(k, f->name, list_of("../outside", NULL), f->name));
        CHECK(refused_with(k, f->name, list_of("/absolute", NULL), f->name));
        CHECK(refused_with(k, f->name, list_of("*.md", NULL), f->name));
    }
}

static void test_fields(enum admission_kind k) {
    const struct admission_rules *r = admission_rules(k);
    for (size_t i = 0; i < r->n_fields; i++) {
        const struct admission_field *f = &r->fields[i];
        if (f->need != FIELD_OPTIONAL) CHECK(refused_with(k, f->name, NULL, f->name));
        CHECK(refused_with(k, f->name, cJSON_CreateNull(), f->name));
        if (f->type == FIELD_ENUM) CHECK(refused_with(k, f->name, cJSON_CreateString("maybe"), "is not one of"));
        if (f->type == FIELD_BOOL) CHECK(refused_with(k, f->name, cJSON_CreateString("true"), "true or false"));
        if (is_list(f->type))
            test_list_field(k, f);
        else if (f->type != FIELD_ENUM && f->type != FIELD_BOOL)
            test_text_field(k, f);
    }
}

static void test_kind(enum admission_kind k) {
    struct admission a;
    struct err e;
    cJSON *doc = admission_template(k);
    NEED(read_doc(k, doc, &a, &e) == 0);
    CHECK(a.n_refusals > 0 && a.subject[0] && a.status[0] && strlen(a.digest) == 64);
    admission_release(&a);
    char *text = cJSON_PrintUnformatted(doc), twice[8192];
    snprintf(twice, sizeof twice, "{\"%s\":1,%s", admission_rules(k)->status_field, text + 1);
    e = ERR_INIT;
    CHECK(admission_read(k, "r.json", twice, strlen(twice), &a, &e) == -1 && strstr(e.text, "twice"));
    cJSON_free(text);
    cJSON_Delete(doc);
    CHECK(refused_with(k, "surprise", cJSON_CreateTrue(), "surprise: unknown key"));
    CHECK(refused_with(k, "api_key", cJSON_CreateString("x"), "api_key: looks like a secret"));
    CHECK(admission_kind_by_name(admission_rules(k)->name) == k);
    test_fields(k);
}

/* --- what holds between fields ---------------------------------------------------------------------------------------- */

static void test_paths(void) {
    static const char *const bad[] = {"relative/ca", "/opt/../ca", "/opt/./ca",    "/opt//ca", "/opt/ca/",
                                      "/",           "",           "/opt/\x01/ca", NULL};
    for (int i = 0; bad[i]; i++) {
        CHECK(refused_with(ADMIT_EXECUTABLE, "executable_path", cJSON_CreateString(bad[i]), "executable_path"));
        CHECK(
            refused_with(ADMIT_TARGET, "target_repository_path", cJSON_CreateString(bad[i]), "target_repository_path"));
    }
    CHECK(refused_with(ADMIT_EXECUTABLE, "executable_path", cJSON_CreateString("/opt/case"), "named ca"));
    cJSON *doc = with(ADMIT_EXECUTABLE, "status", cJSON_CreateString("admitted"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "executable_path", cJSON_CreateString("/tmp/build/ca"));
    CHECK(refused(ADMIT_EXECUTABLE, doc, "discovery_only"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "status", cJSON_CreateString("discovery_only"));
    struct admission a;
    struct err e;
    NEED(read_doc(ADMIT_EXECUTABLE, doc, &a, &e) == 0);
    CHECK(a.n_refusals == 1 && strcmp(a.refusals[0].reason, "provider_unavailable") == 0);
    admission_release(&a);
    cJSON_Delete(doc);
}

/* The program's name goes with the way in which it is started. */
static void test_shapes(void) {
    static const struct {
        const char *shape, *path, *other;
    } rows[] = {{"ca run --task <task-file> --mode unattended", "/opt/x/ca", "/opt/x/codex"},
                {"codex exec --json <prompt on stdin>", "/opt/x/codex", "/opt/x/codex.js"},
                {"pi --mode json <prompt on stdin>", "/opt/node_modules/x/cli.js", "/opt/x/pi"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct admission a;
        struct err e;
        cJSON *doc = with(ADMIT_EXECUTABLE, "command_shape", cJSON_CreateString(rows[i].shape));
        cJSON_ReplaceItemInObjectCaseSensitive(doc, "executable_path", cJSON_CreateString(rows[i].path));
        CHECK(read_doc(ADMIT_EXECUTABLE, doc, &a, &e) == 0);
        admission_release(&a);
        cJSON_ReplaceItemInObjectCaseSensitive(doc, "executable_path", cJSON_CreateString(rows[i].other));
        CHECK(refused(ADMIT_EXECUTABLE, doc, "the program is named"));
        cJSON_Delete(doc);
    }
    CHECK(refused_with(ADMIT_EXECUTABLE, "command_shape", cJSON_CreateString("ca fix it"), "command_shape"));
}

static void write_program(const char *path, char with_byte) {
    char text[4096];
    memset(text, with_byte, sizeof text);
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    NEED(fd >= 0 && io_write_full(fd, text, sizeof text, NULL) == 0 && fchmod(fd, 0755) == 0);
}

/* What is known of a program from before is not believed of another one: not of one with the same size and time of change. */
static void test_program(void) {
    char dir[] = "/tmp/cto-unit-program-XXXXXX", path[64], sha256[DIGEST_HEX_SIZE];
    struct admission a;
    struct err e = ERR_INIT;
    struct stat st;
    NEED(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/ca", dir);
    write_program(path, 'a');
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    NEED(fd >= 0 && digest_fd(fd, sha256, NULL, NULL) == 0 && fstat(fd, &st) == 0);
    cJSON *doc = with(ADMIT_EXECUTABLE, "executable_path", cJSON_CreateString(path));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "sha256", cJSON_CreateString(sha256));
    NEED(read_doc(ADMIT_EXECUTABLE, doc, &a, &e) == 0);
    CHECK(admission_fits_host(&a, &e) == 0);
    for (int settled = 0; settled < 2; settled++) {
        if (settled) usleep(2100000); /* now it is kept */
        CHECK(admission_fits_host(&a, &e) == 0 && admission_fits_host(&a, &e) == 0);
        write_program(path, 'b');
        const struct timespec times[2] = {st.st_atim, st.st_mtim};
        NEED(utimensat(AT_FDCWD, path, times, 0) == 0);
        CHECK(admission_fits_host(&a, &e) < 0 && strstr(e.text, "digest"));
        e = ERR_INIT;
        write_program(path, 'a');
        NEED(utimensat(AT_FDCWD, path, times, 0) == 0);
    }
    admission_release(&a);
    cJSON_Delete(doc);
    NEED(io_remove_tree_at(AT_FDCWD, dir, NULL) == 0);
}

static void test_source(void) {
    CHECK(refused_with(ADMIT_SOURCE, "pinned_tag", cJSON_CreateString("v1.0"), "one of them"));
    cJSON *doc = with(ADMIT_SOURCE, "pinned_commit", NULL);
    CHECK(refused(ADMIT_SOURCE, doc, "one of them"));
    cJSON_AddStringToObject(doc, "pinned_tag", "main");
    CHECK(refused(ADMIT_SOURCE, doc, "moves"));
    static const char *const moving[] = {"origin/main", "refs/heads/v1", "remotes/origin/v1", "upstream/v1"};
    for (size_t i = 0; i < sizeof moving / sizeof moving[0]; i++) {
        cJSON_ReplaceItemInObjectCaseSensitive(doc, "pinned_tag", cJSON_CreateString(moving[i]));
        CHECK(refused(ADMIT_SOURCE, doc, "moves"));
    }
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "pinned_tag", cJSON_CreateString("ghp_0123456789abcdefghij"));
    CHECK(refused(ADMIT_SOURCE, doc, "looks like a secret"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "pinned_tag", cJSON_CreateString("v1.0"));
    CHECK(refused(ADMIT_SOURCE, doc, "new_source_id"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "new_source_id", cJSON_CreateString("v1.0"));
    struct admission a;
    struct err e;
    CHECK(read_doc(ADMIT_SOURCE, doc, &a, &e) == 0);
    admission_release(&a);
    cJSON_Delete(doc);
    CHECK(refused_with(ADMIT_SOURCE, "source_url", cJSON_CreateString("https://user:word@host/x.git"), "source_url"));
    CHECK(refused_with(ADMIT_SOURCE, "source_url", cJSON_CreateString("git@host:x.git"), "source_url"));
    /* a key is one in an address and in a path too; a name that begins like one is none */
    CHECK(refused_with(ADMIT_SOURCE, "source_url", cJSON_CreateString("https://host/glpat-0123456789abcdef/x.git"),
                       "looks like a secret"));
    CHECK(refused_with(ADMIT_TARGET, "target_repository_path", cJSON_CreateString("/srv/sk-0123456789abcdef/notes"),
                       "looks like a secret"));
    struct admission plain;
    cJSON *named = with(ADMIT_TARGET, "target_repository_path", cJSON_CreateString("/srv/sk-learn/xoxo"));
    CHECK(read_doc(ADMIT_TARGET, named, &plain, &e) == 0);
    admission_release(&plain);
    cJSON_Delete(named);
}

static cJSON *decision(const char *status, const char *class, const char *provider, const char *model) {
    cJSON *doc = with(ADMIT_DECISION, "decision_status", cJSON_CreateString(status));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "provider_class", cJSON_CreateString(class));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "provider", cJSON_CreateString(provider));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "model", cJSON_CreateString(model));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "evidence_sources", list_of("minutes of 2026-11-01", NULL));
    return doc;
}

static void test_decision(void) {
    static const struct {
        const char *status, *class, *provider, *model, *part; /* part NULL: accepted */
    } rows[] = {
        {"not_decided", "local_case_compatible", "", "", NULL},
        {"not_decided", "local_case_compatible", "qwen-local", "", "provider"},
        {"not_decided", "local_case_compatible", "", "m", "model"},
        {"local_provider_required", "local_case_compatible", "qwen-local", "qwen3.6-35b-a3b", NULL},
        {"local_provider_required", "external_anthropic", "anthropic", "m", "provider_class"},
        {"local_provider_required", "local_case_compatible", "", "m", "provider"},
        {"external_provider_approved", "external_openai_codex", "openai-codex", "gpt-5.5", NULL},
        {"external_provider_approved", "external_openai_codex", "openai-codex", "", "model"},
        {"external_provider_approved", "local_case_compatible", "qwen-local", "m", "provider_class"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct admission a;
        struct err e;
        cJSON *doc = decision(rows[i].status, rows[i].class, rows[i].provider, rows[i].model);
        if (rows[i].part) {
            CHECK(refused(ADMIT_DECISION, doc, rows[i].part));
        } else if (CHECK(read_doc(ADMIT_DECISION, doc, &a, &e) == 0)) {
            CHECK((a.n_refusals > 0) == (strcmp(rows[i].status, "not_decided") == 0));
            admission_release(&a);
        }
        cJSON_ReplaceItemInObjectCaseSensitive(doc, "fallback_provider", cJSON_CreateString("openai-codex"));
        CHECK(refused(ADMIT_DECISION, doc, rows[i].part ? rows[i].part : "fallback_model"));
        cJSON_Delete(doc);
    }
}

/* --- targets: valid, and what they refuse -------------------------------------------------------------------------------- */

static cJSON *admitted_target(void) {
    cJSON *doc = with(ADMIT_TARGET, "admission_status", cJSON_CreateString("admitted"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "repository_owner", cJSON_CreateString("alice"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "ownership_evidence", cJSON_CreateString("she made it"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "risk_classification", cJSON_CreateString("low_risk_noncritical"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "noncritical_rationale",
                                           cJSON_CreateString("nothing is built from it"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "allowed_paths", list_of("notes/", NULL));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "approval_source", cJSON_CreateString("alice, 2026-11-01"));
    return doc;
}

static void refuses(const char *field, cJSON *value, const char *reason) {
    struct admission a;
    struct err e;
    cJSON *doc = admitted_target();
    if (value) cJSON_ReplaceItemInObjectCaseSensitive(doc, field, value);
    if (CHECK(read_doc(ADMIT_TARGET, doc, &a, &e) == 0)) {
        CHECK(a.n_refusals == (reason ? 1 : 0));
        if (reason && a.n_refusals > 0) CHECK(strcmp(a.refusals[0].reason, reason) == 0);
        for (int i = 0; i < a.n_refusals; i++) CHECK(!strstr(a.refusals[i].text, "/srv/")); /* it ends in reports */
        admission_release(&a);
    }
    cJSON_Delete(doc);
}

static void test_target(void) {
    refuses(NULL, NULL, NULL);
    refuses("admission_status", cJSON_CreateString("not_admitted"), "target_not_admitted");
    refuses("repository_owner", cJSON_CreateString(""), "unowned_repository");
    refuses("ownership_evidence", cJSON_CreateString(""), "unowned_repository");
    refuses("risk_classification", cJSON_CreateString("production"), "critical_repository");
    refuses("noncritical_rationale", cJSON_CreateString(""), "critical_repository");
    refuses("allowed_paths", cJSON_CreateArray(), "target_not_admitted");
    refuses("approval_source", cJSON_CreateString(""), "target_not_admitted");
    refuses("operator_outcome_required", cJSON_CreateFalse(), "target_not_admitted");
    for (int i = 0; forbidden_actions_all[i]; i++) {
        cJSON *some = cJSON_CreateArray();
        for (int k = 0; forbidden_actions_all[k]; k++)
            if (k != i) cJSON_AddItemToArray(some, cJSON_CreateString(forbidden_actions_all[k]));
        refuses("forbidden_actions", some, "target_not_admitted");
    }
}

static void test_times(void) {
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {{"2026-11-22T11:19:14Z", 1795346354000},
                {"2026-11-22T12:19:14+01:00", 1795346354000},
                {"2026-11-22T05:49:14.25-05:30", 1795346354250},
                {"2026-11-22", 1795305600000},
                {"2026-11-22T11:19:14", -1},
                {"2026-11-22T11:19:14+1:00", -1},
                {"2026-11-22T11:19:14+24:00", -1},
                {"2026-11-22T11:19:14.Z", -1},
                {"2026-02-30", -1},
                {"2026-13-01T00:00:00Z", -1},
                {"yesterday", -1},
                {"", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ms = -1;
        CHECK(clock_parse_when(rows[i].text, &ms) == (rows[i].ms < 0 ? -1 : 0));
        CHECK(ms == rows[i].ms);
    }
    char tomorrow[CLOCK_STAMP_SIZE];
    clock_stamp(clock_real_ms() + ADMISSION_AHEAD_MS + 60000, tomorrow);
    CHECK(refused_with(ADMIT_MODEL, "admission_timestamp", cJSON_CreateString(tomorrow), "future"));
}

static void test_actor(void) {
    struct err e = ERR_INIT;
    CHECK(admission_actor_ok("alice", &e));
    CHECK(!admission_actor_ok(NULL, &e) && !admission_actor_ok("", &e) && !admission_actor_ok("a\nb", &e));
    CHECK(!admission_actor_ok("case", &e) && !admission_actor_ok("codex", &e) && !admission_actor_ok("fake", &e));
}

int main(void) {
    for (int k = 0; k < ADMISSION_KINDS; k++) test_kind((enum admission_kind)k);
    test_paths();
    test_shapes();
    test_program();
    test_source();
    test_decision();
    test_target();
    test_times();
    test_actor();
    CHECK(refused_with(ADMIT_MODEL, "provider", cJSON_CreateString("openai"), "never an admission"));
    return check_done();
}
