"""faults.py BIN TRACER MODE STRIDE [OFFSET] - a fault at every STRIDE-th system call of a part of a run, one run for each.

  seal-kill     kill -9 of the supervisor at its N-th call after the exit of the worker: sealing, store, cleaning up, the report
  error         a call of the supervisor fails, from its first to its last: ENOSPC, EDQUOT, EIO, EMFILE, ENOMEM, a short write;
                once, or from then on
  states        kill -9 of supervisor, worker, inspectors, inits and agent around what moves a run from state to state:
                each write to the store, each frame of worker and inspectors, and all along pid 1 of a jail

After each the next run of the same home must have recovered it: one terminal verdict for every run in store and events, no work
directory, no lock, no process, evidence that verifies, a store that checks. Exit 0: all good, 1: not.
"""
import collections
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
SRC = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SRC, "tools"))
from soaking import become_reaper, descendants, leftovers, reap, store_rows, unfinished  # noqa: E402

CASE = "harness-commit"  # every inspector, an engine and a verification
RUNS_PER_HOME = 25
LANES = 2
ERRORS = ["ENOSPC", "ENOSPC+", "EDQUOT+", "EIO", "EIO+", "short", "short+", "EMFILE", "EMFILE+", "ENOMEM", "ENOMEM+"]
# Roles, where their counting begins, and which calls matter: for pid 1 of a jail, and what nobody else sees, all of them.
STATES = [("supervisor", "start:supervisor", "pwrite64"), ("worker", "start:worker", "sendmsg,write,writev"), ("watch", "start:watch", "write,writev"),
          ("commit", "start:commit", "write,writev"), ("census", "start:census", "write,writev"), ("diff", "start:diff", "write,writev"),
          ("checkout", "start:checkout", "write,writev"), ("init", "start:init", None), ("init:2", "start:init:2", None),
          ("agent", "start:agent", None), ("worker", "start:census", None), ("worker", "start:init:2", None)]
# A supervisor that ran out of memory or descriptors may end as it likes (libuv aborts, SQLite was seen to crash), as long as the
# next command puts things right.
ENDS = {"kill": {137}, "error": {0, 1, 2, 3, 4, 127, 134, 139}, "other": {0, 1, 3}}


class Home:
    """One home after the other, with the checks after each run."""

    def __init__(self, bin_dir, tracer, base):
        self.bin, self.tracer, self.base = bin_dir, tracer, base
        self.problems, self.ends, self.hits, self.runs, self.home, self.last = [], collections.Counter(), 0, 0, None, "-"
        self.tmp = os.path.join(base, "tmp")
        os.makedirs(self.tmp)
        self.env = {"PATH": "/usr/bin:/bin", "HOME": base, "TMPDIR": self.tmp, "LANG": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def harness(self, *words):
        return [os.path.join(self.bin, "cto-harness"), "--home", self.home, "--cases", os.path.join(SRC, "cases"), *words]

    def run(self, command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.env,
                              timeout=120, check=False)
        return done.returncode, done.stdout[-300:]

    def problem(self, text):
        self.problems.append(f"after {self.last}: {text} (home {self.home})")

    def must(self, *words):
        code, text = self.run(self.harness(*words))
        if code != 0:
            self.problem(f"{' '.join(words)} exits {code}: {text!r}")

    def fresh(self):
        if self.home:
            self.close()
        if self.home and not self.problems:
            shutil.rmtree(self.home)
        self.home = os.path.join(self.base, f"home{self.runs}")

    def close(self):
        """An honest command has the last word, then everything is looked at."""
        self.must("run-case", "answer-only", "--json")
        self.gone()
        for text in leftovers(self.home, self.tmp) + unfinished(store_rows(self.home)):
            self.problem(text)
        self.must("verify", "--all", "--quiet")
        self.must("store", "check", "--quiet")

    def gone(self):
        began = time.monotonic()
        while left := descendants(os.getpid()):
            reap()
            if time.monotonic() - began > 20:
                self.problem(f"alive: {left}")
                return
            time.sleep(0.002)
        reap()

    def traced(self, who, event, at, what, calls=None):
        """(exit code, was the point reached, how many there are)"""
        out = os.path.join(self.base, "point")
        command = [self.tracer, "--who", who, "--from", event, "--at", str(at), "--do", what, "--out", out]
        code, text = self.run(command + (["--calls", calls] if calls else []) + ["--", *self.harness("run-case", CASE, "--json")])
        with open(out) as f:
            point = dict(word.split("=") for word in f.read().split())
        return code, text, point["hit"] == "1", int(point["total"])

    def rows(self):
        try:
            return store_rows(self.home)
        except sqlite3.OperationalError:  # killed before there was a store, or a table in it
            return []

    def fault(self, who, event, at, what, calls, ends):
        if self.runs % RUNS_PER_HOME == 0:
            self.fresh()
        self.runs += 1
        code, text, hit, _ = self.traced(who, event, at, what, calls)
        self.gone()
        # All but this run were recovered by it, unless the fault hit just that: then the run was passed over, and the next command,
        # which nothing hinders, has it to do. This one is by the next.
        if code != 127 and unfinished(self.rows()[:-1]):
            self.must("run-case", "answer-only", "--json")
            for found in unfinished(self.rows()):
                self.problem(found)
        self.last = f"{what} of {who} at {at} of {calls or 'all calls'} from {event}"
        self.hits += hit
        self.ends[code] += 1
        if hit and code not in ends or not hit and code != 0:
            self.problem(f"exit {code}: {text!r}")


def plan(mode, home):
    """[(who, from, at, what, calls, ends)] of every point; the totals are counted in unhindered runs."""
    home.fresh()
    points = []

    def along(who, event, what, calls, ends):
        code, text, _, total = home.traced(who, event, 0, "count" if what in ("kill", "exit") else what, calls)
        if code != 0 or total == 0:
            sys.exit(f"faults: {who} from {event}: exit {code}, {total} calls: {text!r}")
        points.extend((who, event, at, what, calls, ends) for at in range(1, total + 1))

    if mode == "seal-kill":
        along("supervisor", "exit:worker", "kill", None, ENDS["kill"])
    elif mode == "error":
        for error in ERRORS:
            along("supervisor", "start:supervisor", error, None, ENDS["error"])
    elif mode == "states":
        for who, event, calls in STATES:
            ends = ENDS["kill" if who == "supervisor" else "other"]
            for what in ("kill", "exit"):
                along(who, event, what, calls, ends)
    else:
        sys.exit(__doc__)
    home.close()
    return points


def lane(bin_dir, tracer, base, points):
    become_reaper()
    home = Home(bin_dir, tracer, base)
    for point in points:
        home.fault(*point)
        if len(home.problems) > 10:
            break
    home.close()
    return {"problems": home.problems, "hits": home.hits, "runs": home.runs, "ends": dict(home.ends)}


def main():
    if len(sys.argv) < 5:
        sys.exit("usage: " + __doc__.rstrip())
    bin_dir, tracer, mode, stride = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    offset = int(sys.argv[5]) if len(sys.argv) > 5 else int(time.time()) % stride
    base = tempfile.mkdtemp(prefix="cto-faults-")
    become_reaper()
    everything = plan(mode, Home(bin_dir, tracer, os.path.join(base, "plan")))
    points = everything[offset::stride]
    pipes, results = [], []
    for i in range(min(LANES, len(points))):
        r, w = os.pipe()
        if os.fork() == 0:
            code = 1
            try:
                result = lane(bin_dir, tracer, os.path.join(base, f"lane{i}"), points[i::LANES])
                with os.fdopen(w, "w") as f:
                    json.dump(result, f)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(w)
        pipes.append(r)
    for r in pipes:
        with os.fdopen(r) as f:
            text = f.read()
        results.append(json.loads(text) if text else {"problems": ["a lane ended without a result"], "hits": 0, "runs": 0, "ends": {}})
    problems, ends = [p for r in results for p in r["problems"]], collections.Counter()
    for r in results:
        ends.update(r["ends"])
    for text in problems:
        print("faults:", text)
    hits = sum(r["hits"] for r in results)
    print(f"faults: {mode}, offset {offset}, stride {stride}: {sum(r['runs'] for r in results)} of {len(everything)} points, {hits} reached, "
          f"exits {dict(ends)}, {len(problems)} problems")
    if not problems:
        shutil.rmtree(base)
    # Calls differ from run to run, so the last points may not come; most must. Of `states` fewer: what a loop waits for it counts, and a
    # host that was busy when the plan was made has more of that.
    sys.exit(0 if not problems and hits >= (0.5 if mode == "states" else 0.8) * len(points) else 1)


main()
