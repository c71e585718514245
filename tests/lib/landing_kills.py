"""landing_kills.py BIN TESTBIN MODE STRIDE - kill -9 at every STRIDE-th system call of a landing, of a revert, or of the recovery of one
that was killed; a random first one. After each, one land_recover() leaves the target as it was or landed, clean, without a lock or
anything else of ours, and the journal closed; a landing that was undone can be done.

  land, revert   the N-th call of the process
  recover        the N-th call of a recovery, after a kill of the landing at several points behind its commit point
"""
import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from landlib import BASE, World, fill, tree_of

LANES = 2


def change(c):
    """One of each kind, few of each: every call counts."""
    os.rename(c + "/d/b.txt", c + "/moved.txt")
    os.chmod(c + "/run.sh", 0o644)
    fill(c, {"a.txt": "new\n", "gone.txt": None, "link": ("->", "b")})
    shutil.rmtree(c + "/d/e")
    fill(c, {"d/e": "a file now\n", "gone.txt/x": "a directory now\n"})


class Template:
    """A target before the landing, one after it, and their stores, copied for every kill."""

    def __init__(self, w):
        self.w, self.repo = w, w.repo()
        self.prog = os.path.join(w.base, "cto-harness")
        shutil.copy(os.path.join(w.bin, "sv_land"), self.prog)
        self.order = w.result(self.repo, change)
        self.old = w.head(self.repo)
        self.landed = self.copy("landed")
        rc, self.new, err = self.do(self.landed, "land")
        assert rc == 0, err
        self.trees = {self.old: tree_of(self.repo), self.new: tree_of(self.landed + "/r")}

    def copy(self, name, of=None):
        if not of:
            d = self.w.new(name)
            os.mkdir(d)
            shutil.copytree(self.repo, d + "/r", symlinks=True)
            return d
        d = self.w.new(name)
        shutil.copytree(of, d, symlinks=True) # the store with its WAL
        with contextlib.closing(sqlite3.connect(d + "/s")) as db:
            db.execute("UPDATE landings SET target = ?", (d + "/r",)) # which it names by its path
            db.commit()
        return d

    def words(self, d, what):
        if what == "land":
            return ["land", d + "/s", self.w.order(self.order, target=d + "/r")]
        return [what, d + "/s"] + (["run-1", "no"] if what == "revert" else [])

    def do(self, d, what):
        return self.w.run(*self.words(d, what))

    def kill(self, d, what, at):
        """False: it ended before."""
        out = d + "/out"
        subprocess.run([os.path.join(self.w.bin, "tracer"), "--who", "supervisor", "--from", "start:supervisor", "--at", str(at), "--do", "kill",
                        "--out", out, "--", self.prog, *self.words(d, what)], env=self.w.env, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=False)
        with open(out) as f:
            self.last = f.read().strip()
        return "hit=1" in self.last

    def check(self, d, before, what):
        """Recovered; before: the head that it had. Returns whether the branch has moved."""
        rc, out, err = self.do(d, "recover")
        assert rc == 0 and out == "" and err == "", ("recover", rc, out, err)
        assert self.w.journal(d + "/s") == [], self.w.journal(d + "/s")
        self.w.sound(d + "/r")
        head = self.w.head(d + "/r")
        if head == before:
            rc, again, err = self.do(d, what)
            assert rc == 0, ("once more", err)
            self.w.sound(d + "/r")
            head = again
            moved = False
        else:
            moved = True
        if what == "land":
            assert head == self.new, "another commit"
        else:
            assert self.w.git(d + "/r", "rev-parse", "HEAD^") == self.new and self.w.git(d + "/r", "diff", self.old, "HEAD") == ""
        want = self.trees[self.new if what == "land" else self.old]
        assert tree_of(d + "/r") == want, "the worktree is another"
        log = self.w.git(d + "/r", "reflog", "--format=%H", "main").split("\n")
        assert log.count(head) == 1, ("the reflog names it not once", log)
        return moved


def sweep(t, what, stride):
    """Both sides of the commit point must have been hit."""
    sides, at = set(), random.randint(1, stride)
    before = t.old if what == "land" else t.new

    def one(n):
        d = t.copy("k", t.landed if what == "revert" else None)
        hit = t.kill(d, what, n)
        try:
            moved = t.check(d, before, what)
        except Exception as e:
            raise AssertionError("killed at call %d: %s" % (n, e)) from e
        shutil.rmtree(d)
        return hit, moved
    n = 0
    with ThreadPoolExecutor(LANES) as pool:
        while True:
            points = range(at, at + stride * 8 * LANES, stride)
            ends = list(pool.map(one, points))
            sides |= {moved for hit, moved in ends if hit}
            n += sum(hit for hit, _ in ends)
            at += stride * 8 * LANES
            if not all(hit for hit, _ in ends):
                break
    assert n > 10, n
    assert stride > 40 or sides == {True, False}, sides
    print("%s: %d kills, recovered each time" % (what, n))


def first_moved(t):
    """The first call at which a kill leaves the branch moved."""
    lo, hi = 1, 4096
    while lo < hi:
        mid = (lo + hi) // 2
        d = t.copy("k")
        t.kill(d, "land", mid)
        if t.w.head(d + "/r") == t.old:
            lo = mid + 1
        else:
            hi = mid
        shutil.rmtree(d)
    return lo


def sweep_recovery(t, stride):
    """The worktree half changed, then a recovery that is killed too, then one that is not."""
    behind, n = first_moved(t), 0
    starts = [behind + k for k in (0, 40, 80, 140)] + [behind - 1]
    for start in starts:
        at = random.randint(1, stride)
        half = t.copy("half")
        t.kill(half, "land", start)

        def one(at, half=half, start=start):
            d = t.copy("k", half)
            hit = t.kill(d, "recover", at)
            try:
                t.check(d, t.old, "land")
            except Exception as e:
                raise AssertionError("landing killed at %d, its recovery at %d: %s" % (start, at, e)) from e
            shutil.rmtree(d)
            return hit
        with ThreadPoolExecutor(LANES) as pool:
            while True:
                hits = list(pool.map(one, range(at, at + stride * 4 * LANES, stride)))
                n += sum(hits)
                at += stride * 4 * LANES
                if not all(hits):
                    break
    print("recover: %d kills after %d landings that were killed" % (n, len(starts)))


def main():
    w = World(sys.argv[2])
    try:
        t = Template(w)
        if sys.argv[3] == "recover":
            sweep_recovery(t, int(sys.argv[4]))
        else:
            sweep(t, sys.argv[3], int(sys.argv[4]))
    finally:
        w.close()


main()
