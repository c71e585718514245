#!/usr/bin/env bash
# Position independent, full RELRO, no executable stack, no text relocation, no search path, stack protector, fortified, and
# one build id in all programs.
. "$2/tests/lib/lint.sh"
need readelf
[ -z "${CTO_INSTRUMENTED:-}" ] || skip "an instrumented build is not what is shipped"

ids=
for name in cto-harness cto-harness-worker cto-harness-inspect cto-harness-observe cto-harness-gateway cto-harness-yaml cto-harness-fake-agent cto-harness-probe cto-harness-ca-double cto-harness-model-double cto-harness-sandbox; do
    program=$bindir/$name
    if [ ! -e "$program" ]; then
        bad "$program is not there"
        continue
    fi
    seen
    headers=$(readelf -hlW "$program")
    dynamic=$(readelf -dW "$program")
    symbols=$(readelf -sW "$program")
    grep -q 'Type:.*DYN' <<<"$headers" || bad "$name: not position independent"
    grep -q 'GNU_RELRO' <<<"$headers" || bad "$name: no RELRO"
    grep -Eq 'FLAGS(_1)?\).*NOW' <<<"$dynamic" || bad "$name: not BIND_NOW"
    stack=$(grep 'GNU_STACK' <<<"$headers")
    if [ -z "$stack" ] || grep -q 'RWE' <<<"$stack"; then bad "$name: executable stack"; fi
    grep -Eq 'LOAD.* RWE ' <<<"$headers" && bad "$name: a segment is writable and executable"
    grep -q 'TEXTREL' <<<"$dynamic" && bad "$name: text relocations"
    grep -Eq 'R(UN)?PATH' <<<"$dynamic" && bad "$name: has a library search path of its own"
    grep -q '__stack_chk_fail' <<<"$symbols" || bad "$name: no stack protector"
    # musl has no fortified functions; only the launcher may be of musl
    if [ "$name" = cto-harness-sandbox ] && grep -q ' __init_libc$' <<<"$symbols"; then :; elif [ "${CTO_BUILD_TYPE:-}" != Debug ] && ! grep -Eq '__(fortify_fail|chk_fail|[a-z]+_chk)\b' <<<"$symbols"; then bad "$name: not fortified"; fi
    id=$(grep -ao 'CTO-BUILD-ID:[0-9a-f]\{64\}' "$program" | sort -u)
    [ "$(wc -l <<<"$id")" -eq 1 ] && [ -n "$id" ] || bad "$name: has no build id, or several"
    ids+="$id"$'\n'
done
[ "$(printf '%s' "$ids" | sort -u | wc -l)" -eq 1 ] || bad "the programs are of different builds: $ids"
lint_end
