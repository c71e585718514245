"""What an agent that wants to fool, stall or escape the inspector leaves behind: no step may hang, crash or believe."""
import hashlib
import os
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import time
import zlib

from inspectgit import (delta, judged, judged_any, loose, offset, pack_entry, put_pack, raw_commit, set_head, start,
                        tree)
from inspectlib import git, run, tree_of

SECRET = b"the other repository's secret"


def test_alternates_are_not_followed(r):
    other = r.dir + "/other"
    os.mkdir(other)
    git(other, "init", "-q")
    with open(other + "/secret", "wb") as f:
        f.write(SECRET)
    git(other, "add", "-A")
    git(other, "commit", "-qm", "secret")
    blob = git(other, "rev-parse", "HEAD:secret").strip()
    start(r)
    os.makedirs(r.path(".git/objects/info"), exist_ok=True)
    r.write(".git/objects/info/alternates", other + "/.git/objects\n")
    set_head(r, raw_commit(r, tree(r, (b"100644", b"secret", blob)), r.baseline))
    r.write("secret", SECRET)
    result, _ = judged_any(r)
    assert result["kind"] == "unreadable" and blob in result["detail"], result
    assert subprocess.run(["grep", "-rq", SECRET.decode(), r.odb]).returncode == 1


def test_fifo_as_loose_object(r):
    start(r)
    oid = "ab" + "12" * 19
    os.makedirs(r.path(".git/objects/ab"))
    os.mkfifo(r.path(".git/objects/ab/" + oid[2:]))
    set_head(r, oid)
    judged(r, "unreadable", oid)


def test_fifo_as_blob(r):
    start(r)
    oid = "cd" + "34" * 19
    os.makedirs(r.path(".git/objects/cd"))
    os.mkfifo(r.path(".git/objects/cd/" + oid[2:]))
    set_head(r, raw_commit(r, tree(r, (b"100644", b"x", oid)), r.baseline))
    result, _ = judged_any(r)
    assert result["kind"] == "unreadable" and "not a regular file" in result["detail"], result


def test_fifos_everywhere(r):
    for name in ("HEAD", "index", "packed-refs", "refs/heads/main", "objects/pack/pack-" + "a" * 40 + ".pack"):
        r2 = type(r)(r.tool, r.dir + "/" + name.replace("/", "_"))
        start(r2)
        full = r2.path(".git/" + name)
        if os.path.exists(full):
            os.unlink(full)
        if name == "packed-refs":
            os.unlink(r2.path(".git/refs/heads/main"))
        if "pack-" in name:
            set_head(r2, "77" * 20)
        os.mkfifo(full)
        look = r2.look()[1]
        assert look["moved"] == 0 and look["clean"] == 0, (name, look)
        r2.stop()
        result, dirty = r2.census()
        assert result["kind"] == ("none" if name == "index" else "unreadable"), (name, result)
        assert name != "index" or dirty == [("I", b".git/index")]


def test_special_files_in_the_worktree(r):
    start(r)
    os.mkfifo(r.path("pipe"))
    s = socket.socket(socket.AF_UNIX)
    s.bind(os.path.relpath(r.path("sock")))
    os.unlink(r.path("a.py"))
    os.mkfifo(r.path("a.py"))
    os.mkfifo(r.path("dir/quiet.log"))
    result, dirty = judged(r, "none")
    assert set(dirty) == {("X", b"pipe"), ("X", b"sock"), ("X", b"a.py")}, dirty


def test_symlinked_objects_and_refs(r):
    start(r)
    r.write("a.py", "print(2)\n")
    r.commit()
    os.rename(r.path(".git/objects"), r.dir + "/objects")
    os.symlink(r.dir + "/objects", r.path(".git/objects"))
    judged(r, "unreadable")


def test_symlinked_ref(r):
    start(r)
    with open(r.dir + "/ref", "w") as f:
        f.write(r.baseline + "\n")
    os.unlink(r.path(".git/refs/heads/main"))
    os.symlink(r.dir + "/ref", r.path(".git/refs/heads/main"))
    judged(r, "unreadable", "refs/heads/main")


def test_symlinked_git_directory(r):
    start(r)
    os.rename(r.path(".git"), r.dir + "/moved")
    os.symlink(r.dir + "/moved", r.path(".git"))
    judged(r, "unreadable", "HEAD")


def test_git_as_file(r):
    start(r)
    os.rename(r.path(".git"), r.dir + "/moved")
    r.write(".git", "gitdir: %s/moved\n" % r.dir)
    judged(r, "unreadable", "HEAD")


def test_ref_games(r):
    start(r)
    r.write(".git/HEAD", "ref: refs/heads/two\n")
    r.write(".git/refs/heads/two", "ref: refs/heads/main\n")
    assert r.look()[1]["moved"] == 0
    for head in ("ref: refs/../../../etc/passwd\n", "ref: refs/heads/x.lock\n", "ref: /etc/passwd\n",
                 "ref: refs/heads//x\n", "ref: \n",
                 "ref: refs/heads/" + "x" * 3000 + "\n", "ref: refs/heads/.invalid\n", "garbage\n", "",
                 "a" * 41 + "\n", "g" * 40 + "\n",
                 "ref: refs/heads/a\0b\n", "x" * 10000):
        r.write(".git/HEAD", head)
        look = r.look()[1]
        assert (look["moved"], look["clean"], look["head"]) == (0, 0, ""), (head, look)
    r.write(".git/HEAD", "ref: refs/heads/main\n")
    assert r.look()[1]["clean"] == 1
    r.write(".git/refs/heads/main", " " * 5000 + r.baseline)
    assert r.look()[1]["clean"] == 0
    r.stop()


def test_packed_refs(r):
    start(r)
    r.write("a.py", "print(2)\n")
    head = r.commit()
    r.git("pack-refs", "--all")
    assert not os.path.exists(r.path(".git/refs/heads/main"))
    look = r.look()[1]
    assert look["moved"] == 1 and look["head"] == head
    with open(r.path(".git/packed-refs"), "ab") as f:
        f.truncate(17 << 20)
    judged(r, "unreadable", "packed-refs")


def test_detached_head(r):
    start(r)
    r.git("checkout", "-q", "--detach")
    r.write("a.py", "print(2)\n")
    head = r.commit()
    assert r.look()[1]["moved"] == 1
    r.stop()
    result, _ = r.census()
    assert result["kind"] == "committed" and result["head"] == head and result["clean"] == 1


def test_unborn_head(r):
    start(r)
    r.git("symbolic-ref", "HEAD", "refs/heads/other")
    judged(r, "not_descendant", "refs/heads/other")


def test_amended_baseline(r):
    start(r)
    r.write("a.py", "print(2)\n")
    r.git("commit", "-q", "-a", "--amend", "-m", "mine")
    look = r.look()[1]
    assert look["moved"] == 0 and look["clean"] == 1, look
    r.stop()
    assert r.census()[0]["kind"] == "not_descendant"


def test_rewound(r):
    start(r, "--history", "3")
    r.git("reset", "-q", "--hard", "HEAD~1")
    judged(r, "not_descendant")


def test_unrelated_root(r):
    start(r)
    r.git("checkout", "-q", "--orphan", "new")
    r.commit("unrelated")
    judged(r, "not_descendant")


def test_replaced_and_grafted_history(r):
    start(r)
    r.git("checkout", "-q", "--orphan", "new")
    head = r.commit("unrelated")
    r.git("replace", "--graft", head, r.baseline)
    assert r.git("merge-base", head, r.baseline).strip() == r.baseline
    r.write(".git/info/grafts", "%s %s\n" % (head, r.baseline))
    judged(r, "not_descendant")


def test_replaced_objects(r):
    """With `git replace` git shows other bytes under the same id."""
    start(r)
    r.write("b.py", "good\n")
    r.commit()
    was = r.git("rev-parse", "HEAD:b.py").strip()
    other = r.git("hash-object", "-w", "--stdin", input=b"evil\n").strip()
    r.git("replace", was, other)
    os.unlink(r.path("b.py"))
    r.git("checkout", "-q", "--", "b.py")
    assert open(r.path("b.py")).read() == "evil\n"
    result, dirty = judged(r, "committed")
    assert dirty == [("M", b"b.py")], dirty
    assert b"+good" in r.diff()[3]


def outside(r):
    """A repository of somebody else, with a branch of our name."""
    other = r.dir + "/other"
    os.mkdir(other)
    git(other, "init", "-q", "-b", "main")
    git(other, "commit", "-q", "--allow-empty", "-m", "other")
    return other, git(other, "rev-parse", "HEAD").strip()


def test_commondir_is_not_followed(r):
    """For git everything but HEAD and index is then elsewhere."""
    start(r)
    other, there = outside(r)
    r.write("a.py", "print(2)\n")
    head = r.commit()
    r.write(".git/commondir", other + "/.git\n")
    r.write(".git/gitdir", other + "/.git\n")
    os.makedirs(r.path(".git/worktrees/w"))
    r.write(".git/worktrees/w/commondir", "../..\n")
    r.write(".git/worktrees/w/gitdir", other + "/.git\n")
    assert r.git("rev-parse", "HEAD").strip() == there
    result, _ = judged(r, "committed")
    assert result["head"] == head and result["clean"] == 1, result


def test_promised_objects_stay_missing(r):
    """A partial clone would fetch what is not there, with whatever program its remote names."""
    start(r)
    r.write("a.py", "print(2)\n")
    r.commit()
    blob = r.git("rev-parse", "HEAD:a.py").strip()
    os.unlink(r.path(".git/objects/%s/%s" % (blob[:2], blob[2:])))
    trap = "touch '%s/sprung'" % r.dir
    for key, value in (("core.repositoryFormatVersion", "1"), ("extensions.partialClone", "o"), ("remote.o.promisor", "true"),
                       ("remote.o.url", "ext::sh -c \"%s\"" % trap), ("protocol.ext.allow", "always")):
        r.git("config", key, value)
    result, _ = judged_any(r)
    assert result["kind"] == "unreadable" and blob in result["detail"], result
    assert not os.path.exists(r.dir + "/sprung")


def test_reflogs_say_nothing(r):
    start(r)
    r.write("a.py", "print(2)\n")
    head = r.commit()
    shutil.rmtree(r.path(".git/logs"))
    os.makedirs(r.path(".git/logs/refs"))
    os.mkfifo(r.path(".git/logs/HEAD"))
    os.symlink("/", r.path(".git/logs/refs/heads"))
    for name in ("ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD"):
        r.write(".git/" + name, "12" * 20 + "\n")
    os.mkfifo(r.path(".git/index.lock"))
    result, _ = judged(r, "committed")
    assert result["head"] == head and result["clean"] == 1


def test_shallow(r):
    start(r)
    missing = "12" * 20
    set_head(r, raw_commit(r, r.git("rev-parse", "HEAD^{tree}").strip(), r.baseline, missing))
    r.write(".git/shallow", r.git("rev-parse", "HEAD"))
    judged(r, "unreadable", missing)


def test_parent_is_not_a_commit(r):
    start(r)
    t = r.git("rev-parse", "HEAD^{tree}").strip()
    set_head(r, raw_commit(r, t, r.baseline, t))
    judged(r, "unreadable", "it is a tree")


def test_head_is_not_a_commit(r):
    start(r)
    set_head(r, r.git("rev-parse", "HEAD:a.py").strip())
    judged(r, "unreadable", "it is a blob")


def test_missing_and_corrupt_objects(r):
    start(r)
    t = tree(r, (b"100644", b"f", "99" * 20))
    set_head(r, raw_commit(r, t, r.baseline))
    r.look()
    r.stop()
    result, _ = r.census()
    assert result["kind"] == "unreadable" and "99" * 20 in result["detail"], result
    lie = loose(r, "blob", b"not what the name says", oid="98" * 20)
    set_head(r, raw_commit(r, tree(r, (b"100644", b"f", lie)), r.baseline))
    result, _ = r.census()
    assert result["kind"] == "unreadable" and lie in result["detail"], result
    wrong = loose(r, "tree", b"")
    set_head(r, raw_commit(r, tree(r, (b"100644", b"f", wrong)), r.baseline))
    assert r.census()[0]["kind"] in ("unreadable",)
    r.write(".git/objects/97/" + "97" * 19, b"garbage, not zlib")
    set_head(r, "97" * 20)
    assert r.census()[0]["kind"] == "unreadable"
    r.write(".git/objects/96/" + "96" * 19, b"")
    set_head(r, "96" * 20)
    assert r.census()[0]["kind"] == "unreadable"


def test_sizes_that_lie(r):
    start(r)
    for text in (b"blob 99999999999\0x", b"blob 18446744073709551616\0x", b"blob -1\0x", b"blob \0", b"blob 5\0x",
                 b"blob 1\0xxxxx"):
        oid = hashlib.sha1(text).hexdigest()
        r.write(".git/objects/%s/%s" % (oid[:2], oid[2:]), zlib.compress(text))
        set_head(r, raw_commit(r, tree(r, (b"100644", b"f", oid)), r.baseline))
        r.look()
        result, _ = r.census()
        assert result["kind"] in ("unreadable", "too_large"), (text, result)
    r.stop()


def test_zip_bomb(r):
    start(r)
    size = 300 << 20
    c, parts, h = zlib.compressobj(9), [], hashlib.sha1()
    for piece in [b"blob %d\0" % size] + [bytes(1 << 20)] * 300:
        h.update(piece)
        parts.append(c.compress(piece))
    parts.append(c.flush())
    oid = h.hexdigest()
    r.write(".git/objects/%s/%s" % (oid[:2], oid[2:]), b"".join(parts))
    set_head(r, raw_commit(r, tree(r, (b"100644", b"f", oid)), r.baseline))
    r.look()
    r.stop()
    result, _ = r.census()
    assert result["kind"] == "too_large", result


def test_hostile_trees(r):
    start(r)
    blob = loose(r, "blob", b"x")
    sub = tree(r, (b"100644", b"x", blob))
    bad = {
        "dotgit": tree(r, (b"40000", b".git", sub)), "DOTGIT": tree(r, (b"40000", b".GiT", sub)),
        "hfs": tree(r, (b"40000", ".g\u200cit".encode(), sub)), "ntfs": tree(r, (b"40000", b"git~1", sub)),
        "dots": tree(r, (b"40000", b".git. .", sub)), "stream": tree(r, (b"40000", b".git::$INDEX_ALLOCATION", sub)),
        "parent": tree(r, (b"40000", b"..", sub)), "dot": tree(r, (b"40000", b".", sub)),
        "slash": tree(r, (b"100644", b"a/b", blob)), "absolute": tree(r, (b"100644", b"/etc/x", blob)),
        "empty": tree(r, (b"100644", b"", blob)), "twice": tree(r, (b"100644", b"a", blob), (b"100644", b"a", blob)),
        "twin": tree(r, (b"120000", b"a", blob), (b"100644", b"a.b", blob), (b"40000", b"a", sub)),
        "unsorted": tree(r, (b"100644", b"b", blob), (b"100644", b"a", blob)), "mode": tree(r, (b"100666", b"a", blob)),
        "device": tree(r, (b"20666", b"a", blob)), "long": tree(r, (b"100644", b"n" * 256, blob)),
        "tree-as-blob": tree(r, (b"100644", b"a", sub)), "blob-as-tree": tree(r, (b"40000", b"a", blob)),
        "nested": tree(r, (b"40000", b"d", tree(r, (b"100644", b".git", blob)))),
        "junk": loose(r, "tree", b"100644 a"), "noise": loose(r, "tree", os.urandom(200)),
    }
    for name, oid in bad.items():
        head = raw_commit(r, oid, r.baseline)
        set_head(r, head)
        look = r.look()[1]
        assert look["clean"] == 0 and look["moved"] == (name == "tree-as-blob"), (name, look)
        result, _ = r.census()
        assert result["kind"] == "unreadable", (name, result)
        shutil.rmtree(r.dir + "/check", ignore_errors=True)
        os.mkdir(r.dir + "/check")
        f = r.step("checkout", "--out", r.dir + "/check", "--head", head, expect=1)[-1]
        assert f["cls"] == 3, f
    r.stop()


def test_deep_tree(r):
    start(r)
    t = tree(r, (b"100644", b"x", loose(r, "blob", b"x")))
    for _ in range(4096):
        t = tree(r, (b"40000", b"d", t))
    set_head(r, raw_commit(r, t, r.baseline))
    result, _ = judged_any(r)
    assert result["kind"] == "too_large", result


def test_git_bomb(r):
    start(r)
    t = loose(r, "blob", b"x")
    mode = b"100644"
    for _ in range(12):
        t = tree(r, *[(mode, b"f%d" % i, t) for i in range(10)])
        mode = b"40000"
    set_head(r, raw_commit(r, t, r.baseline))
    begin = time.monotonic()
    result, _ = judged_any(r)
    assert result["kind"] == "too_large" and time.monotonic() - begin < 40, result


def test_many_commits(r):
    start(r)
    t = r.git("rev-parse", "HEAD^{tree}").strip()
    head = r.baseline
    stream = b""
    for i in range(10050):
        stream += b"commit refs/heads/main\ncommitter A <a@b> %d +0000\ndata 1\nm\n" % i
        if i == 0:
            stream += b"from %s\n" % r.baseline.encode()
        stream += b"\n"
    r.git("fast-import", "--quiet", "--force", input=stream)
    result, _ = judged_any(r)
    assert result["kind"] == "too_large", result
    assert t and head


def test_deep_worktree(r):
    start(r)
    fd = os.open(r.ws, os.O_RDONLY)
    for _ in range(4096):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("leaf", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.close(fd)
    try:
        result, dirty = judged(r, "none")
        assert len(dirty) == 1 and dirty[0][0] == "X" and dirty[0][1].count(b"/") == 256, dirty
        r.step("commit")
        assert r.census("--made-by-harness")[0]["clean"] == 0
    finally:
        subprocess.run(["rm", "-rf", r.path("d")], check=True)


def test_long_names_in_the_worktree(r):
    start(r)
    fd = os.open(r.ws, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("n" * 250, dir_fd=fd)
        inner = os.open("n" * 250, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
        os.close(os.open("f" * 255, os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.close(fd)
    try:
        result, dirty = judged(r, "none")
        assert result["clean"] == 0 and any(letter == "X" for letter, _ in dirty)
    finally:
        subprocess.run(["rm", "-rf", r.path("n" * 250)], check=True)


def test_names_with_control_bytes(r):
    start(r)
    names = [b"new\nline", b"\xff\xfe", b"esc\x1b[31m", b"n" * 255, b"\xe2\x80\x8b", b"-rf", b"tab\t"]
    for n in names:
        r.write(n, "x")
    _, dirty = judged(r, "none")
    assert sorted(dirty) == sorted(("?", n) for n in names), dirty
    r.step("commit")
    result, dirty = r.census("--made-by-harness")
    assert result["clean"] == 1 and not dirty, dirty
    os.mkdir(r.dir + "/check")
    r.step("checkout", "--out", r.dir + "/check")
    assert tree_of(r.dir + "/check") == tree_of(r.ws)


def test_crlf_attributes_hide_nothing(r):
    start(r)
    r.write(".gitattributes", "*.py text\n")
    r.commit("attributes")
    assert r.look()[1]["clean"] == 1
    r.write("a.py", "print(1)\r\n")
    assert r.git("diff", "--stat") == ""
    assert r.look()[1]["clean"] == 0
    r.stop()
    result, dirty = r.census()
    assert result["clean"] == 0 and ("M", b"a.py") in dirty


def test_index_flags_hide_nothing(r):
    start(r)
    r.git("update-index", "--skip-worktree", "a.py")
    r.git("update-index", "--assume-unchanged", "dir/b.txt")
    assert r.look()[1]["clean"] == 1
    r.write("a.py", "hidden\n")
    r.write("dir/b.txt", "hidden\n")
    assert r.git("status", "--porcelain") == ""
    result, dirty = judged(r, "none")
    assert sorted(dirty) == [("M", b"a.py"), ("M", b"dir/b.txt")], dirty


def test_index_that_disagrees(r):
    start(r)
    r.write("a.py", "staged\n")
    r.git("add", "a.py")
    r.write("a.py", "print(1)\n")
    r.write("ita", "x")
    r.git("add", "-N", "ita")
    os.unlink(r.path("ita"))
    r.git("rm", "-q", "--cached", "dir/b.txt")
    result, dirty = judged(r, "none")
    assert sorted(dirty) == [("I", b"a.py"), ("I", b"dir/b.txt"), ("I", b"ita")], dirty


def test_index_with_executable_bit_only(r):
    start(r)
    r.git("update-index", "--chmod=+x", "a.py")
    result, dirty = judged(r, "none")
    assert dirty == [("I", b"a.py")]


def test_index_variants_of_git(r):
    start(r)
    r.git("update-index", "--index-version", "4")
    assert r.look()[1]["clean"] == 1
    r.git("update-index", "--untracked-cache")
    assert r.look()[1]["clean"] == 1
    r.git("update-index", "--split-index")
    assert r.look()[1]["clean"] == 0
    r.git("update-index", "--no-split-index")
    assert r.look()[1]["clean"] == 1
    good = open(r.path(".git/index"), "rb").read()
    for i in range(0, len(good), 7):
        r.write(".git/index", good[:i] + bytes([good[i] ^ 0xff]) + good[i + 1:])
        assert r.look()[1]["clean"] == 0, i
    for i in range(0, len(good), 11):
        body = good[:i] + os.urandom(8) + good[i + 8:-20]
        r.write(".git/index", body + hashlib.sha1(body).digest())
        r.look()
    for i in range(0, len(good), 13):
        r.write(".git/index", good[:i])
        assert r.look()[1]["clean"] == 0
    os.truncate(r.path(".git/index"), 1 << 40)
    assert r.look()[1]["clean"] == 0
    r.write(".git/index", good)
    assert r.look()[1]["clean"] == 1
    r.stop()


def index_entry(name, oid):
    data = struct.pack(">10I", 0, 0, 0, 0, 0, 0, 0o100644, 0, 0, 0) + bytes.fromhex(oid) + struct.pack(">H", len(name))
    return (data + name).ljust((len(data) + len(name) + 8) // 8 * 8, b"\0")


def test_index_with_names_that_lead_out(r):
    start(r)
    blob = r.git("rev-parse", "HEAD:a.py").strip()
    for name in (b"../out", b"/etc/out", b".git/config", b".GIT/config", b"A.PY", b"a.py/x", b"dir/../../out", b"dir//x",
                 b".", b"c:\\x", b"git~1/config", b"n" * 5000):
        body = b"DIRC" + struct.pack(">II", 2, 1) + index_entry(name, blob)
        r.write(".git/index", body + hashlib.sha1(body).digest())
        assert r.look()[1]["clean"] == 0, name
        result, dirty = r.census()
        assert result["kind"] == "none" and all(letter == "I" for letter, _ in dirty) and dirty, (name, dirty)
    assert not os.path.exists(r.dir + "/out")
    r.stop()


def test_sparse_index(r):
    """Whole directories as one entry, their files not there."""
    start(r)
    r.git("sparse-checkout", "set", "--cone", "--sparse-index", "nothing")
    assert not os.path.exists(r.path("dir")) and r.git("status", "--porcelain") == ""
    result, dirty = judged(r, "none")
    assert ("D", b"dir/b.txt") in dirty, dirty


def test_case_only_changes(r):
    start(r)
    r.git("mv", "a.py", "A.py")
    r.git("commit", "-qm", "case")
    r.write("dir/B.TXT", "twin\n")
    r.commit()
    result, _ = judged(r, "committed")
    assert result["clean"] == 1
    _, net, _, _ = r.diff()
    assert [(c["letter"], c["path"]) for c in net] == [("A", b"A.py"), ("D", b"a.py"), ("A", b"dir/B.TXT")], net


def test_index_with_twins(r):
    start(r)
    body = bytearray(open(r.path(".git/index"), "rb").read()[:-20])
    n = struct.unpack_from(">I", body, 8)[0]
    first = bytes(body[12:12 + 72])
    body[8:12] = struct.pack(">I", n + 1)
    body[12:12] = first
    r.write(".git/index", bytes(body) + hashlib.sha1(body).digest())
    assert r.look()[1]["clean"] == 0
    r.stop()


def test_config_hooks_and_filters_run_nothing(r):
    start(r)
    trap = r.dir + "/trap"
    with open(trap, "w") as f:
        f.write("#!/bin/sh\ntouch '%s/sprung'\ncat\n" % r.dir)
    os.chmod(trap, 0o755)
    head = None
    r.write("a.py", "print(2)\n")
    head = r.commit()
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "diff.external", "filter.t.clean",
                "filter.t.smudge",
                "filter.t.process", "diff.t.textconv", "diff.t.command", "gpg.program", "credential.helper",
                "alias.status", "core.gitProxy"):
        r.git("config", key, trap)
    r.git("config", "core.hooksPath", r.path(".git/hooks"))
    r.git("config", "include.path", "/dev/stdin")
    r.git("config", "core.worktree", "/")
    r.git("config", "extensions.partialClone", "evil")
    r.write(".git/info/attributes", "* filter=t diff=t\n")
    for hook in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
        r.write(".git/hooks/" + hook, open(trap).read(), 0o755)
    look = r.look()[1]
    assert look["moved"] == 1 and look["clean"] == 1
    r.stop()
    result, _ = r.census()
    assert result["kind"] == "committed" and result["clean"] == 1 and result["head"] == head
    r.diff()
    os.mkdir(r.dir + "/check")
    r.step("checkout", "--out", r.dir + "/check")
    r.write("more", "x")
    r.step("commit")
    assert not os.path.exists(r.dir + "/sprung")


def test_gitignore_of_the_agent_does_not_count(r):
    start(r)
    r.write(".gitignore", "*\n")
    r.write("sub/.gitignore", "*\n")
    r.write(".git/info/exclude", "*\n")
    r.git("config", "core.excludesFile", r.path(".gitignore"))
    r.git("add", "-f", ".gitignore")
    r.git("commit", "-qm", "hide")
    r.write("sub/hidden", "x")
    r.write("fine.log", "named by the baseline")
    result, dirty = judged(r, "committed")
    assert sorted(dirty) == [("?", b"sub/.gitignore"), ("?", b"sub/hidden")], dirty


def test_nested_repository(r):
    start(r)
    git(r.ws, "init", "-q", "inner")
    r.write("inner/f", "x")
    r.write("dir/.git/config", "x")
    result, dirty = judged(r, "none")
    assert ("?", b"inner/f") in dirty and ("?", b"dir/.git/config") in dirty
    r.step("commit")
    result, dirty = r.census("--made-by-harness")
    assert result["kind"] == "committed" and result["clean"] == 0
    assert all(b".git/" in path for _, path in dirty) and dirty
    os.mkdir(r.dir + "/check")
    r.step("checkout", "--out", r.dir + "/check")
    assert os.listdir(r.dir + "/check/inner") == ["f"]


def test_gitlinks_made_by_the_agent(r):
    start(r)
    git(r.ws, "init", "-q", "inner")
    r.write("inner/f", "x")
    git(r.path("inner"), "add", "f")
    git(r.path("inner"), "commit", "-qm", "x")
    r.git("add", "inner")
    r.git("commit", "-qm", "link")
    result, dirty = judged(r, "committed")
    assert result["clean"] == 0 and ("?", b"inner/f") in dirty and ("?", b"inner/.git/HEAD") in dirty, dirty
    _, net, _, _ = r.diff()
    assert [(c["path"], c["new"]) for c in net] == [(b"inner", 0o160000)]
    shutil.rmtree(r.path("inner"))
    os.mkdir(r.path("inner"))
    result, dirty = r.census()
    assert result["clean"] == 1, dirty
    r.write("inner/deep/er", "hidden")
    os.symlink("deep", r.path("inner/link"))
    os.mkfifo(r.path("inner/pipe"))
    result, dirty = r.census()
    assert sorted(dirty) == [("?", b"inner/deep/er"), ("?", b"inner/link"), ("X", b"inner/pipe")], dirty


def test_gitlink_over_a_directory_of_the_baseline(r):
    """What it covers is deleted for git, and still there."""
    start(r)
    head = r.git("rev-parse", "HEAD").strip()
    r.git("rm", "-rq", "--cached", "dir")
    r.git("update-index", "--add", "--cacheinfo", "160000,%s,dir" % head)
    r.git("commit", "-qm", "cover")
    assert r.git("status", "--porcelain", "--ignore-submodules=all") == ""
    result, dirty = judged(r, "committed")
    assert dirty == [("?", b"dir/b.txt")], dirty
    os.mkdir(r.dir + "/check")
    r.step("checkout", "--out", r.dir + "/check")
    assert os.listdir(r.dir + "/check/dir") == []


def test_gitlinks_and_the_commit_of_the_harness(r):
    """It commits what lies there, and so the link goes."""
    start(r)
    git(r.ws, "init", "-q", "inner")
    r.write("inner/f", "x")
    git(r.path("inner"), "add", "f")
    git(r.path("inner"), "commit", "-qm", "x")
    r.git("add", "inner")
    r.git("commit", "-qm", "link")
    shutil.rmtree(r.path("inner/.git"))
    r.look()
    r.stop()
    r.step("commit")
    result, dirty = r.census("--made-by-harness")
    assert result["clean"] == 1 and result["made"] == 1, dirty
    _, net, _, _ = r.diff()
    assert [(c["path"], c["new"]) for c in net] == [(b"inner/f", 0o100644)]


def test_declared_submodule_is_left_alone(r):
    """Its content is its own repository's; another link beside it is not."""
    r.write("sub/s.txt", "s\n")
    start(r, "--submodule", "sub")
    r.write("sub/new", "x")
    assert r.look()[1]["clean"] == 1
    r.write("a.py", "print(2)\n")
    git(r.ws, "init", "-q", "other")
    r.write("other/f", "x")
    git(r.path("other"), "add", "f")
    git(r.path("other"), "commit", "-qm", "x")
    r.git("add", "a.py", "other")
    r.git("commit", "-qm", "work")
    look = r.look()[1]
    assert (look["moved"], look["clean"]) == (1, 0)
    shutil.rmtree(r.path("other"))
    os.mkdir(r.path("other"))
    assert r.look()[1]["clean"] == 1
    r.stop()
    result, dirty = r.census()
    assert result["clean"] == 1 and not dirty, dirty


def test_committed_and_still_writing(r):
    start(r)
    r.write("a.py", "print(2)\n")
    r.commit()
    r.write("a.py", "print(3)\n")
    assert r.look()[1] == {**r.look()[1], "moved": 1, "clean": 0}
    r.stop()
    result, dirty = r.census()
    assert result["kind"] == "committed" and result["clean"] == 0 and dirty == [("M", b"a.py")]


def test_packs(r):
    start(r)
    r.write("a.py", "print(2)\n")
    r.commit()
    r.git("repack", "-adq")
    r.git("prune-packed")
    assert r.look()[1]["moved"] == 1
    r.write("a.py", "print(3)\n")
    r.commit()
    r.git("repack", "-adq", "--depth=50", "--window=50", "-b")
    r.git("commit-graph", "write")
    r.git("multi-pack-index", "write")
    for i in range(20):
        r.write("n%d" % i, "x %d\n" % i * 30)
        r.commit()
        r.git("repack", "-dq")
    assert r.look()[1]["moved"] == 1
    r.stop()
    result, _ = r.census()
    assert result["kind"] == "committed" and result["commits"] == 22 and result["clean"] == 1
    git(r.odb, "fsck", "--full", "--strict")


def test_broken_packs(r):
    start(r)
    for i in range(30):
        r.write("a.py", "line %d\n" % i * 100)
        r.commit()
    r.git("repack", "-adq")
    pack = [n for n in os.listdir(r.path(".git/objects/pack")) if n.endswith(".pack")][0]
    full = r.path(".git/objects/pack/" + pack)
    good = open(full, "rb").read()
    os.chmod(full, 0o644)
    for i in list(range(0, 40)) + list(range(40, len(good), max(1, len(good) // 60))):
        os.unlink(full)
        with open(full, "wb") as f:
            f.write(good[:i] + bytes([good[i] ^ 0x55]) + good[i + 1:])
        shutil.rmtree(r.odb + "2", ignore_errors=True)
        shutil.copytree(r.odb, r.odb + "2")
        r.odb, kept = r.odb + "2", r.odb
        assert r.census()[0]["kind"] == "unreadable", i
        r.odb = kept
    os.unlink(full)
    with open(full, "wb") as f:
        f.write(good[:-30])
    assert r.look()[1]["moved"] == 0
    os.unlink(full)
    with open(full, "wb") as f:
        f.write(good)
    assert r.look()[1]["moved"] == 1
    r.stop()
    assert r.census()[0]["kind"] == "committed"


def test_thin_pack(r):
    start(r)
    r.write("dir/b.txt", "b\n" * 500)
    r.commit()
    r.write("dir/b.txt", "b\n" * 500 + "c\n")
    head = r.commit()
    pack = r.git("pack-objects", "--thin", "--stdout", "--revs", input=("%s\n^%s^\n" % (head, head)).encode(), raw=True)
    for name in os.listdir(r.path(".git/objects")):
        if len(name) == 2:
            shutil.rmtree(r.path(".git/objects/" + name))
    r.write(".git/objects/pack/pack-%s.pack" % ("a" * 40), pack)
    judged(r, "unreadable")


def test_packs_that_lie(r):
    """Sizes, bases and offsets of hand-made packs; the wanted commit is in none of them that is sound."""
    start(r)
    base = b"b" * 100
    whole = pack_entry(3, len(base), base)
    whole_id = bytes.fromhex(hashlib.sha1(b"blob 100\0" + base).hexdigest())
    add = b"\x05hello"
    copy_too_far = bytes([0x80 | 0x01 | 0x10, 90, 200])
    packs = {
        "0": [pack_entry(3, 1, b"x" * 50)], "1": [pack_entry(3, 5000, b"x")], "2": [pack_entry(3, 1 << 40, b"x")],
        "3": [pack_entry(3, 0, b"x" * 9)], "4": [pack_entry(0, 1, b"x")], "5": [pack_entry(5, 1, b"x")],
        "6": [whole, pack_entry(7, 9, delta(100, 5, add), whole_id)],
        "7": [whole, pack_entry(7, 9, delta(7, 5, add), whole_id)],
        "9": [whole, pack_entry(7, 5, delta(100, 200, copy_too_far), whole_id)],
        "a": [whole, pack_entry(7, 9, delta(100, 2, add), whole_id)],
        "b": [whole, pack_entry(6, 9, delta(100, 5, add), offset(1))],
        "c": [whole, pack_entry(6, 9, delta(100, 5, add), offset(len(whole)))],
        "d": [whole, pack_entry(6, 9, delta(100, 5, add), offset(1 << 30))],
        "e": [pack_entry(6, 9, delta(100, 5, add), offset(0))],
        "f": [whole, pack_entry(7, 9, delta(100, 5, b"\0" + add), whole_id)],
        "01": [whole] * 3, "02": [], "03": [pack_entry(7, 9, delta(100, 5, add), b"\x77" * 20)],
        "04": [whole, pack_entry(7, 2, b"", whole_id)], "05": [whole, pack_entry(7, 2, b"\xff" * 30, whole_id)],
    }
    for name, entries in packs.items():
        put_pack(r, name, *entries)
    for count in (0, 1, 1 << 31, (1 << 32) - 1):
        put_pack(r, "06%x" % (count & 15), whole, count=count)
    set_head(r, "77" * 20)
    r.look()
    result, _ = r.census()
    assert result["kind"] == "unreadable" and "77" * 20 in result["detail"], result
    assert "a pack was not taken over" in result["detail"], result
    vast = delta(100, 1 << 34, add)
    put_pack(r, "8", whole, pack_entry(7, len(vast), vast, whole_id))
    judged(r, "too_large", "a delta of an object of more than")


def chain(links):
    """Deltas on deltas, each of which changes the last four of fifty bytes; the last object besides."""
    entries, content = [pack_entry(3, 50, b"x" * 50)], b"x" * 50
    for i in range(links):
        content = b"x" * 46 + b"%04d" % i
        d = delta(50, 50, bytes([0x90, 46]), b"\x04%04d" % i)
        entries.append(pack_entry(6, len(d), d, offset(len(entries[-1]))))
    return entries, hashlib.sha1(b"blob 50\0" + content).hexdigest()


def test_long_delta_chains(r):
    """As long as git writes them they are read; one more is too many."""
    start(r)
    entries, good = chain(4095)
    put_pack(r, "c", *entries)
    entries, bad = chain(4097)
    put_pack(r, "d", *entries)
    set_head(r, raw_commit(r, tree(r, (b"100644", b"chain", good)), r.baseline))
    r.write("chain", b"x" * 46 + b"4094")
    assert r.look()[1]["moved"] == 1
    result, _ = r.census()
    assert result["kind"] == "committed", result
    set_head(r, raw_commit(r, tree(r, (b"100644", b"chain", bad)), r.baseline))
    result, _ = judged_any(r)
    assert result["kind"] == "too_large" and "more than 4095 deltas on each other" in result["detail"], result


def test_lying_idx(r):
    start(r)
    r.write("a.py", "print(2)\n")
    r.commit()
    r.git("repack", "-adq")
    for n in os.listdir(r.path(".git/objects/pack")):
        if n.endswith(".idx"):
            os.chmod(r.path(".git/objects/pack/" + n), 0o644)
            with open(r.path(".git/objects/pack/" + n), "wb") as f:
                f.write(b"\xfftOc\0\0\0\2" + b"\xff" * 2000)
    result, _ = judged(r, "committed")
    assert result["clean"] == 1


def test_baseline_objects_replaced(r):
    start(r)
    blob = r.git("rev-parse", "HEAD:a.py").strip()
    loose(r, "blob", b"something else", oid=blob)
    loose(r, "commit", b"tree %s\n" % (b"0" * 40), oid=r.baseline)
    shutil.rmtree(r.path(".git/objects/pack"))
    result, _ = judged(r, "none")
    assert result["clean"] == 1


def test_sparse_giants(r):
    start(r)
    with open(r.path("giant"), "wb") as f:
        f.truncate(1 << 43)
    os.unlink(r.path("a.py"))
    with open(r.path("a.py"), "wb") as f:
        f.truncate(1 << 43)
    begin = time.monotonic()
    result, dirty = judged(r, "none")
    assert sorted(dirty) == [("?", b"giant"), ("M", b"a.py")] and time.monotonic() - begin < 10
    r.step("commit")
    result, _ = r.census("--made-by-harness")
    assert result["kind"] == "too_large" and "too large" in result["detail"], result


def test_loops_and_dangling_links(r):
    start(r)
    os.symlink("loop", r.path("loop"))
    os.symlink("/nowhere", r.path("dangling"))
    os.symlink("..", r.path("up"))
    os.unlink(r.path("dir/b.txt"))
    os.rmdir(r.path("dir"))
    os.symlink("/etc", r.path("dir"))
    result, dirty = judged(r, "none")
    assert sorted(dirty) == [("?", b"dangling"), ("?", b"dir"), ("?", b"loop"), ("?", b"up"), ("D",
                             b"dir/b.txt")], dirty


def test_unreadable_by_mode(r):
    if os.getuid() == 0:
        return
    start(r)
    time.sleep(0.05)
    r.write("a.py", "print(9)\n")
    os.chmod(r.path("a.py"), 0)
    os.mkdir(r.path("locked"))
    os.chmod(r.path("locked"), 0)
    result, dirty = judged(r, "none")
    assert result["clean"] == 0 and ("X", b"a.py") in dirty and ("X", b"locked") in dirty, dirty


def test_hostile_commit_texts(r):
    start(r)
    t = r.git("rev-parse", "HEAD^{tree}").strip()
    text = b"tree %s\nparent %s\nauthor %s <a@b> 99999999999999 +0000\ncommitter A <a@b> -5 +9999\n\n%s\n" % (
        t.encode(), r.baseline.encode(), b"N" * 60000, b"\x1b[31m" + b"S" * 60000)
    head = loose(r, "commit", text)
    set_head(r, head)
    r.look()
    r.stop()
    result, _ = r.census()
    if result["kind"] == "committed":
        commits = r.diff()[0]
        assert commits[0]["oid"] == head and len(commits[0]["author"]) < 600 and len(commits[0]["subject"]) <= 1024
    else:
        assert result["kind"] == "unreadable", result


def test_empty_and_other_authors_commits(r):
    start(r)
    r.git("commit", "-q", "--allow-empty", "--allow-empty-message", "-m", "", "--author", "x y <>")
    result, _ = judged(r, "committed")
    commits, net, each, patch = r.diff()
    assert len(commits) == 1 and not net and not each and patch == b""


def test_constant_changes_are_looked_at_in_turn(r):
    """A burst of looks, then 20 a second: an agent that never rests costs no processor."""
    start(r)
    begin = time.monotonic()
    for _ in range(84):
        assert r.look()[1]["clean"] == 1
    assert time.monotonic() - begin > 0.9
    r.look()
    os.eventfd_write(r.wake_fd, 1)
    r.stop()


def test_busy_agent(r):
    """Files appear, change kind and vanish while we look."""
    start(r)
    script = r.dir + "/busy.sh"
    with open(script, "w") as f:
        f.write("cd '%s'\nwhile :; do mkdir -p t/u; echo x >t/u/f; rm -rf t; echo >t; rm t; mkfifo t; rm t; ln -s . t; rm t; "
                "echo y >a.py; rm a.py; "
                "mkfifo a.py; rm a.py; mkdir a.py; rmdir a.py; mv .git .g2; mv .g2 .git; done" % r.ws)
    p = subprocess.Popen(["sh", script], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            r.look()
    finally:
        p.kill()
        p.wait()
    r.stop()


def test_lfs_pointers(r):
    """A pointer is a small file like any other: nothing is smudged, cleaned, fetched or run for it."""
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"
    trap = r.dir + "/trap"
    with open(trap, "w") as f:
        f.write("#!/bin/sh\ntouch '%s/sprung'\ncat\n" % r.dir)
    os.chmod(trap, 0o755)
    r.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    r.write("old.bin", pointer % (b"1" * 64, 5))
    start(r)
    for key in ("clean", "smudge", "process"):
        r.git("config", "filter.lfs." + key, trap)
    r.git("config", "filter.lfs.required", "true")
    r.git("config", "lfs.url", "http://127.0.0.1:1/")
    real = b"real\n"
    oid = hashlib.sha256(real).hexdigest()
    r.write(".git/lfs/objects/%s/%s/%s" % (oid[:2], oid[2:4], oid), real)
    attributes = loose(r, "blob", b"*.bin filter=lfs diff=lfs merge=lfs -text\n")
    new, config = pointer % (oid.encode(), len(real)), b"[lfs]\n\turl = http://127.0.0.1:1/\n"
    r.write("new.bin", new)
    r.write(".lfsconfig", config)
    top = {b".gitattributes": attributes, b".gitignore": loose(r, "blob", b"*.log\n"), b".lfsconfig": loose(r, "blob", config),
           b"a.py": loose(r, "blob", b"print(1)\n"), b"new.bin": loose(r, "blob", new),
           b"old.bin": loose(r, "blob", pointer % (b"1" * 64, 5))}
    entries = [(b"100644", n, o) for n, o in top.items()] + [
        (b"40000", b"dir", tree(r, (b"100644", b"b.txt", loose(r, "blob", b"b\n"))))]
    head = raw_commit(r, tree(r, *sorted(entries, key=lambda x: x[1])), r.baseline)
    set_head(r, head)
    os.unlink(r.path(".git/index"))
    r.look()
    r.stop()
    result, dirty = r.census()
    assert result["kind"] == "committed" and result["head"] == head, result
    assert dirty and {letter for letter, _ in dirty} == {"I"}, dirty  # there is no index, and nothing else
    _, changes, _, patch = r.diff()
    assert b"+oid sha256:" + oid.encode() in patch and real not in patch.split(b"\n"), patch
    assert len(changes) == 2, changes
    os.mkdir(r.dir + "/check")
    r.step("checkout", "--out", r.dir + "/check")
    with open(r.dir + "/check/new.bin", "rb") as f:
        assert f.read() == new
    # What smudging would have left is not what the commit says.
    r.write("new.bin", real)
    assert ("M", b"new.bin") in r.census()[1]
    assert not os.path.exists(r.dir + "/sprung")


def test_device_nodes(r):
    """As nobody can make them in a jail; whoever finds one must not open it: /dev/zero never ends."""
    def node(path, minor):
        full = r.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if os.path.exists(full):
            os.unlink(full)
        os.mknod(full, stat.S_IFCHR | 0o666, os.makedev(1, minor))
    start(r)
    head = r.git("rev-parse", "HEAD").strip()
    try:
        node("zero", 5)
    except PermissionError:
        return  # an ordinary user, whom the kernel refuses
    node("a.py", 5)
    node("dir/quiet.log", 5)
    result, dirty = judged(r, "none")
    assert sorted(dirty) == [("X", b"a.py"), ("X", b"zero")], dirty
    for name in ("index", "packed-refs", "config", "refs/heads/main", "HEAD", "objects/%s/%s" % (head[:2], head[2:])):
        r2 = type(r)(r.tool, r.dir + "/" + name.replace("/", "_"))
        r, outer = r2, r
        start(r)
        begin = time.monotonic()
        if name == "packed-refs":
            os.unlink(r.path(".git/refs/heads/main"))
        if name.startswith("objects/"):
            set_head(r, "77" * 20)
            name = "objects/77/" + "77" * 19
        node(".git/" + name, 5)
        r.look()
        r.stop()
        result, dirty = r.census()
        assert result["kind"] == ("none" if name == "index" else "unreadable"), (name, result)
        assert time.monotonic() - begin < 10, name
        r = outer


def test_marks_cannot_be_hidden_by_size(r):
    """Where marks of forbidden actions would stand and cannot be read, the repository cannot be read."""
    for name, spoil in (("packed-refs", lambda p: open(p, "ab").truncate(17 << 20)),
                        ("config", lambda p: open(p, "ab").truncate(2 << 20)),
                        ("config.worktree", lambda p: open(p, "ab").truncate(2 << 20)),
                        ("config", lambda p: (os.rename(p, p + ".x"), os.symlink("config.x", p))),
                        ("refs/remotes", lambda p: os.symlink("../heads", p)),
                        ("packed-refs", os.mkfifo)):
        r2 = type(r)(r.tool, tempfile.mkdtemp(dir=r.dir))
        start(r2)
        r2.write("a.py", "print(2)\n")
        r2.commit()
        r2.look()
        r2.stop()
        assert r2.census()[0]["kind"] == "committed"
        spoil(r2.path(".git/" + name))
        result, _ = r2.census()
        assert result["kind"] == "unreadable" and ".git/" + name in result["detail"], (name, result)


def test_a_million_refs(r):
    """Packed they are more than we read of such a file; loose, as many as 1,000,000 files are walked at most."""
    start(r)
    r.write("a.py", "print(2)\n")
    head = r.commit()
    many = 1000000
    with open(r.path(".git/packed-refs"), "wb") as f:
        f.write(b"".join(b"%s refs/tags/t%07d\n" % (head.encode(), i) for i in range(many)))
    begin = time.monotonic()
    look = r.look()[1]
    assert look["moved"] == 1 and look["head"] == head, look  # its own ref is loose
    os.unlink(r.path(".git/refs/heads/main"))
    assert r.look()[1]["moved"] == 0
    r.stop()
    result, _ = r.census()
    assert result["kind"] == "unreadable" and "packed-refs" in result["detail"], result
    assert time.monotonic() - begin < 10
    os.unlink(r.path(".git/packed-refs"))
    r.write(".git/refs/heads/main", head + "\n")
    begin = time.monotonic()
    loose_refs = 2000  # as many as a test has the time to make
    for where in ("tags", "remotes/o"):
        os.makedirs(r.path(".git/refs/" + where), exist_ok=True)
        at = os.open(r.path(".git/refs/" + where), os.O_RDONLY)
        for i in range(loose_refs):
            os.close(os.open("t%d" % i, os.O_CREAT | os.O_WRONLY, dir_fd=at))
        os.close(at)
    begin = time.monotonic()
    frames = r.step("census")
    assert [f["kind"] for f in frames if f["frame"] == "RESULT"] == ["committed"], frames
    assert len([f for f in frames if f["frame"] == "ATTEMPT"]) == 1, frames
    spent = time.monotonic() - begin
    assert spent < 5, spent


def test_racy_times(r):
    """The same size, the same modification time, and for a watch that has seen the file before: the hash is what counts."""
    start(r)
    r.write("a.py", "print(2)\n")
    r.commit()
    assert r.look()[1]["clean"] == 1
    time.sleep(2.5)
    assert r.look()[1]["clean"] == 1  # old enough by now to be remembered by its times
    st = os.stat(r.path("a.py"))
    with open(r.path("a.py"), "r+b") as f:
        f.write(b"print(3)\n")
        f.flush()
        os.utime(f.fileno(), ns=(st.st_atime_ns, st.st_mtime_ns))
    now = os.stat(r.path("a.py"))
    assert (now.st_size, now.st_mtime_ns, now.st_ino) == (st.st_size, st.st_mtime_ns, st.st_ino)
    r.git("update-index", "-q", "--refresh")
    assert r.look()[1]["clean"] == 0  # the time of the change of the inode tells it
    # Within the grain of the clock: written at once, again, and looked at between.
    for i in range(40):
        r.write("a.py", "print(2)\n" if i % 2 else "print(%d)\n" % (i % 10))
        dirty, look = r.look()
        assert look["clean"] == (1 if i % 2 or i % 10 == 2 else 0), (i, look, dirty)
    r.write("a.py", "print(9)\n")
    os.utime(r.path("a.py"), ns=(st.st_atime_ns, st.st_mtime_ns))
    r.stop()
    result, dirty = r.census()
    assert result["kind"] == "committed" and result["clean"] == 0 and dirty == [("M", b"a.py")], (result, dirty)


run(globals())
