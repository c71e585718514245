#!/usr/bin/env bash
# ctest: timeout=900 labels=heavy only=self
# As landing_kills.sh, denser: every tenth call of a landing, every thirtieth of a revert, every hundredth of each recovery, another
# sample each time. CTO_STRIDE=1 for all of them, by hand: it takes ten times as long.
set -u
n=${CTO_STRIDE:-10}
[ -z "${CTO_INSTRUMENTED:-}" ] || n=$((10 * n))
for mode in "land $n" "revert $((3 * n))" "recover $((10 * n))"; do
    # shellcheck disable=SC2086 # two words
    python3 -B "$2/tests/lib/landing_kills.py" "$1" "$CTO_TEST_BIN" $mode || exit 1
done
