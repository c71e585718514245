"""gateway_life.py BINDIR SRCDIR - how a gateway starts, is confined, bears load and bad clients, keeps budgets and slots, and ends."""
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gwlib import *

up = Answerer(answers_json)
URL = f"http://127.0.0.1:{up.port}/v1"


def failed(what, text, *args, endpoint=URL, **more):
    g = Gateway(endpoint, *args, wait=False, **more)
    f = g.wait(lambda o: o.get("frame") == "GW_FAILED", 10) or {}
    check(f"{what}: GW_FAILED says why", text in f.get("text", ""), f or g.lines)
    check(f"{what}: no secret in it", KEY not in json.dumps(f) and str(up.port) not in json.dumps(f), f)
    x = g.wait(lambda o: o.get("event") == "exit", 10)
    check(f"{what}: exit 1", x and x["code"] == 1, g.lines)
    g.process.stdin.close()
    g.process.wait()
    Gateway.live.remove(g)


# --- configuration
failed("another build", "build_id", "--bad-build")
failed("no JSON", "GW_CONFIG", config=b"hello")
failed("an unknown key", "suprise", suprise=1)
failed("an unknown limit", "limits.x", limits={"x": 1})
failed("no endpoint", "endpoint", endpoint="")
for what, url in (("no URL", "model box"), ("no scheme", "127.0.0.1:80/v1"), ("another scheme", "ftp://127.0.0.1/v1"), ("credentials", "http://u:p@127.0.0.1/v1"),
                  ("port 0", "http://127.0.0.1:0/v1"), ("port 65536", "http://127.0.0.1:65536/v1"), ("port of letters", "http://127.0.0.1:http/v1"), ("a query", "http://127.0.0.1/v1?a=b"),
                  ("a fragment", "http://127.0.0.1/v1#a"), ("dots", "http://127.0.0.1/v1/../x"), ("an open bracket", "http://[::1/v1"), ("no host", "http:///v1"),
                  ("a control character", "http://127.0.0.1/v1\r\nX: y"), ("an odd number", "http://2130706433/v1")):
    failed("endpoint: " + what, "endpoint", endpoint=url)
failed("an address that is a name", "addresses", addresses=["localhost"])
failed("no address", "addresses", addresses=[])
failed("a short key", "key", key="short")
failed("a key with a line end", "key", key="sk-0123456789\r\nX: y")
failed("a model with a quote", "model", model='a"b')
failed("a short known value", "value", redact=[{"name": "a", "value": "1234567"}])
failed("a certificate file that is missing", "ca_file", endpoint=f"https://127.0.0.1:{up.port}/v1", ca_file=f"{WORK}/none.pem")
failed("a certificate file without one", "ca_file", endpoint=f"https://127.0.0.1:{up.port}/v1", ca_file="/etc/hostname" if os.path.exists("/etc/hostname") else "/etc/passwd")
failed("a certificate file for plain HTTP", "ca_file", ca_file="/etc/passwd")
failed("replay with an endpoint", "replay", mode="replay")
failed("a budget that is negative", "budgets", budgets={"requests": -1})
if ROOT:
    failed("root that stays root", "uid", "--uid", "0", uid=False)
    failed("root without a uid", "unprivileged uid", uid=False)

# --- the listener
for kind, text in (("unix", "IPv4"), ("udp", "IPv4"), ("v6", "IPv4"), ("unbound", "does not listen"), ("any", "loopback"), ("two", "exactly one"),
                   (f"endpoint:{up.port}", "port is the endpoint's")):
    failed(f"listener {kind}", text, "--listener", kind)
for kind in ("none", "never"):
    g = Gateway(URL, "--listener", kind, wait=False)
    g.wait(lambda o: o.get("frame") == "GW_READY")
    time.sleep(0.2)
    x = g.stop()
    check(f"listener {kind}: the end of the run ends it well", x and x["code"] == 0 and g.of("GW_DONE") and not g.of("GW_FAILED"), g.lines)

# --- confinement
g = Gateway(URL)
status = dict(line.split(":\t", 1) for line in open(f"/proc/{g.pid}/status") if ":\t" in line)
check("no new privileges", status["NoNewPrivs"].strip() == "1", status)
check("a filter", status["Seccomp"].strip() == "2", status)
check("no capability", all(int(status[c], 16) == 0 for c in ("CapEff", "CapPrm", "CapInh", "CapAmb")), status)
check("no capability to come, as root", not ROOT or int(status["CapBnd"], 16) == 0, status)
check("the uid", status["Uid"].split() == ["60321"] * 4 if ROOT else status["Uid"].split()[0] == str(os.getuid()), status)
check("one thread", status["Threads"].strip() == "1", status)
for want in ("landlock", "seccomp", "no_new_privs", "no capabilities", "resource limits", "death with the parent"):
    check(f"reported: {want}", want in g.ready["mechanisms"], g.ready)
check("reported: ABI and filter", g.ready["landlock_abi"] > 0 and g.ready["seccomp_instructions"] > 20 and g.ready["pid"] == g.pid, g.ready)
if ROOT:
    environ = open(f"/proc/{g.pid}/environ", "rb").read()
    check("its environment and arguments say nothing", KEY.encode() not in environ and KEY.encode() not in open(f"/proc/{g.pid}/cmdline", "rb").read(), environ)
    fds = [os.readlink(f"/proc/{g.pid}/fd/{f}") for f in os.listdir(f"/proc/{g.pid}/fd")]
    check("no file is open", all(f.startswith(("socket:", "anon_inode:", "pipe:", "/dev/null")) for f in fds), fds)
else:
    try:
        open(f"/proc/{g.pid}/environ", "rb").read()
        check("its memory is nobody's to read", False)
    except PermissionError:
        check("its memory is nobody's to read", True)
g.stop()

# --- the supervisor dies
g = Gateway(URL)
g.process.send_signal(signal.SIGKILL)


def is_gone(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


check("it dies with its supervisor", wait_for(lambda: is_gone(g.pid), 5))
g.process.wait()
Gateway.live.remove(g)

# --- the end
g = Gateway(URL)
s = g.connect()
up.answer = lambda c, h, b: send_stream(c, *[chat_event("x")] * 200, gap=0.05)
s.sendall(request("/v1/chat/completions", json.dumps(ask(stream=True)).encode()))
s.recv(1000)
t = time.monotonic()
x = g.stop()
check("the end of the run cuts what is under way", x and x["code"] == 0 and time.monotonic() - t < 3 * SLOW, x, time.monotonic() - t)
check("and reports it", [(r["outcome"], r["status"]) for r in g.of("GW_REQUEST")] == [("agent_left", 200)] and g.of("GW_DONE")[0]["requests"] == 1, g.lines)
check("GW_DONE is last", [o for o in g.lines if "frame" in o][-1]["frame"] == "GW_DONE", g.lines[-4:])
g = Gateway(URL)
up.answer = lambda c, h, b: (time.sleep(0.2), c.sendall(http(200, chat_json())))
s = g.connect()
s.sendall(request("/v1/chat/completions", json.dumps(ask()).encode()))
time.sleep(0.1)
check("a short moment is given", (g.stop() or {}).get("code") == 0 and read_answer(s).status == 200 and g.of("GW_REQUEST")[0]["outcome"] == "ok", g.lines)

# --- the agent leaves
g = Gateway(URL, limits={"idle_ms": 1000 * SLOW, "total_ms": 4000 * SLOW})
for what, answer, streamed in (("while it waits", lambda c, h, b: (wait_gone(c), False)[1], False),
                               ("inside of a stream", lambda c, h, b: (send_stream(c, chat_event("x"), finish=False), wait_gone(c), False)[2], True)):
    def wait_gone(c):
        c.settimeout(5 * SLOW)
        gone.append(c.recv(1) == b"")
    gone = []
    up.answer = answer
    s = g.connect()
    s.sendall(request("/v1/chat/completions", json.dumps(ask(stream=streamed)).encode()))
    if streamed:
        s.recv(10)
    else:
        time.sleep(0.2)
    t = time.monotonic()
    s.close()
    r = g.last()
    check(f"the agent leaves {what}: noticed", r.get("outcome") == "agent_left" and time.monotonic() - t < 1 * SLOW, r)
    check(f"the agent leaves {what}: the server is let go", wait_for(lambda: gone == [True], 3), gone)
up.answer = answers_json
with g.connect() as s:
    s.sendall(request("/v1/chat/completions", b"x" * 100)[:-50])
r = g.last()
check("it leaves inside of a body", r.get("outcome") == "agent_left", r)

# --- slow and silent clients
t = time.monotonic()
answer = g.raw(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", timeout=10)
check("a silent client is closed", time.monotonic() - t < 4 * SLOW and not answer, answer, time.monotonic() - t)
check("and reported", g.last().get("outcome") == "agent_left")
with g.connect() as s:
    t = time.monotonic()
    closed = False
    for c in b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 1000:
        try:
            s.sendall(bytes([c]))
            if select.select([s], [], [], 0.1 * SLOW)[0]:
                closed = True
                break
        except OSError:
            closed = True
            break
    check("a client of a byte now and then is closed", closed and time.monotonic() - t < 8 * SLOW, time.monotonic() - t)
g.stop()


def memory(pid, what="Private"):
    return sum(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith(what))


# --- clients that never read
g = Gateway(URL, limits={"idle_ms": 2500 * SLOW, "stream_bytes": 1 << 30})
sent = []


def flood(c, h, b):
    c.sendall(STREAM_HEAD)
    n, piece = 0, chunk(chat_event("x" * 16000))
    c.settimeout(20 * SLOW)
    try:
        while n < 64 << 20:
            c.sendall(piece)
            n += len(piece)
    finally:
        sent.append(n)
    return False


up.answer = flood
# A sanitizer keeps what was freed for a while.
MEMORY_MORE = 40000 if os.environ.get("CTO_INSTRUMENTED") else 4000
before = memory(g.pid) if ROOT else 0
readers = []
for _ in range(5):
    s = g.connect()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(request("/v1/chat/completions", json.dumps(ask(stream=True)).encode()))
    readers.append(s)
time.sleep(1.2)
check("nobody reads: memory stays", not ROOT or memory(g.pid) - before < MEMORY_MORE, before, ROOT and memory(g.pid))
check("nobody reads: each ends", wait_for(lambda: len(g.of("GW_REQUEST")) == 5, 15), g.of("GW_REQUEST"))
check("nobody reads: each is the agent's", all(r["outcome"] == "agent_left" for r in g.of("GW_REQUEST")), g.of("GW_REQUEST"))
check("nobody reads: the server is held back", wait_for(lambda: len(sent) == 5, 5) and max(sent) < 32 << 20, sent)
for s in readers:
    s.close()
# and one that reads slowly gets all of it
up.answer = lambda c, h, b: send_stream(c, *[chat_event("y" * 16000)] * 300, STREAM)
with g.connect() as s:
    s.sendall(request("/v1/chat/completions", json.dumps(ask(stream=True)).encode()))
    a = read_answer(s, lambda p: time.sleep(0.005))
    check("a slow reader gets all of it", a.whole and a.body == chat_event("y" * 16000) * 300 + STREAM, len(a.body), a.whole)
g.stop()

# --- many at once
g = Gateway(URL)
up.answer = lambda c, h, b: (time.sleep(0.3), send_stream(c, STREAM) if b'"stream": true' in b else c.sendall(http(200, chat_json())))
results = []


def one(i):
    try:
        results.append(g.post(ask("x" * (i * 100), stream=i % 2 == 0), timeout=20))
    except OSError as e:
        results.append(e)


threads = [threading.Thread(target=one, args=(i,)) for i in range(100)]
t = time.monotonic()
for x in threads:
    x.start()
for x in threads:
    x.join()
check("100 at once", all(isinstance(a, Answer) and a.status == 200 and a.whole for a in results), [a for a in results if not isinstance(a, Answer) or a.status != 200][:3])
check("100 at once: at once", time.monotonic() - t < 5 * SLOW, time.monotonic() - t)
check("100 at once: reported", wait_for(lambda: len(g.of("GW_REQUEST")) == 100) and {r["outcome"] for r in g.of("GW_REQUEST")} == {"ok"}, len(g.of("GW_REQUEST")))
check("100 at once: numbered", [r["number"] for r in g.of("GW_REQUEST")] == list(range(1, 101)))
up.answer = answers_json
big = json.dumps(ask("z" * 9000000)).encode()
a = g.post(big, timeout=30)
check("a large body", a.status == 200 and up.requests[-1][1] == big, a)
del big
g.stop()
check("GW_TRAFFIC", sum(o["bytes"] for o in g.of("GW_TRAFFIC")) > 9000000 and len(g.of("GW_TRAFFIC")) < 30, g.of("GW_TRAFFIC"))
done = g.of("GW_DONE")[0]
check("GW_DONE adds up", done["requests"] == 101 and done["up"] == sum(r["up"] for r in g.of("GW_REQUEST")) and done["tokens_in"] == sum(r["tokens_in"] for r in g.of("GW_REQUEST")), done)

# --- budgets
up.answer = answers_json


def budget(what, name, limit, n, **more):
    g = Gateway(URL, budgets={name: limit})
    got = [g.post(ask()).status for _ in range(n)]
    check(f"budget {what}: until it is used up", got == [200] * n, got)
    if name == "wall_ms":
        time.sleep(limit / 1000)
    for _ in range(2):
        a = g.post(ask())
        check(f"budget {what}: then refused", a.status == 429 and a.error().get("message", "").startswith("budget of this run is used up: "), a)
    models = g.raw(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    check(f"budget {what}: models can be listed", models.startswith(b"HTTP/1.1 200"), models)
    g.stop()
    told = g.of("GW_BUDGET")
    check(f"budget {what}: told once", len(told) == 1 and told[0]["budget"] == name and told[0]["limit"] == limit and told[0]["seen"] >= limit, told)
    check(f"budget {what}: refusals", [r["outcome"] for r in g.of("GW_REQUEST")] == ["ok"] * n + ["refused_budget"] * 2 + ["ok"], g.of("GW_REQUEST"))


budget("requests", "requests", 3, 3)
budget("input tokens", "tokens_in", 20, 2)
budget("output tokens", "tokens_out", 15, 3)
budget("bytes", "bytes", 500, 2)
budget("wall time", "wall_ms", 1000 * SLOW, 1)

# --- slots
slots = f"{WORK}/slots"
os.mkdir(slots)
os.chmod(slots, 0o755)
under_way, most, order = [], [0], threading.Lock()


def counted(c, h, b):
    with order:
        under_way.append(1)
        most[0] = max(most[0], len(under_way))
    time.sleep(0.1)
    with order:
        under_way.pop()
    c.sendall(http(200, chat_json()))


up.answer = counted
gates = [Gateway(URL, "--slots", slots, "2", limits={"first_byte_ms": 800 * SLOW}) for _ in range(3)]
results = []
threads = [threading.Thread(target=lambda x=x: results.append(x.post(ask(), timeout=20).status)) for x in gates for _ in range(4)]
for x in threads:
    x.start()
for x in threads:
    x.join()
check("two slots for three runs: all are answered", results == [200] * 12, results)
check("two slots for three runs: never more than two at once", most[0] == 2, most)
for x in gates:
    x.stop()
gates = [Gateway(URL, "--slots", slots, "2") for _ in range(3)]
gates[0].process.send_signal(signal.SIGKILL)
gates[0].process.wait()
Gateway.live.remove(gates[0])
up.answer = lambda c, h, b: (time.sleep(30), False)[1]
holders = []
for _ in range(2):
    s = gates[1].connect()
    s.sendall(request("/v1/chat/completions", json.dumps(ask()).encode()))
    holders.append(s)
time.sleep(0.3)
up.answer = answers_json
waiting = gates[2].connect()
waiting.sendall(request("/v1/chat/completions", json.dumps(ask()).encode()))
time.sleep(0.2)
check("a third waits", not gates[2].wait(lambda o: o.get("frame") == "GW_REQUEST", 0.2), gates[2].lines)
leaver = gates[2].connect()
leaver.sendall(request("/v1/chat/completions", json.dumps(ask()).encode()))
time.sleep(0.1)
leaver.close()
check("one that leaves while it waits is forgotten", wait_for(lambda: any(r["outcome"] == "agent_left" for r in gates[2].of("GW_REQUEST")), 3), gates[2].lines)
gates[1].process.send_signal(signal.SIGKILL)  # its locks go with it
gates[1].process.wait()
Gateway.live.remove(gates[1])
check("the death of who held it frees a slot", read_answer(waiting).status == 200, gates[2].lines)
gates[2].stop()
g = Gateway(URL, "--slots", slots, "1", limits={"total_ms": 1000 * SLOW})
import fcntl
import struct
lock = open(f"{slots}/slot0", "r+")
fcntl.fcntl(lock, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
a = g.post(ask(), timeout=10)
check("a wait without end has one", a.status == 504 and g.last().get("outcome") == "timed_out", a)
lock.close()
check("then it is free", g.post(ask()).status == 200)
g.stop()

# --- memory: ten at once, each having served
up.answer = lambda c, h, b: send_stream(c, *[chat_event("y" * 1000)] * 50, STREAM) if b'"stream": true' in b else c.sendall(http(200, chat_json()))
gates = [Gateway(URL) for _ in range(10)]
for x in gates:
    for i in range(4):
        x.post(ask("x" * 50000, stream=i % 2 == 0))
if ROOT and not os.environ.get("CTO_INSTRUMENTED"):
    private = [memory(x.pid) for x in gates]
    check("at most 4 MiB private memory each, ten running", max(private) <= 4096, private)
    print("private memory of ten, KiB:", private, "Pss:", [memory(x.pid, "Pss:") for x in gates])
for x in gates:
    check("ten end", (x.stop() or {}).get("code") == 0)
end()
