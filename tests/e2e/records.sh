#!/usr/bin/env bash
# ctest: timeout=300 labels=heavy only=self
# Records that are computed: the packet for a core review and the audit of the ten claims say what the store and the evidence show, no
# more after somebody wrote rows by hand, and less as soon as a byte of the evidence is another.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done
packet() { h packet core-promotion --json >packet.json || fail "no packet"; }
audit() { h audit endgoal --json >audit.json; code=$?; }
claim() { jq -r --arg c "$1" '.claims[] | select(.id == $c) | .status' audit.json; }
part() { jq -r --arg c "$1" --arg p "$2" '.claims[] | select(.id == $c) | .evidence[] | select(.name == $p) | .holds' audit.json; }
sql() { python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.executescript(sys.argv[2]); d.commit()' home/cto.db "$1"; }

# --- before anything was run
packet
jq -e '.packet == "core-promotion" and .decision_status == "not_decided" and .decision == null and
    .allowed_decision_states == ["not_decided", "core_promotion_requested", "core_promotion_deferred"] and
    .resolver == "JP or governed Core route" and .ready_for_core_review == false and .candidate_default_repeatability_eligible == false and
    .repeatability_count == 0 and .repeatability_status == "blocked" and .runtime_default_activation == false and
    .core_promotion_status == "not-promoted" and .recommended_next_decision == "open_governed_core_prd_route" and
    .recommendation_status == "candidate_only_until_core_route_admission_guard_passes" and (.blockers_before_promotion | length == 6) and
    (.future_route_requirements | length == 10) and ([.evidence[] | objects | .status] | unique == ["not_proven"])' packet.json >/dev/null ||
    fail "the packet of a fresh home: $(jq -c . packet.json)"
audit
check "audit of a fresh home exits $code" [ $code -eq 3 ]
jq -e '.completion_status == "incomplete" and ([.claims[].claim] == ["Cortex governs", "Hermes controls", "CTO routes", "Harness proves",
    "Case executes only after proof", "bounded code changes with evidence", "target repos stay owned and protected",
    "default status is earned not assumed", "candidate-default evidence", "transportable stack"]) and
    ([.claims[].status] | unique == ["not_proven"]) and (.transportability_evidence | length > 0) and .runtime_default_activation == false and
    .core_promotion_status == "not-promoted"' audit.json >/dev/null || fail "the audit of a fresh home: $(jq -c . audit.json)"
check "a look made a home" [ ! -e home ]
h packet core-promotion --md >packet.md || fail "no packet as Markdown"
grep -q '^# Core promotion: decision packet' packet.md && grep -q 'Default activation: false. Core promotion: not-promoted.' packet.md ||
    fail "the packet as Markdown: $(cat packet.md)"

# --- questions that are none
refused 'one packet' 2 h packet
refused 'one packet' 2 h packet core-activation
refused 'not both' 2 h packet core-promotion --md --json
refused 'no state' 2 h packet core-promotion --decide promoted --actor alice --why x
refused 'actor' 2 h packet core-promotion --decide core_promotion_requested --why x
refused 'backend' 2 h packet core-promotion --decide core_promotion_requested --actor case --why x
refused '--why' 2 h packet core-promotion --decide core_promotion_requested --actor alice
refused 'secret' 2 h packet core-promotion --decide core_promotion_requested --actor alice --why sk-0123456789abcdef0123456789
refused 'reads as a claim' 2 h packet core-promotion --decide core_promotion_requested --actor alice --why 'Case was promoted'
refused 'go with --decide' 2 h packet core-promotion --actor alice
refused 'one audit' 2 h audit
refused 'one audit' 2 h audit everything
refused 'unknown option' 2 h audit endgoal --force

# --- what runs show
h run-case r1-string-slugify --quiet >/dev/null || fail "r1-string-slugify"
h run-all-fake --only answer-only --quiet >/dev/null || fail "run-all-fake --only"
audit
check "a matrix of one case proves nothing" [ "$(part harness_proves run_all_fake_as_expected)" = false ]
h run-all-fake --quiet >/dev/null || fail "run-all-fake"
h run-case disallowed-file --quiet >/dev/null
h run-case failed-tests --quiet >/dev/null
h run-case r1-string-slugify --engine case --quiet >/dev/null
h validate stage1 --quiet >/dev/null || fail "validate stage1"
audit
for c in cortex_governs cto_routes harness_proves default_status_is_earned_not_assumed transportable_stack; do
    check "$c: $(jq -c --arg c $c '.claims[] | select(.id == $c) | .evidence' audit.json)" [ "$(claim $c)" = proven ]
done
for c in hermes_controls case_executes_only_after_proof bounded_code_changes_with_evidence target_repos_stay_owned_and_protected candidate_default_evidence; do
    check "$c" [ "$(claim $c)" = not_proven ]
done
check "it is not complete: exit $code" [ $code -eq 3 ]
for p in $(jq -r '.claims[].evidence[] | select(.holds) | .reference // empty' audit.json); do check "$p" [ -e "$p" ]; done
packet
check "stage 1" [ "$(jq -r '.evidence.stage1 | .status + " " + .proof_kind' packet.json)" = 'validated real' ]
check "its digest" [ "$(sha256sum <"$(jq -r .evidence.stage1.report packet.json)" | cut -d' ' -f1)" = "$(jq -r .evidence.stage1.sha256 packet.json)" ]

# --- the evidence that somebody changed proves no more
report=$(jq -r .evidence.stage1.report packet.json)
cp -p "$report" kept && chmod u+w "$report" && printf ' ' >>"$report"
packet && audit
check "stage 1 with other evidence" [ "$(jq -r .evidence.stage1.status packet.json)" = not_proven ]
check "why: $(jq -r .evidence.stage1.why_not packet.json)" grep -q 'not what was recorded' packet.json
check "the claim" [ "$(claim default_status_is_earned_not_assumed)" = not_proven ]
mv kept "$report"
log=$(dirname "$(jq -r '.claims[].evidence[] | select(.name == "change_outside_fails") | .reference' audit.json)")/test.log
cp -p "$log" kept.log && chmod u+w "$log" && echo more >>"$log"
audit
check "a run of which another file was changed" [ "$(part bounded_code_changes_with_evidence change_outside_fails)" = false ]
mv kept.log "$log"
audit
check "as it was" [ "$(part bounded_code_changes_with_evidence change_outside_fails)" = true ]
matrix=$(jq -r '.claims[] | select(.id == "harness_proves") | .evidence[0].reference' audit.json)
mv "$(dirname "$matrix")/report.md" kept.md
audit
check "a matrix without one of its files" [ "$(claim harness_proves)" = not_proven ]
mv kept.md "$(dirname "$matrix")/report.md"
audit
check "as it was" [ "$(claim harness_proves)" = proven ]

# --- rows by hand
build=$(h --version | sed -n 's/^build //p')
sql "INSERT INTO stage_proofs SELECT 'case', n, '$build', 'double', 1, (SELECT report_path FROM stage_proofs WHERE stage = 1),
     (SELECT sha256 FROM stage_proofs WHERE stage = 1) FROM (SELECT 2 AS n UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6)"
packet && audit
check "doubles: $(jq -c .evidence packet.json)" [ "$(jq -c '[.evidence[] | objects | .status] | unique' packet.json)" = '["mechanics_validated","validated"]' ]
check "doubles are shown as such" [ "$(jq -r .evidence.stage6.proof_kind packet.json)" = double ]
check "doubles make nothing eligible" [ "$(jq -c '[.candidate_default_eligible, .ready_for_core_review, .repeatability_count]' packet.json)" = '[false,false,0]' ]
check "doubles prove no claim" [ "$(claim case_executes_only_after_proof)" = not_proven ]
sql "UPDATE stage_proofs SET proof_kind = 'real', report_path = '/etc/hostname' WHERE stage > 1"
packet
check "evidence elsewhere" [ "$(jq -r .evidence.stage6.status packet.json)" = not_proven ]
sql "DELETE FROM stage_proofs WHERE stage > 1"

# --- the operator's decision
before=$(jq -S 'del(.decision, .decision_status, .generated_at)' packet.json)
h packet core-promotion --decide core_promotion_requested --actor alice --why "three months of runs" --quiet >id || fail "no decision"
packet
check "the decision" [ "$(jq -r '.decision_status + " " + .decision.actor' packet.json)" = 'core_promotion_requested alice' ]
check "a request changes something else" [ "$(jq -S 'del(.decision, .decision_status, .generated_at)' packet.json | jq -S 'del(.evidence)')" = "$(jq -S 'del(.evidence)' <<<"$before")" ]
refused 'in force already' 2 h packet core-promotion --decide core_promotion_requested --actor alice --why "three months of runs"
h admit decision --revoke "$(cat id)" --actor bob --why "too early" --quiet || fail "no revocation"
packet
check "a revoked decision" [ "$(jq -r .decision_status packet.json)" = not_decided ]
h packet core-promotion --decide core_promotion_deferred --actor bob --why "later" --json >out || fail "no decision"
check "deferred" [ "$(jq -r .decision_status out)" = core_promotion_deferred ]
h eligibility r1-string-slugify --engine case --json >out
jq -e '.missing_gates | index("decision")' out >/dev/null || fail "a decision on the core counts as one on providers: $(jq -c .missing_gates out)"

# --- an approval of a person, used by a passing run
check "no approval yet" [ "$(part hermes_controls approval_of_a_person_was_used_once)" = false ]
mkdir cases && cp -r "$SRC/cases/docs-typo" cases/asks
jq '.id = "asks" | .title = "Tidy" | .approval_required = true' "$SRC/cases/docs-typo/case.json" >cases/asks/case.json
ha() { "$HARNESS" --home "$W/home" --cases "$W/cases" "$@"; }
r=$(ha request new asks --actor alice --quiet)
ha approve grant --request "$r" --sentence "$(ha request show "$r" | jq -r .sentence)" --actor bob --quiet >/dev/null || fail "no grant"
audit
check "a grant that nobody used" [ "$(part hermes_controls approval_of_a_person_was_used_once)" = false ]
ha run-case asks --quiet >/dev/null || fail "the approved run"
audit
check "a used grant" [ "$(part hermes_controls approval_of_a_person_was_used_once)" = true ]
sql "UPDATE approvals SET actor = 'codex'"
audit
check "a grant of a backend" [ "$(part hermes_controls approval_of_a_person_was_used_once)" = false ]
sql "UPDATE approvals SET actor = 'bob'"
sound
e2e_end
