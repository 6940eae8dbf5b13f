/*
 * aiex_cache.h - a table in memory that never holds more than it may.
 *
 * Keys and values are bytes. Every byte that an entry costs is counted: key, value, head, what the
 * allocator adds, its place in the table, the memory of the policy. The sum never passes
 * `max_bytes`: room is made before anything is taken. Who has to go is decided by S3-FIFO (Yang et
 * al., SOSP 2023), which docs/decisions/016-cache-policy.md compares with others.
 *
 *     struct aiex_cache *c = aiex_cache_new(&(struct aiex_cache_options){.max_bytes = 64 << 20});
 *     aiex_cache_put(c, &(struct aiex_cache_put){.key = k, .value = v}, now, NULL);
 *     if (aiex_cache_get(c, k, AIEX_CACHE_TOUCH, now, copy_out, &mine) == 1)
 *         ...
 *     aiex_cache_sweep(c, 1000, now);        now and then: expired entries give their memory back
 *     aiex_cache_free(c);
 *
 * Time is the caller's: `now` are milliseconds of a clock that does not go back. An entry whose
 * time is over is never returned, swept or not.
 *
 * Threads: any, at the same time, but for new and free. Keys are spread over shards by SipHash-1-3
 * with a random key, so nobody outside can make them collide; each shard has a lock. Callbacks run
 * with a shard locked: they copy what they need, do not block and do not call the cache again.
 *
 * Ownership: the cache copies what it is given. Pointers in a view die when the callback returns.
 */
#ifndef AIEX_CACHE_H
#define AIEX_CACHE_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_CACHE_MAX_KEY    65535u
#define AIEX_CACHE_MAX_META   65535u
#define AIEX_CACHE_MAX_SHARDS 256u
#define AIEX_CACHE_MIN_BYTES  16384u /* the least max_bytes for each shard */

struct aiex_cache;

/* An entry as a callback sees it. */
struct aiex_cache_view {
    struct aiex_slice key, value, meta;
    uint64_t tag;        /* the caller's own number */
    uint64_t created_ms; /* when it was put */
    uint64_t expires_ms; /* 0 = never */
    uint32_t uses;       /* of the key: gets with TOUCH, and what it was put with */
    size_t bytes;        /* what it costs */
};

typedef void (*aiex_cache_fn)(void *arg, const struct aiex_cache_view *entry);

/* Why an entry went. */
#define AIEX_CACHE_EVICTED  1 /* for want of room */
#define AIEX_CACHE_EXPIRED  2
#define AIEX_CACHE_REPLACED 3 /* by a put of the same key */
#define AIEX_CACHE_DELETED  4

struct aiex_cache_options {
    size_t max_bytes;     /* at least AIEX_CACHE_MIN_BYTES for each shard */
    uint64_t max_entries; /* 0 = as many as fit */
    unsigned shards;      /* a power of two up to AIEX_CACHE_MAX_SHARDS; 0 = 1 */
    /* Told of every entry that goes, with its shard locked; may be NULL. Not at free. */
    void (*removed)(void *arg, const struct aiex_cache_view *entry, int why);
    void *arg;
};

/* NULL: no memory, no randomness, or options out of range. */
struct aiex_cache *aiex_cache_new(const struct aiex_cache_options *options);
/* NULL is fine. No other thread may be inside. */
void aiex_cache_free(struct aiex_cache *c);

#define AIEX_CACHE_TOUCH 1u /* counts as use: for eviction, `uses`, and as hit or miss */

/* 1 and fn(arg, entry) was called (fn may be NULL); 0 when the key is not there. */
int aiex_cache_get(struct aiex_cache *c, struct aiex_slice key, unsigned flags, uint64_t now,
                   aiex_cache_fn fn, void *arg);
/* The same without counting, and fn may change the bytes of the value in their place. */
int aiex_cache_edit(struct aiex_cache *c, struct aiex_slice key, uint64_t now,
                    void (*fn)(void *arg, const struct aiex_cache_view *entry, uint8_t *value),
                    void *arg);

struct aiex_cache_put {
    struct aiex_slice key, value, meta;
    uint64_t tag;
    uint64_t ttl_ms; /* 0 = until evicted */
    uint64_t age_ms; /* it was made that long ago */
    uint32_t uses;   /* carried over from elsewhere; a known key keeps its own when they are more */
    int if_absent;
};

/* Puts or replaces. `*ret_evicted` (may be NULL) is how many entries had to go for it. 0, -EEXIST
 * (if_absent), -EFBIG (larger than the whole table), -EINVAL (key or meta too long), -ENOMEM. On
 * failure the key is as it was, but others may have gone. */
int aiex_cache_put(struct aiex_cache *c, const struct aiex_cache_put *put, uint64_t now,
                   uint64_t *ret_evicted);
/* 1 when it was there, 0 when not. */
int aiex_cache_delete(struct aiex_cache *c, struct aiex_slice key, uint64_t now);

/* Other limits from now on; entries go until they are kept. */
void aiex_cache_resize(struct aiex_cache *c, size_t max_bytes, uint64_t max_entries, uint64_t now);
/* Entries go as if `bytes` less were allowed, and tables that are too large for what is left are
 * made smaller. The bytes that came back; may be less when nothing is left. */
size_t aiex_cache_shrink(struct aiex_cache *c, size_t bytes, uint64_t now);
/* Looks at the next `steps` places of the table and removes what is expired; going round is
 * aiex_cache_stats.places steps. How many entries went. */
uint64_t aiex_cache_sweep(struct aiex_cache *c, uint64_t steps, uint64_t now);

/* Removes every entry for which drop() says 1; `why` is what `removed` is told. Looks at all of
 * them, a shard at a time. How many went. */
uint64_t aiex_cache_prune(struct aiex_cache *c,
                          int (*drop)(void *arg, const struct aiex_cache_view *entry), void *arg,
                          int why);

/* An entry that another tier may want. */
struct aiex_cache_candidate {
    struct aiex_slice key;
    uint64_t created_ms;
    uint32_t uses;
    size_t bytes;
};

#define AIEX_CACHE_UP   0 /* used most */
#define AIEX_CACHE_DOWN 1 /* used least */

/* Up to `limit` entries, the best first. Time grows with the limit, not with the table: entries are
 * kept by the power of two of their uses, so what is left out may be better by less than a factor
 * of two. 0 and *ret_list (free() it; keys inside; NULL when *ret_n is 0), or -ENOMEM. */
int aiex_cache_candidates(struct aiex_cache *c, int direction, size_t limit, uint64_t now,
                          struct aiex_cache_candidate **ret_list, size_t *ret_n);

struct aiex_cache_stats {
    size_t bytes, max_bytes;
    uint64_t entries, places; /* places of the table, free ones too */
    uint64_t hits, misses, puts, evictions, expired;
};
void aiex_cache_stats(struct aiex_cache *c, struct aiex_cache_stats *ret_stats);
/* Bytes held now, alone and cheap. */
size_t aiex_cache_bytes(const struct aiex_cache *c);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_CACHE_H */
