#!/usr/bin/env bash
# ctest: timeout=400
# Kills and failing calls at a sample of the system calls of a run's sealing, and kills around its transitions; another sample each
# time. All of them: seal_all.sh, or by hand `python3 tests/lib/faults.py BIN TRACER seal-kill|error|states 1`.
set -u
n=1
[ -z "${CTO_INSTRUMENTED:-}" ] || n=6
for mode in "seal-kill $((60 * n))" "error $((120 * n))" "states $((90 * n))"; do
    # shellcheck disable=SC2086 # two words
    python3 "$2/tests/lib/faults.py" "$1" "$CTO_TEST_BIN/tracer" $mode || exit 1
done
