#!/bin/sh
# size.sh SOURCE [BUILD]: no file over 800 lines. Functions over 60 lines are named, not refused.
set -eu
cd "$1"

files=$(find host sdk plugins tests -type f \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) |
    LC_ALL=C sort)
# shellcheck disable=SC2086 # one argument per file; names in this tree have no blanks
awk '
function end_of_file() {
    if (lines > 800) {
        printf "%s: %d lines; is it one idea?\n", file, lines
        bad++
    }
}
FNR == 1 {
    end_of_file()
    file = FILENAME
    start = 0
}
{ lines = FNR }
/^\{/ { start = FNR }
/^\}/ {
    if (start && FNR - start - 1 > 60)
        printf "note: %s:%d: function of %d lines\n", FILENAME, start, FNR - start - 1
    start = 0
}
END {
    end_of_file()
    exit bad > 0
}' $files
