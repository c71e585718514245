#!/usr/bin/env bash
# ctest: timeout=180
# What an operator sees and types: help of one form, tables that fit the screen, arguments of every wrong kind, hints that work as
# they are printed, filters that know what they look for.
. "$2/tests/lib/e2e.bash"
screen() { python3 "$SRC/tests/lib/screen.py" "$@"; }
commands=$("$HARNESS" --help | sed -nE 's/^  ([a-z][a-z-]*)  +[A-Za-z].*/\1/p' | grep -v '^cto-harness$' | sort -u)

# --- help: one form, wherever --help stands
for c in $commands; do
    text=$("$HARNESS" "$c" --help) || fail "$c --help exits $?"
    [[ $text == "Usage: cto-harness $c"* ]] || fail "$c --help begins: ${text%%$'\n'*}"
    grep -qx 'Examples:' <<<"$text" && grep -q "^  cto-harness .*$c" <<<"$text" || fail "$c --help has no examples"
    long=$(awk 'length > 80' <<<"$text")
    [ -z "$long" ] || fail "$c --help is wider than 80 columns: $long"
    [ "$text" = "$("$HARNESS" help "$c")" ] || fail "help $c is not $c --help"
    [ "$text" = "$("$HARNESS" --json "$c" -h)" ] || fail "$c -h is not $c --help"
    [ "$c" = sandbox ] || [ "$text" = "$("$HARNESS" "$c" x y --help)" ] || fail "$c x y --help is not $c --help"
    checks=$((checks + 6))
done
for text in "$("$HARNESS" --help)" "$("$BIN/cto-harness-sandbox" --help)"; do
    [[ $text == "Usage: cto-harness"* ]] && grep -qx 'Examples:' <<<"$text" || fail "help begins: ${text%%$'\n'*}"
    long=$(awk 'length > 80' <<<"$text")
    [ -z "$long" ] || fail "help is wider than 80 columns: $long"
done
[ "$("$HARNESS" sandbox exec --help)" = "$("$BIN/cto-harness-sandbox" --help)" ] || fail 'sandbox exec --help is not the launcher'"'"'s'

# --- of a repeated global option the last counts
"$HARNESS" --home "$W/x" --home="$W/y" --cases /nowhere store info --cases "$SRC/cases" 2>err
grep -Fq "$W/y/cto.db" err || fail "of two homes: $(cat err)"
# --- an empty folder of cases
mkdir emptied
"$HARNESS" --cases emptied case list >out 2>err || fail "case list of an empty folder exits $?"
[ ! -s out ] && grep -q 'case new' err || fail "case list of an empty folder: $(cat out err)"
checks=$((checks + 2))

# --- arguments: one line, exit 2, nothing made
long=$(printf 'x%.0s' $(seq 100000))
f() { "$HARNESS" --home "$W/fresh" --cases "$SRC/cases" "$@"; }
for c in $commands; do
    what=$c
    case $c in case | report) what="$c list" ;; store) what='store info' ;; sandbox) what='sandbox exec' ;; validate) what='validate failure-matrix' ;; esac
    for bad in --nonsense --nonsense=1 -Z -- "" "$long" "--$long" $'\x9b31m\n\xc2\x9b'; do
        [ "$bad" = -- ] && bad=--nonsense=
        # shellcheck disable=SC2086
        if [ "$c" = sandbox ] && [[ $bad != --nonsense* && $bad != -Z && $bad != --xxx* ]]; then continue; fi
        refused 'help|lists|shows|no such' 2 f $what "$bad"
        LC_ALL=C grep -q $'[\x1b\x9b]' "$W/refused.err" && fail "$what: a control byte: $(xxd "$W/refused.err" | head -3)"
    done
done
refused '"" is no|say' 2 f report ''
refused 'command is empty' 2 f ''
for o in home cases env-file; do
    refused "--$o needs a value" 2 "$HARNESS" engines "--$o"
    [ "$o" = home ] && c='report list' || c='case list'
    # shellcheck disable=SC2086
    refused "." 2 "$HARNESS" $c "--$o="
done
refused '--engine is given twice' 2 f run-case answer-only --engine fake --engine fake
refused '--engine needs a value' 2 f run-case answer-only --engine
refused '--keep.*no value' 2 f run-case answer-only --keep=1
refused 'unknown engine ""' 2 f run-case answer-only --engine=
refused '-j is given twice' 2 f run-all-fake -j 1 --jobs 2
refused '--only answer-only is given twice' 2 f run-all-fake --only answer-only --only answer-only
refused '-j needs a value' 2 f validate failure-matrix -j
refused '-j is given twice' 2 f validate failure-matrix -j 1 -j 1
refused '--from is given twice' 2 f case new x --from a --from b
refused '--from needs a value' 2 f case new x --from
refused 'takes no argument: x' 2 f store info x
refused 'exactly one run, not 2' 2 f report show a b
refused 'one of them' 2 f report show a --md --json
refused 'unexpected argument x' 2 f --version x
refused 'unexpected argument x' 2 f help case x
for o in status backend case matrix before limit; do
    refused "--$o is given twice" 2 f report list "--$o" 1 "--$o=1"
    refused "--$o is empty" 2 f report list "--$o="
    refused "--$o needs a value" 2 f report list "--$o"
done
for n in 0 -1 10001 1x 99999999999999999999; do refused 'limit.*1 to 10000' 2 f report list --limit "$n"; done
[ ! -e "$W/fresh" ] && [ ! -e "$W/x" ] && [ ! -e "$W/y" ] || fail "a refused command made something: $(find "$W/fresh" "$W/x" "$W/y" 2>/dev/null)"

# --- filters: what nobody knows is refused, what was never run is an empty list
h run-all-fake --only answer-only --only binary-asset >/dev/null 2>err || fail "run-all-fake: $(cat err)"
grep -q ' $' err && fail "run-all-fake in a pipe: blanks at the end of a line: $(cat -A err)"
h run-case failed-tests >/dev/null 2>err
matrix=$(h report list --json | jq -r '[.runs[].matrix_id | select(.)][0]')
refused '--status zz: pass, fail, blocked or running' 2 h report list --status zz
refused '--backend faek.*no such backend.*did you mean fake.*engines' 2 h report list --backend faek
refused '--case: unknown case "answer-onyl".*answer-only.*case list' 2 h report list --case answer-onyl --json
refused '--case: unknown case "\.\./x"' 2 h report list --case ../x
refused '--matrix nowhere: no such matrix.*report list' 2 h report list --matrix nowhere
refused 'nowhere' 2 h report list --before nowhere
check 'a backend without runs' [ "$(h report list --backend codex)" = 'no runs' ]
check 'a case without runs' [ "$(h report list --case r1-string-slugify --json | jq -c '[.runs, .next]')" = '[[],null]' ]
check 'a case that is not in these cases any more' [ "$("$HARNESS" --home "$W/home" --cases "$W" report list --case answer-only --json | jq '.runs | length')" = 1 ]
check 'the runs of a matrix' [ "$(h report list --matrix "$matrix" --json | jq '.runs | length')" = 2 ]
check 'all filters' [ "$(h report list --matrix "$matrix" --case answer-only --backend fake --status pass --limit 1 --json | jq '.runs | length')" = 1 ]

# --- case new: anywhere, from anything, and what it prints works
cd "$W" || exit 99
for round in "--cases ./my" "--cases $W/my/../a'b" "--home home --cases it"; do
    mkdir -p "$W/my"
    # shellcheck disable=SC2086
    "$HARNESS" $round case new "one" --from shell-wordcount >out 2>err || fail "case new $round: $(cat err)"
    [ "$(sed -n '1s/made //p' out)" = "$(cd "$(sed -n '1s/made //p' out)" && pwd)" ] || fail "made where: $(cat out)"
    [ "$(grep -c '^  ' out)" -eq 2 ] || fail "case new $round: two commands are expected: $(cat out)"
    while IFS= read -r line; do
        [[ $line == *--home* ]] || export CTO_HOME=$W/h2 HERMES_HOME=$W/h2
        bash -c "$line" >o 2>err || fail "as printed: $line: exit $?: $(head -c 300 o err)"
        unset CTO_HOME HERMES_HOME
        checks=$((checks + 1))
    done < <(grep '^  ' out)
    # shellcheck disable=SC2086
    "$HARNESS" $round case new "${round//[^a-z]/}" >out 2>err || fail "case new $round, the example: $(cat err)"
    # shellcheck disable=SC2086
    "$HARNESS" $round case lint >out 2>err || fail "case lint $round: $(cat out err)"
done
sed -i 's/"new": "world"/"new": "wrld"/' my/casesmy/case.json
CTO_HOME=$W/h2 HERMES_HOME=$W/h2 "$HARNESS" --cases my run-case casesmy >out 2>err
[ $? -eq 1 ] && grep -rq 'greeting.txt says: hello, wrld' "$W"/h2/profiles/*/harness-runs/*casesmy*/report.md || fail "the example does not say what is wrong: $(cat out err)"
checks=$((checks + 1))
jq '.expect = {status: "fail", blockers: ["no_diff"]}' my/casesmy/case.json >c && cp c my/casesmy/case.json
"$HARNESS" --home "$W/h2" --cases my run-all-fake --only casesmy >out 2>err
[ $? -eq 1 ] && grep -q '^fail .*verification_failed  expected fail: no_diff$' err || fail "what was expected instead is not said: $(cat out err)"
checks=$((checks + 1))
refused 'shell-wrodcount.*did you mean.*shell-wordcount' 2 "$HARNESS" --cases "$W/new" case new two --from shell-wrodcount
refused 'no case id' 2 "$HARNESS" --cases "$W/new" case new Two
refused 'exactly one id, not 2' 2 "$HARNESS" --cases "$W/new" case new a b
[ ! -e "$W/new" ] || fail "a refused 'case new' left its folder"
refused '--cases.*give a directory' 2 "$HARNESS" --cases "$W/none/new" case new two
if [ "$(id -u)" -ne 0 ]; then
    mkdir "$W/shut" && chmod 500 "$W/shut"
    refused 'not writable.*--cases DIR' 2 "$HARNESS" --cases "$W/shut" case new two
fi

# --- the screen: no row wraps, at any width; a pipe gets everything
full=$(h report list | wc -L)
[ "$full" -gt 90 ] || fail "a pipe gets $full columns of the list"
export SCREEN_SENTENCES='^[a-z][^:]*: |[.]$|^[0-9]+ (of|checked)'
for width in 12 40 100; do
    for c in 'report list' 'case list' engines doctor 'verify --all' 'run-all-fake --only answer-only --only rename-module'; do
        [[ $c != run* || $width = 40 ]] || continue
        # shellcheck disable=SC2086
        screen "$width" "$HARNESS" --home "$W/home" --cases "$SRC/cases" $c >out 2>err || fail "$c at $width columns: $(cat err out | tail -5)"
        checks=$((checks + 1))
        [ "$width" -ge 40 ] || continue
        case $c in report*) grep -q '^pass  ' out ;; case*) grep -q '^answer-only' out ;; run*) grep -q '^rename-module  *pass' out ;; *) : ;; esac || fail "$c at $width columns: $(head -3 out)"
    done
done
# ... and a validator shows what it is at, in one line that goes when it is over; what has no reader is not told
screen 50 "$HARNESS" --home "$W/home" --cases "$SRC/cases" validate stage1 >out 2>err
check "validate stage1 on a screen: exit $?: $(cat err)" [ ! -s err ]
check "the steps: $(tr '\r' '\n' <out | head -c 600)" grep -q '  4/5  stage 1 of case: missing-event on fake' out
for quiet in --json --quiet; do
    h validate stage1 $quiet >out 2>err || fail "validate stage1 $quiet"
    check "with $quiet: $(cat err)" [ ! -s err ]
done
# ... and what is to be done is never cut, with names that can be copied
for width in 40 60 80; do
    screen "$width" "$HARNESS" --home "$W/home" --cases "$SRC/cases" eligibility r1-string-slugify --engine case >out 2>err
    check "eligibility at $width columns: exit $?: $(cat err)" [ ! -s err ]
    words=$(tr -s ' \r\n' ' ' <out)
    for text in 'set CTO_HARNESS_CASE_STAGE to the stage of this run, 2 to 5' 'no source admission of workos-case; admit source --record' \
        'set CTO_HARNESS_CASE_BIN to the admitted program'; do
        check "eligibility at $width columns lacks: $text" grep -qF "$text" <<<"$words"
    done
    [ "$width" -lt 60 ] || check "a name is broken at $width columns" grep -q CTO_HARNESS_CASE_PROVIDER_DECISION_FILE out
done
[[ $(screen 40 env NO_COLOR=1 "$HARNESS" --home "$W/home" report list | LC_ALL=C grep -c $'\x1b') == 0 ]] || fail 'NO_COLOR'
# --- verify: who rewrote a whole directory is found out by a store that knows the run; where there is none, that is said
run=$(h report list --case failed-tests --json | jq -r '.runs[0].run_id')
forged="$W/forged/$run"
mkdir forged && cp -r "$W/home/harness-runs/$run" "$forged"
check 'a true copy is held against the store' [ "$(h verify "$forged" --json | jq -c '[.ok, .held_against_store, .not_held_because]')" = '[true,true,null]' ]
python3 - "$forged" <<'PY'
import hashlib, os, re, sys
os.chdir(sys.argv[1])
sha = lambda b: hashlib.sha256(b).hexdigest()
report, log = open("report.json", "rb").read(), open("test.log", "rb").read()
new_log = log + b"OK\n"
own = re.search(rb'"report.json":\t"([0-9a-f]{64})"', report)[1]
new = report.replace(sha(log).encode(), sha(new_log).encode()).replace(own, b"")
new = new.replace(b'"report.json":\t""', b'"report.json":\t"' + sha(new).encode() + b'"')
sums = open("SHA256SUMS", "rb").read()
for a, b in (log, new_log), (report, new):
    assert sha(a).encode() in sums
    sums = sums.replace(sha(a).encode(), sha(b).encode())
for name, data in ("report.json", new), ("test.log", new_log), ("SHA256SUMS", sums):
    open(name, "wb").write(data)
PY
h verify "$forged" >out 2>err
[ $? -eq 1 ] && grep -q 'does not hold: report.json .*store has another digest' out || fail "a forged copy: $(cat out err)"
"$HARNESS" --home "$W/nothing" verify "$forged" >out 2>err
[ $? -eq 0 ] && grep -q "ok in itself .*; not held against a store, and nothing is signed: there is no $W/nothing/cto.db" out || fail "without a store: $(cat out err)"
env -u HOME -u CTO_HOME -u HERMES_HOME "$HARNESS" verify "$forged" >out 2>err
[ $? -eq 0 ] && grep -q 'ok in itself .*; not held against a store, and nothing is signed: no home' out || fail "without a home: $(cat out err)"
"$HARNESS" --home "$W/h2" verify "$forged" --json >out 2>err || fail "another home: $(cat err)"
check 'another store says that it does not know the run' [ "$(jq -c '[.ok, .held_against_store, (.not_held_because | test("does not know it"))]' out)" = '[true,false,true]' ]
cp -r "$W/home/harness-runs/$matrix" "$W/forged/matrix"
check 'a copied matrix' [ "$(h verify ./forged/matrix --json | jq -c '[.ok, .held_against_store]')" = '[true,true]' ]
sed -i 's/"fail":\t0/"fail":\t1/' forged/matrix/report.json
(cd forged/matrix && sha256sum report.json report.md >SHA256SUMS)
h verify ./forged/matrix >out 2>err
[ $? -eq 1 ] && grep -q 'does not hold: report.json' out || fail "a forged matrix: $(cat out err)"
sound
e2e_end
