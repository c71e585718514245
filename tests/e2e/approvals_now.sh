#!/usr/bin/env bash
# ctest: timeout=240
# What an approval binds of a run with a backend of one's own: also what lies in the directories of the host that it may read. What is
# too much to be bound is refused with a reason, and costs a run that needs no approval nothing.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/target.bash"
target_setup
he run-case words --engine exec --quiet >/dev/null 2>&1 # makes the home
prove_by_hand
target_admit
details() { jq -r '.blockers[].detail' report.json; }
# Blocked before anything was done, because nobody has approved of it as it is.
unapproved() {
    run
    check "$1: $(reasons)" [ "$(jq -r .status report.json) $(reasons)" = 'blocked gate_missing' ]
    check "$1: something was started" [ "$(jq .case_process_started report.json)" = false ]
    check "$1: it says where the repository is" hides "$(jq -r .artifacts_dir report.json)"
}
granted() {
    run
    check "$1: it does not wait: $(head -c 600 out.json err)" [ "$(jq -r .waits_for out.json)" = operator_outcome ]
    he outcome "$(jq -r .run_id out.json)" rejected --actor bob --quiet >/dev/null 2>&1
}
roots() { jq -c .scope.read_roots request.json; }

# --- the program that the approved command reads is another one
ask || fail "request and grant"
check "the request does not name what is bound: $(roots)" grep -q "\"$tools\":\"content [0-9a-f]\{64\}\"" <(roots)
cp -p "$tools/work" work.good
echo 'echo also this >>GUIDE.md' >>"$tools/work"
unapproved "another script"
cp work.good "$tools/work" # other times, the same bytes
echo x >"$tools/beside"
unapproved "one file more"
rm "$tools/beside"
chmod 700 "$tools/work"
unapproved "another mode"
cp -p work.good "$tools/work"
granted "as it was approved"

# --- so is what the case may read, and it is named once when both name it
mkdir "$tools.data" && chmod 755 "$tools.data" && echo one >"$tools.data/a"
# shellcheck disable=SC2064 # now
trap "rm -rf '$tools' '$tools.data'; e2e_clean" EXIT
edit cases/words/case.json ".read_roots = [\"$tools.data\", \"$tools\"]"
ask || fail "with a read root of the case"
check "two of them: $(roots)" [ "$(jq '.scope.read_roots | length' request.json)" = 2 ]
echo two >"$tools.data/a"
unapproved "other data"
echo one >"$tools.data/a"
granted "the same data"

# --- what the system has is bound by what it is
edit cases/words/case.json '.read_roots = ["/usr/lib/git-core"]'
ask || fail "with a read root of the system's"
check "it was read: $(roots)" grep -q '"/usr/lib/git-core":"system ' <(roots)

# --- too much to be bound: no approval, and no run on one
truncate -s 600M "$tools.data/large"
edit cases/words/case.json ".read_roots = [\"$tools.data\"]"
refused 'read_roots.0. of the case cannot be bound.*more than 512 MiB' 2 he request new words --engine exec --actor alice
unapproved "too large"
check "too large: $(details)" grep -q 'cannot be bound by an approval: more than 512 MiB' <(details)
edit cases/words/case.json 'del(.read_roots)'
edit engine.json ".read_roots += [\"$tools.data\"]"
refused 'read_roots.1. of the engine file cannot be bound' 2 he request new words --engine exec --actor alice
check "the message names no place" hides "$W/refused.err"
edit engine.json "del(.read_roots[1])"
ln -s "$tools.data" "$tools/link"
edit cases/words/case.json ".read_roots = [\"$tools/link\"]"
refused 'neither a directory nor a plain file' 2 he request new words --engine exec --actor alice
rm "$tools/link"
edit cases/words/case.json ".read_roots = [\"$tools/nothing\"]"
refused 'No such file' 2 he request new words --engine exec --actor alice
edit cases/words/case.json ".read_roots = [\"$tools.data\"] | .approval_required = false | .mutation_mode = \"copied-fixture\""
he run-case words --quiet >free.out 2>&1 || fail "a run without an approval: $(cat free.out)"
check "left behind" no_leftovers
e2e_end
