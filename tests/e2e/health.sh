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
cp -r "$SRC/cases/answer-only" cases/mine # for another backend alone: none of the fake lane's
jq '.id = "mine" | .backends = ["exec"] | del(.fake)' "$SRC/cases/answer-only/case.json" >cases/mine/case.json
cp -r "$SRC/cases/answer-only" cases/ # the subject of the ladder is found with the program
for c in no-diff disallowed-file failed-tests missing-test-command missing-event reviewer-reject approval-denied timeout dirty-starting-tree \
    dirty-ending-tree artifact-write-failure provider-unavailable; do
    cp -r "$SRC/cases/failures/$c" cases/failures/
done
jq '.expect.status = "fail" | .expect.blockers = ["no_diff"]' cases/answer-only/case.json >x && mv x cases/answer-only/case.json
"$HARNESS" --home "$W/home2" --cases "$W/cases" health --json >broken.json 2>/dev/null
check "exit $? with a broken case" [ "$(jq -r .status broken.json)" = fail ]
check "not it alone is named: $(jq -c '[.parts[] | select(.status != "pass") | [.name, .reason]]' broken.json)" jq -e \
    '[.parts[] | select(.status != "pass") | .name] == ["run_all_fake"] and .ladder == "mechanics_validated"' broken.json
check "why: $(jq -r '.parts[] | select(.name == "run_all_fake").reason' broken.json)" jq -e \
    '.parts[] | select(.name == "run_all_fake").reason == "1 of 1 cases did not end as expected; cto-harness run-all-fake"' broken.json
check "left behind" no_leftovers

# on a terminal it says what is at work while nothing is over
python3 - "$HARNESS" "$W/home3" "$SRC/cases" <<'PY' >seen 2>&1 || fail "on a terminal: $(tail -c 600 seen)"
import os, pty, re, select, signal, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execv(sys.argv[1], [sys.argv[1], "--home", sys.argv[2], "--cases", sys.argv[3], "health"])
seen, until = b"", time.monotonic() + 60
live = re.compile(rb"  \d+/13  [a-z0-9_, ]*run_all_fake[a-z0-9_, ]*, \d+\.\d s")
while not live.search(seen) and time.monotonic() < until and select.select([fd], [], [], 60)[0]:
    try:
        seen += os.read(fd, 65536)
    except OSError:
        break
os.kill(pid, signal.SIGKILL)  # what it had started dies with it
os.waitpid(pid, 0)
print(seen.decode(errors="replace"))
sys.exit(0 if live.search(seen) else 1)
PY
checks=$((checks + 1))
e2e_end
