"""The server: HTTP/1.1 with keep-alive and chunks, TLS, the modes of the wire, the log, and an end of its own.

Everything is bounded: bodies, connections, the time of a hanging answer (the peer's going is noticed), the server's life.

The log is one JSON object a line: {"event": "request"} when a request was read, before anything is answered, and
{"event": "answer"} when its answer ended, with how it ended ("whole", "gone": the peer went, "cut": by the mode).
"""
import argparse
import hashlib
import http.server
import json
import os
import select
import signal
import socket
import ssl
import sys
import threading
import time

from scripted_model import chat, plan, responses

MAX_BODY = 64 << 20
MAX_LIVE = 300
APIS = {"/v1/chat/completions": chat, "/v1/responses": responses}


class Log:
    """Lines of JSON, whole ones only, from many threads. Without a file it counts only."""

    def __init__(self, path, bodies):
        self.bodies = bodies
        self.file = open(path, "a", buffering=1, encoding="utf-8") if path else None
        self.lock = threading.Lock()
        self.began = time.monotonic()

    def write(self, event, **data):
        if self.file:
            with self.lock:
                self.file.write(json.dumps({"event": event, "t": round(time.monotonic() - self.began, 4), **data}) + "\n")


class Cut(Exception):
    """The mode wants the connection closed here."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, options, log):
        self.options, self.log = options, log
        self.lock = threading.Lock()
        self.live = self.requests = self.completions = 0
        self.steps = plan.load(options.case, options.script)
        self.modes = plan.parse_modes(options.mode)
        self.tls = None
        if options.tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*options.tls)
        if ":" in options.host:
            self.address_family = socket.AF_INET6
        super().__init__((options.host, options.port), Handler, bind_and_activate=False)
        self.server_bind()  # not yet listening: until then a connection is refused (--slow-start)

    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def mode_now(self, counts):
        """The mode of this request; one that counts takes the next of the list."""
        if self.options.mode_file:
            try:
                with open(self.options.mode_file, encoding="utf-8") as f:
                    return plan.parse_mode(f.read())
            except (OSError, plan.BadScript) as e:
                self.log.write("mode-file", error=str(e))
                return "500", None
        with self.lock:
            mode = self.modes[min(self.completions, len(self.modes) - 1)]
            self.completions += counts
        return mode

    def process_request(self, request, client_address):
        with self.lock:
            self.live += 1
            refuse = self.live > MAX_LIVE
        if refuse:
            with self.lock:
                self.live -= 1
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self.lock:
                self.live -= 1

    def finish_request(self, request, client_address):
        if self.tls:  # here, in the connection's own thread: a client that says nothing holds up nobody
            request.settimeout(10)
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError) as e:
                self.log.write("tls", error=str(e))
                return
            request.settimeout(None)
        super().finish_request(request, client_address)
        if self.tls:
            request.close()

    def handle_error(self, request, client_address):
        self.log.write("error", error=repr(sys.exc_info()[1]))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "scripted-model-test-double"
    sys_version = ""
    timeout = 120

    def log_message(self, *args):
        pass

    # Reading.

    def read_body(self):
        """The body, or None after an answer that refuses it."""
        lengths = self.headers.get_all("Content-Length", [])
        chunked = self.headers.get("Transfer-Encoding", "").lower()
        if len(lengths) > 1 or (lengths and chunked) or chunked not in ("", "chunked"):
            return self.refuse(400, "one length, please")
        if not chunked:
            n = int(lengths[0]) if lengths and lengths[0].isdigit() else 0
            if n > MAX_BODY:
                return self.refuse(413, "too much")
            return self.rfile.read(n)
        body = b""
        while True:
            size = self.rfile.readline(100).split(b";")[0].strip()
            try:
                n = int(size, 16)
            except ValueError:
                return self.refuse(400, "bad chunk")
            if n < 0 or len(body) + n > MAX_BODY:
                return self.refuse(413, "too much")
            if n == 0:
                while self.rfile.readline(4096).strip():
                    pass
                return body
            body += self.rfile.read(n)
            self.rfile.readline(3)

    def refuse(self, status, text):
        self.close_connection = True
        self.send_error_object(status, text, "invalid_request_error")

    # Writing.

    def send_whole(self, status, body, kind="application/json", headers=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self._headers_buffer.append(b"\r\n")
        head = b"".join(self._headers_buffer)
        self._headers_buffer = []
        self.put(head + body)

    def send_object(self, status, data, headers=()):
        self.send_whole(status, json.dumps(data).encode(), headers=headers)

    def send_error_object(self, status, text, kind, headers=()):
        self.status = status
        self.send_object(status, {"error": {"message": text, "type": kind, "param": None, "code": kind}}, headers)

    def put(self, data):
        self.wfile.write(data)
        self.sent += len(data)

    def start_stream(self):
        self.chunks = self.request_version != "HTTP/1.0"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        if self.chunks:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.close_connection = True
        self.end_headers()

    def stream(self, event):
        self.put(b"%x\r\n%s\r\n" % (len(event), event) if self.chunks else event)

    def end_stream(self):
        if self.chunks:
            self.put(b"0\r\n\r\n")

    def wait(self, seconds):
        """Lets time pass, but not after the peer has gone."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            readable, _, _ = select.select([self.connection], [], [], min(left, 0.5))
            if readable:
                if isinstance(self.connection, ssl.SSLSocket) or not self.connection.recv(1, socket.MSG_PEEK):
                    raise ConnectionResetError("the peer has gone")
                time.sleep(min(left, 0.05))  # it speaks although it has no answer yet

    # Requests.

    def do_GET(self):
        self.handle_request(None)

    def do_POST(self):
        self.handle_request(self.read_body())

    do_PUT = do_DELETE = do_OPTIONS = do_PATCH = do_CONNECT = do_GET

    def handle_one_request(self):
        self.sent, self.status = 0, 200
        super().handle_one_request()

    def handle_request(self, raw):
        if raw is None and self.command == "POST":
            return
        server, path = self.server, self.path.partition("?")[0]
        with server.lock:
            server.requests += 1
            number = server.requests
        module = APIS.get(path) if self.command == "POST" else None
        mode = server.mode_now(module is not None)
        try:
            body = json.loads(raw) if raw else {}
            if not isinstance(body, dict):
                body = {}
        except ValueError:
            body = None
        self.log_request_line(number, path, raw, body, mode)
        end = "whole"
        try:
            self.answer(module, path, number, raw, body, mode)
        except Cut:
            end = "cut"
            self.close_connection = True
        except (OSError, ssl.SSLError):
            end = "gone"
            self.close_connection = True
        server.log.write("answer", n=number, status=self.status, bytes=self.sent, end=end)

    def log_request_line(self, number, path, raw, body, mode):
        log, parsed = self.server.log, body or {}
        more = {"body": body if body is not None else raw.decode("latin-1")} if log.bodies and raw else {}
        log.write("request", n=number, method=self.command, path=path, model=parsed.get("model"), stream=bool(parsed.get("stream")),
                  mode=mode[0], bytes=len(raw or b""), sha256=hashlib.sha256(raw or b"").hexdigest(),
                  peer=self.client_address[1], http=self.request_version, headers=self.headers.items(), **more)

    def answer(self, module, path, number, raw, body, mode):
        options, (name, argument) = self.server.options, mode
        if name == "redirect":
            self.status = 307
            return self.send_whole(307, b"", headers=[("Location", argument)])
        if name == "401" or (options.key and self.headers.get("Authorization") != "Bearer " + options.key):
            return self.send_error_object(401, "no such key", "invalid_api_key")
        if self.command == "GET" and path == "/v1/models":
            return self.send_object(200, {"object": "list", "data": [
                {"id": options.model, "object": "model", "created": 1700000000, "owned_by": "scripted-model-test-double"}]})
        if self.command == "GET" and path == "/health":
            return self.send_object(200, {"status": "ok"})
        if module is None:
            return self.send_error_object(405 if path in APIS else 404, "no such path here", "invalid_request_error")
        if name in ("429", "500", "status"):
            status = argument if name == "status" else int(name)
            return self.send_error_object(status, f"the scripted model was told to say {status}",
                                          "rate_limit_exceeded" if status == 429 else "server_error",
                                          [("Retry-After", "1")] if status == 429 else [])
        if name == "hang":
            self.wait(options.lifetime)
            raise Cut
        if body is None:
            return self.send_error_object(400, "the body is not JSON", "invalid_request_error")
        if body.get("model") != options.model:
            return self.send_error_object(404, f"the model {body.get('model')!r} does not exist", "model_not_found")
        if name == "no-body":
            return self.send_whole(200, b"")
        if name == "garbage":
            kind = "text/event-stream" if body.get("stream") else "application/json"
            return self.send_whole(200, b"\x00\xff<html>this is {neither JSON nor an event\r\r\n\n:\n" * 20, kind)
        return self.complete(module, number, raw, body, mode)

    def complete(self, module, number, raw, body, mode):
        options, (name, _) = self.server.options, mode
        try:
            tools, done, room = module.read(body)
            answer = plan.Planner(self.server.steps, mode, options.size, tools, room, b"AGENT_RESULT" in raw).answer(done)
        except plan.BadScript as e:
            return self.send_error_object(400, str(e), "invalid_request_error")
        model = "another-model-than-asked-for" if name == "wrong-model" else options.model
        if not body.get("stream"):
            if name == "slow":
                self.wait(options.delay)
            data = json.dumps(module.whole(answer, model, number, len(raw))).encode()
            if name not in ("drop", "hang-stream"):
                return self.send_whole(200, data)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.put(data[:len(data) // 2])
            return self.stay_or_go(name)
        self.start_stream()
        if name == "slow":
            self.wait(options.delay)
        events = list(module.events(answer, model, number, len(raw), options.piece, body))
        for i, event in enumerate(events):
            if name in ("drop", "hang-stream") and i == len(events) // 2:
                self.stream(event[:len(event) // 2])
                self.stay_or_go(name)
            if i and options.gap:
                self.wait(options.gap)
            self.stream(event)
        self.end_stream()
        return None

    def stay_or_go(self, name):
        if name == "hang-stream":
            self.wait(self.server.options.lifetime)
        raise Cut


def read_options(doc):
    p = argparse.ArgumentParser(prog="scripted-model", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--test-double", action="store_true", help="say that you know that this is no model")
    p.add_argument("--host", default="127.0.0.1", choices=["127.0.0.1", "::1"])
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--port-file")
    p.add_argument("--model", default="scripted-1", help="the only model there is (%(default)s)")
    p.add_argument("--key", help="401 without this bearer key")
    p.add_argument("--case", help="directory of a case: do its fake steps")
    p.add_argument("--script", help="JSON file of steps; without both: the fix of r1-string-slugify")
    p.add_argument("--mode", default="fix")
    p.add_argument("--mode-file", help="read at each request, wins over --mode")
    p.add_argument("--log", help="JSON lines of requests and answers, appended")
    p.add_argument("--log-bodies", action="store_true")
    p.add_argument("--delay", type=float, default=3, help="mode slow: seconds to the first token (%(default)s)")
    p.add_argument("--gap", type=float, default=0, help="seconds between events of a stream")
    p.add_argument("--piece", type=int, default=4096, help="bytes of text in one event (%(default)s)")
    p.add_argument("--size", type=int, default=4 << 20, help="mode huge: bytes of text (%(default)s)")
    p.add_argument("--slow-start", type=float, default=0, help="seconds in which connections are refused")
    p.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    p.add_argument("--lifetime", type=float, default=600, help="seconds (%(default)s)")
    o = p.parse_args()
    if not o.test_double:
        p.error("this is a test double, no model: --test-double says that you know")
    if not (0 < o.lifetime <= 7200 and 0 <= o.delay <= 600 and 0 <= o.gap <= 60 and 0 < o.piece and 0 < o.size <= 256 << 20 and
            0 <= o.slow_start <= 600 and 0 <= o.port <= 65535):
        p.error("a number is out of bounds")
    return o


def main(doc):
    o = read_options(doc)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    end = threading.Timer(o.lifetime, os._exit, [0])
    end.daemon = True
    end.start()
    try:
        server = Server(o, Log(o.log, o.log_bodies))
    except (OSError, ValueError, KeyError, plan.BadScript, ssl.SSLError) as e:
        print(f"scripted-model: {e}", file=sys.stderr)
        return 2
    print("scripted-model: a test double, no model", file=sys.stderr)
    if not o.slow_start:
        server.server_activate()
    print(server.server_port, flush=True)
    if o.port_file:
        with open(o.port_file + ".new", "w", encoding="ascii") as f:
            f.write(f"{server.server_port}\n")
        os.rename(o.port_file + ".new", o.port_file)
    if o.slow_start:
        time.sleep(o.slow_start)
        server.server_activate()
    server.serve_forever()
    return 0
