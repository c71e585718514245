"""What is small to write and vast to read, and what is simply vast: each step ends soon and says why."""
import hashlib
import os
import shutil
import struct
import tempfile
import time
import zlib

from inspectgit import delta, offset, pack_entry, put_pack, set_head, start
from inspectlib import run

BIG = (16 << 20) - 1


def copies(n, at=0, size=0xffffff):
    """Delta instructions: `size` bytes of the base from `at`, n times."""
    return struct.pack("<BIHB", 0xff, at, size & 0xffff, size >> 16) * n


def bomb(r, *packs, look=True):
    """The packs hold no wanted object: how long until the census says why?"""
    start(r)
    for i, entries in enumerate(packs):
        put_pack(r, "%x" % i, *entries)
    set_head(r, "77" * 20)
    if look:
        assert r.look(timeout=60)[1]["moved"] == 0
    r.stop()
    begin = time.monotonic()
    result, _ = r.census()
    seconds = time.monotonic() - begin
    assert result["kind"] == "too_large" and "77" * 20 in result["detail"], result
    assert seconds < 30, seconds
    used = sum(os.lstat(os.path.join(d, f)).st_size for d, _, files in os.walk(r.odb) for f in files)
    assert used < 64 << 20, used
    return result["detail"]


def growing(links):
    """A base of 16 MiB, a delta that makes 240 MiB of it, and that made again and again."""
    entries = [pack_entry(3, BIG, bytes(BIG))]
    head = delta(BIG, 15 * BIG, copies(15))
    entries.append(pack_entry(6, len(head), head, offset(len(entries[-1]))))
    again = delta(15 * BIG, 15 * BIG, *[copies(1, i * BIG) for i in range(15)])
    for _ in range(links):
        entries.append(pack_entry(6, len(again), again, offset(len(entries[-1]))))
    return entries


def test_pack_of_delta_bombs(r):
    """Many deltas, each of them cheap to write and 240 MiB to make."""
    base = pack_entry(3, BIG, bytes(BIG))
    entries, at = [base], len(base)
    for i in range(3000):
        d = delta(BIG, 15 * BIG + 4, copies(15), b"\x04%04d" % i)
        entries.append(pack_entry(6, len(d), d, offset(at)))
        at += len(entries[-1])
    assert "of work to unpack" in bomb(r, entries)


def test_delta_bomb_in_one_chain(r):
    assert "an object that takes more than" in bomb(r, growing(1000))


def test_delta_bombs_in_many_packs(r):
    """None of them is too dear by itself."""
    assert "of work to unpack" in bomb(r, *[growing(1) for _ in range(32)], look=False)


def test_delta_bomb_by_name(r):
    base = b"b" * (1 << 20)
    name = bytes.fromhex(hashlib.sha1(b"blob %d\0" % len(base) + base).hexdigest())
    entries = [pack_entry(3, len(base), base)]
    for i in range(3000):
        d = delta(1 << 20, (1 << 20) + 4, copies(1, 0, 1 << 20), b"\x04%04d" % i)
        entries.append(pack_entry(7, len(d), d, name))
    assert "of work to unpack" in bomb(r, entries)


def test_pack_of_zip_bombs(r):
    entries, zeros = [], bytes(200 << 20)
    packed = zlib.compress(zeros, 9)
    for i in range(60):
        head = pack_entry(3, len(zeros), b"")[:-8]
        entries.append(head + packed)
    assert "of work to unpack" in bomb(r, entries, look=False)


def test_a_million_refs(r):
    """A quarter of a million are read; a million are not, and that is said."""
    start(r)
    r.write("a.py", "print(2)\n")
    head = r.commit()
    os.unlink(r.path(".git/refs/heads/main"))
    line = head.encode() + b" refs/tags/%07d\n"
    mine = head.encode() + b" refs/heads/main\n"
    r.write(".git/packed-refs", mine + b"".join(line % i for i in range(250000)))
    os.makedirs(r.path(".git/refs/tags"), exist_ok=True)
    for i in range(5000):
        r.write(".git/refs/tags/l%d" % i, head)
    begin = time.monotonic()
    assert r.look()[1]["moved"] == 1
    r.write(".git/packed-refs", mine + b"".join(line % i for i in range(1000000)))
    assert r.look()[1]["moved"] == 0
    r.stop()
    result, _ = r.census()
    assert result["kind"] == "unreadable" and "packed-refs: larger" in result["detail"], result
    assert time.monotonic() - begin < 30


def test_a_million_files(r):
    """One above the bound: nobody counts the rest, and the tree is not clean."""
    if not os.access("/dev/shm", os.W_OK):
        return
    many = type(r)(r.tool, tempfile.mkdtemp(prefix="cto-inspect.", dir="/dev/shm"))
    try:
        start(many)
        many.stop()
        many.write("m/0", "x")
        for i in range(1, 1000001):
            os.link(many.path("m/0"), many.path("m/%d" % i))
        begin = time.monotonic()
        result, dirty = many.census()
        seconds = time.monotonic() - begin
        assert result["kind"] == "none" and result["clean"] == 0 and len(dirty) == 200, (result, len(dirty))
        assert seconds < 60, seconds
        many.step("commit")
        result, _ = many.census("--made-by-harness")
        assert result["kind"] == "too_large" and "more than" in result["detail"], result
    finally:
        many.close()
        shutil.rmtree(many.dir)


def test_a_large_blob(r):
    """100 MB is honest work: committed, compared, checked out."""
    start(r)
    with open(r.path("large"), "wb") as f:
        for _ in range(100):
            f.write(os.urandom(1 << 10) * 1024)
    r.commit()
    begin = time.monotonic()
    assert r.look(timeout=60)[1]["moved"] == 1
    r.stop()
    result, _ = r.census()
    assert result["kind"] == "committed" and result["clean"] == 1, result
    _, net, _, patch = r.diff()
    assert [c["path"] for c in net] == [b"large"] and patch
    os.mkdir(r.dir + "/check")
    r.step("checkout", "--out", r.dir + "/check")
    assert os.path.getsize(r.dir + "/check/large") == 100 << 20
    assert time.monotonic() - begin < 100


run(globals())
