# SPDX-License-Identifier: MIT
# C with C11 atomics -> C++ for Relacy; every ordered (not relaxed) access becomes a site with a number and a
# name, whose order order.cc may weaken when it runs.
#   pick   functions and structs to copy, separated by blanks; empty = the whole file
#   first  number of the first site
#   sites  file to append "NUMBER NAME OP ORDER" to; NAME is function.op.field, and #2 for the second such
BEGIN {
    site = first
    count = split(pick, names, " ")
    for (i = 1; i <= count; i++)
        wanted[names[i]] = 1
}

# What begins here, at the left margin? Sets `house`.
function begins(line) {
    if (line ~ /^(struct|union) [a-z_]+ \{/) {
        split(line, words, " ")
        return words[2]
    }
    if (line !~ /^[a-z].*\(/)
        return ""
    sub(/\(.*/, "", line)
    sub(/.*[ *]/, "", line)
    return line
}

/^[a-z]/ {
    name = begins($0)
    if (name != "") {
        house = name
        copying = count == 0 || (house in wanted)
        if (house in wanted)
            found[house] = 1
        if (copying && count && $0 ~ /;$/ && $0 !~ /\{/)
            copying = 0
    }
}

count && !copying { next }

/^ *_Static_assert\(/ { skipping = 1 }
skipping { if (/;$/) skipping = 0; next }
/^#include <(pthread|semaphore|stdatomic|stdalign)\.h>/ { next }

{
    $0 = typed($0)
    out = ""
    rest = $0
    while (match(rest, /atomic_[a-z_]+_explicit\(|memory_order_(seq_cst|acq_rel|acquire|release)/)) {
        token = substr(rest, RSTART, RLENGTH)
        out = out substr(rest, 1, RSTART - 1)
        rest = substr(rest, RSTART + RLENGTH)
        if (token ~ /^atomic/) {
            op = token
            sub(/^atomic_/, "", op)
            sub(/_explicit\($/, "", op)
            field = rest
            sub(/,.*/, "", field)
            sub(/\[[^]]*\].*/, "", field)
            gsub(/\)+.*/, "", field)
            sub(/.*(->|\.|&)/, "", field)
            out = out token
        } else if (op == "") {
            out = out token
        } else {
            sub(/^memory_order_/, "", token)
            name = house "." op "." field
            if (++seen[name] > 1)
                name = name "#" seen[name]
            print site, name, op, token >> sites
            out = out "order_of(" site++ ", rl::mo_" token "), $"
            op = ""
        }
    }
    print out rest
}

function typed(line) {
    while (match(line, /_Atomic u?int[0-9]+_t/))
        line = substr(line, 1, RSTART - 1) "word<" substr(line, RSTART + 8, RLENGTH - 8) ">" \
            substr(line, RSTART + RLENGTH)
    gsub(/alignas\(SHM_LINE\) /, "", line)
    sub(/places\[\];/, "places[PLACES];", line)
    return line
}

/^\};?$/ && count { copying = 0; print "" }

END {
    for (i = 1; i <= count; i++)
        if (!(names[i] in found)) {
            print "generate.awk: no " names[i] " in " FILENAME > "/dev/stderr"
            exit 1
        }
}
