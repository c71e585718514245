# bash completion for cto-harness and cto-harness-sandbox. Commands are listed here (tests/lint/docs.sh compares them with the
# program); options come from the command's own --help, so they are never out of date.
# shellcheck shell=bash
_cto_harness_reply() { mapfile -t COMPREPLY < <(compgen "$@" -- "${COMP_WORDS[COMP_CWORD]}"); }

_cto_harness() {
    local commands='admit approve audit case compare doctor eligibility engines guard health outcome packet qwen-loop refresh report request run-all-fake run-case sandbox schema store validate verify workspace'
    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]} command='' verb='' i words
    local global=() # what decides where cases and runs are
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --home | --cases | --env-file)
            ((i + 1 < COMP_CWORD)) && global+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]/#\~\//$HOME/}")
            i=$((i + 1))
            ;;
        --) [ "$command" = sandbox ] && { _cto_harness_reply -c -f; return; } ;;
        -*) ;;
        *) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; elif [ -z "$verb" ]; then verb=${COMP_WORDS[i]}; fi ;;
        esac
    done
    case $previous in
    --home | --cases | --write | --read | --chdir | --core) _cto_harness_reply -d && return ;;
    --decide) words='not_decided core_promotion_requested core_promotion_deferred' ;;
    --env-file | --check | --record | --replay | --hide | --bind | --bind-write) _cto_harness_reply -f && return ;;
    --engine | --backend) words=$("$program" "${global[@]}" engines --json 2>/dev/null | sed -n '/"files"/q; s/.*"name": *"\([^"]*\)".*/\1/p') ;;
    --only | --case | --from) words=$("$program" "${global[@]}" case list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
    --request) words=$("$program" "${global[@]}" request list 2>/dev/null | awk '$2 == "open" { print $1 }') ;;
    --status) words='pass fail blocked running' ;;
    --profile) words='engine verifier' ;;
    esac
    if [ -n "${words+set}" ]; then
        _cto_harness_reply -W "$words"
        return
    fi
    if [[ $cur == -* ]]; then
        # shellcheck disable=SC2086
        words=$("$program" $command ${verb:+$([ "$command" = sandbox ] && echo exec)} --help 2>/dev/null | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u)
    else
        case $command:$verb in
        :) words=$commands ;;
        run-case: | qwen-loop: | eligibility: | case:lint) words=$("$program" "${global[@]}" case list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
        admit:) words='model source executable target decision' ;;
        approve:) words='grant deny revoke list' ;;
        outcome:) words=$("$program" "${global[@]}" report list --status running 2>/dev/null | grep -oE '[0-9]{8}T[0-9]{6}Z-[a-z0-9-]+') ;;
        outcome:*) words='accepted rejected' ;;
        request:) words='new show list' ;;
        request:show) words=$("$program" "${global[@]}" request list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
        request:new) words=$("$program" "${global[@]}" case list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
        case:) words='list lint new' ;;
        report:) words='show list governed' ;;
        engines:) words='show' ;;
        engines:show) words=$("$program" engines --json 2>/dev/null | sed -n '/"files"/,$s/.*"name": *"\([^"]*\)".*/\1/p') ;;
        report:show) words=$("$program" "${global[@]}" report list 2>/dev/null | grep -oE '[0-9]{8}T[0-9]{6}Z-[a-z0-9-]+') ;;
        store:) words='info check' ;;
        sandbox:) words='exec' ;;
        packet:) words='core-promotion' ;;
        guard:) words='core-route' ;;
        refresh:) words='stage6-real' ;;
        audit:) words='endgoal' ;;
        workspace:) words='validate' ;;
        workspace:validate) _cto_harness_reply -d && return ;;
        validate:) words='failure-matrix provider-adapter stage1 stage2 stage3 stage4 stage5 stage6 stage6-real-refresh' ;;
        schema:) words=$("$program" schema 2>/dev/null) ;;
        verify:*) _cto_harness_reply -f && return ;;
        *) words='' ;;
        esac
    fi
    _cto_harness_reply -W "$words"
}

_cto_harness_sandbox() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [ "${COMP_WORDS[i]}" = -- ] && { _cto_harness_reply -c -f; return; }
    done
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    --write | --read | --chdir) _cto_harness_reply -d ;;
    --hide | --bind | --bind-write) _cto_harness_reply -f ;;
    --profile) _cto_harness_reply -W 'engine verifier' ;;
    *) _cto_harness_reply -W "$("${COMP_WORDS[0]}" --help 2>/dev/null | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u) --" ;;
    esac
}
complete -F _cto_harness cto-harness
complete -F _cto_harness_sandbox cto-harness-sandbox
