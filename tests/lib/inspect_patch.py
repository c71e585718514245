"""The patch must apply with `git apply --binary --index` on the baseline and give exactly the result's tree."""
import os
import random
import shutil

from inspectlib import git, run, tree_of

ODD = ["plain", "with space", "tab\there", 'quote"d', "new\nline", "back\\slash", "ünïcode", "日本", "-dash",
       "a b/c d/e f",
       "trailing ", "semi;colon", "star*", "--- a/fake", "diff --git a/x b/x", "$(touch pwned)"]


def applies(r):
    """Clone of the baseline + patch == the result, as trees."""
    result, dirty = r.census()
    assert result["kind"] == "committed" and result["clean"] == 1, (result, dirty)
    _, net, _, patch = r.diff()
    clone = r.dir + "/clone"
    shutil.rmtree(clone, ignore_errors=True)
    os.mkdir(clone)
    git(clone, "init", "-q")
    if not r.empty:
        git(clone, "fetch", "-q", r.odb, "refs/cto/baseline")
        git(clone, "checkout", "-q", "FETCH_HEAD")
    if patch:
        git(clone, "apply", "--binary", "--index", "--whitespace=nowarn", "-", input=patch)
    want = git(r.odb, "rev-parse", result["head"] + "^{tree}").strip()
    assert git(clone, "write-tree").strip() == want, patch[:4000]
    names = git(r.odb, "diff-tree", "-r", "--no-renames", "-z", "--name-status",
                git(r.odb, "hash-object", "-t", "tree",
                    "/dev/null").strip() if r.empty else r.baseline, result["head"], raw=True)
    parts = names.split(b"\0")[:-1]
    want = sorted((b, a.decode()) for a, b in zip(parts[::2], parts[1::2]))
    assert sorted((c["path"], c["letter"]) for c in net) == want, (net, want)
    os.mkdir(r.dir + "/check")
    r.step("checkout", "--out", r.dir + "/check")
    assert tree_of(r.dir + "/check") == tree_of(r.ws)
    return patch


def start(r, *args):
    r.empty = "--empty" in args
    r.watch(*args)


def finish(r):
    r.commit()
    r.stop()
    return applies(r)


def test_modes_links_deletes(r):
    r.write("to-exec", "x\n")
    r.write("from-exec", "x\n", 0o755)
    r.write("exec-and-text", "x\n")
    r.write("gone", "bye\n")
    r.write("gone-empty", "")
    r.write("file-to-link", "target\n")
    os.symlink("one", r.path("link-to-file"))
    os.symlink("one", r.path("link"))
    start(r)
    os.chmod(r.path("to-exec"), 0o755)
    os.chmod(r.path("from-exec"), 0o644)
    r.write("exec-and-text", "y\n", 0o755)
    for name in ("gone", "gone-empty", "file-to-link", "link-to-file", "link"):
        os.unlink(r.path(name))
    os.symlink("target\n", r.path("file-to-link"))
    r.write("link-to-file", "one")
    os.symlink("two", r.path("link"))
    os.symlink("/etc/passwd", r.path("new-link"))
    patch = finish(r)
    assert b"old mode 100644\nnew mode 100755" in patch


def test_empty_files_and_line_ends(r):
    r.write("grows", "")
    r.write("shrinks", "a\n")
    r.write("no-nl", "a\nb")
    r.write("gets-nl", "a")
    r.write("loses-nl", "a\n")
    r.write("crlf", "a\r\nb\r\n")
    start(r)
    r.write("grows", "a\n")
    r.write("shrinks", "")
    r.write("no-nl", "a\nc")
    r.write("gets-nl", "a\n")
    r.write("loses-nl", "a")
    r.write("crlf", "a\nb\r\n")
    r.write("new-empty", "")
    r.write("new-empty-exec", "", 0o755)
    r.write("cr-only", "a\rb\rc")
    r.write("spaces", "  \n\t\n \n")
    finish(r)


def test_odd_names(r):
    for n in ODD:
        r.write("del/" + n, "old %s\n" % n)
        r.write("mod/" + n, "old %s\n" % n)
        r.write("mode/" + n, "old\n")
    r.write(b"bytes/\xff\xfe", "x\n")
    start(r)
    for n in ODD:
        os.unlink(r.path("del/" + n))
        r.write("mod/" + n, "new\n")
        r.write("add/" + n, "added\n")
        r.write("bin/" + n, b"\0\1" + n.encode())
        r.write("empty/" + n, "")
        os.chmod(r.path("mode/" + n), 0o755)
    r.write(b"bytes/\xff\xfe", "y\n")
    r.write(b"bytes/\x01\x7f\x80", b"\0")
    finish(r)
    assert not os.path.exists(r.dir + "/clone/pwned")


def test_binary(r):
    rnd = random.Random(5)
    big = rnd.randbytes(300000)
    r.write("big", big)
    r.write("to-text", b"\0\1\2")
    r.write("to-binary", "text\n")
    r.write("gone", rnd.randbytes(1000))
    start(r)
    r.write("big", big[:1000] + b"changed" + big[2000:])
    r.write("to-text", "now text\n")
    r.write("to-binary", b"\0\0\0")
    os.unlink(r.path("gone"))
    r.write("new", rnd.randbytes(70000))
    r.write("sizes/0", b"\0")
    for n in (1, 2, 3, 51, 52, 53, 1000, 4095, 65536):
        r.write("sizes/%d" % n, b"\0" + rnd.randbytes(n))
    patch = finish(r)
    assert b"GIT binary patch" in patch and b"delta " in patch


def test_kinds_change_places(r):
    r.write("file", "f\n")
    r.write("dir/a", "a\n")
    r.write("dir/b/c", "c\n")
    r.write("a.x", "1\n")
    r.write("a/b", "2\n")
    start(r)
    os.unlink(r.path("file"))
    r.write("file/inner", "i\n")
    shutil.rmtree(r.path("dir"))
    r.write("dir", "now a file\n")
    shutil.rmtree(r.path("a"))
    os.symlink("a.x", r.path("a"))
    finish(r)


def test_empty_baseline(r):
    start(r, "--empty")
    for n in ODD:
        r.write("x/" + n, n)
    r.write("exec", "#!\n", 0o755)
    os.symlink("exec", r.path("l"))
    r.write("bin", b"\0\1\2\3")
    finish(r)


def test_everything_deleted(r):
    r.write("a", "a\n")
    r.write("b/c", "c\n")
    start(r)
    os.unlink(r.path("a"))
    shutil.rmtree(r.path("b"))
    finish(r)


def test_attributes_do_not_count(r):
    r.write("a.py", "one\ntwo\n")
    r.write("b.bin", "text really\n")
    start(r)
    r.write(".gitattributes", "*.py -diff binary\n*.bin diff=custom\n* text eol=crlf\n")
    r.write("a.py", "one\nthree\n")
    r.write(".git/info/attributes", "* -diff\n")
    r.git("config", "diff.custom.textconv", "cat /etc/passwd")
    r.git("config", "core.attributesfile", "/etc/hostname")
    r.git("-c", "core.autocrlf=false", "add", "-A")
    r.git("commit", "-qm", "x")
    r.stop()
    result, _ = r.census()
    patch = r.diff()[3]
    assert result["kind"] == "committed" and b"-two\n+three\n" in patch, patch


def test_random_trees(r):
    rnd = random.Random(11)
    names = ["d%d/%s%d" % (i % 4, rnd.choice(["f", "g h", "ü"]), i) for i in range(60)]

    def content():
        kind = rnd.randrange(4)
        if kind == 0:
            return rnd.randbytes(rnd.randrange(3000))
        lines = ["line %d" % rnd.randrange(30) for _ in range(rnd.randrange(80))]
        return ("\n".join(lines) + ("\n" if kind > 1 and lines else "")).encode()

    for n in names[:40]:
        r.write(n, content(), rnd.choice([0o644, 0o755]))
    start(r)
    for n in names:
        what = rnd.randrange(5)
        if what == 0 and os.path.exists(r.path(n)):
            os.unlink(r.path(n))
        elif what in (1, 2):
            r.write(n, content(), rnd.choice([0o644, 0o755]))
        elif what == 3 and os.path.exists(r.path(n)):
            with open(r.path(n), "ab") as f:
                f.write(b"appended\n")
    finish(r)


run(globals())
