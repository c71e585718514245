"""soaking.py - what soak-kills and soak-hangs have in common: whose processes are whose, and what a run may leave behind.

The tree of a run is found exactly: the program that starts it is the reaper of all its descendants, so nothing that a run starts
can leave it, whatever session, group or parent it gives itself.
"""
import collections
import ctypes
import fcntl
import os
import pwd
import signal
import sqlite3
import struct
import sys
import time

SLOTS = "/run/cto-harness-uids"
LIBC = ctypes.CDLL(None, use_errno=True)


def become_reaper():
    if LIBC.prctl(36, 1, 0, 0, 0) != 0:
        sys.exit("soak: cannot become a subreaper")


def leave_mounts_of_others():
    """As root: mounts that others make meanwhile do not reach us, but what a run lets escape still does (shared, not private)."""
    clone_newns, ms_rec, ms_private, ms_shared = 0x20000, 0x4000, 1 << 18, 1 << 20
    if os.geteuid() != 0 or LIBC.unshare(clone_newns) != 0:
        return
    for flag in (ms_private, ms_shared):
        if LIBC.mount(b"none", b"/", None, ctypes.c_ulong(ms_rec | flag), None) != 0:
            sys.exit("soak: cannot make the mounts private")


def processes():
    """{pid: (ppid, comm, state)} of all processes that can be seen."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as f:
                text = f.read()
        except OSError:
            continue
        head, tail = text.rsplit(b")", 1)
        fields = tail.split()
        found[int(name)] = (int(fields[1]), head.split(b"(", 1)[1].decode("latin1"), fields[0].decode())
    return found


def descendants(of):
    """{pid: comm} of everything alive below `of`."""
    everything = processes()
    children = collections.defaultdict(list)
    for pid, (ppid, _, _) in everything.items():
        children[ppid].append(pid)
    below, todo = {}, list(children[of])
    while todo:
        pid = todo.pop()
        todo += children[pid]
        if everything[pid][2] not in "ZX":
            below[pid] = everything[pid][1]
    return below


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass


def mounts(base):
    """Mount points; for an ordinary user, who cannot keep those of others away, only what is ours by its name."""
    with open("/proc/self/mountinfo") as f:
        points = [line.split(" ", 5)[4] for line in f]
    return sorted(p for p in points if os.geteuid() == 0 or p.startswith(base) or "cto-harness" in p)


def slot_leaks():
    """Locks on uid slots that are held although no process has the file open."""
    if os.geteuid() != 0 or not os.path.isdir(SLOTS):
        return []
    leaks = []
    for name in os.listdir(SLOTS):
        path = os.path.join(SLOTS, name)
        for attempt in range(20):
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
                break
            except OSError:
                if any_has_open(path):
                    break
            finally:
                os.close(fd)
            time.sleep(0.05)
        else:
            leaks.append(f"{path} is locked by nobody that lives")
    return leaks


def any_has_open(path):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") == path:
                    return True
        except OSError:
            continue
    return False


def leftovers(home, temporary=None):
    """What a finished command may not leave in a home."""
    found = []
    for part in ("work", "locks"):
        path = os.path.join(home, part)
        left = os.listdir(path) if os.path.isdir(path) else []
        if left:
            found.append(f"{part}/ holds {left}")
    if temporary and os.listdir(temporary):
        found.append(f"temporary files: {os.listdir(temporary)}")
    return found


def store_rows(home):
    """(run_id, state, verdict, terminal transitions, run directory) of every run, oldest first."""
    name = home.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    db = sqlite3.connect(f"file:{name}/cto.db?mode=ro", uri=True)
    try:
        return db.execute("SELECT run_id, r.state, verdict, (SELECT count(*) FROM transitions t WHERE t.run = r.id AND t.state = 'done'), "
                          "run_dir FROM runs r ORDER BY r.id").fetchall()
    finally:
        db.close()


def unfinished(rows):
    """Lost and doubled verdicts, in the store and in the events of the run."""
    found = []
    for run_id, state, verdict, ends, run_dir in rows:
        if state != "done" or verdict is None or ends != 1:
            found.append(f"run {run_id} is {state}, verdict {verdict}, {ends} terminal transitions")
            continue
        with open(os.path.join(run_dir, "events.normalized.jsonl"), "rb") as f:
            said = f.read().count(b'"type":"run.completed"')
        if said != 1 or not os.path.isfile(os.path.join(run_dir, "SHA256SUMS")):
            found.append(f"run {run_id}: run.completed {said} times, or not sealed")
    return found


def prove_detection():
    """A process that leaves its session and its parent is still seen: else "zero survivors" would say nothing."""
    become_reaper()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    os.wait()
    seen = descendants(os.getpid())
    for pid in seen:
        os.kill(pid, signal.SIGKILL)
    while descendants(os.getpid()):
        time.sleep(0.001)
    reap()
    if len(seen) != 1:
        sys.exit(f"soak: a daemon was not seen ({seen}); this host hides processes")


def become(name):
    who = pwd.getpwnam(name)
    os.setgroups([])
    os.setresgid(who.pw_gid, who.pw_gid, who.pw_gid)
    os.setresuid(who.pw_uid, who.pw_uid, who.pw_uid)
    os.chdir("/")
