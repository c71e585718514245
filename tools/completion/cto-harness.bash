# bash completion for cto-harness. Commands are listed here (tests/lint/docs.sh compares them with the program); options come
# from the command's own --help, so they are never out of date.
# shellcheck shell=bash
_cto_harness() {
    local commands='case doctor engines report run-all-fake run-case sandbox schema store validate verify'
    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]} command='' i words
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --home | --cases | --env-file) i=$((i + 1)) ;;
        -*) ;;
        *)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    case $previous in
    --home | --cases | --write | --read)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    --env-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --engine)
        words=$("$program" engines --json 2>/dev/null | sed -n 's/.*"name": *"\([^"]*\)".*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        return
        ;;
    --profile)
        mapfile -t COMPREPLY < <(compgen -W 'engine verifier' -- "$cur")
        return
        ;;
    esac
    if [[ $cur == -* ]]; then
        # shellcheck disable=SC2086
        words=$("$program" $command --help 2>/dev/null | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u)
    else
        case $command in
        '') words=$commands ;;
        run-case) words=$("$program" case list 2>/dev/null | awk '{ print $1 }') ;;
        case) words='list lint new' ;;
        report) words='show list' ;;
        store) words='info check' ;;
        sandbox) words='exec' ;;
        validate) words='failure-matrix' ;;
        schema) words=$("$program" schema 2>/dev/null | awk '{ print $1 }') ;;
        *)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _cto_harness cto-harness
