#!/usr/bin/env bash
# as-user.sh SCRIPT BINDIR SRCDIR - runs a test script as an ordinary user with a fresh home and a built environment.
#
# Called by root it drops to a uid that belongs to nobody (no useradd needed: git and python need HOME only), so that no
# person's files are in reach. Called by an ordinary user it only makes the environment. When that uid cannot read the
# trees (a checkout in /root), it gets copies of the programs and of what the tests need.
set -u
script=$1
bindir=$2
srcdir=$3

work=$(mktemp -d "${TMPDIR:-/tmp}/cto-as-user.XXXXXX") || exit 99
trap 'chmod -R u+rwX "$work" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP
chmod 755 "$work"
mkdir -m 700 "$work/home" "$work/tmp"

drop=()
if [ "$(id -u)" -eq 0 ]; then
    command -v setpriv >/dev/null || { echo "as-user: setpriv is missing (package util-linux)"; exit 77; }
    # Above the people of login.defs (1000-59999), below what systemd hands out; never one that somebody has.
    uid=60777
    while getent passwd "$uid" >/dev/null || getent group "$uid" >/dev/null; do uid=$((uid + 1)); done
    chown "$uid:$uid" "$work/home" "$work/tmp"
    drop=(setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all)
    if ! "${drop[@]}" sh -c 'test -r "$1" && test -x "$2" && test -r "$3/CMakeLists.txt" && test -r "$3/tests"' sh \
        "$script" "$bindir/cto-harness" "$srcdir" 2>/dev/null; then
        mkdir "$work/tree" "$work/tree/src" "$work/tree/bin"
        cp -a "$bindir/." "$work/tree/bin/"
        tar -C "$srcdir" --exclude=./build --exclude=./.git -cf - . | tar -C "$work/tree/src" -xf -
        if [ -n "${CTO_TEST_BIN:-}" ] && [ -d "$CTO_TEST_BIN" ]; then
            cp -a "$CTO_TEST_BIN" "$work/tree/testbin"
            CTO_TEST_BIN=$work/tree/testbin
        fi
        chmod -R a+rX "$work/tree"
        script=$work/tree/src/${script#"$srcdir/"}
        bindir=$work/tree/bin
        srcdir=$work/tree/src
    fi
fi

keep=()
while IFS='=' read -r -d '' name value; do
    case $name in CI | CTO_CC | CTO_TEST_* | CTO_SANITIZED | CTO_INSTRUMENTED | CTO_BUILD_TYPE | ASAN_OPTIONS | UBSAN_OPTIONS) keep+=("$name=$value") ;; esac
done < <(env -0)
cd / || exit 99
set -m # a process group of its own, so that an interrupted test takes its children with it
"${drop[@]}" env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME="$work/home" TMPDIR="$work/tmp" LANG=C.UTF-8 \
    USER=cto-test LOGNAME=cto-test SHELL=/bin/sh "${keep[@]}" bash "$script" "$bindir" "$srcdir" &
child=$!
trap 'kill -KILL -- "-$child" 2>/dev/null; wait "$child" 2>/dev/null; exit 143' TERM INT HUP
wait "$child"
exit $?
