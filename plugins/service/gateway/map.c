/* map.c - see map.h. */
#include "map.h"

#include <errno.h>

int map_init(struct map *m, const struct aiex_host *host, size_t n_slots)
{
    m->host = host;
    m->n = 0;
    m->n_slots = n_slots;
    m->slots = host->alloc(host, n_slots * sizeof(struct map_node *));
    return m->slots ? 0 : -ENOMEM;
}

void map_done(struct map *m)
{
    if (m->host)
        m->host->release(m->host, m->slots);
    m->slots = NULL;
    m->n = 0;
}

static struct map_node **slot_of(const struct map *m, uint64_t hash)
{
    return &m->slots[hash & (m->n_slots - 1)];
}

/* Without memory the chains get longer, nothing else. */
static void grow(struct map *m)
{
    struct map bigger = {.host = m->host};

    if (map_init(&bigger, m->host, m->n_slots * 2) != 0)
        return;
    for (size_t i = 0; i < m->n_slots; i++)
        while (m->slots[i]) {
            struct map_node *node = m->slots[i];

            m->slots[i] = node->next;
            map_put(&bigger, node, node->hash);
        }
    m->host->release(m->host, m->slots);
    *m = bigger;
}

void map_put(struct map *m, struct map_node *node, uint64_t hash)
{
    struct map_node **slot;

    if (m->n >= m->n_slots)
        grow(m);
    slot = slot_of(m, hash);
    node->hash = hash;
    node->next = *slot;
    *slot = node;
    m->n++;
}

void map_remove(struct map *m, struct map_node *node)
{
    struct map_node **at = slot_of(m, node->hash);

    while (*at && *at != node)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = node->next;
    node->next = NULL;
    m->n--;
}

static struct map_node *same(struct map_node *node, uint64_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct map_node *map_first(const struct map *m, uint64_t hash)
{
    return same(*slot_of(m, hash), hash);
}

struct map_node *map_next(const struct map_node *node)
{
    return same(node->next, node->hash);
}

struct map_node *map_walk(const struct map *m, size_t *at, struct map_node *last)
{
    if (last && last->next)
        return last->next;
    while (*at < m->n_slots)
        if (m->slots[(*at)++])
            return m->slots[*at - 1];
    return NULL;
}

uint64_t map_hash_number(uint64_t n)
{
    n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
    n = (n ^ n >> 27) * 0x94d049bb133111ebu;
    return n ^ n >> 31;
}

uint64_t map_hash(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint64_t h = 0xcbf29ce484222325u;

    while (n--)
        h = (h ^ *p++) * 0x100000001b3u;
    return map_hash_number(h);
}
