#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Plants bugs in the library, one at a time, and expects a check to catch each: tests/mutants.sh BUILD [NAME...]
# A mutant is a change to a copy of the sources (perl, over the whole file; it must change something), and the check
# that has to fail on it: a test program and how to run it. First the same checks run on the sound library and must pass.
# shellcheck disable=SC2016 # what looks like a variable in quotes is perl's
set -u
build=$1
shift
only=("$@")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$build/mutants
passed=0 failed=0
: "${TIMEOUT:=150}"

prepare() { # DIR
    rm -rf "$1"
    mkdir -p "$1"
    cp -r "$root/Makefile" "$root/bench" "$root/include" "$root/src" "$root/tests" "$1/"
}

# build_and_run DIR PROGRAM [ARG...]: the check's exit status; 100 = it did not build.
build_and_run() {
    local dir=$1 program=$2
    shift 2
    local flags=CFLAGS=-O2 into=plain
    [ "${program#tsan:}" != "$program" ] && flags="CFLAGS=-O1 -g -fsanitize=thread" into=tsan
    program=$into/tests/${program#tsan:}
    make -C "$dir" BUILD=$into "$flags" "$program" >"$dir/build.log" 2>&1 || return 100
    (cd "$dir" && SHMCHAN_TEST_SCALE=${SCALE:-100} timeout -k 5 "$TIMEOUT" "$program" "$@" >run.log 2>&1)
}

wanted() {
    [ ${#only[@]} -eq 0 ] && return 0
    local name
    for name in "${only[@]}"; do [ "$name" = "$1" ] && return 0; done
    return 1
}

verdict() { # OK NAME WORDS
    if [ "$1" = 1 ]; then passed=$((passed + 1)); printf 'ok - %-28s %s\n' "$2" "$3"
    else failed=$((failed + 1)); printf 'not ok - %-28s %s\n' "$2" "$3"; fi
}

# sound PROGRAM [ARG...]: the check passes on the library as it is.
sound() {
    [ ${#only[@]} -eq 0 ] || return 0
    local dir=$work/sound
    [ -d "$dir" ] || prepare "$dir"
    build_and_run "$dir" "$@"
    local status=$?
    if [ $status -eq 0 ]; then verdict 1 "(sound)" "$*"
    else verdict 0 "(sound)" "$* exited with $status"; tail -n 5 "$dir/run.log"; fi
}

# mutant NAME FILE PERL PROGRAM [ARG...]
mutant() {
    local name=$1 file=$2 change=$3
    shift 3
    wanted "$name" || return 0
    local dir=$work/$name
    prepare "$dir"
    perl -0pi -e "$change" "$dir/src/$file"
    if cmp -s "$dir/src/$file" "$root/src/$file"; then
        verdict 0 "$name" "could not be planted: src/$file has changed"
        return
    fi
    build_and_run "$dir" "$@"
    local status=$?
    case $status in
    0) verdict 0 "$name" "SURVIVED $*" ;;
    100) verdict 0 "$name" "does not build"; tail -n 5 "$dir/build.log" ;;
    124 | 137) verdict 1 "$name" "caught by $* (it hung)" ;;
    *) verdict 1 "$name" "caught by $*" ;;
    esac
    rm -rf "$dir"
}

rm -rf "$work"
mkdir -p "$work"

sound test_instants
sound test_merge
sound test_members
sound test_explored
sound test_lane
sound test_fork
SCALE=10 sound test_stress
SCALE=20 sound tsan:test_race

# ---- the order of steps
SCALE=10 mutant publish-before-payload sender.c \
    's/(    write_message\(tx, 0, take_ticket\(tx\), message, length\);)\n    publish\(tx, 1\);/    uint64_t t = take_ticket(tx);\n    publish(tx, 1);\n    write_message(tx, UINT64_MAX, t, message, length);/' \
    test_stress
mutant ticket-after-publish sender.c \
    's/(    write_message\(tx, 0, )take_ticket\(tx\)(, message, length\);)\n    publish\(tx, 1\);/    write_message(tx, 0, 0, message, length);\n    publish(tx, 1);\n    lane_stamp(lane_next_slot(&tx->lane, UINT64_MAX), take_ticket(tx), length);/' \
    test_explored
mutant one-look merge.h 's/l->head < l->earlier/l->head < l->later/' test_merge
mutant wake-before-publish sender.c \
    's/    if \(lane_publish\(&tx->lane, n\)\)\n        ring\(tx\);/    ring(tx);\n    lane_publish(&tx->lane, n);/' test_instants
mutant no-ring sender.c 's/    if \(lane_publish\(&tx->lane, n\)\)\n        ring\(tx\);/    lane_publish(&tx->lane, n);/' test_instants
mutant no-second-look-receiver receiver.c 's/if \(!ready_any\(control\)\)/if (true)/' test_instants
mutant no-second-look-sender sender.c \
    's/(event_raise\(&place->room\);\n    int r = )look_for_room\(tx, need\)/${1}0/' test_instants
mutant no-look-for-receiver sender.c 's/(    if \(r == 0\)\n        r = )ask_for_receiver\(tx\)(;\n    if \(r == 0\) \{)/${1}0$2/' test_instants
mutant no-recheck-in-rest lane.h 's/(tail, memory_order_seq_cst\) )== l->head\)/$1>= l->head)/' test_lane
mutant no-sweep merge.c 's/        watch\(m, place\);\n        found = true;//' test_merge
mutant no-wake-of-sender lane.h 's/return lane_take_waiting\(l\);/return false;/' test_instants

# ---- membership
mutant question-after-look receiver.c \
    's/    int held = members_senders_held\(c\);\n/    bool found = merge_sweep(&rx->merge);\n    int  held = members_senders_held(c);\n/; s/return !merge_sweep\(&rx->merge\);/return !found;/' \
    test_instants
mutant forget-consistent mutex.c 's/int r = pthread_mutex_consistent\(&control->mutex\);/int r = 0;/' test_members
mutant lane-given-on-undrained members.c \
    's/if \(hinted == occupied\(p\) \|\| !drained\(p\)\)/if (hinted == occupied(p))/; s/if \(drained\(&c->segment.control->places\[place\]\)\)/if (true)/' \
    test_members
mutant inherited-lock-left-open members.c 's/    close\(inherited\);/    (void)inherited;/' test_members
mutant no-bridge members.c 's/(bridge_fd < 0 \? c->bridge_fd : )hold_bridge\(c\)/${1}0/' test_members
mutant ring-before-unlock members.c \
    's/(    liveness_drop\(c->lock_fd, shm_sender_byte\(place\)\);)(.*?)(    members_ring\(c, place\);)/$3$2$1/s' test_instants
mutant new-owner-idle-down members.c 's/    atomic_store_explicit\(&p->idle, 1, memory_order_seq_cst\);\n//' test_members
mutant successor-watches-nobody merge.c 's/if \(lane_tail\(l\) != l->head \|\| [^{;]*?\)\n            watch/if (false)\n            watch/s' test_merge

# ---- untrusted memory
mutant no-length-clamp lane.h 's/return length < shape->message_size \? length : shape->message_size;/return length;/' test_lane
mutant damage-unnoticed lane.h 's/if \(w->tail - head > w->shape.mask \+ 1\)/if (false)/' test_lane

mutant own-destroys cpu.h 's/\*word = \*word;/*word = 0;/' test_lane
SCALE=20 mutant own-after-giving-back lane.h \
    's/(    lane_own\(shape, lane_slot\(shape, l->slots, l->head\)\);\n)(.*?)(    return lane_take_waiting)/$2    lane_own(shape, lane_slot(shape, l->slots, l->head - 1));\n$3/s; s/(l->head, memory_order_release\);\n)(        return false;)/$1        lane_own(shape, lane_slot(shape, l->slots, l->head - 1));\n$2/' \
    tsan:test_race
mutant ticket-not-read merge.c 's/    if \(m->ordered && m->pending_count == 1\)\n        read_ticket\(m, m->pending\[0\]\);\n//' test_merge

# ---- memory order: what ThreadSanitizer can see. What it cannot is in docs/RELIABILITY.md.
SCALE=20 mutant order-tail-store lane.h 's/(&w->place->tail, w->tail, )memory_order_seq_cst/$1memory_order_relaxed/' tsan:test_race
SCALE=20 mutant order-tail-load lane.h 's/(&l->place->tail, )memory_order_acquire/$1memory_order_relaxed/' tsan:test_race
SCALE=20 mutant order-head-store lane.h 's/(&l->place->head, l->head, )memory_order_(release|seq_cst)/$1memory_order_relaxed/g' tsan:test_race
SCALE=20 mutant order-head-load lane.h 's/(&w->place->head, )memory_order_seq_cst/$1memory_order_relaxed/' tsan:test_race

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
