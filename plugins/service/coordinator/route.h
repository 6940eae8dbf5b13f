/* route.h - one request on its way; shared by route.c (the way) and ends.c (how it ends). */
#ifndef COORDINATOR_ROUTE_H
#define COORDINATOR_ROUTE_H

#include "coordinator.h"

/* The error that the client gets if nobody answers. */
struct kept_error {
    int rank; /* 0 = none */
    char code[24], text[400];
    uint32_t retry_after_ms;
    uint8_t *body;
    size_t body_len;
};

struct route {
    struct route *next, *next_waiting;
    struct coordinator *c;
    uint64_t id, trace, begun_ms, call;
    uint32_t timeout_ms;
    char model[MAX_MODEL + 1];
    const struct member *only; /* named by the client */
    const char *bare;          /* the model without "provider/" */
    uint8_t *packed;
    size_t packed_len; /* without the tail */
    uint64_t tried;    /* bit per member */
    unsigned attempts;
    struct member *at; /* who serves it now */
    int automatic; /* the client leaves the model to us */
    int only_listed, fallback_allowed;
    int waiting;
    int calling, again, over; /* callbacks may come inside call() */
    int forwarded;            /* parts came through here: the host could not splice */
    struct kept_error error;
};

/* Frees the route, at once or when its call() is no longer on the stack. */
void route_finish(struct route *r);

/* ---- ends.c ---- */

/* Counts the tokens of an end and publishes coordinator.call when that is configured. */
void route_account(struct route *r, const char *code, struct aiex_slice body);
/* Body of an error that no provider made; r may be NULL. */
struct aiex_slice route_details(const struct route *r, int http_status, uint8_t *mem, size_t size);
/* Ends the call with an error of the coordinator's own. */
void route_fail(struct route *r, const char *code, int http_status, const char *text);
/* Keeps the error of the running attempt if it tells the client more than what was kept. */
void route_keep_error(struct route *r, int rank, const char *code, const char *text,
                      uint32_t retry_after_ms, struct aiex_slice body);
/* Ends the call with the kept error. */
void route_pass_on(struct route *r);

#endif
