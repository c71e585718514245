"""gateway_attack.py BINDIR SRCDIR - what was tried against a gateway and once succeeded: evidence that an agent could flood or steer, slots and
budgets that many requests at once got around, answers that carried a secret or another model past it."""
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gwlib import *

up = Answerer(answers_json)
URL = f"http://127.0.0.1:{up.port}/v1"
HOST = f"127.0.0.1:{up.port}"
MODELS = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"


def many(g, one, n, times=20):
    """n of the same request on one connection, which is read to its end."""
    with g.connect(30) as s:
        got = [0]

        def read():
            s.settimeout(30 * SLOW)
            while got[0] < n:
                data = s.recv(1 << 20)
                if not data:
                    return
                got[0] += data.count(b"HTTP/1.1 ")
        t = threading.Thread(target=read)
        t.start()
        for _ in range(n // times):
            s.sendall(one * times)
        t.join()
        return got[0]


# --- the evidence is not the agent's to fill, to steer, or to break
g = Gateway(URL)
check("a model's name with a blank", g.post(ask(model="a b")).status == 403 and g.last().get("asked") == "a?b", g.lines[-1])
up.answer = lambda c, h, b: c.sendall(http(200, chat_json(model="x" + KEY)))
check("a server that names its model like the key", g.post(ask()).status == 502 and g.last().get("answered") == "x[redacted:key]", g.lines[-1])
up.answer = lambda c, h, b: c.sendall(http(200, chat_json(model="y" * 120 + KEY)))
check("and cut in the middle of it", g.post(ask()).status == 502 and g.last().get("answered") == "y" * 120, g.lines[-1])
up.answer = lambda c, h, b: c.sendall(http(200, chat_json(model=URL)))
check("or like the endpoint", g.post(ask()).status == 502 and g.last().get("answered") == "[redacted:endpoint]", g.lines[-1])
up.answer = answers_json
for what, one, outcome in (("lists of models", MODELS, "ok"), ("bodies that are no JSON", request("/v1/responses", b"x"), "refused_request")):
    check(f"many {what}: all are answered", many(g, one, 3000) == 3000)
    check(f"many {what}: so many are told", wait_for(lambda: len([r for r in g.of("GW_REQUEST") if r["outcome"] == outcome]) >= 1000, 5))
check("what comes behind them is told: another model", g.post(ask(model="gpt-5")).status == 403)
check("what comes behind them is told: an answer", g.post(ask()).status == 200)
g.stop()
told = [(r["outcome"], r["path"]) for r in g.of("GW_REQUEST")]
check("what costs nothing is told a thousand times each", {o: sum(t[0] == o for t in told) for o in ("ok", "refused_request", "refused_model")} ==
      {"ok": 1001, "refused_request": 1000, "refused_model": 2}, len(told))
check("what comes last is what was done last", told[-2:] == [("refused_model", "/v1/chat/completions"), ("ok", "/v1/chat/completions")], told[-2:])
check("numbered without a gap", [r["number"] for r in g.of("GW_REQUEST")] == list(range(1, len(told) + 1)))
check("and all are counted", g.of("GW_DONE")[0]["requests"] == 3000 + 3000 + 4 + 2, g.of("GW_DONE"))

# --- connections that sent the beginning of something and closed at once do not keep their places
g = Gateway(URL, limits={"connections": 16})
for rest in (b"", b"Content-Length: 10\r\n\r\n{"):
    for _ in range(40):
        with g.connect() as s:
            s.sendall(b"POST /v1/responses HTTP/1.1\r\nHost: x\r\n" + rest)
check("closed at once: the next is served", g.post(ask(), timeout=10).status == 200)
check("closed at once: all are told", wait_for(lambda: len(g.of("GW_REQUEST")) == 81, 10), len(g.of("GW_REQUEST")))
check("closed at once: as that", {r["outcome"] for r in g.of("GW_REQUEST")} == {"agent_left", "ok"}, [r for r in g.of("GW_REQUEST") if r["outcome"] not in ("agent_left", "ok")][:2])
check("closed at once: the gateway ends", (g.stop() or {}).get("code") == 0, g.lines[-3:])

# --- what a server says past the answer
g = Gateway(URL)


def and_later(text):
    def answer(c, h, b):
        c.sendall(http(200, chat_json(text="first")))
        time.sleep(0.05)
        try:
            c.sendall(http(200, chat_json(text=text)))
        except OSError:
            pass
    return answer


def texts(n, gap=0.2):
    got = []
    for _ in range(n):
        got.append(g.post(ask()).json()["choices"][0]["message"]["content"])
        time.sleep(gap)
    return got


up.answer = and_later("of before")
check("bytes behind an answer are not the next answer", texts(4) == ["first"] * 4)
up.answer = lambda c, h, b: c.sendall(http(200, chat_json(text="first")) + http(200, chat_json(text="of before")))
check("bytes right behind an answer are not the next answer", texts(3, 0) == ["first"] * 3)
up.answer = lambda c, h, b: c.sendall(STREAM_HEAD.replace(b"text/event-stream", b"application/json") + chunk(chat_json(text="first").encode()) + b"0\r\n\r\n" +
                                      http(200, chat_json(text="of before")))
check("bytes behind the last chunk are not the next answer", texts(3, 0) == ["first"] * 3)
up.answer = answers_json
before = up.connections
check("connections that are well are kept", texts(4) == ["hello"] * 4 and up.connections <= before + 1, up.connections - before)
up.answer = lambda c, h, b: (c.sendall(http(200, chat_json())), False)[1]
check("connections that the server closes are not used again", texts(4, 0.1) == ["hello"] * 4)

# --- what carries a secret past it
up.answer = lambda c, h, b: c.sendall(http(200, chat_json(), "application/json", f"X-Request-Id: a{KEY}", f"Retry-After: {HOST}", "X-Should-Retry: true"))
a = g.post(ask())
check("a header with the key or the endpoint stays here", "x-request-id" not in a.headers and "retry-after" not in a.headers and a.headers.get("x-should-retry") == "true", a)
import gzip
packed = gzip.compress(STREAM)
up.answer = lambda c, h, b: (c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed), False)[1]
a = g.post(ask(stream=True))
check("a compressed answer is refused", a.status == 502 and packed[:8] not in a.raw + a.body, a)
check("why is said", wait_for(lambda: any(r["outcome"] == "garbage" and "compressed" in r["detail"] for r in g.of("GW_REQUEST")), 5), g.of("GW_REQUEST")[-1])
up.answer = lambda c, h, b: c.sendall(http(200, chat_json(), "application/json", "Content-Encoding: identity"))
check("identity is none", g.post(ask()).status == 200)
mark = b"\xef\xbb\xbf"
for what, piece in (("", mark + chat_event("evil", model="other")), (" in pieces", mark), (" behind an empty line", b"\n" + chat_event("evil", model="other"))):
    up.answer = lambda c, h, b: (send_stream(c, piece, chat_event("evil", model="other"), STREAM, gap=0.02), False)[1]
    a = g.post(ask(stream=True))
    check(f"another model behind a byte order mark{what}", b"evil" not in a.body, a)
up.answer = lambda c, h, b: send_stream(c, mark + STREAM)
check("a byte order mark is no fault", g.post(ask(stream=True)).body == mark + STREAM)
g.stop()

# --- budgets, asked for by many at once
slots = f"{WORK}/slots"
os.mkdir(slots)
os.chmod(slots, 0o755)


def at_once(n, ask_one):
    results = []
    threads = [threading.Thread(target=lambda: results.append(ask_one())) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


up.answer = lambda c, h, b: (time.sleep(0.05), c.sendall(http(200, chat_json())))[1]
for name, limit, most in (("requests", 5, 5), ("tokens_out", 10, 2 + 3), ("tokens_in", 30, 3 + 3), ("bytes", 900, 3 + 3)):
    g = Gateway(URL, "--slots", slots, "4", budgets={name: limit})
    got = at_once(60, lambda: g.post(ask(), timeout=30).status)
    check(f"a budget of {name}, 60 at once: as many as it lets through", 1 <= got.count(200) <= most, got)
    check(f"a budget of {name}, 60 at once: the others are refused", got.count(200) + got.count(429) == 60, got)
    g.stop()
    check(f"a budget of {name}, 60 at once: told once", len(g.of("GW_BUDGET")) == 1 and sum(r["outcome"] == "refused_budget" for r in g.of("GW_REQUEST")) == got.count(429))

# --- a slot is not for the one alone who never pauses
for clients in (1, 20):
    a, b = (Gateway(URL, "--slots", slots, "1") for _ in range(2))
    stop, done = [], [0]

    def never_pauses():
        with a.connect(30) as s:
            while not stop:
                s.sendall(request("/v1/chat/completions", json.dumps(ask()).encode()))
                read_answer(s)
                done[0] += 1
    threads = [threading.Thread(target=never_pauses) for _ in range(clients)]
    for t in threads:
        t.start()
    wait_for(lambda: done[0] > 3)
    waits = []
    for _ in range(8):
        before, t = done[0], time.monotonic()
        check(f"a slot beside {clients} that never pause", b.post(ask(), timeout=30).status == 200)
        waits.append(done[0] - before)
    check(f"a slot beside {clients} that never pause: soon", sum(waits) <= 8 * 4, waits)
    check(f"a slot beside {clients} that never pause: they go on", done[0] >= 6, done)
    stop.append(True)
    for t in threads:
        t.join()
    a.stop()
    b.stop()

# --- the key, spelled over several events
def joined(body):
    text = ""
    for line in body.split(b"\n"):
        try:
            text += "".join(c["delta"].get("content") or "" for c in json.loads(line[6:]).get("choices", ()))
        except ValueError:
            text += line.decode() if line.startswith(b"data: {") else ""  # it was cut there
    return text


def spells(text):
    return any(KEY[i:i + 5] in text for i in range(len(KEY) - 4))


END = event({"model": MODEL, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + event(b"[DONE]")
tape = f"{WORK}/spelled.jsonl"
g = Gateway(URL, "--record", tape)
b64 = __import__("base64").b64encode(b"x" + KEY.encode()).decode()
for what, pieces in (("letter by letter", KEY), ("in two", (KEY[:9], KEY[9:])), ("in hexadecimal", KEY.encode().hex()), ("in base64", [b64[i:i + 5] for i in range(0, len(b64), 5)]),
                     ("in two, with text around it", ("text " * 100 + KEY[:12], KEY[12:] + " text" * 100)), ("in large pieces", ("t" * 90000 + KEY[:12], KEY[12:] + "t" * 90000))):
    for together in (True, False):
        events = [chat_event(p) for p in pieces] + [END]
        up.answer = lambda c, h, b: send_stream(c, *([b"".join(events)] if together else events))
        a = g.post(ask(what, stream=True))
        check(f"the key {what}, {together}: it does not come to the agent", not spells(joined(a.body)), a.status, joined(a.body)[-200:])
        check(f"the key {what}, {together}: the answer is not whole", a.status == 502 or not a.whole, a)
up.answer = lambda c, h, b: send_stream(c, *[event({"type": "response.output_text.delta", "delta": k, "item_id": "x"}) for k in KEY], event({"type": "response.completed", "response": {"model": MODEL}}))
a = g.post({"model": MODEL, "input": "x", "stream": True}, "/v1/responses")
check("the key by the other API", a.body.count(b"delta") < 2 * 5, a)
check("told as garbage", wait_for(lambda: len([r for r in g.of("GW_REQUEST") if r["outcome"] == "garbage" and "spells" in r["detail"]]) == 13), g.of("GW_REQUEST")[-1])
for what, pieces in (("what begins like the key", ("sk-", "re", "al-", "0123", "4x", "67", "sk-real-")), ("half of it at the end", (KEY[:20],)), ("twice the beginning", ("sk-real", "sk-real")),
                     ("the endpoint", list(URL)), ("the whole of it in one event, redacted", ("a" + KEY + "b",))):
    up.answer = lambda c, h, b: send_stream(c, *[chat_event(p) for p in pieces], END)
    a = g.post(ask(what, stream=True))
    check(f"{what}: passes", a.whole and joined(a.body) == "".join(pieces).replace(KEY, "[redacted:key]"), a)
pieces_seen = []
up.answer = lambda c, h, b: send_stream(c, chat_event("one"), chat_event("sk-r"), chat_event("two"), END, gap=0.1)
with g.connect() as s:
    s.sendall(request("/v1/chat/completions", json.dumps(ask("pieces", stream=True)).encode()))
    a = read_answer(s, lambda p: pieces_seen.append(p))
check("the others come piece by piece", a.whole and joined(a.body) == "onesk-rtwo" and len(pieces_seen) >= 3, pieces_seen)
g.stop()
kept = open(tape).read().split("\n")
kept = ["".join(json.loads(line)["chunks"]).encode() for line in kept[1:] if line]
check("the recording has no more of it than the agent", len(kept) > 12 and not any(spells(joined(k)) for k in kept[:-6]), len(kept))
end()
