#!/bin/sh
# self.sh SOURCE [BUILD]: the house tests find what they are for. Builds small trees that break one
# rule each and expects a refusal that names the place.
set -eu
house=$1/tests/house
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
bad=0

fresh() {
    rm -rf "$tree"
    mkdir -p "$tree/host/base" "$tree/host/bus" "$tree/host/runner" "$tree/sdk/include/aiex" \
        "$tree/plugins/tier/hot" "$tree/tests"
    echo '#include <stdint.h>' >"$tree/sdk/include/aiex/aiex_plugin.h"
    echo '#include "base/a.h"' >"$tree/host/bus/b.c"
    echo 'foreach(room base loop wire config channel cell bus runner)' >"$tree/host/CMakeLists.txt"
}

refuses() { # script, words of the complaint
    if out=$(sh "$house/$1.sh" "$tree" "$tree" 2>&1); then
        echo "$1.sh accepted what it must refuse: $2"
        bad=1
    elif ! printf '%s' "$out" | grep -q -- "$2"; then
        printf '%s.sh does not say "%s" but:\n%s\n' "$1" "$2" "$out"
        bad=1
    fi
}

accepts() {
    if ! out=$(sh "$house/$1.sh" "$tree" "$tree" 2>&1); then
        printf '%s.sh refused a good tree:\n%s\n' "$1" "$out"
        bad=1
    fi
}

breaks() { # script, file, line, words
    fresh
    mkdir -p "$(dirname "$tree/$2")"
    printf '%s\n' "$3" >"$tree/$2"
    refuses "$1" "$4"
}

fresh
accepts includes
accepts size
accepts tracked
accepts headers
breaks includes host/base/a.c '#include "bus/bus.h"' 'host/base/a.c:1: .*room base is below room bus'
breaks includes host/base/a.c '#include "err.h"' 'write "room/file.h"'
breaks includes host/base/a.c '#include "node/x.h"' 'no such room'
breaks includes host/bus/sub/a.c '#include "b.h"' 'write "room/file.h"'
breaks includes host/bus/a.c '#include <ev.h>' 'only ^host/loop/'
breaks includes host/bus/a.c '#include <dlfcn.h>' 'only ^(host/runner'
breaks includes host/runner/a.c '#include "bus/bus.h"' 'runner may use'
breaks includes plugins/tier/hot/a.c '#include "base/err.h"' 'not a file of this plugin'
breaks includes plugins/tier/hot/a.c '#include <base/err.h>' 'know nothing of host'
breaks includes plugins/tier/hot/a.c '#include "../cold/x.h"' 'stay in their own folder'
breaks includes plugins/tier/hot/a.c '# include <curl/curl.h>' 'only ^host/runner/'
breaks includes sdk/include/aiex/aiex_x.h '#include <ev.h>' 'libc only'
breaks includes sdk/include/aiex/aiex_x.h '#include "aiex_plugin.h"' 'included as <aiex'
breaks folders plugins/tier/hot/README.md '# tier_cold' 'the title does not name tier_hot'
breaks folders plugins/tier/hot/a.c '' 'plugins/tier/hot lacks tier_hot_test.c'
breaks headers sdk/include/aiex/aiex_x.h 'static int unused_thing(void) { return 1; }' 'not clean as c99'
breaks headers sdk/include/aiex/aiex_x.h 'struct a { int class; } ; int f(int new);' 'not clean as c++11'
breaks tracked docs/a.md "see /""home/someone/file" 'docs/a.md'
breaks tracked host/bus/a.c "/* TO""DO */" 'unfinished'
breaks tracked host/bus/a.o 'x' 'generated'
breaks commands README.md '`aiex x`' 'aiex is missing'
breaks conf conf.d/a.ini '[x]' 'aiex-host is missing'
breaks exports plugins/tier/hot/CMakeLists.txt 'x' 'tier_hot.so is missing'
fresh
mkdir -p "$tree/bin" "$tree/docs"
echo '[ "$2" = status ] && echo "aiex status - fine"' >"$tree/bin/aiex"
echo 'echo --check' >"$tree/bin/aiex-host"
printf 'usage: ./run [start]\nEND\n' >"$tree/run"
chmod +x "$tree/bin/aiex" "$tree/bin/aiex-host"
echo 'say `aiex status --json`, `aiex-host --check` or `./run start`, not aiex stauts' >"$tree/README.md"
accepts commands
printf '```\n$ aiex status; aiex stauts\n```\n' >"$tree/docs/a.md"
refuses commands 'docs/a.md: aiex stauts; aiex help does not know it'
echo '`aiex-host --chekc` `./run fast`' >"$tree/docs/a.md"
refuses commands 'aiex-host --help does not know --chekc'
refuses commands './run help does not know fast'
fresh
awk 'BEGIN { for (i = 0; i < 801; i++) print "int x;" }' >"$tree/host/bus/long.c"
refuses size 'host/bus/long.c: 801 lines'
fresh
mkdir -p "$tree/plugins"
echo 'int aiex_plugin_entry(void) { return 0; } int leaked(void) { return 1; }' |
    gcc -x c -shared -fPIC -o "$tree/plugins/tier_hot.so" -
refuses exports 'leaked'
echo 'int aiex_log(void); int aiex_plugin_entry(void) { return aiex_log(); }' |
    gcc -x c -shared -fPIC -o "$tree/plugins/tier_hot.so" -
refuses exports 'imports symbols of the host: aiex_log'
exit $bad
