"""What is small to write and vast to read, and what is simply vast: each step ends soon and says why."""
import hashlib
import os
import struct
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


run(globals())
