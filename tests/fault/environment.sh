#!/usr/bin/env bash
# ctest: timeout=300
# What a host does to us: the clock jumps, the disk is full, limits are tiny, the home goes away, descriptors are closed, signals are
# ignored or blocked. Deadlines come from the monotonic clock; a run that cannot be told is no verdict, and the next command recovers.
. "$2/tests/lib/e2e.bash"
command -v python3 >/dev/null || { echo "python3 is missing"; exit 77; }

# quiet CODES CMD...: exits with one of these, and with nothing worse than a line of complaint.
quiet() {
    local codes=$1 code
    shift
    checks=$((checks + 1))
    timeout 120 "$@" >"$W/out" 2>"$W/err" </dev/null
    code=$?
    [[ " $codes " == *" $code "* ]] || fail "${*: -3}: exit $code, not one of ($codes): $(tail -c 300 "$W/out" "$W/err")"
    [ "$(wc -l <"$W/err")" -le 2 ] || fail "${*: -3}: more than a line: $(cat "$W/err")"
}
# Whatever happened before: the next command works, and everything holds.
recovers() {
    h run-case docs-typo --json >"$W/out" 2>&1 || fail "$1: the next command: $(tail -c 300 "$W/out")"
    sound
    rm -rf "${W:?}/home"
}
report() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$(run_dirs | tail -1)/report.json" "$1"; }

# --- clocks
clock=
if "${CTO_CC:-gcc}" -shared -fPIC -O1 -o "$W/clock.so" "$SRC/tests/lib/clock_jump.c" 2>"$W/err" && [ -z "${CTO_SANITIZED:-}" ]; then
    clock=1
    for how in +31536000 -31536000 swing:86400 swing:-86400 jump:-86400:4 jump:86400:4 jump:-86400:9 jump:-3600:30; do
        quiet "0" env LD_PRELOAD="$W/clock.so" CTO_TEST_CLOCK="$how" "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case docs-typo
    done
    began=$(date +%s)
    quiet "3" env LD_PRELOAD="$W/clock.so" CTO_TEST_CLOCK=swing:86400 "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case timeout
    [ $(($(date +%s) - began)) -lt 100 ] || fail "a clock that swings made a limit of a second last"
    quiet "0" env LD_PRELOAD="$W/clock.so" CTO_TEST_CLOCK=swing:86400 "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case quiet-after-commit
    recovers "clock jumps"
    # a run that began tomorrow is recovered today
    env LD_PRELOAD="$W/clock.so" CTO_TEST_CLOCK=+86400 "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case timeout >"$W/out" 2>&1 &
    victim=$!
    for _ in $(seq 200); do [ -n "$(ls "$W/home/work" 2>/dev/null)" ] && break; sleep 0.05; done
    kill -9 "$victim"
    wait "$victim" 2>/dev/null
    recovers "a run of tomorrow"
fi

# --- signals: whoever starts us may have blocked or ignored them
for how in 'signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())' 'signal.signal(signal.SIGCHLD, signal.SIG_IGN)' \
    '[signal.signal(s, signal.SIG_IGN) for s in range(1, 32) if s not in (9, 19)]'; do
    began=$SECONDS
    quiet "0" python3 -c "import os, signal, sys
$how
os.execv(sys.argv[1], sys.argv[1:])" "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case docs-typo
    [ "$(report status)" = pass ] || fail "$how: $(report blocker_reasons)"
done
recovers "signals"

# --- descriptors
quiet "0 4" bash -c 'exec "$@" <&- >&- 2>&-' sh "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case docs-typo
bash -c '"$@" | true' sh "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case docs-typo --json 2>"$W/err"
recovers "closed descriptors"
for n in 6 8 10 12 14 16 20 24 32 64; do
    quiet "0 1 2 3 4" bash -c "ulimit -n $n; "'exec "$@"' sh "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case docs-typo
done
recovers "few descriptors"

# --- disk
for n in 1 8 64 256 1024; do
    quiet "0 1 2 3 4" bash -c "ulimit -f $n; "'exec "$@"' sh "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case docs-typo
done
recovers "small files only"
mkdir "$W/small"
small() { # KIB CASE: a disk with that much room, in a mount namespace of its own; afterwards it has more
    unshare "${userns[@]}" -m bash -c 'mount -t tmpfs -o size=16m,mode=0777 none "$2" || exit 77
        fallocate -l $((16 * 1048576 - $1 * 1024)) "$2/filler" || exit 78
        shift 2; "$@" >out 2>err; code=$?
        rm "$W/small/filler"
        "$HARNESS" --home "$W/small/home" --cases "$SRC/cases" run-case answer-only >>out 2>&1 || exit 79
        "$HARNESS" --home "$W/small/home" verify --all >>out 2>&1 && "$HARNESS" --home "$W/small/home" store check >>out 2>&1 || exit 80
        [ -z "$(ls "$W/small/home/work" "$W/small/home/locks" | grep -v :)" ] || exit 81
        exit "$code"' sh "$1" "$W/small" "$HARNESS" --home "$W/small/home" --cases "$SRC/cases" run-case "${2:-docs-typo}"
}
export W SRC HARNESS
userns=()
[ "$(id -u)" -eq 0 ] || userns=(-U -r)
if unshare "${userns[@]}" -m true 2>/dev/null; then
    for size in 64 128 192 256 320 384 448 512 640 768 1024; do
        small "$size" r1-string-slugify
        code=$?
        checks=$((checks + 1))
        [[ " 0 1 2 3 4 " == *" $code "* ]] || fail "a disk of $size KiB: $code: $(tail -c 300 out err)"
    done
else
    echo "not tried: a small disk (no mount namespace for this user)"
fi

# --- the home goes away, and other masks
h run-case timeout --json >"$W/out" 2>"$W/err" &
victim=$!
for _ in $(seq 200); do [ -n "$(ls "$W/home/work"/*/ws 2>/dev/null)" ] && break; sleep 0.05; done
rm -rf "${W:?}/home"
wait "$victim"
code=$?
[[ " 1 3 4 " == *" $code "* ]] || fail "home removed while running: exit $code: $(tail -c 300 "$W/out" "$W/err")"
recovers "the home was removed"
for mask in 0000 0777; do
    quiet "0" bash -c "umask $mask; "'exec "$@"' sh "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case docs-typo
    loose=$(find "$W/home" -perm /077 ! -type l -print -quit)
    [ -z "$loose" ] || fail "umask $mask: others may look at $loose"
done
recovers "masks"
[ -n "$clock" ] || echo "not tried: clocks (no compiler for the preload, or a sanitizer is in the way)"
e2e_end
