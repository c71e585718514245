#!/usr/bin/env bash
# ctest: timeout=240 labels=heavy only=self
# The supervisor itself is stopped (SIGSTOP). Continued within its limits, nothing has happened. Continued after one of them, it says
# that nobody watched, whatever came of the backend meanwhile: no pass, and no timeout that it did not see. Stopped for ever and
# killed, its run is recovered like any other.
. "$2/tests/lib/e2e.bash"

# one NAME LIMIT STEPS: a case whose backend has LIMIT seconds for these steps
one() {
    cp -r "$SRC/cases/docs-typo" "cases/$1"
    jq --arg id "$1" --argjson s "$2" --argjson steps "$3" '.id = $id | .timeouts = {backend_s: $s} | .fake.steps = $steps + .fake.steps' \
        "$SRC/cases/docs-typo/case.json" >"cases/$1/case.json"
}
mkdir -p cases
one hangs 2 '[{"do": "hang"}]'
one slow 2 '[{"do": "sleep", "ms": 1000}]'
one patient 60 '[{"do": "sleep", "ms": 1000}]'

# stopped CASE: its supervisor, stopped while the engine works. Sets $pid and $dir.
stopped() {
    local i
    "$HARNESS" --home "$W/home" --cases "$W/cases" run-case "$1" >out 2>err &
    pid=$!
    for ((i = 0; i < 1200; i++)); do
        dir=$(grep -ls '"backend.started"' "$W/home/harness-runs/"*"-$1-$pid/events.normalized.jsonl") && break
        sleep 0.05
    done
    kill -STOP "$pid"
    [ -n "$dir" ] || fail "$1: no engine in 60 s"
    dir=${dir%/*}
}
# continued CODE: it is, and ends so within 30 s
continued() {
    local i code
    kill -CONT "$pid"
    for ((i = 0; i < 300; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -0 "$pid" 2>/dev/null && { fail "${dir##*/}: it does not end"; kill -KILL "$pid"; }
    wait "$pid"
    code=$?
    [ "$code" -eq "$1" ] || fail "${dir##*/}: exit $code, want $1: $(cat out err)"
    checks=$((checks + 2))
}
reasons() { jq -r '.blocker_reasons | join(" ")' "$dir/report.json"; }

# 1. Within its limits; meanwhile another command leaves the run alone.
stopped patient
h run-case answer-only --quiet >out2 2>&1 || fail "beside a stopped supervisor: $(cat out2)"
[ -d "$WORKDIRS/${dir##*/}" ] && [ ! -e "$dir/SHA256SUMS" ] || fail "a stopped supervisor's run was recovered"
sleep 3
continued 0
checks=$((checks + 2))
sound

# 2. Beyond them: the backend hangs, or has ended well at a time that nobody saw.
for case in hangs slow; do
    stopped "$case"
    sleep 9
    continued 1
    [ "$(reasons)" = supervisor_interrupted ] || fail "$case: $(jq -c .blockers "$dir/report.json")"
    jq -e '.blockers[0].detail | test("nobody watched")' "$dir/report.json" >/dev/null || fail "$case: $(jq -c .blockers "$dir/report.json")"
    checks=$((checks + 2))
    sound
done

# 3. Stopped for ever, and killed: nothing of the run lives, and the next command seals it.
stopped hangs
workers=$(pgrep -P "$pid") || fail "no worker"
kill -KILL "$pid"
wait "$pid" 2>/dev/null
for ((i = 0; i < 100; i++)); do
    # shellcheck disable=SC2086
    kill -0 $workers 2>/dev/null || break
    sleep 0.1
done
# shellcheck disable=SC2086
kill -0 $workers 2>/dev/null && fail "the worker lives on"
h run-case answer-only --quiet >/dev/null 2>err || fail "the next command: $(cat err)"
[ "$(reasons)" = supervisor_interrupted ] || fail "killed: $(jq -c .blockers "$dir/report.json")"
checks=$((checks + 3))
sound
e2e_end
