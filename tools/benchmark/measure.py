"""measure - processes, statistics, and the directory that everything of one benchmark lies in."""
import json
import math
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SOURCES = pathlib.Path(__file__).resolve().parent
PROGRAMS = ('cto-harness', 'cto-harness-worker', 'cto-harness-inspect', 'cto-harness-fake-agent', 'cto-harness-sandbox', 'cto-harness-gateway')
# The release preset's flags (CMakePresets.json, tools/cmake/CtoFlags.cmake).
FLAGS = ('-std=gnu17 -D_GNU_SOURCE= -O2 -g -Wall -Wextra -Wconversion -Wshadow -Wno-unused-const-variable -fPIE '
         '-fstack-protector-strong -fstack-clash-protection -fno-common -ffunction-sections -fdata-sections '
         '-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3').split()
LINK = '-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed -Wl,--gc-sections'.split()
# musl's own headers first, the kernel's from where the distribution has them.
MUSL = '-O2 -g -std=gnu17 -D_GNU_SOURCE= -static -ffunction-sections -fdata-sections -Wl,--gc-sections'.split()
MUSL_HEADERS = ['-idirafter', '/usr/include', '-idirafter', '/usr/include/%s-linux-gnu' % platform.machine()]


class CannotMeasure(Exception):
    pass


def say(text):
    print('bench: ' + text, file=sys.stderr, flush=True)


# --- processes -------------------------------------------------------------------------------------------------------

children = set()


def start(argv, **options):
    child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, **options)
    children.add(child)
    return child


def finish(child, timeout=None):
    try:
        out, err = child.communicate(timeout=timeout)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        children.discard(child)
    return child.returncode, out, err


def run(argv, ok=(0,), timeout=3600, **options):
    child = start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        code, out, err = finish(child, timeout)
    except subprocess.TimeoutExpired as e:
        raise CannotMeasure('%s did not end within %d s' % (argv[0], timeout)) from e
    if code not in ok:
        raise CannotMeasure('%s: exit %d: %s' % (' '.join(str(a) for a in argv[:6]), code, (err or out).strip()[-600:]))
    return out, err


# --- statistics --------------------------------------------------------------------------------------------------------

def percentile(values, p):
    ordered = sorted(values)
    return ordered[max(0, math.ceil(p / 100 * len(ordered)) - 1)]


def spread(values, digits=1):
    return {'n': len(values), 'median': round(statistics.median(values), digits), 'min': round(min(values), digits),
            'p90': round(percentile(values, 90), digits), 'max': round(max(values), digits)}


def ratio(over, under):
    """Taken inside each pair; the median is the figure. What disturbs a host only adds: so beside it, that of the minima."""
    return {**spread([a / b for a, b in zip(over, under)], 3), 'of_minima': round(min(over) / min(under), 3)}


def target(what, value, limit, at_least=False):
    met = value >= limit if at_least else value <= limit
    return {'what': what, 'value': value, 'at_least' if at_least else 'at_most': limit, 'met': met}


def result(title, figures, ratios, targets):
    return {'title': title, 'figures': figures, 'ratios': ratios, 'target': targets, 'met': all(t['met'] for t in targets)}


# --- the bench ---------------------------------------------------------------------------------------------------------

class Bench:
    def __init__(self, options):
        self.quick = options.quick
        self.source_bin = pathlib.Path(options.bin).resolve()
        self.root_mode = os.geteuid() == 0
        self.cc = os.environ.get('CC') or 'gcc'

    def rounds(self, full, quick):
        return quick if self.quick else full

    # Everything lies in one directory on a disk, open to the ordinary user that root measures as.
    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='cto-bench.', dir=os.environ.get('TMPDIR', '/var/tmp')))
        self.dir.chmod(0o755)
        return self

    def __exit__(self, *unused):
        for child in list(children):
            child.terminate()
            try:
                child.wait(60)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        # What was ended may still be ending below this directory.
        for _ in range(20):
            shutil.rmtree(self.dir, ignore_errors=True)
            if not self.dir.exists():
                return
            time.sleep(0.25)

    def prepare(self):
        """Copies, so that a build that goes on meanwhile changes nothing."""
        self.bin = self.dir / 'bin'
        self.bin.mkdir()
        for name in PROGRAMS:
            if not (self.source_bin / name).exists():
                raise CannotMeasure('%s is not there: build it (cmake --preset release && cmake --build build/release), or name '
                                    'a build tree by --bin' % (self.source_bin / name))
            shutil.copy(self.source_bin / name, self.bin / name)
            (self.bin / name).chmod(0o755)
        self.harness = self.bin / 'cto-harness'
        self.build()

    def build(self):
        if not shutil.which(self.cc):
            raise CannotMeasure('%s is not here: install gcc and libc6-dev' % self.cc)
        generated = self.source_bin.parent / 'generated'
        if not (generated / 'seccomp_filters.h').exists():
            raise CannotMeasure('%s has no seccomp_filters.h: --bin must be the bin directory of a build tree' % generated)
        out = ROOT / 'build' / 'bench'
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError:
            pass
        if not os.access(out, os.W_OK):
            out = self.bin  # somebody else's tree
        headers = ['-I', ROOT, '-I', generated]
        # The floor of a start is the fastest start there is.
        self.floor_libc = 'musl' if shutil.which('musl-gcc') else 'glibc'
        static = ['musl-gcc', *MUSL, *headers, *MUSL_HEADERS] if self.floor_libc == 'musl' else \
            [self.cc, *FLAGS, '-static-pie', *LINK, *headers]
        dynamic = [self.cc, *FLAGS, '-pie', *LINK, *headers]
        for name, command, sources, libs in (
                ('pairs', dynamic, ['pairs.c'], []), ('commit_agent', dynamic, ['commit_agent.c'], []),
                ('floor_jail', static, ['floor.c', 'floor_jail.c'], []),
                ('floor_run', static, ['floor.c', 'floor_run.c', 'floor_git_exec.c'], []),
                ('floor_direct', dynamic, ['floor.c', 'floor_run.c', 'floor_git_direct.c'], ['-lgit2']),
                ('gateway_floor', dynamic, ['gateway_floor.c'], ['-luv', '-lmicrohttpd', '-lcurl']),
                ('gateway_peer', dynamic, ['gateway_peer.c'], ['-lpthread'])):
            run([*command, *[SOURCES / s for s in sources], '-o', out / name, *libs])
            if out != self.bin:
                shutil.copy(out / name, self.bin / name)
        self.build_seam(static, generated, out)

    def build_seam(self, static, generated, out):
        """The launcher once more, with the tests' seam (sandbox/testing.h): what a mechanism costs is what its absence saves."""
        rule = (ROOT / 'tools' / 'cmake' / 'CtoLauncher.cmake').read_text()
        common = re.search(r'foreach\(name ([a-z_ ]+)\)', rule).group(1).split()
        sandbox = [p for p in sorted((ROOT / 'sandbox').glob('*.c')) if not re.match(r'filter_gen|enter|confine_', p.name)]
        sources = sandbox + [ROOT / 'common' / (name + '.c') for name in common]
        sources += [ROOT / 'tests' / 'lib' / 'jail_hooks.c', generated / 'build_id.c']
        run([*static, '-DCTO_SANDBOX_TESTING=1', *sources, '-o', out / 'seam_sandbox'])
        if out != self.bin:
            shutil.copy(out / 'seam_sandbox', self.bin / 'seam_sandbox')

    def without(self, mechanisms):
        """Path of a launcher that leaves these out; they stand in a file beside it, read at every start by all variants."""
        place = self.dir / 'seam' / (mechanisms or 'nothing')
        if not place.exists():
            place.mkdir(parents=True)
            for d in (place.parent, place):
                d.chmod(0o755)
            shutil.copy(self.bin / 'seam_sandbox', place / 'cto-harness-sandbox')
            (place / 'jail_hooks').write_text('without %s\n' % mechanisms if mechanisms else '')
            (place / 'jail_hooks').chmod(0o644)
        return place / 'cto-harness-sandbox'

    def command(self, home, *arguments, cases=None):
        return [self.harness, '--home', home, '--cases', cases or self.cases, '--quiet', *arguments]

    def pairs(self, rounds, seconds, variants, warmup=1, prefix=()):
        """variants: {name: argv}. Returns {name: ([wall us], [cpu us])}, the lists in step."""
        argv = [*prefix, self.bin / 'pairs', '--rounds', rounds, '--seconds', seconds, '--warmup', warmup]
        for name, words in variants.items():
            argv += ['--', name, *words]
        out, _ = run(argv)
        table = [[int(n) / 1000 for n in line.split()] for line in out.splitlines()]
        if len(table) < 2:
            raise CannotMeasure('too few rounds of %s' % ', '.join(variants))
        return {name: ([row[2 * i] for row in table], [row[2 * i + 1] for row in table]) for i, name in enumerate(variants)}

    def make_case(self, cases, name, steps, more=None, files=None, executable=None):
        case = cases / name
        (case / 'fixture').mkdir(parents=True)
        (case / 'fixture' / 'greeting.txt').write_text('hello\n')
        for at, source in (files or {}).items():
            shutil.copy(source, case / 'fixture' / at)
        (case / 'task.md').write_text('Greet once more.\n')
        fake = {'steps': steps}
        if executable:
            fake['executable'] = executable
        document = {
            'id': name, 'title': 'A case of the benchmark', 'kind': 'task', 'authority_basis': 'benchmark', 'risk_class': 'low',
            'mutation_mode': 'copied-fixture', 'success_criteria': ['/bin/true exits 0'],
            'rollback_expectation': 'discard the copied workspace', 'allowed_writes': ['greeting.txt'],
            'forbidden_paths': ['.git/', '.github/workflows/', '.env', '.env.*', 'secrets/', 'credentials/', 'vendor/',
                                'node_modules/'],
            'forbidden_actions': ['push', 'merge', 'deploy', 'close', 'pr_open', 'issue_close', 'public_publication',
                                  'credential_change', 'vendor_source_mutation', 'cortex_core_mutation'],
            'verification': [{'argv': ['/bin/true'], 'timeout_s': 30}], 'fake': fake, 'expect': {'status': 'pass'}}
        document.update(more or {})
        (case / 'case.json').write_text(json.dumps(document))
        return case

    @property
    def cases(self):
        """The minimal case: one line more, one commit."""
        where = self.dir / 'cases'
        if not where.exists():
            self.make_case(where, 'minimal', MINIMAL)
        return where


MINIMAL = [{'do': 'append', 'path': 'greeting.txt', 'text': 'hello again\n'}, {'do': 'commit', 'message': 'Greet again'}]
