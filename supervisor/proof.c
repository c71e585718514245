/* proof.c - the proof that a run of stage 3, 4 or 5 leaves beside its report (design: stages, "The proof ladder"): what was done to
 * which repository, by whose word. Part of the sealed evidence. It names no path of a repository of somebody's. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "supervisor/evidence_internal.h"
#include "supervisor/seal.h"
#include "supervisor/standing.h"
#include "supervisor/subject.h"
#include "supervisor/verdict.h"

static void put_text(cJSON *o, const char *key, const char *text) { json_put_str(o, key, text[0] ? text : NULL); }

static void put_stamp(cJSON *o, const char *key, int64_t ms) {
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(ms, stamp);
    json_put_str(o, key, ms > 0 ? stamp : NULL);
}

static cJSON *changed_files(const struct run_record *r) {
    cJSON *a = cJSON_CreateArray();
    BUG_UNLESS(a != NULL);
    for (int i = 0; i < r->n_changes; i++)
        if (r->changes[i].scope == 0)
            cJSON_AddItemToArray(a, json_bytes(r->changes[i].path, strlen(r->changes[i].path)));
    return a;
}

static void put_source(cJSON *o, const struct run_record *r) {
    const struct run_subject *s = r->subject;
    json_put_str(o, "ownership", "a local repository of the user who ran this, without remotes");
    json_put_bool(o, "is_target_repository", false);
    put_text(o, "source_head_before", s->head);
    put_text(o, "source_head_after", s->repo.head);
    json_put_bool(o, "source_start_clean", s->start_clean);
    json_put_bool(o, "source_ending_clean", s->end_clean);
    put_text(o, "source_content_sha256_before", s->before);
    put_text(o, "source_content_sha256_after", s->after);
    json_put(o, "source_repository_mutated",
             s->after[0] ? cJSON_CreateBool(strcmp(s->before, s->after) != 0) : cJSON_CreateNull());
    json_put_bool(o, "copy_start_clean", r->baseline_seen && r->baseline_clean);
    json_put_bool(o, "copy_ending_clean", r->result_seen && r->result_clean);
}

static void put_disposable(cJSON *o, const struct run_record *r) {
    const struct run_subject *s = r->subject;
    json_put_str(o, "ownership", "made by the harness for this run");
    json_put_str(o, "creation_source", "the case's fixture");
    json_put_str(o, "disposal", "removed with the run's work directory");
    put_text(o, "base", s->head);
    json_put_bool(o, "disposable_start_clean", s->start_clean);
    json_put_bool(o, "disposable_ending_clean", s->end_clean);
}

static void put_approval(cJSON *o, const struct run_record *r) {
    const struct approval_seen *a = r->approval;
    json_put_bool(o, "approval_required", r->c->approval_required);
    json_put_bool(o, "approval_granted", a && strcmp(a->state, "granted") == 0);
    json_put_bool(o, "execution_allowed", false); /* it was for this run, which is over */
    if (!a) return;
    json_put_str(o, "approval_id", a->id);
    json_put_str(o, "approval_actor", a->actor);
    put_stamp(o, "approval_timestamp", a->decided_ms);
    json_put_str(o, "approval_scope_sha256", a->scope);
}

static void put_report_path(cJSON *o, const struct run_record *r) {
    AUTO_BUF struct buf b = BUF_INIT(8192);
    buf_printf(&b, "%s/" EVIDENCE_REPORT, r->run_dir);
    json_put(o, "summary_path", json_bytes(buf_str(&b), b.len));
}

static const char *name_of(const struct run_record *r) {
    if (!r->subject || !r->engine_started) return NULL;
    switch (r->subject->kind) {
    case SUBJECT_SOURCE: return "stage3-copied-repo-proof.json";
    case SUBJECT_DISPOSABLE: return "stage4-disposable-sandbox-proof.json";
    case SUBJECT_TARGET: return "stage5-owned-repo-proof.json";
    default: return NULL;
    }
}

char *proof_text(const struct run_record *r, const struct report_facts *f, const char **ret_name) {
    *ret_name = name_of(r);
    if (!*ret_name) return NULL;
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put_str(o, "schema_version", "1.0");
    json_put_str(o, "run_id", r->run_id);
    json_put_str(o, "case_id", r->c->id);
    json_put_str(o, "backend", r->engine);
    json_put_int(o, "stage", r->governed ? r->governed->stage : 0);
    json_put_str(o, "status", verdict_name(r->verdict));
    put_report_path(o, r);
    if (r->subject->kind == SUBJECT_SOURCE) put_source(o, r);
    if (r->subject->kind == SUBJECT_DISPOSABLE) put_disposable(o, r);
    report_put_subject(o, r);
    put_approval(o, r);
    json_put(o, "changed_files", changed_files(r));
    put_text(o, "baseline_head", r->baseline_head);
    put_text(o, "result_head", r->result_head);
    put_text(o, "result_tree", r->subject->tree);
    json_put_str(o, "events_head", f->events_head);
    standing_put(o);
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    const size_t n = strlen(text);
    char *ret = realloc(text, n + 2);
    BUG_UNLESS(ret != NULL);
    memcpy(ret + n, "\n", 2);
    return ret;
}
