#!/usr/bin/env bash
# ctest: timeout=240
# Hostile repositories through whole runs: nothing that is named in .git runs outside of the jail, nothing in it changes
# the verdict or the patch, every run ends soon with the right reason, and nothing is left.
. "$2/tests/lib/e2e.bash"

canary=$W/canary
mkdir -m 755 cases
python3 -B "$SRC/tests/lib/hostile_git.py" cases "$SRC/cases/hostile-git-config" "$canary" || exit 99

# run NAME STATUS BLOCKER ('' for none); $dir is its run directory afterwards
run() {
    local out status
    out=$("$HARNESS" --home "$W/home" --cases "$W/cases" run-case "$1" --json 2>"$W/err" </dev/null)
    status=$(jq -r .status <<<"$out")
    checks=$((checks + 1))
    [ "$status" = "$2" ] || fail "$1: status $status, want $2: $(jq -c .blockers <<<"$out") $(head -c 300 "$W/err")"
    dir=$W/home/harness-runs/$(jq -r .run_id <<<"$out")
    [ -z "$3" ] || jq -e --arg b "$3" '.blocker_reasons | index($b)' "$dir/report.json" >/dev/null ||
        fail "$1: no blocker $3 in $(jq -c .blockers "$dir/report.json")"
}

run plain pass ''
cp "$dir/patch.diff" plain.diff
run traps pass ''
cmp -s "$dir/patch.diff" plain.diff || fail "traps: another patch than without them: $(diff "$dir/patch.diff" plain.diff)"
run marks fail forbidden_action_attempted
cmp -s "$dir/patch.diff" plain.diff || fail "marks: another patch than without them"
run marks-hidden fail repository_unreadable
jq -e '.blockers | tostring | contains(".git/config")' "$dir/report.json" >/dev/null || fail "marks-hidden: the file is not named"

# The traps are traps: stock git over the same repository springs one. The agent's steps are run once more, here.
mkdir control && cd control || exit 99
cp -r "$SRC/cases/hostile-git-config/fixture/." . && export HOME=$W GIT_CONFIG_NOSYSTEM=1
git init -q -b main . && git add -A && git -c user.name=x -c user.email=x@y commit -qm x
sh -c "$(jq -r '.fake.steps[2].argv[2]' "$W/cases/traps/case.json")"
sed -i '/worktree =\|bare =\|\[extensions\]/d; /partialClone\|worktreeConfig\|objectFormat\|refStorage/d' .git/config
: >.git/config.worktree && rm -rf .git/objects/info .git/shallow .git/info/grafts .git/refs/replace .git/worktrees
[ ! -e "$canary" ] || fail "somebody ran a program that the agent named"
GIT_DIR=$PWD/.git git diff >/dev/null 2>&1 </dev/null
check "stock git does not spring the traps: the test proves nothing" [ -e "$canary" ]
rm -f "$canary"
cd "$W" || exit 99

run texts pass ''
for f in report.json report.md events.normalized.jsonl trace.jsonl task-contract.json test.log; do
    checks=$((checks + 1))
    ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$dir/$f" || fail "texts: control bytes in $f"
done
run date fail repository_unreadable
run gitfile fail repository_unreadable
run gitlink-dir fail repository_unreadable
run gitpipe fail repository_unreadable
run refpipe fail repository_unreadable
run moved-back fail no_diff
run flags fail dirty_ending_tree
jq -e '.blockers | tostring | contains("greeting.txt")' "$dir/report.json" >/dev/null || fail "flags: the changed file is not named"
run special fail dirty_ending_tree
run bomb fail repository_unreadable
jq -e '.blockers | tostring | contains("of work")' "$dir/report.json" >/dev/null ||
    fail "bomb: the report does not say why: $(jq -c .blockers "$dir/report.json")"
check "somebody ran a program that the agent named" [ ! -e "$canary" ]
sound
e2e_end
