#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the benchmark and prints its tables, the goal table last: bench/run.sh BUILD
#
# From the environment: ROUNDS (15), QUICK=1 (3 short rounds), ONLY=row,row, PEERS=id,id, PIN=1: bench/README.md.
# Writes runs.csv, figures.csv, histograms.csv, result.json and report.txt below BUILD/bench/.
set -u
if [ $# -ne 1 ] || [ ! -x "$1/bench/bench" ]; then
    echo "usage: bench/run.sh BUILD    (after make bench-build)" >&2
    exit 2
fi
here=$(dirname "$0")
out=$1/bench
BENCH_PROGRAMS=$out
BENCH_STAT=$1/shmchan-stat
export BENCH_PROGRAMS BENCH_STAT

[ -x "$BENCH_STAT" ] || echo "bench: the row 'watch' is left out: shmchan-stat is not built"
load=$(cut -d' ' -f1 /proc/loadavg)
case $load in 0.*) ;; *) echo "bench: the machine is busy (load $load): only ratios mean something, and less than usual" ;; esac

"$out/bench" "$out"
status=$?
wanted() {
    case ,${ONLY:-$1}, in *,"$1",*) ;; *) return 1 ;; esac
}
if wanted cost; then
    "$here/ablation.sh" "$1" || status=1
fi
if command -v python3 >/dev/null; then
    python3 "$here/report.py" "$out" >"$out/report.txt" || status=1
    cat "$out/report.txt"
else
    echo "bench: the goal table needs python3 (make bench-deps); the runs are in $out/runs.csv"
    status=1
fi
exit $status
