/* A run's record as text and back: what a waiting run needs is there to the byte, and a text that is no record is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "supervisor/gates.h"
#include "supervisor/record_json.h"
#include "supervisor/subject.h"

static struct spec_command command = {.argv = {"make"}, .argc = 1};
static const struct cto_case c = {
    .id = "unit", .kind = "task", .title = "t", .task = "Do.\n", .verify = &command, .n_verify = 1};

/* One of everything that can be in a record of a run that waits. */
static void fill(struct run_record *r) {
    *r = (struct run_record){.run_id = "20261127T000000Z-unit-1",
                             .c = &c,
                             .engine = "exec",
                             .attempt = 2,
                             .started_ms = 1700000000123,
                             .baseline_seen = true,
                             .baseline_clean = true,
                             .baseline_bytes = 1ull << 45,
                             .engine_started = true,
                             .engine_ended = true,
                             .engine_kind = END_STOPPED,
                             .engine_code = 9,
                             .result_seen = true,
                             .result_kind = RESULT_COMMITTED,
                             .result_clean = true,
                             .worker_done = true,
                             .worker_clean = true,
                             .patch_whole = true,
                             .cause_blocker = BLOCKER_COUNT};
    snprintf(r->engine_detail, sizeof r->engine_detail, "%s", "caf\xe9 \xff"); /* no UTF-8 */
    r->sandbox_json = strdup("{\"kernel\":\"x\"}");
    r->phases[RUN_PLANNED] = (struct phase_time){1700000000123, 5000};
    r->phases[RUN_ENGINE] = (struct phase_time){1700000000200, 82000};
    r->gates = calloc(1, sizeof *r->gates);
    r->gates[0] = (struct gate_result){.name = "target", .status = "passed", .blocker = BLOCKER_COUNT};
    r->n_gates = 1;
    r->changes = calloc(1, sizeof *r->changes);
    r->changes[0] =
        (struct change){.letter = 'A', .new_mode = 0100755, .path = strdup("src/\xc3\x28"), .allowed = true};
    r->n_changes = r->cap_changes = 1;
    *record_verify_slot(r, 0) =
        (struct verify_result){.seen = true, .kind = END_EXITED, .duration_us = 77, .detail = "d"};
    r->denied = calloc(1, sizeof *r->denied);
    r->denied[0] =
        (struct denied_call){.by = DENIED_BY_ENGINE, .name = "ptrace", .count = 3, .args = {1, UINT64_MAX, 0}};
    r->n_denied = 1;
    r->governed = calloc(1, sizeof *r->governed);
    r->governed->stage = 5;
    snprintf(r->governed->executable_sha256, sizeof r->governed->executable_sha256, "ab");
    r->approval = calloc(1, sizeof *r->approval);
    snprintf(r->approval->actor, sizeof r->approval->actor, "%s", "bob");
    r->approval->expires_ms = 12;
    r->subject = calloc(1, sizeof *r->subject);
    r->subject->kind = SUBJECT_TARGET;
    r->subject->blobs_fd = -1;
    r->subject->start_clean = true;
    snprintf(r->subject->admission_id, sizeof r->subject->admission_id, "%s", "target-1");
    snprintf(r->subject->path, sizeof r->subject->path, "%s", "/srv/n\xffotes");
    snprintf(r->subject->branch, sizeof r->subject->branch, "%s", "refs/heads/main");
    snprintf(r->subject->head, sizeof r->subject->head, "%s", "1234");
}

static void same(const struct run_record *a, const struct run_record *b) {
    CHECK(strcmp(a->run_id, b->run_id) == 0 && a->attempt == b->attempt && a->started_ms == b->started_ms);
    CHECK(strcmp(a->engine, b->engine) == 0 && strcmp(a->engine_detail, b->engine_detail) == 0);
    CHECK(a->baseline_bytes == b->baseline_bytes && b->baseline_seen && b->baseline_clean && b->engine_started);
    CHECK(b->engine_kind == a->engine_kind && b->engine_code == 9 && b->result_kind == a->result_kind &&
          b->worker_done);
    CHECK(strcmp(a->sandbox_json, b->sandbox_json) == 0 && b->patch_whole && b->cause_blocker == BLOCKER_COUNT);
    CHECK(b->n_gates == 1 && strcmp(b->gates[0].name, "target") == 0 && strcmp(b->gates[0].status, "passed") == 0);
    CHECK(b->n_changes == 1 && strcmp(b->changes[0].path, a->changes[0].path) == 0 && b->changes[0].allowed &&
          b->changes[0].letter == 'A' && b->changes[0].new_mode == 0100755);
    CHECK(record_verify(b, 0)->seen && record_verify(b, 0)->duration_us == 77 &&
          record_verify(b, 0)->kind == END_EXITED);
    CHECK(b->n_denied == 1 && b->denied[0].args[1] == UINT64_MAX && b->denied[0].count == 3);
    CHECK(b->governed && b->governed->stage == 5 && b->approval && strcmp(b->approval->actor, "bob") == 0 &&
          b->approval->expires_ms == 12);
    CHECK(b->subject && b->subject->kind == SUBJECT_TARGET && b->subject->start_clean && b->subject->blobs_fd == -1 &&
          strcmp(b->subject->admission_id, "target-1") == 0);
    CHECK(b->phases[RUN_ENGINE].entered_us - b->phases[RUN_PLANNED].entered_us == 77000);
    CHECK(b->phases[RUN_LANDING].entered_us == 0 && b->phases[RUN_ENGINE].entered_real_ms == 1700000000200);
}

static void round_trip(void) {
    struct run_record a, b = {.c = &c};
    struct record_parts parts;
    struct err e = ERR_INIT;
    fill(&a);
    char *text = record_to_json(&a, "{\"id\":\"unit\"}", "{\"name\":\"x\"}");
    NEED(record_from_json(text, &b, &e) == 0);
    same(&a, &b);
    char *again = record_to_json(&b, "{\"id\":\"unit\"}", "{\"name\":\"x\"}");
    CHECK(strcmp(text, again) == 0);
    NEED(record_parts_from_json(text, &parts, &e) == 0);
    CHECK(strcmp(parts.case_json, "{\"id\":\"unit\"}") == 0 && strcmp(parts.task, "Do.\n") == 0 &&
          strcmp(parts.engine_file, "{\"name\":\"x\"}") == 0 && strcmp(parts.case_id, "unit") == 0 &&
          !parts.is_failure);
    CHECK(record_json_is_of(text, "/srv/n\xffotes", "refs/heads/main", "1234"));
    CHECK(!record_json_is_of(text, "/srv/notes", "refs/heads/main", "1234"));
    CHECK(!record_json_is_of(text, "/srv/n\xffotes", "refs/heads/other", "1234"));
    CHECK(!record_json_is_of(text, "/srv/n\xffotes", "refs/heads/main", "1235"));
    CHECK(!record_json_is_of("{}", "", "", "") && !record_json_is_of("x", "", "", ""));
    record_parts_release(&parts);
    free(again);
    free(text);
    record_release(&a);
    record_release(&b);
}

/* Whatever is cut off or put in its place, it is an error or a record that can be released. */
static void damaged(void) {
    struct run_record a;
    struct err e = ERR_INIT;
    fill(&a);
    char *text = record_to_json(&a, "{}", NULL);
    const size_t n = strlen(text);
    for (size_t i = 0; i < n; i += 7) {
        struct run_record b = {.c = &c};
        char was = text[i];
        text[i] = '\0';
        CHECK(record_from_json(text, &b, &e) < 0);
        record_release(&b);
        text[i] = was == '1' ? '9' : '1';
        b = (struct run_record){.c = &c};
        (void)record_from_json(text, &b, &e);
        record_release(&b);
        text[i] = was;
    }
    struct record_parts parts;
    CHECK(record_parts_from_json("{\"case_id\":\"../x\",\"case_json\":\"{}\"}", &parts, &e) < 0);
    CHECK(record_parts_from_json("{\"case_id\":\"x\"}", &parts, &e) < 0);
    free(text);
    record_release(&a);
}

int main(void) {
    round_trip();
    damaged();
    return check_done();
}
