#!/usr/bin/env bash
# ctest: timeout=600 labels=heavy
# A thousand injected hangs, half of them as root and half as an ordinary user, of every kind: zero survivors.
set -u
n=500
exec python3 "$2/tools/soak-hangs" "$n" --bin "$1" --tracer "$CTO_TEST_BIN/tracer"
