#!/usr/bin/env bash
# ctest: timeout=180
# May a route to the core be opened? Clear when nobody is at work there; each thing that stands against it, and each doubt, blocks and is
# named. Nothing is written there, whatever the answer: not a byte, not a time.
. "$2/tests/lib/e2e.bash"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@localhost GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@localhost GIT_CONFIG_NOSYSTEM=1 HOME=$W
git config --global init.defaultBranch main

core=$W/core/repo
rm -rf core && mkdir -p core
git init -q "$core"
echo text >"$core/file"
printf '{"route_status": "idle", "active_route": null}\n' >"$core/sequence-route.json"
git -C "$core" add -A && git -C "$core" commit -qm first
cp -a core kept

# Where other people's processes work only root can see, and not even he where one has more rights than he (the init of a machine
# around a container): so it is asked in a pid namespace, where there are no processes but ours.
if [ "$(id -u)" -eq 0 ]; then space=(unshare --pid --fork --mount-proc); else space=(unshare --user --map-current-user --pid --fork --mount-proc); fi
"${space[@]}" true 2>/dev/null || { echo "skipped: no namespaces here"; exit 77; }
alone() { "${space[@]}" "$@"; }
# Everything of every file: names, types, modes, owners, times, contents.
whole() { (cd "$1" && find . -printf '%P %y %m %u %s %T@ %C@ %l\n' | LC_ALL=C sort && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum) 2>/dev/null | sha256sum; }
ask() { # ARGS...: the answer in `out`, the exit code in `code`; nothing may have changed
    local before
    before=$(whole "$W/core")
    alone "$HARNESS" guard core-route --core "$core" "$@" --json >out 2>err
    code=$?
    check "something was written there: $*" [ "$before" = "$(whole "$W/core")" ]
}
# blocks CHECK WORD COMMAND [ARGS...]: in the repository; CHECK is not passed and says WORD
blocks() {
    local check_name=$1 word=$2 command=$3
    shift 3
    rm -rf core && cp -a kept core
    (cd "$core" && eval "$command") || fail "cannot do: $command"
    ask "$@"
    checks=$((checks + 1))
    [ "$code" -eq 3 ] || fail "exit $code after: $command: $(cat err)"
    jq -e --arg c "$check_name" --arg w "$word" '.core_route_admission_status == "not_admitted" and .guard_status == "blocked" and
        .blocked_reason == "active_or_conflicting_core_work_present" and .ready_for_core_route_review == false and
        any(.checks[]; .name == $c and (.passed | not) and (.why_not | test($w)))' out >/dev/null ||
        fail "no $check_name ($word) after: $command: $(jq -c '.checks[] | select(.passed | not)' out)"
}

ask
check "the idle repository: $(jq -c '.checks[] | select(.passed | not)' out)" [ $code -eq 0 ]
jq -e '.core_route_admission_status == "admissible" and .guard_status == "clear" and .blocked_reason == null and
    .do_not_touch_other_agent_work == true and .ready_for_core_route_review == true and
    .next_allowed_action == "wait_or_open_later_core_route_when_idle" and .idle_governed_core_route_required == true and
    .no_active_conflicting_core_worktree_required == true and .recommended_next_decision == "open_governed_core_prd_route" and
    .runtime_default_activation == false and .core_promotion_status == "not-promoted" and
    [.checks[].name] == ["worktree_list", "main_status", "active_worktree_status", "sequence_route_file", "running_validation_processes",
    "idle_route", "no_conflicting_worktree"]' out >/dev/null || fail "the answer: $(jq -c . out)"
ask --conflict CORE-WORK-172 --conflict worktrees/core-keyvault-authmd-promotion-135
check "names that are not there: $(jq -c '.checks[] | select(.passed | not)' out)" [ $code -eq 0 ]
alone "$HARNESS" guard core-route --core core/repo >out || fail "for a person: $(cat out)"
check "for a person: $(cat out)" grep -q '^clear: admissible$' out

# --- the main worktree
blocks main_status 'not clean' 'echo more >>file'
blocks main_status 'not clean' 'echo new >new'
blocks main_status 'not clean' 'echo more >>file; git add file'
blocks main_status 'not finished' 'git rev-parse HEAD >.git/MERGE_HEAD'
blocks main_status 'branch' 'git checkout -q --detach'
blocks main_status 'commit' 'rm .git/refs/heads/main'
blocks main_status '' 'rm .git/index'
blocks main_status '' 'head -c 100 /dev/urandom >.git/index'
blocks worktree_list 'HEAD' 'echo nonsense >.git/HEAD'
blocks worktree_list 'no directory' 'mv .git ../git; printf "gitdir: ../git\n" >.git'
blocks worktree_list 'no directory' 'mv .git ../git; ln -s ../git .git'
blocks main_status '' 'rm -rf .git'
[ "$(id -u)" -eq 0 ] || {
    blocks main_status '' 'chmod 0 .git/objects'
    chmod -R u+rwX core
    blocks worktree_list 'cannot be' 'git worktree add -q ../linked; chmod 0 .git/worktrees'
    chmod -R u+rwX core
}

# --- linked worktrees
rm -rf core && cp -a kept core && git -C "$core" worktree add -q --detach ../idle && git -C "$core" worktree add -q -b spare ../spare
ask --conflict core-work-172
check "idle worktrees: $(jq -c '.checks[] | select(.passed | not)' out)" [ $code -eq 0 ]
check "they are listed" [ "$(jq -c '[.worktrees[] | [.name, .head, .idle]] | sort' out)" = "[[\"idle\",\"$(git -C "$core" rev-parse HEAD)\",true],[\"spare\",\"refs/heads/spare\",true]]" ]
blocks active_worktree_status 'not clean' 'git worktree add -q --detach ../linked; echo new >../linked/new'
blocks active_worktree_status 'not clean' 'git worktree add -q --detach ../linked; echo more >>../linked/file; git -C ../linked add file; git -C ../linked checkout -q HEAD -- . ; echo x >../linked/y; git -C ../linked add y; rm ../linked/y'
blocks active_worktree_status 'another commit' 'git worktree add -q --detach ../linked; echo more >file; git commit -qam more'
blocks active_worktree_status 'leads elsewhere' 'git worktree add -q --detach ../linked; echo "gitdir: /tmp" >../linked/.git'
blocks active_worktree_status '' 'git worktree add -q --detach ../linked; head -c 99 /dev/urandom >.git/worktrees/linked/index'
blocks active_worktree_status 'cannot be opened|not there' 'git worktree add -q --detach ../linked; mv ../linked ../moved; ln -s moved ../linked'
blocks active_worktree_status 'not there|leads elsewhere|cannot' 'git worktree add -q --detach ../linked; printf "%s/.git\n" "$PWD" >.git/worktrees/linked/gitdir'
blocks active_worktree_status 'locked' 'git worktree add -q --detach ../linked; git worktree lock ../linked'
blocks active_worktree_status 'half done.*MERGE_HEAD' 'git worktree add -q --detach ../linked; git rev-parse HEAD >.git/worktrees/linked/MERGE_HEAD'
blocks active_worktree_status 'half done.*index.lock' 'git worktree add -q --detach ../linked; >.git/worktrees/linked/index.lock'
blocks active_worktree_status 'not there' 'git worktree add -q --detach ../linked; rm -rf ../linked'
blocks active_worktree_status 'not clean' 'git worktree add -q --detach ../linked; echo more >>../linked/file'
blocks active_worktree_status 'another commit' 'git worktree add -q -b work ../linked; echo more >>../linked/file; git -C ../linked commit -qam work'
blocks worktree_list 'cannot be read' 'git worktree add -q --detach ../linked; rm .git/worktrees/linked/gitdir'
blocks worktree_list 'cannot be read' 'git worktree add -q --detach ../linked; echo x >.git/worktrees/linked/HEAD'
blocks worktree_list 'cannot be read' 'git worktree add -q --detach ../linked; mv .git/worktrees/linked .git/w; ln -s ../w .git/worktrees/linked'
blocks worktree_list 'cannot be read' 'mkdir -p .git/worktrees/odd'
blocks worktree_list 'cannot be' 'rm -rf .git/worktrees; ln -s /tmp .git/worktrees'

# --- names that always conflict, wherever they stand
c='--conflict CORE-WORK-172'
# shellcheck disable=SC2086
{
    blocks no_conflicting_worktree 'worktree of that name' 'git worktree add -q --detach ../core-work-172' $c
    blocks no_conflicting_worktree 'worktree of that name' 'git worktree add -q -b topic/CORE-WORK-172-b ../linked' $c
    blocks no_conflicting_worktree 'branch of that name' 'git checkout -q -b core-work-172' $c
    blocks no_conflicting_worktree 'route file names it' 'echo "{\"route_status\": \"idle\", \"active_route\": \"CORE-WORK-172\"}" >sequence-route.json' $c
}
blocks no_conflicting_worktree 'in the repository' 'mkdir -p worktrees/core-x-135' --conflict worktrees/core-x-135
rm -rf core && cp -a kept core && git -C "$core" branch core-work-1723
ask --conflict core-work-172
check "a longer name: $(jq -c '.checks[] | select(.passed | not)' out)" [ $code -eq 0 ]

# --- the route
route() { printf "printf '%%s' '%s' >sequence-route.json; git commit -qam route" "$1"; }
blocks sequence_route_file 'No such file' 'git rm -q sequence-route.json; git commit -qm gone'
blocks sequence_route_file '' "$(route 'no JSON')"
blocks sequence_route_file '' 'rm sequence-route.json; ln -s file sequence-route.json; git add -A; git commit -qm link'
blocks sequence_route_file '' 'rm sequence-route.json; mkfifo sequence-route.json'
blocks idle_route 'not idle' "$(route '{"route_status": "active"}')"
blocks idle_route 'no route_status' "$(route '{"status": "idle"}')"
blocks idle_route 'names an active route' "$(route '{"route_status": "idle", "active_route": "x"}')"
blocks idle_route 'names an active route' "$(route '{"route_status": "idle", "active_route": ["x"]}')"
blocks sequence_route_file '' 'true' --route-file ../../kept/repo/sequence-route.json
blocks sequence_route_file '' 'true' --route-file /etc/hostname
rm -rf core && cp -a kept core && mkdir "$core/plan" && git -C "$core" mv sequence-route.json plan/r.json && git -C "$core" commit -qm moved
ask --route-file plan/r.json
check "another route file: $(jq -c '.checks[] | select(.passed | not)' out)" [ $code -eq 0 ]

# --- processes that work there
rm -rf core && cp -a kept core && mkdir "$core/deep" && echo x >"$core/deep/x" && git -C "$core" add -A && git -C "$core" commit -qm deep
for place in "$core" "$core/deep"; do
    # in the namespace that is asked, so that it can be seen there
    alone bash -c 'cd "$1" && { sleep 60 & } && cd / && "$2" guard core-route --core "$3" --json; code=$?; kill %1; exit $code' x "$place" "$HARNESS" "$core" >out
    check "exit with a process in $place" [ $? -eq 3 ]
    jq -e 'any(.checks[]; .name == "running_validation_processes" and (.why_not | test("sleep.*at work")))' out >/dev/null || fail "a process in $place: $(jq -c '.checks[4]' out)"
done
if [ "$(id -u)" -eq 0 ]; then
    # as the repository's owner would have it: root asks for him, and is heard
    chmod a+x "$W"
    chown -R 60999:60999 core
    ask
    check "a repository of a user, asked by root: $(jq -c '.checks[] | select(.passed | not)' out)" [ $code -eq 0 ]
    chown -R 0:0 core
    # another user's process; and a look by somebody who cannot see it
    chmod -R a+rX "$W" "$core"
    alone bash -c 'cd "$1" && { setpriv --reuid 60998 --regid 60998 --clear-groups sleep 60 & } && cd / && sleep 0.3 && "$2" guard core-route --core "$1" --json >"$4"
        setpriv --reuid 60997 --regid 60997 --clear-groups "$2" guard core-route --core "$1" --json >"$5"; kill %1' x "$core" "$HARNESS" "$core" "$W/out" "$W/out2"
    jq -e 'any(.checks[]; .name == "running_validation_processes" and (.why_not | test("sleep.*at work")))' out >/dev/null || fail "a process of another user: $(jq -c '.checks[4]' out)"
    jq -e 'any(.checks[]; .name == "running_validation_processes" and (.why_not | test("ask as root")))' out2 >/dev/null || fail "a user who cannot see it: $(jq -c '.checks[4]' out2)"
fi

# --- there is no such repository
"$HARNESS" guard core-route --core "$W/none" --json >out
check "no directory" [ $? -eq 3 ]
check "no directory passes something" [ "$(jq '[.checks[] | select(.passed)] | length' out)" = 0 ]
refused 'one guard' 2 h guard
refused 'one guard' 2 h guard nothing --core "$core"
refused '--core DIR is missing' 2 h guard core-route
refused 'given twice' 2 h guard core-route --core a --core b
refused '--conflict is empty' 2 h guard core-route --core a --conflict ''
e2e_end
