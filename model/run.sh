#!/bin/bash
# SPDX-License-Identifier: MIT
# Check the models of the protocol with Spin: every property must hold in the whole state space, every mutant must
# be rejected, by the property that it breaks, and every property must have a mutant.
#
#   model/run.sh BUILD_DIR [quick|full]
#
# One line a search: model, parameters, states, depth, memory, CPU time, result. A search that was cut short
# (depth, memory, time) proves nothing and fails. JOBS searches run side by side (2), each with MEMORY MiB at the
# most (6000). Needs spin and a C compiler; writes below BUILD_DIR/model only. docs/MODEL.md explains.
set -u

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: $0 BUILD_DIR [quick|full]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
mode=${2:-quick}
case $mode in
    quick) minutes=10 ;;
    full) minutes=30 ;;
    *) echo "$0: quick or full, not $mode" >&2; exit 2 ;;
esac
for tool in spin "${CC:-cc}"; do
    command -v "$tool" >/dev/null || { echo "$0: $tool is not installed" >&2; exit 2; }
done
work=$1/model
rm -rf "$work"
mkdir -p "$work" || exit 2
work=$(cd "$work" && pwd)

searches=() # MODEL EXPECTED DEFINES...; EXPECTED: holds, or the name of the property that must be violated

plan() # LEVEL MODEL EXPECTED DEFINES...
{
    [ "$1" = quick ] || [ "$mode" = full ] || return 0
    shift
    searches+=("$*")
}
holds() { local level=$1 model=$2; shift 2; plan "$level" "$model" holds "$@"; }
mutant() { plan quick "$@"; }

# ------------------------------------------------------------------------------------------------------ merge
holds quick merge NS=2 K=2 DEATHS=2
holds quick merge NS=2 K=2 BATCH=2 BATCHERS=1 DEATHS=1
holds quick merge NS=3 K=1
holds full merge NS=3 K=1 DEATHS=1
holds full merge NS=2 K=2 BATCH=2 BATCHERS=2 DEATHS=2
holds full merge NS=2 K=3 DEATHS=1
holds full merge NS=3 K=1 DEATHS=3
holds full merge NS=3 K=1 BATCH=2 BATCHERS=1 DEATHS=1
mutant merge order NS=2 K=2 M_ONE_LOOK
mutant merge order NS=2 K=2 M_NO_TICKET
mutant merge whole NS=2 K=1 M_PUBLISH_FIRST
mutant merge whole NS=2 K=1 M_TICKET_LAST
mutant merge in_a_row NS=2 K=1 BATCH=2 BATCHERS=1 M_TICKET_EACH
mutant merge all_or_none NS=2 K=1 BATCH=2 BATCHERS=1 DEATHS=1 M_PUBLISH_EACH
mutant merge complete NS=2 K=1 M_ASK_LATE
mutant merge settled NS=2 K=1 M_FEWER_LOOKS

# ------------------------------------------------------------------------------------------------------- idle
holds quick idle NS=2 K=2
holds quick idle NS=2 DEATHS=1 SWEEPS=1
holds quick idle NS=2 WORDS=2
holds quick idle NS=1 K=2 LIVES=2 DEATHS=1
holds full idle NS=2 K=2 DEATHS=1 SWEEPS=1
holds full idle NS=2 LIVES=2 DEATHS=1
holds full idle NS=2 K=2 K1=2
holds full idle NS=2 K=1 K1=2
mutant idle order NS=2 K=2 M_RINGS_WHEN_EMPTY
mutant idle found_at_once NS=1 K=2 M_NO_RECHECK
mutant idle found_at_once NS=1 M_NO_RING
mutant idle found_at_once NS=1 M_WORD_FIRST
mutant idle found_at_once NS=2 M_BITS_FIRST
mutant idle found_at_once NS=1 LIVES=2 DEATHS=1 M_NO_SETTLE
mutant idle complete NS=1 DEATHS=1 M_NO_SWEEP

# ------------------------------------------------------------------------------------------------------- room
holds quick room CAP=1 M=4 EARLY=1
holds quick room CAP=2 M=8 EARLY=2
holds quick room CAP=4 M=8 EARLY=1
holds quick room CAP=4 M=6 BOUND=0
holds quick room CAP=4 M=6 EARLY=1 SDEATHS=1
holds quick room CAP=4 M=7 EARLY=1 RDEATHS=1
holds quick room CAP=4 M=6 EARLY=1 RDEATHS=1 WAITS=1
holds quick room CAP=4 M=6 EARLY=1 CLOSES=1
holds full room CAP=8 M=16 EARLY=1
holds full room CAP=4 M=8 EARLY=1 RDEATHS=1 SDEATHS=1 WAITS=1
mutant room woken CAP=2 M_NO_SECOND_LOOK
mutant room woken CAP=4 M=8 M_NO_REST_WAKE
mutant room woken CAP=2 CLOSES=1 M_CLOSE_WAKES_FIRST
mutant room half CAP=4 M=8 M_WAITING_FIRST
mutant room unread CAP=2 M_ROOM_TOO_LARGE
mutant room whole CAP=2 M_HEAD_FIRST
mutant room all_received CAP=2 M_NO_RECHECK
mutant room one_slice CAP=2 RDEATHS=1 M_NO_QUESTION
mutant room woken CAP=2 M_CLEAR_LATE
mutant room woken CAP=2 M_NO_POSTS
# What the bound of a sleep rescues: without it the dead waker's sleeper sleeps on.
mutant room woken CAP=4 M=6 RDEATHS=1 WAITS=1 BOUND=0
mutant room woken CAP=2 RDEATHS=1 BOUND=0

# ------------------------------------------------------------------------------------------------------ sleep
holds full sleep NS=2 K=2
holds quick sleep NS=2 DEATHS=1
holds quick sleep NS=2 DEATHS=1 STOPS=1
holds quick sleep NS=1 K=3 EARLY=2 DEATHS=1 RDEATHS=1
holds quick sleep NS=2 BOUND=0
holds full sleep NS=2 K=2 EARLY=1 DEATHS=2
holds full sleep NS=2 EARLY=1 DEATHS=1 RDEATHS=1
mutant sleep woken NS=1 K=2 M_NO_SECOND_CHECK
mutant sleep woken NS=1 K=2 M_WAKE_FIRST
mutant sleep woken NS=1 K=2 M_RING_FIRST
mutant sleep woken NS=1 K=2 M_NO_RING
mutant sleep woken NS=1 K=2 M_NO_RECHECK
mutant sleep woken NS=1 K=2 M_CLOSE_RINGS_FIRST
mutant sleep one_slice NS=1 K=2 DEATHS=1 STOPS=1 M_NO_SWEEP
mutant sleep complete NS=1 K=2 M_NO_FULL_LOOK
mutant sleep woken NS=1 K=2 M_CLEAR_LATE
mutant sleep woken NS=1 K=2 M_NO_POSTS
# What the bound rescues: the end after a death; a message whose sender was stopped before it rang; and what one
# sender had sent and rung for, when another died between taking `waiting` down and posting. Without such another:
# nothing that was acknowledged.
mutant sleep woken NS=1 K=2 DEATHS=1 BOUND=0
mutant sleep woken NS=1 K=2 DEATHS=1 STOPS=1 BOUND=0
mutant sleep acknowledged NS=2 DEATHS=1 BOUND=0 ACKNOWLEDGED
holds quick sleep NS=1 K=2 DEATHS=1 BOUND=0 ACKNOWLEDGED

# -------------------------------------------------------------------------------------------------------- end
holds quick end NP=2 DEATHS=1
holds full end NP=3 PROMPT=1
holds quick end NP=2 PROMPT=1 RINGS=1
holds full end NP=2 DEATHS=2
holds full end NP=3 DEATHS=1
mutant end nobody NP=2 M_NO_BRIDGE
mutant end nobody NP=2 M_BRIDGE_FIRST
mutant end complete NP=2 M_ASK_LATE
mutant end end_comes NP=2 DEATHS=1 M_KEEP_INHERITED
mutant end end_comes NP=2 DEATHS=1 M_NO_RECOVERY
mutant end unread NP=2 M_GIVE_EARLY
mutant end unread NP=2 M_DRAINED_BEFORE_LOCK
mutant end not_sticky NP=2 M_STICKY
# Where the bound is needed without any death: see docs/MODEL.md.
mutant end woken NP=2 PROMPT=1

# --------------------------------------------------------------------------------------------------- takeover
holds quick takeover NS=2
holds quick takeover NS=1 K=2 DEATHS=1 RDEATHS=2
holds full takeover NS=2 K=2
holds full takeover NS=2 DEATHS=1 RDEATHS=1
holds full takeover NS=2 RDEATHS=2
mutant takeover once NS=1 K=2 M_HEAD_LATE
mutant takeover none_lost NS=1 K=2 M_HEAD_FIRST
mutant takeover none_lost NS=1 K=2 M_AT_TAIL
mutant takeover order NS=2 M_INIT_IS_A_LOOK
mutant takeover found_at_once NS=1 K=2 M_NO_IDLE_WATCH
mutant takeover found_at_once NS=1 K=2 M_NO_TAIL_WATCH
mutant takeover complete NS=1 K=2 DEATHS=1 M_NO_SWEEP

# ------------------------------------------------------------------------------------------------ searching

# In its own directory: pan.out, and CPU seconds in time.out. Can be ended by a signal.
run_pan() # MODEL EXPECTED DEFINES...
{
    local model=$1 optimise=-O1
    [ "$2" = holds ] || optimise=-O0 # few states: it is the compiler that takes long
    shift 2
    spin -a "${@/#/-D}" "$here/$model.pml" >spin.out 2>&1 || return 1
    "${CC:-cc}" "$optimise" -w -DSAFETY -DCOLLAPSE "-DMEMLIM=${MEMORY:-6000}" -o pan pan.c >cc.out 2>&1 || return 1
    TIMEFORMAT=%U
    {
        time {
            timeout "${minutes}m" ./pan -m100000 >pan.out 2>&1 &
            child=$!
            wait "$child"
        }
    } 2>time.out
    rm -f pan pan.?
}

# What a search found: holds, the name of the violated property, or what went wrong.
found()
{
    local violated
    violated=$(sed -n 's/.*assertion violated .*||\([a-z_]*\)) (at depth.*/\1/p' pan.out | head -n 1)
    if ! grep -q 'errors: [0-9]' pan.out || grep -q 'search depth too small\|out of memory\|MEMLIM' pan.out; then
        echo 'the search was cut short'
    elif [ -n "$violated" ]; then
        echo "$violated"
    elif grep -q 'invalid end state (' pan.out; then
        echo 'invalid end state'
    elif grep -q 'errors: 0' pan.out && ! grep -q 'Search not completed' pan.out; then
        echo holds
    else
        echo 'no result'
    fi
}

figure() { sed -n "$1" pan.out | head -n 1 | grep . || echo -; }

# One search, one line; its verdict goes to DIR/verdict.
search() # DIR MODEL EXPECTED DEFINES...
{
    local model=$2 expected=$3 result verdict=failed states=- depth=- mib=- seconds=-
    cd "$1" || exit 2
    shift 3
    if run_pan "$model" "$expected" "$@"; then
        result=$(found)
        states=$(figure 's/^ *\([0-9.e+]*\) states, stored.*/\1/p')
        depth=$(figure 's/.*depth reached \([0-9]*\), errors.*/\1/p')
        mib=$(figure 's/^ *\([0-9]*\)[.0-9]*[[:space:]]*total actual memory usage.*/\1/p')
        seconds=$(cat time.out)
    else
        result='does not compile'
    fi
    [ "$result" = "$expected" ] && verdict=passed
    case $expected-$verdict-$result in
        holds-passed-*) ;;
        holds-*) result="FAILED: $result" ;;
        *-passed-*) result="rejected: $result" ;;
        *-holds) result="SURVIVED: $expected is not violated" ;;
        *) result="FAILED: $expected should be violated, but: $result" ;;
    esac
    echo "$verdict" >verdict
    printf '%-8s %-44s %8s states  depth %3s %5s MiB %7s s  %s\n' "$model" "$*" "$states" "$depth" "$mib" \
        "$seconds" "$result"
    # What leads there, step by step, unless that is what was wanted.
    if [ "$verdict" = failed ] && [ -f "$model.pml.trail" ]; then
        echo "    spin -k $PWD/$model.pml.trail -p ${*/#/-D} $here/$model.pml"
    fi
}

# Takes what no other worker has taken, from the first search to the last.
worker()
{
    local n words child=
    trap '[ -z "$child" ] || kill "$child" 2>/dev/null; exit 1' TERM
    for n in "${!searches[@]}"; do
        read -ra words <<<"${searches[n]}"
        dir=$work/$(printf '%03d-%s' $((n + 1)) "${words[0]}")
        mkdir "$dir" 2>/dev/null && search "$dir" "${words[@]}"
    done
}

workers=()
trap 'kill "${workers[@]}" 2>/dev/null; exit 130' INT TERM
for ((job = 0; job < ${JOBS:-2}; job++)); do
    worker &
    workers+=($!)
done
wait

# Each property has a mutant: what can never be violated says nothing.
unproven=0
for file in "$here"/*.pml; do
    model=$(basename "$file" .pml)
    for property in $(sed -n 's/^hidden byte \(.*\);$/\1/p' "$file" | tr -d ,); do
        printf '%s\n' "${searches[@]}" | grep -q "^$model $property " && continue
        echo "$model: no mutant breaks $property"
        unproven=$((unproven + 1))
    done
done

passed=$(cat "$work"/*/verdict | grep -c passed)
failed=$((${#searches[@]} - passed + unproven))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
