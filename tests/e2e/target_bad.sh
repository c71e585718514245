#!/usr/bin/env bash
# ctest: timeout=300
# Repositories that no run may change, in every state that one can be found in: each ends blocked with its reason, untouched. And what
# happens to a good one while the agent works: it is replaced, two runs want the same approval, the clock goes back.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/target.bash"
target_ready
# NAME REASON WORD: what is there now closes the run, and stays as it is.
closed_as_it_is() {
    local before now
    before=$(fingerprint "$target")
    run
    check "$1: $(reasons)" grep -qw "$2" <(reasons)
    check "$1: why: $(jq -r '.blockers[].detail' report.json)" grep -qiE "$3" <(jq -r '.blockers[].detail' report.json)
    check "$1: started" [ "$(jq -r '.case_process_started' report.json)" = false ]
    now=$(fingerprint "$target")
    check "$1: it was changed" [ "$before" = "$now" ]
    check "$1: it says where" hides "$(jq -r .artifacts_dir report.json)"
}
closed() { closed_as_it_is "$@" && fresh; }

rm -rf "$target/.git"; closed "no repository" target_not_admitted 'repository'
rm -rf "${target:?}"; mkdir "$target"; closed "an empty directory" target_not_admitted 'repository'
rm -rf "${target:?}"; git clone -q --bare "$good" "$target"; closed "bare" target_not_admitted 'bare'
g checkout -q --detach; closed "detached" target_not_admitted 'detached'
g checkout -q -b other HEAD^ && echo x >"$target/history.txt" && g add -A && g commit -qm o && g checkout -q main &&
    g merge -q other >/dev/null 2>&1
closed "a merge" target_not_admitted 'under way'
g checkout -q -b other HEAD^ && echo x >"$target/history.txt" && g add -A && g commit -qm o && g rebase -q main >/dev/null 2>&1
closed "a rebase" target_not_admitted 'under way|detached'
rm -rf "${target:?}"; git clone -q --depth 1 "file://$good" "$target"; closed "shallow" target_not_admitted 'shallow'
g -c protocol.file.allow=always submodule add -q "file://$good" sub >/dev/null 2>&1; g commit -qm sub; closed "a submodule" target_not_admitted 'submodule'
g checkout -q --orphan nothing; g rm -rqf . >/dev/null; closed "no commit" target_not_admitted 'no commit'
mv "$target" "$W/elsewhere"; ln -s "$W/elsewhere" "$target"; closed "a link" target_not_admitted 'repository|link'
rm -rf "$W/elsewhere"
rm -rf "${target:?}"; git -C "$good" worktree add -q "$target" -b linked; closed_as_it_is "a linked worktree" target_not_admitted 'linked'
git -C "$good" worktree remove --force "$target" 2>/dev/null; git -C "$good" worktree prune; git -C "$good" branch -qD linked; fresh
echo x >>"$target/history.txt"; closed "a changed file" dirty_starting_tree 'not clean: of the target.s files 1 changed, 0 staged, 0 untracked: commit them or put them away'
echo x >"$target/new.txt"; g add new.txt; closed "a staged file" dirty_starting_tree 'clean|index|differ'
chmod +x "$target/history.txt"; closed "a mode" dirty_starting_tree 'clean|mode|differ'
echo x >>"$target/history.txt"; g update-index --assume-unchanged history.txt; closed "a hidden change" dirty_starting_tree 'clean|changed|differ'
if [ "$(id -u)" = 0 ]; then
    chown -R 12345 "$target"
    closed "another user's" unowned_repository 'belongs to'
fi
# what the case brings back before its verification must be in HEAD, file or directory: a copy of HEAD is all that there is
cp -r cases/words keep.words
mkdir cases/words/fixture/checks && echo true >cases/words/fixture/checks/all.sh && edit cases/words/case.json '.pristine = ["checks"]'
closed "pristine, and not there" eligibility_denied 'brings checks back'
mkdir "$target/checks" && echo x >"$target/checks/all.sh"
closed "pristine, and not committed" eligibility_denied 'brings checks back'
mkdir "$target/checks" && echo x >"$target/checks/all.sh" && g add -A && g commit -qm "Checks"
he eligibility words --engine exec --json >out.json
check "pristine, and there: $(jq -c .missing_gates out.json)" [ "$(jq -c .missing_gates out.json)" = '["approval"]' ]
check "the gate is not listed" jq -e '.passed_gates | index("pristine") > index("clean_start")' out.json >/dev/null
rm -rf cases/words && mv keep.words cases/words && fresh

# --- records
for edit in '.target_repository_path += "/"' '.target_repository_path |= sub("/notes$"; "/./notes")' '.target_repository_path = "notes"' \
    '.allowed_paths = ["../up"]' '.allowed_paths = ["README.md", "README.md"]' '.allowed_paths = ["*"]' '.risk_classification = ""' \
    '.unknown = 1' 'del(.review_trigger)' '.operator_outcome_required = "yes"' '.repository_owner = "ghp_0123456789abcdefghij0123456789abcdef"'; do
    jq "$edit" target.json >bad.json
    refused 'bad.json' 2 he admit target --check bad.json
done
for edit in '.admission_status = "not_admitted"' '.ownership_evidence = ""' '.risk_classification = "high"' '.allowed_paths = []' \
    '.forbidden_actions -= ["push"]' '.approval_source = ""' '.operator_outcome_required = false'; do
    cp target.json keep.json && edit target.json "$edit"
    he admit target --record target.json --actor alice >/dev/null 2>&1
    run
    check "$edit: $(reasons)" grep -qE '^(target_not_admitted|unowned_repository|critical_repository)' <(reasons)
    cp keep.json target.json
done
he admit target --record target.json --actor alice >/dev/null || fail "the good record again"
he admit target --revoke "$(he admit target --list --json | jq -r '.admissions[0].id')" --actor alice --why "no more" >/dev/null || fail "revoke"
run
check "a revoked admission: $(reasons)" grep -q target_not_admitted <(reasons)
he admit target --record target.json --actor alice >/dev/null || fail "the good record once more"

# --- an approval is for this HEAD
ask || fail "ask"
echo x >>"$target/history.txt" && g commit -qam "Later"
run
check "another HEAD: $(reasons)" [ "$(reasons)" = gate_missing ]
fresh

# --- two runs, one approval (of this HEAD: what was granted above)
for i in 1 2; do "$HARNESS" --home "$W/home" --cases "$W/cases" run-case words --engine exec --json >"race$i" 2>/dev/null & done
wait
check "both or none: $(cat race1 race2 | head -c 400)" [ "$(jq -r '.waits_for // empty' race1 race2)" = operator_outcome ]
check "not one commit" [ "$(g rev-list --count "$(git -C "$good" rev-parse HEAD)"..HEAD)" = 1 ]
check "the other: $(jq -rc '.blocker_reasons // empty' race1 race2)" grep -qE 'approval_consumed|dirty_starting_tree|gate_missing' <(jq -rc '.blocker_reasons // empty' race1 race2)
he outcome "$(waiting)" rejected --actor bob --quiet >/dev/null
fresh

# --- replaced while the agent works: another repository at the same place is not landed on
echo 'sleep 5' >>"$tools/work"
ask || fail "ask"
(sleep 2.5 && rm -rf "${target:?}" && git init -q -b main "$target" && cp "$good/history.txt" "$target" && g add -A &&
    git -C "$target" -c user.name=x -c user.email=x@y commit -qm "Another one") &
run
wait
check "replaced: $(reasons)" [ "$(reasons)" = landing_failed ]
check "it was landed on" [ "$(g log --format=%s)" = "Another one" ]
sed -i '$d' "$tools/work"
fresh

# --- the clock goes back: a word that was said later than now does not count
ask || fail "ask"
python3 - "$W/home/cto.db" <<'PY'
import sqlite3, sys, time
d = sqlite3.connect(sys.argv[1])
d.execute("UPDATE approvals SET decided_at = ?, expires_at = ? WHERE state = 'granted'", (int(time.time() + 3600) * 1000, int(time.time() + 7200) * 1000))
d.commit()
PY
run
check "an approval of tomorrow: $(reasons)" [ "$(reasons)" = approval_expired ]

# --- another file system is no obstacle
if [ "$(id -u)" = 0 ] && mkdir -p "$W/fs" && mount -t tmpfs none "$W/fs" 2>/dev/null; then
    target=$W/fs/notes
    cp -a "$good" "$target"
    target_admit
    ask || fail "ask"
    CTO_HARNESS_EXEC_STAGE5_OPERATOR_OUTCOME=accepted run || fail "on another file system: $(cat out.json err | head -c 600)"
    check "not landed" [ "$(g rev-list --count HEAD)" = 3 ]
fi
h store check >/dev/null || fail "store check"
check "left behind" no_leftovers
e2e_end
