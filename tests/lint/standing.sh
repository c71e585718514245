#!/usr/bin/env bash
# The standing rules are said in one place: no source but supervisor/standing.[ch] spells the two fields or their words, so that
# none can say them otherwise. The JSON Schemas hold documents to them: const, never a type.
. "$2/tests/lib/lint.sh"
need gcc

spelled='runtime_default_activation|core_promotion_status|not-promoted'
while IFS= read -r file; do
    seen
    [[ $file =~ ^supervisor/standing\.[ch]$ ]] && continue
    # Comments may speak of them.
    gcc -fpreprocessed -dD -E -P -x c "$srcdir/$file" 2>/dev/null | grep -qE "$spelled" &&
        bad "$file spells a standing field itself: use supervisor/standing.h"
done < <(project_files | grep -E '^(common|sandbox|worker|supervisor)/.*\.[ch]$')
grep -qE "$spelled" "$srcdir/supervisor/standing.h" || bad "supervisor/standing.h does not spell them"
# Nothing is read where they are said: a variable, a file or a row would be a way in.
seen
gcc -fpreprocessed -dD -E -P -x c "$srcdir/supervisor/standing.c" 2>/dev/null |
    grep -qE '\b(getenv|secure_getenv|open|openat|fopen|read|store_[a-z_]+)[[:space:]]*\(' && bad "supervisor/standing.c reads something"

for schema in "$srcdir"/supervisor/schemas/*.json; do
    [ -e "$schema" ] || continue
    grep -qE '"(runtime_default_activation|core_promotion_status)": \{' "$schema" || continue
    seen
    for pair in 'runtime_default_activation:"const": false' 'core_promotion_status:"const": "not-promoted"'; do
        grep -A4 "\"${pair%%:*}\": {" "$schema" | grep -qF "${pair#*:}" || bad "$(basename "$schema"): ${pair%%:*} is no constant"
    done
done
lint_end
