#!/usr/bin/env bash
# ctest: timeout=240
# The case backend, as far as it goes without a model: validators run our test double of ca through the whole of a governed run, one
# fixture for each thing that can be wrong at its end; nobody else can run the double, whatever is recorded; and a program that is no
# double is not started while no model answers.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done
edit() { jq "$2" "$1" >"$1.new" && mv "$1.new" "$1"; }
mkdir -p cases/failures
hc() { "$HARNESS" --home "$W/home" --cases "$W/cases" "$@"; }
double=$BIN/cto-harness-ca-double
[ -x "$double" ] || double=$(dirname "$BIN")/libexec/cto-harness/cto-harness-ca-double
sha=$(sha256sum <"$double" | cut -d' ' -f1)

# --- the double itself: one shape of command, and it says what it is
check "--help" grep -q 'test double' <("$double" --help)
for args in "" "run" "run --task /t.task.json" "run --task /t.task.json --mode attended" "run fix-the-greeting" "run --task /t.task.json --mode unattended now"; do
    # shellcheck disable=SC2086 # words
    "$double" $args >out 2>err
    check "shape '$args'" [ $? -eq 64 ]
done
"$double" run --task /t.task.json --mode unattended >out 2>err
check "without its state" [ $? -eq 65 ]

# fixture ID MODE STATUS REASON [JQ]: "pass" as STATUS is what the run must end as, though no failure fixture may declare that.
declare -A want
fixture() {
    local dir=cases/failures/$1
    cp -r "$SRC/cases/failures/reviewer-reject" "$dir"
    edit "$dir/case.json" ".id = \"$1\" | .double = {mode: \"$2\"} | .expect = {status: \"${3/pass/fail}\", blockers: [\"${4:-no_diff}\"],
        failure_class: \"$(sed -e 's/verification_failed/failed-tests/; s/disallowed_file_change/disallowed-file/; s/reviewer_rejected/reviewer-reject/; y/_/-/' <<<"${4:-no_diff}")\"} | ${5:-.}"
    want[$1]="$3 $4"
}
fixture fix fix pass ''
fixture linger linger pass '' '.grace_ms = 300'
fixture harness fix pass '' '.commit = "harness" | .fake.steps |= .[0:1]' # what is Case's own is not committed with it
fixture no-diff no-diff fail no_diff
fixture disallowed disallowed fail disallowed_file_change
fixture fail-tests fail-tests fail verification_failed
fixture hang hang blocked timeout '.timeouts = {backend_s: 2}'
fixture exits exit fail backend_failed '.double.code = 7'
fixture reviewer reviewer-reject blocked reviewer_rejected
fixture protocol agent-protocol-error fail agent_protocol_error
fixture dirty dirty-end fail dirty_ending_tree
hc case lint >/dev/null || fail "the fixtures are not sound"

hc validate failure-matrix --json >matrix.json 2>err
jq -e '.fixtures | length == 11' matrix.json >/dev/null || fail "the matrix: $(cat err; head -c 600 matrix.json)"
for id in "${!want[@]}"; do
    row=$(jq -c --arg id "$id" '.fixtures[] | select(.fixture == $id)' matrix.json)
    check "$id: $row" [ "$(jq -r '[.status, (.reasons | join(" "))] | join(" ")' <<<"$row")" = "${want[$id]}" ]
    check "$id: proof kind" [ "$(jq -r '.proof_kind + .backend' <<<"$row")" = doublecase ]
    report=$(jq -r .report <<<"$row")
    dir=$(dirname "$report")
    jq -e --arg sha "$sha" '.proof_kind == "double" and .backend == "case" and .case_process_started and .case_stage == 2 and
        .case_bin_sha256 == $sha and .case_model_admission_status == "admitted" and .case_runtime_model_provider == "openai" and
        .models_observed == [] and .external_fallback_used == false and .runtime_default_activation == false and
        .eligibility.selected_backend == "case"' "$report" >/dev/null ||
        fail "$id: the report: $(jq -c '{proof_kind, case_process_started, case_bin_sha256, blockers}' "$report")"
    for f in case-task.md case-task.json case-config.json case-projects.json case-models.json; do
        check "$id: $f" [ -s "$dir/backend/$f" ]
    done
    grep -rlF -e "$W" -e "$SRC" -e "$BIN" "$dir/backend" && fail "$id: a path of this host is in what the backend saw"
    grep -rlE '(^|[^a-z])(/home/|/root|/opt/c)' "$dir/backend" && fail "$id: a path of this host is in what the backend saw"
    hc verify "$(basename "$dir")" >/dev/null || fail "$id: the evidence does not verify"
done
grep -q 'test double' "$(dirname "$(jq -r '.fixtures[0].report' matrix.json)")/report.md" || fail "report.md does not say that it was the double"
report_of() { jq -r --arg id "$1" '.fixtures[] | select(.fixture == $id) | .report' matrix.json; }
out=$(dirname "$(report_of fix)")/backend/stdout.log
printf 'saw argument %s\n' /opt/agent/ca run --task /workspace/.case/tasks/active/fix.task.json --mode unattended >argv
check "argv: $(grep '^saw argument' "$out")" cmp -s argv <(grep '^saw argument' "$out")
for v in CASE_DATA_DIR=/scratch/case-data PI_CODING_AGENT_DIR=/scratch/case-data/pi-agent PYTHONDONTWRITEBYTECODE=1 OPENAI_API_KEY=cto-harness-dummy-key; do
    check "variable $v" [ "$(grep -cx "saw variable $v" "$out")" = 1 ]
done
check "where it was started" grep -qx 'saw directory /task' "$out"
grep -v 'saw variable OPENAI_API_KEY=cto-harness-dummy-key$' "$out" | grep -qi 'saw variable .*\(key\|token\|url\|cto_\|hermes\)' && fail "a variable that is not Case's: $(grep 'saw variable' "$out")"
check "models.default" [ "$(jq -c .models "$(dirname "$out")/case-config.json")" = '{"default":{"provider":"openai","model":"qwen3.6-35b-a3b"}}' ]
check "what changed" [ "$(jq -c .changed_files "$(report_of fix)")" = '["greeting.txt"]' ]
check "exit code's sentence" [ "$(jq -r .failure_reason "$(report_of exits)")" = 'case engine failed with exit code 7' ]
check "protocol's sentence" [ "$(jq -r .failure_reason "$(report_of protocol)")" = 'case agent result protocol failed' ]
check "protocol's marker" [ -s "$(dirname "$(report_of protocol)")/backend/provider-agent-protocol.txt" ]
check "no marker of it elsewhere" [ ! -e "$(dirname "$(report_of reviewer)")/backend/provider-agent-protocol.txt" ]
check "linger was ended by the harness" [ "$(jq .backend_end.ended_by_harness "$(report_of linger)")" = true ]
check "the rejection is in the raw log" grep -q 'Pipeline failed at reviewer phase' "$(dirname "$(report_of reviewer)")/backend/stdout.log"
check "and in its event" [ "$(jq -r 'select(.type == "verification.completed") | .data.blockers[].reason' "$(dirname "$(report_of reviewer)")/events.normalized.jsonl")" = reviewer_rejected ]
check "tests passed all the same" [ "$(jq .tests_passed "$(report_of reviewer)")" = true ]

# --- Case's own data, as it was left: nothing of it is read here, and it is in the evidence
for id in "${!want[@]}"; do
    dir=$(dirname "$(report_of "$id")")
    check "$id: its events" [ "$(head -1 "$dir/backend/case-events.jsonl" | jq -r '.event + .taskId')" = "pipeline_start$id" ]
    check "$id: its sequence" [ "$(jq -s '[.[].sequence] == [range(1; length + 1)]' "$dir/backend/case-events.jsonl")" = true ]
    check "$id: sealed" grep -q ' \*\?backend/case-events.jsonl$' "$dir/SHA256SUMS"
done
left=$(dirname "$(report_of reviewer)")/backend
check "the rejection in its own words" [ "$(jq -r 'select(.event == "phase_end" and .phase == "review") | .outcome + .result.rubric.categories[0].verdict' "$left/case-events.jsonl")" = failedfail ]
check "its end" [ "$(jq -r 'select(.event == "pipeline_end") | .failedAgent' "$left/case-events.jsonl")" = reviewer ]
check "the task as it was given, and as it was left" [ "$(jq .tested "$left/case-task.json" "$left/case-task-left.json" | tr '\n' ' ')" = 'false true ' ]
check "its notes" grep -q 'a test double was here' "$left/case-task-left.md"
check "the same before" [ "$(head -c "$(stat -c %s "$left/case-task.md")" "$left/case-task-left.md" | sha256sum)" = "$(sha256sum <"$left/case-task.md")" ]
check "what was sent" [ "$(jq -r 'select(.step == "engine_left") | .ok' "$left/../trace.jsonl" | tr '\n' ' ')" = 'true true true ' ]

# --- a workspace that has Case's own directory already: no run, and no harm
cp -r cases cases.taken && rm -rf cases.taken/failures/[!f]* cases.taken/failures/fail-tests
mkdir cases.taken/failures/fix/fixture/.case && echo x >cases.taken/failures/fix/fixture/.case/active
"$HARNESS" --home "$W/home" --cases "$W/cases.taken" validate failure-matrix --json >taken.json 2>err
check "a fixture with .case in it: $(jq -c '.fixtures[0].reasons' taken.json)" [ "$(jq -r '.fixtures[0].status' taken.json)" = fail ]

# --- the words of another backend's log mean nothing
cp -r "$SRC/cases/docs-typo" cases/talker
edit cases/talker/case.json '.id = "talker" | .fake.steps = [{do: "output", text: "Pipeline failed at reviewer phase. AGENT_RESULT start delimiter not found\n"}] + .fake.steps'
hc run-case talker >out || fail "the fake lane is judged by Case's words: $(cat out)"

# --- nobody else runs it
export CTO_HARNESS_ALLOW_CASE=1 CTO_HARNESS_CASE_STAGE=2 CTO_HARNESS_CASE_LOCAL_BASE_URL=http://127.0.0.1:1/v1
export CTO_HARNESS_CASE_MODEL_PROVIDER=qwen-local CTO_HARNESS_CASE_MODEL=qwen3.6-35b-a3b CTO_HARNESS_CASE_MODEL_ADMISSION_FILE=$W/model.json
export CTO_HARNESS_CASE_PROVIDER_DECISION_FILE=$W/decision.txt
h admit model --template >model.json && edit model.json '.status = "admitted"'
h admit decision --template >decision.txt
edit decision.txt '.decision_status = "local_provider_required" | .provider = "qwen-local" | .model = "qwen3.6-35b-a3b" | .evidence_sources = ["x"]'
edit cases/talker/case.json '.backends = ["fake", "case"]'
hc validate stage1 --quiet --json >stage1.json 2>err || true
build=$(jq -r .environment.build_id "$(report_of fix)")
put() { # TABLE VALUES...
    python3 - home/cto.db "$@" <<'PY'
import hashlib, sqlite3, sys
d = sqlite3.connect(sys.argv[1])
if sys.argv[2] == "proof":
    d.execute("INSERT OR REPLACE INTO stage_proofs VALUES ('case', ?, ?, 'real', 1, 'x', 'y')", (int(sys.argv[3]), sys.argv[4]))
else:
    record = open(sys.argv[4]).read()
    d.execute("INSERT INTO admissions (id, kind, subject, status, actor, recorded_at, digest, record) VALUES (?, 'executable', ?, 'admitted', 'mallory', 1, ?, ?)",
              ("by-hand-" + sys.argv[5], sys.argv[3], hashlib.sha256(record.encode()).hexdigest(), record))
d.commit()
PY
}
put proof 0 "$build"
put proof 1 "$build"
opt=$(mktemp -d "$HOME/cto-double.XXXXXX" 2>/dev/null || mktemp -d /opt/cto-double.XXXXXX) || opt=
case $opt in
/tmp/* | /var/tmp/* | /run/* | /dev/shm/* | '') [ -z "$opt" ] || rm -rf "$opt"; opt= ;;
esac
if [ -n "$opt" ]; then
    # shellcheck disable=SC2064 # now
    trap "rm -rf '$opt'; e2e_clean" EXIT
    chmod 755 "$opt"
    record() { # FILE PROGRAM
        h admit executable --template >"$1"
        edit "$1" ".status = \"admitted\" | .executable_path = \"$2\" | .sha256 = \"$(sha256sum <"$2" | cut -d' ' -f1)\""
    }
    n=0
    for kind in copy changed; do
        cp "$double" "$opt/ca"
        [ $kind = copy ] || printf 'x' >>"$opt/ca"
        record build.json "$opt/ca"
        refused 'test double' 2 hc admit executable --check build.json
        refused 'test double' 2 hc admit executable --record build.json --actor alice
        put executable "$opt/ca" build.json $((n += 1))
        CTO_HARNESS_CASE_BIN=$opt/ca hc run-case talker --engine case --json >report.json 2>err
        check "$kind: exit code" [ $? -eq 3 ]
        jq -e '.blocker_reasons[0] == "provider_unavailable" and (.blockers[0].detail | test("test double")) and .proof_kind == "real" and
            .case_process_started == false and .case_bin_sha256 == null' report.json >/dev/null || fail "$kind: $(jq -c '[.blockers, .proof_kind]' report.json)"
    done
    mv "$opt/ca" "$opt/gone"
    edit build.json ".sha256 = \"$sha\""
    refused 'test double' 2 hc admit executable --check build.json # by its digest alone
    # --- a program that is no double passes every other gate, and is not started: nobody answers at the endpoint
    printf '#!/bin/sh\necho started >>%s/started\n' "$W" >"$opt/ca" && chmod 755 "$opt/ca"
    record build.json "$opt/ca"
    hc admit executable --check build.json >/dev/null || fail "another program is refused too"
    hc admit executable --record build.json --actor alice --quiet >/dev/null || fail "record"
    CTO_HARNESS_CASE_BIN=$opt/ca hc run-case talker --engine case --json >report.json 2>err
    check "exit code" [ $? -eq 3 ]
    jq -e '.blocker_reasons == ["provider_unavailable"] and (.blockers[0].detail | test("gate response_shape: .* unreachable")) and .failure_reason == "provider unavailable" and
        .proof_kind == "real" and .case_process_started == false' report.json >/dev/null || fail "nobody answers: $(jq -c .blockers report.json)"
    check "it was started" [ ! -e started ]
else
    echo "case_double: no home outside of temporary directories: the executable gate was not asked" >&2
fi
CTO_HARNESS_CASE_BIN=$double hc run-case reviewer --engine case --json >report.json 2>err
check "the double by name" [ $? -eq 3 ]
jq -e '.case_process_started == false and .proof_kind == "real"' report.json >/dev/null || fail "the double ran: $(jq -c .blockers report.json)"
# a proof made with the double is none
check "rows of the store" [ "$(python3 -c 'import sqlite3; print(sqlite3.connect("home/cto.db").execute("SELECT count(*) FROM stage_proofs WHERE proof_kind = \"double\"").fetchone()[0])')" = 0 ]
sound
e2e_end
