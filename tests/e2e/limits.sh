#!/usr/bin/env bash
# ctest: timeout=300
# Limits on a whole run: which mechanism this host gives is reported and is the one that ends it; without groups the watchdog does, for root
# too; the event and the report say which limit; a group of a supervisor that was killed goes with the next command.
. "$2/tests/lib/e2e.bash"

groups() { find /sys/fs/cgroup -maxdepth 6 -name 'cto-harness.*' 2>/dev/null; }
# ended CASE PART NAME MECHANISM: the last run was ended by that limit, and says so in event, report, report.md and end.
ended() {
    local dir part=$2
    dir=$(run_dirs | tail -1)
    checks=$((checks + 1))
    jq -e --arg of "$part" --arg name "$3" --arg by "$4" '
        .blocker_reasons == ["resource_limit_exceeded"] and (.blockers[0].class == "verdict")
        and (.limits_hit | length == 1) and (.limits_hit[0] | .of == $of and .name == $name and .ended
            and (.mechanism | test($by)) and .limit > 0 and .seen > 0)
        and (.blockers[0].detail | test($name))
        and (if $of == "backend" then .backend_end.end == "limit" else .verification[0].end == "limit" end)' \
        "$dir/report.json" >/dev/null || fail "$1: $(jq -c '[.blockers, .limits_hit, .backend_end, .verification]' "$dir/report.json")"
    jq -es --arg name "$3" '[.[] | select(.type == "limit.hit")] | length == 1 and (.[0].data | .name == $name and .ended)' \
        "$dir/events.normalized.jsonl" >/dev/null || fail "$1: no limit.hit of $3"
    jq -es 'map(.type) | index("limit.hit") < (index("backend.ended") // 1e9) or index("limit.hit") < index("verification.completed")' \
        "$dir/events.normalized.jsonl" >/dev/null || fail "$1: limit.hit comes after the end"
    grep -q 'resource_limit_exceeded' "$dir/report.md" || fail "$1: report.md does not say it"
}
# hit CASE PART NAME MECHANISM
from=$SRC/cases
hit() {
    "${around[@]}" "$HARNESS" --home "$W/home" --cases "$from" run-case "$1" >out 2>&1
    [ $? -eq 1 ] || fail "$1 does not fail: $(tail -3 out)"
    ended "$@"
    sleep 1.1 # run directories sort by their second
}

# made CASE OF CODE: a case of the tree in which the program takes what only a descriptor holds.
made() {
    mkdir -p "$W/cases/failures"
    cp -r "$SRC/cases/failures/$2" "$W/cases/failures/$1"
    jq --arg id "$1" --arg code "$3" '.id = $id | .fake.steps = [{do: "exec", argv: ["python3", "-c", $code]}]' \
        "$SRC/cases/failures/$2/case.json" >"$W/cases/failures/$1/case.json"
}
made memory-held memory-shared 'import os, time
fd = os.memfd_create("pile")
for _ in range(100): os.write(fd, bytes(1 << 20))
time.sleep(20)'
made disk-unlinked disk-limit 'import os, time
held = [os.open("pile%d" % i, os.O_RDWR | os.O_CREAT) for i in range(4)]
for i in range(4): os.unlink("pile%d" % i)
for fd in held * 16: os.write(fd, os.urandom(1 << 20))
time.sleep(20)'

around=()
h run-case r1-string-slugify >out 2>&1 || fail "a run without limits: $(cat out)"
dir=$(run_dirs | tail -1)
jq -e '.limits_hit == [] and (.sandbox.engine.limits | (.memory_bytes, .processes, .disk_bytes, .inodes, .disk_reserve, .scratch_bytes,
        .file_bytes, .open_files, .output_bytes, .log_lines, .cpu_s) | .value > 0 and (.mechanism | length > 0)
        and (.guarantee | type == "boolean"))' "$dir/report.json" >/dev/null ||
    fail "limits of a run: $(jq -c .sandbox.engine.limits "$dir/report.json")"
sleep 1.1
h run-case memory-many-processes >out 2>&1
dir=$(run_dirs | tail -1)
version=$(jq -r .sandbox.cgroup.version "$dir/report.json")
by=watchdog
[ "$version" -eq 0 ] || by="cgroup v$version"
ended memory-many-processes backend memory_bytes "^$by\$"
jq -e --arg by "$by" '.sandbox.engine.limits.memory_bytes | .mechanism == $by and .guarantee == ($by != "watchdog") and
    .value == 67108864' "$dir/report.json" >/dev/null || fail "the report names another mechanism than $by"
jq -e '.sandbox.cgroup.version == 2 or (.sandbox.cgroup.why | length > 0)' "$dir/report.json" >/dev/null || fail "no reason why not v2"
sleep 1.1
hit verifier-memory verification memory_bytes "^$by\$"
# As root on a file system with project quota by that (quota.sh), else by the walk.
disk_by=$(jq -r .sandbox.engine.limits.disk_bytes.mechanism "$(run_dirs | tail -1)/report.json")
hit disk-limit backend disk_bytes "^$disk_by\$"
hit inode-limit backend inodes "^$disk_by\$"
from=$W/cases
hit disk-unlinked backend disk_bytes "^$disk_by\$"
# The same in a group, also on a host that gives one only to who asks.
file=$W/cases/failures/disk-unlinked/case.json
jq '.limits.memory_bytes = 500000000' "$file" >t.json && mv t.json "$file"
hit disk-unlinked backend disk_bytes "^$disk_by\$"
hit memory-held backend memory_bytes "^$by\$"
from=$SRC/cases
[ -z "$(groups | grep -F ".$$.")" ] || fail "groups are left: $(groups)"

# Root on a host that shows no control groups. An ordinary user has had the watchdog above, unless groups are delegated to him.
if [ "$(id -u)" -eq 0 ] && unshare -m umount -l /sys/fs/cgroup 2>/dev/null; then
    around=(unshare -m sh -c 'umount -l /sys/fs/cgroup && exec "$@"' sh)
    hit memory-one-process backend memory_bytes '^watchdog$'
    hit memory-scratch backend memory_bytes '^watchdog$'
    hit process-limit backend processes '^watchdog$'
    hit verifier-memory verification memory_bytes '^watchdog$'
    from=$W/cases
    hit memory-held backend memory_bytes '^watchdog$'
    from=$SRC/cases
    around=()
fi

# The supervisor is killed while the backend sits in a group.
if [ "$version" -eq 1 ] || [ "$version" -eq 2 ]; then
    mkdir -p cases/failures
    cp -r "$SRC/cases/failures/timeout" cases/failures/
    jq '.limits = {"memory_bytes": 500000000} | .timeouts = {"backend_s": 60}' cases/failures/timeout/case.json >t.json &&
        mv t.json cases/failures/timeout/case.json
    before=$(groups | LC_ALL=C sort)
    "$HARNESS" --home "$W/home" --cases "$W/cases" run-case timeout >killed 2>&1 &
    pid=$!
    for ((i = 0; i < 200; i++)); do
        made=$(comm -13 <(printf '%s\n' "$before") <(groups | LC_ALL=C sort))
        [ -n "$made" ] && break
        sleep 0.1
    done
    [ -n "$made" ] || fail "no group was made: $(cat killed)"
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null
    for ((i = 0; i < 40; i++)); do # its worker dies with it, but a kernel under load takes its time for a jail's namespaces
        h run-case answer-only >/dev/null 2>&1
        left=$(comm -12 <(printf '%s\n' "$made") <(groups | LC_ALL=C sort))
        [ -z "$left" ] && break
        sleep 0.25
    done
    check "a killed supervisor's group is left: $left" [ -z "$left" ]
fi
sound
e2e_end
