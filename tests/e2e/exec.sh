#!/usr/bin/env bash
# ctest: timeout=240
# A backend of one's own: a script described by an engine file, gated like any other. Stage 1 is proven first; without it, and with
# anything wrong in the file, nothing starts. It sees the task and what the file hands on, commits, and is judged like the others.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done

edit() { jq "$2" "$1" >"$1.new" && mv "$1.new" "$1"; }
tools=$(mktemp -d /opt/cto-exec.XXXXXX 2>/dev/null) || tools=$(mktemp -d "$W/tools.XXXXXX") # no part of somebody's home
# shellcheck disable=SC2064 # now
trap "rm -rf '$tools'; e2e_clean" EXIT
chmod 755 "$tools"
mkdir cases
cp -r "$SRC/cases/docs-typo" cases/words && edit cases/words/case.json '.id = "words" | .backends = ["fake", "exec"]'
he() { "$HARNESS" --home "$W/home" --cases "$W/cases" "$@"; }
reasons() { jq -r '.blocker_reasons | join(" ")' report.json; }
run() { he run-case words --engine exec --json >report.json 2>err; }
out() { cat "$(jq -r .artifacts_dir report.json)/backend/stdout.log"; }
# what the fake lane does to pass, by hand
cat >"$tools/agent.sh" <<'SH'
#!/bin/sh
set -e
echo "task: $(head -1 "$1")"
echo "mood: ${AGENT_MOOD:-none}, other: ${OTHER:-none}, uid $(id -u)"
cd "$2"
eval "$(cat "$3")"
SH
chmod 755 "$tools/agent.sh"
jq -r '.fake.steps[] | select(.do == "replace") | "sed -i '"'s/\(.old)/\(.new)/'"' \(.path)"' cases/words/case.json >"$tools/work"
[ -s "$tools/work" ] || fail "the case has no replace step any more"
echo 'git commit -qam "Mend the words"' >>"$tools/work"
jq -n --arg t "$tools" '{name: "my-agent", command: ["/bin/sh", ($t + "/agent.sh"), "{task}", "{workspace}", ($t + "/work")],
    environment: ["AGENT_MOOD"], read_roots: [$t]}' >engine.json
cp engine.json good.json

# --- the gates
run
check "closed by default: $(reasons)" [ "$(jq -r '.blocker_reasons[0]' report.json)" = gate_missing ]
export CTO_HARNESS_ALLOW_EXEC=1 CTO_HARNESS_EXEC_STAGE=2 CTO_HARNESS_EXEC_ENGINE_FILE=$W/engine.json
run
check "stage 1 is not proven: $(reasons)" [ "$(reasons)" = stage_not_proven ]
refused 'unknown engine' 2 h validate stage1 --engine nobody
refused 'default lane' 2 h validate stage1 --engine fake
h validate stage1 --engine exec --json >proof.json || fail "validate stage1: $(jq -c .errors proof.json)"
jq -e '.ok and .stage_status == "validated" and .proof_kind == "real" and (.checked | length > 30) and (.failure_reports | length == 3)
    and .runtime_default_activation == false and .core_promotion_status == "not-promoted"' proof.json >/dev/null || fail "the proof: $(cat proof.json)"
h validate stage1 --quiet >/dev/null || fail "validate stage1 of case"
for e in codex pi; do h validate stage1 --engine $e >/dev/null || fail "validate stage1 of $e"; done

# --- a file that is not there, is none, or lacks something: why, and not where
file_of() { # FILE WHY
    CTO_HARNESS_EXEC_ENGINE_FILE=$1 run
    check "$1: $(jq -c .blockers report.json)" [ "$(jq -r '.blockers[0].detail' report.json)" = "gate engine_file: the engine file cannot be used: $2" ]
    check "$1: it says where" [ "$(grep -c "$W/" <(jq -r '.blockers[].detail' report.json))" = 0 ]
}
file_of "$W/nowhere.json" 'it cannot be read: No such file or directory'
file_of "$W" 'not a regular file'
jq 'del(.name)' good.json >unnamed.json
file_of "$W/unnamed.json" 'line 1: name: is missing'

# --- it works
OTHER=1 AGENT_MOOD=good run || fail "the script did not pass: $(jq -c .blockers report.json; out)"
check "what it saw: $(out)" grep -q 'task: # ' <(out)
edit engine.json '.environment += ["ODD"]'
ODD='{"a": "b\\c"}' AGENT_MOOD=good run || fail "an odd value: $(jq -c .blockers report.json)"
cp good.json engine.json
OTHER=1 AGENT_MOOD=good run
check "the environment: $(out)" grep -q 'mood: good, other: none' <(out)
jq -e '.status == "pass" and .case_process_started and .allowed_mutation_scope == "copied artificial case only" and .case_stage == 2 and
    .source_admission_status == "not_admitted" and (.case_bin_sha256 | length == 64)' report.json >/dev/null || fail "the report: $(jq -c . report.json | head -c 600)"
he verify "$(jq -r .run_id report.json)" >/dev/null || fail "the evidence does not verify"

# --- what the file says counts
edit engine.json '.commit = "harness"'
sed -i '$d' "$tools/work"
run || fail "commit: harness: $(jq -c .blockers report.json)"
cp good.json engine.json
echo 'git commit -qam "Mend the words"; sleep 60' >>"$tools/work"
edit engine.json '.end_of_life = "first_commit" | .grace_ms = 100'
run || fail "first_commit: $(jq -c .blockers report.json)"
check "it was not ended by the harness" [ "$(jq .backend_end.ended_by_harness report.json)" = true ]
cp good.json engine.json && edit engine.json '.timeouts = {"backend_s": 1} | .end_of_life = "exit"'
run
check "its timeout: $(reasons)" grep -qE "timeout" <<<"$(reasons)"
check "it passed beyond its limit" [ "$(jq -r .status report.json)" != pass ]
check "whole of it took $(jq .timings_ms.engine report.json) ms" [ "$(jq '.timings_ms.engine < 30000' report.json)" = true ]
CTO_HARNESS_EXEC_TIMEOUT_SECONDS=90 run # does not lengthen it
check "its timeout, still: $(reasons)" grep -qE "timeout" <<<"$(reasons)"
cp good.json engine.json && edit engine.json '.end_of_life = "exit"'
CTO_HARNESS_EXEC_TIMEOUT_SECONDS=1 run # the operator's bound
check "the operator's timeout: $(reasons)" grep -qE "timeout" <<<"$(reasons)"
for odd in 0 -1 1.5 x 86401 99999999999999999999 ' 1'; do
    CTO_HARNESS_EXEC_TIMEOUT_SECONDS=$odd run
    check "'$odd' seconds: $(reasons)" [ "$(jq -r '[.blocker_reasons[0], .status, .case_process_started] | join(" ")' report.json)" = 'gate_missing blocked false' ]
done
cp good.json engine.json && edit engine.json '.limits = {"output_bytes": 10}'
run
check "its limit: $(reasons)" [ "$(reasons)" = output_limit_exceeded ]
cp good.json engine.json && edit engine.json '.command = ["/no/such/program"]'
run
check "a program that is not there: $(reasons)" [ "$(reasons)" = provider_unavailable ]
check "failure_reason" [ "$(jq -r .failure_reason report.json)" = "provider unavailable" ]
cp good.json engine.json && edit engine.json '.command = ["/bin/false"]'
run
check "a program that fails: $(reasons)" grep -q backend_failed <<<"$(reasons)"

# --- what it finds: the task on stdin, files and variables of its own, a program that a setting names
cat >"$tools/finds.sh" <<'SH'
#!/bin/sh
set -e
echo "stdin: $(cat | tail -1)"
[ -z "$(cat)" ] && echo "and its end"
(echo spoilt >/dev/stdin) 2>/dev/null && echo "stdin can be written"
echo "rc: $(cat "$HOME/.config/my/rc")"
echo "conf: $(cat "$AGENT_STATE/conf.json")"
echo more >>"$AGENT_STATE/conf.json" && touch "$AGENT_STATE/new"
echo "self: $0, key: $MY_API_KEY"
eval "$(cat "$1")"
SH
chmod 755 "$tools/finds.sh"
{ grep '^sed' "$tools/work"; echo 'git commit -qam "Mend the words"'; } >"$tools/work.new" && mv "$tools/work.new" "$tools/work"
cp good.json engine.json
edit engine.json '.program = "file" | .command = ["/bin/sh", "{program}", .command[4]] | .stdin = "task" | .environment = []
    | .set = {AGENT_STATE: "{state}", PLAIN: "{{task}"}
    | .files = [{path: "{home}/.config/my/rc", text: "at {workspace}"}, {path: "{state}/conf.json", json: {a: "{task}"}}]'
run
check "no program: $(reasons)" grep -q 'set CTO_HARNESS_EXEC_BIN' <(jq -r '.blockers[].detail' report.json)
export CTO_HARNESS_EXEC_BIN=$tools/finds.sh
run || fail "the script with files did not pass: $(jq -c .blockers report.json; out)"
cat >want <<'END'
stdin: # Fix typos in the README
and its end
rc: at /workspace
conf: {
self: /opt/agent/finds.sh, key: 
END
sed -i "s|^stdin: .*|stdin: $(tail -1 cases/words/task.md)|" want
check "what it found: $(out)" cmp -s want <(out | grep -v '"a"' | sed 's/^}$//; /^$/d')
check "its file has the place: $(out)" grep -q '"a":.*"/task/task.md"' <(out)
dir=$(jq -r .artifacts_dir report.json)
jq -e '.name == "my-agent" and .argv[1] == "/opt/agent/finds.sh" and .set.AGENT_STATE == "/scratch/agent" and .set.PLAIN == "{task}" and .stdin == "task"
    and (.files | length == 2) and .files[0].path == "/scratch/home/.config/my/rc" and (.program_sha256 | length == 64) and .output == "text"' \
    "$dir/backend/engine-config.json" >/dev/null || fail "engine-config.json: $(cat "$dir/backend/engine-config.json")"
check "the generated file in the evidence" [ "$(cat "$dir/backend/engine-file-1-rc")" = "at /workspace" ]
check "its digest" [ "$(jq -r .case_bin_sha256 report.json)" = "$(sha256sum <"$tools/finds.sh" | cut -d' ' -f1)" ]
# What a jail cannot be shown is no fault of the worker: the gate says what to set, and nothing is started.
closed() { check "$1: $(jq -c .blockers report.json)" [ "$(reasons)/$(jq -r .status report.json)/$(jq -r '.blockers[0].detail' report.json | grep -c "$2")" = provider_unavailable/blocked/1 ]; }
CTO_HARNESS_EXEC_BIN=$tools/no-such-thing run
closed "a program that is not there" 'what CTO_HARNESS_EXEC_BIN names: No such file'
ln -s finds.sh "$tools/link.sh"
CTO_HARNESS_EXEC_BIN=$tools/link.sh run
closed "a program behind a link" 'the path of CTO_HARNESS_EXEC_BIN holds a symbolic link; name where it leads'
# the tree of packages around a program, and an interpreter for it
mkdir -p "$tools/node_modules/@a/agent/dist" "$tools/node_modules/lib"
echo 'echo "lib: $(cat "$(dirname "$0")/../../../lib/text")"' | cat - "$tools/finds.sh" | grep -v '^#!' >"$tools/node_modules/@a/agent/dist/cli.js"
echo found >"$tools/node_modules/lib/text"
cp /bin/dash "$tools/tool" 2>/dev/null || cp /bin/sh "$tools/tool"
edit engine.json '.program = "packages" | .interpreter = "node" | .command[0] = "{interpreter}" | .read_roots |= map(. + "/work")'
export CTO_HARNESS_EXEC_BIN=$tools/node_modules/@a/agent/dist/cli.js CTO_HARNESS_EXEC_NODE=$tools/tool
run || fail "a package with an interpreter: $(jq -c .blockers report.json; out)"
check "what it found: $(out)" grep -q 'lib: found' <(out)
check "where it was: $(out)" grep -qF 'self: /opt/agent/node_modules/@a/agent/dist/cli.js' <(out)
dir=$(jq -r .artifacts_dir report.json)
check "the interpreter's digest" [ "$(jq -r .interpreter_sha256 "$dir/backend/engine-config.json")" = "$(sha256sum <"$tools/tool" | cut -d' ' -f1)" ]
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$tools/node_modules/lib/socket"
run
check "a socket in the tree: $(reasons)" [ "$(reasons)" = sandbox_unavailable ]
edit engine.json '.program = "package"' # of the package alone the socket is no part, and neither is lib
run
check "what it found: $(out)" grep -q 'lib: $' <(out)
check "alone: $(jq -c .blockers report.json)" [ "$(jq -r .status report.json)" = pass ]
rm "$tools/node_modules/lib/socket"
# one that is shipped, as it is
h engines --json >engines.json
jq -e '[.files[] | select(.tested) | .name] == ["codex", "pi", "shell"] and (.files | map(.name) == ["aider", "claude", "codex", "opencode", "pi", "shell"])' engines.json >/dev/null ||
    fail "what is shipped: $(jq -c .files engines.json)"
refused 'no engine file' 2 h engines show nobody
refused 'exactly one' 2 h engines show
h engines show shell >engine.json
{ echo 'read -r line; echo "asked: $line"'; cat "$tools/work"; } >"$tools/script"
CTO_HARNESS_EXEC_BIN=$tools/script run || fail "the shipped shell file: $(jq -c .blockers report.json; out)"
check "its task: $(out)" grep -q 'asked: # ' <(out)
cmp -s engine.json "$SRC/worker/adapters/engines/shell.json" || fail "show prints something else than the file"
unset CTO_HARNESS_EXEC_BIN CTO_HARNESS_EXEC_NODE

# --- how it is asked to end
lingers() { # COMMANDS JQ: after its commit
    { grep '^sed' "$tools/work"; echo 'git commit -qam "Mend the words"'; echo "$1"; } >"$tools/work.new" && mv "$tools/work.new" "$tools/work"
    cp good.json engine.json && edit engine.json ".end_of_life = \"first_commit\" | .grace_ms = 100 | $2"
    run || fail "$1: $(jq -c .blockers report.json; out)"
    check "$1: ended by the harness" [ "$(jq .backend_end.ended_by_harness report.json)" = true ]
}
lingers 'trap "echo farewell; exit 3" INT; while :; do sleep 0.1; done' '.stop_signal = "INT" | .stop_grace_ms = 8000'
check "the last word: $(out)" grep -q farewell <(out)
check "its end: $(jq -c .backend_end report.json)" [ "$(jq -c '[.backend_exit_code, .backend_signal, .backend_end.end]' report.json)" = '[3,null,"stopped"]' ]
lingers 'exec sleep 1000' '.stop_signal = "TERM" | .stop_grace_ms = 8000'
check "ended by the signal: $(jq -c .backend_end report.json)" [ "$(jq -c '[.backend_exit_code, .backend_signal, .backend_end.end]' report.json)" = '[null,15,"stopped"]' ]
lingers 'trap "" INT; echo deaf; sleep 1000' '.stop_signal = "INT" | .stop_grace_ms = 300'
check "killed after all: $(jq -c .backend_end report.json)" [ "$(jq -c '[.backend_exit_code, .backend_signal, .backend_end.end]' report.json)" = '[null,9,"stopped"]' ]
check "and soon: $(jq -c .timings_ms report.json)" [ "$(jq '.timings_ms.stopping < 5000 and .timings_ms.stopping >= 250' report.json)" = true ]
lingers 'trap "echo farewell; exit 3" INT TERM HUP; while :; do sleep 0.1; done' '.'
check "nobody asked it: $(out)" [ -z "$(out | grep farewell)" ]
# out of time: asked too, and that is no pass whatever it says then
{ grep '^sed' "$tools/work"; echo 'trap "echo farewell; exit 0" INT; while :; do sleep 0.1; done'; } >"$tools/work.new" && mv "$tools/work.new" "$tools/work"
cp good.json engine.json && edit engine.json '.end_of_life = "exit" | .timeouts = {backend_s: 1} | .stop_signal = "INT" | .stop_grace_ms = 8000'
run
check "out of time: $(reasons)" grep -qx 'timeout' <(jq -r '.blocker_reasons[0]' report.json)
check "the last word of that: $(out)" grep -q farewell <(out)

# --- with a model it is gated like every backend that has one
cp good.json engine.json && edit engine.json '.uses_model = true | .api = "chat" | .command += ["{model}", "{base_url}"]'
run
check "a model: $(reasons)" [ "$(jq -r '.blocker_reasons[1]' report.json)" = provider_not_decided ]
check "and not started" [ "$(jq .case_process_started report.json)" = false ]
h eligibility words --engine exec --json >/dev/null 2>&1

# --- what is wrong in the file blocks, and says where
wrong() { # WORD JQ
    cp good.json engine.json && edit engine.json "$2"
    he eligibility words --engine exec --json >decision.json
    [ $? -eq 3 ] || fail "$2: eligible"
    check "$2: $(jq -c .reasons decision.json)" grep -q "$1" <(jq -r '.reasons[]' decision.json)
}
wrong 'surprise: unknown key' '.surprise = 1'
wrong 'name: is missing' 'del(.name)'
wrong 'absolute path' '.command[0] = "sh"'
wrong 'absolute path' '.command = []'
wrong 'command\[0\]: a string' '.command = [7]'
wrong 'looks like a secret' '.command += ["sk-0123456789abcdef0123456789"]'
wrong 'API_TOKEN is named or shaped' '.environment = ["API_TOKEN"]'
wrong 'own' '.environment = ["PATH"]'
wrong 'own' '.environment = ["CTO_HARNESS_CASE_LOCAL_BASE_URL"]'
wrong 'own' '.environment = ["LD_PRELOAD"]'
wrong 'no name of a variable' '.environment = ["A=B"]'
wrong 'no name of a variable' '.environment = ["LLM_URL=http://hidden.invalid:8000/v1"]'
grep -q hidden decision.json && fail "the value of a mistaken NAME=VALUE is repeated"
wrong 'must not be repeated' '.commit = "sk-0123456789abcdef0123456789"'
grep -q sk-0123 decision.json && fail "a secret of the engine file is repeated"
AGENT_MOOD=ghp_0123456789abcdef0123456789abcdef wrong 'AGENT_MOOD is named or shaped' '.'
wrong 'not absolute' '.read_roots = ["opt"]'
wrong 'api: is missing' '.uses_model = true'
wrong 'not say uses_model' '.command += ["{base_url}"]'
wrong 'no place' '.command += ["{endpoint}"]'
wrong 'named like a secret' '.set = {"MY_TOKEN": "x"}'
wrong 'below {home}' '.files = [{"path": "/etc/x", "text": ""}]'
wrong 'stop_signal' '.stop_signal = "KILL"'
wrong 'end_of_life' '.end_of_life = "never"'
wrong 'backend_s' '.timeouts = {"backend_s": 0}'
head -c 70000 /dev/zero | tr '\0' ' ' >engine.json
he eligibility words --engine exec --json >decision.json && fail "a huge engine file"
rm engine.json
he eligibility words --engine exec --json >decision.json && fail "no engine file"
cp good.json engine.json
edit engine.json ".read_roots = [\"$W/home\"]"
run
check "the harness's own home as a read root: $(reasons)" [ "$(jq -r .status report.json)" = blocked ]
grep -rq 'ghp_0123' home && fail "a secret-shaped value is in the home"
no_leftovers
e2e_end
