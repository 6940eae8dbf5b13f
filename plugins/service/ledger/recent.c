/* recent.c - where the last records stand, and which ones were counted already. */
#include "ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 4u
#define BUCKETS                                                                                    \
    (RECENT * 2 / WAYS) /* twice as many places as records: few are pushed out early               \
                         */

int recent_init(struct recent *r)
{
    r->ring = calloc(RECENT, sizeof(*r->ring));
    r->seen = calloc((size_t)BUCKETS * WAYS, sizeof(*r->seen));
    return r->ring && r->seen ? 0 : -ENOMEM;
}

void recent_done(struct recent *r)
{
    free(r->ring);
    free(r->seen);
    memset(r, 0, sizeof(*r));
}

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

uint64_t recent_hash(struct aiex_slice id)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < id.len; i++)
        h = (h ^ id.data[i]) * 0x100000001b3u;
    return mix(h);
}

uint64_t recent_print(const struct facts *f)
{
    if (!f->id.len || !f->ticket)
        return 0;
    return mix(recent_hash(f->id) + (uint64_t)f->ticket * 0x9e3779b97f4a7c15u) | 1;
}

static uint64_t *bucket_of(const struct recent *r, uint64_t print)
{
    return r->seen + (print >> 32) % BUCKETS * WAYS;
}

int recent_has(const struct recent *r, uint64_t print)
{
    const uint64_t *bucket = bucket_of(r, print);

    for (unsigned i = 0; i < WAYS; i++)
        if (bucket[i] == print)
            return 1;
    return 0;
}

void recent_add(struct recent *r, const struct facts *f, int64_t day, uint64_t offset)
{
    uint64_t print = recent_print(f), *bucket = bucket_of(r, print);

    r->ring[r->next++ % RECENT] = (struct place){recent_hash(f->id), day, offset};
    if (!print)
        return;
    memmove(bucket + 1, bucket, (WAYS - 1) * sizeof(*bucket)); /* the oldest goes */
    bucket[0] = print;
}

uint64_t recent_first(const struct recent *r)
{
    return r->next > RECENT ? r->next - RECENT : 0;
}
