#!/usr/bin/env bash
# ctest: timeout=600 labels=heavy
# The positive controls: with its walls taken down each probe succeeds, and each of these walls alone holds it.
. "$2/tests/lib/escape.bash"
escape_run --controls
grep -Eq '^# controls: [0-9]+ jails, [1-9][0-9]* probes succeeded .* 0 wrong$' <<<"$out" || fail "no summary of the controls"
