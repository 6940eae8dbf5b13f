/* restored_then.c - see restored_then.h. */
#include "restored_then.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct then *then_new(const struct aiex_host *host, const char *id, int stream)
{
    struct then *t = host->alloc(host, sizeof(*t));

    if (!t)
        return NULL;
    t->host = host;
    t->stream = stream;
    t->last = &t->first;
    snprintf(t->id, sizeof(t->id), "%s", id);
    if (map_init(&t->entries, host, 64) == 0)
        return t;
    host->release(host, t);
    return NULL;
}

void then_free(struct then *t)
{
    struct then_entry *e, *next;

    if (!t)
        return;
    for (e = t->first; e; e = next) {
        next = e->next;
        t->host->release(t->host, (void *)(uintptr_t)e->record.data);
        t->host->release(t->host, e);
    }
    map_done(&t->entries);
    t->host->release(t->host, t);
}

static uint64_t hash_of(enum scope scope, struct aiex_slice name)
{
    return map_hash(name.data, name.len) ^ map_hash_number((uint64_t)scope);
}

struct then_entry *then_find(const struct then *t, enum scope scope, struct aiex_slice name)
{
    struct map_node *n = map_first(&t->entries, hash_of(scope, name));

    for (; n; n = map_next(n)) {
        struct then_entry *e = map_entry(n, struct then_entry, node);

        if (e->scope == scope && aiex_slice_is(name, e->name))
            return e;
    }
    return NULL;
}

static struct then_entry *make(struct then *t, enum scope scope, struct aiex_slice name)
{
    struct then_entry *e = t->host->alloc(t->host, sizeof(*e));

    if (!e)
        return NULL;
    e->scope = scope;
    snprintf(e->name, sizeof(e->name), "%.*s", (int)name.len, (const char *)name.data);
    map_put(&t->entries, &e->node, hash_of(scope, name));
    *t->last = e;
    t->last = &e->next;
    return e;
}

static int set(struct then *t, enum scope scope, struct aiex_slice name, struct aiex_slice record)
{
    struct then_entry *e = then_find(t, scope, name);
    void *copy;

    if (!e && t->entries.n >= MAX_KEYS)
        return -ENOSPC;
    copy = t->host->alloc(t->host, record.len);
    e = copy && !e ? make(t, scope, name) : e;
    if (!copy || !e) {
        t->host->release(t->host, copy);
        return -ENOMEM;
    }
    memcpy(copy, record.data, record.len);
    t->host->release(t->host, (void *)(uintptr_t)e->record.data);
    e->record = (struct aiex_slice){copy, record.len};
    return 0;
}

static int take_key(struct then *t, struct aiex_slice data, int since)
{
    struct key_record r;
    struct aiex_slice id;
    struct then_entry *e;

    if (key_record_unpack(data, &r) != 0)
        return -EBADMSG;
    id = (struct aiex_slice){(const uint8_t *)r.id, KEY_ID};
    if (!since)
        return set(t, SCOPE_KEY, id, data);
    e = then_find(t, SCOPE_KEY, id);
    if (e && r.revoked)
        e->revoked = 1;
    return 0;
}

static int take_limits(struct then *t, struct aiex_slice data)
{
    struct aiex_slice name = NOTHING;
    struct limits limits;
    enum scope scope;

    if (limits_record_unpack(data, &scope, &name, &limits) != 0)
        return -EBADMSG;
    return set(t, scope, name, data);
}

/* Hashes of keys are made with it. */
static int check_pepper(const struct gateway *g, struct aiex_slice data)
{
    struct aiex_slice pepper = NOTHING;

    if (aiex_get_bytes(data, "pepper", &pepper) != 1 || pepper.len != PEPPER_BYTES)
        return -EBADMSG;
    return memcmp(pepper.data, g->keys.journal.pepper, PEPPER_BYTES) == 0 ? 0 : -EKEYREJECTED;
}

static int is_one_of(struct aiex_slice type, const char *const *names)
{
    for (; *names; names++)
        if (aiex_slice_is(type, *names))
            return 1;
    return 0;
}

int then_take(struct then *t, const struct gateway *g, struct aiex_slice event, int since)
{
    static const char *const keys[] = {"key.created", "key.changed",  "key.rotated",
                                       "key.revoked", "key.imported", NULL};
    static const char *const limits[] = {"limit.set", "limit.imported", NULL};
    static const char *const nothing[] = {"keys.demanded", "stream.restored", NULL};
    struct aiex_slice type = NOTHING, data = NOTHING;

    if (aiex_get_str(event, "type", &type) != 1 || aiex_get_bytes(event, "data", &data) < 0)
        return -EBADMSG;
    if (is_one_of(type, nothing))
        return 0;
    if (t->stream == STREAM_KEYS && is_one_of(type, keys))
        return take_key(t, data, since);
    if (t->stream == STREAM_KEYS && aiex_slice_is(type, "pepper.set"))
        return check_pepper(g, data);
    return t->stream == STREAM_LIMITS && is_one_of(type, limits) ? take_limits(t, data) : -ENOTSUP;
}
