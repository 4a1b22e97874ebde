#!/bin/sh
# SPDX-License-Identifier: MIT
# The public header compiles alone, as every C and C++ that it promises; the libraries show outsiders only
# what the header declares.
#
#     tests/test_header.sh BUILD_DIR
set -u

if [ $# -ne 1 ] || [ ! -e "$1/libshmchan.so" ]; then
    echo "usage: tests/test_header.sh BUILD_DIR, with the library built in it (make lib)" >&2
    exit 2
fi
build=$1
include=$(cd "$(dirname "$0")/../include" && pwd) || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failed=0

# check WHAT COMMAND...: the command succeeds; if not, what it said is shown.
check() {
    what=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok - header: $what"
    else
        echo "not ok - header: $what"
        sed 's/^/    /' "$work/out"
        failed=1
    fi
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# ---------------------------------------------------------------- it compiles alone

cat >"$work/alone.c" <<'END'
#include <shmchan.h>
#include <shmchan.h>
END
cp "$work/alone.c" "$work/alone.cc"

# Everything that is a macro or inline is used once.
cat >"$work/used.c" <<'END'
#include <shmchan.h>
struct sample {
    double value;
};
SHMCHAN_TYPED(sample, struct sample)
int use(void);
int use(void)
{
    shmchan_sender *tx;
    shmchan_receiver *rx;
    struct sample s = {1.5};
    struct shmchan_options o = sample_options();
    o.capacity = 4;
    if (shmchan_pair(&SHMCHAN_OPTIONS(.message_size = 8, .capacity = 2), &tx, &rx) < 0 ||
        shmchan_pair(&o, &tx, &rx) < 0)
        return 1;
    return sample_send(tx, &s) + sample_recv(rx, &s);
}
END
sed -e 's/^int use(void);//' "$work/used.c" >"$work/used.cc"

warn="-Wall -Wextra -Wpedantic -Werror"
compilers=0
for cc in gcc clang; do
    have $cc || continue
    compilers=$((compilers + 1))
    for std in c11 c17 gnu11; do
        # shellcheck disable=SC2086 # words are wanted
        check "$cc -std=$std" $cc -std=$std $warn -Wshadow -Wconversion -Wstrict-prototypes -fsyntax-only \
            -I"$include" "$work/alone.c"
    done
    # shellcheck disable=SC2086
    check "$cc -std=c11, its macros" $cc -std=c11 $warn -fsyntax-only -I"$include" "$work/used.c"
done
for cxx in g++ clang++; do
    have $cxx || continue
    compilers=$((compilers + 1))
    for std in c++11 c++14 c++17 c++20; do
        # shellcheck disable=SC2086
        check "$cxx -std=$std" $cxx -std=$std $warn -Wshadow -Wconversion -fsyntax-only -I"$include" \
            "$work/alone.cc"
    done
    # Designated initializers are C++20; before it the compilers take them, but not pedantically.
    # shellcheck disable=SC2086
    check "$cxx -std=c++20, its macros" $cxx -std=c++20 $warn -Wno-missing-field-initializers -fsyntax-only \
        -I"$include" "$work/used.cc"
    check "$cxx -std=c++17, its macros" $cxx -std=c++17 -Wall -Werror -Wno-missing-field-initializers \
        -fsyntax-only -I"$include" "$work/used.cc"
done
check "there was a compiler" [ "$compilers" -gt 0 ]

# ---------------------------------------------------------------- what is exported

# The calls that the header declares: from a line's first shmchan_name( that is no macro and not inline.
sed -n '/^#define/d; /^ *[*/]/d; /^static/d; s/^[a-z].*[ *]\(shmchan_[a-z_]*\)(.*/\1/p' "$include/shmchan.h" |
    sort -u >"$work/declared"
nm -D --defined-only "$build/libshmchan.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
    sort -u >"$work/exported"

check "declares calls" [ "$(wc -l <"$work/declared")" -ge 30 ]
check "the shared library exports what the header declares, and nothing else" \
    diff "$work/declared" "$work/exported"

exit $failed
