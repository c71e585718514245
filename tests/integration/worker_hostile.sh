#!/usr/bin/env bash
# worker_hostile.sh BINDIR SRCDIR - engines that flood and hang, a supervisor that dies or says nonsense: nothing survives.
. "$2/tests/lib/worker.bash"
worker_setup "$1"
printf 'one\n' >"$T/case/fixture/a.txt"
beat='{"do":"exec","argv":["sh","-c","while :; do echo . >>beat; sleep 0.01; done"]}'
size() { (cd "$T/work" 2>/dev/null && stat -c %s ws/beat 2>/dev/null) || echo 0; }
good='[{"do":"write","path":"a.txt","text":"two\n"},{"do":"commit","message":"a is two"}]'

test="flood: cut at the limit, drained to the end"
run '{"limits":{"output_bytes":100000},"engine_config":{"steps":[{"do":"output","text":"0123456789abcde\n","repeat":2000000},'"${good:1:-1}"']}}'
code 0
has '^ENGINE_END kind=exited code=0 .* output=100000 dropped=31900000'
has '^RESULT kind=committed'
size=$(stat -c %s "$T/save/out.1")
[ "$size" -gt 100000 ] && [ "$size" -lt 100200 ] && tail -c 100 "$T/save/out.1" | grep -q 'output cut here: limit of 100000 bytes' || complain "marker ($size)"

test="line limit"
run '{"limits":{"log_lines":10},"engine_config":{"steps":[{"do":"output","text":"x\n","repeat":1000}]}}'
has '^ENGINE_END kind=exited code=0 .* output=20 dropped=1980'
[ "$(grep -c '^x$' "$T/save/out.1")" -eq 10 ] && grep -q 'limit of 10 lines' "$T/save/out.1" || complain "lines"

test="verification has a cap of its own"
run '{"limits":{"output_bytes":5000},"engine_config":{"steps":'"$good"'},"verify":[{"argv":["sh","-c","yes | head -c 100000"],"timeout_ms":20000},{"argv":["echo","hi"],"timeout_ms":20000}]}'
has '^VERIFY_END index=0 kind=exited .* output=5000 dropped=95000'
has '^VERIFY_END index=1 kind=exited .* output=3 dropped=0'

test="STOP reaches a worker whose bulk pipe is full"
run '{"engine_config":{"steps":[{"do":"spawn","ms":0,"then":['"$beat"']},{"do":"output","text":"0123456789abcde\n","repeat":100000000}]}}' \
    --stop-after 100 --stall-bulk 3000
code 0
[ "$(size)" -lt 150 ] || complain "the engine lived on until there was room: $(size)"
order '^STARTED' '^\(STOP 2\)' '^ENGINE_END kind=stopped code=9' '^DONE'

test="a fork storm that ignores everything is ended"
spawn='{"do":"spawn","ms":100000,"setsid":true,"ignore_signals":true,"double_fork":true,"hold_stdout":true}'
run '{"engine_config":{"steps":['"$(printf "$spawn,%.0s" {1..30})"'{"do":"hang"}]}}' --stop-after 300
code 0
order '^ENGINE_END kind=stopped' '^RESULT kind=none' '^DONE'

test="a fifo, a deep tree and unreadable directories in the workspace"
run '{"engine_config":{"steps":['"${good:1:-1}"',{"do":"fifo","path":"f"},{"do":"exec","argv":["sh","-c","i=0; while [ $i -lt 200 ]; do mkdir d && cd d || exit 0; i=$((i+1)); done"]},
    {"do":"mkdir","path":"locked"},{"do":"chmod","path":"locked","mode":"000"}]}}'
code 0
has '^RESULT kind=committed .* clean=0'

test="spec of another build"
run '{"build_id":"ffff","engine_config":{"steps":[]}}'
code 1
order '^HELLO' '^FAILED class=4 ' '^EXIT 1'
hasnt '^(READY|BASELINE|DONE)'

test="spec with an unknown key"
run '{"surprise":1,"engine_config":{"steps":[]}}'
code 1
has '^FAILED class=4 .*surprise'

test="garbage instead of a spec"
run '{}' --raw 'GET / HTTP/1.1

'
code 1
has '^FAILED class=4 '
test="a fixture that is not there"
run '{"fixture":"gone","engine_config":{"steps":[]}}'
code 1
has '^FAILED class=2 .*gone'
hasnt '^(BASELINE|STARTED|DONE)'

test="a case's steps that are wrong"
run '{"dirty_start":[{"do":"nonsense"}],"engine_config":{"steps":[]}}'
code 1
has '^FAILED class=2 .*dirty_start'

# The double kills itself: its stderr is a pipe that worker and inspectors inherit, so end of file says that all of them are
# gone; the engine shows that it lives by a file that grows.
die() { # steps, verification, options of the double
    rm -rf "$T/work"
    mkdir -m 700 "$T/work"
    jq -n --arg case "$T/case" --arg work "$T/work" --arg cfg "{\"steps\":$1}" --argjson verify "$2" \
        '{case_dir: $case, work_dir: $work, fixture: "fixture", engine_config: $cfg, verify: [{argv: $verify, timeout_ms: 60000}]}' >"$T/spec.json"
    : >"$T/stderr"
    if ! { "$DOUBLE" --worker "$BIN/cto-harness-worker" --libexec "$BIN" --spec "$T/spec.json" --wake-ms 1 "${@:3}" >"$T/frames" || :; } 2>&1 |
        timeout 10 cat >/dev/null; then
        complain "something still holds stderr 10 seconds later"
    fi
}
for frame in HELLO READY TRACE BASELINE LOOK ENGINE_END RESULT CHANGE VERIFY_END DONE; do
    test="supervisor killed at $frame"
    die "$good" '["true"]' --die-at "$frame"
done
for ms in 0 20 300; do
    test="supervisor killed while the engine works ($ms ms)"
    die "[$beat]" '["true"]' --die-from STARTED --die-after "$ms"
    has '^STARTED'
    sleep 0.1 # the kernel is still ending the jail
    before=$(size)
    sleep 0.2
    [ "$before" = "$(size)" ] || complain "the engine is alive: $before, then $(size)"
done
test="supervisor killed in verification"
die "$good" '["sleep","60"]' --die-from VERIFY_START --die-after 100
has '^TRACE step="checkout" .* ok=1'
for i in {1..40}; do
    ms=$((RANDOM % 60))
    test="supervisor killed after $ms ms"
    die "[$beat]" '["true"]' --die-after "$ms"
    before=$(size)
    [ "$before" = 0 ] || { sleep 0.1; before=$(size); sleep 0.1; }
    [ "$before" = "$(size)" ] || complain "the engine is alive: $before, then $(size)"
done
worker_done
