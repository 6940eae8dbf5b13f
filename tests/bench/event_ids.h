/*
 * event_ids.h - ids of the events that benchmarks append: UUIDs of version 7 (RFC 9562), as the
 * SDK, the bus and the CLI make them, 50 in a millisecond; or such that each falls somewhere else
 * in the order of all.
 */
#ifndef AIEX_BENCH_EVENT_IDS_H
#define AIEX_BENCH_EVENT_IDS_H

#include <stdio.h>

#define EVENT_ID_BYTES 40

static inline void event_id(char id[EVENT_ID_BYTES], long n, int uuid7)
{
    const unsigned long random = (unsigned long)n * 2654435761ul & 0xffffffff;
    const unsigned long ms = 1795262400000ul + (unsigned long)n / 50;

    if (uuid7)
        snprintf(id, EVENT_ID_BYTES, "%08lx-%04lx-7%03lx-8%03lx-%012lx", ms >> 16 & 0xffffffff,
                 ms & 0xffff, random & 0xfff, random >> 12 & 0xfff, random);
    else
        snprintf(id, EVENT_ID_BYTES, "%08lx%016lx", random, (unsigned long)n);
}

#endif
