#!/usr/bin/env bash
# ctest: timeout=120
# qwen-loop: what the caller has to give is named before anything is made; provider, model and stage are its own and
# not to be changed; everything else goes the way of run-case, through all its gates; and the endpoint is said nowhere.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done
edit() { jq "$2" "$1" >"$1.new" && mv "$1.new" "$1"; }
endpoint=http://endpoint-value.invalid:4711/v1

# --- usage
refused 'set CTO_HARNESS_CASE_BIN ' 2 h qwen-loop
check "a home was made" [ ! -e home ]
export CTO_HARNESS_CASE_BIN=/nowhere/ca
refused MODEL_ADMISSION_FILE 2 h qwen-loop
export CTO_HARNESS_CASE_MODEL_ADMISSION_FILE=$W/model.json
refused 'at most one CASE' 2 h qwen-loop a b
refused 'unknown option --loop' 2 h qwen-loop --loop
refused 'unknown option --engine' 2 h qwen-loop --engine fake
refused 'r1-string-slugfy.*r1-string-slugify' 2 h qwen-loop r1-string-slugfy
CTO_HARNESS_CASE_MODEL=gpt-5.5 refused 'CTO_HARNESS_CASE_MODEL is set' 2 h qwen-loop
CTO_HARNESS_CASE_MODEL_PROVIDER=openai-codex refused 'CTO_HARNESS_CASE_MODEL_PROVIDER is set' 2 h qwen-loop
check "a home was made" [ ! -e home ]

# --- the run path: blocked REASON STAGE [CASE]
blocked() {
    local code
    h qwen-loop ${3:+"$3"} --json >report.json 2>err
    code=$?
    check "exit code $code for $1: $(cat err)" [ $code -eq 3 ]
    jq -e --arg r "$1" --argjson s "$2" --arg c "${3:-r1-string-slugify}" '.blocker_reasons[0] == $r and .status == "blocked" and .case_id == $c and .backend == "case" and
        (.case_stage // 0) == $s and .case_model_provider == "qwen-local" and .case_model == "qwen3.6-35b-a3b" and .case_process_started == false and
        .runtime_default_activation == false and .models_observed == []' report.json >/dev/null ||
        fail "$1: $(jq -c '[.blockers, .case_stage, .case_model_provider, .case_id]' report.json)"
    h verify "$(jq -r .run_id report.json)" >/dev/null || fail "$1: the evidence does not verify"
}
export CTO_HARNESS_CASE_LOCAL_BASE_URL=$endpoint
blocked gate_missing 2 # its own settings do not open the backend
check "which gate: $(jq -c .blockers report.json)" grep -q CTO_HARNESS_ALLOW_CASE report.json
export CTO_HARNESS_ALLOW_CASE=1
blocked stage_not_proven 2
CTO_HARNESS_CASE_STAGE=4 blocked stage_not_proven 4 # the caller's stage wins
CTO_HARNESS_CASE_STAGE=nine blocked gate_missing 0
blocked stage_not_proven 2 r1-src-string-slugify
h validate provider-adapter --quiet >/dev/null 2>err || fail "provider-adapter: $(cat err)"
python3 - home/cto.db "$(jq -r .environment.build_id report.json)" <<'PY'
import sqlite3, sys
d = sqlite3.connect(sys.argv[1])
d.execute("INSERT INTO stage_proofs VALUES ('case', 1, ?, 'real', 1, 'x', 'y')", (sys.argv[2],))
d.commit()
PY
blocked provider_unavailable 2
check "the program that is not there" grep -q "no executable admission" report.json
h admit model --template >model.json && edit model.json '.status = "admitted" | .model = "gpt-5.5" | .provider = "openai-codex"'
blocked provider_unavailable 2
check "another admission" [ "$(jq -r .case_model_admission_status report.json)" = mismatch ]
edit model.json '.provider = "qwen-local" | .model = "qwen3.6-35b-a3b"'
blocked provider_unavailable 2
check "its admission" [ "$(jq -r .case_model_admission_status report.json)" = admitted ]
unset CTO_HARNESS_CASE_LOCAL_BASE_URL
blocked provider_unavailable 2
check "no endpoint is a closed gate" [ "$(jq '.eligibility.missing_gates | index("local_config") != null' report.json)" = true ]
# --- for people, and the endpoint
CTO_HARNESS_CASE_LOCAL_BASE_URL=$endpoint h qwen-loop >out 2>err
check "exit code for people" [ $? -eq 3 ]
grep -q '^blocked' out || fail "no verdict: $(cat out err)"
grep -qe endpoint-value out err && fail "the endpoint is printed"
grep -rqe endpoint-value home && fail "the endpoint is in the home: $(grep -rle endpoint-value home)"
h qwen-loop --help | grep -q CTO_HARNESS_ALLOW_CASE || fail "--help"
no_leftovers
e2e_end
