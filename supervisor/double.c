/* double.c - see double.h. */
#include "supervisor/double.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/double_mark.h"
#include "common/io.h"
#include "supervisor/binaries.h"
#include "supervisor/home.h"

/* --- is it the double? -------------------------------------------------------------------------------------------------- */

#define STEP (64u << 10)

/* 1: the mark is in it; -1: it cannot be read. The end of each piece is kept: the mark may lie across. */
static int find_mark(int fd, struct err *e) {
    static const size_t keep = sizeof DOUBLE_MARK_ANY - 2;
    if (lseek(fd, 0, SEEK_SET) < 0) return err_sys(e, "the executable");
    AUTO_FREE char *text = malloc(keep + STEP);
    BUG_UNLESS(text != NULL);
    for (size_t n = 0;;) {
        const ssize_t got = io_read_full(fd, text + n, STEP, e);
        if (got <= 0) return (int)got;
        n += (size_t)got;
        if (memmem(text, n, DOUBLE_MARK_ANY, sizeof DOUBLE_MARK_ANY - 1)) return 1;
        const size_t rest = n < keep ? n : keep;
        memmove(text, text + n - rest, rest);
        n = rest;
    }
}

static int digest_of(const char *path, char sha256[DIGEST_HEX_SIZE]) {
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    return fd < 0 ? -1 : digest_fd(fd, sha256, NULL, NULL);
}

static bool is_ours(const char *sha256) {
    char libexec[PATH_MAX], path[DOUBLE_PATH_MAX], own[DIGEST_HEX_SIZE];
    if (home_default_libexec(libexec, NULL) < 0) return false;
    snprintf(path, sizeof path, "%s/" DOUBLE_PROGRAM, libexec);
    return digest_of(path, own) == 0 && strcmp(own, sha256) == 0;
}

int double_refuse(int fd, const char *sha256, struct err *e) {
    const int marked = is_ours(sha256) ? 1 : fd >= 0 ? find_mark(fd, e) : 0;
    if (marked <= 0) return marked;
    return err_set(e, ERR_USAGE, "the executable is a test double of the harness's own; only validators run it");
}

/* --- facts of a validator's run ------------------------------------------------------------------------------------------ */

#define WHEN "\"2020-01-01T00:00:00Z\""
#define WHO "\"approval_source\":\"built in, for the test double alone\""
#define BY_DOUBLE_PROVIDER "qwen-local"
#define BY_DOUBLE_MODEL "qwen3.6-35b-a3b"

void double_record(struct fact_record *r, enum admission_kind k, const char *changes) {
    struct err e = ERR_INIT;
    cJSON *doc = admission_template(k), *change = cJSON_Parse(changes);
    BUG_UNLESS(doc != NULL && change != NULL);
    for (cJSON *item; (item = change->child) != NULL;) {
        char name[64];
        snprintf(name, sizeof name, "%s", item->string);
        cJSON_DetachItemViaPointer(change, item);
        cJSON_DeleteItemFromObjectCaseSensitive(doc, name);
        json_put(doc, name, item);
    }
    char *text = cJSON_PrintUnformatted(doc);
    BUG_UNLESS(text != NULL);
    if (admission_read(k, "built in", text, strlen(text), &r->admission, &e) < 0) {
        r->state = FACT_BAD;
        snprintf(r->why, sizeof r->why, "%.290s", e.text);
    } else {
        r->state = FACT_THERE;
    }
    cJSON_free(text);
    cJSON_Delete(change);
    cJSON_Delete(doc);
}

static void put_program(struct gate_facts *f, const char *libexec) {
    char changes[400], path[DOUBLE_PATH_MAX];
    struct err e = ERR_INIT;
    snprintf(path, sizeof path, "%s/" DOUBLE_PROGRAM, libexec);
    if (binaries_check_file(path, &e) < 0 || digest_of(path, f->executable_sha256) < 0) {
        f->executable_sha256[0] = '\0';
        f->build.state = FACT_BAD;
        snprintf(f->build.why, sizeof f->build.why, "the test double is not there, or of another build");
        return;
    }
    snprintf(changes, sizeof changes,
             "{\"status\":\"admitted\",\"executable_path\":\"/opt/agent/ca\",\"sha256\":\"%s\","
             "\"build_command\":\"the build of the harness\",\"build_timestamp\":" WHEN "," WHO "}",
             f->executable_sha256);
    double_record(&f->build, ADMIT_EXECUTABLE, changes);
}

void double_asks(struct gate_facts *f, const struct model_double *d) {
    f->no_model = false;
    model_route_release(&f->route);
    model_route_make(&f->route, model_double_url(d), model_double_key(d));
}

void double_facts(struct gate_facts *f, const char *libexec, int stage) {
    f->proof_double = true;
    f->allowed = true;
    f->stage = stage;
    f->predecessor_proven = f->interface_proven = true; /* the validator that runs it has seen to that */
    f->provider = BY_DOUBLE_PROVIDER;
    f->model = BY_DOUBLE_MODEL;
    f->executable = DOUBLE_PROGRAM;
    f->route.state = ROUTE_THERE; /* and yet it talks to no model: double_asks() */
    f->no_model = true;
    double_record(&f->model_record, ADMIT_MODEL,
                  "{\"status\":\"admitted\",\"provider\":\"" BY_DOUBLE_PROVIDER "\",\"model\":\"" BY_DOUBLE_MODEL
                  "\",\"admission_timestamp\":" WHEN "," WHO "}");
    double_record(&f->decision, ADMIT_DECISION,
                  "{\"decision_status\":\"local_provider_required\",\"provider\":\"" BY_DOUBLE_PROVIDER
                  "\",\"model\":\"" BY_DOUBLE_MODEL "\",\"evidence_sources\":[\"none: no model is used\"],"
                  "\"effect\":\"the test double may run\"," WHO "}");
    if (stage == STAGE_FIRST) { /* an artificial fixture needs no admission of the source, and has none */
        put_program(f, libexec);
        return;
    }
    double_record(&f->source, ADMIT_SOURCE,
                  "{\"status\":\"admitted\",\"license_note\":\"resolved\",\"allowed_execution_mode\":"
                  "\"owned-noncritical-repo\",\"commit_date\":" WHEN ",\"retrieval_date\":" WHEN "," WHO "}");
    put_program(f, libexec);
}

bool double_stands_in(const char *engine) {
    const char *bin = getenv("CTO_HARNESS_CASE_BIN");
    return strcmp(engine, "case") == 0 && !(bin && bin[0]);
}
