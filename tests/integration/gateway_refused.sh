#!/bin/sh
# ctest: timeout=120 labels=sanitized
# What an agent may not send, byte by byte; nothing of it reaches the model's server.
exec python3 -B "$(dirname "$0")/../lib/gateway_refused.py" "$@"
