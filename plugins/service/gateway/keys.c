/* keys.c - opening, and the questions that every request asks. */
#include "keys.h"
#include "pattern.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <string.h>

/* ---- Life ---- */

/* A principal without a key: an operator of this machine, or everybody while no key is demanded. */
static struct key *nobody(const struct aiex_host *host, const char *id, enum role role)
{
    struct key *key = host->alloc(host, sizeof(*key));
    struct aiex_writer w;

    if (!key)
        return NULL;
    key->role = role;
    key->principal = host->alloc(host, 96);
    if (!key->principal) {
        host->release(host, key);
        return NULL;
    }
    memcpy(key->account.name, id, strlen(id) + 1);
    aiex_writer_init(&w, key->principal, 96);
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "key", id);
    for (int s = SCOPE_USER; s < N_SCOPES; s++)
        aiex_w_key_str(&w, scope_names[s], "");
    aiex_w_key_str(&w, "role", role_names[role]);
    key->principal_len = w.len;
    return key;
}

int keys_open(struct keys *k, const struct aiex_host *host, int64_t now_ms, int64_t keep_revoked_ms,
              int cached, struct aiex_error *err)
{
    int r;

    *k = (struct keys){.host = host,
                       .cached = cached,
                       .drop_before = now_ms - keep_revoked_ms,
                       .journal = {.fd = -1}};
    k->last = &k->first;
    if (secret_init() < 0 || secret_random(k->mark_key, sizeof(k->mark_key)) != 0) {
        memcpy(err->text, "libsodium does not start", 25);
        return -EIO;
    }
    if (map_init(&k->by_secret, host, 256) < 0 || map_init(&k->by_id, host, 256) < 0 ||
        map_init(&k->accounts, host, 256) < 0)
        return -ENOMEM;
    k->local = nobody(host, "local", ROLE_ADMIN);
    k->open = nobody(host, "open", ROLE_USER);
    if (!k->local || !k->open)
        return -ENOMEM;
    r = journal_open(&k->journal, host, keys_take, k, err);
    if (r == 0 && k->journal.emptied) {
        memset(k->position, 0, sizeof(k->position));
        k->was_cache = 1;
        k->is_whole = 0;
    }
    if (r == 0)
        k->journal.cache = cached;
    return r;
}

static void key_free(const struct aiex_host *host, struct key *key)
{
    if (!key)
        return;
    secret_wipe(&key->now, sizeof(key->now));
    secret_wipe(&key->old, sizeof(key->old));
    host->release(host, key->models);
    host->release(host, key->principal);
    host->release(host, key);
}

static void free_accounts(struct keys *k)
{
    for (size_t i = 0; k->accounts.slots && i < k->accounts.n_slots; i++)
        while (k->accounts.slots[i]) {
            struct account *a = map_entry(k->accounts.slots[i], struct account, node);

            k->accounts.slots[i] = a->node.next;
            k->host->release(k->host, a);
        }
}

void keys_close(struct keys *k)
{
    if (!k->host)
        return;
    while (k->first) {
        struct key *next = k->first->next;

        key_free(k->host, k->first);
        k->first = next;
    }
    key_free(k->host, k->local);
    key_free(k->host, k->open);
    free_accounts(k);
    secret_wipe(k->known, sizeof(k->known));
    secret_wipe(k->mark_key, sizeof(k->mark_key));
    map_done(&k->by_secret);
    map_done(&k->by_id);
    map_done(&k->accounts);
    journal_close(&k->journal);
    k->host = NULL;
}

int keys_refresh(struct keys *k, struct aiex_error *err)
{
    struct journal new;
    int r;

    if (k->cached || !journal_changed(&k->journal)) /* the store tells */
        return 0;
    r = journal_open(&new, k->host, keys_take, k, err);
    if (r < 0)
        return r;
    journal_close(&k->journal);
    k->journal = new;
    return 0;
}

/* ---- Questions ---- */

static struct secret *find_secret(struct keys *k, struct aiex_slice credential)
{
    uint8_t hash[SECRET_HASH];
    struct map_node *n;
    uint64_t number;

    secret_hash(k->journal.pepper, credential, hash);
    memcpy(&number, hash, sizeof(number));
    for (n = map_first(&k->by_secret, number); n; n = map_next(n)) {
        struct secret *s = map_entry(n, struct secret, node);

        if (secret_equal(s->hash, hash))
            return s;
    }
    return NULL;
}

struct key *keys_find(struct keys *k, struct aiex_slice credential, int *ret_old)
{
    struct known_secret *known;
    uint8_t mark[SECRET_MARK];
    struct secret *s;

    if (!secret_form(credential))
        return NULL;
    secret_mark(k->mark_key, credential, mark);
    known = &k->known[mark[0] % KNOWN_SECRETS];
    s = known->secret && memcmp(known->mark, mark, sizeof(mark)) == 0 ? known->secret : NULL;
    if (!s) {
        s = find_secret(k, credential);
        if (!s)
            return NULL;
        known->secret = s;
        memcpy(known->mark, mark, sizeof(mark));
    }
    *ret_old = s == &s->key->old;
    return s->key;
}

const char *keys_refusal(const struct key *key, int old, int64_t now_ms)
{
    if (key->revoked)
        return "revoked";
    if (key->expires && now_ms >= key->expires)
        return "expired";
    return old && now_ms >= key->old_until ? "rotated" : NULL;
}

struct key *keys_by_id(struct keys *k, struct aiex_slice id)
{
    struct map_node *n = map_first(&k->by_id, map_hash(id.data, id.len));

    for (; n; n = map_next(n)) {
        struct key *key = map_entry(n, struct key, by_id);

        if (aiex_slice_is(id, key->account.name))
            return key;
    }
    return NULL;
}

int key_may_use(const struct key *key, struct aiex_slice model)
{
    if (!key->models)
        return 1;
    for (size_t at = 0; at < key->models_len; at += strlen(key->models + at) + 1)
        if (pattern_matches(key->models + at, model))
            return 1;
    return 0;
}
