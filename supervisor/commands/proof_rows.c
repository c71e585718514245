/* proof_rows.c - what must fail: one run for each row of a stage's table, and what its evidence must say (design: stages, the twelve
 * failure classes). Each row is closed the same way: its reason first, its status, its event, its marker, complete evidence.
 *
 * An operator's own program does what it does: it cannot be asked to leave a mess. Rows that need a misbehaving backend run on our
 * double of ca, at the same stage and by the same gates, also for the ladder of another backend; those that are decided before
 * anything is started run on the lane itself. Each failure report says which. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/blockers.h"
#include "supervisor/commands/proof_run.h"

#define MISLED_BASE "reviewer-reject" /* a fixture that the double can do everything with */

/* As case_lint names it. */
static void failure_class(const char *reason, char *out, size_t size) {
    static const char *const special[][2] = {{"disallowed_file_change", "disallowed-file"},
                                             {"verification_failed", "failed-tests"},
                                             {"missing_required_event", "missing-event"},
                                             {"reviewer_rejected", "reviewer-reject"}};
    snprintf(out, size, "%s", reason);
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
        if (strcmp(special[i][0], reason) == 0) snprintf(out, size, "%s", special[i][1]);
    for (char *c = out; *c; c++)
        if (*c == '_') *c = '-';
}

/* What the row changes in its case: the script and what is expected, then its own. */
static int make_case(struct proof *p, const struct failure_row *row, const char *from, struct err *e) {
    char class[64], changes[2048];
    failure_class(row->reason, class, sizeof class);
    if (row->lane == ROW_OWN && !row->fixture)
        snprintf(changes, sizeof changes, "%s", row->changes ? row->changes : "{}");
    else
        snprintf(changes, sizeof changes,
                 "{\"double\":{\"mode\":\"%s\"},\"expect\":{\"status\":\"%s\",\"blockers\":[\"%s\"],"
                 "\"failure_class\":\"%s\",\"marker\":null}%s%.1500s",
                 row->script ? row->script : "fix", row->status, row->reason, class, row->changes ? "," : "",
                 row->changes ? row->changes + 1 : "}");
    /* The default lane has the operator's fixture as it is. */
    return row->lane == ROW_FAKE ? 0 : proof_case(p, from, PROOF_ROWS, row->name, changes, e);
}

static void check_first(struct proof *p, const char *name, const struct failure_row *row, const struct seen *s) {
    const cJSON *first = cJSON_GetArrayItem(run_look_get(s->report, "blocker_reasons"), 0);
    const char *reason = cJSON_IsString(first) ? first->valuestring : "none";
    const char *detail = run_look_text(cJSON_GetArrayItem(run_look_get(s->report, "blockers"), 0), "detail");
    holdf(p, name, strcmp(reason, row->reason) == 0 && run_look_says(s->report, "status", row->status),
          "%s must end %s by %s, and ended %s by %s: %.200s", row->name, row->status, row->reason,
          run_look_text(s->report, "status"), reason, detail);
}

static void check_row(struct proof *p, const struct failure_row *row, const struct seen *s) {
    char name[96];
    const enum blocker b = blocker_by_reason(row->reason);
    BUG_UNLESS(b != BLOCKER_COUNT);
    const struct blocker_rule *rule = blocker_rule(b);
    snprintf(name, sizeof name, "failure_%s", row->name);
    check_first(p, name, row, s);
    holdf(p, name, run_look_carries(s->dir, rule->event, row->reason), "event %s does not carry %s", rule->event,
          row->reason);
    holdf(p, name, !rule->marker || run_look_marker(s->dir, rule->marker), "marker backend/%s is missing",
          rule->marker ? rule->marker : "");
    const bool started = run_look_true(s->report, "case_process_started");
    hold(p, name, !(row->wants & ROW_UNSTARTED) || !started, "the backend was started all the same");
    hold(p, name, !(row->wants & ROW_UNSTARTED) || run_look_empty(s->dir, EVIDENCE_PATCH), "patch.diff is not empty");
    check_evidence(p, name, s);
}

static void note(struct proof *p, const struct failure_row *row, const struct seen *s) {
    cJSON *o = cJSON_CreateObject();
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/" EVIDENCE_REPORT, s->dir) >= (int)sizeof path) path[0] = '\0';
    json_put_str(o, "failure", row->name);
    json_put_str(o, "reason", row->reason);
    json_put_str(o, "status", run_look_text(s->report, "status"));
    json_put_str(o, "backend", run_look_text(s->report, "backend"));
    json_put_str(o, "proof_kind",
                 run_look_says(s->report, "proof_kind", "double") ? "double" : "real"); /* the default lane has none */
    json_put(o, "report", json_bytes(path, strlen(path)));
    cJSON_AddItemToArray(p->failure_reports, o);
}

static const char *from_of(const struct proof *p, const struct failure_row *row) {
    if (row->fixture) return row->fixture;
    return row->lane == ROW_OWN ? p->w->case_id : MISLED_BASE;
}

/* The operator's program is there; what is not is the setting that would name it, or the file that does. */
static const char *naming(const struct proof *p) { return p->engine->needs & NEED_EXECUTABLE ? "BIN" : "ENGINE_FILE"; }

static void hide_engine(struct proof *p, const struct failure_row *row, char was[PATH_MAX]) {
    char variable[96], absent[PATH_MAX];
    was[0] = '\0';
    if (!(row->wants & ROW_ABSENT) || row->lane != ROW_OWN || p->lane.double_stage > 0) return;
    snprintf(variable, sizeof variable, "%s%s", p->engine->variables, naming(p));
    const char *value = getenv(variable);
    snprintf(was, PATH_MAX, "%s", value ? value : "");
    proof_path(p, "absent-engine.json", absent);
    proof_set(p, naming(p), absent);
}

static void do_row(struct proof *p, const struct failure_row *row, const struct row_steps *steps) {
    struct err e = ERR_INIT;
    struct seen s;
    const struct run_of what = {
        .folder = row->lane == ROW_FAKE ? NULL : PROOF_ROWS,
        .id = row->lane == ROW_FAKE ? row->fixture : row->name,
        .lane = row->lane == ROW_OWN    ? p->lane
                : row->lane == ROW_FAKE ? p->fake
                                        : p->misled,
        .absent = row->wants & ROW_ABSENT,
    };
    char name[96], engine_was[PATH_MAX];
    snprintf(name, sizeof name, "failure_%s", row->name);
    if (make_case(p, row, from_of(p, row), &e) < 0) {
        hold(p, name, false, e.text);
        return;
    }
    if (steps && steps->before && !steps->before(p, row, &what)) return;
    hide_engine(p, row, engine_was);
    proof_do(p, &what, &s);
    if (engine_was[0]) proof_set(p, naming(p), engine_was);
    if (s.waiting && row->wants & ROW_SILENCE) proof_let_pass(p, &s, 1100);
    if (s.waiting) { /* it landed, and must not have: nobody shall have to clean that up */
        hold(p, name, false, "it waits for a human's word as a pass would");
        proof_accept(p, &s);
    }
    if (s.report) {
        check_row(p, row, &s);
        note(p, row, &s);
    }
    if (steps && steps->after) steps->after(p, row, &s);
    seen_release(&s);
}

void check_rows(struct proof *p, const struct failure_row *rows, size_t n, const struct row_steps *steps) {
    for (size_t i = 0; i < n && !p->interrupted; i++) do_row(p, &rows[i], steps);
}
