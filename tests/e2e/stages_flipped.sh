#!/usr/bin/env bash
# ctest: timeout=300 labels=heavy only=self
# Would the validators notice? A program made for tests has gates and reasons that can be told to let everything through
# (supervisor/flip.h). With none it proves all stages; with those that a stage relies on, each failure that they close is an error; and
# with any single gate of the table some validator fails, and says in which check.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done
q() { jq -e "$@" >/dev/null; }
flipped=${CTO_TEST_BIN:?}/flipped/cto-harness
[ -x "$flipped" ] || { echo "no program with the seam" >&2; exit 1; }
f() { "$flipped" --home "$W/home" --cases "$SRC/cases" "$@"; }

f validate stage5 >out.txt 2>err || fail "unflipped: $(cat err out.txt)"
# What people saw meanwhile: every run of every stage, and as many as were announced.
for stage in 1 2 3 4 5; do
    seen=$(sed -n "s|^\([0-9]*/[0-9]*\)  stage $stage of case: .*|\1|p" err | tr '\n' ' ')
    n=${seen##*/} && n=${n% }
    check "the steps of stage $stage: $seen" [ "$seen" = "$(for ((i = 1; i <= ${n:-0}; i++)); do printf '%s' "$i/$n "; done)" ]
    check "stage $stage has ${n:-no} steps" [ "${n:-0}" -ge 5 ]
done
check "something else was said: $(grep -vE '^[0-9]+/[0-9]+  stage' err)" [ "$(grep -cvE '^[0-9]+/[0-9]+  stage' err)" = 0 ]

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
    "no-diff disallowed-file failed-tests missing-event provider-unavailable missing-test-command unnamed-test-command"
stage 3 clean_start,dirty_starting_tree,dirty_ending_tree,timeout,artifact_write_failure,disallowed_file_change,verification_failed,missing_required_event,repository,source_repository \
    "dirty-source-start dirty-copy-start dirty-copy-end timeout artifact-write-failure disallowed-file failed-tests missing-event unowned-source target-as-source"
stage 4 approval,reviewer_rejected,timeout,executable,dirty_ending_tree,disallowed_file_change \
    "approval-denied approval-missing reviewer-reject timeout provider-unavailable dirty-ending-tree disallowed-file"
stage 5 approval,target,disallowed_file_change,clean_start,dirty_ending_tree,verification_failed,timeout,executable,missing_operator_outcome \
    "approval-denied approval-missing unowned critical disallowed-file dirty-start dirty-end failed-tests timeout provider-unavailable missing-outcome"

# --- one gate after the other. What provider-adapter asks of facts alone is unit/test_sv_gates_flipped.c's.
cat >engine.json <<'JSON'
{"name": "my-agent", "command": ["/bin/sh", "-ec", "sed -i 's/return text.replace(\" \", \"-\")/return \"-\".join(text.lower().split())/' strings.py; git commit -qam Lower"], "end_of_life": "exit"}
JSON
export CTO_HARNESS_ALLOW_EXEC=1 CTO_HARNESS_EXEC_ENGINE_FILE=$W/engine.json
f validate stage2 --engine exec --json >out.json 2>err || fail "exec, unflipped: $(cat err; jq -c .errors out.json)"
# gate STAGE ENGINE CHECK: what fails when it is flipped
alone='engine 1 case disabled_by_default
stage 1 case stage_gate_blocks
engine_file 2 exec failure_provider-unavailable
source_repository 3 case failure_target-as-source
repository 3 case failure_unowned-source
clean_start 3 case failure_dirty-source-start
pristine 3 case failure_missing-pristine
target 5 case failure_critical'
while read -r gate stage engine _; do # two at a time, in one home
    CTO_TEST_FLIP=$gate f validate "stage$stage" --engine "$engine" --json >"alone.$gate" 2>"err.$gate" </dev/null &
    [ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
done <<<"$alone"
wait
while read -r gate stage engine name; do
    check "$gate alone: stage $stage of $engine does not notice by $name: $(cat "err.$gate"; jq -c .errors "alone.$gate" | head -c 2000)" \
        q --arg n "$name" '.ok == false and (.errors | map(startswith($n + ": ") or startswith("a_run: ")) | any)' "alone.$gate"
done <<<"$alone"
# The gate that asks the model is provider-adapter's, and so is the reason that it gives; both by the check that says so.
asked='response_shape local_provider_reasoning_only_blocks
provider_response_shape local_provider_reasoning_only_blocks'
while read -r flip name; do
    CTO_TEST_FLIP=$flip f validate provider-adapter --json >out.json 2>err </dev/null
    check "$flip alone: provider-adapter does not notice by $name: $(cat err; jq -c .errors out.json | head -c 2000)" \
        q --arg n "$name" '.ok == false and (.errors | map(startswith($n + ": ")) | any)' out.json
done <<<"$asked"
f validate provider-adapter --json >out.json 2>err || fail "provider-adapter, unflipped: $(cat err; jq -c .errors out.json)"
# Every gate that there is is one of these, or of the unit test's.
for gate in $(sed -n 's/^    {"\([a-z_]*\)", .*ask_[a-z_]*}.*/\1/p' "$SRC/supervisor/gates.c"); do
    gates=$((${gates:-0} + 1))
    grep -q "^$gate " <<<"$alone
$asked" || grep -q "{\"$gate\", \"" "$SRC/tests/unit/test_sv_gates_flipped.c" || fail "no test flips the gate $gate alone"
done
check "there are more gates than ${gates:-0}" [ "${gates:-0}" -ge 19 ]
h store check >/dev/null || fail "store check"
e2e_end
