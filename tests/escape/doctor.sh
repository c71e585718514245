#!/usr/bin/env bash
# ctest: timeout=300
# `cto-harness doctor --probe`: the probes by the programs as they are shipped; and a report that is not what it says, or a
# program of another build, is not believed.
. "$2/tests/lib/e2e.bash"
[ -z "${CTO_SANITIZED:-}" ] || exit 77

h doctor --probe --json >doctor.json 2>err
code=$?
check "exit $code: $(jq -c '.checks[] | select(.ok | not)' doctor.json) $(jq -c '.probes.results[]? | select(.result | IN("held", "skipped", "open by design") | not)' doctor.json) $(cat err)" [ "$code" -eq 0 ]
check "fewer than 120 probes were held: $(jq -c '.probes | del(.results)' doctor.json)" jq -e '.ok and .probes.ok and .probes.held >= 120
    and .probes.not_held == 0 and .probes.changes == 0 and (.probes.results | length) == .probes.probes
    and ([.probes.results[].name] | unique | length) >= 120' doctor.json >/dev/null
check "a skipped probe has no reason" jq -e '[.probes.results[] | select(.result == "skipped" and .detail == "")] | length == 0' doctor.json >/dev/null

# Beside a copy of the program: one that tells of a success, one that hides it, one of another build.
mkdir other
cp "$BIN"/cto-harness* other/
id=$(grep -ao 'CTO-BUILD-ID:[0-9a-f]\{64\}' "$BIN/cto-harness" | head -1)
tell() {
    printf '#!/bin/sh\n# %s\ncat <<END\n%s\nEND\n' "$id" "$1" >other/cto-harness-probe
    chmod 755 other/cto-harness-probe
}
told() { # CODE JSON
    tell "$2"
    other/cto-harness --home "$W/home" --cases "$SRC/cases" doctor --probe --json >told.json 2>err
    code=$?
    check "exit $code instead of $1 after $2" [ "$code" -eq "$1" ]
}
row() { printf '{"jail":"engine","name":"n","row":"1","subject":"s","tries":"t","result":"%s","detail":""}' "$1"; }
told 0 "{\"ok\":true,\"changes\":0,\"results\":[$(row held)]}"
"other/cto-harness" --home "$W/home" --cases "$SRC/cases" doctor --probe >doctor.txt 2>&1 || fail "doctor --probe exits $?: $(tail -3 doctor.txt)"
check "no counts for people: $(tail -5 doctor.txt)" grep -Eq '^  held 1, not held 0, ' doctor.txt
other/cto-harness --home "$W/home" --cases "$SRC/cases" doctor --json | jq -e 'has("probes") | not' >/dev/null || fail "doctor without --probe probes"
told 1 "{\"ok\":false,\"changes\":0,\"results\":[$(row held),$(row 'not held')]}"
told 1 "{\"ok\":true,\"changes\":0,\"results\":[$(row held),$(row 'not held')]}"
told 1 "{\"ok\":true,\"changes\":1,\"results\":[$(row held)]}"
told 1 "{\"ok\":true,\"changes\":0,\"results\":[$(row skipped)]}"
told 3 '{"ok":true,"changes":0,"results":[]}'
told 3 'nothing'
id=${id/CTO-BUILD-ID:/CTO-BUILD-ID:0000}
id=${id:0:77}
told 3 "{\"ok\":true,\"changes\":0,\"results\":[$(row held)]}"
e2e_end
