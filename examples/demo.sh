#!/bin/sh
# SPDX-License-Identifier: MIT
# demo.sh TREESTAT DIR: runs treestat on DIR and compares its totals with what find(1) says.
set -u

if [ $# -ne 2 ]; then
    echo "usage: demo.sh TREESTAT_BINARY DIR" >&2
    exit 2
fi
treestat=$1
case $2 in
/*) dir=$2 ;;
*) dir=./$2 ;; # or find would take "-x" for an option
esac

# What cannot be read treestat has named already, so find's complaints would only repeat it. A sum of
# bytes goes beyond what %d holds in some awks.
by_find()
{
    find -H "$dir" -type f -printf '%s\n' 2>/dev/null |
        awk '{ bytes += $1 } END { printf "files=%.0f bytes=%.0f\n", NR, bytes }'
}

# The first two numbers of treestat's last line.
totals_of()
{
    printf '%s\n' "$1" | sed -n 's/^total: \(files=[0-9]* bytes=[0-9]*\) .*/\1/p'
}

output=$("$treestat" "$dir") || {
    status=$?
    printf '%s\n' "$output"
    echo "demo: treestat ended with status $status" >&2
    exit 1
}
printf '%s\n' "$output"

# Files may come and go while this runs: both look again before a difference counts.
for attempt in 1 2 3; do
    [ "$attempt" -eq 1 ] || output=$("$treestat" -q "$dir") || exit 1
    ours=$(totals_of "$output")
    theirs=$(by_find)
    echo "treestat: $ours"
    echo "find:     $theirs"
    if [ "$ours" = "$theirs" ]; then
        echo equal
        exit 0
    fi
    again=$(by_find)
    [ "$again" = "$theirs" ] || echo "find again: $again - files under this directory are changing"
done
echo "demo: treestat and find differ: $ours against $theirs" >&2
[ "$again" = "$theirs" ] ||
    echo "demo: but so does find from itself; take a directory where nothing changes (DIR=...)" >&2
exit 1
