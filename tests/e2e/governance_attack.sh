#!/usr/bin/env bash
# ctest: timeout=300
# What an attack on approvals and operators' words found: who could be made to say what nobody said, of what, how often; and where a
# report said what it may not. Some of it is a hand in the store: not an agent's, which never sees it, but a script's of the same
# person, or a backup that was put back.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/target.bash"
target_ready '.allowed_writes = ["GUIDE.md", "docs/"]'
# store SQL [ARG...]: on the store of this home
store() {
    python3 - "$W/home/cto.db" "$@" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
for row in db.execute(sys.argv[2], sys.argv[3:]):
    print(*row)
db.commit()
PY
}
details() { jq -r '.blockers[].detail' report.json; }
asked() { he request new words --engine exec --actor "${1:-alice}" --json >request.json && request=$(jq -r .request_id request.json) && sentence=$(jq -r .sentence request.json); }
approvals() { he approve list --json | jq -c '[.approvals[] | [.approval_id, .state]]'; }
newest() { he approve list --json | jq -r '.approvals[0].approval_id'; }
verdict() { jq -r '.status + " " + (.blocker_reasons | join(","))' "$W/home/harness-runs/$1/report.json"; }
again() {
    rm -f report.json out.json
    run
}
blocked() {
    again
    check "$1: $(head -c 300 out.json err)" [ "$(jq -r .status report.json) $(reasons)" = "blocked $2" ]
    check "$1: something was started" [ "$(jq .case_process_started report.json)" = false ]
}
wait_for_word() {
    fresh
    ask || fail "$1: ask"
    again
    id=$(jq -r .run_id out.json)
    check "$1: it does not wait: $(head -c 400 out.json err)" [ "$(jq -r .waits_for out.json)" = operator_outcome ]
}
other() { h run-case answer-only --quiet >/dev/null 2>other.err; }

# --- no id is no id of any request
asked
before=$(approvals)
refused 'no request' 2 he approve deny --request "" --actor bob
refused 'no request' 2 he approve grant --request "" --actor bob --sentence "$sentence"
refused 'no request' 2 he request show ""
check "a word was said: $(approvals)" [ "$(approvals)" = "$before" ]

# --- what a person writes of the repository is told in reports without its place
for field in approval_source repository_owner; do
    jq --arg f "$field" --arg p "$target" '.[$f] = "see the mail about " + $p' target.json >tells.json
    refused "tells.json.*$field.*reports" 2 he admit target --check tells.json
done
he approve deny --request "$request" --actor "bob of $target" --why "not in $target" --quiet >/dev/null || fail "deny"
blocked "denied with its place" approval_denied
check "denied: $(details)" grep -q 'denied by bob of the repository: not in the repository' <(details)
check "denied: it says where" hides "$(jq -r .artifacts_dir report.json)"
check "denied: the store says where" [ -z "$(store 'SELECT detail FROM blockers' | grep -F "$target")" ]
h verify "$(jq -r .run_id report.json)" >/dev/null || fail "denied: the evidence"

# --- a backend's word in the store is nobody's
ask
store "UPDATE approvals SET actor = 'codex' WHERE state = 'granted'"
blocked "granted by a backend" gate_missing
check "granted by a backend: $(details)" grep -q 'no person' <(details)
he approve revoke "$(newest)" --actor bob --quiet
wait_for_word "accepted by a backend"
store "UPDATE waiting SET outcome = 'accepted', actor = 'codex', said_at = since + 1"
other
check "accepted by a backend: $(verdict "$id")" [ "$(verdict "$id")" = "blocked missing_operator_outcome" ]
check "accepted by a backend: it stands" [ "$(g rev-parse 'HEAD^{tree}')" = "$(git -C "$good" rev-parse 'HEAD^{tree}')" ]
check "accepted by a backend: it is told" jq -e '.operator_outcome != "accepted"' "$W/home/harness-runs/$id/report.json" >/dev/null
he verify "$id" >/dev/null || fail "accepted by a backend: the evidence"

# --- an approval is of what its request asked for
fresh
ask
granted=$(newest)
echo 'and more' >>cases/words/task.md
asked mallory
store "UPDATE approvals SET scope = ? WHERE id = ?" "$(jq -r .scope_digest request.json)" "$granted"
blocked "another scope" gate_missing
h store check >out && fail "store check: a scope that is not its request's"
check "store check: $(cat out)" grep -q "$granted.*request" out
store "UPDATE requests SET scope = ? WHERE id = (SELECT request_id FROM approvals WHERE id = ?)" "$(jq -r .scope_digest request.json)" "$granted"
h store check >out && fail "store check: a scope that is not its document's"
check "store check: $(cat out)" grep -q "request-.*document" out
store "DELETE FROM approvals WHERE id = ?" "$granted"
store "DELETE FROM requests WHERE scope = ?" "$(jq -r .scope_digest request.json)"
sed -i '$d' cases/words/task.md

# --- what is accepted or taken back is what was landed
wait_for_word "another commit in the journal"
landed=$(g rev-parse HEAD)
echo theirs >>"$target/history.txt" && g commit -qam "Theirs"
store "UPDATE landings SET new_head = ? WHERE run_id = ?" "$(g rev-parse HEAD)" "$id"
refused 'journal' 3 he outcome "$id" accepted --actor bob
he outcome "$id" rejected --actor bob >say 2>&1
check "their commit was taken back: $(cat say)" [ "$(tail -1 "$target/history.txt")" = theirs ]
store "UPDATE landings SET new_head = ? WHERE run_id = ?" "$landed" "$id"
other
check "put right: $(verdict "$id")" [ "$(verdict "$id")" = "fail operator_rejected" ]
check "put right: theirs is gone" [ "$(tail -1 "$target/history.txt")" = theirs ]
check "put right: it stands" [ "$(g rev-parse HEAD:GUIDE.md)" = "$(git -C "$good" rev-parse HEAD:GUIDE.md)" ]
wait_for_word "an older commit in the journal"
store "UPDATE landings SET new_head = old_head WHERE run_id = ?" "$id"
refused 'journal' 3 he outcome "$id" accepted --actor bob
store "UPDATE landings SET new_head = ? WHERE run_id = ?" "$(g rev-parse HEAD)" "$id"
he outcome "$id" rejected --actor bob --quiet >/dev/null 2>&1

# --- a journal that is lost is no reason to be asked for ever
wait_for_word "no journal"
store "DELETE FROM landings WHERE run_id = ?" "$id"
refused 'landed nothing' 3 he outcome "$id" accepted --actor bob
he outcome "$id" rejected --actor bob >say 2>&1
check "no journal: $(cat say)" grep -q 'leave-landed' say
he outcome "$id" rejected --actor bob --leave-landed >say 2>&1
check "no journal, left: $(cat say)" [ "$(verdict "$id")" = "fail operator_rejected,landing_failed" ]
other
check "no journal: it is told again: $(cat other.err)" [ ! -s other.err ]

# --- how long the events were is no more than they are
wait_for_word "longer events"
store "UPDATE waiting SET events_bytes = 9000000000000000000"
he outcome "$id" accepted --actor bob --quiet >say 2>&1
check "longer events: $(cat say)" [ "$(verdict "$id")" = "pass " ]

# --- a copy of the store from before is put back: what was sealed since stands as it is
copy() { python3 -c 'import sqlite3, sys; a, b = (sqlite3.connect(x) for x in sys.argv[1:]); a.backup(b)' "$W/home/cto.db" "$W/$1.db"; }
put_back() { rm -f "$W/home/cto.db" "$W/home/cto.db-wal" "$W/home/cto.db-shm" && cp "$W/$1.db" "$W/home/cto.db" && chmod 600 "$W/home/cto.db"; }
for word in accepted rejected; do
    wait_for_word "copied while it waits for $word"
    copy waiting
    he outcome "$id" $word --actor bob --quiet >/dev/null 2>&1
    sealed=$(fingerprint "$W/home/harness-runs/$id") landed=$(g rev-parse HEAD) was=$(verdict "$id")
    put_back waiting
    [ $word = accepted ] && against=rejected || against=accepted
    refused 'is over' 2 he outcome "$id" $against --actor bob
    other
    check "copied, $word: $(cat other.err)" [ ! -s other.err ]
    check "copied, $word: the evidence is another" [ "$(fingerprint "$W/home/harness-runs/$id")" = "$sealed" ]
    check "copied, $word: the repository is another" [ "$(g rev-parse HEAD)" = "$landed" ]
    check "copied, $word: the store" [ "$(store 'SELECT r.state, r.verdict, o.outcome, o.actor FROM runs r JOIN outcomes o ON o.subject = r.run_id WHERE r.run_id = ?' "$id")" = "done ${was%% *} $word bob" ]
    he verify "$id" >out || fail "copied, $word: $(cat out)"
    put_back waiting
    he outcome "$id" $word --actor bob --quiet >say 2>&1
    check "copied, the same word: $(cat say)" grep -q "^${was%% *}" say
done

# --- nor is an approval that was used up one again
wait_for_word "copied while it is granted" # makes the approval; what is copied is what was before
he outcome "$id" rejected --actor bob --quiet >/dev/null 2>&1
fresh
ask || fail "ask"
copy granted
again
first=$(jq -r .run_id out.json)
he outcome "$first" accepted --actor bob --quiet || fail "copied while it is granted: accepted"
put_back granted
fresh
check "it is granted again, says the store" [ "$(he approve list --json | jq -r '.approvals[0].state')" = granted ]
blocked "used up before the copy was put back" approval_consumed
check "used up: $(details)" grep -q "$first" <(details)
check "used up: it says where" hides "$(jq -r .artifacts_dir report.json)"
he approve revoke "$(newest)" --actor bob --quiet || fail "used up: revoke"

# --- of two who speak at once one is heard, and who is heard is not told otherwise
for i in 1 2 3 4 5 6; do
    wait_for_word "both at once, $i"
    he outcome "$id" accepted --actor one --quiet >one 2>&1 &
    a=$!
    he outcome "$id" rejected --actor two --quiet >two 2>&1 &
    b=$!
    other
    wait $a; a=$?
    wait $b; b=$?
    case $(verdict "$id") in
    "pass ") said="0 2" ;;
    "fail operator_rejected") said="2 1" ;;
    *) said="not: $(verdict "$id")" ;;
    esac
    check "both at once, $(verdict "$id"): $a $b $(head -c 300 one two)" grep -qE "^(${said/2/[23]})$" <<<"$a $b"
    check "both at once: somebody beside it is told: $(cat other.err)" [ ! -s other.err ]
    he verify "$id" >/dev/null || fail "both at once: the evidence"
done
# --- validators of one stage at once: each is approved of for itself
cp -r cases/words cases/greet
edit cases/greet/case.json '.id = "greet" | .mutation_mode = "copied-fixture" | .approval_required = false | del(.no_test_rationale)
    | .verification = [{"argv": ["grep", "-q", "receive", "GUIDE.md"], "timeout_s": 10}]'
validate() { env -u CTO_HARNESS_EXEC_STAGE -u CTO_HARNESS_EXEC_STAGE5_TARGET_ADMISSION_FILE "$HARNESS" --home "$W/home" --cases "$W/cases" validate stage4 --engine exec --case greet --json >"$1" 2>/dev/null; }
validate alone || fail "a validator alone: $(jq -c .errors alone)"
for i in 1 2 3; do
    for k in 1 2 3; do validate "at_once.$k" & done
    wait
    check "validators at once: $(jq -c .errors at_once.*)" [ "$(jq -c .ok at_once.* | sort -u)" = true ]
done
h store check >/dev/null || fail "store check: $(h store check)"
check "left behind" no_leftovers
e2e_end
