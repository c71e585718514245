/* proof_do.c - the runs of a validator, see proof_run.h; and what people would say to them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/log.h"
#include "supervisor/approval_ask.h"
#include "supervisor/approval_now.h"
#include "supervisor/commands/outcome_words.h"
#include "supervisor/commands/proof_run.h"
#include "supervisor/standing.h"

#define REPORT_MAX (64u << 20)
#define GRANT_MS (3600ll * 1000)

/* --- runs --------------------------------------------------------------------------------------------------------------- */

static void read_report(struct seen *s) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/" EVIDENCE_REPORT, s->dir) >= (int)sizeof path ||
        io_read_file_at(AT_FDCWD, path, REPORT_MAX, &text, NULL) < 0)
        return;
    digest_bytes(buf_str(&text), text.len, s->sha256);
    s->report = cJSON_Parse(buf_str(&text));
}

static int make_run(struct proof *p, const struct run_of *what, struct seen *ret, struct err *e) {
    struct batch b = {0};
    struct global_options g = *p->g;
    char *ids[] = {(char *)(uintptr_t)what->id}, cases[PATH_MAX];
    if (what->folder)
        proof_path(p, what->folder, cases);
    else
        proof_cases(p, what->id, cases);
    g.home.cases = cases;
    const struct batch_options o = {.engine = what->lane.engine,
                                    .jobs = 1,
                                    .quiet = true,
                                    .no_color = true,
                                    .outer = p->progress,
                                    .double_stage = what->lane.double_stage,
                                    .double_absent = what->absent};
    int rc = batch_load(&b, &g, ids, 1, e);
    if (rc == 0) rc = batch_run(&b, &o, e);
    if (rc == 0 && b.failure.code != ERR_NONE) {
        *e = b.failure;
        rc = -1;
    }
    if (rc == 0 && b.interrupted) p->interrupted = true;
    if (rc == 0 && b.report_paths[0][0]) {
        ret->waiting = b.waiting[0];
        snprintf(ret->run_id, sizeof ret->run_id, "%s", b.rows[0].run_id);
        snprintf(ret->dir, sizeof ret->dir, "%.*s", (int)(strlen(b.report_paths[0]) - strlen("/" EVIDENCE_REPORT)),
                 b.report_paths[0]);
        if (!ret->waiting) read_report(ret);
    }
    batch_release(&b);
    return rc;
}

/* What was granted for a run that needed no grant after all must not lie about: it would be good for an hour. */
static void take_back(struct proof *p) {
    struct store *s = NULL;
    if (!p->granted[0]) return;
    if (store_open(p->home.store, true, &s, NULL) == 0) (void)store_approval_revoke(s, p->granted, PROOF_ACTOR, NULL);
    store_close(s);
    p->granted[0] = '\0';
}

void proof_do(struct proof *p, const struct run_of *what, struct seen *ret) {
    struct err e = ERR_INIT;
    *ret = (struct seen){0};
    if (p->interrupted) return;
    progress_step(p->progress, "stage %d of %s: %s on %s", p->stage, p->engine->name, what->id,
                  what->lane.double_stage > 0 ? "the test double" : what->lane.engine);
    if (make_run(p, what, ret, &e) < 0)
        holdf(p, "a_run", false, "%s: %s", what->id, e.text);
    else if (!ret->report && !ret->waiting && !p->interrupted)
        holdf(p, "a_run", false, "%s: there is no report", what->id);
    take_back(p);
}

void seen_release(struct seen *s) {
    cJSON_Delete(s->report);
    *s = (struct seen){0};
}

/* --- approvals ---------------------------------------------------------------------------------------------------------- */

static int ask_and_say(struct proof *p, const struct gate_facts *f, struct store *s, const char *word, struct err *e) {
    const bool denied = strcmp(word, "denied") == 0;
    struct store_request asked;
    char *text = NULL, id[96];
    cJSON *scope = gate_facts_scope(f, e);
    if (!scope) return -1;
    int rc = approval_ask(s, f, scope, PROOF_ACTOR, &asked, &text, e);
    cJSON_Delete(scope);
    if (rc == 0)
        rc = store_approval_add(s, &asked, word, PROOF_ACTOR, denied ? "a validator shows what a denial does" : "",
                                clock_real_ms() + GRANT_MS, id, e);
    if (rc == 0 && !denied) snprintf(p->granted, sizeof p->granted, "%s", id);
    cJSON_free(text);
    return rc;
}

int proof_ask(struct proof *p, const struct run_of *what, const char *word, struct err *e) {
    struct cto_case c;
    struct store *s = NULL;
    char cases[PATH_MAX];
    if (what->folder)
        proof_path(p, what->folder, cases);
    else
        proof_cases(p, what->id, cases);
    if (case_load(&c, cases, what->id, e) < 0) return -1;
    struct gate_facts *f = calloc(1, sizeof *f);
    BUG_UNLESS(f != NULL);
    int rc = store_open(p->home.store, true, &s, e);
    if (rc == 0) {
        if (what->lane.double_stage > 0) {
            gate_facts_read_double(f, &c, what->lane.engine, s, p->home.libexec, what->lane.double_stage);
            if (f->subject == SUBJECT_TARGET && f->target.state == FACT_THERE) gate_facts_look(f, s);
        } else {
            approval_facts(f, &c, what->lane.engine, s);
        }
        rc = ask_and_say(p, f, s, word, e);
        gate_facts_release(f);
    }
    free(f);
    store_close(s);
    case_release(&c);
    return rc;
}

/* --- outcomes ----------------------------------------------------------------------------------------------------------- */

void proof_accept(struct proof *p, struct seen *s) {
    struct outcome_end end;
    struct err e = ERR_INIT;
    if (!s->waiting || p->interrupted) return;
    if (outcome_say(&p->home, s->run_id, OUTCOME_ACCEPTED, PROOF_ACTOR, &end, &e) < 0) {
        hold(p, "operator_outcome", false, e.text);
        return;
    }
    s->waiting = false;
    read_report(s);
}

static void warn(const char *text) { log_line("%s", text); }

/* Whoever comes next finds that it is over: that is us. */
void proof_let_pass(struct proof *p, struct seen *s, int64_t ms) {
    struct executor *x = NULL;
    struct err e = ERR_INIT;
    if (!s->waiting || p->interrupted) return;
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0) continue;
    if (executor_open(&p->home, warn, &x, &e) < 0) hold(p, "a_run", false, e.text);
    executor_close(x);
    s->waiting = false;
    read_report(s);
}

/* --- evidence ----------------------------------------------------------------------------------------------------------- */

void check_evidence(struct proof *p, const char *name, const struct seen *s) {
    struct verify_report v;
    struct err e = ERR_INIT;
    char check[96];
    const char *missing = NULL;
    if (!s->report) return;
    snprintf(check, sizeof check, "%.60s_evidence_complete", name);
    holdf(p, check, run_look_complete(s->dir, &missing), "%s is missing", missing);
    snprintf(check, sizeof check, "%.60s_evidence_verifies", name);
    if (verify_run_dir(s->dir, s->run_id, &v, &e) < 0)
        hold(p, check, false, e.text);
    else
        holdf(p, check, v.ok, "%s: %s", v.file, v.what);
    snprintf(check, sizeof check, "%.60s_promotes_nothing", name);
    hold(p, check, standing_activation_false(s->report) && standing_not_promoted(s->report),
         "the report says otherwise");
}

bool in_order(const struct seen *s, const char *const *types) {
    cJSON *events = run_look_lines(s->dir, EVIDENCE_EVENTS);
    const cJSON *event = events->child;
    for (; *types; types++) {
        while (event && !run_look_says(event, "type", *types)) event = event->next;
        if (!event) break;
        event = event->next;
    }
    cJSON_Delete(events);
    return *types == NULL;
}

void proof_note_report(cJSON *list, const struct seen *s) {
    char path[PATH_MAX];
    if (s->report && snprintf(path, sizeof path, "%s/" EVIDENCE_REPORT, s->dir) < (int)sizeof path)
        cJSON_AddItemToArray(list, json_bytes(path, strlen(path)));
}

void proof_shows(struct proof *p, const struct seen *s) {
    if (snprintf(p->last_report, sizeof p->last_report, "%s/" EVIDENCE_REPORT, s->dir) >= (int)sizeof p->last_report)
        p->last_report[0] = '\0';
    memcpy(p->last_sha256, s->sha256, sizeof p->last_sha256);
}
