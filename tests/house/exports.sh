#!/bin/sh
# exports.sh SOURCE BUILD: every plugin exports aiex_plugin_entry and nothing else, and imports no
# symbol of ours. A plugin folder without its .so in BUILD/plugins counts as a failure.
set -eu
source=$1
build=$2
bad=0

for dir in "$source"/plugins/*/*/; do
    [ -f "$dir/CMakeLists.txt" ] || continue
    dir=${dir%/}
    so=$build/plugins/$(basename "$(dirname "$dir")")_$(basename "$dir").so
    if [ ! -f "$so" ]; then
        echo "$so is missing; build it first (ninja -C $build)"
        bad=1
    fi
done
for so in "$build"/plugins/*.so; do
    [ -f "$so" ] || continue
    # names that only sanitizers and coverage put in
    exported=$(nm -D --defined-only "$so" |
        awk '$NF !~ /^(__asan|__odr_asan|__sancov|__ubsan|__sanitizer|__tsan|_ZTI|_ZTS)/ {print $NF}')
    if [ "$exported" != aiex_plugin_entry ]; then
        printf '%s exports more or less than aiex_plugin_entry:\n%s\n' "$so" "$exported" | head -n 12
        bad=1
    fi
    imported=$(nm -D --undefined-only "$so" | awk '$NF ~ /^aiex_/ {print $NF}')
    if [ -n "$imported" ]; then
        printf '%s imports symbols of the host: %s\n' "$so" "$imported"
        bad=1
    fi
done
exit $bad
