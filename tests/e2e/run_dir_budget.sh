#!/usr/bin/env bash
# ctest: timeout=240
# A run directory that may not grow any more, at many points of a run: whichever artifact does not fit, the run fails for that
# reason, and what there is of it holds. It never passes with evidence that was cut, and the harness itself never fails.
. "$2/tests/lib/e2e.bash"

mkdir cases
only=()
for ((bytes = 500; bytes <= 9500; bytes += 600)); do
    id=budget-$bytes
    cp -r "$SRC/cases/docs-typo" "cases/$id"
    jq --arg id "$id" --argjson n "$bytes" '.id = $id | .limits.run_dir_bytes = $n' "$SRC/cases/docs-typo/case.json" >"cases/$id/case.json"
    only+=(--only "$id")
done
"$HARNESS" --home "$W/home" --cases "$W/cases" run-all-fake --json "${only[@]}" >matrix.json 2>err
code=$?
[ "$code" -le 1 ] || fail "exit $code: $(tail -3 err)"
report=$(jq -r .report_path matrix.json)
mapfile -t runs < <(run_dirs)
[ "${#runs[@]}" -eq $((${#only[@]} / 2)) ] || fail "${#runs[@]} runs of $((${#only[@]} / 2))"
jq -r '.rows[] | .status + " " + (.blockers | map(if type == "object" then .reason else . end) | join(" "))' "$report" | sort | uniq -c >kinds
grep -q ' fail artifact_write_failure$' kinds && grep -q ' pass $' kinds || fail "not both ends: $(cat kinds)"
[ "$(grep -vc ' fail artifact_write_failure$\| pass $' kinds)" -eq 0 ] || fail "another end: $(cat kinds)"
for d in "${runs[@]}"; do # a pass has all that a pass needs
    [ "$(jq -r .status "$d/report.json")" = pass ] || continue
    python3 "$SRC/tests/lib/evidence.py" - "$d" >opinion 2>&1 || fail "second opinion: $(cat opinion)"
done
checks=$((checks + ${#runs[@]}))

# --keep leaves the work directory under a name that recovery does not touch.
h run-case docs-typo --keep --quiet >/dev/null 2>err || fail "--keep: $(cat err)"
h run-case answer-only --quiet >/dev/null 2>err || fail "after --keep: $(cat err)"
kept=$(ls "$W/home/work")
case $kept in *-docs-typo-*.kept) [ -d "$WORKDIRS/$kept/ws/.git" ] || fail "kept, but not the workspace" ;; *) fail "kept: $kept" ;; esac
rm -rf "${WORKDIRS:?}/$kept"
checks=$((checks + 1))
sound
e2e_end
