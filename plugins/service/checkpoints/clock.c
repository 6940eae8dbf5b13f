/* clock.c - the wall's; tests have one of their own. */
#include "checkpoints.h"

#include <time.h>

int64_t wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
