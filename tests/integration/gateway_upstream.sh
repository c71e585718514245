#!/bin/sh
# ctest: timeout=180 labels=sanitized
# Good and bad answers of a model's server, over HTTP, HTTPS and IPv6: what the agent gets, what is withheld, what is reported. --probe.
exec python3 -B "$(dirname "$0")/../lib/gateway_upstream.py" "$@"
