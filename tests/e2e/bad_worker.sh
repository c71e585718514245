#!/usr/bin/env bash
# ctest: timeout=180 only=self
# A worker that crashes, lies, says nothing or leaves something behind, in the place of the real one: each ends as the table of
# reasons says, with evidence that verifies. These are the reasons that no agent can bring about, so no fixture shows them.
. "$2/tests/lib/e2e.bash"

mkdir bin
cp "$BIN/cto-harness" bin/ # it looks for the others beside itself
ln -s "$BIN/cto-harness-inspect" "$BIN/cto-harness-gateway" "$BIN/cto-harness-observe" "$BIN/cto-harness-fake-agent" bin/
cp "$CTO_TEST_BIN/worker_double" bin/cto-harness-worker
HARNESS=$W/bin/cto-harness
for mode in silence half crash garbage sandbox forger orphan; do
    mkdir -p "cases/$mode"
    cp -r "$SRC/cases/docs-typo/." "cases/$mode/"
    jq --arg id "$mode" '.id = $id' "$SRC/cases/docs-typo/case.json" >"cases/$mode/case.json"
    echo "$mode" >"cases/$mode/task.md"
done
# ends MODE CODE REASONS WORD: exit code, all reasons in order, and what the first one's sentence says
ends() {
    checks=$((checks + 1))
    "$HARNESS" --home "$W/home" --cases "$W/cases" run-case "$1" --json >report.json 2>err
    local code=$? got
    got=$(jq -r '(.blocker_reasons | join(" ")) + " " + .status + " " + (.tests_passed | tostring)' report.json)
    [ "$code" -eq "$2" ] || fail "$1: exit $code, want $2: $(cat err)"
    [ "$got" = "$3 null" ] || fail "$1: '$got', want '$3 null'"
    jq -r '.blockers[0].detail' report.json | grep -q -- "$4" || fail "$1: $(jq -c .blockers report.json)"
}
ends silence 1 "worker_failed fail" "without saying that its work was done"
ends half 1 "worker_failed fail" "without saying that its work was done"
ends crash 1 "worker_failed fail" "ended by signal 11 in state starting"
ends garbage 1 "worker_protocol_violation fail" "in state starting"
ends forger 1 "worker_protocol_violation fail" "RESULT is not permitted"
ends sandbox 3 "sandbox_unavailable blocked" "landlock: this kernel has none"

# A body that nobody can wait for, because a tracer holds it: for the supervisor a process that lives. After 10 s it says so.
mkfifo hold
bin/cto-harness-worker --trace "$W/home/work" <hold 2>tracer &
tracer=$!
exec 3>hold
ends orphan 1 "sandbox_violation worker_failed fail" "1 processes of a dead worker could not be ended within 10 s"
exec 3>&-
wait "$tracer"
traced=$?
if [ "$traced" -ne 0 ] && grep -q 'lets nobody trace' tracer; then
    echo "skipped: $(cat tracer)"
    exit 77
fi
[ "$traced" -eq 0 ] || fail "tracer: exit $traced: $(cat tracer)"
sound
e2e_end
