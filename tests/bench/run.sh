#!/bin/sh
# run.sh BUILD: measures a release build. Figures on stdout as `name value unit`, beside the limits of
# this machine in the same run (`limit.*`); everything else on stderr. BENCH_QUICK=1: rough, in less
# than half a minute. docs/benchmarks.md says what the rows mean and what they should be.
set -eu
build=$1
programs=$build/tests/bench

for program in "$build/bin/aiex-host" "$programs/bench_limits" "$programs/bench_host" "$programs/bench_gateway" \
    "$programs/bench_store" "$programs/bench_store_service" "$programs/bench_store_peers" "$programs/bench_snapshot" \
    "$programs/bench_audit" "$programs/bench_tier"; do
    [ -x "$program" ] || {
        echo "$program is missing; build it first: ./run build" >&2
        exit 1
    }
done
# What others do on the machine spoils rates and tails first; the reader must know.
read -r load rest </proc/loadavg
echo "machine.load_before $load processes"
case $load in
0.*) ;;
*) echo "the machine is busy (load $load): trust no rate, no p99 and no single ratio" >&2 ;;
esac
"$programs/bench_limits"
"$programs/bench_host" "$build"
"$programs/bench_gateway" "$build"
"$programs/bench_audit" "$build"
"$programs/bench_tier"
"$programs/bench_store" "$build"
"$programs/bench_snapshot" "$build"
"$programs/bench_store_service" "$build"
"$programs/bench_store_peers"
"$programs/bench_limits" | sed 's/^limit\./limit.again./'
