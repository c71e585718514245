# shellcheck shell=bash
# model.bash - for e2e scripts about backends that use a model, after e2e.bash: a scripted model on loopback, all records that a run
# needs, and stages put down as proven by hand.
#
#   model_start NAME [scripted-model options]   starts one; $model_port, its log is $W/NAME.log, its mode file $W/NAME.mode
#   mode NAME MODE                              for the requests from now on
#   model_stop NAME
#   model_records ENGINE [PROGRAM]   settings and records of ENGINE; with the program of an executable admission
#   prove ENGINE STAGE...            as a validator's real proof (0: the interface)
#   hm ARGS...                       cto-harness with $W/home and $W/cases
#   run_model ENGINE CASE [OPTIONS]  run-case --json: the report in report.json
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done
MODEL=scripted-1
MODEL_KEY=the-real-key-of-this-test-0123456789
declare -A model_pids model_ports

edit() { jq "$2" "$1" >"$1.new" && mv "$1.new" "$1"; }
hm() { "$HARNESS" --home "$W/home" --cases "$W/cases" "$@"; }
model_end_all() { for m in "${!model_pids[@]}"; do model_stop "$m"; done; }
trap 'model_end_all; e2e_clean' EXIT

model_start() {
    local name=$1
    shift
    rm -f "$W/$name.port"
    "$SRC/tests/doubles/scripted-model" --test-double --port 0 --port-file "$W/$name.port" --model "$MODEL" --key "$MODEL_KEY" \
        --mode-file "$W/$name.mode" --log "$W/$name.log" --lifetime 900 "$@" >"$W/$name.out" 2>&1 &
    model_pids[$name]=$!
    for ((i = 0; i < 200; i++)); do
        [ -s "$W/$name.port" ] && break
        sleep 0.05
    done
    model_port=$(cat "$W/$name.port") || fail "the scripted model $name did not start: $(cat "$W/$name.out")"
    model_ports[$name]=$model_port
}
model_stop() {
    [ -n "${model_pids[$1]:-}" ] || return 0
    kill "${model_pids[$1]}" 2>/dev/null
    wait "${model_pids[$1]}" 2>/dev/null
    unset "model_pids[$1]"
}
mode() { echo "$2" >"$W/$1.mode.new" && mv "$W/$1.mode.new" "$W/$1.mode"; }

prove() {
    python3 - "$W/home/cto.db" "$("$HARNESS" --version | sed -n 's/^build //p')" "$@" <<'PY'
import sqlite3, sys
d = sqlite3.connect(sys.argv[1])
for stage in sys.argv[4:]:
    d.execute("INSERT OR REPLACE INTO stage_proofs VALUES (?, ?, ?, 'real', 1, 'by hand, for this test', 'y')", (sys.argv[3], int(stage), sys.argv[2]))
d.commit()
PY
}

model_records() {
    local engine=$1 program=${2:-} shape up=CTO_HARNESS_${1^^}_
    hm run-case nothing-of-that-name --quiet >/dev/null 2>&1
    [ -f "$W/home/cto.db" ] || hm run-case model-task --quiet >/dev/null 2>&1 # makes the home
    prove "$engine" 0 1
    hm admit decision --template | jq --arg m "$MODEL" '.decision_status = "local_provider_required" | .provider = "qwen-local" | .model = $m
        | .evidence_sources = ["this test"]' >"$W/$engine.decision.json"
    hm admit model --template | jq --arg m "$MODEL" '.status = "admitted" | .provider = "qwen-local" | .model = $m' >"$W/$engine.model.json"
    export "CTO_HARNESS_ALLOW_${engine^^}=1" "${up}STAGE=2" "${up}MODEL_PROVIDER=qwen-local" "${up}MODEL=$MODEL" \
        "${up}MODEL_ADMISSION_FILE=$W/$engine.model.json" "${up}PROVIDER_DECISION_FILE=$W/$engine.decision.json" \
        "${up}LOCAL_BASE_URL=http://127.0.0.1:$model_port/v1" "${up}LOCAL_API_KEY=$MODEL_KEY"
    [ -n "$program" ] || return 0
    case $engine in
    codex) shape='codex exec --json <prompt on stdin>' ;;
    pi) shape='pi --mode json <prompt on stdin>' ;;
    *) shape='ca run --task <task-file> --mode unattended' ;;
    esac
    hm admit executable --template | jq --arg p "$program" --arg d "$(sha256sum <"$program" | cut -d' ' -f1)" --arg s "$shape" \
        '.status = "admitted" | .command_shape = $s | .executable_path = $p | .sha256 = $d' >"$W/$engine.build.json"
    hm admit executable --record "$W/$engine.build.json" --actor alice --quiet >/dev/null || fail "$engine: executable admission"
    export "${up}BIN=$program"
}
run_model() {
    local engine=$1 name=$2 code
    shift 2
    hm run-case "$name" --engine "$engine" --json "$@" >"$W/report.json" 2>"$W/err"
    code=$?
    return $code
}
reasons() { jq -r '.blocker_reasons | join(" ")' "$W/report.json"; }
# The case that the scripted model knows how to mend, for these engines.
model_case() {
    mkdir -p "$W/cases"
    cp -r "$SRC/cases/r1-string-slugify" "$W/cases/model-task"
    jq '.id = "model-task" | .backends = ["fake", "codex", "pi", "case", "exec"]' "$SRC/cases/r1-string-slugify/case.json" >"$W/cases/model-task/case.json"
}
