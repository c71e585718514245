#!/usr/bin/env bash
# ctest: timeout=300
# A backend of one's own with a model: what it reaches and what not, budgets, the circuit breaker, slots that two runs share, endpoints
# that are wrong in every way, gateways and supervisors that are killed; and no byte of endpoint or key in what is left, or in any
# process but the operator's own. The agent is a script; what it does in a run is the test's $tools/plan.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/model.bash"

tools=$(mktemp -d /opt/cto-lane.XXXXXX 2>/dev/null) || tools=$(mktemp -d "$W/tools.XXXXXX") # no part of somebody's home
# shellcheck disable=SC2064 # now
trap "model_end_all; rm -rf '$tools'; e2e_clean" EXIT
chmod 755 "$tools"
cat >"$tools/agent.py" <<'PY'
import json, os, socket, subprocess, sys, threading, time, urllib.error, urllib.parse, urllib.request
BASE, MODEL, PLAN = sys.argv[1:]
PORT = urllib.parse.urlsplit(BASE).port

def http(method, path, body=None, key="dummy", base=BASE):
    r = urllib.request.Request(base + path, json.dumps(body).encode() if body is not None else None, method=method,
                               headers={"Content-Type": "application/json", "Authorization": "Bearer " + key})
    try:
        with urllib.request.urlopen(r, timeout=60) as a:
            return a.status, a.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except OSError as e:
        return 0, str(e)

def chat(model=MODEL, **more):
    return http("POST", "/chat/completions", {"model": model, "messages": [{"role": "user", "content": "hello"}], **more})

def connects(host, port):
    try:
        socket.create_connection((host, port), 2).close()
        return True
    except OSError:
        return False

def say(*words):
    print(*words, flush=True)

def commit():
    text = open("strings.py").read()
    open("strings.py", "w").write(text.replace('text.replace(" ", "-")', '"-".join(text.lower().split())'))
    subprocess.run(["git", "commit", "-qam", "Mend"], check=True)

exec(open(PLAN).read())
PY
chmod 644 "$tools/agent.py"
jq -n --arg t "$tools" '{name: "lane", command: ["/usr/bin/python3", ($t + "/agent.py"), "{base_url}", "{model}", ($t + "/plan")],
    read_roots: [$t], uses_model: true, api: "chat", end_of_life: "exit"}' >engine.json
export CTO_HARNESS_EXEC_ENGINE_FILE=$W/engine.json
model_case
edit cases/model-task/case.json '.verification = [{"argv": ["grep", "-q", "lower", "strings.py"], "timeout_s": 20}] | .timeouts = {"backend_s": 60}'
case_of() { # NAME JQ
    [ -d "$W/cases/$1" ] || cp -r "$W/cases/model-task" "$W/cases/$1"
    jq --arg n "$1" ".id = \$n | $2" "$W/cases/model-task/case.json" >"$W/cases/$1/case.json"
}
plan() { cat >"$tools/plan" && chmod 644 "$tools/plan"; }
lane() { run_model exec "${1:-model-task}" "${@:2}"; }
out() { cat "$(jq -r .artifacts_dir "$W/report.json")/backend/stdout.log"; }
said() { check "$1: $(out | head -c 900)" grep -qxF -- "$1" <(out); }
# ended STATUS REASONS: of the last run; "-" is none
ended() {
    check "want $1 $2: $(jq -c '[.status, .blockers]' report.json) $(head -c 300 err)" \
        [ "$(jq -r .status report.json) $(reasons)" = "$1 ${2#-}" ]
}
requests() { jq -s '[.[] | select(.event == "request")] | length' "$1.log"; }
endpoint() { python3 - "$W/home/cto.db"; } # a program on stdin, with the store's endpoints
forget_endpoints() { python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute("DELETE FROM endpoints"); d.commit()' "$W/home/cto.db"; }
at_home() { # processes that see this home: by a mount, as each in a jail does, or an open file
    grep -l -- "$W/home" /proc/[0-9]*/mountinfo 2>/dev/null
    find /proc/[0-9]*/fd -lname "$W/home/*" 2>/dev/null
}
survivors() {
    local left i
    for ((i = 0; i < 40; i++)); do # who is killed needs a moment to be gone
        left=$(at_home)
        [ -n "$left" ] || break
        sleep 0.05
    done
    check "$1: left: $(head -3 <<<"$left")" [ -z "$left" ]
}
below() { # PID: all processes below it
    local p
    for p in $(pgrep -P "$1"); do echo "$p" && below "$p"; done
}
model_start m
mode m fix
model_records exec
good=$CTO_HARNESS_EXEC_LOCAL_BASE_URL

# --- what it reaches ---------------------------------------------------------------------------------------------------------------
plan <<PY
say("models", http("GET", "/models")[1].count('"id"'), MODEL in http("GET", "/models")[1])
say("chat", chat()[0], "responses", http("POST", "/responses", {"model": MODEL, "input": "hello"})[0])
say("streamed", "[DONE]" in chat(stream=True)[1])
say("another path", http("GET", "/../admin")[0], http("POST", "/embeddings", {"model": MODEL})[0], http("GET", "/files")[0])
say("another key", chat()[0] == http("POST", "/chat/completions", {"model": MODEL, "messages": []}, key="sk-mine")[0])
# 127.0.0.1 is the jail's own; the model box is not on it, nor anything of the host's.
say("the model's own port", connects("127.0.0.1", $model_port), connects("localhost", $model_port), connects("::1", $model_port))
say("other ports", [p for p in list(range(1, 4000)) + list(range(8000, 9000)) if p != PORT and connects("127.0.0.1", p)])
say("the host", [h for h in "$(hostname -I 2>/dev/null | tr '\n' ' ') 192.0.2.1 10.0.0.1".split() if connects(h, $model_port)])
say("the dummy key elsewhere", http("POST", "/chat/completions", {"model": MODEL, "messages": []}, base="http://127.0.0.1:$model_port/v1")[0])
say("a name", http("GET", "/", base="http://example.com")[0])
say("proxies", sorted(k for k in os.environ if k.lower().endswith("_proxy")))
statuses = []
threads = [threading.Thread(target=lambda: statuses.append(chat()[0])) for _ in range(100)]
[t.start() for t in threads]
[t.join() for t in threads]
say("a hundred at once", len(statuses), set(statuses))
commit()
PY
http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9 lane || fail "the lane: $(jq -c .blockers report.json) $(out)"
ended pass -
said 'models 1 True'
said 'chat 200 responses 200'
said 'streamed True'
said 'another path 404 404 404'
said 'another key True'
said "the model's own port False False False"
said 'other ports []'
said 'the host []'
said 'the dummy key elsewhere 0'
said 'a name 0'
said 'proxies []'
said 'a hundred at once 100 {200}'
check "only the admitted model answered: $(jq -c .models_observed report.json)" [ "$(jq -c '[.models_observed[].model]' report.json)" = "[\"$MODEL\"]" ]
check "a redacted value in what the agent said: it saw one" [ -z "$(out | grep -F '[redacted')" ]
check "the dummy key came to the model, or not all had the real one" \
    [ "$(jq -r 'select(.event == "request") | .headers[] | select(.[0] | ascii_downcase == "authorization") | .[1]' m.log | sort -u)" = "Bearer $MODEL_KEY" ]
survivors "the lane"

plan <<<'say(chat("gpt-5.5")[0]); say("fallback" in chat("gpt-5.5")[1]); commit()'
before=$(requests m)
lane
ended blocked model_mismatch
said 403
check "another model was asked for upstream" [ "$(requests m)" -eq $((before + 1)) ] # the probe
check "its marker" [ -s "$(jq -r .artifacts_dir report.json)/backend/provider-model-not-admitted.txt" ]

# --- budgets -----------------------------------------------------------------------------------------------------------------------
plan <<<'a = [chat() for _ in range(4)]; say([s for s, _ in a]); say(a[-1][1]); commit()'
case_of few '.limits.model_requests = 2'
lane few
ended fail resource_limit_exceeded
check "the third request: $(out)" grep -qx '\[200, 200, 429, 429\]' <(out)
check "no clear word: $(out)" grep -q 'budget' <(out)
jq -e '.model_use.budget_used_up | startswith("requests: limit 2")' report.json >/dev/null || fail "$(jq -c .model_use report.json)"
for limit in model_tokens_in model_tokens_out; do
    case_of tokens ".limits.$limit = 1"
    lane tokens
    ended fail resource_limit_exceeded
    check "$limit: $(out)" grep -qx '\[200, 429, 429, 429\]' <(out)
done
case_of tokens '.limits.model_bytes = 600'
lane tokens
ended fail resource_limit_exceeded

# --- recordings: what cannot be is refused before anything starts ------------------------------------------------------------------
plan <<<'say(chat()[0]); commit()'
lane model-task --record "$W/cassette.jsonl"
ended pass -
runs=$(run_dirs | wc -l)
r() { hm run-case model-task --engine exec "$@"; }
refused 'it is there already' 2 r --record cassette.jsonl
refused 'No such file or directory' 2 r --record nowhere/x.jsonl
refused 'no name of a file' 2 r --record ''
refused 'No such file or directory' 2 r --replay nowhere.jsonl
refused 'is no recording' 2 r --replay engine.json
refused 'not a regular file' 2 r --replay /dev/null
refused 'not a regular file' 2 r --replay cases
sed '1s/"model":"[^"]*"/"model":"other-7b"/' cassette.jsonl >other.jsonl
refused 'other.jsonl is of the model other-7b, and this run.s is '"$MODEL" 2 r --replay other.jsonl
refused '--record and --replay' 2 r --record new.jsonl --replay cassette.jsonl
refused '--replay.*twice|more than once|once' 2 r --replay cassette.jsonl --replay cassette.jsonl
refused 'fake backend uses no model' 2 hm run-case model-task --record new.jsonl
refused 'fake backend uses no model' 2 hm run-case model-task --replay cassette.jsonl
jq 'del(.uses_model, .api) | .command = ["/bin/true"]' engine.json >plain.json
CTO_HARNESS_EXEC_ENGINE_FILE=$W/plain.json refused 'engine file uses no model' 2 r --replay cassette.jsonl
check "something was started for them" [ "$(run_dirs | wc -l)" -eq "$runs" ]
check "a file was made for them" [ ! -e new.jsonl ]
lane model-task --replay "$W/cassette.jsonl"
ended pass -
check "it is told how to do it again with a model" grep -q -e '--engine exec --replay RECORDING$' "$(jq -r .artifacts_dir report.json)/report.md"
plan <<<'say(chat()[0]); say(chat()[0])'
lane model-task --replay "$W/cassette.jsonl"
ended blocked provider_unavailable
check "$(jq -c .blockers report.json)" grep -q 'no answer to 1 of the requests of this run' report.json

# --- on a terminal a run is seen while it goes on, from the question to its model on; elsewhere it says nothing until it is over -----
plan <<<'time.sleep(1); say(chat()[0]); commit()'
mode m slow
SCREEN_SENTENCES="report: " python3 "$SRC/tests/lib/screen.py" 80 "$HARNESS" --home "$W/home" --cases "$W/cases" run-case model-task --engine exec >screen || fail "on a terminal: $(tail -5 screen)"
check "asking: $(cat screen)" grep -qE '^  model-task +asking +[1-9][0-9.]* s$' screen
check "at work: $(cat screen)" grep -qE '^  model-task +engine +[1-9][0-9.]* s$' screen
check "its end: $(tail -3 screen)" grep -q '^pass  ' screen
mode m fix
plan <<<'say(chat()[0]); commit()'
lane
ended pass -
check "without a terminal: $(cat err)" [ ! -s err ]

# --- the breaker: three failures open it, and it lets one through when its time has come ------------------------------------------
mode m 500
for _ in 1 2 3; do
    lane
    ended blocked provider_unavailable
done
before=$(requests m)
lane
ended blocked provider_unavailable
check "why: $(jq -c .blockers report.json)" grep -q 'circuit breaker' report.json
check "an open breaker asked" [ "$(requests m)" -eq "$before" ]
due() { endpoint <<<'import sqlite3, sys, time
d = sqlite3.connect(sys.argv[1]); d.execute("UPDATE endpoints SET retry_at = ?", (int(time.time() * 1000) - 1,)); d.commit()'; }
due
lane
check "the one that may ask did not" [ "$(requests m)" -eq $((before + 1)) ]
endpoint <<<'import sqlite3, sys, time
failures, retry = sqlite3.connect(sys.argv[1]).execute("SELECT failures, retry_at FROM endpoints").fetchone()
left = retry / 1000 - time.time()
sys.exit(None if failures == 4 and 40 < left <= 61 else f"{failures} failures, again in {left} s")' || fail "the pause is not doubled"
due
mode m hang
case_of short '.timeouts = {"backend_s": 4}'
hm run-case short --engine exec --json >asks.json 2>/dev/null &
asks=$!
for ((i = 0; i < 200 && $(requests m) == before + 1; i++)); do sleep 0.05; done
lane # while the other one asks
ended blocked provider_unavailable
check "two asked at once" [ "$(requests m)" -eq $((before + 2)) ]
wait $asks
check "a probe that hangs: $(jq -c .blocker_reasons asks.json)" [ "$(jq -r '.blocker_reasons[0]' asks.json)" = provider_unavailable ]
due
mode m fix
lane
ended pass -
lane
ended pass -

# --- one slot, two runs: the model box never has two requests of theirs at once ------------------------------------------------------
plan <<<'say([chat(stream=True)[0] for _ in range(3)]); commit()'
model_stop m
model_start slow --delay 0.3
mode slow slow
export CTO_HARNESS_EXEC_LOCAL_BASE_URL=http://127.0.0.1:$model_port/v1 CTO_HARNESS_EXEC_LOCAL_IN_FLIGHT=1
hm run-case model-task --engine exec --json >one.json 2>one.err &
one=$!
lane || fail "the second of two: $(jq -c .blockers report.json)"
wait $one || fail "the first of two: $(jq -c .blockers one.json)"
python3 - slow.log <<'PY' || fail "two at once in one slot"
import json, sys
at, open_, most, seen = {}, 0, 0, 0
for line in open(sys.argv[1]):
    e = json.loads(line)
    if e["event"] == "request" and e["stream"]:
        at[e["n"]] = 1
        open_, seen = open_ + 1, seen + 1
        most = max(most, open_)
    elif e["event"] == "answer" and at.pop(e["n"], None):
        open_ -= 1
sys.exit(0 if most == 1 and seen == 6 else f"{most} at once, {seen} in all")
PY
unset CTO_HARNESS_EXEC_LOCAL_IN_FLIGHT
model_stop slow

# --- endpoints that are wrong ------------------------------------------------------------------------------------------------------
plan <<<'say(chat()[0]); commit()'
# wrong URL REASON MARKER [WORD]
wrong() {
    export CTO_HARNESS_EXEC_LOCAL_BASE_URL=$1
    lane
    ended blocked "$2"
    check "$1: marker $3" [ -s "$(jq -r .artifacts_dir report.json)/backend/$3" ]
    check "$1: case_process_started" [ "$(jq .case_process_started report.json)" = false ]
    check "$1: not said: $(jq -c .blockers report.json)" grep -qE -- "${4:-.}" report.json
    check "$1: repeated" [ -z "$(grep -rlF -- "${1#*://}" "$(jq -r .artifacts_dir report.json)" err)" ]
    forget_endpoints
}
config='provider_local_config_unavailable provider-local-config-unavailable.txt'
down='provider_unavailable provider-unavailable.txt'
# shellcheck disable=SC2086 # two words
{
    wrong 'no-url-at-all-but-words' $config LOCAL_BASE_URL
    wrong 'ftp://box.invalid:8000/v1' $config LOCAL_BASE_URL
    wrong 'http://somebody:hunter2hunter2@127.0.0.1:8000/v1' $config LOCAL_BASE_URL
    wrong 'http://127.0.0.1:70000/v1' $config LOCAL_BASE_URL
    wrong 'http://127.0.0.1:1001/v1' $down unreachable
    wrong 'http://[::1]:1/v1' $config 'too few'
    wrong 'http://[::1]:1001/v1' $down unreachable
    wrong 'http://no-such-box.invalid:8000/v1' $down resolved
    model_start plain
    mode plain fix
    wrong "https://127.0.0.1:$model_port/v1" $down tls_failed
    mode plain "redirect:http://127.0.0.1:$model_port/v1/elsewhere"
    wrong "http://127.0.0.1:$model_port/v1" $down redirected
    check "the redirect was followed" [ "$(jq -r 'select(.event == "request") | .path' plain.log | sort -u)" = /v1/chat/completions ]
    mode plain fix
    good=http://127.0.0.1:$model_port/v1
    openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 2 -subj /CN=box -addext 'subjectAltName=IP:127.0.0.1' 2>/dev/null
    model_start tls --tls "$W/tls.crt" "$W/tls.key"
    mode tls fix
    wrong "https://127.0.0.1:$model_port/v1" $down tls_failed
}
export CTO_HARNESS_EXEC_LOCAL_CA_FILE=$W/tls.crt
lane || fail "TLS with its own certificate: $(jq -c .blockers report.json)"
unset CTO_HARNESS_EXEC_LOCAL_CA_FILE
model_stop tls
if [ -e /proc/sys/net/ipv6 ] && model_start six --host ::1 && mode six fix && [ -n "$model_port" ]; then
    CTO_HARNESS_EXEC_LOCAL_BASE_URL="http://[::1]:$model_port/v1" lane || fail "IPv6: $(jq -c .blockers report.json)"
    model_stop six
fi
export CTO_HARNESS_EXEC_LOCAL_BASE_URL=$good
for key in EMPTY short 'two words of a key' $'tab\tin the key'; do
    CTO_HARNESS_EXEC_LOCAL_API_KEY=$key lane
    ended blocked provider_local_config_unavailable
    check "the key's setting is not named: $(jq -c .blockers report.json)" grep -q LOCAL_API_KEY report.json
done
CTO_HARNESS_EXEC_LOCAL_API_KEY=another-key-that-is-long-enough-1 lane
ended blocked provider_auth_unavailable
unset CTO_HARNESS_EXEC_LOCAL_BASE_URL
lane
ended blocked provider_local_config_unavailable
export CTO_HARNESS_EXEC_LOCAL_BASE_URL=$good
forget_endpoints

# --- endpoint and key by another name are no more a backend's ----------------------------------------------------------------------------
for value in "$MODEL_KEY" "with $good in it" "$(printf %s "$MODEL_KEY" | base64 -w0)"; do
    jq '.environment = ["A_NAME_OF_OURS"]' engine.json >named.json
    A_NAME_OF_OURS=$value CTO_HARNESS_EXEC_ENGINE_FILE=$W/named.json lane
    check "handed to a backend: $(jq -c '[.status, .blockers]' report.json)" [ "$(jq -r .status report.json)" = blocked ]
    check "its name is not said: $(jq -c .blockers report.json)" grep -q 'A_NAME_OF_OURS.*; no backend' report.json
done
A_NAME_OF_OURS=harmless CTO_HARNESS_EXEC_ENGINE_FILE=$W/named.json lane || fail "a harmless value: $(jq -c .blockers report.json)"

# --- who asks for a name that is no name -------------------------------------------------------------------------------------------
plan <<<'say(chat("a b")[0]); commit()'
lane
ended blocked model_mismatch
plan <<<'say([http("POST", "/responses", [])[0] for _ in range(1100)][-1]); say(chat("gpt-5")[0]); commit()'
lane
ended blocked model_mismatch
mode plain hang
SECONDS=0
CTO_HARNESS_EXEC_TIMEOUT_SECONDS=2 lane
ended blocked provider_unavailable
check "the probe took $SECONDS s, with 2 s for all" [ $SECONDS -le 20 ]
mode plain fix
forget_endpoints

# --- who is killed -----------------------------------------------------------------------------------------------------------------
plan <<<'say(chat()[0]); say("waiting"); time.sleep(300)'
started() { # in the background as a terminal's foreground job: $pid, at work in the engine ("waiting") or asking ("asking")
    local want=$1 seen i
    seen=$(requests plain)
    env --default-signal=INT,TERM "$HARNESS" --home "$W/home" --cases "$W/cases" run-case model-task --engine exec --json >report.json 2>err </dev/null &
    pid=$!
    for ((i = 0; i < 400; i++)); do
        if [ "$want" = asking ]; then
            [ "$(requests plain)" -gt "$seen" ] && break
        else
            grep -qs waiting "$W"/home/harness-runs/*/backend/stdout.log "$WORKDIRS"/*/*.log && break
            [ "$(requests plain)" -ge $((seen + 2)) ] && break
        fi
        sleep 0.05
    done
    [ $i -lt 400 ] || fail "it did not come to $want: $(cat err)"
    sleep 0.3
}
gone() { # SECONDS: it ends by itself
    local i
    for ((i = 0; i < $1 * 20; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    [ $i -lt $(($1 * 20)) ] || { fail "$2: it did not end within $1 s" && kill -KILL "$pid"; }
    wait "$pid" 2>/dev/null
    code=$?
}

started working
# What any process below the supervisor says of itself, the gateway too: neither endpoint nor key.
n=0
for p in $(below "$pid"); do
    n=$((n + 1))
    for f in cmdline environ; do
        ! tr '\0' '\n' <"/proc/$p/$f" 2>/dev/null | grep -F -e "$MODEL_KEY" -e "${good#http://}" -e "$good" || fail "$f of $(cat "/proc/$p/comm") says it"
    done
done
check "not all processes of a run were looked at: $n" [ "$n" -ge 4 ]
check "no process of a run is found: then none that is left would be" [ "$(at_home | grep -c mountinfo)" -ge 2 ]
check "a process list shows it" [ -z "$(ps -eo args | grep -F -- "$MODEL_KEY" | grep -v -e grep -e scripted-model)" ]
gateway=$(for p in $(below "$pid"); do [ "$(cat "/proc/$p/comm")" = cto-harness-gat ] && echo "$p"; done)
check "one gateway: $gateway" [ "$(wc -w <<<"$gateway")" -eq 1 ]
kill -KILL "$gateway"
gone 15 "its gateway was killed"
ended fail worker_failed
check "why: $(jq -c .blockers report.json)" grep -q 'gateway ended' report.json
survivors "its gateway was killed"

for at in asking working; do
    [ $at = asking ] && mode plain hang
    [ $at = working ] && mode plain fix
    started $at
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null
    survivors "the supervisor was killed while $at"
    mode plain fix
    forget_endpoints
    hm store check >/dev/null || fail "store check after the kill while $at"
    hm run-case model-task --quiet >/dev/null || fail "the next command after the kill while $at"
    sound
done

mode plain hang
started asking
kill -INT "$pid"
gone 10 "Ctrl-C while it asks"
check "Ctrl-C while it asks: exit $code" [ "$code" -eq 130 ]
ended fail supervisor_interrupted
survivors "Ctrl-C while it asks"
mode plain fix
started working
kill -INT "$pid"
gone 15 "Ctrl-C while it works"
check "Ctrl-C while it works: exit $code" [ "$code" -eq 130 ]
survivors "Ctrl-C while it works"
forget_endpoints

# --- no byte of them is left -------------------------------------------------------------------------------------------------------
sound
cat >search.py <<'PY'
"""Every spelling of VALUES in the files below the directories; prints what it finds."""
import base64, json, os, sys, urllib.parse
def spellings(v):
    raw = v.encode()
    yield raw
    yield raw.upper()
    for c in (base64.b64encode, base64.urlsafe_b64encode):
        for lead in range(3):  # all alignments: what does not depend on the neighbours
            text = c(b"\0" * lead + raw)
            yield text[(0, 2, 3)[lead]:len(text) // 4 * 4 - (4 if (lead + len(raw)) % 3 else 0)]
    yield urllib.parse.quote(v, safe="").encode()
    yield urllib.parse.quote(v, safe="").lower().encode()
    yield json.dumps(v).encode()[1:-1]
    yield v.replace("/", "\\/").encode()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield raw.decode().encode("utf-16-le")
values = sys.argv[2].split(" ")
found = files = 0
for where in [sys.argv[1]]:
    for d, _, names in os.walk(where):
        for name in names:
            path = os.path.join(d, name)
            try:
                data = open(path, "rb").read()
            except OSError:
                continue
            files += 1
            for v in values:
                for s in spellings(v):
                    if len(s) >= 8 and s in data:
                        print(path, "has", s[:16])
                        found += 1
print(files, "files", file=sys.stderr)
sys.exit(1 if found else 0)
PY
values="$MODEL_KEY ${good#http://} $good hunter2hunter2 no-such-box.invalid"
check "the search finds nothing where it is" [ "$(mkdir -p seen && printf 'x%s' "$MODEL_KEY" | base64 -w0 >seen/a && python3 search.py seen "$values" 2>/dev/null | wc -l)" -ge 1 ]
python3 search.py home "$values" >found 2>searched || fail "endpoint or key is left: $(head -5 found)"
check "too little was searched: $(cat searched)" [ "$(cut -d' ' -f1 searched)" -ge 200 ]
e2e_end
