/*
 * subs.h - durable subscriptions: a name, a filter, and a position for each partition.
 *
 * A consumer is a job (store.h) that reads from the position behind the last acknowledged event and
 * parks when it has shown all that is visible, or `window` events that nobody acknowledged. New
 * events and acknowledgements wake it. It only ever reads the files, in order, so that there is no
 * seam between catching up and living on. A second consumer of a partition is refused, or waits
 * in the queue when it asked for that, and begins where the acknowledgements of the first end.
 */
#ifndef SUBS_H
#define SUBS_H

#include "store.h"

struct subscription {
    char name[MAX_SUBSCRIPTION + 1];
    struct filter filter; /* partitions >= 1 */
    int64_t from;
    uint32_t window;
    int waits; /* behind another consumer */
};

/* Loop: outcomes of the writes in subs_keep.c. */
void subscription_made(struct store *s, struct write *w);
void subscription_acked(struct store *s, struct write *w);
void subscription_dropped(struct store *s, struct write *w);

#endif
