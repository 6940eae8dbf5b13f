#!/bin/sh
# smoke.sh BUILD: the host's benchmark with tiny counts. Every row must come, and faults must cost
# nobody else a request.
set -eu
rows=$(BENCH_QUICK=1 "$1/tests/bench/bench_host" "$1")

for want in host.ready_10_plugins.p50 call.cell_host_cell_64B_same_core.p50 call.inside_one_cell \
    call.pipelined_64KB_w8 setting.read publish.100_subscribers fault.sigsegv_to_serving_zygote.p50 \
    fault.endless_loop_found.p50; do
    case $rows in
    *"$want "*) ;;
    *)
        echo "no row '$want' in:"
        echo "$rows"
        exit 1
        ;;
    esac
done
for fault in crash upgrade reload; do
    if ! printf '%s\n' "$rows" | grep -q "^fault.$fault.others_failed 0.0* calls$"; then
        echo "requests failed because of a $fault of their callee:"
        printf '%s\n' "$rows" | grep "^fault.$fault"
        exit 1
    fi
done
