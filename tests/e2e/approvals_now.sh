#!/usr/bin/env bash
# ctest: timeout=240
# What an approval binds of a run with a backend of one's own: also what lies in the directories of the host that it may read. What is
# too much to be bound is refused with a reason, and costs a run that needs no approval nothing. A request that says how things were is
# not granted when they are otherwise.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/target.bash"
target_setup
he run-case words --engine exec --quiet >/dev/null 2>&1 # makes the home
prove_by_hand
target_admit
details() { jq -r '.blockers[].detail' report.json; }
# Blocked before anything was done, because nobody has approved of it as it is.
unapproved() {
    run
    check "$1: $(reasons)" [ "$(jq -r .status report.json) $(reasons)" = 'blocked gate_missing' ]
    check "$1: something was started" [ "$(jq .case_process_started report.json)" = false ]
    check "$1: it says where the repository is" hides "$(jq -r .artifacts_dir report.json)"
}
granted() {
    run
    check "$1: it does not wait: $(head -c 600 out.json err)" [ "$(jq -r .waits_for out.json)" = operator_outcome ]
    he outcome "$(jq -r .run_id out.json)" rejected --actor bob --quiet >/dev/null 2>&1
}
roots() { jq -c .scope.read_roots request.json; }

# --- the program that the approved command reads is another one
ask || fail "request and grant"
check "the request does not name what is bound: $(roots)" grep -q "\"$tools\":\"content [0-9a-f]\{64\}\"" <(roots)
cp -p "$tools/work" work.good
echo 'echo also this >>GUIDE.md' >>"$tools/work"
unapproved "another script"
cp work.good "$tools/work" # other times, the same bytes
echo x >"$tools/beside"
unapproved "one file more"
rm "$tools/beside"
chmod 700 "$tools/work"
unapproved "another mode"
cp -p work.good "$tools/work"
granted "as it was approved"

# --- so is what the case may read, and it is named once when both name it
mkdir "$tools.data" && chmod 755 "$tools.data" && echo one >"$tools.data/a"
# shellcheck disable=SC2064 # now
trap "rm -rf '$tools' '$tools.data'; e2e_clean" EXIT
edit cases/words/case.json ".read_roots = [\"$tools.data\", \"$tools\"]"
ask || fail "with a read root of the case"
check "two of them: $(roots)" [ "$(jq '.scope.read_roots | length' request.json)" = 2 ]
echo two >"$tools.data/a"
unapproved "other data"
echo one >"$tools.data/a"
granted "the same data"

# --- what the system has is bound by what it is
edit cases/words/case.json '.read_roots = ["/usr/lib/git-core"]'
ask || fail "with a read root of the system's"
check "it was read: $(roots)" grep -q '"/usr/lib/git-core":"system ' <(roots)

# --- too much to be bound: no approval, and no run on one
truncate -s 600M "$tools.data/large"
edit cases/words/case.json ".read_roots = [\"$tools.data\"]"
refused 'read_roots.0. of the case cannot be bound.*more than 512 MiB' 2 he request new words --engine exec --actor alice
unapproved "too large"
check "too large: $(details)" grep -q 'cannot be bound by an approval: more than 512 MiB' <(details)
edit cases/words/case.json 'del(.read_roots)'
edit engine.json ".read_roots += [\"$tools.data\"]"
refused 'read_roots.1. of the engine file cannot be bound' 2 he request new words --engine exec --actor alice
check "the message names no place" hides "$W/refused.err"
edit engine.json "del(.read_roots[1])"
ln -s "$tools.data" "$tools/link"
edit cases/words/case.json ".read_roots = [\"$tools/link\"]"
refused 'neither a directory nor a plain file' 2 he request new words --engine exec --actor alice
rm "$tools/link"
edit cases/words/case.json ".read_roots = [\"$tools/nothing\"]"
refused 'No such file' 2 he request new words --engine exec --actor alice
edit cases/words/case.json ".read_roots = [\"$tools.data\"] | .approval_required = false | .mutation_mode = \"copied-fixture\""
he run-case words --quiet >free.out 2>&1 || fail "a run without an approval: $(cat free.out)"

# --- a request is granted while all is as it says
cp engine.json engine.keep && cp -r cases/words case.keep && cp target.json target.keep
edit cases/words/case.json 'del(.read_roots) | .approval_required = true | .mutation_mode = "owned-noncritical-repo"'
rm -r case.keep && cp -r cases/words case.keep
# said REQUEST COMMAND [OPTIONS]: granted by that command
said() { "$2" approve grant --request "$1" --actor bob --sentence "$(he request show "$1" | jq -r .sentence)" "${@:3}"; }
asked() { he request new words --engine exec --actor alice --quiet; }
approvals() { he approve list --json | jq -c '[.approvals[] | [.approval_id, .state]]'; }
# stale WORD: the request $r is refused, says what is otherwise and what to do, and nothing is said to it
stale() {
    local before
    before=$(approvals)
    refused "request $r is stale.*: $1; make a new request: request new words --engine exec\$" 2 said "$r" he
    check "$1: a refused grant left something" [ "$(approvals)" = "$before" ]
}
r=$(asked)
echo 'and more' >>cases/words/task.md
stale 'task_sha256, case_folder_sha256'
rm -r cases/words && cp -r case.keep cases/words
echo more >>cases/words/fixture/GUIDE.md
stale 'case_folder_sha256'
rm -r cases/words
stale 'its case cannot be read: .*words.*'
cp -r case.keep cases/words
edit engine.json '.grace_ms = 1'
stale 'engine_file_sha256'
cp engine.keep engine.json
echo x >"$tools/beside"
stale "read_roots $tools"
rm "$tools/beside"
g -c core.hooksPath=/dev/null commit -q --allow-empty -m "Theirs"
stale 'target_head'
g reset -q --soft HEAD^
edit target.json '.noncritical_rationale = "another"'
stale 'target_repository, target_admission_sha256, target_head'
he admit target --record target.json --actor alice --quiet >/dev/null || fail "admit anew"
stale 'target_repository, target_admission_sha256'
cp target.keep target.json
he admit target --record target.json --actor alice --quiet >/dev/null || fail "admit as before"
stale 'target_repository' # another decision, with the same words
r=$(asked)
sed -i 's/exit/quiet/' engine.json
CTO_HARNESS_EXEC_ENGINE_FILE=$W/engine.keep said "$r" he >/dev/null || fail "with the same engine file at another place"
cp engine.keep engine.json
he approve revoke "$(he approve list --json | jq -r '.approvals[0].approval_id')" --actor bob --quiet || fail "revoke"
python3 - "$W/home/cto.db" "$r" <<'PY'
import sqlite3, sys
d = sqlite3.connect(sys.argv[1])
doc, = d.execute("SELECT document FROM requests WHERE id = ?", (sys.argv[2],)).fetchone()
d.execute("UPDATE requests SET document = ? WHERE id = ?", (doc.replace('"I approve words against', '"I approve all of'), sys.argv[2]))
d.commit()
PY
stale 'sentence'
echo x >"$tools/beside"
he approve deny --request "$r" --actor bob --quiet >/dev/null || fail "what is stale can be denied"
rm "$tools/beside"

# --- whoever grants has another environment, and stands somewhere else
plain() { (cd / && env -u CTO_HARNESS_ALLOW_EXEC -u CTO_HARNESS_EXEC_ENGINE_FILE -u CTO_HARNESS_EXEC_STAGE -u CTO_HARNESS_EXEC_STAGE5_TARGET_ADMISSION_FILE "$HARNESS" --home "$W/home" --cases "$W/cases" "$@"); }
mkdir aside && cp engine.json aside
r=$(cd aside && CTO_HARNESS_EXEC_ENGINE_FILE=engine.json asked)
mv aside/engine.json aside/gone
refused "stale.*: engine_file_sha256, program_sha256, read_roots $tools; make" 2 said "$r" plain
mv aside/gone aside/engine.json
said "$r" plain >/dev/null || fail "without the variables"
granted "granted from another environment"

# --- a program and its interpreter that variables name: bound, and no need of whoever grants
cp "$tools/work" "$tools.data/agent" && cp "$(readlink -f /bin/sh)" "$tools.data/shell" && rm -f "$tools.data/large"
jq -n '{name: "by-variables", command: ["{interpreter}", "-e", "{program}"], program: "file", interpreter: "shell", end_of_life: "exit"}' >engine.json
export CTO_HARNESS_EXEC_BIN=$tools.data/agent CTO_HARNESS_EXEC_SHELL=$tools.data/shell
r=$(asked)
unnamed() { env -u CTO_HARNESS_EXEC_BIN -u CTO_HARNESS_EXEC_SHELL "$HARNESS" --home "$W/home" --cases "$W/cases" "$@"; }
cp "$tools.data/shell" shell.keep && echo >>"$tools.data/shell"
refused "stale.*: read_roots $tools.data/shell; make" 2 said "$r" unnamed
cp shell.keep "$tools.data/shell"
said "$r" unnamed >/dev/null || fail "without the variables of the program"
granted "a program that variables name"
truncate -s 600M "$tools.data/shell"
refused 'the program.s package or interpreter cannot be bound by an approval' 2 he request new words --engine exec --actor alice
unset CTO_HARNESS_EXEC_BIN CTO_HARNESS_EXEC_SHELL
cp engine.keep engine.json

# --- what became of each request, without asking twice
is() { he request list --json | jq -r --arg id "$1" '.requests[] | select(.id == $id) | .state'; }
because() { he request list --json | jq -c --arg id "$1" '.requests[] | select(.id == $id) | .stale_because'; }
check "used: $(is "$r")" [ "$(is "$r")" = consumed ]
open=$(asked)
check "open: $(is "$open")" [ "$(is "$open") $(because "$open")" = 'open []' ]
denied=$(asked) && he approve deny --request "$denied" --actor bob --quiet >/dev/null
check "denied: $(is "$denied")" [ "$(is "$denied")" = denied ]
expired=$(asked) && said "$expired" he --expires "$(date -u -d '+4 seconds' +%FT%TZ)" >/dev/null
granted=$(asked) && said "$granted" he >/dev/null
check "granted: $(is "$granted")" [ "$(is "$granted")" = granted ]
echo x >"$tools/beside"
check "what an approval is not for any more: $(because "$granted")" [ "$(is "$granted") $(because "$granted")" = "stale [\"read_roots $tools\"]" ]
check "nor a request: $(because "$open")" [ "$(is "$open") $(because "$open")" = "stale [\"read_roots $tools\"]" ]
check "a word that was said says more: $(is "$denied")" [ "$(is "$denied") $(because "$denied")" = 'denied []' ]
check "by whom: $(he request list --json | jq -c '.requests[0]')" jq -e '.requests[0] | .approval_state == "granted" and
    (.approval_id | startswith("approval-")) and (.approval_expires_at | length == 24) and .requested_by == "alice"' <(he request list --json)
rm "$tools/beside"
check "as it was: $(is "$granted")" [ "$(is "$granted")" = granted ]
he approve revoke "$(he approve list --json | jq -r '.approvals[0].approval_id')" --actor bob --quiet || fail "revoke"
check "revoked: $(is "$granted")" [ "$(is "$granted")" = revoked ]
for _ in $(seq 60); do [ "$(is "$expired")" = expired ] && break; sleep 0.1; done
check "expired: $(is "$expired")" [ "$(is "$expired")" = expired ]
check "without the variables: $(plain request list --json | jq -c '[.requests[].state] | unique')" \
    [ "$(plain request list --json | jq -r --arg id "$open" '.requests[] | select(.id == $id) | .state')" = open ]
python3 "$SRC/tests/lib/screen.py" 80 "$HARNESS" --home "$W/home" --cases "$W/cases" request list >screen || fail "a terminal of 80 columns: $(cat screen)"
for id in "$open open" "$denied denied" "$granted revoked" "$expired expired"; do
    check "the terminal lacks $id: $(cat screen)" grep -qE "^${id% *} +${id#* } +words +exec +alice" screen
done
before=$(fingerprint home)
he request list >/dev/null
check "a look changed the home" [ "$(fingerprint home)" = "$before" ]
check "left behind" no_leftovers
e2e_end
