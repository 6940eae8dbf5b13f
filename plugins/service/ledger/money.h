/*
 * money.h - what was spent, as events of the store: budgets outlive this ledger's folder, and
 * ledgers that share a store know of one another.
 *
 * Told are sums, of a segment (by its salt, which no other has), its day, scope and name. They only
 * grow, and what was spent is the sum over all segments of the largest that was told of each: a
 * grow-only counter (Shapiro and others: Conflict-free Replicated Data Types, 2011). So an event
 * that comes twice, or again after a restore, changes nothing, and one that is missing takes no
 * money back. What was told of this ledger's own segments and is no longer in them (a folder was
 * put back to a copy) counts on as well.
 *
 *     stream `ledger/money`      event `money.spent`, data {`spent` array of rows}
 *     row                        [segment str 16 (hexadecimal), day str (2026-11-22), scope str,
 *                                 name str, micro-dollars int]
 *
 * Rows of this month count, and those of yesterday. The stream stays short: after MONEY_EVENTS a
 * ledger tells all rows that count, also of others, and has it compacted behind that.
 *
 * All of it on the loop thread.
 */
#ifndef MONEY_H
#define MONEY_H

#include "dates.h"
#include "table.h"

#include <aiex_ask.h>
#include <aiex_fold.h>

#define MONEY_STREAM "ledger/money"
#define MONEY_EVENTS 512u       /* before the stream is compacted */
#define MONEY_ROWS   500u       /* of an event */
#define MONEY_CHANGE 40u        /* events that are told at once */
#define MONEY_MOST   (1u << 18) /* rows that count; more are not told */
#define PERIOD_MONTH 7u         /* bytes of "2026-11" */
#define PERIOD_DAY   10u        /* bytes of "2026-11-22" */

struct ledger;

struct money {
    struct aiex_fold *fold; /* NULL: there is no store */
    struct aiex_ask compact;
    struct table seen;    /* by segment, day, scope and name: the largest that was told */
    struct table missing; /* the same key: what is no longer in this ledger's segments */
    struct table extra;   /* by period, scope and name: all that is not in this ledger's days */
    unsigned events;      /* in the stream, since it was compacted */
    int64_t day;          /* for which the tables were tidied */
    uint64_t started_ms, told_ms;
    int is_live; /* the stream is read, and extra made of it */
    int is_telling, told_whole;
    int tell_days; /* also those that are over */
    int tell_all;  /* also of others: what the stream does not have any more, or will lose */
    int grown;     /* extra has, and nobody was told */
};

/* 0, or negative errno with a reason. */
int money_start(struct ledger *l, struct aiex_error *err);
void money_stop(struct ledger *l);
/* Each sync_interval: tells what has changed, every store_interval. */
void money_tick(struct ledger *l);
/* 1 when what others spent is known, or the store has had store_wait to tell it. */
int money_known(const struct ledger *l);
/* What is to be added to this ledger's own sum. `name` has its scope before it, as in
 * totals.spent. */
int64_t money_extra(const struct ledger *l, const char *period, size_t period_len,
                    const uint8_t *name, size_t len);
/* Walks the names (with their scopes before them) of a month that have extra money; *at from 0 on.
 * 1, or 0 at the end. */
int money_next(const struct ledger *l, const char *month, size_t *at, const uint8_t **ret_name,
               size_t *ret_len);
/* Why the store can not be read or written now; "" = it can. */
const char *money_trouble(const struct ledger *l);

#endif
