#!/usr/bin/env bash
# ctest: timeout=180
# A gated backend with real records and variables: each step supplies one thing, and the next gate is the one that stands. A
# blocked run starts and copies nothing, has the complete set, and its evidence verifies. `eligibility` says the same without a run.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done
given=$W/given
: >"$given"

edit() { jq "$2" "$1" >"$1.new" && mv "$1.new" "$1"; }
mkdir -p cases/gated
cp -r "$SRC/cases/docs-typo/." cases/gated/
edit cases/gated/case.json '.id = "gated" | .backends = ["fake", "case", "codex", "pi", "exec"]'
hg() { "$HARNESS" --home "$W/home" --cases "$W/cases" "$@"; }

# blocked ENGINE REASON MARKER: a run ends blocked with this reason first, complete, nothing started.
blocked() {
    local engine=$1 reason=$2 marker=$3 dir
    hg run-case gated --engine "$engine" --json >report.json 2>err
    [ $? -eq 3 ] || fail "$engine: exit code, expected blocked for $reason: $(cat err)"
    dir=$(jq -r .artifacts_dir report.json)
    check "$engine: first reason is not $reason: $(jq -c .blocker_reasons report.json)" [ "$(jq -r '.blocker_reasons[0]' report.json)" = "$reason" ]
    jq -r '.blocker_reasons[]' report.json >>"$given"
    check "$engine: no marker $marker" [ -f "$dir/backend/$marker" ]
    for f in report.json report.md task-contract.json events.normalized.jsonl trace.jsonl patch.diff test.log SHA256SUMS; do
        [ -f "$dir/$f" ] || fail "$engine: $f is missing"
    done
    check "$engine: patch" [ ! -s "$dir/patch.diff" ]
    check "$engine: events" [ "$(jq -r .type "$dir/events.normalized.jsonl" | tr '\n' ' ')" = 'run.started task.contract.created backend.gate.blocked run.completed ' ]
    jq -e '.case_process_started == false and .status == "blocked" and .runtime_default_activation == false and
           .core_promotion_status == "not-promoted" and .external_fallback_used == false and .models_observed == [] and
           (.not_applicable | length) > 0 and .eligibility.selected_backend == "none" and .eligibility.allowed_mutation_mode == "none"' report.json >/dev/null ||
        fail "$engine: the report says something else: $(jq -c '{status, case_process_started, eligibility}' report.json)"
    (cd "$dir" && sha256sum --quiet -c SHA256SUMS) || fail "$engine: digests"
    hg verify "$(jq -r .run_id report.json)" >/dev/null || fail "$engine: the evidence does not verify"
    [ ! -d "$WORKDIRS/$(jq -r .run_id report.json)" ] || fail "$engine: a work directory was made"
    hg eligibility gated --engine "$engine" --json >decision.json
    local code=$?
    if [ -n "${asked:-}" ]; then # eligibility asks no model: it says yes, as far as it goes
        check "$engine: eligibility says something else: $(jq -c .reasons decision.json)" [ "$code$(jq -c '[.selected_backend, .missing_gates]' decision.json)" = "0[\"$engine\",[]]" ]
        return
    fi
    [ $code -eq 3 ] || fail "$engine: eligibility says something else than the run"
    check "$engine: the run's decision is not that of eligibility" \
        [ "$(jq -c 'del(.decision_id)' decision.json)" = "$(jq -c '.eligibility | del(.decision_id)' report.json)" ]
}

hg eligibility gated --json >decision.json || fail "the default lane is not eligible"
check "eligibility made a home" [ ! -e home ]
refused 'unknown engine' 2 hg eligibility gated --engine nobody
refused 'exactly one CASE' 2 hg eligibility
refused 'no-such-case' 2 hg eligibility no-such-case

# --- default: closed
for engine in case codex pi exec; do blocked $engine gate_missing case-gate.log; done
check "case is not disabled by default" [ "$(hg engines --json | jq -r '.engines[] | select(.name == "case") | .gate_open')" = false ]
check "fake is not the default" [ "$(hg engines --json | jq -r .default)" = fake ]
export CTO_HARNESS_ALLOW_CASE=yes
blocked case gate_missing case-gate.log
export CTO_HARNESS_ALLOW_CASE=1
blocked case gate_missing case-gate.log
grep -q CTO_HARNESS_CASE_STAGE report.json || fail "nobody says that a stage is missing"
export CTO_HARNESS_CASE_STAGE=7
blocked case gate_missing case-gate.log

# --- the ladder: stage 3 needs 2. Proofs are rows that validators write; these are put there by hand.
export CTO_HARNESS_CASE_STAGE=3
blocked case stage_not_proven case-gate.log
build=$(jq -r '.environment.build_id' report.json)
prove() { # STAGE KIND BUILD
    python3 - home/cto.db "$@" <<'PY'
import sqlite3, sys
d = sqlite3.connect(sys.argv[1])
d.execute("INSERT INTO stage_proofs VALUES ('case', ?, ?, ?, 1, 'x', 'y')", (int(sys.argv[2]), sys.argv[4], sys.argv[3]))
d.commit()
PY
}
prove 2 double "$build"
blocked case stage_not_proven case-gate.log
prove 2 real "of-another-build"
blocked case stage_not_proven case-gate.log
prove 2 real "$build"
blocked case gate_missing case-gate.log # the interface
prove 0 real "$build"
blocked case eligibility_denied case-gate.log # the source
check "the source's status" [ "$(jq -r .source_admission_status report.json)" = not_admitted ]

# --- records
h admit source --template >source.json && edit source.json '.status = "admitted"'
hg admit source --record source.json --actor alice --quiet || fail "source"
blocked case provider_unavailable provider-unavailable.txt
check "failure_reason" [ "$(jq -r .failure_reason report.json)" = "provider unavailable" ]
check "the source's status" [ "$(jq -r .source_admission_status report.json)" = admitted ]
hg admit source --revoke "$(hg admit source --list --json | jq -r '.admissions[0].id')" --actor bob --why "another license" --quiet
blocked case eligibility_denied case-gate.log
check "a revoked record counts" [ "$(jq -r .source_admission_status report.json)" = not_admitted ]
hg admit source --record source.json --actor alice --quiet >/dev/null || fail "the source again"
opt=$(mktemp -d "$HOME/cto-gates.XXXXXX" 2>/dev/null || mktemp -d /opt/cto-gates.XXXXXX) || opt=
case $opt in
/tmp/* | /var/tmp/* | /run/* | /dev/shm/* | '') [ -z "$opt" ] || rm -rf "$opt"; opt= ;;
esac
if [ -n "$opt" ]; then
    # shellcheck disable=SC2064 # now
    trap "rm -rf '$opt'; e2e_clean" EXIT
    printf '#!/bin/sh\necho started >>%s/started\n' "$W" >"$opt/ca" && chmod 755 "$opt/ca"
    h admit executable --template >build.json
    edit build.json ".status = \"admitted\" | .executable_path = \"$opt/ca\" | .sha256 = \"$(sha256sum <"$opt/ca" | cut -d' ' -f1)\""
    hg admit executable --record build.json --actor alice --quiet >/dev/null || fail "executable"
    export CTO_HARNESS_CASE_BIN=$opt/ca
    blocked case provider_not_decided provider-model-not-admitted.txt
    check "the program's digest" [ "$(jq -r .case_bin_sha256 report.json)" = "$(sha256sum <"$opt/ca" | cut -d' ' -f1)" ]
    cp "$opt/ca" ca.good && echo '# changed' >>"$opt/ca"
    blocked case provider_unavailable provider-unavailable.txt # another program than the admitted one
    cp ca.good "$opt/ca"

    h admit decision --template >decision.txt
    export CTO_HARNESS_CASE_PROVIDER_DECISION_FILE=$W/decision.txt
    blocked case provider_not_decided provider-model-not-admitted.txt
    edit decision.txt '.decision_status = "local_provider_required" | .provider = "qwen-local" | .model = "qwen3.6-35b-a3b" | .evidence_sources = ["x"]'
    blocked case model_not_admitted provider-model-not-admitted.txt
    export CTO_HARNESS_CASE_MODEL_PROVIDER=qwen-local CTO_HARNESS_CASE_MODEL=qwen3.6-35b-a3b
    blocked case model_not_admitted provider-model-not-admitted.txt
    check "admission status" [ "$(jq -r .case_model_admission_status report.json)" = missing_admission ]
    h admit model --template >model.json
    export CTO_HARNESS_CASE_MODEL_ADMISSION_FILE=$W/model.json
    blocked case model_not_admitted provider-model-not-admitted.txt
    check "admission status" [ "$(jq -r .case_model_admission_status report.json)" = not_admitted ]
    edit model.json '.status = "admitted" | .surprise = 1'
    blocked case model_not_admitted provider-model-not-admitted.txt
    check "admission status" [ "$(jq -r .case_model_admission_status report.json)" = invalid_admission ]
    edit model.json 'del(.surprise) | .model = "another"'
    blocked case model_not_admitted provider-model-not-admitted.txt
    check "admission status" [ "$(jq -r .case_model_admission_status report.json)" = mismatch ]
    edit model.json '.model = "qwen3.6-35b-a3b"'
    blocked case provider_local_config_unavailable provider-local-config-unavailable.txt
    check "failure_reason" [ "$(jq -r .failure_reason report.json)" = "provider unavailable" ]
    check "admission status" [ "$(jq -r .case_model_admission_status report.json)" = admitted ]
    # everything is there but a model that answers: the gate that asks it is the last one
    prove 1 real "$build" # of stage 2: the stages above want a repository too
    CTO_HARNESS_CASE_STAGE=2 CTO_HARNESS_CASE_LOCAL_BASE_URL=http://127.0.0.1:1/endpoint-value/v1 asked=1 blocked case provider_unavailable provider-unavailable.txt
    check "why it is not started: $(jq -c .blockers report.json)" grep -q 'gate response_shape: the model was asked for a completion, and that ended as unreachable' report.json
    check "the only closed gate" [ "$(jq -c .eligibility.missing_gates report.json)" = '["response_shape"]' ]
    check "proof kind" [ "$(jq -r .proof_kind report.json)" = real ]
    check "admission digest" [ "$(jq -r .case_model_admission_sha256 report.json)" = "$(sha256sum <model.json | cut -d' ' -f1)" ]
    edit model.json '.provider = "openai-codex" | .model = "gpt-5.5"'
    edit decision.txt '.decision_status = "external_provider_approved" | .provider_class = "external_openai_codex" | .provider = "openai-codex" | .model = "gpt-5.5"'
    export CTO_HARNESS_CASE_MODEL_PROVIDER=openai-codex CTO_HARNESS_CASE_MODEL=gpt-5.5
    blocked case provider_auth_unavailable provider-auth-unavailable.txt

    # --- an endpoint's value reaches nothing
    export CTO_HARNESS_CASE_MODEL_PROVIDER=qwen-local CTO_HARNESS_CASE_LOCAL_BASE_URL=http://endpoint-value.invalid:4711/v1
    blocked case provider_not_decided provider-model-not-admitted.txt
    grep -rq endpoint-value home && fail "the endpoint's value is in the home: $(grep -rl endpoint-value home)"
    check "the program was started" [ ! -e started ]
else
    echo "gates: no home outside of temporary directories: the gates after the executable were not asked" >&2
fi
no_leftovers
for reason in gate_missing stage_not_proven eligibility_denied provider_unavailable \
    ${opt:+provider_not_decided model_not_admitted provider_auth_unavailable provider_local_config_unavailable}; do
    grep -qx "$reason" "$given" || fail "$reason was never given"
done
e2e_end
