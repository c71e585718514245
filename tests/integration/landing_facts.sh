#!/bin/sh
# ctest: labels=sanitized
# What the supervisor sees of repositories that the operator owns, good and bad, made by the real git.
exec python3 -B "$(dirname "$0")/../lib/landing_facts.py" "$@"
