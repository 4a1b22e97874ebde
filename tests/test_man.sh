#!/bin/sh
# SPDX-License-Identifier: MIT
# The man pages: every function has one, every reference leads somewhere, they lint clean, and their examples
# compile. Run from the project's root; $1 (BUILD_DIR) is not used.

set -u

failures=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# check WHAT: passes if $scratch/complaints is empty.
check() {
    if [ -s "$scratch/complaints" ]; then
        sed 's/^/# /' "$scratch/complaints"
        echo "not ok - $1"
        failures=$((failures + 1))
    else
        echo "ok - $1"
    fi
    : >"$scratch/complaints"
}
: >"$scratch/complaints"

# Functions declared in the header, seen as C.
functions() {
    "${CC:-cc}" -std=c11 -Iinclude -E -P include/shmchan.h | grep -o 'shmchan_[a-z_]*(' | tr -d '(' | sort -u
}

# Pages that are no .so alias.
full_pages() {
    grep -L '^\.so ' man/*.[1-8]
}

# Code between .EX and .EE with `int main` in it, as NAME.N.c in $scratch, what roff needs escaped set right.
extract_examples() {
    awk -v scratch="$scratch" '
        FNR == 1 { n = 0; name = FILENAME; sub(".*/", "", name) }
        /^\.EX/  { inside = 1; code = ""; next }
        /^\.EE/  {
            if (code ~ /int main/) {
                file = scratch "/" name "." ++n ".c"
                printf "%s", code >file
                close(file)
            }
            inside = 0
        }
        inside   { code = code $0 "\n" }
    ' man/*.[1-8]
    for example in "$scratch"/*.c; do
        sed -e 's/\\&//g' -e 's/\\-/-/g' -e "s/\\\\(aq/'/g" -e 's/\\(dq/"/g' -e 's/\\(ga/`/g' \
            -e 's/\\(ha/^/g' -e 's/\\(ti/~/g' -e 's/\\e/\\/g' "$example" >"$scratch/unescaped"
        mv "$scratch/unescaped" "$example"
    done
}

functions >"$scratch/functions"
[ "$(wc -l <"$scratch/functions")" -ge 30 ] || echo "only $(wc -l <"$scratch/functions") functions found" \
    >>"$scratch/complaints"
while read -r function; do
    [ -f "man/$function.3" ] || echo "man/$function.3 is missing" >>"$scratch/complaints"
    page=man/$function.3
    target=$(sed -n 's|^\.so man3/|man/|p' "$page" 2>/dev/null)
    grep -q "[^a-z_]$function(" "${target:-$page}" 2>/dev/null ||
        echo "${target:-$page} does not declare $function" >>"$scratch/complaints"
done <"$scratch/functions"
check "man: every function of the header has a page"

for page in man/*.[1-8]; do
    target=$(sed -n 's/^\.so //p' "$page")
    [ -n "$target" ] || continue
    [ "$(wc -l <"$page")" -eq 1 ] || echo "$page: more than a .so request" >>"$scratch/complaints"
    case $target in
    man[1-8]/*) file=man/${target#man?/} ;;
    *) file= ;;
    esac
    # An alias of an alias would not be followed by every man(1).
    [ -f "$file" ] && ! grep -q '^\.so ' "$file" || echo "$page: leads to $target" >>"$scratch/complaints"
done
check "man: every .so leads to a page"

# .BR shmchan_send (3) and the like, for names of this project.
sed -n 's/\\-/-/g; s/^\.BR \([Ss][Hh][Mm][Cc][Hh][Aa][Nn][-_A-Za-z]*\) (\([1-8]\)).*/\1 \2/p' man/*.[1-8] |
    sort -u | while read -r name section; do
    [ -f "man/$name.$section" ] && continue
    # man(1) does not look at the case.
    [ -f "man/$(echo "$name" | tr '[:upper:]' '[:lower:]').$section" ] || echo "$name($section) is referred to"
done >>"$scratch/complaints"
check "man: every page that is referred to exists"

# Aliases left out: mandoc warns of any .so, and would look for its target where it is installed.
if command -v mandoc >/dev/null; then
    full_pages | xargs mandoc -T lint -W warning >>"$scratch/complaints" 2>&1
    check "man: mandoc lint"
else
    echo "ok - man: mandoc lint # SKIP mandoc is not installed"
fi

if command -v groff >/dev/null; then
    full_pages | xargs -n 1 groff -man -Tutf8 -ww -z >>"$scratch/complaints" 2>&1
    check "man: groff warnings"
else
    echo "ok - man: groff warnings # SKIP groff is not installed"
fi

extract_examples
for example in "$scratch"/*.c; do
    "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -Iinclude -fsyntax-only "$example" >>"$scratch/complaints" 2>&1
done
[ -f "$scratch/shmchan.7.1.c" ] || echo "no example found in shmchan.7" >>"$scratch/complaints"
check "man: every example compiles"

[ "$failures" -eq 0 ]
