#!/bin/bash
# SPDX-License-Identifier: MIT
# Hostile and damaged memory, with AddressSanitizer and UndefinedBehaviorSanitizer: under libFuzzer words of a region
# (words.c), whole regions of arbitrary bytes (region.c) and what shmchan-stat makes of them (stat.c); then a process that
# scribbles over a live one (scribble.c).
#
#     fuzz/run.sh BUILD_DIR [TARGET...]
#
# TARGET         words, region, stat, scribble (all)
# FUZZ_SECONDS   how long each of them runs (60)
# FUZZ_RUNS      stop words, region and stat earlier, after so many executions
# FUZZ_JOBS      processes at once (one for each processor)
#
# Everything that is built or found goes to BUILD_DIR/fuzz: an input that was new to corpus/, one that fails
# to findings/. The last line is 'N passed, N failed'; the exit status is 0 if none failed.
set -u

if [ $# -lt 1 ]; then
    echo "usage: fuzz/run.sh BUILD_DIR [TARGET...]" >&2
    exit 2
fi
mkdir -p "$1/fuzz/findings" || exit 2
out=$(cd "$1/fuzz" && pwd) || exit 2
shift
targets=("$@")
[ $# -gt 0 ] || targets=(words region stat scribble)
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
    case $1 in
    words) clang "${FLAGS[@]}" -fsanitize=fuzzer,address,undefined -o "$out/words" fuzz/words.c src/merge.c ;;
    region)
        clang "${FLAGS[@]}" -fsanitize=fuzzer,address,undefined -o "$out/region" fuzz/region.c src/*.c "$WRAP" \
            -Wl,--wrap=nanosleep
        ;;
    stat)
        local tool libraries
        mapfile -t tool < <(find tools -name '*.c' ! -name shmchan-stat.c ! -name options.c)
        read -ra libraries < <(pkg-config --cflags --libs jansson ncursesw | tr '\n' ' ')
        clang "${FLAGS[@]}" -Itools -fsanitize=fuzzer,address,undefined -o "$out/stat" fuzz/stat.c src/*.c "${tool[@]}" \
            "$WRAP" "${libraries[@]}"
        ;;
    scribble) clang "${FLAGS[@]}" -fsanitize=address,undefined -o "$out/scribble" fuzz/scribble.c src/*.c "$WRAP" ;;
    *) false ;;
    esac
}

# fuzz TARGET MAX_LEN: libFuzzer in several processes, which share what they find.
fuzz() {
    local target=$1 max_len=$2 log status=0 executed=0 slowest=0 n s i
    local arguments=("-max_total_time=$seconds" -timeout=20 "-max_len=$max_len" -len_control=20 -rss_limit_mb=4096
        -print_final_stats=1 -verbosity=1 "-artifact_prefix=$out/findings/$target-")
    [ -z "$runs" ] || arguments+=("-runs=$(((runs + jobs - 1) / jobs))")
    mkdir -p "$out/corpus/$target"
    echo "== $target: $jobs processes, $seconds s${runs:+, at most $runs executions}"
    local own=()
    for ((i = 0; i < jobs; i++)); do
        "$out/$target" "${arguments[@]}" "$out/corpus/$target" "fuzz/corpus/$target" >"$out/$target.$i.log" 2>&1 \
            </dev/null &
        pids+=($!) own+=($!)
    done
    for ((i = 0; i < jobs; i++)); do
        log=$out/$target.$i.log
        wait "${own[i]}" || {
            status=1
            grep -a -v '^#[0-9]' "$log" | tail -n 60
        }
        n=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        s=$(sed -n 's/^stat::slowest_unit_time_sec: *//p' "$log")
        executed=$((executed + ${n:-0}))
        [ "${s:-0}" -le "$slowest" ] || slowest=$s
    done
    [ "$executed" -gt 0 ] || status=1
    judge "$target: no finding in $executed executions (slowest $slowest s, \
$(find "$out/corpus/$target" "fuzz/corpus/$target" -type f | wc -l) inputs kept)" "$status"
}

scribble() {
    echo "== scribble: $seconds s"
    "$out/scribble" "$seconds" </dev/null &
    pids+=($!)
    wait $!
    judge "scribbled over for $seconds s: no crash, no report, nobody stuck" $?
}

for target in "${targets[@]}"; do
    if ! build "$target"; then
        judge "$target builds with clang and libFuzzer" 1
        continue
    fi
    case $target in
    words) fuzz words 512 ;;
    region | stat) fuzz "$target" 20608 ;; # a whole region is 20 kB
    scribble) scribble ;;
    esac
done

left='' status=0
for pid in "${pids[@]}"; do
    [ ! -e "/dev/shm/shmchan-fuzz-$pid" ] || left="$left shmchan-fuzz-$pid" status=1
done
[ "$failed" -ne 0 ] || judge "nothing is left in /dev/shm${left:+:$left}" "$status"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
