#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Memory order under Relacy, a verifier for the C11 model: tests/order/run.sh BUILD_DIR
#
# Our code (generate.awk turns it into C++) runs through the scenarios of order.cc. Then each ordered access of
# it is weakened, one at a time, and the scenario named for it has to report that. What survives is in the table
# too, with the reason why; that two of those might be weakened together is not said. An access that the table does
# not tell of fails.
#
# What Relacy can say. Threads run one after the other, switching at each atomic access; a load returns the newest
# value, or an older one that happens-before and coherence permit. A seq_cst load returns nothing older than the
# newest seq_cst store; that is all that seq_cst adds, and its one order is the order of the run, as in C11 (C++20
# permits a little more where seq_cst and weaker accesses are mixed). As it comes it keeps three values of a word,
# and a full search returns one of the two newest; our copy keeps eight, and returns any.
# Not modelled: a store that takes effect after a later one (each word changes in the order of the run), and a load
# that sees the future. Where we depend on the first, it is asked otherwise: scenarios cleared and bits.
# Two threads are searched in full (bits too), three by chance, the same each time.
# Not here: attaching and takeover (members.c), which a mutex and the kernel's locks order; and a future owner's or a
# damaged region's accesses.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/order
out=${1:?usage: run.sh BUILD_DIR}/order
relacy=${RELACY:-/usr/include/relacy}
passed=0 failed=0

scenarios='publishes room idle waiting waiting_all not_empty not_empty_watched closes cleared cleared_by_receiver bits
    two_ring queue queue_idle handed handed_idle whole'

# ACCESS WEAKER WHAT: the scenario that reports it; or "-" and why it survives all. A weaker order than one that is
# reported is reported too, so only the strongest must be here; of those that survive, the weakest.
table() {
    cat <<'END'
lane_publish.store.tail          release  idle
lane_publish.store.tail          relaxed  publishes
lane_publish.load.idle           acquire  idle
lane_tail.load.tail              relaxed  publishes
lane_rest.store.idle             release  idle
lane_rest.load.tail              acquire  idle
lane_look_for_room.load.head     acquire  waiting
lane_look_for_room.load.head     relaxed  room
lane_advance.store.head          relaxed  room
lane_advance.store.head#2        release  waiting
lane_advance.store.head#2        relaxed  room
lane_rest.store.head             release  waiting_all
lane_take_waiting.load.waiting   acquire  waiting
lane_take_waiting.exchange.waiting release cleared_by_receiver
lane_take_waiting.exchange.waiting acquire - what the sleeper must see was stored before, and posts publishes it
event_raise.store.waiting        release  waiting
event_raise.store.waiting        relaxed  cleared
event_wake.load.waiting          acquire  not_empty
event_wake.exchange.waiting      release  cleared
event_wake.exchange.waiting      acquire  - what the sleeper must see was stored before, and posts publishes it
ready_set.fetch_or.ready_words   acq_rel  not_empty
ready_set.fetch_or.ready_words   acquire  bits
ready_any.load.ready_words       acquire  not_empty
ready_take_words.exchange.ready_words release bits
ready_take_words.exchange.ready_words acquire - no second look: ready_any is
question_receiver.load.receiver_closed acquire closes
close_receiver_place.store.receiver_closed release closes
lane_publish.exchange.idle       relaxed  - the seq_cst pair tail/idle before it tells all, and the ring publishes
lane_rest.exchange.idle          relaxed  - whoever takes it down: the lane is watched
ready_set.fetch_or.ready         relaxed  - ready_words publishes it
ready_take.exchange.ready        relaxed  - a tail not seen yet is seen by the next look, at the latest by lane_rest
event_post.store.posts           relaxed  - each look after a wake-up is seq_cst, as is what it looks for
event_sleep.load.posts           relaxed  - each look after a wake-up is seq_cst, as is what it looks for
event_sleep.exchange.posts       relaxed  - each look after a wake-up is seq_cst, as is what it looks for
question_receiver.load.receivers_joined relaxed - a hint: it asks for less than the lock does
ended.load.senders_joined        relaxed  - a hint: it asks for less than the locks do
merge_init.load.idle             relaxed  - what a former receiver left; ordered by its lock
resynchronise.store.head         relaxed  - damage: not reached here
END
}

verdict() { # OK NAME WORDS
    if [ "$1" = 1 ]; then passed=$((passed + 1)); printf 'ok - %-45s %s\n' "$2" "$3"
    else failed=$((failed + 1)); printf 'not ok - %-45s %s\n' "$2" "$3"; fi
}

finish() {
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
    exit
}

if [ ! -f "$relacy/relacy.hpp" ]; then
    echo 'skip - memory order: no Relacy here (apt-get install relacy-dev)'
    finish
fi

# ---------------------------------------------------------------------------------------------- the copy

# edit FILE SED...: it must change something.
edit() {
    local file=$1
    shift
    cp "$file" "$out/before"
    sed -i "$@" "$file"
    if cmp -s "$out/before" "$file"; then
        verdict 0 generate "could not change ${file#"$out/"}: $*"
        finish
    fi
}

generate() { # FILE [FUNCTION...]
    local file=$1
    shift
    if ! awk -v pick="$*" -v first="$(wc -l <"$out/sites.txt")" -v sites="$out/sites.txt" -f "$here/generate.awk" \
        "$root/src/$file" >"$out/gen/$file"; then
        verdict 0 generate "$file has changed"
        finish
    fi
}

rm -rf "$out"
mkdir -p "$out/gen"
: >"$out/sites.txt"
cp -r "$relacy" "$out/relacy"
edit "$out/relacy/defs.hpp" 's/atomic_history_size = 3;/atomic_history_size = 8;/'
edit "$out/relacy/thread.hpp" 's/= c\.is_random_sched() ? atomic_history_size *- 1 *: *1;/= atomic_history_size - 1;/'
cp "$root/src/pace.h" "$out/gen/"
: >"$out/gen/cpu.h" # order.cc has its own
for file in layout.h lane.h ready.h merge.h cond.h merge.c cond.c sender.c receiver.c; do
    generate "$file"
done
generate members.c members_ring close_receiver_place
edit "$out/gen/merge.c" 's/^#define QUIET_LOOKS .*/#define QUIET_LOOKS 2u/' # lanes are let go at once
edit "$out/gen/cond.c" -e 's/^#define SPINS .*/#define SPINS 0u/' -e 's/^#define YIELDS .*/#define YIELDS 0u/'
edit "$out/gen/cond.c" 's/^    event_post(event);/    if (took_flag) took_flag();\n&/' # in event_wake
for file in merge cond sender receiver; do
    sed -i '/^#include "/d' "$out/gen/$file.c"
done
if ! "${CXX:-g++}" -std=gnu++17 -O1 -w -I"$out" -I"$out/gen" -I"$root/include" -o "$out/order" "$here/order.cc" \
    >"$out/build.log" 2>&1; then
    verdict 0 build "order.cc does not fit the code any more"
    head -n 20 "$out/build.log"
    finish
fi

# ------------------------------------------------------------------------------------------------ as it is

ask() { # SCENARIO [SITE ORDER]: its first line
    timeout 60 "$out/order" "$@" >"$out/$1${2:+.$2.$3}.log" 2>&1
    head -n 1 "$out/$1${2:+.$2.$3}.log"
}

# What ran two at a time, in order.
report() { # COUNT
    local i good name words
    wait
    for ((i = 1; i <= $1; i++)); do
        good=0 name='?' words='no answer'
        IFS='|' read -r good name words <"$out/answer.$i"
        verdict "$good" "$name" "$words"
    done
}

sound() { # SCENARIO
    local result
    result=$(ask "$1")
    case $result in
    passed*) echo "1|$1|passes: ${result#passed } runs" ;;
    *) echo "0|$1|${result:-crashed or hung}" ;;
    esac
}

count=0
for scenario in $scenarios; do
    if [ $((count % 2)) -eq 0 ]; then wait; fi
    count=$((count + 1))
    sound "$scenario" >"$out/answer.$count" &
done
report $count

# ---------------------------------------------------------------------------------------- each access weakened

reaches() { grep -q "^reached $2 " "$out/$1.log"; } # SCENARIO SITE

weakened() { # ACCESS ORDER WHAT WHY
    local access=$1 order=$2 what=$3 why=$4 site scenario result how='not reached'
    site=$(awk -v name="$access" '$2 == name { print $1 }' "$out/sites.txt")
    if [ -z "$site" ]; then
        echo "0|$access|no such access any more"
        return
    fi
    if [ "$what" != - ]; then
        result=$(ask "$what" "$site" "$order")
        case $result in
        caught*) echo "1|$access $order|$what: ${result#caught: }" ;;
        *) echo "0|$access $order|SURVIVED $what" ;;
        esac
        return
    fi
    for scenario in $scenarios; do
        reaches "$scenario" "$site" || continue
        how=survives
        result=$(ask "$scenario" "$site" "$order")
        case $result in
        passed*) ;;
        *)
            echo "0|$access $order|said to survive, but $scenario: ${result:-crashed or hung}"
            return
            ;;
        esac
    done
    echo "1|$access $order|$how: $why"
}

count=0
while read -r access order what why; do
    if [ $((count % 2)) -eq 0 ]; then wait; fi
    count=$((count + 1))
    weakened "$access" "$order" "$what" "$why" >"$out/answer.$count" </dev/null &
done < <(table)
report $count

# Whatever weaker order an access could have, the table tells of it, or of one from which it follows.
untold=$(awk '
    function not_weaker(a, b) { return a == b || b == "relaxed" || a == "acq_rel" || a == "seq_cst" }
    NR == FNR { row[++rows] = $1; order[rows] = $2; what[rows] = $3; next }
    {
        count = split($3 == "load" ? "acquire relaxed" : $3 == "store" ? "release relaxed" : \
                      "acq_rel acquire release relaxed", weaker, " ")
        for (i = 1; i <= count; i++) {
            if (weaker[i] == $4 || !not_weaker($4, weaker[i]))
                continue
            told = 0
            for (r = 1; r <= rows; r++)
                if (row[r] == $2 && (what[r] == "-" ? not_weaker(weaker[i], order[r]) : not_weaker(order[r], weaker[i])))
                    told = 1
            if (!told)
                printf "%s (%s) ", $2, weaker[i]
        }
    }' <(table) "$out/sites.txt")
verdict "$([ -z "$untold" ] && echo 1 || echo 0)" "every access" "${untold:-$(wc -l <"$out/sites.txt") are in the table}"

finish
