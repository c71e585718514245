#!/bin/sh
# ctest: timeout=180 labels=sanitized
# What was tried against a gateway and once succeeded: floods, races for slots and budgets, answers with a secret or another model in them.
exec python3 -B "$(dirname "$0")/../lib/gateway_attack.py" "$@"
