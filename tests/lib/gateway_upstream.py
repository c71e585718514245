"""gateway_upstream.py BINDIR SRCDIR - answers of a model's server, good and bad, over HTTP and HTTPS: what the agent gets, what is
reported, what is withheld. And --probe."""
import base64
import os
import sys
import urllib.parse
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gwlib import *

up = Answerer(answers_json)
URL = f"http://127.0.0.1:{up.port}/v1"
SECRET = "another-known-value-42"
LIMITS = {"connect_ms": 1500 * SLOW, "first_byte_ms": 600 * SLOW, "idle_ms": 600 * SLOW, "total_ms": 3000 * SLOW, "body_bytes": 200000,
          "stream_bytes": 400000}
g = Gateway(URL, limits=LIMITS, redact=[{"name": "other", "value": SECRET}])


def answered(what, answer, outcome, status, stream=False, responses=False, whole=True, **more):
    up.answer = answer
    body = {"model": MODEL, "input": "x", "stream": stream} if responses else ask(stream=stream)
    a = g.post(body, "/v1/responses" if responses else "/v1/chat/completions", timeout=10)
    r = g.last()
    check(f"{what}: the agent gets {status}", a.status == status and a.whole == whole, a)
    check(f"{what}: {outcome}", r.get("outcome") == outcome, r)
    check(f"{what}: the status is reported", r.get("status") == status, r)
    if a.status >= 400:
        check(f"{what}: an error that clients read", a.error().get("message"), a)
    for k, v in more.items():
        check(f"{what}: {k}", r.get(k) == v, r)
    return a, r


def plain(status, body, *more, kind="application/json"):
    return lambda conn, h, b: conn.sendall(http(status, body, kind, *more))


def stream(*pieces, **how):
    return lambda conn, h, b: send_stream(conn, *pieces, **how)


# --- good ones
a, r = answered("plain", plain(200, chat_json()), "ok", 200, tokens_in=11, tokens_out=7, answered=MODEL, asked=MODEL)
check("the answer is the server's, byte by byte", a.body == chat_json().encode(), a)
a, r = answered("streamed", stream(STREAM), "ok", 200, stream=True, tokens_in=5, tokens_out=3, answered=MODEL)
check("the stream is the server's, byte by byte", a.body == STREAM and a.headers["content-type"] == "text/event-stream", a)
a, r = answered("in pieces of one byte", stream(*[STREAM[i:i + 1] for i in range(len(STREAM))]), "ok", 200, stream=True, tokens_in=5, tokens_out=3)
check("pieces of one byte: the same bytes", a.body == STREAM, a)
CRLF = STREAM.replace(b"\n", b"\r\n")
a, r = answered("lines that end in CRLF", stream(*[CRLF[i:i + 7] for i in range(0, len(CRLF), 7)]), "ok", 200, stream=True, tokens_out=3)
a, r = answered("comments and other fields", stream(b": hello\n\nevent: x\nid: 1\nretry: 5\n" + STREAM), "ok", 200, stream=True, tokens_out=3)
RESPONSES = (event({"type": "response.created", "response": {"id": "r1", "model": MODEL, "usage": None}})
             + event({"type": "response.output_text.delta", "delta": "x", "model": MODEL})
             + event({"type": "response.completed", "response": {"id": "r1", "model": MODEL, "usage": {"input_tokens": 21, "output_tokens": 9}}}))
a, r = answered("responses, streamed", stream(RESPONSES), "ok", 200, stream=True, responses=True, tokens_in=21, tokens_out=9, answered=MODEL)
answered("responses, plain", plain(200, json.dumps({"model": MODEL, "output": [], "usage": {"input_tokens": 4, "output_tokens": 2}})), "ok", 200,
         responses=True, tokens_in=4, tokens_out=2)
a, r = answered("headers come down", plain(200, chat_json(), "x-request-id: q1", "Retry-After: 3", "Server: evil", "Set-Cookie: a=b", "X-Leak: " + KEY), "ok", 200)
check("only those that clients need", a.headers.get("x-request-id") == "q1" and a.headers.get("retry-after") == "3"
      and not any(k in a.headers for k in ("server", "set-cookie", "x-leak")), a)
answered("no length, ended by closing", lambda c, h, b: (c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + chat_json().encode()), False)[1], "ok", 200)
answered("100 Continue before it", lambda c, h, b: c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + http(200, chat_json())), "ok", 200)

up.answer = plain(200, chat_json())
g.post(ask())
g.last()
body = json.loads(up.requests[-1][1])
check("a plain request is not asked for usage", "stream_options" not in body, body)
for options, want in ((None, {"include_usage": True}), ({"include_usage": False, "x": 1}, {"include_usage": True}), ({"include_usage": True, "x": 1}, {"include_usage": True, "x": 1})):
    up.answer = stream(STREAM)
    g.post(ask(stream=True, n=1.0, **({"stream_options": options} if options else {})))
    g.last()
    check(f"usage is asked for: {options}", json.loads(up.requests[-1][1])["stream_options"] == want and b'"n": 1.0' in up.requests[-1][1], up.requests[-1][1])

# --- the wrong model
answered("another model, plain", plain(200, chat_json(model="gpt-5", text="SECRET")), "wrong_model", 502, answered="gpt-5")
a, r = answered("another model, streamed", stream(chat_event("SECRET", model="gpt-5")), "wrong_model", 502, stream=True, answered="gpt-5")
check("nothing of it reaches the agent", b"SECRET" not in a.raw + a.body, a)
a, r = answered("another model later in the stream", lambda c, h, b: send_stream(c, chat_event("one"), chat_event("SECRET", model="gpt-5"), STREAM, gap=0.05),
                "wrong_model", 200, stream=True, whole=False)
check("the piece that names it is withheld", b"one" in a.body and b"SECRET" not in a.body and b"DONE" not in a.body, a)
answered("another model beside the right one", plain(200, '{"model":"scripted-1","choices":[],"model":"x"}'), "wrong_model", 502)
answered("another model in response", stream(event({"type": "response.created", "response": {"model": "x"}})), "wrong_model", 502, stream=True, responses=True)
answered("another model by escapes", plain(200, '{"\\u006dodel":"x","choices":[]}'), "wrong_model", 502)

# --- bad ones
for status, outcome in ((400, "rejected"), (404, "rejected"), (422, "rejected"), (401, "unauthorized"), (403, "unauthorized"), (429, "rate_limited"), (500, "server_error"),
                        (503, "server_error")):
    a, r = answered(f"status {status}", plain(status, '{"error":{"message":"own words"}}', "Retry-After: 9"), outcome, status)
    check(f"status {status}: the server's own words", a.error().get("message") == "own words" and a.headers.get("retry-after") == "9", a)
a, r = answered("an error that is HTML", plain(500, f"<html>{URL}</html>", kind="text/html"), "server_error", 500)
check("an error that is HTML is not passed on", b"html" not in a.body, a)
for status in (301, 302, 307, 308):
    n = up.connections
    answered(f"redirect {status}", plain(status, "", f"Location: http://127.0.0.1:{up.port}/elsewhere"), "redirected", 502)
check("no redirect is followed", not any(b"elsewhere" in h for h, _ in up.requests))
answered("HTML", plain(200, "<html>hello</html>", kind="text/html"), "garbage", 502)
answered("no content type", lambda c, h, b: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), "garbage", 502)
answered("JSON that is none", plain(200, '{"model":"scripted-1",'), "garbage", 502)
answered("an array", plain(200, "[]"), "garbage", 502)
answered("an empty body", plain(200, ""), "garbage", 502)
answered("204", lambda c, h, b: c.sendall(b"HTTP/1.1 204 No Content\r\n\r\n"), "garbage", 502)
answered("not HTTP", lambda c, h, b: (c.sendall(b"\x15\x03\x01\x00\x02\x02\x16 hello\r\n\r\n"), False)[1], "garbage", 502)
answered("HTTP/0.9", lambda c, h, b: (c.sendall(b'{"model":"scripted-1"}'), False)[1], "garbage", 502)
answered("endless headers", lambda c, h, b: (c.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 4000), False)[1], "garbage", 502)
answered("a stream of no JSON", stream(b"data: hello\n\n"), "garbage", 502, stream=True)
answered("a stream of nothing", stream(b": only comments\n\n"), "garbage", 200, stream=True, whole=False)
answered("a body that is too large", plain(200, chat_json(text="x" * 250000)), "garbage", 502)
answered("a stream that is too long", stream(*[chat_event("x" * 8000)] * 60), "garbage", 200, stream=True, whole=False)
answered("closed before an answer", lambda c, h, b: False, "unreachable", 502)
answered("closed inside of a body", lambda c, h, b: (c.sendall(http(200, chat_json())[:-10]), False)[1], "broken", 502)
answered("closed inside of a stream", lambda c, h, b: (send_stream(c, chat_event("one"), finish=False), False)[1], "broken", 200, stream=True, whole=False)
answered("a stream without its end", stream(chat_event("one")), "broken", 200, stream=True, whole=False)
answered("responses without their end", stream(event({"type": "response.created", "response": {"model": MODEL}})), "broken", 200, stream=True, responses=True, whole=False)
answered("no first byte", lambda c, h, b: time.sleep(1.2 * SLOW), "timed_out", 504)
answered("idle inside of a stream", lambda c, h, b: (send_stream(c, chat_event("one"), finish=False), time.sleep(1.2 * SLOW)), "timed_out", 200, stream=True, whole=False)
t = time.monotonic()
answered("a byte now and then, for ever", lambda c, h, b: send_stream(c, *[b": x\n\n"] * 100, gap=0.2 * SLOW), "timed_out", 200, stream=True, whole=False)
check("the total limit holds", time.monotonic() - t < 5 * SLOW, time.monotonic() - t)
a, r = answered("content that comes late", lambda c, h, b: (time.sleep(0.4 * SLOW), c.sendall(http(200, chat_json()))), "ok", 200)
check("the first byte is timed", r.get("first_byte_us", 0) >= 400000 * SLOW, r)

# --- known values
forms = {"key": KEY, "endpoint": URL, "authority": f"127.0.0.1:{up.port}", "other": SECRET, "json": json.dumps(URL)[1:-1].replace("/", "\\/"),
         "unicode": "".join(f"\\u{ord(c):04x}" for c in KEY), "some unicode": KEY[:5] + "\\u%04X" % ord(KEY[5]) + KEY[6:], "url": urllib.parse.quote(URL, safe=""),
         "upper": URL.upper(), **{f"base64 {i}": base64.b64encode(b"x" * i + KEY.encode() + b"y").decode() for i in range(3)}}
for what, form in forms.items():
    inner = base64.b64encode(KEY.encode()).decode()[2:20]
    for how in ("plain", "stream", "error"):
        text = '{"model":"scripted-1","x":"before ' + form + ' after"}'
        if how == "plain":
            a, r = answered(f"redact {what}, plain", plain(200, text), "ok", 200)
        elif how == "error":
            a, r = answered(f"redact {what}, error", plain(400, '{"error":{"message":"before ' + form + ' after"}}'), "rejected", 400)
        else:
            whole = event(text.encode()) + STREAM
            a, r = answered(f"redact {what}, stream", stream(*[whole[i:i + 3] for i in range(0, len(whole), 3)]), "ok", 200, stream=True)
        check(f"redact {what}, {how}: it is gone", form.encode() not in a.body and b"[redacted:" in a.body and b"before " in a.body and (b" after" in a.body), a)
a, r = answered("what only begins like a value", plain(200, '{"model":"scripted-1","x":"' + KEY[:-1] + " " + URL[:-1] + '"}'), "ok", 200)
check("is left alone" , KEY[:-1].encode() in a.body, a)
up.answer = plain(200, chat_json())
g.post(ask("my key is " + SECRET))
g.last()
check("known values do not go up either", SECRET.encode() not in up.requests[-1][1] and b"[redacted:other]" in up.requests[-1][1], up.requests[-1])
check("the gateway ends", (g.stop() or {}).get("code") == 0, g.lines[-3:])
told = json.dumps(g.lines)
check("no frame has key or endpoint", KEY not in told and f"127.0.0.1:{up.port}" not in told and SECRET not in told)
up.close()

# --- ways to the server
dead = Answerer(answers_json)
dead.close()
g = Gateway(f"http://127.0.0.1:{dead.port}/v1", limits=LIMITS)
a = g.post(ask())
check("nobody listens", a.status == 502 and g.last().get("outcome") == "unreachable", a)
check("the error does not say where", str(dead.port).encode() not in a.body, a)
g.stop()

up = Answerer(answers_json)
g = Gateway(f"http://model.example.test:{up.port}/v1/", limits=LIMITS)
check("a name is never resolved: the address is given", g.post(ask()).status == 200 and g.last().get("outcome") == "ok", g.lines)
check("Host is the name", f"Host: model.example.test:{up.port}".encode() in up.requests[-1][0], up.requests[-1])
g.stop()
g = Gateway(f"http://127.0.0.1:{up.port}", addresses=["127.0.0.2"], limits=LIMITS)
n = up.connections
check("an address that is not among those", g.post(ask()).status == 502 and g.last().get("outcome") == "unreachable" and up.connections == n, g.lines)
g.stop()
try:
    six = Answerer(answers_json, socket.AF_INET6, "::1")
except OSError:
    six = None
if six:
    for url, addresses in ((f"http://[::1]:{six.port}/v1", ["::1"]), (f"http://six.example.test:{six.port}/v1", ["::1"]),
                           (f"http://both.example.test:{six.port}/v1", ["127.0.0.1", "::1"])):
        g = Gateway(url, addresses=addresses, limits=LIMITS)
        a = g.post(ask())
        check(f"IPv6 {addresses}", a.status == 200 and g.last().get("outcome") == "ok", a, g.lines)
        g.stop()

# --- TLS
def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=WORK)


openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test ca")
openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "s.key", "-out", "s.csr", "-subj", "/CN=tls.example.test")
with open(f"{WORK}/ext", "w") as f:
    f.write("subjectAltName=DNS:tls.example.test\n")
openssl("x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "s.pem", "-days", "2", "-extfile", "ext")
tls = Answerer(answers_json, tls=(f"{WORK}/s.pem", f"{WORK}/s.key"))
os.chmod(f"{WORK}/ca.pem", 0o644)
for what, host, ca, want in (("right", "tls.example.test", f"{WORK}/ca.pem", "ok"), ("another name", "other.example.test", f"{WORK}/ca.pem", "tls_failed"),
                             ("the host's own authorities", "tls.example.test", None, "tls_failed")):
    if ca is None and not os.path.exists("/etc/ssl/certs/ca-certificates.crt"):
        continue
    g = Gateway(f"https://{host}:{tls.port}/v1", limits=LIMITS, **({"ca_file": ca} if ca else {}))
    n = len(tls.requests)
    for i in range(3):
        a = g.post(ask())
        check(f"TLS, {what}", g.last().get("outcome") == want and (a.status == 200) == (want == "ok"), a, g.lines[-1])
    check(f"TLS, {what}: what the server saw", len(tls.requests) - n == (3 if want == "ok" else 0))
    check(f"TLS, {what}: connections are used again", want != "ok" or tls.connections == 1, tls.connections)
    check(f"TLS, {what}: probe", probe(f"https://{host}:{tls.port}/v1", limits=LIMITS, **({"ca_file": ca} if ca else {})).get("outcome") == want)
    g.stop()
talker = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: [(c.recv(10), c.sendall(b"HTTP/1.1 400 no\r\n\r\n"), c.close()) for c, _ in iter(talker.accept, None)], daemon=True).start()
g = Gateway(f"https://127.0.0.1:{talker.getsockname()[1]}/v1", limits=LIMITS)
check("TLS to a server that has none", g.post(ask()).status == 502 and g.last().get("outcome") == "tls_failed", g.lines)
g.stop()
g = Gateway(f"http://127.0.0.1:{tls.port}/v1", limits=LIMITS)
check("no TLS to a server that wants it", g.post(ask()).status == 502 and g.last().get("outcome") in ("garbage", "unreachable", "broken"), g.lines)
g.stop()

# --- probe
def probed(what, answer, outcome, api="chat", **more):
    up.answer = answer
    p = probe(URL2, probe_api=api, limits=LIMITS)
    check(f"probe, {what}: {outcome}", p.get("outcome") == outcome and p.get("detail"), p)
    for k, v in more.items():
        check(f"probe, {what}: {k}", p.get(k) == v, p)
    check(f"probe, {what}: nothing secret in it", KEY not in json.dumps(p) and str(up.port) not in json.dumps(p), p)


URL2 = f"http://127.0.0.1:{up.port}/v1"
message = lambda **m: json.dumps({"model": MODEL, "choices": [{"message": {"role": "assistant", **m}}]})
output = lambda *items: json.dumps({"model": MODEL, "output": list(items)})
probed("content", plain(200, chat_json()), "ok", status=200, answered=MODEL)
sent = json.loads(up.requests[-1][1])
check("the probe asks one real thing", sent["model"] == MODEL and sent["max_tokens"] == 1024 and sent["stream"] is False and sent["messages"][0]["content"], sent)
probed("content, responses", plain(200, output({"type": "message", "content": [{"type": "output_text", "text": "ok"}]})), "ok", "responses")
sent = json.loads(up.requests[-1][1])
check("the same by the other API", sent["max_output_tokens"] == 1024 and sent["input"] and b"/v1/responses" in up.requests[-1][0], sent)
probed("late content", lambda c, h, b: (time.sleep(0.4 * SLOW), c.sendall(http(200, chat_json()))), "ok")
probed("reasoning alone", plain(200, message(content=None, reasoning_content="hm")), "reasoning_only")
probed("empty content", plain(200, message(content="", reasoning="hm")), "reasoning_only")
probed("blank content", plain(200, message(content=" \n")), "reasoning_only")
probed("reasoning alone, responses", plain(200, output({"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}], "summary": [{"text": "x"}]})),
       "reasoning_only", "responses")
probed("no choices", plain(200, json.dumps({"model": MODEL, "choices": []})), "garbage")
probed("another model", plain(200, chat_json(model="x")), "wrong_model", answered="x")
probed("garbage", plain(200, "hello"), "garbage")
probed("HTML", plain(200, "<html>", kind="text/html"), "garbage")
probed("401", plain(401, "{}"), "unauthorized", status=401)
probed("429", plain(429, "{}"), "rate_limited", status=429)
probed("500", plain(500, "{}"), "server_error", status=500)
probed("404", plain(404, "{}"), "rejected", status=404)
probed("redirect", plain(302, "", "Location: /x"), "redirected", status=302)
probed("no answer", lambda c, h, b: time.sleep(1.2 * SLOW), "timed_out")
probed("closed", lambda c, h, b: False, "unreachable")
check("probe, nobody listens", probe(f"http://127.0.0.1:{dead.port}/v1", limits=LIMITS).get("outcome") == "unreachable")
end()
