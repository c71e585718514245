#!/usr/bin/env bash
# ctest: timeout=900 labels=heavy only=self
# As seal.sh, at every eighth point (every twentieth of the states), each time others.
set -u
for mode in "seal-kill 8" "error 20" "states 20"; do
    # shellcheck disable=SC2086 # two words
    python3 "$2/tests/lib/faults.py" "$1" "$CTO_TEST_BIN/tracer" $mode || exit 1
done
