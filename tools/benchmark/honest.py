"""honest - what the jail costs those who work in it: a build and a test suite, inside and outside, in pairs.

The start of a jail is group a; here it is lost in seconds of work, and what shows is the price per system call (the filter),
per path (mounts and Landlock) and per process. Both sides are the same script in the same directory under the same uid.
"""
import os
import shutil

from measure import ROOT, CannotMeasure, ratio, result, run, spread, target

JAIL_UID = 0x70000000  # what the launcher gives a command of root's
MAKEFILE = '''OBJECTS := $(patsubst src/%.c,out/%.o,$(wildcard src/*.c))
all: out/all.a
out/all.a: $(OBJECTS)
\tar rcs $@ $^
out/%.o: src/%.c
\tgcc -O1 -std=gnu17 -D_GNU_SOURCE= -Iinclude -c $< -o $@
'''
SUITE = '''import pathlib, subprocess, sys
import pytest

@pytest.mark.parametrize('n', range(60))
def test_files(n, tmp_path):
    for i in range(20):
        (tmp_path / str(i)).write_text(str(n))
    assert sum(int(p.read_text()) for p in tmp_path.iterdir()) == 20 * n

@pytest.mark.parametrize('n', range(12))
def test_processes(n):
    assert subprocess.run(['sh', '-c', 'echo %d | cat' % n], capture_output=True).stdout == b'%d\\n' % n
'''
WORK = {
    'build': 'rm -rf out && mkdir out && exec make -s -j2',
    'pytest': 'exec python3 -m pytest -q -p no:cacheprovider --basetemp=tmp suite >/dev/null',
    'git': 'rm -rf copy && git clone -q --no-local repo copy && git -C copy log -p >/dev/null && exec git -C copy gc -q --aggressive',
}
REPOSITORY = '''git init -q repo && cd repo && for i in $(seq 60); do seq $i $((i * 40)) >$((i % 7)); git add . &&
git -c user.name=b -c user.email=b@c.invalid commit -qm $i; done'''


def make_directory(bench):
    at = bench.dir / 'honest'
    for part in ('src', 'include', 'suite'):
        (at / part).mkdir(parents=True)
    shutil.copytree(ROOT / 'common', at / 'include' / 'common')
    for source in (ROOT / 'common').glob('*.c'):
        if 'cjson' not in source.read_text() and 'openssl' not in source.read_text():
            shutil.copy(source, at / 'src' / source.name)
    (at / 'Makefile').write_text(MAKEFILE)
    (at / 'suite' / 'test_many.py').write_text(SUITE)
    for name, line in WORK.items():
        (at / (name + '.sh')).write_text('cd "$(dirname "$0")" && ' + line + '\n')
    (at / 'repository.sh').write_text('cd "$(dirname "$0")" && ' + REPOSITORY + '\n')
    if bench.root_mode:
        for path in [at, *at.rglob('*')]:
            os.chown(path, JAIL_UID, JAIL_UID)
    return at


def group_g(bench):
    for program in ('make', 'git', 'setpriv'):
        if not shutil.which(program):
            raise CannotMeasure('%s is not here' % program)
    at = make_directory(bench)
    drop = [shutil.which('setpriv'), '--reuid', str(JAIL_UID), '--regid', str(JAIL_UID), '--clear-groups', '--inh-caps=-all'] \
        if bench.root_mode else []
    outside = [*drop, '/usr/bin/env', '-i', 'PATH=/usr/local/bin:/usr/bin:/bin', 'HOME=%s' % at, 'LANG=C.UTF-8', 'TMPDIR=%s' % at,
               'PYTHONDONTWRITEBYTECODE=1', 'GIT_CONFIG_NOSYSTEM=1', 'sh']
    inside = [bench.bin / 'cto-harness-sandbox', '--write', at, '--env', 'HOME=%s' % at, '--env', 'TMPDIR=%s' % at, 'sh']
    run([*outside, at / 'repository.sh'])
    figures, ratios, targets = {}, {}, []
    for name in WORK:
        script = at / (name + '.sh')
        t = bench.pairs(bench.rounds(30, 8), bench.rounds(90, 30), {'outside': [*outside, script], 'inside': [*inside, script]})
        figures[name] = {side: {'wall_us': spread(t[side][0]), 'cpu_us': spread(t[side][1])} for side in t}
        ratios[name] = {'wall': ratio(t['inside'][0], t['outside'][0]), 'cpu': ratio(t['inside'][1], t['outside'][1])}
        targets.append(target('%s: inside / outside' % name, ratios[name]['wall']['median'], 1.05))
    return result('a build, a test suite and git, inside the jail and outside', figures, ratios, targets)
