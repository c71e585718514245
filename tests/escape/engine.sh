#!/usr/bin/env bash
# ctest: timeout=300
# Every probe in the engine's jail: what was tried, and whether it held.
. "$2/tests/lib/escape.bash"
escape_run --jail engine
