#!/usr/bin/env bash
# ctest: timeout=180 serial
# Before and after: nothing of a run is left, no process and so no namespace (exact: a reaper of all descendants looks), no mount,
# temporary file, socket, System V object or cgroup; and the slots of uids are free. Others work on this host too, so what differs
# gets a while to go away again.
. "$2/tests/lib/e2e.bash"

look() {
    {
        sed 's/.* - //; s/^/mount /' /proc/self/mountinfo
        cut -d' ' -f5 /proc/self/mountinfo | sed 's/^/mountpoint /'
        find /tmp /var/tmp /dev/shm /run -xdev -maxdepth 2 \( -path "$W" -prune -o -path "$W/*" -prune -o -name '*cto*' -print \) 2>/dev/null |
            grep -Ev 'cto-(e2e|as-user|unit|soak|fuzz|worker|inspect|bench)[.-]|^/run/cto-harness-uids' | sed 's/^/file /'
        awk 'NR > 1 && $8 {print "socket " $8}' /proc/net/unix
        awk 'FNR > 1 {print "sysv " FILENAME " " $2}' /proc/sysvipc/msg /proc/sysvipc/sem /proc/sysvipc/shm
        find /sys/fs/cgroup -type d 2>/dev/null | sed 's/^/cgroup /'
        find /dev/mqueue -type f 2>/dev/null | sed 's/^/queue /'
    } | LC_ALL=C sort -u
}
# What is new, and still new after 20 s.
new_lines() {
    local i
    for ((i = 0; i < 40; i++)); do
        look >after
        comm -13 before after >new
        [ -s new ] || return 0
        sleep 0.5
    done
    cat new
}
# reaped CODE CMD...: ends with CODE, and nothing that it started lives 2 s later.
reaped() {
    local want=$1 code
    shift
    python3 "$SRC/tests/lib/reaper.py" 2 "$@" >out 2>err
    code=$?
    checks=$((checks + 1))
    [ "$code" -eq "$want" ] || fail "${*: -5}: exit $code, want $want: $(tail -5 out err)"
}

reaped 97 setsid sh -c 'setsid sleep 5 & exit 0' # the reaper sees what tries to leave
h run-case answer-only --quiet >/dev/null 2>&1  # what only the first run makes, as the home itself
look >before
reaped 0 "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-all-fake -j2 --json --only r1-string-slugify --only jail-holds \
    --only orphan-is-ended --only timeout --only orphan-holds-stdout --only loopback-tests --only backend-crashed \
    --only dirty-starting-tree --only object-is-a-fifo
reaped 0 "$HARNESS" sandbox exec -- sh -c 'sleep 100 & setsid sleep 100 & (setsid sleep 100 &) ; true'
reaped 124 "$BIN/cto-harness-sandbox" --timeout 1 -- sh -c 'trap "" TERM; sleep 100'
reaped 137 timeout -s KILL 1 "$BIN/cto-harness-sandbox" -- sh -c 'setsid sleep 100 & sleep 100'
reaped 124 timeout 1 "$BIN/cto-harness-sandbox" -- sh -c 'setsid sleep 100 & sleep 100'
left=$(new_lines)
[ -z "$left" ] || fail "left behind: $left"
checks=$((checks + $(wc -l <before)))
if [ "$(id -u)" -eq 0 ] && [ -d /run/cto-harness-uids ]; then
    for f in /run/cto-harness-uids/*; do
        python3 - "$f" <<'PY' || fail "$f is locked"
import fcntl, struct, sys, time
f = open(sys.argv[1], "r+")
for attempt in range(100):  # another run of this host may have it for a while
    try:
        fcntl.fcntl(f, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        sys.exit(0)
    except OSError:
        time.sleep(0.1)
sys.exit(1)
PY
        [ ! -s "$f" ] || fail "$f has content"
    done
    [ "$(stat -c '%u %a' /run/cto-harness-uids)" = '0 700' ] || fail "/run/cto-harness-uids: $(stat -c '%u %a' /run/cto-harness-uids)"
fi
sound
e2e_end
