/*
 * limit.h - how much one provider instance may be asked.
 *
 *     limit.provider_openai    = rpm=500 tpm=200000 concurrency=20 queue=100
 *     limit.provider_anthropic = concurrency=8
 *
 * One instance has one key of the vendor, so these are the limits of that key. Requests and
 * tokens are counted in slices of a second over a minute: in no 60 seconds more than the limit
 * goes out (vendors count in their own ways; none is stricter than that). Tokens are booked when
 * a call starts, by estimate, and set right at its end. A request that alone is larger than tpm
 * goes when nothing else went for a minute.
 *
 * Retry-After is one point in time for all requests of the instance; it only ever moves away, so
 * that an older answer can not shorten a newer one. Pure; the caller brings the clock.
 */
#ifndef COORDINATOR_LIMIT_H
#define COORDINATOR_LIMIT_H

#include "line.h"

#define LIMIT_MAX_RULES 256u
#define LIMIT_SECONDS   60u
#define LIMIT_SLICES    64u /* at least LIMIT_SECONDS + 1 */

struct limit_rule {
    char instance[AIEX_MAX_NAME + 1]; /* pattern */
    int64_t rpm, tpm, concurrency;    /* 0 = no limit */
    int64_t queue;                    /* requests that may wait, -1 = the option's */
};

struct limit_table {
    struct limit_rule *rules;
    size_t n;
};

/* Reads the table's lines. 0, -EINVAL with a sentence (ret is untouched), -ENOMEM. */
int limit_parse(const char *text, struct limit_table *ret, struct aiex_error *err);
void limit_done(struct limit_table *t);
/* The rule for an instance: its own name before the name of its plugin, then the first. Never
 * NULL: without a rule one without limits. */
const struct limit_rule *limit_find(const struct limit_table *t, const char *instance);

/* What went out lately. Zeroed = nothing. */
struct limit {
    uint64_t second; /* the last one that was counted */
    uint32_t requests[LIMIT_SLICES];
    int64_t tokens[LIMIT_SLICES];
    uint64_t sum_requests;
    int64_t sum_tokens;
    uint32_t in_flight;
    uint64_t wait_until_ms; /* Retry-After */
};

#define LIMIT_AFTER_ANOTHER UINT64_MAX /* when a call that runs has ended */

/* Milliseconds until a call of that many tokens may start; 0 = now, or LIMIT_AFTER_ANOTHER. */
uint64_t limit_wait_ms(struct limit *l, const struct limit_rule *r, uint64_t now_ms,
                       int64_t tokens);
void limit_begin(struct limit *l, uint64_t now_ms, int64_t tokens);
/* A call ended that limit_begin() booked at `begun_ms` with `booked` tokens; `used` < 0: unknown.
 */
void limit_end(struct limit *l, uint64_t now_ms, uint64_t begun_ms, int64_t booked, int64_t used);
/* The provider said to wait; never shortens. */
void limit_bench(struct limit *l, uint64_t until_ms);

#endif
