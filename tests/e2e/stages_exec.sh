#!/usr/bin/env bash
# ctest: timeout=300
# The proof ladder of a program of one's own, with no double on the lane that is validated: it needs the operator's leave, earns the
# gates of each stage, and does not when something that must not be seen is shown, or something that must stay is changed.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done
q() { jq -e "$@" >/dev/null; }
tools=$(mktemp -d /opt/cto-stages.XXXXXX 2>/dev/null) || tools=$(mktemp -d "$W/tools.XXXXXX")
# shellcheck disable=SC2064 # now
trap "rm -rf '$tools'; e2e_clean" EXIT
chmod 755 "$tools"
cat >"$tools/work" <<'EOF'
import re
text = open("strings.py").read()
text = text.replace('return text.replace(" ", "-")', 'return "-".join(text.lower().split())')
open("strings.py", "w").write(text)
EOF
printf 'python3 %s/work && git commit -qam "Make slugify lower-case"\n' "$tools" >"$tools/run"
jq -n --arg t "$tools" '{name: "my-agent", command: ["/bin/sh", "-e", ($t + "/run")], read_roots: [$t]}' >engine.json

h validate stage3 --engine exec --json >missing.json 2>/dev/null
check "without leave: exit $?" [ "$(jq -c '[.ok, .stage_status, (.errors | length)]' missing.json)" = '[false,"missing",2]' ]
h validate stage3 --engine exec >/dev/null 2>&1
check "without leave" [ $? -eq 3 ]
check "it does not say what to set" q '.errors | join(" ") | test("CTO_HARNESS_ALLOW_EXEC=1") and test("CTO_HARNESS_EXEC_ENGINE_FILE")' missing.json
for e in codex pi; do
    h validate stage2 --engine $e >/dev/null 2>&1
    check "$e is not allowed" [ $? -ne 0 ]
done

export CTO_HARNESS_ALLOW_EXEC=1 CTO_HARNESS_EXEC_ENGINE_FILE=$W/engine.json
# --- shown what is protected: the program's own directory
h validate stage2 --engine exec --protect "$tools" --json >shown.json 2>err
check "what is shown is not noticed: exit $?" q '.ok == false and (.errors | map(test("path of a protected root")) | any)' shown.json
check "recorded all the same" [ "$(python3 -c 'import sqlite3; print(sqlite3.connect("home/cto.db").execute("SELECT count(*) FROM stage_proofs WHERE stage = 2").fetchone()[0])')" = 0 ]

# --- the whole ladder
h validate stage5 --engine exec --json >s5.json 2>err
check "stage 5: exit $? $(cat err; jq -c .errors s5.json)" [ "$(jq -c '[.ok, .stage_status, .proof_kind, (.errors | length)]' s5.json)" = '[true,"validated","real",0]' ]
check "predecessors: $(jq -c .predecessors s5.json)" [ "$(jq -c '[.predecessors[] | [.status, .ran_now]] | unique' s5.json)" = '[["validated",false],["validated",true]]' ]
check "misbehaviour: $(jq -c '[.failure_reports[] | [.failure, .backend]]' s5.json)" [ "$(jq -c '[.failure_reports[] | select(.backend == "case") | .failure] | sort' s5.json)" = \
    '["dirty-end","disallowed-file","failed-tests","timeout"]' ]
check "it does not say so" q '.failure_note | test("test double")' s5.json
check "the pass is not exec's" q '.backend == "exec" and .proof_kind == "real" and .operator_outcome_actor == "validator"' "$(jq -r '.pass_reports[0]' s5.json)"
check "rows" [ "$(python3 -c 'import sqlite3; print(sqlite3.connect("home/cto.db").execute("SELECT group_concat(proof_kind) FROM stage_proofs WHERE backend = \"exec\"").fetchone()[0])')" = real,real,real,real,real ]
check "rows of case" [ "$(python3 -c 'import sqlite3; print(sqlite3.connect("home/cto.db").execute("SELECT count(*) FROM stage_proofs WHERE backend = \"case\"").fetchone()[0])')" = 0 ]
CTO_HARNESS_EXEC_STAGE=3 h run-case r1-string-slugify --engine exec --json >report.json 2>/dev/null
check "stage 3 is not open: $(jq -c .blocker_reasons report.json)" q '.blockers[0].detail | test("STAGE3_SOURCE_REPOSITORY")' report.json
# a place of it that is not as it must be: that, and nothing untrue beside it
git init -q -b main source
for place in "$W/source/" "$W/./source" source; do
    CTO_HARNESS_EXEC_STAGE=3 CTO_HARNESS_EXEC_STAGE3_SOURCE_REPOSITORY=$place h run-case r1-string-slugify --engine exec --json >report.json 2>/dev/null
    check "$place: $(jq -c .blockers report.json)" q '[.blockers[].detail] | (.[0] | test("^gate repository: the repository: its path must be absolute and in its shortest form, without a slash"))
        and (map(test("commit")) | any | not)' report.json
done

# --- something changes meanwhile that must not
mkdir protected && echo mine >protected/file
# all the time, since nobody knows how fast this host is
(while [ ! -e stop ]; do echo theirs >>protected/file && sleep 0.1; done) &
h validate stage2 --engine exec --protect "$W/protected" --json >changed.json 2>err
touch stop
wait
check "a change is not noticed" q '.ok == false and (.errors | map(startswith("nothing_outside_changed: protected ")) | any)' changed.json

# --- a pass that was blocked: why comes first, and of what did not run nothing is claimed
jq '.read_roots[0] = "/opt/cto-stages-none"' engine.json >none.json
CTO_HARNESS_EXEC_ENGINE_FILE=$W/none.json h validate stage2 --engine exec --json >blocked.json 2>err
check "blocked: $(jq -c .errors blocked.json)" q '.ok == false and (.errors | map(select(startswith("nothing_outside") | not))[0] | startswith("pass: it ended blocked: ") and test("cto-stages-none")) and
    (.errors | length > 5 and (map(test("nothing shows it: the backend of the run that must pass was not started")) | any) and
    (map(test("changed what it may not|other writable mount|has another mode|differ in it")) | any | not))' blocked.json
sound
e2e_end
