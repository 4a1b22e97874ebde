#!/bin/bash
# SPDX-License-Identifier: MIT
# Hostile and damaged memory: regions of arbitrary bytes (region.c) under libFuzzer, then a process that
# scribbles over a live one (scribble.c), both with AddressSanitizer and UndefinedBehaviorSanitizer.
#
#     fuzz/run.sh BUILD_DIR
#
# FUZZ_SECONDS   how long each of the two runs (60)
# FUZZ_RUNS      stop region earlier, after so many executions
# FUZZ_JOBS      processes of region at once (one for each processor)
#
# Everything that is built or found goes to BUILD_DIR/fuzz: an input that was new to corpus/, one that fails
# to findings/. The last line is 'N passed, N failed'; the exit status is 0 if none failed.
set -u

if [ $# -ne 1 ]; then
    echo "usage: fuzz/run.sh BUILD_DIR" >&2
    exit 2
fi
mkdir -p "$1/fuzz/corpus" "$1/fuzz/findings" || exit 2
out=$(cd "$1/fuzz" && pwd) || exit 2
cd "$(dirname "$0")/.." || exit 2
seconds=${FUZZ_SECONDS:-60} runs=${FUZZ_RUNS:-}
jobs=${FUZZ_JOBS:-$(nproc)}
passed=0 failed=0
pids=()

# Channels carry the pid of the process that made them.
clean() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null
        rm -f "/dev/shm/shmchan-fuzz-$pid"
    done
}
trap clean EXIT
trap 'exit 130' INT TERM

judge() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok - $1"
    else
        failed=$((failed + 1))
        echo "not ok - $1"
    fi
}

FLAGS=(-O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
    -Wall -Wextra -Wpedantic -Iinclude -Isrc -pthread)
WRAP=-Wl,--wrap=mmap64,--wrap=munmap

build() {
    clang "${FLAGS[@]}" "-fsanitize=$2,address,undefined" -o "$out/$1" "fuzz/$1.c" src/*.c "$WRAP" "${@:3}"
}
if ! build region fuzzer -Wl,--wrap=nanosleep || ! build scribble address; then
    judge "builds with clang and libFuzzer" 1
    echo "$passed passed, $failed failed"
    exit 1
fi

# A whole region is 20 kB.
region() {
    local arguments=("-max_total_time=$seconds" -timeout=20 -max_len=20608 -len_control=20 -rss_limit_mb=4096
        -print_final_stats=1 -verbosity=1 "-artifact_prefix=$out/findings/")
    [ -z "$runs" ] || arguments+=("-runs=$(((runs + jobs - 1) / jobs))")
    exec "$out/region" "${arguments[@]}" "$out/corpus" fuzz/corpus
}

echo "== region: $jobs processes, $seconds s${runs:+, at most $runs executions}"
for ((i = 0; i < jobs; i++)); do
    region >"$out/region.$i.log" 2>&1 </dev/null &
    pids+=($!)
done
status=0 executed=0 slowest=0
for ((i = 0; i < jobs; i++)); do
    wait "${pids[i]}" || {
        status=1
        grep -a -v '^#[0-9]' "$out/region.$i.log" | tail -n 60
    }
    n=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/region.$i.log")
    s=$(sed -n 's/^stat::slowest_unit_time_sec: *//p' "$out/region.$i.log")
    executed=$((executed + ${n:-0}))
    [ "${s:-0}" -le "$slowest" ] || slowest=$s
done
[ "$executed" -gt 0 ] || status=1
judge "no finding in $executed executions ($((executed / (seconds > 0 ? seconds : 1)))/s, slowest $slowest s, \
$(find "$out/corpus" fuzz/corpus -type f | wc -l) inputs kept)" "$status"

echo "== scribble: $seconds s"
"$out/scribble" "$seconds" </dev/null &
pids+=($!)
wait $!
judge "scribbled over for $seconds s: no crash, no report, nobody stuck" $?

left='' status=0
for pid in "${pids[@]}"; do
    [ ! -e "/dev/shm/shmchan-fuzz-$pid" ] || left="$left shmchan-fuzz-$pid" status=1
done
[ "$failed" -ne 0 ] || judge "nothing is left in /dev/shm${left:+:$left}" "$status"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
