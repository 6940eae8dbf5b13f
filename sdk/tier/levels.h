/* levels.h - shared by the files of a cache in levels: levels.c (tiers), levels_life.c,
 * levels_get.c (process, flights). */
#ifndef AIEX_TIER_LEVELS_H
#define AIEX_TIER_LEVELS_H

#include "aiex_levels.h"

#include <aiex_cache.h>
#include <aiex_pressure.h>

#define LEVELS_N_TIERS 2u

struct levels_tier {
    char name[AIEX_MAX_NAME + 1]; /* "" = there is no such level */
    uint64_t rests_ms;            /* not asked until then; 0 = well */
    unsigned failures;            /* in a row */
    int told;                     /* said in the log since it last answered */
};

struct aiex_levels {
    const struct aiex_host *host;
    char name[AIEX_LEVELS_MAX_NAME + 1];
    size_t name_len, max_bytes;
    uint32_t wait_ms;
    struct levels_tier tiers[LEVELS_N_TIERS];
    struct aiex_cache *cache; /* of the process, or NULL */
    struct aiex_pressure pressure;
    struct aiex_flights *flights;
    struct aiex_levels_seat *seats;
    struct aiex_levels_look *looks;
    const struct aiex_levels_value *landing; /* what those who wait are told right now */
    uint64_t timer;
    struct aiex_levels_stats count;
};

/* Puts to one tier, unless it rests; nobody waits. */
void levels_put_tier(struct aiex_levels *l, unsigned tier, struct aiex_slice key,
                     const struct aiex_levels_value *v, int64_t uses);
void levels_put_process(struct aiex_levels *l, struct aiex_slice key,
                        const struct aiex_levels_value *v);
/* Takes all looks and seats away without a call. */
void levels_stop_looks(struct aiex_levels *l);
void levels_stop_seats(struct aiex_levels *l);

#endif
