#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tests/torture/run.sh BUILD: kill at every instruction (BUILD/torture/step), then at random
# (BUILD/torture/random). From the environment: TORTURE_SECONDS of the second (60), SEED (else drawn, and
# printed), STRIDE of the first (1 = kill after every instruction).
set -u

build=${1:?usage: tests/torture/run.sh BUILD}
export TORTURE_SECONDS=${TORTURE_SECONDS:-60}
export STRIDE=${STRIDE:-1}
export SEED=${SEED:-$(date +%s)$$}

passed=0
failed=0

# Prints what the program says, but for its closing line, which is added up. One that has none has failed.
run() {
    local program=$1 status last p f log
    log=$(mktemp)
    echo "== torture/$program (SEED=$SEED)"
    "$build/torture/$program" 2>&1 | tee "$log" | sed -u '/^[0-9]* passed, [0-9]* failed$/d'
    status=${PIPESTATUS[0]}
    last=$(tail -n 1 "$log")
    rm -f "$log"
    if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]}
        if ((status != 0 && f == 0)); then
            f=1
        fi
    else
        echo "$program ended with status $status and without a result"
        p=0 f=1
    fi
    passed=$((passed + p))
    failed=$((failed + f))
}

run step
echo
run random
echo
echo "$passed passed, $failed failed"
((failed == 0))
