#!/bin/sh
# ctest: timeout=180 labels=sanitized
# How a gateway starts, is confined, bears load and bad clients, keeps budgets and slots, and ends; its memory, ten running.
exec python3 -B "$(dirname "$0")/../lib/gateway_life.py" "$@"
