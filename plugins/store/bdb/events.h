/*
 * events.h - the tree of all events: one run after the other, in the order of sequences.
 *
 * The writer gathers the events of a batch in a run (runs.h), which is put when its page is full
 * and, at the latest, before the batch is committed. The newest records also stay in memory, in a
 * ring: a stream copies them into a run of its own when it has enough (streams.h).
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "env.h"
#include "event.h"
#include "runs.h"

#define RECENT_SLOTS 4096u
#define RECENT_BYTES (4u << 20)

struct store;

/* Of the writer thread. */
struct events {
    struct run draft;
    uint8_t *ring; /* NULL until the first event */
    uint64_t end;  /* bytes that ever went into the ring */
    struct recent {
        uint64_t sequence, at;
        size_t len;
    } recent[RECENT_SLOTS];
};

/* Writer: adds the event; *ret_len: bytes of its record. 0 or negative errno. */
int events_add(struct store *s, DB_TXN *txn, const struct event *e, const struct event_place *p,
               const uint8_t *salt, uint8_t chain[EVENT_HASH], size_t *ret_len);
/* Writer: what was added is in the tree, for who looks there. */
int events_flush(struct store *s, DB_TXN *txn);
/* Writer: what was added since the last flush is none: the batch begins, or begins again. */
void events_drop(struct store *s);
/* Writer: the database is another one. */
void events_forget(struct store *s);
void events_done(struct store *s);
/* Writer: puts `record` in the place of the one with this sequence. */
int events_replace(struct store *s, DB_TXN *txn, uint64_t sequence, const void *record, size_t len);
/* Writer: the record, also of one that was just added; it stays until the next call for `mem`. */
int events_find(struct store *s, DB_TXN *txn, uint64_t sequence, DBT *mem, struct run_entry *ret);

/* Any thread: the record with this sequence, in `mem` (env_grows(), the caller frees its data).
 * 0, -ENOENT, -EBADMSG, ... */
int events_get(struct env *e, DB_TXN *txn, uint64_t sequence, DBT *mem, struct run_entry *ret);
/* The last one; sequence 0 when there is none. */
int events_last(struct env *e, DBT *mem, struct run_entry *ret);

#endif
