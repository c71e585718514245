#!/usr/bin/env bash
# ctest: timeout=300 labels=heavy only=self
# Would the validators notice? A program made for tests has gates and reasons that can be told to let everything through
# (supervisor/flip.h). With none it proves all stages; with those that a stage relies on, each failure that they close is an error.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done
q() { jq -e "$@" >/dev/null; }
flipped=${CTO_TEST_BIN:?}/flipped/cto-harness
[ -x "$flipped" ] || { echo "no program with the seam" >&2; exit 1; }
f() { "$flipped" --home "$W/home" --cases "$SRC/cases" "$@"; }

f validate stage5 --json >out.json 2>err || fail "unflipped: $(cat err; jq -c .errors out.json)"

# stage N FLIPS ROWS: every row is an error then, and no proof is recorded
stage() {
    local row before after
    before=$(python3 -c 'import sqlite3; print(sqlite3.connect("home/cto.db").execute("SELECT max(proven_at) FROM stage_proofs").fetchone()[0])')
    CTO_TEST_FLIP=$2 f validate "stage$1" --json >out.json 2>err
    check "stage $1 with $2: exit $?" q '.ok == false and .stage_status == "not_validated"' out.json
    after=$(python3 -c 'import sqlite3; print(sqlite3.connect("home/cto.db").execute("SELECT max(proven_at) FROM stage_proofs").fetchone()[0])')
    check "stage $1: recorded" [ "$before" = "$after" ]
    for row in $3; do
        check "stage $1 with $2: $row is not noticed: $(jq -c .errors out.json | head -c 2000)" \
            q --arg r "$row" '.errors | map(startswith("failure_" + $r) or startswith("a_run: " + $r)) | any' out.json
    done
}
stage 2 no_diff,disallowed_file_change,verification_failed,missing_required_event,executable,missing_test_command,contract \
    "no-diff disallowed-file failed-tests missing-event provider-unavailable missing-test-command"
stage 3 clean_start,dirty_starting_tree,dirty_ending_tree,timeout,artifact_write_failure,disallowed_file_change,verification_failed,missing_required_event,repository,source_repository \
    "dirty-source-start dirty-copy-start dirty-copy-end timeout artifact-write-failure disallowed-file failed-tests missing-event unowned-source target-as-source"
stage 4 approval,reviewer_rejected,timeout,executable,dirty_ending_tree,disallowed_file_change \
    "approval-denied approval-missing reviewer-reject timeout provider-unavailable dirty-ending-tree disallowed-file"
stage 5 approval,target,disallowed_file_change,clean_start,dirty_ending_tree,verification_failed,timeout,executable,missing_operator_outcome \
    "approval-denied approval-missing unowned critical disallowed-file dirty-start dirty-end failed-tests timeout provider-unavailable missing-outcome"
e2e_end
