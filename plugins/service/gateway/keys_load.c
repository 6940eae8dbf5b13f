/* keys_load.c - applies records to what is in memory: at the start, and after every write. */
#include "keys.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <string.h>

/* ---- Accounts that several keys share ---- */

static uint64_t account_hash(enum scope scope, struct aiex_slice name)
{
    return map_hash(name.data, name.len) ^ map_hash_number((uint64_t)scope);
}

struct account *keys_account(struct keys *k, enum scope scope, struct aiex_slice name)
{
    struct map_node *n = map_first(&k->accounts, account_hash(scope, name));

    for (; n; n = map_next(n)) {
        struct account *a = map_entry(n, struct account, node);

        if (a->scope == scope && aiex_slice_is(name, a->name))
            return a;
    }
    return NULL;
}

struct account *keys_account_at(struct keys *k, enum scope scope, struct aiex_slice name)
{
    struct account *a = keys_account(k, scope, name);

    if (a || k->accounts.n >= MAX_ACCOUNTS)
        return a;
    a = k->host->alloc(k->host, sizeof(*a));
    if (!a)
        return NULL;
    a->scope = scope;
    memcpy(a->name, name.data, name.len);
    map_put(&k->accounts, &a->node, account_hash(scope, name));
    return a;
}

int keys_apply_limits(struct keys *k, enum scope scope, struct aiex_slice name,
                      const struct limits *limits)
{
    struct account *a = keys_account_at(k, scope, name);

    if (!a)
        return k->accounts.n >= MAX_ACCOUNTS ? -ENOSPC : -ENOMEM;
    a->limits = *limits;
    return 0;
}

/* ---- Keys ---- */

static struct aiex_slice text(const char *s)
{
    return (struct aiex_slice){(const uint8_t *)s, strlen(s)};
}

static size_t write_principal(const struct key_record *r, void *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "key", r->id);
    for (int s = SCOPE_USER; s < N_SCOPES; s++)
        aiex_w_key_str(&w, scope_names[s], r->label[s]);
    aiex_w_key_str(&w, "role", role_names[r->role]);
    return w.len;
}

void keys_abandon(struct keys *k, struct key_parts *p)
{
    if (p->fresh)
        k->host->release(k->host, p->key);
    k->host->release(k->host, p->models);
    k->host->release(k->host, p->principal);
}

static int share(struct keys *k, const struct key_record *r, struct key_parts *p)
{
    for (int s = SCOPE_USER; s < N_SCOPES; s++) {
        if (!r->label[s][0])
            continue;
        p->shared[s] = keys_account_at(k, (enum scope)s, text(r->label[s]));
        if (!p->shared[s])
            return k->accounts.n >= MAX_ACCOUNTS ? -ENOSPC : -ENOMEM;
    }
    return 0;
}

int keys_prepare(struct keys *k, const struct key_record *r, struct key_parts *p)
{
    const struct aiex_host *host = k->host;
    int result;

    *p = (struct key_parts){.key = keys_by_id(k, text(r->id))};
    if (!p->key && k->by_id.n >= MAX_KEYS)
        return -ENOSPC;
    if (!p->key) {
        p->fresh = 1;
        p->key = host->alloc(host, sizeof(*p->key));
    }
    p->models = r->models_len ? host->alloc(host, (size_t)r->models_len) : NULL;
    p->principal_len = write_principal(r, NULL, 0);
    p->principal = host->alloc(host, p->principal_len);
    result = share(k, r, p);
    if (result == 0 && (!p->key || !p->principal || (r->models_len && !p->models)))
        result = -ENOMEM;
    if (result < 0)
        keys_abandon(k, p);
    return result;
}

static void set_secret(struct keys *k, struct key *key, struct secret *s, const uint8_t *hash)
{
    uint64_t number;

    memset(k->known, 0, sizeof(k->known)); /* `s` may stand there for another text */
    if (s->in_map)
        map_remove(&k->by_secret, &s->node);
    s->in_map = hash != NULL;
    s->key = key;
    if (!hash)
        return;
    memcpy(s->hash, hash, SECRET_HASH);
    memcpy(&number, hash, sizeof(number));
    map_put(&k->by_secret, &s->node, number);
}

/* Accounts that a key leaves keep what they have reserved: requests in flight know them. */
static void set_key(struct keys *k, const struct key_record *r, struct key_parts *p)
{
    struct key *key = p->key;

    k->host->release(k->host, key->models);
    k->host->release(k->host, key->principal);
    key->models = p->models;
    key->models_len = (size_t)r->models_len;
    if (p->models)
        memcpy(p->models, r->models, (size_t)r->models_len);
    key->principal = p->principal;
    key->principal_len = write_principal(r, p->principal, p->principal_len);
    memcpy(key->prefix, r->prefix, sizeof(key->prefix));
    memcpy(key->name, r->name, sizeof(key->name));
    memcpy(key->account.name, r->id, sizeof(r->id));
    memcpy(key->shared, p->shared, sizeof(key->shared));
    key->account.limits = r->limits;
    key->role = (enum role)r->role;
    key->created = r->created;
    key->expires = r->expires;
    key->revoked = r->revoked;
    key->old_until = r->old_until;
    set_secret(k, key, &key->now, r->hash);
    set_secret(k, key, &key->old, r->old_until ? r->old_hash : NULL);
}

struct key *keys_commit(struct keys *k, const struct key_record *r, struct key_parts *p)
{
    set_key(k, r, p);
    if (p->fresh) {
        map_put(&k->by_id, &p->key->by_id, map_hash(r->id, strlen(r->id)));
        *k->last = p->key;
        k->last = &p->key->next;
    }
    k->demanded = 1;
    return p->key;
}

/* ---- Records of the journal ---- */

static int take_limits(struct keys *k, struct aiex_slice record)
{
    struct aiex_slice name = {NULL, 0};
    struct limits limits = {0};
    enum scope scope;
    int r = limits_record_unpack(record, &scope, &name, &limits);

    return r < 0 ? r : keys_apply_limits(k, scope, name, &limits);
}

static int take_key(struct keys *k, struct aiex_slice record)
{
    struct key_parts parts;
    struct key_record r;
    int result;

    if (key_record_unpack(record, &r) != 0)
        return -EINVAL;
    if (r.revoked && r.revoked < k->drop_before && !keys_by_id(k, text(r.id))) {
        k->demanded = 1;
        return 0;
    }
    result = keys_prepare(k, &r, &parts);
    if (result == 0)
        keys_commit(k, &r, &parts);
    return result;
}

int keys_take(void *arg, struct aiex_slice record)
{
    struct aiex_slice type = {NULL, 0};
    struct keys *k = arg;

    if (!aiex_is_map(record) || aiex_get_str(record, "type", &type) != 1)
        return -EINVAL;
    if (keys_cache_take(k, type, record))
        return 0;
    if (aiex_slice_is(type, "key"))
        return take_key(k, record);
    if (aiex_slice_is(type, "limits"))
        return take_limits(k, record);
    if (!aiex_slice_is(type, "demanded"))
        return -ENOTSUP; /* of a later version: leaving it out might open a door */
    k->demanded = 1;
    return 0;
}
