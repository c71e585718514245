#!/usr/bin/env bash
# ctest: timeout=300
# What else can be true of somebody's repository when a verified result arrives there: found before its branch is moved, so that
# nothing of it is half done.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/target.bash"
target_setup '.allowed_writes = ["GUIDE.md", "docs/"]'
he run-case words --engine exec --quiet >/dev/null 2>&1 # makes the home
prove_by_hand
mkdir "$target/docs" && echo one >"$target/docs/a" && g add -A && g commit -qm "Docs"
target_admit
good=$W/good
cp -a "$target" "$good"
fresh() { rm -rf "${target:?}" && cp -a "$good" "$target"; }
details() { jq -r '.blockers[].detail' report.json; }
# NAME WORDS: the run ends there, and the repository is as it was; the commit is where it was.
not_landed() {
    check "$1: $(reasons) $(head -c 300 err)" [ "$(reasons)" = landing_failed ]
    check "$1: why: $(details)" grep -qE "$2" <(details)
    check "$1: it was landed" [ "$(g rev-parse HEAD)" = "$(git -C "$good" rev-parse HEAD)" ]
    check "$1: not as it was: $(g status --porcelain)" [ -z "$(g status --porcelain)" ]
    check "$1: it says where" hides "$(jq -r .artifacts_dir report.json)"
}
waits() { check "$1: it does not wait: $(head -c 400 out.json err)" [ "$(jq -r .waits_for out.json)" = operator_outcome ]; }
cp "$tools/work" work.good

# --- a directory that may not be written in (root may write anywhere)
sed -i '$d' "$tools/work"
echo 'echo two >docs/a; mkdir docs/new; echo three >docs/new/b; git add -A; git commit -qm "Words"' >>"$tools/work"
if [ "$(id -u)" != 0 ]; then
    for dir in docs .; do
        ask || fail "ask"
        chmod 555 "$target/$dir"
        run
        chmod 755 "$target/$dir"
        not_landed "read-only $dir" 'directory.*written'
    done
    # when it is to be taken back: kept, nothing half done, tried again
    ask || fail "ask"
    run
    waits "for the word"
    id=$(waiting) landed=$(g rev-parse HEAD)
    chmod 555 "$target/docs"
    he outcome "$id" rejected --actor bob >say 2>&1
    chmod 755 "$target/docs"
    check "taken back in part" [ "$(g rev-parse HEAD) $(g status --porcelain)" = "$landed " ]
    check "read-only: $(cat say)" grep -q 'cannot be taken back yet' say
    h run-case answer-only --quiet >/dev/null 2>&1
    check "not taken back afterwards" [ "$(g rev-parse 'HEAD^{tree}')" = "$(git -C "$good" rev-parse 'HEAD^{tree}')" ]
    fresh
fi
cp work.good "$tools/work"

# --- another repository in its place while the agent works, with the same history
echo 'sleep 5' >>"$tools/work"
ask || fail "ask"
(sleep 2.5 && mv "$target" "$W/moved" && git clone -q "$W/moved" "$target") &
run
wait
not_landed "a clone in its place" 'another repository'
check "the one that was moved away was landed on" [ "$(git -C "$W/moved" rev-parse HEAD)" = "$(git -C "$good" rev-parse HEAD)" ]
rm -rf "$W/moved"
fresh
ask || fail "ask"
(sleep 2.5 && mv "$target/.git" "$W/moved" && cp -a "$W/moved" "$target/.git") &
run
wait
not_landed "a copy of .git in its place" 'another repository'
rm -rf "$W/moved"
fresh
cp work.good "$tools/work"

# --- its branch is checked out in another worktree too, whose files nobody would change
g worktree add -qf "$W/second" main
run
check "a second worktree: $(reasons)" grep -qw target_not_admitted <(reasons)
check "a second worktree: why: $(details)" grep -q 'checked out in another worktree' <(details)
g worktree remove "$W/second"
g worktree add -q -b aside "$W/second"
ask || fail "ask"
run
waits "a worktree of another branch"
id=$(waiting)
git -C "$W/second" checkout -q --ignore-other-worktrees main
he outcome "$id" rejected --actor bob >say 2>&1
check "a second worktree, then: $(cat say)" grep -q 'cannot be taken back yet.*another worktree' say
check "the second worktree is not as it was" [ -z "$(git -C "$W/second" status --porcelain)" ]
git -C "$W/second" checkout -q aside
he outcome "$id" rejected --actor bob --quiet >say 2>&1
check "a second worktree, gone: $(cat say)" [ "$(jq -r '.blocker_reasons[]' "$W/home/harness-runs/$id/report.json")" = operator_rejected ]
g worktree remove "$W/second"
fresh

# --- a title that a message has no room for is cut between letters
for title in '"aé" * 100' '"xaé" * 100'; do
    edit cases/words/case.json ".title = ($title)"
    ask || fail "ask"
    run
    waits "a long title"
    he outcome "$(waiting)" rejected --actor bob --quiet >say 2>&1
    check "its messages are no text" iconv -f UTF-8 -t UTF-8 <(g log -2 --format=%B) >/dev/null
    check "no two commits of it" [ "$(g rev-list --count HEAD)" = "$(($(git -C "$good" rev-list --count HEAD) + 2))" ]
    fresh
done
h store check >/dev/null || fail "store check: $(h store check)"
check "left behind" no_leftovers
e2e_end
