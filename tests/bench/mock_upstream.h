/*
 * mock_upstream.h - a model server that is never the bottleneck: OpenAI's chat completions over
 * HTTP/1.1, one thread, epoll, in a process of its own.
 *
 * The model's name says what is answered, because every gateway hands it on:
 *     mock          one JSON document of about 1.5 KB
 *     mock-nN-iU    with "stream":true: N events, U microseconds apart (0 = at full rate)
 *     ...-bursts    sixteen events are one send, not one each
 * Each event carries the time at which it was written as "T" and 19 digits of CLOCK_MONOTONIC ns,
 * so that who reads it on the same machine knows how long it was on its way.
 * GET answers with a list of one model, for health probes.
 */
#ifndef AIEX_BENCH_MOCK_UPSTREAM_H
#define AIEX_BENCH_MOCK_UPSTREAM_H

#include <stdatomic.h>

/* Counted by the server, read by whoever started it. */
struct mock_stats {
    _Atomic long connections, requests, streams_open;
    _Atomic long streams_done;      /* written to their end */
    _Atomic long streams_cancelled; /* the client left before */
    _Atomic long events_of_cancelled;
};

struct mock {
    int pid, port;
    struct mock_stats *stats;
};

/* Starts it on a free loopback port, bound to a processor. */
void mock_start(struct mock *ret, int cpu);
void mock_stop(struct mock *mock);

#endif
