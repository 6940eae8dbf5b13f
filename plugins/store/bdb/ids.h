/*
 * ids.h - which event has which id: the newest in memory, filed into the tree late and in order.
 *
 * Ids come in no order. Each put at once would be a search, a page of the next checkpoint and an
 * image of that page for the sake of fifty bytes. So the tree has the ids of events up to
 * tail.filed, and memory has those behind it, in two runs: the young one takes what comes; when it
 * has IDS_RUN of them it becomes the old one, is sorted, and is put piece by piece, one id for each
 * that comes, so that neighbours in the tree are put together and no batch waits for a whole run.
 * What memory has is in the events as well: the next opening reads the ids of at most two runs and
 * a batch from there (the idea of a log-structured merge tree: O'Neil and others, 1996). What was
 * put of a run that is not through counts for nothing then; where too many have gathered over
 * several openings, they are put at once.
 *
 * An id in memory counts while its sequence is behind tail.filed, so a batch that is taken back
 * takes back what it filed; what it added goes before the next one begins.
 *
 * Thread rule: all of it is the writer's. Others see tail.filed as store.filed.
 */
#ifndef IDS_H
#define IDS_H

#include "env.h"
#include "limits.h"

#define IDS_RUN   16384u         /* ids of a run, and a batch */
#define IDS_PIECE 64u            /* put at once */
#define IDS_MOST  (3u * IDS_RUN) /* in memory; more are put at once */
#define ID_KEY    (1u + MAX_ID)

struct store;
struct tail;

/* Ids in the order in which they came, found by a hash with chains: the newest leads its chain, so
 * it can be taken back. */
struct id_run {
    uint8_t *keys; /* one behind the other */
    size_t keys_len, keys_size;
    struct id_entry {
        uint64_t sequence;
        uint32_t at, next;  /* of its key in `keys`; number of the next of its chain, 0 = none */
        uint32_t len, same; /* of the key; how much of it all before it had in common */
    } * all;                /* the first has number 1 */
    size_t n, room;
    uint32_t *chains; /* NULL until there is one */
};

struct ids {
    struct id_run runs[2];
    unsigned young; /* which of them */
    uint64_t begun; /* tail.put when the other one became old */
    struct id_order {
        uint64_t key;
        uint32_t number;
    } * order; /* of the old one */
    uint8_t hash[16];
};

/* The key of an event's id in the tree; its length. */
size_t id_key(struct aiex_slice id, uint8_t key[ID_KEY]);
/* Reads what the tree has not behind this tail: at the opening, and when it is another one. 0, also
 * when it found damage, which it tells; or negative errno: what was known stays. */
int ids_begin(struct store *s, const struct tail *t);
void ids_done(struct store *s);
/* Before a batch: forgets what the one before took back, and puts what is due. UNCHANGED = nothing
 * was due, 0, or negative errno. */
int ids_file(struct store *s, DB_TXN *txn);
/* All of them, for who takes ids out of the tree. 0 or negative errno. */
int ids_file_all(struct store *s, DB_TXN *txn);
/* The event with this key: 1 and its sequence, 0 = none, or negative errno. */
int ids_find(struct store *s, DB_TXN *txn, const uint8_t *key, size_t len, uint64_t *ret_sequence);
/* The event with this sequence, the last one, has this id. 0, -ENOMEM. */
int ids_add(struct store *s, const uint8_t *key, size_t len, uint64_t sequence);

#endif
