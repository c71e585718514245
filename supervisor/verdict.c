/* verdict.c - see verdict.h. Each function asks one question of the record and adds at most the blockers of that question. */
#include "supervisor/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/case_log.h"
#include "supervisor/model_use.h"

static int net_changes(const struct run_record *rec) {
    int n = 0;
    for (int i = 0; i < rec->n_changes; i++) n += rec->changes[i].scope == 0;
    return n;
}

bool verdict_has_result(const struct run_record *rec) {
    return rec->result_seen && rec->result_kind == RESULT_COMMITTED && net_changes(rec) > 0;
}

bool verdict_changes_known(const struct run_record *rec) {
    return rec->result_seen && (rec->result_kind == RESULT_COMMITTED || rec->result_kind == RESULT_NONE);
}

bool verdict_writes_allowed(const struct run_record *rec) {
    if (rec->changes_truncated) return false;
    for (int i = 0; i < rec->n_changes; i++)
        if (!rec->changes[i].allowed || rec->changes[i].forbidden) return false;
    return true;
}

int verdict_tests(const struct run_record *rec) {
    bool any = false;
    for (int i = 0; i < rec->c->n_verify; i++) {
        const struct verify_result *v = record_verify(rec, i);
        if (!v->seen) return any ? 0 : -1;
        if (v->kind == END_EXEC_FAILED) return any ? 0 : -1;
        any = true;
        if (v->kind != END_EXITED || v->code != 0) return 0;
    }
    return any ? 1 : -1;
}

static bool timed_out(const struct run_record *rec) {
    return rec->stop_sent == STOP_TIMEOUT || rec->stop_sent == STOP_IDLE;
}

/* Up to a few paths in one sentence. */
/* A change on the way that is also in the net result is one offence, not two. */
static bool also_net(const struct run_record *rec, const struct change *ch) {
    for (int i = 0; ch->scope == 1 && i < rec->n_changes; i++)
        if (rec->changes[i].scope == 0 && strcmp(rec->changes[i].path, ch->path) == 0) return true;
    return false;
}

static void name_paths(const struct run_record *rec, bool forbidden, char *out, size_t size) {
    int named = 0, total = 0;
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < rec->n_changes; i++) {
        const struct change *ch = &rec->changes[i];
        if (forbidden ? !ch->forbidden : (ch->allowed || ch->forbidden)) continue;
        if (named >= 3) { /* the count may be high; whoever wants all of them has changed_files */
            total++;
            continue;
        }
        if (also_net(rec, ch)) continue;
        total++;
        char *quoted = json_quote_path(ch->path, strlen(ch->path));
        int n = snprintf(out + used, size - used, "%s%.80s%s", named ? ", " : "", quoted,
                         ch->scope == 1 ? " (in a commit on the way)" : "");
        free(quoted);
        if (n < 0 || used + (size_t)n >= size) break;
        used += (size_t)n;
        named++;
    }
    if (total > named && used < size) snprintf(out + used, size - used, " and %d more", total - named);
}

static int count_offences(const struct run_record *rec, bool forbidden) {
    int n = 0;
    for (int i = 0; i < rec->n_changes; i++)
        n += forbidden ? rec->changes[i].forbidden : (!rec->changes[i].allowed && !rec->changes[i].forbidden);
    return n;
}

static void judge_gates(struct run_record *rec) {
    for (int i = 0; i < rec->n_gates; i++) {
        const struct gate_result *g = &rec->gates[i];
        if (strcmp(g->status, "missing") == 0 || strcmp(g->status, "failed") == 0)
            record_block(rec, g->blocker, "gate %s: %s", g->name, g->reason);
    }
}

/* A host that cannot build a jail blocks the run. One that could for the backend and then cannot for the verification has
 * met the backend's doing, and "blocked" would be its way out of a verdict. */
static enum blocker no_jail(const struct run_record *rec) {
    return rec->engine_started ? BLOCKER_worker_failed : BLOCKER_sandbox_unavailable;
}

/* Of a run that was lost after a limit the limit is the first reason: a disk that the backend filled has no room for inspectors. */
static void judge_limit(struct run_record *rec) {
    for (int i = 0; i < rec->n_limits; i++) {
        const struct limit_seen *l = &rec->limits[i];
        if (!l->of_backend || !l->ended) continue;
        record_block(rec, BLOCKER_resource_limit_exceeded, "the backend hit a limit: %s",
                     rec->engine_detail[0] ? rec->engine_detail : l->name);
        return;
    }
}

static bool worker_lost(const struct run_record *rec) {
    return rec->cause_blocker != BLOCKER_COUNT || rec->failed_seen || !rec->worker_done || !rec->worker_clean;
}

/* How the worker itself fared. True: nothing below can be trusted to be complete, judge no further. */
static bool judge_worker(struct run_record *rec) {
    if (rec->cause_blocker != BLOCKER_COUNT) {
        record_block(rec, rec->cause_blocker, "%s", rec->cause);
        return true;
    }
    if (rec->failed_seen) {
        switch (rec->failed_class) {
        case FAILED_SANDBOX: record_block(rec, no_jail(rec), "%s", rec->failed_text); break;
        case FAILED_INSPECT: record_block(rec, BLOCKER_repository_unreadable, "%s", rec->failed_text); break;
        case FAILED_SPEC: record_block(rec, BLOCKER_worker_protocol_violation, "%s", rec->failed_text); break;
        case FAILED_WORKER: record_block(rec, BLOCKER_worker_failed, "%s", rec->failed_text); break;
        }
        return true;
    }
    if (!rec->worker_done || !rec->worker_clean) {
        record_block(rec, BLOCKER_worker_failed, "the worker ended without saying that its work was done");
        return true;
    }
    return false;
}

static bool judge_start(struct run_record *rec) {
    if (rec->baseline_seen && !rec->baseline_clean && rec->c->clean_start_required) {
        record_block(rec, BLOCKER_dirty_starting_tree, "the repository was not clean before the work: %s%s",
                     rec->n_dirty ? rec->dirty[0] : "see trace.jsonl", rec->n_dirty > 1 ? " and more" : "");
        return true;
    }
    if (rec->engine_ended && !rec->engine_started) {
        if (rec->engine_kind == END_EXEC_FAILED)
            record_block(rec, BLOCKER_provider_unavailable, "the backend %s could not be started: %s", rec->engine,
                         rec->engine_code ? strerror(rec->engine_code) : rec->engine_detail);
        else
            record_block(rec, BLOCKER_sandbox_unavailable, "the jail could not be built: %s", rec->engine_detail);
        return true;
    }
    return false;
}

static void judge_engine(struct run_record *rec) {
    if (timed_out(rec)) {
        double limit =
            (double)(rec->stop_sent == STOP_IDLE ? rec->c->idle_timeout_ms : rec->c->backend_timeout_ms) / 1000;
        const char *what = rec->stop_sent == STOP_IDLE ? "idle" : "total";
        if (verdict_has_result(rec) && verdict_writes_allowed(rec) && verdict_tests(rec) == 1)
            record_block(rec, BLOCKER_lifecycle_timeout_after_valid_patch,
                         "the %s limit of %.1f s was reached after a valid commit, with a tree that never got clean",
                         what, limit);
        else
            record_block(rec, BLOCKER_timeout, "the backend exceeded its %s limit of %.1f s", what, limit);
    }
    if (rec->engine_dropped > 0)
        record_block(rec, BLOCKER_output_limit_exceeded, "the backend wrote %llu bytes above its output limit",
                     (unsigned long long)rec->engine_dropped);
    if (rec->engine_kind == END_OUT_OF_MEMORY || rec->engine_kind == END_LIMIT)
        record_block(rec, BLOCKER_resource_limit_exceeded, "the backend hit a limit: %s", rec->engine_detail);
    if (rec->engine_kind == END_EXITED && rec->engine_code != 0 && !model_use_explains(rec))
        record_block(rec, BLOCKER_backend_failed, "the backend exited with code %d%s", rec->engine_code,
                     rec->engine_code == 127   ? ", which shells and env say of a command that the jail does not show"
                     : rec->engine_code == 126 ? ", which shells and env say of a command that cannot be executed"
                                               : "");
    if (rec->engine_kind == END_SIGNALLED)
        record_block(rec, BLOCKER_backend_failed, "the backend was ended by signal %d", rec->engine_code);
    /* Only two ends are good: an exit with 0, and ours after its commit. What is neither, and has no reason yet, gets one. */
    bool asked = rec->stop_sent == 0 || rec->stop_sent == STOP_COMMITTED;
    bool good = (rec->engine_kind == END_EXITED && asked) ||
                (rec->engine_kind == END_STOPPED && rec->stop_sent == STOP_COMMITTED);
    if (!good && rec->n_blockers == 0)
        record_block(rec, BLOCKER_backend_failed, "the backend ended in no good way: %s",
                     end_kind_name(rec->engine_kind));
}

/* What the backend's own log claims counts against the run, never for it. Whoever gave no envelope rejected nothing. */
static void judge_protocol(struct run_record *rec) {
    if (rec->case_marks & CASE_MARK_PROTOCOL)
        record_block(rec, BLOCKER_agent_protocol_error,
                     "the backend's log says that one of its agents gave no result envelope");
    if (rec->case_marks & CASE_MARK_UNREAD)
        record_block(
            rec, BLOCKER_agent_protocol_error,
            "the backend's log cannot be read to its end (at most %u MiB are), so nobody knows what its agents said",
            CASE_LOG_MAX >> 20);
}

static void judge_reviewer(struct run_record *rec) {
    if (rec->case_marks & CASE_MARK_REVIEWER && !(rec->case_marks & CASE_MARK_PROTOCOL))
        record_block(rec, BLOCKER_reviewer_rejected, "the backend's log says that its reviewer rejected the result");
}

static void judge_result(struct run_record *rec) {
    if (!rec->result_seen) {
        record_block(rec, BLOCKER_worker_failed, "no result was reported");
        return;
    }
    switch (rec->result_kind) {
    case RESULT_NOT_DESCENDANT:
        record_block(rec, BLOCKER_history_rewritten, "%s",
                     rec->result_detail[0] ? rec->result_detail : "the result does not descend from the baseline");
        break;
    case RESULT_UNREADABLE:
    case RESULT_TOO_LARGE: record_block(rec, BLOCKER_repository_unreadable, "%s", rec->result_detail); break;
    case RESULT_NONE:
    case RESULT_COMMITTED:
        /* an exit that is itself a failure, or a timeout, already says why there is no diff */
        if (!verdict_has_result(rec) && rec->c->diff_required && rec->n_blockers == 0)
            record_block(rec, BLOCKER_no_diff, "the backend reported success, but %s",
                         rec->result_kind == RESULT_COMMITTED ? "its commits change nothing"
                         : rec->result_clean ? "nothing was committed on the branch that is checked out"
                                             : "what it changed was never committed");
        break;
    }
}

static void judge_changes(struct run_record *rec) {
    char paths[320];
    if (rec->changes_truncated)
        record_block(rec, BLOCKER_disallowed_file_change, "more than %d changes: not all could be judged",
                     RECORD_MAX_CHANGES);
    if (count_offences(rec, true) > 0) {
        name_paths(rec, true, paths, sizeof paths);
        record_block(rec, BLOCKER_forbidden_path_change, "forbidden paths changed: %s", paths);
    }
    if (count_offences(rec, false) > 0) {
        name_paths(rec, false, paths, sizeof paths);
        record_block(rec, BLOCKER_disallowed_file_change, "paths outside allowed_writes changed: %s", paths);
    }
    /* without a commit, no_diff has said it where a diff is required; where none is, dirt is all there is to judge */
    bool judged = rec->result_kind == RESULT_COMMITTED || (rec->result_kind == RESULT_NONE && rec->n_blockers == 0);
    if (judged && !rec->result_clean && !timed_out(rec))
        record_block(rec, BLOCKER_dirty_ending_tree, "the tree was not clean after the work: %s%s",
                     rec->n_dirty ? rec->dirty[0] : rec->result_detail, rec->n_dirty > 1 ? " and more" : "");
}

/* What the verdict rests on and nobody can read is no evidence. */
static void judge_patch(struct run_record *rec) {
    if (verdict_has_result(rec) && !rec->patch_whole && !rec->artifact_failed)
        record_block(rec, BLOCKER_artifact_write_failure,
                     "patch.diff is not whole: %llu bytes of it came, and not its end",
                     (unsigned long long)rec->patch_seen);
}

/* Whatever else became of the run: what has left the jail in a commit goes no further. */
static void judge_secrets(struct run_record *rec) {
    if (rec->secrets && rec->secrets->leaked) record_block(rec, BLOCKER_secret_leak_detected, "%s", rec->secrets->leak);
}

/* What was not searched may hold anything. */
static void judge_search(struct run_record *rec) {
    if (rec->search_contents && verdict_has_result(rec) && !rec->contents_whole && !rec->artifact_failed)
        record_block(rec, BLOCKER_artifact_write_failure,
                     "the committed contents did not come whole, so nobody knows whether a known value is in them");
}

/* No contract permits one, so the case is not asked. */
static void judge_actions(struct run_record *rec) {
    char more[40] = "";
    if (rec->n_attempts == 0) return;
    if (rec->n_attempts > 1) snprintf(more, sizeof more, " and %u more marks", rec->n_attempts - 1);
    record_block(rec, BLOCKER_forbidden_action_attempted, "%s%s", rec->forbidden_action, more);
}

/* By a path that leads into the checkout, and not by a name that is looked for in PATH. */
static bool of_repository(const char *cmd) {
    while (cmd[0] == '/' && cmd[1] == '/') cmd++;
    return cmd[0] == '/' ? strncmp(cmd, "/workspace/", 11) == 0 : strchr(cmd, '/') != NULL;
}

static void judge_verification(struct run_record *rec) {
    const struct cto_case *c = rec->c;
    if (c->n_verify == 0 && !c->no_test_rationale)
        record_block(rec, BLOCKER_missing_test_command, "verification is required, but the case names no command");
    for (int i = 0; i < c->n_verify; i++) {
        const struct verify_result *v = record_verify(rec, i);
        const char *cmd = c->verify[i].argv[0];
        if (!v->seen) {
            if (rec->n_blockers == 0)
                record_block(rec, BLOCKER_verification_failed, "%s was not run: %s", cmd, rec->verify_skip);
        } else if (v->kind == END_EXEC_FAILED && of_repository(cmd)) {
            /* a program of the repository: that it cannot be started is the agent's doing */
            record_block(rec, BLOCKER_verification_failed, "%s could not be started: %s", cmd, strerror(v->code));
        } else if (v->kind == END_EXEC_FAILED) {
            record_block(rec, BLOCKER_missing_test_command, "%s is not there: %s", cmd, strerror(v->code));
        } else if (v->kind == END_SETUP_FAILED) {
            record_block(rec, no_jail(rec), "the verification jail could not be built: %s", v->detail);
        } else if (v->kind == END_LIMIT || v->kind == END_OUT_OF_MEMORY) {
            record_block(rec, BLOCKER_resource_limit_exceeded, "%s hit a limit: %s", cmd, v->detail);
        } else if (v->kind == END_TIMED_OUT) {
            record_block(rec, BLOCKER_timeout, "%s exceeded its limit of %.1f s", cmd,
                         (double)c->verify[i].timeout_ms / 1000);
        } else if (v->kind != END_EXITED || v->code != 0) {
            record_block(rec, BLOCKER_verification_failed, "%s %s %d", cmd,
                         v->kind == END_EXITED ? "exited with code" : "was ended by signal", v->code);
        }
    }
}

void verdict_judge(struct run_record *rec) {
    judge_gates(rec);
    if (rec->gated_out) {
        if (rec->n_blockers == 0) record_block(rec, BLOCKER_gate_missing, "the run was blocked, and no gate says why");
        return;
    }
    if (worker_lost(rec)) judge_limit(rec);
    bool over = judge_worker(rec) || judge_start(rec);
    if (!over) {
        model_use_judge(rec);
        judge_engine(rec);
        judge_protocol(rec);
        judge_result(rec);
        judge_changes(rec);
        judge_patch(rec);
        judge_search(rec);
        judge_actions(rec);
        judge_verification(rec);
        judge_reviewer(rec);
    }
    judge_secrets(rec);
    if (rec->artifact_failed) record_block(rec, BLOCKER_artifact_write_failure, "%s", rec->artifact_detail);
}

const char *verdict_missing_event(const struct run_record *rec, const char *const *types, size_t n) {
    size_t at = 0;
    for (int i = 0; i < rec->c->required_events.n; i++) {
        const char *want = rec->c->required_events.v[i];
        while (at < n && strcmp(types[at], want) != 0) at++;
        if (at == n) return want;
        at++;
    }
    return NULL;
}

void verdict_conclude(struct run_record *rec) {
    rec->verdict = rec->n_blockers == 0 ? VERDICT_PASS : VERDICT_BLOCKED;
    for (int i = 0; i < rec->n_blockers; i++)
        if (blocker_rule(rec->blockers[i].id)->status == VERDICT_FAIL) rec->verdict = VERDICT_FAIL;
}
