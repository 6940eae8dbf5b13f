#!/bin/sh
# headers.sh SOURCE [BUILD]: every public header compiles alone, without a warning, as C99, C11, C17,
# C++11, C++17 and C++20 with gcc and clang.
set -eu
cd "$1/sdk/include"
bad=0

try() { # compiler language standard header
    if ! command -v "$1" >/dev/null; then
        echo "$1 is missing: install it (Debian: gcc g++ clang)"
        exit 1
    fi
    if ! printf '#include <%s>\nint house_headers;\n' "$4" |
        "$1" -x "$2" "-std=$3" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I. -; then
        echo "$4 is not clean as $3 with $1"
        bad=1
    fi
}

found=
for header in aiex/*.h; do
    [ -f "$header" ] || continue
    found=yes
    for std in c99 c11 c17; do
        try gcc c $std "$header"
        try clang c $std "$header"
    done
    for std in c++11 c++17 c++20; do
        try g++ c++ $std "$header"
        try clang++ c++ $std "$header"
    done
done
[ -n "$found" ] || { echo "no headers in $PWD/aiex"; exit 1; }
exit $bad
