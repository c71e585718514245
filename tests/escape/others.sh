#!/usr/bin/env bash
# ctest: timeout=300
# The probes that make sense where no program runs: in the inspector's confinement and in the worker's.
. "$2/tests/lib/escape.bash"
escape_run --jail inspector --jail worker
