#!/usr/bin/env bash
# ctest: timeout=120
# What the sandbox refused is shown: as events, in report.json, in report.md and `report show`, for the engine and for each
# verification command; it holds in `verify`; and it decides nothing. A program that is refused ten thousand times ends.
. "$2/tests/lib/e2e.bash"

mkdir -p "$W/cases"
cp -r "$SRC/cases/jail-holds" "$W/cases/jail-holds"
python3 - "$W/cases/jail-holds/case.json" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
flood = "import os\nfor _ in range(10000):\n  try: os.setpriority(os.PRIO_USER, 0, 1)\n  except PermissionError: pass\n  else: raise SystemExit(1)"
nameless = "import ctypes\nl = ctypes.CDLL(None)\nfor nr in (337, 338, 339): assert l.syscall(nr, 0, 0, 0) == -1"
c["fake"]["steps"] = [{"do": "exec", "argv": ["python3", "-c", code]} for code in (flood, nameless)] + c["fake"]["steps"]
c["fake"]["steps"].insert(0, {"do": "exec", "argv": ["sync", "-f", "."]})  # the engine may, the verifier may not
c["verification"] = [{"argv": ["sh", "check.sh"], "timeout_s": 30},
                     {"argv": ["sh", "-c", "! unshare -U true && ! unshare -U true && ! sync -f . && sh check.sh"], "timeout_s": 30}]
json.dump(c, open(sys.argv[1], "w"))
PY
"$HARNESS" --home "$W/home" --cases "$W/cases" run-case jail-holds --quiet >out 2>&1 || fail "run-case exits $?: $(cat out)"
run=$(run_dirs | head -1)
python3 - "$run" <<'PY' || fail "what was refused is not told as it was"
import json, sys
d = sys.argv[1]
sandbox = json.load(open(d + "/report.json"))["sandbox"]
engine, verifier = sandbox["engine"]["seccomp"], sandbox["verifier"]["seccomp"]
assert (engine["table"], engine["withheld"], engine["narrowed"]) == ("engine", [], []), engine
assert verifier["table"] == "verifier" and "syncfs" in verifier["withheld"], verifier
assert sorted(verifier["narrowed"]) == ["ioctl", "prctl"], verifier
md = open(d + "/report.md").read()  # for a person: no list as JSON, and what is missing beside what is in its place
assert '\\["' not in md and "narrowed ioctl, prctl" in md, md
for name in sandbox["landlock_missing"]:
    assert name.replace("_", "\\_") + " (instead: " in md, md
denied = sandbox["denied"]
assert denied["observed"] is True and not denied["truncated"], denied
calls = {(c["profile"], c.get("command"), c["syscall"]): c["count"] for c in denied["calls"]}
assert calls[("engine", None, "setpriority")] == 10000, calls
assert calls[("engine", None, "unknown")] == 3, calls
assert ("engine", None, "mount") in calls or ("engine", None, "fsopen") in calls, calls
assert calls[("verifier", 1, "unshare")] == 2, calls
assert calls[("verifier", 1, "syncfs")] == 1 and ("engine", None, "syncfs") not in calls, calls
assert not any(k[0] == "verifier" and k[1] == 0 for k in calls), calls
assert denied["total"] == sum(calls.values())
events = [json.loads(l) for l in open(d + "/events.normalized.jsonl")]
told = [e["data"] for e in events if e["type"] == "sandbox.denied"]
first = [t for t in told if t["count"] == 1]
assert {(t["profile"], t.get("command"), t["syscall"]) for t in first} == set(calls), told
assert [t["count"] for t in told if t["syscall"] == "setpriority"] == [1, 10000], told
assert next(t for t in told if t["syscall"] == "setpriority")["arguments"] == ["0x2", "0x0", "0x1"], told
md = open(d + "/report.md").read()
assert "- blocked system calls: `setpriority` 10000 times (engine)" in md and "(verification command 2)" in md
PY
"$HARNESS" --home "$W/home" verify "$run" >out 2>&1 || fail "verify: $(cat out)"
"$HARNESS" --home "$W/home" report show "$run" | grep -q 'blocked system calls: `setpriority`' || fail "report show is silent"
h run-case answer-only --quiet >out 2>&1 || fail "answer-only: $(cat out)"
quiet=$(run_dirs | grep answer-only | head -1)
grep -q -- '- blocked system calls: none' "$quiet/report.md" || fail "a run without a refusal does not say so"
sound
e2e_end
