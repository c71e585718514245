"""What the scripted model does: a list of steps, and which of them comes now.

The steps are those of a case's fake lane ("fake": {"steps": [...]} in case.json), or a file of such steps, so that the same change
is made by the fake agent and by a real one. A mode changes the list or what is said beside it. A step becomes a call of a tool that
the agent offers: its own edit, write and read where it has them, else its shell.

The server keeps no conversation: what was done is counted from the tool results that the request itself holds. So it follows
retries, parallel agents and a restarted server, and steps are written so that doing one twice does no harm.
"""
import base64
import json
import os
import shlex

SHELLS = ("bash", "exec_command", "shell_command", "shell", "run_shell_command", "execute_command", "run_command")
PLAIN = {"fix", "no-diff", "disallowed", "uncommitted", "orphan", "linger", "linger-talk", "huge", "slow", "wrong-model",
         "reasoning-only", "empty"}
WIRE = {"401", "429", "500", "hang", "hang-stream", "drop", "garbage", "no-body"}
OUTSIDE = "outside-of-the-task.txt"
ORPHAN_SECONDS = 601  # a number of its own, to be found among processes
LINGER_TURNS = 2000


class BadScript(Exception):
    """The script or the mode cannot be done; the text says why."""


class Answer:
    """One answer: what is thought, what is said, and at most one call of a tool."""

    def __init__(self, text="", reasoning="", call=None, length=False):
        self.text = text
        self.reasoning = reasoning
        self.call = call      # (name, arguments as dict, or as text for a tool that takes any text) or None
        self.length = length  # ended because the room for tokens was used up


def parse_mode(word):
    """"name", "name:argument" -> (name, argument); BadScript for an unknown one."""
    name, _, argument = word.strip().partition(":")
    if name in PLAIN | WIRE and not argument:
        return name, None
    if name in ("reasoning-until", "status") and argument.isdigit():
        return name, int(argument)
    if name == "redirect" and argument:
        return name, argument
    raise BadScript(f"unknown mode '{word}'")


def parse_modes(text):
    """"500*2,fix" -> [("500", None), ("500", None), ("fix", None)]."""
    modes = []
    for part in text.split(","):
        word, star, count = part.rpartition("*")
        if not star:
            word, count = part, "1"
        if not count.isdigit() or not 1 <= int(count) <= 10000:
            raise BadScript(f"'{part}': how often?")
        modes += [parse_mode(word)] * int(count)
    return modes


def load(case=None, script=None):
    """Steps of a case directory or of a script file: {"steps": [...]} or the bare list."""
    if script:
        with open(script, encoding="utf-8") as f:
            data = json.load(f)
        steps = data["steps"] if isinstance(data, dict) else data
    elif case:
        with open(os.path.join(case, "case.json"), encoding="utf-8") as f:
            steps = [whole_lines(case, s) for s in json.load(f).get("fake", {}).get("steps", [])]
    else:
        steps = SLUGIFY
    for step in steps:
        if not hasattr(Planner, "do_" + step.get("do", "")) and step.get("do") not in ("output", "say_done"):
            raise BadScript(f"no way to do the step {json.dumps(step)[:80]}")
    return steps


def whole_lines(case, step):
    """The step; of one that replaces whole lines of the fixture it says so."""
    if step.get("do") != "replace":
        return step
    try:
        with open(os.path.join(case, "fixture", step["path"]), encoding="utf-8", newline="") as f:
            text = f.read()
    except (OSError, UnicodeDecodeError):
        return step
    return {**step, "lines": "\n" + step["old"].rstrip("\n") + "\n" in "\n" + text}


# Without a script: what the case r1-string-slugify wants.
SLUGIFY = [
    {"do": "replace", "lines": True, "path": "strings.py", "old": "    return text.replace(\" \", \"-\")",
     "new": "    return \"-\".join(text.lower().split())"},
    {"do": "commit", "message": "Make slugify lower-case and collapse white space"},
]


def python(program, *args):
    """A shell command that runs PROGRAM with the arguments given as JSON: no quoting can go wrong in it."""
    return "python3 - " + " ".join(shlex.quote(json.dumps(a)) for a in args) + " <<'END_OF_PROGRAM'\n" + \
        "import json, os, sys\na = [json.loads(x) for x in sys.argv[1:]]\n" + program + "\nEND_OF_PROGRAM\n"


WRITE = "import base64\nd = os.path.dirname(a[0])\nd and os.makedirs(d, exist_ok=True)\nopen(a[0], 'wb').write(base64.b64decode(a[1]) * a[2])"
APPEND = "open(a[0], 'a').write(a[1])"
REPLACE = ("t = open(a[0], newline='').read()\n"
           "if a[1] not in t and a[2] in t: sys.exit(0)\n"
           "if a[1] not in t: sys.exit('the text to be replaced is not there')\n"
           "open(a[0], 'w', newline='').write(t.replace(a[1], a[2], 1))")


class Planner:
    """The steps of one request: who offers which tools, and how far the conversation has come."""

    def __init__(self, steps, mode, size, tools, room, wants_envelope):
        self.mode, self.argument = mode
        self.size = size
        self.tools = tools  # name -> JSON schema of its arguments, None: it takes any text
        self.room = room    # the most tokens that the caller takes, or None
        self.wants_envelope = wants_envelope
        self.steps = steps
        self.touched = []

    def answer(self, done):
        """The answer when DONE tool results are there already."""
        if self.mode == "reasoning-only":
            return Answer(reasoning="I think about it, and think again, and say nothing.")
        if self.mode == "reasoning-until" and self.room is not None and self.room < self.argument:
            return Answer(reasoning="There is no room to say what I think.", length=True)
        if self.mode == "empty":
            return Answer()
        if not self.tools:
            return Answer(text=self.without_tools(), reasoning="No tools: I say what to change.")
        calls = self.calls()
        if done < len(calls):
            text = "I look at the file, change it, and commit." if done == 0 else ""
            return Answer(text=text, reasoning=f"Step {done + 1} of {len(calls)}.", call=calls[done])
        k = done - len(calls)
        if self.mode == "linger" and k < LINGER_TURNS:
            return Answer(call=self.shell("sleep 30"))
        if self.mode == "linger-talk" and k < LINGER_TURNS:
            return Answer(text=f"I look once more, part {k + 1}.", call=self.shell(f"echo still here {k + 1}; sleep 0.3"))
        return Answer(text=self.closing())

    def closing(self):
        if self.mode == "huge":  # only now: agents shorten a conversation that has grown too long, and would begin anew
            return filler(self.size)
        text = "Done: slugs are clean now, the tests pass." if self.mode != "no-diff" else "Done: nothing had to change."
        if self.wants_envelope:
            text += "\n\n<<<AGENT_RESULT\n" + json.dumps(
                {"status": "completed", "summary": "done", "artifacts": {"commit": None, "filesChanged": sorted(set(self.touched)),
                                                                       "testsPassed": True}, "error": None}) + "\nAGENT_RESULT>>>"
        return text

    def without_tools(self):
        """For agents that read edits from text, in the search-and-replace form that is most used."""
        blocks = [f"{s['path']}\n```\n<<<<<<< SEARCH\n{s['old']}\n=======\n{s['new']}\n>>>>>>> REPLACE\n```"
                  for s in self.steps if s["do"] == "replace"] if self.mode != "no-diff" else []
        return "\n\n".join(blocks) + "\n\n" + self.closing() if blocks else self.closing()

    def calls(self):
        """All calls of tools, in order."""
        first = next((s["path"] for s in self.steps if s["do"] == "replace"), None)
        calls = [self.read(first) if first else self.shell("ls")]
        if self.mode == "no-diff":
            return calls
        if self.mode == "orphan":
            calls.append(self.shell("(setsid sh -c 'trap \"\" TERM INT HUP; exec sleep %d' </dev/null >/dev/null 2>&1 &)"
                                    % ORPHAN_SECONDS))
        steps = [s for s in self.steps if s["do"] not in ("output", "say_done")]
        if self.mode == "uncommitted":
            steps = [s for s in steps if s["do"] != "commit"]
        if self.mode == "disallowed":
            at = next((i for i, s in enumerate(steps) if s["do"] == "commit"), len(steps))
            steps = steps[:at] + [{"do": "write", "path": OUTSIDE, "text": "This file is no part of the task.\n"}] + steps[at:]
        return calls + [getattr(self, "do_" + s["do"])(s) for s in steps]

    # Tools.

    def shell(self, command):
        for name in SHELLS:
            if self.tools.get(name) is not None:
                return name, self.fill(name, {("cmd", "command"): command})
        raise BadScript("the agent offers no shell: " + ", ".join(sorted(self.tools)))

    def fill(self, name, wanted):
        """Arguments for the tool NAME: each of WANTED under the first of its names that the schema knows."""
        properties = self.tools[name].get("properties", {})
        args = {}
        for names, value in wanted.items():
            key = next((n for n in names if n in properties), names[0])
            if properties.get(key, {}).get("type") == "array" and isinstance(value, str):
                value = ["bash", "-c", value]
            args[key] = value
        for key in self.tools[name].get("required", []):
            if key not in args:
                args[key] = {"string": "a step", "boolean": False, "number": 60000, "integer": 60000,
                             "array": []}.get(properties.get(key, {}).get("type"), {})
        return args

    def has(self, name, *keys):
        return all(k in (self.tools.get(name) or {}).get("properties", {}) for k in keys)

    def read(self, path):
        for key in ("path", "filePath", "file_path"):
            if self.has("read", key):
                return "read", {key: path}
        return self.shell("cat -- " + shlex.quote(path))

    # Steps, by the words of a case's fake lane.

    def do_read(self, s):
        return self.read(s["path"])

    def do_replace(self, s):
        self.touched.append(s["path"])
        if self.has("edit", "path", "edits"):
            return "edit", {"path": s["path"], "edits": [{"oldText": s["old"], "newText": s["new"]}]}
        for path, old, new in (("path", "oldText", "newText"), ("filePath", "oldString", "newString"),
                               ("file_path", "old_string", "new_string")):
            if self.has("edit", path, old, new):
                return "edit", {path: s["path"], old: s["old"], new: s["new"]}
        if self.tools.get("apply_patch", "") is None and s.get("lines"):
            return "apply_patch", f"*** Begin Patch\n*** Update File: {s['path']}\n@@\n" + "".join(
                sign + line + "\n" for sign, text in (("-", s["old"]), ("+", s["new"])) for line in text.rstrip("\n").split("\n")
            ) + "*** End Patch\n"
        return self.shell(python(REPLACE, s["path"], s["old"], s["new"]))

    def do_write(self, s):
        self.touched.append(s["path"])
        if "text" in s and "mode" not in s and self.has("write", "path", "content"):
            return "write", {"path": s["path"], "content": s["text"]}
        data, times = s.get("base64"), 1
        if "text" in s:
            data = base64.b64encode(s["text"].encode()).decode()
        elif data is None:
            data, times = base64.b64encode(bytes([s["repeat_byte"]])).decode(), s.get("size", 1)
        command = python(WRITE, s["path"], data, times)
        if "mode" in s:
            command += f"chmod {s['mode']} -- {shlex.quote(s['path'])}\n"
        return self.shell(command)

    def do_append(self, s):
        self.touched.append(s["path"])
        return self.shell(python(APPEND, s["path"], s["text"]))

    def do_delete(self, s):
        self.touched.append(s["path"])
        return self.shell("rm -rf -- " + shlex.quote(s["path"]))

    def do_rename(self, s):
        self.touched += [s["from"], s["to"]]
        return self.shell(f"mv -- {shlex.quote(s['from'])} {shlex.quote(s['to'])}")

    def do_chmod(self, s):
        self.touched.append(s["path"])
        return self.shell(f"chmod {s['mode']} -- {shlex.quote(s['path'])}")

    def do_symlink(self, s):
        self.touched.append(s["path"])
        return self.shell(f"ln -sfn -- {shlex.quote(s['target'])} {shlex.quote(s['path'])}")

    def do_mkdir(self, s):
        return self.shell("mkdir -p -- " + shlex.quote(s["path"]))

    def do_git(self, s):
        return self.shell("git " + shlex.join(s["args"]))

    def do_exec(self, s):
        return self.shell(shlex.join(s["argv"]))

    def do_sleep(self, s):
        return self.shell(f"sleep {s['ms'] / 1000}")

    def do_run(self, s):
        """Only in scripts: a shell command as it is."""
        return self.shell(s["command"])

    def do_commit(self, s):
        paths = s.get("paths") or sorted(set(self.touched)) or ["."]
        return self.shell(f"git add -A -- {shlex.join(paths)} && git commit -q -m {shlex.quote(s['message'])}")


def filler(size):
    """SIZE bytes of text that does not look like anything."""
    line = "The model says a great deal and means very little by it, line after line.\n"
    return (line * (size // len(line) + 1))[:size]
