#!/usr/bin/env bash
# ctest: timeout=240
# The jails as a worker builds them: the probes run as the engine's own steps and as the verification command of a real run.
# The world they aim at is one that another program of the suite keeps open meanwhile.
. "$2/tests/lib/e2e.bash"
[ -z "${CTO_SANITIZED:-}" ] || exit 77
program=${CTO_TEST_BIN:?}/escape

# The driver's own world, kept as long as standard input is open; prints where it is and what to try.
mkfifo hold
"$program" --hold <hold >held &
holder=$!
exec 9>hold
for _ in $(seq 600); do [ -s held ] || sleep 0.05; done
read -r world <held || fail "no world was made"
mapfile -t numbers < <(sed 1d held)
[ "${#numbers[@]}" -ge 120 ] || fail "only ${#numbers[@]} probes can run in a run"

mkdir -p cases/escape/fixture
cp "$program" cases/escape/fixture/probe
cp "$world" cases/escape/fixture/world
echo one >cases/escape/fixture/file
echo "# Escape" >cases/escape/task.md
printf '#!/bin/sh\nexec ./probe inside world %s\n' "${numbers[*]}" >cases/escape/fixture/probe.sh
jq '.id = "escape" | .allowed_writes = ["file"] | .pristine = ["probe", "probe.sh", "world"] | .verification = [{argv: ["sh", "probe.sh"]}]
    | .fake.steps = [{do: "exec", argv: ["sh", "probe.sh"]}, {do: "write", path: "file", text: "two\n"}, {do: "commit", message: "two"}]' \
    "$SRC/cases/jail-holds/case.json" >cases/escape/case.json
"$HARNESS" --home "$W/home" --cases "$W/cases" run-case escape --json >report.json 2>err
code=$?
dir=$(jq -r .artifacts_dir report.json)
check "exit $code: $(jq -c .blockers report.json 2>/dev/null) $(cat err)" [ "$code" -eq 0 ]
for log in backend/stdout.log test.log; do
    got=$(grep -Ec '^[0-9]+ [0-9-]+ ' "$dir/$log")
    check "$log: $got answers to ${#numbers[@]} probes" [ "$got" -eq "${#numbers[@]}" ]
    # 0 held, 2 skipped, 3 for the outside to judge: here, below
    bad=$(grep -E '^[0-9]+ [0-9-]+ ' "$dir/$log" | grep -Ev '^[0-9]+ [023] ')
    check "$log: not held: $bad" [ -z "$bad" ]
done
exec 9>&-
wait "$holder"
code=$?
check "the world outside changed (exit $code): $(tail -5 held)" [ "$code" -eq 0 ]
no_leftovers
e2e_end
