#!/usr/bin/env bash
# ctest: timeout=180
# validate provider-adapter: every check that the design names is made, what the operator has set changes nothing of it, and its proof is
# one of mechanics that opens the gate of the interface and no stage. Its servers are its own: they end with it, and leave neither locks nor a breaker behind.
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
jq -r '.checked[]' out.json | sort >made
check "the checks: $(diff wanted made)" cmp -s wanted made
check "something was not run" jq -e '.not_run == []' out.json
# Other tests run servers of their own meanwhile: what is left is one whose parent is no cto-harness any more.
left=
for p in $(pgrep -f "^$BIN/cto-harness-model-double"); do
    parent=$(ps -o ppid= -p "$p" | tr -d ' ')
    [ -z "$parent" ] || [ "$(ps -o comm= -p "$parent")" = cto-harness ] || left="$left $p"
done
check "a server is left:$left" [ -z "$left" ]
check "locks of endpoints" [ ! -e home/endpoints ]
check "breakers" [ "$(python3 -c 'import sqlite3; print(sqlite3.connect("home/cto.db").execute("SELECT count(*) FROM endpoints").fetchone()[0])')" = 0 ]
# The runs that asked a model: what they say of it, as anybody may read it.
asked=$(jq -r 'select((.models_observed | length) > 0 and .case_runtime_model_provider == "openai") | .artifacts_dir' home/harness-runs/*/report.json)
check "runs with a model: $asked" [ "$(wc -w <<<"$asked")" -eq 2 ]
for dir in $asked; do
    jq -e '.status == "pass" and .case_model_provider == "qwen-local" and .case_model == "qwen3.6-35b-a3b" and .case_model_admission_status == "admitted" and
        .models_observed == [{provider: "qwen-local", model: "qwen3.6-35b-a3b", requests: 1}] and .model_use.outcomes == {ok: 1} and .model_use.complete and
        .secret_redacted == false and .external_fallback_used == false and .proof_kind == "double"' "$dir/report.json" >/dev/null || fail "$dir: $(jq -c '[.models_observed, .model_use]' "$dir/report.json")"
    check "its event" [ "$(jq -r 'select(.type == "gateway.request") | .data.outcome' "$dir/events.normalized.jsonl")" = ok ]
    check "what it was told" [ "$(jq -r '.providers.openai.baseUrl' "$dir/backend/case-models.json")" = http://127.0.0.1:8791/v1 ]
    grep -rlE 'made-up-[0-9a-f]|double-key-' "$dir" && fail "a server's address or key is in an artifact"
    h verify "$(basename "$dir")" >/dev/null || fail "$dir does not verify"
done
blocked=$(jq -r 'select(.blocker_reasons == ["provider_response_shape"]) | .artifacts_dir' home/harness-runs/*/report.json)
check "the blocked run" [ -s "$blocked/backend/provider-reasoning-only.txt" ]
report=$(jq -r .report out.json)
check "the report that it names" jq -e '.proof_kind == "double" and .status == "pass" and .case_id == "r1-string-slugify"' "$report"
grep -rlF 127.0.0.1:9/ "$W/home/harness-runs" && fail "an endpoint is in an artifact"
row=$(python3 -c 'import sqlite3; print(sqlite3.connect("home/cto.db").execute("SELECT backend, stage, proof_kind, report_path FROM stage_proofs").fetchall())')
check "the row: $row" [ "$row" = "[('case', 0, 'double', '$report')]" ]
# A real program gains one gate by it, and no stage.
CTO_HARNESS_ALLOW_CASE=1 CTO_HARNESS_CASE_STAGE=2 h eligibility r1-string-slugify --engine case --json >decision.json 2>err
check "the gates: $(jq -c .missing_gates decision.json)" jq -e '(.missing_gates | index("interface") == null and index("stage") != null) and .selected_backend == "none"' decision.json
check "for people" grep -q '^ok: provider adapter of case, 23 checks, 0 errors' <(h validate provider-adapter 2>&1)
# Nobody else gets such a server: not by hand, and not as a program that somebody admits.
model=$BIN/cto-harness-model-double
[ -x "$model" ] || model=$(dirname "$BIN")/libexec/cto-harness/cto-harness-model-double
refused 'only validators start it' 2 "$model"
refused 'only validators start it' 2 "$model" nothing-like-it
timeout 20 "$model" content </dev/null >out 2>&1
check "without a socket: exit $?" [ "$(wc -c <out)" -eq 0 ]
# Its subject is the shipped one where the operator's own cases have none.
mkdir cases
"$HARNESS" --home "$W/home" --cases "$W/cases" validate provider-adapter --json >own.json 2>err
check "with cases of one's own: exit $? $(cat err)" jq -e '.ok and .errors == []' own.json
refused 'engine|validator' 2 h validate provider-adapter --engine exec
sound
e2e_end
