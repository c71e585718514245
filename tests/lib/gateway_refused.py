"""gateway_refused.py BINDIR SRCDIR - what an agent may not send, byte by byte, and that nothing of it reaches the server."""
import sys
import os
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gwlib import *

up = Answerer(answers_json)
g = Gateway(f"http://127.0.0.1:{up.port}/v1", limits={"body_bytes": 100000, "header_bytes": 8192})
BODY = json.dumps(ask()).encode()


def head(*lines, line="POST /v1/chat/completions HTTP/1.1", host="Host: x"):
    return ("\r\n".join([line] + ([host] if host else []) + list(lines)) + "\r\n\r\n").encode("latin-1")


def refused(what, data, outcome, status, **more):
    """The gateway answers `status` (0: nothing), says so in one GW_REQUEST, and the server saw no request."""
    before = len(up.requests)
    answer = g.raw(data, timeout=4, **more)
    got = int(answer.split()[1]) if answer.startswith(b"HTTP/1.") else 0
    check(f"{what}: status", got == status, got, answer)
    r = g.last()
    check(f"{what}: outcome", r.get("outcome") == outcome and r.get("detail"), r)
    # What the HTTP library cannot parse it answers by itself, in its own words, and does not say with which status.
    check(f"{what}: status in the report", r.get("status") == (400 if b"<html>" in answer else status), r)
    if b"<html>" not in answer:
        error = answer.split(b"\r\n\r\n", 1)[-1]
        check(f"{what}: an error that clients read", b'"error":{"message":"' in error, answer)
    check(f"{what}: nothing was forwarded", len(up.requests) == before, up.requests[before:])


length = f"Content-Length: {len(BODY)}"
chunked = "Transfer-Encoding: chunked"
close = "Connection: close"
whole_chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)

# --- framing
refused("two lengths", head(length, length, close) + BODY, "refused_request", 400)
refused("two lengths that differ", head("Content-Length: 5", length, close) + BODY, "refused_request", 400)
refused("length with chunked", head(length, chunked, close) + whole_chunk, "refused_request", 400)
refused("chunked with length", head(chunked, length, close) + whole_chunk, "refused_request", 400)
refused("two transfer encodings", head(chunked, chunked, close) + whole_chunk, "refused_request", 400)
refused("another transfer encoding", head("Transfer-Encoding: gzip, chunked", close) + whole_chunk, "refused_request", 501)
refused("xchunked", head("Transfer-Encoding: xchunked", close) + whole_chunk, "refused_request", 501)
refused("a length that is negative", head("Content-Length: -5", close), "refused_request", 400)
refused("a bad chunk size", head(chunked, close) + b"xyz\r\n" + BODY + b"\r\n0\r\n\r\n", "refused_request", 400)
refused("a negative chunk size", head(chunked, close) + b"-5\r\n" + BODY + b"\r\n0\r\n\r\n", "refused_request", 400)
refused("a chunk longer than its size", head(chunked, close) + b"5\r\n" + BODY + b"\r\n0\r\n\r\n", "refused_request", 400)
refused("a huge chunk size", head(chunked, close) + b"fffffffffffffffff\r\n" + BODY + b"\r\n0\r\n\r\n", "refused_request", 413)

# --- the request line
refused("absolute form", head(length, close, line=f"POST http://127.0.0.1:{up.port}/v1/chat/completions HTTP/1.1") + BODY, "refused_request", 400)
refused("CONNECT", head(close, line=f"CONNECT 127.0.0.1:{up.port} HTTP/1.1"), "refused_request", 405)
refused("asterisk", head(close, line="OPTIONS * HTTP/1.1"), "refused_request", 400)
refused("HTTP/1.0", head(length, line="POST /v1/chat/completions HTTP/1.0") + BODY, "refused_request", 505)
refused("no version", b"GET /v1/models\r\n\r\n", "refused_request", 400)
refused("an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0", "refused_request", 505)
refused("control character in the target", head(length, close, line="POST /v1/chat/\x01completions HTTP/1.1") + BODY, "refused_request", 400)
refused("a target that is too long", head(close, line="GET /" + "a" * 3000 + " HTTP/1.1"), "refused_request", 414)
refused("no host", head(length, close, host=None) + BODY, "refused_request", 400)
refused("two hosts", head("Host: y", length, close) + BODY, "refused_request", 400)

# --- other protocols
refused("h2c upgrade", head("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", length) + BODY,
        "refused_request", 400)
refused("websocket", head("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                          "Sec-WebSocket-Version: 13", line="GET /v1/responses HTTP/1.1"), "refused_request", 400)
refused("connection upgrade alone", head("Connection: upgrade", length) + BODY, "refused_request", 400)
refused("a proxy's credentials", head("Proxy-Authorization: Basic eA==", length, close) + BODY, "refused_request", 400)
refused("a compressed body", head("Content-Encoding: gzip", length, close) + BODY, "refused_request", 415)
refused("an unknown expectation", head("Expect: tea", length, close) + BODY, "refused_request", 417)

# --- headers
refused("control character in a header", head("X-A: a\x01b", length, close) + BODY, "refused_request", 400)
refused("control character in a name", head("X\x01A: b", length, close) + BODY, "refused_request", 400)
refused("a name with a blank", head("X A: b", length, close) + BODY, "refused_request", 400)
refused("oversized headers", head(*[f"X-{i}: " + "a" * 900 for i in range(9)], length, close) + BODY, "refused_request", 431)
refused("very oversized headers", head("X-A: " + "a" * 200000, length, close) + BODY, "refused_request", 431)
refused("too many headers", head(*[f"X-{i}: a" for i in range(150)], length, close) + BODY, "refused_request", 431)

# --- sizes
refused("a body that is too large", head("Content-Length: 100001", close), "refused_request", 413)
refused("chunks that are too large", head(chunked, close) + chunk(BODY[:-1] + b" " * 100000 + b"}") + b"0\r\n\r\n", "refused_request", 413)

# --- paths
for path in ("/v1", "/v1/completions", "/v1/embeddings", "/v1/chat/completions/", "//v1/models", "/v1/../v1/models", "/v1/%6dodels",
             "/V1/models", "/v1/models/x", "/", "/metrics", "/v1/chat/completions%00"):
    refused("path " + path, head("Content-Length: 0", close, line=f"POST {path} HTTP/1.1"), "refused_path", 404)
refused("GET of a completion", head(close, line="GET /v1/chat/completions HTTP/1.1"), "refused_path", 405)
refused("DELETE of models", head(close, line="DELETE /v1/models HTTP/1.1"), "refused_path", 405)
refused("POST of models", head("Content-Length: 0", close, line="POST /v1/models HTTP/1.1"), "refused_path", 405)


# --- models
def model_refused(what, body, outcome="refused_model", status=403, path="/v1/chat/completions"):
    before = len(up.requests)
    a = g.post(body, path)
    r = g.last()
    check(f"{what}: {status}", a.status == status and a.error().get("code") == outcome, a)
    check(f"{what}: {outcome}", r.get("outcome") == outcome and r.get("status") == status, r)
    check(f"{what}: nothing was forwarded", len(up.requests) == before, up.requests[before:])
    return r


r = model_refused("another model", ask(model="gpt-5"))
check("the model that was asked for is told", r.get("asked") == "gpt-5", r)
model_refused("another model by the other API", {"model": "gpt-5", "input": "x"}, path="/v1/responses")
model_refused("a longer name", ask(model=MODEL + "x"))
model_refused("another case", ask(model=MODEL.upper()))
model_refused("no model", {"messages": []})
model_refused("a model that is no string", ask(model=[MODEL]))
model_refused("null", ask(model=None))
model_refused("two models, the last admitted", b'{"model":"gpt-5","messages":[],"model":"scripted-1"}')
model_refused("two models, the first admitted", b'{"model":"scripted-1","messages":[],"model":"gpt-5"}')
model_refused("the same model twice", b'{"model":"scripted-1","model":"scripted-1"}')
model_refused("a second one by escapes", b'{"model":"scripted-1","\\u006dodel":"gpt-5"}')
model_refused("a second one in another case", b'{"model":"scripted-1","Model":"gpt-5"}')
model_refused("only in another case", b'{"MODEL":"scripted-1"}')
model_refused("a NUL behind the name", b'{"model":"scripted-1\\u0000x"}')
model_refused("a NUL in the key", b'{"model":"scripted-1","model\\u0000":1}' if False else b'{"model":"scripted-1\\u0000"}')
model_refused("a very long name", ask(model="x" * 5000))
r = model_refused("a name of control characters", ask(model="\x1b[2J\x07\n"))
check("a name is made plain", r.get("asked") == "?[2J??", r)
model_refused("stream twice", b'{"model":"scripted-1","stream":true,"stream":false}', "refused_request", 400)
model_refused("stream that is no boolean", b'{"model":"scripted-1","stream":"yes"}', "refused_request", 400)
for what, body in (("nothing", b""), ("an array", b'[{"model":"scripted-1"}]'), ("a string", b'"scripted-1"'), ("two documents", b'{"model":"scripted-1"}{"model":"x"}'),
                   ("half of one", b'{"model":"scripted-1"'), ("single quotes", b"{'model':'scripted-1'}"), ("a comment", b'{"model":"scripted-1"/**/}'),
                   ("a comma too many", b'{"model":"scripted-1",}'), ("a leading zero", b'{"model":"scripted-1","n":01}'), ("NaN", b'{"model":"scripted-1","n":NaN}'),
                   ("a byte order mark", b'\xef\xbb\xbf{"model":"scripted-1"}'), ("depth", b'{"model":"scripted-1","a":' + b"[" * 300 + b"]" * 300 + b"}"),
                   ("a control character in a string", b'{"model":"scripted-1","a":"\n"}'), ("a NUL", b'{"model":"scripted-1"}\0')):
    model_refused("body: " + what, body, "refused_request", 400)

# --- and what may be sent is still answered, on one connection after refusals that keep it
with g.connect() as s:
    s.sendall(request("/v1/chat/completions", json.dumps(ask(model="no")).encode()))
    check("a refusal keeps the connection", read_answer(s).status == 403)
    s.sendall(request("/v1/chat/completions", BODY, "Authorization: Bearer dummy", "X-Evil: 1", "Cookie: a=b", "OpenAI-Organization: o"))
    check("and the next request is answered", read_answer(s).status == 200)
    s.sendall(head(chunked) + whole_chunk)
    check("chunked", read_answer(s).status == 200)
    s.sendall(head(chunked) + b"".join(chunk(BODY[i:i + 1]) for i in range(len(BODY))) + b"0\r\n\r\n")
    check("chunks of one byte", read_answer(s).status == 200)
    s.sendall(head(length, "Expect: 100-continue"))
    time.sleep(0.1)
    check("100-continue", s.recv(100).startswith(b"HTTP/1.1 100"))
    s.sendall(BODY)
    check("after 100-continue", read_answer(s).status == 200)
    s.sendall(head(line="GET /v1/models?client_version=1 HTTP/1.1"))
    check("a query is dropped", read_answer(s).json()["data"][0]["id"] == MODEL)
    before = len(up.requests)
    s.sendall(request("/v1/chat/completions", BODY) * 3)
    check("three at once (pipelined)", wait_for(lambda: len(up.requests) == before + 3), len(up.requests) - before)

# --- what is no request at all is told, too, wherever it comes; what is nothing is not
def reports():
    return len(g.of("GW_REQUEST"))


wait_for(lambda: reports() > before + 100, 0.5)  # those of the connection before
before = reports()
with g.connect() as s:
    pass
with g.connect() as s:
    s.sendall(b"\r\n")
with g.connect() as s:
    s.sendall(request("/v1/chat/completions", BODY))
    check("a request", read_answer(s).status == 200)
    s.sendall(b"\r\n")
check("a connection without a request, and empty lines, are no requests", wait_for(lambda: reports() >= before + 1) and not wait_for(lambda: reports() > before + 1, 0.5), reports() - before)
with g.connect() as s:
    s.sendall(request("/v1/chat/completions", BODY))
    check("another request", read_answer(s).status == 200)
    time.sleep(0.3)  # what is there before the request ends cannot be told from its own bytes
    s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n")
    read_all(s)
check("a handshake behind a request is told", wait_for(lambda: reports() == before + 3), reports() - before)
last = g.of("GW_REQUEST")[-1]
check("as what it is", last.get("outcome") == "refused_request" and "does not begin" in last.get("detail", ""), last)
half = g.connect()
half.sendall(b"GET /v1/mod")
time.sleep(0.3)  # until it is accepted
sent = up.requests[0][0].lower()
check("the dummy key and unknown headers stay here", b"dummy" not in sent and b"evil" not in sent and b"cookie" not in sent and b"organization" not in sent, sent)
check("the real key goes up", b"authorization: bearer " + KEY.encode() in sent, sent)
check("the body goes up unchanged", up.requests[0][1] == BODY, up.requests[0])
check("the gateway ends", (g.stop() or {}).get("code") == 0, g.lines[-3:])
check("half of a line, at the end, is told before the last word", reports() == before + 4 and [o["frame"] for o in g.lines if "frame" in o][-1] == "GW_DONE", g.lines[-4:])
check("every frame is well-formed", all(o.get("wellformed", True) for o in g.lines))
end()
