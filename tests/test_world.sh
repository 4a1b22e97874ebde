#!/bin/sh
# SPDX-License-Identifier: MIT
# A libc that differs, and a word size that differs: programs that cannot share a channel say so and do it no
# harm; those that are alike can.
#
#     tests/test_world.sh BUILD_DIR
#
# BUILD_DIR is used for nothing but scratch space. Prints 'ok - ', 'not ok - ' and 'skip - ' lines.
set -u

if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    echo "usage: tests/test_world.sh BUILD_DIR" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd) || exit 2
scratch=$(mktemp -d "$1/world.XXXXXX") || exit 2
scratch=$(cd "$scratch" && pwd) || exit 2
name=/shmchan-test-$$-world
failed=0

trap 'rm -rf "$scratch" "/dev/shm$name" "/dev/shm$name-talk"' EXIT
trap 'exit 1' INT TERM

# judge PROMISE STATUS
judge() {
    if [ "$2" -eq 0 ]; then
        echo "ok - $1"
    else
        failed=1
        echo "not ok - $1:"
        sed 's/^/    /' "$scratch/log"
    fi
}

cat >"$scratch/probe.c" <<'END'
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shmchan.h"

#define OPTIONS SHMCHAN_OPTIONS(.message_size = 8, .capacity = 16, .max_senders = 8, .type = "number")

static void insist(const char *what, long got, long want)
{
    if (got == want)
        return;
    printf("%s is %ld, should be %ld\n", what, got, want);
    exit(1);
}

#define INSIST(call, want) insist(#call, (long)(call), (long)(want))

static int count(const char *found, void *wanted)
{
    return strcmp(found, wanted) == 0;
}

/* A channel with a message in it. */
static void create(const char *name)
{
    shmchan_sender *tx;
    uint64_t n = 4711;
    INSIST(shmchan_sender_create(name, &OPTIONS, &tx), 0);
    INSIST(shmchan_send(tx, &n), 0);
    shmchan_sender_close(tx);
}

static void take(const char *name)
{
    shmchan_receiver *rx;
    uint64_t n = 0;
    INSIST(shmchan_receiver_open(name, &OPTIONS, &rx), 0);
    INSIST(shmchan_recv(rx, &n), 1);
    INSIST(n, 4711);
    INSIST(shmchan_recv(rx, &n), 0);
    shmchan_receiver_close(rx);
}

/* One of another kind: each call says so. It is listed all the same. */
static void refuse(char *name)
{
    shmchan_sender *tx = NULL;
    shmchan_receiver *rx = NULL;
    struct shmchan_snapshot snapshot;
    INSIST(shmchan_receiver_open(name, &OPTIONS, &rx), -EPROTONOSUPPORT);
    INSIST(shmchan_sender_open(name, NULL, &tx), -EPROTONOSUPPORT);
    INSIST(shmchan_inspect(name, &snapshot), -EPROTONOSUPPORT);
    INSIST(shmchan_receiver_create(name, &OPTIONS, &rx), -EEXIST);
    INSIST(shmchan_list(count, name), 1);
    INSIST(tx == NULL && rx == NULL, 1);
}

/* Four processes send, one of which is killed; all arrives, and then the end. */
static void talk(const char *name)
{
    enum { SENDERS = 4, MESSAGES = 2000 };
    shmchan_receiver *rx;
    pid_t pids[SENDERS];
    uint64_t due[SENDERS] = {0}, n;
    INSIST(shmchan_receiver_create(name, &OPTIONS, &rx), 0);
    /* Or the end would come between two who have not opened it yet. */
    shmchan_sender *keep;
    INSIST(shmchan_sender_of(rx, &keep), 0);
    for (uint64_t i = 0; i < SENDERS; i++) {
        fflush(stdout);
        if ((pids[i] = fork()) != 0)
            continue;
        shmchan_sender_close(keep);
        shmchan_sender *tx;
        INSIST(shmchan_sender_open(name, NULL, &tx), 0);
        for (uint64_t k = 0; k < MESSAGES; k++) {
            n = i << 32 | k;
            INSIST(shmchan_send(tx, &n), 0);
        }
        if (i == 0)
            raise(SIGKILL);
        if (i == 1) { /* through fork */
            pid_t pid = fork();
            n = i << 32 | MESSAGES;
            if (pid == 0) {
                int r = shmchan_send(tx, &n);
                fflush(stdout);
                _exit(r != 0);
            }
            waitpid(pid, NULL, 0);
        }
        shmchan_sender_close(tx);
        _exit(0);
    }
    for (uint64_t i = 0; i < SENDERS * MESSAGES + 1; i++) {
        INSIST(shmchan_recv(rx, &n), 1);
        INSIST(n & 0xffffffff, due[n >> 32]++);
    }
    shmchan_sender_close(keep);
    INSIST(shmchan_recv(rx, &n), 0);
    for (int i = 0; i < SENDERS; i++) {
        int status;
        INSIST(waitpid(pids[i], &status, 0), pids[i]);
        INSIST(status, i == 0 ? SIGKILL : 0);
    }
    INSIST(shmchan_unlink(name), 0);
    shmchan_receiver_close(rx);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    if (strcmp(argv[1], "create") == 0)
        create(argv[2]);
    else if (strcmp(argv[1], "take") == 0)
        take(argv[2]);
    else if (strcmp(argv[1], "refuse") == 0)
        refuse(argv[2]);
    else if (strcmp(argv[1], "talk") == 0)
        talk(argv[2]);
    else
        INSIST(shmchan_unlink(argv[2]), 0);
    return 0;
}
END

# build PROGRAM COMPILER...
build() {
    out=$1
    shift
    "$@" -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -O2 -Wall -Wextra -Werror -pthread -I"$root/include" \
        -I"$root/src" -o "$scratch/$out" "$scratch/probe.c" "$root"/src/*.c -lrt >"$scratch/log" 2>&1
}

# probe PROGRAM WORD NAME
probe() {
    timeout 100 "$scratch/$1" "$2" "$3" >>"$scratch/log" 2>&1
}

# Can this compiler make programs that run here?
works() {
    printf '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n' >"$scratch/empty.c"
    "$@" -o "$scratch/empty" "$scratch/empty.c" >/dev/null 2>&1 && "$scratch/empty" >/dev/null 2>&1
}

# refuses BY WHOM PROMISE: what $2 has created, $1 refuses and leaves as it is; then $2 takes it.
refuses() {
    : >"$scratch/log"
    probe "$2" create "$name" && probe "$1" refuse "$name" && probe "$2" take "$name" && probe "$1" unlink "$name"
    judge "$3" $?
    rm -f "/dev/shm$name"
}

# differs KIND COMPILER...
differs() {
    kind=$1
    shift
    if ! build other "$@"; then
        judge "$kind: the library builds" 1
        return
    fi
    judge "$kind: the library builds without a warning" 0
    refuses other native "$kind: opens nothing that was made here"
    refuses native other "$kind: what it made is opened by nobody here"
    : >"$scratch/log"
    probe other talk "$name-talk"
    judge "$kind: senders and a receiver of that kind, one killed" $?
}

build native "${CC:-cc}"
judge "the probe builds" $?
: >"$scratch/log"
probe native talk "$name-talk"
judge "native: senders and a receiver, one killed" $?

if ! command -v musl-gcc >/dev/null 2>&1; then
    echo "skip - another libc: no musl-gcc"
elif ! works musl-gcc -static; then
    echo "skip - another libc: what musl-gcc makes does not run"
elif [ "$(${CC:-cc} -dumpmachine | grep -c musl)" -ne 0 ]; then
    echo "skip - another libc: this one is musl itself"
else
    differs "musl" musl-gcc -static
fi

if ! works "${CC:-cc}" -m32; then
    echo "skip - another word size: ${CC:-cc} -m32 makes no program that runs"
else
    differs "32 bits" "${CC:-cc}" -m32
fi

exit "$failed"
