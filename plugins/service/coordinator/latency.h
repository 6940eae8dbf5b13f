/*
 * latency.h - how long a model at a provider takes until its first part.
 *
 * Two figures from one stream of samples. Peak EWMA: a slow answer counts at once, a fast one by
 * and by, so that a provider that stumbles is left before its average shows it (Finagle). And a
 * quantile from a histogram with steps of about 41 %, which forgets by halving: when a second,
 * hedged request is worth it. Pure.
 */
#ifndef COORDINATOR_LATENCY_H
#define COORDINATOR_LATENCY_H

#include <stdint.h>

#define LATENCY_STEPS 40u
#define LATENCY_LEAST 20u /* samples before the quantile says anything */

struct latency {
    uint64_t at_ms;   /* of the last sample */
    uint32_t ewma_us; /* 0 = no sample yet */
    uint32_t n;
    uint16_t steps[LATENCY_STEPS];
};

void latency_take(struct latency *l, uint64_t now_ms, uint64_t sample_ms);
/* Milliseconds that `percent` of the samples did not exceed; 0 = too few samples. */
uint64_t latency_quantile(const struct latency *l, unsigned percent);

#endif
