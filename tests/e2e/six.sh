#!/usr/bin/env bash
# ctest: timeout=300 labels=heavy only=self
# Stage 6 and its refresh: the comparison of lanes, which a double never makes count; the operator's word on it; and two real passes of
# stage 5, by a script of one's own on repositories of one's own, imported read-only and judged again, with everything that must stop it.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done

edit() { jq "$2" "$1" >"$1.new" && mv "$1.new" "$1"; }
tools=$(mktemp -d /opt/cto-six.XXXXXX 2>/dev/null) || tools=$(mktemp -d "$W/tools.XXXXXX")
# shellcheck disable=SC2064 # now
trap "rm -rf '$tools'; e2e_clean" EXIT
chmod 755 "$tools"
mkdir cases # of the operator's own alone: what the validators need beside them (usual subject, failures) is found with the program
new=$(jq -r '[.fake.steps[] | select(.do == "replace")][0].new' "$SRC/cases/docs-typo/case.json")
for id in plain words other; do
    cp -r "$SRC/cases/docs-typo" cases/$id
    edit cases/$id/case.json ".id = \"$id\" | .backends = [\"fake\", \"exec\"] | del(.no_test_rationale) | .verification = [{argv: [\"grep\", \"-rqF\", \"$new\", \".\"], timeout_s: 30}]"
done
for id in words other; do
    edit cases/$id/case.json '.mutation_mode = "owned-noncritical-repo" | .approval_required = true | del(.required_events)'
done
he() { "$HARNESS" --home "$W/home" --cases "$W/cases" "$@"; }
sql() { python3 - "$W/home/cto.db" "$@" <<'PY'
import sqlite3, sys
d = sqlite3.connect(sys.argv[1])
for row in d.execute(sys.argv[2], sys.argv[3:]): print(*row)
d.commit()
PY
}
code() { "$@" >out 2>err; echo $?; }

# --- case, on a fresh home: the stages before it are proven first, on the double; so their mechanics is all it is
check "mechanics" [ "$(code he validate stage6 --json)" = 0 ]
cp out stage6.json
jq -e '.ok and .stage_status == "mechanics_validated" and .proof_kind == "double" and ([.predecessors[] | .ran_now] == [true, true, true, true, true]) and (.blocked | any(test("case_lane_passes.*test double")))
    and (.checked | contains(["fake_lane_passes", "case_default_disabled", "stage5_failure_closure_inherited", "case_lane_passes", "candidate_default_comparison"]))' \
    stage6.json >/dev/null || fail "mechanics: $(cat stage6.json)"
id=$(jq -r .comparison_id stage6.json)
doc=$(jq -r .stage6_candidate_default_comparison_path stage6.json)
check "its name" [ "$(basename "$doc")" = stage6-candidate-default-comparison.json ]
check "its directory: $id" grep -qE '^[0-9]{8}T[0-9]{6}Z-stage6-candidate-default-[0-9]+(-[0-9]+)?$' <<<"$id"
jq -e '(.dimensions | keys | sort) == ["allowed_path_compliance", "artifact_completeness", "event_validity", "failure_closure", "report_shape"]
    and ([.dimensions[] | has("fake") and has("case") and has("codex") and has("pi") and .parity == "matches"] | all)
    and .lanes.codex.status == "blocked" and .lanes.codex.rationale == "not run without explicit Codex admission"
    and .lanes.pi.status == "blocked" and .lanes.pi.rationale == "not run without explicit Pi probe and admission"
    and (.failure_matrix_coverage | length) == 12 and ([.failure_matrix_coverage[] | .fake, .candidate | .status == "covered" or (.status == "blocked" and .rationale != null)] | all)
    and .candidate_default_eligible == false and .allowed_mutation_scope == "scoped real-repo use only"' "$doc" >/dev/null || fail "the document: $(cat "$doc")"
(cd "$(dirname "$doc")" && sha256sum -c --quiet SHA256SUMS) || fail "SHA256SUMS"
he verify "$id" >/dev/null || fail "verify: the comparison"
he report show "$id" | grep -q mechanics_validated || fail "report show"
# --- the operator's word, once; a double is not eligible by it
refused 'actor|backend' 2 he outcome "$id" accepted --actor case
refused 'accepted or rejected' 2 he outcome "$id" maybe --actor alice
refused 'no run or comparison' 2 he outcome 20200101T000000Z-stage6-candidate-default-1 accepted --actor alice
check "accepted: $(cat err)" [ "$(code he outcome "$id" accepted --actor alice --json)" = 0 ]
check "accepted" jq -e '.outcome == "accepted" and .runtime_default_activation == false' out >/dev/null
check "the same again" [ "$(code he outcome "$id" accepted --actor alice)" = 0 ]
refused 'was accepted by alice' 2 he outcome "$id" rejected --actor alice
check "shown" [ "$(code he compare --json)" = 0 ]
jq -e '.operator_outcome == "accepted" and .operator_outcome_actor == "alice" and .candidate_default_eligible == false' out >/dev/null || fail "compare: $(cat out)"
he compare "$id" | grep -q 'eligible: no' || fail "a double is eligible"

# --- exec: closed, then real
export CTO_HARNESS_EXEC_ENGINE_FILE=$W/engine.json
jq -r '.fake.steps[] | select(.do == "replace") | "sed -i '"'s/\(.old)/\(.new)/'"' \(.path)"' cases/plain/case.json >"$tools/work"
echo 'git commit -qam "Mend the words"' >>"$tools/work"
jq -n --arg t "$tools" '{name: "my-agent", command: ["/bin/sh", "-e", ($t + "/work")], read_roots: [$t]}' >engine.json
check "closed" [ "$(code he validate stage6 --engine exec --case plain --json)" = 3 ]
check "closed: $(cat out)" jq -e '.stage_status == "not_proven" and (.errors | any(test("stage5_failure_closure_inherited.*CTO_HARNESS_ALLOW_EXEC")))' out >/dev/null
refused 'default lane' 2 he validate stage6 --engine fake
check "codex, closed" [ "$(code he validate stage6 --engine codex --json)" = 3 ]
check "codex, closed: $(cat out)" jq -e '.stage_status == "not_proven" and (.errors | any(test("CTO_HARNESS_ALLOW_CODEX=1")))' out >/dev/null
refused 'no case|unknown case|such' 2 he validate stage6 --case nothing-like-it
export CTO_HARNESS_ALLOW_EXEC=1 CTO_HARNESS_EXEC_STAGE=5
check "exec" [ "$(code he validate stage6 --engine exec --case plain --json)" = 0 ]
cp out exec6.json
jq -e '.ok and .stage_status == "validated" and .proof_kind == "real" and .errors == []' exec6.json >/dev/null || fail "exec: $(cat exec6.json)"
jq -e '.lanes.exec.status == "pass" and .lanes.exec.proof_kind == "real" and .lanes.case.status == "blocked" and .source_admission_freshness.status == "not_applicable"' \
    "$(jq -r .stage6_candidate_default_comparison_path exec6.json)" >/dev/null || fail "the lanes of exec"
check "eligible before anybody accepted" jq -e '.candidate_default_eligible == false' <(he compare --engine exec --json) >/dev/null
# a candidate that leaves the allowed paths, or its task, is no match for the default lane
cp "$tools/work" "$tools/good" && sed -i 's/git commit.*/touch stray; git add -A; git commit -qm x/' "$tools/work"
check "a stray file: $(cat out)" [ "$(code he validate stage6 --engine exec --case plain --json)" = 1 ]
check "below: $(cat out)" jq -e '.errors | any(test("candidate_default_comparison: allowed_path_compliance.*below"))' out >/dev/null
cp "$tools/good" "$tools/work"
he outcome "$(jq -r .comparison_id exec6.json)" accepted --actor alice >/dev/null || fail "outcome"
check "not eligible: $(he compare "$(jq -r .comparison_id exec6.json)" 2>&1 | tail -2)" jq -e '.candidate_default_eligible' <(he compare "$(jq -r .comparison_id exec6.json)" --json) >/dev/null

# --- two passes of stage 5, on two repositories
target() { # NAME: a repository and its admission
    git init -q -b main "$W/$1.git.d"
    git -C "$W/$1.git.d" config user.name Owner && git -C "$W/$1.git.d" config user.email owner@example.invalid
    cp -r "cases/$1/fixture/." "$W/$1.git.d" && git -C "$W/$1.git.d" add -A && git -C "$W/$1.git.d" commit -qm First
    he admit target --template | jq --arg p "$W/$1.git.d" '.admission_status = "admitted" | .target_repository_path = $p | .repository_owner = "Owner"
        | .ownership_evidence = "made by this test" | .risk_classification = "low_risk_noncritical" | .noncritical_rationale = "a test"
        | .allowed_paths = ["README.md", "docs/", "GUIDE.md"] | .approval_source = "alice, in a test" | .operator_outcome_required = true' >"$1.json"
    he admit target --record "$1.json" --actor alice >/dev/null || fail "admit $1"
}
pass() { # NAME WORD: *ret is $run
    export CTO_HARNESS_EXEC_STAGE5_TARGET_ADMISSION_FILE=$W/$1.json
    he request new "$1" --engine exec --actor alice --json >request.json && he approve grant --request "$(jq -r .request_id request.json)" --actor bob \
        --sentence "$(jq -r .sentence request.json)" >/dev/null || fail "approve $1"
    he run-case "$1" --engine exec --json >out.json 2>err
    run=$(jq -r .run_id out.json)
    he outcome "$run" "$2" --actor bob >/dev/null 2>&1
}
target words && target other
pass words accepted && first=$run
pass other accepted && second=$run
check "the passes: $(he report show "$first" --json | jq -c '[.status, .blocker_reasons]')" [ "$(he report show "$first" --json | jq -r .status)$(he report show "$second" --json | jq -r .status)" = passpass ]
for r in "$first" "$second"; do cp -r "home/harness-runs/$r" "kept.$r"; done
both() { fingerprint words.git.d; fingerprint other.git.d; fingerprint "home/harness-runs/$first"; fingerprint "home/harness-runs/$second"; }
before=$(both)

# --- one is no repetition, one twice neither
check "one: $(cat err)" [ "$(code he refresh stage6-real --first "$first" --json)" = 3 ]
jq -e '.repeatability_count == 1 and .repeatability_status == "blocked" and .repeatability_passed == false and .repeat_stage5_pass_report == null
    and .candidate_default_repeatability_eligible == false' out >/dev/null || fail "one: $(cat out)"
refused 'another case' 2 he refresh stage6-real --first "$first" --repeat "$first"
refused 'no run' 2 he refresh stage6-real --first "$first" --repeat nothing
refused 'first' 2 he refresh stage6-real
refused 'stage6-real is expected' 2 he refresh --first "$first"
# --- both
check "both: $(cat err)" [ "$(code he refresh stage6-real --first "$first" --repeat "$second" --json)" = 0 ]
cp out refresh.json
jq -e --arg a "$first" --arg b "$second" '.refresh_type == "stage6-real-governed-read-only" and .repeatability_required == 2 and .repeatability_count == 2
    and .repeatability_status == "pass" and .repeatability_passed and .candidate_default_repeatability_eligible
    and .runtime_default_activation == false and .core_promotion_status == "not-promoted"
    and [.real_stage5_passes[].run_id] == [$a, $b] and ([.real_stage5_passes[].dimensions[].status] | all(. == "pass"))
    and ([.real_stage5_passes[] | .approval_source == "alice, in a test" and .expected_changed_files == .changed_files and .target_read_only_status == "unchanged"] | all)
    and (.failure_matrix_coverage | length) == 12 and .fake_lane.status == "pass" and .lanes.codex.rationale != null
    and (.real_stage5_proof | endswith("/stage5-owned-repo-proof.json")) and (.repeat_stage5_pass_report | endswith("/report.json"))' refresh.json >/dev/null ||
    fail "both: $(jq -c '[.repeatability_rationale, .real_stage5_passes[].dimensions]' refresh.json; cat refresh.json)"
check "something was changed" [ "$(both)" = "$before" ]
doc=$(jq -r .stage6_real_governed_refresh_comparison_path refresh.json)
check "its place: $doc" grep -qE '/[0-9]{8}T[0-9]{6}Z-stage6-real-governed-refresh(-[0-9]+)?/stage6-real-governed-refresh-comparison.json$' <<<"$doc"
check "it says where the repositories are" [ -z "$(grep -lF .git.d -r "$(dirname "$doc")")" ]
refused 'outcome is of its runs' 2 he outcome "$(basename "$(dirname "$doc")")" accepted --actor alice
check "the validator: $(cat out err)" [ "$(code he validate stage6-real-refresh --json)" = 0 ]
check "the validator: $(cat out)" jq -e '.ok and .repeatability_count == 2 and .candidate_default_repeatability_eligible and (.checked | index("target_validation_rerun"))' out >/dev/null
check "the validator changed something" [ "$(both)" = "$before" ]

# --- every document as its schema has it, and a schema that refuses what must not be said
if python3 -c 'import jsonschema' 2>/dev/null; then
    he schema candidate-default-comparison >six.schema && he schema real-refresh-comparison >refresh.schema || fail "no schema"
    python3 - <<'PY' || fail "documents and their schemas"
import glob, json, sys
import jsonschema
bad = seen = 0
for name, kind in (("candidate-default", "six"), ("real-governed-refresh", "refresh")):
    check = jsonschema.Draft202012Validator(json.load(open(kind + ".schema")))
    for path in glob.glob(f"home/harness-runs/*-stage6-{name}*/stage6-*-comparison.json"):
        doc = json.load(open(path))
        seen += 1
        for e in list(check.iter_errors(doc))[:3]:
            bad += 1
            print(path, "/".join(map(str, e.absolute_path)), e.message[:200])
        for key, value in (("runtime_default_activation", True), ("core_promotion_status", "promoted"), ("lanes", {}), ("failure_matrix_coverage", [])):
            if check.is_valid({**doc, key: value}):
                bad += 1
                print(f"{path}: {key} = {value!r} is accepted")
print(seen, "documents,", bad, "errors")
sys.exit(1 if bad or seen < 6 else 0)
PY
fi

# --- what stops it: DIMENSION WHAT
stops() {
    local got
    got=$(code he refresh stage6-real --first "$first" --repeat "$second" --json)
    check "$2: exit $got" [ "$got" = "${3:-1}" ]
    check "$2: $(jq -c '[.repeatability_rationale, .real_stage5_passes[]?.dimensions]' out)" jq -e --arg d "$1" '[.real_stage5_passes[].dimensions[$d].status] | any(. != "pass")' out >/dev/null
    check "$2: it counts" jq -e '.repeatability_count < 2 and .repeatability_passed == false and .candidate_default_repeatability_eligible == false' out >/dev/null
}
back() { rm -rf "home/harness-runs/$second" && cp -r "kept.$second" "home/harness-runs/$second"; }
echo ' ' >>"home/harness-runs/$second/report.json"
stops pass_evidence "a tampered report"
check "the validator holds what does not" [ "$(code he validate stage6-real-refresh --json)" = 1 ]
back
rm "home/harness-runs/$second/stage5-owned-repo-proof.json"
stops artifact_completeness "a missing proof"
back
sql "UPDATE approvals SET run_verdict = 'fail' WHERE run_id = ?" "$second"
stops approval_provenance "an approval that no pass used up"
sql "UPDATE approvals SET run_verdict = 'pass' WHERE run_id = ?" "$second"
sql "UPDATE outcomes SET outcome = 'rejected' WHERE subject = ?" "$second"
stops operator_acceptance "nobody accepted it" 1
sql "UPDATE outcomes SET outcome = 'accepted' WHERE subject = ?" "$second"
landed=$(git -C other.git.d rev-parse HEAD)
git -C other.git.d reset -q --hard HEAD^
stops target_read_only "a target without the landed commit"
git -C other.git.d reset -q --hard "$landed"
edit cases/other/case.json '.verification[0].argv = ["false"]'
stops target_validation_rerun "a verification that does not pass any more"
cp cases/words/case.json cases/other/case.json && edit cases/other/case.json '.id = "other"'
he admit target --template | jq --slurpfile r other.json '$r[0] | .review_trigger = "another"' >again.json && he admit target --record again.json --actor alice >/dev/null
stops target_read_only "an admission that is not the recorded one" 3
check "more commits are no harm" [ "$(git -C words.git.d commit -q --allow-empty -m More && code he refresh stage6-real --first "$first" --json)" = 3 ]
pass words rejected
check "rejected: exit $(code he refresh stage6-real --first "$run" --json)" jq -e '.repeatability_status == "fail"' out >/dev/null
check "the newest refresh is no pass" [ "$(code he validate stage6-real-refresh)" = 1 ]
# --- a comparison that somebody wrote over
six=$(jq -r .stage6_candidate_default_comparison_path exec6.json)
touch "$(dirname "$six")/stray"
check "a file beside it is overlooked" [ "$(code he compare "$(jq -r .comparison_id exec6.json)")" = 1 ]
rm "$(dirname "$six")/stray"
check "it holds again" [ "$(code he compare "$(jq -r .comparison_id exec6.json)")" = 0 ]
sed -i 's/"blocked"/"pass"/' "$six"
check "a changed comparison is shown" [ "$(code he compare "$(jq -r .comparison_id exec6.json)")" = 1 ]
he verify "$(jq -r .comparison_id exec6.json)" >/dev/null && fail "a changed comparison verifies"
check "left behind: $(ls "$WORKDIRS")" [ -z "$(ls "$WORKDIRS")" ]
h store check >/dev/null || fail "store check"
no_leftovers
e2e_end
