#!/bin/sh
# ctest: timeout=400 labels=heavy only=self
# Landings and reverts on real repositories, refusals, races, somebody's saves in the same moment.
exec python3 -B "$(dirname "$0")/../lib/landing.py" "$@"
