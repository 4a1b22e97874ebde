#!/bin/sh
# SPDX-License-Identifier: MIT
# A user's view: `make install`, a program that knows pkg-config alone, shared and static, C and C++, the tool's
# completion in bash; `make uninstall` leaves nothing.
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
channel=/shmchan-test-$$-install
holder=
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
    [ -z "$holder" ] || { kill "$holder" && wait "$holder"; } 2>/dev/null
    rm -rf "$work" "/dev/shm$channel"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
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
/* Has a channel of this name for as long as it lives. */
static int hold(const char *name)
{
    struct shmchan_options o = sample_options();
    shmchan_receiver *rx;
    alarm(300);
    o.capacity = 8;
    if (shmchan_receiver_create(name, &o, &rx) < 0)
        return 1;
    puts("ready");
    fflush(stdout);
    return pause();
}
int main(int argc, char **argv)
{
    if (argc > 1)
        return hold(argv[1]);
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
    whose=$1 program=$2
    shift 2
    # shellcheck disable=SC2046,SC2086 # words are wanted
    check "$whose, shared, builds by pkg-config" "$@" $CFLAGS -o "$work/$program" $(pkg --cflags --libs) $LDFLAGS
    runs "$whose, shared," "$work/$program"
    check "$whose, shared, names libshmchan.so.0" \
        sh -c "readelf -d '$work/$program' | grep 'NEEDED.*libshmchan\.so\.0\]'"
    case $CFLAGS in
    *-fsanitize*) # whose runtime is not to be had static: the library alone is
        libs=$(pkg --libs --static | sed 's/-lshmchan/-l:libshmchan.a/') static= ;;
    *)
        libs=$(pkg --libs --static) static=-static ;;
    esac
    # shellcheck disable=SC2046,SC2086
    check "$whose, static, builds by pkg-config" "$@" $CFLAGS $static -o "$work/$program-static" \
        $(pkg --cflags) $libs $LDFLAGS
    runs "$whose, static," "$work/$program-static"
    check "$whose, static, needs no libshmchan.so" \
        sh -c "readelf -d '$work/$program-static' >'$work/needs' && ! grep 'NEEDED.*libshmchan' '$work/needs'"
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

# ---------------------------------------------------------------- the tool, and what completes its arguments

bash_file=$prefix/share/bash-completion/completions/shmchan-stat
zsh_file=$prefix/share/zsh/site-functions/_shmchan-stat

# What bash offers for the last of these words, by what it was told of the command in the first one's place.
offers() {
    # shellcheck disable=SC2016  # for the other shell
    PATH=$prefix/bin:$PATH bash --norc -c 'source "$1" || exit 1
shift
told=$(complete -p "$1") || exit 1
function=${told#*-F }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
"${function%% *}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf "%s\n" "${COMPREPLY[@]}"' bash "$bash_file" "$@"
}

if [ -x "$prefix/bin/shmchan-stat" ]; then
    check "bash's completion is there" [ -s "$bash_file" ]
    check "zsh's completion is there" [ -s "$zsh_file" ]
    if command -v bash >/dev/null 2>&1; then
        LD_LIBRARY_PATH=$prefix/lib "$work/user" "$channel" >"$work/said" 2>&1 &
        holder=$!
        until grep -q ready "$work/said" || ! kill -0 "$holder" 2>/dev/null; do
            sleep 0.1
        done
        check "bash offers a living channel" [ "$(offers shmchan-stat "${channel%stall}")" = "$channel" ]
        check "bash offers an option" [ "$(offers shmchan-stat --remove)" = --remove-orphans ]
        check "bash offers other options" \
            [ "$(offers shmchan-stat - | grep -cx -e -a -e --all -e -w -e --watch -e --json -e --check)" = 6 ]
    else
        skip "completion in bash" "no bash"
    fi
else
    skip "the tool" "it was not built"
    check "no tool, no completion" [ -z "$(find "$prefix" -name '*shmchan-stat')" ]
fi

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
