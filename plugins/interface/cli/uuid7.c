#include "uuid7.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

/* Milliseconds and, in the 12 bits behind them, a counter (RFC 9562, section 6.2, method 1). It
 * belongs to the process, as uniqueness does. */
static uint64_t next_tick(void)
{
    static uint64_t last;
    struct timespec t;
    uint64_t now;

    clock_gettime(CLOCK_REALTIME, &t);
    now = ((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000) << 12;
    last = now > last ? now : last + 1;
    return last;
}

void uuid7_make(char out[UUID7_TEXT])
{
    uint64_t tick = next_tick(), random = 0;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort(); /* up to 256 bytes never come short */
    snprintf(out, UUID7_TEXT,
             "%08" PRIx64 "-%04" PRIx64 "-7%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
             tick >> 28 & 0xffffffff, tick >> 12 & 0xffff, tick & 0xfff,
             (random >> 48 & 0x3fff) | 0x8000, random & 0xffffffffffff);
}
