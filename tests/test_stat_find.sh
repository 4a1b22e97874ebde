#!/bin/sh
# SPDX-License-Identifier: MIT
# Which channels shmchan-stat finds, and which processes it takes for theirs: other PID and mount namespaces, names
# that were removed, threads, names that a shell would misread, many channels, files cut off.
#
#     tests/test_stat_find.sh BUILD_DIR
#
# Peers (peers.sh) are compiled with $CC, $CFLAGS and $EXTRA_CFLAGS. What
# needs a privilege or a program that is not there is skipped, and says so.
# shellcheck disable=SC2016,SC2140  # code for other shells; long patterns in pieces
set -u

if [ $# -ne 1 ] || [ ! -x "$1/shmchan-stat" ]; then
    echo "usage: tests/test_stat_find.sh BUILD_DIR, with BUILD_DIR/shmchan-stat built (make tools)" >&2
    exit 2
fi
build=$(cd "$1" && pwd) || exit 2
source=$(dirname "$0")/..
prefix=/shmchan-test-$$
work=$(mktemp -d) || exit 1
stat=$build/shmchan-stat
peers=
python=$(command -v python3)
export LC_ALL=C

cleanup() {
    # bash would tell of each peer that it was killed.
    exec 2>/dev/null
    for pid in $peers; do
        kill -KILL "$pid" 2>/dev/null
    done
    wait
    rm -f "/dev/shm$prefix"-* "/dev/shm$prefix'"*
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# shellcheck source=tests/saying.sh
. "$source/tests/saying.sh"
# shellcheck source=tests/peers.sh
. "$source/tests/peers.sh"


start_of() {
    sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20
}

inode() {
    stat -L -c %i "$1"
}

page() {
    "$stat" "$@" >"$work/page" 2>"$work/err"
    status=$?
}

list() {
    "$stat" >"$work/out" 2>"$work/err"
}

# A process that has nothing to do with any channel, and is stopped.
sleep 1000 &
innocent=$!
peers="$peers $innocent"
kill -STOP "$innocent"
eventually process_letter "$innocent" T

# ---------------------------------------------------------------- another process's number

channel=$prefix-mutex
peer mutex "$channel" capacity=8 create-receiver pause
ready mutex
peer x "$channel" "scribble-mutex-owner=$innocent" pause
ready x
page "$channel"
has "mutex: who has not the channel is not the one who joins" "$work/page" \
    "Pid $innocent has begun to join .* no such process is visible here that has the channel open"
has_not "mutex: and is not to be continued" "$work/page" 'kill -CONT'
peer y "$channel" scribble-mutex-owner=-1 pause
ready y
page "$channel"
has "mutex: a number that is none" "$work/page" 'pid -1, which is none'
has_not "mutex: ... has begun nothing" "$work/page" 'Pid -1'

# Two PID namespaces that were started in one tick give their processes one number and one start.
channel=$prefix-twin
peer twin "$channel" capacity=8 command=collector create-receiver pause
ready twin
page "$channel"
has_not "twin: the receiver is here" "$work/page" 'not visible from here'
peer x "$channel" "scribble-receiver-pid=$innocent" "scribble-receiver-start=$(start_of "$innocent")" pause
ready x
page "$channel"
has "twin: a process that has not the channel is another" "$work/page" \
    "receiver \\(pid $innocent, .collector., not visible from here\\)"
has_not "twin: and is not to be continued" "$work/page" 'kill -CONT'
has_not "twin: nor is its channel stalled" "$work/page" '^/.*: stalled'

# Whose descriptors may not be looked at is known by number, start and command, which is not certain.
channel=$prefix-veiled
peer veiled "$channel" capacity=8 mode=0644 command=collector create-receiver pause
ready veiled
veiled=$peer
cp "$stat" "$work/stat"
chmod 755 "$work" "$work/stat"
if setpriv --reuid 65534 --clear-groups "$work/stat" --version >/dev/null 2>&1; then
    kill -STOP "$veiled"
    eventually process_letter "$veiled" T
    setpriv --reuid 65534 --clear-groups "$work/stat" "$channel" >"$work/page"
    has "veiled: it is said that it is not certain" "$work/page" \
        "receiver \\(pid $veiled, .collector., by number, start and command; this user may not see"
    peer x "$channel" "scribble-receiver-pid=$innocent" "scribble-receiver-start=$(start_of "$innocent")" pause
    ready x
    setpriv --reuid 65534 --clear-groups "$work/stat" "$channel" >"$work/page"
    has_not "veiled: another command is another process" "$work/page" 'kill -CONT'
else
    skip "veiled" "no setpriv, or no right to be another user"
fi
end "$veiled" KILL

# ---------------------------------------------------------------- threads

channel=$prefix-threads
peer threads "$channel" capacity=8 create-receiver spin-aside pause
ready threads
threads=$peer
peer threads-s "$channel" open-sender send=3 pause
ready threads-s
page "$channel"
has "threads: one of them runs" "$work/page" 'it is running, .*state R of the liveliest of its 2 threads'
kill -STOP "$threads"
eventually process_letter "$threads" T
page "$channel"
has "threads: all of them are stopped" "$work/page" 'and is stopped \(state T\)'
end "$threads" KILL

# ---------------------------------------------------------------- names that are no word

# The command that the page suggests, run by bash, removes this channel and does nothing else.
removed_as_suggested() {
    what=$1
    channel=$2
    peer named "$channel" capacity=8 create-sender
    wait "$peer"
    page "$channel"
    sed -n 's/.*: `\(shmchan-stat --remove-orphans .*\)`\..*/\1/p' "$work/page" >"$work/command"
    (cd "$work" && PATH=$build:$PATH bash -c "$(cat "$work/command") --yes" >"$work/out" 2>"$work/err")
    if [ ! -e "/dev/shm$channel" ] && [ ! -e "$work/pwned" ] && [ -s "$work/command" ]; then
        ok "$what: is removed as suggested"
    else
        not_ok "$what: is removed as suggested"
        cat "$work/command" "$work/out" "$work/err" | sed 's/^/#   /'
        rm -f "/dev/shm$channel"
    fi
}

if command -v bash >/dev/null; then
    removed_as_suggested "a plain name" "$prefix-plain"
    is "a plain name needs no quotes" "$(cat "$work/command")" "shmchan-stat --remove-orphans $prefix-plain"
    removed_as_suggested "a semicolon" "$prefix-a;touch pwned"
    is "a semicolon is quoted" "$(cat "$work/command")" "shmchan-stat --remove-orphans '$prefix-a;touch pwned'"
    removed_as_suggested "a substitution" "$prefix-\$(touch pwned)\`touch pwned\`"
    removed_as_suggested "quotes" "$prefix-it's \"quoted\""
    removed_as_suggested "a backslash" "$prefix-a\\n'b"
    removed_as_suggested "what cannot be printed" "$prefix-$(printf 'a\033[31m\377\t')'"
    removed_as_suggested "a name of two lines" "$prefix-$(printf 'a\ntouch pwned\nb')"
    export LC_ALL=C.UTF-8
    removed_as_suggested "a name in UTF-8" "$prefix-$(printf 'gr\303\274n \342\200\256')"
    export LC_ALL=C
else
    skip "suggested commands" "no bash"
fi

# ---------------------------------------------------------------- names that were removed

channel=$prefix-gone
peer gone "$channel" capacity=8 create-receiver pause
ready gone
gone=$peer
peer gone-s "$channel" open-sender send=3 pause
ready gone-s
exec 7>"/dev/shm$prefix-file"
echo "no channel" >&7
file=$(inode "/dev/shm$prefix-file")
rm "/dev/shm$prefix-file"
nameless=unlinked:$(inode "/dev/shm$channel")
list
has_not "a channel with a name is found by that alone" "$work/out" "^$nameless "
rm "/dev/shm$channel"
list
has "a name removed: it is in the list" "$work/out" "^$nameless +stalled +3/8 "
has_not "a name removed: of another program's file nothing is said" "$work/out" "^unlinked:$file "
page "$nameless"
is "a name removed: by what the list calls it" "$status" 0
has "a name removed: the page says so" "$work/page" 'Its name has been removed'
has "a name removed: who has it" "$work/page" "^  name +none; pid [0-9]+ has it open as descriptor"
"$stat" --check "$nameless" >"$work/out"
is "a name removed: --check finds it" $? 2
"$stat" --remove-orphans --yes "$nameless" >"$work/out" 2>"$work/err"
is "a name removed: cannot be removed again" $? 1
"$stat" -w 0.05 --json "$nameless" >"$work/watched" 2>"$work/err" &
watcher=$!
peers="$peers $watcher"
eventually grep -q '"stalled"' "$work/watched"
end "$gone" KILL
eventually grep -q '"no receiver"' "$work/watched"
check "a name removed: goes on with who is left" grep -q '"no receiver"' "$work/watched"
end "$watcher" TERM
exec 7>&-

# ---------------------------------------------------------------- a /dev/shm of its own

if unshare --mount true 2>/dev/null; then
    : >"$work/inside.out"
    unshare --mount sh -c 'mount -t tmpfs none /dev/shm || exit 1
        "$1" /inside capacity=8 create-receiver pause & receiver=$!
        trap "kill -KILL $receiver" EXIT
        trap "rm /dev/shm/inside; echo removed" USR1
        trap "exit 0" TERM
        stat -c "device=%d" /dev/shm
        while :; do sleep 0.1; done' sh "$work/peer" >"$work/inside.out" 2>&1 &
    inside=$!
    peers="$peers $inside"
    ready inside
    device=$(sed -n 's/^device=//p' "$work/inside.out")
    elsewhere="other-$(((device >> 8) & 4095)):$(((device & 255) | ((device >> 12) & 1048320)))"
    list
    has "another /dev/shm: its channel is in the list" "$work/out" "^$elsewhere:/inside +no senders "
    page "$elsewhere:/inside"
    is "another /dev/shm: by what the list calls it" "$status" 0
    has "another /dev/shm: the page says where" "$work/page" 'It is in another /dev/shm than ours: pid [0-9]+ '
    "$stat" --remove-orphans --yes "$elsewhere:/inside" >"$work/out" 2>"$work/err"
    has "another /dev/shm: nothing is removed from here" "$work/err" 'is in another /dev/shm'
    kill -USR1 "$inside"
    eventually said inside removed
    list
    has "another /dev/shm: a name removed there" "$work/out" "^$elsewhere:unlinked:[0-9]+ +no senders "
    end "$inside" TERM
else
    skip "another /dev/shm" "no right to a mount namespace"
fi

# ---------------------------------------------------------------- memfd:INODE is no name

peer pair /none capacity=8 pair pause
ready pair
anonymous=$("$stat" --json | sed -n "/\"name\": \"memfd:/{s/.*\"memfd:\\([0-9]*\\)\".*/\\1/;h};/\"holder_pid\": $peer,/{x;p;q}")
check "memfd: it is found" [ -n "$anonymous" ]
page "memfd:$anonymous"
is "memfd: by its name" "$status" 0
peer named /memfd:999999999 capacity=8 create-receiver pause
ready named
page memfd:999999999
is "memfd: a channel that has this for a name is another" "$status" 1
"$stat" --openmetrics memfd:999999999 >"$work/out" 2>"$work/err"
has_not "memfd: in metrics, too" "$work/out" '^shmchan_channel_capacity'
page /memfd:999999999
is "memfd: with its slash it is that" "$status" 0
rm /dev/shm/memfd:999999999

# ---------------------------------------------------------------- cut off while it is read

channel=$prefix-flap
peer flap-r "$channel" capacity=8 places=4096 create-receiver pause
ready flap-r
peer flap "$channel" flap
flap=$peer
# shellcheck disable=SC3045  # where there is none, it may lose more
(
    ulimit -n 32 2>/dev/null
    exec "$stat" -w 0.01 --json "$channel"
) >"$work/watched" 2>"$work/err" &
watcher=$!
peers="$peers $watcher"
watched() {
    [ "$(wc -l <"$work/watched")" -ge "$1" ] || ! kill -0 "$watcher" 2>/dev/null
}
eventually watched 20
maps=$(wc -l <"/proc/$watcher/maps")
eventually watched 300
check "cut off again and again: the watcher lives" kill -0 "$watcher"
check "cut off again and again: no descriptor is lost" \
    test "$(find "/proc/$watcher/fd" -mindepth 1 2>/dev/null | wc -l)" -le 12
if grep -q asan "/proc/$watcher/maps"; then
    skip "cut off again and again: no mapping is lost" "AddressSanitizer maps as it likes"
else
    check "cut off again and again: no mapping is lost" test "$(wc -l <"/proc/$watcher/maps")" -le $((maps + 4))
fi
has "cut off again and again: it was seen" "$work/watched" '"state":"damaged"'
end "$watcher" KILL
end "$flap" KILL

# ---------------------------------------------------------------- cut off for good

channel=$prefix-whole
peer whole "$channel" capacity=8 create-receiver pause
ready whole
head -c 100 "/dev/shm$channel" >"/dev/shm$prefix-cut"
head -c 8 "/dev/shm$channel" >"/dev/shm$prefix-cut8"
head -c 7 "/dev/shm$channel" >"/dev/shm$prefix-cut7"
list
has "cut off within its header: it is in the list" "$work/out" "^$prefix-cut +damaged "
has "cut off behind its first 8 bytes: too" "$work/out" "^$prefix-cut8 +damaged "
has_not "7 bytes are no channel" "$work/out" "^$prefix-cut7 "
"$stat" --remove-orphans --yes "$prefix-cut" "$prefix-cut8" >"$work/out" 2>"$work/err"
is "cut off: both are removed" "$(grep -c ': removed$' "$work/out")" 2
check "cut off: they are gone" [ ! -e "/dev/shm$prefix-cut" ]
"$stat" --remove-orphans --yes "$prefix-cut7" >"$work/out" 2>"$work/err"
check "7 bytes are left alone" [ -e "/dev/shm$prefix-cut7" ]

# What cannot be inspected is held all the same, and a lock tells.
printf 'scribble' | dd of="/dev/shm$channel" bs=1 seek=32 conv=notrunc 2>/dev/null
"$stat" --remove-orphans --dry-run "$channel" >"$work/out" 2>"$work/err"
is "damaged and held: --dry-run: status" $? 1
has "damaged and held: --dry-run says so" "$work/err" 'held by a living process'
has_not "damaged and held: it would not be removed" "$work/out" 'would be removed'
end "$peer" KILL
"$stat" --remove-orphans --dry-run "$channel" >"$work/out" 2>"$work/err"
has "damaged and held no more: it would be removed" "$work/out" "^$channel: would be removed if it is a channel;"

# ---------------------------------------------------------------- many

channel=$prefix-many
peer many "$channel" capacity=8 places=4096 many=200 pause
ready many
"$stat" -w 0.05 --json >"$work/watched" 2>"$work/err" &
watcher=$!
peers="$peers $watcher"
eventually watched 8
kilobytes=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$watcher/status")
if grep -q asan "/proc/$watcher/maps"; then
    skip "many: places that are not in use take no memory" "AddressSanitizer takes much"
else
    check "many: places that are not in use take no memory ($kilobytes KB)" test "$kilobytes" -le 15000
fi
end "$watcher" KILL
"$stat" --json >/dev/full 2>"$work/err"
has "many: why so much cannot be written" "$work/err" 'cannot write the output: No space left'
end "$peer" KILL
for path in "/dev/shm$channel"-*; do rm "$path"; done

channel=$prefix-crowd
peer crowd "$channel" capacity=8 places=64 crowded=2 pause
ready crowd
if command -v strace >/dev/null && strace -o "$work/trace" -e trace=openat "$stat" "$channel-0" >/dev/null 2>&1; then
    looks=$(grep -c "\"/proc/$peer/stat\"" "$work/trace")
    check "many places of one process: it is looked up once a look ($looks)" test "$looks" -le 6
else
    skip "many places of one process" "no strace"
fi
end "$peer" KILL

# ---------------------------------------------------------------- without /proc

if unshare --mount sh -c 'mount -t tmpfs none /proc' 2>/dev/null; then
    unshare --mount sh -c 'mount -t tmpfs none /proc && exec "$0" --check' "$stat" >"$work/out" 2>"$work/err"
    has "without /proc: --check says what is missing" "$work/err" 'there is no /proc here'
    unshare --mount sh -c 'mount -t tmpfs none /proc && exec "$0" -a' "$stat" >"$work/out" 2>"$work/err"
    is "without /proc: the list says it once" "$(grep -c 'there is no /proc here' "$work/err")" 1
else
    skip "without /proc" "no right to a mount namespace"
fi
"$stat" --check >"$work/out" 2>"$work/err"
has_not "with /proc nothing is said of it" "$work/err" 'no /proc'

# ---------------------------------------------------------------- numbers that are no intervals

for wrong in 0 nan inf 0.001 1e9 0x10; do
    "$stat" -w "$wrong" >"$work/out" 2>"$work/err" &
    watcher=$!
    # It would go on for ever.
    (sleep 5 && kill -KILL $watcher 2>/dev/null) &
    wait $watcher
    is "-w $wrong: status" $? 2
    has "-w $wrong: says what is wrong" "$work/err" "not a number of seconds from 0.01 to 86400: $wrong;"
done

# ---------------------------------------------------------------- signals

cat >"$work/raw.py" <<'EOC'
import os, pty, signal, sys, termios, time
number, tool = int(sys.argv[1]), sys.argv[2:]
ours, theirs = pty.openpty()
before = termios.tcgetattr(theirs)
pid = os.fork()
if pid == 0:
    os.setsid()
    os.environ["TERM"] = "xterm"
    for fd in range(3):
        os.dup2(theirs, fd)
    os.execv(tool[0], tool)
os.set_blocking(ours, False)
def drain():
    try:
        while os.read(ours, 65536):
            pass
    except BlockingIOError:
        pass
for i in range(600):
    drain()
    if not termios.tcgetattr(theirs)[3] & termios.ECHO:
        break
    time.sleep(0.05)
else:
    sys.exit("never took the terminal")
time.sleep(0.3)
drain()
os.kill(pid, number)
status = os.waitpid(pid, 0)[1]
print("signal", os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
print("modes", "restored" if termios.tcgetattr(theirs) == before else "left")
EOC
if [ -n "$python" ]; then
    for signal in 34 50 64; do
        "$python" "$work/raw.py" "$signal" "$stat" -w 0.1 >"$work/out" 2>&1
        has "signal $signal ends it" "$work/out" "^signal $signal\$"
        has "signal $signal: the terminal is given back" "$work/out" '^modes restored$'
    done
else
    skip "real-time signals" "no python3"
fi

# ---------------------------------------------------------------- completion

# offers WHAT EXPECTED WORD...: as bash splits them, at colons and equals signs, too.
offers() {
    what=$1
    expected=$2
    shift 2
    is "bash offers $what" "$(bash --norc -c 'source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shmchan_stat; printf "%s\n" "${COMPREPLY[@]}"' \
        bash "$source/tools/completion/shmchan-stat.bash" "$stat" "$@" 2>&1)" "$expected"
}
if command -v bash >/dev/null; then
    peer c "$prefix-c:x" capacity=8 create-receiver pause
    ready c
    peer k "$prefix-k=v" capacity=8 create-receiver pause
    ready k
    peer q "$prefix-q r" capacity=8 create-receiver pause
    ready q
    offers "what follows memfd:" "$anonymous" memfd : "$anonymous"
    offers "what follows a colon" x "$prefix-c" :
    offers "what follows an equals sign" v "$prefix-k" =
    offers "a name with a space, quoted" "$prefix-q\\ r" "$prefix-q"
    offers "a name within single quotes" "$prefix-q r" "'$prefix-q"
    offers "a name behind a backslash" "$prefix-q\\ r" "$prefix-q\\ "
    offers "states after a limit" "80,orphaned" --check --warning used = 80,or
    offers "states after two limits" "5s,stalled" --check --critical = used=1,blocked = 5s,st
    offers "the values of an option" "unreadable" --check --ok = unr
else
    skip "completion in bash" "no bash"
fi

# ---------------------------------------------------------------- done

for pid in $peers; do
    kill -KILL "$pid" 2>/dev/null
done
[ "$failed" -eq 0 ] || echo "not ok - $failed checks of shmchan-stat failed"
[ "$failed" -eq 0 ]
