# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# For tests of shmchan-stat: processes (peer.c) that do with channels what they are told to. After saying.sh; needs
# $source, $build (with the library), $work (the test's directory) and $peers, to which the pids of all are added.
# shellcheck disable=SC2154  # those are set there

# compile PROGRAM ARG...: with the flags of the library.
compile() {
    # shellcheck disable=SC2086  # flags are lists
    ${CC:-cc} -std=c11 -D_GNU_SOURCE ${CFLAGS:-} ${EXTRA_CFLAGS:-} -I"$source/include" -I"$source/src" \
        -o "$@" ${LDFLAGS:-} -pthread -lrt
}
compile "$work/peer" "$source/tests/peer.c" "$build/libshmchan.a" || exit 1

# peer ID NAME ACTION...: starts one in the background; its pid is then in $peer.
peer() {
    id=$1
    shift
    : >"$work/$id.out"
    "$work/peer" "$@" >"$work/$id.out" 2>"$work/$id.err" &
    peer=$!
    peers="$peers $peer"
}

said() {
    grep -qx "$2" "$work/$1.out"
}

# Each pause of a peer says "ready" before it sleeps.
ready() {
    eventually said "$1" ready || {
        not_ok "peer $1 is ready"
        sed 's/^/#   /' "$work/$1.err"
    }
}

# end PID SIGNAL: and it is gone.
end() {
    kill "-$2" "$1"
    wait "$1" 2>/dev/null
}

# process_letter PID LETTER: that is its state in /proc.
process_letter() {
    [ "$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat")" = "$2" ]
}
