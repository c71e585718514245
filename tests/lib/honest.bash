# shellcheck shell=bash
# honest.bash - sourced after e2e.bash: the same script inside the jail and outside of it, as the same uid, in a directory
# of the same name, with the same environment. What it prints and how it exits must be equal: a jail that honest work can
# tell from no jail is broken, or is a refusal that README lists.
#
#   same NAME SCRIPT [OPTION]...   OPTIONs go to cto-harness-sandbox. A script ends with the line "end NAME", so that one
#                                  that fails alike on both sides is a failure all the same.
umask 022
chmod 755 "$W"
SANDBOX=$BIN/cto-harness-sandbox
honest_uid=$(id -u)
honest_drop=()
if [ "$honest_uid" -eq 0 ]; then
    honest_uid=1879048192 # what the launcher gives a command of root's
    command -v setpriv >/dev/null || { echo "setpriv is missing (package util-linux)"; exit 77; }
    honest_drop=(setpriv --reuid "$honest_uid" --regid "$honest_uid" --clear-groups --inh-caps=-all)
fi
honest_env=(LANG=C.UTF-8 USER=jail LOGNAME=jail SHELL=/bin/sh GIT_AUTHOR_NAME=agent GIT_AUTHOR_EMAIL=agent@jail.invalid
    GIT_COMMITTER_NAME=agent GIT_COMMITTER_EMAIL=agent@jail.invalid GIT_CONFIG_NOSYSTEM=1 PYTHONDONTWRITEBYTECODE=1)

honest_dir() {
    chmod -R u+rwX "$1" 2>/dev/null
    rm -rf "$1"
    mkdir "$1"
    [ "$(id -u)" -ne 0 ] || chown "$honest_uid:$honest_uid" "$1"
}

# A session of its own there too, and no more than the jail's descriptors.
honest_outside() {
    honest_dir "$W/outside"
    mkdir "$W/outside/home" "$W/outside/tmp"
    [ "$(id -u)" -ne 0 ] || chown "$honest_uid:$honest_uid" "$W/outside/home" "$W/outside/tmp"
    (cd "$W/at" && setsid -w "${honest_drop[@]}" env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$W/outside/home" \
        TMPDIR="$W/outside/tmp" "${honest_env[@]}" timeout -k 5 150 "$@") </dev/null
}

same() {
    local name=$1 script=$2 want got
    shift 2
    checks=$((checks + 1))
    honest_dir "$W/at"
    honest_outside bash "$script" >"$name.outside" 2>&1
    want=$?
    honest_dir "$W/at"
    "$SANDBOX" --write "$W/at" --read "$(dirname "$script")" --timeout 150 "$@" -- bash "$script" >"$name.inside" 2>&1 </dev/null
    got=$?
    if [ "$want" -ne 0 ] || ! grep -qx "end $name" "$name.outside"; then
        fail "$name: does not work outside the jail either: exit $want: $(tail -5 "$name.outside")"
    elif ! diff "$name.outside" "$name.inside" >"$name.diff" || [ "$got" -ne 0 ]; then
        fail "$name: exit $got inside, outside (<) and inside (>) differ: $(head -40 "$name.diff")"
    fi
    honest_dir "$W/at"
}
