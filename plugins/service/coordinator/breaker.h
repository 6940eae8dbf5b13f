/*
 * breaker.h - the circuit breaker of one model at one provider.
 *
 * A breaker keeps requests away from what fails. It is a table of state and event in breaker.c:
 *
 *     closed     calls pass. `failures` bad ones in a row, or a share of `percent` of at least
 *                `least` calls within `window_ms`, open it
 *     open       no call passes for `open_ms`; each time it opens again without having closed, the
 *                time doubles up to `open_max_ms`
 *     half_open  `probes` calls may run; a good one closes it, a bad one opens it again
 *
 * Faults of the client (a wrong request, a prompt too long, a filter) and cancelled calls are
 * neutral: they say nothing about the provider and only give a probe back. Pure; the caller
 * brings the clock.
 */
#ifndef COORDINATOR_BREAKER_H
#define COORDINATOR_BREAKER_H

#include <stdint.h>

struct breaker_rules {
    int64_t failures;       /* in a row; 0 = does not count */
    int64_t percent, least; /* share of bad calls and how many there must be; 0 = does not count */
    int64_t window_ms;
    int64_t open_ms, open_max_ms;
    int64_t probes;
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };
extern const char *const breaker_names[]; /* "closed", "open", "half_open" */

/* How a call ended, as far as the provider is to blame. */
enum breaker_outcome { OUTCOME_GOOD, OUTCOME_BAD, OUTCOME_NEUTRAL };

#define BREAKER_SLICES 8u

struct breaker {
    enum breaker_state state;
    uint32_t in_row;   /* bad ones since the last good one */
    uint32_t probing;  /* probes that run */
    uint32_t era;      /* times it was half open */
    uint32_t opened;   /* times in a row without closing between */
    uint64_t until_ms; /* open: when probes may begin */
    uint64_t slice;    /* number of the slice of time that good[] and bad[] end with */
    uint32_t good[BREAKER_SLICES], bad[BREAKER_SLICES];
};

/* A zeroed breaker is closed. */

/* 1 when a call may start now. Changes nothing. */
int breaker_allows(const struct breaker *b, const struct breaker_rules *r, uint64_t now_ms);
/* Milliseconds until one may; 0 = now, or when a probe that runs has ended. */
uint64_t breaker_wait_ms(const struct breaker *b, uint64_t now_ms);
/* A call starts, which breaker_allows() allowed. Not 0 when it is a probe: say the number at its
 * end. */
uint32_t breaker_begin(struct breaker *b, const struct breaker_rules *r, uint64_t now_ms);
/* A call ended. 1 when the state changed. */
int breaker_end(struct breaker *b, const struct breaker_rules *r, uint64_t now_ms, uint32_t probe,
                enum breaker_outcome outcome);
/* The state as it is at this time: an open one whose time is over is half open. */
enum breaker_state breaker_state(const struct breaker *b, uint64_t now_ms);

#endif
