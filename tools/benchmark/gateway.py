"""gateway - what a model gateway costs: to the first token, per request and per byte, against the same two libraries on the same loop
without any policy (gateway_floor.c), and against no gateway at all; and its memory, ten running.

Server and client (gateway_peer.c) are the same for all three. Rounds are interleaved; each is one process of the client.
"""
import array
import fcntl
import json
import os
import socket
import struct
import subprocess
import threading
import time

from measure import CannotMeasure, children, percentile, ratio, result, run, spread, target

GW_CONFIG, GW_UID = 40, 60321
MODEL = 'bench-1'


def listen():
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    s.listen(256)
    return s


def place(pairs):
    """In the child: each descriptor where the gateway expects it."""
    for fd, at in pairs:
        os.dup2(fd, at, inheritable=True)


def start_gateway(bench, port, build_id):
    """As the supervisor does it: control on 3, the listener in a message on 4."""
    control, worker = socket.socketpair(), socket.socketpair()
    ends = [(fcntl.fcntl(control[1], fcntl.F_DUPFD_CLOEXEC, 100), 3), (fcntl.fcntl(worker[1], fcntl.F_DUPFD_CLOEXEC, 100), 4)]
    child = subprocess.Popen([bench.bin / 'cto-harness-gateway'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={},
                             close_fds=False, preexec_fn=lambda: place(ends))
    children.add(child)
    config = {'build_id': build_id, 'run_id': 'bench', 'mode': 'serve', 'endpoint': 'http://127.0.0.1:%d/v1' % port,
              'addresses': ['127.0.0.1'], 'key': 'sk-bench-0123456789', 'model': MODEL, 'uid': GW_UID if bench.root_mode else -1,
              'limits': {'stream_bytes': 1 << 40}}
    text = json.dumps(config).encode()
    control[0].sendall(struct.pack('<IHH', len(text), GW_CONFIG, 0) + text)
    s = listen()
    worker[0].sendmsg([b'L'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [s.fileno()]))])
    for x in (control[1], worker[1]):
        x.close()
    for fd, _ in ends:
        os.close(fd)
    frame = control[0].recv(4096)
    if struct.unpack('<H', frame[4:6])[0] != 41:
        raise CannotMeasure('the gateway is not ready: %r' % frame[8:])
    port = s.getsockname()[1]
    s.close()
    return child, port, control[0], worker[0]


def start_peer(bench, name, *arguments):
    child = subprocess.Popen([str(bench.bin / name), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    children.add(child)
    return child, int(child.stdout.readline())


def private_kib(pid):
    with open('/proc/%d/smaps_rollup' % pid) as f:
        return sum(int(line.split()[1]) for line in f if line.startswith('Private_'))


def end(child):
    child.kill()
    child.wait()
    children.discard(child)


def ask(bench, kind, port, *arguments):
    out, _ = run([bench.bin / 'gateway_peer', kind, port, *arguments])
    return [[float(x) for x in line.split()] for line in out.splitlines()]


def build_id_of(bench):
    data = (bench.bin / 'cto-harness-gateway').read_bytes()
    at = data.find(b'CTO-BUILD-ID:')
    if at < 0:
        raise CannotMeasure('cto-harness-gateway has no build id')
    return data[at + 13:at + 77].decode('ascii')


def measure_first(bench, ports):
    """Microseconds to the first token, in blocks of ten requests on one connection."""
    times = {name: [] for name in ports}
    for _ in range(bench.rounds(200, 20)):
        for name, port in ports.items():
            times[name] += [row[0] for row in ask(bench, 'first', port, 11)[1:]]  # the first one also connects
    return times


def group_h(bench):
    build_id = build_id_of(bench)
    server, port = start_peer(bench, 'gateway_peer', 'serve')
    floor, floor_port = start_peer(bench, 'gateway_floor', port)
    gateway, gateway_port, control, worker = start_gateway(bench, port, build_id)
    ports = {'direct': port, 'floor': floor_port, 'gateway': gateway_port}
    drain(control)
    first = measure_first(bench, ports)
    small, many = {name: [] for name in ports}, {name: [] for name in ports}
    requests, streams = bench.rounds(2000, 400), bench.rounds(4, 1)
    for _ in range(bench.rounds(15, 4)):
        for name, p in ports.items():
            small[name].append(ask(bench, 'small', p, requests, 8)[0][0] / requests)
        for name, p in ports.items():
            us, count = ask(bench, 'bytes', p, streams)[0]
            many[name].append(us / count * 1e6)
    more = [start_gateway(bench, port, build_id) for _ in range(9)]
    for _, p, c, _ in more:
        drain(c)
        ask(bench, 'small', p, 200, 8)
        ask(bench, 'first', p, 20)
    # Not dumpable: only root may look.
    private = [private_kib(g.pid) for g in [gateway] + [x[0] for x in more]] if bench.root_mode else []
    for child in [gateway, floor, server] + [x[0] for x in more]:
        end(child)
    added = [round(percentile(first['gateway'], p) - percentile(first['direct'], p), 1) for p in (50, 99)]
    figures = {'first_token_us': {n: {**spread(first[n]), 'p99': round(percentile(first[n], 99), 1)} for n in ports},
               'us_per_small_request': {n: spread(small[n], 2) for n in ports}, 'us_per_megabyte': {n: spread(many[n]) for n in ports},
               'requests_per_s': {n: round(1e6 / spread(small[n], 3)['median']) for n in ports},
               'megabytes_per_s': {n: round(1e6 / spread(many[n])['median']) for n in ports}, 'private_kib_of_ten': private}
    ratios = {'small/floor': ratio(small['gateway'], small['floor']), 'bytes/floor': ratio(many['gateway'], many['floor'])}
    targets = [target('first token, added at p99 (us)', added[1], 2000), target('small requests: gateway / floor', ratios['small/floor']['median'], 1.5),
               target('bytes: gateway / floor', ratios['bytes/floor']['median'], 1.5)]
    if private:
        targets.append(target('private memory of the largest of ten (KiB)', max(private), 4096))
    figures['first_token_added_us'] = {'p50': added[0], 'p99': added[1]}
    return result('a model gateway', figures, ratios, targets)


def drain(control):
    """Its reports are read, as a supervisor would, and thrown away."""
    def read():
        try:
            while control.recv(65536):
                time.sleep(0.01)
        except OSError:
            pass
    threading.Thread(target=read, daemon=True).start()
