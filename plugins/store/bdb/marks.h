/*
 * marks.h - the index of types and correlations: written late, in pieces.
 *
 * A mark for each event would cost as much as the event. So the newest events have none: those up
 * to tail.marked do, in pieces that each have many sequences. Whoever looks for newer ones reads
 * the events themselves, of which there are few (MARKS_STEP and a batch). Nothing is kept in memory
 * for that, so nothing is lost with it, and a batch that is taken back takes its marks back.
 *
 *     marks    't' type 0 sequence 8 | 'c' correlation 0 sequence 8       -> piece
 *     piece    for each event: the sequence of the key minus its own, u16, falling
 *
 * The sequence of a key is that of the last event as the piece was made; it stays when that event
 * is erased.
 */
#ifndef MARKS_H
#define MARKS_H

#include "env.h"
#include "limits.h"

#define MARKS_STEP  512u /* events without marks, before the next ones get theirs */
#define PIECE_MAX   512u /* sequences */
#define PIECE_BYTES (2 * PIECE_MAX)
#define MARK_PREFIX (2u + (MAX_CORRELATION > MAX_TYPE ? MAX_CORRELATION : MAX_TYPE))
#define MARK_KEY    (MARK_PREFIX + 8u)

struct store;

/* Of the writer thread: marks that are being made. */
struct marks {
    uint8_t *mem;
    size_t len, size;
    struct mark {
        size_t at; /* of its key in `mem` */
        size_t len;
    } * all;
    size_t n, room;
};

/* A piece as it was read, its sequences rising. */
struct piece {
    uint64_t sequences[PIECE_MAX];
    unsigned n;
};

/* Writer, at the end of a batch: marks for the events that have none, once they are enough. */
int marks_flush(struct store *s, DB_TXN *txn);
void marks_done(struct store *s);
/* Writer: takes out the mark of an event that is erased. */
int marks_drop(struct store *s, DB_TXN *txn, char letter, struct aiex_slice text,
               uint64_t sequence);

/* The key of a mark; its length without the sequence is 8 less. */
size_t mark_key(char letter, struct aiex_slice text, uint64_t sequence, uint8_t key[MARK_KEY]);
/* 0, -EBADMSG. */
int piece_read(const DBT *key, const DBT *value, struct piece *ret);
/* Any thread: 1 when there is a mark with this key, 0, or negative errno. */
int marks_have(struct env *e, DB_TXN *txn, const uint8_t *key, size_t len);

#endif
