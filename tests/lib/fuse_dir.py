"""fuse_dir.py DIR [--stall] - mounts an empty directory of a FUSE filesystem on DIR and serves it until it is killed. Prints "up"
when it answers. Exit 77 when this host has no FUSE. Only enough of the protocol for stat, statfs and lookups that find nothing;
with --stall a directory can be looked at, but whoever lists it waits for ever."""
import ctypes
import os
import struct
import sys

INIT, LOOKUP, GETATTR, STATFS, FORGET, ACCESS, OPENDIR, RELEASEDIR = 26, 1, 3, 17, 2, 34, 27, 29
ENOENT, ENOSYS = 2, 38


def attributes():
    now = 1700000000
    return struct.pack("<QI4x", 1, 0) + struct.pack("<6Q10I", 1, 0, 0, now, now, now, 0, 0, 0, 0o40777, 2, 0, 0, 0, 4096, 0)


def answer(opcode, body):
    if opcode == INIT:
        major, minor, readahead, _ = struct.unpack_from("<4I", body)
        return 0, struct.pack("<4I2H2I2H8I", 7, min(minor, 31), readahead, 0, 12, 9, 65536, 1, 16, 0, *[0] * 8)
    if opcode == GETATTR:
        return 0, attributes()
    if opcode == STATFS:
        return 0, struct.pack("<5Q4I24x", 1000, 1000, 1000, 1000, 1000, 4096, 255, 4096, 0)
    if opcode == LOOKUP:
        return -ENOENT, b""
    return -ENOSYS, b""


def main():
    try:
        fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as e:
        print(f"no FUSE: {e}")
        sys.exit(77)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"test", os.fsencode(sys.argv[1]), b"fuse", 0, options) != 0:
        print(f"no FUSE: {os.strerror(ctypes.get_errno())}")
        sys.exit(77)
    print("up", flush=True)
    while True:
        try:
            request = os.read(fd, 1 << 20)
        except OSError:
            return
        _, opcode, unique = struct.unpack_from("<IIQ", request)
        if opcode == FORGET or (opcode == OPENDIR and "--stall" in sys.argv):
            continue
        error, body = answer(opcode, request[40:])
        os.write(fd, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


main()
