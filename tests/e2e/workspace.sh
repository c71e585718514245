#!/usr/bin/env bash
# ctest: timeout=180
# The lint of a planning workspace: nothing is said of a good one; each rule is broken once and must be named with file and line. What
# reads the YAML is confined, has a deadline, and when it gives no answer there is none.
. "$2/tests/lib/e2e.bash"
. "$SRC/tests/lib/planning.bash"

planning_workspace "$W/good" || fail "cannot make a workspace"
for k in model target; do h admit $k --template >good/admissions/$k.json; done
v() { h workspace validate "$@"; }

before=$(fingerprint good)
v good >out 2>err || fail "the good workspace: $(cat out err)"
check "what it says: $(cat out)" grep -q '^ok: 11 files, 0 errors$' out
v good --json >out || fail "the good workspace, as JSON"
jq -e '.ok and (.errors == []) and (.checked | length == 11) and (.checked | index("WORKBOARD.yaml")) and .runtime_default_activation == false' out >/dev/null ||
    fail "the answer: $(cat out)"
check "something was written there" [ "$before" = "$(fingerprint good)" ]
check "a look made a home" [ ! -e home ]

# broken RULE FILE LINE COMMAND: in a copy; the only errors are of that rule (or of those in $also), one is of that file and line.
also=
broken() {
    rm -rf bad && cp -a good bad
    (cd bad && eval "$4") || fail "cannot break: $4"
    v bad --json >out 2>err
    local code=$?
    checks=$((checks + 1))
    [ $code -eq 1 ] || fail "exit $code after: $4: $(cat err)"
    jq -e --arg r "$1" --arg f "$2" --argjson l "$3" '(.ok | not) and any(.errors[]; .rule == $r and .file == $f and .line == $l)' out >/dev/null ||
        fail "no $1 at $2:$3 after: $4: $(jq -c '.errors' out)"
    jq -e --arg r "$1 $also" '($r | split(" ")) as $r | all(.errors[]; .rule as $x | $r | index($x))' out >/dev/null ||
        fail "more than $1 after: $4: $(jq -c '.errors' out)"
}
broken front-matter prd/one.md 1 'sed -i 1d prd/one.md'
for key in name status owner created last_reviewed lifecycle_classification core_promotion_status; do
    broken front-matter prd/one.md 2 "sed -i /^$key:/d prd/one.md"
done
broken front-matter prd/one.md 8 'sed -i "s/^core_promotion_status:.*/core_promotion_status: pending/" prd/one.md'
also=forbidden-claim broken front-matter prd/one.md 8 'sed -i "s/^core_promotion_status:.*/core_promotion_status: promoted/" prd/one.md'
also=forbidden-claim broken front-matter prd/one.md 3 'sed -i "2a runtime_default_activation: true" prd/one.md'
broken front-matter prd/one.md 5 'sed -i "s/^created:.*/created: soon/" prd/one.md'
broken front-matter prd/one.md 2 'sed -i "s/^created:.*/created: 2026-11-30/" prd/one.md'
broken front-matter prd/one.md 3 'sed -i "3s/.*/status: *x/" prd/one.md'
broken front-matter prd/one.md 3 'sed -i "3s/.*/name: again/" prd/one.md'
broken sot-line prd/one.md 10 'sed -i /^Local/d prd/one.md'
broken sot-line prd/one.md 10 'sed -i "s/^Local planning SOT only/Local planning only/" prd/one.md'
for word in 'No Core' 'Runtime default' 'Do not activate'; do broken closing-guards evidence/one.md 10 "sed -i '/^$word/d' evidence/one.md"; done
broken closing-guards prd/one.md 10 'sed -i "s/^status:.*/status: closed/" prd/one.md'
broken closing-guards notes/my-closeout.md 10 'cp prd/one.md notes/my-closeout.md'
broken issue-type issues/two.md 10 'sed -i "s/HITL/LATER/" issues/two.md'
broken issue-type issues/two.md 10 'sed -i /Type/d issues/two.md'
broken context-terms CONTEXT.md 10 'sed -i /Hermes/d CONTEXT.md'
broken context-terms CONTEXT.md 14 'sed -i "/CTO/a **Cortex**: again." CONTEXT.md; sed -i "13a **cortex**: once more." CONTEXT.md'
broken context-terms CONTEXT.md 13 'sed -i "s/^\*\*Cortex.*/**Cortex**:/" CONTEXT.md'
also=reference broken context-terms CONTEXT.md 0 'rm CONTEXT.md'
also=triple broken workboard WORKBOARD.yaml 0 'rm WORKBOARD.yaml'
also=triple broken workboard WORKBOARD.yaml 2 'sed -i "2s/.*/  - \&x id: PLAN-1/" WORKBOARD.yaml'
also=triple broken workboard WORKBOARD.yaml 1 'echo "just: words" >WORKBOARD.yaml'
broken workboard WORKBOARD.yaml 15 'sed -i /third/d WORKBOARD.yaml'
also="workboard-order workboard-status" broken workboard WORKBOARD.yaml 15 'sed -i "s/- id: PLAN-3/- ident: PLAN-3/" WORKBOARD.yaml'
also="workboard-order workboard-status" broken workboard-id WORKBOARD.yaml 15 'sed -i "s/id: PLAN-3/id: PLAN-1/" WORKBOARD.yaml'
broken workboard-status WORKBOARD.yaml 15 'sed -i "s/status: draft/status: done/" WORKBOARD.yaml'
broken workboard-status WORKBOARD.yaml 9 'sed -i "s/PLAN-1, PLAN-3/PLAN-1/" WORKBOARD.yaml'
also=triple broken workboard-status WORKBOARD.yaml 12 'sed -i "s/status: blocked/status: validated/" WORKBOARD.yaml'
broken workboard-order WORKBOARD.yaml 12 'sed -i "s/PLAN-1, PLAN-3/PLAN-3, PLAN-9/" WORKBOARD.yaml'
broken workboard-order WORKBOARD.yaml 18 'sed -i "s/blocked_by: PLAN-1/blocked_by: PLAN-2/" WORKBOARD.yaml'
broken workboard-order WORKBOARD.yaml 18 'sed -i "s/blocked_by: PLAN-1/blocked_by: PLAN-3/" WORKBOARD.yaml'
broken triple WORKBOARD.yaml 2 'sed -i "/^    evidence/d" WORKBOARD.yaml'
broken triple WORKBOARD.yaml 9 'sed -i "13d" WORKBOARD.yaml'
broken triple prd/three.md 0 'cp prd/one.md prd/three.md'
broken triple issues/three.md 0 'cp issues/one.md issues/three.md'
broken triple evidence/three.md 0 'cp evidence/one.md evidence/three.md'
broken reference WORKBOARD.yaml 8 'sed -i "s|evidence/one.md|evidence/none.md|" WORKBOARD.yaml; rm evidence/one.md'
broken reference WORKBOARD.yaml 6 'sed -i "s|prd: prd/one.md|prd: ../prd/one.md|" WORKBOARD.yaml; mv prd/one.md notes/'
broken reference prd/one.md 13 'sed -i "s|../issues/one.md|../issues/none.md|" prd/one.md'
broken reference prd/one.md 13 'sed -i "s|../issues/one.md|../../outside.md|" prd/one.md'
broken reference prd/one.md 13 'sed -i "s|../issues/one.md|/etc/passwd|" prd/one.md'
also=readable broken reference prd/one.md 13 'ln -s /etc notes/etc; sed -i "s|../issues/one.md|../notes/etc/passwd|" prd/one.md'
broken admission admissions/target.json 2 'sed -i "2s/not_admitted/perhaps/" admissions/target.json'
broken admission admissions/target.json 3 'sed -i "2a \"surprise\": 1," admissions/target.json'
broken admission notes/my-admission.json 1 'echo "no JSON" >notes/my-admission.json'
broken forbidden-claim prd/one.md 14 'echo "Case is the default backend." >>prd/one.md'
broken forbidden-claim prd/one.md 14 'echo "The harness was promoted." >>prd/one.md'
broken forbidden-claim notes/plain.txt 2 'echo "Case is now activated" >>notes/plain.txt'
broken forbidden-claim WORKBOARD.yaml 10 'sed -i "10s/second/promoted one/" WORKBOARD.yaml'
broken secret-shape prd/one.md 14 'echo "the key is \`sk-0123456789abcdef0123456789\`" >>prd/one.md'
grep -rq sk-0123 out && fail "the secret is repeated"
also=admission broken secret-shape admissions/model.json 2 'sed -i "1a \"token\": \"ghp_0123456789abcdef0123\"," admissions/model.json'
broken readable notes/link.md 0 'ln -s ../prd/one.md notes/link.md'
broken readable notes/pipe.md 0 'mkfifo notes/pipe.md'
broken readable notes/big.md 0 'head -c 1100000 /dev/zero | tr "\0" x >notes/big.md'
broken readable notes/odd.md 0 'printf "\377\376" >notes/odd.md'
broken readable "$(printf 'd/%.0s' {1..16})d" 0 "mkdir -p $(printf 'd/%.0s' {1..18})"

# --- said to a person, and what is wrong with the question
rm -rf bad && cp -a good bad && echo "It was promoted." >>bad/prd/one.md
v bad >out
check "exit 1 for a person" [ $? -eq 1 ]
check "one line for each: $(cat out)" grep -q '^prd/one.md:14: forbidden-claim: ' out
mkdir "bad/$(printf 'a\033[31mb')" && ln -s x "bad/$(printf 'a\033[31mb')/c"
v bad >out
grep -q "$(printf '\033')" out && fail "an escape sequence of a name is printed"
refused 'say validate' 2 h workspace
refused 'say validate' 2 h workspace lint good
refused 'one DIR' 2 h workspace validate
refused 'one DIR' 2 h workspace validate good good
refused 'no-such' 2 h workspace validate no-such
refused 'WORKBOARD' 2 h workspace validate good/WORKBOARD.yaml
mkdir empty && v empty --json >out
check "an empty directory" [ "$(jq -c '[.errors[].rule]' out)" = '["workboard","context-terms"]' ]

# --- what reads the YAML
python3 - "$BIN/cto-harness-yaml" >out <<'PY' || fail "no confinement: $(cat out)"
import subprocess, sys, time
p = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
try:
    for _ in range(200): # it confines itself before it reads
        status = dict(l.split(":", 1) for l in open(f"/proc/{p.pid}/status").read().splitlines() if ":" in l)
        if status["Seccomp"].strip() == "2": break
        time.sleep(0.05)
    print({k: status[k].strip() for k in ("Seccomp", "NoNewPrivs", "CapEff")})
    # CAP_DAC_OVERRIDE may stay with root: Landlock leaves it no path to use it on
    sys.exit(0 if status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1" and int(status["CapEff"], 16) in (0, 2) else 1)
finally:
    p.stdin.close()
    p.wait(20)
PY
python3 -c 'print("a: [" + "*x, " * 200000 + "]")' >bomb
"$BIN/cto-harness-yaml" <bomb >out
check "aliases" [ $? -eq 1 ]
check "how long its answer is" [ "$(wc -c <out)" -lt 300 ]
python3 -c 'import sys; sys.stdout.write("[" * 100000)' | "$BIN/cto-harness-yaml" >out
check "depth" [ $? -eq 1 ]

# A helper that does not answer as it should: of this build by its mark, else it would not be started. No answer, no verdict.
mkdir bin
cp "$BIN"/cto-harness* bin/ 
build=$(h --version | sed -n 's/^build //p')
helper() {
    rm -f bin/cto-harness-yaml
    printf '#!/bin/sh\n# CTO-BUILD-ID:%s\n%s\n' "$build" "$1" >bin/cto-harness-yaml
    chmod 755 bin/cto-harness-yaml
}
vb() { bin/cto-harness --home "$W/home" --cases "$SRC/cases" workspace validate good --json; }
for answer in 'echo nothing' 'echo "{\"document\": 7}"' 'echo "{\"document\": {\"line\": 1, \"text\": 7}}"' 'exit 0' 'exit 1' 'exit 7' 'kill -9 $$' \
    'head -c 20000000 /dev/zero' 'echo "{}"; exit 1' 'yes'; do
    helper "$answer"
    refused 'yaml' 4 vb
done
helper 'exec sleep 60'
began=$SECONDS
refused 'no answer in time' 4 vb
check "the deadline: $((SECONDS - began)) s" [ $((SECONDS - began)) -le 15 ]
helper 'exec >&-; exec sleep 60'
refused 'did not end in time|yaml' 4 vb
printf '#!/bin/sh\n' >bin/cto-harness-yaml
refused 'not a program of this project' 2 vb
rm bin/cto-harness-yaml
refused 'cto-harness-yaml' 2 vb
e2e_end
