#!/bin/sh
# SPDX-License-Identifier: MIT
# shmchan-stat against channels in real states: what it prints, its JSON and its exit status.
#
#     tests/test_stat.sh BUILD_DIR
#
# Peers are processes of a small helper that is compiled here with $CC, $CFLAGS and $EXTRA_CFLAGS. What
# needs a privilege or a program that is not there is skipped, and says so.
# shellcheck disable=SC2140  # long patterns in pieces
set -u

if [ $# -ne 1 ] || [ ! -x "$1/shmchan-stat" ]; then
    echo "usage: tests/test_stat.sh BUILD_DIR, with BUILD_DIR/shmchan-stat built (make tools)" >&2
    exit 2
fi
build=$1
source=$(dirname "$0")/..
prefix=/shmchan-test-$$
work=$(mktemp -d) || exit 1
peers=
group=
# Of one locale, so that bars are ASCII; sections that want another say so.
export LC_ALL=C

cleanup() {
    # bash would tell of each peer that it was killed.
    exec 2>/dev/null
    for pid in $peers; do
        kill -KILL "$pid" 2>/dev/null
    done
    # Who is frozen does not end.
    [ -z "$group" ] || echo "$thawed" >"$group/$freeze"
    wait
    [ -z "$group" ] || rmdir "$group"
    rm -f "/dev/shm$prefix"-*
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# shellcheck source=tests/saying.sh
. "$source/tests/saying.sh"

# ---------------------------------------------------------------- helpers

# query FILE STEP...: what the JSON document has there. A step is a key, an index, key=value for the
# element of an array in which that holds, or # for how many there are.
cat >"$work/query.c" <<'EOC'
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    json_error_t error;
    json_t *at = json_load_file(argv[1], 0, &error);
    if (at == NULL) {
        fprintf(stderr, "query: %s line %d: %s\n", argv[1], error.line, error.text);
        return 1;
    }
    for (int i = 2; i < argc && at != NULL; i++) {
        char *value = strchr(argv[i], '=');
        if (value != NULL) {
            json_t *element, *found = NULL;
            size_t index;
            *value++ = '\0';
            json_array_foreach(at, index, element)
            {
                json_t *member = json_object_get(element, argv[i]);
                char number[32];
                snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(member));
                if (strcmp(json_is_string(member) ? json_string_value(member) : number, value) == 0)
                    found = element;
            }
            at = found;
        } else if (strcmp(argv[i], "#") == 0) {
            at = json_integer((json_int_t)json_array_size(at));
        } else if (json_is_array(at)) {
            at = json_array_get(at, (size_t)atoi(argv[i]));
        } else {
            at = json_object_get(at, argv[i]);
        }
    }
    if (at == NULL)
        puts("(missing)");
    else if (json_is_string(at))
        puts(json_string_value(at));
    else
        puts(json_dumps(at, JSON_ENCODE_ANY | JSON_COMPACT));
    return 0;
}
EOC

# Leaks of programs that end at once are no news.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
# shellcheck source=tests/peers.sh
. "$source/tests/peers.sh"
# shellcheck disable=SC2046  # likewise
compile "$work/query" "$work/query.c" $(pkg-config --cflags --libs jansson) || exit 1

# Where another user can run it, whatever BUILD_DIR is.
chmod 755 "$work"
cp "$build/shmchan-stat" "$work/shmchan-stat"
stat=$work/shmchan-stat

query() {
    "$work/query" "$work/json" "$@"
}

# look NAME...: its JSON in $work/json, its page in $work/page, messages in $work/err, status in $status. The
# page is the later look, so that what lasts and is in the JSON is in the page too.
look() {
    look_json "$@"
    look_page "$@"
}
look_json() {
    "$stat" --json "$@" >"$work/json" 2>/dev/null
    cat "$work/json" >>"$work/documents"
}
look_page() {
    "$stat" "$@" >"$work/page" 2>"$work/err"
    status=$?
}

# in_state WHAT WORD SEVERITY PATTERN: so says the look before: in its JSON, and on its page, whose diagnosis
# matches.
in_state() {
    fact "$1: JSON's state" "$2" state
    fact "$1: severity" "$3" severity
    has "$1: page" "$work/page" "^(${channel}|memfd:[0-9]+): $2\$"
    sed -n 2p "$work/page" >"$work/sentence"
    has "$1: diagnosis" "$work/sentence" "$4"
    echo "  $(query channels 0 diagnosis)" >"$work/sentence"
    has "$1: diagnosis in JSON" "$work/sentence" "$4"
}

# asks VALUE PATH...: that a fresh look at $channel finds it there.
asks() {
    expected=$1
    shift
    look_json "$channel"
    [ "$(query channels 0 "$@")" = "$expected" ] && look_page "$channel"
}

# shows WORD...: that a fresh look finds one of these states, in JSON and on the page.
shows() {
    look "$channel"
    for word in "$@"; do
        [ "$(query channels 0 state)" = "$word" ] && head -n 1 "$work/page" | grep -q ": $word\$" && return
    done
    return 1
}

# more THAN PATH...: likewise a larger number.
more() {
    than=$1
    shift
    look_json "$channel"
    value=$(query channels 0 "$@")
    case $value in
    '' | *[!0-9]*) return 1 ;;
    esac
    [ "$value" -gt "$than" ] && look_page "$channel"
}

# moves PATH...: likewise a rate that is not 0.
moves() {
    look_json "$channel"
    case $(query channels 0 "$@") in null | 0.0 | "(missing)") return 1 ;; esac
}

# page_says PATTERN: that a fresh page has it.
page_says() {
    look_page "$channel"
    grep -Eq "$1" "$work/page"
}

# always STATE: so say 200 looks, twenty at a time.
always() {
    twenty="$channel $channel $channel $channel $channel"
    twenty="$twenty $twenty $twenty $twenty"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        # shellcheck disable=SC2086  # words
        "$stat" --json $twenty
    done | sed -n 's/^      "state": "\(.*\)",$/\1/p' | sort | uniq -c >"$work/states"
    is "always $1, in 200 looks" "$(tr -s ' ' <"$work/states")" " 200 $1"
}

# fact WHAT VALUE PATH...: of the look before.
fact() {
    what=$1
    expected=$2
    shift 2
    is "$what" "$(query channels 0 "$@")" "$expected"
}

# ---------------------------------------------------------------- command line

"$stat" --help >"$work/out" 2>"$work/err"
is "--help succeeds" $? 0
has "--help says what it is" "$work/out" '^Usage: shmchan-stat'
check "--help fits a screen" awk 'length > 80 { bad = 1 } END { exit bad || NR > 24 }' "$work/out"
"$stat" --version >"$work/out"
is "--version succeeds" $? 0
has "--version says which" "$work/out" '^shmchan-stat [0-9]+\.[0-9]+\.[0-9]+$'
for wrong in --nonsense -x -xy --json=1 "--$(printf '\033')[2J"; do
    "$stat" "$wrong" >"$work/out" 2>"$work/err"
    status=$?
    is "wrong usage ($(printf '%s' "$wrong" | tr -c '[:graph:]' '?')) is status 2" $status 2
    check "... in one line" test "$(wc -l <"$work/err")" -eq 1
    has "... that names the cure" "$work/err" "see 'shmchan-stat --help'\$"
    has_not "... and drives no terminal" "$work/err" '[[:cntrl:]]'
done
while read -r wrong; do
    # shellcheck disable=SC2086  # words
    timeout 60 "$stat" $wrong >"$work/out" 2>"$work/err"
    is "what does not go together ($wrong) is status 2" $? 2
    has "... and says so" "$work/err" "^shmchan-stat: .*; see 'shmchan-stat --help'\$"
done <<'END'
--yes
--dry-run
--warning used=80%
--openmetrics --json
--openmetrics -w
-w0
--watch=x
--watch=1e3
--critical
--remove-orphans --json
-a /name
-w -a /name
--openmetrics -a /name
--remove-orphans -a
END
for wrong in "--check -a" "--check --nonsense" "--check --warning nonsense" "--nonsense --check" "--check --json"; do
    # shellcheck disable=SC2086  # words
    "$stat" $wrong >"$work/out" 2>"$work/err"
    is "a monitor's wrong usage ($wrong) is status 3" $? 3
done
for output in --help --version; do
    "$stat" $output >/dev/full 2>"$work/err"
    is "$output to a full device is status 1" $? 1
    has "... and says so" "$work/err" 'cannot write the output: No space left'
done

# What runs in a /dev/shm of its own, which is empty, and sees no processes but its own.
cat >"$work/alone" <<'EOC'
#!/bin/sh
mount -t tmpfs none /dev/shm && exec "$@"
EOC
chmod +x "$work/alone"
alone() {
    unshare --mount --pid --fork --mount-proc "$work/alone" "$@"
}
if alone true 2>/dev/null; then
    alone "$stat" >"$work/out" 2>"$work/err"
    is "no channel is no failure" $? 0
    is "... prints no line" "$(wc -c <"$work/out")" 0
    has "... and says so" "$work/err" '^shmchan-stat: no channel'
    alone "$stat" --json >"$work/json"
    is "no channel in JSON is no failure" $? 0
    is "... and an empty array" "$(query channels '#')" 0
    # shellcheck disable=SC2016  # for the other shell
    alone sh -c 'mount -t tmpfs none /dev && exec "$0" "$@"' "$stat" --check >"$work/out" 2>"$work/err"
    is "without /dev/shm a monitor is told that nothing is known: status" $? 3
    is "... in words" "$(cat "$work/out")" "SHMCHAN UNKNOWN: cannot list the channels: there is no /dev/shm"
else
    skip "no channel at all" "needs a mount namespace"
fi

# ---------------------------------------------------------------- empty: the receiver waits, a sender is quiet

channel=$prefix-empty
peer empty-r "$channel" capacity=100 places=7 'type=struct sample' create-receiver receive-for-ever
receiver=$peer
eventually said empty-r create-receiver || not_ok "a channel is made"
peer empty-s "$channel" open-sender pause
sender=$peer
ready empty-s
check "empty: the receiver falls asleep" eventually asks true receiver asleep
is "empty: status" "$status" 0
fact "JSON: name" "$channel" name
fact "JSON: type" "struct sample" type
fact "JSON: message size" 8 message_size_bytes
fact "JSON: capacity is rounded up" 128 capacity_messages
fact "JSON: places" 7 sender_places
fact "JSON: flags" '[]' flags
fact "JSON: mode" 0600 mode
fact "JSON: owner" "$(id -u)" owner_uid
fact "JSON: creator" "$receiver" creator_pid
fact "JSON: region" "$(stat -c %s "/dev/shm$channel")" region_bytes
fact "JSON: backed" "$(($(stat -c '%b * %B' "/dev/shm$channel")))" backed_bytes
fact "empty: nothing used" 0 used_messages
fact "empty: room of one lane" 128 room_messages
fact "empty: receiver" alive receiver state
fact "empty: receiver's process" here receiver process
fact "empty: receiver's pid" "$receiver" receiver pid
fact "empty: receiver's command" peer receiver command
fact "empty: one receiver" 1 receivers_joined
fact "empty: one sender" 1 senders_alive
fact "empty: places never used are left out" 1 senders '#'
fact "empty: sender" alive senders 0 state
fact "empty: sender's process" here senders 0 process
fact "empty: sender's pid" "$sender" senders 0 pid
fact "empty: sender is not asleep" false senders 0 asleep
fact "empty: ... for no time" null senders 0 asleep_ns
fact "empty: mutex" null mutex_owner_pid
check "JSON: start time is /proc's" test \
    "$(query channels 0 receiver start_time_ticks)" = "$(sed 's/.*) //' "/proc/$receiver/stat" | cut -d' ' -f20)"
check "JSON: made in the last hour" test \
    $(($(date +%s) - $(query channels 0 created_realtime_ns) / 1000000000)) -lt 3600
in_state "idle" idle 0 "^  It is well, and nothing is sent: no message waits. The receiver \\(pid $receiver, "\
"\`peer\`\\) has waited"
has "page: type" "$work/page" '^  type +struct sample$'
has "page: capacity" "$work/page" '^  capacity +128 messages a lane$'
has "page: flags" "$work/page" '^  flags +none$'
has "page: used" "$work/page" '^  waiting +[.]{20}  0 %: 0 of 128 '
has "page: receiver's pid" "$work/page" "^  pid +$receiver\$"
has "page: receiver asleep, for how long" "$work/page" '^  asleep +for [0-9].* m?s, until a message comes$'
has "page: mutex" "$work/page" '^  mutex +free$'
has "page: sender" "$work/page" "^ +0 +alive +$sender +peer +0 +0 +0/128 +[.]+ +- +- +0 +0\$"
"$stat" >"$work/out"
is "the list succeeds" $? 0
has "list: header" "$work/out" '^NAME +STATE +USED +FILL +SENDERS +RECEIVER +SIZE +CAP +TYPE +SENT/S '\
'+RECVD/S +COMMAND$'
has "list: its line" "$work/out" "^$channel +idle +0/128 +[.]+ +1/7 +$receiver +8 +128 +struct sample +0 +0 +peer\$"
"$stat" --json >"$work/json"
is "list in JSON: status" $? 0
is "list in JSON: the same" "$(query channels "name=$channel" receiver pid)" "$receiver"
if command -v python3 >/dev/null && python3 -c 0 2>/dev/null; then
    check "another JSON parser agrees" python3 -c \
        'import json, sys; json.load(open(sys.argv[1]))["channels"][0]["name"]' "$work/json"
    cat "$work/json" >>"$work/documents"
else
    skip "another JSON parser agrees" "no python3"
fi
"$stat" "${channel#/}" >"$work/out"
is "a name without its slash will do" $? 0

"$stat" "$channel" >/dev/full 2>"$work/err"
is "a full device is status 1" $? 1
has "... and says so" "$work/err" 'cannot write the output: No space left'
"$stat" --json >/dev/full 2>"$work/err"
is "JSON to a full device is status 1" $? 1
mkfifo "$work/fifo"
# The reader is gone before a byte is written, every time.
{
    # shellcheck disable=SC2094
    exec 4<>"$work/fifo" 5>"$work/fifo" 4<&-
    "$stat" "$channel" >&5 2>"$work/err"
    is "a broken pipe is status 1" $? 1
    is "... and says nothing" "$(cat "$work/err")" ""
    exec 5>&-
}

# ---------------------------------------------------------------- looking changes nothing

end "$receiver" KILL
before=$(cksum <"/dev/shm$channel")
look "$channel"
joined=$(query channels 0 senders_joined)
for _ in 1 2 3; do look "$channel"; done
is "looking writes nothing to the region" "$(cksum <"/dev/shm$channel")" "$before"
fact "looking takes no place" "$joined" senders_joined
end "$sender" KILL

# ---------------------------------------------------------------- busy

channel=$prefix-busy
peer busy-r "$channel" capacity=64 create-receiver receive-for-ever
receiver=$peer
eventually said busy-r create-receiver || not_ok "a channel is made"
peer busy-1 "$channel" open-sender send-for-ever
one=$peer
peer busy-2 "$channel" open-sender send-for-ever
check "busy: both senders join" eventually asks 2 senders_joined
check "busy: one sends" eventually more 1000 senders 0 sent_messages
check "busy: the other too" eventually more 1000 senders 1 sent_messages
bad=0
last=0
for _ in 1 2 3 4 5 6 7 8 9 10; do
    look "$channel"
    sent=$(query channels 0 sent_messages)
    received=$(query channels 0 received_messages)
    used=$(query channels 0 used_messages)
    room=$(query channels 0 room_messages)
    [ "$sent" -ge "$last" ] && [ "$sent" -ge "$received" ] && [ $((sent - received)) -eq "$used" ] &&
        [ "$used" -le "$room" ] && [ "$room" -eq 128 ] || bad=$((bad + 1))
    for i in 0 1; do
        [ "$(query channels 0 senders $i state)" = alive ] &&
            [ "$(query channels 0 senders $i lane_used_messages)" -le 64 ] || bad=$((bad + 1))
    done
    last=$sent
done
is "busy: ten looks agree with themselves" $bad 0
check "busy: it goes on meanwhile" eventually more "$last" received_messages
check "busy: sends have tickets" test "$(query channels 0 tickets)" -gt 0
# Its lanes are full at many an instant, and no sender waits for long.
always flowing
"$stat" -w 0.01 "$channel" 2>/dev/null | head -n 200 >"$work/out"
has "busy: nor when it is watched" "$work/out" "^[0-9:]*  $channel  flowing "
has_not "... is it full" "$work/out" "^[0-9:]*  $channel  full "
check "busy: it is said why a sender waits at all" eventually page_says \
    '^  It is well: .*, no sender is blocked for long \(they found their lanes full [0-9]+ times? just now\)\.$'

# ---------------------------------------------------------------- a stopped receiver, full lanes

kill -STOP "$receiver"
eventually process_letter "$receiver" T
check "full: the senders fall asleep" eventually asks true senders 0 asleep
check "full: both" eventually asks true senders 1 asleep
fact "full: receiver is alive" alive receiver state
fact "full: and stopped" stopped receiver process
fact "full: state letter" T receiver process_state_letter
fact "full: all used" 128 used_messages
fact "full: all the room" 128 room_messages
fact "full: lane" 64 senders 0 lane_used_messages
check "full: times full" test "$(query channels 0 senders 0 times_full)" -ge 1
# Longer than the library sleeps between two looks at who lives.
check "full: the time asleep goes on" eventually more 1000000000 senders 0 asleep_ns
in_state "a stopped receiver" stalled 2 "^  The receiver \\(pid $receiver, \`peer\`\\) has taken nothing for "\
"[1-9][0-9.]* s and is stopped \\(state T\\); 128 messages wait, 2 of 2 senders are blocked, the longest for "\
"[1-9][0-9.]* s\\. Let it go on with \`kill -CONT $receiver\`;"
fact "full: senders blocked" 2 senders_blocked
check "full: the longest for how long" test "$(query channels 0 longest_blocked_ns)" -gt 1000000000
fact "full: nothing moves" 0.0 received_messages_per_second
has "page: receiver is stopped" "$work/page" '^  state +stopped \(state T\)$'
has "page: all used" "$work/page" '^  waiting +#{20}  100 %: 128 of 128 in the lanes in use$'
has "page: a full lane and its sleeper" "$work/page" '^ +0 +alive +[0-9]+ +peer .* 64/64 +#+ +- +[0-9.]+s '\
'+[1-9][0-9.kM]* '
"$stat" >"$work/out"
has "list: stalled" "$work/out" "^$channel +stalled +128/128 +#+ +2/256 +$receiver +8 +64 "
kill -CONT "$receiver"
check "full: it goes on" eventually asks false senders 0 asleep
end "$one" KILL
end "$peer" KILL
end "$receiver" KILL

# ---------------------------------------------------------------- a stopped sender

channel=$prefix-stopped
peer stopped-r "$channel" capacity=8 flags=7 create-receiver pause
receiver=$peer
ready stopped-r
peer stopped-s "$channel" open-sender send=3 reserve pause
sender=$peer
ready stopped-s
kill -STOP "$sender"
eventually process_letter "$sender" T
look "$channel"
fact "stopped: is alive" alive senders 0 state
fact "stopped: is stopped" stopped senders 0 process
fact "stopped: reserved" 1 senders 0 reserved_messages
fact "stopped: flags" '["wait-for-receiver","unordered","unlink-on-close"]' flags
fact "stopped: no tickets in an unordered channel" null tickets
fact "stopped: nobody died" 0 senders_died
has "page: stopped" "$work/page" "^ +0 +stopped +$sender +peer +3 +0 +3/8 +#+[.]+ +yes +- +0 +3\$"
has "page: what to do about a stopped sender" "$work/page" \
    "Sender 0 \\(pid $sender, \`peer\`\\) is stopped \\(state T\\)\\. Let it go on with \`kill -CONT $sender\`\\.\$"
has "page: flags in words" "$work/page" '^  flags +waits for a receiver, unordered, removed on close$'
has "page: no tickets" "$work/page" '^  tickets +none'
has_not "page: nobody is dead" "$work/page" '^ +[0-9]+ +dead '
kill -CONT "$sender"
check "stopped: and runs again" eventually asks here senders 0 process

# ---------------------------------------------------------------- another PID namespace

peer unseen-r "$prefix-unseen" capacity=4 create-receiver receive-for-ever
eventually said unseen-r create-receiver || not_ok "a channel is made"
peer unseen-s "$prefix-unseen" open-sender pause
ready unseen-s
if unshare --pid --fork --mount-proc true 2>/dev/null; then
    unshare --pid --fork --mount-proc "$stat" "$channel" >"$work/page"
    is "elsewhere: status" $? 0
    has "elsewhere: receiver" "$work/page" '^  state +elsewhere$'
    has "elsewhere: sender" "$work/page" "^ +0 +elsewhere +$sender +peer +3 "
    has "elsewhere: diagnosis" "$work/page" 'not visible from here\).* what it does cannot be seen from here'
    unshare --pid --fork --mount-proc "$stat" "$prefix-unseen" >"$work/page"
    has "elsewhere: who may be stopped is not called well" "$work/page" '^  No trouble is seen, and nothing is sent: '\
'no message waits. The receiver .* lives; whether it is stopped cannot be seen from here\.$'
    unshare --pid --fork --mount-proc "$stat" --json "$channel" >"$work/json"
    fact "elsewhere: in JSON" elsewhere senders 0 process
    fact "elsewhere: and alive" alive senders 0 state
    fact "elsewhere: no letter" null senders 0 process_state_letter
else
    skip "elsewhere" "needs a PID namespace"
fi

end "$receiver" KILL
end "$sender" KILL

# ---------------------------------------------------------------- a sender that was stopped asleep

# Stopped while it waited for room, that has come since: it is not the receiver that is too slow.
channel=$prefix-stopped-asleep
peer asleep-r "$channel" capacity=8 create-receiver receive-for-ever
receiver=$peer
eventually said asleep-r create-receiver || not_ok "a channel is made"
kill -STOP "$receiver"
peer asleep-s "$channel" open-sender send-for-ever
check "stopped asleep: its sender is blocked" eventually asks 1 senders_blocked
kill -STOP "$peer"
eventually process_letter "$peer" T
look "$channel"
fact "stopped asleep: its lane is full, so it still is" 1 senders_blocked
kill -CONT "$receiver"
check "stopped asleep: its lane is drained" eventually asks 0 used_messages
check "stopped asleep: nothing moves any more" eventually shows idle
fact "stopped asleep: it is not blocked" 0 senders_blocked
in_state "stopped asleep" idle 0 "^  It is well, .* Sender 0 \\(pid $peer, \`peer\`\\) is stopped"
end "$peer" KILL
end "$receiver" KILL

# ---------------------------------------------------------------- a killed sender, messages left, one reserved

channel=$prefix-killed
peer killed-r "$channel" capacity=8 create-receiver receive=2 pause
receiver=$peer
eventually said killed-r create-receiver || not_ok "a channel is made"
peer killed-s "$channel" open-sender send=5 reserve pause
sender=$peer
ready killed-s
ready killed-r
end "$sender" KILL
look "$channel"
fact "killed: dead" dead senders 0 state
fact "killed: nothing of /proc" null senders 0 process
fact "killed: pid" "$sender" senders 0 pid
fact "killed: sent" 5 senders 0 sent_messages
fact "killed: lane" 3 senders 0 lane_used_messages
fact "killed: reserved" 1 senders 0 reserved_messages
fact "killed: messages wait" 3 used_messages
fact "killed: nobody alive" 0 senders_alive
fact "killed: gone with messages" 1 senders_gone_with_messages
in_state "killed" stalled 2 \
    "Sender 0 \\(pid $sender, \`peer\`\\) died with 3 messages still to be received and one reserved that is "\
"lost\\.\$"
has "killed: nobody is left to be blocked" "$work/sentence" '; no sender is there\.'
has "page: dead" "$work/page" "^ +0 +dead +$sender +peer +5 +- +3/8 +#+[.]+ +lost +- +0 +5\$"
has "page: abandoned by whom" "$work/page" \
    "^  abandoned +3 messages, still to be received, and a reservation, lost, by sender 0 \\(pid $sender, "\
"\`peer\`\\), which died\$"

end "$receiver" KILL

# The place's second holder, so that its count and the place's differ.
channel=$prefix-second
peer second-r "$channel" capacity=8 places=1 create-receiver receive=4 pause
receiver=$peer
eventually said second-r create-receiver || not_ok "a channel is made"
peer second-1 "$channel" open-sender send=3 close-sender
eventually said second-1 close-sender
check "second: the first is received, its place free" eventually asks free senders 0 state
fact "second: what the free place had sent" 3 senders 0 lane_sent_messages
peer second-2 "$channel" open-sender send=2 close-sender pause
ready second-2
ready second-r
look "$channel"
fact "left: closed in order, one message left" left senders 0 state
fact "left: sent by this holder" 2 senders 0 sent_messages
fact "left: sent in this place" 5 senders 0 lane_sent_messages
fact "left: received of it" 4 senders 0 lane_received_messages
fact "left: nobody died" 0 senders_died
fact "left: two joined" 2 senders_joined
has "page: left" "$work/page" '^ +0 +left +[0-9-]+ +(peer|-) +2 +- +1/8 +#[.]+ +- +- +0 +5$'

end "$receiver" KILL

# ---------------------------------------------------------------- orphaned, and receivers that are not there

channel=$prefix-orphan
peer orphan-r "$channel" capacity=4 create-receiver pause
receiver=$peer
ready orphan-r
peer orphan-s "$channel" open-sender send=4 pause
sender=$peer
ready orphan-s
end "$sender" KILL
end "$receiver" KILL
look "$channel"
is "orphaned: status" "$status" 0
fact "orphaned: receiver" dead receiver state
fact "orphaned: sender" dead senders 0 state
fact "orphaned: messages remain" 4 used_messages
in_state "orphaned" orphaned 1 "^  No living process holds a place in this channel\\. The receiver \\(pid "\
"$receiver, \`peer\`\\) ended without closing; 1 sender had joined; 4 messages wait\\. .*\`shmchan-stat "\
"--remove-orphans $channel\`\\. Sender 0 \\(pid $sender, \`peer\`\\) died with 4 messages still"
has "page: dead receiver" "$work/page" '^  state +dead$'
has "page: which one" "$work/page" "^  last pid +$receiver\$"
"$stat" >"$work/out"
has "list: orphaned" "$work/out" "^$channel +orphaned +4/4 +#+ +0/256 +- +8 +4 +- +0 +0 +-\$"

channel=$prefix-none
peer none "$channel" capacity=4 places=8 mode=644 create-sender send=1 pause
ready none
look "$channel"
fact "no receiver yet" none receiver state
fact "no receiver yet: no pid" null receiver pid
in_state "no receiver yet" "no receiver" 2 '^  No receiver has joined yet; 1 message waits, 1 sender is '\
'there: senders go on until their lanes are full'
has "page: none yet" "$work/page" '^  state +none yet$'
readable=$channel

channel=$prefix-closed
peer closed "$channel" capacity=4 create-receiver close-receiver pause
ready closed
look "$channel"
fact "a closed receiver" closed receiver state
has "page: closed" "$work/page" '^  state +closed$'
fact "no sender yet" '[]' senders
in_state "all closed" orphaned 1 'The receiver .* has closed; 0 senders had joined; no message waits'

# ---------------------------------------------------------------- states that come of how the two sides work

channel=$prefix-flowing
peer flowing-r "$channel" capacity=64 create-receiver receive-for-ever
receiver=$peer
eventually said flowing-r create-receiver || not_ok "a channel is made"
peer flowing-s "$channel" open-sender send-now-and-then
check "flowing: at a rate" eventually moves received_messages_per_second
check "flowing: so it is" eventually shows flowing
in_state "flowing" flowing 0 '^  It is well: [0-9].* sent and [0-9].* received a second, (no|[0-9]+) '\
'messages? waits?, no sender is blocked'

end "$peer" KILL
end "$receiver" KILL

channel=$prefix-slow
peer slow-r "$channel" capacity=64 create-receiver receive-slowly=10000
receiver=$peer
eventually said slow-r create-receiver || not_ok "a channel is made"
peer slow-s "$channel" open-sender send-for-ever
check "full: so it is" eventually shows full
always full
look "$channel"
in_state "full" full 1 "^  The receiver \\(pid $receiver, \`peer\`\\) does not keep up with its senders: .*, "\
"[0-9]+ of 64 slots hold messages"
has "page: full, a lane" "$work/page" '^ +0 +alive .* [0-9]+/64 +#+'

end "$peer" KILL
end "$receiver" KILL

channel=$prefix-hung
peer hung-r "$channel" capacity=16 create-receiver pause
receiver=$peer
ready hung-r
peer hung-s "$channel" open-sender send-for-ever
sender=$peer
check "stalled: its sender is blocked" eventually asks 1 senders_blocked
check "stalled: a receiver that does not receive" eventually shows stalled
in_state "a receiver that does not receive" stalled 2 \
    "^  The receiver \\(pid $receiver, \`peer\`\\) has taken nothing for .* although 16 messages wait; it "\
"waits for something other than messages \\(state S\\); the only sender has been blocked.*gdb -p $receiver"
peer tracer /none "trace=$receiver" pause
if eventually said tracer 'trace\|ready'; then
    check "traced: it stalls" eventually shows stalled
    fact "traced: in JSON" traced receiver process
    has "traced: and by whom" "$work/page" "held by a debugger \\(state t\\); 16 messages wait.* Let its "\
"debugger \\(pid $peer\\) continue"
    end "$peer" KILL
else
    skip "traced" "needs ptrace"
fi
end "$receiver" KILL
look "$channel"
# It had a receiver and does not wait for another.
check "a dead receiver, and a sender that was told" eventually asks orphaned state

# A receiver that a debugger cannot stop.
for state in D Z; do
    channel=$prefix-state-$state
    action=vfork said='[(]state D[)]'
    [ $state = Z ] && action=end-main-thread said='main thread has ended; .*[(]state S of the liveliest of its 2 threads[)]'
    peer "state-$state-r" "$channel" capacity=4 create-receiver "$action"
    receiver=$peer
    ready "state-$state-r"
    peer "state-$state-s" "$channel" open-sender send=4 pause
    ready "state-$state-s"
    eventually process_letter "$receiver" $state || not_ok "state $state"
    look "$channel"
    in_state "state $state" stalled 2 "$said.* as root, in /proc/$receiver/(stack|task/\\*/stack)\\.\$"
    has_not "state $state: no debugger" "$work/sentence" gdb
    end "$peer" KILL
    end "$receiver" KILL
done

# One that sleeps in the channel and does not wake: forged, and then for real.
channel=$prefix-asleep
peer unwaking-r "$channel" capacity=4 create-receiver pause
receiver=$peer
ready unwaking-r
peer unwaking-s "$channel" open-sender send=3 pause
ready unwaking-s
peer unwaking-x "$channel" scribble-asleep pause
ready unwaking-x
look "$channel"
in_state "asleep" stalled 2 "^  The receiver \\(pid $receiver, \`peer\`\\) has taken nothing for .* although 3 "\
"messages wait; it sleeps in the channel and has not woken up \\(is it frozen, or has it no CPU\\?\\); no sender "\
"is blocked yet\\. Its control group, .*, is in /proc/$receiver/cgroup\\.\$"
has "asleep: page" "$work/page" '^  asleep +for [0-9.]* m?s$'
end "$receiver" KILL

# A control group, if that can be had: $group, its files $members and $freeze, and what is written to the latter.
freezer() {
    if mkdir "/sys/fs/cgroup/freezer$prefix" 2>/dev/null; then
        group=/sys/fs/cgroup/freezer$prefix members=tasks freeze=freezer.state frozen=FROZEN thawed=THAWED
    elif [ -e /sys/fs/cgroup/cgroup.controllers ] && mkdir "/sys/fs/cgroup$prefix" 2>/dev/null; then
        group=/sys/fs/cgroup$prefix members=cgroup.procs freeze=cgroup.freeze frozen=1 thawed=0
    else
        return 1
    fi
}
if freezer; then
    channel=$prefix-frozen
    peer frozen-r "$channel" capacity=8 create-receiver receive-for-ever
    receiver=$peer
    check "frozen: it sleeps" eventually asks true receiver asleep
    echo "$receiver" >"$group/$members" && echo "$frozen" >"$group/$freeze"
    peer frozen-s "$channel" open-sender send=3 pause
    ready frozen-s
    look "$channel"
    in_state "frozen" stalled 2 'although 3 messages wait; it sleeps in the channel and has not woken up'
    "$stat" --check "$channel" >"$work/out"
    is "frozen: a monitor is told" $? 2
    echo "$thawed" >"$group/$freeze"
    check "frozen: it goes on" eventually asks 0 used_messages
    end "$receiver" KILL
    rmdir "$group"
    group=
else
    skip "frozen" "no control group can be made"
fi

channel=$prefix-alone
peer alone-r "$channel" capacity=4 create-receiver receive-for-ever
receiver=$peer
eventually said alone-r create-receiver || not_ok "a channel is made"
look "$channel"
check "no sender yet: its receiver falls asleep" eventually asks true receiver asleep
in_state "no sender yet" "no senders" 1 "^  No sender has joined yet\\. The receiver \\(pid $receiver, "\
"\`peer\`\\) is there and waits for the first\\. Start a sender\\.\$"
peer alone-s "$channel" open-sender pause
ready alone-s
end "$peer" KILL
check "no senders: it is told apart from none yet" eventually asks 1 senders_died
in_state "no senders any more" "no senders" 1 '^  No sender is there: the only one that joined ended without '\
'closing.* is there, no message waits\. It sees the end of the channel now;'

# One that does not wait is not said to, and what waits comes before the end.
channel=$prefix-elsewise
peer elsewise-r "$channel" capacity=4 create-receiver pause
ready elsewise-r
look "$channel"
in_state "no sender yet, nor a wait for one" "no senders" 1 '^  No sender has joined yet\. The receiver .* is '\
'there\. Start a sender\.$'

channel=$prefix-left
peer left-r "$channel" capacity=64 create-receiver receive-slowly=100000
receiver=$peer
eventually said left-r create-receiver || not_ok "a channel is made"
peer left-s "$channel" open-sender send=60 close-sender
eventually said left-s close-sender
check "no senders, and messages: what comes first" eventually page_says 'The receiver .* is there, [0-9]+ messages? '\
'waits?\. It sees the end of the channel after that;'
end "$receiver" KILL

# Who was killed has not told its senders.
channel=$prefix-ended
peer ended-r "$channel" capacity=4 create-receiver pause
receiver=$peer
ready ended-r
peer ended-s "$channel" open-sender pause
ready ended-s
end "$receiver" KILL
look "$channel"
in_state "a receiver that was killed" "no receiver" 2 'is there: sends fail \(EPIPE\) after 100 ms or 16 messages, '\
'whichever comes last\. Start a receiver'
peer ended-r2 "$channel" open-receiver close-receiver pause
ready ended-r2
look "$channel"
in_state "a receiver that closed" "no receiver" 2 'is there: sends fail \(EPIPE\)\. Start a receiver'

# flags=1: it waits for a receiver.
channel=$prefix-waits
peer waits-r "$channel" capacity=4 flags=1 create-receiver close-receiver pause
ready waits-r
peer waits-s "$channel" open-sender send-for-ever
check "a closed receiver: a sender is blocked" eventually asks 1 senders_blocked
in_state "a closed receiver" "no receiver" 2 '^  The receiver .* has closed, and no other has come; 4 '\
'messages wait, 1 sender is there: it has been blocked for '
peer waits-r2 "$channel" open-receiver receive=1 pause
receiver=$peer
ready waits-r2
asks 1 takeovers || not_ok "a takeover is counted"
has "page: takeovers" "$work/page" '^  takeovers +1, of 2 receivers so far$'
end "$receiver" KILL
check "a dead receiver" eventually shows "no receiver"
in_state "a dead receiver" "no receiver" 2 "^  The receiver \\(pid $receiver, \`peer\`\\) ended without "\
"closing, and no other has come"

# ---------------------------------------------------------------- a fork that never ends

# Its parent closes its sender, so that the bridge that the child holds is all there is.
channel=$prefix-fork
peer fork "$channel" capacity=4 create-sender send=1 fork close-sender pause
sender=$peer
ready fork
child=$(tr -d ' ' <"/proc/$sender/task/$sender/children" 2>/dev/null)
end "$sender" KILL
look "$channel"
if [ -n "$child" ]; then
    peers="$peers $child"
    fact "forking: seen" true sender_forking
    in_state "forking" "no receiver" 2 'a process that is forking holds a sender for its child'
    kill -KILL "$child"
    check "forking: and then it is orphaned" eventually asks orphaned state
else
    skip "forking" "no /proc/PID/task/TID/children"
fi

# ---------------------------------------------------------------- a channel without a name

peer memfd /none capacity=8 'type=struct task' pair send=3 pause
holder=$peer
ready memfd
"$stat" --json >"$work/json"
channel=$(query channels "holder_pid=$holder" name)
is "memfd: it is found" "${channel%%[0-9]*}" memfd:
"$stat" >"$work/out"
has "memfd: in the list" "$work/out" "^$channel +stalled +3/8 +#+[.]+ +1/256 +$holder +8 +8 +struct task "
look "$channel"
is "memfd: by its name" "$status" 0
has "memfd: its mode means nothing, and is not shown" "$work/page" "^  owner +uid $(id -u)\$"
in_state "memfd" stalled 2 "^  The receiver \\(pid $holder, "
has "memfd: who has it" "$work/page" "^  name +none; pid $holder has it open as descriptor [0-9]+\$"
fact "memfd: who has it, in JSON" "$holder" holder_pid
end "$holder" KILL
"$stat" "$channel" >"$work/out" 2>"$work/err"
is "memfd: it goes with its last process" $? 1
is "memfd: and is not there" "$(head -n 1 "$work/out")" "$channel: missing"

# ---------------------------------------------------------------- what a region says is not to be trusted

channel=$prefix-odd
escape=$(printf 'a\033[31m\377\\z')
peer odd "$channel" capacity=4 "type=$escape" "command=$escape" create-receiver pause
ready odd
LC_ALL=C.UTF-8 "$stat" "$channel" >"$work/page"
has "odd bytes: type" "$work/page" '^  type +a\\x1b\[31m\\xff\\x5cz$'
has "odd bytes: command" "$work/page" '^  command +a\\x1b\[31m\\xff\\x5cz$'
has_not "odd bytes: none gets out" "$work/page" '[[:cntrl:]]'
"$stat" >"$work/out"
has_not "odd bytes: nor in the list" "$work/out" '[[:cntrl:]]'
"$stat" --json "$channel" >"$work/json"
is "odd bytes: JSON status" $? 0
fact "odd bytes: JSON" "$(printf 'a\033[31m\357\277\275\\z')" type
is "odd bytes: JSON is printable ASCII" "$(LC_ALL=C tr -d '\n -~' <"$work/json" | wc -c)" 0
odd_name=$prefix-$(printf 'n\nl\033')
cp "/dev/shm$channel" "/dev/shm$odd_name"
"$stat" "$odd_name" >"$work/page"
is "an odd name: status" $? 0
has "an odd name" "$work/page" "^$prefix-n\\\\x0al\\\\x1b: "
"$stat" --json "$odd_name" >"$work/json"
fact "an odd name in JSON" "$odd_name" name

# ---------------------------------------------------------------- what cannot be inspected

# refused NAME SYMBOL WHAT STATE: alone and beside one that can.
refused() {
    "$stat" "$1" "$readable" >"$work/page" 2>"$work/err"
    is "$3: status" $? 1
    is "$3: its state" "$(head -n 1 "$work/page")" "$1: $4"
    sed -n 2p "$work/page" >"$work/sentence"
    has "$3: says why" "$work/sentence" '^  [A-Z].*\.$'
    is "$3: and no more" "$(sed -n 3p "$work/page")$(cat "$work/err")" ""
    has "$3: the other is shown" "$work/page" "^$readable: "
    "$stat" --json "$1" "$readable" >"$work/json" 2>"$work/err"
    is "$3: JSON status" $? 1
    has "$3: JSON: says which" "$work/err" "^shmchan-stat: $1: .+"
    is "$3: JSON: in one line" "$(wc -l <"$work/err")" 1
    cat "$work/json" >>"$work/documents"
    fact "$3: JSON state" "$4" state
    fact "$3: JSON symbol" "$2" error
    fact "$3: JSON words" "$(sed "s|^shmchan-stat: $1: ||" "$work/err")" error_text
    fact "$3: JSON diagnosis" "$(sed 's/^  //' "$work/sentence")" diagnosis
    is "$3: the other is in the JSON" "$(query channels 1 name)" "$readable"
}

# listed NAME WHAT STATE: with its reason, and no failure.
listed() {
    reason=$(sed 's/^  //' "$work/sentence")
    "$stat" >"$work/out"
    is "$2: the list's status" $? 0
    check "$2: the list says why" grep -Fq "$reason" "$work/out"
    has "$2: in its line" "$work/out" "^$1 +$3 +[A-Z]"
}

refused "$prefix-nowhere" ENOENT "no such channel" missing
refused "/a/b" EINVAL "a name with slashes" unreadable
refused "/$(printf '%0300d' 0)" ENAMETOOLONG "a name too long" unreadable
"$stat" "" >"$work/out" 2>"$work/err"
is "an empty name: status" $? 1

echo "not a channel, and longer than its header would be, or not" >"/dev/shm$prefix-text"
refused "$prefix-text" EBADMSG "a text file" damaged
"$stat" >"$work/out"
has_not "a text file is not listed" "$work/out" "^$prefix-text "
: >"/dev/shm$prefix-void"
refused "$prefix-void" EBADMSG "an empty file" damaged

cp "/dev/shm$readable" "/dev/shm$prefix-version"
printf '\377' | dd of="/dev/shm$prefix-version" bs=1 seek=8 conv=notrunc 2>/dev/null
refused "$prefix-version" EPROTONOSUPPORT "another version" "foreign version"
listed "$prefix-version" "another version" "foreign version"

cp "/dev/shm$readable" "/dev/shm$prefix-cut"
truncate -s 64 "/dev/shm$prefix-cut"
refused "$prefix-cut" EBADMSG "a truncated header" damaged
cp "/dev/shm$readable" "/dev/shm$prefix-short"
truncate -s 4096 "/dev/shm$prefix-short"
refused "$prefix-short" EBADMSG "a truncated region" damaged
listed "$prefix-short" "a truncated region" damaged
cp "/dev/shm$readable" "/dev/shm$prefix-scribbled"
dd if=/dev/urandom of="/dev/shm$prefix-scribbled" bs=1 seek=16 count=64 conv=notrunc 2>/dev/null
refused "$prefix-scribbled" EBADMSG "a scribbled header" damaged
listed "$prefix-scribbled" "a scribbled header" damaged

# Past the header every word is a process's to write. Whatever it says: no crash, and proper JSON.
cp "/dev/shm$readable" "/dev/shm$prefix-noise"
bad=0
for _ in 1 2 3 4 5; do
    dd if=/dev/urandom of="/dev/shm$prefix-noise" bs=256 seek=1 count=60 conv=notrunc 2>/dev/null
    for mode in "" --json; do
        # shellcheck disable=SC2086  # none is none
        "$stat" $mode "$prefix-noise" >"$work/json" 2>"$work/err"
        [ $? -le 1 ] || bad=$((bad + 1))
        grep -q '[[:cntrl:]]' "$work/json" && bad=$((bad + 1))
    done
    query channels 0 name >/dev/null || bad=$((bad + 1))
done
is "noise behind the header is survived" $bad 0

# A lane's tail that no sender wrote, found by a receiver: it says so (and this one leaves).
channel=$prefix-lane
peer lane-r "$channel" capacity=4 create-receiver receive-for-ever
eventually said lane-r create-receiver || not_ok "a channel is made"
peer lane-s "$channel" open-sender send=1 pause
ready lane-s
check "a damaged lane: before" eventually asks 1 received_messages
peer lane-x "$channel" scribble-tail pause
ready lane-x
check "a damaged lane: it is found" eventually asks 1 lanes_damaged
in_state "a damaged lane" damaged 2 '^  Something has written into this region that should not: 1 time the '\
'receiver found a lane damaged.*, end all users of the channel and make it anew\.'
has_not "a damaged lane: there is but one cure" "$work/sentence" 'Start a receiver'

# The same while nobody receives: nothing was put right yet.
channel=$prefix-lane-now
peer lane-now-r "$channel" capacity=4 create-receiver pause
ready lane-now-r
peer lane-now-s "$channel" open-sender send=1 pause
ready lane-now-s
peer lane-now-x "$channel" scribble-tail pause
ready lane-now-x
look "$channel"
fact "a lane damaged now: JSON" 1 lanes_damaged_now
fact "a lane damaged now: whose" true senders 0 lane_damaged
in_state "a lane damaged now" damaged 2 '^  Something has written into this region that should not: 1 lane is damaged '\
'and not put right yet; messages'
has "page: a damaged lane" "$work/page" '^ +0 +alive .* damaged +[.]+ '

# Who is stopped while it joins would be named so.
channel=$prefix-mutex
peer mutex "$channel" capacity=4 create-receiver pause
ready mutex
peer mutex-x "$channel" "scribble-mutex-owner=$peer" pause
ready mutex-x
look "$channel"
has "the mutex's holder" "$work/page" 'Pid [0-9]+ has begun to join or take over and has not finished; '\
'meanwhile nobody else can join'
peer mutex-y "$channel" scribble-mutex-owner=2147483647 pause
ready mutex-y
look "$channel"
has "the mutex's holder, in the same words" "$work/page" '^  mutex +held by pid 2147483647, which is joining or taking '\
'over$'
has "the mutex's holder that is not there" "$work/page" 'Pid 2147483647 .* no such process is visible here'

# Truncated under one's eyes, again and again: SIGBUS is not the end.
channel=$prefix-flap
peer flap-r "$channel" capacity=4 places=64 create-receiver pause
ready flap-r
peer flap-x "$channel" flap
bad=0
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
    "$stat" --json "$channel" >"$work/json" 2>/dev/null
    [ $? -le 1 ] || bad=$((bad + 1))
    cat "$work/json" >>"$work/documents"
done
is "truncation while it is read is survived" $bad 0
end "$peer" KILL

# A SIGBUS that somebody sends at such a moment does what it always does. The read is held up in its first question
# for a lock.
if strace -o /dev/null true 2>/dev/null && [ -e "/proc/$$/task/$$/children" ]; then
    channel=$readable
    ASAN_OPTIONS=$ASAN_OPTIONS:handle_sigbus=0 strace -o "$work/strace" -e trace=fcntl \
        -e inject=fcntl:delay_exit=2000000:when=1 "$stat" "$channel" >"$work/page" 2>"$work/err" &
    tracer=$!
    peers="$peers $tracer"
    reader() {
        reader=$(tr -d ' ' <"/proc/$tracer/task/$tracer/children") && [ -n "$reader" ] &&
            readlink "/proc/$reader"/fd/* | grep -qx "/dev/shm$channel"
    }
    check "SIGBUS: a channel is read" eventually reader
    kill -BUS "$reader"
    wait "$tracer" 2>/dev/null
    is "SIGBUS: who sends it ends it" $? 135
else
    skip "SIGBUS" "needs strace and /proc/PID/task/TID/children"
fi

# ---------------------------------------------------------------- permission

chmod 600 "/dev/shm$prefix-short" "/dev/shm$prefix-orphan"
nobody() {
    setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}
if [ "$(id -u)" -ne 0 ]; then
    nobody() {
        "$@"
    }
    chmod 000 "/dev/shm$prefix-orphan"
fi
if nobody true 2>/dev/null; then
    nobody "$stat" "$prefix-orphan" "$readable" >"$work/page" 2>"$work/err"
    is "no permission: status" $? 1
    is "no permission: its state" "$(head -n 1 "$work/page")" "$prefix-orphan: unreadable"
    has "no permission: whose it is" "$work/page" "^  This user may not read it \\(uid $(id -u)'s, mode 0[60]00\\)"
    has "read permission is enough" "$work/page" "^$readable: no receiver\$"
    has "... to see who lives" "$work/page" '^ +0 +alive .* 1/4 '
    nobody "$stat" --json "$prefix-orphan" >"$work/json" 2>/dev/null
    fact "no permission: JSON" EACCES error
    fact "no permission: JSON state" unreadable state
    has "no permission: JSON says why" "$work/json" "\"diagnosis\": \"This user may not read it"
    cat "$work/json" >>"$work/documents"
    nobody "$stat" >"$work/out" 2>"$work/err"
    has_not "no permission: not in the list" "$work/out" "^$prefix-orphan "
    has "no permission: the list says what it lacks" "$work/err" \
        '^shmchan-stat: [0-9]+ files? in /dev/shm that this user may not read (is|are) left out \(see -a\)$'
    nobody "$stat" -a >"$work/out" 2>"$work/err"
    is "no permission: -a is no failure" $? 0
    has "no permission: -a has it, and why" "$work/out" \
        "^$prefix-orphan +unreadable +uid $(id -u)'s, mode 0[60]00; may be no channel\$"
    has "no permission: -a says once what to do" "$work/err" 'may be channels or not; ask as their owner or as root$'
    has "read permission is enough for the list" "$work/out" "^$readable +no receiver +1/4 "
else
    skip "no permission" "no setpriv"
fi

# ---------------------------------------------------------------- what it does to a channel

if strace -o /dev/null true 2>/dev/null; then
    strace -f -o "$work/strace" -e trace=openat,open,fcntl,mmap,unlink,unlinkat,ftruncate,fallocate \
        "$stat" -a >/dev/null 2>&1
    has "it looks at channels" "$work/strace" "\"/dev/shm$prefix-none\", O_RDONLY"
    has_not "... opens none for writing" "$work/strace" '(/dev/shm|/proc/[0-9]+/fd/).*O_(RDWR|WRONLY|CREAT|TRUNC)'
    has_not "... takes no lock" "$work/strace" 'SETLK'
    has_not "... maps none for writing" "$work/strace" 'mmap.*PROT_WRITE.*MAP_SHARED'
    has_not "... changes none" "$work/strace" '(unlink|unlinkat|ftruncate|fallocate)\('
else
    skip "what it does to a channel" "no strace"
fi

# ---------------------------------------------------------------- a thousand of them

cat >"$work/thousand" <<'EOC'
#!/bin/sh
# shellcheck disable=SC2046  # a list
tee $(seq -f '/dev/shm/orphan-%.0f' 1000) <"$1/orphan" >/dev/null || exit 1
"$1/shmchan-stat" >"$1/out"
EOC
chmod +x "$work/thousand"
peer small "$prefix-small" capacity=1 places=1 create-receiver pause
ready small
end "$peer" KILL
cp "/dev/shm$prefix-small" "$work/orphan"
if alone true 2>/dev/null; then
    check "a thousand channels" alone "$work/thousand" "$work"
    is "... are listed" "$(grep -c '^/orphan-[0-9]* *orphaned ' "$work/out")" 1000
else
    skip "a thousand channels" "needs a mount namespace"
fi

# ---------------------------------------------------------------- on a terminal

# Names as people give them, in a /dev/shm of their own.
cat >"$work/terminal" <<'EOC'
#!/bin/sh
work=$1 columns=$2
shift 2
cp "$work/telemetry.queue" "$work/old" /dev/shm/ || exit 1
head -c 4096 /dev/shm/telemetry.queue >/dev/shm/cut || exit 1
[ -z "${long-}" ] || cp "$work/telemetry.queue" "/dev/shm/$long" || exit 1
cp "$work/telemetry.queue" /dev/shm/telemetry.of.the.northern.station.sensor.41 || exit 1
cp "$work/telemetry.queue" /dev/shm/telemetry.of.the.northern.station.sensor.42 || exit 1
script -qec "stty cols $columns; exec env $*" /dev/null </dev/null
EOC
chmod +x "$work/terminal"
# on_terminal COLUMNS COMMAND...
on_terminal() {
    alone "$work/terminal" "$work" "$@" 2>&1 | tr -d '\r' >"$work/out"
}
narrow() {
    awk -v most="$1" '{ gsub(/\033\[[0-9;]*m/, "") } length > most { exit 1 }' "$work/out"
}
# A page with times in it.
stopped=$prefix-terminal
peer terminal-r "$stopped" capacity=4 create-receiver pause
receiver=$peer
ready terminal-r
peer terminal-s "$stopped" open-sender send-for-ever
channel=$stopped
check "terminals: a sender is blocked" eventually more 100000000 senders 0 asleep_ns
kill -STOP "$receiver"
if script --version >/dev/null 2>&1 && alone true 2>/dev/null; then
    cp "/dev/shm$prefix-orphan" "$work/telemetry.queue"
    cp "/dev/shm$prefix-version" "$work/old"
    export TERM=xterm
    on_terminal 80 NO_COLOR=1 "$stat"
    has "80 columns: the list" "$work/out" '^/telemetry\.queue '
    has "80 columns: a reason is folded under itself" "$work/out" '^                  +[a-z]'
    aligned() {
        [ "$(sed -n 's/\(.*foreign version *\)The channel.*/\1/p; s/\(.*damaged *\)Not a.*/\1/p' "$work/out" |
            awk '{ print length }' | sort | uniq -c | tr -s ' ')" = " 2 $1" ]
    }
    check "80 columns: reasons begin in one column, under the next head" aligned 43
    has "80 columns: a long name keeps beginning and end" "$work/out" '^/tel[a-z.]*\.\.[a-z.]*sor\.41 +orphaned'
    has "80 columns: so that it differs from the next" "$work/out" '^/tel[a-z.]*\.\.[a-z.]*sor\.42 +orphaned'
    check "80 columns are enough for the list" narrow 80
    has_not "80 columns: no colours with NO_COLOR" "$work/out" '[[:cntrl:]]'
    on_terminal 80 NO_COLOR=1 "$stat" telemetry.queue
    has "80 columns: the page" "$work/out" '^/telemetry\.queue: orphaned$'
    check "80 columns are enough for the page" narrow 80
    on_terminal 200 NO_COLOR=1 "$stat"
    has "200 columns: the whole name" "$work/out" '^/telemetry\.of\.the\.northern\.station\.sensor\.42 '\
'+orphaned .* -$'
    check "200 columns are enough for the list" narrow 200
    # One name that is too long for any line leaves the others as they are, and costs no column that matters more.
    long=$(printf 'long.name.%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20)
    export long
    on_terminal 200 NO_COLOR=1 "$stat"
    has "a very long name: 200 columns have all that they had" "$work/out" '^NAME .* TYPE +SENT/S +RECVD/S +COMMAND$'
    has "a very long name: others are whole" "$work/out" '^/telemetry\.of\.the\.northern\.station\.sensor\.42 '
    check "a very long name: 200 columns are enough" narrow 200
    on_terminal 80 NO_COLOR=1 "$stat"
    has "a very long name: at 80 the type goes before names do" "$work/out" '^NAME .* CAP$'
    has "a very long name: at 80 it has as much as is left" "$work/out" '^/[a-z.]{23,} +orphaned'
    check "a very long name: 80 columns are enough" narrow 80
    unset long
    # Sentences are not broken between a number and its unit.
    torn=0
    for columns in 40 43 46 49 52 55 58 61 64 67 70 73 76 79; do
        script -qec "stty cols $columns; NO_COLOR=1 exec $stat $stopped" /dev/null </dev/null 2>&1 | tr -d '\r' |
            grep -Eq '^  (ms|s|min|h|d)[ ,;.]' && torn=$((torn + 1))
    done
    is "a number is not torn from its unit" $torn 0
    script -qec "stty cols 60; exec $stat --remove-orphans </dev/null" /dev/null </dev/null 2>&1 | tr -d '\r' >"$work/out"
    has "what is told on a terminal is told" "$work/out" '^shmchan-stat: nobody can be asked'
    check "... and folded" narrow 60
    for columns in 1 7 20 40 60; do
        on_terminal $columns NO_COLOR=1 "$stat"
        has "$columns columns: the list" "$work/out" 'orphaned'
        on_terminal $columns NO_COLOR=1 "$stat" telemetry.queue
        has "$columns columns: the page" "$work/out" 'orphaned'
    done
    on_terminal 80 "$stat"
    escape=$(printf '\033')
    has "a terminal gets colours" "$work/out" "$escape\\[33morphaned$escape\\[0m"
    check "80 columns are enough with colours" narrow 80
    on_terminal 80 TERM=dumb "$stat"
    has_not "a dumb terminal gets none" "$work/out" '[[:cntrl:]]'
    on_terminal 80 "$stat" --json
    has_not "JSON gets none" "$work/out" '[[:cntrl:]]'
    on_terminal 80 LC_ALL=C.UTF-8 NO_COLOR=1 "$stat"
    has "bars of block characters where the locale has them" "$work/out" '4/4 ██████ '
else
    skip "terminals" "needs script(1) and a mount namespace"
fi

# ---------------------------------------------------------------- all JSON against its schema

cat >"$work/validate.py" <<'EOC'
"""Validates a file of JSON documents, one behind the other. Nothing may be in them that the schema
does not tell."""
import json
import sys

import jsonschema


def strict(node):
    if isinstance(node, dict):
        if node.get("type") == "object":
            node["additionalProperties"] = False
        for value in node.values():
            strict(value)
    elif isinstance(node, list):
        for value in node:
            strict(value)


schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
strict(schema)
validator = jsonschema.Draft202012Validator(schema)
text = open(sys.argv[2]).read()
decoder, at, count, bad = json.JSONDecoder(), 0, 0, 0
while at < len(text):
    document, at = decoder.raw_decode(text, at)
    at += len(text[at:]) - len(text[at:].lstrip())
    count += 1
    for error in validator.iter_errors(document):
        bad += 1
        print("#", error.json_path, error.message[:200])
print("# documents:", count)
sys.exit(1 if bad or count < int(sys.argv[3]) else 0)
EOC
python=
for candidate in python3 /usr/bin/python3; do
    "$candidate" -c 'import jsonschema; jsonschema.Draft202012Validator' 2>/dev/null && python=$candidate && break
done
if [ -n "$python" ]; then
    "$stat" --json -a >>"$work/documents"
    check "all JSON of this test is as the schema says" \
        "$python" "$work/validate.py" "$source/tools/shmchan-stat.schema.json" "$work/documents" 50
    sed 's/"severity": [0-9]/"severity": 9/' "$work/documents" >"$work/wrong"
    "$python" "$work/validate.py" "$source/tools/shmchan-stat.schema.json" "$work/wrong" 50 >/dev/null
    is "what is not as it says is found" $? 1
else
    skip "JSON against its schema" "no python3 with jsonschema"
fi

# ---------------------------------------------------------------- done

if [ $failed -ne 0 ]; then
    echo "not ok - $failed checks of shmchan-stat failed"
    exit 1
fi
