# worker.bash - sourced by tests/integration/worker_*.sh: one real worker under supervisor_double, and what its frames say.
#
#   worker_setup BINDIR        makes $T with case/fixture, and $T/work for each run
#   run SPEC-JSON [options]    spec without case_dir and work_dir; frames go to $T/frames, streams to $T/save
#   has TEXT / hasnt TEXT      an extended regular expression in the frames
#   order A B C                first occurrences stand in this order
set -u
failures=0
shown=
test=setup
worker_setup() {
    BIN=$1
    DOUBLE=${CTO_TEST_BIN:-$BIN}/supervisor_double
    for p in "$BIN/cto-harness-worker" "$BIN/cto-harness-inspect" "$BIN/cto-harness-fake-agent" "$DOUBLE"; do
        [ -x "$p" ] || { echo "missing: $p"; exit 77; }
    done
    T=$(mktemp -d "${TMPDIR:-/tmp}/cto-worker.XXXXXX") || exit 99
    trap 'chmod -R u+rwX "$T" 2>/dev/null; rm -rf "$T"' EXIT
    mkdir -p "$T/case/fixture"
}
run() {
    local spec=$1
    shift
    rm -rf "$T/work" "$T/save"
    mkdir -m 700 "$T/work" "$T/save"
    jq --arg case "$T/case" --arg work "$T/work" '{case_dir: $case, work_dir: $work, fixture: "fixture"} + . | with_entries(select(.value != null))
        | if (.engine_config | type) == "object" then .engine_config |= tostring else . end
        | if (.dirty_start | type) == "array" then .dirty_start |= tostring else . end' <<<"$spec" >"$T/spec.json" || exit 99
    "$DOUBLE" --worker "$BIN/cto-harness-worker" --libexec "$BIN" --spec "$T/spec.json" --save "$T/save" "$@" >"$T/frames" 2>"$T/stderr"
    rc=$?
}
complain() {
    failures=$((failures + 1))
    echo "FAILED: $test: $*"
    [ "$shown" = "$test" ] || sed 's/^/    /' "$T/frames" "$T/stderr" | cut -c1-400
    shown=$test
}
has() { grep -Eq -- "$1" "$T/frames" || complain "expected a line with $1"; }
hasnt() { ! grep -Eq -- "$1" "$T/frames" || complain "unexpected line with $1"; }
code() { [ "$rc" -eq "$1" ] || complain "exit code $rc, expected $1"; }
order() {
    local last=0 at what
    for what in "$@"; do
        at=$(grep -En -m1 -- "$what" "$T/frames" | cut -d: -f1)
        [ -n "$at" ] && [ "$at" -gt "$last" ] || { complain "$what is missing or out of order"; return; }
        last=$at
    done
}
worker_done() {
    [ "$failures" -eq 0 ] && echo "all as expected"
    exit $((failures > 0))
}
