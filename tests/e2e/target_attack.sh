#!/usr/bin/env bash
# ctest: timeout=300
# What an attack on landings found: each way to leave a commit on somebody's repository that nobody accepted, or to have one accepted
# that is not there. Beside each: what is there afterwards.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/target.bash"
target_ready '.allowed_writes = ["GUIDE.md", "docs/"]'
subject() { g log -1 --format=%s; }
other() { h run-case answer-only --quiet >/dev/null 2>other.err; }
# A run that waits, with what is in $tools/work. Sets $id and $before.
wait_for_word() {
    before=$(g rev-parse HEAD)
    ask || fail "$1: ask"
    run
    id=$(jq -r .run_id out.json)
    check "$1: it does not wait: $(cat out.json err | head -c 400)" [ "$(jq -r .waits_for out.json)" = operator_outcome ]
}
verdict() { jq -r '.status + " " + (.blocker_reasons | join(","))' "$W/home/harness-runs/$1/report.json"; }
cp "$tools/work" work.good
fresh() { cp work.good "$tools/work"; }
undo() { g reset -q --hard "$before"; }

# --- the landing is not clean once it is there: taken back, not left
mkdir -p "$target/docs" && echo keep >"$target/docs/keep" && echo '*.log' >>"$target/.gitignore" && g add -A && g commit -qm "Logs"
echo built >"$target/docs/build.log"
sed -i '$d' "$tools/work"
echo 'mkdir -p docs; echo "!*.log" >docs/.gitignore; git add -A; git commit -qm "Words"' >>"$tools/work"
before=$(g rev-parse HEAD)
ask
run
check "an ignored file comes to light: $(reasons)" [ "$(reasons)" = landing_failed ]
check "it stands: $(subject)" [ "$(g rev-parse 'HEAD^{tree}')" = "$(g rev-parse "$before^{tree}")" ]
check "nobody knows of it" grep -q 'taken back' <(jq -r '.blockers[].detail' report.json)
rm "$target/docs/build.log"
fresh

# --- a rejection that meets an obstacle: kept, tried again, never called done
wait_for_word "dirty"
echo mine >>"$target/GUIDE.md"
he outcome "$id" rejected --actor bob >say 2>&1
check "dirty: exit $? $(cat say)" grep -q 'cannot be taken back yet' say
check "dirty: sealed" [ "$(waiting)" = "$id" ]
other
check "dirty: nobody is told" grep -q "cannot be taken back yet" other.err
check "dirty: accepted after all" [ "$(he outcome "$id" accepted --actor bob >/dev/null 2>&1; echo $?)" != 0 ]
g checkout -q GUIDE.md
other
check "dirty: $(verdict "$id")" [ "$(verdict "$id")" = "fail operator_rejected" ]
check "dirty: not taken back" [ "$(g rev-parse 'HEAD^{tree}')" = "$(g rev-parse "$before^{tree}")" ]
wait_for_word "dirt beside it"
echo mine >>"$target/history.txt"
he outcome "$id" rejected --actor bob --quiet >say 2>&1
check "dirt beside it: $(cat say)" [ "$(verdict "$id")" = "fail operator_rejected" ]
check "dirt beside it is lost" [ "$(tail -1 "$target/history.txt")" = mine ]
g checkout -q history.txt
wait_for_word "another branch"
g checkout -q -b aside
he outcome "$id" rejected --actor bob >say 2>&1
check "another branch: $(cat say)" grep -q 'another branch' say
g checkout -q main
he outcome "$id" rejected --actor bob --quiet >say 2>&1
check "another branch: $(cat say)" [ "$(verdict "$id")" = "fail operator_rejected" ]
wait_for_word "a lock for a moment"
touch "$target/.git/index.lock"
(sleep 0.7 && rm "$target/.git/index.lock") &
he outcome "$id" rejected --actor bob >say 2>&1
wait
check "a lock for a moment: $(cat say)" [ "$(verdict "$id")" = "fail operator_rejected" ]
wait_for_word "left"
echo mine >>"$target/GUIDE.md" && g commit -qam "The same lines" && sed -i 's/.*/all of it/' "$target/GUIDE.md" && g commit -qam "All lines"
he outcome "$id" rejected --actor bob >say 2>&1
check "the same lines: $(cat say)" grep -q 'leave-landed' say
he outcome "$id" rejected --actor bob --leave-landed >say 2>&1
check "left on purpose: $(cat say)" [ "$(verdict "$id")" = "fail operator_rejected,landing_failed" ]
check "left on purpose, and not said" grep -q 'left where it is' say
other
check "left on purpose, and taken back" [ "$(subject)" = "All lines" ]
undo

# --- accepted is no word for what is not there
wait_for_word "reset"
g reset -q --hard "$before"
refused 'no longer on' 3 he outcome "$id" accepted --actor bob
check "reset: over" [ "$(waiting)" = "$id" ]
he outcome "$id" rejected --actor bob --leave-landed >/dev/null 2>&1
wait_for_word "moved away"
mv "$target" "$target.away"
refused 'cannot be accepted' 3 he outcome "$id" accepted --actor bob
mv "$target.away" "$target"
he admit target --revoke "$(he admit target --list --json | jq -r '.admissions[0].id')" --actor alice --why "no more" >/dev/null
refused 'admission' 3 he outcome "$id" accepted --actor bob
he outcome "$id" rejected --actor bob --quiet >/dev/null 2>&1
check "revoked: $(verdict "$id")" [ "$(verdict "$id")" = "fail operator_rejected" ]
he admit target --record target.json --actor alice >/dev/null || fail "admit again"

# --- what it needs is gone
wait_for_word "no directory"
rm -rf "$W/home/harness-runs/$id"
other
check "no directory: the landing stands" [ "$(g rev-parse 'HEAD^{tree}')" = "$(g rev-parse "$before^{tree}")" ]
check "no directory: $(verdict "$id")" grep -q '^fail supervisor_interrupted' <(verdict "$id")
wait_for_word "a record of nonsense"
python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute("UPDATE waiting SET record = ?", ("x",)); d.commit()' "$W/home/cto.db"
other
check "nonsense: the landing stands" [ "$(g rev-parse 'HEAD^{tree}')" = "$(g rev-parse "$before^{tree}")" ]

# --- what was taken back once is no pass later
wait_for_word "a stray directory"
mkdir "$W/home/harness-runs/$id/backend/d"
he outcome "$id" accepted --actor bob >/dev/null 2>&1
rmdir "$W/home/harness-runs/$id/backend/d" 2>/dev/null
other
check "a stray directory: $(verdict "$id")" grep -q '^fail' <(verdict "$id")
check "a stray directory: the landing stands" [ "$(g rev-parse 'HEAD^{tree}')" = "$(g rev-parse "$before^{tree}")" ]

# --- the case as it was loaded
echo 'sleep 5' >>"$tools/work"
(sleep 2.5 && cp cases/words/case.json case.keep && edit cases/words/case.json '.title = "Another one" | .verification = [{"argv": ["python3", "-m", "pytest"]}]') &
wait_for_word "edited meanwhile"
wait
he outcome "$id" accepted --actor bob --quiet >/dev/null || fail "edited meanwhile: accepted"
check "the report names what never ran: $(jq -c .verification "$W/home/harness-runs/$id/report.json")" [ "$(jq '.verification | length' "$W/home/harness-runs/$id/report.json")" = 0 ]
cp case.keep cases/words/case.json
fresh
undo

# --- the word comes before the clock
edit cases/words/case.json '.timeouts.outcome_s = 1'
wait_for_word "late"
sleep 1.2
he outcome "$id" accepted --actor bob --quiet >say 2>&1 || fail "late, but said: $(cat say)"
check "late: $(verdict "$id")" [ "$(verdict "$id")" = "pass " ]
edit cases/words/case.json 'del(.timeouts.outcome_s)'
undo

# --- permissions are the owner's
umask 022
chmod 640 "$target/history.txt"
wait_for_word "permissions"
check "the mode of a file that changed: $(stat -c %a "$target/GUIDE.md")" [ "$(stat -c %a "$target/GUIDE.md")" = 644 ]
check "the index: $(stat -c %a "$target/.git/index")" [ "$(stat -c %a "$target/.git/index")" = 644 ]
check "a file that nobody touched" [ "$(stat -c %a "$target/history.txt")" = 640 ]
he outcome "$id" rejected --actor bob --quiet >/dev/null 2>&1

# --- links that lead out, a configuration that leads into a FIFO
sed -i '$d' "$tools/work"
echo 'mkdir -p docs; ln -s ../../outside docs/link; git add -A; git commit -qm "Link"' >>"$tools/work"
ask && run
check "a link that leads out: $(reasons)" [ "$(reasons)" = landing_failed ]
sed -i '$d' "$tools/work"
echo 'mkdir -p docs; ln -s ../.git/hooks docs/link; git add -A; git commit -qm "Link"' >>"$tools/work"
ask && run
check "a link into .git: $(reasons)" [ "$(reasons)" = landing_failed ]
sed -i '$d' "$tools/work"
echo 'mkdir -p docs; ln -s . docs/here; ln -s here/../.. docs/link; git add -A; git commit -qm "Link"' >>"$tools/work"
rm -f report.json
ask && run
check "a link that leads out by another one: $(reasons)" [ "$(reasons)" = landing_failed ]
sed -i '$d' "$tools/work"
echo 'mkdir -p docs; ln -s ../GIT~1/hooks docs/link; git add -A; git commit -qm "Link"' >>"$tools/work"
rm -f report.json
ask && run
check "a link into .git by its short name: $(reasons)" [ "$(reasons)" = landing_failed ]
sed -i '$d' "$tools/work"
echo 'mkdir -p docs/deep; ln -s ../../GUIDE.md docs/deep/guide; ln -s deep/guide docs/guide; git add -A; git commit -qm "Link"' >>"$tools/work"
wait_for_word "links that stay inside"
he outcome "$id" rejected --actor bob --quiet >/dev/null 2>&1
fresh
mkfifo fifo
printf '[include]\n\tpath = %s/fifo\n' "$W" >>"$target/.git/config"
timeout 20 "$HARNESS" --home "$W/home" --cases "$W/cases" run-case words --engine exec --json >report.json 2>/dev/null
check "a FIFO in the configuration: $(reasons)" grep -q target_not_admitted <(reasons)
h store check >/dev/null || fail "store check: $(h store check)"
check "left behind" no_leftovers
e2e_end
