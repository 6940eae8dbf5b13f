/*
 * places.c - the hash table of a shard.
 *
 * Open addressing with linear probing: the home of a hash are its upper bits (the lower ones chose
 * the shard), so moving to a larger table goes through both in order. The whole hash stands beside
 * the pointer: a look-up reads no entry but the right one. Removing moves what follows back, so
 * there are no tombstones and a table of any age is as fast as a new one.
 */
#include "shard.h"

#include <stdlib.h>
#include <string.h>

size_t places_cost(unsigned bits)
{
    size_t n = (size_t)1 << bits;

    return n * sizeof(struct place) + n / 2 * sizeof(struct ghost) + 2 * sizeof(size_t);
}

struct place *places_new(unsigned bits)
{
    return calloc(1, places_cost(bits) - 2 * sizeof(size_t));
}

static struct ghost *ghosts_of(struct place *block, unsigned bits)
{
    return (struct ghost *)(void *)(block + ((size_t)1 << bits));
}

static inline size_t home_of(uint64_t hash, unsigned bits)
{
    return (size_t)(hash >> (64 - bits));
}

static inline size_t next(size_t i, unsigned bits)
{
    return (i + 1) & (((size_t)1 << bits) - 1);
}

struct place *places_find(const struct shard *s, uint64_t hash, struct aiex_slice key)
{
    for (size_t i = home_of(hash, s->bits); s->places[i].e; i = next(i, s->bits)) {
        const struct entry *e = s->places[i].e;

        if (s->places[i].hash != hash)
            continue;
        for (size_t line = 64; line <= 256; line += 64) /* an entry's lines come together: + 10 % */
            __builtin_prefetch((const char *)e + line);
        if (e->key_len == key.len && (!key.len || memcmp(e->bytes, key.data, key.len) == 0))
            return &s->places[i];
    }
    return NULL;
}

static void place(struct place *places, unsigned bits, uint64_t hash, struct entry *e)
{
    size_t i = home_of(hash, bits);

    while (places[i].e)
        i = next(i, bits);
    places[i] = (struct place){hash, e};
}

void places_add(struct shard *s, struct entry *e)
{
    place(s->places, s->bits, e->hash, e);
    s->n++;
}

static size_t place_of(const struct shard *s, const struct entry *e)
{
    size_t i = home_of(e->hash, s->bits);

    while (s->places[i].e != e)
        i = next(i, s->bits);
    return i;
}

void places_take(struct shard *s, struct entry *e)
{
    size_t mask = ((size_t)1 << s->bits) - 1, hole = place_of(s, e);

    for (size_t i = next(hole, s->bits); s->places[i].e; i = next(i, s->bits)) {
        size_t home = home_of(s->places[i].hash, s->bits);

        if (((i - home) & mask) >= ((i - hole) & mask)) { /* its home is not behind the hole */
            s->places[hole] = s->places[i];
            hole = i;
        }
    }
    s->places[hole].e = NULL;
    s->n--;
}

void places_swap(struct shard *s, const struct entry *old, struct entry *e)
{
    s->places[place_of(s, old)].e = e;
}

struct place *places_move(struct shard *s, struct place *block, unsigned bits)
{
    struct place *old = s->places;

    for (size_t i = 0; old && i < (size_t)1 << s->bits; i++)
        if (old[i].e)
            place(block, bits, old[i].hash, old[i].e);
    if (old)
        policy_move(ghosts_of(block, bits), bits, s->ghosts, s->bits);
    s->places = block;
    s->ghosts = ghosts_of(block, bits);
    s->bits = bits;
    s->hand = 0;
    return old;
}
