/*
 * rows.h - rows of a projection between two transactions.
 *
 * `kept` is what events that are done with have put, and what was read; `staged` is what the event
 * at hand puts, which is dropped when it fails. `needs` are the rows that it asked for.
 */
#ifndef AIEX_EVENTS_ROWS_H
#define AIEX_EVENTS_ROWS_H

#include "aiex_events.h"

struct row {
    struct aiex_slice key, value; /* one allocation, that of the key */
    int exists;
    int dirty; /* to be written */
};

struct row_list {
    struct row *rows;
    uint32_t n, cap;
    size_t bytes;
};

struct aiex_rows {
    const struct aiex_host *host;
    struct row_list kept, staged, needs;
};

/* The row `key` in a list, or NULL. */
struct row *ev_row_find(const struct row_list *l, struct aiex_slice key);
/* Sets or adds a row. 0, -ENOMEM, -E2BIG (bounds of aiex_events.h). */
int ev_row_set(const struct aiex_host *host, struct row_list *l, struct aiex_slice key,
               struct aiex_slice value, int exists, int dirty);
void ev_rows_drop(const struct aiex_host *host, struct row_list *l);
/* The event is done with: staged rows become kept ones. 0, -ENOMEM. */
int ev_rows_commit(struct aiex_rows *r);
uint32_t ev_rows_dirty(const struct aiex_rows *r);
/* Enough for one transaction. */
int ev_rows_full(const struct aiex_rows *r);
void ev_rows_done(struct aiex_rows *r);

#endif
