#!/bin/sh
# conf.sh SOURCE BUILD: the default configuration loads, as users will load it.
set -eu
host=$2/bin/aiex-host

if [ ! -x "$host" ]; then
    echo "$host is missing; build it first (ninja -C $2)"
    exit 1
fi
set -- "$1/conf.d" "$2"
for ini in "$1"/*.ini; do
    [ -f "$ini" ] || { echo "$1 has no .ini file"; exit 1; }
done
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
if ! XDG_STATE_HOME=$data "$host" --config "$1" --check; then
    echo "$host --config $1 --check refused the default configuration"
    exit 1
fi
