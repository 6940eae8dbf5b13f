#!/bin/sh
# includes.sh SOURCE [BUILD]: who may include whom (docs/architecture.md "Rooms"), and one owner for
# each third-party header. Prints "file:line: include; reason" for each break.
set -eu
cd "$1"

files=$(find host sdk plugins tests -type f \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) 2>/dev/null |
    LC_ALL=C sort)
[ -n "$files" ] || { echo "no sources below $1" >&2; exit 1; }

# The order of rooms is the one in which they are built; main comes last, runner stands aside.
rooms=$(sed -n 's/^foreach(room \(.*\))$/\1/p' host/CMakeLists.txt)
[ -n "$rooms" ] || { echo "host/CMakeLists.txt: no line foreach(room ...)" >&2; exit 1; }

# shellcheck disable=SC2086 # one argument per file; names in this tree have no blanks
awk -v rooms="$rooms main" '
BEGIN {
    n = split(rooms, order, " ")
    for (i = 1; i <= n; i++) {
        if (order[i] != "runner") rank[order[i]] = i
    }
    split("base loop wire config channel runner", runner, " ")
    for (i in runner) may_runner[runner[i]] = 1
    # third-party header (prefix) -> where it may be included, as a pattern of paths
    owner["ev.h"] = "^host/loop/"
    owner["msgpack.h"] = "^host/wire/"
    owner["msgpack/"] = "^host/wire/"
    owner["ini.h"] = "^host/config/"
    owner["curl/"] = "^host/runner/"
    owner["dlfcn.h"] = "^(host/runner|sdk/check|sdk/testkit)/"
    owner["db.h"] = "^plugins/store/bdb/"
    owner["openssl/"] = "^(host/cluster|plugins|sdk/audit)/"
    owner["sodium.h"] = "^(host/secret|plugins|sdk/audit)/"
    owner["seccomp.h"] = "^host/runner/"
    owner["linux/landlock.h"] = "^host/runner/"
    owner["CUnit/"] = "^tests/"
    split("assert ctype errno float inttypes iso646 limits locale math setjmp signal stdalign " \
          "stdarg stdbool stddef stdint stdio stdlib stdnoreturn string time", c, " ")
    for (i in c) libc[c[i] ".h"] = 1
    bad = 0
}
function complain(why) {
    printf "%s:%d: %s; %s\n", FILENAME, FNR, $0, why
    bad++
}
function is_test(path) {
    return path ~ /^tests\// || path ~ /_test\.(c|cpp)$/
}
function check_owner(name, prefix) {
    for (prefix in owner) {
        if (name != prefix && !(prefix ~ /\/$/ && index(name, prefix) == 1)) continue
        if (FILENAME !~ owner[prefix] && !is_test(FILENAME))
            complain("only " owner[prefix] " may use <" prefix ">")
    }
}
function beside(name, dir, line, known) {
    dir = FILENAME
    sub(/[^\/]*$/, "", dir)
    known = (getline line < (dir name)) >= 0
    close(dir name)
    return known
}
function check_host(name, quoted, room, to) {
    room = FILENAME
    sub(/^host\//, "", room)
    if (room !~ /\//) room = "main"
    sub(/\/.*/, "", room)
    if (quoted && !(room in rank) && room != "runner") {
        complain("host/CMakeLists.txt does not list the room " room)
        return
    }
    to = name
    if (!quoted) {
        sub(/\/.*/, "", to)
        if ((to in rank || to == "runner") && name ~ /\//) complain("own headers are written in quotes")
        return
    }
    if (name !~ /\// && FILENAME ~ /^host\/[^\/]*\/[^\/]*\// && beside(name)) return
    if (name !~ /\// || name ~ /\.\./) {
        complain("write \"room/file.h\"")
        return
    }
    sub(/\/.*/, "", to)
    if (room == "runner") {
        if (!(to in may_runner)) complain("runner may use base, loop, wire, config, channel")
    } else if (!(to in rank)) {
        complain("no such room")
    } else if (rank[to] > rank[room]) {
        complain("room " room " is below room " to)
    }
}
function check_plugin(name, quoted, first) {
    first = name
    sub(/\/.*/, "", first)
    if (quoted) {
        if (name ~ /\.\./) complain("plugins stay in their own folder")
        else if (is_test(FILENAME)) {
            if (name ~ /\// && (first in rank)) complain("plugins know nothing of host/")
        } else if (name !~ /^(test|rig_folder|rig_text)\.h$/ && !beside(name)) # only tests find these
            complain("not a file of this plugin")
        return
    }
    if (name ~ /\// && ((first in rank) || first == "host" || first == "runner"))
        complain("plugins know nothing of host/")
    if (first == "plugins") complain("plugins know nothing of each other")
}
/^[ \t]*#[ \t]*include[ \t]*["<]/ {
    name = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
    quoted = substr(name, 1, 1) == "\""
    name = substr(name, 2)
    sub(/[">].*/, "", name)
    if (!quoted) check_owner(name)
    if (FILENAME ~ /^sdk\/include\//) {
        if (quoted) complain("public headers are included as <aiex/...>")
        else if (name !~ /^aiex\// && !(name in libc)) complain("the contract needs libc only")
    } else if (FILENAME ~ /^host\//) check_host(name, quoted)
    else if (FILENAME ~ /^plugins\//) check_plugin(name, quoted)
    else if (FILENAME ~ /^sdk\// && quoted && name ~ /^(base|loop|wire|config|channel|cell|bus)\//)
        complain("the SDK knows nothing of host/")
}
END {
    exit bad > 0
}' $files
