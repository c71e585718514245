# shellcheck shell=bash
# planning.bash - sourced by tests: planning_workspace DIR makes a planning workspace in which every rule holds.
planning_front() { # NAME STATUS [MORE...]
    printf -- '---\nname: %s\nstatus: %s\nowner: alice\ncreated: 2026-11-01\nlast_reviewed: 2026-11-20\n' "$1" "$2"
    printf 'lifecycle_classification: local-planning\ncore_promotion_status: not-promoted\n'
    shift 2
    [ $# -eq 0 ] || printf '%s\n' "$@"
    printf -- '---\n\nLocal planning SOT only. Not a Core Protocol. Not active Core authority.\n\n'
}
planning_guards() { printf 'No Core promotion occurs.\nRuntime default activation remains false.\nDo not activate Case as default backend.\n'; }
planning_workspace() {
    mkdir -p "$1"/{prd,issues,evidence,admissions,notes} || return 1
    (
        cd "$1" || exit 1
        {
            planning_front Context draft
            printf '**Cortex**: decides authority.\n**Hermes**: shows and hands over.\n- **CTO**: decides who may.\n'
            printf '| Harness | decides whether the evidence holds |\n| Case | changes code when it may |\n'
            printf '**Target repository**: stays with its owner.\n'
        } >CONTEXT.md
        for n in one two; do
            { planning_front "PRD $n" candidate && printf 'See [the issue](../issues/%s.md) and [the terms](../CONTEXT.md#cortex).\n' $n; } >prd/$n.md
            { planning_front "Issue $n" candidate && printf -- '- **Type:** %s\n' "$([ $n = one ] && echo AFK || echo HITL)"; } >issues/$n.md
        done
        { planning_front "Evidence one" validated && planning_guards && printf '\nRun 20261122T121005Z-r1-string-slugify-4711, report %s\n' \
            e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855; } >evidence/one.md
        cat >WORKBOARD.yaml <<'YAML'
entries:
  - id: PLAN-1
    title: The first
    status: validated
    blocked_by: []
    prd: prd/one.md
    issues: [issues/one.md]
    evidence: [evidence/one.md]
  - id: PLAN-2
    title: The second
    status: blocked
    blocked_by: [PLAN-1, PLAN-3]
    prd: prd/two.md
    issues: [issues/two.md]
  - id: PLAN-3
    title: The third, of the same documents
    status: draft
    blocked_by: PLAN-1
    prd: prd/two.md
    issues: issues/two.md
YAML
        printf 'only words\n' >notes/plain.txt
        printf '\211PNG\r\n\032\n\0\0' >notes/picture.png
    )
}
