# SPDX-License-Identifier: MIT
# bash completion for shmchan-stat(1). Needs nothing but bash.

# The living channels' names that begin with what was typed, with or without their slash.
_shmchan_stat_names()
{
    local cur=$1 name
    while IFS= read -r name; do
        [[ $cur == /* ]] || name=${name#/}
        [[ $name == "$cur"* ]] && COMPREPLY+=("$(printf '%q' "$name")")
    done < <("${COMP_WORDS[0]}" --names 2>/dev/null)
}

# The last element of a list with commas.
_shmchan_stat_limits()
{
    local cur=$1 done='' word
    [[ $cur == *,* ]] && done=${cur%,*},
    for word in $2; do
        [[ $done$word == "$cur"* ]] && COMPREPLY+=("$done$word")
    done
    compopt -o nospace 2>/dev/null
}

_shmchan_stat()
{
    local cur=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} word
    local states='damaged stalled no-receiver missing full orphaned no-senders foreign-version unreadable
        flowing idle'
    local options='-a --all -w --watch --json --openmetrics --check --warning --critical --ok
        --remove-orphans --yes --dry-run --help --version'
    COMPREPLY=()
    # bash makes words of their own of what lies around an equals sign.
    if [[ $cur == '=' ]]; then
        cur=
    elif [[ $option == '=' ]]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $option in
    --warning | --critical)
        _shmchan_stat_limits "$cur" "used= lane= blocked= dead= $states"
        return
        ;;
    --ok)
        _shmchan_stat_limits "$cur" "$states"
        return
        ;;
    esac
    if [[ $cur == -* ]]; then
        for word in $options; do
            [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
        done
        return
    fi
    _shmchan_stat_names "$cur"
}

complete -F _shmchan_stat shmchan-stat
