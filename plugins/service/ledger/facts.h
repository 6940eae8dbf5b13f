/*
 * facts.h - what the ledger itself needs to know of a usage record (service.md).
 *
 * The record is kept as it came; this is read out of it in one pass, the same way when
 * it arrives, when a day is rebuilt and when a report reads a segment.
 */
#ifndef FACTS_H
#define FACTS_H

#include "table.h"

#include <aiex/aiex_plugin.h>

enum column { COL_KEY, COL_USER, COL_TEAM, COL_PROJECT, COL_MODEL, COL_PROVIDER, N_COLUMNS };

extern const char *const column_names[N_COLUMNS];

#define MAX_TAGS   16u  /* a record with more makes reports of its day read the segment */
#define MAX_COLUMN 160u /* bytes of a value in totals and reports; longer ones are cut */

struct tag {
    struct aiex_slice name, value;
};

struct facts {
    struct aiex_slice columns[N_COLUMNS];
    struct tag tags[MAX_TAGS]; /* by name */
    size_t n_tags;
    int more_tags;
    struct aiex_slice id, code, operation, interface; /* empty = not told */
    struct aiex_slice hash, request_hash, answer_hash;
    int64_t ticket, time; /* 0 = not told */
    int failed, priced;
    struct sums sums;
};

/* Slices point into the record. 0, or -EINVAL when it is not one map. */
int facts_read(struct aiex_slice record, struct facts *ret);
/* Value of a tag; empty when it has none. */
struct aiex_slice facts_tag(const struct facts *f, struct aiex_slice name);
/* Appends the columns and the tags. 0, or -1 when they do not fit. */
int facts_key(const struct facts *f, struct key *k);
/* The way back: columns and tags of such a key. 0, or -1. */
int facts_of_key(const uint8_t *key, size_t len, struct facts *ret);

#endif
