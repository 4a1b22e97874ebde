# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# For tests in the shell: says what holds and what does not. `failed` counts what does not.
failed=0
# Asks in vain up to this many times, 0.1 s apart. A watchdog: nothing is timed.
patience=600

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
