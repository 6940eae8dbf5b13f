#include "retry.h"

#include "strategy.h"

#define ONE     1000
#define FLOOR   (10 * ONE)  /* what seconds fill up to */
#define CEILING (100 * ONE) /* what requests fill up to */

void retry_init(struct retry_budget *b, uint64_t now_ms)
{
    b->thousandths = FLOOR;
    b->at_ms = now_ms;
}

void retry_request(struct retry_budget *b, int64_t percent)
{
    b->thousandths += percent * ONE / 100;
    if (b->thousandths > CEILING)
        b->thousandths = CEILING;
}

int retry_take(struct retry_budget *b, uint64_t now_ms)
{
    uint64_t passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0;

    b->at_ms = now_ms;
    if (b->thousandths < FLOOR) {
        b->thousandths += passed > FLOOR ? FLOOR : (int64_t)passed;
        if (b->thousandths > FLOOR)
            b->thousandths = FLOOR;
    }
    if (b->thousandths < ONE)
        return 0;
    b->thousandths -= ONE;
    return 1;
}

uint64_t retry_pause_ms(uint64_t base_ms, unsigned n, uint64_t *random)
{
    uint64_t ms = base_ms;

    for (unsigned i = 1; i < n && ms < 20 * base_ms; i++)
        ms *= 2;
    if (ms > 20 * base_ms)
        ms = 20 * base_ms;
    return ms / 2 + (ms > 1 ? strategy_random(random) % (ms / 2 + 1) : 0);
}
