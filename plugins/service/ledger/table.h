/*
 * table.h - sums of usage by a key of bytes: a hash table with a bound.
 *
 * Serves totals of a day, spent money by name, and the groups of a report.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>
#include <stdint.h>

enum sum {
    SUM_REQUESTS,
    SUM_FAILED,
    SUM_INPUT,
    SUM_OUTPUT,
    SUM_CACHED,
    SUM_COST,
    SUM_UNPRICED,
    SUM_ESTIMATED,
    N_SUMS
};

extern const char *const sum_names[N_SUMS];

struct sums {
    int64_t v[N_SUMS];
};

/* Adds; stays at the largest number instead of running over. */
void sums_add(struct sums *to, const struct sums *s);

struct row {
    struct sums sums;
    uint64_t hash;
    uint32_t len;
    uint8_t key[];
};

struct table {
    struct row **slots; /* NULL = free; walk them all to see every row */
    size_t size, used, max;
};

/* `max` rows at most. Zeroed memory is a table of no rows and max 0. */
void table_init(struct table *t, size_t max);
void table_done(struct table *t);
/* NULL when there is none. */
struct row *table_find(const struct table *t, const void *key, size_t len);
/* Finds or makes. NULL: the bound is reached or memory is short. */
struct row *table_at(struct table *t, const void *key, size_t len);

/* Keys are texts one behind the other, each with its length (one byte). */
struct key {
    size_t len;
    uint8_t data[4096];
};

/* Texts of more than 255 bytes are cut. 0, or -1 when the key is full. */
int key_add(struct key *k, const void *text, size_t len);
/* Takes the next text off a key. 1, or 0 at the end. */
int key_next(const uint8_t **at, const uint8_t *end, const uint8_t **ret_text, size_t *ret_len);

#endif
