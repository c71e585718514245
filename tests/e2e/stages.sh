#!/usr/bin/env bash
# ctest: timeout=300
# The proof ladder of the case backend, on the test double: every stage from an empty home, what the validators print and keep, what is
# proven once and not again, and one that is killed in the middle. That they notice what does not hold: stages_flipped.sh.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done
q() { jq -e "$@" >/dev/null; }
runs=$W/home/harness-runs

refused 'home lies in it' 2 h validate stage2 --protect "$W"
refused 'No such file' 2 h validate stage2 --protect "$W/nowhere"
refused 'no-such-case|no case' 2 h validate stage2 --case no-such-case
refused 'not declared for the case' 2 h validate stage2 --case docs-typo
refused 'failure fixture' 2 h validate stage2 --case reviewer-reject
refused 'go with a stage' 2 h validate failure-matrix --protect "$SRC"
refused 'one validator' 2 h validate stage6x
check "a mistake made a home" [ ! -e home ]

# --- from an empty home to stage 5
mkdir protected && echo mine >protected/file
h validate stage5 --protect "$W/protected" --json >s5.json 2>err
check "stage 5: exit $? $(cat err; jq -c .errors s5.json)" [ "$(jq -c '[.ok, .stage_status, .proof_kind, (.errors | length)]' s5.json)" = '[true,"mechanics_validated","double",0]' ]
check "it does not say whose program it was" q '.double_note | test("test double")' s5.json
check "predecessors: $(jq -c .predecessors s5.json)" [ "$(jq -c '[.predecessors[] | [.stage, .status, .ran_now]]' s5.json)" = \
    '[[1,"validated",true],[2,"mechanics_validated",true],[3,"mechanics_validated",true],[4,"mechanics_validated",true]]' ]
check "standing rules" q '.runtime_default_activation == false and .core_promotion_status == "not-promoted"' s5.json
names() { jq -r '.checked[]' "$1"; }
for name in approval_before_mutation operator_outcome_after_verification target_repository_admission_status target_commit allowed_paths_passed \
    forbidden_paths_passed forbidden_actions_attempted push_merge_deploy_close_pr_open_attempted public_publication_attempted approval_source \
    target_repository_start_clean target_repository_ending_clean summary_path target_has_prior_history nothing_outside_changed waits_for_the_operator \
    fake_baseline_{report_shape,event_order,allowed_writes,verification,blockers,digests,freshness} \
    failure_{approval-denied,unowned,critical,disallowed-file,dirty-start,missing-pristine,dirty-end,failed-tests,timeout,provider-unavailable,missing-outcome}; do
    check "stage 5 does not ask for $name" grep -qx "$name" <(names s5.json)
done
check "failure reports: $(jq -c '[.failure_reports[].proof_kind] | unique' s5.json)" [ "$(jq -c '[.failure_reports[].proof_kind] | unique' s5.json)" = '["double"]' ]
check "the fake lane has no report" [ -s "$(jq -r .fake_baseline.fake_path s5.json)" ]
check "proof of stage 5" q '.operator_outcome == "accepted"' "$(jq -r .owned_repo_proof s5.json)"
check "the protected directory is not among the digests" q --arg k "protected $W/protected" '.content_digests[$k]' s5.json

# --- what is kept: each validation's directory, whole, and no repository of it
dirs=$(find "$runs" -maxdepth 1 -name '*-validate-stage[2-5]-*' | sort)
check "directories: $dirs" [ "$(wc -l <<<"$dirs")" = 4 ]
for dir in $dirs; do
    (cd "$dir" && sha256sum -c --quiet SHA256SUMS >/dev/null) || fail "$dir: SHA256SUMS"
    check "$dir: a repository is left" [ ! -e "$dir/repositories" ]
    check "$dir: not all of its files are in SHA256SUMS" [ "$(find "$dir" -type f ! -name SHA256SUMS | wc -l)" = "$(wc -l <"$dir/SHA256SUMS")" ]
done
two=$(grep -- -validate-stage2- <<<"$dirs")
q '.target_repository_named == false and .found == [] and (.paths | length) >= 1 and (.argv | length) > 1 and
    (.environment_names | join(" ") | test("(^| )PATH( |$)")) and (.mount_table | map(select(startswith("rw "))) == ["rw /area/ws on /workspace"])' \
    "$two/stage2-no-target-inspection.json" >/dev/null || fail "no target: $(cat "$two/stage2-no-target-inspection.json")"
q '[.failure_reports[] | select(.backend == "case" and .proof_kind == "double") | .failure] as $on_double |
    ["no-diff", "disallowed-file", "failed-tests", "missing-test-command", "missing-event", "provider-unavailable"] - $on_double == []' \
    "$two/validation.json" || fail "not every failure of stage 2 is shown on its own lane: $(jq -c .failure_reports "$two/validation.json")"
check "a place is named in the proof that none is" [ -z "$(grep -F "$W/protected" "$two/stage2-no-target-inspection.json")" ]
check "admissions in force" [ "$(h admit target --json --list 2>/dev/null | jq '[.admissions[] | select(.in_force)] | length')" = 0 ]
check "no actor but the validator" [ "$(python3 -c 'import sqlite3; d = sqlite3.connect("home/cto.db"); print(d.execute("SELECT group_concat(DISTINCT actor) FROM approvals").fetchone()[0])')" = validator ]
check "a grant of it lies about" [ "$(python3 -c 'import sqlite3; d = sqlite3.connect("home/cto.db"); print(d.execute("SELECT count(*) FROM approvals WHERE state IN (\"granted\", \"claimed\")").fetchone()[0], d.execute("SELECT count(*) > 0 FROM approvals WHERE state = \"revoked\"").fetchone()[0])')" = "0 1" ]
check "rows: $(python3 -c 'import sqlite3; print(sqlite3.connect("home/cto.db").execute("SELECT stage, proof_kind FROM stage_proofs ORDER BY stage").fetchall())')" \
    [ "$(python3 -c 'import sqlite3; print(sqlite3.connect("home/cto.db").execute("SELECT stage, proof_kind FROM stage_proofs ORDER BY stage").fetchall())')" = \
    "[(1, 'real'), (2, 'double'), (3, 'double'), (4, 'double'), (5, 'double')]" ]
sound
echo more >>"$two/cases/r1-string-slugify/task.md"
check "a changed validation holds: $(h verify --all --quiet 2>&1 | tail -2)" grep -q 'validate-stage2.*cases/r1-string-slugify/task.md' <(h verify --all --quiet)
sed -i '$d' "$two/cases/r1-string-slugify/task.md"
rm -r "$two/rows"
check "a validation without its rows holds" grep -q 'validate-stage2.*does not hold: .*rows/' <(h verify --all --quiet)
rm -r "$two"

# --- a double's proof opens no gate, and what is proven is not proven again
CTO_HARNESS_ALLOW_CASE=1 CTO_HARNESS_CASE_STAGE=3 h run-case r1-string-slugify --engine case --json >report.json 2>/dev/null
check "stage 3 is open: $(jq -c .blocker_reasons report.json)" q '.blocker_reasons[0] == "stage_not_proven" and .case_process_started == false' report.json
h validate stage2 >text.txt 2>&1 || fail "stage 2 again: $(cat text.txt)"
check "people are not told: $(cat text.txt)" grep -q 'test double of ca' text.txt

# --- killed in the middle: the next one finds nothing in its way
"$HARNESS" --home "$W/home" --cases "$SRC/cases" validate stage5 --json >/dev/null 2>&1 & # the program itself, no shell around it
pid=$!
python3 - <<'PY' || fail "the backend that hangs was not seen" # then its run is about a target, and the backend is at work
import sqlite3, sys, time
for i in range(1200):
    d = sqlite3.connect("file:home/cto.db?mode=ro", uri=True)
    if d.execute("SELECT 1 FROM runs WHERE case_id = 'timeout' AND state = 'engine'").fetchone():
        sys.exit(0)
    d.close()
    time.sleep(0.05)
sys.exit(1)
PY
kill -9 $pid
wait $pid 2>/dev/null
h validate stage4 --json >s4.json 2>err || fail "after a kill: $(cat err; jq -c .errors s4.json)"
check "predecessors after a kill: $(jq -c .predecessors s4.json)" [ "$(jq -c '[.predecessors[].ran_now] | unique' s4.json)" = '[false]' ]
check "its directory is not said to be ended" grep -q 'validate-stage5.*ended before it was over' <(h verify --all)
sleep 1.2
h run-case docs-typo --quiet >/dev/null || fail "a run after a kill" # and whatever waited for a word is over
sound
e2e_end
