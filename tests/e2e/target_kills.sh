#!/usr/bin/env bash
# ctest: timeout=300 labels=heavy only=self
# kill -9 of the supervisor at moments all over a run that lands on somebody's repository, and of the command that takes the
# operator's word. After the next command the repository is untouched or has the whole result, never something between; the run is
# sealed, or waits for its word and takes it; nothing is left.
. "$2/tests/lib/e2e.bash"
. "$2/tests/lib/target.bash"
KILLS=${CTO_KILLS:-12}
WORD_KILLS=$((KILLS / 3))
target_setup '.grace_ms = 0 | .verification = [] | .no_test_rationale = "the landing is what is tried" | .allowed_writes = ["README.md", "docs/"]'
echo 'date +%N >>README.md; mkdir -p docs; date +%N >docs/new.md; git add -A; git commit -qm "Words"' >"$tools/work"
he run-case words --engine exec --quiet >/dev/null 2>&1 # makes the home
prove_by_hand
target_admit
# Whole, or as it was.
whole() {
    [ -z "$(g status --porcelain)" ] || { fail "$1: not clean: $(g status --porcelain | head -3)"; return; }
    g fsck --strict >fsck 2>&1 || fail "$1: $(head -3 fsck)"
    local new
    new=$(g rev-list --count "$2"..HEAD)
    [ "$new" -le "$3" ] || fail "$1: $new commits more"
}
sealed() { jq -r '.status + " " + (.blocker_reasons | join(","))' "$W/home/harness-runs/$1/report.json"; }

now_ms() { echo $(($(date +%s%N) / 1000000)); }
# struck ARGS...: that command, dead $at ms after its start; fails when it was over before, and then $length becomes what it took at
# most. Both are milliseconds. (The program itself, not by the function: it is the one that must die.)
struck() {
    "$HARNESS" --home "$W/home" --cases "$W/cases" "$@" --quiet >/dev/null 2>&1 &
    local pid=$!
    sleep "$((at / 1000)).$(printf '%03d' $((at % 1000)))"
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    [ $? -eq 137 ] && return
    length=$at
    return 1
}
# moment I OF: sets $at, so that the moments are spread over $length; a few ms apart where it is very short
moment() { at=$((2 + $1 * (length > 4 * $2 ? length : 4 * $2) / $2)); }

# How long one takes here, undisturbed.
ask
start=$(now_ms)
he run-case words --engine exec --quiet >/dev/null 2>err
length=$(($(now_ms) - start))
id=$(waiting)
[ -n "$id" ] || fail "a run that nobody disturbs does not wait: $(cat err)"
start=$(now_ms)
he outcome "$id" accepted --actor bob --quiet >/dev/null || fail "accepted"
word_length=$(($(now_ms) - start))
killed=0 landed=0 resumed=0
for ((i = 0; i < KILLS; i++)); do
    moment "$i" "$KILLS"
    before=$(g rev-parse HEAD)
    ask || { fail "ask at $at"; break; }
    struck run-case words --engine exec && killed=$((killed + 1))
    he run-case answer-only >/dev/null 2>&1 # unknown here: a command that reads only
    h run-case answer-only --quiet >/dev/null 2>err || fail "at $at: the next command: $(cat err)"
    whole "at $at" "$before" 1
    id=$(waiting)
    if [ -n "$id" ]; then
        resumed=$((resumed + 1))
        [ "$(g rev-list --count "$before"..HEAD)" = 1 ] || fail "at $at: it waits, and nothing is landed"
        he outcome "$id" accepted --actor bob --quiet >/dev/null 2>err || fail "at $at: accepted: $(cat err)"
        [ "$(sealed "$id")" = "pass " ] || fail "at $at: $(sealed "$id")"
        he verify "$id" >/dev/null || fail "at $at: the evidence"
    fi
    [ "$(g rev-parse HEAD)" = "$before" ] || landed=$((landed + 1))
    # what is not used up stands in the way of the next request
    for a in $(he approve list --json | jq -r '.approvals[] | select(.state == "granted") | .id'); do he approve revoke "$a" --actor bob >/dev/null 2>&1; done
done
echo "runs killed $killed, landed $landed, of them waiting after all $resumed"
check "of $KILLS kills of a run $killed came in time" [ "$killed" -ge $((KILLS / 3)) ]

# --- the operator's word
killed=0
for word in accepted rejected; do
    length=$word_length
    for ((i = 0; i < WORD_KILLS; i++)); do
        moment "$i" "$WORD_KILLS"
        ask || { fail "ask for $word at $at"; break; }
        before=$(g rev-parse HEAD)
        he run-case words --engine exec --quiet >/dev/null 2>err
        id=$(waiting)
        [ -n "$id" ] || { fail "$word at $at: it does not wait: $(cat err)"; break; }
        struck outcome "$id" "$word" --actor bob && killed=$((killed + 1))
        h run-case answer-only --quiet >/dev/null 2>err || fail "$word at $at: the next command: $(cat err)"
        if [ -n "$(waiting)" ]; then # killed before the word was kept
            he outcome "$id" "$word" --actor bob --quiet >/dev/null 2>err
        fi
        whole "$word at $at" "$before" 2
        case $word in
        accepted) [ "$(sealed "$id")" = "pass " ] || fail "$word at $at: $(sealed "$id")" ;;
        rejected)
            [ "$(sealed "$id")" = "fail operator_rejected" ] || fail "$word at $at: $(sealed "$id")"
            [ "$(g rev-parse 'HEAD^{tree}')" = "$(g rev-parse "$before^{tree}")" ] || fail "$word at $at: another tree"
            ;;
        esac
        he verify "$id" >/dev/null || fail "$word at $at: the evidence"
    done
done
echo "words killed $killed"
check "of $((2 * WORD_KILLS)) kills of a word $killed came in time" [ "$killed" -ge $((WORD_KILLS / 2)) ]
h store check >/dev/null || fail "store check"
check "left behind" no_leftovers
e2e_end
