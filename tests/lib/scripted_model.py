"""scripted_model.py BINDIR SRCDIR - every mode of tests/doubles/scripted-model, by both APIs, plain and streamed.

One server changes its mode by --mode-file; those that need other options are started for it. A conversation is played as an agent
would: each call of a tool is really done (in an empty directory, by the shell), and its result sent back.
"""
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

SRC = sys.argv[2]
DOUBLE = os.path.join(SRC, "tests/doubles/scripted-model")
WORK = tempfile.mkdtemp()
MODEL = "scripted-1"
SHELL = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
EDIT = {"type": "object", "properties": {"path": {"type": "string"}, "edits": {"type": "array"}}, "required": ["path", "edits"]}
failures = []
checks = 0


def check(what, ok, *more):
    global checks
    checks += 1
    if not ok:
        failures.append(what)
        print("scripted_model:", what, *(str(m)[:300] for m in more))


class Server:
    started = []

    def __init__(self, *args):
        n = len(Server.started)
        self.port_file, self.log, self.mode_file = (f"{WORK}/{n}.{x}" for x in ("port", "log", "mode"))
        self.set("fix")
        self.process = subprocess.Popen([sys.executable, DOUBLE, "--test-double", "--port-file", self.port_file, "--log", self.log,
                                         "--log-bodies", "--lifetime", "120", *args], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        Server.started.append(self.process)
        self.port = int(self.process.stdout.readline())
        while not os.path.exists(self.port_file):
            time.sleep(0.01)
        assert int(open(self.port_file).read()) == self.port

    def set(self, mode):
        with open(self.mode_file + ".new", "w") as f:
            f.write(mode)
        os.rename(self.mode_file + ".new", self.mode_file)

    def lines(self):
        return [json.loads(line) for line in open(self.log)]

    def ask(self, path, body=None, key=None, timeout=10, **headers):
        """status, headers, body; an http.client exception is the caller's."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        if key:
            headers["Authorization"] = "Bearer " + key
        try:
            c.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
            r = c.getresponse()
            return r.status, dict(r.getheaders()), r.read()
        finally:
            c.close()


def sse(data):
    """The data of each event; what is no event stands as None."""
    out = []
    for event in data.decode().split("\n\n")[:-1]:
        lines = event.split("\n")
        text = "".join(x[6:] for x in lines if x.startswith("data: "))
        out.append(text if text == "[DONE]" else json.loads(text) if text else None)
    return out


class Chat:
    path = "/v1/chat/completions"

    def __init__(self, stream, tools):
        self.stream = stream
        self.tools = tools
        self.body = {"model": MODEL, "messages": [{"role": "user", "content": "do it"}], "stream": stream,
                     "tools": [{"type": "function", "function": {"name": n, "parameters": p}} for n, p in tools.items()]}
        if stream:
            self.body["stream_options"] = {"include_usage": True}

    def read(self, data):
        """text, reasoning, call (id, name, arguments) or None, finish, usage, model"""
        if not self.stream:
            d = json.loads(data)
            m, finish, usage = d["choices"][0]["message"], d["choices"][0]["finish_reason"], d["usage"]
            calls = m.get("tool_calls") or []
            call = (calls[0]["id"], calls[0]["function"]["name"], calls[0]["function"]["arguments"]) if calls else None
            return m["content"] or "", m.get("reasoning_content", ""), call, finish, usage, d["model"]
        text = reasoning = arguments = ""
        name = finish = usage = None
        events = sse(data)
        assert events[-1] == "[DONE]"
        for e in events[:-1]:
            usage = e.get("usage", usage)
            for c in e["choices"]:
                d = c["delta"]
                finish = c["finish_reason"] or finish
                text += d.get("content") or ""
                reasoning += d.get("reasoning_content", "")
                for t in d.get("tool_calls", []):
                    name = (t["id"], t["function"]["name"]) if "id" in t else name
                    arguments += t["function"]["arguments"]
        return text, reasoning, (*name, arguments) if name else None, finish, usage, events[0]["model"]

    def add(self, text, call, result):
        self.body["messages"] += [{"role": "assistant", "content": text, "tool_calls": [
            {"id": call[0], "type": "function", "function": {"name": call[1], "arguments": call[2]}}]},
            {"role": "tool", "tool_call_id": call[0], "content": result}]

    def room(self, n):
        self.body["max_tokens"] = n


class Responses(Chat):
    path = "/v1/responses"

    def __init__(self, stream, tools):
        super().__init__(stream, tools)
        self.body = {"model": MODEL, "input": [{"type": "message", "role": "user", "content": "do it"}], "stream": stream,
                     "tools": [{"type": "function", "name": n, "parameters": p} if p else {"type": "custom", "name": n}
                               for n, p in tools.items()] + [{"type": "web_search"}]}

    def read(self, data):
        if self.stream:
            events = sse(data)
            kinds = [e["type"] for e in events]
            assert kinds[0] == "response.created" and [e["sequence_number"] for e in events] == list(range(len(events)))
            assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done")
            d = events[-1]["response"]
            done = [e["item"] for e in events if e["type"] == "response.output_item.done"]
            assert done == d["output"], "the items of the stream are those of its end"
        else:
            d = json.loads(data)
        text = reasoning = ""
        call = None
        for item in d["output"]:
            if item["type"] == "message":
                text += item["content"][0]["text"]
            elif item["type"] == "reasoning":
                reasoning += item["summary"][0]["text"]
            else:
                call = (item["call_id"], item["name"], item["input"] if item["type"] == "custom_tool_call" else item["arguments"])
        return text, reasoning, call, d["status"], d["usage"], d["model"]

    def add(self, text, call, result):
        kind, key = ("function_call", "arguments") if self.tools[call[1]] else ("custom_tool_call", "input")
        self.body["input"] += [{"type": kind, "call_id": call[0], "name": call[1], key: call[2]},
                               {"type": kind + "_output", "call_id": call[0], "output": result}]

    def room(self, n):
        self.body["max_output_tokens"] = n


def repository():
    shutil.rmtree(f"{WORK}/ws", ignore_errors=True)
    shutil.copytree(os.path.join(SRC, "cases/r1-string-slugify/fixture"), f"{WORK}/ws")
    for args in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "base"]):
        subprocess.run(["git", *args], cwd=f"{WORK}/ws", env=ENV, check=True)


ENV = {"PATH": os.environ["PATH"], "HOME": WORK, "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.invalid",
       "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.invalid", "PYTHONDONTWRITEBYTECODE": "1"}


def do(name, arguments):
    if name == "apply_patch":  # as much of it as the double uses: lines taken out, lines put in
        lines = arguments.split("\n")
        path = f"{WORK}/ws/{lines[1].removeprefix('*** Update File: ')}"
        old, new = ("".join(x[1:] + "\n" for x in lines if x.startswith(sign)) for sign in "-+")
        text = open(path).read()
        assert lines[0] == "*** Begin Patch" and lines[-2] == "*** End Patch" and old in text
        open(path, "w").write(text.replace(old, new))
        return "Done!"
    a = json.loads(arguments)
    if name == "edit":
        path = f"{WORK}/ws/{a['path']}"
        text = open(path).read()
        for e in a["edits"]:
            assert e["oldText"] in text
            text = text.replace(e["oldText"], e["newText"])
        open(path, "w").write(text)
        return "ok"
    r = subprocess.run(["bash", "-c", a["command"]], cwd=f"{WORK}/ws", env=ENV, capture_output=True, text=True, timeout=20)
    return f"{r.stdout}{r.stderr}\nexit {r.returncode}"


def play(server, api, stream, tools, turns=12):
    """One conversation. Returns (turns, last answer, commits, changed paths against the base, dirt)."""
    repository()
    talk = api(stream, tools)
    for turn in range(1, turns + 1):
        status, _, data = server.ask(talk.path, talk.body)
        assert status == 200, data
        answer = talk.read(data)
        if not answer[2]:
            break
        talk.add(answer[0], answer[2], do(answer[2][1], answer[2][2]))

    def git(*args):
        return subprocess.run(["git", *args], cwd=f"{WORK}/ws", env=ENV, capture_output=True, text=True, check=True).stdout.split()
    root = git("rev-list", "--max-parents=0", "HEAD")[0]
    return turn, answer, int(git("rev-list", "--count", "HEAD")[0]) - 1, git("diff", "--name-only", root, "HEAD"), git("status", "--short")


def passes():
    return subprocess.run([sys.executable, "-c", "from strings import slugify; assert slugify(' Hello \\t World ') == 'hello-world'"],
                          cwd=f"{WORK}/ws", env=ENV, check=False).returncode == 0


FORMS = [(Chat, False), (Chat, True), (Responses, False), (Responses, True)]


def content_modes(s):
    for api, stream in FORMS:
        for tools in ({"bash": SHELL}, {"shell": SHELL, "edit": EDIT}):
            form = f"{api.__name__} stream={stream} {sorted(tools)}"
            s.set("fix")
            turns, last, commits, changed, dirt = play(s, api, stream, tools)
            check(f"fix, {form}", turns == 4 and commits == 1 and changed == ["strings.py"] and not dirt and last[0] and passes(),
                  turns, commits, changed, dirt, last)
            check(f"fix counts tokens, {form}", all(isinstance(v, int) and v > 0 for k, v in last[4].items() if k.startswith(
                ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")) and not k.endswith("details")), last[4])
        if api is Responses:
            s.set("fix")
            turns, last, commits, changed, dirt = play(s, api, stream, {"apply_patch": None, "bash": SHELL})
            check(f"a patch, stream={stream}", turns == 4 and commits == 1 and changed == ["strings.py"] and passes(), turns, commits)
        form = f"{api.__name__} stream={stream}"
        for mode, want in (("no-diff", (2, 0, [], [])), ("uncommitted", (3, 0, [], ["M", "strings.py"])),
                           ("disallowed", (5, 1, ["outside-of-the-task.txt", "strings.py"], [])),
                           ("wrong-model", (4, 1, ["strings.py"], [])), ("linger-talk", (9, 1, ["strings.py"], []))):
            s.set(mode)
            turns, last, commits, changed, dirt = play(s, api, stream, {"bash": SHELL}, 9)
            check(f"{mode}, {form}", (turns, commits, changed, dirt) == want, (turns, commits, changed, dirt))
            check(f"{mode} names the model, {form}", (last[5] == MODEL) == (mode != "wrong-model"), last[5])
            check(f"{mode} goes on, {form}", bool(last[2]) == (mode == "linger-talk"))
    talk = Chat(True, {"bash": SHELL})
    s.set("linger")
    for k in range(5):
        last = talk.read(s.ask(talk.path, talk.body)[2])
        talk.add("", last[2], "")
    check("linger is silent", not last[0] and "sleep" in last[2][2], last)
    s.set("orphan")
    play(s, Chat, True, {"bash": SHELL})
    left = subprocess.run(["pgrep", "-x", "-f", "sleep 601"], capture_output=True, text=True, check=False).stdout.split()
    mine = [p for p in left if os.path.realpath(f"/proc/{p}/cwd") == os.path.realpath(f"{WORK}/ws")]
    for p in mine:
        os.kill(int(p), 9)
    check("orphan leaves one process", len(mine) == 1, left)


def said_modes(s):
    for api, stream in FORMS:
        form = f"{api.__name__} stream={stream}"
        for mode, text, reasoning in (("reasoning-only", 0, 1), ("empty", 0, 0)):
            s.set(mode)
            talk = api(stream, {"bash": SHELL})
            last = talk.read(s.ask(talk.path, talk.body)[2])
            check(f"{mode}, {form}", (bool(last[0]), bool(last[1]), last[2]) == (bool(text), bool(reasoning), None), last)
        s.set("reasoning-until:256")
        for room, says in ((32, False), (255, False), (256, True), (1024, True), (None, True)):
            talk = api(stream, {})
            if room is not None:
                talk.room(room)
            last = talk.read(s.ask(talk.path, talk.body)[2])
            check(f"reasoning-until, {form}, room {room}", bool(last[0]) == says and (says or last[3] in ("length", "incomplete")), last)
        s.set("huge")
        talk = api(stream, {})
        check(f"huge, {form}", len(talk.read(s.ask(talk.path, talk.body)[2])[0]) >= 4 << 20)
        s.set("slow")
        began = time.monotonic()
        talk = api(stream, {})
        s.ask(talk.path, talk.body)
        check(f"slow, {form}", 0.5 <= time.monotonic() - began < 5)
    s.set("fix")
    talk = Chat(False, {"bash": SHELL})
    talk.body["messages"] += [{"role": "user", "content": "end with an AGENT_RESULT"}, {"role": "tool", "content": ""}] * 3
    text = talk.read(s.ask(talk.path, talk.body)[2])[0]
    envelope = text.partition("<<<AGENT_RESULT\n")[2].partition("\nAGENT_RESULT>>>")[0]
    check("an envelope for who asks for one", json.loads(envelope or "{}").get("status") == "completed", text)


def outcome(s, talk, timeout=10):
    """What a client sees: a status, or how the connection failed."""
    try:
        status, headers, data = s.ask(talk.path, talk.body, timeout=timeout)
    except socket.timeout:
        return "silence"
    except http.client.IncompleteRead as e:
        return "cut after something" if e.partial else "cut"
    except (http.client.HTTPException, OSError) as e:
        return repr(e)
    if status != 200:
        return f"{status} {headers.get('Location') or headers.get('Retry-After') or ''}".strip()
    try:
        talk.read(data)
        return "answer"
    except (ValueError, KeyError, AssertionError, IndexError):
        return "nonsense" if data else "nothing"


def wire_modes(s):
    for api, stream in FORMS:
        for mode, want, timeout in (("401", "401", 10), ("429", "429 1", 10), ("500", "500", 10), ("status:503", "503", 10),
                                    ("redirect:http://127.0.0.1:9/v1", "307 http://127.0.0.1:9/v1", 10), ("hang", "silence", 0.6),
                                    ("hang-stream", "silence", 0.6), ("drop", "cut after something", 10), ("garbage", "nonsense", 10),
                                    ("no-body", "nothing", 10), ("fix", "answer", 10), ("nonsense", "500", 10)):
            s.set(mode)
            seen = outcome(s, api(stream, {"bash": SHELL}), timeout)
            check(f"{mode}, {api.__name__} stream={stream}", seen == want, seen)
    # A hanging stream has begun: its first bytes are there before it hangs.
    for mode, first in (("hang-stream", b"HTTP/1.1 200"), ("hang", b"")):
        s.set(mode)
        talk = Chat(True, {"bash": SHELL})
        body = json.dumps(talk.body).encode()
        with socket.create_connection(("127.0.0.1", s.port), 10) as c:
            c.settimeout(0.6)
            c.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (talk.path.encode(), len(body)) + body)
            data = b""
            try:
                while part := c.recv(65536):
                    data += part
                check(f"{mode} ended", False)
            except socket.timeout:
                pass
        check(f"{mode} on the wire", data.startswith(first) and (b"data: {" in data) == (mode == "hang-stream"), data)
    time.sleep(1)  # the server looks each half second whether the peer has gone
    ends = {line["end"] for line in s.lines() if line["event"] == "answer"}
    check("the log tells how answers ended", ends == {"whole", "cut", "gone"}, ends)
    asked, answered = (sum(1 for line in s.lines() if line["event"] == e) for e in ("request", "answer"))
    check("each request in the log has its end", asked == answered > 50, asked, answered)


def http_forms(s):
    s.set("fix")
    c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
    for _ in range(3):  # keep-alive, and a chunked request
        talk = Chat(True, {"bash": SHELL})
        c.request("POST", talk.path, iter([json.dumps(talk.body).encode()[:50], json.dumps(talk.body).encode()[50:]]), encode_chunked=True,
                  headers={"Transfer-Encoding": "chunked"})
        r = c.getresponse()
        check("chunked both ways", r.getheader("Transfer-Encoding") == "chunked" and talk.read(r.read())[2])
    c.close()
    peers = {line["peer"] for line in s.lines()[-6:] if line["event"] == "request"}
    check("keep-alive is one connection", len(peers) == 1, peers)
    for head, want in ((b"Content-Length: 2\r\nContent-Length: 2\r\n", b"400"), (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"400")):
        with socket.create_connection(("127.0.0.1", s.port), 10) as raw:
            raw.sendall(b"POST /v1/responses HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n{}")
            check("two lengths are refused", raw.recv(4096).split(b" ")[1] == want)
    with socket.create_connection(("127.0.0.1", s.port), 10) as raw:
        body = json.dumps(Chat(True, {"bash": SHELL}).body).encode()
        raw.sendall(b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        data = b""
        while part := raw.recv(65536):
            data += part
        check("HTTP/1.0: no chunks, and closed", b"chunked" not in data and data.endswith(b"data: [DONE]\n\n"), data)
    check("models", json.loads(s.ask("/v1/models")[2])["data"][0]["id"] == MODEL)
    for path, body, want in (("/v1/none", None, 404), ("/v1/responses", None, 405), ("/v1/responses", {"model": "other"}, 404)):
        status, _, data = s.ask(path, body)
        check(f"{path} {body}", status == want and "message" in json.loads(data)["error"], status, data)
    last = [line for line in s.lines() if line["event"] == "request"][-1]
    check("the log has model, headers, digest and body", last["model"] == "other" and last["body"] == {"model": "other"} and
          len(last["sha256"]) == 64 and ["Host", f"127.0.0.1:{s.port}"] in last["headers"], last)


def other_servers():
    s = Server("--key", "k-1", "--mode", "500*2,fix", "--model", "m")
    talk = Chat(False, {})
    talk.body["model"] = "m"
    check("a wrong key", s.ask(talk.path, talk.body, key="k-2")[0] == 401 and s.ask("/v1/models")[0] == 401)
    seen = [s.ask(talk.path, talk.body, key="k-1")[0] for _ in range(3)]
    check("500*2,fix: one of them went to the wrong key", seen == [500, 200, 200], seen)

    s = Server("--slow-start", "1", "--gap", "0.1", "--lifetime", "3")
    began = time.monotonic()
    try:
        s.ask("/v1/models")
        check("slow start refuses", False)
    except ConnectionRefusedError:
        pass
    time.sleep(1.2)
    with socket.create_connection(("127.0.0.1", s.port), 10) as c:
        body = json.dumps(Chat(True, {"bash": SHELL}).body).encode()
        c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        arrivals, data = 0, b""
        while b"[DONE]" not in data:
            data += c.recv(65536)
            arrivals += 1
    check("a gap between events", arrivals >= 5, arrivals)
    s.process.wait(10)
    check("it ends by itself", s.process.returncode == 0 and 2 < time.monotonic() - began < 9, time.monotonic() - began)

    cert, key = f"{WORK}/cert.pem", f"{WORK}/key.pem"
    if subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext",
                       "subjectAltName=DNS:localhost", "-days", "2", "-keyout", key, "-out", cert], capture_output=True, check=False).returncode == 0:
        s = Server("--tls", cert, key)
        with socket.create_connection(("127.0.0.1", s.port), 10) as raw, \
                ssl.create_default_context(cafile=cert).wrap_socket(raw, server_hostname="localhost") as c:
            c.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            check("TLS", c.recv(100).startswith(b"HTTP/1.1 200"))
        with socket.create_connection(("127.0.0.1", s.port), 10) as raw:
            raw.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
            try:
                check("no TLS, no answer", not raw.recv(100).startswith(b"HTTP"))
            except ConnectionResetError:
                pass
    else:
        check("openssl makes a certificate", False)

    for args in ([], ["--test-double", "--mode", "nonsense"], ["--test-double", "--host", "0.0.0.0"], ["--test-double", "--lifetime", "0"],
                 ["--test-double", "--case", WORK]):
        r = subprocess.run([sys.executable, DOUBLE, *args], capture_output=True, text=True, timeout=20, check=False)
        check(f"refused: {args}", r.returncode == 2 and not r.stdout, r)

    # Each case whose fake lane can be told to an agent is one.
    told = 0
    for case in ("rename-module", "delete-dead-code", "mode-change", "multi-commit", "unicode-paths", "binary-asset"):
        s = Server("--case", os.path.join(SRC, "cases", case))
        talk = Chat(False, {"bash": SHELL})
        told += talk.read(s.ask(talk.path, talk.body)[2])[2] is not None
    check("cases", told == 6, told)


def main():
    try:
        s = Server("--mode-file", f"{WORK}/0.mode", "--delay", "0.5")
        for part in (content_modes, said_modes, wire_modes, http_forms):
            part(s)
        other_servers()
    finally:
        for p in Server.started:
            p.terminate()
        codes = [p.wait(10) for p in Server.started]
        shutil.rmtree(WORK, ignore_errors=True)
    check("all ended well", not any(codes), codes)
    print(f"scripted_model: {checks} checks, {len(failures)} failed")
    return bool(failures)


sys.exit(main())
