#!/usr/bin/env bash
# What is said of the escape suite is true: every row of the list of threats is tried by something that exists, every promise in
# README's table names probes that exist, and README's number of probes is the number that there are.
. "$2/tests/lib/lint.sh"
program=$bindir/cto-harness-probe
[ -x "$program" ] || {
    bad "$program is not there"
    lint_end
}
list=$("$program" --list) || bad "cto-harness-probe --list exits $?"
names=$(cut -f2 <<<"$list")
[ "$(wc -l <<<"$names")" -ge 120 ] || bad "fewer than 120 probes"
doubled=$(sort <<<"$names" | uniq -d | tr '\n' ' ')
[ -z "$doubled" ] || bad "two probes of one name: $doubled"

# Is "$1" (a name, or its beginning and a star) a probe?
is_probe() {
    case $1 in
    *'*') grep -q "^${1%\*}" <<<"$names" ;;
    *) grep -qxF -- "$1" <<<"$names" ;;
    esac
}

table=$srcdir/tests/escape/coverage.table
rows=' '
while read -r row words; do
    case $row in '' | '#') continue ;; esac
    rows+="$row "
    seen
    probes=0
    for word in $words; do
        case $word in
        */*) [ -e "$srcdir/$word" ] || bad "coverage.table, row $row: $word does not exist" ;;
        *)
            is_probe "$word" || bad "coverage.table, row $row: no probe is called $word"
            probes=$((probes + 1))
            ;;
        esac
    done
    [ -n "$words" ] || bad "coverage.table, row $row: tried by nothing"
    [ "$row" -gt 24 ] || [ "$probes" -gt 0 ] || bad "coverage.table, row $row: no probe"
done < <(sed 's/^# .*/#/' "$table")
for row in $(seq 42); do [[ $rows == *" $row "* ]] || bad "coverage.table: row $row is missing"; done
for row in $(cut -f1 <<<"$list" | sort -nu); do [[ $rows == *" $row "* ]] || bad "a probe is of row $row, which is not in coverage.table"; done

# README: between the markers a table whose third column names probes in backquotes.
readme=$srcdir/README.md
promises=$(sed -n '/<!-- promises:begin -->/,/<!-- promises:end -->/p' "$readme" | grep '^| ' | sed '1d')
[ "$(wc -l <<<"$promises")" -ge 10 ] || bad "README.md: the table of promises has fewer than ten lines"
while IFS='|' read -r _ promise mechanism probes limits _; do
    [[ $promise == *---* ]] && continue
    seen
    [ -n "${mechanism// /}" ] && [ -n "${limits// /}" ] || bad "README.md: promise '$promise' without mechanism or limit"
    found=0
    for word in $(grep -oE '`[a-z0-9*-]+`' <<<"$probes" | tr -d '`'); do
        is_probe "$word" || bad "README.md: no probe is called $word"
        found=$((found + 1))
    done
    [ "$found" -gt 0 ] || bad "README.md: promise '$promise' without a probe"
done <<<"$promises"
count=$(wc -l <<<"$names")
for said in $(grep -oE '[0-9]+ probes' "$readme" | cut -d' ' -f1); do
    seen
    [ "$said" -eq "$count" ] || bad "README.md says $said probes, there are $count"
done
grep -q "$count probes" "$readme" || bad "README.md does not say that there are $count probes"
lint_end
