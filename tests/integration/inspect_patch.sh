#!/bin/sh
# The patch that the diff step writes is exact: git applies it and gets the result's tree, for every kind of change and name.
# ctest: timeout=120
exec python3 -B "$(dirname "$0")/../lib/inspect_patch.py" "$@"
