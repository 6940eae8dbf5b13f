/* leg.h - between the two halves of a call to a provider: leg.c begins it, leg_end.c ends it. */
#ifndef COORDINATOR_LEG_H
#define COORDINATOR_LEG_H

#include "route.h"

/* Calls the picked provider. 1 = the route is over; else r->again says whether to pick anew. */
int leg_start(struct route *r, const struct pick *p);
/* Gives back what the start had booked; `used` tokens, < 0 unknown. */
void leg_unbook(struct leg *l, enum breaker_outcome outcome, int64_t used);
/* A call there ended: whoever waits for its breaker or its limits may go. */
void leg_give_way(struct lane *lane);
/* The answer is kept until it has been looked at. */
int leg_held_back(const struct route *r);
void leg_part(struct leg *l, struct aiex_slice part);

/* The callback of all calls; arg is the leg. */
void leg_answer(void *arg, const struct aiex_answer *a);
/* An error before the first part: what next. May free the route. */
void leg_failed(struct leg *l, const char *code, const char *text, uint32_t retry_after_ms,
                struct aiex_slice body);

#endif
