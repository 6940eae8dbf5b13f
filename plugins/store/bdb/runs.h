/*
 * runs.h - several events in one value.
 *
 * A tree that takes each event by itself logs it twice: as an item, and again in the image of the
 * page that is split to make room for more. So what is appended in order lies in runs that fill a
 * page, and a run is put once. An entry is found by its number, which rises within a run:
 *
 *     length of the record u32 | number u64 | record
 *
 * The key of a run ends with the number of its last entry as it was made: the first key that is not
 * before a number belongs to the run that has the number, also when entries were taken out since.
 */
#ifndef RUNS_H
#define RUNS_H

#include <aiex/aiex_plugin.h>

#define RUN_FILL    16300u /* a page of 16 KiB without its head; one longer event is a run, too */
#define RUN_ENTRIES 64u
#define RUN_HEAD    12u /* of an entry */

/* One that is being made. Zeroed it is empty; run_done() frees its memory. */
struct run {
    uint8_t *mem;
    size_t len, size;
    unsigned n;
    uint64_t last;
};

struct run_entry {
    uint64_t number;
    const uint8_t *record;
    size_t len;
};

/* 1 when a record of `size` bytes makes it longer than it should be. */
int run_is_full(const struct run *run, size_t size);
/* Where a record of at most `size` bytes is to be written; NULL: no memory. */
uint8_t *run_room(struct run *run, size_t size);
/* The record is there and has `len` bytes. */
void run_took(struct run *run, uint64_t number, size_t len);
/* Empties it and keeps its memory, if that is no more than a few runs. */
void run_clear(struct run *run);
void run_done(struct run *run);

/* Takes the first entry off `rest`. 1, 0 = there is none, -EBADMSG. */
int run_next(struct aiex_slice *rest, struct run_entry *ret);
/* The first entry whose number is not below `number`. The same results. */
int run_find(struct aiex_slice run, uint64_t number, struct run_entry *ret);
/* All entries, in order; their count, at most RUN_ENTRIES, or -EBADMSG. */
int run_all(struct aiex_slice run, struct run_entry ret[RUN_ENTRIES]);
/* Adds the entries of `from`, but those from number `low` to `high`. 0, -ENOMEM, -EBADMSG. */
int run_without(struct run *run, struct aiex_slice from, uint64_t low, uint64_t high);

#endif
