/* table.c - open addressing, at most half full; rows never move. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

const char *const sum_names[N_SUMS] = {"requests",      "failed", "input_tokens", "output_tokens",
                                       "cached_tokens", "cost",   "unpriced",     "estimated"};

void sums_add(struct sums *to, const struct sums *s)
{
    for (int i = 0; i < N_SUMS; i++)
        if (__builtin_add_overflow(to->v[i], s->v[i], &to->v[i]))
            to->v[i] = INT64_MAX;
}

void table_init(struct table *t, size_t max)
{
    *t = (struct table){.max = max};
}

void table_done(struct table *t)
{
    for (size_t i = 0; i < t->size; i++)
        free(t->slots[i]);
    free(t->slots);
    *t = (struct table){.max = t->max};
}

/* FNV-1a, mixed once more so that the low bits are good. */
static uint64_t hash_of(const uint8_t *p, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;

    while (len--)
        h = (h ^ *p++) * 0x100000001b3u;
    return h ^ h >> 32;
}

static size_t slot_of(const struct table *t, uint64_t hash, const void *key, size_t len)
{
    size_t i = hash & (t->size - 1);

    for (;; i = (i + 1) & (t->size - 1)) {
        const struct row *r = t->slots[i];

        if (!r || (r->hash == hash && r->len == len && memcmp(r->key, key, len) == 0))
            return i;
    }
}

struct row *table_find(const struct table *t, const void *key, size_t len)
{
    return t->size ? t->slots[slot_of(t, hash_of(key, len), key, len)] : NULL;
}

static int grow(struct table *t)
{
    size_t size = t->size ? t->size * 2 : 64;
    struct row **old = t->slots, **slots = calloc(size, sizeof(*slots));
    size_t old_size = t->size;

    if (!slots)
        return -1;
    t->slots = slots;
    t->size = size;
    for (size_t i = 0; i < old_size; i++)
        if (old[i])
            slots[slot_of(t, old[i]->hash, old[i]->key, old[i]->len)] = old[i];
    free(old);
    return 0;
}

struct row *table_at(struct table *t, const void *key, size_t len)
{
    struct row *r = table_find(t, key, len);

    if (r || t->used >= t->max)
        return r;
    if (t->used * 2 >= t->size && grow(t) != 0)
        return NULL;
    r = calloc(1, sizeof(*r) + len);
    if (!r)
        return NULL;
    r->hash = hash_of(key, len);
    r->len = (uint32_t)len;
    memcpy(r->key, key, len);
    t->slots[slot_of(t, r->hash, key, len)] = r;
    t->used++;
    return r;
}

int key_add(struct key *k, const void *text, size_t len)
{
    if (len > 255)
        len = 255;
    if (k->len + 1 + len > sizeof(k->data))
        return -1;
    k->data[k->len++] = (uint8_t)len;
    if (len)
        memcpy(k->data + k->len, text, len);
    k->len += len;
    return 0;
}

int key_next(const uint8_t **at, const uint8_t *end, const uint8_t **ret_text, size_t *ret_len)
{
    if (*at == end || (size_t)(end - *at) < 1 + (size_t) * *at)
        return 0;
    *ret_len = **at;
    *ret_text = *at + 1;
    *at += 1 + *ret_len;
    return 1;
}
