#!/usr/bin/env bash
# ctest: timeout=300
# A fresh home: every case and every failure fixture ends as declared; every run directory is complete and holds, by the
# program, by sha256sum, and by a second opinion that knows nothing of the program.
. "$2/tests/lib/e2e.bash"

h run-all-fake --failures --json >matrix.json 2>err || fail "run-all-fake --failures exits $?: $(tail -5 err)"
python3 - matrix.json "$SRC/cases" <<'PY' || fail "the matrix is not as declared"
import json, os, sys
said = json.load(open(sys.argv[1]))
report = json.load(open(said["report_path"]))
cases = [d for d in os.listdir(sys.argv[2]) if os.path.exists(os.path.join(sys.argv[2], d, "case.json"))]
# what is made for the test double of ca is for validators: failure_matrix.sh
failures = [d for d in os.listdir(sys.argv[2] + "/failures")]
doubles = [d for d in failures if "double" in json.load(open(f"{sys.argv[2]}/failures/{d}/case.json"))]
assert doubles, "no fixture of the test double"
cases += [d for d in failures if d not in doubles]
rows = {r["case_id"]: r for r in report["rows"]}
assert sorted(rows) == sorted(cases), set(rows) ^ set(cases)
assert said["ok"] and report["ok"] and said["totals"]["unexpected"] == 0 and said["totals"]["planned"] == len(cases)
for name in ("r1-string-slugify", "r1-src-string-slugify", "r1-slugify-punctuation"):
    assert rows[name]["status"] == "pass", rows[name]
counts = {s: sum(r["status"] == s for r in rows.values()) for s in ("pass", "fail", "blocked")}
t = said["totals"]
assert (t["passed"], t["failed"], t["blocked"]) == (counts["pass"], counts["fail"], counts["blocked"]), (t, counts)
assert min(counts.values()) > 0, counts
PY
schemas=-
if python3 -c 'import jsonschema' 2>/dev/null; then schemas && schemas=$W/schemas; fi
mapfile -t runs < <(run_dirs)
[ "${#runs[@]}" -ge 40 ] || fail "only ${#runs[@]} run directories"
python3 "$SRC/tests/lib/evidence.py" "$schemas" "${runs[@]}" >opinion 2>&1 || fail "second opinion: $(cat opinion)"
for d in "$W"/home/harness-runs/*; do
    check "$d: sha256sum -c" sh -c 'cd "$1" && sha256sum --strict --quiet -c SHA256SUMS' sh "$d"
done
for d in "${runs[@]}"; do # offline: another home, another place
    mkdir -p away && mv "$d" away/
    "$HARNESS" --home "$W/nowhere" verify "away/${d##*/}" >out 2>&1 || fail "$d: offline verify: $(cat out)"
    mv "away/${d##*/}" "$d"
done
# A second opinion that finds nothing wrong with anything proves nothing.
cp -r "${runs[0]}" copy
sed -i 's/"pass"/"fail"/' copy/report.json
! python3 "$SRC/tests/lib/evidence.py" - copy >/dev/null || fail "the second opinion holds a changed report for good"
sound
e2e_end
