/*
 * pins.h - tables as they were at one moment, while writers go on.
 *
 * A pin is set between two batches. From then on the writer, before it changes a row of a pinned
 * table for the first time, notes what the row was; who reads takes the noted row instead of the
 * one he finds. Nobody waits for anybody: the writer copies one row that it has in memory anyway,
 * the reader goes at his own pace. What is noted is dropped as soon as its reader is behind it, and
 * is bounded: a pin that would need more is lost, which its reader is told.
 *
 * Threads: pins are set, taken away and noted into by whoever holds the store's gate; what is noted
 * is taken out by the reader under the pin's lock. pin_drop() is the loop's way to give one up
 * without waiting for the gate: its memory goes at once, the empty rest with the next batch.
 */
#ifndef PINS_H
#define PINS_H

#include "limits.h"

#include <aiex/aiex_plugin.h>

struct store;
struct table;
struct pin;

/* A row as it was. */
struct pinned_row {
    struct aiex_slice key; /* of the row, without its table */
    int exists;
    uint64_t version, expires;
    struct aiex_slice value;
};

/* With the gate: pins these tables (in order of their ids; copied). 0, -EBUSY (MAX_PINS are set),
 * -ENOMEM. */
int pin_set(struct store *s, struct table *const *tables, uint32_t n, struct pin **ret_pin);
/* With the gate: ends and frees it. */
void pin_end(struct store *s, struct pin *pin);
/* Any thread, without the gate: gives it up; the pointer is not to be used any more. */
void pin_drop(struct pin *pin);
/* Writer, in a batch: the row is about to change. `old` has exists 0 when there is none. */
void pins_note(struct store *s, const struct table *t, const struct pinned_row *old);
/* Frees all; nothing runs any more. */
void pins_done(struct store *s);

/* The reader: locks, walks over the notes in order of table and key, unlocks. */
void pin_lock(struct pin *pin);
/* The first note that is left of this table, NULL = none. Valid until it is passed. */
const struct pinned_row *pin_first(struct pin *pin, const struct table *t);
/* The first note is dealt with. */
void pin_pass(struct pin *pin);
/* All up to this key of the table was read: changes of it are not noted any more. `key` NULL: all
 * of the table. */
void pin_read(struct pin *pin, const struct table *t, const struct aiex_slice *key);
void pin_unlock(struct pin *pin);
/* 1 = too much changed, or memory was short: what is noted is not complete. With the lock. */
int pin_is_lost(const struct pin *pin);
/* The most bytes that were noted at a time. */
size_t pin_peak(const struct pin *pin);

#endif
