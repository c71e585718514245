#!/usr/bin/env bash
# ctest: timeout=300
# A store whose rows contradict each other, as a damaged disk or a hand with an SQLite shell leaves it: the next command that
# writes seals what can be sealed, says in one line what it leaves alone and what to do, and does its own work all the same.
# Nothing outside the home is touched, whatever a row says.
. "$2/tests/lib/e2e.bash"

# store SQL [ARG...]: on the store of this home, with none of its constraints
store() {
    python3 - "$W/home/cto.db" "$@" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
db.execute("PRAGMA foreign_keys = OFF")
db.execute("PRAGMA ignore_check_constraints = ON")
for row in db.execute(sys.argv[2], sys.argv[3:]):
    print(*row)
db.commit()
PY
}
row_of() { store "SELECT state, verdict FROM runs WHERE run_id = ?" "$1"; }
reasons_of() { jq -r '.blocker_reasons[]' "$W/home/harness-runs/$1/report.json"; }
# A sealed run of its own for each contradiction. Sets $run and $dir.
new_run() {
    h run-case docs-typo --quiet >/dev/null 2>err || fail "docs-typo: $(cat err)"
    run=$(store "SELECT run_id FROM runs WHERE case_id = 'docs-typo' ORDER BY id DESC LIMIT 1")
    dir=$W/home/harness-runs/$run
}
unfinished() { store "UPDATE runs SET state = ?2, verdict = NULL WHERE run_id = ?1" "$1" "$2"; }
# next WHAT [WORD...]: the next command passes; it says nothing, or one line with these words in it
next() {
    local what=$1 lines word
    shift
    h run-case answer-only --quiet >/dev/null 2>err || fail "$what: the next command: $(cat err)"
    lines=$(wc -l <err)
    [ "$lines" -eq $(($# > 0)) ] || fail "$what: $lines lines: $(cat err)"
    for word; do grep -Fq -- "$word" err || fail "$what: no \"$word\" in: $(cat err)"; done
    checks=$((checks + 2 + $#))
}
sealed_as() {
    [ "$(row_of "$run")" = "done $1" ] || fail "$2: $(row_of "$run")"
    [ "$1" = pass ] || [ "$(reasons_of "$run")" = supervisor_interrupted ] || fail "$2: $(reasons_of "$run")"
    checks=$((checks + 2))
}

mkdir precious precious/ws
echo mine >precious/ws/file
ln -s nowhere precious/link
precious=$(fingerprint precious)

# 1. Some rows say that it is sealed, its state does not. Where the directory is sealed, the directory decides.
new_run
unfinished "$run" engine
next "rows of a sealed run, directory sealed"
sealed_as pass "directory sealed"
new_run
unfinished "$run" engine
rm "$dir/SHA256SUMS"
next "rows of a sealed run, directory not"
sealed_as fail "directory not sealed"
new_run
store "UPDATE runs SET state = 'verifying' WHERE run_id = ?" "$run"
rm "$dir/SHA256SUMS"
next "a verdict, and not done"
sealed_as fail "a verdict, and not done"
new_run
unfinished "$run" elsewhere
next "a state that is none"
sealed_as pass "a state that is none"
sound

# 2. Transitions that do not chain; a generation that they are ahead of; a start that no calendar has.
new_run
unfinished "$run" engine
store "UPDATE transitions SET generation = 9 WHERE run = (SELECT id FROM runs WHERE run_id = ?)" "$run"
next "transitions of a later generation"
sealed_as pass "transitions of a later generation"
new_run
unfinished "$run" engine
store "DELETE FROM transitions WHERE run = (SELECT id FROM runs WHERE run_id = ?)" "$run"
rm "$dir/SHA256SUMS"
next "no transitions"
sealed_as fail "no transitions"
sound
new_run
unfinished "$run" engine
store "UPDATE runs SET started_at = 9000000000000000000, finished_at = NULL WHERE run_id = ?" "$run"
rm "$dir/SHA256SUMS"
next "a start beyond the calendar"
sealed_as fail "a start beyond the calendar"
store "UPDATE runs SET started_at = finished_at WHERE run_id = ?" "$run"
sound

# 3. Directories elsewhere: a run is in its home, wherever its row points.
new_run
unfinished "$run" engine
store "UPDATE runs SET work_dir = ?2, run_dir = ?2 WHERE run_id = ?1" "$run" "$W/precious"
h store check >out && fail "store check: a run directory of another name"
grep -q "$run.*directory" out || fail "store check names no directory: $(cat out)"
rm "$dir/SHA256SUMS"
mkdir -p "$WORKDIRS/$run"
next "directories elsewhere"
sealed_as fail "directories elsewhere"
[ "$(store "SELECT run_dir FROM runs WHERE run_id = ?" "$run")" = "$dir" ] || fail "the row still points elsewhere"
checks=$((checks + 3))
new_run
unfinished "$run" engine
store "UPDATE runs SET supervisor_id = '../../outside' WHERE run_id = ?" "$run"
next "a supervisor outside"
sealed_as pass "a supervisor outside"
[ ! -e "$W/outside" ] || fail "a lock was made outside the home"
sound

# 4. What cannot be sealed stays, is said each time, and is sealed once the hindrance is gone.
new_run
unfinished "$run" engine
mv "$dir" aside
ln -s "$W/precious" "$dir"
next "a link for a directory" "$run" "move $dir away"
h store check >/dev/null && fail "store check: a run that is sealed and is not"
next "a link for a directory, again" "$run" "move $dir away"
rm "$dir"
next "the link is gone"
sealed_as fail "the link is gone"
new_run
unfinished "$run" engine
rm "$dir/SHA256SUMS"
mkdir "$dir/backend/strange"
next "a directory for a log" "$run" "backend/strange" "move $dir away"
mv "$dir" aside2
next "the directory is gone"
sealed_as fail "the directory is gone"
sound

# 5. The report on the disk is sealed, and not the one that the store knows: nobody's word is taken.
new_run
unfinished "$run" engine
store "UPDATE runs SET report_sha256 = ?2 WHERE run_id = ?1" "$run" "$(printf '%064d' 7)"
before=$(fingerprint "$dir")
next "another report" "$run" "report.json" "move $dir away"
[ "$(fingerprint "$dir")" = "$before" ] || fail "another report: it was written to"
mv "$dir" aside3
next "the other report is gone"
sealed_as fail "the other report is gone"
sound

# 6. Rows that name no run of this home: left alone, and `store check` keeps saying so.
new_run
unfinished "$run" engine
store "UPDATE runs SET run_id = '../../precious' WHERE run_id = ?" "$run"
next "a run outside" "../../precious" "store check"
h store check >out && fail "store check: a run outside is right"
grep -Fq "../../precious" out || fail "store check names no run: $(cat out)"
store "UPDATE runs SET run_id = ?1 WHERE run_id = '../../precious'" "$run"
store "UPDATE runs SET generation = 9223372036854775807 WHERE run_id = ?" "$run"
next "the last generation" "$run" "store check"
h store check >out && fail "store check: the last generation is right"
store "UPDATE runs SET generation = 1 WHERE run_id = ?" "$run"
next "as it was"
sealed_as pass "as it was"
checks=$((checks + 3))

# 7. A matrix whose id leads to what is none of its own: nothing is removed.
for id in ../../precious .. "$run"; do
    store "INSERT INTO matrices (id, kind, backend, supervisor_id, started_at) VALUES (?, 'x', 'fake', '../../outside', 1)" "$id"
    next "matrix \"$id\""
    store "DELETE FROM matrices WHERE id = ?" "$id"
done
for id in "" "$(printf '%0200d' 1)"; do
    store "INSERT INTO matrices (id, kind, backend, started_at) VALUES (?, 'x', 'fake', 1)" "$id"
    next "matrix \"$id\"" "matrix ${id::100}" "store check"
    store "DELETE FROM matrices WHERE id = ?" "$id"
done
[ -f "$dir/report.json" ] || fail "a run was removed as a matrix"
[ ! -e "$W/outside" ] || fail "a lock was made outside the home"
[ "$(fingerprint precious)" = "$precious" ] || fail "something outside the home was touched"
checks=$((checks + 3))
sound
e2e_end
