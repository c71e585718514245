#!/usr/bin/env bash
# ctest: timeout=300
# validate failure-matrix --json against the design's table, written down here once more; nothing outside the home changes.
. "$2/tests/lib/e2e.bash"

before=$(fingerprint "$SRC/cases")
h validate failure-matrix --json >matrix.json 2>err || fail "exit $?: $(cat err)"
[ "$before" = "$(fingerprint "$SRC/cases")" ] || fail "the cases changed"
python3 - matrix.json <<'PY' || fail "not as in the design"
import json, sys
TABLE = """no-diff no_diff git.diff.checked fail
disallowed-file disallowed_file_change git.diff.checked fail
failed-tests verification_failed verification.completed fail
missing-test-command missing_test_command verification.completed blocked
missing-event missing_required_event run.completed fail
reviewer-reject reviewer_rejected verification.completed blocked
approval-denied approval_denied approval.denied blocked
timeout timeout run.completed blocked
dirty-starting-tree dirty_starting_tree task.contract.created blocked
dirty-ending-tree dirty_ending_tree run.completed fail
artifact-write-failure artifact_write_failure run.completed fail
provider-unavailable provider_unavailable run.completed blocked"""
m = json.load(open(sys.argv[1]))
assert m["ok"] is True and m["errors"] == [], m["errors"]
classes = [c["class"] for c in m["classes"]]
assert classes == [row.split()[0] for row in TABLE.splitlines()], classes
for row, c in zip(TABLE.splitlines(), m["classes"]):
    name, reason, event, status = row.split()
    assert (c["reason"], c["event"], c["status"]) == (reason, event, status), c
    assert c["exit_code"] == {"fail": 1, "blocked": 3}[status] and c["exit_code"] != 0, c
    assert c["passed"] is True and c["fixtures"], c
    # what the test double of ca shows is said to be shown by it
    assert c["proof_kind"] == ("double" if name == "reviewer-reject" else "real"), c
PY
# Every reason that this build can give is given by a fixture, but these: what no agent can bring about is bad_worker.sh's and
# signals.sh's, what needs records or a repository of somebody's is gates.sh's, approvals.sh's and target.sh's, and what needs a value that
# nobody may see is secrets.sh's.
h validate failure-matrix --table | sed -n 's/^| `\([a-z_]*\)` .*/\1/p' | LC_ALL=C sort >reasons
{
    jq -r '.fixtures[].reasons[]' matrix.json
    printf '%s\n' worker_failed worker_protocol_violation sandbox_unavailable sandbox_violation supervisor_interrupted \
        approval_consumed approval_expired target_not_admitted unowned_repository critical_repository landing_failed \
        operator_rejected missing_operator_outcome secret_leak_detected \
        stage_not_proven provider_not_decided model_not_admitted provider_local_config_unavailable
} | LC_ALL=C sort -u >given
cmp reasons given || fail "reasons without a fixture, or fixtures of unknown reasons: $(diff reasons given)"
# The same by hand for each exit code: one fail, one blocked, one pass.
h run-case failed-tests --json >r.json 2>err
[ $? -eq 1 ] || fail "failed-tests does not exit 1"
h run-case dirty-starting-tree --json >r.json 2>err
[ $? -eq 3 ] || fail "dirty-starting-tree does not exit 3"
h run-case provider-unavailable --json >r.json 2>err
[ $? -eq 3 ] || fail "provider-unavailable does not exit 3"
h run-case r1-string-slugify --json >r.json 2>err
[ $? -eq 0 ] && [ "$(jq -r .status r.json)" = pass ] || fail "r1-string-slugify is no pass: $(cat err)"
checks=$((checks + 16))
sound
e2e_end
