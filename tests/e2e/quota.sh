#!/usr/bin/env bash
# ctest: timeout=300 only=root
# Limits of the workspace by project quota, on an ext4 of its own: reported as a guarantee, held, also for what is deleted and held open;
# nothing of it stays, after kill -9 neither. Kernels without the quota format (CONFIG_QFMT_V2), and hosts without loop devices, skip.
. "$2/tests/lib/e2e.bash"

if [ -z "${CTO_TEST_MOUNTED:-}" ]; then
    cd / && rm -rf "$W"
    CTO_TEST_MOUNTED=1 unshare -m bash "$0" "$@"
    exit $?
fi
command -v mke2fs >/dev/null || PATH=$PATH:/sbin:/usr/sbin
mke2fs -q -t ext4 -O quota,project -E quotatype=prjquota "$W/image" 4G >log 2>&1 || { echo "no ext4 can be made here: $(cat log)"; exit 77; }
mkdir home other
mount -o loop,prjquota "$W/image" "$W/home" 2>log || { echo "this kernel mounts no ext4 with project quota: $(tail -1 log)"; exit 77; }

# Numbers of projects that have a limit.
limited() {
    sync -f "$W/home"
    python3 - "$W/home" <<'PY'
import ctypes, os, struct, sys
PRJQUOTA, GETNEXT = 2, 0x800009
libc, fd, at = ctypes.CDLL(None, use_errno=True), os.open(sys.argv[1], os.O_RDONLY), 0
while True:
    q = ctypes.create_string_buffer(128)
    if libc.syscall(443, fd, GETNEXT << 8 | PRJQUOTA, ctypes.c_uint(at), q) != 0:
        break
    hard, _, _, ihard, _, _, _, _, _, number = struct.unpack_from("=8QII", q)
    if hard or ihard:
        print(number)
    at = number + 1
PY
}
newest() { run_dirs | tail -1; }
case_of() { # NAME BASE FILTER: a case of ours
    mkdir -p cases
    cp -r "$SRC/cases/$2" "cases/$1"
    jq --arg id "$1" "$3 | .id = \$id | .kind = \"task\" | .expect = {status: \"pass\"}" "$SRC/cases/$2/case.json" >"cases/$1/case.json"
}
run() { "$HARNESS" --home "$W/home" --cases "$1" run-case "$2" >out 2>&1; }
# by_quota PART NAME: the newest run was ended for it, having had hardly more.
by_quota() {
    checks=$((checks + 1))
    jq -e --arg of "$1" --arg name "$2" '.blocker_reasons == ["resource_limit_exceeded"] and (.limits_hit | length == 1)
        and (.limits_hit[0] | .of == $of and .name == $name and .mechanism == "project quota" and .ended
            and .seen > .limit and .seen <= .limit + (if $name == "inodes" then 16 else 1048576 end))' \
        "$(newest)/report.json" >/dev/null || fail "$2 of $1: $(jq -c '[.blockers, .limits_hit, .verification]' "$(newest)/report.json")"
    sleep 1.1
}

run "$SRC/cases" r1-string-slugify || fail "a run on a quota: $(cat out)"
jq -e '.sandbox | (.engine, .verifier) | .limits | (.disk_bytes, .inodes) | .mechanism == "project quota" and .guarantee' "$(newest)/report.json" >/dev/null ||
    fail "the report does not say that it is a guarantee: $(jq -c .sandbox.engine.limits "$(newest)/report.json")"
check 'limits are left after a run' [ -z "$(limited)" ]
sleep 1.1
base=failures/disk-limit
[ -d "$SRC/cases/$base" ] || base=disk-limit
run "$SRC/cases" disk-limit && fail 'disk-limit passes'
by_quota backend disk_bytes
run "$SRC/cases" inode-limit && fail 'inode-limit passes'
by_quota backend inodes
# Each command has the whole limit, and a deleted file counts as long as it is open.
case_of command $base '.fake.steps |= [.[0], .[3]] | .verification = [
    {"argv": ["sh", "-c", "head -c 25000000 /dev/zero >kept"], "timeout_s": 30},
    {"argv": ["sh", "-c", "head -c 25000000 /dev/zero >kept && sh check.sh"], "timeout_s": 30}]'
run "$W/cases" command || fail "25 MB of 32 MiB in each of two commands: $(jq -c '[.blockers, .limits_hit]' "$(newest)/report.json")"
sleep 1.1
case_of held $base '.fake.steps |= [.[0], .[3]] | .verification = [{"argv":
    ["sh", "-c", "exec 3>gone; rm gone; head -c 300000000 /dev/zero >&3; sleep 20"], "timeout_s": 30}]'
run "$W/cases" held && fail 'what is deleted and open counts for nothing'
by_quota verification disk_bytes
check 'limits are left after runs that were ended' [ -z "$(limited)" ]

# Killed while the limit is in force: supervisor, then the worker alone.
case_of hangs $base '.fake.steps = [{"do": "hang"}]'
for victim in supervisor worker; do
    "$HARNESS" --home "$W/home" --cases "$W/cases" run-case hangs >/dev/null 2>&1 &
    pid=$!
    for ((i = 0; i < 300; i++)); do
        [ -z "$(limited)" ] || break
        sleep 0.1
    done
    check "$victim: no limit is in force during a run" [ -n "$(limited)" ]
    if [ $victim = supervisor ]; then kill -KILL $pid; else kill -KILL "$(pgrep -P $pid | head -1)"; fi
    wait $pid 2>/dev/null
    run "$SRC/cases" answer-only || fail "$victim: the next command: $(cat out)"
    check "a limit is left after the $victim was killed: $(limited)" [ -z "$(limited)" ]
done
no_leftovers
e2e_end
