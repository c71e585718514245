#!/usr/bin/env bash
# ctest: timeout=600 labels=heavy only=self
# health: every part by its name, pass only when all pass, the ladder called what it is; and with something broken it says which part,
# and fails.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done
h health --json >health.json 2>err || fail "exit $?: $(jq -c '[.parts[] | select(.status != "pass") | [.name, .reason]]' health.json) $(cat err)"
check "the document: $(jq -c 'del(.parts)' health.json)" jq -e '.status == "pass" and .ladder == "mechanics_validated"
    and .case_provider_adapter.passed and .provider_timeout_fail_closed and .case_stage6_real_governed_refresh.status == "not_applicable"
    and (.case_stage6_real_governed_refresh.reason | length > 10) and ([.stages[]] | unique == ["mechanics_validated"] or contains(["mechanics_validated"]))
    and .runtime_default_activation == false and .core_promotion_status == "not-promoted"' health.json
check "the parts: $(jq -c '[.parts[].name]' health.json)" [ "$(jq -r '[.parts[].name] | sort | join(" ")' health.json)" = \
    "case_provider_adapter case_stage1 case_stage2 case_stage3 case_stage4 case_stage5 case_stage6 cases doctor failure_matrix run_all_fake schemas store" ]
check "a part without its time" jq -e 'all(.parts[]; .duration_ms >= 0 and .exit_code == 0 and .status == "pass" and .reason == null)' health.json
refused 'takes no' 2 h health now
refused 'number' 2 h health -j 0

# one case that does not do what it says: the fake lane, and so the whole, is a fail; the others are not. Of the cases as few as the
# other parts need: each failure class once.
mkdir -p cases/failures
cp -r "$SRC/cases/answer-only" "$SRC/cases/r1-string-slugify" cases/
for c in no-diff disallowed-file failed-tests missing-test-command missing-event reviewer-reject approval-denied timeout dirty-starting-tree \
    dirty-ending-tree artifact-write-failure provider-unavailable; do
    cp -r "$SRC/cases/failures/$c" cases/failures/
done
jq '.expect.status = "fail" | .expect.blockers = ["no_diff"]' cases/answer-only/case.json >x && mv x cases/answer-only/case.json
"$HARNESS" --home "$W/home2" --cases "$W/cases" health --json >broken.json 2>/dev/null
check "exit $? with a broken case" [ "$(jq -r .status broken.json)" = fail ]
check "not it alone is named: $(jq -c '[.parts[] | select(.status != "pass") | [.name, .reason]]' broken.json)" jq -e \
    '[.parts[] | select(.status != "pass") | .name] == ["run_all_fake"] and .ladder == "mechanics_validated"' broken.json
check "left behind" no_leftovers
e2e_end
