#!/usr/bin/env bash
# worker_run.sh BINDIR SRCDIR - runs of one worker from its spec to DONE, each way a run can go when nobody misbehaves badly.
. "$2/tests/lib/worker.bash"
worker_setup "$1"
printf 'one\n' >"$T/case/fixture/a.txt"
printf '#!/bin/sh\nexit 0\n' >"$T/case/fixture/tool"
chmod 755 "$T/case/fixture/tool"
mkdir "$T/case/fixture/tests"
printf 'test "$(cat a.txt)" = two\n' >"$T/case/fixture/tests/check.sh"
good='[{"do":"write","path":"a.txt","text":"two\n"},{"do":"commit","message":"a is two"}]'

test="a committed result is verified"
run '{"engine_config":{"steps":'"$good"'},"verify":[{"argv":["sh","tests/check.sh"],"timeout_ms":20000}]}'
code 0
order '^HELLO' '^READY' '^BASELINE' '^LOOK moved=0 clean=1' '^STARTED' '^ENGINE_END kind=exited code=0' '^RESULT kind=committed' \
    '^COMMIT' '^VERIFY_START index=0' '^VERIFY_END index=0 kind=exited code=0' '^DONE' '^EXIT 0'
has '^CHANGE scope=0 letter=M old=100644 new=100644 path="a.txt"'
has '^ARTIFACT_END id=1'
grep -q '^+two' "$T/save/patch" || complain "patch"
[ "$(cat "$T/case/fixture/a.txt")" = one ] || complain "the case was changed"

test="stop at the commit"
run '{"engine_config":{"steps":['"${good:1:-1}"',{"do":"spawn","ms":60000,"setsid":true,"ignore_signals":true,"hold_stdout":true},{"do":"hang"}]}}' \
    --stop-on-commit
code 0
order '^STARTED' '^LOOK moved=1 clean=1' '^ENGINE_END kind=stopped code=9' '^RESULT kind=committed' '^VERIFY_SKIP' '^DONE'

test="nothing committed"
run '{"engine_config":{"steps":[{"do":"say_done"}]},"verify":[{"argv":["true"],"timeout_ms":20000}]}'
code 0
order '^ENGINE_END kind=exited code=0' '^RESULT kind=none' '^VERIFY_SKIP reason="nothing was committed' '^DONE'
hasnt '^VERIFY_END'
grep -q 'All done' "$T/save/out.1" || complain "output"

test="exit code and streams"
run '{"engine_config":{"steps":[{"do":"output","text":"to out"},{"do":"output","stream":"stderr","base64":"AP8bWzFt"},{"do":"exit","code":7}]}}'
has '^ENGINE_END kind=exited code=7 .*output=12 dropped=0'
[ "$(cat "$T/save/out.1")" = "to out" ] && [ "$(od -An -tx1 <"$T/save/out.2" | tr -d ' \n')" = 00ff1b5b316d ] || complain "streams"

test="death by signal"
run '{"engine_config":{"steps":[{"do":"signal","signal":"SEGV"}]}}'
has '^ENGINE_END kind=signalled code=11'

test="no such backend"
run '{"engine_config":{"steps":[],"executable":"/opt/agent/not-there"}}'
code 0
hasnt '^STARTED'
order '^ENGINE_END kind=exec_failed code=2' '^RESULT kind=none' '^VERIFY_SKIP' '^DONE'

test="dirty start"
run '{"dirty_start":[{"do":"write","path":"stray","text":"x"}],"clean_start_required":true,"engine_config":{"steps":'"$good"'}}'
code 0
order '^BASELINE' '^LOOK moved=0 clean=0' '^DONE'
has '^DIRTY letter=\? path="stray"'
hasnt '^(STARTED|LOOK moved=0 clean=1)'

test="a start that is clean, but not the baseline"
run '{"dirty_start":'"$good"',"clean_start_required":true,"engine_config":{"steps":[]}}'
order '^LOOK moved=1 clean=1' '^DONE'
hasnt '^STARTED'

test="dirty start that is permitted"
run '{"dirty_start":[{"do":"write","path":"stray","text":"x"}],"clean_start_required":false,"engine_config":{"steps":[{"do":"read","path":"stray","expect":"present"}]}}'
order '^LOOK moved=0 clean=0' '^STARTED' '^ENGINE_END kind=exited code=0' '^DONE'
hasnt '^DIRTY letter=. path="[^"]*dirty'

test="the harness commits"
run '{"commit":"harness","engine_config":{"steps":[{"do":"write","path":"a.txt","text":"two\n"}]},"verify":[{"argv":["sh","tests/check.sh"],"timeout_ms":20000}]}'
order '^ENGINE_END kind=exited' '^RESULT kind=committed .* by_harness=1' '^VERIFY_END index=0 kind=exited code=0' '^DONE'

test="verification fails, is missing, hangs; every command is run"
run '{"engine_config":{"steps":'"$good"'},"verify":[{"argv":["sh","-c","echo no; exit 3"],"timeout_ms":20000},
    {"argv":["no-such-command"],"timeout_ms":20000},{"argv":["sh","-c","trap \"\" TERM; sleep 60"],"timeout_ms":300},{"argv":["true"],"timeout_ms":20000}]}'
code 0
order '^VERIFY_END index=0 kind=exited code=3' '^VERIFY_END index=1 kind=exec_failed code=2' '^VERIFY_END index=2 kind=timed_out' \
    '^VERIFY_END index=3 kind=exited code=0' '^DONE'
[ "$(cat "$T/save/out.3")" = no ] || complain "verification output"

test="pristine files win over what was committed"
run '{"pristine":["tests/","tool"],"engine_config":{"steps":[{"do":"delete","path":"tests"},{"do":"symlink","path":"tests","target":"/etc"},
    {"do":"delete","path":"tool"},{"do":"write","path":"tool/inside","text":"x"},{"do":"commit","message":"cheat"}]},
    "verify":[{"argv":["sh","-c","test -d tests && test ! -L tests && test -x tool && test -f tests/check.sh && ls tests | wc -l"],"timeout_ms":20000}]}'
has '^VERIFY_END index=0 kind=exited code=0'
[ "$(tr -d ' \n' <"$T/save/out.3")" = 1 ] || complain "pristine directory"

test="an added file in a pristine directory is gone"
run '{"pristine":["tests"],"engine_config":{"steps":[{"do":"write","path":"tests/conftest.py","text":"x"},{"do":"commit","message":"cheat"}]},
    "verify":[{"argv":["sh","-c","test ! -e tests/conftest.py"],"timeout_ms":20000}]}'
has '^VERIFY_END index=0 kind=exited code=0'

test="engine and verifier see nothing else"
run '{"task":"do it","engine_config":{"steps":[{"do":"read","path":"/task/task.md","expect":"present"},{"do":"read","path":"/area","expect":"missing"},
    {"do":"read","path":"/case","expect":"missing"},{"do":"read","path":"/libexec","expect":"missing"},{"do":"read","path":"'"$T"'/spec.json","expect":"missing"},
    {"do":"expect_fail","steps":[{"do":"write","path":"/task/x","text":""},{"do":"write","path":"/usr/x","text":""},{"do":"connect","host":"192.0.2.1","port":80,"expect":"connected"}]},
    {"do":"write","path":"keep/secret","text":"x"},{"do":"git","args":["config","core.fsmonitor","touch /tmp/x"]},'"${good:1:-1}"']},
    "verify":[{"argv":["sh","-c","test ! -e /task && test ! -e /area && test ! -e /opt/agent && test ! -e .git/config && test -w ."],"timeout_ms":20000}]}'
has '^ENGINE_END kind=exited code=0'
has '^VERIFY_END index=0 kind=exited code=0'

test="empty repository"
run '{"fixture":null,"baseline_empty":true,"engine_config":{"steps":'"$good"'},"verify":[{"argv":["sh","-c","test \"$(cat a.txt)\" = two"],"timeout_ms":20000}]}'
code 0
order '^BASELINE' '^STARTED' '^RESULT kind=committed' '^CHANGE scope=0 letter=A .*path="a.txt"' '^VERIFY_END index=0 kind=exited code=0'

test="history and a submodule"
mkdir "$T/case/sub"
echo lib >"$T/case/sub/lib.txt"
run '{"history_commits":20,"submodules":[{"path":"vendor/sub","fixture":"sub"}],"engine_config":{"steps":[{"do":"read","path":"vendor/sub/lib.txt","expect":"present"},'"${good:1:-1}"']}}'
code 0
has '^BASELINE .* commits=21'
has '^RESULT kind=committed .* clean=1'

test="generated files"
run '{"generate_dir":"data","generate_count":250,"generate_size":40,"engine_config":{"steps":[{"do":"delete","path":"data/001/f000150.txt"},{"do":"commit","message":"one less"}]}}'
has '^CHANGE scope=0 letter=D .*path="data/001/f000150.txt"'
has '^BASELINE .* files=253'
worker_done
