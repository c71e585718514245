#!/usr/bin/env bash
# ctest: timeout=300
# A run on a repository that somebody owns, from its admission to the operator's word, with a script of one's own as the backend: the
# operator's walk of README. The result is landed as one commit, stays when it is accepted, and is taken back when it is not; nothing
# of it happens without record, approval, a clean start and allowed paths, and no blocked run says where the repository is.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/target.bash"
target_setup
mkdir -p "$target/.git/hooks"
for hook in post-commit reference-transaction post-checkout pre-commit post-index-change; do
    printf '#!/bin/sh\ntouch "%s/hook-ran"\n' "$W" >"$target/.git/hooks/$hook" && chmod +x "$target/.git/hooks/$hook"
done
start=$(g rev-parse HEAD)

# --- closed until everything is there
he run-case words --engine exec --json >report.json 2>/dev/null
check "a stage that is not proven: $(reasons)" grep -q stage_not_proven <<<"$(reasons)"
prove_by_hand
run
check "without an admission: $(reasons)" [ "$(reasons)" = target_not_admitted ]
refused 'STAGE5_TARGET_ADMISSION_FILE' 2 he request new words --engine exec --actor alice
admission >target.json
export CTO_HARNESS_EXEC_STAGE5_TARGET_ADMISSION_FILE=$W/target.json
run
check "an admission that nobody has recorded: $(reasons)" [ "$(reasons)" = target_not_admitted ]
he admit target --record target.json --actor alice >/dev/null || fail "admit target"
run
check "without an approval: $(reasons)" [ "$(reasons)" = gate_missing ]
blocked=$(jq -r .artifacts_dir report.json)
check "a blocked run says where the repository is" hides "$blocked"
check "the row of a blocked run says where the repository is" hides <(he report show "$(jq -r .run_id report.json)" --json; python3 - "$W/home/cto.db" "$(jq -r .run_id report.json)" <<'PY'
import sqlite3, sys
d = sqlite3.connect(sys.argv[1])
print(d.execute("SELECT * FROM runs WHERE run_id = ?", (sys.argv[2],)).fetchall())
PY
)

# --- asked, granted, run
ask || fail "request and grant"
check "the sentence does not name the repository" grep -qF "$target" <(jq -r .sentence request.json)
run
check "the run does not wait: $? $(cat out.json err)" [ "$(jq -r .waits_for out.json)" = operator_outcome ]
id=$(jq -r .run_id out.json)
check "a hook ran" [ ! -e hook-ran ] # before any git of ours does
check "one commit more" [ "$(g rev-list --count "$start"..HEAD)" = 1 ]
check "its parent is the start" [ "$(g rev-parse HEAD^)" = "$start" ]
check "the tree is not clean: $(g status --porcelain)" [ -z "$(g status --porcelain)" ]
check "objects: $(g fsck --strict 2>&1)" g fsck --strict
check "the .env went" grep -q TOKEN "$target/.env"
check "the run is not waiting in the list" grep -q "$id" <(he report list --status running --json)
check "left behind: $(ls "$WORKDIRS")" [ -z "$(ls "$WORKDIRS")" ]
refused 'approve|accepted or rejected' 2 he outcome "$id" maybe --actor bob
refused 'actor' 2 he outcome "$id" accepted
refused 'actor|backend' 2 he outcome "$id" accepted --actor exec
refused 'no run' 2 he outcome nothing accepted --actor bob
landed=$(g rev-parse HEAD)
# Another command is at it: it has the run's directory locked, and gets the time to finish.
python3 - "$W/home/harness-runs/$id" <<'PY' &
import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(fd, fcntl.LOCK_EX)
open("locked", "w").close()
time.sleep(1.5)
PY
for _ in $(seq 200); do [ -e locked ] && break || sleep 0.05; done
h outcome "$id" accepted --actor bob --json >outcome.json || fail "accepted: $(cat outcome.json)" # with other cases than the run's
check "it is no pass" [ "$(jq -r .status outcome.json)" = pass ]
cp "$(jq -r .report outcome.json)" report.json
check "the report: $(jq -c '{status, operator_outcome, target_commit, blocker_reasons}' report.json)" jq -e --arg c "$landed" '.status == "pass" and .operator_outcome == "accepted"
    and .target_commit == $c and .target_repository_admission_status == "admitted" and .target_repository_start_clean and .target_repository_ending_clean
    and .allowed_paths_passed and .forbidden_paths_passed and .forbidden_actions_attempted == false and .case_stage == 5
    and .allowed_mutation_scope == "explicitly owned low-risk repository only" and .branch_policy.push_allowed == false and .branch_policy.remotes == []
    and .runtime_default_activation == false and .core_promotion_status == "not-promoted" and .approval_status == "granted"' report.json
dir=$(jq -r .artifacts_dir report.json)
check "the proof is not among the evidence" jq -e '.operator_outcome == "accepted" and .approval_actor == "bob" and .target_commit != null' "$dir/stage5-owned-repo-proof.json"
check "the order of events" [ "$(jq -r .type "$dir/events.normalized.jsonl" | tail -2 | tr '\n' ' ')" = "operator.outcome.recorded run.completed " ]
check "report.md says nothing of it: $(cat "$dir/report.md")" grep -q "^Landed as one commit, \`$landed\`" "$dir/report.md"
check "report.md names other cases" grep -qF -- "--cases $W/cases" "$dir/report.md"
check "report.md says nothing of the word" grep -q '^Accepted by bob' "$dir/report.md"
check "a rule that both lists have stands twice" [ "$(jq '.forbidden_paths | (length == (unique | length))' "$dir/task-contract.json")" = true ]
he verify "$id" >/dev/null || fail "the evidence does not verify"
(cd "$dir" && sha256sum -c --quiet SHA256SUMS) || fail "SHA256SUMS"
check "a pass says where the repository is" hides "$dir"
refused 'is over' 2 he outcome "$id" rejected --actor bob
he report governed "$id" --json >closeout.json || fail "the closeout"
check "the closeout: $(jq -c . closeout.json)" jq -e --arg c "$landed" '.evidence_verified and .target_commit == $c and .operator_outcome == "accepted"
    and .approval_actor == "bob" and .requested_by == "alice" and .approval_consumed and .consumed_by_pass_evidence and .execution_allowed == false
    and .statement == "This closeout does not authorize another Case run." and (.proof_sha256 | length == 64)' closeout.json
check "the closeout for people" [ "$(he report governed "$id" | tail -1)" = "This closeout does not authorize another Case run." ]
refused 'not a governed' 2 he report governed "$(he report list --status blocked --json | jq -r '.runs[-1].run_id')"
cp -r "$dir" aside && echo x >>"$dir/patch.diff"
refused 'does not verify: patch.diff' 1 he report governed "$id"
rm -r "$dir" && mv aside "$dir"
check "the repository moved" [ "$(g rev-parse HEAD)" = "$landed" ]

# --- once only, and for that HEAD only
run
check "the approval is used twice: $(reasons)" [ "$(jq -r .status report.json)" = blocked ]

# --- rejected: exactly that commit is taken back
g revert --no-edit HEAD >/dev/null 2>&1 && before=$(g rev-parse HEAD)
rm -f hook-ran
ask || fail "a second request"
run
id=$(jq -r .run_id out.json)
he outcome "$id" rejected --actor bob --json >outcome.json
check "rejected: exit $?" [ "$(jq -r '.status + " " + .operator_outcome' outcome.json)" = "fail rejected" ]
check "the revert does not say whose word it is: $(g log -1 --format=%B)" grep -qx 'bob rejected the result' <(g log -1 --format=%B)
check "two commits more" [ "$(g rev-list --count "$before"..HEAD)" = 2 ]
check "the tree is another one" [ "$(g rev-parse 'HEAD^{tree}')" = "$(g rev-parse "$before^{tree}")" ]
check "the tree is not clean: $(g status --porcelain)" [ -z "$(g status --porcelain)" ]
cp "$(jq -r .report outcome.json)" report.json
check "rejected: $(reasons)" [ "$(reasons)" = operator_rejected ]
he verify "$id" >/dev/null || fail "the evidence of a rejected run does not verify"

# --- said beforehand
ask || fail "a third request"
CTO_HARNESS_EXEC_STAGE5_OPERATOR_OUTCOME=accepted run || fail "accepted beforehand: $(cat out.json err)"
check "it is no pass: $(jq -c .blockers report.json)" [ "$(jq -r '.status + " " + .operator_outcome' report.json)" = "pass accepted" ]

# --- what closes it
g revert --no-edit HEAD >/dev/null 2>&1
ask || fail "a fourth request"
echo dirt >"$target/dirt.txt"
run
check "a dirty start: $(reasons)" [ "$(reasons)" = dirty_starting_tree ]
check "it says where" hides "$(jq -r .artifacts_dir report.json)"
rm "$target/dirt.txt"
cp target.json good.json
edit target.json '.allowed_paths += ["src/"]'
run
check "a record that was changed: $(reasons)" [ "$(reasons)" = target_not_admitted ]
cp good.json target.json
echo 'echo x >.env2; mkdir -p vendor; echo x >vendor/x; git add -A; git commit -qm more' >>"$tools/work"
head=$(g rev-parse HEAD)
ask || fail "a fifth request"
run
check "forbidden paths: $(reasons)" grep -q 'forbidden_path_change' <<<"$(reasons)"
check "the repository moved" [ "$(g rev-parse HEAD)$(g status --porcelain)" = "$head" ]
sed -i '$d' "$tools/work"

# --- the repository moves while the agent works: nothing is landed
echo 'sleep 5' >>"$tools/work"
ask || fail "a sixth request"
(sleep 2.5 && echo theirs >>"$target/history.txt" && g -c core.hooksPath=/dev/null commit -qam "Theirs") &
run
wait
check "a race: $(reasons)" [ "$(reasons)" = landing_failed ]
check "theirs is not what stands" [ "$(g log -1 --format=%s)" = Theirs ]
check "the tree is not clean: $(g status --porcelain)" [ -z "$(g status --porcelain)" ]
sed -i '$d' "$tools/work"

# --- nobody says anything: reverted when the time is over
edit cases/words/case.json '.timeouts.outcome_s = 1'
ask || fail "a seventh request"
run
id=$(jq -r .run_id out.json)
sleep 1.2
he run-case docs-typo >/dev/null 2>&1 || true
h run-case docs-typo --quiet >/dev/null || fail "another run"
he report show "$id" --json >report.json
check "nobody: $(reasons)" [ "$(jq -r .status report.json) $(reasons)" = "blocked missing_operator_outcome" ]
check "the revert does not say why: $(g log -1 --format=%B)" grep -qx 'nobody said accepted or rejected in time' <(g log -1 --format=%B)
check "it was not reverted" [ "$(g log -1 --format=%s | cut -c1-6)" = Revert ]
he verify "$id" >/dev/null || fail "the evidence of a forgotten run does not verify"

# --- what it needs to be finished is lost, or its evidence was touched: neither stays landed
edit cases/words/case.json 'del(.timeouts.outcome_s)'
ask || fail "an eighth request"
run
id=$(jq -r .run_id out.json)
python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute("DELETE FROM waiting"); d.commit()' "$W/home/cto.db"
check "store check sees nothing" grep -q "$id.*record is lost" <(h store check)
h run-case docs-typo --quiet >/dev/null || fail "another run"
he report show "$id" --json >report.json
check "a lost record: $(reasons)" [ "$(jq -r .status report.json) $(reasons)" = "fail supervisor_interrupted" ]
check "it was not reverted" [ "$(g log -1 --format=%s | cut -c1-6)" = Revert ]
ask || fail "a ninth request"
run
id=$(jq -r .run_id out.json)
echo x >>"$W/home/harness-runs/$id/test.log"
he outcome "$id" accepted --actor bob --json >outcome.json
check "evidence that was touched: $(cat outcome.json)" [ "$(jq -r .status outcome.json)" = fail ]
cp "$(jq -r .report outcome.json)" report.json
check "touched: $(reasons)" [ "$(reasons)" = artifact_write_failure ]
check "it was not reverted" [ "$(g log -1 --format=%s | cut -c1-6)" = Revert ]
check "the tree is not clean: $(g status --porcelain)" [ -z "$(g status --porcelain)" ]
h store check >/dev/null || fail "store check"
check "left behind" no_leftovers
e2e_end
