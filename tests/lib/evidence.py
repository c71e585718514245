"""evidence.py SCHEMAS RUNDIR... - a second opinion on run directories, from the design alone, with nothing of the program.

The artifact set, SHA256SUMS, digests, freshness, the chain and the order of events, the task contract, the agreement of
report.json with all of these; and report, events and contract against the JSON Schemas in SCHEMAS. Prints what is wrong."""
import hashlib
import json
import os
import re
import sys

SET = {"report.json", "report.md", "task-contract.json", "events.normalized.jsonl", "trace.jsonl", "patch.diff", "test.log",
       "SHA256SUMS"}
PASS_ORDER = ["run.started", "task.contract.created", "plan.updated", "patch.applied", "git.diff.checked", "verification.completed",
              "run.completed"]
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
REPORT_KEYS = """schema_version case_id run_id status backend run_started_at run_finished_at backend_exit_code backend_signal
artifacts_dir changed_files allowed_writes_passed approval_status verification blockers blocker_reasons artifact_paths
artifact_digests freshness required_events_passed tests_passed runtime_default_activation core_promotion_status eligibility
sandbox environment baseline_head result_head timings_ms resources""".split()
FAILS = set("""no_diff disallowed_file_change verification_failed missing_required_event dirty_ending_tree
artifact_write_failure backend_failed lifecycle_timeout_after_valid_patch forbidden_path_change history_rewritten
repository_unreadable output_limit_exceeded resource_limit_exceeded sandbox_violation worker_protocol_violation worker_failed
supervisor_interrupted forbidden_action_attempted""".split())


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Run:
    def __init__(self, path):
        self.path, self.wrong = path, []
        self.files = {}
        for base, _, names in os.walk(path):
            for name in names:
                full = os.path.join(base, name)
                if os.path.islink(full) or not os.path.isfile(full):
                    self.bad(f"{name} is no regular file")
                    continue
                with open(full, "rb") as f:
                    self.files[os.path.relpath(full, path)] = f.read()

    def bad(self, text):
        self.wrong.append(text)

    def need(self, good, text):
        if not good:
            self.bad(text)
        return good

    def check_sums(self):
        self.need(SET <= set(self.files), f"missing: {sorted(SET - set(self.files))}")
        self.need(os.path.isdir(os.path.join(self.path, "backend")), "backend/ is missing")
        extra = {f for f in self.files if not f.startswith("backend/")} - SET
        self.need(not extra, f"does not belong here: {sorted(extra)}")
        listed = {}
        for line in self.files["SHA256SUMS"].decode().splitlines():
            digest, name = line.split("  ", 1)
            listed[name] = digest
        self.need(list(listed) == sorted(listed), "SHA256SUMS is not sorted")
        self.need(listed == {n: sha(d) for n, d in self.files.items() if n != "SHA256SUMS"}, "SHA256SUMS is not the digests of the files")

    def check_events(self):
        prev = "0" * 64
        lines = self.files["events.normalized.jsonl"].split(b"\n")
        self.need(lines.pop() == b"", "the last event has no newline")
        self.events = []
        for n, line in enumerate(lines, 1):
            e = json.loads(line)
            self.need(list(e) == ["v", "seq", "ts", "run_id", "case_id", "backend", "type", "data", "prev"], f"event {n}: keys {list(e)}")
            self.need(e["v"] == 1 and e["seq"] == n and e["prev"] == prev, f"event {n}: chain or number")
            self.need(STAMP.match(e["ts"]) and e["run_id"] == os.path.basename(self.path), f"event {n}: stamp or run")
            prev = sha(line)
            self.events.append(e)
        self.head = prev
        times = [e["ts"] for e in self.events]
        self.need(times == sorted(times), "events go back in time")
        types = [e["type"] for e in self.events]
        self.need(types[0] == "run.started" and types[-1] == "run.completed", "first or last event")
        self.need(types.count("run.started") == types.count("run.completed") == 1, "started or completed more than once")
        core = [t for t in types if t in PASS_ORDER]
        self.need(core == [t for t in PASS_ORDER if t in core], f"order of events: {core}")
        contracts = [e for e in self.events if e["type"] == "task.contract.created"]
        self.need(len(contracts) == 1 and contracts[0]["data"]["digest"] == sha(self.files["task-contract.json"]), "contract and its digest")

    def check_report(self):
        r = self.report = json.loads(self.files["report.json"])
        missing = [k for k in REPORT_KEYS if k not in r]
        self.need(not missing, f"report lacks {missing}")
        covered = set(self.files) - {"SHA256SUMS", "run.intoto.jsonl"}
        self.need(set(r["artifact_digests"]) == set(r["artifact_paths"]) == set(r["freshness"]) == covered, "digests, paths or freshness do not name the files")
        for name, digest in r["artifact_digests"].items():
            if name == "report.json":
                text = self.files[name]
                self.need(text.count(digest.encode()) == 1 and sha(text.replace(digest.encode(), b"")) == digest, "the report's own digest")
            else:
                self.need(sha(self.files[name]) == digest, f"digest of {name}")
        for name, f in r["freshness"].items():
            self.need(f["fresh"] is True and max(f["written_at"], f["checked_at"]) >= r["run_started_at"], f"{name} is stale")
        self.need(STAMP.match(r["run_started_at"]) and r["run_started_at"] <= r["run_finished_at"], "start and end")
        self.need(r["artifacts_dir"] == self.path and r["run_id"] == os.path.basename(self.path), "where it lies")
        self.need(r["runtime_default_activation"] is False and r["core_promotion_status"] == "not-promoted", "activation or promotion")
        self.need(r["events"]["count"] == len(self.events) and r["events"]["head"] == self.head, "head of the events")

    def check_verdict(self):
        r, done = self.report, self.events[-1]["data"]
        reasons = [b["reason"] for b in r["blockers"]]
        self.need(r["blocker_reasons"] == reasons == done["blockers"] and r["status"] == done["status"], "blockers or status of run.completed")
        self.need(all(b["detail"] and b["event"] for b in r["blockers"]), "a blocker without a sentence")
        want = "fail" if set(reasons) & FAILS else "blocked" if reasons else "pass"
        self.need(r["status"] == want, f"status {r['status']} with {reasons}")
        self.need(self.files["report.md"].startswith(f"# {want.upper()}:".encode()), "report.md begins with another verdict")
        types = {e["type"] for e in self.events}
        for b in r["blockers"]:
            self.need(b["event"] in types, f"the event {b['event']} of {b['reason']} did not occur")
        omitted = {x["event"] for x in r["not_applicable"]}
        absent = {t for t in PASS_ORDER if t not in types}
        if want == "pass":
            self.need(r["allowed_writes_passed"] is True and r["required_events_passed"] is True and not omitted, "a pass that does not hold")
            self.need(all(v["passed"] and v["exit_code"] == 0 for v in r["verification"]), "a pass with a failed command")
            self.need(r["tests_passed"] is (True if r["verification"] else None), "tests_passed")
        elif "missing_required_event" not in reasons:
            self.need(absent <= omitted, f"not said why there was no {sorted(absent - omitted)}")
        self.need(bool(self.files["patch.diff"]) == bool(r["changed_files"]) or "artifact_write_failure" in reasons or want != "pass", "patch and changed files")
        if not r["changed_files"] and want == "pass":
            self.need(r["artifact_digests"]["patch.diff"].startswith("e3b0c44298fc1c14"), "digest of an empty patch")

    def check_schemas(self, validators):
        documents = [("report", self.report), ("task-contract", json.loads(self.files["task-contract.json"]))]
        for kind, d in documents + [("event", e) for e in self.events]:
            for error in list(validators[kind].iter_errors(d))[:2]:
                self.bad(f"{kind} schema: {'/'.join(map(str, error.absolute_path))}: {error.message[:160]}")


def check(path, validators):
    run = Run(path)
    try:
        run.check_sums()
        run.check_events()
        run.check_report()
        run.check_verdict()
        if validators:
            run.check_schemas(validators)
    except (KeyError, ValueError, IndexError, TypeError) as e:
        run.bad(f"{type(e).__name__}: {e}")
    return run


def load_schemas(directory):
    if directory == "-":
        return None
    import jsonschema
    found = {}
    for name in os.listdir(directory):
        with open(os.path.join(directory, name)) as f:
            found[name.removesuffix(".json")] = jsonschema.Draft202012Validator(json.load(f))
    return found


def main():
    validators = load_schemas(sys.argv[1])
    wrong = 0
    for path in sys.argv[2:]:
        run = check(os.path.abspath(path), validators)
        wrong += bool(run.wrong)
        for text in run.wrong[:5]:
            print(f"{os.path.basename(path)}: {text}")
    print(f"{len(sys.argv) - 2} run directories, {wrong} do not hold")
    return 1 if wrong or len(sys.argv) < 3 else 0


if __name__ == "__main__":
    sys.exit(main())
