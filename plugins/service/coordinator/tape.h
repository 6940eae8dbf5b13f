/*
 * tape.h - the parts of an answer and its end, kept to be given once more.
 *
 * Shared by reference: the cache holds one, and so does who is playing it. Growing memory with a
 * maximum; an answer that outgrows it is not kept (`over`).
 */
#ifndef COORDINATOR_TAPE_H
#define COORDINATOR_TAPE_H

#include <aiex/aiex_plugin.h>

struct tape {
    unsigned refs;
    int over; /* it did not fit, or memory was short: holds nothing any more */
    size_t max;
    uint8_t *data;
    size_t len, cap;
    size_t *ends; /* of each part */
    size_t n, n_cap;
    uint8_t *end; /* the end's body */
    size_t end_len;
};

struct tape *tape_new(size_t max); /* one reference, or NULL */
struct tape *tape_ref(struct tape *t);
void tape_unref(struct tape *t); /* NULL is fine */
/* 0, or -ENOSPC from the first part on that does not fit. */
int tape_add(struct tape *t, struct aiex_slice part);
int tape_end(struct tape *t, struct aiex_slice body);
struct aiex_slice tape_part(const struct tape *t, size_t i);
struct aiex_slice tape_whole(const struct tape *t); /* all parts as one */
size_t tape_bytes(const struct tape *t);

/* ---- tape_form.c: as bytes, for other processes and disks ---- */

/* On the heap: free() ret->data. 0, -ENOMEM. */
int tape_write(const struct tape *t, struct aiex_slice *ret);
/* One reference, or NULL: these are no such bytes, it is larger than `max`, or no memory. */
struct tape *tape_read(struct aiex_slice bytes, size_t max);

#endif
