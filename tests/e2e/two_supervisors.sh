#!/usr/bin/env bash
# ctest: timeout=240
# Several supervisors on one home at once, on a fresh one too: all work, none touches another's runs, one that is killed in the
# middle is cleaned up by the next while the others go on.
. "$2/tests/lib/e2e.bash"

only=(--only docs-typo --only multi-commit --only shell-wordcount --only harness-commit --only failed-tests)
pids=()
for i in 1 2 3 4; do # the home does not exist: all four create it
    h run-all-fake -j2 --json "${only[@]}" >"out.$i" 2>"err.$i" &
    pids+=($!)
done
for i in 1 2 3 4; do
    wait "${pids[i - 1]}" || fail "supervisor $i exits $?: $(tail -3 "err.$i")"
    [ "$(jq .ok "out.$i")" = true ] || fail "supervisor $i: $(cat "out.$i")"
done
[ "$(run_dirs | wc -l)" -eq 20 ] || fail "$(run_dirs | wc -l) run directories, want 20"
grep -l supervisor_interrupted "$W"/home/harness-runs/*/report.json && fail "a living run was recovered by another supervisor"
sound

# A long one lives through many short ones that each recover first; a dead one does not. One ends when it is told to, the other never.
mkdir -p cases flag
for id in long dead; do
    cp -r "$SRC/cases/answer-only" "cases/$id"
    jq --arg id "$id" --arg flag "$W/flag" '.id = $id | .read_roots = [$flag] | .timeouts.backend_s = 600 |
        .fake.steps = [{do: "exec", argv: ["sh", "-c", "while [ ! -e \($flag)/\($id) ]; do sleep 0.05; done"]}] + .fake.steps' \
        "$SRC/cases/answer-only/case.json" >"cases/$id/case.json"
done
# at_work ID PID: its backend is
at_work() {
    local i
    for ((i = 0; i < 1200; i++)); do grep -qs '"backend.started"' "$W/home/harness-runs/"*"-$1-$2/events.normalized.jsonl" && return || sleep 0.05; done
    fail "$1: no backend in 60 s"
}
"$HARNESS" --home "$W/home" --cases "$W/cases" run-case dead --quiet >/dev/null 2>&1 &
dead=$!
at_work dead "$dead"
"$HARNESS" --home "$W/home" --cases "$W/cases" run-case long --quiet >long.out 2>long.err &
long=$!
at_work long "$long"
kill -KILL "$dead"
wait "$dead" 2>/dev/null
# The last of several to close a store deletes its WAL: nobody may take himself for the last one while the long one lives.
wal=$(stat -c %i "$W/home/cto.db-wal")
for i in 1 2 3; do h run-case answer-only --quiet >/dev/null 2>err || fail "short $i: $(cat err)"; done
kill -0 "$long" 2>/dev/null || fail "the long one ended too early to prove anything"
[ "$(stat -c %i "$W/home/cto.db-wal")" = "$wal" ] || fail "the WAL was deleted under a living supervisor"
[ "$(find "$W/home/locks" -type f | wc -l)" -eq 1 ] || fail "locks: $(ls "$W/home/locks")"
[ "$(find "$W/home/work" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ] || fail "work: $(ls "$W/home/work")"
touch flag/long
wait "$long"
code=$?
[ "$code" -eq 0 ] || fail "the long one was disturbed: $code: $(cat long.out long.err)"
[ "$(jq -r '.blocker_reasons[]' "$W"/home/harness-runs/*-dead-"$dead"/report.json)" = supervisor_interrupted ] || fail "the dead one was not sealed"
checks=$((checks + 12))
sound
e2e_end
