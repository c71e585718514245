#!/usr/bin/env bash
# ctest: timeout=300
# A sample of injected hangs, some of each kind in turn: every run ends by itself. All kinds: hangs_long.sh, `tools/soak-hangs N`.
set -u
n=30
[ -z "${CTO_INSTRUMENTED:-}" ] || n=10
exec python3 "$2/tools/soak-hangs" "$n" --bin "$1" --tracer "$CTO_TEST_BIN/tracer"
