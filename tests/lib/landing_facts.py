"""What repo_look() says of good and bad repositories, what repo_export() and repo_create() write. Nothing is started, nothing written."""
import os

from landlib import BASE, ROOT, USAGE, alien, fill, main, tree_of


def good(f):
    return f["why"] == "" and f["clean"] == "1" and f["only_dirty"] == "0"


def bad(w, path, fact, word):
    """The fact holds, and the reason says so without naming the path."""
    f = w.facts(path)
    if fact:
        assert f[fact] == "1", (fact, f)
    assert word in f["why"], f
    assert w.base not in f["why"] and "/" not in f["why"].replace("cherry-pick", ""), f["why"]
    return f


def test_good(w):
    r = w.repo()
    w.commit(r, "second")
    before = w.run("digest", r)[1]
    f = w.facts(r)
    assert good(f), f
    assert f["head"] == w.head(r) and f["tree"] == w.git(r, "rev-parse", "HEAD^{tree}") and f["branch"] == "refs/heads/main", f
    assert f["commits"] == "2" and f["owner_uid"] == str(os.geteuid()), f
    for name in ("bare", "linked_worktree", "detached", "unborn", "shallow", "submodules", "busy", "remotes", "hooks", "alternates"):
        assert f[name] == "0", (name, f)
    assert f["is_repository"] == "1" and f["local_filesystem"] == "1", f
    assert w.run("digest", r)[1] == before, "looking wrote something"


def test_packed(w):
    """Refs and objects as git packs them, with other branches below and beside the name."""
    r = w.repo(branch="topic/x")
    w.git(r, "branch", "topic/y")
    w.git(r, "gc", "-q")
    w.git(r, "pack-refs", "--all")
    assert not os.path.exists(os.path.join(r, ".git/refs/heads/topic/x"))
    f = w.facts(r)
    assert good(f) and f["branch"] == "refs/heads/topic/x" and f["head"] == w.head(r), f


def test_no_repository(w):
    d = w.new()
    os.mkdir(d)
    f = bad(w, d, None, "no git repository")
    assert f["is_repository"] == "0"
    bad(w, d + "/none", None, "cannot be opened")
    fill(d, {"f": "x"})
    bad(w, d + "/f", None, "cannot be opened")
    bad(w, d + "/f/g", None, "cannot be opened")
    os.mkdir(d + "/.git")
    bad(w, d, None, "HEAD")


def test_form_of_the_path(w):
    r = w.repo()
    for path in ("repo1", r + "/", r + "/.", w.base + "/../" + os.path.basename(w.base) + "/" + os.path.basename(r), "//" + r, "", "/"):
        rc, _, err = w.run("look", path)
        assert rc == USAGE and "shortest form" in err and w.base not in err, (path, rc, err)
    os.symlink(r, w.base + "/l")
    bad(w, w.base + "/l", None, "symbolic link")
    os.mkdir(w.base + "/sub")
    os.rename(r, w.base + "/sub/r")
    os.symlink("sub", w.base + "/l2")
    bad(w, w.base + "/l2/r", None, "symbolic link")


def test_bare(w):
    r = w.new()
    w.git(w.base, "init", "-q", "--bare", r)
    bad(w, r, "bare", "bare")
    r = w.repo()
    w.git(r, "config", "core.bare", "true")
    bad(w, r, "bare", "bare")


def test_linked(w):
    r = w.repo()
    w.git(r, "worktree", "add", "-q", w.base + "/wt")
    bad(w, w.base + "/wt", "linked_worktree", "linked worktree")
    assert good(w.facts(r)), "a worktree elsewhere is no matter"
    s = w.repo()
    os.rename(s + "/.git", w.base + "/elsewhere")
    os.symlink(w.base + "/elsewhere", s + "/.git")
    bad(w, s, None, "no directory")


def test_head(w):
    r = w.repo()
    w.git(r, "checkout", "-q", "--detach")
    f = bad(w, r, "detached", "no branch")
    assert f["head"] == w.head(r) and f["branch"] == ""
    f = bad(w, w.repo(commit=False), "unborn", "no commit")
    assert f["branch"] == "refs/heads/main" and f["head"] == ""
    r = w.repo()
    with open(r + "/.git/HEAD", "w") as f:
        f.write("ref: refs/heads/../../x\n")
    bad(w, r, None, "names no branch")
    with open(r + "/.git/HEAD", "w") as f:
        f.write("ref: refs/heads/main\n")
    w.git(r, "symbolic-ref", "refs/heads/other", "refs/heads/main")
    w.git(r, "symbolic-ref", "HEAD", "refs/heads/other")
    bad(w, r, None, "another name")


def test_shallow_and_alternates(w):
    r = w.repo()
    w.commit(r, "second")
    w.git(w.base, "clone", "-q", "--depth", "1", "file://" + r, w.base + "/shallow")
    f = bad(w, w.base + "/shallow", "shallow", "shallow")
    assert f["remotes"] == "1"
    w.git(w.base, "clone", "-q", "--shared", r, w.base + "/shared")
    bad(w, w.base + "/shared", "alternates", "alternates")


def test_submodules(w):
    r = w.repo()
    w.git(r, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", w.repo(), "sub")
    w.git(r, "commit", "-q", "-m", "sub")
    f = bad(w, r, "submodules", "submodules")
    assert f["only_dirty"] == "0"
    rc, _, err = w.run("export", r, w.head(r), w.base + "/out")
    assert rc == USAGE and "submodules" in err and not os.path.exists(w.base + "/out"), (rc, err)


def test_busy(w):
    r = w.repo()
    w.git(r, "checkout", "-q", "-b", "other")
    fill(r, {"a.txt": "theirs\n"})
    w.commit(r, "theirs")
    w.git(r, "checkout", "-q", "main")
    fill(r, {"a.txt": "ours\n"})
    w.commit(r, "ours")
    for words, undo in ((("merge", "other"), ("merge", "--abort")), (("rebase", "other"), ("rebase", "--abort")),
                        (("cherry-pick", "other"), ("cherry-pick", "--abort")), (("revert", "--no-edit", "HEAD~1"), ("revert", "--abort"))):
        w.git(r, *words, check=False)
        bad(w, r, "busy", "not finished")
        w.git(r, *undo)
        assert good(w.facts(r)), (words, w.facts(r))
    w.git(r, "bisect", "start")
    bad(w, r, "busy", "not finished")


def test_remotes_and_hooks_are_facts(w):
    r = w.repo()
    w.git(r, "remote", "add", "origin", "https://example.org/x.git")
    f = w.facts(r)
    assert good(f) and f["remotes"] == "1" and f["hooks"] == "0", f
    hooks = os.path.join(r, ".git/hooks")
    os.makedirs(hooks, exist_ok=True)
    fill(hooks, {"post-commit": ("#!/bin/sh\ntouch %s/ran\n" % w.base, 0o755), "other.sample": ("#!/bin/sh\n", 0o755)})
    f = w.facts(r)
    assert good(f) and f["hooks"] == "1", f
    os.unlink(hooks + "/post-commit")
    assert w.facts(r)["hooks"] == "0"
    w.git(r, "config", "core.hooksPath", w.base)
    assert w.facts(r)["hooks"] == "1"
    # What an include names is not followed: it may be a FIFO, and the repository is not worked with.
    s = w.repo()
    fill(w.base, {"more": "[remote \"x\"]\n\turl = y\n"})
    w.git(s, "config", "include.path", w.base + "/more")
    assert "includes other files" in w.facts(s)["why"], w.facts(s)


def test_formats(w):
    for key, value, word in (("extensions.partialClone", "x", "extension"), ("extensions.worktreeConfig", "true", "extension"),
                             ("core.worktree", w.base, "elsewhere"), ("core.sparseCheckout", "true", "in part")):
        r = w.repo()
        w.git(r, "config", "core.repositoryformatversion", "1")
        w.git(r, "config", key, value)
        bad(w, r, None, word)
    r = w.repo()
    w.git(r, "replace", "HEAD", w.git(r, "commit-tree", "-m", "x", "HEAD^{tree}"))
    bad(w, r, None, "replaces")
    r = w.repo()
    with open(r + "/.git/config", "a") as f:
        f.write("[broken\n")
    bad(w, r, None, "configuration cannot be read")


def test_owner(w):
    if not ROOT:
        return
    r = w.repo()
    os.chown(r, 12345, 12345)
    f = bad(w, r, None, "belongs to user 12345")
    assert f["owner_uid"] == "12345"
    for part in (".git", ".git/config", ".git/objects"):
        r = w.repo()
        os.chown(os.path.join(r, part), 12345, 12345)
        bad(w, r, None, "belongs to user 12345")


def dirty(w, change, after=None):
    r = w.repo()
    change(r)
    f = bad(w, r, "only_dirty", "")
    assert f["clean"] == "0" and f["why"], f
    return f


def test_dirty(w):
    def staged(r):
        fill(r, {"a.txt": "x\n"})
        w.git(r, "add", "a.txt")

    def staged_and_back(r):
        staged(r)
        fill(r, {"a.txt": BASE["a.txt"]})

    def flag(word):
        def go(r):
            w.git(r, "update-index", word, "a.txt")
        return go

    def hidden(word):
        def go(r):
            w.git(r, "update-index", word, "a.txt")
            fill(r, {"a.txt": "hidden\n"})
            assert w.git(r, "status", "--porcelain") == "", "git sees it, so this is no test"
        return go

    def same_size_and_time(r):
        st = os.stat(r + "/a.txt")
        with open(r + "/a.txt", "r+b") as f:
            f.write(b"ONE")
        os.utime(r + "/a.txt", ns=(st.st_atime_ns, st.st_mtime_ns))

    def intent(r):
        fill(r, {"new": "x"})
        w.git(r, "add", "-N", "new")

    for change in (staged, staged_and_back, hidden("--assume-unchanged"), hidden("--skip-worktree"), flag("--assume-unchanged"),
                   flag("--skip-worktree"), same_size_and_time, intent,
                   lambda r: fill(r, {"a.txt": "x\n"}), lambda r: fill(r, {"gone.txt": None}), lambda r: fill(r, {"new.txt": "x"}),
                   lambda r: fill(r, {"deep/er/new.txt": "x"}), lambda r: os.chmod(r + "/a.txt", 0o755), lambda r: os.chmod(r + "/run.sh", 0o644),
                   lambda r: fill(r, {"link": ("->", "b.txt")}), lambda r: fill(r, {"a.txt": ("->", "d/b.txt")}),
                   lambda r: fill(r, {"link": BASE["a.txt"]}), lambda r: w.git(r, "rm", "-q", "--cached", "a.txt"),
                   lambda r: fill(r, {"gone.txt": None, "gone.txt/x.txt": "x"}), lambda r: os.mkfifo(r + "/fifo"),
                   lambda r: os.unlink(r + "/.git/index"), lambda r: fill(r, {"sub/.git/HEAD": "ref: refs/heads/main\n"})):
        dirty(w, change)


def test_ignored(w):
    """Only what HEAD's own ignore files say; git's other sources are somebody else's word."""
    r = w.repo({".gitignore": "*.log\n/build/\nkeep*\n", "d/.gitignore": "!keep.me\n*.tmp\n", "d/x": "", "build/tracked": "t"})
    fill(r, {"x.log": "1", "build/y": "2", "d/z.log": "3", "d/a.tmp": "4", "keepsake": "5"})
    assert good(w.facts(r)), w.facts(r)
    for name in ("d/keep.me", "a.tmp", "d/build/x"):
        fill(r, {name: "x"})
        assert w.facts(r)["only_dirty"] == "1", name
        assert w.git(r, "status", "--porcelain") != "", name
        os.unlink(os.path.join(r, name))
    os.rmdir(r + "/d/build")
    assert good(w.facts(r)), "an empty directory is nothing"
    fill(r, {".git/info/exclude": "other\n", "other": "x"})
    assert w.git(r, "status", "--porcelain") == "" and w.facts(r)["only_dirty"] == "1"
    os.unlink(r + "/other")
    fill(r, {"glob": "x"})
    fill(w.env["HOME"], {".config/git/ignore": "glob\n"})
    assert w.git(r, "status", "--porcelain") == "" and w.facts(r)["only_dirty"] == "1"
    os.unlink(r + "/glob")
    fill(r, {"e/.gitignore": "*\n", "e/x": "x"})
    assert w.git(r, "status", "--porcelain") == "" and w.facts(r)["only_dirty"] == "1", "an untracked .gitignore hides itself"


def test_index_kinds(w):
    r = w.repo()
    w.git(r, "update-index", "--index-version", "4")
    assert good(w.facts(r)), w.facts(r)
    w.git(r, "update-index", "--split-index")
    assert "index" in w.facts(r)["why"] and w.facts(r)["clean"] == "0", w.facts(r)
    r = w.repo()
    with open(r + "/.git/index", "r+b") as f:
        f.write(b"XXXX")
    assert "index" in w.facts(r)["why"], w.facts(r)


def test_damage(w):
    r = w.repo()
    tree = w.git(r, "rev-parse", "HEAD^{tree}")
    os.unlink(os.path.join(r, ".git/objects", tree[:2], tree[2:]))
    bad(w, r, None, "tree")


def test_export(w):
    files = {**BASE, "ü/ñ\n.txt": "x", b"\xff\xfe.txt": "bytes", "crlf.md": b"a\r\nb\r\n", "empty": "", "dangling": ("->", "../../no where")}
    r = w.repo(files)
    mark = alien(w, r)
    want = tree_of(r)
    head, out = w.head(r), w.new("out")
    if os.path.exists(mark):
        os.unlink(mark)
    fill(r, {"a.txt": "not what HEAD says"})
    rc, _, err = w.run("export", r, head, out)
    assert rc == 0, err
    assert tree_of(out) == want, (tree_of(out), want)
    assert not os.path.exists(mark), "something of the target was started"
    rc, _, err = w.run("export", r, head, out)
    assert rc != 0 and tree_of(out) == want, "an existing directory"
    rc, _, err = w.run("export", r, "0" * 40, w.base + "/none")
    assert rc != 0 and not os.path.exists(w.base + "/none") and w.base not in err, err


def test_lacks(w):
    """Names of files, links and directories, of the commit and not of what lies in the worktree."""
    r = w.repo()
    head = w.head(r)
    fill(r, {"later.txt": "x"})
    for names, lacks in (([], ""), (["a.txt", "d", "d/e", "d/e/c.txt", "link", "with space", "with space/ü.txt"], ""),
                         (["a.txt", "later.txt", "none"], "later.txt"), (["a"], "a"), (["d/"], "d/"), (["d/e/c"], "d/e/c"), (["a.txt/x"], "a.txt/x"),
                         (["link/x"], "link/x"), (["A.TXT"], "A.TXT"), (["x" * 5000], "x" * 5000)):
        rc, out, err = w.run("lacks", r, head, *names)
        assert rc == 0 and out == lacks, (names, rc, out, err)
    later = w.commit(r, "later")
    assert w.run("lacks", r, later, "later.txt")[1] == "" and w.run("lacks", r, head, "later.txt")[1] == "later.txt"
    for path, commit in ((r, "0" * 40), (r, "main"), (w.base, head), (r + "/none", head), (r, w.git(r, "rev-parse", "HEAD:a.txt"))):
        rc, _, err = w.run("lacks", path, commit, "a.txt")
        assert rc != 0 and w.base not in err, (path, commit, rc, err)


def test_alien_look(w):
    r = w.repo()
    mark = alien(w, r)
    f = w.facts(r)
    assert good(f) and f["hooks"] == "1", f
    assert not os.path.exists(mark), "something of the target was started"


def test_export_refuses_names(w):
    """A tree that git itself would not check out."""
    r = w.repo()
    blob = w.git(r, "hash-object", "-w", "a.txt")
    for name in (".git", ".GIT", "git~1", ".g\u200cit", ".git "):
        tree = w.git(r, "mktree", data=("100644 blob %s\t%s\n" % (blob, name)).encode())
        bad_commit = w.git(r, "commit-tree", "-m", "x", tree)
        rc, _, err = w.run("export", r, bad_commit, w.base + "/out")
        assert rc != 0 and "not safe" in err and not os.path.exists(w.base + "/out"), (name, err)


def test_create(w):
    files = {**BASE, "empty": "", "ü/x": "1"}
    src, a, b = w.new("src"), w.new("made"), w.new("made")
    os.mkdir(src)
    fill(src, files)
    mark = alien(w, w.repo())
    want = tree_of(src)
    rc, out, err = w.run("create", a, src, "main")
    assert rc == 0, err
    assert w.run("create", b, src, "refs/heads/main")[0] == 0
    assert not os.path.exists(mark)
    w.calm()
    w.sound(a)
    assert tree_of(a) == want and w.head(a) == w.head(b), "not the same each time"
    assert w.git(a, "log", "--format=%an <%ae> %at %s") == "cto-harness <harness@localhost> 1700000000 baseline"
    assert w.git(a, "remote") == "" and w.git(a, "symbolic-ref", "HEAD") == "refs/heads/main" and not os.path.exists(a + "/.git/hooks")
    assert "head " + w.head(a) in out
    for path, frm, branch in ((a, src, "main"), (w.new("n"), src, "a..b"), (w.new("n"), w.base + "/none", "main"), ("rel", src, "main")):
        rc, _, err = w.run("create", path, frm, branch)
        assert rc != 0, (path, branch)
        assert path == a or not os.path.exists(path), path
    fill(src, {"sub/.git/x": "1"})
    rc, _, err = w.run("create", w.base + "/g", src, "main")
    assert rc == USAGE and not os.path.exists(w.base + "/g"), err


main(dict(globals()))
