#!/usr/bin/env bash
# ctest: timeout=120
# Records of what may be used: written, read, replaced, revoked; what is wrong is refused and changes nothing; a store of the version
# before is carried over.
. "$2/tests/lib/e2e.bash"

edit() { jq "$2" "$1" >"$1.new" && mv "$1.new" "$1"; }
newest() { h admit "$1" --list --json | jq -r '.admissions[0].id'; }
in_force() { h admit "$1" --list --json | jq -r '[.admissions[] | select(.in_force)] | length'; }

# --- templates are valid, say no, fit their schemas, and so do admitted ones
for k in model source executable target decision; do
    h admit "$k" --template >"$k.json" || fail "no template of $k"
    h admit "$k" --check "$k.json" --json >out || fail "the template of $k is not valid"
    check "the template of $k admits something" [ "$(jq .admits out)" = false ]
done
check "a look at records made a home" [ ! -e home ]
repo=$W/repositories/notes
mkdir -p "$repo" && git -C "$repo" init -q
edit model.json '.status = "admitted"'
edit target.json ".admission_status = \"admitted\" | .target_repository_path = \"$repo\" | .repository_owner = \"alice\" |
    .ownership_evidence = \"she made it\" | .risk_classification = \"low_risk_noncritical\" |
    .noncritical_rationale = \"nothing is built from it\" | .allowed_paths = [\"notes/\"] | .approval_source = \"alice, today\""
if python3 -c 'import jsonschema' 2>/dev/null; then
    for k in model-admission:model source-admission:source executable-admission:executable target-admission:target provider-decision:decision; do
        h schema "${k%:*}" >schema.json
        python3 -c 'import json, sys, jsonschema
s, d = (json.load(open(f)) for f in sys.argv[1:])
jsonschema.Draft202012Validator.check_schema(s)
jsonschema.validate(d, s)
for key in s["required"]:
    try:
        jsonschema.validate({k: v for k, v in d.items() if k != key}, s)
    except jsonschema.ValidationError:
        continue
    sys.exit(key + " is not required")' schema.json "${k#*:}.json" || fail "$k.json and its schema do not agree"
    done
fi

# --- what is refused leaves no trace
refused 'KIND' 2 h admit
refused 'no kind "nonsense"' 2 h admit nonsense --list
refused 'one of --template' 2 h admit model
refused 'one of --template' 2 h admit model --list --template
refused '--actor is missing' 2 h admit model --record model.json
refused 'case: that is a backend' 2 h admit model --record model.json --actor case
refused '--actor goes with' 2 h admit model --list --actor alice
refused 'no-such-file' 2 h admit model --check no-such-file
cp model.json wrong.json && edit wrong.json '.surprise = 1'
refused 'wrong.json:[0-9]+: surprise: unknown key' 2 h admit model --record wrong.json --actor alice
cp model.json wrong.json && edit wrong.json '.approval_source = "key sk-0123456789abcdef0123456789"'
refused 'wrong.json:[0-9]+: approval_source: looks like a secret' 2 h admit model --record wrong.json --actor alice
grep -q sk-0123 refused.err && fail "the secret of a record is shown"
head -c 70000 /dev/zero | tr '\0' ' ' >wrong.json
refused 'wrong.json' 2 h admit model --record wrong.json --actor alice
refused 'is in force' 2 "$HARNESS" --home "$W/other" admit model --revoke model-1 --actor alice --why "no reason"
ln -s "$repo" link
cp target.json wrong.json && edit wrong.json ".target_repository_path = \"$W/link\""
refused 'symbolic link' 2 h admit target --record wrong.json --actor alice
edit wrong.json ".target_repository_path = \"$W/none\""
refused 'cannot be opened' 2 h admit target --record wrong.json --actor alice
mkdir plain
edit wrong.json ".target_repository_path = \"$W/plain\""
refused 'no directory .git' 2 h admit target --record wrong.json --actor alice
edit wrong.json '.target_repository_path = "/"'
refused 'target_repository_path' 2 h admit target --record wrong.json --actor alice
[ "$(id -u)" -eq 0 ] || {
    edit wrong.json '.target_repository_path = "/usr"'
    refused 'belongs to user 0' 2 h admit target --record wrong.json --actor alice
}
check "a refused record made a home" [ ! -e home ]

# --- programs: the digest is of the program as it is
mkdir -p opt
printf '#!/bin/sh\necho no agent\n' >opt/ca && chmod 755 opt/ca
edit executable.json ".executable_path = \"$W/opt/ca\" | .sha256 = \"$(sha256sum <opt/ca | cut -d' ' -f1)\""
if [[ $W == /tmp/* ]]; then
    cp executable.json wrong.json && edit wrong.json '.status = "admitted"'
    refused 'discovery_only' 2 h admit executable --record wrong.json --actor alice
fi
edit executable.json '.status = "discovery_only"'
h admit executable --record executable.json --actor alice --json >out || fail "a build report was not recorded"
check "discovery_only admits" [ "$(jq .admits out)" = false ]

# --- one after the other
h admit model --record model.json --actor alice >out || fail "the model admission was not recorded"
first=$(newest model)
grep -q "recorded $first" out || fail "the id is not said: $(cat out)"
refused "in force already, as $first" 2 h admit model --record model.json --actor bob
h admit target --record target.json --actor alice >/dev/null || fail "the target admission was not recorded"
h admit model --revoke "$first" --actor bob --why "the box was moved" --quiet || fail "no revocation"
check "a revoked record is in force" [ "$(in_force model)" = 0 ]
refused 'no model admission' 2 h admit model --revoke "$first" --actor bob --why again
refused 'no target admission' 2 h admit target --revoke "$first" --actor bob --why again
h admit model --record model.json --actor alice >/dev/null || fail "the same record after a revocation"
second=$(newest model)
edit model.json '.status = "not_admitted"'
h admit model --record model.json --actor alice >/dev/null || fail "a record that says no"
h admit model --revoke "$(newest model)" --actor alice --why "a mistake" --quiet || fail "no revocation of the second"
check "an older record came back" [ "$(in_force model)" = 0 ]
check "the row of $second changed" [ "$(h admit model --list --json | jq -r ".admissions[] | select(.id == \"$second\") | .status")" = admitted ]
h admit model --list >out || fail "no list"
grep -q "$first  *admitted  *revoked  *alice" out || fail "the list does not say what became of $first: $(cat out)"
h store check >/dev/null || fail "store check finds something"
python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute("UPDATE admissions SET record = record || char(32) WHERE n = 1"); d.commit()' home/cto.db
h store check >out && fail "store check does not see a changed record"
grep -q "record" out || fail "store check says something else: $(cat out)"

# --- a store of version 1
"$HARNESS" --home "$W/old" --cases "$SRC/cases" run-case answer-only --quiet >/dev/null || fail "answer-only"
python3 - old/cto.db <<'PY'
import sqlite3, sys
d = sqlite3.connect(sys.argv[1])
d.executescript("""DROP TABLE admissions; DROP TABLE approvals; DROP TABLE requests; DROP TABLE landings; DROP TABLE waiting; DROP TABLE endpoints;
CREATE TABLE approvals (id TEXT PRIMARY KEY NOT NULL, task_id TEXT NOT NULL, scope TEXT NOT NULL, actor TEXT NOT NULL,
 state TEXT NOT NULL, granted_at INTEGER NOT NULL, expires_at INTEGER, claimed_by TEXT UNIQUE, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE admissions (id TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, status TEXT NOT NULL,
 actor TEXT NOT NULL, admitted_at INTEGER NOT NULL, digest TEXT NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX admissions_by_subject ON admissions (kind, subject, admitted_at);
PRAGMA user_version = 1;""")
PY
refused 'older version' 2 "$HARNESS" --home "$W/old" report list
"$HARNESS" --home "$W/old" admit target --record target.json --actor alice >/dev/null || fail "no migration from version 1"
check "runs were lost in the migration" [ "$("$HARNESS" --home "$W/old" report list --json | jq '.runs | length')" = 1 ]
same_schema() {
    python3 - "$1/cto.db" home/cto.db <<'PY' || fail "a store migrated from $2 has another schema than a new one"
import re, sqlite3, sys
def schema(path):
    return sorted((r[0], re.sub(r"\s*--[^\n]*", "", r[1] or ""), ) for r in sqlite3.connect(path).execute("SELECT name, sql FROM sqlite_master"))
a, b = ([(n, re.sub(r"[\s]+", "", s)) for n, s in schema(p)] for p in sys.argv[1:])
sys.exit(0 if a == b else str([x for x in zip(a, b) if x[0] != x[1]]))
PY
}
same_schema old "version 1"

# --- and of version 3: no landings yet
"$HARNESS" --home "$W/old3" --cases "$SRC/cases" run-case answer-only --quiet >/dev/null || fail "answer-only"
python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript("DROP TABLE landings; DROP TABLE waiting; DROP TABLE endpoints; PRAGMA user_version = 3;")' old3/cto.db
"$HARNESS" --home "$W/old3" admit target --record target.json --actor alice >/dev/null || fail "no migration from version 3"
same_schema old3 "version 3"
e2e_end
