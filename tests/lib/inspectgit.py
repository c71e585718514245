"""Repositories as no git would write them: objects, packs and commits made byte by byte."""
import hashlib
import struct
import zlib


def start(r, *args):
    r.write("a.py", "print(1)\n")
    r.write("dir/b.txt", "b\n")
    r.write(".gitignore", "*.log\n")
    r.watch(*args)


def loose(r, kind, content, oid=None):
    """Writes a loose object by hand; a false oid makes it a lie."""
    data = kind.encode() + b" %d\0" % len(content) + content
    oid = oid or hashlib.sha1(data).hexdigest()
    r.write(".git/objects/%s/%s" % (oid[:2], oid[2:]), zlib.compress(data))
    return oid


def tree(r, *entries):
    return loose(r, "tree", b"".join(b"%s %s\0%s" % (m, n, bytes.fromhex(o)) for m, n, o in entries))


def raw_commit(r, tree_oid, *parents):
    text = "tree %s\n%sauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nm\n" % (
        tree_oid, "".join("parent %s\n" % p for p in parents))
    return loose(r, "commit", text.encode())


def set_head(r, oid):
    r.write(".git/refs/heads/main", oid + "\n")


def judged(r, kind, word=""):
    """The watch step says neither moved nor crashes; the census says `kind`."""
    look = r.look()[1]
    assert look["moved"] == 0 or kind == "committed", look
    r.stop()
    result, dirty = r.census()
    assert result["kind"] == kind and word in result["detail"], result
    return result, dirty


def judged_any(r):
    r.look()
    r.stop()
    return r.census()


def pack_entry(kind, size, content, extra=b""):
    """One entry of a pack; `size` is what its header says."""
    first, size = (kind << 4) | (size & 15), size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7f, size >> 7
    out.append(first)
    return bytes(out) + extra + zlib.compress(content)


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append((n & 0x7f) | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def offset(n):
    out = [n & 0x7f]
    n >>= 7
    while n:
        n -= 1
        out.insert(0, 0x80 | (n & 0x7f))
        n >>= 7
    return bytes(out)


def delta(base_size, result_size, *instructions):
    return varint(base_size) + varint(result_size) + b"".join(instructions)


def put_pack(r, name, *entries, count=None):
    body = b"PACK" + struct.pack(">II", 2, len(entries) if count is None else count) + b"".join(entries)
    r.write(".git/objects/pack/pack-%s.pack" % (name * 40)[:40], body + hashlib.sha1(body).digest())
