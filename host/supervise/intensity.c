#include "supervise/machine.h"

#include <string.h>

int intensity_add(struct intensity *log, uint64_t now, uint32_t max, uint32_t period_ms)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < log->n; i++)
        if (now - log->at[i] < period_ms)
            log->at[kept++] = log->at[i];
    if (kept > SUPERVISE_MAX_INTENSITY) { /* full of recent ones: the oldest is not needed */
        memmove(log->at, log->at + 1, (kept - 1) * sizeof log->at[0]);
        kept--;
    }
    log->at[kept++] = now;
    log->n = kept;
    return kept > max;
}

/* xorshift64*: enough to keep units that failed together from trying together. */
static uint32_t next_random(struct supervisor *s, uint32_t below)
{
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return (uint32_t)((s->random * 2685821657736338717ull) >> 33) % below;
}

uint32_t backoff_ms(struct supervisor *s, uint32_t n)
{
    uint32_t ms = n < 10 ? SUPERVISE_BACKOFF_MS << n : SUPERVISE_BACKOFF_CAP_MS;

    ms += next_random(s, ms / 4 + 1);
    return ms < SUPERVISE_BACKOFF_CAP_MS ? ms : SUPERVISE_BACKOFF_CAP_MS;
}

uint32_t probe_next_ms(uint32_t last_ms)
{
    if (last_ms == 0)
        return SUPERVISE_PROBE_MS;
    return last_ms < SUPERVISE_PROBE_CAP_MS / 2 ? last_ms * 2 : SUPERVISE_PROBE_CAP_MS;
}
