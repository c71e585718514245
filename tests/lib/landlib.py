"""landlib.py - repositories, results and the program sv_land (tests/doubles/sv_land.c) for the tests of landing."""
import itertools
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
ROOT = os.geteuid() == 0
CONFLICT, USAGE, MISSING = 17, 12, 18  # 10 + enum err_code


def is_bytes(x):
    return x if isinstance(x, bytes) else os.fsencode(x)


class World:
    """A directory of its own, with git as an ordinary user without configuration has it."""

    def __init__(self, test_bin):
        self.bin = test_bin
        self.base = os.path.realpath(tempfile.mkdtemp(prefix="cto-landing-"))
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": os.path.join(self.base, "home"), "LANG": "C.UTF-8",
                    "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Op", "GIT_AUTHOR_EMAIL": "op@example.org",
                    "GIT_COMMITTER_NAME": "Op", "GIT_COMMITTER_EMAIL": "op@example.org", "GIT_AUTHOR_DATE": "1700000000 +0000",
                    "GIT_COMMITTER_DATE": "1700000000 +0000"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        os.mkdir(self.env["HOME"])
        self.n = itertools.count(1)

    def close(self):
        shutil.rmtree(self.base, ignore_errors=True)

    def new(self, name="x"):
        return os.path.join(self.base, "%s%d" % (name, next(self.n)))

    def git(self, repo, *words, env=None, check=True, data=None):
        done = subprocess.run(["git", "-C", repo, *words], env={**self.env, **(env or {})}, input=data, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=60)
        if check and done.returncode != 0:
            raise AssertionError("git %s: %s" % (words, done.stderr.decode("utf-8", "replace")))
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def run(self, *words, binary="sv_land"):
        done = subprocess.run([os.path.join(self.bin, binary), *words], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=120)
        return done.returncode, done.stdout.decode().strip(), done.stderr.decode().strip()

    def repo(self, files=None, branch="main", commit=True):
        path = self.new("repo")
        os.mkdir(path)
        self.git(path, "init", "-q", "-b", branch)
        if commit:
            fill(path, files if files is not None else BASE)
            self.commit(path, "first")
        return path

    def commit(self, repo, message):
        self.git(repo, "add", "-A", "-f")
        self.git(repo, "commit", "-q", "--allow-empty", "-m", message)
        return self.head(repo)

    def head(self, repo):
        return self.git(repo, "rev-parse", "HEAD")

    def facts(self, path):
        rc, out, err = self.run("look", path)
        assert rc == 0, (rc, err)
        facts = dict((line + " ").split(" ", 1) for line in out.split("\n"))
        return {k: v.strip() for k, v in facts.items()}

    # --- results
    def result(self, repo, change):
        """What a verified result is: made in a clone, handed on as blobs, a list of paths and the id of a tree."""
        clone, blobs = self.new("clone"), self.new("blobs")
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", repo, clone], env=self.env, check=True)
        os.mkdir(blobs)
        change(clone)
        self.git(clone, "add", "-A", "-f")
        tree = self.git(clone, "write-tree")
        raw = subprocess.run(["git", "-C", clone, "diff", "--raw", "-z", "--no-renames", "--abbrev=40", "HEAD", tree], env=self.env,
                             stdout=subprocess.PIPE, check=True).stdout.split(b"\0")
        changes = []
        for head, path in zip(raw[0::2], raw[1::2]):
            _, mode, _, oid, letter = head.decode().split(" ")
            changes.append((0 if letter == "D" else int(mode, 8), oid, path))
            if letter != "D":
                content = subprocess.run(["git", "-C", clone, "cat-file", "blob", oid], env=self.env, stdout=subprocess.PIPE, check=True)
                with open(os.path.join(blobs, oid), "wb") as f:
                    f.write(content.stdout)
        shutil.rmtree(clone)
        return {"target": repo, "branch": self.git(repo, "symbolic-ref", "HEAD"), "old_head": self.head(repo), "tree": tree,
                "blobs": blobs, "message": "land it", "author": "An Agent", "email": "agent@example.org", "when": "1700001000",
                "run": "run-1", "changes": changes}

    def order(self, order, **other):
        o = {**order, **other}
        path = self.new("order")
        with open(path, "wb") as f:
            for name, value in o.items():
                if name != "changes":
                    f.write(("%s %s\n" % (name, value)).encode("utf-8", "surrogateescape"))
            for mode, oid, name in o["changes"]:
                f.write(("change %o %s " % (mode, oid)).encode() + is_bytes(name) + b"\n")
        return path

    def land(self, store, order, **other):
        return self.run("land", store, self.order(order, **other))

    def calm(self, *repos):
        """No configuration any more that starts something: for what the tests themselves ask git."""
        path = os.path.join(self.env["HOME"], ".gitconfig")
        if os.path.exists(path):
            os.unlink(path)
        for repo in repos:
            shutil.rmtree(repo + "/.git/hooks", ignore_errors=True)
            with open(repo + "/.git/config", "w") as f:
                f.write("[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n")

    def sound(self, repo, strict=True):
        """Nothing of ours is left, and git has nothing to say."""
        left = [n for n in os.listdir(os.path.join(repo, ".git")) if "cto" in n or n.endswith(".lock")]
        assert not left, left
        assert not os.path.exists(os.path.join(repo, ".git/refs/heads/main.lock")), "the branch's lock is left"
        self.git(repo, "fsck", "--full", *(["--strict"] if strict else []))
        assert self.git(repo, "status", "--porcelain") == "", self.git(repo, "status", "--porcelain")

    def journal(self, store):
        rc, out, err = self.run("journal", store)
        assert rc == 0, err
        return out.split("\n") if out else []


BASE = {"a.txt": "one\ntwo\nthree\nfour\nfive\nsix\nseven\n", "d/b.txt": "b\n", "d/e/c.txt": "c\n", "run.sh": ("#!/bin/sh\n", 0o755),
        "link": ("->", "a.txt"), "with space/ü.txt": "u\n", "gone.txt": "gone\n", ".gitignore": "*.log\n/build/\n", "bin.dat": b"\0\1\2\r\n"}


def fill(path, files):
    """name: text, bytes, (text, mode), ("->", target of a link) or None for a file that goes."""
    for name, what in files.items():
        at = os.path.join(is_bytes(path), is_bytes(name))
        mode = 0o644
        if isinstance(what, tuple) and what[0] != "->":
            what, mode = what
        if os.path.islink(at) or os.path.isfile(at):
            os.unlink(at)
        if what is None:
            continue
        os.makedirs(os.path.dirname(at), exist_ok=True)
        if isinstance(what, tuple):
            os.symlink(what[1], at)
            continue
        with open(at, "wb") as f:
            f.write(what if isinstance(what, bytes) else what.encode())
        os.chmod(at, mode)


def alien(w, r):
    """Everything of git that would start or rewrite something, in the target and at the user's."""
    mark = w.base + "/started"
    script = "sh -c 'touch %s; cat'" % mark
    fill(r, {".gitattributes": "*.txt text eol=crlf ident filter=evil diff=evil merge=evil\n*.dat filter=evil\n", "id.txt": "$Id$\n"})
    w.commit(r, "attributes")
    for key, value in (("core.autocrlf", "true"), ("core.eol", "crlf"), ("filter.evil.clean", script), ("filter.evil.smudge", script),
                       ("filter.evil.process", script), ("filter.evil.required", "true"), ("diff.evil.command", script),
                       ("core.fsmonitor", script), ("core.pager", script), ("core.sshCommand", script), ("credential.helper", "!" + script),
                       ("core.attributesFile", r + "/.gitattributes"), ("core.filemode", "true"), ("gpg.program", script), ("commit.gpgSign", "true")):
        w.git(r, "config", key, value)
        subprocess.run(["git", "config", "--global", key, value], env=w.env, check=True)
    hooks = r + "/.git/hooks"
    os.makedirs(hooks, exist_ok=True)
    for hook in ("pre-commit", "post-commit", "post-checkout", "post-index-change", "reference-transaction", "update", "post-rewrite",
                 "prepare-commit-msg", "commit-msg", "post-merge", "fsmonitor-watchman", "pre-auto-gc"):
        fill(hooks, {hook: ("#!/bin/sh\ntouch %s\n" % mark, 0o755)})
    if os.path.exists(mark):
        os.unlink(mark)
    return mark


def tree_of(path, skip=(".git",)):
    """name -> (kind, content), without the top directories in `skip`."""
    got = {}
    root = is_bytes(path)
    for at, dirs, files in os.walk(root):
        if at == root:
            dirs[:] = [d for d in dirs if os.fsdecode(d) not in skip]
        for name in files + [d for d in dirs if os.path.islink(os.path.join(at, d))]:
            full = os.path.join(at, name)
            key = os.fsdecode(os.path.relpath(full, root))
            st = os.lstat(full)
            if stat.S_ISLNK(st.st_mode):
                got[key] = ("link", os.readlink(full))
            else:
                with open(full, "rb") as f:
                    got[key] = ("x" if st.st_mode & 0o100 else "-", f.read())
    return got


def main(tests):
    """Each test has a world of its own. Names on the command line choose."""
    chosen, failed = sys.argv[3:], 0
    for name, test in sorted(tests.items()):
        if not name.startswith("test_") or (chosen and name not in chosen):
            continue
        world = World(os.environ["CTO_TEST_BIN"])
        try:
            test(world)
            print("ok   " + name)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("FAIL " + name)
            traceback.print_exc(file=sys.stdout)
        finally:
            world.close()
    sys.exit(1 if failed else 0)
