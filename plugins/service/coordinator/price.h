/*
 * price.h - what tokens cost.
 *
 *     price.gpt-4o  = for=gpt-4o*,azure/gpt-4o* input=2.50 cached=1.25 output=10.00
 *     price.claude  = for=claude-sonnet-* input=3 cached=0.30 cache_write=3.75 output=15
 *     price.llama-3 = free
 *
 * Dollars per million tokens. The patterns behind `for=` are models with `*` for anything, alone
 * or behind an instance and a slash; without `for=` the key itself is the pattern. Of the rules
 * that fit, one with an instance wins over one without, then the one with more letters that are
 * not `*`, then the first. What no rule fits has no price:
 * the usage record says `unknown`, never 0. `cached` and `cache_write` that are not written cost
 * as `input`. Costs are whole micro-dollars, rounded up once per request, so that they never
 * vanish. Pure.
 */
#ifndef COORDINATOR_PRICE_H
#define COORDINATOR_PRICE_H

#include "line.h"

#define PRICE_MAX_RULES 1024u
#define PRICE_PATTERN   128u

struct price_rule {
    char whole[PRICE_PATTERN + AIEX_MAX_NAME + 2]; /* the key as it stands */
    char provider[AIEX_MAX_NAME + 1];              /* pattern; "" = any */
    char model[PRICE_PATTERN + 1];                 /* pattern */
    int letters;                                   /* that are not `*`, of the model */
    int free;
    int64_t input, cached, cache_write, output; /* micro-dollars per million tokens */
};

struct price_table {
    struct price_rule *rules;
    size_t n;
};

enum price_kind { PRICE_UNKNOWN, PRICE_KNOWN, PRICE_FREE };
extern const char *const price_names[]; /* "unknown", "known", "free" */

struct price_tokens {
    int64_t input, output; /* input counts the two below, too */
    int64_t cached, cache_write;
};

/* Reads the table's lines. 0, -EINVAL with a sentence (ret is untouched), -ENOMEM. */
int price_parse(const char *text, struct price_table *ret, struct aiex_error *err);
void price_done(struct price_table *t);

/* The rule for a model of an instance ("provider_openai:work"; "" = unknown), or NULL. */
const struct price_rule *price_find(const struct price_table *t, const char *provider,
                                    const char *model);
/* Micro-dollars. `r` may be NULL: 0, PRICE_UNKNOWN. */
int64_t price_cost(const struct price_rule *r, const struct price_tokens *used,
                   enum price_kind *ret_kind);

#endif
