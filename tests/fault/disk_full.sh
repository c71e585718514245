#!/usr/bin/env bash
# ctest: timeout=300
# An agent takes the file system of the home whole, at once, and every block that becomes free for as long as it lives. Its run ends
# as resource_limit_exceeded with all of its evidence, the other cells run, and the store is whole. In a mount namespace of the
# test's: a tmpfs, and as root a small ext4.
if [ -z "${CTO_DISK_FULL:-}" ]; then
    name=(unshare -m)
    [ "$(id -u)" -eq 0 ] || name=(unshare -Urm)
    "${name[@]}" true 2>/dev/null || { echo "no mount namespace to be had"; exit 77; }
    CTO_DISK_FULL=1 exec "${name[@]}" bash "$0" "$@"
fi
. "$2/tests/lib/e2e.bash"

mkdir -p cases/failures home
cp -r "$SRC/cases/docs-typo" "$SRC/cases/answer-only" cases/
# filler NAME PYTHON: a case whose backend does that
filler() {
    cp -r "$SRC/cases/failures/disk-limit" "cases/failures/$1"
    jq --arg id "$1" --arg code "$2" '.id = $id | del(.limits) | .timeouts.backend_s = 20 |
        .expect.blockers = ["resource_limit_exceeded"] |
        .fake.steps = [{do: "exec", argv: ["python3", "-c", $code], may_fail: true}, {do: "sleep", ms: 20000}]' \
        "$SRC/cases/failures/disk-limit/case.json" >"cases/failures/$1/case.json"
}
take='
import os, sys
def take(prefix, n, forever):
    i = 0
    while forever or i < n:
        left = 0
        fd = os.open(f"{prefix}{i}", os.O_RDWR | os.O_CREAT)
        for step in (1 << 20, 1 << 16, 1 << 12):
            try:
                while left < (8 << 20):
                    os.posix_fallocate(fd, left, step)
                    left += step
            except OSError: pass
        i += 1
        if left == 0 and not forever: return
'
filler greedy "$take
try: take('pile', 10 ** 6, True)
except OSError: pass
import time
while True:
    try: take('more' + str(time.monotonic_ns()), 10, False)
    except OSError: pass"
filler talks "$take
try: take('pile', 10 ** 6, False)
except OSError: pass
while True: print('x' * 4000, flush=True)"

full_run() {
    local dir
    "$HARNESS" --home "$W/home" --cases "$W/cases" run-all-fake -j1 --only "$1" --only docs-typo >out 2>&1
    [ $? -le 1 ] || fail "$2, $1: $(tail -5 out)" # whether what it said before its end could be kept is a race
    [ -z "${CTO_VERBOSE:-}" ] || grep -E "^(greedy|talks) " out
    dir=$(find home/harness-runs -maxdepth 1 -name "*Z-$1-*")
    [ -f "$dir/SHA256SUMS" ] || { fail "$2, $1: not sealed: $(cat out; ls -l "$dir"; df home)"; return; }
    jq -e '.status == "fail" and .blocker_reasons[0] == "resource_limit_exceeded"' "$dir/report.json" >/dev/null ||
        fail "$2, $1: $(jq -c .blockers "$dir/report.json")"
    jq -e '[.limits_hit[].name] | any(. == "disk_reserve" or . == "disk_bytes")' "$dir/report.json" >/dev/null || fail "$2, $1: limits: $(jq -c .limits_hit "$dir/report.json")"
    # what it said before its end may be lost, and that is said; what we say of it is not
    [ "$1" = talks ] || jq -e '.blocker_reasons | index("artifact_write_failure") | not' "$dir/report.json" >/dev/null ||
        fail "$2, $1: $(jq -c .blockers "$dir/report.json")"
    grep -q '^docs-typo  *pass' out || fail "$2: the next cell: $(cat out)"
    checks=$((checks + 6))
    sound
}
on() {
    full_run greedy "$1"
    full_run talks "$1"
    umount home || fail "$1: umount"
}
mount -t tmpfs -o size=48m,mode=700 none home || { echo "no tmpfs to be had"; exit 77; }
on tmpfs
if [ "$(id -u)" -eq 0 ] && command -v mkfs.ext4 >/dev/null && truncate -s 64M disk && mkfs.ext4 -q -m 0 disk && mount -o loop disk home 2>/dev/null; then
    on ext4
fi
e2e_end
