# shellcheck shell=bash
# e2e.bash - sourced by tests/e2e/*.sh as `. "$2/tests/lib/e2e.bash"`. $W is a fresh directory, $W/home the home, $WORKDIRS the
# place of its work directories.
#
#   h ARGS...                 cto-harness with that home and the cases of the tree
#   fail TEXT                 notes a failure and goes on; e2e_end decides
#   refused WORD CODE CMD...  exit CODE, nothing on stdout, exactly one line on stderr, and WORD (an extended regular
#                             expression) in it
set -u
BIN=$1
SRC=$2
HARNESS=$BIN/cto-harness
failures=0
checks=0
W=$(mktemp -d "${TMPDIR:-/tmp}/cto-e2e.XXXXXX") || exit 99
e2e_clean() {
    local m
    grep -o " $W/[^ ]*" /proc/self/mountinfo | sort -r | while read -r m; do umount -l "$m"; done
    chmod -R u+rwX "$W" 2>/dev/null
    rm -rf "$W"
}
trap e2e_clean EXIT
trap 'exit 143' TERM INT HUP
cd "$W" || exit 99
WORKDIRS=$W/home/work # where the home's runs work, while they do

h() { "$HARNESS" --home "$W/home" --cases "$SRC/cases" "$@"; }
fail() {
    failures=$((failures + 1))
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
}
check() {
    checks=$((checks + 1))
    "${@:2}" || fail "$1"
}
refused() {
    local word=$1 want=$2 code lines
    shift 2
    checks=$((checks + 1))
    "$@" >"$W/refused.out" 2>"$W/refused.err" </dev/null
    code=$?
    lines=$(wc -l <"$W/refused.err")
    if [ "$code" -ne "$want" ] || [ "$lines" -ne 1 ] || [ -s "$W/refused.out" ] || ! grep -Eq -- "$word" "$W/refused.err"; then
        fail "$(head -c 300 <<<"${*: -4}"): exit $code (want $want), $lines lines on stderr, want one with '$word': $(head -c 600 "$W/refused.err" "$W/refused.out")"
    fi
}
# What a directory holds: names, types, modes, contents; without the store's journals, which also a reader may make.
fingerprint() {
    (cd "$1" 2>/dev/null && find . ! -name 'cto.db-*' -printf '%P %y %m\n' | LC_ALL=C sort &&
        find . -type f ! -name 'cto.db-*' -print0 | LC_ALL=C sort -z | xargs -0r sha256sum) | sha256sum
}
# In the order in which they were sealed: of two names of one second, the one with the larger pid may be the older.
run_dirs() {
    find "$W/home/harness-runs" -mindepth 1 -maxdepth 1 -type d ! -name '*-run-all-fake-*' -printf '%T@ %p\n' |
        LC_ALL=C sort -n | cut -d' ' -f2-
}
# Nothing of a finished command is left in a home.
no_leftovers() {
    local home=${1:-$W/home} left
    left=$(find "$home/work" "$home/locks" -mindepth 1 2>/dev/null)
    [ -z "$left" ] || fail "left in the home: $left"
    left=$(python3 - "$home/cto.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect("file:" + sys.argv[1].replace("%", "%25").replace("?", "%3f").replace("#", "%23") + "?mode=ro", uri=True)
for row in db.execute("SELECT run_id, state FROM runs WHERE state <> 'done' OR verdict IS NULL"):
    print(*row)
PY
    )
    [ -z "$left" ] || fail "unfinished in the store: $left"
    checks=$((checks + 2))
}
# Whatever else: the evidence of this home holds.
sound() {
    local home=${1:-$W/home} out
    out=$("$HARNESS" --home "$home" verify --all 2>&1) || fail "verify --all: $(tail -3 <<<"$out")"
    out=$("$HARNESS" --home "$home" store check 2>&1) || fail "store check: $out"
    checks=$((checks + 2))
    no_leftovers "$home"
}
schemas() {
    mkdir -p "$W/schemas"
    local name
    for name in $(h schema); do h schema "$name" >"$W/schemas/$name.json" || fail "schema $name"; done
}
e2e_end() {
    if [ "$failures" -ne 0 ]; then
        printf '%s: %s failure(s)\n' "$(basename "$0" .sh)" "$failures" >&2
        exit 1
    fi
    [ "$checks" -gt 0 ] || { echo "nothing was checked" >&2; exit 1; }
    printf '%s: %s checks, all good\n' "$(basename "$0" .sh)" "$checks"
    exit 0
}
