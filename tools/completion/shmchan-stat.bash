# SPDX-License-Identifier: MIT
# bash completion for shmchan-stat(1). Needs nothing but bash.

# The living channels' names that begin with what was typed, with or without their slash. Within quotes they need
# none of their own, and one that has such a quote in it cannot be had.
_shmchan_stat_names()
{
    local cur=$1 quote=$2 name
    [[ $quote ]] || cur=${cur//\\/}
    while IFS= read -r name; do
        [[ $cur == /* ]] || name=${name#/}
        [[ $name == "$cur"* ]] || continue
        if [[ ! $quote ]]; then
            COMPREPLY+=("$(printf '%q' "$name")")
        elif [[ $name != *"$quote"* && ($quote == "'" || $name != *[\"\$\`\\]*) ]]; then
            COMPREPLY+=("$name")
        fi
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

# What is offered for the word $1, which stands within the quote $3, after the word $2.
_shmchan_stat_offer()
{
    local cur=$1 before=$2 quote=$3 word
    local states='damaged stalled no-receiver missing full orphaned no-senders foreign-version unreadable
        flowing idle'
    local options='-a --all -w --watch --json --openmetrics --check --warning --critical --ok
        --remove-orphans --yes --dry-run --help --version'
    case $before in
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
    _shmchan_stat_names "$cur" "$quote"
}

_shmchan_stat()
{
    local at=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]} part quote='' before typed i
    COMPREPLY=()
    # bash makes words of their own of equals signs and colons, and replaces only what stands behind the last.
    part=$cur
    [[ $cur =~ ^[:=]+$ ]] && part=''
    while ((at > 1)) && [[ ${COMP_WORDS[at]} =~ ^[:=]+$ || ${COMP_WORDS[at - 1]} =~ ^[:=]+$ ]]; do
        at=$((at - 1))
        cur=${COMP_WORDS[at]}$cur
    done
    before=${COMP_WORDS[at - 1]}
    typed=${cur%"$part"}
    if [[ $part == [\'\"]* ]]; then
        quote=${part:0:1}
        cur=$typed${part:1}
    fi
    if [[ $cur == --*=* ]]; then
        before=${cur%%=*}
        cur=${cur#*=}
        typed=${typed#*=}
    fi
    _shmchan_stat_offer "$cur" "$before" "$quote"
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]#"$typed"}
    done
}

complete -F _shmchan_stat shmchan-stat
