#!/usr/bin/env bash
# ctest: timeout=180
# What people and hosts give us that is wrong: one line on stderr that says what, where and what to do, the declared exit code,
# and nothing changed. And what is only unusual: it works.
. "$2/tests/lib/e2e.bash"

h run-case answer-only --quiet >/dev/null 2>err || fail "answer-only: $(cat err)"
before=$(fingerprint "$W/home")
fresh() { "$HARNESS" --home "$W/fresh" --cases "$SRC/cases" "$@"; }
cases_with() { # FILE-CONTENT: a folder of cases with one case "one"
    rm -rf "$W/cases"
    mkdir -p "$W/cases/one/fixture"
    echo x >"$W/cases/one/fixture/f"
    echo '# One' >"$W/cases/one/task.md"
    printf '%s' "$1" >"$W/cases/one/case.json"
}
one() { "$HARNESS" --home "$W/fresh" --cases "$W/cases" "$@"; }
good_case=$(jq '.id = "one" | .pristine = []' "$SRC/cases/answer-only/case.json")

# --- the command line
refused 'unknown command nonsense.*--help' 2 h nonsense
refused 'a command is expected.*--help' 2 "$HARNESS"
refused '--home needs a value' 2 "$HARNESS" run-case x --home
refused 'exactly one CASE' 2 fresh run-case
refused 'exactly one CASE' 2 fresh run-case a b
refused 'unknown option --what' 2 fresh run-case answer-only --what
refused 'unknown engine "nobody".*engines' 2 fresh run-case answer-only --engine nobody
refused 'answer-onyl.*answer-only' 2 fresh run-case answer-onyl
refused 'no-such-case' 2 fresh run-all-fake --only no-such-case
refused '\.\./answer-only' 2 fresh run-case ../answer-only
refused 'case' 2 fresh run-case ''
refused '-j 0.*1 to 4096' 2 fresh run-all-fake -j 0
refused '-j many.*1 to 4096' 2 fresh run-all-fake -j many
refused 'unexpected argument x' 2 fresh run-all-fake x
refused 'no-such-run' 2 h verify no-such-run
refused 'no-such-run' 2 h report show no-such-run
refused 'no-such-schema' 2 h schema no-such-schema
refused 'info.*check' 2 h store nonsense
refused 'failure-matrix' 2 h validate nonsense
refused 'stage6 takes no --protect' 2 h validate stage6 --protect /tmp
refused 'stage5 takes no -j' 2 h validate stage5 -j 2
refused 'provider-adapter takes no --engine' 2 h validate provider-adapter --engine exec
refused 'say list, lint or new;' 2 h case
[ ! -e "$W/fresh" ] || fail "a refused command made a home: $(find "$W/fresh")"

# --- cases
refused '/nowhere.*--cases|--cases.*/nowhere' 2 "$HARNESS" --home "$W/fresh" --cases /nowhere run-case answer-only
cases_with "{\"id\": \"one\",
\"title\": tru}"
refused 'one/case.json:2: not valid JSON' 2 one run-case one
cases_with "$(jq '.zz = 1' <<<"$good_case")"
refused 'one/case.json:[0-9]+: zz: unknown key' 2 one run-case one
cases_with "$(jq '.limits = {memory_bytes: "1"}' <<<"$good_case")"
refused 'one/case.json:[0-9]+: limits.memory_bytes' 2 one run-case one
cases_with "$(jq '.allowed_writes = ["../x"]' <<<"$good_case")"
refused 'one/case.json:[0-9]+: allowed_writes\[0\]' 2 one run-case one
cases_with "$(jq '.id = "two"' <<<"$good_case")"
refused 'one/case.json:[0-9]+: id: ' 2 one run-case one
cases_with "$(jq '.title = "a\u0000b"' <<<"$good_case")"
refused 'one/case.json' 2 one run-case one
cases_with ''
refused 'one/case.json' 2 one run-case one
cases_with "$good_case"
mkdir "$W/cases/stray"
"$HARNESS" --cases "$W/cases" case list >out 2>err
[ $? -eq 2 ] && grep -q '^one ' out && grep -q 'cases/stray/case.json is missing' err || fail "case list with a stray folder: $(cat out err)"
refused 'cases/stray/case.json is missing' 2 one run-all-fake
rmdir "$W/cases/stray"
rm "$W/cases/one/task.md"
refused 'one.*task.md' 2 one run-case one
cases_with "$good_case"
ln -sf /etc/passwd "$W/cases/one/task.md"
rm -rf "$W/cases/one" && ln -s "$SRC/cases/answer-only" "$W/cases/one"
refused 'one' 2 one run-case one
mkdir -p "$W/empty"
refused 'no cases in' 2 "$HARNESS" --home "$W/fresh" --cases "$W/empty" run-all-fake
[ ! -e "$W/fresh" ] || fail "a refused case made a home: $(find "$W/fresh")"

# --- the home
refused '--home' 2 "$HARNESS" --home '' --cases "$SRC/cases" run-case answer-only
echo x >file
refused 'file.*--home|--home.*file' 2 "$HARNESS" --home "$W/file" --cases "$SRC/cases" run-case answer-only
refused 'file/below' 2 "$HARNESS" --home "$W/file/below" --cases "$SRC/cases" run-case answer-only
[ "$(cat file)" = x ] || fail "a file that was named as home changed"
long=$(printf 'x%.0s' $(seq 5000))
refused 'too long' 2 "$HARNESS" --home "/$long" --cases "$SRC/cases" run-case answer-only
refused 'HOME' 2 env -u HOME -u CTO_HOME -u HERMES_HOME "$HARNESS" run-case answer-only
refused 'no store|does not exist|No such file' 2 fresh store info
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked
    chmod 500 locked
    refused 'locked.*--home' 2 "$HARNESS" --home "$W/locked" --cases "$SRC/cases" run-case answer-only
    refused 'locked/below.*--home' 2 "$HARNESS" --home "$W/locked/below" --cases "$SRC/cases" run-case answer-only
    chmod 000 home/cto.db
    refused 'cto.db.*ermission' 4 h run-case answer-only
    chmod 600 home/cto.db
fi
refused 'env|\.env' 2 "$HARNESS" --home "$W/fresh" --env-file "$W/none" run-case answer-only
printf '# x\nCTO_HOME=/x\nAPI_KEY=sk-0123456789abcdef0123456789\n' >env.bad
refused 'env.bad:3' 2 "$HARNESS" --env-file "$W/env.bad" run-case answer-only
grep -q 'sk-0123' "$W/refused.err" && fail "the secret of an env file is shown"
[ "$before" = "$(fingerprint "$W/home")" ] || fail "the home changed"

# --- the store
store_of() { # SQL or command on a copy of the home
    rm -rf "$W/copy"
    cp -a "$W/home" "$W/copy"
    sqlite3_py "$W/copy/cto.db" "$1"
    copy_before=$(fingerprint "$W/copy")
}
sqlite3_py() { python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(sys.argv[2]); d.commit(); d.close()' "$@"; }
copy() { "$HARNESS" --home "$W/copy" --cases "$SRC/cases" "$@"; }
store_of 'PRAGMA user_version = 999'
refused 'cto.db.*version 999.*newer' 2 copy run-case answer-only
refused 'cto.db.*version 999.*newer' 2 copy report list
[ "$copy_before" = "$(fingerprint "$W/copy")" ] || fail "a store of a newer version was changed"
store_of 'PRAGMA application_id = 7'
refused 'cto.db.*another program' 2 copy run-case answer-only
[ "$copy_before" = "$(fingerprint "$W/copy")" ] || fail "a database of another program was changed"
store_of 'PRAGMA user_version = 1'
head -c 50000 /dev/urandom >copy/cto.db
copy_before=$(fingerprint "$W/copy")
refused 'cto.db.*damaged' 2 copy run-case answer-only
refused 'cto.db.*damaged' 2 copy store check
[ "$copy_before" = "$(fingerprint "$W/copy")" ] || fail "a corrupt store was changed"
store_of 'PRAGMA user_version = 1'
truncate -s 5000 copy/cto.db
refused 'cto.db.*(damaged|malformed)' 2 copy run-case answer-only
store_of 'PRAGMA user_version = 1'
python3 - copy/cto.db <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    data = bytearray(f.read())
    for page in range(1, len(data) // 4096):  # every page but the first
        data[page * 4096:page * 4096 + 64] = b"\xff" * 64
    f.seek(0)
    f.write(data)
PY
refused 'cto.db.*(damaged|malformed)' 2 copy run-case answer-only
copy store check >out 2>err
[ $? -ne 0 ] || fail "store check is content with a store of rubbish"

# --- the other programs
mkdir bin
cp "$BIN"/cto-harness* bin/
other() { "$W/bin/cto-harness" --home "$W/fresh" --cases "$SRC/cases" "$@"; }
for p in cto-harness-worker cto-harness-inspect cto-harness-gateway cto-harness-observe cto-harness-fake-agent; do
    python3 - "$W/bin/$p" <<'PY'
import re, sys
data = open(sys.argv[1], "rb").read()
new = re.sub(rb"CTO-BUILD-ID:([0-9a-f])", lambda m: b"CTO-BUILD-ID:" + (b"0" if m[1] != b"0" else b"1"), data)
assert new != data
open(sys.argv[1], "wb").write(new)
PY
    refused "$p is of build .*this program of build" 2 other run-case answer-only
    : >"bin/$p"
    refused "$p" 2 other run-case answer-only
    echo '#!/bin/sh' >"bin/$p"
    refused "$p" 2 other run-case answer-only
    rm "bin/$p"
    [ "$p" = cto-harness-worker ] || refused "$p" 2 other run-case answer-only
    cp "$BIN/$p" bin/
done
[ -z "$(find "$W/fresh" -type f 2>/dev/null)" ] || fail "a build of two halves made: $(find "$W/fresh" -type f)"

# --- only unusual
works() { # NAME CMD...
    local name=$1
    shift
    checks=$((checks + 1))
    "$@" >works.out 2>works.err || fail "$name: exit $?: $(tail -2 works.err)"
    [ ! -s works.err ] || fail "$name: on stderr: $(head -3 works.err)"
}
strange="$W/a home
with a newline, 'quotes' and	a tab"
works 'a home with spaces and a newline' "$HARNESS" --home "$strange" --cases "$SRC/cases" run-all-fake --quiet --only r1-string-slugify --only submodule
sound "$strange"
[ -s "$strange/cto.db" ] || fail "the strange home is not where it should be"
(cd "$(find "$strange/harness-runs" -name '*slugify*')" && sha256sum --quiet -c SHA256SUMS) || fail "sha256sum in the strange home"
cp -r "$SRC/cases/answer-only" "$strange/"
works 'cases in a strange place' "$HARNESS" --home "$strange" --cases "$strange" run-case answer-only --json
mkdir rel && (cd rel && works 'a relative home' "$HARNESS" --home here --cases "$SRC/cases" run-case answer-only --json) && [ -s rel/here/cto.db ] || fail "relative home"
for rel in ./here .//./here here . ./; do
    (cd rel && { [ "${rel#*here}" != "$rel" ] || cd here; } && works "a home $rel" "$HARNESS" --home "$rel" --cases "$SRC/cases" run-case answer-only --json &&
        [ "$(jq -r .artifacts_dir works.out | sed 's#/harness-runs/.*##')" = "$W/rel/here" ]) || fail "a home $rel is shown as $(jq -r .artifacts_dir rel/works.out rel/here/works.out)"
done
works 'trailing slashes' "$HARNESS" --home "$W/home///" --cases "$SRC/cases/" run-case answer-only --json
works 'no PATH' env -u PATH "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case r1-string-slugify --json
works 'an empty PATH' env PATH= "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case answer-only --json
works 'no environment' env -i "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case answer-only --json
works 'a hostile environment' env LC_ALL=tr_TR.UTF-8 LANGUAGE=../../x LANG=C LC_NUMERIC=de_DE.UTF-8 TZ=:/etc/passwd GIT_DIR=/nowhere \
    GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.fsmonitor GIT_CONFIG_VALUE_0=false GIT_WORK_TREE=/ TMPDIR=/nowhere POSIXLY_CORRECT=1 \
    SQLITE_TMPDIR=/nowhere PYTHONPATH=/nowhere PYTHONSTARTUP=/nowhere BASH_ENV=/nowhere ENV=/nowhere CDPATH=/ IFS=x \
    MALLOC_PERTURB_=170 UV_THREADPOOL_SIZE=1 COLUMNS=1 NO_COLOR=1 "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case r1-string-slugify --json
[ "$(jq -r .status works.out)" = pass ] || fail "hostile environment: $(head -c 200 works.out)"
for closed in '0<&-' '1>&-' '2>&-' '0<&- 1>&- 2>&-' '0<&- 2>&-'; do
    works "closed $closed" sh -c "exec \"\$@\" $closed" sh "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case answer-only --json
done
# Nobody reads: said in one line, and the run itself is sealed.
if [ -w /dev/full ]; then
    h run-case answer-only --json >/dev/full 2>err
    [ $? -eq 4 ] && [ "$(wc -l <err)" -eq 1 ] || fail "a full standard output: $(cat err)"
fi
h run-case answer-only --json 2>err | true
ulimit -n 64
works 'few descriptors' "$HARNESS" --home "$W/home" --cases "$SRC/cases" run-case answer-only --json
sound
e2e_end
