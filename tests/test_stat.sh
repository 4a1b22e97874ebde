#!/bin/sh
# SPDX-License-Identifier: MIT
# shmchan-stat against channels in real states: what it prints, its JSON and its exit status.
#
#     tests/test_stat.sh BUILD_DIR
#
# Peers are processes of a small helper that is compiled here with $CC, $CFLAGS and $EXTRA_CFLAGS. What
# needs a privilege or a program that is not there is skipped, and says so.
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
failed=0
# Asks in vain up to this many times, 0.1 s apart. A watchdog: nothing is timed.
patience=600

cleanup() {
    # bash would tell of each peer that it was killed.
    exec 2>/dev/null
    for pid in $peers; do
        kill -KILL "$pid" 2>/dev/null
    done
    wait
    rm -f "/dev/shm$prefix"-*
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# ---------------------------------------------------------------- saying what holds

ok() {
    echo "ok - $1"
}

not_ok() {
    echo "not ok - $1"
    failed=$((failed + 1))
}

skip() {
    echo "ok - $1 # SKIP $2"
}

# check WHAT COMMAND...: the command succeeds.
check() {
    what=$1
    shift
    if "$@"; then ok "$what"; else not_ok "$what"; fi
}

# has WHAT FILE PATTERN: a line of the file matches.
has() {
    if grep -Eq -e "$3" "$2"; then
        ok "$1"
    else
        not_ok "$1"
        echo "# no line matches: $3"
        sed 's/^/#   /' "$2"
    fi
}

has_not() {
    if grep -Eq -e "$3" "$2"; then
        not_ok "$1"
        echo "# a line matches: $3"
        sed 's/^/#   /' "$2"
    else
        ok "$1"
    fi
}

is() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1"
        echo "# expected: $3"
        echo "# got:      $2"
    fi
}

# ---------------------------------------------------------------- helpers

# A peer does what its arguments say, one after the other, prints each when it is done, and leaves without
# closing, so that whoever wants an orderly end says so.
cat >"$work/peer.c" <<'EOC'
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "shmchan.h"

static struct shmchan_options options = {.struct_size = sizeof(struct shmchan_options), .message_size = 8};
static shmchan_sender *tx;
static shmchan_receiver *rx;
static const char *name;

static int act(const char *what, const char *value)
{
    uint64_t message = 0;
    void *slot;
    int r = 0;
    if (strcmp(what, "capacity") == 0)
        options.capacity = (uint32_t)atoi(value);
    else if (strcmp(what, "places") == 0)
        options.max_senders = (uint32_t)atoi(value);
    else if (strcmp(what, "mode") == 0)
        options.mode = (uint32_t)strtoul(value, NULL, 8);
    else if (strcmp(what, "flags") == 0)
        options.flags = (uint32_t)atoi(value);
    else if (strcmp(what, "type") == 0)
        options.type = value;
    else if (strcmp(what, "command") == 0)
        r = prctl(PR_SET_NAME, value);
    else if (strcmp(what, "create-receiver") == 0)
        r = shmchan_receiver_create(name, &options, &rx);
    else if (strcmp(what, "open-receiver") == 0)
        r = shmchan_receiver_open(name, NULL, &rx);
    else if (strcmp(what, "create-sender") == 0)
        r = shmchan_sender_create(name, &options, &tx);
    else if (strcmp(what, "open-sender") == 0)
        r = shmchan_sender_open(name, NULL, &tx);
    else if (strcmp(what, "send") == 0)
        for (int n = atoi(value); r == 0 && n > 0; n--)
            r = shmchan_send(tx, &message);
    else if (strcmp(what, "receive") == 0)
        /* The end is no message, and not the end if another sender comes. */
        for (int n = atoi(value); r >= 0 && n > 0; n -= r > 0) {
            r = shmchan_recv(rx, &message);
            if (r == 0)
                usleep(10000);
        }
    else if (strcmp(what, "send-for-ever") == 0)
        while (r == 0)
            r = shmchan_send(tx, &message);
    else if (strcmp(what, "receive-for-ever") == 0)
        while (r >= 0)
            r = shmchan_recv(rx, &message);
    else if (strcmp(what, "reserve") == 0)
        r = shmchan_reserve(tx, &slot, SHMCHAN_FOREVER);
    else if (strcmp(what, "close-sender") == 0)
        shmchan_sender_close(tx);
    else if (strcmp(what, "close-receiver") == 0)
        shmchan_receiver_close(rx);
    else if (strcmp(what, "pause") == 0)
        pause();
    else if (strcmp(what, "unlink") == 0)
        r = shmchan_unlink(name);
    else
        abort();
    return r;
}

int main(int argc, char **argv)
{
    /* Should the script be killed. */
    alarm(900);
    name = argv[1];
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value != NULL)
            *value++ = '\0';
        if (strcmp(argv[i], "pause") == 0) {
            printf("ready\n");
            fflush(stdout);
        }
        int r = act(argv[i], value);
        if (r < 0) {
            fprintf(stderr, "peer: %s: %s\n", argv[i], shmchan_strerror(r));
            _exit(1);
        }
        printf("%s\n", argv[i]);
        fflush(stdout);
    }
    _exit(0);
}
EOC

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
compile() {
    # shellcheck disable=SC2086  # flags are lists
    ${CC:-cc} -std=c11 -D_GNU_SOURCE ${CFLAGS:-} ${EXTRA_CFLAGS:-} -I"$source/include" -o "$@" -pthread -lrt
}
compile "$work/peer" "$work/peer.c" "$build/libshmchan.a" || exit 1
# shellcheck disable=SC2046  # likewise
compile "$work/query" "$work/query.c" $(pkg-config --cflags --libs jansson) || exit 1

# Where another user can run it, whatever BUILD_DIR is.
chmod 755 "$work"
cp "$build/shmchan-stat" "$work/shmchan-stat"
stat=$work/shmchan-stat

# peer ID NAME ACTION...: starts one in the background; its pid is then in $peer.
peer() {
    id=$1
    shift
    : >"$work/$id.out"
    "$work/peer" "$@" >"$work/$id.out" 2>"$work/$id.err" &
    peer=$!
    peers="$peers $peer"
}

# eventually COMMAND...: waits until it succeeds.
eventually() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        if [ $tries -ge $patience ]; then
            echo "# waited in vain: $*"
            return 1
        fi
        sleep 0.1
    done
}

said() {
    grep -qx "$2" "$work/$1.out"
}

# Each pause of a peer says "ready" before it sleeps.
ready() {
    eventually said "$1" ready || {
        not_ok "peer $1 is ready"
        sed 's/^/#   /' "$work/$1.err"
    }
}

# end PID SIGNAL: and it is gone.
end() {
    kill "-$2" "$1"
    wait "$1" 2>/dev/null
}

process_letter() {
    [ "$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat")" = "$2" ]
}

query() {
    "$work/query" "$work/json" "$@"
}

# look NAME...: its JSON in $work/json, its page in $work/page, messages in $work/err, status in $status. The
# page is the later look, so that what lasts and is in the JSON is in the page too.
look() {
    "$stat" --json "$@" >"$work/json" 2>/dev/null
    "$stat" "$@" >"$work/page" 2>"$work/err"
    status=$?
}

# asks VALUE PATH...: that a fresh look at $channel finds it there.
asks() {
    expected=$1
    shift
    look "$channel"
    [ "$(query channels 0 "$@")" = "$expected" ]
}

# more THAN PATH...: likewise a larger number.
more() {
    than=$1
    shift
    look "$channel"
    value=$(query channels 0 "$@")
    case $value in
    '' | *[!0-9]*) return 1 ;;
    esac
    [ "$value" -gt "$than" ]
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
for output in --help --version; do
    "$stat" $output >/dev/full 2>"$work/err"
    is "$output to a full device is status 1" $? 1
    has "... and says so" "$work/err" 'cannot write the output: No space left'
done

# What runs in a /dev/shm of its own, which is empty.
cat >"$work/alone" <<'EOC'
#!/bin/sh
mount -t tmpfs none /dev/shm && exec "$@"
EOC
chmod +x "$work/alone"
if unshare --mount "$work/alone" true 2>/dev/null; then
    unshare --mount "$work/alone" "$stat" >"$work/out" 2>"$work/err"
    is "no channel is no failure" $? 0
    is "... prints no line" "$(wc -c <"$work/out")" 0
    has "... and says so" "$work/err" '^shmchan-stat: no named channel'
    unshare --mount "$work/alone" "$stat" --json >"$work/json"
    is "no channel in JSON is no failure" $? 0
    is "... and an empty array" "$(query channels '#')" 0
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
has "page: name" "$work/page" "^$channel\$"
has "page: type" "$work/page" '^  type +struct sample$'
has "page: capacity" "$work/page" '^  capacity +128 messages a lane$'
has "page: flags" "$work/page" '^  flags +none$'
has "page: used" "$work/page" '^  used +0 of 128 '
has "page: receiver's pid" "$work/page" "^  pid +$receiver\$"
has "page: receiver asleep, for how long" "$work/page" '^  asleep +for [0-9.hms]+$'
has "page: mutex" "$work/page" '^  mutex +free$'
has "page: sender" "$work/page" "^ +0 +alive +$sender +0 +0 +0/128 +- +- +0 +peer\$"
"$stat" >"$work/out"
is "the list succeeds" $? 0
has "list: header" "$work/out" '^NAME +SIZE +CAP +USED +SENDERS +RECEIVER +SENT +RECVD +TYPE$'
has "list: its line" "$work/out" "^$channel +8 +128 +0/128 +1/7 +$receiver +0 +0 +struct sample\$"
"$stat" --json >"$work/json"
is "list in JSON: status" $? 0
is "list in JSON: the same" "$(query channels "name=$channel" receiver pid)" "$receiver"
if command -v python3 >/dev/null && python3 -c 0 2>/dev/null; then
    check "another JSON parser agrees" python3 -c \
        'import json, sys; json.load(open(sys.argv[1]))["channels"][0]["name"]' "$work/json"
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
    has "... and says so" "$work/err" 'cannot write the output: Broken pipe'
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
has "page: receiver is stopped" "$work/page" '^  state +stopped$'
has "page: all used" "$work/page" '^  used +128 of 128 in the lanes in use \(100 %\)$'
has "page: a full lane and its sleeper" "$work/page" '^ +0 +alive .* 64/64 +- +[0-9.]+s +[1-9][0-9]* +peer$'
"$stat" >"$work/out"
has "list: full" "$work/out" "^$channel +8 +64 +128/128 +2/256 +$receiver "
kill -CONT "$receiver"
check "full: it goes on" eventually asks false senders 0 asleep

# ---------------------------------------------------------------- a stopped sender

channel=$prefix-stopped
peer stopped-r "$channel" capacity=8 flags=7 create-receiver pause
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
has "page: stopped" "$work/page" "^ +0 +stopped +$sender +3 +3 +3/8 +yes +- +0 +peer\$"
has "page: flags in words" "$work/page" '^  flags +waits for a receiver, unordered, removed on close$'
has "page: no tickets" "$work/page" '^  tickets +none'
has_not "page: nobody is dead" "$work/page" '^ +[0-9]+ +dead '
kill -CONT "$sender"
check "stopped: and runs again" eventually asks here senders 0 process

# ---------------------------------------------------------------- another PID namespace

if unshare --pid --fork --mount-proc true 2>/dev/null; then
    unshare --pid --fork --mount-proc "$stat" "$channel" >"$work/page"
    is "elsewhere: status" $? 0
    has "elsewhere: receiver" "$work/page" '^  state +elsewhere$'
    has "elsewhere: sender" "$work/page" "^ +0 +elsewhere +$sender +3 "
    unshare --pid --fork --mount-proc "$stat" --json "$channel" >"$work/json"
    fact "elsewhere: in JSON" elsewhere senders 0 process
    fact "elsewhere: and alive" alive senders 0 state
    fact "elsewhere: no letter" null senders 0 process_state_letter
else
    skip "elsewhere" "needs a PID namespace"
fi

# ---------------------------------------------------------------- a killed sender, messages left, one reserved

channel=$prefix-killed
peer killed-r "$channel" capacity=8 create-receiver receive=2 pause
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
has "page: dead" "$work/page" "^ +0 +dead +$sender +5 +5 +3/8 +lost +- +0 +peer\$"
has "page: gone" "$work/page" '^  gone +1 with messages left'

# The place's second holder, so that its count and the place's differ.
channel=$prefix-second
peer second-r "$channel" capacity=8 places=1 create-receiver receive=4 pause
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
has "page: left" "$work/page" '^ +0 +left +[0-9-]+ +2 +5 +1/8 +- +- +0 +(peer|-)$'

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
has "page: dead receiver" "$work/page" '^  state +dead$'
has "page: which one" "$work/page" "^  last pid +$receiver\$"
"$stat" >"$work/out"
has "list: orphaned" "$work/out" "^$channel +8 +4 +4/4 +0/256 +- +4 +0 +-\$"

channel=$prefix-none
peer none "$channel" capacity=4 mode=644 create-sender send=1 pause
ready none
look "$channel"
fact "no receiver yet" none receiver state
fact "no receiver yet: no pid" null receiver pid
has "page: none yet" "$work/page" '^  state +none yet$'
readable=$channel

channel=$prefix-closed
peer closed "$channel" capacity=4 create-receiver close-receiver pause
ready closed
look "$channel"
fact "a closed receiver" closed receiver state
has "page: closed" "$work/page" '^  state +closed$'
fact "no sender yet" '[]' senders

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
has "an odd name" "$work/page" "^$prefix-n\\\\x0al\\\\x1b\$"
"$stat" --json "$odd_name" >"$work/json"
fact "an odd name in JSON" "$odd_name" name

# ---------------------------------------------------------------- what cannot be inspected

# refused NAME SYMBOL: alone and beside one that can.
refused() {
    "$stat" "$1" "$readable" >"$work/page" 2>"$work/err"
    is "$3: status" $? 1
    has "$3: says why" "$work/err" "^shmchan-stat: $1: .+"
    is "$3: in one line" "$(wc -l <"$work/err")" 1
    has "$3: the other is shown" "$work/page" "^$readable\$"
    "$stat" --json "$1" "$readable" >"$work/json" 2>/dev/null
    is "$3: JSON status" $? 1
    fact "$3: JSON symbol" "$2" error
    fact "$3: JSON words" "$(sed "s|^shmchan-stat: $1: ||" "$work/err")" error_text
    is "$3: the other is in the JSON" "$(query channels 1 name)" "$readable"
}

# listed NAME WHAT: with its reason, and no failure.
listed() {
    reason=$(sed "s|^shmchan-stat: $1: ||" "$work/err")
    "$stat" >"$work/out"
    is "$2: the list's status" $? 0
    check "$2: the list says why" grep -Fq "$reason" "$work/out"
    has "$2: in its line" "$work/out" "^$1 +[^ 0-9]"
}

refused "$prefix-nowhere" ENOENT "no such channel"
refused "/a/b" EINVAL "a name with slashes"
refused "/$(printf '%0300d' 0)" ENAMETOOLONG "a name too long"
"$stat" "" >"$work/out" 2>"$work/err"
is "an empty name: status" $? 1

echo "not a channel, and longer than its header would be, or not" >"/dev/shm$prefix-text"
refused "$prefix-text" EBADMSG "a text file"
"$stat" >"$work/out"
has_not "a text file is not listed" "$work/out" "^$prefix-text "
: >"/dev/shm$prefix-void"
refused "$prefix-void" EBADMSG "an empty file"

cp "/dev/shm$readable" "/dev/shm$prefix-version"
printf '\377' | dd of="/dev/shm$prefix-version" bs=1 seek=8 conv=notrunc 2>/dev/null
refused "$prefix-version" EPROTONOSUPPORT "another version"
listed "$prefix-version" "another version"

cp "/dev/shm$readable" "/dev/shm$prefix-cut"
truncate -s 64 "/dev/shm$prefix-cut"
refused "$prefix-cut" EBADMSG "a truncated header"
cp "/dev/shm$readable" "/dev/shm$prefix-short"
truncate -s 4096 "/dev/shm$prefix-short"
refused "$prefix-short" EBADMSG "a truncated region"
listed "$prefix-short" "a truncated region"
cp "/dev/shm$readable" "/dev/shm$prefix-scribbled"
dd if=/dev/urandom of="/dev/shm$prefix-scribbled" bs=1 seek=16 count=64 conv=notrunc 2>/dev/null
refused "$prefix-scribbled" EBADMSG "a scribbled header"
listed "$prefix-scribbled" "a scribbled header"

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
    has "no permission: says why" "$work/err" "^shmchan-stat: $prefix-orphan: .*ermission"
    has "read permission is enough" "$work/page" "^$readable\$"
    has "... to see who lives" "$work/page" '^ +0 +alive .* 1/4 '
    nobody "$stat" --json "$prefix-orphan" >"$work/json" 2>/dev/null
    fact "no permission: JSON" EACCES error
else
    skip "no permission" "no setpriv"
fi

# ---------------------------------------------------------------- on a terminal

# Names as people give them, in a /dev/shm of their own.
cat >"$work/terminal" <<'EOC'
#!/bin/sh
cp "$1/telemetry.queue" "$1/old" /dev/shm/ &&
    script -qec "stty cols 80; exec '$1/shmchan-stat'" /dev/null </dev/null
EOC
chmod +x "$work/terminal"
if script --version >/dev/null 2>&1 && unshare --mount "$work/alone" true 2>/dev/null; then
    cp "/dev/shm$prefix-orphan" "$work/telemetry.queue"
    cp "/dev/shm$prefix-version" "$work/old"
    unshare --mount "$work/alone" "$work/terminal" "$work" 2>&1 | tr -d '\r' >"$work/out"
    has "terminal: the list" "$work/out" '^/telemetry\.queue '
    has "terminal: a reason is folded under itself" "$work/out" '^                  +[a-z]'
    check "terminal: 80 columns are enough" awk 'length > 80 { exit 1 }' "$work/out"
else
    skip "80 columns are enough" "needs script(1) and a mount namespace"
fi

# ---------------------------------------------------------------- done

if [ $failed -ne 0 ]; then
    echo "not ok - $failed checks of shmchan-stat failed"
    exit 1
fi
