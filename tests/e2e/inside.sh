#!/usr/bin/env bash
# ctest: timeout=120
# What exists inside: not the home directory, not other repositories, not the run directory, not the store; nothing outside the
# write roots can be written; there is no network. Looked at from three jails: `sandbox exec`, the engine's, the verifier's.
. "$2/tests/lib/e2e.bash"

# Secrets that a stranger would look for, world-readable on purpose: the jail must hide them, not the modes.
umask 022
mkdir -p "$W/person/.ssh" "$W/person/repo/.git" "$W/home" "$W/cases/probe/fixture"
chmod 755 "$W"
echo secret >"$W/person/.ssh/id"
echo secret >"$W/person/repo/.git/config"
h run-case answer-only --quiet >/dev/null 2>err || fail "answer-only: $(cat err)"
old_run=$(run_dirs | head -1)

# One line "ok NAME" per promise that holds, "BAD NAME" else; exits with the number of broken ones. Runs inside. What it
# tries would do no harm if it worked, and still it tries only inside, under a system call filter; outside it just looks.
cat >probe.sh <<'PROBE'
bad=0
hidden() { if [ -e "$1" ] || ls -d "$1" >/dev/null 2>&1; then echo "BAD $1 exists"; bad=$((bad + 1)); else echo "ok $1"; fi; }
jailed=
if grep -q '^NoNewPrivs:.1' /proc/self/status && grep -q '^Seccomp:.2' /proc/self/status && [ -z "${LOOK_ONLY:-}" ]; then jailed=yes; else
    echo "BAD no system call filter, or no no_new_privs"
    bad=$((bad + 1))
fi
fails() { if [ -z "$jailed" ] && [ "${3:-}" != look ]; then return; elif sh -c "$2" >/dev/null 2>&1; then echo "BAD $1"; bad=$((bad + 1)); else echo "ok $1"; fi; }
hidden "@W@/person"
hidden "@W@/person/.ssh/id"
hidden "@W@/person/repo"
hidden "@W@/home"
hidden "@W@/home/cto.db"
hidden "@W@/home/harness-runs"
hidden "@W@/home/work"
hidden "@RUN@"
hidden "@SRC@"
hidden "@BIN@/cto-harness"
hidden /root/.ssh
hidden /etc/shadow
hidden /var/log
fails "something in /run" 'test -n "$(ls -A /run)"' look
hidden /sys
hidden /dev/sda
hidden /dev/mem
for d in / /usr /etc /bin /lib /proc /proc/sys /dev /scratch/.. /home; do fails "write in $d" ": >$d/cto-owned"; done
fails "write to /proc/sys/kernel/core_pattern" ': >>/proc/sys/kernel/core_pattern'
fails "append to /etc/passwd" ': >>/etc/passwd'
fails "chmod of /usr/bin/env" 'chmod 755 /usr/bin/env'
fails "mount" 'mount -t tmpfs none /scratch/tmp'
fails "new user namespace" 'unshare -U true'
fails "device node" 'mknod /scratch/tmp/null c 1 3'
fails "see processes outside" 'test "$(ls -d /proc/[0-9]* | wc -l)" -gt 12'
fails "network" 'python3 -c "import socket; s = socket.create_connection((\"192.0.2.1\", 80), 2)"'
fails "name service" 'getent ahostsv4 example.com'
fails "interfaces besides lo" 'test -n "$(ls /sys/class/net 2>/dev/null | grep -v lo)" || grep -Ev "^ *(lo:|Inter|face)" /proc/net/dev'
fails "unix socket of the host" 'python3 -c "
import socket
s = socket.socket(socket.AF_UNIX)
s.connect(\"\\0@SOCKET@\")"' look
if [ "$(id -u)" = 0 ]; then echo "BAD uid 0 inside"; bad=$((bad + 1)); fi
if ! grep -q '^CapEff:.0*$' /proc/self/status; then echo "BAD capabilities"; bad=$((bad + 1)); fi
if cat /proc/self/mounts "/proc/$$/environ" "/proc/$$/cmdline" 2>/dev/null | tr '\0' '\n' | grep "@W@" >seen && [ -z "${SHOWS_PATH:-}" ]; then
    echo "BAD host paths in mounts, environment or arguments: $(head -1 seen)"
    bad=$((bad + 1))
fi
rm -f seen
echo x >here || { echo "BAD cannot write at home"; bad=$((bad + 1)); }
rm -f here
[ -z "$jailed" ] || touch /scratch/tmp/x || { echo "BAD no scratch"; bad=$((bad + 1)); }
echo "probed $bad"
exit "$bad"
PROBE
socket="cto-e2e-$$"
sed -i "s|@W@|$W|g; s|@RUN@|$old_run|g; s|@SRC@|$SRC|g; s|@BIN@|$BIN|g; s|@SOCKET@|$socket|g" probe.sh

# An abstract socket of the host that would answer.
python3 -c "
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind('\0$socket')
s.listen()
print('up', flush=True)
time.sleep(100)" >up &
listener=$!
for _ in $(seq 100); do [ -s up ] || sleep 0.05; done
# The probe itself must be able to say BAD: outside, what it looks at is there.
(cd "$W" && LOOK_ONLY=1 sh probe.sh) >outside 2>&1 && fail "the probe finds nothing wrong outside"
grep -q "BAD $W/person/.ssh/id exists" outside && grep -q 'BAD unix socket of the host' outside || fail "the probe is blind: $(cat outside)"

# 1. sandbox exec: the write root is shown at its own path.
mkdir "$W/jail"
cp probe.sh jail/
sed "s|hidden \"$W/home\"|hidden \"$W/home/x\"|" -i jail/probe.sh
if [ "$(id -u)" -eq 0 ]; then chown 1879048192:1879048192 "$W/jail"; fi
(cd jail && SHOWS_PATH=1 h sandbox exec --write "$W/jail" -- env SHOWS_PATH=1 sh "$W/jail/probe.sh") >exec.out 2>&1
code=$?
[ "$code" -eq 0 ] && grep -q '^probed 0$' exec.out || fail "sandbox exec: exit $code: $(grep -v '^ok' exec.out)"
[ "$(find "$W/jail" -mindepth 1 | wc -l)" -eq 1 ] || fail "sandbox exec left something: $(ls "$W/jail")"

# 2. and 3. a case whose engine and whose verification run the probe.
cp probe.sh cases/probe/fixture/
echo one >cases/probe/fixture/file
echo "# Probe" >cases/probe/task.md
jq '.id = "probe" | .allowed_writes = ["file"] | .verification = [{argv: ["sh", "probe.sh"]}] | .pristine = ["probe.sh"]
    | .fake.steps = [{do: "exec", argv: ["sh", "probe.sh"]}, {do: "write", path: "file", text: "two\n"}, {do: "commit", message: "two"}]' \
    "$SRC/cases/jail-holds/case.json" >cases/probe/case.json
"$HARNESS" --home "$W/home" --cases "$W/cases" run-case probe --json >report.json 2>err
code=$?
dir=$(jq -r .artifacts_dir report.json)
[ "$code" -eq 0 ] || fail "probe case: exit $code: $(grep -h BAD "$dir"/backend/stdout.log "$dir"/test.log; cat err)"
grep -q '^probed 0$' "$dir/backend/stdout.log" || fail "engine's jail: $(cat "$dir/backend/stdout.log")"
grep -q '^probed 0$' "$dir/test.log" || fail "verifier's jail: $(cat "$dir/test.log")"
kill "$listener" 2>/dev/null
for f in / /usr /etc /bin /lib /dev /home; do [ ! -e "$f/cto-owned" ] || fail "$f/cto-owned was written outside"; done
h run-case jail-holds --quiet >/dev/null 2>err || fail "jail-holds: $(cat err)"
checks=$((checks + 3 * $(grep -c '^ok' exec.out)))
e2e_end
