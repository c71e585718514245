#!/usr/bin/env bash
# ctest: timeout=240
# A known value in a result that would be landed on somebody's repository is not landed: in a text, in a file that the patch has
# compressed, in a name. One that was only said is, without it, and the report that another process writes later still tells.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/target.bash"
target_setup '.allowed_writes += ["docs/"]'
target_admit
prove_by_hand
URL=http://box-one.invalid:8123/v1
KEY='k3y-Zq8/w4+1x9v7~Q'
export CTO_HARNESS_EXEC_LOCAL_BASE_URL=$URL CTO_HARNESS_EXEC_LOCAL_API_KEY=$KEY
cp "$tools/work" good
start=$(g rev-parse HEAD)
nowhere() {
    local found
    checks=$((checks + 1))
    found=$(python3 "$SRC/tests/lib/spellings.py" find "$W/home" "$URL" "${URL:7:20}" "$KEY") || fail "$1: $found"
}
leaks() { # WHAT WORK
    { echo 'mkdir -p docs'; echo "$2"; echo 'git add docs'; cat good; } >"$tools/work"
    ask || fail "$1: request and grant"
    run
    check "$1: $(reasons)" [ "$(reasons)" = secret_leak_detected ]
    check "$1: it was landed" [ "$(g rev-parse HEAD)" = "$start" ]
    check "$1: the target was touched: $(g status --porcelain)" [ -z "$(g status --porcelain)" ]
    check "$1: an object of it is there" [ -z "$(g fsck --unreachable 2>/dev/null)" ]
    check "$1: the patch" grep -q '^patch.diff is withheld' "$(jq -r .artifacts_dir report.json)/patch.diff"
    nowhere "$1"
}
leaks "a text" "echo 'see $URL' >docs/box.md"
leaks "a binary file" "{ head -c 5000 /dev/urandom; printf '%s' '$KEY'; } >docs/data.bin"
leaks "a name" ": >'docs/${URL:7:20}'"

{ echo "echo 'I know $KEY'; printf '%s' '$KEY' | base64 >&2"; cat good; } >"$tools/work"
ask || fail "request and grant"
run
check "it does not wait: $(jq -c .blockers out.json)" [ "$(jq -r .waits_for out.json)" = operator_outcome ]
check "not landed" [ "$(g rev-list --count "$start"..HEAD)" = 1 ]
nowhere "waiting"
# whoever finishes it need not know the values
env -u CTO_HARNESS_EXEC_LOCAL_BASE_URL -u CTO_HARNESS_EXEC_LOCAL_API_KEY "$HARNESS" --home "$W/home" --cases "$W/cases" \
    outcome "$(jq -r .run_id out.json)" accepted --actor bob --json >outcome.json || fail "accepted: $(cat outcome.json)"
cp "$(jq -r .report outcome.json)" report.json
check "no pass" [ "$(jq -r .status report.json)" = pass ]
check "the counts are lost: $(jq -c '[.secret_redacted, .secret_redactions]' report.json)" jq -e '.secret_redacted and
    ([.secret_redactions[] | select(.name == "LOCAL_API_KEY") | .where] | contains(["backend/stderr.log", "backend/stdout.log"]))' report.json
nowhere "accepted"
sound
e2e_end
