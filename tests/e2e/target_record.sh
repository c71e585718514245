#!/usr/bin/env bash
# ctest: timeout=240
# A run that waits for a human's word has its record in the store, where anybody who may write that file can change it. What it was is
# said by the run's own events: another one is neither accepted nor believed, and nothing is taken back by what it says.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/target.bash"
target_setup
he run-case words --engine exec --quiet >/dev/null 2>&1 # makes the home
prove_by_hand
target_admit
sql() { python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.executescript(sys.argv[2]); d.commit()' "$W/home/cto.db" "$1"; }
cell() { python3 -c 'import sqlite3, sys; print(*[r[0] for r in sqlite3.connect(sys.argv[1]).execute(sys.argv[2])])' "$W/home/cto.db" "$1"; }
other() { h run-case answer-only --quiet >/dev/null 2>other.err; }
verdict() { jq -r '.status + " " + (.blocker_reasons | join(","))' "$W/home/harness-runs/$1/report.json"; }
# A run that waits; sets $id, $before (HEAD) and $landed.
wait_for_word() {
    before=$(g rev-parse HEAD)
    ask || fail "$1: ask"
    run
    id=$(jq -r .run_id out.json)
    landed=$(g rev-parse HEAD)
    check "$1: it does not wait: $(cat out.json err | head -c 400)" [ "$(jq -r .waits_for out.json)" = operator_outcome ]
}
stands() { check "$1: the landing does not stand" [ "$(g rev-parse HEAD) $(g status --porcelain)" = "$landed " ]; }
gone() { check "$1: the landing was not taken back" [ "$(g rev-parse 'HEAD^{tree}') $(g status --porcelain)" = "$(g rev-parse "$before^{tree}") " ]; }
still_waits() { check "$1: it does not wait any more" [ "$(waiting) $(cell 'SELECT outcome FROM waiting')" = "$id None" ]; }

# --- what was kept is said by the run's own events
wait_for_word "whole"
events=$W/home/harness-runs/$id/events.normalized.jsonl
check "no digest in the events" jq -se '[.[] | select(.type == "result.landing") | .data.waiting | (.record_sha256 | length == 64) and (.since | length == 24) and (.due | length == 24)] == [true]' "$events"

# --- it can be looked at: what was done, what waits, until when, and what to say
he report show "$id" --json >show.json || fail "report show --json of a run that waits: $(cat show.json)"
check "shown: $(jq -c . show.json)" jq -e --arg id "$id" --arg c "$landed" --arg b "$before" --arg due "$(jq -r '.data.waiting.due // empty' "$events")" '
    .run_id == $id and .case_id == "words" and .status == null and .state == "outcome" and .waits_for == "operator_outcome"
    and .waits_until == $due and .backend == "exec" and .case_stage == 5 and .changed_files == ["GUIDE.md"] and .changes[0].change == "M"
    and .verification == [] and (.no_test_rationale | length > 0) and .target_commit == $c and .target_base == $b
    and .target_branch == "refs/heads/main" and (.target_repository_admission_id | length > 0) and .approval_actor == "bob"
    and .requested_by == "alice" and .operator_outcome == null and .runtime_default_activation == false
    and (.commands.accepted | endswith("outcome " + $id + " accepted --actor NAME")) and (.commands.rejected | length > 0)' show.json
check "it says where the repository is" hides show.json
he report show "$id" >show.txt || fail "report show of a run that waits"
for word in "$id" "M GUIDE.md" "$landed" "$(jq -r .waits_until show.json)" "accepted --actor NAME" "rejected --actor NAME" "bob" "no test"; do
    check "not shown: $word: $(cat show.txt)" grep -qiF -- "$word" show.txt
done
check "it says where the repository is" hides show.txt
check "--md is another text" diff show.txt <(he report show "$id" --md)
SCREEN_SENTENCES='--actor NAME$|^evidence |^ *[a-z ]+ ' python3 "$SRC/tests/lib/screen.py" 80 "$HARNESS" --home "$W/home" --cases "$W/cases" report show "$id" >screen || fail "on a terminal: $(cat screen)"
check "the list: $(he report list)" grep -qE "^waiting +exec .*$id" <(he report list)
check "the list as JSON" [ "$(he report list --json | jq -r '.runs[0] | .state + " " + .run_id')" = "outcome $id" ]

# --- a record that was changed is not accepted, whoever says so, and stays what it is until somebody puts it right
cell 'SELECT record FROM waiting' >record.keep
sql "UPDATE waiting SET record = replace(record, '\"letter\":77', '\"letter\":65')"
check "nothing was changed" [ "$(cell 'SELECT record FROM waiting')" != "$(cat record.keep)" ]
refused 'record in the store is not the one' 3 he outcome "$id" accepted --actor bob
refused 'record in the store is not the one' 3 he report show "$id"
stands "changed"
still_waits "changed"
other
check "nobody is told: $(cat other.err)" grep -q "$id.*record in the store is not the one" other.err
stands "another command"
still_waits "another command"
sql "UPDATE waiting SET record = replace(record, '\"letter\":65', '\"letter\":77')"
sh -c "$(he report show "$id" | grep -o '/.*accepted --actor NAME' | sed 's/NAME/bob/')" >say 2>&1 || fail "put right, by the words that are shown: $(cat say)"
check "put right: $(verdict "$id")" [ "$(verdict "$id")" = 'pass ' ]
he verify "$id" >/dev/null || fail "the evidence does not verify"
g revert --no-edit HEAD >/dev/null 2>&1

# --- a word that was said, and what stands in its way
wait_for_word "said"
echo mine >>"$target/GUIDE.md"
he outcome "$id" rejected --actor bob >/dev/null 2>&1
check "said: $(he report show "$id")" grep -q '^rejected by bob' <(he report show "$id")
check "said: $(he report show "$id" --json | jq -c '[.operator_outcome, .operator_outcome_actor]')" [ "$(he report show "$id" --json | jq -c '[.operator_outcome, .operator_outcome_actor, (.commands | keys)]')" = '["rejected","bob",["leave_landed"]]' ]
g checkout -q GUIDE.md
other
check "said: $(verdict "$id")" [ "$(verdict "$id")" = 'fail operator_rejected' ]

# --- events that cannot be read say nothing: neither yes nor no
if [ "$(id -u)" != 0 ]; then
    wait_for_word "unreadable"
    events=$W/home/harness-runs/$id/events.normalized.jsonl
    chmod 000 "$events"
    refused 'Permission denied' 3 he outcome "$id" accepted --actor bob
    sql "UPDATE waiting SET outcome = 'accepted', actor = 'bob', said_at = since + 1"
    other
    check "unreadable: given up: $(cat other.err)" [ "$(waiting)" = "$id" ]
    stands "unreadable"
    chmod 600 "$events"
    other
    check "unreadable: $(verdict "$id")" [ "$(verdict "$id")" = 'pass ' ]
    g revert --no-edit HEAD >/dev/null 2>&1
fi

# --- nor is it reverted before its time, or never
wait_for_word "another time"
due=$(cell 'SELECT due FROM waiting')
sql "UPDATE waiting SET due = 1000"
other
stands "long over"
still_waits "long over"
refused 'record in the store is not the one' 3 he outcome "$id" accepted --actor bob
sql "UPDATE waiting SET due = $due, since = since - 1"
refused 'record in the store is not the one' 3 he outcome "$id" accepted --actor bob
he outcome "$id" rejected --actor bob --quiet >/dev/null 2>&1
check "another time: $(verdict "$id")" [ "$(verdict "$id")" = 'fail operator_rejected' ]
edit cases/words/case.json '.timeouts.outcome_s = 1'
wait_for_word "never over"
sql "UPDATE waiting SET due = due + 1000000000"
sleep 1.2
other
gone "never over"
check "never over: $(verdict "$id")" [ "$(verdict "$id")" = 'blocked missing_operator_outcome' ]
edit cases/words/case.json 'del(.timeouts.outcome_s)'

# --- it is rejected by the journal, which names what was landed, and sealed without it
wait_for_word "rejected"
sql "UPDATE waiting SET record = replace(record, '\"letter\":77', '\"letter\":65')"
he outcome "$id" rejected --actor bob --json >outcome.json 2>say
check "rejected: exit $?, $(cat say)" [ "$(jq -r .status outcome.json)" = fail ]
check "rejected: no revert: $(cat outcome.json)" [ "$(jq -r .target_revert_commit outcome.json)" = "$(g rev-parse HEAD)" ]
gone "rejected"
check "rejected: $(verdict "$id")" [ "$(verdict "$id")" = 'fail supervisor_interrupted' ]
check "rejected: the report does not say why" grep -q 'was changed' <(jq -r '.blockers[].detail' "$W/home/harness-runs/$id/report.json")
he verify "$id" >/dev/null || fail "the evidence of a rejected run does not verify"

# --- a journal that names another repository than the record is believed no more
wait_for_word "journal"
cp -a "$target" "$W/others"
their=$(git -C "$W/others" rev-parse HEAD)
sql "UPDATE landings SET target = '$W/others' WHERE run_id = '$id'"
refused 'journal' 3 he outcome "$id" accepted --actor bob
he outcome "$id" rejected --actor bob >say 2>&1
check "journal: exit $?, $(cat say)" grep -q 'journal' say
check "journal: another repository was changed" [ "$(git -C "$W/others" rev-parse HEAD)" = "$their" ]
stands "journal"
sql "UPDATE landings SET target = '$target' WHERE run_id = '$id'"
other
gone "journal"
check "journal: $(verdict "$id")" [ "$(verdict "$id")" = 'fail operator_rejected' ]
h store check >/dev/null || fail "store check"
check "left behind" no_leftovers
e2e_end
