#!/usr/bin/env bash
# common <- sandbox <- worker; common <- supervisor; supervisor and sandbox never meet, nor do supervisor and worker. Of
# sandbox/ only jail.h is public. A library's header is included only by the files in headers.table.
. "$2/tests/lib/lint.sh"

table=$srcdir/tests/lint/headers.table
generated='^(build_id|build_paths)\.h$'

# May a file of folder $1 include "$2"?
allowed() {
    [[ $2 =~ $generated ]] && return 0
    case $1 in
    common) [[ $2 == common/* ]] ;;
    sandbox) [[ $2 == common/* || $2 == sandbox/* || $2 == seccomp_filters.h ]] ;;
    worker) [[ $2 == common/* || $2 == sandbox/jail.h || $2 == worker/* ]] ;;
    supervisor) [[ $2 == common/* || $2 == supervisor/* || $2 == embedded.h ]] ;;
    esac
}

# Is "$2" no library of the table, or may file "$1" include it?
in_table() {
    local header files
    while read -r header files; do
        [[ $2 =~ ^($header)$ ]] && { [[ $1 =~ ^($files)$ ]]; return; }
    done < <(grep -v '^#' "$table")
    return 0
}

while IFS= read -r file; do
    seen
    while IFS= read -r line; do
        number=${line%%:*}
        name=$(sed -E 's/^[0-9]+:[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]([^>"]*)[>"].*/\1/' <<<"$line")
        if [[ $line == *'"'* ]]; then
            allowed "${file%%/*}" "$name" || bad "$file:$number: ${file%%/*}/ may not include \"$name\""
        fi
        in_table "$file" "$name" || bad "$file:$number: <$name> belongs to other files (tests/lint/headers.table)"
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include' "$srcdir/$file")
done < <(project_files | grep -E '^(common|sandbox|worker|supervisor)/.*\.[ch]$')
lint_end
