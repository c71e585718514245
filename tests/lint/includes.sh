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

headers=()
files=()
while read -r h f; do
    headers+=("$h")
    files+=("$f")
done < <(grep -v '^#' "$table")
[ "${#headers[@]}" -gt 0 ] || bad "$table is empty"

# Is "$2" no library of the table, or may file "$1" include it?
in_table() {
    local k
    for k in "${!headers[@]}"; do
        [[ $2 =~ ^(${headers[k]})$ ]] && { [[ $1 =~ ^(${files[k]})$ ]]; return; }
    done
    return 0
}

form='^([^:]+):([0-9]+):[[:space:]]*#[[:space:]]*include[[:space:]]*([<"])([^>"]*)[>"]'
list=$(project_files | grep -E '^(common|sandbox|worker|supervisor)/.*\.[ch]$')
for file in $list; do seen; done
while IFS= read -r line; do
    if ! [[ $line =~ $form ]]; then
        bad "$line: an include that this rule cannot read"
        continue
    fi
    file=${BASH_REMATCH[1]} number=${BASH_REMATCH[2]} quote=${BASH_REMATCH[3]} name=${BASH_REMATCH[4]}
    if [ "$quote" = '"' ]; then
        allowed "${file%%/*}" "$name" || bad "$file:$number: ${file%%/*}/ may not include \"$name\""
    fi
    in_table "$file" "$name" || bad "$file:$number: <$name> belongs to other files (tests/lint/headers.table)"
done < <(cd "$srcdir" && xargs -r -d '\n' grep -nHE '^[[:space:]]*#[[:space:]]*include' -- <<<"$list")
lint_end
