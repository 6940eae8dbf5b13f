/*
 * gather.h - who could serve a request, and what is known of each: between gather.c and pick.c.
 */
#ifndef COORDINATOR_GATHER_H
#define COORDINATOR_GATHER_H

#include "route.h"

#define MAX_OPTIONS (MAX_MEMBERS + ALIAS_TARGETS)

struct option {
    struct member *m;
    struct lane *lane;
    const char *model;
    uint32_t weight;
    enum lists lists;
    int tried, healthy, resting;
    int elsewhere;    /* not named for it, but it has the model and the operation */
    uint64_t rest_ms; /* of its breaker */
    enum why_not not ;
};

struct options {
    struct option list[MAX_OPTIONS];
    size_t n;
    int unable; /* none of those that have the model can do the operation, as far as is known */
};

/* Everyone who could have the model, in order of preference; offline providers last. */
void gather(struct route *r, struct options *ret);
/* A real one that is healthy, was not tried and may be able to. */
int gather_usable(const struct option *o);
/* The lane of a model there; offline providers have one for all. NULL without memory. */
struct lane *gather_lane(struct member *m, const char *model);
int gather_was_tried(const struct route *r, const struct member *m, const char *model);

#endif
