#!/bin/sh
# run.sh BUILD: measures a release build. Figures on stdout as `name value unit`, beside the limits of
# this machine in the same run (`limit.*`); everything else on stderr. BENCH_QUICK=1: rough, half a
# minute. docs/benchmarks.md says what each row means and what it should be.
set -eu
build=$1
programs=$build/tests/bench

for program in "$build/bin/aiex-host" "$programs/bench_limits" "$programs/bench_host" "$programs/bench_gateway"; do
    [ -x "$program" ] || {
        echo "$program is missing; build it first: ./run build" >&2
        exit 1
    }
done
"$programs/bench_limits"
"$programs/bench_host" "$build"
"$programs/bench_gateway" "$build"
"$programs/bench_limits" | sed 's/^limit\./limit.again./'
