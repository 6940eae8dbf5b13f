/*
 * money_rows.h - what the two halves of money.h share: money.c (what was told, by whomever) and
 * money_tell.c (telling it).
 */
#ifndef MONEY_ROWS_H
#define MONEY_ROWS_H

#include "ledger.h"

#define SEEN_SALT 8u /* bytes of a segment's salt before a key of `seen` */
#define SEEN_KEY  (SEEN_SALT + PERIOD_DAY + 1 + MAX_COLUMN)

/* A row that was told, or is to be. */
struct told {
    uint64_t salt;
    int64_t day, cost;
    char day_text[DAY_TEXT];
    const uint8_t *name; /* with its scope before it */
    size_t name_len;
};

/* Days of this month and yesterday that this ledger has, each with its totals. */
struct own_day {
    int64_t day;
    struct totals read;          /* of a day that is not open */
    const struct totals *totals; /* NULL: there is no summary */
};

struct own_days {
    struct own_day *all;
    size_t n;
};

/* The key of a row in `seen` and `missing`; its length. */
size_t seen_key(const struct told *t, uint8_t key[SEEN_KEY]);
/* The way back; its name points into the row. */
void told_of(const struct row *row, struct told *ret);
/* 1 when sums of that day are asked for: those of this month, and of yesterday. */
int money_counts(int64_t day);
int64_t cost_of(const struct table *spent, const void *key, size_t len);
/* 0 or negative errno; own_done() in any case. */
int own_read(struct ledger *l, struct own_days *own);
void own_done(struct own_days *own);
/* Makes `extra` anew from all that was told. 0 or negative errno. */
int money_count(struct ledger *l);
/* Forgets the rows that count no more. */
void money_tidy(struct ledger *l);
/* An event of the stream: what it says is taken in. */
void money_take(struct ledger *l, const struct aiex_stored_event *e);

#endif
