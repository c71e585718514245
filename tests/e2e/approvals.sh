#!/usr/bin/env bash
# ctest: timeout=180
# A run that needs a human: asked for, granted for one run of one scope, used up by it. Denied, expired, revoked, used, for another
# scope: blocked, before anything is done. Of two runs at once one gets it.
. "$2/tests/lib/e2e.bash"

edit() { jq "$2" "$1" >"$1.new" && mv "$1.new" "$1"; }
mkdir -p cases
for c in asks other; do
    cp -r "$SRC/cases/docs-typo" "cases/$c"
    edit "cases/$c/case.json" ".id = \"$c\" | .title = \"Tidy \\\"$c\\\"\" | .approval_required = true"
done
cp -r "$SRC/cases/docs-typo" cases/free && edit cases/free/case.json '.id = "free"'
ha() { "$HARNESS" --home "$W/home" --cases "$W/cases" "$@"; }
sentence() { ha request show "$1" | jq -r .sentence; }
state() { ha approve list --json | jq -r --arg id "$1" '.approvals[] | select(.approval_id == $id) | .state'; }
ask() { ha request new "${1:-asks}" --actor alice --quiet; }
grant() { ha approve grant --request "$1" --sentence "$(sentence "$1")" --actor bob --quiet "${@:2}"; }
# blocked REASON: a run of `asks` ends blocked with this reason, nothing was done
blocked() {
    ha run-case "${2:-asks}" --json >report.json 2>err
    [ $? -eq 3 ] || fail "expected blocked for $1: $(cat err; jq -c '{status, blockers}' report.json)"
    check "expected $1: $(jq -c .blocker_reasons report.json)" [ "$(jq -r '.blocker_reasons | join(" ")' report.json)" = "$1" ]
    check "$1: something was done" [ "$(jq -c '[.baseline_head, .backend_end.started]' report.json)" = '[null,false]' ]
    ha verify "$(jq -r .run_id report.json)" >/dev/null || fail "$1: the evidence does not verify"
}
passed() {
    ha run-case asks --json >report.json 2>err || fail "expected a pass: $(cat err; jq -c .blockers report.json)"
    ha verify "$(jq -r .run_id report.json)" >/dev/null || fail "the evidence of a pass does not verify"
}
events() { jq -r .type "$(jq -r .artifacts_dir report.json)/events.normalized.jsonl" | tr '\n' ' '; }

# --- asking changes nothing, and says what is needed
refused '--actor is missing' 2 ha request new asks
refused 'that is a backend' 2 ha request new asks --actor codex
refused 'needs no approval' 2 ha request new free --actor alice
refused 'asks is not declared for the exec backend.*--engine' 2 ha request new asks --actor alice --engine exec
refused 'no-such-case' 2 ha request new no-such-case --actor alice
check "a refused request made a home" [ ! -e home ]
blocked gate_missing
refused 'no-such-request' 2 ha request show no-such-request
r=$(ask)
ha request show "$r" | jq -e '.approval_granted == false and .execution_allowed == false and .statement == "This record is not execution evidence."
    and (.success_criteria | length > 0) and (.blocked_actions | length == 10) and (.scope.allowed_paths | length > 0)' >/dev/null ||
    fail "the request lacks something"
check "the sentence" [ "$(sentence "$r")" = 'I approve asks against copied-fixture:asks for the Tidy "asks" task.' ]
blocked gate_missing # a request grants nothing

# --- only the exact sentence, by a human, for a time
refused 'not the sentence.*I approve asks' 2 ha approve grant --request "$r" --sentence 'I approve asks' --actor bob
refused 'not the sentence' 2 ha approve grant --request "$r" --sentence "$(sentence "$r") " --actor bob
refused '--sentence is missing' 2 ha approve grant --request "$r" --actor bob
refused 'that is a backend' 2 ha approve grant --request "$r" --sentence "$(sentence "$r")" --actor fake
refused 'that is past' 2 ha approve grant --request "$r" --sentence "$(sentence "$r")" --actor bob --expires 2020-01-01
refused 'more than 30 days' 2 ha approve grant --request "$r" --sentence "$(sentence "$r")" --actor bob --expires 2999-01-01
refused 'a time as' 2 ha approve grant --request "$r" --sentence "$(sentence "$r")" --actor bob --expires tomorrow
refused 'no request' 2 ha approve grant --request nonsense --sentence x --actor bob
check "a refused grant left a row" [ "$(ha approve list --json | jq '.approvals | length')" = 0 ]

# --- one run
a=$(grant "$r")
refused 'not used up' 2 ha approve grant --request "$r" --sentence "$(sentence "$r")" --actor bob
passed
check "events: $(events)" [ "$(events | tr ' ' '\n' | grep -c '^approval\.')" = 2 ]
jq -e '.approval_status == "granted" and .approval.actor == "bob" and .approval.execution_scope == "one approved Harness run only"' report.json >/dev/null ||
    fail "the report does not tell the approval"
check "order: $(events)" grep -qE 'plan.updated approval.requested approval.granted .*patch.applied' <<<"$(events)"
check "it is not used up" [ "$(state "$a")" = consumed ]
ha approve list --json | jq -e --arg a "$a" '.approvals[] | select(.approval_id == $a) | .approval_required and .approval_granted and
    (.execution_allowed | not) and .approval_consumed and .consumed_by_pass_evidence' >/dev/null || fail "the used approval says something else"
blocked approval_consumed
refused 'no approval .* that could be revoked' 2 ha approve revoke "$a" --actor bob

# --- another scope
r=$(ask) && a=$(grant "$r")
blocked gate_missing other
edit cases/asks/case.json '.allowed_writes += ["more/"]'
blocked gate_missing
edit cases/asks/case.json '.allowed_writes -= ["more/"]'
echo 'and more' >>cases/asks/task.md
blocked gate_missing
sed -i '$d' cases/asks/task.md
cp -r cases/asks/fixture keep && echo more >>cases/asks/fixture/GUIDE.md
blocked gate_missing # the repository that it was for is another
rm -r cases/asks/fixture && mv keep cases/asks/fixture
edit cases/asks/case.json '.network = "none"'
blocked gate_missing
edit cases/asks/case.json 'del(.network)'
check "another scope used it" [ "$(state "$a")" = granted ]

# --- revoked, expired, from the future
ha approve revoke "$a" --actor bob --quiet || fail "no revocation"
blocked approval_expired
r=$(ask) && a=$(grant "$r" --expires "$(date -u -d '+2 seconds' +%FT%TZ)")
sleep 2.2
blocked approval_expired
check "state" [ "$(state "$a")" = expired ]
r=$(ask) && a=$(grant "$r")
python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute("UPDATE approvals SET decided_at = decided_at + 3600000 WHERE id = ?", (sys.argv[2],)); d.commit()' home/cto.db "$a"
blocked approval_expired # the clock went back
ha approve revoke "$a" --actor bob --quiet

# --- a clock that goes back brings nothing back that had expired: the store has seen a later run
r=$(ask) && a=$(grant "$r" --expires "$(date -u -d '+1 hour' +%FT%TZ)")
ha run-case other --json >report.json 2>/dev/null
late=$(jq -r .run_id report.json)
python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute("UPDATE runs SET started_at = started_at + ? WHERE run_id = ?", (int(sys.argv[2]), sys.argv[3])); d.commit()' home/cto.db 3700000 "$late"
blocked approval_expired
python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute("UPDATE runs SET started_at = started_at - ? WHERE run_id = ?", (int(sys.argv[2]), sys.argv[3])); d.commit()' home/cto.db 3700000 "$late"
check "it is still there" [ "$(state "$a")" = granted ]
ha approve revoke "$a" --actor bob --quiet

# --- blocked before the start: given back
cp cases/asks/case.json good.json
edit cases/asks/case.json '.dirty_start = [{"do": "write", "path": "dirt", "text": "x"}]'
r=$(ask) && a=$(grant "$r")
ha run-case asks --engine exec >/dev/null 2>&1
check "another backend used it" [ "$(state "$a")" = granted ]
ha run-case asks --json >report.json 2>err
check "dirty: $(jq -c .blocker_reasons report.json)" [ "$(jq -r '.blocker_reasons | join(" ")' report.json)" = dirty_starting_tree ]
check "a run that never started used it up" [ "$(state "$a")" = granted ]
cp good.json cases/asks/case.json

# --- two at once
r=$(ask) && a=$(grant "$r")
(ha run-case asks --json >one.json 2>/dev/null) &
(ha run-case asks --json >two.json 2>/dev/null) &
wait
check "of two: $(jq -r .status one.json two.json | tr '\n' ' ')" [ "$(jq -r .status one.json two.json | sort | tr '\n' ' ')" = 'blocked pass ' ]
jq -r '.blocker_reasons[]' one.json two.json | grep -qx approval_consumed || fail "the slower one says something else"

# --- failed work uses it up too, so does a supervisor that dies
edit cases/other/case.json '.fake.steps = [{"do": "exit", "code": 3}]'
r=$(ask other) && a=$(grant "$r")
ha run-case other --json >report.json 2>err && fail "a broken backend passed"
check "failed work" [ "$(state "$a")" = consumed ]
ha approve list --json | jq -e --arg a "$a" '.approvals[] | select(.approval_id == $a) | .consumed_by_pass_evidence == false' >/dev/null || fail "pass evidence of a failed run"
edit cases/other/case.json '.fake.steps = [{"do": "sleep", "ms": 60000}]'
r=$(ask other) && a=$(grant "$r")
"$HARNESS" --home "$W/home" --cases "$W/cases" run-case other >/dev/null 2>&1 &
pid=$!
for _ in $(seq 200); do [ "$(state "$a")" = claimed ] && break; sleep 0.05; done
check "it was not claimed" [ "$(state "$a")" = claimed ]
kill -9 $pid
wait $pid 2>/dev/null
ha run-case free --quiet >/dev/null || fail "free"
check "a dead supervisor's approval" [ "$(state "$a")" = consumed ]

# --- denied: final
r=$(ask) && a=$(ha approve deny --request "$r" --actor carol --why "not this week" --quiet)
blocked approval_denied
check "events: $(events)" [ "$(events)" = 'run.started task.contract.created approval.requested approval.denied run.completed ' ]
jq -c 'select(.type == "approval.denied") | .data' "$(jq -r .artifacts_dir report.json)/events.normalized.jsonl" >data.json
jq -e '.actor == "carol" and .reason == "not this week" and .scope == "one approved Harness run only" and .mutation_mode == "copied-fixture"
    and (.timestamp | length == 24) and .blockers[0].reason == "approval_denied"' data.json >/dev/null || fail "the event: $(cat data.json)"
check "status" [ "$(jq -r .approval_status report.json)" = denied ]
refused 'denied.*final' 2 ha approve grant --request "$r" --sentence "$(sentence "$r")" --actor bob
r=$(ask) && a=$(grant "$r" --expires "$(date -u -d '+2 seconds' +%FT%TZ)")
sleep 2.2
blocked approval_denied # the newest word that says no stands, whatever was granted before or has run out since
r=$(ask) && grant "$r" >/dev/null
passed # a new request is a new question
refused 'one line' 2 ha approve deny --request "$(ask)" --actor bob --why "$(printf 'no\nforged')"
refused 'secret' 2 ha approve deny --request "$(ask)" --actor bob --why ghp_0123456789abcdef0123456789abcdef
refused 'that is a backend' 2 ha approve deny --request "$(ask)" --actor FAKE
r=$(ask) && ha approve deny --request "$r" --actor bob --quiet --why "$(python3 -c "print('a' * 45 + 'é' * 20)")" >/dev/null
blocked approval_denied # cut inside a letter, and still UTF-8

# --- verify: a chain without the approval, or with another, is no evidence of an approved run
forge() { python3 - "$1" "$2" <<'PY' && "$HARNESS" --home "$W/nowhere" verify "$1" >/dev/null 2>&1; }
import hashlib, json, sys
d, how = sys.argv[1:]
path = d + "/events.normalized.jsonl"
events = [json.loads(l) for l in open(path)]
if how == "dropped":
    events = [e for e in events if not e["type"].startswith("approval.")]
for e in events:
    if e["type"] == "approval.granted":
        e["data"].update({"actor": {"actor": "fake"}, "mode": {"mutation_mode": "candidate-default"}, "expiry": {"expiry": "1999-01-01T00:00:00.000Z"}}.get(how, {}))
prev, out = "0" * 64, []
for n, e in enumerate(events):
    e["seq"], e["prev"] = n + 1, prev
    out.append(json.dumps(e, separators=(",", ":"), ensure_ascii=False))
    prev = hashlib.sha256(out[-1].encode()).hexdigest()
open(path, "w").write("\n".join(out) + "\n")
r = open(d + "/report.json").read()
report = json.loads(r)
digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
r = r.replace(report["artifact_digests"]["events.normalized.jsonl"], digest).replace(report["events"]["head"], prev)
r = r.replace('"count":\t%d' % report["events"]["count"], '"count":\t%d' % len(events))
own = report["artifact_digests"]["report.json"]
r = r.replace(own, hashlib.sha256(r.replace(own, "").encode()).hexdigest())
open(d + "/report.json", "w").write(r)
sums = [l.split("  ", 1) for l in open(d + "/SHA256SUMS").read().splitlines()]
open(d + "/SHA256SUMS", "w").write("".join("%s  %s\n" % (hashlib.sha256(open(d + "/" + n, "rb").read()).hexdigest(), n) for _, n in sums))
PY
good=$(grep -l '"status":.*"pass"' home/harness-runs/*-asks-*/report.json | tail -1)
for how in nothing dropped actor mode expiry; do
    name=$(basename "$(dirname "$good")")
    cp -a "$(dirname "$good")" "$W/$name"
    if forge "$W/$name" "$how"; then
        [ $how = nothing ] || fail "verify accepts a forged approval: $how"
    else
        [ $how != nothing ] || fail "the forger does not know how to seal: what it made of the others proves nothing"
    fi
    checks=$((checks + 1))
    rm -rf "${W:?}/$name"
done
h store check >/dev/null || fail "store check"
no_leftovers
e2e_end
