#!/usr/bin/env python3
"""Known values in every spelling that must not be found: `say` writes them, `find` looks for them in every file of a directory.

  spellings.py say FD VALUE...      all spellings, to that descriptor, one byte at a time
  spellings.py find DIR VALUE...    names each file that holds one; exit 1 when there is any
"""
import base64
import json
import os
import sys
import urllib.parse


def core(digits, pad, size):
    """The digits that no neighbour has a say in: what stands before them mixes into the first."""
    skip, taken = ((0, 0), (2, 4), (3, 2))[pad]
    return digits[skip:skip + (8 * size - taken) // 6]


def spellings(value):
    v = value.encode()
    out = {
        "plain": v,
        "hex": v.hex().encode(),
        "HEX": v.hex().upper().encode(),
        "quoted": urllib.parse.quote(value, safe="").encode(),
        "quoted twice": urllib.parse.quote(urllib.parse.quote(value, safe=""), safe="").encode(),
        "every byte quoted": b"".join(b"%%%02x" % c for c in v),
        "json": json.dumps(value).strip('"').replace("/", "\\/").encode(),
        "json, every byte": b"".join(b"\\u%04x" % c for c in v),
        "json, upper": b"".join(b"\\u%04X" % c for c in v),
        "json in json": json.dumps(json.dumps(value).replace("/", "\\/"))[3:-3].encode(),
        "escaped": b"".join(b"\\x%02x" % c for c in v),
        "octal": b"".join(b"\\%03o" % c for c in v),
    }
    for pad in range(3):
        out["base64 at %d" % pad] = core(base64.b64encode(b"#" * pad + v), pad, len(v))
        out["base64url at %d" % pad] = core(base64.urlsafe_b64encode(b"#" * pad + v), pad, len(v))
    return out


def say(fd, values):
    for value in values:
        for text in spellings(value).values():
            for c in b"<" + text + b">\n":
                os.write(fd, bytes([c]))
        for pad in (b"", b"#", b"##"):
            whole = base64.encodebytes(pad + value.encode() * 4)
            for at in range(0, len(whole), 7):
                os.write(fd, whole[at:at + 7])
            os.write(fd, base64.b64encode(pad + value.encode()) + b"\n")


def find(top, values):
    wanted = [(value, name, text) for value in values for name, text in spellings(value).items()]
    bad = 0
    for folder, _, files in os.walk(top):
        for name in files:
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                content = f.read()
            content += path.encode(errors="surrogateescape")
            joined = content.replace(b"\n", b"").replace(b"\\n", b"")
            for value, kind, text in wanted:
                if text in content or (kind.startswith("base64") and text in joined):
                    print("%s: value %d, %s" % (path, values.index(value) + 1, kind))
                    bad = 1
    return bad


if __name__ == "__main__":
    if sys.argv[1] == "say":
        say(int(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(find(sys.argv[2], sys.argv[3:]))
