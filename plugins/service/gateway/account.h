/*
 * account.h - what one key, user, team or project may use, and what it has used. Pure
 * arithmetic: no clock, no memory, no calls.
 *
 * A request is judged by all its accounts first and taken from all of them only when none
 * refuses:
 *
 *     account_judge()   may it begin? which limit says no, and when it would say yes
 *     account_take()    counts it, reserves its tokens and its money
 *     account_leave()   it runs no more: its place is free
 *     account_settle()  what was reserved is given back, what was used is counted
 *
 * Rates are token buckets of one minute: full at first, refilled by the millisecond, in whole
 * numbers of 1/60000 so that nothing is lost and the wait is exact. A request that wants more
 * tokens than the bucket holds waits for a full one and leaves a debt. Money is whole
 * micro-dollars; reserved money counts as spent until it is settled. A settled request counts
 * for the day and month in which it began.
 */
#ifndef GATEWAY_ACCOUNT_H
#define GATEWAY_ACCOUNT_H

#include "calendar.h"
#include "map.h"

#define MAX_LIMIT  1000000000       /* requests or tokens per minute, concurrency */
#define MAX_BUDGET 1000000000000000 /* a billion dollars */

enum scope { SCOPE_KEY, SCOPE_USER, SCOPE_TEAM, SCOPE_PROJECT, N_SCOPES };

/* 0 = no such limit. */
struct limits {
    int64_t rpm, tpm, concurrency;
    int64_t budget_day, budget_month; /* micro-dollars */
    int64_t soft_percent;
};

struct bucket {
    int64_t level; /* in 1/60000; below 0 = debt */
    uint64_t at_ms;
    int64_t rate; /* for which the level was filled; 0 = not used yet */
};

struct account {
    struct map_node node; /* by scope and name; not for keys */
    enum scope scope;
    char name[64];
    struct limits limits;
    struct bucket requests, tokens;
    int64_t in_flight, reserved;
    int64_t day, month; /* which the sums below are of */
    int64_t spent_day, spent_month;
    int64_t since_day, since_month; /* settled while the ledger is being asked */
    unsigned told;                  /* ACCOUNT_* below: said once in this day or month */
    unsigned unproven, same;        /* stored_import.c: not found in the store, or as it is there */
};

#define ACCOUNT_SOFT_DAY   1u
#define ACCOUNT_SOFT_MONTH 2u
#define ACCOUNT_HARD_DAY   4u
#define ACCOUNT_HARD_MONTH 8u

/* What a request uses, or is expected to use. */
struct use {
    int64_t tokens, cost;
};

enum limit_kind {
    LIMIT_NONE,
    LIMIT_REQUESTS,
    LIMIT_TOKENS,
    LIMIT_CONCURRENCY,
    LIMIT_HELD, /* the budget would do, were it not for what is reserved now */
    LIMIT_DAY,
    LIMIT_MONTH,
    N_LIMIT_KINDS
};

/* The worst of several refusals. Zero it first. */
struct verdict {
    enum limit_kind kind; /* LIMIT_NONE = admitted */
    int64_t retry_after_ms;
    int64_t left; /* budgets: micro-dollars */
    struct account *account;
};

#define CONCURRENCY_RETRY_MS 1000 /* nobody knows when another request ends */

/* One look at both clocks. */
struct moment {
    uint64_t now_ms; /* monotonic */
    const struct calendar *calendar;
};

int account_has_budget(const struct account *a);
/* Brings buckets and sums to this moment. */
void account_roll(struct account *a, const struct moment *now);
/* Judges; makes *v worse or leaves it. Changes nothing but what time does. */
void account_judge(struct account *a, const struct use *want, const struct moment *now,
                   struct verdict *v);
void account_take(struct account *a, const struct use *want);
void account_leave(struct account *a);
/* Day and month are of the request's begin. Returns the ACCOUNT_SOFT_* that were reached by this.
 */
unsigned account_settle(struct account *a, const struct use *reserved, const struct use *used,
                        int64_t day, int64_t month, const struct moment *now);
/* ACCOUNT_SOFT_* that hold now. */
unsigned account_soft(const struct account *a);

#endif
