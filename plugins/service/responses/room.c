/* room.c - what has to go: over its time, more than one key may have, more than there may be. */
#include "responses.h"

#include <errno.h>

int room_is_over(const struct responses *r, const struct entry *e)
{
    return r->config->ttl && wall_ms() - e->created > r->config->ttl;
}

static void evict(struct responses *r, struct entry *e)
{
    r->evicted++;
    keep_forget(r, e);
}

/* Of one key: so that nobody pushes out what others keep. */
static void make_own_room(struct responses *r, const char *key, uint64_t need,
                          const struct entry *old)
{
    const uint64_t freed = old ? entry_bytes(old) : 0;
    const size_t in = need != 0, out = old != NULL;

    for (;;) {
        const struct owner *o = index_owner(r, key);

        if (!o || o->oldest == old)
            return;
        if (o->n + in - out <= (size_t)r->config->key_max_count &&
            o->bytes + need - freed <= (uint64_t)r->config->key_max_bytes)
            return;
        evict(r, o->oldest);
    }
}

int room_make(struct responses *r, const struct entry *e, struct entry *old, struct aiex_error *err)
{
    const uint64_t need = entry_bytes(e), freed = old ? entry_bytes(old) : 0;
    const uint64_t max = (uint64_t)r->config->max_bytes, own = (uint64_t)r->config->key_max_bytes;

    if (need > max || need > own)
        return aiex_failed(err, -EFBIG, "a response of %llu bytes is larger than %s",
                           (unsigned long long)need, need > max ? "max_bytes" : "key_max_bytes");
    if (old)
        index_touch(r, old);
    make_own_room(r, e->key, need, old);
    while (r->oldest && r->oldest != old &&
           (r->n - (old != NULL) >= (size_t)r->config->max_count || r->bytes - freed + need > max))
        evict(r, r->oldest);
    return 0;
}

void room_trim(struct responses *r)
{
    while (r->oldest &&
           (r->n > (size_t)r->config->max_count || r->bytes > (uint64_t)r->config->max_bytes))
        evict(r, r->oldest);
    for (size_t i = 0; i < OWNERS; i++)
        for (struct owner *o = r->owners[i], *next; o; o = next) {
            char key[MAX_OWNER + 1]; /* the owner may go with his last response */

            next = o->same;
            strcpy(key, o->name);
            make_own_room(r, key, 0, NULL);
        }
}

int room_expire(struct responses *r)
{
    struct entry *e = r->oldest, *next;
    unsigned n = 0;

    for (; e && n < EXPIRE_SLICE; e = next) {
        next = e->newer;
        if (!room_is_over(r, e))
            continue;
        r->expired++;
        keep_forget(r, e);
        n++;
    }
    return n == EXPIRE_SLICE;
}
