#!/usr/bin/env bash
# ctest: timeout=240
# Python, Node, SQLite, Perl and the shell inside the jail as outside: pools of processes by every start method, shared memory,
# TLS and Unix sockets on loopback, terminals, pipes, timers, locks, watchers, worker threads, JIT and wasm, npm from a local cache.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/honest.bash"
mkdir "$W/scripts"

cat >"$W/scripts/python.sh" <<'SCRIPT'
set -eu
cat >pool.py <<'PY'
import concurrent.futures as cf, multiprocessing as mp, multiprocessing.shared_memory as shm
def square(n): return n * n
def fill(name, n):
    s = shm.SharedMemory(name)
    s.buf[n] = n
    s.close()
if __name__ == '__main__':
    for how in ('fork', 'spawn', 'forkserver'):
        with cf.ProcessPoolExecutor(3, mp_context=mp.get_context(how)) as pool:
            print(how, sum(pool.map(square, range(50))))
    s = shm.SharedMemory(create=True, size=64)
    ps = [mp.Process(target=fill, args=(s.name, n)) for n in range(4)]
    for p in ps: p.start()
    for p in ps: p.join()
    print(bytes(s.buf[:4]))
    s.close(); s.unlink()
    with mp.Manager() as m:
        q, lock = m.Queue(), m.Lock()
        with lock: q.put('managed')
        print(q.get(), mp.Semaphore(2).get_value())
PY
python3 pool.py
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost 2>/dev/null
cat >nets.py <<'PY'
import asyncio, fcntl, mmap, os, select, selectors, signal, socket, ssl, subprocess, sys, tempfile, threading, urllib.request
async def main():
    async def echo(r, w):
        w.write((await r.readline()).upper()); await w.drain(); w.close()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); tls.load_cert_chain('cert.pem', 'key.pem')
    trust = ssl.create_default_context(cafile='cert.pem')
    for name, start, dial in (
        ('tcp', lambda: asyncio.start_server(echo, 'localhost', 0), lambda a: asyncio.open_connection('localhost', a[1])),
        ('tls', lambda: asyncio.start_server(echo, 'localhost', 0, ssl=tls), lambda a: asyncio.open_connection('localhost', a[1], ssl=trust)),
        ('unix', lambda: asyncio.start_unix_server(echo, 'sock'), lambda a: asyncio.open_unix_connection('sock')),
        ('ipv6', lambda: asyncio.start_server(echo, '::1', 0), lambda a: asyncio.open_connection('::1', a[1]))):
        async with await start() as server:
            r, w = await dial(server.sockets[0].getsockname())
            w.write(name.encode() + b'\n'); print(await r.readline()); w.close()
    p = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)
    print(await p.communicate(b'piped'), p.returncode)
    p = await asyncio.create_subprocess_shell('kill -ABRT $$'); print(await p.wait())
asyncio.run(main())
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0)); u.sendto(b'udp', u.getsockname()); print(u.recvfrom(9)[0])
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [0]); print(len(socket.recv_fds(b, 9, 2)[1]))
print(sorted({i[4][0] for i in socket.getaddrinfo('localhost', 80)}), socket.gethostbyname('localhost'))
x = socket.socket(socket.AF_UNIX); x.bind('\0abstract-%d' % os.getpid()); x.listen(); socket.socket(socket.AF_UNIX).connect(x.getsockname())
signal.signal(signal.SIGALRM, lambda *_: print('alarm')); signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()
with tempfile.TemporaryFile() as t, tempfile.NamedTemporaryFile() as n:
    t.write(b'z' * 8192); t.flush(); m = mmap.mmap(t.fileno(), 8192); m[0] = 65; m.flush(); fcntl.lockf(n, fcntl.LOCK_EX); fcntl.flock(n, fcntl.LOCK_EX)
    os.posix_fallocate(n.fileno(), 0, 4096); os.pwrite(n.fileno(), b'p', 5); os.sendfile(n.fileno(), t.fileno(), 0, 100); print(m[0], os.fstat(n.fileno()).st_size)
fd = os.memfd_create('m'); os.write(fd, b'memory'); print(os.pread(fd, 9, 0)); os.mkfifo('fifo'); os.setxattr('cert.pem', 'user.x', b'1'); print(os.getxattr('cert.pem', 'user.x'))
f = os.pidfd_open(os.spawnvp(os.P_NOWAIT, 'true', ['true'])); print(select.select([f], [], [], 20)[0] == [f])
e = select.epoll(); r, w = os.pipe(); e.register(r, select.EPOLLIN); os.write(w, b'1'); print(len(e.poll(5))); print(os.sched_getaffinity(0) >= set(os.sched_getaffinity(0)), os.nice(1) >= 1)
def lines(argv, **o): return subprocess.run(argv, capture_output=True, text=True, **o).stdout.strip()
print(lines(['sh', '-c', 'ulimit -c; echo $0'], start_new_session=True), lines(['sh', '-c', 'echo ok'], process_group=0), lines(['id', '-un']) != '')
PY
python3 nets.py
python3 -c 'import ctypes, decimal, lzma, bz2, zlib, hashlib, sqlite3, ctypes.util; print(ctypes.CDLL(None).abs(-3), hashlib.new("sha3_256", b"").hexdigest()[:8], ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)())'
cat >terminals.py <<'PY'
import asyncio, fcntl, os, pty, signal, struct, sys, termios, tty
def talk(line):
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('4H', 24, 80, 0, 0))
        print(os.isatty(0), os.ttyname(0).startswith('/dev/pts/'), os.tcgetpgrp(0) == os.getpgrp(), os.get_terminal_size(), input().upper(), flush=True)
        os.execvp('cat', ['cat'])
    os.write(fd, line)
    seen = b''
    while line.upper().strip() not in seen: seen += os.read(fd, 999)
    os.write(fd, b'\x03')
    return seen.decode().split('\n'), os.waitpid(pid, 0)[1]
print(talk(b'typed\n'))
m, s = os.openpty(); tty.setraw(s); os.write(s, b'raw\n'); print(os.read(m, 9), termios.tcgetattr(s)[3] & termios.ECHO)
os.close(s)
print(pty.spawn([sys.executable, '-c', 'import sys; print(sys.stdout.isatty())']))
PY
python3 terminals.py
script -qec 'tty | cut -c1-9; stty size >/dev/null && echo sized' /dev/null
mkdir -p pkg && cat >pkg/test_many.py <<'PY'
import os, subprocess, sys, pytest
@pytest.mark.parametrize('n', range(40))
def test_n(n, tmp_path, capfd, monkeypatch):
    (tmp_path / 'f').write_text(str(n)); monkeypatch.chdir(tmp_path)
    assert subprocess.run([sys.executable, '-c', 'print(open("f").read())'], capture_output=True, text=True).stdout == '%d\n' % n
    os.write(1, b'seen'); assert capfd.readouterr().out == 'seen'
def test_fails(): assert 1 == 2
PY
python3 -m pytest -q -p no:cacheprovider pkg 2>&1 | sed 's/ in [0-9.]*s.*//' || :
echo "end python"
SCRIPT

cat >"$W/scripts/shell.sh" <<'SCRIPT'
set -eu
python3 - <<'PY'
import os, sqlite3, sys
db = sqlite3.connect('db'); print(db.execute('pragma journal_mode=wal').fetchone()); db.execute('create table t(n)'); db.commit(); db.close()
for i in range(4):
    if os.fork() == 0:
        c = sqlite3.connect('db', timeout=60)
        for n in range(25):
            with c: c.execute('insert into t values (?)', (i * 100 + n,))
        c.close(); os._exit(0)
print([os.wait()[1] for _ in range(4)], sqlite3.connect('db').execute('select count(*), sum(n) from t').fetchone())
PY
seq 200000 | sort -R | sort -n --parallel=2 -S 1M | sha256sum
mkfifo p && (seq 5 >p &) && cat p | paste -sd+ | sed 's/+/ + /g'
tar -C / -cf - usr/include/linux 2>/dev/null | tee >(wc -c >bytes) | gzip | gunzip | tar -tf - | wc -l
mkdir tree && (cd tree && touch a 'b c' $'new\nline' ä && ln a hard && ln -s a soft && chmod 640 a && find . -print0 | sort -z | tr '\0' '|' && cp -a . ../copy && mv a z && ls -l | awk 'NR > 1 {print $1, $2}')
touch -d '2001-02-03 04:05:06' tree/z && stat -c '%y %a' tree/z && cp --reflink=auto --sparse=always tree/z tree/y && truncate -s 1G tree/y && stat -c '%s' tree/y
(flock 9; echo locked) 9>lock; timeout 5 sh -c 'exit 3' || echo "timeout passes $?"; timeout -s INT 0.1 sleep 9 || echo "and ends $?"
xargs -P 4 -n 1 echo < <(seq 20) | sort -n | tail -1; nohup setsid -w sh -c 'echo detached' 2>/dev/null; nice -n 5 true && trap 'echo trapped' USR1 && kill -USR1 $$
coproc cat; echo coproc >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"; exec {COPROC[1]}>&-; wait
diff <(echo a) <(echo b) || :; perl -e 'use Socket; use POSIX; pipe(my $r, my $w); if (!fork) { syswrite $w, "perl\n"; POSIX::_exit(0) } wait; print scalar <$r>; print POSIX::strftime("%F", gmtime 0), "\n"'
for s in HUP TERM ABRT SEGV; do python3 -c "import os, signal; os.kill(os.getpid(), signal.SIG$s)" 2>/dev/null && : || echo "$s $?"; done 2>/dev/null
dd if=/dev/zero of=z bs=1M count=8 conv=fsync 2>/dev/null; head -c 4096 /dev/urandom | wc -c; wc -c <z; date -u -d @0; getconf PAGE_SIZE; test -r /proc/self/status && grep -c ^processor /proc/cpuinfo; locale charmap
echo 'int main(void){return 0;}' >m.c && gcc -fsanitize=undefined m.c -o m 2>/dev/null && ./m; gcc -shared -fPIC m.c -o m.so && readelf -h m.so | grep Type
echo "end shell"
SCRIPT

cat >"$W/scripts/node.sh" <<'SCRIPT'
set -eu
cat >all.mjs <<'JS'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import cluster from 'node:cluster'
import { spawnSync, fork, exec } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import crypto from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import zlib from 'node:zlib'
if (!isMainThread) {
    const view = new Int32Array(workerData)
    for (let i = 0; i < 1000; i++) Atomics.add(view, 0, 1)
    parentPort.postMessage('done')
} else if (process.send) {
    process.on('message', (m) => process.send(m * 2, () => process.exit(0)))
} else {
    const shared = new SharedArrayBuffer(4)
    await Promise.all([1, 2, 3, 4].map(() => once(new Worker(new URL(import.meta.url), { workerData: shared }), 'message')))
    console.log('workers', new Int32Array(shared)[0])
    const child = fork(new URL(import.meta.url)); child.send(21); console.log('fork', (await once(child, 'message'))[0])
    console.log((await promisify(exec)('echo shell; exit 0')).stdout, spawnSync('sh', ['-c', 'kill -9 $$']).signal)
    for (const at of [{ port: 0, host: '127.0.0.1' }, { path: './node.sock' }]) {
        const server = http.createServer((q, a) => a.end(q.method)).listen(at); await once(server, 'listening')
        const to = at.path ? { socketPath: at.path } : { port: server.address().port }
        const [answer] = await once(http.request({ ...to, method: 'PUT', agent: false }).end(), 'response')
        console.log((await answer.toArray()).join('')); server.close()
    }
    console.log(await (await fetch('data:text/plain,fetched')).text(), zlib.gunzipSync(zlib.gzipSync('zipped')).toString())
    console.log(crypto.scryptSync('a', 'b', 16).toString('hex'), crypto.generateKeyPairSync('ed25519').publicKey.type)
    const watcher = fs.watch('.'), change = once(watcher, 'change'); fs.writeFileSync('watched', ''); await change; watcher.close()
    await fs.promises.cp('watched', 'copied'); console.log(fs.readdirSync('.').length)
    const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11])
    console.log((await WebAssembly.instantiate(wasm)).instance.exports.add(2, 3), Array.from({ length: 1e5 }, (_, i) => i).reduce((a, b) => (a + b) % 7))
    console.log(os.cpus().length > 0, os.totalmem() > 0, os.availableParallelism() > 0, process.memoryUsage().rss > 0)
}
JS
node all.mjs
mkdir suite && for i in 1 2 3 4; do printf "const t = require('node:test'); t('t%s', async () => { await new Promise((r) => setTimeout(r, 5)) })\n" $i >suite/$i.test.js; done
node --test suite/*.test.js | grep -E '^(# (tests|pass|fail)|ℹ (tests|pass|fail))' | tr -d '#ℹ'
echo "end node"
SCRIPT

# What npm installs lies in its cache before; inside there is no registry.
cat >"$W/scripts/npm.sh" <<'SCRIPT'
set -eu
mkdir dep app && cd dep
printf '{"name": "dep", "version": "1.2.3", "bin": {"dep": "cli.js"}, "scripts": {"install": "node cli.js >installed"}}' >package.json
printf '#!/usr/bin/env node\nconsole.log("dep says " + require("fs").readdirSync(__dirname).length)\n' >cli.js
npm pack --silent && cd ../app
printf '{"name": "app", "version": "1.0.0", "dependencies": {"dep": "file:../dep/dep-1.2.3.tgz"}, "scripts": {"test": "dep && node --test"}}' >package.json
printf 'require("node:test")("t", () => {})\n' >app.test.js
npm install --silent --package-lock-only --offline --no-audit --no-fund
npm cache add ../dep/dep-1.2.3.tgz >/dev/null 2>&1
npm ci --silent --offline --no-audit --no-fund && ls node_modules && cat node_modules/dep/installed
npm test --silent | grep -E 'dep says|pass 1' | tr -d '#ℹ'
npm exec --offline -- dep
echo "end npm"
SCRIPT

for name in python shell; do same "$name" "$W/scripts/$name.sh"; done
for program in node npm; do
    if PATH=/usr/local/bin:/usr/bin:/bin command -v "$program" >/dev/null; then
        same "$program" "$W/scripts/$program.sh"
    else
        echo "not tried: $program is not here"
    fi
done
# Terminals are counted by the host as a whole: a jail's share is bounded. It sees none but its own.
got=$("$SANDBOX" -- python3 -c '
import os
seen, held = os.listdir("/dev/pts"), []
try:
    while len(held) < 1000: held.append(os.openpty())
except OSError: pass
print(seen, len(held))')
[ "$got" = "['ptmx'] 64" ] || fail "terminals: $got"
checks=$((checks + 1))
e2e_end
