"""gateway_cassette.py BINDIR SRCDIR - recording, and playing with no server: what is compared, what is in the file, what is refused."""
import copy
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gwlib import *

SECRET = "another-known-value-42"
REDACT = [{"name": "other", "value": SECRET}]


def conversation(date, cwd, call, commit, user="Fix the tests in the workspace, please."):
    """What an agent asks, in two turns, with all that is another thing each time."""
    tools = [{"type": "function", "function": {"name": n, "parameters": {}}} for n in ("bash", "edit")]
    system = {"role": "system", "content": f"You are an agent. Today is {date}. cwd {cwd}. Session {call}{call}."}
    asked = {"role": "user", "content": [{"type": "text", "text": f"{user}\nWorkspace: {cwd}/repo, started {date}, session 0{call}-4f7a."}]}
    one = {"model": MODEL, "stream": True, "tools": tools, "messages": [system, asked], "user": "id-" + call, "seed": int(call, 16)}
    two = copy.deepcopy(one)
    two["messages"] += [{"role": "assistant", "content": None, "tool_calls": [{"id": "call_" + call, "type": "function", "function": {"name": "bash", "arguments": "{}"}}]},
                        {"role": "tool", "tool_call_id": "call_" + call, "content": f"[main {commit}] done in 0.{call}s at {cwd}"}]
    three = {"model": MODEL, "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"<cwd>{cwd}</cwd> {date} go"}]},
                                       {"type": "function_call", "name": "shell", "call_id": call, "arguments": "{}"},
                                       {"type": "function_call_output", "call_id": call, "output": commit}],
             "instructions": f"at {date}", "stream": True, "tools": [{"type": "function", "name": "shell"}], "prompt_cache_key": call}
    return one, two, three


first = conversation("Saturday, November 28, 2026", "/scratch/run-1a2b", "12ab", "deadbee")
second = conversation("Sunday, December 6, 2026", "/tmp/x/y", "ffee1", "0a1b2c3")
RESPONSES = event({"type": "response.created", "response": {"model": MODEL}}) + event({"type": "response.completed", "response": {"model": MODEL, "usage": {"input_tokens": 2, "output_tokens": 1}}})
texts = {1: chat_event("first \u00e4\u20ac\U0001f600 " + KEY), 2: chat_event("second"), 3: RESPONSES, 4: b'{"error":{"message":"slow down"}}', 5: chat_json(text="plain").encode()}
count = [0]


def answers(conn, head, body):
    count[0] += 1
    n = count[0]
    if n in (1, 2):
        whole = texts[n] + STREAM
        send_stream(conn, *[whole[i:i + 11] for i in range(0, len(whole), 11)])
    elif n == 3:
        send_stream(conn, texts[3])
    elif n == 4:
        conn.sendall(http(429, texts[4]))
    elif n == 5:
        conn.sendall(http(200, texts[5]))
    else:
        return False


up = Answerer(answers)
endpoint = f"http://127.0.0.1:{up.port}/v1"
tape = f"{WORK}/tape.jsonl"
g = Gateway(endpoint, "--record", tape, redact=REDACT)
PLAIN = ask("my secret is " + SECRET + " and \u00fc\u0000"[:-1])


def play(g, talk):
    got = [g.post(talk[0]), g.post(talk[1]), g.post(talk[2], "/v1/responses")]
    return got + [g.post(ask("again")), g.post(PLAIN), g.post(ask("nobody answers"))]


recorded = play(g, first)
check("recorded: statuses", [a.status for a in recorded] == [200, 200, 200, 429, 200, 502], recorded)
check("recorded: redacted", KEY.encode() not in recorded[0].body and b"[redacted:key]" in recorded[0].body, recorded[0])
check("the gateway ends", (g.stop() or {}).get("code") == 0, g.lines)
data = open(tape, "rb").read()
lines = [json.loads(line) for line in data.splitlines()]
check("first line", lines[0]["cassette"] == 1 and lines[0]["model"] == MODEL and set(lines[0]) == {"cassette", "compares", "model", "harness"}, lines[0])
check("six pairs", [p["n"] for p in lines[1:]] == [1, 2, 3, 4, 5, 6], lines)
for p in lines[1:]:
    check(f"keys of {p['n']}", list(p) == ["n", "path", "request_sha256", "request", "status", "content_type", "complete", "chunks"], p)
check("no key, endpoint or known value in it", KEY.encode() not in data and str(up.port).encode() not in data and SECRET.encode() not in data)
check("the answers are in it as the agent got them", ["".join(p["chunks"]).encode() for p in lines[1:]] == [a.body for a in recorded], lines)
check("a stream is in it in its pieces", len(lines[1]["chunks"]) > 10, len(lines[1]["chunks"]))
up.close()

# --- playing: nobody listens at the server
for what, talk in (("the same", first), ("another day, directory, ids and hashes", second)):
    g = Gateway(None, "--replay", tape, redact=REDACT)
    played = play(g, talk)
    check(f"played, {what}: the same answers", [(a.status, a.body) for a in played] == [(a.status, a.body) for a in recorded], played)
    check(f"played, {what}: nothing twice", g.post(talk[0]).status == 409)
    g.stop()
    r = g.of("GW_REQUEST")
    check(f"played, {what}: tokens are counted", r[0]["tokens_in"] == 5 and r[2]["tokens_in"] == 2 and r[4]["tokens_in"] == 11, r)
    check(f"played, {what}: outcomes", [x["outcome"] for x in r] == ["ok", "ok", "ok", "rate_limited", "ok", "server_error", "no_replay"], r)
    check(f"played, {what}: no port may be connected to", not any("network" in m for m in g.ready["mechanisms"]) and g.ready["landlock_abi"] > 0)

# --- what is another request
g = Gateway(None, "--replay", tape, redact=REDACT)


def unknown(what, body, path="/v1/chat/completions"):
    a = g.post(body, path)
    check(f"unknown: {what}", a.status == 409 and a.error().get("code") == "no_replay", a)
    check(f"unknown: {what}: reported", g.last().get("outcome") == "no_replay")


unknown("another text of the user", conversation("x", "/y", "1", "2", user="Delete everything.")[0])
unknown("by the other API", first[0], "/v1/responses")
unknown("one message more", {**first[0], "messages": first[0]["messages"] + [{"role": "user", "content": "and?"}]})
unknown("another tool", {**first[0], "tools": first[0]["tools"][:1]})
unknown("not streamed", {**first[0], "stream": False})
unknown("another tool called", {**first[1], "messages": first[1]["messages"][:2] + [{"role": "assistant", "tool_calls": [{"function": {"name": "edit"}}]}] + first[1]["messages"][3:]})
check("order: the second before the first is played, too", g.post(second[1]).body == recorded[1].body and g.post(second[0]).body == recorded[0].body)
g.stop()


# --- cassettes that are none
def bad(what, text, says):
    path = f"{WORK}/bad.jsonl"
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    g = Gateway(None, "--replay", path, wait=False)
    o = g.wait(lambda o: o.get("frame") == "GW_FAILED", 10) or {}
    check(f"bad cassette, {what}", says in o.get("text", ""), o)
    g.process.stdin.close()
    g.process.wait()
    Gateway.live.remove(g)


one, two = data.splitlines(True)[:2]
pair = json.loads(two)


def changed(**more):
    return one + json.dumps({k: v for k, v in {**pair, **more}.items() if v is not ...}).encode() + b"\n"


bad("empty", "", "empty")
bad("no JSON", "hello\n", "cassette:1")
bad("a pair first", two, "cassette:1")
bad("another version", one.replace(b'"cassette":1', b'"cassette":2'), "version")
bad("other rules", one.replace(b'"compares":1', b'"compares":9'), "rules")
bad("another model", one.replace(MODEL.encode(), b"gpt-5"), "model")
bad("half a line", one + two[:-10], "last line")
bad("the same n twice", one + two + two, "cassette:3")
bad("an unknown key", changed(extra=1), "extra")
for key in ("n", "path", "request_sha256", "request", "status", "content_type", "complete", "chunks"):
    bad(f"{key} is missing", changed(**{key: ...}), key)
    bad(f"{key} of another type", changed(**{key: {"a": 1}}), key)
bad("a path that is not recorded", changed(path="/v1/models"), "path")
bad("a digest that is none", changed(request_sha256="x" * 64), "request_sha256")
bad("a redirect as content type", changed(content_type="text/html\r\nX: y"), "content_type")
bad("a status below 200", changed(status=101), "status")
bad("a recording that failed", one + b'{"recording":"failed"}\n', "recording")
bad("bytes that are no text", one + two.replace(b"first", b"f\xff\xfest"), "UTF-8")

# --- an answer of another model in an edited cassette is not played
with open(f"{WORK}/edited.jsonl", "wb") as f:
    f.write(data.replace(b'\\"model\\": \\"' + MODEL.encode(), b'\\"model\\": \\"gpt-5'))
g = Gateway(None, "--replay", f"{WORK}/edited.jsonl", redact=REDACT)
a = g.post(PLAIN)
check("another model in an edited cassette", a.status == 502 and g.last().get("outcome") == "wrong_model", a)
g.stop()

# --- two recordings of one conversation are equal, when it is
count[0] = 0
up = Answerer(answers)
tapes = []
for n in range(2):
    count[0] = 2
    path = f"{WORK}/equal{n}.jsonl"
    g = Gateway(f"http://127.0.0.1:{up.port}/v1", "--record", path)
    g.post(first[2], "/v1/responses")
    g.stop()
    tapes.append(open(path, "rb").read())
check("recordings can be compared", tapes[0] == tapes[1], tapes)

# --- an agent that leaves inside of an answer; one that leaves before one
up.answer = lambda c, h, b: (send_stream(c, chat_event("only this"), finish=False), time.sleep(2), False)[2]
path = f"{WORK}/left.jsonl"
g = Gateway(f"http://127.0.0.1:{up.port}/v1", "--record", path)
with g.connect() as s:
    s.sendall(request("/v1/chat/completions", json.dumps(first[0]).encode()))
    s.recv(1000)
    time.sleep(0.2)
g.last()
g.stop()
pairs = [json.loads(line) for line in open(path)][1:]
check("what was cut is recorded as cut", len(pairs) == 1 and pairs[0]["complete"] is False and "only this" in "".join(pairs[0]["chunks"]), pairs)
g = Gateway(None, "--replay", path)
a = g.post(first[0])
check("and played as cut", a.status == 200 and not a.whole and b"only this" in a.body, a)
g.stop()

# --- a file that is changed while it is played: never another answer than the one that was looked for
swapped = f"{WORK}/swapped.jsonl"
with open(swapped, "wb") as f:
    f.write(data)
g = Gateway(None, "--replay", swapped, redact=REDACT)
check("it was read", g.post(ask("something else entirely")).status == 409)
one, two = lines[1]["request_sha256"].encode(), lines[4]["request_sha256"].encode()
with open(swapped, "r+b") as f:
    f.write(data.replace(one, b"-" * 64).replace(two, one).replace(b"-" * 64, two))
changed = [g.post(first[0]), g.post(ask("again"))]
check("a cassette that is changed while it is played", [a.status for a in changed] == [409, 409], changed)
g.stop()
end()
