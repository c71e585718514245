#!/bin/sh
# ctest: timeout=120 labels=sanitized
# Recording, and playing with no server: what is compared, what is in the file, what is refused.
exec python3 -B "$(dirname "$0")/../lib/gateway_cassette.py" "$@"
