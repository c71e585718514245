#!/bin/bash
# schema_reports.sh BINDIR SRCDIR - what the program really writes, against the schemas that the program itself publishes.
# ctest: timeout=300
set -u
bin=$1 src=$2
python3 -c 'import jsonschema' 2>/dev/null || { echo "python3-jsonschema is missing"; exit 77; }
home=$(mktemp -d) || exit 1
trap 'rm -rf "$home"' EXIT
h() { "$bin/cto-harness" --home "$home" --cases "$src/cases" "$@"; }

mkdir "$home/schemas" || exit 1
h schema > "$home/names" || { echo "schema does not list its names"; exit 1; }
for name in report event case task-contract matrix-report control-summary candidate-default-comparison real-refresh-comparison; do
    grep -qx "$name" "$home/names" || { echo "no schema $name"; exit 1; }
done
while read -r name; do h schema "$name" > "$home/schemas/$name.json" || exit 1; done < "$home/names"
h schema no-such-thing 2> /dev/null
[ $? -eq 2 ] || { echo "an unknown schema must be exit 2"; exit 1; }

# Whoever writes a case, or reads a report, asks the schema what a key is for: each one says it, in words of its own. The steps of
# the fake lane are told in one sentence, which names every word that the reader knows.
python3 - "$home/schemas" "$src/supervisor/case_steps.c" <<'PY' || exit 1
import glob, json, re, sys
bad = count = 0

def walk(node, path):
    global bad, count
    if not isinstance(node, dict):
        return
    for key, value in node.get("properties", {}).items():
        count += 1
        text, here = value.get("description", ""), f"{path}.{key}"
        if len(text) < 12 or text[-1] not in ".?" or re.sub("[^a-z]", "", text.lower()) == re.sub("[^a-z]", "", key.lower()):
            bad += 1
            print(f"{here}: no description that helps: {text!r}")
        walk(value, here)
    for key in "items", "additionalProperties":
        walk(node.get(key), path + "[]")

for path in glob.glob(sys.argv[1] + "/*.json"):
    walk(json.load(open(path)), path.rsplit("/", 1)[1])
steps = json.load(open(sys.argv[1] + "/case.json"))["properties"]["fake"]["properties"]["steps"]["description"]
words = re.findall(r'^    \{"([a-z_]+)",', open(sys.argv[2]).read(), re.M)
missing = [w for w in words if not re.search(rf"\b{w}\b", steps)]
print(f"{count} keys, {bad} without a description; {len(words)} steps, not described: {missing}")
sys.exit(1 if bad or missing or count < 200 or len(words) < 20 else 0)
PY

# One pass, one fail, one blocked at least; the exit codes are judged elsewhere.
h run-case r1-string-slugify --json > "$home/pass.json"
h run-case disallowed-file --json > "$home/fail.json"
h run-case dirty-starting-tree --json > "$home/blocked.json"
h run-all-fake --json > "$home/matrix.json"

python3 - "$home" "$src" <<'PY'
import glob, json, os, sys
import jsonschema
home, src = sys.argv[1:]
check = {}
for path in glob.glob(home + "/schemas/*.json"):
    schema = json.load(open(path))
    jsonschema.Draft202012Validator.check_schema(schema)
    check[os.path.basename(path)[:-5]] = jsonschema.Draft202012Validator(schema)
bad = count = 0
seen = set()

def hold(kind, document, where):
    global bad, count
    count += 1
    for error in list(check[kind].iter_errors(document))[:3]:
        bad += 1
        print(f"{where}: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")

for path in glob.glob(src + "/cases/*/case.json") + glob.glob(src + "/cases/failures/*/case.json"):
    hold("case", json.load(open(path)), path)
for run in glob.glob(home + "/harness-runs/*"):
    report = json.load(open(run + "/report.json"))
    if "matrix_id" in report and "rows" in report:
        hold("matrix-report", report, run)
        seen.add("matrix")
        continue
    seen.add(report["status"])
    hold("report", report, run)
    hold("task-contract", json.load(open(run + "/task-contract.json")), run)
    for n, line in enumerate(open(run + "/events.normalized.jsonl"), 1):
        hold("event", json.loads(line), f"{run}: event {n}")
missing = {"pass", "fail", "blocked", "matrix"} - seen
print(f"{count} documents, {bad} errors, not seen: {sorted(missing)}")
# A validator that accepts everything proves nothing: a report with a changed constant must be refused.
sample = next(json.load(open(r + "/report.json")) for r in glob.glob(home + "/harness-runs/*") if os.path.exists(r + "/patch.diff"))
for key, value in [("status", "passed"), ("runtime_default_activation", True), ("core_promotion_status", "promoted"), ("blockers", "none")]:
    if check["report"].is_valid({**sample, key: value}):
        bad += 1
        print(f"a report with {key} = {value!r} was accepted")
sys.exit(1 if bad or missing or not count else 0)
PY
