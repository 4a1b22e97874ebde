#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs, by apt-get, what the benchmark's peers, tables, plots and guards need: bench/deps.sh
# Elsewhere it says what to install, and fails. What is missing is only left out of the benchmark.
set -u
missing=
need() { # PACKAGE: unless the rest succeeds
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
header() {
    echo "#include <$2>" | "$1" -fsyntax-only -x "$3" -
}
need pkg-config command -v pkg-config
need g++ command -v g++
need libzmq3-dev header cc zmq.h c
need libck-dev header cc ck_ring.h c
need libdpdk-dev pkg-config --exists libdpdk
need libboost-dev header g++ boost/interprocess/ipc/message_queue.hpp c++
need libjansson-dev header cc jansson.h c
need rustc command -v rustc
need python3 command -v python3
draws() {
    python3 -c 'import matplotlib' || /usr/bin/python3 -c 'import matplotlib'
}
need python3-matplotlib draws
need valgrind command -v valgrind
need strace command -v strace

[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "bench: missing (by Debian's names):$missing" >&2
    exit 1
fi
privileged=
[ "$(id -u)" = 0 ] || privileged="sudo -n"
# shellcheck disable=SC2086 # a list
$privileged env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 update &&
    $privileged env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
        install --no-install-recommends $missing
