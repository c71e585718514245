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
wrong 'reaches no model' '.uses_model = true'
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
