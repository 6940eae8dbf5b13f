/* known.c - see known.h. */
#include "known.h"

#include "store.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define BITS       12u /* to an id */
#define BLOCK_BITS 512u
#define PROBES     7u
#define BULK       (64u << 10)
#define BULKS      8 /* to a scan */

/* ---- One filter ---- */

static int filter_new(struct filter_of_ids *f, size_t room)
{
    size_t blocks = (room * BITS + BLOCK_BITS - 1) / BLOCK_BITS;

    f->n = 0;
    f->room = room;
    f->n_blocks = blocks ? blocks : 1;
    f->blocks = calloc(f->n_blocks, sizeof(*f->blocks));
    return f->blocks ? 0 : -ENOMEM;
}

static void filter_done(struct filter_of_ids *f)
{
    free(f->blocks);
    *f = (struct filter_of_ids){0};
}

/* The block by the upper half of the hash, its bits by pieces of what a multiplication makes of
 * the hash. */
static uint64_t *block_of(const struct filter_of_ids *f, uint64_t hash)
{
    return f->blocks[((hash >> 32) * f->n_blocks) >> 32];
}

static uint64_t probes_of(uint64_t hash)
{
    return (hash ^ hash >> 29) * 0x9e3779b97f4a7c15u;
}

static void filter_add(struct filter_of_ids *f, uint64_t hash)
{
    uint64_t *block = block_of(f, hash), bits = probes_of(hash);

    for (unsigned i = 0; i < PROBES; i++, bits >>= 9)
        block[bits >> 6 & 7] |= (uint64_t)1 << (bits & 63);
    f->n++;
}

static int filter_has(const struct filter_of_ids *f, uint64_t hash)
{
    const uint64_t *block = block_of(f, hash);
    uint64_t bits = probes_of(hash);

    for (unsigned i = 0; i < PROBES; i++, bits >>= 9)
        if (!(block[bits >> 6 & 7] >> (bits & 63) & 1))
            return 0;
    return 1;
}

static uint64_t hash_of(const struct known *k, const uint8_t *key, size_t len)
{
    uint64_t hash;

    crypto_shorthash((uint8_t *)&hash, key, len, k->key);
    return hash;
}

/* ---- Writer ---- */

void known_end(struct store *s)
{
    struct known *k = &s->known;

    atomic_store(&k->is_made, 0);
    k->is_scanning = 0;
    if (k->scan)
        k->scan->close(k->scan, DB_NOSYNC);
    k->scan = NULL;
    free(k->bulk);
    k->bulk = NULL;
    filter_done(&k->stored);
    for (unsigned i = 0; i < k->n_more; i++)
        filter_done(&k->more[i]);
    k->n_more = 0;
}

void known_begin(struct store *s, uint64_t ids)
{
    struct known *k = &s->known;

    randombytes_buf(k->key, sizeof(k->key));
    k->last_len = 0;
    k->too_many = ids > (uint64_t)KNOWN_BYTES * 8 / BITS || filter_new(&k->stored, ids) < 0;
    k->is_scanning = !k->too_many;
}

int known_absent(const struct store *s, const uint8_t *key, size_t len)
{
    const struct known *k = &s->known;
    uint64_t hash;

    if (k->too_many || !atomic_load_explicit(&k->is_made, memory_order_acquire))
        return 0;
    hash = hash_of(k, key, len);
    for (unsigned i = k->n_more; i-- > 0;)
        if (filter_has(&k->more[i], hash))
            return 0;
    return !filter_has(&k->stored, hash);
}

static int add_filter(struct known *k)
{
    size_t room = (size_t)KNOWN_FIRST << k->n_more;

    if (k->n_more == KNOWN_MORE || room * BITS / 8 > KNOWN_BYTES / 2)
        return -ENOSPC;
    return filter_new(&k->more[k->n_more], room) < 0 ? -ENOMEM : (int)++k->n_more;
}

void known_add(struct store *s, const uint8_t *key, size_t len)
{
    struct known *k = &s->known;

    if (k->too_many)
        return;
    if (!k->n_more || k->more[k->n_more - 1].n >= k->more[k->n_more - 1].room)
        k->too_many = add_filter(k) < 0;
    if (!k->too_many)
        filter_add(&k->more[k->n_more - 1], hash_of(k, key, len));
}

/* ---- Care thread ---- */

static int scan_open(struct store *s)
{
    struct known *k = &s->known;
    int r;

    if (k->scan)
        return 0;
    k->bulk = k->bulk ? k->bulk : malloc(BULK);
    if (!k->bulk)
        return -ENOMEM;
    r = db_create(&k->scan, s->env.env, 0);
    if (r == 0)
        r = k->scan->set_priority(k->scan, DB_PRIORITY_VERY_LOW);
    if (r == 0)
        r = k->scan->open(k->scan, NULL, env_file_name(IDS), NULL, DB_BTREE, DB_THREAD | DB_RDONLY,
                          0);
    if (r != 0 && k->scan) {
        k->scan->close(k->scan, DB_NOSYNC);
        k->scan = NULL;
    }
    return env_errno(&s->env, r);
}

/* Adds what one reading brought. */
static void take(struct known *k, DBT *bulk)
{
    void *at;

    DB_MULTIPLE_INIT(at, bulk);
    for (;;) {
        void *key, *value;
        size_t len, value_len;

        DB_MULTIPLE_KEY_NEXT(at, bulk, key, len, value, value_len);
        (void)value;
        (void)value_len;
        if (!at)
            return;
        filter_add(&k->stored, hash_of(k, key, len));
        k->last_len = len < sizeof(k->last) ? len : sizeof(k->last);
        memcpy(k->last, key, k->last_len);
    }
}

/* 1 = there may be more, 0 = that was all. The last key comes twice, which changes nothing. */
static int read_some(struct store *s)
{
    struct known *k = &s->known;
    DBT key = env_room(k->last, sizeof(k->last)), bulk = env_room(k->bulk, BULK);
    uint8_t before[sizeof(k->last)];
    size_t before_len = k->last_len;
    DBC *c;
    int r;

    memcpy(before, k->last, before_len);
    key.size = (uint32_t)k->last_len;
    env_look(IDS);
    r = env_errno(&s->env, k->scan->cursor(k->scan, NULL, &c, 0));
    if (r < 0)
        return r;
    r = env_errno(
        &s->env, c->get(c, &key, &bulk, (k->last_len ? DB_SET_RANGE : DB_FIRST) | DB_MULTIPLE_KEY));
    c->close(c);
    if (r == 0)
        take(k, &bulk);
    if (r == 0 && k->last_len == before_len && memcmp(before, k->last, before_len) == 0)
        r = -ENOENT; /* nothing behind it */
    return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int known_scan(struct store *s)
{
    struct known *k = &s->known;
    int r = 1;

    if (!k->is_scanning)
        return 0;
    r = scan_open(s);
    r = r < 0 ? r : 1;
    for (int i = 0; i < BULKS && r == 1; i++)
        r = read_some(s);
    if (r == -EAGAIN || r == 1)
        return 1;
    if (r == 0)
        atomic_store_explicit(&k->is_made, 1, memory_order_release);
    k->is_scanning = 0; /* without memory there is none until the next opening */
    if (k->scan)
        k->scan->close(k->scan, DB_NOSYNC);
    k->scan = NULL;
    free(k->bulk);
    k->bulk = NULL;
    return r == -EUCLEAN ? r : 0;
}
