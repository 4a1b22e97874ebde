#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Cross-builds the library and the suites for arm64 and runs them under qemu-user: tests/arm64.sh BUILD
# What emulation cannot do is skipped by name. The last line is 'N passed, N failed, N skipped'.
set -u
build=$1/arm64
cd "$(dirname "$0")/.." || exit 2
passed=0 failed=0 skipped=0
gcc=aarch64-linux-gnu-gcc
libraries=/usr/lib/aarch64-linux-gnu/pkgconfig

qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64)
if [ -z "$qemu" ] || ! command -v $gcc >/dev/null || ! PKG_CONFIG_LIBDIR=$libraries pkg-config --exists check; then
    echo "skip - arm64: needs gcc-aarch64-linux-gnu, qemu-user and check:arm64 (.ci/deps --arm64)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi

# suite NAME: all of its tests must pass.
suite() {
    local name=$1 log=$build/$1.log closing
    if ! PKG_CONFIG_LIBDIR=$libraries make BUILD="$build" CC=$gcc LDFLAGS=-static WERROR=-Werror CFLAGS=-O2 \
        "$build/tests/test_$name" >"$log" 2>&1; then
        echo "not ok - $name does not build"
        tail -n 5 "$log"
        failed=$((failed + 1))
        return
    fi
    SHMCHAN_TEST_SCALE=${SCALE:-5} timeout -k 10 900 "$qemu" "$build/tests/test_$name" >"$log" 2>&1
    closing=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p' "$log" | tail -n 1)
    read -r checks failures errors <<<"${closing:-0 1 0}"
    passed=$((passed + checks - failures - errors)) failed=$((failed + failures + errors))
    if [ $((failures + errors)) -eq 0 ]; then echo "ok - $name: $checks checks"
    else echo "not ok - $name: $closing"; tail -n 5 "$log"; fi
}

omit() {
    echo "skip - $1: $2"
    skipped=$((skipped + 1))
}

mkdir -p "$build"
for name in geometry lane merge cond race instants channel; do
    suite "$name"
done
omit members "qemu-user has no robust lists: a dead holder's mutex is not handed on"
omit death "the same"
omit badinput "the same, and it knows no limit on address space but its own"
omit fork "qemu-user knows no subreaper (PR_SET_CHILD_SUBREAPER), by which the suite finds orphans"
omit stress "emulated it takes hours; race covers the order of accesses"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
