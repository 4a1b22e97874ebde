#!/bin/sh
# SPDX-License-Identifier: MIT
# A user's view: `make install`, a program that knows pkg-config alone, shared and static, C and C++;
# `make uninstall` leaves nothing.
#
#     tests/test_install.sh BUILD_DIR
#
# CC, CXX, CFLAGS and LDFLAGS as the library was built with (make check passes them).
set -u

if [ $# -ne 1 ] || [ ! -e "$1/libshmchan.a" ]; then
    echo "usage: tests/test_install.sh BUILD_DIR, with the library built in it (make lib)" >&2
    exit 2
fi
build=$(cd "$1" && pwd) || exit 2
source=$(cd "$(dirname "$0")/.." && pwd) || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failed=0
: "${CC:=cc}" "${CXX:=c++}" "${CFLAGS:=-O2}" "${LDFLAGS:=}"
export CC CXX CFLAGS LDFLAGS
# What an outer make was told is not for the one we run.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL DESTDIR PREFIX

check() {
    what=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok - install: $what"
    else
        echo "not ok - install: $what"
        sed 's/^/    /' "$work/out"
        failed=1
    fi
}

skip() {
    echo "skip - install: $1: $2"
}

# shellcheck disable=SC2317 # check calls it
in_source() {
    make -C "$source" BUILD="$build" "$@"
}

# ---------------------------------------------------------------- with PREFIX

prefix=$work/prefix
check "make install PREFIX=..." in_source install PREFIX="$prefix"
for file in include/shmchan.h lib/libshmchan.a lib/libshmchan.so lib/libshmchan.so.0 lib/pkgconfig/shmchan.pc; do
    check "$file is there" [ -e "$prefix/$file" ]
done

cat >"$work/user.c" <<'END'
#include <shmchan.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
struct sample {
    long value;
    char name[24];
};
SHMCHAN_TYPED(sample, struct sample)
int main(void)
{
    struct shmchan_options o = sample_options();
    shmchan_sender *tx;
    shmchan_receiver *rx;
    struct sample s;
    long sum = 0;
    int r;
    memset(&s, 0, sizeof s);
    o.capacity = 8;
    r = shmchan_pair(&o, &tx, &rx);
    if (r < 0) {
        fprintf(stderr, "%s\n", shmchan_strerror(r));
        return 1;
    }
    if (fork() == 0) {
        for (s.value = 1; s.value <= 1000; s.value++)
            if (sample_send(tx, &s) < 0)
                _exit(1);
        _exit(0);
    }
    shmchan_sender_close(tx);
    while ((r = sample_recv(rx, &s)) > 0)
        sum += s.value;
    shmchan_receiver_close(rx);
    wait(&r);
    printf("%ld %s\n", sum, shmchan_version());
    return r;
}
END
cp "$work/user.c" "$work/user.cc"

version=$(sed -n 's/^#define SHMCHAN_VERSION_M[AI][JN]OR \|^#define SHMCHAN_VERSION_PATCH //p' \
    "$source/include/shmchan.h" | paste -sd.)

pkg() {
    PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config "$@" shmchan
}

# runs WHAT PROGRAM: it says what it should.
runs() {
    LD_LIBRARY_PATH=$prefix/lib timeout 120 "$2" >"$work/said" 2>&1
    check "$1 runs" [ "$(cat "$work/said")" = "500500 $version" ]
}

# Against the shared library, and against the static one.
build_and_run() {
    what=$1 program=$2
    shift 2
    # shellcheck disable=SC2046,SC2086 # words are wanted
    check "$what, shared, builds by pkg-config" "$@" $CFLAGS -o "$work/$program" $(pkg --cflags --libs) $LDFLAGS
    runs "$what, shared," "$work/$program"
    check "$what, shared, names libshmchan.so.0" \
        sh -c "readelf -d '$work/$program' | grep 'NEEDED.*libshmchan\.so\.0\]'"
    case $CFLAGS in
    *-fsanitize*) # whose runtime is not to be had static: the library alone is
        libs=$(pkg --libs --static | sed 's/-lshmchan/-l:libshmchan.a/') static= ;;
    *)
        libs=$(pkg --libs --static) static=-static ;;
    esac
    # shellcheck disable=SC2046,SC2086
    check "$what, static, builds by pkg-config" "$@" $CFLAGS $static -o "$work/$program-static" \
        $(pkg --cflags) $libs $LDFLAGS
    runs "$what, static," "$work/$program-static"
    check "$what, static, needs no libshmchan.so" \
        sh -c "! readelf -d '$work/$program-static' | grep 'NEEDED.*libshmchan'"
}

if command -v pkg-config >/dev/null 2>&1; then
    check "pkg-config knows version $version" [ "$(pkg --modversion)" = "$version" ]
    build_and_run "a C program" user "$CC" -std=c11 -D_GNU_SOURCE "$work/user.c"
    if command -v "$CXX" >/dev/null 2>&1; then
        build_and_run "a C++ program" userxx "$CXX" -std=c++17 "$work/user.cc"
    else
        skip "a C++ program" "no $CXX"
    fi
else
    skip "a user's program" "no pkg-config"
fi

# A user's own functions may be called as the library's inner ones are.
check "the static library shows outsiders only shmchan_*" \
    sh -c "! nm -g --defined-only '$prefix/lib/libshmchan.a' | awk 'NF == 3 { print \$3 }' | grep -v '^shmchan_'"

check "make uninstall PREFIX=..." in_source uninstall PREFIX="$prefix"
check "nothing is left of it" [ -z "$(find "$prefix" ! -type d)" ]

# ---------------------------------------------------------------- with DESTDIR, as packagers do

stage=$work/stage
where="DESTDIR=$stage PREFIX=/opt/x LIBDIR=/opt/x/lib64"
# shellcheck disable=SC2086
check "make install DESTDIR=... PREFIX=... LIBDIR=..." in_source install $where
check "it goes below DESTDIR" [ -e "$stage/opt/x/lib64/libshmchan.so.0" ]
check "and nowhere else" [ "$(find "$stage" ! -type d | grep -cv "^$stage/opt/x/")" = 0 ]
check "shmchan.pc does not speak of DESTDIR" sh -c "! grep -r '$stage' '$stage/opt/x/lib64/pkgconfig'"
check "shmchan.pc speaks of LIBDIR" grep '^libdir=/opt/x/lib64$' "$stage/opt/x/lib64/pkgconfig/shmchan.pc"
# shellcheck disable=SC2086
check "make uninstall DESTDIR=... PREFIX=... LIBDIR=..." in_source uninstall $where
check "nothing is left of it either" [ -z "$(find "$stage" ! -type d)" ]

exit $failed
