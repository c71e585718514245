#!/usr/bin/env python3
"""screen.py COLUMNS COMMAND...: runs a command on a terminal of that width and prints what it wrote, a line each, without colours.
Exits 99 when a row would have wrapped (what is meant to be copied whole may: $SCREEN_SENTENCES, a regular expression) or when a byte arrived that a terminal acts on, other than colours and the two sequences of
the live table (one line up, erase the line); otherwise as the command did."""
import fcntl, os, pty, re, struct, sys, termios, unicodedata

sentences = re.compile(os.environ.get("SCREEN_SENTENCES") or r"^(report|next page|cto-harness): ")
columns, command = int(sys.argv[1]), sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.environ.setdefault("TERM", "xterm")
    os.execvp(command[0], command)
    os._exit(127)
data = b""
while True:
    try:
        chunk = os.read(fd, 65536)
    except OSError:  # the other end is closed
        break
    if not chunk:
        break
    data += chunk
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
text = re.sub(r"\x1b\[[0-9;]*m|\x1b\[1A|\x1b\[2K", "", data.decode("utf-8", "surrogateescape"))
for line in text.split("\r\n"):
    width = sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
    print(line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
    bad = [c for c in line if ord(c) < 32 or 0x7f <= ord(c) < 0xa0 or 0xdc80 <= ord(c) < 0xdd00]
    if bad:
        print(f"screen.py: bytes that a terminal acts on: {bad!r}", file=sys.stderr)
        code = 99
    if width > columns and not sentences.search(line):
        print(f"screen.py: {width} columns on a screen of {columns}: {line!r}", file=sys.stderr)
        code = 99
sys.exit(code)
