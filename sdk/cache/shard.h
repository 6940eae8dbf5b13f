/*
 * shard.h - the parts of the cache, for its own files only.
 *
 *     cache.c       new, free, get, edit, put, delete, stats
 *     room.c        bytes: taking them, evicting, limits, sweeping, shrinking
 *     places.c      the hash table of a shard: open addressing, linear probing
 *     policy.c      S3-FIFO: two queues and the ghosts of what left the first
 *     uses.c        entries by the power of two of their uses; candidates for other tiers
 *
 * All that a shard has belongs to its lock; `bytes` and the limits of the cache are atomic. No lock
 * is ever taken while another is held.
 */
#ifndef CACHE_SHARD_H
#define CACHE_SHARD_H

#include "aiex_cache.h"

#include <pthread.h>
#include <stdatomic.h>

#define N_CLASSES 33u /* uses 0, 1, 2-3, 4-7 ... */

enum { SMALL, MAIN, N_QUEUES };

/* What a get writes stands together, next to the key. */
struct entry {
    struct entry *newer, *older;             /* in its queue */
    struct entry *class_newer, *class_older; /* in its class of uses */
    uint64_t hash, created_ms, tag;
    uint64_t expires_ms; /* 0 = never */
    uint32_t value_len;
    uint16_t key_len, meta_len;
    uint32_t uses, cost;
    uint8_t freq, queue, use_class;
    uint8_t bytes[]; /* key, meta, value */
};

struct list {
    struct entry *newest, *oldest;
};

struct place {
    uint64_t hash;
    struct entry *e; /* NULL = free */
};

struct ghost {
    uint32_t print; /* of the key's hash; 0 = free */
    uint32_t stamp; /* the policy's clock when it left */
};

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    unsigned bits; /* 2^bits places, half as many ghosts; one block of memory */
    uint64_t n;    /* entries */
    uint64_t hand; /* of the sweep */
    struct place *places;
    struct ghost *ghosts;
    uint32_t clock; /* ghosts so far */
    struct list queues[N_QUEUES];
    size_t queue_bytes[N_QUEUES];
    struct list classes[N_CLASSES];
    uint64_t n_expiring; /* entries with an end */
    uint64_t hits, misses, puts, evictions, expired;
};

struct aiex_cache {
    uint64_t secret[2];
    unsigned n_shards;
    void (*removed)(void *arg, const struct aiex_cache_view *entry, int why);
    void *arg;
    atomic_size_t bytes, table_bytes, max_bytes;
    atomic_uint_fast64_t entries, max_entries;
    atomic_uint evict_hand, sweep_hand;
    struct shard shards[];
};

/* ---- Entries ---- */

static inline uint8_t *entry_value(const struct entry *e)
{
    return (uint8_t *)(uintptr_t)e->bytes + e->key_len + e->meta_len;
}

static inline int entry_over(const struct entry *e, uint64_t now)
{
    return e->expires_ms && e->expires_ms <= now;
}

/* What it costs: the allocator's block, with its head. */
static inline size_t entry_cost(const struct entry *e)
{
    return e->cost;
}

void entry_view(const struct entry *e, struct aiex_cache_view *ret_view);
/* Takes it out of queue, class, places and sums and tells `removed`; the caller frees it and gives
 * back its cost behind the lock. */
void entry_unlink(struct aiex_cache *c, struct shard *s, struct entry *e, int why);
/* Frees and gives back; without the lock. NULL is fine. The bytes. */
size_t entry_drop(struct aiex_cache *c, struct entry *e);

static inline void list_add(struct list *l, struct entry *e)
{
    e->older = l->newest;
    e->newer = NULL;
    if (l->newest)
        l->newest->newer = e;
    else
        l->oldest = e;
    l->newest = e;
}

static inline void list_take(struct list *l, struct entry *e)
{
    if (e->newer)
        e->newer->older = e->older;
    else
        l->newest = e->older;
    if (e->older)
        e->older->newer = e->newer;
    else
        l->oldest = e->newer;
}

/* ---- places.c ---- */

#define MIN_BITS 6u

size_t places_cost(unsigned bits);
/* A block for 2^bits places; NULL without memory. */
struct place *places_new(unsigned bits);
struct place *places_find(const struct shard *s, uint64_t hash, struct aiex_slice key);
void places_add(struct shard *s, struct entry *e); /* a place is free: the caller saw to it */
void places_take(struct shard *s, struct entry *e);
/* Puts `e` in the place of `old`, which has the same key. */
void places_swap(struct shard *s, const struct entry *old, struct entry *e);
/* Moves all into the new block. The old one: free() it. */
struct place *places_move(struct shard *s, struct place *block, unsigned bits);

static inline uint64_t places_wanted(unsigned bits)
{
    return (3ull << bits) / 4; /* more entries: a larger table is wanted */
}

static inline uint64_t places_most(unsigned bits)
{
    return (7ull << bits) / 8; /* never more */
}

/* ---- policy.c ---- */

void policy_add(struct shard *s, struct entry *e);
void policy_take(struct shard *s, struct entry *e);
/* `e` takes the position of `old`. */
void policy_swap(struct shard *s, struct entry *old, struct entry *e);
/* The entry that has to go, or one that is expired; NULL when there is none. It stays linked. */
struct entry *policy_victim(struct shard *s, uint64_t now);
/* It went for want of room: remembered for a while. */
void policy_remember(struct shard *s, const struct entry *e);
/* Ghosts of the old block go into that of the new one. */
void policy_move(struct ghost *to, unsigned to_bits, const struct ghost *from, unsigned from_bits);

static inline void policy_hit(struct entry *e)
{
    if (e->freq < 3)
        e->freq++;
}

/* ---- uses.c ---- */

void uses_add(struct shard *s, struct entry *e);
void uses_take(struct shard *s, struct entry *e);

static inline unsigned uses_class(uint32_t uses)
{
    return uses ? 32u - (unsigned)__builtin_clz(uses) : 0;
}

static inline void uses_settle(struct shard *s, struct entry *e)
{
    if (uses_class(e->uses) != e->use_class) {
        uses_take(s, e);
        uses_add(s, e);
    }
}

static inline void uses_hit(struct shard *s, struct entry *e)
{
    if (e->uses < UINT32_MAX)
        e->uses++;
    uses_settle(s, e);
}

/* The key was put again and had `uses`: they are the key's, not the value's. */
static inline void uses_keep(struct shard *s, struct entry *e, uint32_t uses)
{
    if (e->uses < uses)
        e->uses = uses;
    uses_settle(s, e);
}

/* ---- room.c ---- */

/* Counts `n` bytes as held; entries go for them. 0, -EFBIG (nothing left to go). */
int room_take(struct aiex_cache *c, size_t n, uint64_t now, uint64_t *evicted);
/* The same when they are free now, else -ENOSPC. */
int room_try(struct aiex_cache *c, size_t n);
void room_give(struct aiex_cache *c, size_t n);
/* One entry of this shard goes: 1, or 0 when it has none. The lock is held; *ret_gone is for
 * entry_drop() behind it. */
int room_evict(struct aiex_cache *c, struct shard *s, uint64_t now, struct entry **ret_gone);
/* One entry of any shard. 0 when all are empty. */
int room_evict_any(struct aiex_cache *c, uint64_t now, uint64_t *evicted);
/* Sees to it that one more entry has a place, if need be without the lock: a larger table. */
void room_grow(struct aiex_cache *c, struct shard *s);

#endif
