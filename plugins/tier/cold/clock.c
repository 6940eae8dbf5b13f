/* clock.c - the wall clock; tests bring their own. */
#include "cold.h"

#include <time.h>

uint64_t wall_ms(const struct aiex_host *host)
{
    struct timespec t;

    (void)host;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
