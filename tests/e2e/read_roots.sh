#!/usr/bin/env bash
# ctest: timeout=150
# What a case asks of its sandbox: directories of the host to read, which engine and verification then can, and cannot write;
# those that would show what must stay hidden block the run before anything is started; and a Landlock version, below which the
# run is blocked. The kernel is made to know less by the programs of testbin/weak.
. "$2/tests/lib/e2e.bash"
umask 022
chmod 755 "$W"

# case_with KEY=JSON...: a copy of the case $base with keys changed; steps come before its own
case_with() {
    mkdir -p "$W/cases"
    rm -rf "$W/cases/$base"
    cp -r "$SRC/cases/$base" "$W/cases/$base"
    python3 - "$W/cases/$base/case.json" "$@" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
for pair in sys.argv[2:]:
    key, value = pair.split("=", 1)
    c[key] = json.loads(value)
if "steps" in c: c["fake"]["steps"] = c.pop("steps") + c["fake"]["steps"]
json.dump(c, open(sys.argv[1], "w"))
PY
}
run_it() { "${HARNESS_HERE:-$HARNESS}" --home "$W/home" --cases "$W/cases" run-case "$base" --quiet >out 2>&1; }
last() { run_dirs | tail -1; }
blocked() { # WORD: the last run was blocked by the sandbox and says WORD
    checks=$((checks + 1))
    python3 - "$(last)" "$1" <<'PY' || fail "not blocked with '$1': $(tail -2 out)"
import json, sys
r = json.load(open(sys.argv[1] + "/report.json"))
assert r["status"] == "blocked", r["status"]
b = [x for x in r["blockers"] if x["reason"] == "sandbox_unavailable"] if isinstance(r["blockers"][0], dict) else r["blockers"]
assert "sandbox_unavailable" in json.dumps(r["blockers"]) and sys.argv[2] in json.dumps(r), r["blockers"]
PY
}
refuses_root() { # PATH WORD
    case_with "read_roots=[\"$1\"]"
    run_it && fail "$1 was shown"
    blocked "$2"
}

mkdir -p tools/sub home person/.ssh person/tools sock deep/.aws/x
echo "from the host" >tools/sub/data
base=jail-holds
# What is declared is there, in both jails, read-only, and reported.
case_with "read_roots=[\"$W/tools\"]" \
    "steps=[{\"do\": \"exec\", \"argv\": [\"sh\", \"-c\", \"grep -q host $W/tools/sub/data && ! touch $W/tools/x && ! ls $W/person\"]}]" \
    "verification=[{\"argv\": [\"sh\", \"-c\", \"grep -q host $W/tools/sub/data && ! touch $W/tools/x\"]}]"
run_it || fail "a declared read root: $(tail -3 out)"
checks=$((checks + 1))
grep -q "\"read_roots\": *\[ *\"$W/tools\" *\]" <(python3 -c 'import json,sys; print(json.dumps(json.load(open(sys.argv[1]))["sandbox"]))' "$(last)/report.json") ||
    fail "the read root is not reported"
grep -qF "$W/tools" "$(last)/report.md" || fail "report.md does not name the read root"
[ ! -e tools/x ] || fail "written through a read root"

base=answer-only
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$W/sock/docker.sock"
ln -s tools "$W/linked"
refuses_root "$W/sock" socket
refuses_root "$W/sock/docker.sock" "plain file"
refuses_root "$W/home" home
refuses_root "$W" home
refuses_root "$W/linked" link
refuses_root "$W/not-there" "No such file"
refuses_root "$W/person/.ssh" credentials
refuses_root /dev/shm "system"
refuses_root "$W/deep/.aws/x" credentials
refuses_root /proc "system"
refuses_root /proc/sys "system"
refuses_root /run "system"
refuses_root /etc/ssl "system"
refuses_root /home "more than"
refuses_root /home/somebody-else "home directory" # by its name: nothing of it is looked at
refuses_root /tmp "more than"
rm -f "$W/sock/docker.sock"
HOME=$W/person
export HOME
refuses_root "$W/person" "home directory"
case_with "read_roots=[\"$W/person/tools\"]"
run_it || fail "a directory below the home: $(tail -3 out)"

# Landlock: what the kernel has is enough, more is not; and with one that has none nothing starts.
case_with landlock_abi_min=1
run_it || fail "Landlock 1: $(tail -3 out)"
case_with landlock_abi_min=1000
run_it && fail "a Landlock that no kernel has"
blocked "the case requires 1000"
weak=${CTO_TEST_BIN:-}/weak
if [ -x "$weak/cto-harness-worker" ]; then
    cp -r "$weak" "$W/weak"
    HARNESS_HERE=$W/weak/cto-harness
    for abi in 1 3 5; do
        echo "landlock_abi $abi" >"$W/weak/jail_hooks"
        case_with landlock_abi_min=$abi
        run_it || fail "with a kernel of Landlock $abi: $(tail -3 out)"
        checks=$((checks + 1))
        python3 - "$(last)/report.json" $abi <<'PY' || fail "the report of Landlock $abi"
import json, sys
s, abi = json.load(open(sys.argv[1]))["sandbox"], int(sys.argv[2])
assert s["landlock_abi"] == abi, s
lacks = {n for n, since in (("refer", 2), ("truncate", 3), ("tcp", 4), ("ioctl_dev", 5), ("signal", 6), ("abstract_unix_socket", 6), ("resolve_unix", 9)) if since > abi}
assert set(s["landlock_missing"]) == lacks, s
PY
        case_with landlock_abi_min=$((abi + 1))
        run_it && fail "Landlock $((abi + 1)) on a kernel of $abi"
        blocked "this kernel has ABI $abi, the case requires $((abi + 1))"
    done
    echo "landlock_abi 0" >"$W/weak/jail_hooks"
    case_with landlock_abi_min=0
    run_it && fail "an engine ran without Landlock"
    blocked landlock
fi
sound
e2e_end
