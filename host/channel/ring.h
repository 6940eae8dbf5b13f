/*
 * ring.h - one direction of a channel: a byte ring in shared memory with one
 * producer and one consumer, in different processes that do not trust each other.
 *
 * The data area is mapped twice in a row, so that no record wraps. Each side keeps
 * its own index privately; what the other side wrote into shared words is checked
 * before use, and a record's header is copied out before it is judged. A violation
 * sets `bad` and nothing more is read or written: the owner ends the peer.
 *
 * Sleeping and waking (Dekker's pattern): a consumer stores sleeping = 1, fences,
 * looks once more, then blocks; a producer publishes, fences, swaps sleeping to 0 and
 * writes the eventfd if it was 1. Space is waited for the same way with want_space.
 *
 * Memory file: [control page 0][control page 1][data 0][data 1], sealed against
 * shrinking: a peer that could truncate it would kill us with SIGBUS.
 */
#ifndef AIEX_CHANNEL_RING_H
#define AIEX_CHANNEL_RING_H

#include "wire/record.h"

#include <stdatomic.h>

#define RING_PAGE 4096u
#define RING_MIN  (64u * 1024u)
#define RING_MAX  (16u * 1024u * 1024u)

/* One page per ring, each word on a cache line of its own and written by one side. */
struct ring_control {
    _Alignas(128) _Atomic uint64_t tail;       /* producer: bytes published */
    _Alignas(128) _Atomic uint64_t head;       /* consumer: bytes given back */
    _Alignas(128) _Atomic uint32_t sleeping;   /* consumer is about to block */
    _Alignas(128) _Atomic uint32_t want_space; /* producer waits for room */
    _Alignas(128) _Atomic uint64_t progress;   /* consumer: moves while it lives, for the watchdog */
    _Atomic uint64_t started; /* consumer: position behind the last request handed to a plugin */
};

struct ring {
    struct ring_control *control;
    uint8_t *data;
    uint64_t size;
    uint64_t pos;       /* own index */
    uint64_t peer;      /* last checked index of the other side */
    uint64_t published; /* own index as the other side knows it */
    int bad;
};

/* Bytes of a memory file for two rings of `size` (a power of two, RING_MIN..RING_MAX). */
uint64_t ring_file_bytes(uint64_t size);
/* Maps ring `which` (0, 1) of the file. 0 or negative errno. */
int ring_map(struct ring *r, int fd, int which, uint64_t size);
void ring_unmap(struct ring *r);
/* Takes up a ring where another process image left it (re-exec). */
void ring_resume(struct ring *r, uint64_t pos, int producer);

static inline uint64_t ring_need(uint32_t body)
{
    return ((uint64_t)sizeof(struct record) + body + 7u) & ~(uint64_t)7u;
}

/* Producer: where a body of `len` bytes goes, or NULL when there is no room now (or bad). */
uint8_t *ring_reserve(struct ring *r, uint32_t len);
/* Producer: the reserved record is complete. Returns its position (for `started`). */
uint64_t ring_commit(struct ring *r, const struct record *head);
void ring_publish(struct ring *r);

/* Consumer: the next record's body or NULL; *head is a checked private copy. */
const uint8_t *ring_peek(struct ring *r, struct record *head);
void ring_consume(struct ring *r, const struct record *head);
/* Consumer: gives the space of consumed records back. */
void ring_release(struct ring *r);

/* Whether something is there to read. */
static inline int ring_readable(struct ring *r)
{
    return r->peer != r->pos || atomic_load_explicit(&r->control->tail, memory_order_acquire) != r->pos;
}

#endif
