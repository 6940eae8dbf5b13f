/*
 * bench_host.h - the parts of bench_host: each starts its deployments, prints its rows
 * and leaves nothing behind.
 */
#ifndef AIEX_BENCH_HOST_H
#define AIEX_BENCH_HOST_H

#include "deployment.h"

#include <aiex/aiex_pack.h>

#define BENCH_PLUGINS "tests/bench/plugins"

/* Body of `load` of service_bench.c; zero fields are left out. Static storage, valid till the next.
 */
struct load_spec {
    const char *service, *method;
    int64_t n, for_ms, window, bytes;
    int no_samples; /* do not read the clock around each call */
};
struct aiex_slice load_body(const struct load_spec *spec);
/* Runs it through `by` and waits. */
struct ending load_run(struct deployment *d, const char *by, const struct load_spec *spec);
/* A map with one number; static storage. */
struct aiex_slice body_int(const char *key, int64_t v);

void bench_start(void);  /* readiness, memory, idle */
void bench_calls(void);  /* latency and rate of calls, settings */
void bench_events(void); /* publish */
void bench_faults(void); /* crashes, hangs, upgrades, reloads */

#endif
