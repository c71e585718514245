#!/usr/bin/env bash
# ctest: timeout=300
# Kills at a sample of the system calls of a landing, a revert and the recovery of a killed one; another sample each time. All of
# them: landing_kills_all.sh.
set -u
n=1
[ -z "${CTO_INSTRUMENTED:-}" ] || n=6
for mode in "land $((20 * n))" "revert $((35 * n))" "recover $((150 * n))"; do
    # shellcheck disable=SC2086 # two words
    python3 -B "$2/tests/lib/landing_kills.py" "$1" "$CTO_TEST_BIN" $mode || exit 1
done
