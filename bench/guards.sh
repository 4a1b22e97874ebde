#!/bin/sh
# SPDX-License-Identifier: MIT
# What a slow or busy machine cannot move: instructions an operation (callgrind), system calls for a million messages
# (strace), wake-ups when idle. Each is held against what guards.txt has recorded, and may be a little more.
#
#     bench/guards.sh BUILD            prints ok or not ok for each, then 'N passed, M failed'
#     bench/guards.sh BUILD --record   prints what was measured, for guards.txt
set -u
if [ $# -lt 1 ] || [ ! -x "$1/bench/guard" ]; then
    echo "usage: bench/guards.sh BUILD [--record]    (after make bench-guards)" >&2
    exit 2
fi
guard=$1/bench/guard
records=$(dirname "$0")/guards.txt
record=${2-}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
# Without debugging information: valgrind gives up on what newer compilers write.
strip -g -o "$work/guard" "$guard" && guard=$work/guard

# Compilers differ by more than we want to allow: a column for each.
case $(readelf -p .comment "$guard" 2>/dev/null) in *clang*) column=3 ;; *) column=2 ;; esac

# check NAME MEASURED UNIT: at most what is recorded, and its slack (per cent).
check() {
    recorded=$(awk -v name="$1" -v column=$column '$1 == name { print $column }' "$records")
    slack=$(awk -v name="$1" '$1 == name { print $4 }' "$records")
    if [ -n "$record" ]; then
        printf '%-40s %10s    (recorded: %s, %s %%)\n' "$1" "$2" "$recorded" "$slack"
        return
    fi
    verdict="not ok" note="nothing recorded, or nothing measured" bound=
    if [ -n "$recorded" ] && [ -n "$2" ]; then
        bound=$(awk "BEGIN { printf \"%.2f\", $recorded * (1 + $slack / 100) }") note="recorded: $recorded"
        awk "BEGIN { exit !($2 <= $bound) }" && verdict=ok
    fi
    if [ "$verdict" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    echo "$verdict - $1: $2 $3, at most $bound ($note)"
}

instructions() { # ARGUMENT...: of the whole program
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$guard" "$@" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

# each NAME HOW LANES: instructions of one operation: the difference of two runs that differ in their number alone.
few=2048 many=18432
each() {
    case $2 in
    send | reserve | batch) a=$(instructions "$2" "$3" $few) b=$(instructions "$2" "$3" $many) n=$(((many - few) * $3)) ;;
    *) a=$(instructions "$2" "$3" $many $few) b=$(instructions "$2" "$3" $many $many) n=$((many - few)) ;;
    esac
    measured=
    [ -n "$a" ] && [ -n "$b" ] && measured=$(awk "BEGIN { printf \"%.2f\", ($b - $a) / $n }")
    check "$1" "$measured" instructions
}

calls() { # WHICH COMMAND...: how many system calls
    which=$1
    shift
    strace -f -c -e trace="$which" -o "$work/calls" "$@" && awk '$NF == "total" { n = $4 } END { print n + 0 }' "$work/calls"
}

if command -v valgrind >/dev/null; then
    each send send 1
    each recv recv 1
    each recv-of-4-senders recv 4
    each recv-of-64-senders recv 64
    each reserve-commit reserve 1
    each peek-release peek 1
    each send-many-32 batch 1
    each recv-many-32 gather 1
    GUARD_UNORDERED=1
    export GUARD_UNORDERED
    each send-unordered send 1
    each recv-unordered recv 1
    unset GUARD_UNORDERED
else
    echo "not ok - instructions: valgrind is not installed" && failed=$((failed + 1))
fi

if command -v strace >/dev/null; then
    # Sent and received in turn, nobody waits: only the questions who is there, ten a second.
    base=$(calls all "$guard" turns 1 0)
    all=$(calls all "$guard" turns 1 1000000)
    check calls-of-a-million-messages "${all:+$((all - base))}" "system calls"
    # A full lane: a sleep and a waking for half a lane (512 messages), no more.
    check futex-calls-of-100000-into-a-full-lane "$(calls futex "$guard" full 1 100000)" "futex calls"
else
    echo "not ok - system calls: strace is not installed" && failed=$((failed + 1))
fi

wakeups=$("$guard" idle | awk '$1 == "idle_wakeups_per_s_most" { print $2 }')
check idle-wakeups-a-second "$wakeups" "of the one that wakes most"

[ -n "$record" ] && exit 0
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
