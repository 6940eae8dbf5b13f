/*
 * room.c - bytes: who takes them, who gives them back, who has to go.
 *
 * `bytes` is raised before memory is taken and lowered after it was freed, and raising it stops at
 * `max_bytes`: what the cache holds never passes its limit. Entries are evicted from one shard
 * after the other, so that one large value does not empty its own shard.
 */
#include "shard.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

int room_try(struct aiex_cache *c, size_t n)
{
    size_t held = atomic_load_explicit(&c->bytes, memory_order_relaxed);

    for (;;) {
        size_t max = atomic_load_explicit(&c->max_bytes, memory_order_relaxed);

        if (n > max || held > max - n)
            return -ENOSPC;
        if (atomic_compare_exchange_weak(&c->bytes, &held, held + n))
            return 0;
    }
}

void room_give(struct aiex_cache *c, size_t n)
{
    atomic_fetch_sub(&c->bytes, n);
}

int room_take(struct aiex_cache *c, size_t n, uint64_t now, uint64_t *evicted)
{
    size_t tables = atomic_load_explicit(&c->table_bytes, memory_order_relaxed);
    size_t max = atomic_load_explicit(&c->max_bytes, memory_order_relaxed);

    if (tables > max || n > max - tables)
        return -EFBIG; /* evicting everything would not help */
    while (room_try(c, n) != 0)
        if (!room_evict_any(c, now, evicted))
            return -EFBIG;
    return 0;
}

int room_evict(struct aiex_cache *c, struct shard *s, uint64_t now, struct entry **ret_gone)
{
    struct entry *e = policy_victim(s, now);

    if (!e)
        return 0;
    if (entry_over(e, now)) {
        entry_unlink(c, s, e, AIEX_CACHE_EXPIRED);
    } else {
        policy_remember(s, e);
        entry_unlink(c, s, e, AIEX_CACHE_EVICTED);
    }
    *ret_gone = e;
    return 1;
}

/* The bytes that came back; 0 = all shards are empty. */
static size_t evict_one(struct aiex_cache *c, uint64_t now, uint64_t *evicted)
{
    for (unsigned i = 0; i < c->n_shards; i++) {
        unsigned at = atomic_fetch_add(&c->evict_hand, 1) & (c->n_shards - 1);
        struct shard *s = &c->shards[at];
        struct entry *gone = NULL;
        int live = 0;

        pthread_mutex_lock(&s->lock);
        if (room_evict(c, s, now, &gone))
            live = !entry_over(gone, now);
        pthread_mutex_unlock(&s->lock);
        if (!gone)
            continue;
        *evicted += (uint64_t)live;
        return entry_drop(c, gone);
    }
    return 0;
}

int room_evict_any(struct aiex_cache *c, uint64_t now, uint64_t *evicted)
{
    return evict_one(c, now, evicted) != 0;
}

/* Another size for the table; nothing happens when there is no room or memory, or when the shard
 * changed meanwhile. */
static void rebuild(struct aiex_cache *c, struct shard *s, unsigned from, unsigned to)
{
    size_t cost = places_cost(to), back = cost;
    struct place *block;

    if (room_try(c, cost) != 0)
        return;
    block = places_new(to);
    if (block) {
        pthread_mutex_lock(&s->lock);
        if (s->bits == from && s->n <= places_wanted(to)) {
            block = places_move(s, block, to);
            back = places_cost(from);
        }
        pthread_mutex_unlock(&s->lock);
        free(block);
    }
    room_give(c, back);
    if (back != cost)
        atomic_fetch_add(&c->table_bytes, cost - back); /* may wrap: to < from */
}

void room_grow(struct aiex_cache *c, struct shard *s)
{
    unsigned bits;
    int full;

    pthread_mutex_lock(&s->lock);
    bits = s->bits;
    full = s->n >= places_wanted(bits);
    pthread_mutex_unlock(&s->lock);
    if (full && bits < 31)
        rebuild(c, s, bits, bits + 1);
}

static void make_smaller(struct aiex_cache *c, struct shard *s)
{
    unsigned bits, to;

    pthread_mutex_lock(&s->lock);
    bits = to = s->bits;
    while (to > MIN_BITS && s->n < places_wanted(to) / 4)
        to--;
    pthread_mutex_unlock(&s->lock);
    if (to < bits)
        rebuild(c, s, bits, to);
}

static int too_much(struct aiex_cache *c)
{
    uint64_t most = atomic_load(&c->max_entries);

    return atomic_load(&c->bytes) > atomic_load(&c->max_bytes) ||
           (most && atomic_load(&c->entries) > most);
}

void aiex_cache_resize(struct aiex_cache *c, size_t max_bytes, uint64_t max_entries, uint64_t now)
{
    uint64_t evicted = 0;
    size_t least = (size_t)AIEX_CACHE_MIN_BYTES * c->n_shards;

    atomic_store(&c->max_bytes, max_bytes < least ? least : max_bytes);
    atomic_store(&c->max_entries, max_entries);
    while (too_much(c) && evict_one(c, now, &evicted))
        ;
    for (unsigned i = 0; i < c->n_shards; i++)
        make_smaller(c, &c->shards[i]);
    /* tables alone may be too large: make_smaller() needs room for the new one first */
    while (too_much(c) && evict_one(c, now, &evicted))
        ;
}

size_t aiex_cache_shrink(struct aiex_cache *c, size_t bytes, uint64_t now)
{
    size_t before = atomic_load(&c->bytes), after;
    size_t goal = bytes < before ? before - bytes : 0;
    uint64_t evicted = 0;

    while (atomic_load(&c->bytes) > goal && evict_one(c, now, &evicted))
        ;
    for (unsigned i = 0; i < c->n_shards; i++)
        make_smaller(c, &c->shards[i]);
    malloc_trim(0); /* to the system, which is who asked */
    after = atomic_load(&c->bytes);
    return before > after ? before - after : 0;
}

/* Chained by `newer`; without the lock. */
static void drop_all(struct aiex_cache *c, struct entry *gone)
{
    while (gone) {
        struct entry *next = gone->newer;

        entry_drop(c, gone);
        gone = next;
    }
}

/* Up to `steps` places of one shard; what removing moves into a place is looked at again. `*round`:
 * the shard's last place was reached. */
static uint64_t sweep_shard(struct aiex_cache *c, struct shard *s, uint64_t *steps, int *round,
                            uint64_t now)
{
    struct entry *gone = NULL;
    uint64_t n = 0;

    pthread_mutex_lock(&s->lock);
    if (!s->n_expiring) {
        *steps -= *steps < 1u << MIN_BITS ? *steps : 1u << MIN_BITS;
        *round = 1;
    }
    while (*steps && !*round) {
        struct entry *e = s->places[s->hand].e;

        --*steps;
        if (e && entry_over(e, now)) {
            entry_unlink(c, s, e, AIEX_CACHE_EXPIRED);
            e->newer = gone;
            gone = e;
            n++;
            continue;
        }
        s->hand = (s->hand + 1) & (((uint64_t)1 << s->bits) - 1);
        *round = s->hand == 0;
    }
    pthread_mutex_unlock(&s->lock);
    drop_all(c, gone);
    return n;
}

uint64_t aiex_cache_sweep(struct aiex_cache *c, uint64_t steps, uint64_t now)
{
    uint64_t n = 0;

    while (steps) {
        unsigned at = atomic_load(&c->sweep_hand) & (c->n_shards - 1);
        int round = 0;

        n += sweep_shard(c, &c->shards[at], &steps, &round, now);
        if (round)
            atomic_fetch_add(&c->sweep_hand, 1);
    }
    return n;
}

static uint64_t prune_shard(struct aiex_cache *c, struct shard *s,
                            int (*drop)(void *arg, const struct aiex_cache_view *entry), void *arg,
                            int why)
{
    struct entry *gone = NULL;
    struct aiex_cache_view v;
    uint64_t n = 0;

    pthread_mutex_lock(&s->lock);
    for (uint64_t i = 0; i < (uint64_t)1 << s->bits;) {
        struct entry *e = s->places[i].e;

        if (e)
            entry_view(e, &v);
        if (!e || !drop(arg, &v)) {
            i++;
            continue;
        }
        entry_unlink(c, s, e, why); /* another one may have come to this place */
        e->newer = gone;
        gone = e;
        n++;
    }
    pthread_mutex_unlock(&s->lock);
    drop_all(c, gone);
    return n;
}

uint64_t aiex_cache_prune(struct aiex_cache *c,
                          int (*drop)(void *arg, const struct aiex_cache_view *entry), void *arg,
                          int why)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < c->n_shards; i++)
        n += prune_shard(c, &c->shards[i], drop, arg, why);
    return n;
}
