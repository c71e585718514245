#!/usr/bin/env bash
# ctest: timeout=300
# Every probe in the verifier's jail.
. "$2/tests/lib/escape.bash"
escape_run --jail verifier
