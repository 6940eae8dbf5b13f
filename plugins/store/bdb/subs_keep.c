/*
 * subs_keep.c - subscriptions in a batch: made, acknowledged, removed.
 *
 *     meta 's' name: format u8, partitions u16, a position u64 for each partition, then stream,
 * type and correlation, each with its length (u8) before it
 */
#include "subs.h"

#include "bytes.h"

#include <errno.h>
#include <string.h>

#define RECORD_MAX (3u + MAX_PARTITIONS * 8u + 3u * 256u)

static size_t key_of(const struct subscription *u, uint8_t key[MAX_SUBSCRIPTION + 1])
{
    size_t n = strlen(u->name);

    key[0] = 's';
    memcpy(key + 1, u->name, n);
    return n + 1;
}

static size_t put_text(uint8_t *out, const char *text)
{
    size_t n = strlen(text);

    *out = (uint8_t)n;
    memcpy(out + 1, text, n);
    return n + 1;
}

static size_t put_filter(uint8_t *out, const struct filter *f)
{
    size_t n = put_text(out, f->stream);

    n += put_text(out + n, f->type);
    return n + put_text(out + n, f->correlation);
}

static int load(struct store *s, DB_TXN *txn, const struct subscription *u,
                uint8_t record[RECORD_MAX])
{
    uint8_t key[MAX_SUBSCRIPTION + 1];
    int n = env_get(&s->env, META, txn, key, key_of(u, key), record, RECORD_MAX);

    if (n >= 0 && (n < 3 || record[0] != 1 || (size_t)n < 3 + get_be(record + 1, 2) * 8))
        return -EBADMSG;
    return n;
}

static int save(struct store *s, DB_TXN *txn, const struct subscription *u, const uint8_t *record,
                size_t len)
{
    uint8_t key[MAX_SUBSCRIPTION + 1];

    return env_put(&s->env, META, txn, key, key_of(u, key), record, len, 0);
}

/* Known: the same filter is fine. */
static int meet(struct write *w, const struct subscription *u, const uint8_t *record, size_t len)
{
    uint8_t filter[3 * 256];
    size_t n = put_filter(filter, &u->filter), partitions = get_be(record + 1, 2);
    size_t head = 3 + partitions * 8;

    if (partitions != u->filter.partitions || len - head != n ||
        memcmp(record + head, filter, n) != 0)
        return refuse(w, AIEX_E_CONFLICT,
                      "subscription '%s' is known with %zu partitions and perhaps another filter; "
                      "remove it by store.unsubscribe or take another name",
                      u->name, partitions);
    w->a = get_be(record + 3 + u->filter.partition * 8, 8);
    return UNCHANGED;
}

/* a = position that came out. */
static int make(struct store *s, DB_TXN *txn, struct write *w)
{
    struct subscription *u = w->arg;
    uint8_t record[RECORD_MAX] = {1};
    size_t n = 3;
    int r = load(s, txn, u, record);

    if (r >= 0)
        return meet(w, u, record, (size_t)r);
    if (r != -ENOENT)
        return r;
    w->a = u->from < 0 ? s->writer.draft.sequence : u->from ? (uint64_t)u->from - 1 : 0;
    put_be(record + 1, u->filter.partitions, 2);
    for (uint32_t i = 0; i < u->filter.partitions; i++, n += 8)
        put_be(record + n, w->a, 8);
    n += put_filter(record + n, &u->filter);
    return save(s, txn, u, record, n);
}

const struct write_kind subscription_kind = {.apply = make, .answer = subscription_made};

/* a = sequence */
static int acknowledge(struct store *s, DB_TXN *txn, struct write *w)
{
    const struct subscription *u = w->arg;
    uint8_t record[RECORD_MAX], *at = record + 3 + u->filter.partition * 8;
    int n = load(s, txn, u, record);

    if (n == -ENOENT || (n >= 0 && u->filter.partition >= get_be(record + 1, 2)))
        return refuse(w, AIEX_E_NOT_FOUND, "there is no subscription '%s' with partition %u",
                      u->name, u->filter.partition);
    if (n < 0)
        return n;
    if (get_be(at, 8) >= w->a)
        return UNCHANGED;
    put_be(at, w->a, 8);
    return save(s, txn, u, record, (size_t)n);
}

const struct write_kind ack_kind = {.apply = acknowledge, .answer = subscription_acked};

static int drop(struct store *s, DB_TXN *txn, struct write *w)
{
    const struct subscription *u = w->arg;
    uint8_t key[MAX_SUBSCRIPTION + 1];
    int r = env_del(&s->env, META, txn, key, key_of(u, key));

    return r == -ENOENT ? refuse(w, AIEX_E_NOT_FOUND, "there is no subscription '%s'", u->name) : r;
}

const struct write_kind drop_kind = {.apply = drop, .answer = subscription_dropped};
