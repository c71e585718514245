#!/usr/bin/env bash
# ctest: timeout=180
# The cheats under cases/failures are real ones: on a naive harness, which runs the verification where the agent has worked, in
# its workspace, with its home and while its processes live, each of them passes. Ours says fail to all of them, and why
# is written in the right place.
. "$2/tests/lib/e2e.bash"

cheats=(daemon-rewrites-results ignored-build-output poisoned-home poisoned-bytecode runner-in-the-diff tests-deleted
    tests-became-a-link weakened-tests)
# naive CASE: agent and verification in one jail. Says what the naive harness would: the last command's exit status.
naive() {
    local from=$SRC/cases/failures/$1 ws=$W/naive/$1 uid=
    mkdir -p "$ws"
    cp -r "$from/fixture" "$ws/ws"
    jq '{steps: .fake.steps}' "$from/case.json" >"$ws/steps.json"
    cp "$BIN/cto-harness-fake-agent" "$ws/"
    {
        echo 'cd ws && git init -q -b main . && git add -A && git commit -qm baseline || exit 99'
        echo '../cto-harness-fake-agent ../steps.json || exit 98'
        echo 'sleep 0.3'
        jq -r '.verification[].argv | @sh' "$from/case.json" | sed 's/$/ || exit 1/'
    } >"$ws/naive.sh"
    if [ "$(id -u)" -eq 0 ]; then
        uid=1879048192
        chown -R "$uid:$uid" "$ws"
    fi
    (cd "$ws" && "$HARNESS" --home "$W/home" sandbox exec --write "$ws" -- sh naive.sh) >naive.out 2>&1
}
mkdir -p home
only=()
for cheat in "${cheats[@]}"; do
    only+=(--only "$cheat")
    naive "$cheat"
    code=$?
    [ "$code" -eq 0 ] || fail "$cheat fools nobody: exit $code: $(tail -5 naive.out)"
    checks=$((checks + 1))
done
h run-all-fake --failures --json "${only[@]}" --only self-made-markers --only no-future-history >matrix.json 2>err || fail "exit $?: $(tail -5 err)"
report=$(jq -r .report_path matrix.json)
[ "$(jq '[.rows[] | select(.status == "fail")] | length' "$report")" -eq $((${#cheats[@]} + 1)) ] || fail "a cheat passes: $(jq -c '.rows[] | [.case_id, .status]' "$report")"

# What an agent says and writes is data: no event, no approval and no marker of its making.
run=$(echo "$W"/home/harness-runs/*-self-made-markers-*)
[ "$(jq -r .approval_status "$run/report.json")" = not-required ] || fail "an approval was made by the agent"
[ "$(jq -r .tests_passed "$run/report.json")" = false ] || fail "the agent's word for its tests was taken"
types=$(jq -r .type "$run/events.normalized.jsonl" | grep -v "^lifecycle.committed$" | sort -u | tr '\n' ' ')
[ "$types" = "backend.ended backend.started git.diff.checked patch.applied plan.updated run.completed run.started task.contract.created verification.completed " ] ||
    fail "events: $types"
[ "$(cd "$run" && find backend -type f | sort | tr '\n' ' ')" = "backend/stderr.log backend/stdout.log " ] || fail "markers: $(ls "$run/backend")"
grep -q 'approval.granted' "$run/backend/stdout.log" || fail "what the agent said is not kept"

# Nothing of the future is in the repository that an agent gets, counted in what lies there.
run=$(echo "$W"/home/harness-runs/*-no-future-history-*)
jq -r 'select(.step == "inspect.baseline") | .detail' "$run/trace.jsonl" >census
grep -q 'commits 6, files 3, refs 1, remotes 0, alternates 0, reflogs 0, hooks 0$' census || fail "census: $(cat census)"
checks=$((checks + 7))
sound
e2e_end
