/* keys_write.c - changes: first the journal, then memory. And compaction. */
#include "keys.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COMPACT_MIN 1024u /* frames that a file may hold for nothing */

void key_record_of(const struct key *key, struct key_record *r)
{
    memset(r, 0, sizeof(*r));
    memcpy(r->id, key->account.name, sizeof(r->id));
    memcpy(r->prefix, key->prefix, sizeof(r->prefix));
    memcpy(r->name, key->name, sizeof(r->name));
    for (int s = SCOPE_USER; s < N_SCOPES; s++)
        if (key->shared[s])
            memcpy(r->label[s], key->shared[s]->name, sizeof(r->label[s]));
    r->role = key->role;
    r->limits = key->account.limits;
    r->created = key->created;
    r->expires = key->expires;
    r->revoked = key->revoked;
    r->old_until = key->old_until;
    memcpy(r->hash, key->now.hash, SECRET_HASH);
    memcpy(r->old_hash, key->old.hash, SECRET_HASH);
    if (key->models)
        memcpy(r->models, key->models, key->models_len);
    r->models_len = (int64_t)key->models_len;
}

/* ---- Compaction ---- */

struct giving {
    struct keys *keys;
    int marked, n_positions; /* of a cache: its mark first, what it knows last */
    struct key *key;
    size_t at; /* of the walk through the accounts */
    struct map_node *account;
    int demanded_given;
    uint8_t mem[JOURNAL_MAX_RECORD];
};

int limits_are_set(const struct limits *l)
{
    return l->rpm || l->tpm || l->concurrency || l->budget_day || l->budget_month ||
           l->soft_percent;
}

static struct aiex_slice give_demanded(struct giving *g)
{
    struct aiex_writer w;

    g->demanded_given = 1;
    aiex_writer_init(&w, g->mem, sizeof(g->mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "type", "demanded");
    return aiex_written(&w);
}

static struct aiex_slice give(void *arg, size_t n)
{
    struct giving *g = arg;
    struct key_record r;

    if (g->keys->cached && !g->marked) {
        g->marked = 1;
        return keys_cache_mark(g->mem, sizeof(g->mem));
    }
    if (!g->demanded_given && g->keys->demanded)
        return give_demanded(g);
    if (g->key) {
        key_record_of(g->key, &r);
        g->key = g->key->next;
        return key_record_pack(&r, NULL, g->mem, sizeof(g->mem));
    }
    while ((g->account = map_walk(&g->keys->accounts, &g->at, g->account)) != NULL) {
        const struct account *a = map_entry(g->account, struct account, node);
        struct aiex_slice name = {(const uint8_t *)a->name, strlen(a->name)};

        if (limits_are_set(&a->limits))
            return limits_record_pack(a->scope, name, &a->limits, NULL, g->mem, sizeof(g->mem));
    }
    if (g->keys->cached && g->n_positions < N_STREAMS)
        return keys_cache_position(g->keys, g->n_positions++, g->mem, sizeof(g->mem));
    return (struct aiex_slice){NULL, 0};
}

int keys_compact(struct keys *k, struct aiex_error *err)
{
    struct giving *g = k->host->alloc(k->host, sizeof(*g));
    int r;

    if (!g)
        return -ENOMEM;
    g->keys = k;
    g->key = k->first;
    r = journal_compact(&k->journal, give, g, err);
    k->host->release(k->host, g);
    return r;
}

int keys_should_compact(const struct keys *k)
{
    return k->journal.frames >= COMPACT_MIN + 2 * (k->by_id.n + k->accounts.n);
}

/* When most of the file is history. A failure is told and tried again later: nothing is lost. */
static void maybe_compact(struct keys *k)
{
    struct aiex_error err = {"no memory"};
    char text[600];

    if (!keys_should_compact(k) || keys_compact(k, &err) == 0)
        return;
    snprintf(text, sizeof(text), "the file of keys could not be compacted and goes on as it is: %s",
             err.text);
    k->host->log(k->host, AIEX_LOG_WARN, 0, text);
}

/* ---- Writing ---- */

static int append(struct keys *k, struct aiex_slice record, struct aiex_error *err)
{
    int r = journal_append(&k->journal, record, err);

    if (r == -ESTALE) {
        r = keys_refresh(k, err);
        if (r == 0)
            r = journal_append(&k->journal, record, err);
    }
    return r;
}

int keys_write(struct keys *k, const struct key_record *r, struct key **ret_key,
               struct aiex_error *err)
{
    uint8_t mem[JOURNAL_MAX_RECORD];
    struct key_parts parts;
    struct key *key;
    int result = keys_prepare(k, r, &parts);

    if (result < 0) {
        snprintf(err->text, sizeof(err->text),
                 "no memory, or no room for another one (%u keys, %u users, teams and projects); "
                 "revoked keys leave when 'keep_revoked' has passed and this plugin starts again",
                 MAX_KEYS, MAX_ACCOUNTS);
        return result;
    }
    result = append(k, key_record_pack(r, NULL, mem, sizeof(mem)), err);
    if (result < 0) {
        keys_abandon(k, &parts);
        return result;
    }
    key = keys_commit(k, r, &parts);
    if (ret_key)
        *ret_key = key;
    maybe_compact(k);
    return 0;
}

int keys_write_limits(struct keys *k, enum scope scope, struct aiex_slice name,
                      const struct limits *limits, struct aiex_error *err)
{
    uint8_t mem[512];
    int r;

    if (!keys_account_at(k, scope, name)) { /* first: what is written must be applied */
        snprintf(err->text, sizeof(err->text), "no room for another %s: %u are the most",
                 scope_names[scope], MAX_ACCOUNTS);
        return -ENOSPC;
    }
    r = append(k, limits_record_pack(scope, name, limits, NULL, mem, sizeof(mem)), err);
    if (r == 0)
        r = keys_apply_limits(k, scope, name, limits);
    if (r == 0)
        maybe_compact(k);
    return r;
}
