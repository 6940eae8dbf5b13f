/* memory.h - shared by the files of a tier in memory: memory.c (methods), demote.c (giving back).
 */
#ifndef AIEX_TIER_MEMORY_H
#define AIEX_TIER_MEMORY_H

#include "aiex_tier.h"

#include <aiex_pressure.h>

/* ---- demote.c ---- */

#define DEMOTE_WINDOW 64u /* moves that are under way at once */

struct demotion {
    struct move *moves; /* DEMOTE_WINDOW of them while it runs */
    unsigned n_open;
    size_t open_bytes; /* of entries that are under way */
    struct aiex_cache_candidate *list;
    size_t n_list, at;
    uint64_t goal, began_bytes, give_up_ms, timer;
    unsigned failures; /* in a row */
    int running, stepping;
    uint64_t moved, lost; /* in all */
};

struct aiex_tier_memory {
    const struct aiex_host *host;
    const char *level;
    struct aiex_tier_limits limits;
    struct aiex_tier_codec codec;
    struct aiex_cache *cache;
    struct aiex_pressure pressure;
    struct demotion demotion;
    uint64_t sweeper;
    uint64_t packed, packed_from, packed_to; /* values, bytes before and behind */
};

/* Takes part in giving back. */
void demotion_start(struct aiex_tier_memory *t);
void demotion_stop(struct aiex_tier_memory *t);
/* Other limits hold. 1: it runs, and sees to them. */
int demotion_goal(struct aiex_tier_memory *t);

/* ---- memory.c ---- */

/* Bytes that may be held now. */
uint64_t tier_allowed(const struct aiex_tier_memory *t);
/* Entries go until that is kept. */
void tier_fit(struct aiex_tier_memory *t);
/* The value as it was put, to room for it (tag, or the value's length). 0 or negative errno. */
int tier_value(struct aiex_tier_memory *t, const struct aiex_cache_view *e, uint8_t *to);

#endif
