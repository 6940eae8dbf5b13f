/*
 * streams.h - streams: their heads, and their events once more, so that a stream is read in one go.
 *
 * The newest events of a stream are known by their sequences only, which stand in its head: the
 * tail. When the tail would fill a page, its events are copied into a run (runs.h) of the file
 * `streams`, whose numbers are versions. So most events cost a stream eight bytes when they are
 * appended and a share of one put later.
 *
 *     head     number 8 | first version 8 | flags 1 | base 8: versions before the tail |
 *              sequence 8 of each version of the tail, 0 = erased | sequence of the last event 8 |
 *              bytes of the tail 4
 *     streams  number 8, last version 8                                          -> run of copies
 *
 * Readers look at `streams` first and then at the head: a base that is higher than before means
 * that what was in the tail is in `streams` by now.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include "env.h"
#include "limits.h"
#include "runs.h"

#define TAIL_MAX  48u
#define HOT_HEADS 512u

struct store;

/* What a check needs to know of a stream. */
struct head_found {
    uint64_t number, version, first, last_sequence;
    int exists, closed;
};

struct head {
    struct head_found is;
    uint64_t base; /* the tail has the versions behind it, to is.version */
    uint32_t bytes;
    uint64_t tail[TAIL_MAX];
};

/* Heads that the writer looked at lately, as its transaction sees them. */
struct streams {
    int used;
    struct run run; /* one that is being made */
    DBT found;      /* an event for it that is in memory no more */
    struct hot {
        uint32_t name_len; /* 0 = none */
        uint8_t name[MAX_STREAM];
        struct head head;
    } hot[HOT_HEADS];
};

/* Any thread. is.exists = 0 when there is none. 0 or negative errno. */
int head_get(struct env *e, DB_TXN *txn, struct aiex_slice name, struct head *ret);
/* Reads one out of its value; for store.verify. 0, -EBADMSG. */
int head_read(const uint8_t *value, size_t len, struct head *ret);
/* Writer: the same head; it may be changed, and is to be put then. It stays until another is asked
 * for. */
int head_hot(struct store *s, DB_TXN *txn, struct aiex_slice name, struct head **ret);
/* Writer. */
int head_put(struct store *s, DB_TXN *txn, struct aiex_slice name, const struct head *head);
/* Writer: what is hot is none: a transaction was taken back, or the database is another one. */
void streams_forget(struct store *s);
void streams_done(struct store *s);

/* Writer: the next version of the stream is the event with this sequence, whose record has `len`
 * bytes. 0 or negative errno. */
int stream_append(struct store *s, DB_TXN *txn, struct head *h, uint64_t sequence, size_t len);
/* Any thread: the first version from `from` on that is there, and its sequence; 0 = none. */
int stream_at(struct env *e, DB_TXN *txn, const struct head *h, uint64_t from,
              uint64_t *ret_version, uint64_t *ret_sequence);
/* Writer: takes the versions from `from` to `to` out; the head is to be put. */
int stream_cut(struct store *s, DB_TXN *txn, struct head *h, uint64_t from, uint64_t to);
/* Any thread: the run that has the version, or the first one behind it; its last version into
 * *ret_last. 0, -ENOENT, ... */
int stream_run(struct env *e, DB_TXN *txn, uint64_t number, uint64_t version, DBT *mem,
               uint64_t *ret_last);

#endif
