#!/usr/bin/env bash
# Functions that are not used here, words that mean "not finished", sizes, and the theory at the top of each source.
. "$2/tests/lib/lint.sh"
need gcc

unsafe='strcpy|strcat|stpcpy|sprintf|vsprintf|gets|alloca|strtok|mktemp|tmpnam|tempnam'
# A test may run a shell and read its own numbers; the product may not.
product="$unsafe|system|popen|atoi|atol|atof|rand|srand|usleep|asctime|ctime"
max_function=90
max_file=700

while IFS= read -r file; do
    seen
    functions=$product
    [[ $file == tests/* ]] && functions=$unsafe
    # The compiler takes the comments out; strings are emptied, so that a message may name a function.
    hits=$(gcc -fpreprocessed -dD -E -P -x c "$srcdir/$file" 2>/dev/null | sed -E 's/"([^"\\]|\\.)*"/""/g' |
        grep -oE "(^|[^A-Za-z0-9_.>])($functions)[[:space:]]*\(" | tr -d ' (' | sort -u | tr '\n' ' ')
    [ -z "$hits" ] || bad "$file: calls ${hits}(banned)"
    lines=$(wc -l <"$srcdir/$file")
    [ "$lines" -le $max_file ] || bad "$file: $lines lines, $max_file allowed"
    case $file in
    common/* | sandbox/* | worker/* | supervisor/*)
        head -c 2 "$srcdir/$file" | grep -q '^/\*' || bad "$file: does not open with what it does and why so"
        ;;
    esac
done < <(project_files | grep -E '^(common|sandbox|worker|supervisor|tests|tools)/.*\.[ch]$')

# The rules name the words, so the rules are left out; fixtures of cases are data.
while IFS= read -r hit; do
    bad "$hit"
done < <(project_files | grep -vE '^(cases|tests/lint)/' | grep -E '\.([ch]|sh|cmake|py|sql|def|json|md|1|txt)$|^tools/[a-z-]+$' |
    (cd "$srcdir" && xargs -d '\n' grep -nHwE 'TODO|FIXME|XXX|HACK|[Ss]tub' -- 2>/dev/null) | cut -c1-160)

if ctags --version 2>/dev/null | grep -q Universal; then
    while read -r name start end file; do
        [ $((end - start + 1)) -le $max_function ] ||
            bad "$file:$start: $name has $((end - start + 1)) lines, $max_function allowed"
    done < <(cd "$srcdir" && project_files | grep -E '^(common|sandbox|worker|supervisor|tests|tools)/.*\.[ch]$' |
        ctags -x --languages=C --langmap=C:.c.h --kinds-C=f --_xformat='%N %n %{end} %F' -L -)
else
    printf 'banned: universal-ctags is not installed: length of functions not measured\n'
fi
lint_end
