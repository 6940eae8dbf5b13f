/* index.c - a hash table by id, one list by use, and the same list for each owner. */
#include "responses.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t hash_of(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h ^ h >> 32;
}

uint64_t entry_bytes(const struct entry *e)
{
    return HEAD + (uint64_t)e->meta_len + e->input_len + e->response_len;
}

struct entry *index_find(const struct responses *r, const char *id)
{
    struct entry *e = r->buckets[hash_of(id) % BUCKETS];

    while (e && strcmp(e->id, id) != 0)
        e = e->same;
    return e;
}

/* ---- Owners ---- */

const struct owner *index_owner(const struct responses *r, const char *key)
{
    const struct owner *o = r->owners[hash_of(key) % OWNERS];

    while (o && strcmp(o->name, key) != 0)
        o = o->same;
    return o;
}

static struct owner *make_owner(struct responses *r, const char *key)
{
    struct owner **at = &r->owners[hash_of(key) % OWNERS], *o = *at;

    while (o && strcmp(o->name, key) != 0)
        o = o->same;
    if (o)
        return o;
    o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    strcpy(o->name, key);
    o->same = *at;
    *at = o;
    return o;
}

static void free_owner(struct responses *r, struct owner *o)
{
    struct owner **at = &r->owners[hash_of(o->name) % OWNERS];

    while (*at != o)
        at = &(*at)->same;
    *at = o->same;
    free(o);
}

/* ---- Order of use ---- */

static void link_newest(struct responses *r, struct entry *e)
{
    struct owner *o = e->owner;

    e->newer = e->own_newer = NULL;
    e->older = r->newest;
    e->own_older = o->newest;
    *(r->newest ? &r->newest->newer : &r->oldest) = e;
    *(o->newest ? &o->newest->own_newer : &o->oldest) = e;
    r->newest = o->newest = e;
}

static void unlink_use(struct responses *r, struct entry *e)
{
    struct owner *o = e->owner;

    *(e->newer ? &e->newer->older : &r->newest) = e->older;
    *(e->older ? &e->older->newer : &r->oldest) = e->newer;
    *(e->own_newer ? &e->own_newer->own_older : &o->newest) = e->own_older;
    *(e->own_older ? &e->own_older->own_newer : &o->oldest) = e->own_newer;
}

void index_touch(struct responses *r, struct entry *e)
{
    unlink_use(r, e);
    link_newest(r, e);
}

/* ---- In and out ---- */

int index_add(struct responses *r, struct entry *e)
{
    struct entry **bucket = &r->buckets[hash_of(e->id) % BUCKETS];

    e->owner = make_owner(r, e->key);
    if (!e->owner) {
        free(e);
        return -ENOMEM;
    }
    e->same = *bucket;
    *bucket = e;
    link_newest(r, e);
    r->n++;
    e->owner->n++;
    r->bytes += entry_bytes(e);
    e->owner->bytes += entry_bytes(e);
    return 0;
}

void index_remove(struct responses *r, struct entry *e)
{
    struct entry **at = &r->buckets[hash_of(e->id) % BUCKETS];

    while (*at != e)
        at = &(*at)->same;
    *at = e->same;
    unlink_use(r, e);
    r->n--;
    r->bytes -= entry_bytes(e);
    e->owner->bytes -= entry_bytes(e);
    if (--e->owner->n == 0)
        free_owner(r, e->owner);
    free(e);
}

static int by_created(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;

    return x->created < y->created ? -1 : x->created > y->created;
}

int index_order(struct responses *r)
{
    struct entry **all = calloc(r->n + 1, sizeof(*all));
    size_t n = 0;

    if (!all)
        return -ENOMEM;
    for (struct entry *e = r->newest; e; e = e->older)
        all[n++] = e;
    if (n)
        qsort(all, n, sizeof(*all), by_created);
    for (size_t i = 0; i < n; i++)
        index_touch(r, all[i]);
    free(all);
    return 0;
}
