#!/usr/bin/env bash
# ctest: timeout=1800 labels=heavy only=self
# As landing_kills.sh, at every call of a landing, every third of a revert, every tenth of each recovery.
set -u
n=1
[ -z "${CTO_INSTRUMENTED:-}" ] || n=10
for mode in "land $n" "revert $((3 * n))" "recover $((10 * n))"; do
    # shellcheck disable=SC2086 # two words
    python3 -B "$2/tests/lib/landing_kills.py" "$1" "$CTO_TEST_BIN" $mode || exit 1
done
