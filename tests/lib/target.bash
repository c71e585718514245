# shellcheck shell=bash
# target.bash - for e2e scripts about a repository of somebody's, after e2e.bash: a case, a backend that is a script, an admitted
# repository, approvals.
#
#   target_setup [jq edit of the case]   $target, $tools/work (the agent), engine.json, target.json, the settings, stages 1 to 4
#                                        proven by hand
#   target_ready [jq edit of the case]   and further: the home is there, the repository admitted; `fresh` puts it back as it was
#   he ARGS...     cto-harness with the home and these cases        g ARGS...   git in the repository
#   run            run-case, --json to out.json and err; a sealed run's report is report.json then
#   ask            a request and its grant                          reasons     of report.json
#   waiting        ids of unfinished runs                           hides FILE  says nowhere where the repository is
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done

edit() { jq "$2" "$1" >"$1.new" && mv "$1.new" "$1"; }
he() { "$HARNESS" --home "$W/home" --cases "$W/cases" "$@"; }
g() { git -C "$target" "$@"; }
hides() { ! grep -rqF "$target" "$@"; }
reasons() { jq -r '.blocker_reasons | join(" ")' report.json; }
waiting() { he report list --status running --json | jq -r '.runs[].run_id'; }
run() {
    local code
    he run-case words --engine exec --json >out.json 2>err
    code=$?
    jq -e .blocker_reasons out.json >/dev/null 2>&1 && cp out.json report.json
    return $code
}
ask() {
    he request new words --engine exec --actor alice --json >request.json &&
        he approve grant --request "$(jq -r .request_id request.json)" --actor bob --sentence "$(jq -r .sentence request.json)" >/dev/null
}
admission() {
    he admit target --template | jq --arg p "$target" '.admission_status = "admitted" | .target_repository_path = $p
        | .repository_owner = "Owner" | .ownership_evidence = "made by this test" | .risk_classification = "low_risk_noncritical"
        | .noncritical_rationale = "a test" | .allowed_paths = ["README.md", "docs/", "GUIDE.md"] | .forbidden_paths = [".env", "vendor/"]
        | .approval_source = "alice" | .operator_outcome_required = true'
}
# Stages that a validator would prove; what is tried here is what comes after.
prove_by_hand() {
    python3 - "$W/home/cto.db" "$(h --version | sed -n 's/^build //p')" <<'PY'
import sqlite3, sys
d = sqlite3.connect(sys.argv[1])
for stage in range(1, 5):
    d.execute("INSERT INTO stage_proofs VALUES ('exec', ?, ?, 'real', 1, 'by hand, for this test', 'y')", (stage, sys.argv[2]))
d.commit()
PY
}
# With history, a file that no run may read, and hooks that must never run.
make_target() {
    git init -q -b main "$target"
    g config user.name Owner && g config user.email owner@example.invalid
    cp -r cases/words/fixture/. "$target"
    echo .env >"$target/.gitignore"
    echo 'TOKEN=untracked-and-none-of-the-agents-business' >"$target/.env"
    g add -A && g commit -qm "First" && echo more >>"$target/history.txt" && g add -A && g commit -qm "Second"
}
target_setup() {
    tools=$(mktemp -d /opt/cto-target.XXXXXX 2>/dev/null) || tools=$(mktemp -d "$W/tools.XXXXXX")
    # shellcheck disable=SC2064 # now
    trap "rm -rf '$tools'; e2e_clean" EXIT
    chmod 755 "$tools"
    mkdir cases
    cp -r "$SRC/cases/docs-typo" cases/words
    edit cases/words/case.json '.id = "words" | .backends = ["fake", "exec"] | .mutation_mode = "owned-noncritical-repo"
        | .approval_required = true | del(.required_events)'
    [ -z "${1:-}" ] || edit cases/words/case.json "$1"
    # what the fake lane does to pass, by hand
    jq -r '.fake.steps[] | select(.do == "replace") | "sed -i '"'s/\(.old)/\(.new)/'"' \(.path)"' cases/words/case.json >"$tools/work"
    echo 'git commit -qam "Mend the words"' >>"$tools/work"
    jq -n --arg t "$tools" '{name: "my-agent", command: ["/bin/sh", "-e", ($t + "/work")], read_roots: [$t], end_of_life: "exit"}' >engine.json
    target=$W/notes
    make_target
    export CTO_HARNESS_ALLOW_EXEC=1 CTO_HARNESS_EXEC_STAGE=5 CTO_HARNESS_EXEC_ENGINE_FILE=$W/engine.json
}
target_admit() {
    admission >target.json
    export CTO_HARNESS_EXEC_STAGE5_TARGET_ADMISSION_FILE=$W/target.json
    he admit target --record target.json --actor alice >/dev/null || fail "admit target"
}
target_ready() {
    target_setup "$@"
    he run-case words --engine exec --quiet >/dev/null 2>&1 # makes the home
    prove_by_hand
    target_admit
    good=$W/good
    cp -a "$target" "$good"
}
fresh() { rm -rf "${target:?}" && cp -a "$good" "$target"; }
