/*
 * totals.h - the sums of one day and their file.
 *
 * A day has a segment (2026-11-21.log, all records) and a summary (2026-11-21.sum), written
 * when the day is over, at the end of the process and every `checkpoint` bytes. The summary
 * says which segment it speaks of (its salt), how many bytes of it are counted, and where the
 * last counted record stands with which checksum; what comes behind is read again. So a start
 * reads little, and a summary that does not fit its segment is never believed.
 */
#ifndef TOTALS_H
#define TOTALS_H

#include "facts.h"

#include <aiex_record_log.h>

#define SPENT_NAMES 65536u /* keys, users, teams and projects of one day or month */
#define N_SCOPES    4u     /* key, user, team, project: the first columns */
#define MARKS       16u    /* places in the segment, MARK_EVERY records apart */
#define MARK_EVERY  512u

struct totals {
    uint64_t salt;        /* of the segment */
    uint64_t covered;     /* bytes of it that are counted */
    uint64_t count;       /* records */
    uint64_t last_offset; /* of the last one, with its checksum */
    uint32_t last_crc;
    uint64_t marks[MARKS]; /* ring: where each MARK_EVERY-th record stands */
    int whole;             /* `rows` has everything; else reports read the segment */
    uint64_t unnamed;      /* amounts that `spent` had no room for */
    struct table rows;     /* by facts_key() */
    struct table spent;    /* by scope (one byte) and name */
};

void totals_init(struct totals *t, size_t max_rows);
void totals_done(struct totals *t);
/* Counts one record that stands at `item`. */
void totals_add(struct totals *t, const struct facts *f, const struct aiex_rlog_item *item);
/* Adds the amounts of one record by scope. Returns how many names there was no room for. */
unsigned spent_add(struct table *spent, const struct facts *f);
/* Where reading begins so that the last some thousand records are seen, 0 = from the first on. */
uint64_t totals_recent_from(const struct totals *t);

/* 0 or negative errno with a reason; the old file stands then. */
int totals_write(const struct totals *t, const char *path, struct aiex_error *err);
/* Into a `t` that totals_init() made. 0, -ENOENT, -EBADMSG (damaged: empty again), other errno. */
int totals_read(struct totals *t, const char *path);
/* 1 when `t` speaks of this segment; *ret_size is the segment's length. */
int totals_fit(const struct totals *t, const char *segment, uint64_t *ret_size);

#endif
