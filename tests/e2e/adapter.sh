#!/usr/bin/env bash
# ctest: timeout=180
# validate provider-adapter: every check that the design names is made or listed as not run with its reason, what the operator has set
# changes nothing of it, and its proof is one of mechanics that opens no gate.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done
export CTO_HARNESS_CASE_LOCAL_BASE_URL=http://127.0.0.1:9/theirs CTO_HARNESS_CASE_STAGE=5
h validate provider-adapter --json >out.json 2>err
code=$?
check "exit code $code: $(cat err; jq -c .errors out.json)" [ $code -eq 0 ]
check "something on stderr: $(cat err)" [ ! -s err ]
jq -e '.ok and .interface_status == "mechanics_validated" and .proof_kind == "double" and .errors == [] and
    .runtime_default_activation == false and .core_promotion_status == "not-promoted"' out.json >/dev/null || fail "$(jq -c . out.json)"
# The names of the design, all of them, once each.
sort >wanted <<'LIST'
model_provider_gate_blocks
provider_timeout_fail_closed
lifecycle_supervision_accepts_committed_diff
lifecycle_ignores_existing_history
local_provider_delayed_content_allows_case
local_provider_reasoning_only_blocks
qwen_local_openai_compat_allows_case
missing_local_config_blocks
codex_auth_gap_blocks
admission_mismatch_blocks
external_fallback_blocks
wrong_executable_blocks
agent_protocol_classified
provider_decision_blocks
wrong_command_shape_blocks
wrong_task_contract_blocks
missing_config_write_blocks
missing_credentials_blocks
eligibility_decision_shape
adapter_input_shape
approval_events_valid
no_secret_in_artifacts
no_endpoint_in_artifacts
LIST
jq -r '.checked[], .not_run[].check' out.json | sort >made
check "the checks: $(diff wanted made)" cmp -s wanted made
check "what is not run" [ "$(jq -r '.not_run[] | select(.reason | test("no model gateway")) | .check' out.json | wc -l)" -eq 3 ]
report=$(jq -r .report out.json)
check "the report that it names" jq -e '.proof_kind == "double" and .status == "pass" and .case_id == "r1-string-slugify"' "$report"
grep -rlF 127.0.0.1:9/ "$W/home/harness-runs" && fail "an endpoint is in an artifact"
row=$(python3 -c 'import sqlite3; print(sqlite3.connect("home/cto.db").execute("SELECT backend, stage, proof_kind, report_path FROM stage_proofs").fetchall())')
check "the row: $row" [ "$row" = "[('case', 0, 'double', '$report')]" ]
# A real program gains nothing by it.
CTO_HARNESS_ALLOW_CASE=1 CTO_HARNESS_CASE_STAGE=2 h eligibility r1-string-slugify --engine case --json >decision.json 2>err
check "the interface gate opened" jq -e '.missing_gates | index("interface")' decision.json
check "for people" grep -q 'not run: local_provider_reasoning_only_blocks' <(h validate provider-adapter 2>&1)
# Without its subject it is a usage error, not a pass.
mkdir cases
refused 'r1-string-slugify' 2 "$HARNESS" --home "$W/home" --cases "$W/cases" validate provider-adapter
refused 'engine|validator' 2 h validate provider-adapter --engine exec
sound
e2e_end
