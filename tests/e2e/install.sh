#!/usr/bin/env bash
# ctest: timeout=120 only=self
# What `cmake --install` leaves works from where it was put, without source and build tree beside it.
set -u
srcdir=$2
build=${CTO_BUILD_DIR:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "install: $*" >&2
    exit 1
}

cmake --install "$build" --prefix "$work/usr" >"$work/log" 2>&1 || fail "cmake --install: $(tail -5 "$work/log")"
p=$work/usr
for f in bin/cto-harness bin/cto-harness-sandbox libexec/cto-harness/cto-harness-{worker,inspect,fake-agent,probe,ca-double,model-double,yaml} \
    share/cto-harness/cases/r1-string-slugify/case.json share/man/man1/cto-harness.1 share/man/man1/cto-harness-sandbox.1 \
    share/bash-completion/completions/cto-harness share/bash-completion/completions/cto-harness-sandbox; do
    [ -s "$p/$f" ] || fail "$f was not installed"
done
[ "$(find "$p/bin" "$p/libexec" -type f | wc -l)" -eq 11 ] || fail "other programs were installed: $(find "$p/bin" "$p/libexec" -type f)"
# Modes of fixtures survive.
(cd "$srcdir/cases" && find . -type f -perm -u+x | sort) >"$work/want"
(cd "$p/share/cto-harness/cases" && find . -type f -perm -u+x | sort) >"$work/got"
cmp -s "$work/want" "$work/got" || fail "executable bits differ: $(diff "$work/want" "$work/got" | head -5)"
cd / || exit 1
out=$("$p/bin/cto-harness" --home "$work/home" --cases "$p/share/cto-harness/cases" run-case r1-string-slugify --json 2>"$work/err") ||
    fail "run-case exits $?: $(tail -5 "$work/err")"
grep -q '"status":[[:space:]]*"pass"' <<<"$out" || fail "run-case: $out"
# The test double came with it, and is known for what it is there too.
mkdir -p "$work/few/failures" && cp -r "$p/share/cto-harness/cases/failures/reviewer-reject" "$work/few/failures/"
"$p/bin/cto-harness" --home "$work/another" --cases "$work/few" validate failure-matrix --json >"$work/matrix.json" 2>"$work/err"
jq -e '.fixtures[0] | .fixture == "reviewer-reject" and .passed and .proof_kind == "double"' "$work/matrix.json" >/dev/null ||
    fail "the test double: $(head -c 500 "$work/matrix.json" "$work/err")"
# Completion, as a shell does it.
complete_words() { # WANTED WORD...: the last word is being typed; exactly WANTED is offered
    local want=$1 function
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    function=$(complete -p "$(basename "$1")" | grep -oE '_cto_harness[a-z_]*')
    "$function"
    [ "${COMPREPLY[*]}" = "$want" ] || fail "completion of ${*:2}: ${COMPREPLY[*]}, not $want"
}
# shellcheck disable=SC1091
. "$p/share/bash-completion/completions/cto-harness-sandbox"
h=$p/bin/cto-harness
"$h" --cases "$work/mine" case new slug >/dev/null || fail "case new exits $?"
complete_words 'refresh report request run-all-fake run-case' "$h" r
complete_words 'docs-typo' "$h" run-case docs
complete_words '' "$h" run-case CA
complete_words 'slug' "$h" --cases "$work/mine" run-case ''
complete_words 'r1-string-slugify' "$h" case lint r1-st
complete_words 'shell-wordcount' "$h" run-all-fake --only shell
complete_words "$(basename "$work/home/harness-runs/"*r1-string*)" "$h" --home "$work/home" report show 20
complete_words 'blocked' "$h" report list --status b
complete_words '--hide' "$h" sandbox exec --hi
complete_words '--json-status' "$p/bin/cto-harness-sandbox" --js
complete_words 'engine' "$p/bin/cto-harness-sandbox" --profile e
exit 0
