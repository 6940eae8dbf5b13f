#include "cache.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024u

struct entry {
    struct entry *chain, *newer, *older;
    struct hash128 key;
    uint64_t made_ms;
    size_t bytes;
    struct tape *tape;
};

struct cache {
    size_t max, bytes, n;
    uint64_t evictions;
    struct entry *newest, *oldest;
    struct entry *buckets[BUCKETS];
};

struct cache *cache_new(size_t max_bytes)
{
    struct cache *c = calloc(1, sizeof(*c));

    if (c)
        c->max = max_bytes;
    return c;
}

static struct entry **slot_of(struct cache *c, struct hash128 key)
{
    struct entry **at = &c->buckets[key.a % BUCKETS];

    while (*at && ((*at)->key.a != key.a || (*at)->key.b != key.b))
        at = &(*at)->chain;
    return at;
}

static void unlink_use(struct cache *c, struct entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
}

static void link_newest(struct cache *c, struct entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void drop(struct cache *c, struct entry *e)
{
    *slot_of(c, e->key) = e->chain;
    unlink_use(c, e);
    c->bytes -= e->bytes;
    c->n--;
    tape_unref(e->tape);
    free(e);
}

static void evict(struct cache *c)
{
    drop(c, c->oldest);
    c->evictions++;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    while (c->oldest)
        drop(c, c->oldest);
    free(c);
}

void cache_resize(struct cache *c, size_t max_bytes)
{
    c->max = max_bytes;
    while (c->bytes > c->max)
        evict(c);
}

struct tape *cache_find(struct cache *c, struct hash128 key, uint64_t now_ms, uint64_t ttl_ms)
{
    struct entry *e = *slot_of(c, key);

    if (!e || now_ms - e->made_ms > ttl_ms)
        return NULL;
    unlink_use(c, e);
    link_newest(c, e);
    return e->tape;
}

void cache_put(struct cache *c, struct hash128 key, struct tape *t, uint64_t now_ms)
{
    struct entry **slot = slot_of(c, key), *e = *slot;
    size_t bytes = tape_bytes(t) + sizeof(*e);

    if (e) {
        drop(c, e);
        slot = slot_of(c, key);
    }
    if (t->over || bytes > c->max / 4)
        return;
    e = calloc(1, sizeof(*e));
    if (!e)
        return;
    while (c->bytes + bytes > c->max)
        evict(c);
    slot = slot_of(c, key);
    e->key = key;
    e->made_ms = now_ms;
    e->bytes = bytes;
    e->tape = tape_ref(t);
    *slot = e;
    link_newest(c, e);
    c->bytes += bytes;
    c->n++;
}

size_t cache_bytes(const struct cache *c)
{
    return c->bytes;
}

size_t cache_count(const struct cache *c)
{
    return c->n;
}

uint64_t cache_evictions(const struct cache *c)
{
    return c->evictions;
}

void cache_add_json(cache_add_fn add, void *arg, struct aiex_slice json)
{
    const uint8_t *at = json.data, *end = at + json.len, *from = at;
    uint64_t mark = 0x6a736f6e;
    int text = 0;

    add(arg, &mark, sizeof(mark));
    for (; at < end; at++) {
        if (text) {
            if (*at == '\\' && at + 1 < end)
                at++;
            else if (*at == '"')
                text = 0;
        } else if (*at == '"') {
            text = 1;
        } else if (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') {
            add(arg, from, (size_t)(at - from));
            from = at + 1;
        }
    }
    add(arg, from, (size_t)(end - from));
}
