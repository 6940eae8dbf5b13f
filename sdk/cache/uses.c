/*
 * uses.c - entries by the power of two of their uses, and candidates for other tiers.
 *
 * An entry changes its list only when its uses double, so a get rarely touches a neighbour, and
 * the most or least used are found without looking at the others.
 */
#include "shard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void uses_add(struct shard *s, struct entry *e)
{
    struct list *l;

    e->use_class = (uint8_t)uses_class(e->uses);
    l = &s->classes[e->use_class];
    e->class_older = l->newest;
    e->class_newer = NULL;
    *(l->newest ? &l->newest->class_newer : &l->oldest) = e;
    l->newest = e;
}

void uses_take(struct shard *s, struct entry *e)
{
    struct list *l = &s->classes[e->use_class];

    *(e->class_newer ? &e->class_newer->class_older : &l->newest) = e->class_older;
    *(e->class_older ? &e->class_older->class_newer : &l->oldest) = e->class_newer;
}

/* ---- Candidates ---- */

struct found {
    struct aiex_cache_candidate *list;
    size_t n, room; /* entries */
    uint8_t *keys;  /* one behind the other; key.data is an offset until the end */
    size_t n_keys, room_keys;
    int failed;
};

static int keep(struct found *f, const struct entry *e)
{
    if (f->n == f->room) {
        size_t room = f->room ? f->room * 2 : 64;
        struct aiex_cache_candidate *list = realloc(f->list, room * sizeof(*list));

        if (!list)
            return -ENOMEM;
        f->list = list;
        f->room = room;
    }
    if (e->key_len > f->room_keys - f->n_keys) {
        size_t room = f->room_keys * 2 + e->key_len + 4096;
        uint8_t *keys = realloc(f->keys, room);

        if (!keys)
            return -ENOMEM;
        f->keys = keys;
        f->room_keys = room;
    }
    if (e->key_len)
        memcpy(f->keys + f->n_keys, e->bytes, e->key_len);
    f->list[f->n++] = (struct aiex_cache_candidate){.key = {NULL, e->key_len},
                                                    .created_ms = e->created_ms,
                                                    .uses = e->uses,
                                                    .bytes = entry_cost(e)};
    f->n_keys += e->key_len;
    return 0;
}

/* Oldest first; what is expired is passed over here and removed by the sweep. */
static int walk(struct shard *s, unsigned class, size_t limit, uint64_t now, struct found *f)
{
    int r = 0;

    pthread_mutex_lock(&s->lock);
    for (const struct entry *e = s->classes[class].oldest; e && f->n < limit && r == 0;
         e = e->class_newer)
        if (!entry_over(e, now))
            r = keep(f, e);
    pthread_mutex_unlock(&s->lock);
    return r;
}

static int up(const void *a, const void *b)
{
    const struct aiex_cache_candidate *x = a, *y = b;

    if (x->uses != y->uses)
        return x->uses > y->uses ? -1 : 1;
    return x->created_ms > y->created_ms ? -1 : x->created_ms < y->created_ms;
}

static int down(const void *a, const void *b)
{
    return up(b, a);
}

/* List and keys in one block, so that one free() is enough. */
static int join(struct found *f, struct aiex_cache_candidate **ret_list)
{
    size_t head = f->n * sizeof(*f->list);
    struct aiex_cache_candidate *list = realloc(f->list, head + f->n_keys);
    uint8_t *at;

    if (!list)
        return -ENOMEM;
    f->list = NULL;
    at = (uint8_t *)list + head;
    if (f->n_keys)
        memcpy(at, f->keys, f->n_keys);
    for (size_t i = 0; i < f->n; i++) {
        list[i].key.data = at;
        at += list[i].key.len;
    }
    *ret_list = list;
    return 0;
}

static uint64_t classes_used(struct aiex_cache *c)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < c->n_shards; i++) {
        struct shard *s = &c->shards[i];

        pthread_mutex_lock(&s->lock);
        for (unsigned k = 0; k < N_CLASSES; k++)
            used |= (uint64_t)(s->classes[k].oldest != NULL) << k;
        pthread_mutex_unlock(&s->lock);
    }
    return used;
}

int aiex_cache_candidates(struct aiex_cache *c, int direction, size_t limit, uint64_t now,
                          struct aiex_cache_candidate **ret_list, size_t *ret_n)
{
    uint64_t used = classes_used(c);
    struct found f = {0};
    int r = 0;

    *ret_list = NULL;
    *ret_n = 0;
    for (unsigned k = 0; k < N_CLASSES && r == 0; k++) {
        unsigned class = direction == AIEX_CACHE_UP ? N_CLASSES - 1 - k : k;

        for (unsigned i = 0; used >> class & 1 && i < c->n_shards && f.n < limit && r == 0; i++)
            r = walk(&c->shards[i], class, limit, now, &f);
    }
    if (r == 0 && f.n)
        r = join(&f, ret_list);
    if (r == 0 && f.n) {
        qsort(*ret_list, f.n, sizeof(**ret_list), direction == AIEX_CACHE_UP ? up : down);
        *ret_n = f.n;
    }
    free(f.list);
    free(f.keys);
    return r;
}
