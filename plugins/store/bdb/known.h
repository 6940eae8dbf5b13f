/*
 * known.h - which events' ids are surely not stored, without a look at the tree.
 *
 * Nearly every id that comes is new, and finding that out in the tree of ids costs as much as
 * putting it there. So there are Bloom filters in memory, one block of a cache line to a key
 * (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007): one of the ids
 * that were there at the opening, made by the care thread from the tree, and others of those that
 * came since. "Perhaps" means a look at the tree, and so does everything as long as the first one
 * is not made, or when they would take more than KNOWN_BYTES. What was taken back, or erased, stays
 * in them and costs a look.
 *
 * Thread rule: begin, add, absent: writer. scan: care thread, while the store is open.
 */
#ifndef KNOWN_H
#define KNOWN_H

#include "env.h"

#include <stddef.h>

#define KNOWN_BYTES (16u << 20) /* of each of the two; 12 bits to an id: eleven million ids */
#define KNOWN_FIRST 65536u /* ids in the first filter of new ones; the next has twice as many */
#define KNOWN_MORE  9u     /* filters of new ones at most */

struct store;

struct filter_of_ids {
    uint64_t (*blocks)[8];
    size_t n_blocks, n, room;
};

struct known {
    struct filter_of_ids stored;           /* at the opening; the care thread's until is_made */
    struct filter_of_ids more[KNOWN_MORE]; /* since */
    unsigned n_more;
    int too_many; /* there is no filter for the newest ones: nothing is surely absent */
    atomic_int is_made;
    int is_scanning;
    uint8_t key[16]; /* of the hash; random */
    DB *scan;        /* a handle whose pages leave the cache first */
    uint8_t *bulk;
    uint8_t last[260]; /* key that was read last */
    size_t last_len;
};

/* The store was opened and has at most `ids` of them. */
void known_begin(struct store *s, uint64_t ids);
/* Before it is closed. */
void known_end(struct store *s);
/* 1: no stored event has this key of the file of ids. */
int known_absent(const struct store *s, const uint8_t *key, size_t len);
/* It has one now. */
void known_add(struct store *s, const uint8_t *key, size_t len);
/* Reads on for a millisecond or two. 1 = there is more to read, 0, or negative errno (-EUCLEAN). */
int known_scan(struct store *s);

#endif
