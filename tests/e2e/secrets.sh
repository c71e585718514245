#!/usr/bin/env bash
# ctest: timeout=240
# What the harness is given as endpoint and key is in no byte of what it keeps: an agent that has got hold of both says them in every
# spelling, in pieces, wherever it can. In logs they are replaced and the run is marked; in a committed result, be it in a text, a binary
# file or a name, the run has leaked them: it fails, and its patch is withheld. Neither loses a byte to a kill in the middle.
. "$2/tests/lib/e2e.bash"
for v in $(env | sed -n 's/^\(CTO_HARNESS_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done

edit() { jq "$2" "$1" >"$1.new" && mv "$1.new" "$1"; }
tools=$(mktemp -d /opt/cto-secrets.XXXXXX 2>/dev/null) || tools=$(mktemp -d "$W/tools.XXXXXX")
# shellcheck disable=SC2064 # now
trap "rm -rf '$tools'; e2e_clean" EXIT
chmod 755 "$tools"
URL=http://box-one.invalid:8123/v1
HOST=box-one.invalid:8123
KEY='k3y-Zq8/w4+1x9v7~Q'
cp "$SRC/tests/lib/spellings.py" "$tools/"
mkdir cases
cp -r "$SRC/cases/docs-typo" cases/words
edit cases/words/case.json '.id = "words" | .backends = ["fake", "exec"] | .allowed_writes = ["GUIDE.md", "new/"] | del(.no_test_rationale)
    | .verification = [{"argv": ["sh", "-c", "[ ! -e new/told ] || rev new/told"], "timeout_s": 20}]'
he() { "$HARNESS" --home "$W/home" --cases "$W/cases" "$@"; }
dir() { jq -r .artifacts_dir report.json; }
reasons() { jq -r '.blocker_reasons | join(" ")' report.json; }
nowhere() { # AFTER WHAT
    local found
    checks=$((checks + 1))
    found=$(python3 "$tools/spellings.py" find "$W/home" "$URL" "$HOST" "$KEY") || fail "$1: $found"
}
# The agent: what it does beside its work stands in $tools/work.
cat >"$tools/agent.sh" <<'SH'
set -e
cd "$2"
sed -i 's/recieve/receive/' GUIDE.md
mkdir new
. "$3"
git add -A . && git commit -qm "Mend the words"
SH
jq -n --arg t "$tools" --arg u "$URL" '{name: "my-agent", command: ["/bin/sh", ($t + "/agent.sh"), "{task}", "{workspace}", ($t + "/work"), $u],
    read_roots: [$t]}' >engine.json
h validate stage1 --engine exec --quiet >/dev/null || fail "validate stage1"
export CTO_HARNESS_ALLOW_EXEC=1 CTO_HARNESS_EXEC_STAGE=2 CTO_HARNESS_EXEC_ENGINE_FILE=$W/engine.json
export CTO_HARNESS_EXEC_LOCAL_BASE_URL=$URL CTO_HARNESS_EXEC_LOCAL_API_KEY=$KEY
run() { # WORK
    printf '%s\n' "$1" >"$tools/work"
    he run-case words --engine exec --json >report.json 2>err
}
leaked() { # WHAT
    check "$1: $(reasons)" grep -q secret_leak_detected <<<"$(reasons)"
    check "$1: status $(jq -r .status report.json)" [ "$(jq -r .status report.json)" = fail ]
    check "$1: the patch is there" [ "$(cat "$(dir)/patch.diff" | wc -l)" = 1 ]
    check "$1: $(cat "$(dir)/patch.diff")" grep -q '^patch.diff is withheld' "$(dir)/patch.diff"
    check "$1: report.md says nothing" grep -q 'is withheld' "$(dir)/report.md"
    nowhere "$1"
    he verify "$(jq -r .run_id report.json)" >/dev/null || fail "$1: the evidence does not verify"
}

# --- said in logs, in every spelling, byte by byte
run "python3 $tools/spellings.py say 1 '$URL' '$HOST' '$KEY'; python3 $tools/spellings.py say 2 '$KEY' '$URL'; printf '%s' '$KEY' | rev >new/told"
check "it did not pass: $(jq -c .blockers report.json; head -c 300 err)" [ "$(jq -r .status report.json)" = pass ]
check "not marked" [ "$(jq -r .secret_redacted report.json)" = true ]
jq -e '[.secret_redactions[] | select(.name == "LOCAL_API_KEY" and .where == "backend/stdout.log")][0].count >= 18' report.json >/dev/null ||
    fail "counts: $(jq -c .secret_redactions report.json)"
for w in backend/stdout.log backend/stderr.log test.log; do
    check "$w has no mark" grep -q '\[redacted:LOCAL_API_KEY\]' "$(dir)/$w"
done
check "report.md" grep -q '## Secrets' "$(dir)/report.md"
check "the report's schema" jq -e '.secret_findings == []' report.json
nowhere "said in logs"
he verify "$(jq -r .run_id report.json)" >/dev/null || fail "the evidence does not verify"

# --- in the committed result
run "printf 'base_url = \"%s\"\n' '$URL' >new/settings.toml"
leaked "a text file"
run "printf '%s\n' '$KEY' | base64 >new/blob.txt"
leaked "a text in base64"
run "{ head -c 3000 /dev/urandom; printf '%s' '$KEY'; head -c 100 /dev/zero; } >new/data.bin"
leaked "a binary file, which the patch has compressed"
run ": >'new/$HOST'"
leaked "the name of a file"
check "the name in the report: $(jq -c .changed_files report.json)" grep -q 'new/\[redacted:LOCAL_BASE_URL\]' report.json
run "ln -s '$URL' new/link"
leaked "where a link leads"

# --- left behind, uncommitted
run "git add -A . && git commit -qm 'Mend the words'; : >'new/$HOST'; exit 0"
check "left behind: $(reasons)" [ "$(reasons)" = dirty_ending_tree ]
check "left behind is no leak: $(jq -c .dirty_paths report.json)" grep -q '\[redacted:LOCAL_BASE_URL\]' <<<"$(jq -c .dirty_paths report.json)"
nowhere "left behind"

# --- shapes of credentials are told, and that is all
run "echo 'sk-abcdefghijklmnopqrstuvwxyz012345'; printf -- '-----BEGIN RSA PRIVATE KEY-----\nMII\n'"
check "shapes: $(jq -c .blockers report.json)" [ "$(jq -r .status report.json)" = pass ]
check "shapes: $(jq -c .secret_findings report.json)" [ "$(jq -c '[.secret_findings[].shape]' report.json)" = '["private_key_block","openai_or_anthropic_key"]' ]

# --- the supervisor dies while they are said
printf '%s\n' "while :; do printf 'x%s' '$KEY'; printf '%s' '$URL' >&2; done" >"$tools/work"
"$HARNESS" --home "$W/home" --cases "$W/cases" run-case words --engine exec --json >report.json 2>err &
victim=$!
for _ in $(seq 200); do
    last=$(run_dirs | tail -1)
    [ -s "$last/backend/stdout.log" ] && [ -s "$last/backend/stderr.log" ] && ! [ -e "$last/SHA256SUMS" ] && break
    sleep 0.05
done
kill -9 $victim
wait $victim 2>/dev/null
nowhere "a kill"
he store check >/dev/null 2>&1
he run-case words --engine fake --json >report.json 2>err || fail "the next command: $(head -c 300 err)"
check "what was killed is not sealed" [ -s "$last/SHA256SUMS" ]
check "counts that nobody has: $(jq -c .secret_redacted "$last/report.json")" [ "$(jq -r .secret_redacted "$last/report.json")" = null ]
nowhere "recovery"

# --- what cannot be searched for is refused, and not repeated
bad() { # WORD
    he eligibility words --engine exec --json >decision.json
    [ $? -eq 3 ] || fail "$1: eligible"
    check "$1: $(jq -c .reasons decision.json)" grep -q "$1" <(jq -r '.reasons[]' decision.json)
    run :
    check "$1: $(reasons)" [ "$(reasons)" = provider_local_config_unavailable ]
}
CTO_HARNESS_EXEC_LOCAL_API_KEY=EMPTY bad 'placeholder EMPTY'
CTO_HARNESS_EXEC_LOCAL_API_KEY=abc1234 bad 'has 7 bytes'
grep -rq abc1234 report.json decision.json && fail "a refused value is repeated"
CTO_HARNESS_EXEC_LOCAL_BASE_URL=http://q:1/v1 bad 'host and port'
CTO_HARNESS_EXEC_LOCAL_API_KEY='two words and more' bad 'byte 4 of 18 is a space, which no address and no key has'
sound
e2e_end
