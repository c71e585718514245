#!/bin/sh
# Honest work through the real inspector, against repositories that the real git reads and writes.
exec python3 -B "$(dirname "$0")/../lib/inspect_normal.py" "$@"
