#!/usr/bin/env bash
# The top level is exactly this; what must never be committed is ignored; .env.example names what it must, and no secret.
. "$2/tests/lib/lint.sh"
need git

wanted='CMakeLists.txt CMakePresets.json README.md cases common sandbox schema.sql supervisor tests tools worker'
found=$(project_files | sed 's|/.*||' | grep -v '^\.' | sort -u)
for name in $wanted; do
    seen
    grep -qxF "$name" <<<"$found" || bad "$name is missing at the top level"
done
while IFS= read -r name; do
    grep -qwF -- "$name" <<<"$wanted" || bad "$name does not belong at the top level"
done <<<"$found"
for name in .ci/run .clang-format .clang-tidy .env.example .gitignore tools/quickstart tools/check tools/install-deps; do
    seen
    [ -f "$srcdir/$name" ] || bad "$name is missing"
done
for name in .ci/run tools/quickstart tools/check tools/install-deps; do
    [ -x "$srcdir/$name" ] || bad "$name is not executable"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git init -q "$work"
cp "$srcdir/.gitignore" "$work/"
for name in cto.db cto.db-wal cto.db-shm home/cto.db other.db-wal other.db-shm x.db-journal .env sub/.env build/release/x \
    .cto-sandbox/x .sandcastle/x sub/node_modules/x __pycache__/x.pyc sub/x.pyc; do
    seen
    git -C "$work" check-ignore -q "$name" || bad ".gitignore lets $name through"
done
for name in .env.example supervisor/store.c cases/x/case.json tools/check; do
    git -C "$work" check-ignore -q "$name" && bad ".gitignore hides $name"
done
if [ -e "$srcdir/.git" ]; then
    hidden=$(git -c safe.directory='*' -C "$srcdir" ls-files -ci --exclude-standard)
    [ -z "$hidden" ] || bad "tracked and ignored: $hidden"
    # A fixture file that is ignored would be missing in a clone.
    hidden=$(git -c safe.directory='*' -C "$srcdir" ls-files -oi --exclude-standard -- cases | grep -vE '/(__pycache__|\.pytest_cache)/')
    [ -z "$hidden" ] || bad "part of a case, but ignored: $hidden"
fi

names=$(sed -n 's/^\([A-Z_]*\)=.*/\1/p' "$srcdir/.env.example" | sort | tr '\n' ' ')
[ "$names" = "CTO_HOME DEFAULT_SANDCASTLE_PROVIDER GITHUB_ORG HERMES_HOME SANDCASTLE_REPO " ] || bad ".env.example names: $names"
head -1 "$srcdir/.env.example" | grep -qi 'secrets never go here' || bad ".env.example does not open by saying that secrets never go there"
lint_end
