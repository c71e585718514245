/* proof_stage3.c - stage 3: a local repository that is owned, copied, and stays as it is to the byte. */
#include <stdio.h>
#include <string.h>

#include "supervisor/commands/proof_run.h"
#include "supervisor/repo.h"

#define PROOF_NAME "stage3-copied-repo-proof.json"
#define DIRTY_STEPS "{\"dirty_start\":[{\"do\":\"write\",\"path\":\"leftover.txt\",\"text\":\"of somebody else\\n\"}]}"
#define LONG_STEPS                                                                                                    \
    "{\"limits\":{\"run_dir_bytes\":131072},\"allowed_writes\":[\"greeting.txt\",\"long.txt\"],\"fake\":{\"steps\":[" \
    "{\"do\":\"replace\",\"path\":\"greeting.txt\",\"old\":\"nobody\",\"new\":\"world\"},"                            \
    "{\"do\":\"write\",\"path\":\"long.txt\",\"repeat_byte\":120,\"size\":1048576},"                                  \
    "{\"do\":\"commit\",\"message\":\"Greet the world at length\"}]}}"
#define NEVER_EMITTED                                                                                        \
    "{\"required_events\":[\"run.started\",\"task.contract.created\",\"plan.updated\",\"approval.granted\"," \
    "\"patch.applied\",\"git.diff.checked\",\"verification.completed\",\"run.completed\"]}"

static const struct failure_row rows[] = {
    {"dirty-source-start", NULL, NULL, NULL, "dirty_starting_tree", "blocked", ROW_OWN, ROW_DIRTY | ROW_UNSTARTED},
    {"dirty-copy-start", NULL, "fix", DIRTY_STEPS, "dirty_starting_tree", "blocked", ROW_MISLED, ROW_UNSTARTED},
    {"dirty-copy-end", NULL, "dirty-end", NULL, "dirty_ending_tree", "fail", ROW_MISLED, 0},
    {"timeout", NULL, "hang", "{\"timeouts\":{\"backend_s\":1}}", "timeout", "blocked", ROW_MISLED, 0},
    {"artifact-write-failure", NULL, "fix", LONG_STEPS, "artifact_write_failure", "fail", ROW_MISLED, 0},
    {"disallowed-file", NULL, "disallowed", NULL, "disallowed_file_change", "fail", ROW_MISLED, 0},
    {"failed-tests", NULL, "fail-tests", NULL, "verification_failed", "fail", ROW_MISLED, 0},
    {"missing-event", NULL, "fix", NEVER_EMITTED, "missing_required_event", "fail", ROW_MISLED, 0},
    {"missing-pristine", NULL, NULL, PROOF_KEPT_CHANGES, "eligibility_denied", "blocked", ROW_OWN,
     ROW_LACKS | ROW_UNSTARTED},
    /* A copy of somebody else's, as far as one can tell; a repository that is somebody's target. */
    {"unowned-source", NULL, NULL, NULL, "unowned_repository", "blocked", ROW_OWN, ROW_UNOWNED | ROW_UNSTARTED},
    {"target-as-source", NULL, NULL, NULL, "eligibility_denied", "blocked", ROW_OWN, ROW_CRITICAL | ROW_UNSTARTED},
};

/* --- failures: each has a source of its own ------------------------------------------------------------------------------- */

static int spoil(struct proof *p, const struct failure_row *row, struct err *e) {
    if (row->wants & ROW_DIRTY && owned_write(&p->owned, "leftover.txt", "of somebody else\n", e) < 0) return -1;
    if (row->wants & ROW_UNOWNED &&
        owned_write(&p->owned, ".git/config", "[remote \"origin\"]\n\turl = https://example.invalid/theirs.git\n", e) <
            0)
        return -1;
    if (row->wants & ROW_LACKS && owned_lacks(p, row->name, PROOF_KEPT, e) < 0) return -1;
    if (row->wants & ROW_CRITICAL && owned_admit(p, &p->owned, PROOF_ROWS, row->name, NULL, e) < 0) return -1;
    return repo_content_digest(p->owned.path, p->owned.content, e);
}

static bool before(struct proof *p, const struct failure_row *row, const struct run_of *what) {
    struct err e = ERR_INIT;
    (void)what;
    if (owned_make(p, row->name, PROOF_ROWS, row->name, false, &p->owned, &e) < 0 || spoil(p, row, &e) < 0) {
        hold(p, row->name, false, e.text);
        return false;
    }
    proof_set(p, "STAGE3_SOURCE_REPOSITORY", p->owned.path);
    return true;
}

static void after(struct proof *p, const struct failure_row *row, const struct seen *s) {
    char now[DIGEST_HEX_SIZE] = "", file[256] = "", name[96];
    struct err e = ERR_INIT;
    snprintf(name, sizeof name, "failure_%s", row->name);
    hold(p, name, repo_content_digest(p->owned.path, now, &e) == 0 && strcmp(now, p->owned.content) == 0,
         "the source repository is not as it was");
    if (s->report)
        holdf(p, name, run_look_mentions(s->dir, p->owned.path, file, sizeof file, &e) == 0,
              "the place of the source repository is in %s", file);
    owned_revoke(p, &p->owned);
}

/* --- the pass ------------------------------------------------------------------------------------------------------------- */

/* Clean start and clean end, of source and copy, are four entries. */
static void check_proof(struct proof *p, const struct seen *s) {
    char path[PATH_MAX];
    cJSON *o = run_look_json(s->dir, PROOF_NAME);
    hold(p, "copied_repo_proof", o != NULL, PROOF_NAME " is missing, or no JSON");
    hold(p, "source_repository_mutated_false", run_look_false(o, "source_repository_mutated"),
         "the proof says otherwise");
    hold(p, "source_start_clean", run_look_true(o, "source_start_clean"), "the proof does not say so");
    hold(p, "source_ending_clean", run_look_true(o, "source_ending_clean"), "the proof does not say so");
    hold(p, "copy_start_clean", run_look_true(o, "copy_start_clean"), "the proof does not say so");
    hold(p, "copy_ending_clean", run_look_true(o, "copy_ending_clean"), "the proof does not say so");
    hold(p, "source_owned_and_local", strstr(run_look_text(o, "ownership"), "local repository") != NULL,
         "the proof does not classify the source");
    hold(p, "source_is_no_target", run_look_false(o, "is_target_repository"), "the proof says otherwise");
    hold(p, "source_head_matches",
         run_look_says(o, "source_head_before", p->owned.head) && run_look_says(o, "source_head_after", p->owned.head),
         "HEAD before, after and as the validator saw it differ");
    hold(p, "source_content_matches",
         run_look_says(o, "source_content_sha256_before", p->owned.content) &&
             run_look_says(o, "source_content_sha256_after", p->owned.content),
         "the content before, after and as the validator saw it differs");
    cJSON_Delete(o);
    if (snprintf(path, sizeof path, "%s/" PROOF_NAME, s->dir) < (int)sizeof path)
        json_put_str(p->extra, "copied_repo_proof", path);
}

static void check_source(struct proof *p, const struct seen *s) {
    char file[256] = "";
    struct err e = ERR_INIT;
    const char *artifacts = run_look_text(s->report, "run_artifact_dir");
    hold(p, "source_untouched", owned_untouched(&p->owned), "the source is not the same, by HEAD, status or content");
    hold(p, "report_source_repository_mutated_false", run_look_false(s->report, "source_repository_mutated"),
         "the report says otherwise");
    hold(p, "copy_in_run_artifact_dir",
         artifacts[0] && strncmp(run_look_text(s->report, "runtime_workspace_root"), artifacts, strlen(artifacts)) == 0,
         "the copy lies elsewhere");
    holdf(p, "source_not_named", run_look_mentions(s->dir, p->owned.path, file, sizeof file, &e) == 0,
          "the place of the source repository is in %s", file);
}

void prove_stage3(struct proof *p) {
    static const struct row_steps steps = {before, after};
    struct outside outside;
    struct seen s;
    struct err e = ERR_INIT;
    proof_steps(p, 2 + sizeof rows / sizeof rows[0]); /* the pass, its twin on the default lane */
    if (!proof_subject(p, NULL)) return;
    if (owned_make(p, "source", PROOF_CASES, p->w->case_id, true, &p->owned, &e) < 0) {
        hold(p, "source_repository", false, e.text);
        return;
    }
    outside_look(p, &outside);
    proof_set(p, "STAGE3_SOURCE_REPOSITORY", p->owned.path);
    const struct run_of what = proof_subject_run(p);
    proof_do(p, &what, &s);
    if (s.report) {
        check_roots(p, &s);
        check_source(p, &s);
        check_proof(p, &s);
        check_pass(p, &s);
    }
    seen_release(&s);
    check_rows(p, rows, sizeof rows / sizeof rows[0], &steps);
    outside_check(p, &outside);
}
