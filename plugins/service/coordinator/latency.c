#include "latency.h"

#define DECAY_MS 10000u /* a sample weighs half of the past after that time */
#define HALVE_AT 1024u

/* Upper bound of a step in ms: 1, 1.41, 2, 2.83, 4 ... */
static uint64_t bound_of(unsigned step)
{
    uint64_t even = UINT64_C(1) << step / 2;

    return step % 2 ? (even * 1414 + 999) / 1000 : even;
}

static unsigned step_of(uint64_t ms)
{
    unsigned step = 0;

    while (step < LATENCY_STEPS - 1 && bound_of(step) < ms)
        step++;
    return step;
}

void latency_take(struct latency *l, uint64_t now_ms, uint64_t sample_ms)
{
    uint64_t passed = now_ms > l->at_ms ? now_ms - l->at_ms : 1;
    uint64_t us = sample_ms < 4000000 ? sample_ms * 1000 : 4000000000u;

    if (us == 0)
        us = 1;
    if (l->ewma_us == 0 || us > l->ewma_us)
        l->ewma_us = (uint32_t)us;
    else
        l->ewma_us = (uint32_t)((l->ewma_us * (uint64_t)DECAY_MS + us * passed) /
                                (DECAY_MS + passed));
    l->at_ms = now_ms;
    l->steps[step_of(sample_ms)]++;
    if (++l->n < HALVE_AT)
        return;
    l->n = 0;
    for (unsigned i = 0; i < LATENCY_STEPS; i++)
        l->n += l->steps[i] /= 2;
}

uint64_t latency_quantile(const struct latency *l, unsigned percent)
{
    uint64_t seen = 0;

    if (l->n < LATENCY_LEAST)
        return 0;
    for (unsigned i = 0; i < LATENCY_STEPS; i++) {
        seen += l->steps[i];
        if (seen * 100 >= (uint64_t)l->n * percent)
            return bound_of(i);
    }
    return bound_of(LATENCY_STEPS - 1);
}
