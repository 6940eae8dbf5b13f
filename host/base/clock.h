/* clock.h - the two clocks. Intervals and deadlines use the monotonic one. */
#ifndef AIEX_BASE_CLOCK_H
#define AIEX_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_ns(void);      /* monotonic nanoseconds */
uint64_t clock_ms(void);      /* monotonic milliseconds */
int64_t clock_wall_ms(void);  /* milliseconds since 1970-01-01 UTC */
/* "2026-11-21T10:20:30.123Z", 24 characters and a 0. */
void clock_iso(int64_t wall_ms, char out[25]);

#endif
