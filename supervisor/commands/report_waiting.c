/* report_waiting.c - see report_waiting.h. All of it comes from the record that the run is finished by, once that has been held
 * against the run's own events; and what was landed, from the journal. Where the repository is, is not said. */
#include "supervisor/commands/report_waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/io.h"
#include "supervisor/commands/closeout.h"
#include "supervisor/outcome.h"
#include "supervisor/record_json.h"
#include "supervisor/seal.h"
#include "supervisor/standing.h"
#include "supervisor/subject.h"

#define FILES_SHOWN 40

struct view {
    const struct store_run_row *row;
    struct store_waiting w;
    struct store_landing l;
    cJSON *case_json; /* c points into it */
    struct cto_case c;
    struct run_record rec;
    char dir[PATH_MAX];
};

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }
static const char *text(const cJSON *o, const char *key) { return cJSON_GetStringValue(get(o, key)); }

/* As much of the case as is shown. */
static void read_case(struct view *v, const struct record_parts *parts) {
    v->case_json = cJSON_Parse(parts->case_json);
    const cJSON *list = get(v->case_json, "verification"), *x;
    const char *title = text(v->case_json, "title");
    v->c = (struct cto_case){.id = v->row->case_id,
                             .title = title ? title : "",
                             .kind = "task",
                             .no_test_rationale = text(v->case_json, "no_test_rationale"),
                             .verify = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *v->c.verify)};
    BUG_UNLESS(v->c.verify != NULL);
    cJSON_ArrayForEach(x, list) {
        struct spec_command *to = &v->c.verify[v->c.n_verify++];
        const cJSON *word;
        cJSON_ArrayForEach(word, get(x, "argv")) {
            if (to->argc < SPEC_MAX_ARGV && cJSON_IsString(word)) to->argv[to->argc++] = word->valuestring;
        }
    }
}

static int load(struct view *v, const struct home *h, struct err *e) {
    struct store *s = NULL;
    struct record_parts parts = {0};
    struct err why = ERR_INIT;
    snprintf(v->dir, sizeof v->dir, "%.3900s/%s", h->runs, v->row->run_id);
    if (store_open(h->store, false, &s, e) < 0) return -1;
    int rc = store_waiting_get(s, v->row->run_id, &v->w, &why);
    if (rc == 0) rc = store_landing_get(s, v->row->run_id, "land", &v->l, &why);
    store_close(s);
    if (rc == 0) rc = outcome_hold(v->dir, &v->w, true, &why);
    if (rc == 0) rc = record_parts_from_json(v->w.record, &parts, &why);
    if (rc < 0)
        return err_set(e, ERR_UNSUPPORTED, "run %s waits for an outcome, but %s; it can be rejected", v->row->run_id,
                       why.text);
    read_case(v, &parts);
    record_parts_release(&parts);
    v->rec.c = &v->c;
    if (record_from_json(v->w.record, &v->rec, e) < 0) return -1;
    return v->rec.subject ? 0 : err_set(e, ERR_PARSE, "the record of run %s names no repository", v->row->run_id);
}

static void release(struct view *v) {
    record_release(&v->rec);
    free(v->c.verify);
    cJSON_Delete(v->case_json);
    free(v->w.record);
    free(v);
}

/* What to type, here and now. malloc'd. */
static char *command(const struct global_options *g, const struct view *v, const char *rest) {
    AUTO_BUF struct buf b = BUF_INIT(64u << 10);
    report_put_shell(&b, g->program);
    if (g->home.home) {
        buf_puts(&b, " --home ");
        report_put_shell(&b, g->home.home);
    }
    if (g->home.env_file) {
        buf_puts(&b, " --env-file ");
        report_put_shell(&b, g->home.env_file);
    }
    buf_printf(&b, " outcome %s %s --actor NAME", v->row->run_id, rest);
    char *copy = strdup(buf_str(&b));
    BUG_UNLESS(copy != NULL);
    return copy;
}

/* Those that may still be said: key of the JSON, words of the command. */
static const struct words {
    const char *key, *rest;
} first[] = {{"accepted", "accepted"}, {"rejected", "rejected"}, {NULL, NULL}},
  stuck[] = {{"leave_landed", "rejected --leave-landed"}, {NULL, NULL}}, none[] = {{NULL, NULL}};

static const struct words *words_of(const struct view *v) {
    if (!v->w.outcome[0]) return first;
    return strcmp(v->w.outcome, OUTCOME_ACCEPTED) == 0 ? none : stuck;
}

/* --- JSON ----------------------------------------------------------------------------------------------------------------- */

static void put_stamp(cJSON *o, const char *key, int64_t ms) {
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(ms, stamp);
    json_put_str(o, key, ms > 0 ? stamp : NULL);
}

static void put_target(cJSON *o, const struct view *v) {
    const struct run_subject *s = v->rec.subject;
    json_put_str(o, "target_repository_admission_id", s->admission_id);
    json_put_str(o, "target_repository_admission_sha256", s->admission_sha256);
    json_put_str(o, "target_branch", v->l.branch);
    json_put_str(o, "target_base", v->l.old_head);
    json_put_str(o, "target_commit", v->l.new_head);
}

static cJSON *document(const struct global_options *g, const struct view *v) {
    const struct run_record *r = &v->rec;
    cJSON *o = json_new_object(), *commands = json_new_object();
    json_put_str(o, "schema_version", "1.0");
    json_put_str(o, "run_id", v->row->run_id);
    json_put_str(o, "case_id", v->row->case_id);
    json_put_str(o, "title", v->c.title);
    json_put_str(o, "backend", v->row->backend);
    json_put(o, "case_stage", r->governed ? cJSON_CreateNumber(r->governed->stage) : cJSON_CreateNull());
    json_put(o, "status", cJSON_CreateNull());
    json_put_str(o, "state", run_state_name(v->row->state));
    json_put_str(o, "waits_for", "operator_outcome");
    put_stamp(o, "run_started_at", v->row->started_ms);
    put_stamp(o, "waiting_since", v->w.since_ms);
    put_stamp(o, "waits_until", v->w.due_ms);
    json_put_str(o, "operator_outcome", v->w.outcome[0] ? v->w.outcome : NULL);
    json_put_str(o, "operator_outcome_actor", v->w.actor[0] ? v->w.actor : NULL);
    put_stamp(o, "operator_outcome_at", v->w.said_ms);
    json_put_str(o, "approval_id", r->approval ? r->approval->id : NULL);
    json_put_str(o, "approval_actor", r->approval ? r->approval->actor : NULL);
    json_put_str(o, "requested_by", r->approval ? r->approval->requester : NULL);
    put_target(o, v);
    json_put_str(o, "baseline_head", r->baseline_head);
    json_put_str(o, "result_head", r->result_head);
    json_put(o, "changed_files", report_changed_files(r));
    json_put(o, "changes", report_changes(r));
    json_put(o, "verification", report_verification(r));
    json_put_str(o, "no_test_rationale", v->c.no_test_rationale);
    json_put(o, "artifacts_dir", json_bytes(v->dir, strlen(v->dir)));
    for (const struct words *w = words_of(v); w->key; w++) {
        AUTO_FREE char *line = command(g, v, w->rest);
        json_put_str(commands, w->key, line);
    }
    json_put(o, "commands", commands);
    json_put_str(o, "next_allowed_action",
                 v->w.outcome[0] ? "any command that writes finishes it"
                                 : "outcome RUN accepted|rejected --actor NAME");
    standing_put(o);
    return o;
}

/* --- for people ----------------------------------------------------------------------------------------------------------- */

static void put_changes(struct buf *b, const struct run_record *r) {
    int shown = 0, all = 0;
    for (int i = 0; i < r->n_changes; i++) all += r->changes[i].scope == 0;
    for (int i = 0; i < r->n_changes && shown < FILES_SHOWN; i++) {
        const struct change *c = &r->changes[i];
        AUTO_FREE char *line = NULL;
        if (c->scope != 0) continue;
        BUG_UNLESS(asprintf(&line, "%c %s", c->letter, c->path) >= 0);
        closeout_line(b, shown++ ? "" : "changed", line);
    }
    if (all > shown) buf_printf(b, "%17sand %d more: patch.diff has all\n", "", all - shown);
}

static void put_verification(struct buf *b, const struct view *v) {
    cJSON *list = report_verification(&v->rec);
    const cJSON *x;
    bool begun = false;
    cJSON_ArrayForEach(x, list) {
        AUTO_FREE char *line = NULL;
        BUG_UNLESS(asprintf(&line, "%s, %.2f s: %s", cJSON_IsTrue(get(x, "passed")) ? "passed" : text(x, "end"),
                            get(x, "duration_ms")->valuedouble / 1000, text(x, "command")) >= 0);
        closeout_line(b, begun ? "" : "verified", line);
        begun = true;
    }
    cJSON_Delete(list);
    if (begun) return;
    AUTO_FREE char *line = NULL;
    BUG_UNLESS(asprintf(&line, "no test: %s", v->c.no_test_rationale ? v->c.no_test_rationale : "none is named") >= 0);
    closeout_line(b, "verified", line);
}

static void put_state(struct buf *b, const struct view *v) {
    char due[CLOCK_STAMP_SIZE], said[CLOCK_STAMP_SIZE];
    clock_stamp(v->w.due_ms, due);
    clock_stamp(v->w.said_ms, said);
    if (v->w.outcome[0]) {
        buf_printf(b, "%s by ", v->w.outcome);
        report_put_text(b, v->w.actor[0] ? v->w.actor : "nobody", false);
        buf_printf(b, ", %s; not finished yet: every command that writes tries again.\n", said);
    } else if (clock_real_ms() >= v->w.due_ms) {
        buf_printf(b, "Its time was over at %s: the next command that writes\ntakes the landing back.\n", due);
    } else {
        buf_printf(b, "Verified, landed, and waits for your word until %s;\nthen the landing is taken back.\n", due);
    }
}

static void put_people(struct buf *b, const struct view *v) {
    const struct run_record *r = &v->rec;
    const struct run_subject *s = r->subject;
    AUTO_FREE char *landed = NULL, *target = NULL;
    BUG_UNLESS(asprintf(&landed, "%s on %s", v->l.new_head, v->l.branch) >= 0);
    BUG_UNLESS(asprintf(&target, "%s, of %s", s->admission_id, s->owner) >= 0);
    closeout_line(b, "run", v->row->run_id);
    closeout_line(b, "task", v->row->case_id);
    closeout_line(b, "", v->c.title);
    closeout_line(b, "backend", v->row->backend);
    closeout_line(b, "asked by", r->approval ? r->approval->requester : NULL);
    closeout_line(b, "approved by", r->approval ? r->approval->actor : NULL);
    closeout_line(b, "target admission", target);
    closeout_line(b, "landed as", landed);
    closeout_line(b, "on top of", v->l.old_head);
}

static int print_text(const struct global_options *g, const struct view *v) {
    AUTO_BUF struct buf b = BUF_INIT(4u << 20);
    put_state(&b, v);
    buf_puts(&b, "\n");
    put_people(&b, v);
    put_changes(&b, &v->rec);
    put_verification(&b, v);
    closeout_line(&b, "evidence", v->dir);
    if (words_of(v)->key) buf_puts(&b, "\n");
    for (const struct words *w = words_of(v); w->key; w++) {
        AUTO_FREE char *line = command(g, v, w->rest);
        buf_puts(&b, "  ");
        report_put_text(&b, line, false);
        buf_puts(&b, "\n");
    }
    buf_puts(&b, "\n" STANDING_SENTENCE);
    const bool ok = !b.bad && fwrite(buf_str(&b), 1, b.len, stdout) == b.len && fflush(stdout) == 0;
    return ok ? EXIT_PASS : EXIT_HARNESS;
}

int report_waiting(const struct global_options *g, const struct home *h, const struct store_run_row *row,
                   struct err *e) {
    struct view *v = calloc(1, sizeof *v);
    BUG_UNLESS(v != NULL);
    v->row = row;
    int code = load(v, h, e);
    if (code == 0) code = g->json ? cli_print_json(document(g, v), EXIT_PASS) : print_text(g, v);
    release(v);
    return code;
}
