/*
 * retry.h - how long to wait before the same provider is asked again, and how often that may be.
 *
 * A budget keeps an outage from multiplying its own load: every request puts a part of a retry in
 * (20 % by default), every repeat and every hedge takes one out, and one comes in each second, so
 * that quiet times may retry as well. Going to another provider costs nothing. Pure.
 */
#ifndef COORDINATOR_RETRY_H
#define COORDINATOR_RETRY_H

#include <stdint.h>

struct retry_budget {
    int64_t thousandths; /* of a retry */
    uint64_t at_ms;
};

void retry_init(struct retry_budget *b, uint64_t now_ms); /* ten to begin with */
void retry_request(struct retry_budget *b, int64_t percent);
/* 1 and takes one out, or 0. */
int retry_take(struct retry_budget *b, uint64_t now_ms);

/* Before the n-th repeat (from 1): base, doubled each time, at most 20 x base, half of it by lot.
 */
uint64_t retry_pause_ms(uint64_t base_ms, unsigned n, uint64_t *random);

#endif
