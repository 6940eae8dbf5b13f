#!/bin/sh
# folders.sh SOURCE [BUILD]: every plugin folder is complete and has one name everywhere.
set -eu
cd "$1"
bad=0

complain() {
    printf '%s\n' "$1"
    bad=1
}

for dir in plugins/*/*/; do
    [ -d "$dir" ] || continue
    dir=${dir%/}
    name=$(basename "$(dirname "$dir")")_$(basename "$dir")
    for want in CMakeLists.txt README.md "$name.ini" "${name}_test.c"; do
        [ -f "$dir/$want" ] || complain "$dir lacks $want"
    done
    if [ -f "$dir/README.md" ] && ! head -n 1 "$dir/README.md" | grep -q "^# .*$name"; then
        complain "$dir/README.md:1: the title does not name $name"
    fi
    if [ -f "$dir/CMakeLists.txt" ] && ! grep -q "NAME[[:space:]]*$name" "$dir/CMakeLists.txt"; then
        complain "$dir/CMakeLists.txt: no aiex_add_plugin(NAME $name ...)"
    fi
    if [ -f "$dir/$name.ini" ] && ! grep -q "^\[$name" "$dir/$name.ini"; then
        complain "$dir/$name.ini: no section [$name] or [$name:...]"
    fi
    if ! grep -qs "\"$name\"" "$dir"/*.c "$dir"/*.h; then
        complain "$dir: no descriptor is named \"$name\""
    fi
done
exit $bad
