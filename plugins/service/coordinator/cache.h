/*
 * cache.h - answers to requests that were asked before, word for word.
 *
 * The key is 128 bits over everything that makes an answer differ: method, dialect, model as asked
 * for, whether it streams, whose it is, and the body without blanks between its tokens. Bounded in
 * bytes, the least recently used entry leaves first. An entry older than the time to live is no
 * hit, but stays until room is needed: when no provider answers, an old answer is better than
 * none. Pure; the caller brings the clock.
 */
#ifndef COORDINATOR_CACHE_H
#define COORDINATOR_CACHE_H

#include "siphash.h"
#include "tape.h"

struct cache;

struct cache *cache_new(size_t max_bytes); /* NULL: no memory */
void cache_free(struct cache *c);          /* NULL is fine */
/* Smaller or larger from now on. */
void cache_resize(struct cache *c, size_t max_bytes);
/* An answer that is at most `ttl_ms` old, or NULL. Take a reference to keep it. */
struct tape *cache_find(struct cache *c, struct hash128 key, uint64_t now_ms, uint64_t ttl_ms);
/* Keeps a reference of its own; an older answer of the key goes. What is larger than a quarter of
 * the cache is not kept. */
void cache_put(struct cache *c, struct hash128 key, struct tape *t, uint64_t now_ms);
size_t cache_bytes(const struct cache *c);
size_t cache_count(const struct cache *c);

uint64_t cache_evictions(const struct cache *c); /* entries that left for room */

/* Gives a JSON text without blanks outside of its strings to `add`, piece by piece. */
typedef void (*cache_add_fn)(void *arg, const void *bytes, size_t len);
void cache_add_json(cache_add_fn add, void *arg, struct aiex_slice json);

#endif
