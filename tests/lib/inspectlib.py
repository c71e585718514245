"""Drives cto-harness-inspect as a worker would, and makes repositories with the real git.

Each test is a function; run(globals) calls every test_* in a fresh temporary directory and exits 1 when one failed.
"""
import os
import select
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import time
import traceback

NAMES = {18: "BASELINE", 20: "LOOK", 22: "RESULT", 23: "DIRTY", 24: "COMMIT", 25: "CHANGE", 32: "ATTEMPT", 28: "TRACE", 29: "FAILED",
         30: "DONE", 65: "ARTIFACT", 66: "ARTIFACT_END"}
KINDS = {1: "none", 2: "committed", 3: "not_descendant", 4: "unreadable", 5: "too_large"}
FAILED_WORKER, FAILED_INSPECT = 2, 3
ZERO = "0" * 40


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, fmt):
        values = struct.unpack_from("<" + fmt, self.data, self.at)
        self.at += struct.calcsize("<" + fmt)
        return values if len(values) > 1 else values[0]

    def bytes(self):
        n = self.take("H")
        self.at += n
        return self.data[self.at - n:self.at]

    def text(self):
        return self.bytes().decode("latin1")


def decode(kind, payload):
    c = Cursor(payload)
    f = {"frame": NAMES.get(kind, kind)}
    if kind == 18:
        f.update(oid=c.text(), clean=c.take("B"), files=c.take("I"), bytes=c.take("Q"), commits=c.take("I"))
    elif kind == 20:
        f.update(moved=c.take("B"), clean=c.take("B"), head=c.text(), fingerprint=c.take("Q"))
    elif kind == 22:
        f.update(kind=KINDS[c.take("B")], head=c.text(), clean=c.take("B"), dirty=c.take("I"), commits=c.take("I"),
                 made=c.take("B"), detail=c.text())
    elif kind == 23:
        f.update(letter=chr(c.take("B")), path=c.bytes())
    elif kind == 24:
        f.update(oid=c.text(), parents=c.take("B"), time=c.take("q"), author=c.bytes(), subject=c.bytes())
    elif kind == 25:
        f.update(scope=c.take("B"), letter=chr(c.take("B")), old=c.take("I"), new=c.take("I"), path=c.bytes())
    elif kind == 32:
        f.update(kind=c.take("B"), name=c.bytes())
    elif kind == 28:
        f.update(step=c.text(), start=c.take("Q"), duration=c.take("Q"), ok=c.take("B"), detail=c.text())
    elif kind == 29:
        f.update(cls=c.take("B"), code=c.take("I"), errno=c.take("I"), text=c.text())
    elif kind == 65:
        f.update(id=c.take("B"), data=payload[1:])
        c.at = len(payload)
    elif kind == 66:
        f.update(id=c.take("B"), total=c.take("Q"))
    assert c.at == len(payload), (f, "payload does not end at its end")
    return f


class Frames:
    """Reads frames from a descriptor, with a deadline."""

    def __init__(self, fd):
        self.fd, self.data = fd, b""

    def next(self, timeout=20):
        end = time.monotonic() + timeout
        while True:
            if len(self.data) >= 8:
                n, kind, zero = struct.unpack_from("<IHH", self.data)
                assert zero == 0
                if len(self.data) >= 8 + n:
                    payload, self.data = self.data[8:8 + n], self.data[8 + n:]
                    return decode(kind, payload)
            left = end - time.monotonic()
            assert left > 0, "no frame in time: the inspector hangs"
            if select.select([self.fd], [], [], left)[0]:
                got = os.read(self.fd, 65536)
                if not got:
                    assert not self.data, "half a frame at the end"
                    return None
                self.data += got


class Run:
    """One run's directories and the steps over them."""

    def __init__(self, tool, directory):
        self.tool, self.dir = tool, directory
        self.ws, self.odb = directory + "/ws", directory + "/odb"
        os.makedirs(self.ws)
        os.makedirs(self.odb)
        self.process = None

    def write(self, path, content, mode=None):
        if isinstance(content, str):
            content = content.encode()
        full = os.path.join(os.fsencode(self.ws), os.fsencode(path))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(content)
        if mode is not None:
            os.chmod(full, mode)

    def path(self, name):
        return os.path.join(self.ws, name)

    def watch(self, *args):
        """Starts the watch step; returns its BASELINE frame."""
        self.wake_fd = os.eventfd(0, os.EFD_CLOEXEC)
        out, child = os.pipe()
        self.process = subprocess.Popen([self.tool, "watch", "--ws", self.ws, "--odb", self.odb, "--parent",
                                        str(os.getpid()),
                                         *args], stdin=self.wake_fd, stdout=child)
        os.close(child)
        self.frames = Frames(out)
        self.trace = self.frames.next()
        if self.trace["frame"] == "FAILED":
            return self.trace
        assert self.trace["frame"] == "TRACE", self.trace
        baseline = self.frames.next()
        assert baseline["frame"] == "BASELINE", baseline
        self.baseline = baseline["oid"]
        return baseline

    def look(self, timeout=20):
        """Wakes it; returns (DIRTY frames, LOOK frame)."""
        os.eventfd_write(self.wake_fd, 1)
        dirty = []
        while True:
            f = self.frames.next(timeout)
            if f["frame"] == "LOOK":
                return dirty, f
            assert f["frame"] == "DIRTY", f
            dirty.append(f)

    def stop(self):
        """The reader goes away: it must end by itself, with 0."""
        os.close(self.frames.fd)
        code = self.process.wait(timeout=10)
        os.close(self.wake_fd)
        self.process = None
        assert code == 0, code

    def step(self, name, *args, expect=0):
        """A step to its end; returns its frames."""
        command = [self.tool, name, "--odb", self.odb, "--parent", str(os.getpid()), *args]
        if name in ("commit", "census"):
            command += ["--ws", self.ws]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=120)
        assert done.returncode == expect, (name, done.returncode, done.stdout)
        frames, data, at = [], done.stdout, 0
        while at < len(data):
            n, kind, _ = struct.unpack_from("<IHH", data, at)
            frames.append(decode(kind, data[at + 8:at + 8 + n]))
            at += 8 + n
        assert frames[-1]["frame"] == ("DONE" if expect == 0 else "FAILED"), frames
        return frames

    def census(self, *args):
        frames = self.step("census", *args)
        result = [f for f in frames if f["frame"] == "RESULT"]
        assert len(result) == 1
        return result[0], [(f["letter"], f["path"]) for f in frames if f["frame"] == "DIRTY"]

    def diff(self, *args):
        """(COMMIT frames, CHANGE frames of the sum, of the commits, patch)"""
        frames = self.step("diff", *args)
        patch = b"".join(f["data"] for f in frames if f["frame"] == "ARTIFACT")
        ends = [f for f in frames if f["frame"] == "ARTIFACT_END"]
        assert len(ends) == 1 and ends[0]["total"] == len(patch)
        changes = [f for f in frames if f["frame"] == "CHANGE"]
        return ([f for f in frames if f["frame"] == "COMMIT"], [f for f in changes if f["scope"] == 0],
                [f for f in changes if f["scope"] == 1], patch)

    def git(self, *args, **kwargs):
        return git(self.ws, *args, **kwargs)

    def commit(self, message="work"):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def git(where, *args, input=None, check=True, raw=False):
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Agent",
           "GIT_AUTHOR_EMAIL": "agent@example.com", "GIT_COMMITTER_NAME": "Agent",
           "GIT_COMMITTER_EMAIL": "agent@example.com", "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "safe.directory",
           "GIT_CONFIG_VALUE_0": "*", "GIT_CONFIG_KEY_1": "protocol.file.allow", "GIT_CONFIG_VALUE_1": "always"}
    done = subprocess.run(["git", "-C", where, *args], input=input, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert not check or done.returncode == 0, (args, done.stderr)
    return done.stdout if raw else done.stdout.decode("utf-8", "surrogateescape")


def tree_of(directory):
    """{path: (type, executable, content)} of a directory, without .git."""
    found = {}
    root = os.fsencode(directory)
    for base, dirs, files in os.walk(root):
        if base == root and b".git" in dirs:
            dirs.remove(b".git")
        for name in files + [d for d in dirs if os.path.islink(os.path.join(base, d))]:
            full = os.path.join(base, name)
            st = os.lstat(full)
            if stat.S_ISLNK(st.st_mode):
                found[os.path.relpath(full, root)] = ("link", False, os.readlink(full))
            else:
                with open(full, "rb") as f:
                    found[os.path.relpath(full, root)] = ("file", bool(st.st_mode & 0o100), f.read())
    return found


def run(tests):
    if len(sys.argv) < 2 or not os.access(os.path.join(sys.argv[1], "cto-harness-inspect"), os.X_OK):
        print("usage: TEST DIRECTORY-OF-BINARIES", file=sys.stderr)
        sys.exit(2)
    if shutil.which("git") is None:
        print("skipped: no git")
        sys.exit(77)
    tool = os.path.join(os.path.abspath(sys.argv[1]), "cto-harness-inspect")
    only = [a for a in sys.argv[2:] if a.startswith("test_")]  # ctest also gives the source directory
    failed = ran = 0
    for name, test in sorted(tests.items()):
        if not name.startswith("test_") or (only and name not in only):
            continue
        ran += 1
        directory = tempfile.mkdtemp(prefix="cto-inspect.")
        r = Run(tool, directory)
        begin = time.monotonic()
        try:
            test(r)
            print("ok %6.2f s  %s" % (time.monotonic() - begin, name), flush=True)
        except Exception:
            failed += 1
            print("FAILED", name)
            traceback.print_exc(file=sys.stdout)
        finally:
            r.close()
            subprocess.run(["chmod", "-R", "u+rwX", directory], stderr=subprocess.DEVNULL)
            shutil.rmtree(os.fsencode(directory), ignore_errors=True)
    print("ran: %d, failed: %d" % (ran, failed))
    sys.exit(1 if failed or not ran else 0)
