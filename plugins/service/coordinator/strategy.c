#include "strategy.h"

#include <string.h>

const char *const strategy_names[] = {"ordered",     "weighted",       "round_robin", "least_load",
                                      "lowest_cost", "lowest_latency", "affinity",    NULL};

uint64_t strategy_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void to_front(struct contender *c, size_t from)
{
    struct contender moved = c[from];

    memmove(c + 1, c, from * sizeof(*c));
    c[0] = moved;
}

/* Draws one after the other. */
static void draw(struct contender *c, size_t n, uint64_t *random)
{
    for (; n > 1; c++, n--) {
        uint64_t sum = 0, lot;
        size_t i = 0;

        for (size_t k = 0; k < n; k++)
            sum += c[k].weight;
        if (sum == 0)
            return;
        lot = strategy_random(random) % sum;
        while (lot >= c[i].weight)
            lot -= c[i++].weight;
        to_front(c, i);
    }
}

static void rotate(struct contender *c, size_t n, uint64_t turn)
{
    for (size_t i = turn % n; i > 0; i--) {
        struct contender first = c[0];

        memmove(c, c + 1, (n - 1) * sizeof(*c));
        c[n - 1] = first;
    }
}

/* Smaller goes first. */
static uint64_t rank_of(enum strategy s, const struct contender *c)
{
    switch (s) {
    case STRATEGY_LEAST_LOAD:
        return (uint64_t)c->load * 1000 / (c->weight ? c->weight : 1);
    case STRATEGY_LOWEST_COST:
        return c->cost < 0 ? UINT64_MAX : (uint64_t)c->cost;
    case STRATEGY_LOWEST_LATENCY:
        return (uint64_t)c->latency_us * (c->load + 1);
    case STRATEGY_AFFINITY:
        return (uint64_t)!c->loaded * 2 + !c->local;
    default:
        return 0;
    }
}

static void sort(enum strategy s, struct contender *c, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct contender moved = c[i];
        uint64_t rank = rank_of(s, &moved);
        size_t k = i;

        for (; k > 0 && rank_of(s, &c[k - 1]) > rank; k--)
            c[k] = c[k - 1];
        c[k] = moved;
    }
}

void strategy_order(enum strategy s, struct contender *c, size_t n, uint64_t turn, uint64_t *random)
{
    if (n < 2)
        return;
    if (s == STRATEGY_WEIGHTED)
        draw(c, n, random);
    else if (s == STRATEGY_ROUND_ROBIN)
        rotate(c, n, turn);
    else if (s != STRATEGY_ORDERED)
        sort(s, c, n);
}

int strategy_sticks(enum strategy s)
{
    return s != STRATEGY_ORDERED;
}
