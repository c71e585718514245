#!/usr/bin/env bash
# ctest: timeout=180
# What the next command does with what a dead one left: each kind of leftover, made on purpose, and beside each something that
# must stay. The random kills of tests/fault find the same by chance; here every rule has its moment.
. "$2/tests/lib/e2e.bash"

# store SQL [ARG...]: on the store of this home, as somebody who restores a moment of the past
store() {
    python3 - "$W/home/cto.db" "$@" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
db.execute("PRAGMA foreign_keys = OFF")
for row in db.execute(sys.argv[2], sys.argv[3:]):
    print(*row)
db.commit()
PY
}
# unseal RUN STATE: as it was before the one transaction that ends a run.
unseal() {
    local table
    for table in artifacts events blockers; do
        store "DELETE FROM $table WHERE run = (SELECT id FROM runs WHERE run_id = ?)" "$1"
    done
    store "DELETE FROM transitions WHERE state = 'done' AND run = (SELECT id FROM runs WHERE run_id = ?)" "$1"
    store "UPDATE runs SET state = ?2, verdict = NULL, finished_at = NULL WHERE run_id = ?1" "$1" "$2"
}
next_command() { h run-case answer-only --quiet >/dev/null 2>err || fail "$1: the next command: $(cat err)"; }
verdict_of() { store "SELECT state, verdict FROM runs WHERE run_id = ?" "$1"; }
# Kills the supervisor of a run of `hangs`, when its engine works. Sets $run.
kill_in_engine() {
    local pid i
    "$HARNESS" --home "$W/home" --cases "$W/cases" "$@" --quiet >/dev/null 2>&1 &
    pid=$!
    for ((i = 0; i < 1200; i++)); do
        run=$(grep -ls '"backend.started"' "$W/home/harness-runs/"*"-hangs-$pid/events.normalized.jsonl") && break
        sleep 0.05
    done
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null
    [ -n "$run" ] || fail "$*: no engine in 60 s"
    run=${run%/*}
    run=${run##*/}
}

mkdir -p cases
cp -r "$SRC/cases/docs-typo" cases/
cp -r "$SRC/cases/docs-typo" cases/hangs
jq '.id = "hangs" | .fake.steps = [{do: "hang"}]' "$SRC/cases/docs-typo/case.json" >cases/hangs/case.json
next_command first
first=$(run_dirs)
work=$W/home/work

# 1. Directories that no run owns go, hostile ones too; what was kept on request stays, and so do locks that are held.
mkdir -p "$work/stray/ws/.git/objects" "$work/wanted.kept/ws" "$work/deep"
(cd "$work/deep" && for ((i = 0; i < 300; i++)); do mkdir d && cd d || exit; done)
echo x >"$work/stray/ws/file"
chmod 000 "$work/stray/ws/.git" "$work/deep/d/d"
ln -s "$W/home/harness-runs" "$work/stray/ws/runs"
touch "$W/home/locks/20260101T000000Z-1-0"
echo '{}' >"$work/file"
before=$(fingerprint "$first")
exec 4>"$W/home/locks/20260101T000000Z-2-0"
python3 -c "
import fcntl, struct, subprocess, sys
fcntl.fcntl(4, fcntl.F_OFD_SETLK, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))" || fail "cannot lock"
next_command sweep
[ "$(ls "$work")" = wanted.kept ] || fail "left in work/: $(ls "$work")"
[ "$(ls "$W/home/locks")" = 20260101T000000Z-2-0 ] || fail "locks: $(ls "$W/home/locks")"
exec 4>&-
rm -r "$work/wanted.kept"
[ "$(fingerprint "$first")" = "$before" ] || fail "a link out of work/ was followed"
next_command locks
[ -z "$(find "$W/home/locks" "$work" -mindepth 1)" ] || fail "left: $(ls "$W/home/locks" "$work")"
checks=$((checks + 5))

# 2. A run in the middle: sealed as interrupted, with the evidence that there is, and its work directory gone.
kill_in_engine run-case hangs
[ -d "$work/$run" ] || fail "no work directory to remove"
next_command interrupted
[ "$(verdict_of "$run")" = "done fail" ] || fail "$run: $(verdict_of "$run")"
[ "$(jq -r '.blocker_reasons[]' "$W/home/harness-runs/$run/report.json")" = supervisor_interrupted ] || fail "$run: other blockers"
checks=$((checks + 2))
sound

# 3. Sealed on the disk, and killed before the store knew: the verdict on the disk counts, nothing is written again.
h run-case docs-typo --quiet >/dev/null 2>err || fail "docs-typo: $(cat err)"
sealed=$(store "SELECT run_id FROM runs WHERE case_id = 'docs-typo'")
before=$(fingerprint "$W/home/harness-runs/$sealed")
unseal "$sealed" sealing
mkdir "$work/$sealed"
next_command sealed
[ "$(verdict_of "$sealed")" = "done pass" ] || fail "$sealed: $(verdict_of "$sealed")"
[ "$before" = "$(fingerprint "$W/home/harness-runs/$sealed")" ] || fail "sealed evidence was written again"
# So does the class of a reason, which depends on whether the backend had started.
cp -r "$SRC/cases/failures/artifact-write-failure" cases/
h run-case artifact-write-failure --quiet >/dev/null 2>err && fail "artifact-write-failure passes"
full=$(store "SELECT run_id FROM runs WHERE case_id = 'artifact-write-failure'")
unseal "$full" sealing
next_command full
[ "$(store "SELECT reason, class FROM blockers WHERE run = (SELECT id FROM runs WHERE run_id = ?)" "$full")" = "artifact_write_failure verdict" ] ||
    fail "$full: $(store "SELECT reason, class FROM blockers WHERE run = (SELECT id FROM runs WHERE run_id = ?)" "$full")"
[ "$(jq -r '.blockers[0].class' "$W/home/harness-runs/$full/report.json")" = verdict ] || fail "$full: the report has another class"
checks=$((checks + 4))
sound

# 4. A matrix in the middle: its runs are sealed, half a report is none, and the store says interrupted.
kill_in_engine run-all-fake -j1 --only docs-typo --only hangs
matrix=$(store "SELECT id FROM matrices WHERE finished_at IS NULL")
[ -n "$matrix" ] || fail "no matrix in the middle"
next_command matrix
[ "$(store "SELECT interrupted FROM matrices WHERE id = ? AND finished_at IS NOT NULL" "$matrix")" = 1 ] || fail "$matrix: $(store "SELECT * FROM matrices")"
[ ! -e "$W/home/harness-runs/$matrix" ] || fail "half a matrix report stays"
checks=$((checks + 2))
sound

# 5. A row that says that it waits for a person's outcome, and has nothing to be finished with: it does not wait for ever. (What really
# waits is left alone: e2e/target.sh.)
unseal "$sealed" outcome
next_command outcome
[ "$(verdict_of "$sealed")" = "done pass" ] || fail "a run that waits for nothing became $(verdict_of "$sealed")"
checks=$((checks + 1))

# 6. Commands that only read recover nothing.
unseal "$sealed" sealing
mkdir -p "$work/stray"
for command in "report list" "report show $sealed" "verify $sealed" doctor "store check" "case list"; do
    # shellcheck disable=SC2086
    h $command >/dev/null 2>&1
    [ "$(verdict_of "$sealed")" = "sealing None" ] && [ -d "$work/stray" ] || fail "$command recovers"
done
checks=$((checks + 6))
next_command last
sound
e2e_end
