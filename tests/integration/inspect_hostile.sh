#!/bin/sh
# Hostile repositories and worktrees against every step of the real inspector.
# ctest: timeout=300
exec python3 -B "$(dirname "$0")/../lib/inspect_hostile.py" "$@"
