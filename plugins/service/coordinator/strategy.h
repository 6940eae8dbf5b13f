/*
 * strategy.h - in which order the providers that could answer are tried. Pure.
 */
#ifndef COORDINATOR_STRATEGY_H
#define COORDINATOR_STRATEGY_H

#include <stddef.h>
#include <stdint.h>

enum strategy {
    STRATEGY_ORDERED,        /* as configured */
    STRATEGY_WEIGHTED,       /* by lot; weight=3 is drawn three times as often as weight=1 */
    STRATEGY_ROUND_ROBIN,    /* in turn */
    STRATEGY_LEAST_LOAD,     /* fewest requests that run or wait, by weight */
    STRATEGY_LOWEST_COST,    /* lowest price of this request; unknown prices last */
    STRATEGY_LOWEST_LATENCY, /* lowest peak EWMA of the time to the first part, times load */
    STRATEGY_AFFINITY,       /* a local server that has the model in memory, a local one, others */
    N_STRATEGIES,
};
extern const char *const strategy_names[]; /* NULL at the end */

struct contender {
    unsigned at; /* the caller's index */
    uint32_t weight;
    uint32_t load;       /* running and waiting */
    uint32_t latency_us; /* 0 = unknown: is tried first, so that it becomes known */
    int64_t cost;        /* micro-dollars, < 0 unknown */
    int loaded, local;
};

/* Sorts; what is equal keeps its order. `turn` counts requests (round robin), *random is the state
 * of the lots. */
void strategy_order(enum strategy s, struct contender *c, size_t n, uint64_t turn,
                    uint64_t *random);
/* 1 when a conversation should stay where its prompt cache is warm: not where the operator gave an
 * order. */
int strategy_sticks(enum strategy s);
/* The next number of a sequence (splitmix64). Not for secrets. */
uint64_t strategy_random(uint64_t *state);

#endif
