#!/usr/bin/env bash
# ctest: timeout=240
# kill -9 of supervisor, worker and others at random moments: nothing survives, nothing stays. The long form is
# `tools/soak-kills 1000`.
set -u
n=60
[ -z "${CTO_INSTRUMENTED:-}" ] || n=15
exec python3 "$2/tools/soak-kills" "$n" --bin "$1" --cases "$2/cases"
