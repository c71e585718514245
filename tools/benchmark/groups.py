"""groups - the measurements. Each takes a Bench and returns title, figures, ratios, targets and whether they are met."""
import grp
import json
import os
import pathlib
import pwd
import shutil
import signal
import sqlite3
import statistics
import subprocess
import time

from gateway import group_h
from honest import group_g
from measure import MINIMAL, CannotMeasure, finish, percentile, ratio, result, run, say, spread, start, target

# --- a: the jail -------------------------------------------------------------------------------------------------------

ETC = ('/etc/alternatives', '/etc/ssl/certs', '/etc/ld.so.cache', '/etc/services', '/etc/protocols', '/etc/ssl/openssl.cnf')


def bubblewrap(bench, user):
    """The same namespaces, mounts, files; no seccomp, Landlock or rlimits, which bubblewrap has not or not by itself."""
    texts = {'passwd': 'jail:x:1000:1000:jail:/scratch/home:/bin/sh\n', 'group': 'jail:x:1000:\n',
             'hosts': '127.0.0.1 localhost\n', 'nsswitch.conf': 'passwd: files\n'}
    opens, words = [], ['--die-with-parent', '--new-session', '--cap-drop', 'ALL', '--hostname', 'jail']
    for space in ('ipc', 'pid', 'net', 'uts', 'cgroup'):
        words.append('--unshare-' + space)
    if user:
        words += ['--unshare-user', '--uid', '1000', '--gid', '1000']
    words += ['--ro-bind', '/usr', '/usr']
    for link in ('/bin', '/sbin', '/lib', '/lib64'):
        if os.path.islink(link):
            words += ['--symlink', os.readlink(link), link]
        elif os.path.isdir(link):
            words += ['--ro-bind', link, link]
    for path in ETC:
        if os.path.exists(path):
            words += ['--ro-bind', path, path]
    for node in ('null', 'zero', 'full', 'random', 'urandom'):
        words += ['--dev-bind', '/dev/' + node, '/dev/' + node]
    words += ['--proc', '/proc', '--tmpfs', '/scratch', '--dir', '/scratch/home', '--dir', '/scratch/tmp', '--dir',
              '/scratch/shm', '--symlink', 'scratch/tmp', '/tmp', '--symlink', '/proc/self/fd', '/dev/fd']
    for fd, (name, text) in enumerate(texts.items(), 10):
        path = bench.dir / name
        path.write_text(text)
        path.chmod(0o644)
        opens.append('open:%d=%s' % (fd, path))
        words += ['--file', str(fd), '/etc/' + name]
    return [*opens, shutil.which('bwrap'), *words, '--remount-ro', '/', '--chdir', '/scratch', '/bin/true']


def jail_as(bench, prefix, user):
    variants = {'exec': ['/bin/true'], 'floor': [bench.bin / 'floor_jail', '/bin/true'],
                'sandbox': [bench.bin / 'cto-harness-sandbox', '/bin/true'],
                'sandbox_exec': [bench.harness, 'sandbox', 'exec', '/bin/true'], 'bubblewrap': bubblewrap(bench, user)}
    t = bench.pairs(bench.rounds(400, 40), bench.rounds(90, 20), variants, 3, prefix)
    figures = {name: {'wall_us': spread(t[name][0]), 'cpu_us': spread(t[name][1])} for name in variants}
    steps = {}
    for _ in range(bench.rounds(100, 20)):
        _, err = run([*prefix, bench.bin / 'floor_jail', '--steps', '/bin/true'])
        for line in err.splitlines():
            name, us = line.split('\t')
            steps.setdefault(name, []).append(float(us))
    figures['mechanisms_us'] = mechanisms(bench, prefix, user)
    figures['floor_steps_us'] = {name: round(statistics.median(v), 1) for name, v in steps.items()}
    ratios = {'%s/%s' % (a, b): ratio(t[a][0], t[b][0]) for a, b in (
        ('sandbox', 'bubblewrap'), ('sandbox', 'floor'), ('sandbox', 'exec'), ('sandbox_exec', 'bubblewrap'),
        ('sandbox_exec', 'sandbox'), ('floor', 'bubblewrap'))}
    return figures, ratios


# Name in the figures: what is left out. Without mount namespace there is no root either.
MECHANISMS = {'root and mount namespace': 'mountns', 'pid namespace': 'pidns', 'network namespace': 'netns',
              'IPC namespace': 'ipcns', 'UTS namespace': 'utsns', 'cgroup namespace': 'cgroupns', 'Landlock': 'landlock',
              'seccomp': 'seccomp', 'capabilities': 'caps', 'resource limits': 'rlimits', 'session': 'session',
              'closed descriptors': 'fds'}


def mechanisms(bench, prefix, user):
    """What each mechanism of the real launcher costs: the same launcher with it and without it, in pairs; and what it costs to
    observe refused calls. Medians of differences: they need not add up to the whole, since parts overlap."""
    names = dict(MECHANISMS)
    if not user:
        names['unprivileged uid'] = 'setuid'
    tail = ['--chdir', '/', '/bin/true']
    variants = {'whole': [bench.without(''), *tail],
                'observed': ['open:9=/dev/null', bench.without(''), '--log-denied', '9', *tail]}
    for name, word in names.items():
        variants[name] = [bench.without(word), *tail]
    t = bench.pairs(bench.rounds(300, 20), bench.rounds(60, 20), variants, 3, prefix)
    figures = {}
    for k, kind in enumerate(('wall', 'cpu')):  # on a busy host only the second means something; waiting for RCU is only in the first
        whole = t['whole'][k]
        figures[kind] = {'whole': round(statistics.median(whole), 1)}
        for name in names:
            figures[kind][name] = round(statistics.median(a - b for a, b in zip(whole, t[name][k])), 1)
        figures[kind]['observing refused calls'] = round(statistics.median(b - a for a, b in zip(whole, t['observed'][k])), 1)
    return figures


def ordinary_user():
    """An id that nobody has, above people's and below what systemd hands out."""
    taken = {p.pw_uid for p in pwd.getpwall()} | {g.gr_gid for g in grp.getgrall()}
    uid = next(u for u in range(60777, 61183) if u not in taken)
    return ['setpriv', '--reuid', str(uid), '--regid', str(uid), '--clear-groups', '--inh-caps=-all']


def group_a(bench):
    if not shutil.which('bwrap'):
        raise CannotMeasure('bwrap is not here: install bubblewrap')
    modes = {'user': ((), True)}
    if bench.root_mode:
        modes = {'root': ((), False)}
        if shutil.which('setpriv'):
            modes['user'] = (ordinary_user(), True)
        else:
            say('setpriv is not here (package util-linux): measuring as root only')
    figures, ratios, targets = {'floor_libc': bench.floor_libc}, {}, []
    for mode, (prefix, user) in modes.items():
        figures[mode], ratios[mode] = jail_as(bench, prefix, user)
        targets += [target('%s: launcher / bubblewrap' % mode, ratios[mode]['sandbox/bubblewrap']['median'], 0.6),
                    target('%s: launcher / floor' % mode, ratios[mode]['sandbox/floor']['median'], 1.6)]
    return result('start and end of /bin/true in a jail', figures, ratios, targets)


# --- b: a whole run ----------------------------------------------------------------------------------------------------

def store_of(home):
    return sqlite3.connect('file:%s?mode=ro' % (home / 'cto.db'), uri=True, timeout=10)


def trace_of(run_dir):
    return [json.loads(line) for line in (run_dir / 'trace.jsonl').read_text().splitlines()]


def phases(home, wall):
    """Where the time of a run goes: medians over all runs of this home, in microseconds."""
    took = {}

    def add(name, us):
        took.setdefault(name, []).append(us)
    with store_of(home) as db:
        rows = db.execute('SELECT id, run_dir FROM runs WHERE state = ?', ('done',)).fetchall()
        at = {run_id: dict(db.execute('SELECT state, mono_us FROM transitions WHERE run = ?', (run_id,))) for run_id, _ in rows}
    for run_id, run_dir in rows:
        t, trace = at[run_id], trace_of(pathlib.Path(run_dir))
        step = {s['step']: s for s in trace}
        add('run: planned to done', t['done'] - t['planned'])
        add('  gates, slot, spawn of the worker', t['starting'] - t['planned'])
        add('  start of the worker', step['enter']['start_us'] - t['starting'])
        for name in ('enter', 'workspace', 'baseline', 'start_check', 'engine', 'census', 'diff', 'checkout', 'verify 0'):
            add('  ' + name, step[name]['duration_us'])
            if 'inspect.' + name in step:
                add('    of it work of the inspector, the rest its start (%s)' % name, step['inspect.' + name]['duration_us'])
        last = step['verify 0']['start_us'] + step['verify 0']['duration_us']
        add('  end of the worker', t['sealing'] - last)
        add('  verdict, seal, store, clean up', t['done'] - t['sealing'])
    medians = {name: round(statistics.median(v)) for name, v in took.items()}
    medians['program: start, open, close'] = round(statistics.median(wall)) - medians['run: planned to done']
    return medians


def group_b(bench):
    home, steps = bench.dir / 'run-home', bench.dir / 'steps.json'
    steps.write_text(json.dumps({'steps': MINIMAL}))
    out, _ = run(bench.command(home, 'run-case', 'minimal', '--json'))
    run_dir = pathlib.Path(json.loads(out)['artifacts_dir'])
    # What the floor makes itself: the two logs and the patch.
    artifacts = ['%s=%d' % (p.name, p.stat().st_size) for p in sorted(run_dir.iterdir())
                 if p.is_file() and p.name not in ('patch.diff', 'test.log')]
    what = [bench.bin / 'cto-harness-inspect', bench.bin / 'cto-harness-fake-agent', bench.cases / 'minimal' / 'fixture', steps]
    variants = {'run': bench.command(home, 'run-case', 'minimal')}
    for name in ('floor_run', 'floor_direct'):
        for part in ('work', 'runs'):
            (bench.dir / name / part).mkdir(parents=True)
        variants[name] = [bench.bin / name, *what, bench.dir / name, *artifacts]
    t = bench.pairs(bench.rounds(100, 12), bench.rounds(90, 20), variants)
    figures = {name: {'wall_us': spread(t[name][0]), 'cpu_us': spread(t[name][1])} for name in variants}
    figures['phases_us'] = phases(home, t['run'][0])
    ratios = {'run/floor_run': ratio(t['run'][0], t['floor_run'][0]), 'run/floor_direct': ratio(t['run'][0], t['floor_direct'][0]),
              'cpu run/floor_run': ratio(t['run'][1], t['floor_run'][1])}
    figures['floors'] = {'floor_run': 'starts the same inspector once per step', 'floor_direct': 'libgit2 in one unconfined process'}
    return result('a whole fake run with /bin/true as verification', figures, ratios,
                  [target('run / floor with the same inspector', ratios['run/floor_run']['median'], 2.0),
                   target('run / floor with libgit2 in one process', ratios['run/floor_direct']['median'], 2.0)])


# --- c: throughput -------------------------------------------------------------------------------------------------------

def group_c(bench):
    cases, count = bench.dir / 'batch', bench.rounds(32, 8)
    for i in range(count):
        bench.make_case(cases, 'batch-%03d' % i, MINIMAL)
    variants = {'j%d' % j: bench.command(bench.dir / ('home-j%d' % j), 'run-all-fake', '-j', j, cases=cases) for j in (1, 2, 8)}
    t = bench.pairs(bench.rounds(12, 2), bench.rounds(120, 30), variants)
    figures = {name: {'runs_per_s': spread([count * 1e6 / us for us in t[name][0]], 2), 'cpu_us_per_run':
                      spread([us / count for us in t[name][1]])} for name in variants}
    figures.update(runs_per_batch=count, cpus=len(os.sched_getaffinity(0)))
    ratios = {'j2/j1': ratio(t['j1'][0], t['j2'][0]), 'j8/j1': ratio(t['j1'][0], t['j8'][0])}
    return result('run-all-fake, runs per second', figures, ratios,
                  [target('-j2 / -j1', ratios['j2/j1']['median'], 1.7, at_least=True)])


# --- d: commit to stop -----------------------------------------------------------------------------------------------------

GRACE_MS = 100


def stop_once(bench, home, case):
    out, _ = run(bench.command(home, 'run-case', case, '--json', cases=bench.dir / 'stops'))
    run_dir = pathlib.Path(json.loads(out)['artifacts_dir'])
    words = (run_dir / 'backend' / 'stdout.log').read_text().split()
    step = {s['step']: s for s in trace_of(run_dir)}
    if words[:1] != ['committed'] or 'engine.stop' not in step:
        raise CannotMeasure('%s: the run was not ended after its commit' % run_dir)
    committed, stop, engine = int(words[1]), step['engine.stop']['start_us'], step['engine']
    shutil.rmtree(run_dir)
    return stop - committed - GRACE_MS * 1000, engine['start_us'] + engine['duration_us'] - stop


def group_d(bench):
    sizes, home, got = (10, 200, 5000), bench.dir / 'stop-home', {}
    for size in sizes:
        bench.make_case(bench.dir / 'stops', 'files-%d' % size, [], {
            'grace_ms': GRACE_MS, 'timeouts': {'backend_s': 60},
            'baseline': {'generate': {'dir': 'data', 'count': size, 'size': 200}}},
            {'agent': bench.bin / 'commit_agent'}, '/workspace/agent')
    rounds = {10: bench.rounds(120, 12), 200: bench.rounds(120, 12), 5000: bench.rounds(100, 4)}
    until = time.monotonic() + 300
    for i in range(max(rounds.values())):
        for size in sizes:
            # On a slow host the large ones would take an hour.
            if i < rounds[size] and (size <= 200 or i < 30 or time.monotonic() < until):
                got.setdefault(size, []).append(stop_once(bench, home, 'files-%d' % size))
    figures, targets = {'grace_ms': GRACE_MS}, []
    for size in sizes:
        ms = [stop / 1000 for stop, _ in got[size]]
        figures['files_%d' % size] = {'commit_to_stop_ms': {'p50': round(percentile(ms, 50), 2), 'p99': round(percentile(ms, 99), 2),
                                                            **spread(ms, 2)},
                                      'stop_to_dead_ms': spread([dead / 1000 for _, dead in got[size]], 2)}
        targets.append(target('%d files: p99 of commit to stop without the grace, ms' % size, round(percentile(ms, 99), 2),
                              20 if size <= 200 else 100))
    return result('from the moment the branch moved to the stop', figures, {}, targets)


# --- e: memory -------------------------------------------------------------------------------------------------------------

def memory_of(pid):
    fields = {}
    for line in pathlib.Path('/proc/%d/smaps_rollup' % pid).read_text().splitlines()[1:]:
        name, value = line.split(':')
        fields[name] = int(value.split()[0])
    return {'rss_kib': fields['Rss'], 'pss_kib': fields['Pss'], 'private_kib': fields['Private_Clean'] + fields['Private_Dirty']}


def tree_below(pid):
    """Every process below pid."""
    parents = {}
    for entry in pathlib.Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / 'stat').read_text()
            except OSError:
                continue
            parents.setdefault(int(text[text.rindex(')') + 2:].split()[1]), []).append(int(entry.name))
    below, queue = [], [pid]
    while queue:
        more = parents.get(queue.pop(), [])
        below += more
        queue += more
    return below


def pss_of_tree(pid):
    total = 0
    for child in tree_below(pid):
        try:
            total += memory_of(child)['pss_kib']
        except (OSError, KeyError):
            pass  # not ours to look at, or gone
    return total


def await_engines(home, child, count):
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise CannotMeasure('the supervisor with %d sleeping runs ended with %d' % (count, child.returncode))
        try:
            with store_of(home) as db:
                if db.execute("SELECT count(*) FROM runs WHERE state = 'engine'").fetchone()[0] == count:
                    return
        except sqlite3.Error:
            pass  # not there yet
        time.sleep(0.2)
    raise CannotMeasure('%d runs were not all in flight within 180 s' % count)


def memory_once(bench, cases, count, loaded):
    home = bench.dir / 'memory-home'
    only = [word for i in range(loaded) for word in ('--only', 'sleep-%03d' % i)]
    child = start(bench.command(home, 'run-all-fake', '-j', count, *only, cases=cases), stdout=subprocess.DEVNULL,
                  stderr=subprocess.PIPE)
    try:
        await_engines(home, child, count)
        time.sleep(2)
        figures = memory_of(child.pid)
        figures['tree_pss_kib'] = pss_of_tree(child.pid)
        child.send_signal(signal.SIGINT)
        code, _, err = finish(child, 120)
    except subprocess.TimeoutExpired as e:
        raise CannotMeasure('an interrupted supervisor did not end') from e
    if code != 130:
        raise CannotMeasure('an interrupted supervisor exited with %d: %s' % (code, err[-300:]))
    shutil.rmtree(home)
    return figures


def group_e(bench):
    cases, counts = bench.dir / 'sleepers', (1, 50, 200)
    for i in range(max(counts)):
        bench.make_case(cases, 'sleep-%03d' % i, [{'do': 'sleep', 'ms': 600000}], {'timeouts': {'backend_s': 900}})
    # In flight, loaded: the last one tells the cost of a case that waits from the cost of a run.
    places = {'in_flight_%d' % n: (n, n) for n in counts}
    places['in_flight_1_of_%d_loaded' % counts[-1]] = (1, counts[-1])
    got = {name: [] for name in places}
    for _ in range(bench.rounds(2, 1)):
        for name, (n, loaded) in places.items():
            got[name].append(memory_once(bench, cases, n, loaded))
    figures = {name: {key: round(statistics.median(f[key] for f in v)) for key in v[0]} for name, v in got.items()}
    first, last = figures['in_flight_1'], figures['in_flight_%d' % counts[-1]]
    waiting = figures['in_flight_1_of_%d_loaded' % counts[-1]]
    more = counts[-1] - 1
    per_run = {key: round((last[key] - first[key]) / more, 1) for key in first}
    figures['per_run_kib'] = per_run
    figures['per_run_kib']['of_it_case_loaded_rss_kib'] = round((waiting['rss_kib'] - first['rss_kib']) / more, 1)
    return result('memory of the supervisor; tree: of everything below it', figures, {'rss 200/1': round(last['rss_kib'] / first['rss_kib'], 3)},
                  [target('resident with 200 in flight, KiB', last['rss_kib'], 20 * 1024),
                   target('resident per run, KiB', per_run['rss_kib'], 32)])


# --- f: a store with many runs -----------------------------------------------------------------------------------------------

# Copies of the one real run, with what makes rows of a table differ; a tenth failed.
GROW = '''
CREATE TEMP TABLE numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) SELECT i FROM n;
INSERT INTO supervisors SELECT printf('%s-%07d', s.id, i), s.pid, s.started_at - 60000 * i
  FROM numbers, supervisors s, runs r WHERE r.id = :template AND s.id = r.supervisor_id;
INSERT INTO runs (id, run_id, case_id, backend, matrix_id, attempt, supervisor_id, generation, state, verdict, started_at,
                  finished_at, run_dir, work_dir, baseline_head, result_head, report_sha256, sums_sha256, events_head,
                  events_count, bytes)
  SELECT r.id + i, printf('%s-%07d', r.run_id, i), r.case_id, r.backend, r.matrix_id, 1, printf('%s-%07d', r.supervisor_id, i), 1, 'done',
         CASE WHEN i % 10 = 0 THEN 'fail' ELSE 'pass' END, r.started_at - 60000 * i, r.finished_at - 60000 * i,
         printf('%s-%07d', r.run_dir, i), printf('%s-%07d', r.work_dir, i), r.baseline_head, lower(hex(randomblob(20))),
         lower(hex(randomblob(32))), lower(hex(randomblob(32))), lower(hex(randomblob(32))), r.events_count, r.bytes
  FROM numbers, runs r WHERE r.id = :template;
INSERT INTO transitions SELECT t.run + i, t.n, t.generation, t.state, t.at - 60000 * i, t.mono_us
  FROM numbers, transitions t WHERE t.run = :template;
INSERT INTO events SELECT e.run + i, e.seq, e.type, e.at - 60000 * i FROM numbers, events e WHERE e.run = :template;
INSERT INTO artifacts SELECT a.run + i, a.path, a.size, lower(hex(randomblob(32))), a.written_at - 60000 * i
  FROM numbers, artifacts a WHERE a.run = :template;
INSERT INTO blockers SELECT r.id, 0, 'verification_failed', 'verification', 'verification.failed', 'made for the benchmark'
  FROM runs r WHERE r.verdict = 'fail' AND r.id > :template;
DROP TABLE numbers;
'''


def grow(home, count):
    db = sqlite3.connect(str(home / 'cto.db'), isolation_level=None, timeout=30)
    db.execute('PRAGMA synchronous=OFF')
    db.execute('PRAGMA cache_size=-262144')
    template = db.execute('SELECT max(id) FROM runs').fetchone()[0]
    db.execute('BEGIN')
    for statement in GROW.split(';\n'):
        if statement.strip():
            names = {key: value for key, value in (('count', count), ('template', template)) if ':' + key in statement}
            db.execute(statement, names)
    db.execute('COMMIT')
    db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    rows = db.execute('SELECT count(*) FROM runs').fetchone()[0]
    db.close()
    if rows < count:
        raise CannotMeasure('the store has %d runs, %d were to be made' % (rows, count))


def group_f(bench):
    counts, variants, figures = (10, 10000, 100000), {}, {}
    for count in counts:
        home = bench.dir / ('store-%d' % count)
        run(bench.command(home, 'run-case', 'minimal'))
        say('making a store with %d runs' % count)
        grow(home, count - 1)
        figures['runs_%d' % count] = {'store_bytes': (home / 'cto.db').stat().st_size}
        variants['runs_%d' % count] = bench.command(home, 'run-case', 'minimal')
    os.sync()
    t = bench.pairs(bench.rounds(60, 15), bench.rounds(90, 30), variants, 2)
    for name in variants:
        figures[name].update(wall_us=spread(t[name][0]), cpu_us=spread(t[name][1]))
    ratios = {'100k/10': ratio(t['runs_100000'][0], t['runs_10'][0]), '10k/10': ratio(t['runs_10000'][0], t['runs_10'][0]),
              'cpu 100k/10': ratio(t['runs_100000'][1], t['runs_10'][1])}
    return result('cost of a run with many runs in the store', figures, ratios,
                  [target('100k / 10 runs (1.1: what is left of noise in a median)', ratios['100k/10']['median'], 1.1)])


GROUPS = {'a': ('jail', group_a), 'b': ('run', group_b), 'c': ('throughput', group_c), 'd': ('stop', group_d),
          'e': ('memory', group_e), 'f': ('store', group_f), 'g': ('honest', group_g),
          'h': ('gateway', group_h)}
