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
for f in bin/cto-harness bin/cto-harness-sandbox libexec/cto-harness/cto-harness-{worker,inspect,fake-agent,probe} \
    share/cto-harness/cases/r1-string-slugify/case.json share/man/man1/cto-harness.1 share/man/man1/cto-harness-sandbox.1 \
    share/bash-completion/completions/cto-harness; do
    [ -s "$p/$f" ] || fail "$f was not installed"
done
[ "$(find "$p/bin" "$p/libexec" -type f | wc -l)" -eq 6 ] || fail "other programs were installed: $(find "$p/bin" "$p/libexec" -type f)"
# Modes of fixtures survive.
(cd "$srcdir/cases" && find . -type f -perm -u+x | sort) >"$work/want"
(cd "$p/share/cto-harness/cases" && find . -type f -perm -u+x | sort) >"$work/got"
cmp -s "$work/want" "$work/got" || fail "executable bits differ: $(diff "$work/want" "$work/got" | head -5)"
cd / || exit 1
out=$("$p/bin/cto-harness" --home "$work/home" --cases "$p/share/cto-harness/cases" run-case r1-string-slugify --json 2>"$work/err") ||
    fail "run-case exits $?: $(tail -5 "$work/err")"
grep -q '"status":[[:space:]]*"pass"' <<<"$out" || fail "run-case: $out"
exit 0
