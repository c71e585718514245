#!/bin/sh
# Zip bombs, delta bombs and sheer numbers against the real inspector.
# ctest: timeout=400 labels=heavy only=self
exec python3 -B "$(dirname "$0")/../lib/inspect_bombs.py" "$@"
