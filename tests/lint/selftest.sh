#!/usr/bin/env bash
# A rule that cannot fail holds nothing: each rule is run on a small good tree, where it must pass, and on the same tree
# broken in one way at a time, where it must fail.
. "$2/tests/lib/lint.sh"
need git
need gcc
need readelf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
export CTO_INSTRUMENTED='' CTO_BUILD_TYPE=RelWithDebInfo
hard='-O2 -D_FORTIFY_SOURCE=3 -fstack-protector-all -fPIE -Wl,-z,relro -Wl,-z,now'

source_of() { # needed libraries are those whose function is called
    cat <<C
/* A program of the self-test. */
#include <stdio.h>
#include <string.h>
__attribute__((used)) const char id[] = "CTO-BUILD-ID:$(printf 'a%.0s' {1..64})";
$1
int main(int argc, char **argv) {
    char b[64];
    (void)argc;
    strncpy(b, argv[0], sizeof b - 1);
    b[63] = 0;
    printf("Commands:\n  verify   check\n  --help   %d\n", b[0] == 0);
    $2
    return 0;
}
C
}

make_program() { # name, declarations, calls, flags...
    local name=$1
    source_of "$2" "$3" >"$work/p.c"
    # shellcheck disable=SC2086
    gcc -w $hard -o "$tree/bin/$name" "$work/p.c" "${@:4}" || bad "self-test: cannot compile $name"
}

uv='unsigned uv_version(void);' sql='int sqlite3_libversion_number(void);' crypto='unsigned long OpenSSL_version_num(void);'
json='const char *cJSON_Version(void);' git='int git_libgit2_init(void); const char *zlibVersion(void);' yaml='const char *yaml_get_version_string(void);'
http='const char *MHD_get_version(void); const char *curl_version(void); const char *SSL_get_version(void *);'
good_programs() {
    make_program cto-harness "$uv$sql$crypto$json$git" 'if (b[1] == 1) uv_version(), sqlite3_libversion_number(), OpenSSL_version_num(), cJSON_Version(), git_libgit2_init();' \
        -pie -luv -lsqlite3 -lcrypto -lcjson -lgit2
    make_program cto-harness-worker "$json" 'if (b[1] == 1) cJSON_Version();' -pie -lcjson
    make_program cto-harness-inspect "$git$crypto" 'if (b[1] == 1) git_libgit2_init(), zlibVersion(), OpenSSL_version_num();' -pie -lgit2 -lz -lcrypto
    make_program cto-harness-yaml "$json$yaml" 'if (b[1] == 1) cJSON_Version(), yaml_get_version_string();' -pie -lcjson -lyaml
    make_program cto-harness-gateway "$json$uv$crypto$http" \
        'if (b[1] == 1) cJSON_Version(), uv_version(), OpenSSL_version_num(), MHD_get_version(), curl_version(), SSL_get_version(b);' \
        -pie -lcjson -luv -lcrypto -lmicrohttpd -lcurl -lssl
    make_program cto-harness-observe "$json" 'if (b[1] == 1) cJSON_Version();' -pie -lcjson
    make_program cto-harness-fake-agent "$json" 'if (b[1] == 1) cJSON_Version();' -pie -lcjson
    make_program cto-harness-probe '' '' -pie
    make_program cto-harness-ca-double "$json" 'if (b[1] == 1) cJSON_Version();' -pie -lcjson
    make_program cto-harness-model-double "$json$http" 'if (b[1] == 1) cJSON_Version(), MHD_get_version();' -pie -lcjson -lmicrohttpd
    make_program cto-harness-sandbox '' '' -static-pie
}

good_tree() {
    rm -rf "$tree"
    mkdir -p "$tree"/{bin,cases,common,sandbox,supervisor,worker/inspect,tests/lint,tests/lib,tools/man,tools/completion,.ci}
    cp "$srcdir"/tests/lint/*.sh "$srcdir/tests/lint/headers.table" "$tree/tests/lint/"
    cp "$srcdir/tests/lib/lint.sh" "$tree/tests/lib/"
    cp "$srcdir"/{.gitignore,.env.example,.clang-format,.clang-tidy} "$tree/"
    local f
    for f in common/a.c sandbox/a.c worker/a.c supervisor/a.c worker/inspect/a.c; do echo '/* theory */' >"$tree/$f"; done
    printf '/* theory */\n#define KEYS "runtime_default_activation core_promotion_status not-promoted"\n' >"$tree/supervisor/standing.h"
    echo '/* theory */' >"$tree/supervisor/standing.c"
    for f in CMakeLists.txt CMakePresets.json README.md schema.sql cases/x; do echo >"$tree/$f"; done
    for f in .ci/run tools/quickstart tools/check tools/install-deps; do
        echo '#!/bin/sh' >"$tree/$f"
        chmod +x "$tree/$f"
    done
    # shellcheck disable=SC2016
    echo 'call `cto-harness verify`, see tools/check' >"$tree/README.md"
    printf '.TH A 1\n.SH COMMANDS\n.SS verify\n\\-\\-help\n' >"$tree/tools/man/cto-harness.1"
    printf '.TH A 1\n\\-\\-help\n' >"$tree/tools/man/cto-harness-sandbox.1"
    echo "    local commands='verify'" >"$tree/tools/completion/cto-harness.bash"
    cp -a "$work/bin" "$tree/"
    {
        echo '<!-- reasons:begin -->'
        "$tree/bin/cto-harness" validate failure-matrix --table
        echo '<!-- reasons:end -->'
    } >>"$tree/README.md"
    git init -q "$tree"
    echo /bin >>"$tree/.git/info/exclude"
}

run_rule() { bash "$tree/tests/lint/$1.sh" "$tree/bin" "$tree" >"$work/out" 2>&1; }

# breaks RULE WHAT COMMAND: after COMMAND (run in the tree) RULE must fail, and say something with the word WHAT in it.
breaks() {
    seen
    good_tree
    (cd "$tree" && eval "$3") || bad "self-test: cannot break: $3"
    run_rule "$1"
    local rc=$?
    if [ $rc -ne 1 ]; then
        bad "$1 passes (exit $rc) after: $3"
    elif ! grep -qe "$2" "$work/out"; then
        bad "$1 fails after '$3', but does not say '$2': $(head -2 "$work/out")"
    fi
}

mkdir -p "$tree/bin"
good_programs
mv "$tree/bin" "$work/bin"
for rule in links hardening includes banned layout docs standing; do
    good_tree
    run_rule $rule || bad "$rule fails on a good tree: $(head -3 "$work/out")"
done

breaks links 'worker links' 'make_program cto-harness-worker "$json$crypto" "if (b[1] == 1) cJSON_Version(), OpenSSL_version_num();" -pie -lcjson -lcrypto'
breaks links 'harness links' 'make_program cto-harness "$json" "if (b[1] == 1) cJSON_Version();" -pie -lcjson'
breaks links 'static' 'make_program cto-harness-sandbox "" "" -pie'
breaks links 'no list' 'cp bin/cto-harness bin/cto-new'
breaks links 'not there' 'rm bin/cto-harness-inspect'

for flaw in 'position:-no-pie' 'RELRO:-pie -Wl,-z,norelro' 'BIND_NOW:-pie -Wl,-z,lazy' 'executable stack:-pie -Wl,-z,execstack' \
    'search path:-pie -Wl,-rpath,/opt' 'stack protector:-pie -fno-stack-protector' 'fortified:-pie -U_FORTIFY_SOURCE'; do
    breaks hardening "${flaw%%:*}" "make_program cto-harness-worker '$json' 'if (b[1] == 1) cJSON_Version();' ${flaw#*:} -lcjson"
done
breaks hardening 'build id' 'sed -i s/CTO-BUILD-ID/CTO-BUILD-NO/ bin/cto-harness-worker'
breaks hardening 'different builds' 'sed -i s/CTO-BUILD-ID:aaaa/CTO-BUILD-ID:bbbb/ bin/cto-harness-worker'

breaks includes 'sandbox/ may not' 'echo "#include \"supervisor/run.h\"" >>sandbox/a.c'
breaks includes 'supervisor/ may not' 'echo "#include \"sandbox/jail.h\"" >>supervisor/a.c'
breaks includes 'supervisor/ may not' 'echo "# include \"worker/worker.h\"" >>supervisor/a.c'
breaks includes 'worker/ may not' 'echo "#include \"sandbox/root.h\"" >>worker/a.c'
breaks includes 'common/ may not' 'echo "#include \"sandbox/jail.h\"" >>common/a.c'
breaks includes 'common/ may not' 'echo "#include \"err.h\"" >>common/a.c'
for header in uv.h sqlite3.h yaml.h git2.h git2/oid.h openssl/evp.h cjson/cJSON.h seccomp.h linux/landlock.h; do
    breaks includes "$header" "echo '#include <$header>' >>worker/a.c; echo '#include <$header>' >>common/a.c"
done

for f in strcpy strcat sprintf gets system popen alloca; do
    breaks banned "$f" "printf 'void f(void);\nvoid f(void) { %s (0); }\n' $f >>common/a.c"
done
for w in TODO FIXME XXX stub; do breaks banned "$w" "echo '/* $w */' >>worker/a.c"; done
breaks banned 'theory\|opens with\|does not open' 'echo "int x;" >supervisor/a.c'
breaks banned '701 lines\|702 lines' 'seq -f "/* %g */" 701 >common/a.c'
if ctags --version 2>/dev/null | grep -q Universal; then
    breaks banned 'long_one has' '{ echo "/* x */"; echo "int long_one(void) {"; seq -f "/* %g */" 95; echo "return 0; }"; } >common/a.c'
fi

breaks layout 'docs does not belong' 'mkdir docs; echo >docs/x'
breaks layout 'schema.sql is missing' 'rm schema.sql'
breaks layout 'not executable' 'chmod -x tools/check'
breaks layout 'lets cto.db-wal' 'sed -i "/^cto.db-/d; /wal/d" .gitignore'
breaks layout 'hides .env.example' 'sed -i "/!.env.example/d" .gitignore'
breaks layout 'tracked and ignored' 'echo >cto.db; git add -f cto.db'
breaks layout 'part of a case' 'mkdir -p cases/y/fixture/node_modules; echo >cases/y/fixture/node_modules/a.js'
breaks layout 'example names' 'echo API_KEY= >>.env.example'

breaks standing 'supervisor/a.c spells' 'echo "const char *k = \"runtime_default_activation\";" >>supervisor/a.c'
breaks standing 'supervisor/a.c spells' 'echo "const char *k = \"not-promoted\";" >>supervisor/a.c'
breaks standing 'reads something' 'echo "const char *f(void) { return getenv(\"X\"); }" >>supervisor/standing.c'
breaks standing 'is no constant' 'mkdir supervisor/schemas; printf "\"core_promotion_status\": {\n\"type\": \"string\"\n}\n" >supervisor/schemas/x.json'

breaks docs 'no section' 'sed -i /verify/d tools/man/cto-harness.1'
breaks docs 'does not exist' 'printf ".SS fly\n" >>tools/man/cto-harness.1'
breaks docs 'setting CTO_HARNESS_<BACKEND>_FLY' 'echo "x = setting(en, \"FLY\", variable);" >>supervisor/a.c'
breaks docs 'not completed' 'sed -i s/verify// tools/completion/cto-harness.bash'
breaks docs 'option --help' 'sed -i /help/d tools/man/cto-harness.1'
breaks docs 'harness-sandbox.1' 'sed -i /help/d tools/man/cto-harness-sandbox.1'
breaks docs "calls 'cto-harness fly'" 'echo "run cto-harness fly now" >>README.md'
breaks docs 'table of reasons' 'sed -i "/reasons:begin/a | new |" README.md'
breaks docs 'tools/fly' 'echo "run tools/fly" >>README.md'
breaks docs 'is no heading' 'echo "see [it](#fly)" >>README.md'
lint_end
