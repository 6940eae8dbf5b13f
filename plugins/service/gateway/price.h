/*
 * price.h - what models cost, as the coordinator told a moment ago.
 *
 * Each request of a key with a budget needs a price before it is admitted. The coordinator's answer
 * to coordinator.price says, besides the cost of the request asked for, the prices per million
 * tokens that it came from; for PRICE_KEPT_MS they serve every request for the same model, so a
 * busy gateway asks once a second and not with each request. A price that is changed meanwhile is
 * reserved with for that long; what is settled is always what the usage record says.
 *
 * Thread rule: loop thread. Bounded: PRICES models, the newest of those that share a place; names
 * of more than PRICE_MODEL bytes are asked for each time.
 */
#ifndef GATEWAY_PRICE_H
#define GATEWAY_PRICE_H

#include <aiex/aiex_plugin.h>

#define PRICES        64u
#define PRICE_MODEL   72u
#define PRICE_KEPT_MS 1000u

/* Micro-dollars per million tokens, not negative; `told`: the coordinator said so. */
struct price_rates {
    int64_t input, output;
    int told;
};

struct price {
    uint64_t until_ms; /* 0 = free place */
    size_t len;
    char model[PRICE_MODEL];
    struct price_rates rates;
};

/* Zeroed memory is one without prices. */
struct prices {
    struct price rows[PRICES];
};

/* The rates in an answer of coordinator.price; not told when one of them is missing or wrong. */
struct price_rates price_rates_of(struct aiex_slice answer);
/* Whole micro-dollars, rounded up, at most `most`. */
int64_t price_cost(const struct price_rates *rates, int64_t input, int64_t output, int64_t most);

/* Rates that were told of the model less than PRICE_KEPT_MS ago, or NULL. */
const struct price_rates *prices_find(const struct prices *p, struct aiex_slice model,
                                      uint64_t now_ms);
/* Keeps them when they were told. */
void prices_keep(struct prices *p, struct aiex_slice model, const struct price_rates *rates,
                 uint64_t now_ms);

#endif
