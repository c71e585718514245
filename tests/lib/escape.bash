# shellcheck shell=bash
# escape.bash - sourced by tests/escape/*.sh as `. "$2/tests/lib/escape.bash"`. escape_run ARGS... runs the suite's program and
# shows what it said: count and list.
set -u
if [ -n "${CTO_SANITIZED:-}" ]; then
    echo "skipped: a sanitizer's runtime is what the limits and filters refuse"
    exit 77
fi
program=${CTO_TEST_BIN:-/nonexistent}/escape
[ -x "$program" ] || {
    echo "$program is not there" >&2
    exit 1
}
fail() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
    exit 1
}
escape_run() {
    out=$("$program" "$@" 2>&1)
    local code=$?
    printf '%s\n' "$out"
    [ "$code" -eq 0 ] || fail "exit $code: $(grep -E '^not ok|outside' <<<"$out" | head -20)"
}
