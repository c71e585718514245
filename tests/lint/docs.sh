#!/usr/bin/env bash
# Program, man page, completion and README name the same commands; the man pages are clean roff.
. "$2/tests/lib/lint.sh"

program=$bindir/cto-harness
if [ ! -x "$program" ]; then
    bad "$program is not there"
    lint_end
fi
help=$("$program" --help 2>&1) || bad "cto-harness --help exits $?"
# Lines of the form "  name   summary".
commands=$(sed -nE 's/^  ([a-z][a-z-]*)  +[A-Za-z].*/\1/p' <<<"$help" | sort -u)
[ -n "$commands" ] || bad "cto-harness --help lists no command"
man=$srcdir/tools/man/cto-harness.1
listed=$(sed -nE 's/^\.SS ([a-z][a-z-]*).*/\1/p' "$man" | sort -u)
completed=$(sed -nE "s/^ *local commands='(.*)'/\\1/p" "$srcdir/tools/completion/cto-harness.bash" | tr ' ' '\n' | sort -u)
for c in $commands; do
    seen
    grep -qxF "$c" <<<"$listed" || bad "$c has no section (.SS $c) in tools/man/cto-harness.1"
    grep -qxF "$c" <<<"$completed" || bad "$c is not completed by tools/completion/cto-harness.bash"
    text=$("$program" "$c" --help 2>&1) || bad "cto-harness $c --help exits $?"
    [ -n "$text" ] || bad "cto-harness $c --help says nothing"
    # Every long option of the help stands in the man page.
    while IFS= read -r option; do
        case $option in --home | --cases | --env-file | --json | --quiet | --no-color) continue ;; esac
        grep -qF -- "${option//-/\\-}" "$man" || bad "option $option of $c is not in tools/man/cto-harness.1"
    done < <(grep -oE -- '--[a-z][a-z0-9-]+' <<<"$text" | sort -u)
done
for c in $listed; do grep -qxF "$c" <<<"$commands" || bad "tools/man/cto-harness.1 describes $c, which does not exist"; done
for c in $completed; do grep -qxF "$c" <<<"$commands" || bad "the completion offers $c, which does not exist"; done

# Every setting of a backend that is read stands in the man page.
while IFS= read -r name; do
    seen
    grep -qE "_$name([^A-Z0-9_]|\$)" "$man" || bad "the setting CTO_HARNESS_<BACKEND>_$name is not in tools/man/cto-harness.1"
done < <(cat "$srcdir"/supervisor/*.c | sed -nE 's/.*\bsetting\((f->engine|en|variables), "([A-Z0-9_]+)".*/\2/p' | sort -u)

if [ -x "$bindir/cto-harness-sandbox" ]; then
    seen
    while IFS= read -r option; do
        grep -qF -- "${option//-/\\-}" "$srcdir/tools/man/cto-harness-sandbox.1" || bad "option $option is not in tools/man/cto-harness-sandbox.1"
    done < <("$bindir/cto-harness-sandbox" --help 2>&1 | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u)
fi

if [ -f "$srcdir/README.md" ]; then
    while IFS= read -r c; do
        seen
        grep -qxF "$c" <<<"$commands" || bad "README.md calls 'cto-harness $c', which does not exist"
    done < <(grep -oE '(^|[`/ ])cto-harness [a-z][a-z-]+' "$srcdir/README.md" | sed 's/.* //' | sort -u)
    # A link within leads to a heading (by GitHub's rule for their names).
    headings=$(sed -nE 's/^#+ //p' "$srcdir/README.md" | tr '[:upper:] ' '[:lower:]-' | tr -cd 'a-z0-9_\n-')
    while IFS= read -r anchor; do
        seen
        grep -qxF -- "$anchor" <<<"$headings" || bad "README.md links to #$anchor, which is no heading"
    done < <(grep -oE '\]\(#[^)]*' "$srcdir/README.md" | sed 's/^](#//' | sort -u)
    while IFS= read -r tool; do
        seen
        [ -e "$srcdir/$tool" ] || bad "README.md names $tool, which does not exist"
    done < <(grep -oE '\btools/[a-z-]+' "$srcdir/README.md" | sort -u)
fi

# README's table of reasons is the one in the code.
seen
diff <(sed -n '/<!-- reasons:begin -->/,/<!-- reasons:end -->/p' "$srcdir/README.md" | sed '1d;$d') \
    <("$program" validate failure-matrix --table) >/dev/null ||
    bad "README.md: the table of reasons differs from 'cto-harness validate failure-matrix --table'"

if command -v groff >/dev/null; then
    for page in "$srcdir"/tools/man/*.1; do
        seen
        warnings=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
        [ -z "$warnings" ] || bad "$(basename "$page"): $warnings"
    done
fi
lint_end
