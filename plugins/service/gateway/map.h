/*
 * map.h - a hash table of structs that carry their own node: keys by secret, keys by id,
 * requests by call, jobs by id. Nothing is allocated per entry; the table doubles as it fills.
 *
 * The caller gives hashes (map_hash() of a text, or bytes that are random already) and compares
 * what he finds. Thread rule: loop thread. Ownership: entries are the caller's.
 */
#ifndef GATEWAY_MAP_H
#define GATEWAY_MAP_H

#include <aiex/aiex_plugin.h>

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

struct map {
    const struct aiex_host *host;
    struct map_node **slots;
    size_t n_slots; /* a power of two */
    size_t n;
};

/* The struct that holds a node. */
#define map_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* 0, -ENOMEM. */
int map_init(struct map *m, const struct aiex_host *host, size_t n_slots);
void map_done(struct map *m); /* the entries stay the caller's */
void map_put(struct map *m, struct map_node *node, uint64_t hash);
void map_remove(struct map *m, struct map_node *node);
/* The first entry with this hash, and the one after `node` with the same hash. NULL: none. */
struct map_node *map_first(const struct map *m, uint64_t hash);
struct map_node *map_next(const struct map_node *node);
/* Walks all entries in no order; *at is 0 at the beginning. NULL at the end. Nothing may be put
 * or removed on the way. */
struct map_node *map_walk(const struct map *m, size_t *at, struct map_node *last);

/* FNV-1a with a final mix: for names that only admins choose, not for foreign bytes. */
uint64_t map_hash(const void *bytes, size_t n);
/* Spreads a number that is counted up. */
uint64_t map_hash_number(uint64_t n);

#endif
