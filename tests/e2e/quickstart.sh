#!/usr/bin/env bash
# ctest: timeout=600 labels=heavy only=self
# A fresh clone: tools/quickstart builds, runs every case and ends with the table and the path of the report; from another
# working directory, twice, and with a relative --home that means the caller's directory.
set -u
srcdir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "quickstart: $*" >&2
    tail -40 "$work/out" >&2
    exit 1
}

mkdir "$work/a clone" "$work/elsewhere"
tar -C "$srcdir" --exclude=./build --exclude=./.git -cf - . | tar -C "$work/a clone" -xf -
cd "$work/elsewhere" || exit 1
for round in first second; do # the second time with an option, which is run-all-fake's
    only=() && [ $round = first ] || only=(--only r1-string-slugify)
    "$work/a clone/tools/quickstart" --home ./home "${only[@]}" >"$work/out" 2>"$work/err" </dev/null || fail "$round: exit $?: $(tail -20 "$work/err")"
    grep -q 'r1-string-slugify' "$work/out" || fail "$round: the table does not name r1-string-slugify"
    report=$(grep -oE '/[^ ]*run-all-fake[^ ]*/report\.(md|json)' "$work/out" | tail -1)
    [ -n "$report" ] && [ -s "$report" ] || fail "$round: no path of a matrix report at the end"
    [ -s home/cto.db ] || fail "$round: --home ./home is not below the caller's directory"
done
exit 0
