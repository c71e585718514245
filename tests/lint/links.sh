#!/usr/bin/env bash
# What each program links is a decision: the exact list of DT_NEEDED per program, and the launcher is static.
. "$2/tests/lib/lint.sh"
need readelf
[ -z "${CTO_INSTRUMENTED:-}" ] || skip "an instrumented build links the runtime of its instrument"

needed() { readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ' | sed 's/ $//'; }

expect() {
    local program=$bindir/$1 got want
    shift
    if [ ! -e "$program" ]; then
        bad "$program is not there"
        return
    fi
    seen
    got=$(needed "$program")
    want=$(printf '%s\n' "$@" | sort | tr '\n' ' ' | sed 's/ $//')
    [ "$got" = "$want" ] || bad "$(basename "$program") links [$got], allowed is exactly [$want]"
}

expect cto-harness libc.so.6 libcjson.so.1 libcrypto.so.3 libgit2.so.1.5 libsqlite3.so.0 libuv.so.1
expect cto-harness-worker libc.so.6 libcjson.so.1
expect cto-harness-inspect libc.so.6 libcrypto.so.3 libgit2.so.1.5 libz.so.1
expect cto-harness-yaml libc.so.6 libcjson.so.1 libyaml-0.so.2
expect cto-harness-gateway libc.so.6 libcjson.so.1 libcrypto.so.3 libcurl.so.4 libmicrohttpd.so.12 libssl.so.3 libuv.so.1
expect cto-harness-observe libc.so.6 libcjson.so.1
expect cto-harness-fake-agent libc.so.6 libcjson.so.1
expect cto-harness-probe libc.so.6
expect cto-harness-ca-double libc.so.6 libcjson.so.1
expect cto-harness-model-double libc.so.6 libcjson.so.1 libmicrohttpd.so.12
expect cto-harness-sandbox
if readelf -lW "$bindir/cto-harness-sandbox" | grep -q INTERP; then bad "cto-harness-sandbox asks for an ELF interpreter: it must be static"; fi

# A program that is in no list is a decision nobody took.
for program in "$bindir"/*; do
    case $(basename "$program") in
    cto-harness | cto-harness-worker | cto-harness-inspect | cto-harness-yaml | cto-harness-gateway | cto-harness-observe | cto-harness-fake-agent | cto-harness-probe | cto-harness-ca-double | cto-harness-model-double | cto-harness-sandbox) ;;
    *) bad "$program is in no list" ;;
    esac
done
lint_end
