#!/usr/bin/env bash
# ctest: timeout=180 only=root
# Homes that need a mount to show: read-only, full, filling up in the middle of a run, on a network filesystem.
[ -n "${CTO_OWN_MOUNTS:-}" ] || exec env CTO_OWN_MOUNTS=1 unshare -m --propagation private bash "$0" "$@"
. "$2/tests/lib/e2e.bash"
on() { # HOME ARGS...
    local home=$1
    shift
    "$HARNESS" --home "$home" --cases "$SRC/cases" "$@"
}

# --- read-only: refused by what writes, read by what reads
mkdir ro
on "$W/ro" run-case answer-only --quiet >/dev/null 2>err || fail "answer-only: $(cat err)"
mount --bind ro ro && mount -o remount,bind,ro ro || fail "cannot make a read-only mount"
before=$(fingerprint ro)
refused 'ro.*--home' 2 on "$W/ro" run-case answer-only
refused 'ro/below.*--home' 2 on "$W/ro/below" run-case answer-only
refused 'ro.*--home' 2 on "$W/ro" run-all-fake --only answer-only
on "$W/ro" report list >out 2>err || fail "report list of a read-only home: exit $?: $(cat err)"
on "$W/ro" verify --all >out 2>err || fail "verify --all of a read-only home: $(cat out err)"
on "$W/ro" store check >out 2>err || fail "store check of a read-only home: $(cat out err)"
[ "$before" = "$(fingerprint ro)" ] || fail "a read-only home changed"
umount ro

# --- full: whatever the size, an honest end, and a home that is whole again when there is room
mkdir full
ended=()
for kib in 4 40 100 150 200 220 240 260 300 400 600 900; do
    mount -t tmpfs -o "size=${kib}k" none full || fail "cannot mount a tmpfs"
    on "$W/full" run-case r1-string-slugify --quiet >out 2>err </dev/null
    code=$?
    ended+=("$kib:$code")
    checks=$((checks + 1))
    case $code in
    0) [ "$kib" -gt 200 ] || fail "$kib KiB: a pass" ;;
    1 | 3) jq -e '.blocker_reasons | index("artifact_write_failure") or index("worker_failed")' full/harness-runs/*/report.json >/dev/null ||
        fail "$kib KiB: exit $code, but not for want of room: $(jq -c .blockers full/harness-runs/*/report.json)" ;;
    2 | 4) [ "$(wc -l <err)" -eq 1 ] && grep -Eqi 'space|full|disk' err || fail "$kib KiB: exit $code and $(wc -l <err) lines: $(head -c 400 err)" ;;
    *) fail "$kib KiB: exit $code: $(head -c 400 out err)" ;;
    esac
    [ "$code" -eq 0 ] || ! grep -qs '"status":[[:space:]]*"pass"' full/harness-runs/*/report.json || fail "$kib KiB: exit $code, but a report says pass"
    mount -o remount,size=64m full
    on "$W/full" run-case answer-only --quiet >out 2>err || fail "$kib KiB, then room: exit $?: $(cat err)"
    sound "$W/full"
    umount full
done
grep -q ':[24]' <<<"${ended[*]}" && grep -q ':0' <<<"${ended[*]}" || fail "no size was too small, or none large enough: ${ended[*]}"
echo "sizes in KiB and exit codes: ${ended[*]}"

# --- a network filesystem: FUSE stands for all of them (nothing else can be had without a server)
mkdir net
python3 "$SRC/tests/lib/fuse_dir.py" net >up 2>&1 &
server=$!
for _ in $(seq 100); do [ -s up ] || sleep 0.05; done
if [ "$(cat up)" = up ]; then
    refused 'net.*network filesystem \(fuse\).*local disk' 2 timeout 20 "$HARNESS" --home "$W/net" --cases "$SRC/cases" run-case answer-only
    refused 'net.*network filesystem \(fuse\)' 2 timeout 20 "$HARNESS" --home "$W/net/below/it" --cases "$SRC/cases" run-case answer-only
    umount -l net
    kill "$server" 2>/dev/null
else
    echo "skipped: home on a network filesystem: $(cat up)"
fi
e2e_end
