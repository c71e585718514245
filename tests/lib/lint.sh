# shellcheck shell=bash
# lint.sh - sourced by tests/lint/*.sh as `. "$2/tests/lib/lint.sh"`. A rule reports with `bad` and ends with `lint_end`.
# Called as SCRIPT BINDIR SRCDIR.
set -u
bindir=$1
srcdir=$2
lint_name=$(basename "$0" .sh)
lint_bad=0
lint_seen=0
export LC_ALL=C

bad() {
    printf '%s: %s\n' "$lint_name" "$*" >&2
    lint_bad=$((lint_bad + 1))
}

# One more thing was looked at. A rule that looked at nothing has not passed.
seen() { lint_seen=$((lint_seen + 1)); }

skip() {
    printf '%s: skipped: %s\n' "$lint_name" "$*"
    exit 77
}

need() {
    command -v "$1" >/dev/null || skip "$1 is not installed (tools/install-deps)"
}

lint_end() {
    if [ "$lint_seen" -eq 0 ]; then bad "nothing was examined: $bindir, $srcdir"; fi
    if [ "$lint_bad" -ne 0 ]; then
        printf '%s: %s violation(s)\n' "$lint_name" "$lint_bad" >&2
        exit 1
    fi
    printf '%s: %s examined, all good\n' "$lint_name" "$lint_seen"
    exit 0
}

# Our own files below SRCDIR, relative, one a line: tracked and not yet tracked, but not ignored; without git (a tarball), all.
project_files() {
    if [ -e "$srcdir/.git" ] && command -v git >/dev/null; then
        git -c safe.directory='*' -C "$srcdir" -c core.quotePath=false ls-files -co --exclude-standard |
            while IFS= read -r f; do [ ! -e "$srcdir/$f" ] || printf '%s\n' "$f"; done
    else
        (cd "$srcdir" && find . -path ./build -prune -o -path ./.git -prune -o -type f -print | sed 's|^\./||')
    fi
}
