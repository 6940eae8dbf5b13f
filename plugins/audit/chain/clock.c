/* clock.c - the clocks; tests have their own. */
#include "chain.h"

#include <time.h>

int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Deadlines are those of a disk, which knows no clock but the machine's. */
uint64_t mono_ms(const struct aiex_host *host)
{
    struct timespec t;

    (void)host;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
