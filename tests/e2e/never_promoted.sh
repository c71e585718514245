#!/usr/bin/env bash
# ctest: timeout=300 labels=heavy only=self
# No flag, variable, file, record or row makes any output say that something was activated or promoted. Every command that speaks of it
# is run under all that might be taken for a switch, and its output is read: the two fields wherever they stand, and the two words.
. "$2/tests/lib/e2e.bash"
. "$SRC/tests/lib/planning.bash"
for v in $(env | sed -n 's/^\(CTO_[A-Z_]*\)=.*/\1/p'); do [[ $v == CTO_TEST_* || $v == CTO_SANITIZED || $v == CTO_INSTRUMENTED ]] || unset "$v"; done

cat >reader.py <<'PY'
# Reads what commands printed and wrote. A name that somebody configured may be repeated where it is shown as that name.
import json, re, sys
names = {"case_model", "case_model_provider", "case_runtime_model_provider", "case_model_admission_file"}
word = re.compile(r"(?<!not-)(?<!not )\b(activated|promoted)\b", re.I)
bad, seen = [], 0
def walk(file, where, x, quoted):
    global seen
    if isinstance(x, dict):
        for k, v in x.items():
            if k.lower() == "runtime_default_activation":
                seen += 1
                if v is not False: bad.append(f"{file}: {where}.{k} is {v!r}")
            if k.lower() == "core_promotion_status":
                seen += 1
                if v != "not-promoted": bad.append(f"{file}: {where}.{k} is {v!r}")
            if word.search(k): bad.append(f"{file}: a key {where}.{k}")
            walk(file, f"{where}.{k}", v, quoted or k in names)
    elif isinstance(x, list):
        for i, v in enumerate(x): walk(file, f"{where}[{i}]", v, quoted)
    elif isinstance(x, str) and not quoted and word.search(x):
        bad.append(f"{file}: {where} says {x[:120]!r}")
for file in sys.argv[1:]:
    text = open(file, errors="replace").read()
    if re.search(r'runtime_default_activation"?\s*[:=]\s*"?(true|1|yes|on|activated)', text, re.I): bad.append(f"{file}: says that it is active")
    try:
        walk(file, "", json.loads(text), False)
    except ValueError:
        for n, line in enumerate(text.splitlines(), 1):
            seen += "Core promotion: not-promoted." in line
            if word.search(line): bad.append(f"{file}:{n}: {line[:160]}")
print(seen)
sys.exit("\n".join(bad) if bad else 0)
PY
# read_all LEAST FILES...: nothing bad in them, and the fields were there at least so often (else nothing was looked at)
read_all() {
    local least=$1 n
    shift
    n=$(python3 reader.py "$@" 2>bad.txt) || fail "$(head -c 1500 bad.txt)"
    check "the fields were seen ${n:-0} times in: $*" [ "${n:-0}" -ge "$least" ]
}

core=$W/core
mkdir core && git -c init.defaultBranch=main init -q core
planning_workspace "$W/plan"
# everything that speaks of it, into out/; what is blocked is said with another exit code, and that is no matter here
speak() {
    rm -rf out && mkdir out
    h engines --json >out/engines.json
    h packet core-promotion --json >out/packet.json
    h packet core-promotion --md >out/packet.md
    h packet core-promotion >out/packet.txt
    h guard core-route --core "$core" --json >out/guard.json
    h guard core-route --core "$core" >out/guard.txt
    h audit endgoal --json >out/audit.json
    h audit endgoal >out/audit.txt
    h workspace validate "$W/plan" --json | jq 'del(.errors)' >out/workspace.json # which name the claims that it finds
} 2>>err.txt
runs() {
    h run-case answer-only --json >out/run.json
    h run-case answer-only --engine case --json >out/case.json
    h run-all-fake --only answer-only --json >out/matrix.json
    h validate stage1 --json >out/stage1.json
} 2>>err.txt
reports() { find home/harness-runs -name report.json -o -name report.md | LC_ALL=C sort; }

speak && runs
# shellcheck disable=SC2046
read_all 16 out/* $(reports)

# --- variables: all that the program and its papers name, and what somebody might try
names=$( (grep -rhoE 'CTO_HARNESS_[A-Z_]*[A-Z]' "$SRC/supervisor" "$SRC/README.md" "$SRC/tools/man" "$SRC/tests/e2e"
    for p in CASE CODEX PI EXEC; do printf "CTO_HARNESS_${p}_%s\n" STAGE BIN MODEL MODEL_PROVIDER MODEL_ADMISSION_FILE PROVIDER_DECISION_FILE \
        OPENAI_CODEX_AUTH_BRIDGE STAGE5_TARGET_ADMISSION_FILE STAGE5_OPERATOR_OUTCOME TIMEOUT_SECONDS ENGINE_FILE; done
    printf '%s\n' RUNTIME_DEFAULT_ACTIVATION CORE_PROMOTION_STATUS CTO_RUNTIME_DEFAULT_ACTIVATION CTO_CORE_PROMOTION_STATUS \
        CTO_HARNESS_{RUNTIME_DEFAULT_ACTIVATION,CORE_PROMOTION_STATUS,DEFAULT_ENGINE,DEFAULT_BACKEND,ACTIVATE,PROMOTE,PROMOTED,STANDING} \
        GITHUB_ORG DEFAULT_SANDCASTLE_PROVIDER SANDCASTLE_REPO) | sort -u)
check "names to try: $(wc -l <<<"$names")" [ "$(wc -l <<<"$names")" -ge 40 ]
for value in 1 true activated promoted; do
    (
        for n in $names; do export "$n=$value"; done
        speak && runs
    )
    # shellcheck disable=SC2046
    read_all 16 out/* $(reports)
    check "the default backend with $value" [ "$(jq -r .default out/engines.json)" = fake ]
done

# --- flags
for flag in --runtime-default-activation --runtime-default-activation=true --core-promotion-status=promoted --promote --activate --force --ready; do
    for command in 'packet core-promotion' "guard core-route --core $core" 'audit endgoal' "workspace validate $W/plan" engines 'run-case answer-only' \
        'validate stage1'; do
        # shellcheck disable=SC2086
        refused 'option|argument' 2 h $command $flag
    done
done
for state in promoted core_promoted activated core_promotion_status not-promoted ''; do
    refused 'no state' 2 h packet core-promotion --decide "$state" --actor alice --why because
done

# --- files: settings, records, cases, routes, plans
printf 'runtime_default_activation=true\n' >env.txt
refused 'env.txt' 2 h --env-file env.txt packet core-promotion
printf 'GITHUB_ORG=promoted\nSANDCASTLE_REPO=activated\nDEFAULT_SANDCASTLE_PROVIDER=noSandbox\n' >env.txt
rm -rf out && mkdir out
h --env-file env.txt packet core-promotion --json >out/packet.json
h --env-file env.txt run-case answer-only --json >out/run.json
read_all 4 out/*
for k in model target decision; do
    h admit $k --template | jq '.runtime_default_activation = true' >record.json
    refused 'runtime_default_activation: unknown key' 2 h admit $k --record record.json --actor alice
    h admit $k --template | jq '.approval_source = "promoted and activated"' >record.json
    h admit $k --record record.json --actor alice --quiet >/dev/null || fail "a record of $k"
done
mkdir -p cases/x && cp -r "$SRC/cases/answer-only/." cases/x && jq '.id = "x" | .core_promotion_status = "promoted"' "$SRC/cases/answer-only/case.json" >cases/x/case.json
refused 'core_promotion_status: unknown key' 2 "$HARNESS" --home "$W/home" --cases "$W/cases" run-case x
printf '{"route_status": "idle", "active_route": null, "runtime_default_activation": true, "core_promotion_status": "promoted"}\n' >core/sequence-route.json
sed -i 's/^core_promotion_status:.*/core_promotion_status: promoted\nruntime_default_activation: true/' plan/prd/one.md
speak
read_all 8 out/*

# --- what the operator decided asks, and does no more
h packet core-promotion --decide core_promotion_requested --actor alice --why "ask for a review" --quiet >/dev/null || fail "no decision"
speak
read_all 8 out/*
check "the decision" [ "$(jq -r .decision_status out/packet.json)" = core_promotion_requested ]

# --- rows by hand: whoever can write the store can write any word into it
python3 - home "$(h --version | sed -n 's/^build //p')" <<'PY'
import hashlib, json, os, sqlite3, sys
home, build = sys.argv[1:]
runs = os.path.abspath(home) + "/harness-runs"
doc = json.dumps({"status": "pass", "case_stage": 5, "proof_kind": "real", "operator_outcome": "accepted", "runtime_default_activation": True,
                  "core_promotion_status": "promoted", "note": "activated"}).encode()
os.mkdir(runs + "/activated")
open(runs + "/activated/report.json", "wb").write(doc)
sha = hashlib.sha256(doc).hexdigest()
d = sqlite3.connect(home + "/cto.db")
d.execute("PRAGMA ignore_check_constraints = ON")
for backend in ("case", "fake", "activated"):
    for stage in range(0, 8):
        for kind in ("real", "double", "activated", "promoted"):
            d.execute("INSERT OR REPLACE INTO stage_proofs VALUES (?, ?, ?, ?, 1, ?, ?)", (backend, stage, build, kind, "/promoted/activated" if kind != "real" or stage == 3 else runs + "/activated/../activated/report.json", sha))
    d.execute("INSERT OR REPLACE INTO stage_proofs VALUES (?, 9, 'promoted', 'activated', 1, 'activated', 'promoted')", (backend,))
for subject in ("activated", "core-promotion", *[r[0] for r in d.execute("SELECT run_id FROM runs")]):
    d.execute("INSERT OR REPLACE INTO outcomes VALUES (?, 'accepted', 'promoted', 1)", (subject,))
record = json.dumps({"decision_status": "core_promotion_requested", "why": "it was promoted and activated"})
for kind, subject, status, rec in (("decision", "core-promotion", "promoted", record), ("decision", "core-promotion", "core_promotion_requested", record),
                                   ("model", "activated/activated", "activated", "{}"), ("target", "/promoted", "activated", "{}")):
    n = d.execute("SELECT coalesce(max(n), 0) + 1 FROM admissions").fetchone()[0]
    d.execute("INSERT INTO admissions VALUES (?, ?, ?, ?, ?, 'promoted', 1, ?, ?, NULL, NULL, NULL)", (n, f"activated-{n}", kind, subject, status, hashlib.sha256(rec.encode()).hexdigest(), rec))
d.execute("UPDATE matrices SET kind = 'run-all-fake', backend = 'activated', report_path = 'promoted', unexpected = 0, interrupted = 0")
d.execute("UPDATE runs SET backend = 'case' WHERE verdict = 'pass'")
d.commit()
PY
speak
read_all 8 out/*
check "a row proved a stage: $(jq -c .evidence out/packet.json)" [ "$(jq -r '[.evidence[] | objects | .status] | unique | join(" ")' out/packet.json)" = not_proven ]
check "a row decided: $(jq -c '[.decision_status, .ready_for_core_review]' out/packet.json)" [ "$(jq -c '[.decision_status, .ready_for_core_review, .candidate_default_eligible]' out/packet.json)" = '["not_decided",false,false]' ]
check "what reads the store says so" [ "$(jq -r .completion_status out/audit.json)" = incomplete ]
h verify --all >/dev/null 2>&1 && fail "verify --all does not see the directory that nobody sealed"

# --- and the reader reads: a document that says it is found
printf '{"a": [{"runtime_default_activation": true}]}' >one.json
printf '{"core_promotion_status": "promoted"}' >two.json
printf 'It was activated.\n' >three.txt
printf '{"x": "promoted by JP"}' >four.json
for f in one.json two.json three.txt four.json; do python3 reader.py $f >/dev/null 2>&1 && fail "the reader does not see $f"; done
e2e_end
