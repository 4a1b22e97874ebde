#!/bin/sh
# SPDX-License-Identifier: MIT
# What shmchan-stat does besides showing: --check, --openmetrics, -w, --remove-orphans, completion.
#
#     tests/test_stat_more.sh BUILD_DIR
#
# In a /dev/shm of its own if that can be had, as --remove-orphans is not to be tried on other people's. What
# needs a program that is not there is skipped, and says so.
set -u

if [ $# -lt 1 ] || [ ! -x "$1/shmchan-stat" ]; then
    echo "usage: tests/test_stat_more.sh BUILD_DIR, with BUILD_DIR/shmchan-stat built (make tools)" >&2
    exit 2
fi
if [ $# -eq 1 ]; then
    # shellcheck disable=SC2016  # for the other shell
    if unshare --mount sh -c 'mount -t tmpfs none /dev/shm' 2>/dev/null; then
        exec unshare --mount sh -c 'mount -t tmpfs none /dev/shm && exec "$0" "$1" alone' "$0" "$1"
    fi
    exec "$0" "$1" shared
fi
alone=$2
build=$1
source=$(dirname "$0")/..
prefix=/shmchan-test-$$
work=$(mktemp -d) || exit 1
peers=
# Signals that end a process are sent on purpose.
# shellcheck disable=SC3045  # where there is none, there are core files
ulimit -c 0 2>/dev/null

tmux=
cleanup() {
    # bash would tell of each peer that it was killed.
    exec 2>/dev/null
    for pid in $peers; do
        kill -KILL "$pid" 2>/dev/null
    done
    [ -z "$tmux" ] || $tmux kill-server
    wait
    rm -f "/dev/shm$prefix"-*
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# shellcheck source=tests/saying.sh
. "$source/tests/saying.sh"

# ---------------------------------------------------------------- peers

# Leaks of programs that end at once are no news. Signals are sent on purpose, and must do what they do.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_abort=0"
ASAN_OPTIONS=$ASAN_OPTIONS:handle_sigfpe=0:handle_sigill=0
# shellcheck source=tests/peers.sh
. "$source/tests/peers.sh"

# Where another user can run it, whatever BUILD_DIR is; and where a shell finds it.
chmod 755 "$work"
mkdir "$work/bin"
cp "$build/shmchan-stat" "$work/bin/shmchan-stat"
stat=$work/bin/shmchan-stat
PATH=$work/bin:$PATH

stop() {
    kill -STOP "$1"
    eventually process_letter "$1" T
}

# A python with this module, or nothing.
python_with() {
    for python in python3 /usr/bin/python3; do
        if "$python" -c "import $1" 2>/dev/null; then
            echo "$python"
            return
        fi
    done
}
python=$(python_with json)

# ---------------------------------------------------------------- channels in all states

flowing=$prefix-flowing
peer flowing-r "$flowing" capacity=64 'type=struct sample' create-receiver receive-for-ever
eventually said flowing-r create-receiver || not_ok "a channel is made"
peer flowing-s "$flowing" open-sender send-now-and-then
idle=$prefix-idle
peer idle-r "$idle" capacity=8 mode=644 create-receiver pause
ready idle-r
peer idle-s "$idle" open-sender pause
ready idle-s
stalled=$prefix-stalled
peer stalled-r "$stalled" capacity=8 command=collector create-receiver pause
stalled_receiver=$peer
ready stalled-r
peer stalled-s "$stalled" command=sensor open-sender send=8 reserve pause
stalled_sender=$peer
eventually said stalled-s send || not_ok "a lane is full"
stop "$stalled_receiver"
hung=$prefix-hung
peer hung-r "$hung" capacity=256 create-receiver pause
ready hung-r
peer hung-s "$hung" open-sender send=5 pause
ready hung-s
full=$prefix-full
peer full-r "$full" capacity=64 create-receiver receive-slowly=10000
eventually said full-r create-receiver || not_ok "a channel is made"
peer full-s "$full" open-sender send-for-ever
fast=$prefix-fast
peer fast-r "$fast" capacity=8 create-receiver receive-for-ever
eventually said fast-r create-receiver || not_ok "a channel is made"
peer fast-s "$fast" open-sender send-for-ever
fast_sender=$peer
no_receiver=$prefix-no-receiver
peer no-receiver "$no_receiver" capacity=8 create-sender send=4 pause
ready no-receiver
no_senders=$prefix-no-senders
peer no-senders "$no_senders" capacity=8 create-receiver pause
ready no-senders
peer no-senders-s "$no_senders" open-sender close-sender
eventually said no-senders-s close-sender || not_ok "a sender leaves"
orphan=$prefix-orphan
peer orphan "$orphan" capacity=8 create-sender send=4
eventually said orphan send || not_ok "an orphan is made"
wait "$peer"
version=$prefix-version
cp "/dev/shm$orphan" "/dev/shm$version"
printf '\377' | dd of="/dev/shm$version" bs=1 seek=8 conv=notrunc 2>/dev/null
damaged=$prefix-damaged
cp "/dev/shm$orphan" "/dev/shm$damaged"
printf 'scribble' | dd of="/dev/shm$damaged" bs=1 seek=32 conv=notrunc 2>/dev/null
chmod 600 "/dev/shm$orphan"
dead=$prefix-dead
peer dead-r "$dead" capacity=8 create-receiver pause
ready dead-r
peer dead-s "$dead" open-sender send=3 reserve
wait "$peer"

# ---------------------------------------------------------------- --check

# verdict STATUS WORD ARGUMENTS...: the exit status, one line that says the same, and its performance data.
verdict() {
    bare_verdict "$@"
    has "... with performance data" "$work/out" "[^|]+ [|]( '[^'=|]+'=[0-9.]+(s|%|c)?;[0-9.]*;[0-9.]*;0;[0-9]*)+\$"
}

# Likewise of what could not be measured.
bare_verdict() {
    expected=$1
    word=$2
    shift 2
    "$stat" --check "$@" >"$work/out" 2>"$work/err"
    is "check $*: status" $? "$expected"
    has "... in words" "$work/out" "^SHMCHAN $word: [^|]*[^| ]( [|] .*)?\$"
    is "... in a line" "$(wc -l <"$work/out")" 1
    is "... and nothing else" "$(wc -c <"$work/err")" 0
}

verdict 0 OK "$idle"
has "... its state" "$work/out" "$idle idle"
verdict 0 OK "$flowing"
has "... its state" "$work/out" "$flowing flowing"
has "... its counters" "$work/out" "'$flowing sent'=[1-9][0-9]*c;"
is_full() {
    "$stat" --check "$full" | grep -q "^SHMCHAN WARNING: $full full[.] The receiver"
}
check "check: a receiver that is too slow" eventually is_full
verdict 1 WARNING "$full"
verdict 0 OK --ok full "$full"
# Its lane is full as often, but nobody waits for long.
# shellcheck disable=SC2046  # twenty words
"$stat" --check $(yes "$fast" | head -n 20) >"$work/out" 2>"$work/err"
is "check: a lane that is full for moments is no trouble, in twenty looks" $? 0
has "... in words" "$work/out" "^SHMCHAN OK: 20 channels [|]"
end "$fast_sender" KILL
verdict 2 CRITICAL "$stalled"
has "... its state" "$work/out" "$stalled stalled"
has "... and who is to blame" "$work/out" "collector"
has "... how long a sender is blocked" "$work/out" "'$stalled blocked'=[0-9]+\.[0-9]{3}s;5\.000;30\.000;0;"
has "... how full" "$work/out" "'$stalled used'=100\.0%;;;0;100 '$stalled lane'=100\.0%;;;0;100"
verdict 2 CRITICAL "$no_receiver"
has "... its state" "$work/out" "$no_receiver no receiver"
verdict 1 WARNING "$no_senders"
verdict 1 WARNING "$orphan"
has "... its state" "$work/out" "$orphan orphaned"
bare_verdict 1 WARNING "$version"
has "... a reason is a sentence" "$work/out" "foreign version\\. The channel was made by .*\\.\$"
bare_verdict 2 CRITICAL "$damaged"
bare_verdict 0 OK --ok missing "$prefix-nowhere"
has "... its state" "$work/out" "$prefix-nowhere missing"
bare_verdict 2 CRITICAL "$prefix-nowhere"
has "... says why" "$work/out" "$prefix-nowhere: no channel of this name"
verdict 2 CRITICAL "$idle" "$orphan" "$stalled"
has "... the worst first" "$work/out" "2 of 3 channels: $stalled stalled[^;]*; $orphan orphaned"

verdict 0 OK --warning used=51% "$no_receiver" --ok no-receiver
verdict 1 WARNING --warning used=50% --ok no-receiver "$no_receiver"
has "... says by how much" "$work/out" "$no_receiver no receiver, used 50\.0%"
has "... shows the limit" "$work/out" "used'=50\.0%;50\.0;;0;100"
verdict 2 CRITICAL --warning lane=10 --critical lane=50 --ok no-receiver "$no_receiver"
verdict 1 WARNING --warning dead=1 "$dead" --ok full,stalled,no-senders
has "... the dead sender" "$work/out" "dead 1"
sleep 0.2
verdict 2 CRITICAL --critical blocked=100ms --ok stalled "$stalled"
has "... for how long" "$work/out" "$stalled stalled, blocked [0-9.]+s"
verdict 0 OK --warning blocked=100000s --critical blocked=100000 --ok stalled "$stalled"
verdict 2 CRITICAL --critical 'orphaned,no receiver' "$orphan"
verdict 1 WARNING --warning idle "$idle"
for wrong in nonsense used used= used=x used=5s blocked=5% dead=1% used=-1 used=0x10 used=1e3 used=nan used=1.2.3 \
    '' ,idle; do
    "$stat" --check --warning "$wrong" "$idle" >"$work/out" 2>"$work/err"
    is "a limit that makes no sense ('$wrong') is unknown" $? 3
done
"$stat" --check --ok used=50% "$idle" >"$work/out" 2>"$work/err"
is "--ok takes no limits" $? 3
"$stat" --check --nonsense >"$work/out" 2>"$work/err"
is "an option that makes no sense is unknown" $? 3
"$stat" --check "$idle" >/dev/full 2>"$work/err"
is "a verdict that cannot be written is unknown" $? 3

odd=$prefix-"$(printf "a|b='c\n\033\303\244")"
cp "/dev/shm$orphan" "/dev/shm$odd"
"$stat" --check "$odd" >"$work/out"
is "an odd name: status" $? 1
is "... in a line" "$(wc -l <"$work/out")" 1
is "... with one bar" "$(tr -dc '|' <"$work/out" | wc -c)" 1
has "... told by escapes" "$work/out" "$prefix-a.x7cb='c.x0a.x1b"
has "... in labels too" "$work/out" "'$prefix-a.x7cb.x3d.x27c.x0a.x1b[^']* used'="

if [ "$(id -u)" -eq 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
    setpriv --reuid=65534 --regid=65534 --clear-groups "$stat" --check "$orphan" >"$work/out" 2>"$work/err"
    is "what may not be read is unknown" $? 3
    has "... and says so" "$work/out" "^SHMCHAN UNKNOWN: $orphan: .*ermission"
    setpriv --reuid=65534 --regid=65534 --clear-groups "$stat" --check "$orphan" "$idle" >"$work/out"
    is "... beside one that is fine too" $? 3
    for level in ok warning critical; do
        setpriv --reuid=65534 --regid=65534 --clear-groups "$stat" --check --$level unreadable "$orphan" >"$work/out"
        echo $? >>"$work/levels"
    done
    is "what may not be read is what it is said to be" "$(tr '\n' ' ' <"$work/levels")" "0 1 2 "
else
    skip "what may not be read is unknown" "needs root and setpriv"
fi
if [ "$alone" = alone ]; then
    verdict 2 CRITICAL
    has "all: how many" "$work/out" \
        "[|] 'channels'=[0-9]+;;;0; 'warning'=[0-9]+;;;0; 'critical'=[0-9]+;;;0; 'unknown'=0;"
    has "all: the worst" "$work/out" " 'used'=100\.0%;;;0;100 'lane'=100\.0%;;;0;100 'blocked'="
else
    skip "check of all channels" "needs a mount namespace"
fi

# ---------------------------------------------------------------- --openmetrics

"$stat" --openmetrics "$flowing" "$stalled" "$dead" "$version" "$odd" "$flowing" >"$work/metrics" 2>"$work/err"
is "openmetrics: status (one cannot be inspected)" $? 1
has "... and says which" "$work/err" "$version"
"$stat" --openmetrics "$flowing" "$stalled" >"$work/two"
is "openmetrics: status" $? 0
is "openmetrics: ends as it must" "$(tail -n 1 "$work/two")" "# EOF"
"$stat" --openmetrics "$flowing" >/dev/full 2>"$work/err"
is "openmetrics to a full device is status 1" $? 1
parser=$(python_with prometheus_client)
if [ -n "$parser" ]; then
    cat >"$work/metrics.py" <<'EOC'
import sys
from prometheus_client import parser as text, openmetrics
import prometheus_client.openmetrics.parser

document = open(sys.argv[1], encoding="utf-8", newline="").read()
prefix = sys.argv[2]
families = {f.name: f for f in openmetrics.parser.text_string_to_metric_families(document)}

def value(name, **labels):
    for family in families.values():
        for sample in family.samples:
            if sample.name == name and all(sample.labels.get(k) == v for k, v in labels.items()):
                return sample.value

def say(what, holds):
    print("ok - " if holds else "not ok - ", "openmetrics: ", what, sep="")

stalled, dead = prefix + "-stalled", prefix + "-dead"
odd = prefix + "-a|b='c\\x0a\\x1b\u00e4"
say("a parser takes it", len(families) > 20)
say("all families are ours", all(n.startswith("shmchan_") for n in families))
say("all have a help text", all(f.documentation for f in families.values()))
say("a help text has the words of the page",
    families["shmchan_channel_lanes_damaged"].documentation == "Times a lane was found damaged and put right.")
say("types", families["shmchan_channel_sent_messages"].type == "counter"
    and families["shmchan_channel_used_messages"].type == "gauge")
say("units", families["shmchan_channel_sent_messages"].unit == "messages"
    and families["shmchan_channel_blocked_seconds"].unit == "seconds"
    and families["shmchan_channel_backed_bytes"].unit == "bytes")
say("a state", value("shmchan_channel_state", channel=stalled, state="stalled") == 1)
say("and no other", value("shmchan_channel_state", channel=stalled, state="flowing") == 0)
say("of what cannot be inspected too",
    value("shmchan_channel_state", channel=prefix + "-version", state="foreign version") == 1)
say("... but nothing else", value("shmchan_channel_used_messages", channel=prefix + "-version") is None)
say("a counter", value("shmchan_channel_sent_messages_total", channel=stalled) == 8)
say("used", value("shmchan_channel_used_messages", channel=stalled) == 8)
say("room", value("shmchan_channel_room_messages", channel=stalled) == 8)
say("who is blocked", value("shmchan_channel_senders_blocked", channel=stalled) == 1)
say("for how long", 0 < value("shmchan_channel_blocked_seconds", channel=stalled) < 900)
say("a sender's lane", value("shmchan_sender_used_messages", channel=stalled, place="0") == 8)
say("a sender's command", value("shmchan_sender_info", channel=stalled, place="0", command="sensor") == 1)
say("a sender that lives", value("shmchan_sender_up", channel=stalled, place="0") == 1)
say("a dead one", value("shmchan_sender_up", channel=dead, place="0") == 0)
say("the dead counted", value("shmchan_channel_senders_died_total", channel=dead) == 1)
say("its reservation", value("shmchan_channel_reservations_lost_total", channel=dead) == 1)
say("a type", value("shmchan_channel_info", channel=prefix + "-flowing", type="struct sample") == 1)
say("an odd name", value("shmchan_channel_used_messages", channel=odd) == 4)
series = [(s.name, tuple(sorted(s.labels.items()))) for f in families.values() for s in f.samples]
say("a channel named twice is there once", len(series) == len(set(series)))
# What a node exporter's textfile collector reads is the older format.
old = [s for f in text.text_string_to_metric_families(document) for s in f.samples]
say("the Prometheus text format has the same samples",
    {(s.name, tuple(sorted(s.labels.items()))): s.value for s in old}
    == {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families.values() for s in f.samples})
say("types that the Prometheus text format knows",
    {f.type for f in families.values()} <= {"counter", "gauge"})
say("no time stamps", all(s.timestamp is None for s in old))
EOC
    "$parser" "$work/metrics.py" "$work/metrics" "$prefix" >"$work/out" 2>"$work/err" ||
        not_ok "openmetrics: $(tail -n 1 "$work/err")"
    cat "$work/out"
    failed=$((failed + $(grep -c '^not ok' "$work/out")))
    LC_ALL=C "$stat" --openmetrics "$odd" >"$work/c"
    LC_ALL=C.UTF-8 "$stat" --openmetrics "$odd" >"$work/utf8"
    is "openmetrics: the same in any locale" "$(grep -v blocked "$work/c")" "$(grep -v blocked "$work/utf8")"
else
    skip "openmetrics is parsed" "no python3-prometheus-client"
fi

# ---------------------------------------------------------------- -w, no terminal

"$stat" -w 0.05 "$flowing" "$stalled" "$hung" "$version" 2>"$work/err" | head -n 80 >"$work/out"
has "lines: one with rates" "$work/out" \
    "^[0-9:]{8}  $flowing +flowing +used [0-9]+/64 +sent [1-9][0-9.]*[kM]?/s +received [1-9]"
has "lines: another" "$work/out" \
    "^[0-9:]{8}  $stalled +stalled +used 8/8 .* senders 1/256  blocked 1 for [0-9.hms]+$"
has "lines: one that cannot be inspected" "$work/out" "^[0-9:]{8}  $version +foreign version  The channel .*\\.\$"
is "lines: what is alike stands below each other" "$(sed -n 's/ sent .*//p' "$work/out" | awk '{ print length }' |
    sort -u | wc -l)" 1
# The first look is no guess.
"$stat" -w 0.05 --json "$flowing" "$hung" 2>/dev/null | head -n 1 >"$work/out"
is "lines: the first look knows what moves and what does not" \
    "$(grep -o '"state":"\(flowing\|stalled\|idle\|full\)"' "$work/out" | tr '\n' ' ')" \
    '"state":"flowing" "state":"stalled" '
has_not "lines: nothing that drives a terminal" "$work/out" '[[:cntrl:]]'
is "lines: a reader that went away ends it, without a word" "$(cat "$work/err")" ""
"$stat" -w 0.05 "$idle" >/dev/full 2>"$work/err"
is "lines to a full device: status" $? 1
for wrong in 0 0.001 100000 1.2.3; do
    "$stat" "-w$wrong" "$idle" >"$work/out" 2>"$work/err"
    is "an interval that makes no sense ($wrong): status" $? 2
done
come=$prefix-come
: >"$work/lines"
"$stat" -w 0.05 "$come" "$flowing" >"$work/lines" 2>&1 &
watcher=$!
peers="$peers $watcher"
check "lines: a channel that is not there" eventually grep -q "$come .*missing  *No channel of this name" "$work/lines"
peer come "$come" capacity=8 create-receiver pause
comer=$peer
check "lines: ... appears" eventually grep -q "$come .*no senders" "$work/lines"
end "$comer" KILL
check "lines: ... loses its receiver" eventually grep -q "$come .*orphaned" "$work/lines"
rm "/dev/shm$come"
lines=$(wc -l <"$work/lines")
vanished() {
    sed "1,${lines}d" "$work/lines" | grep -q "$come .*missing  *No channel of this name"
}
check "lines: ... and vanishes" eventually vanished
kill -TERM "$watcher"
wait "$watcher" 2>/dev/null
is "lines: SIGTERM ends it" $? 143
if [ -n "$python" ]; then
    "$stat" -w 0.05 --json "$flowing" "$stalled" 2>/dev/null | head -n 20 >"$work/out"
    check "json: each line is a document" "$python" -c 'import json, sys
documents = [json.loads(line) for line in open(sys.argv[1])]
names = [[c["name"] for c in d["channels"]] for d in documents]
sys.exit(len(documents) != 20 or any(n != sys.argv[2:] for n in names))' "$work/out" "$flowing" "$stalled"
else
    skip "json: each line is a document" "no python3"
fi

# ---------------------------------------------------------------- -w on a terminal

# terminal.py LOG COLUMNSxLINES STEP... -- COMMAND...: runs it on a terminal of that size. Steps: see=TEXT waits
# until that was written, after what was seen before; key=..., signal=..., size=...x..., touch=FILE; modes: says
# whether they are another program's; stopped: waits until it is. At the end says how it ended, whether the
# terminal is as it was, and what was written after curses' screen was left.
cat >"$work/terminal.py" <<'EOC'
import fcntl, os, pty, re, select, signal, struct, sys, termios, time

log, size, *rest = sys.argv[1:]
steps, command = rest[:rest.index("--")], rest[rest.index("--") + 1:]

def resize(fd, size):
    columns, lines = map(int, size.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

def unescaped(data):
    # One that is still incomplete does not count yet.
    data = re.sub(rb"\x1b(\[[0-9;?>=]*[ -/]*)?$", b"", data)
    return re.sub(rb"\x1b(\[[0-9;?>=]*[ -/]*[@-~]|[()][0-9A-Z]|[=>78M])", b" ", data)

master, slave = pty.openpty()
resize(master, size)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.closerange(3, 100)
    os.environ.update(TERM=os.environ.get("TEST_TERM", "xterm-256color"), LC_ALL="C.UTF-8")
    os.environ.pop("COLUMNS", None)
    os.environ.pop("LINES", None)
    os.execvp(command[0], command)

output = b""
def pump(seconds):
    global output
    readable, _, _ = select.select([master], [], [], seconds)
    if readable:
        output += os.read(master, 65536)

seen = 0
def see(text):
    global seen
    deadline = time.monotonic() + 60
    while True:
        found = unescaped(output).find(text.encode(), seen)
        if found >= 0:
            seen = found + len(text)
            return True
        if time.monotonic() > deadline:
            print("waited in vain for", text)
            return False
        pump(0.1)

for step in steps:
    what, _, value = step.partition("=")
    if what == "see":
        if not see(value):
            break
    elif what == "key":
        os.write(master, value.encode().decode("unicode_escape").encode())
    elif what == "touch":
        open(value, "w").close()
    elif what == "signal":
        os.kill(pid, getattr(signal, "SIG" + value))
    elif what == "size":
        pump(0.2)
        seen = len(unescaped(output))
        resize(master, value)
    elif what == "modes":
        pump(0.2)
        attributes = termios.tcgetattr(slave)
        print("modes", "as before" if attributes == before else "changed")
    elif what == "stopped":
        while os.waitpid(pid, os.WUNTRACED)[1] & 0xff != 0x7f:
            pass
        while select.select([master], [], [], 0.2)[0]:
            pump(0)
        print("stopped")
    else:
        sys.exit("unknown step " + step)

deadline = time.monotonic() + 60
while True:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        break
    if time.monotonic() > deadline:
        print("does not end")
        os.kill(pid, signal.SIGKILL)
    pump(0.05)
while select.select([master], [], [], 0.2)[0]:
    pump(0)
open(log, "wb").write(output)
if os.WIFSIGNALED(status):
    print("ended by signal", os.WTERMSIG(status))
else:
    print("ended with", os.WEXITSTATUS(status))
print("modes", "restored" if termios.tcgetattr(slave) == before else "left as they were set")
leave, enter = output.rfind(b"\x1b[?1049l"), output.rfind(b"\x1b[?1049h")
print("screen", "restored" if leave > enter else "left")
print("then:", " ".join(unescaped(output[leave:]).decode(errors="replace").split()))
print("cursor", "restored" if output.rfind(b"\x1b[?25h") > output.rfind(b"\x1b[?25l") else "left")
EOC

# on_terminal STEP...: on 80 columns, of a few channels, what it said in $work/out.
on_terminal() {
    "$python" "$work/terminal.py" "$work/log" 80x24 "$@" -- \
        "$stat" -w 0.1 "$flowing" "$stalled" "$orphan" "$version" >"$work/out" 2>&1
}

restored() {
    has "$1: modes are restored" "$work/out" '^modes restored$'
    has "$1: the screen is restored" "$work/out" '^screen restored$'
    has "$1: the cursor is restored" "$work/out" '^cursor restored$'
}

# No memory for copies of a string once the file $NO_MEMORY is there.
cat >"$work/no-memory.c" <<'EOC'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *strdup(const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = access(getenv("NO_MEMORY"), F_OK) == 0 ? NULL : malloc(size);
    return copy == NULL ? NULL : memcpy(copy, s, size);
}
EOC
${CC:-cc} -shared -fPIC -fno-builtin -o "$work/no-memory.so" "$work/no-memory.c" || exit 1
# without_memory FILE COMMAND...: once the file is there. A sanitizer wants to be the first library otherwise.
cat >"$work/without_memory" <<'EOC'
#!/bin/sh
NO_MEMORY=$1
shift
export NO_MEMORY ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0"
LD_PRELOAD=${0%/*}/no-memory.so exec "$@"
EOC
chmod +x "$work/without_memory"

terminfo=
for directory in /usr/share/terminfo /lib/terminfo; do
    [ -e "$directory/x/xterm-256color" ] && terminfo=$directory
done
if [ -n "$python" ] && [ -n "$terminfo" ]; then
    on_terminal see=NAME see=stalled modes "key=q"
    has "live: the terminal is in a mode of its own" "$work/out" '^modes changed$'
    has "live: q ends it" "$work/out" '^ended with 0$'
    restored "live: q"
    for name in HUP INT QUIT TERM ABRT SEGV BUS FPE ILL USR1 USR2 ALRM XCPU SYS; do
        on_terminal see=NAME see=stalled signal=$name
        has "live: SIG$name ends it" "$work/out" "^ended by signal $(kill -l "$name" 2>/dev/null || "$python" -c "
import signal
print(int(signal.SIG$name))")\$"
        restored "live: SIG$name"
    done
    on_terminal see=stalled key='\x03'
    has "live: Ctrl-C ends it" "$work/out" '^ended by signal 2$'
    restored "live: Ctrl-C"
    on_terminal see=stalled signal=STOP stopped signal=CONT see=NAME see=stalled key=q
    has "live: it goes on after SIGSTOP" "$work/out" '^ended with 0$'
    restored "live: after SIGSTOP"
    on_terminal see=stalled key=u key=n key=s key=r key=b key=R key=t key=' ' see=PAUSED key=' ' \
        key='\x1b[B' key='\x1b[A' key=j key=k key=G key=g key='\r' see=scroll key=j key=k key=']' key='[' \
        key=G key=g key=h see=NAME key=q
    has "live: keys" "$work/out" '^ended with 0$'
    on_terminal see=stalled size=200x50 see=TYPE size=20x5 see=NAME size=1x1 size=80x24 see=RECVD/S key=q
    has "live: other sizes" "$work/out" '^ended with 0$'
    restored "live: other sizes"
    # The shell has the terminal while the program is stopped, and again after it.
    "$python" "$work/terminal.py" "$work/log" 80x24 \
        key='stty -a >'"$work"'/before; '"$stat"' -w 0.1 '"$stalled"' '"$idle"'\n' \
        see=NAME see=stalled key='\x1a' see='Stopped' key='stty -a >'"$work"'/between; fg\n' see=NAME see=stalled \
        key=q key='stty -a >'"$work"'/after\n' key='exit\n' -- sh -i >"$work/out" 2>&1
    has "live: Ctrl-Z and fg" "$work/out" '^ended with 0$'
    is "live: the terminal is the shell's while it is stopped" "$(cat "$work/between")" "$(cat "$work/before")"
    is "live: and when it has ended" "$(cat "$work/after")" "$(cat "$work/before")"
    "$python" "$work/terminal.py" "$work/log" 80x24 see=scroll key=q -- "$stat" -w 0.1 "$stalled" >"$work/out" 2>&1
    has "live: one that is named has its page" "$work/out" '^ended with 0$'
    "$python" "$work/terminal.py" "$work/log" 80x24 see=stalled signal=INT -- \
        sh -c 'exec "$@" </dev/null' sh "$stat" -w 0.1 "$flowing" "$stalled" >"$work/out" 2>&1
    has "live: without keys" "$work/out" '^ended by signal 2$'
    restored "live: without keys"
    "$work/without_memory" / "$stat" "$idle" >"$work/out" 2>"$work/err"
    status=$?
    if [ -s "$work/err" ]; then
        is "no memory: status" $status 1
        is "no memory: says so" "$(cat "$work/err")" "shmchan-stat: out of memory"
        "$python" "$work/terminal.py" "$work/log" 80x24 see=NAME see=stalled "touch=$work/full" -- \
            "$work/without_memory" "$work/full" "$stat" -w 0.1 "$stalled" "$idle" >"$work/out" 2>&1
        has "live: no memory: status" "$work/out" '^ended with 1$'
        has "live: no memory: says so, where it stays" "$work/out" '^then: shmchan-stat: out of memory$'
        restored "live: no memory"
    else
        skip "no memory" "the program brings its own strdup"
    fi
    TEST_TERM=dumb "$python" "$work/terminal.py" "$work/log" 80x24 see=received signal=INT -- \
        "$stat" -w 0.1 "$flowing" >"$work/out" 2>&1
    has "live: a terminal that cannot be drawn on gets lines" "$work/out" '^ended by signal 2$'
    TEST_TERM=no-such-terminal "$python" "$work/terminal.py" "$work/log" 80x24 see=received signal=INT -- \
        "$stat" -w 0.1 "$flowing" >"$work/out" 2>&1
    has "live: and so does an unknown one" "$work/out" '^ended by signal 2$'
    NO_COLOR=1 "$python" "$work/terminal.py" "$work/log" 80x24 see=stalled key=q -- \
        "$stat" -w 0.1 "$flowing" "$stalled" >"$work/out" 2>&1
    check "live: no colours with NO_COLOR" "$python" -c 'import re, sys
sys.exit(re.search(rb"\x1b\[[0-9;]*3[0-7](;[0-9]+)*m", open(sys.argv[1], "rb").read()) is not None)' "$work/log"
else
    skip "live" "needs python3 and a terminfo database"
fi
if command -v tmux >/dev/null; then
    # What stands on the screen, as a terminal shows it.
    # on_screen COLUMNS COMMAND...: draws on one of 24 lines until `screen_ends`. Each has a server of its own: the last
    # one may still be ending.
    screens=0
    on_screen() {
        screens=$((screens + 1))
        tmux="env LC_ALL=C.UTF-8 TMUX_TMPDIR=$work tmux -L $screens -f /dev/null"
        columns=$1
        shift
        $tmux new-session -d -s look -x "$columns" -y 24 "$*" 2>"$work/err"
    }
    screen_ends() {
        sed 's/^/#   /' "$work/screen"
        $tmux kill-server 2>/dev/null
    }
    drawn() {
        $tmux capture-pane -p -t look >"$work/screen" 2>>"$work/err"
        grep -q -- "$1" "$work/screen"
    }
    for columns in 80 200; do
        on_screen $columns "$stat -w 0.1 $flowing $stalled $orphan $version $idle $prefix-nowhere"
        check "screen: $columns columns are drawn, with rates and history" eventually drawn \
            '-flowing  *flowing  *[0-9]*% .* [1-9][0-9.]*[kM]*  *[1-9][0-9.]*[kM]* .*█'
        has "screen: the worst is selected, and it is said what is the matter" "$work/screen" 'collector'
        is "screen: the worst first" "$(sed -n 3p "$work/screen" | grep -o -e '-stalled  *stalled')" \
            "$(grep -o -e '-stalled  *stalled' "$work/screen")"
        has "screen: what is missing is no channel" "$work/screen" '5 channels, 1 critical, 2 warning, 1 missing'
        screen_ends
    done
    on_screen 80 "$stat -w 0.1 $full $idle"
    check "screen: all is said where there is room for it, in more than four lines" eventually drawn ' only[.] *$'
    screen_ends
    on_screen 80 "$stat -w 0.1 $version $idle"
    check "screen: a reason ends with a word and two dots" eventually drawn \
        '-version  *foreign version The channel was made by [a-z ]*[a-z] [.][.]$'
    screen_ends
    on_screen 80 "$stat -w 0.1 $stalled"
    check "screen: a page is drawn" eventually drawn 'used 8 of 8'
    is "screen: a page says first what is the matter" \
        "$(grep -n -o -e 'The receiver' -e 'used 8 of 8' -e 'Messages' "$work/screen" | sed 's/.*://' | tr '\n' ,)" \
        "The receiver,used 8 of 8,Messages,"
    is "screen: ... and its name once" "$(grep -c -e '-stalled' "$work/screen")" 1
    has "screen: ... and how much of it is seen" "$work/screen" ' lines 1-21 of [0-9]+'
    screen_ends
    if [ "$alone" = alone ]; then
        small=$prefix-small
        peer small "$small" capacity=1 places=1 'type=struct with_a_name_that_is_longer_than_its_column' \
            create-receiver
        wait "$peer"
        # shellcheck disable=SC2046  # a list
        tee $(seq -f "/dev/shm$small-%.0f" 50) <"/dev/shm$small" >/dev/null
        on_screen 200 "$stat -w 0.1"
        check "screen: which rows are seen" eventually drawn ' rows 1-[0-9][0-9]* of [1-9][0-9]   [1-9][0-9] channels'
        $tmux send-keys -t look End
        check "screen: a type that is too long ends as it does" eventually drawn \
            "-small-9 .* [.][.][a-z_]*_its_column\$"
        screen_ends
        rm "/dev/shm$small" "/dev/shm$small"-*
    else
        skip "screen: rows that are not seen" "needs a mount namespace"
    fi
else
    skip "screen" "needs tmux"
fi

# ---------------------------------------------------------------- --remove-orphans

there() {
    [ -e "/dev/shm$1" ]
}

"$stat" --remove-orphans "$orphan" </dev/null >"$work/out" 2>"$work/err"
is "nobody to ask: status" $? 2
has "nobody to ask: says so in a line" "$work/err" '^shmchan-stat: nobody can be asked'
check "nobody to ask: nothing is removed" there "$orphan"
"$stat" --remove-orphans --dry-run "$orphan" "$version" >"$work/out" 2>"$work/err"
is "dry run: status" $? 0
has "dry run: what would be lost" "$work/out" "^$orphan: would be removed; held by no process; 4 messages waiting"
has "dry run: of what cannot be inspected" "$work/out" "^$version: would be removed if .*; cannot be inspected"
check "dry run: nothing is removed" there "$orphan"
"$stat" --remove-orphans --yes "$idle" "$stalled" "$no_receiver" "$no_senders" >"$work/out" 2>"$work/err"
is "held ones by name: status" $? 1
is "held ones by name: each says why" "$(grep -c 'held by a living process, left alone' "$work/err")" 4
for channel in "$idle" "$stalled" "$no_receiver" "$no_senders"; do
    check "held: $channel is there" there "$channel"
done
# One whose header is damaged while somebody holds it: only the locks can tell.
peer victim "$prefix-victim" capacity=8 create-receiver pause
victim=$peer
ready victim
printf 'scribble' | dd of="/dev/shm$prefix-victim" bs=1 seek=32 conv=notrunc 2>/dev/null
"$stat" --remove-orphans --yes "$prefix-victim" >"$work/out" 2>"$work/err"
check "held and damaged: it is there" there "$prefix-victim"
has "held and damaged: says why" "$work/err" 'held by a living process, left alone'
end "$victim" KILL
echo "no channel" >"/dev/shm$prefix-text"
"$stat" --remove-orphans --yes "$prefix-text" "$prefix-nowhere" >"$work/out" 2>"$work/err"
is "no channels: status" $? 1
check "another program's file is left alone" there "$prefix-text"
rm "/dev/shm$prefix-text"
"$stat" --remove-orphans --yes "$prefix-victim" >"$work/out" 2>"$work/err"
is "damaged and held no more: status" $? 0
check "damaged and held no more: it is gone" test ! -e "/dev/shm$prefix-victim"

if [ -n "$python" ]; then
    answer() {
        "$python" "$work/terminal.py" "$work/log" 80x24 see=Remove "$@" -- \
            "$stat" --remove-orphans "$orphan" "$odd" >"$work/out" 2>&1
    }
    answer key='n\n' see=Remove key='\n'
    has "asked, no: status" "$work/out" '^ended with 0$'
    check "asked, no: it is there" there "$orphan"
    answer key='what\n' see=Remove key='q\n'
    check "asked, quit: it is there" there "$orphan"
    answer key='\x04'
    check "asked, end of input: it is there" there "$orphan"
    answer key='n\n' see=Remove key='y\n' see=removed
    check "asked, yes: it is gone" test ! -e "/dev/shm$odd"
    check "asked, no: the other is there" there "$orphan"
fi
if [ "$(id -u)" -eq 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
    chmod 644 "/dev/shm$orphan"
    setpriv --reuid=65534 --regid=65534 --clear-groups "$stat" --remove-orphans --yes "$orphan" \
        >"$work/out" 2>"$work/err"
    is "not ours to remove: status" $? 1
    has "not ours to remove: says so" "$work/err" \
        "^shmchan-stat: $orphan: only its owner \\(uid 0\\) or root may remove it\$"
    check "not ours to remove: it is there" there "$orphan"
    setpriv --reuid=65534 --regid=65534 --clear-groups "$stat" --remove-orphans --dry-run "$orphan" \
        >"$work/out" 2>"$work/err"
    is "not ours to remove, dry run: status" $? 1
    has "not ours to remove, dry run: says so" "$work/err" "^shmchan-stat: $orphan: only its owner"
    is "not ours to remove, dry run: and nothing else" "$(cat "$work/out")" ""
    chown 65534 "/dev/shm$orphan"
    chmod 444 "/dev/shm$orphan"
    setpriv --reuid=65534 --regid=65534 --clear-groups "$stat" --remove-orphans --dry-run "$orphan" \
        >"$work/out" 2>"$work/err"
    has "ours, but not to be written: says so" "$work/err" \
        "^shmchan-stat: $orphan: may be removed only by who may read and write it \\(it has mode 0444\\)\$"
    chmod 600 "/dev/shm$orphan"
    setpriv --reuid=65534 --regid=65534 --clear-groups "$stat" --remove-orphans --dry-run "$orphan" \
        >"$work/out" 2>"$work/err"
    has "ours, dry run" "$work/out" "^$orphan: would be removed; held by no process"
    chown 0 "/dev/shm$orphan"
fi
if [ "$alone" = alone ]; then
    echo "no channel" >/dev/shm/text
    "$stat" --remove-orphans --yes >"$work/out" 2>"$work/err"
    is "all orphans: status" $? 0
    has "all orphans: says which" "$work/out" "^$orphan: removed$"
    check "all orphans: it is gone" test ! -e "/dev/shm$orphan"
    check "all orphans: the damaged one too" test ! -e "/dev/shm$damaged"
    check "all orphans: another version too" test ! -e "/dev/shm$version"
    check "all orphans: another program's file is left alone" test -e /dev/shm/text
    for channel in "$flowing" "$idle" "$stalled" "$no_receiver" "$no_senders" "$full" "$dead"; do
        check "all orphans: $channel is there" there "$channel"
    done
    "$stat" --remove-orphans --yes >"$work/out"
    is "no orphans: status" $? 0
    is "no orphans: says so" "$(cat "$work/out")" "no orphans"
    names=
    rm /dev/shm/text
else
    names="$prefix-race1 $prefix-race2 $prefix-race3"
    skip "all orphans" "needs a mount namespace"
fi
"$stat" --remove-orphans --yes "$prefix-nowhere" >/dev/full 2>/dev/null
is "to a full device: status" $? 1

# Nobody ever loses a channel that it holds, while another removes orphans all the time.
removals=0
for n in 1 2 3; do
    peer "race$n" "$prefix-race$n" capacity=8 "churn=${SHMCHAN_TEST_ROUNDS:-3000}"
done
racing() {
    for n in 1 2 3; do
        said "race$n" churn || [ -s "$work/race$n.err" ] || return 0
    done
    return 1
}
tries=0
while racing && [ $tries -lt 20000 ]; do
    # shellcheck disable=SC2086  # a list, or none: all
    "$stat" --remove-orphans --yes $names >"$work/out" 2>/dev/null
    removals=$((removals + $(grep -c ': removed$' "$work/out")))
    tries=$((tries + 1))
done
for n in 1 2 3; do
    check "race: peer $n never loses its channel" said "race$n" churn
    sed 's/^/#   /' "$work/race$n.err"
done
check "race: orphans were removed meanwhile ($removals)" test "$removals" -gt 0

# ---------------------------------------------------------------- completion

complete_in_bash() {
    bash --norc -c 'source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _shmchan_stat; printf "%s\n" "${COMPREPLY[@]}"' \
        bash "$source/tools/completion/shmchan-stat.bash" "$@" >"$work/out" 2>"$work/err"
}

if command -v bash >/dev/null; then
    complete_in_bash "$stat" "${prefix}-st"
    is "bash: a living channel's name" "$(cat "$work/out")" "$stalled"
    complete_in_bash "$stat" -w "${prefix#/}-st"
    is "bash: without its slash" "$(cat "$work/out")" "${stalled#/}"
    complete_in_bash "$stat" --rem
    is "bash: an option" "$(cat "$work/out")" "--remove-orphans"
    complete_in_bash "$stat" --check --warning used=5,or
    is "bash: a state" "$(cat "$work/out")" "used=5,orphaned"
    complete_in_bash "$stat" --check --warning = bl
    is "bash: a limit" "$(cat "$work/out")" "blocked="
    is "bash: nothing is complained of" "$(cat "$work/err")" ""
    # Each option that is offered is one, and takes what it is offered for.
    complete_in_bash "$stat" -
    "$stat" --help >"$work/help"
    # shellcheck disable=SC2013  # words they are
    for option in $(grep '^--' "$work/out"); do
        has "bash: $option is in --help" "$work/help" "(^|[^a-z-])$option([^a-z-]|\$)"
    done
else
    skip "completion in bash" "no bash"
fi
if command -v zsh >/dev/null; then
    check "zsh: syntax" zsh -n "$source/tools/completion/_shmchan-stat"
    if [ -n "$python" ]; then
        mkdir "$work/zsh"
        cp "$source/tools/completion/_shmchan-stat" "$work/zsh/"
        cat >"$work/zsh/.zshrc" <<EOC
fpath=($work/zsh \$fpath)
autoload -Uz compinit
compinit -u -d $work/dump
PS1="ready> "
EOC
        # Whatever a shell makes of what is typed there, not here.
        (cd "$work" && ZDOTDIR=$work/zsh "$python" "$work/terminal.py" "$work/log" 80x24 'see=ready>' \
            key="shmchan-stat ${prefix}-st\\t" "see=$stalled" \
            key='\x15' key='shmchan-stat --rem\t' see=remove-orphans \
            key='\x15' key='exit\n' -- zsh -i) >"$work/out" 2>&1
        has "zsh: a living channel's name, and an option" "$work/out" '^ended with '
        has_not "zsh: ... without waiting in vain" "$work/out" 'in vain'
    fi
else
    skip "completion in zsh" "no zsh"
fi

# ---------------------------------------------------------------- done

kill -CONT "$stalled_receiver"
end "$stalled_sender" KILL
if [ $failed -ne 0 ]; then
    echo "not ok - $failed checks of shmchan-stat failed"
    exit 1
fi
