#!/usr/bin/env bash
# ctest: timeout=180 serial
# Before and after: the same processes, mounts, namespaces, temporary files, sockets, System V objects and cgroups; the slots of
# uids free. Others work on this host too, so what differs gets a while to go away again.
. "$2/tests/lib/e2e.bash"

look() {
    local p
    {
        for p in /proc/[0-9]*; do
            p=${p#/proc/}
            # what this script itself is made of comes and goes
            [ "$p" = "$$" ] || [ "$p" = "$BASHPID" ] || readlink "/proc/$p/exe" 2>/dev/null | sed "s/^/process $p /"
        done | grep -E ' .*/(cto-harness[a-z-]*|python3[.0-9]*|git|sh|dash|sleep|node|make)( |$)' | grep -v " $BASHPID "
        sed 's/.* - //; s/^/mount /' /proc/self/mountinfo
        cut -d' ' -f5 /proc/self/mountinfo | sed 's/^/mountpoint /'
        readlink /proc/[0-9]*/ns/{mnt,net,pid,user,ipc,uts,cgroup} 2>/dev/null | sort -u | sed 's/^/namespace /'
        find /tmp /var/tmp /dev/shm /run -xdev -maxdepth 2 \( -path "$W" -prune -o -path "$W/*" -prune -o -name '*cto*' -print \) 2>/dev/null |
            grep -Ev 'cto-(e2e|as-user|unit|soak|fuzz|worker|inspect)[.-]|^/run/cto-harness-uids' | sed 's/^/file /'
        awk 'NR > 1 && $8 {print "socket " $8}' /proc/net/unix
        awk 'NR > 1 {print "sysv " FILENAME " " $2}' /proc/sysvipc/{msg,sem,shm}
        find /sys/fs/cgroup -type d 2>/dev/null | sed 's/^/cgroup /'
    } | LC_ALL=C sort -u
}
# New lines of the second file that stay new for 20 s.
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

h run-case answer-only --quiet >/dev/null 2>&1 # what only the first run makes, as the home itself
look >before
h run-all-fake -j2 --json --only r1-string-slugify --only jail-holds --only orphan-is-ended --only timeout --only orphan-holds-stdout \
    --only loopback-tests --only backend-crashed --only dirty-starting-tree --only object-is-a-fifo >out 2>err ||
    fail "run-all-fake exits $?: $(tail -3 err)"
h sandbox exec -- sh -c 'sleep 100 & setsid sleep 100 & true' || fail "sandbox exec"
"$BIN/cto-harness-sandbox" --timeout 1 -- sleep 100 2>/dev/null # ended by its limit
timeout -s KILL 1 "$BIN/cto-harness-sandbox" -- sh -c 'sleep 100 & sleep 100' 2>/dev/null
left=$(new_lines)
[ -z "$left" ] || fail "left behind: $left"
checks=$((checks + $(wc -l <before)))
if [ "$(id -u)" -eq 0 ] && [ -d /run/cto-harness-uids ]; then
    for f in /run/cto-harness-uids/*; do
        flock -n "$f" true || fail "$f is locked"
        [ ! -s "$f" ] || fail "$f has content"
    done
    getfacl -p /run/cto-harness-uids >/dev/null 2>&1
    [ "$(stat -c '%u %a' /run/cto-harness-uids)" = '0 700' ] || fail "/run/cto-harness-uids: $(stat -c '%u %a' /run/cto-harness-uids)"
fi
sound
e2e_end
