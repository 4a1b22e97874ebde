#!/bin/sh
# SPDX-License-Identifier: MIT
# test_demo.sh BUILD_DIR: runs the examples for real: treestat against find(1) on a tree of odd names and
# with workers that die, the programs that meet at a name, the tagged union. Nothing here depends on time:
# the limits are there so that a hang ends.
set -u

if [ $# -ne 1 ] || [ ! -x "$1/examples/treestat" ]; then
    echo "usage: test_demo.sh BUILD_DIR (with examples/ built in it)" >&2
    exit 2
fi
repository=$(cd "$(dirname "$0")/.." && pwd) || exit 2
examples=$(cd "$1/examples" && pwd) || exit 2
work=$(mktemp -d "${TMPDIR:-/tmp}/shmchan-demo.XXXXXX") || exit 2
limit="timeout -k 5 120"
channel=shmchan-test-demo-$$
failures=0

clean_up()
{
    chmod -R u+rwx "$work" 2>/dev/null
    rm -rf "$work" "/dev/shm/$channel"*
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# The programs run as nobody too, who may not be able to look into the build.
chmod 755 "$work"
mkdir "$work/bin"
cp "$examples/treestat" "$examples/named_sender" "$examples/named_collector" "$examples/tagged_union" "$work/bin"
treestat=$work/bin/treestat

ok()
{
    echo "ok - $1"
}

not_ok()
{
    echo "not ok - $1"
    failures=$((failures + 1))
}

# check WHAT COMMAND...
check()
{
    what=$1
    shift
    if "$@"; then ok "$what"; else not_ok "$what"; fi
}

# same WHAT EXPECTED ACTUAL
same()
{
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1"
        printf '#   expected: %s\n#   actual:   %s\n' "$2" "$3"
    fi
}

show() # FILE...
{
    tail -qn 20 "$@" | cut -c 1-200 | sed 's/^/#   /'
}

has() # PATTERN FILE
{
    grep -q -- "$1" "$2" || {
        echo "# no '$1' in:"
        show "$2"
        return 1
    }
}

# ends_with STATUS COMMAND...: its output goes to $work/out and $work/err.
ends_with()
{
    status_wanted=$1
    shift
    $limit "$@" >"$work/out" 2>"$work/err"
    status=$?
    [ "$status" -eq "$status_wanted" ] || {
        echo "# status $status, not $status_wanted:"
        show "$work/out" "$work/err"
        return 1
    }
}

# The processes that PID has forked, on one line.
children_of() # PID
{
    if [ -e "/proc/$1/task/$1/children" ]; then
        { read -r children <"/proc/$1/task/$1/children"; } 2>/dev/null
        return
    fi
    children=
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        rest=${line##*) } # behind the command's name: state, parent, ...
        rest=${rest#* }
        [ "${rest%% *}" != "$1" ] || children="$children ${line%% *}"
    done
}

# Whether PID is there and has not ended (not even unwaited for).
is_running() # PID
{
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    line=${line##*) }
    [ "${line%% *}" != Z ]
}

# Like wait, but not without end.
wait_for() # PID
{
    tries=0
    while is_running "$1" && [ $tries -lt 1200 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    ! is_running "$1" || kill -KILL "$1"
    wait "$1" 2>/dev/null
}

# ------------------------------------------------------------------------------------- treestat and find

# What treestat's last line must be, when all can be read.
total_by_find()
{
    find -H "$1" -printf '%y %s\n' | awk '
        $1 == "f" { files++; bytes += $2; next }
        $1 == "d" { directories++; next }
        $1 == "l" { links++; next }
        { other++ }
        END {
            printf "total: files=%.0f bytes=%.0f directories=%.0f links=%.0f other=%.0f unreadable=0 unseen=0\n",
                files, bytes, directories, links, other
        }'
}

repeat() # TEXT TIMES
{
    awk -v text="$1" -v times="$2" 'BEGIN { while (times-- > 0) printf "%s", text }'
}

make_odd_tree() # DIR
{
    mkdir -p "$1/with space" "$1/empty" "$1/-rf"
    (
        cd "$1" || exit
        for name in 'a b' ' ' '*' '?' '-n' '--help' '.hidden' '...' 'ends.' 'x.tar.gz' 'back\slash' "quo'te\"" \
            "\$(touch evil)" 'percent%s%n' \
            "$(printf 'new\nline.txt')" "$(printf 'tab\there')" "$(printf 'red \033[31m.c')" \
            "$(printf 'title \033]0;evil\007.h')" "$(printf 'cr\roverwritten')" "$(printf 'del\177')" \
            "$(printf 'caf\303\251.txt')" "$(printf '\346\227\245\346\234\254.txt')" "$(printf 'c1 \302\233.txt')" \
            "$(printf 'bidi \342\200\256txt.exe')" "$(printf 'bad \377\376.txt')" "$(printf 'cut \346\227')" \
            "$(repeat n 255)" "$(repeat e 251).txt" "name.$(repeat x 200)"; do
            printf '%s' "$name" >"./$name"
            : >"./with space/$name"
        done
        dd if=/dev/zero of=big.bin bs=1 count=1 seek=5368709120 2>/dev/null # beyond 32 bits, sparse
        echo linked >hard.1
        ln hard.1 hard.2
        ln hard.1 "with space/hard.3"
        ln -s nowhere dangling
        ln -s self self
        ln -s .. "with space/parent"
        ln -s hard.1 to-file
        ln -s "with space" to-directory
        mkfifo fifo.txt
        deep=
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do
            deep=$deep/d$i/d/$i
        done
        mkdir -p "./$deep"
        echo bottom >"./$deep/bottom.txt"
    )
    # Deeper than a path can say: by putting the whole into another directory, again and again.
    name=$(repeat p 200)
    mkdir "$1/long"
    echo bottom >"$1/long/bottom.txt"
    for _ in $(seq 40); do
        mkdir "$1/next"
        mv "$1/long" "$1/next/$name"
        mv "$1/next" "$1/long"
    done
}

odd="$work/odd $(printf 'na\nme')"
make_odd_tree "$odd"
expected=$(total_by_find "$odd")
for workers in 1 2 8; do
    check "treestat -j $workers ends well on odd names" ends_with 0 "$treestat" -j "$workers" "$odd"
    same "treestat -j $workers counts what find counts" "$expected" "$(tail -n 1 "$work/out")"
    same "treestat -j $workers has no warnings" "" "$(cat "$work/err")"
done
check "an option may come last, and -q" ends_with 0 "$treestat" "$odd" -q -j 3
same "-q prints the totals alone" "$expected" "$(cat "$work/out")"

for locale in C C.UTF-8; do
    check "treestat in locale $locale" ends_with 0 env LC_ALL=$locale "$treestat" "$odd"
    same "no control characters in its output in locale $locale" 0 \
        "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <"$work/out" | wc -c | tr -d ' ')"
    same "no C1 or reversing characters in its output in locale $locale" 0 \
        "$(LC_ALL=C grep -c "$(printf '\302\233\|\342\200\256\|\377')" "$work/out")"
    # Two headings, at most 15 lines below each and one for "more", two empty lines, the totals.
    lines=$(wc -l <"$work/out")
    check "names stay on their lines in locale $locale" [ "$lines" -le 36 ]
done

ln -s "$odd" "$work/link"
check "DIR may be a link" ends_with 0 "$treestat" -q "$work/link"
same "and is followed" "$expected" "$(cat "$work/out")"

mkdir "$work/nothing"
expected=$(total_by_find "$work/nothing")
tries=0
while [ $tries -lt 30 ] && ends_with 0 "$treestat" -q -j 8 "$work/nothing" &&
    [ "$(cat "$work/out")" = "$expected" ]; do
    tries=$((tries + 1))
done
same "an empty directory, 30 times with more workers than work" 30 $tries

check "--help" ends_with 0 "$treestat" --help
check "no directory given" ends_with 2 "$treestat"
check "two directories given" ends_with 2 "$treestat" "$work" "$work"
check "0 workers" ends_with 2 "$treestat" -j 0 "$work"
check "workers that are no number" ends_with 2 "$treestat" -j 3x "$work"
check "a directory that is not there" ends_with 2 "$treestat" "$work/not there"
check "and it says so" has "No such file" "$work/err"
check "a file in place of a directory" ends_with 2 "$treestat" "$treestat"
if [ -c /dev/full ]; then
    check "no room for the output" ends_with 1 sh -c "\"\$1\" \"\$2\" >/dev/full" - "$treestat" "$work/nothing"
else
    echo "# skipped: no room for the output (no /dev/full)"
fi

# ------------------------------------------------------------------------------- what cannot be read

make_closed_tree() # DIR
{
    mkdir -p "$1/open" "$1/closed/inside" "$1/listed"
    echo 1 >"$1/open/file"
    echo 22 >"$1/closed/inside/file"
    echo 333 >"$1/listed/file" # its name can be read, the file not be looked at
    [ -z "$somebody" ] || chown -R nobody "$1"
    chmod 000 "$1/closed"
    chmod 444 "$1/listed"
}

# A privileged user can read everything.
somebody=
if [ "$(id -u)" -eq 0 ]; then
    nobody=$(id -u nobody 2>/dev/null)
    if [ -n "$nobody" ] && setpriv --reuid="$nobody" --clear-groups "$treestat" --help >/dev/null 2>&1; then
        somebody="setpriv --reuid=$nobody --clear-groups"
    fi
fi
if [ "$(id -u)" -eq 0 ] && [ -z "$somebody" ]; then
    echo "# skipped: directories that cannot be read (root reads all, and setpriv is not there to be another)"
else
    closed=$work/closed
    make_closed_tree "$closed"
    # shellcheck disable=SC2086 # several words
    {
        check "unreadable directories are not fatal" ends_with 0 $somebody "$treestat" -j 2 "$closed"
        same "but counted" "total: files=1 bytes=2 directories=4 links=0 other=0 unreadable=1 unseen=1" \
            "$(tail -n 1 "$work/out")"
        check "and named" has "cannot read directory $closed/closed: Permission denied" "$work/err"
        check "as is what cannot be looked at" has "cannot look at $closed/listed/file: Permission denied" "$work/err"
        cp "$repository/examples/demo.sh" "$work/demo.sh" # where others may read it
        check "demo.sh finds the same in it" ends_with 0 $somebody sh "$work/demo.sh" "$treestat" "$closed"
    }
fi

# -------------------------------------------------------------------------------------------- demo.sh

demo=$repository/examples/demo.sh
check "demo.sh on odd names" ends_with 0 "$demo" "$treestat" "$odd"
same "says equal" equal "$(tail -n 1 "$work/out")"
cat >"$work/bin/liar" <<'END'
#!/bin/sh
echo "total: files=1 bytes=2 directories=3"
END
chmod +x "$work/bin/liar"
check "demo.sh fails if the totals differ" ends_with 1 "$demo" "$work/bin/liar" "$odd"
check "and says how" has "differ: files=1 bytes=2 against files=" "$work/err"
check "demo.sh fails if treestat does" ends_with 1 "$demo" "$treestat" "$work/not there"
check "demo.sh without arguments" ends_with 2 "$demo"

# ----------------------------------------------------------------------------------- workers that die

# Directories with far more files than a lane has slots: once the collector is stopped, each worker that
# is at one of them stays in the middle of it.
big=$work/big
mkdir -p "$big/d1"
(cd "$big/d1" && seq -f 'file%.0f.txt' 1500 | xargs touch)
for i in $(seq 2 24); do
    cp -rl "$big/d1" "$big/d$i" # links, since some file systems are slow to make files
done
all_files=36000

# Starts treestat -j 4 and stops it (not its workers), which then go on until their lanes are full.
start_stopped() # SECONDS before the stop
{
    "$treestat" -j 4 "$big" >"$work/out" 2>"$work/err" &
    collector=$!
    set -- "$1"
    while [ $# -lt 5 ] && is_running $collector; do
        children_of $collector
        # shellcheck disable=SC2086 # several
        set -- "$1" $children
    done
    sleep "$1"
    kill -STOP $collector 2>/dev/null
    children_of $collector
    workers=$children
    victim=${workers%% *}
    sleep 0.2
}

finish()
{
    kill -CONT $collector 2>/dev/null
    wait_for $collector
    status=$?
}

# The walk may be over before the stop, or the victim without work: then once more, a little sooner or later.
delays="0.02 0.01 0.03 0.005 0.04 0 0.06 0.01 0.08 0.02 0.1 0"
halfway=no
for delay in $delays; do
    start_stopped "$delay"
    [ -z "$victim" ] || kill -STOP "$victim"
    [ -z "$victim" ] || kill -KILL "$victim"
    finish
    if grep -q "left undone: $big/d[0-9]* after" "$work/err"; then
        halfway=yes
        break
    fi
done
same "a worker is killed in the middle of a directory" yes $halfway
same "treestat ends with status 1" 1 "$status"
check "it names the process and the signal" has "(pid $victim) was killed by signal 9" "$work/err"
check "it says how many records came from it" has "; [0-9][0-9]* records arrived from it" "$work/err"
same "it names one directory" 1 "$(grep -c 'left undone' "$work/err")"
files=$(sed -n 's/^total: files=\([0-9]*\) .*/\1/p' "$work/out")
check "all the other directories are complete ($files of $all_files files)" \
    [ "${files:-0}" -ge $((all_files - 1500)) ]
same "all directories are counted" 25 "$(sed -n 's/^total: .*directories=\([0-9]*\) .*/\1/p' "$work/out")"

halfway=no
for delay in $delays; do
    start_stopped "$delay"
    # shellcheck disable=SC2086 # several
    [ -z "$workers" ] || kill -KILL $workers
    finish
    if [ "$(grep -c 'was killed by signal 9' "$work/err")" -eq 4 ] && grep -q 'nobody was left' "$work/err"; then
        halfway=yes
        break
    fi
done
same "all workers are killed: treestat names them and what nobody searched" yes $halfway
same "and ends with status 1" 1 "$status"

start_stopped 0.02
[ -z "$victim" ] || kill -STOP "$victim"
kill -CONT $collector 2>/dev/null
sleep 1
[ -z "$victim" ] || kill -CONT "$victim"
finish
same "a worker that is stopped for a while is not taken for dead" "0 total: files=$all_files" \
    "$status $(grep -o '^total: files=[0-9]*' "$work/out")"

start_stopped 0.02
kill -KILL $collector 2>/dev/null
wait $collector 2>/dev/null
left=$workers
tries=0
while [ -n "$left" ] && [ $tries -lt 600 ]; do
    left=
    for worker in $workers; do
        ! is_running "$worker" || left="$left $worker"
    done
    sleep 0.1
    tries=$((tries + 1))
done
same "when the collector is killed, the workers leave" "" "$left"

# ------------------------------------------------------------------------------ meeting at a named channel

sender()
{
    $limit "$work/bin/named_sender" "$1" "/$channel"
}

collector()
{
    $limit "$work/bin/named_collector" "/$channel"
}

collected() # FILE
{
    sed -n 's/^collected \([0-9]*\) readings.*/\1/p' "$1"
}

# Each sender's readings are numbered 1, 2, 3 ...
in_order() # FILE
{
    awk '$1 == "sender" { if ($4 + 0 != ++last[$2]) wrong = 1 } END { exit wrong }' "$1"
}

wait_for_channel()
{
    tries=0
    until [ -e "/dev/shm/$channel" ] || [ $tries -ge 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}

for round in first second; do
    collector >"$work/collected" 2>"$work/collected.err" &
    pid=$!
    wait_for_channel
    check "collector first, $round time: a sender sends" sender 1000 >"$work/sent"
    wait $pid
    same "the collector ends well" 0 $?
    same "and has all" 1000 "$(collected "$work/collected")"
    check "in order" in_order "$work/collected"
    check "the name is gone" [ ! -e "/dev/shm/$channel" ]

    check "sender first, $round time: it leaves its readings behind" sender 20 >"$work/sent"
    check "the collector finds them" collector >"$work/collected"
    same "all of them" 20 "$(collected "$work/collected")"
    check "and the name is gone" [ ! -e "/dev/shm/$channel" ]
done

pids=
for _ in 1 2 3; do # more than a lane holds, so they wait for the collector
    "$work/bin/named_sender" 5000 "/$channel" >/dev/null &
    pids="$pids $!"
done
for pid in $pids; do # or the first might come and go with the collector, before the last is there
    tries=0
    until grep -q /dev/shm "/proc/$pid/maps" 2>/dev/null || [ $tries -ge 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
done
sleep 0.5
collector >"$work/collected"
same "three senders before the collector: it ends well" 0 $?
same "and has all" 15000 "$(collected "$work/collected")"
check "in order of each" in_order "$work/collected"
for pid in $pids; do
    wait_for "$pid"
    same "a sender ends well" 0 $?
done

# All at once, so that some open what others are making or removing.
tries=0
while [ $tries -lt 30 ]; do
    sender 7 >/dev/null &
    one=$!
    collector >"$work/collected" &
    two=$!
    wait $one || break
    wait $two || break
    [ "$(collected "$work/collected")" = 7 ] || break
    tries=$((tries + 1))
done
same "both at the same moment, 30 times" 30 $tries

"$work/bin/named_collector" "/$channel" >"$work/collected" 2>&1 &
pid=$!
wait_for_channel
check "a second collector is turned away" ends_with 1 "$work/bin/named_collector" "/$channel"
check "in words" has "$channel: ..*" "$work/err"
kill -KILL $pid
wait $pid 2>/dev/null
"$work/bin/named_sender" 1000000 "/$channel" >"$work/sent" 2>&1 & # will wait for the next collector
pid=$!
sleep 0.2
kill -KILL $pid
wait $pid 2>/dev/null
check "killed programs leave the name behind" [ -e "/dev/shm/$channel" ]
check "a sender joins the channel that they left" sender 20 >"$work/sent"
check "a collector takes it over" collector >"$work/collected"
check "and has the last reading of the new sender" has "reading 20:" "$work/collected"
check "and now the name is gone" [ ! -e "/dev/shm/$channel" ]

"$work/bin/named_collector" "/$channel" >"$work/collected" 2>&1 &
pid=$!
wait_for_channel
kill -KILL $pid
wait $pid 2>/dev/null
check "a sender comes to what a killed collector left" sender 20 >"$work/sent"
check "the next collector finds its readings" collector >"$work/collected"
same "all of them" 20 "$(collected "$work/collected")"
check "and the name is gone again" [ ! -e "/dev/shm/$channel" ]

check "a wrong count" ends_with 2 "$work/bin/named_sender" 3x "/$channel"
check "a wrong name" ends_with 1 "$work/bin/named_sender" 3 /a/b
check "is explained" has "/a/b: ..*" "$work/err"

# -------------------------------------------------------------------------------- several kinds of message

check "tagged_union" ends_with 0 "$work/bin/tagged_union"
same "its totals" "3 of 3 workers finished, 6 complaints, 3000 values, sum 3003000" "$(tail -n 1 "$work/out")"

same "nothing is left in /dev/shm" "" "$(find /dev/shm -name "*$channel*")"

[ $failures -eq 0 ] || echo "# $failures failed"
[ $failures -eq 0 ]
