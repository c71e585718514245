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

# A long one lives through many short ones that each recover first; a dead one does not.
h run-case timeout-idle --quiet >long.out 2>long.err & # two seconds
long=$!
"$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case timeout --quiet >/dev/null 2>&1 &
dead=$!
for _ in $(seq 1200); do grep -qs '"backend.started"' "$W/home/harness-runs/"*"-timeout-$dead/events.normalized.jsonl" && break || sleep 0.05; done
kill -KILL "$dead"
wait "$dead" 2>/dev/null
# The last of several to close a store deletes its WAL: nobody may take himself for the last one while the long one lives.
wal=$(stat -c %i "$W/home/cto.db-wal")
for i in 1 2 3; do h run-case answer-only --quiet >/dev/null 2>err || fail "short $i: $(cat err)"; done
kill -0 "$long" 2>/dev/null || fail "the long one ended too early to prove anything"
[ "$(stat -c %i "$W/home/cto.db-wal")" = "$wal" ] || fail "the WAL was deleted under a living supervisor"
[ "$(find "$W/home/locks" -type f | wc -l)" -eq 1 ] || fail "locks: $(ls "$W/home/locks")"
[ "$(find "$W/home/work" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ] || fail "work: $(ls "$W/home/work")"
wait "$long"
[ $? -eq 3 ] || fail "the long one was disturbed: $(cat long.out long.err)"
[ "$(jq -r '.blocker_reasons[]' "$W"/home/harness-runs/*-timeout-idle-*/report.json)" = timeout ] || fail "the long one has other blockers"
[ "$(jq -r '.blocker_reasons[]' "$W"/home/harness-runs/*-timeout-"$dead"/report.json)" = supervisor_interrupted ] || fail "the dead one was not sealed"
checks=$((checks + 12))
sound
e2e_end
