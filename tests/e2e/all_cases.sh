#!/usr/bin/env bash
# ctest: timeout=300 labels=sanitized
# The main job: every case and every failure fixture on the fake lane, two at a time, each as it should end; all evidence
# verifies afterwards, nothing of the runs is left. Runs in the sanitizer build too.
set -u
bindir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "all_cases: $*" >&2
    exit 1
}

harness="$bindir/cto-harness --home $work/home --cases $2/cases"
$harness run-all-fake -j 2 --failures --json >"$work/matrix.json" 2>"$work/err" ||
    fail "run-all-fake exits $?: $(grep -vE '^pass ' "$work/err" | tail -20) $(head -c 2000 "$work/matrix.json")"
wanted=$(find "$2/cases" -name case.json | wc -l)
got=$(find "$work/home/harness-runs" -mindepth 2 -maxdepth 2 -name events.normalized.jsonl | wc -l)
[ "$got" -eq "$wanted" ] || fail "$wanted cases, $got runs"
$harness verify --all >"$work/out" 2>&1 || fail "verify --all exits $?: $(tail -5 "$work/out")"
$harness store check >"$work/out" 2>&1 || fail "store check exits $?: $(tail -5 "$work/out")"
left=$(find "$work/home" -path '*/work/*' | head -5)
[ -z "$left" ] || fail "left behind: $left"
exit 0
