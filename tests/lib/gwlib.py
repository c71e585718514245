"""gwlib.py - for tests of the gateway: a gateway with its host double, a server that answers exactly what a test says, raw requests.

The server here answers bytes, by a function of the test's; tests/doubles/scripted-model answers as a model box would.
"""
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

BIN = sys.argv[1]
SRC = sys.argv[2]
TESTBIN = os.environ["CTO_TEST_BIN"]
ROOT = os.getuid() == 0
MODEL = "scripted-1"
KEY = "sk-real-0123456789abcdef"
SLOW = 5 if os.environ.get("CTO_INSTRUMENTED") else 1
WORK = tempfile.mkdtemp(prefix="gw-")
os.chmod(WORK, 0o755)
failures = []
checks = 0


def check(what, ok, *more):
    global checks
    checks += 1
    if not ok:
        failures.append(what)
        print("gateway:", what, *(str(m)[:600] for m in more), flush=True)
    return ok


def end():
    print(f"{checks} checks, {len(failures)} failed")
    sys.exit(1 if failures else 0)


def wait_for(condition, timeout=10):
    end_at = time.monotonic() + timeout * SLOW
    while not condition() and time.monotonic() < end_at:
        time.sleep(0.01)
    return condition()


# --- the server -----------------------------------------------------------------------------------------------------------
class Answerer:
    """Reads one request after the other of each connection and lets `answer(conn, head, body)` send what it likes. Returning False
    closes the connection."""

    def __init__(self, answer, family=socket.AF_INET, host="127.0.0.1", tls=None):
        self.answer, self.requests, self.connections, self.gone = answer, [], 0, 0
        self.socket = socket.socket(family)
        self.socket.bind((host, 0))
        self.socket.listen(256)
        self.port = self.socket.getsockname()[1]
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        try:
            if self.tls:
                conn = self.tls.wrap_socket(conn, server_side=True)
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    more = conn.recv(65536)
                    if not more:
                        return
                    data += more
                head, data = data.split(b"\r\n\r\n", 1)
                length = 0
                for line in head.split(b"\r\n")[1:]:
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                while len(data) < length:
                    data += conn.recv(65536)
                body, data = data[:length], data[length:]
                self.requests.append((head, body))
                if self.answer(conn, head, body) is False:
                    return
        except OSError:
            self.gone += 1
        finally:
            try:
                conn.close()
            except OSError:
                pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def http(status, body, content_type="application/json", *more):
    body = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def chat_json(model=MODEL, text="hello", tin=11, tout=7):
    return json.dumps({"id": "c1", "object": "chat.completion", "model": model,
                       "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
                       "usage": {"prompt_tokens": tin, "completion_tokens": tout, "total_tokens": tin + tout}})


def event(o):
    return b"data: " + (o if isinstance(o, bytes) else json.dumps(o).encode()) + b"\n\n"


def chat_event(text, model=MODEL, **more):
    return event({"id": "c1", "object": "chat.completion.chunk", "model": model, "choices": [{"index": 0, "delta": {"content": text}}], **more})


STREAM = (chat_event("a") + chat_event("b")
          + event({"model": MODEL, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
          + event({"model": MODEL, "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}) + event(b"[DONE]"))
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(b):
    return b"%x\r\n%s\r\n" % (len(b), b)


def send_stream(conn, *pieces, gap=0.0, finish=True):
    conn.sendall(STREAM_HEAD)
    for p in pieces:
        conn.sendall(chunk(p))
        if gap:
            time.sleep(gap)
    if finish:
        conn.sendall(b"0\r\n\r\n")


def answers_json(conn, head, body):
    conn.sendall(http(200, chat_json()))


# --- the gateway ----------------------------------------------------------------------------------------------------------
class Gateway:
    live = []

    def __init__(self, endpoint, *args, config=None, wait=True, addresses=("127.0.0.1",), uid=True, **more):
        self.frames, self.lines, self.lock = [], [], threading.Condition()
        c = {"mode": "serve", "endpoint": endpoint, "addresses": list(addresses), "key": KEY, "model": MODEL}
        if endpoint is None:
            c = {"mode": "replay", "model": MODEL}
        c.update(more)
        fd, path = tempfile.mkstemp(dir=WORK)
        os.write(fd, config if config is not None else json.dumps(c).encode())
        os.close(fd)
        if ROOT and uid:
            args = (*args, "--uid", "60321")
        self.process = subprocess.Popen([f"{TESTBIN}/gateway_host", f"{BIN}/cto-harness-gateway", path, *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        Gateway.live.append(self)
        threading.Thread(target=self.read, daemon=True).start()
        self.port = self.pid = None
        if wait:
            o = self.wait(lambda o: o.get("event") == "port")
            ready = self.wait(lambda o: o.get("frame") == "GW_READY")
            if o and ready:
                self.port, self.pid = o["port"], o["pid"]
                self.ready = ready["ready"]
            else:
                check("the gateway starts", False, self.lines, self.process.stderr.read())

    def read(self):
        for line in self.process.stdout:
            with self.lock:
                self.lines.append(json.loads(line))
                self.lock.notify_all()
        with self.lock:
            self.lines.append({"event": "closed"})
            self.lock.notify_all()

    def wait(self, want, timeout=15, count=1):
        end_at = time.monotonic() + timeout * SLOW
        with self.lock:
            while True:
                found = [o for o in self.lines if want(o)]
                if len(found) >= count:
                    return found[count - 1]
                left = end_at - time.monotonic()
                if left <= 0 or (self.lines and self.lines[-1].get("event") == "closed"):
                    return None
                self.lock.wait(left)

    def of(self, frame):
        with self.lock:
            return [o for o in self.lines if o.get("frame") == frame]

    def request(self, n, timeout=15):
        """The n-th GW_REQUEST that came (from 1)."""
        return self.wait(lambda o: o.get("frame") == "GW_REQUEST", timeout, n) or {}

    def last(self):
        """The GW_REQUEST of the request before this one, in order."""
        self.seen = getattr(self, "seen", 0) + 1
        return self.request(self.seen)

    def stop(self):
        """Ends the run as the supervisor does; the exit event, or None when it did not end."""
        self.process.stdin.close()
        o = self.wait(lambda o: o.get("event") == "exit", 10)
        if o is None:
            self.process.kill()
        self.process.wait()
        Gateway.live.remove(self)
        return o

    def connect(self, timeout=15):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout * SLOW)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def raw(self, data, timeout=15, half_close=False):
        """All that comes back until the gateway closes or `timeout`."""
        with self.connect(timeout) as s:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            return read_all(s)

    def post(self, body, path="/v1/chat/completions", *headers, timeout=15):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        with self.connect(timeout) as s:
            s.sendall(request(path, body, *headers))
            return read_answer(s)


def request(path, body, *headers, method="POST"):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def read_all(s):
    data = b""
    try:
        while True:
            more = s.recv(65536)
            if not more:
                return data
            data += more
    except OSError:
        return data


class Answer:
    def __init__(self, status, headers, body, whole, raw):
        self.status, self.headers, self.body, self.whole, self.raw = status, headers, body, whole, raw

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    def error(self):
        return self.json().get("error", {})

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r} whole={self.whole}>"


def read_answer(s, on_piece=None):
    """One answer with its length or chunks. status 0: none came."""
    data = b""

    def more():
        nonlocal data
        try:
            got = s.recv(65536)
        except OSError:
            got = b""
        data += got
        if got and on_piece:
            on_piece(got)
        return bool(got)

    while b"\r\n\r\n" not in data:
        if not more():
            return Answer(0, {}, b"", False, data)
    head, data = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
    status = int(lines[0].split()[1])
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            while b"\r\n" not in data:
                if not more():
                    return Answer(status, headers, body, False, head)
            size, data = data.split(b"\r\n", 1)
            n = int(size, 16)
            while len(data) < n + 2:
                if not more():
                    return Answer(status, headers, body + data, False, head)
            body, data = body + data[:n], data[n + 2:]
            if n == 0:
                return Answer(status, headers, body, True, head)
    n = int(headers.get("content-length", 0))
    while len(data) < n:
        if not more():
            return Answer(status, headers, data, False, head)
    return Answer(status, headers, data[:n], True, head)


def ask(text="hi", model=MODEL, **more):
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


class Scripted:
    """tests/doubles/scripted-model."""

    def __init__(self, *args):
        self.log = tempfile.mktemp(dir=WORK)
        self.process = subprocess.Popen([sys.executable, f"{SRC}/tests/doubles/scripted-model", "--test-double", "--log", self.log,
                                         "--lifetime", "300", *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.wait()


def probe(endpoint, *args, timeout=20, **more):
    g = Gateway(endpoint, "--probe", *args, wait=False, **more)
    p = g.wait(lambda o: o.get("frame") in ("GW_PROBE", "GW_FAILED"), timeout) or {}
    g.exit = g.wait(lambda o: o.get("event") == "exit", 10)
    g.process.stdin.close()
    g.process.wait()
    Gateway.live.remove(g)
    return p
