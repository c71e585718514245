#!/bin/sh
# Does the double of a model box do what its modes say? A double that misbehaves by accident makes other tests lie.
exec python3 -B "$(dirname "$0")/../lib/scripted_model.py" "$@"
