#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs all tests: each program BUILD_DIR/tests/test_* and each tests/test_*.sh. Then looks for what they
# left behind.
#
#     tests/run.sh BUILD_DIR [NAME...]        (NAME: only these, as test_fork or test_install.sh)
#
# The last line is 'N passed, N failed', with ', N skipped' if any were. The exit status is 0 if none failed.
# A program's tests are counted from check's closing line, a script's from its lines 'ok - ' and 'not ok - ';
# one that counts nothing, dies, or does not end in SHMCHAN_TEST_TIMEOUT seconds (3000) has failed.
set -u

if [ $# -lt 1 ] || [ ! -d "$1" ]; then
    echo "usage: tests/run.sh BUILD_DIR [NAME...]" >&2
    exit 2
fi
build=$1
shift
only="$*"
here=$(cd "$(dirname "$0")" && pwd) || exit 2
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
limit=${SHMCHAN_TEST_TIMEOUT:-3000}
passed=0 failed=0 skipped=0

# Processes of this run are known by this in their environment, channels by it in their names.
SHMCHAN_TEST_RUN=$$
export SHMCHAN_TEST_RUN

wanted() {
    [ -z "$only" ] && return 0
    for name in $only; do
        [ "$name" = "$1" ] && return 0
    done
    return 1
}

count_lines() {
    grep -c "$1" "$log"
}

# How the test that wrote the log and ended with $2 fared.
judge() {
    name=$1 status=$2 took=$3
    s=$(count_lines '^skip - \|^ok - .* # SKIP')
    closing=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p' "$log" |
        tail -n 1)
    if [ -n "$closing" ]; then
        # shellcheck disable=SC2086 # three words
        set -- $closing
        f=$(($2 + $3)) p=$(($1 - $2 - $3 - s))
    else
        f=$(count_lines '^not ok - ') p=$(count_lines '^ok - ')
        p=$((p - $(count_lines '^ok - .* # SKIP')))
    fi
    note=
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        f=$((f + 1)) note=", did not end in $limit s"
    elif [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
        f=1 note=", ended with $status"
    elif [ $((p + f + s)) -eq 0 ]; then
        f=1 note=", counted nothing"
    fi
    echo "$name: $p passed, $f failed, $s skipped$note ($took s)"
    echo
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# run NAME COMMAND...
run() {
    name=$1
    shift
    wanted "$name" || return 0
    echo "== $name"
    start=$(date +%s)
    timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null
    status=$?
    cat "$log"
    judge "$name" "$status" $(($(date +%s) - start))
}

# Names in /dev/shm that our tests make: shmchan-test-PID..., PID being a run, a program or a script. Another
# run may be going on beside this one, so only those of PIDs that are gone, and our own.
leftover_names() {
    for path in /dev/shm/*shmchan-test-* /dev/shm/.*shmchan-test-*; do
        [ -e "$path" ] || [ -L "$path" ] || continue
        pid=${path#*shmchan-test-}
        pid=${pid%%[!0-9]*}
        if [ "$pid" = $$ ] || [ -z "$pid" ] || [ ! -d "/proc/$pid" ]; then
            echo "$path"
        fi
    done
}

leftover_processes() {
    grep -lsz "^SHMCHAN_TEST_RUN=$$\$" /proc/[0-9]*/environ | sed 's|/proc/\(.*\)/environ|\1|' |
        while read -r pid; do
            # Those that are still there when we look, and not the ones that look.
            [ "$pid" = $$ ] && continue
            parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
            command=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") 2>/dev/null
            case $command in
            "" | grep\ * | sed\ * | *tests/run.sh\ *) continue ;;
            esac
            echo "$pid (parent $parent): $command"
        done
}

# nothing_left WHAT TEXT
nothing_left() {
    if [ -z "$2" ]; then
        passed=$((passed + 1))
        echo "ok - no $1 of the run is left"
    else
        failed=$((failed + 1))
        echo "not ok - no $1 of the run is left:"
        echo "$2" | sed 's/^/    /'
    fi
}

names_before=$(leftover_names)
if [ -n "$names_before" ]; then
    echo "left in /dev/shm by an earlier run, removed:"
    echo "$names_before"
    echo "$names_before" | while read -r path; do rm -rf "$path"; done
fi

for program in "$build"/tests/test_*; do
    case $program in *.d | *.o) continue ;; esac
    if [ -f "$program" ] && [ -x "$program" ]; then
        run "$(basename "$program")" "$program"
    fi
done
for script in "$here"/test_*.sh; do
    [ -f "$script" ] && run "$(basename "$script")" sh "$script" "$build"
done

nothing_left process "$(leftover_processes)"
nothing_left "name in /dev/shm" "$(leftover_names)"
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 2 ]
