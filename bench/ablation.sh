#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a promise costs a single send: builds copies of the library, each without one of them, and measures them in turn
# with the library as it is: bench/ablation.sh BUILD [NAME...]. ROUNDS as for the benchmark. The copies are good for nothing else.
#
# Adds to BUILD/bench/figures.csv: the time and CPU of a message (without / with, paired by round), and the instructions.
# shellcheck disable=SC2016,SC2086,SC2206 # what looks like a variable in quotes is perl's; lists
set -u
build=$(cd "$1" && pwd) || exit 2
shift
only=("$@")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$build/bench/ablation
figures=$build/bench/figures.csv
status=0
names=()
: "${ROUNDS:=$([ "${QUICK:-0}" = 0 ] && echo 15 || echo 3)}"

# without NAME [FILE PERL]...: each change must change something.
without() {
    local name=$1 dir=$work/$1 file
    shift
    [ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $name "* ]] || return
    mkdir -p "$dir"
    cp -r "$root/Makefile" "$root/include" "$root/src" "$root/bench" "$dir/"
    while [ $# -gt 0 ]; do
        file=$1
        perl -0pi -e "$2" "$dir/src/$file"
        if cmp -s "$dir/src/$file" "$root/src/$file"; then
            echo "bench: the ablation '$name' does not apply: src/$file has changed" >&2
            status=1
            return
        fi
        shift 2
    done
    # Only the library is another: the rest is linked as it is.
    if ! make -s -C "$dir" BUILD=b WERROR= CFLAGS="${CFLAGS:--O2 -g} -Wno-unused" lib >"$dir/build.log" 2>&1 ||
        ! ${CC:-cc} -pthread -o "$dir/guard" "$build/bench/guard.o" "$build/bench/ours.o" "$dir/b/libshmchan.a" -lrt ||
        ! ${CC:-cc} -pthread -o "$dir/bench.bin" "$build"/bench/bench.o "$build"/bench/run.o "$build"/bench/ours.o \
            $objects "$dir/b/libshmchan.a" $libraries -lrt; then
        echo "bench: the ablation '$name' does not build ($dir/build.log)" >&2
        status=1
        return
    fi
    names+=("$name")
}

collected() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$work/stripped" "$@" 2>&1 | sed -n 's/.*Collected : //p'
}

instructions() { # DIR HOW: of one
    local few=2048 many=18432 a b extra=()
    [ "$2" = recv ] && extra=($few) few=$many
    strip -g -o "$work/stripped" "$1/guard"
    a=$(collected "$2" 1 $few "${extra[@]}")
    [ "$2" = recv ] && extra=($many)
    b=$(collected "$2" 1 $many "${extra[@]}")
    awk "BEGIN { printf \"%.1f\", ($b - $a) / 16384 }"
}

# rate DIR: nanoseconds and CPU nanoseconds a message of one short run.
rate() {
    mkdir -p "$1/out"
    ONLY=cost PEERS=shmchan ROUNDS=1 "$1/bench.bin" "$1/out" 2>/dev/null
    awk -F, 'NR == 2 && $11 > 0 { print 1e9 / $11, $12 }' "$1/out/runs.csv"
}

rm -rf "$work"
mkdir -p "$work"
objects=$(find "$build/bench" -maxdepth 1 -name 'peer*.o')
libraries=$(for o in $objects; do case $o in *zeromq*) pkg-config --libs libzmq ;; *boost*) echo -lstdc++ ;; esac; done)

unordered_sender='s/tx->ordered = .*?;/tx->ordered = false;/'
unordered_receiver='s/!\(g->flags & SHMCHAN_UNORDERED\)/false/'
no_question='s/(static inline int check_receiver\(shmchan_sender \*tx\)\n\{\n)/$1    if (tx) return 0;\n/'
# The flag is still looked at, without an order, and lanes are never let go, so that nothing is missed.
no_fence='s/(atomic_store_explicit\(&w->place->tail, w->tail, )memory_order_seq_cst/$1memory_order_release/;
    s/(static inline bool lane_rest\(.*?\n\{\n)/$1    if (l) { *ret_wake = lane_take_waiting(l); return false; }\n/s'

without nothing
without tickets-and-looks sender.c "$unordered_sender" receiver.c "$unordered_receiver"
without liveness sender.c "$no_question"
without wake-up-fence lane.h "$no_fence"
without all-of-these sender.c "$unordered_sender" receiver.c "$unordered_receiver" sender.c "$no_question" lane.h "$no_fence"
[[ " ${names[*]} " == *" nothing "* ]] || exit 1

[ -s "$figures" ] || echo round,figure,value >"$figures"
if command -v valgrind >/dev/null; then
    for name in "${names[@]}"; do
        for how in send recv; do
            echo "0,ablation_instructions of $how without $name,$(instructions "$work/$name" $how)" >>"$figures"
        done
    done
fi
for ((round = 0; round < ROUNDS; round++)); do
    base=
    for name in $(shuf -e "${names[@]}"); do
        echo "$name $(rate "$work/$name")"
    done >"$work/round"
    base=$(awk '$1 == "nothing" { print $2, $3 }' "$work/round")
    [ -n "${base% }" ] || continue
    awk -v base="$base" -v round=$round 'BEGIN { split(base, b, " ") }
        $1 != "nothing" && $2 > 0 && b[1] > 0 {
            print round ",ablation_time without " $1 " / with," $2 / b[1]
            print round ",ablation_CPU without " $1 " / with," $3 / b[2] }' "$work/round" >>"$figures"
done
exit $status
