#!/usr/bin/env bash
# The seam by which tests leave a mechanism out of a jail (sandbox/testing.h) is in the programs made for tests and in no
# program of the product. What is looked for is the name of its variable and of its environment, as text in the file.
. "$2/tests/lib/lint.sh"
names='jail_test_hooks|CTO_TEST_JAIL_WITHOUT|CTO_TEST_LANDLOCK_ABI|CTO_SANDBOX_TESTING'

for program in "$bindir"/*; do
    [ -f "$program" ] || continue
    seen
    grep -aqE "$names" "$program" && bad "$program contains the tests' seam"
done
# Not vacuous: where the seam is, it is found.
weak=${CTO_TEST_BIN:-/nonexistent}/weak
for name in cto-harness-sandbox cto-harness-worker cto-harness-inspect; do
    seen
    grep -aqE "$names" "$weak/$name" 2>/dev/null || bad "$weak/$name does not contain the seam"
done
# Only sandbox/, tests/ and the benchmark, which compiles a launcher of its own, know it.
while IFS= read -r file; do
    case $file in
    sandbox/* | tests/* | tools/benchmark/measure.py) ;;
    *) bad "$file speaks of the tests' seam" ;;
    esac
done < <(cd "$srcdir" && project_files | xargs -r -d '\n' grep -sIlE "$names|sandbox/testing\.h" --)
# The other seam: gates that say nothing (supervisor/flip.h).
for program in "$bindir"/*; do
    [ -f "$program" ] || continue
    seen
    grep -aqE 'CTO_TEST_FLIP|CTO_FLIP_TESTING' "$program" && bad "$program can be told to let things through"
done
seen
grep -aq CTO_TEST_FLIP "${CTO_TEST_BIN:-/nonexistent}/flipped/cto-harness" 2>/dev/null || bad "the flipped program cannot be told anything"
while IFS= read -r file; do
    case $file in
    supervisor/flip.h | tests/*) ;;
    *) bad "$file speaks of the seam of supervisor/flip.h" ;;
    esac
done < <(cd "$srcdir" && project_files | xargs -r -d '\n' grep -sIlE 'CTO_TEST_FLIP|CTO_FLIP_TESTING' --)
lint_end
