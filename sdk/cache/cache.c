/* cache.c - life, look-up, putting and deleting. shard.h says who does the rest. */
#include "shard.h"
#include "sip.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MAX_VALUE (UINT32_MAX - (1u << 20))
#define IN_PLACE  4096u        /* bytes that may be written with the lock held */
#define MAPPED    (128u << 10) /* from here on the allocator may map pages */

/* ---- Entries ---- */

static size_t cost_of(struct entry *e)
{
    size_t n = malloc_usable_size(e);

    return n + (n < MAPPED ? 1 : 2) * sizeof(size_t);
}

/* What an entry of that many bytes will cost at most, before it is allocated. */
static size_t cost_before(size_t bytes)
{
    size_t n = (sizeof(struct entry) + bytes + sizeof(size_t) + 31) & ~(size_t)15;

    return bytes < MAPPED - 4096 ? n : ((n + sizeof(size_t) + 4095) & ~(size_t)4095);
}

void entry_view(const struct entry *e, struct aiex_cache_view *ret_view)
{
    *ret_view = (struct aiex_cache_view){
        .key = {e->bytes, e->key_len},
        .meta = {e->bytes + e->key_len, e->meta_len},
        .value = {entry_value(e), e->value_len},
        .tag = e->tag,
        .created_ms = e->created_ms,
        .expires_ms = e->expires_ms,
        .uses = e->uses,
        .bytes = entry_cost(e),
    };
}

static void tell(struct aiex_cache *c, const struct entry *e, int why)
{
    struct aiex_cache_view v;

    if (!c->removed)
        return;
    entry_view(e, &v);
    c->removed(c->arg, &v, why);
}

void entry_unlink(struct aiex_cache *c, struct shard *s, struct entry *e, int why)
{
    policy_take(s, e);
    uses_take(s, e);
    places_take(s, e);
    s->n_expiring -= e->expires_ms != 0;
    s->evictions += why == AIEX_CACHE_EVICTED;
    s->expired += why == AIEX_CACHE_EXPIRED;
    atomic_fetch_sub(&c->entries, 1);
    tell(c, e, why);
}

size_t entry_drop(struct aiex_cache *c, struct entry *e)
{
    size_t cost;

    if (!e)
        return 0;
    cost = entry_cost(e);
    free(e);
    room_give(c, cost);
    return cost;
}

/* ---- Life ---- */

static int shard_init(struct aiex_cache *c, struct shard *s)
{
    struct place *block = places_new(MIN_BITS);

    if (!block)
        return -ENOMEM;
    pthread_mutex_init(&s->lock, NULL);
    places_move(s, block, MIN_BITS);
    atomic_fetch_add(&c->table_bytes, places_cost(MIN_BITS));
    return 0;
}

struct aiex_cache *aiex_cache_new(const struct aiex_cache_options *o)
{
    unsigned n = o->shards ? o->shards : 1;
    size_t size = sizeof(struct aiex_cache) + n * sizeof(struct shard);
    struct aiex_cache *c;

    if (n > AIEX_CACHE_MAX_SHARDS || (n & (n - 1)) || o->max_bytes / n < AIEX_CACHE_MIN_BYTES)
        return NULL;
    c = aligned_alloc(_Alignof(struct shard), size + (-size & (_Alignof(struct shard) - 1)));
    if (!c)
        return NULL;
    memset(c, 0, size);
    c->removed = o->removed;
    c->arg = o->arg;
    atomic_store(&c->max_bytes, o->max_bytes);
    atomic_store(&c->max_entries, o->max_entries);
    atomic_store(&c->table_bytes, size);
    for (; c->n_shards < n; c->n_shards++)
        if (shard_init(c, &c->shards[c->n_shards]) != 0)
            goto failed;
    if (getrandom(c->secret, sizeof(c->secret), 0) != sizeof(c->secret))
        goto failed;
    atomic_store(&c->bytes, atomic_load(&c->table_bytes));
    return c;
failed:
    aiex_cache_free(c);
    return NULL;
}

void aiex_cache_free(struct aiex_cache *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < c->n_shards; i++) {
        struct shard *s = &c->shards[i];

        for (size_t k = 0; k < (size_t)1 << s->bits; k++)
            free(s->places[k].e);
        free(s->places);
        pthread_mutex_destroy(&s->lock);
    }
    free(c);
}

/* ---- Looking up ---- */

static inline struct shard *shard_of(struct aiex_cache *c, uint64_t hash)
{
    return &c->shards[hash & (c->n_shards - 1)];
}

/* The entry, if it is there and not over; an expired one goes (*ret_gone). Locked. */
static struct entry *find(struct aiex_cache *c, struct shard *s, uint64_t hash,
                          struct aiex_slice key, uint64_t now, struct entry **ret_gone)
{
    struct place *p = places_find(s, hash, key);
    struct entry *e = p ? p->e : NULL;

    if (!e || !entry_over(e, now))
        return e;
    entry_unlink(c, s, e, AIEX_CACHE_EXPIRED);
    *ret_gone = e;
    return NULL;
}

int aiex_cache_get(struct aiex_cache *c, struct aiex_slice key, unsigned flags, uint64_t now,
                   aiex_cache_fn fn, void *arg)
{
    uint64_t hash = sip_hash(c->secret, key.data, key.len);
    struct shard *s = shard_of(c, hash);
    struct entry *gone = NULL, *e;
    struct aiex_cache_view v;

    pthread_mutex_lock(&s->lock);
    e = find(c, s, hash, key, now, &gone);
    if (flags & AIEX_CACHE_TOUCH) {
        if (e) {
            policy_hit(e);
            uses_hit(s, e);
            s->hits++;
        } else {
            s->misses++;
        }
    }
    if (e && fn) {
        entry_view(e, &v);
        fn(arg, &v);
    }
    pthread_mutex_unlock(&s->lock);
    entry_drop(c, gone);
    return e != NULL;
}

int aiex_cache_edit(struct aiex_cache *c, struct aiex_slice key, uint64_t now,
                    void (*fn)(void *arg, const struct aiex_cache_view *entry, uint8_t *value),
                    void *arg)
{
    uint64_t hash = sip_hash(c->secret, key.data, key.len);
    struct shard *s = shard_of(c, hash);
    struct entry *gone = NULL, *e;
    struct aiex_cache_view v;

    pthread_mutex_lock(&s->lock);
    e = find(c, s, hash, key, now, &gone);
    if (e) {
        entry_view(e, &v);
        fn(arg, &v, entry_value(e));
    }
    pthread_mutex_unlock(&s->lock);
    entry_drop(c, gone);
    return e != NULL;
}

/* ---- Putting ---- */

static size_t length_of(const struct aiex_cache_put *p)
{
    return p->key.len + p->meta.len + p->value.len;
}

static void copy(uint8_t *to, struct aiex_slice from)
{
    if (from.len)
        memcpy(to, from.data, from.len);
}

/* All but links and hash. */
static void fill(struct entry *e, const struct aiex_cache_put *p, uint64_t now)
{
    e->key_len = (uint16_t)p->key.len;
    e->meta_len = (uint16_t)p->meta.len;
    e->value_len = (uint32_t)p->value.len;
    copy(e->bytes, p->key);
    copy(e->bytes + e->key_len, p->meta);
    copy(entry_value(e), p->value);
    e->tag = p->tag;
    e->uses = p->uses;
    e->created_ms = now - (p->age_ms < now ? p->age_ms : now);
    e->expires_ms = p->ttl_ms == 0                 ? 0
                    : p->ttl_ms > UINT64_MAX - now ? UINT64_MAX
                                                   : now + p->ttl_ms;
}

/* A small value over a small one of nearly its size: no allocation. Locked. 1 = done. */
static int overwrite(struct aiex_cache *c, struct shard *s, struct entry *e,
                     const struct aiex_cache_put *p, uint64_t now)
{
    size_t len = sizeof(*e) + length_of(p), have = entry_cost(e) - sizeof(size_t);
    uint32_t uses;

    if (len > have || len < have / 2 || len > IN_PLACE)
        return 0;
    tell(c, e, AIEX_CACHE_REPLACED);
    s->n_expiring -= e->expires_ms != 0;
    uses = e->uses;
    fill(e, p, now);
    uses_keep(s, e, uses);
    s->n_expiring += e->expires_ms != 0;
    policy_hit(e);
    s->puts++;
    return 1;
}

/* What needs no memory, in one locked step. 1 = all is done; an entry must be allocated: 0 = for a
 * new key, 2 = for a known one; -EEXIST. */
static int put_small(struct aiex_cache *c, struct shard *s, uint64_t hash,
                     const struct aiex_cache_put *p, uint64_t now)
{
    struct entry *gone = NULL, *e;
    int r = 0;

    pthread_mutex_lock(&s->lock);
    e = find(c, s, hash, p->key, now, &gone);
    if (e)
        r = p->if_absent ? -EEXIST : overwrite(c, s, e, p, now) ? 1 : 2;
    pthread_mutex_unlock(&s->lock);
    entry_drop(c, gone);
    return r;
}

static int allocate(struct aiex_cache *c, const struct aiex_cache_put *p, uint64_t hash,
                    uint64_t now, struct entry **ret_e, uint64_t *evicted)
{
    size_t guess = cost_before(length_of(p)), cost;
    struct entry *e;
    int r;

    r = room_take(c, guess, now, evicted);
    if (r < 0)
        return r;
    e = malloc(sizeof(*e) + length_of(p));
    cost = e ? cost_of(e) : 0;
    if (cost < guess)
        room_give(c, guess - cost);
    if (!e)
        return -ENOMEM;
    if (cost > guess && (r = room_take(c, cost - guess, now, evicted)) < 0) {
        free(e);
        room_give(c, guess);
        return r;
    }
    fill(e, p, now);
    e->cost = (uint32_t)cost;
    e->hash = hash;
    *ret_e = e;
    return 0;
}

/* One more entry may be counted. Threads that put at the same time may pass max_entries by one
 * each. */
static void room_for_one(struct aiex_cache *c, uint64_t now, uint64_t *evicted)
{
    uint64_t most = atomic_load_explicit(&c->max_entries, memory_order_relaxed);

    while (most && atomic_load_explicit(&c->entries, memory_order_relaxed) >= most)
        if (!room_evict_any(c, now, evicted))
            break;
}

/* Locked. What left is chained by `newer`. */
static void link_entry(struct aiex_cache *c, struct shard *s, struct entry *e, struct entry *old,
                       uint64_t now, struct entry **gone, uint64_t *evicted)
{
    if (old) {
        tell(c, old, AIEX_CACHE_REPLACED);
        places_swap(s, old, e);
        policy_swap(s, old, e);
        policy_hit(e);
        uses_take(s, old);
        if (e->uses < old->uses)
            e->uses = old->uses;
        s->n_expiring -= old->expires_ms != 0;
        old->newer = *gone;
        *gone = old;
    } else {
        while (s->n >= places_most(s->bits)) {
            struct entry *victim = NULL;

            room_evict(c, s, now, &victim);
            *evicted += !entry_over(victim, now);
            victim->newer = *gone;
            *gone = victim;
        }
        places_add(s, e);
        policy_add(s, e);
        atomic_fetch_add(&c->entries, 1);
    }
    uses_add(s, e);
    s->n_expiring += e->expires_ms != 0;
    s->puts++;
}

static int insert(struct aiex_cache *c, struct shard *s, struct entry *e, int if_absent,
                  uint64_t now, uint64_t *evicted)
{
    struct entry *gone = NULL, *old;
    int r = 0;

    room_grow(c, s);
    pthread_mutex_lock(&s->lock);
    old = find(c, s, e->hash, (struct aiex_slice){e->bytes, e->key_len}, now, &gone);
    if (gone)
        gone->newer = NULL;
    if (old && if_absent) { /* another thread was first */
        r = -EEXIST;
        e->newer = gone;
        gone = e;
    } else {
        link_entry(c, s, e, old, now, &gone, evicted);
    }
    pthread_mutex_unlock(&s->lock);
    while (gone) {
        struct entry *next = gone->newer;

        entry_drop(c, gone);
        gone = next;
    }
    return r;
}

int aiex_cache_put(struct aiex_cache *c, const struct aiex_cache_put *p, uint64_t now,
                   uint64_t *ret_evicted)
{
    uint64_t hash, evicted = 0;
    struct entry *e;
    struct shard *s;
    int r;

    if (p->key.len > AIEX_CACHE_MAX_KEY || p->meta.len > AIEX_CACHE_MAX_META)
        return -EINVAL;
    if (p->value.len > MAX_VALUE)
        return -EFBIG;
    hash = sip_hash(c->secret, p->key.data, p->key.len);
    s = shard_of(c, hash);
    r = put_small(c, s, hash, p, now);
    if (r == 0)
        room_for_one(c, now, &evicted);
    if (r == 0 || r == 2) {
        r = allocate(c, p, hash, now, &e, &evicted);
        if (r == 0)
            r = insert(c, s, e, p->if_absent, now, &evicted);
    }
    if (ret_evicted)
        *ret_evicted = evicted;
    return r < 0 ? r : 0;
}

int aiex_cache_delete(struct aiex_cache *c, struct aiex_slice key, uint64_t now)
{
    uint64_t hash = sip_hash(c->secret, key.data, key.len);
    struct shard *s = shard_of(c, hash);
    struct entry *gone = NULL, *e;

    pthread_mutex_lock(&s->lock);
    e = find(c, s, hash, key, now, &gone);
    if (e)
        entry_unlink(c, s, e, AIEX_CACHE_DELETED);
    pthread_mutex_unlock(&s->lock);
    entry_drop(c, gone);
    entry_drop(c, e);
    return e != NULL;
}

void aiex_cache_stats(struct aiex_cache *c, struct aiex_cache_stats *ret)
{
    *ret = (struct aiex_cache_stats){.bytes = atomic_load(&c->bytes),
                                     .max_bytes = atomic_load(&c->max_bytes)};
    for (unsigned i = 0; i < c->n_shards; i++) {
        struct shard *s = &c->shards[i];

        pthread_mutex_lock(&s->lock);
        ret->entries += s->n;
        ret->places += (uint64_t)1 << s->bits;
        ret->hits += s->hits;
        ret->misses += s->misses;
        ret->puts += s->puts;
        ret->evictions += s->evictions;
        ret->expired += s->expired;
        pthread_mutex_unlock(&s->lock);
    }
}

size_t aiex_cache_bytes(const struct aiex_cache *c)
{
    return atomic_load(&c->bytes);
}
