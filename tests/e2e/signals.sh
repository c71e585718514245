#!/usr/bin/env bash
# ctest: timeout=180
# SIGINT, SIGTERM, SIGHUP in the middle: one summary, exit 130, everything sealed, nothing left; also twice, also to a run-case,
# also from the terminal's process group.
. "$2/tests/lib/e2e.bash"

# at_work HOME: until one of its runs is
at_work() {
    local i
    for ((i = 0; i < 1200; i++)); do [ -n "$(ls "$W/$1/work" 2>/dev/null)" ] && break || sleep 0.05; done
}
# interrupted DELAY SIGNALS... -- COMMAND: starts it in a process group of its own and sends the signals to the whole group. A DELAY
# of "busy" is until one of its runs is at work.
interrupted() {
    local delay=$1 signals=() pid
    shift
    while [ "$1" != -- ]; do signals+=("$1") && shift; done
    shift
    # a shell's background job ignores SIGINT; this one is as a terminal's foreground job is
    env --default-signal=INT,TERM,HUP setsid "$HARNESS" --home "$W/home" --cases "$SRC/cases" "$@" >out 2>err </dev/null &
    pid=$!
    if [ "$delay" = busy ]; then at_work home; else sleep "$delay"; fi
    for s in "${signals[@]}"; do kill -s "$s" -- "-$pid" 2>/dev/null && sleep 0.01; done
    # impatience: the same again until it is gone, also while it writes its summary
    while [ -n "${storm:-}" ] && [ "$(ps -o stat= -p "$pid" | cut -c1)" != Z ] && kill -s INT -- "-$pid" 2>/dev/null; do :; done
    wait "$pid" 2>/dev/null
    code=$?
}
matrix() {
    [ "$code" -eq 130 ] || fail "$*: exit $code, want 130: $(tail -3 err)"
    [ "$(jq -s length out)" -eq 1 ] && [ "$(jq .interrupted out)" = true ] && [ "$(jq .ok out)" = false ] || fail "$*: not one summary: $(head -c 300 out)"
    local report
    report=$(jq -r .report_path out)
    jq -e '.interrupted and (.rows | length > 10)' "$report" >/dev/null || fail "$*: report.json of the matrix: $report"
    grep -q '| none |' "${report%json}md" && fail "$*: report.md: $(grep -m1 '| none |' "${report%json}md")"
    [ "$(jq '.rows | any(.status == null or .status == "none")' "$report")" = false ] || grep -q '| not run | .* | - |' "${report%json}md" ||
        fail "$*: report.md does not say what was not run: ${report%json}md"
    [ -s "${report%.json}.md" ] || fail "$*: no report.md of the matrix"
    sound
}
for s in INT TERM HUP; do
    interrupted busy "$s" -- run-all-fake -j2 --json
    matrix "$s"
done
interrupted busy INT INT TERM INT -- run-all-fake -j2 --json
matrix "four signals"
for _ in 1 2 3; do
    storm=yes interrupted busy INT -- run-all-fake -j2 --json
    matrix "a storm of signals"
done
for delay in 0.02 0.05 0.1 0.2; do # before the first run, or in it
    interrupted "$delay" INT -- run-all-fake -j1 --json
    if [ "$code" -eq 130 ] && [ ! -s out ]; then
        h run-case answer-only --quiet >/dev/null 2>&1 # ended before it listened: the next command recovers
        sound
    else
        matrix "after $delay s"
    fi
done
# At least one of all these runs was ended in the middle, and says so.
run_dirs | grep -v -- -run-all-fake- | sed 's|$|/report.json|' | xargs -d '\n' grep -l supervisor_interrupted >hit || fail "no run was interrupted at all"
while read -r f; do
    jq -e '.status == "fail" and (.blockers[0].detail | test("interrupted|ended before"))' "$f" >/dev/null || fail "$f: $(jq -c .blockers "$f")"
done <hit
checks=$((checks + $(wc -l <hit)))

interrupted busy INT -- run-case timeout-idle
[ "$code" -eq 130 ] || fail "run-case: exit $code, want 130"
sound
# Killed by a signal that nobody can catch is the matter of tools/soak-kills; here: a signal while nothing runs any more.
interrupted 0 TERM -- case list
case $code in 0 | 143) ;; *) fail "case list: exit $code" ;; esac
# A validator runs one batch after the other: a signal between two of them is not lost.
for at in 0 0.3 0.6 0.9; do
    "$HARNESS" --home "$W/validated" --cases "$SRC/cases" validate stage2 --json >validated.out 2>&1 &
    pid=$!
    at_work validated
    sleep "$at"
    kill -TERM "$pid" 2>/dev/null || continue # it was faster
    wait "$pid"
    code=$?
    check "SIGTERM to a validator $at s into its work: exit $code" grep -qxE "130|143" <<<"$code" # 143: before its first batch
done
e2e_end
