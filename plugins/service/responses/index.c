/* index.c - a hash table by id and one list by use. */
#include "responses.h"

#include <stdlib.h>

static size_t bucket_of(const char *id)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32) % BUCKETS;
}

uint64_t entry_bytes(const struct entry *e)
{
    return HEAD + (uint64_t)e->meta_len + e->input_len + e->response_len;
}

struct entry *index_find(const struct responses *r, const char *id)
{
    struct entry *e = r->buckets[bucket_of(id)];

    while (e && strcmp(e->id, id) != 0)
        e = e->same;
    return e;
}

static void link_newest(struct responses *r, struct entry *e)
{
    e->newer = NULL;
    e->older = r->newest;
    if (r->newest)
        r->newest->newer = e;
    else
        r->oldest = e;
    r->newest = e;
}

static void unlink_use(struct responses *r, struct entry *e)
{
    *(e->newer ? &e->newer->older : &r->newest) = e->older;
    *(e->older ? &e->older->newer : &r->oldest) = e->newer;
}

void index_add(struct responses *r, struct entry *e)
{
    struct entry **bucket = &r->buckets[bucket_of(e->id)];

    e->same = *bucket;
    *bucket = e;
    link_newest(r, e);
    r->n++;
    r->bytes += entry_bytes(e);
}

void index_remove(struct responses *r, struct entry *e)
{
    struct entry **at = &r->buckets[bucket_of(e->id)];

    while (*at != e)
        at = &(*at)->same;
    *at = e->same;
    unlink_use(r, e);
    r->n--;
    r->bytes -= entry_bytes(e);
    free(e);
}

void index_touch(struct responses *r, struct entry *e)
{
    unlink_use(r, e);
    link_newest(r, e);
}
