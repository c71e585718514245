#!/usr/bin/env bash
# ctest: timeout=120
# The jail as a tool of its own: what --hide hides and keeps hidden, --bind-write, what --log-denied and --json-status say, what
# --require-landlock refuses, and errors that name what to do.
set -u
sandbox=$1/cto-harness-sandbox
W=$(mktemp -d "${TMPDIR:-/tmp}/cto-sandbox-exec.XXXXXX") || exit 99
trap 'rm -rf "$W"' EXIT
chmod 777 "$W"
cd "$W" || exit 99
failures=0
fail() { failures=$((failures + 1)); echo "sandbox_exec: $*" >&2; }
usage() { # WORD ARGS...: exit 2 and one line with WORD
    local word=$1
    shift
    "$sandbox" "$@" >out 2>err </dev/null
    local rc=$?
    [ $rc -eq 2 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q -- "$word" err || fail "$*: exit $rc, $(cat err)"
}

umask 0
mkdir -p ws/secret ws/sub other
echo key >ws/secret/key
echo TOKEN=1 >ws/.env
ln -s secret ws/link
"$sandbox" --write ws --hide ws/secret --hide ws/.env -- sh -c '
    test -z "$(ls -A secret)" && ! cat .env && ! cat link/key && ! touch secret/x && ! rm -rf secret && ! mv secret moved &&
    ! mv .env moved && ! ln .env hard && ! umount secret && touch sub/made' >out 2>err || fail "hidden things: $(cat out err)"
[ "$(cat ws/secret/key)" = key ] && [ "$(cat ws/.env)" = TOKEN=1 ] && [ -e ws/sub/made ] || fail "what is hidden was changed"
"$sandbox" --read ws -- cat "$W/ws/secret/key" >out 2>&1 && grep -q key out || fail "what is not hidden is there"
# A directory above what is hidden can be renamed; it stays hidden under its new name.
mkdir -p ws/a/deep && echo key >ws/a/deep/key
"$sandbox" --write ws --hide ws/a/deep -- sh -c 'mv a b && test -d b/deep && ! cat b/deep/key' >out 2>&1 || fail "renamed: $(cat out)"
usage 'not below anything' --hide "$W/other" --write ws -- true
usage 'link or a special file' --bind "$W/ws:/x" --hide /x/link -- true

"$sandbox" --bind-write "$W/other:/data" -- sh -c 'echo x >/data/f' && [ "$(cat other/f)" = x ] || fail "--bind-write"
"$sandbox" --bind "$W/other:/data" -- sh -c 'echo x >/data/g' 2>/dev/null && fail "--bind is writable"

"$sandbox" --log-denied 4 --json-status 3 --limit files=99 -- sh -c 'unshare -U true; unshare -U true; exit 7' 3>status 4>denied 2>/dev/null
[ $? -eq 7 ] || fail "the exit status changes when denials are logged"
"$sandbox" --json-status 3 --limit cpu=1 -- sh -c 'while :; do :; done' 3>cpu 2>/dev/null
[ $? -eq 152 ] || fail "cpu limit: exit $?"
"$sandbox" --json-status 3 --timeout 0.2 -- sleep 20 3>late
[ $? -eq 124 ] || fail "timeout: exit $?"
"$sandbox" --json-status 3 -- /no/such/program 3>missing 2>/dev/null
[ $? -eq 127 ] || fail "not found: exit $?"
python3 - <<'PY' || fail "what the JSON says: $(cat status denied)"
import json
s, d = json.load(open("status")), [json.loads(l) for l in open("denied")]
assert (s["kind"], s["code"], s["limit_hit"], s["profile"]) == ("exited", 7, None, "engine"), s
assert s["limits"]["files"] == 99 and s["limits"]["processes"] == 512 and s["mode"] in ("root", "user")
assert {"seccomp", "landlock", "pid namespace", "minimal root"} <= set(s["mechanisms"]) and s["landlock_abi"] >= 1
assert s["denied"]["observed"] and s["denied"]["total"] == 2, s
assert [(c["syscall"], c["count"]) for c in s["denied"]["calls"]] == [("unshare", 2)], s
assert len(d) == 1 and d[0]["syscall"] == "unshare" and d[0]["count"] == 1 and d[0]["arguments"][0] == "0x10000000", d
c, l, m = (json.load(open(n)) for n in ("cpu", "late", "missing"))
assert (c["kind"], c["limit_hit"], c["denied"]) == ("signalled", "cpu", None), c
assert (l["kind"], l["limit_hit"]) == ("timed_out", "timeout") and m["kind"] == "exec_failed" and "mechanisms" not in m
PY
"$sandbox" --require-landlock 1 -- true || fail "Landlock 1 is required and is there"
"$sandbox" --require-landlock 999 -- true 2>err
[ $? -eq 4 ] && grep -q '999 is required' err || fail "Landlock 999: $(cat err)"
usage 'not an open descriptor' --log-denied 77 -- true
usage 'SRC:DST' --bind-write "$W/other" -- true
"$sandbox" --list-profiles | grep -q 'limits: memory=4096M processes=512' || fail "--list-profiles names no limits"
# --help names every option that there is.
help=$("$sandbox" --help)
for o in profile write read bind bind-write hide chdir env uid no-loopback limit timeout json-status log-denied require-landlock \
    list-profiles probe version help; do
    grep -q -- "--$o" <<<"$help" || fail "--help does not name --$o"
done
[ "$(sort <<<"$help" | uniq -d | grep -c .)" -eq 0 ] || fail "--help says something twice"
# Every example of README.md and --help runs as it is printed, in a directory that is the command's own.
examples=$(sed -n 's/^cto-harness-sandbox -/"$sandbox" -/p' "$2/README.md"; sed -e ':join' -e '/\\$/{N;s/\\\n *//;b join' -e '}' <<<"$help" | sed -n 's/^  cto-harness-sandbox -/"$sandbox" -/p')
[ "$(grep -c . <<<"$examples")" -ge 7 ] || fail "examples are expected: $examples"
mkdir -p shown/secrets shown/out shown/tool && chmod -R 777 shown
printf 'test:\n\ttouch made\n' >shown/Makefile
printf '#!/bin/sh\nexit 0\n' >shown/agent
chmod 755 shown/agent
cp shown/agent shown/job
cp shown/agent shown/tool/run
touch shown/.env
while IFS= read -r line; do
    (cd shown && eval "${line//\/opt\/tool/$W/shown/tool}") >out 2>&1 </dev/null || fail "as printed: $line: exit $?: $(cat out)"
done <<<"$examples"
# What a newcomer meets: a program that is not inside, and as root a directory of root's.
"$sandbox" --read shown -- ./job >out 2>&1
[ $? -eq 127 ] && grep -q 'working directory is /scratch' out || fail "a program that is not there: $(cat out)"
mkdir -m 755 roots
"$sandbox" --write roots --bind-write "$W/other:/x" -- true >out 2>&1 || fail "--write: $(cat out)"
if [ "$(id -u)" -eq 0 ]; then
    [ "$(grep -c 'note: .*may not write .*/roots:' out)" -eq 1 ] && [ "$(wc -l <out)" -eq 1 ] || fail "a directory of root's: $(cat out)"
else
    [ ! -s out ] || fail "an ordinary user is told: $(cat out)"
fi
[ $failures -eq 0 ] || exit 1
echo "sandbox_exec: all good"
