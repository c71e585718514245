"""Landings on real repositories: what lands is exactly the result, what cannot is refused before anything is touched, what was landed
can be taken back, and nobody's work is lost on the way."""
import os
import random
import shutil
import signal
import subprocess
import time

from landlib import BASE, CONFLICT, MISSING, USAGE, alien, fill, main, tree_of


def good_landing(w, files, change, message="land it"):
    """Lands `change` on a repository with `files`; the worktree afterwards is what the change made."""
    r, store = w.repo(files), w.new("store")
    old = w.head(r)
    want = w.new("want")
    w.git(w.base, "clone", "-q", r, want)
    change(want)
    order = w.result(r, change)
    rc, commit, err = w.land(store, order, message=message)
    assert rc == 0, err
    w.sound(r)
    assert w.head(r) == commit and w.git(r, "rev-parse", "HEAD^{tree}") == order["tree"], "another tree"
    assert w.git(r, "rev-list", "--parents", "-1", commit) == commit + " " + old, "not one commit on top"
    assert tree_of(r) == tree_of(want), "the worktree is not the result"
    assert w.journal(store) == []
    return r, store, old, commit


def test_add_modify_delete(w):
    r, _, old, commit = good_landing(w, BASE, lambda c: fill(c, {
        "a.txt": "ONE\n", "new.txt": "n\n", "x/y/z.txt": "z\n", "gone.txt": None, "d/e/c.txt": None, "empty": "", "bin.dat": b"\0" * 70000}))
    assert w.git(r, "log", "-1", "--format=%an <%ae> %at %cn <%ce> %s") == "An Agent <agent@example.org> 1700001000 cto-harness <harness@localhost> land it"
    for log in ("HEAD", "main"):
        assert w.git(r, "rev-parse", log + "@{1}") == old and w.git(r, "rev-parse", log + "@{0}") == commit, "no reflog"
    assert "cto-harness: land run-1" in w.git(r, "reflog", "-1", "main")
    assert not os.path.exists(r + "/d/e"), "an empty directory stays"


def test_kinds(w):
    def change(c):
        os.rename(c + "/a.txt", c + "/moved.txt")
        os.rename(c + "/d", c + "/moved")
        os.chmod(c + "/run.sh", 0o644)
        os.chmod(c + "/bin.dat", 0o755)
        fill(c, {"link": ("->", "elsewhere/../x"), "gone.txt": ("->", "bin.dat"), "ü/ñ": "1", b"\xff.txt": "2", "with space/ü.txt": ("u2\n", 0o755)})
    good_landing(w, BASE, change)


def test_file_becomes_directory_and_back(w):
    def there(c):
        fill(c, {"gone.txt": None, "link": None})
        fill(c, {"gone.txt/x": "1", "gone.txt/y/z": "2", "link/to": "3"})

    def back(c):
        shutil.rmtree(c + "/d")
        fill(c, {"d": "a file now\n"})
    good_landing(w, BASE, there)
    good_landing(w, BASE, back)
    good_landing(w, {"only/one": "1"}, lambda c: (shutil.rmtree(c + "/only"), fill(c, {"only": ("->", "nowhere")})))


def test_everything_goes(w):
    r, _, _, _ = good_landing(w, {"a": "1", "b/c": "2"}, lambda c: (fill(c, {"a": None}), shutil.rmtree(c + "/b")))
    assert os.listdir(r) == [".git"]


def test_packed_target(w):
    r, store = w.repo(branch="topic/x"), w.new("store")
    w.git(r, "gc", "-q")
    w.git(r, "pack-refs", "--all")
    order = w.result(r, lambda c: fill(c, {"a.txt": "x\n"}))
    rc, commit, err = w.land(store, order)
    assert rc == 0 and w.head(r) == commit, err
    w.sound(r)


def test_index_stays_fresh(w):
    """git finds every stat of the index true, and the index of version 4 stays one."""
    r, store = w.repo(), w.new("store")
    w.git(r, "update-index", "--index-version", "4")
    rc, _, err = w.land(store, w.result(r, lambda c: fill(c, {"a.txt": "x\n", "n/n": "1"})))
    assert rc == 0, err
    assert w.git(r, "diff-files", "--name-only") == "", "an entry needs a refresh"
    with open(r + "/.git/index", "rb") as f:
        assert f.read(8)[7] == 4
    w.sound(r)


def test_nothing_of_the_target_is_obeyed(w):
    r, store = w.repo(), w.new("store")
    mark = alien(w, r)
    # The result by hand: git itself would run the target's filters when it makes one.
    blobs = w.new("blobs")
    os.mkdir(blobs)
    body = b"$Id$\r\nand\n"
    calm = {"GIT_CONFIG_GLOBAL": "/dev/null"}
    fill(w.base, {"raw": body})
    oid = w.git(w.base, "hash-object", "--no-filters", w.base + "/raw", env=calm)
    shutil.copy(w.base + "/raw", blobs + "/" + oid)
    index = {"GIT_INDEX_FILE": w.base + "/idx", "GIT_OBJECT_DIRECTORY": w.base + "/odb", **calm,
             "GIT_ALTERNATE_OBJECT_DIRECTORIES": r + "/.git/objects"}
    os.mkdir(w.base + "/odb")
    flags = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    w.git(r, *flags, "hash-object", "-w", "--no-filters", w.base + "/raw", env=index)
    w.git(r, *flags, "read-tree", "HEAD", env=index)
    for name in ("id.txt", "new.txt"):
        w.git(r, *flags, "update-index", "--add", "--cacheinfo", "100644,%s,%s" % (oid, name), env=index)
    tree = w.git(r, *flags, "write-tree", env=index)
    order = {"target": r, "branch": "refs/heads/main", "old_head": w.head(r), "tree": tree, "blobs": blobs, "message": "m", "author": "A",
             "email": "a@b", "when": "1", "run": "run-1", "changes": [(0o100644, oid, "id.txt"), (0o100644, oid, "new.txt")]}
    if os.path.exists(mark):
        os.unlink(mark)
    rc, commit, err = w.land(store, order)
    assert rc == 0, err
    with open(r + "/id.txt", "rb") as f:
        assert f.read() == body, "not the bytes of the blob"
    assert w.facts(r)["clean"] == "1"
    assert w.run("revert", store, "run-1", "no")[0] == 0 and w.run("recover", store)[0] == 0
    assert not os.path.exists(mark), "something of the target or of the user was started"
    w.calm(r)
    assert subprocess.run(["git", "-C", r, "cat-file", "blob", commit + ":id.txt"], env=w.env, stdout=subprocess.PIPE, check=True).stdout == body
    w.git(r, "fsck", "--full", "--strict")


# --- what is refused, before anything is touched

def refused(w, r, store, order, word, code=CONFLICT, **other):
    before = w.run("digest", r)[1]
    rc, commit, err = w.land(store, order, **other)
    assert rc == code and word in err and commit == "", (rc, word, err)
    assert w.base not in err, err
    assert w.run("digest", r)[1] == before, "something was written: " + word
    assert w.journal(store) == []


def test_refused(w):
    r, store = w.repo(), w.new("store")
    order = w.result(r, lambda c: fill(c, {"a.txt": "x\n", "sub/new": "1\n"}))
    oid = [c[1] for c in order["changes"]][0]
    refused(w, r, store, order, "not the tree", tree="4b825dc642cb6eb9a060e54bf8d69288fbee4904")
    refused(w, r, store, order, "not the tree", changes=order["changes"][:1])
    refused(w, r, store, order, "another branch", branch="refs/heads/other")
    refused(w, r, store, order, "moved", old_head="1" * 40)
    refused(w, r, store, order, "no commit", USAGE, old_head="x" * 40)
    refused(w, r, store, order, "no branch", USAGE, branch="HEAD")
    refused(w, r, store, order, "no run", USAGE, run="a/b")
    refused(w, r, store, order, "nothing is changed", USAGE, changes=[])
    refused(w, r, store, order, "author", USAGE, author="<>")
    for path in (".git/hooks/x", "sub/.GIT/config", "../x", "/etc/x", "a//b", "", ".", "x/.", "git~1/x", ".g\u200cit/x", "sub/.git./x", "a\\..\\b",
                 "x" * 300, "d" * 200 + "/" + ".git:x"):
        refused(w, r, store, order, "not safe", changes=[(0o100644, oid, path)])
    refused(w, r, store, order, ".gitmodules", changes=[(0o100644, oid, "sub/.gitmodules")])
    refused(w, r, store, order, "twice", changes=[(0o100644, oid, "q"), (0, "-", "q")])
    refused(w, r, store, order, "no file", changes=[(0o160000, oid, "q")])
    refused(w, r, store, order, "no file", changes=[(0o040000, oid, "q")])
    refused(w, r, store, order, "not there", changes=[(0, "-", "q")])
    refused(w, r, store, order, "not there", changes=[(0, "-", "d")])
    refused(w, r, store, order, "below a file", changes=[(0o100644, oid, "a.txt/x")])
    refused(w, r, store, order, "directory", changes=[(0o100644, oid, "d")])
    refused(w, r, store, order, "missing", changes=[(0o100644, "2" * 40, "q")])
    refused(w, r, store, order, "without an id", USAGE, changes=[(0o100644, "../../x", "q")])
    with open(os.path.join(order["blobs"], oid), "ab") as f:
        f.write(b"more")
    refused(w, r, store, order, "not what its id says")


def test_refused_targets(w):
    r, store = w.repo(), w.new("store")
    order = w.result(r, lambda c: fill(c, {"a.txt": "x\n", "new.log": "in the way\n", "build/out": "1"}))
    fill(r, {"new.log": "the operator's own, ignored\n"})
    refused(w, r, store, order, "in the target where")
    assert tree_of(r)["new.log"][1].startswith(b"the operator"), "somebody's file is gone"
    os.unlink(r + "/new.log")
    fill(r, {"build": "a file that is ignored\n"})
    fill(r, {"build": None, "build/x": "1"})
    rc, _, err = w.land(store, order)
    assert rc == 0, err
    for change, word in ((lambda: fill(r, {"a.txt": "dirty"}), "put them away"), (lambda: fill(r, {"u": "untracked"}), "put them away"),
                         (lambda: fill(r, {".git/MERGE_HEAD": w.head(r) + "\n"}), "not finished")):
        r = w.repo()
        order = w.result(r, lambda c: fill(c, {"a.txt": "x\n"}))
        change()
        refused(w, r, w.new("store"), order, word)
    r = w.repo()
    order = w.result(r, lambda c: fill(c, {"a.txt": "x\n"}))
    w.commit(r, "meanwhile")
    refused(w, r, store, order, "moved", run="run-2")
    # a directory with something ignored in it where the result has a file
    r = w.repo()
    order = w.result(r, lambda c: (shutil.rmtree(c + "/d"), fill(c, {"d": "file"})))
    fill(r, {"d/x.log": "ignored"})
    refused(w, r, store, order, "in the target where", run="run-3")
    os.unlink(r + "/d/x.log")
    os.mkdir(r + "/d/empty")
    refused(w, r, store, order, "in the target where", run="run-3")


def test_links_are_not_followed(w):
    """A directory that became a link since the order was made, and one that is ignored."""
    out = w.new("out")
    os.mkdir(out)
    r, store = w.repo(), w.new("store")
    order = w.result(r, lambda c: fill(c, {"build/x": "1"}))
    os.symlink(out, r + "/build")
    rc, _, err = w.land(store, order)
    assert rc == CONFLICT and os.listdir(out) == [], (rc, err)


def test_locks(w):
    r, store = w.repo(), w.new("store")
    order = w.result(r, lambda c: fill(c, {"a.txt": "x\n"}))
    old = w.head(r)
    for lock in ("index.lock", "HEAD.lock", "refs/heads/main.lock"):
        fill(r, {".git/" + lock: ""})
        rc, commit, err = w.land(store, order)
        assert rc == CONFLICT and os.path.basename(lock) in err and commit == "" and w.head(r) == old, (lock, err)
        assert os.path.exists(r + "/.git/" + lock), "somebody's lock is gone"
        os.unlink(r + "/.git/" + lock)
        w.sound(r)
        assert w.journal(store) == []
    held = subprocess.Popen(["flock", "-x", r + "/.git", "sleep", "30"], env=w.env)
    while subprocess.run(["flock", "-n", "-x", r + "/.git", "true"], env=w.env, check=False).returncode == 0:
        time.sleep(0.01)
    rc, _, err = w.land(store, order)
    assert rc == CONFLICT and "under way" in err, err
    subprocess.run(["pkill", "-P", str(held.pid)], check=False)
    held.wait()
    os.mkdir(r + "/.git/cto-harness-landing")
    rc, _, err = w.land(store, order)
    assert rc == CONFLICT and "another home" in err and os.path.exists(r + "/.git/cto-harness-landing"), err
    os.rmdir(r + "/.git/cto-harness-landing")
    rc, _, err = w.land(store, order)
    assert rc == 0, err
    rc, _, err = w.land(store, order)
    assert rc == CONFLICT, err


def test_two_race(w):
    """Two at once, in one home and in two: one lands, whichever."""
    for k in range(12):
        r = w.repo()
        stores = [w.new("store"), w.new("store")] if k % 2 else [w.new("store")] * 2
        orders = [w.order(w.result(r, lambda c, i=i: fill(c, {"a.txt": "x%d\n" % i})), run="run-%d" % i) for i in range(2)]
        both = [subprocess.Popen([w.bin + "/sv_land", "land", s, o], env=w.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                for s, o in zip(stores, orders)]
        ends = [(p.communicate(timeout=60), p.returncode) for p in both]
        assert sorted(e[1] for e in ends) == [0, CONFLICT], ends
        winner = [e[0][0].decode().strip() for e in ends if e[1] == 0][0]
        assert w.head(r) == winner
        w.sound(r)
        assert w.git(r, "rev-list", "--count", "HEAD") == "2"


# --- taking back

def revert(w, store, reason="not what was asked for"):
    return w.run("revert", store, "run-1", reason)


def test_revert(w):
    def change(c):
        os.rename(c + "/a.txt", c + "/moved.txt")
        fill(c, {"d/b.txt": "B\n", "gone.txt": None, "n/n": "1", "link": ("->", "n")})
        os.chmod(c + "/run.sh", 0o644)
    r, store, old, landed = good_landing(w, BASE, change)
    before = tree_of(r)
    rc, commit, err = revert(w, store)
    assert rc == 0, err
    w.sound(r)
    assert w.head(r) == commit and w.git(r, "rev-parse", "HEAD^") == landed
    assert w.git(r, "rev-parse", "HEAD^{tree}") == w.git(r, "rev-parse", old + "^{tree}") and tree_of(r) != before
    body = w.git(r, "log", "-1", "--format=%B")
    assert body.startswith('Revert "land it"') and landed in body and "not what was asked for" in body, body
    rc, again, err = revert(w, store)
    assert rc == 0 and again == commit and w.git(r, "rev-list", "--count", "HEAD") == "3", "reverted twice"
    rc, _, err = w.run("revert", store, "run-9", "x")
    assert rc == MISSING, err


def test_revert_after_others(w):
    r, store, _, _ = good_landing(w, BASE, lambda c: fill(c, {"a.txt": BASE["a.txt"].replace("one", "ONE"), "new.txt": "n\n", "d/b.txt": "B\n"}))
    fill(r, {"a.txt": BASE["a.txt"].replace("one", "ONE").replace("seven", "SEVEN"), "other.txt": "o\n", "d/b.txt": "b\n"})
    w.commit(r, "the operator's own")
    rc, _, err = revert(w, store)
    assert rc == 0, err
    w.sound(r)
    got = tree_of(r)
    assert got["a.txt"][1].decode() == BASE["a.txt"].replace("seven", "SEVEN") and "new.txt" not in got and got["other.txt"][1] == b"o\n", got
    assert got["d/b.txt"][1] == b"b\n"


def test_revert_conflicts(w):
    for later in ({"a.txt": "all new\n"}, {"a.txt": None}, {"new.txt": ("n\n", 0o755)}, {"link": ("->", "third")}, {"bin.dat": b"\0third"},
                  {"gone.txt": "made again\n"}):
        r, store, _, _ = good_landing(w, BASE, lambda c: fill(c, {
            "a.txt": BASE["a.txt"].replace("one", "ONE"), "new.txt": "n\n", "link": ("->", "second"), "bin.dat": b"\0second", "gone.txt": None}))
        fill(r, later)
        head = w.commit(r, "the operator's own")
        before = w.run("digest", r)[1]
        rc, commit, err = revert(w, store)
        assert rc == CONFLICT and commit == "" and "taken back" in err, (later, err)
        assert w.run("digest", r)[1] == before and w.head(r) == head and w.journal(store) == [], "something changed"
    r, store, old, _ = good_landing(w, BASE, lambda c: fill(c, {"a.txt": "x\n"}))
    w.git(r, "reset", "-q", "--hard", old)
    rc, _, err = revert(w, store)
    assert rc == CONFLICT and "not on the target's branch" in err, err
    r, store, _, _ = good_landing(w, BASE, lambda c: fill(c, {"a.txt": "x\n"}))
    fill(r, {"a.txt": "theirs, and not committed\n"})
    rc, _, err = revert(w, store)
    assert rc == CONFLICT and "not committed" in err and open(r + "/a.txt").read() == "theirs, and not committed\n", err
    r, store, old, _ = good_landing(w, BASE, lambda c: fill(c, {"a.txt": "x\n"}))
    fill(r, {"u": "untracked", "bin.dat": b"\0theirs"})  # beside it
    rc, _, err = revert(w, store)
    assert rc == 0 and w.git(r, "rev-parse", "HEAD^{tree}") == w.git(r, "rev-parse", old + "^{tree}"), err
    assert open(r + "/bin.dat", "rb").read() == b"\0theirs" and w.git(r, "status", "--porcelain").split() == ["M", "bin.dat", "??", "u"], \
        w.git(r, "status", "--porcelain")


# --- somebody writes in the same moment

def stopped(w, store, order, calls, at):
    """A landing that stands still after its `at`-th of these calls; None when it ended before. Returns (tracer, pid of the landing)."""
    prog = w.base + "/cto-harness"
    if not os.path.exists(prog):
        shutil.copy(w.bin + "/sv_land", prog)
    tracer = subprocess.Popen([w.bin + "/tracer", "--who", "supervisor", "--from", "start:supervisor", "--at", str(at), "--do", "stop",
                               "--calls", calls, "--", prog, "land", store, w.order(order)], env=w.env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    while True:
        with open("/proc/%d/task/%d/children" % (tracer.pid, tracer.pid)) as f:
            children = f.read().split()
        if tracer.poll() is not None:
            return tracer, None
        for child in children:
            try:
                with open("/proc/%s/status" % child) as f:
                    status = f.read()
            except OSError:
                continue
            if "\nState:\tT (stopped)" in status and "\nTracerPid:\t0\n" in status and "Name:\tcto-harness\n" in status:
                return tracer, int(child)
        time.sleep(0.001)


def save(path, text, in_place):
    if in_place:
        with open(path, "w") as f:
            f.write(text)
    else:
        with open(path + "~", "w") as f:
            f.write(text)
        os.rename(path + "~", path)


def found(r, text):
    for at, _, files in os.walk(r):
        if "cto-harness-landing" in at or "/objects/" in at:
            continue
        for name in files:
            with open(os.path.join(at, name), "rb") as f:
                if f.read() == text.encode():
                    return True
    return False


def test_a_save_is_never_lost(w):
    """At each call at which it could matter (of the less likely a sample, another each time) somebody saves a file that the landing
    changes, removes or makes: as editors do, by a rename, or into the file that is there."""
    every, others = "openat2", "openat2,renameat,renameat2,linkat,unlinkat"
    ends = set()
    for path, in_place, calls, stride in (("a.txt", False, every, 1), ("gone.txt", False, every, 1), ("a.txt", True, others, 7),
                                          ("gone.txt", True, others, 7), ("new.txt", False, others, 7)):
        at = random.randint(1, stride)
        while True:
            r, store = w.repo({"a.txt": "1\n", "gone.txt": "g\n"}), w.new("store")
            old = w.head(r)
            order = w.result(r, lambda c: fill(c, {"a.txt": "2\n", "gone.txt": None, "new.txt": "n\n"}))
            tracer, pid = stopped(w, store, order, calls, at)
            text = "saved at %d\n" % at
            if pid is not None:
                save(os.path.join(r, path), text, in_place)
                os.kill(pid, signal.SIGCONT)
            out, err = tracer.communicate(timeout=60)
            where = (path, in_place, at, tracer.returncode, err)
            if pid is None:
                break
            commit = out.decode().strip()
            assert found(r, text), ("somebody's file is lost", where)
            assert tracer.returncode in (0, CONFLICT), where
            assert w.head(r) == (commit or old), where
            ends.add((tracer.returncode, bool(commit), bool(w.journal(store))))
            settle(w, r, store, old)
            assert found(r, text) or w.git(r, "log", "--format=%s").startswith("mine"), where
            shutil.rmtree(r)
            at += stride
    # refused; landed, with the journal open; landed, the save after it
    assert ends >= {(CONFLICT, False, False), (CONFLICT, True, True), (0, True, False)}, ends


def settle(w, r, store, old):
    """Whatever it is now, the operator commits what is theirs; then the journal ends."""
    w.git(r, "add", "-A", "-f")
    w.git(r, "commit", "-q", "--allow-empty", "-m", "mine")
    rc, out, err = w.run("recover", store)
    assert rc == 0 and out == "", (out, err)
    assert w.journal(store) == []
    w.git(r, "fsck", "--full", "--strict")


def test_what_changed_before_the_locks(w):
    """Between the first look and git's locks anything may happen: it is looked at again under them."""
    def other_branch(r):
        with open(r + "/.git/HEAD", "w") as f:
            f.write("ref: refs/heads/other\n")

    for meanwhile in (lambda r: fill(r, {"b.txt": "mine\n"}), lambda r: fill(r, {"u": "untracked"}), other_branch,
                      lambda r: fill(r, {"new.log": "ignored, and in the way\n"})):
        r, store = w.repo({"a.txt": "1\n", "b.txt": "1\n", ".gitignore": "*.log\n"}), w.new("store")
        old = w.head(r)
        w.git(r, "branch", "other")
        order = w.result(r, lambda c: fill(c, {"a.txt": "2\n", "new.log": "n\n"}))
        tracer, pid = stopped(w, store, order, "linkat", 1)  # index.lock is there
        meanwhile(r)
        os.kill(pid, signal.SIGCONT)
        out, err = tracer.communicate(timeout=60)
        assert tracer.returncode == CONFLICT and out.strip() == b"", (out, err)
        assert w.git(r, "rev-parse", "main") == old and w.journal(store) == [], err
        with open(r + "/a.txt") as f:
            assert f.read() == "1\n", "the worktree was touched"
        assert not [n for n in os.listdir(r + "/.git") if "cto" in n or n.endswith(".lock")]


def test_conflict_is_named_until_it_is_settled(w):
    r, store = w.repo({"a.txt": "1\n", "b.txt": "1\n"}), w.new("store")
    order = w.result(r, lambda c: fill(c, {"a.txt": "2\n", "b.txt": "2\n"}))
    tracer, pid = stopped(w, store, order, "renameat", 3)  # two staged files, then the branch
    save(r + "/a.txt", "mine\n", False)
    os.kill(pid, signal.SIGCONT)
    out, err = tracer.communicate(timeout=60)
    assert tracer.returncode == CONFLICT and w.head(r) == out.decode().strip(), err
    assert tree_of(r) == {"a.txt": ("-", b"mine\n"), "b.txt": ("-", b"2\n")}, tree_of(r)
    assert w.git(r, "status", "--porcelain") == "M a.txt" and "conflict" in w.journal(store)[0]
    for _ in range(2):
        rc, out, err = w.run("recover", store)
        assert rc == 0 and "run-1" in out and "Commit or put back" in out, (out, err)
    rc, _, err = w.land(store, w.result(r, lambda c: fill(c, {"b.txt": "3\n"})), run="run-2")
    assert rc == CONFLICT, err
    w.git(r, "checkout", "-q", "--", "a.txt")
    rc, out, _ = w.run("recover", store)
    assert rc == 0 and out == "" and w.journal(store) == []
    w.sound(r)


main(dict(globals()))
