/* ids.c - see ids.h. */
#include "ids.h"

#include "bytes.h"
#include "store.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS    (2u * IDS_RUN)
#define PIECE_LEN (IDS_PIECE * (ID_KEY + 8u + 4u * sizeof(uint32_t)) + 64u)

size_t id_key(struct aiex_slice id, uint8_t key[ID_KEY])
{
    key[0] = 'e';
    memcpy(key + 1, id.data, id.len);
    return id.len + 1;
}

/* ---- One run ---- */

static uint32_t *chain_of(const struct ids *ids, const struct id_run *run, const uint8_t *key,
                          size_t len)
{
    uint64_t hash;

    crypto_shorthash((uint8_t *)&hash, key, len, ids->hash);
    return &run->chains[hash % CHAINS];
}

static uint64_t last_of(const struct id_run *run)
{
    return run->n ? run->all[run->n - 1].sequence : 0;
}

static void run_empty(struct id_run *run)
{
    run->n = run->keys_len = 0;
    if (run->chains)
        memset(run->chains, 0, CHAINS * sizeof(*run->chains));
}

static void run_free(struct id_run *run)
{
    free(run->keys);
    free(run->all);
    free(run->chains);
    *run = (struct id_run){0};
}

static void ids_free(struct ids *ids)
{
    run_free(&ids->runs[0]);
    run_free(&ids->runs[1]);
    free(ids->order);
    ids->order = NULL;
}

static int make_room(struct id_run *run, size_t len)
{
    if (!run->chains && !(run->chains = calloc(CHAINS, sizeof(*run->chains))))
        return -ENOMEM;
    if (run->n == run->room) {
        size_t room = run->room ? 2 * run->room : 1024;
        struct id_entry *all = realloc(run->all, room * sizeof(*all));

        if (!all)
            return -ENOMEM;
        run->all = all;
        run->room = room;
    }
    if (run->keys_len + len > run->keys_size) {
        size_t size = run->keys_size ? 2 * run->keys_size : 32768;
        uint8_t *keys = realloc(run->keys, size);

        if (!keys)
            return -ENOMEM;
        run->keys = keys;
        run->keys_size = size;
    }
    return 0;
}

/* How much of a key is that of all before it. */
static uint32_t same_as_before(const struct id_run *run, const uint8_t *key, size_t len)
{
    uint32_t n = 0, most = (uint32_t)len;

    if (!run->n)
        return most;
    if (run->all[run->n - 1].same < most)
        most = run->all[run->n - 1].same;
    while (n < most && run->keys[n] == key[n]) /* the first key begins there */
        n++;
    return n;
}

static int run_add(const struct ids *ids, struct id_run *run, const uint8_t *key, size_t len,
                   uint64_t sequence)
{
    struct id_entry *e;
    uint32_t *chain;
    int r = make_room(run, len);

    if (r < 0)
        return r;
    chain = chain_of(ids, run, key, len);
    e = &run->all[run->n];
    *e = (struct id_entry){.sequence = sequence,
                           .at = (uint32_t)run->keys_len,
                           .next = *chain,
                           .len = (uint32_t)len,
                           .same = same_as_before(run, key, len)};
    memcpy(run->keys + run->keys_len, key, len);
    run->keys_len += len;
    *chain = (uint32_t)++run->n;
    return 0;
}

static void take_back(const struct ids *ids, struct id_run *run, uint64_t sequence)
{
    while (last_of(run) > sequence) {
        const struct id_entry *e = &run->all[--run->n];

        *chain_of(ids, run, run->keys + e->at, e->len) = e->next;
        run->keys_len = e->at;
    }
}

/* The sequence behind `filed` of the id; 0 = none. */
static uint64_t run_find_id(const struct ids *ids, const struct id_run *run, const uint8_t *key,
                            size_t len, uint64_t filed)
{
    if (!run->n)
        return 0;
    for (uint32_t i = *chain_of(ids, run, key, len); i;) {
        const struct id_entry *e = &run->all[i - 1];

        if (e->len == len && memcmp(run->keys + e->at, key, len) == 0)
            return e->sequence > filed ? e->sequence : 0;
        i = e->next;
    }
    return 0;
}

/* ---- In order ---- */

static int by_key(const void *a, const void *b)
{
    const struct id_order *x = a, *y = b;

    return x->key < y->key ? -1 : x->key > y->key;
}

/* By the eight bytes behind what all have in common. It is only for speed that neighbours are put
 * together: NULL, without memory, is the order in which they came, and where eight bytes do not
 * tell it is any. */
static struct id_order *sorted(const struct id_run *run)
{
    uint32_t same = run->n ? run->all[run->n - 1].same : 0;
    struct id_order *order = malloc((run->n + 1) * sizeof(*order));

    for (size_t i = 0; i < run->n && order; i++) {
        const struct id_entry *e = &run->all[i];
        uint8_t first[8] = {0};
        size_t n = e->len - same < 8 ? e->len - same : 8;

        memcpy(first, run->keys + e->at + same, n);
        order[i] = (struct id_order){get_be(first, 8), (uint32_t)i};
    }
    if (order)
        qsort(order, run->n, sizeof(*order), by_key);
    return order;
}

/* ---- Putting ---- */

/* At most IDS_PIECE of a run, from the nth of its order on. */
static int put_piece(struct store *s, DB_TXN *txn, const struct id_run *run, size_t from, size_t n,
                     const struct id_order *order)
{
    uint32_t mem[PIECE_LEN / 4];
    DBT bulk = {.data = mem, .ulen = sizeof(mem), .flags = DB_DBT_USERMEM};
    DB *db = env_file(&s->env, IDS);
    size_t put = 0;
    void *at;

    DB_MULTIPLE_WRITE_INIT(at, &bulk);
    for (size_t i = from; i < from + n; i++) {
        const struct id_entry *e = &run->all[order ? order[i].number : i];
        uint8_t value[8];

        if (e->sequence <= s->writer.draft.filed)
            continue;
        put_be(value, e->sequence, 8);
        DB_MULTIPLE_KEY_WRITE_NEXT(at, &bulk, run->keys + e->at, e->len, value, sizeof(value));
        if (!at)
            return -EMSGSIZE;
        put++;
    }
    return put ? env_errno(&s->env, db->put(db, txn, &bulk, NULL, DB_MULTIPLE_KEY)) : 0;
}

static int put_from(struct store *s, DB_TXN *txn, const struct id_run *run, size_t from, size_t to,
                    const struct id_order *order)
{
    int r = 0;

    for (size_t at = from; at < to && r == 0; at += IDS_PIECE)
        r = put_piece(s, txn, run, at, to - at < IDS_PIECE ? to - at : IDS_PIECE, order);
    return r;
}

int ids_file_all(struct store *s, DB_TXN *txn)
{
    struct ids *ids = &s->ids;
    const struct id_run *young = &ids->runs[ids->young], *old = &ids->runs[!ids->young];
    struct tail *t = &s->writer.draft;
    struct id_order *order;
    int r;

    if (t->filed == t->sequence)
        return 0;
    order = sorted(young);
    r = put_from(s, txn, old, 0, old->n, ids->order);
    r = r ? r : put_from(s, txn, young, 0, young->n, order);
    free(order);
    t->filed = t->sequence;
    return r;
}

int ids_file(struct store *s, DB_TXN *txn)
{
    struct ids *ids = &s->ids;
    struct tail *t = &s->writer.draft;
    struct id_run *young = &ids->runs[ids->young], *old = &ids->runs[!ids->young];
    size_t done, due;
    int r;

    take_back(ids, young, t->sequence);
    if (old->n && last_of(old) <= t->filed)
        run_empty(old);
    if (young->n && !old->n && last_of(young) <= t->filed)
        run_empty(young);
    if (t->sequence - t->filed > IDS_MOST)
        return ids_file_all(s, txn);
    if (!old->n && young->n >= IDS_RUN) {
        ids->young = !ids->young;
        old = young;
        young = &ids->runs[ids->young];
        ids->begun = t->put;
        free(ids->order);
        ids->order = sorted(old);
    }
    done = t->put - ids->begun;
    due = young->n < IDS_RUN ? young->n * old->n / IDS_RUN : old->n;
    if (due <= done || (due - done < IDS_PIECE && due < old->n))
        return UNCHANGED;
    r = put_from(s, txn, old, done, due, ids->order);
    t->put += due - done;
    if (due == old->n)
        t->filed = last_of(old);
    return r;
}

/* ---- Looking, and adding ---- */

int ids_find(struct store *s, DB_TXN *txn, const uint8_t *key, size_t len, uint64_t *ret_sequence)
{
    const struct ids *ids = &s->ids;
    uint64_t filed = s->writer.draft.filed, sequence;
    uint8_t value[8];
    int n;

    if (known_absent(s, key, len))
        return 0;
    sequence = run_find_id(ids, &ids->runs[ids->young], key, len, filed);
    if (!sequence)
        sequence = run_find_id(ids, &ids->runs[!ids->young], key, len, filed);
    if (sequence) {
        *ret_sequence = sequence;
        return 1;
    }
    n = env_get(&s->env, IDS, txn, key, len, value, sizeof(value));
    if (n != 8)
        return n == -ENOENT ? 0 : n < 0 ? n : -EBADMSG;
    *ret_sequence = get_be(value, 8);
    return 1;
}

int ids_add(struct store *s, const uint8_t *key, size_t len, uint64_t sequence)
{
    struct ids *ids = &s->ids;
    int r = run_add(ids, &ids->runs[ids->young], key, len, sequence);

    if (r == 0)
        known_add(s, key, len);
    return r;
}

/* ---- Opening ---- */

static int read_event(struct store *s, struct ids *ids, const struct run_entry *event)
{
    struct aiex_slice id = {NULL, 0};
    struct event_view v;
    uint8_t key[ID_KEY];
    size_t len;
    int r = event_view(event->record, event->len, event->number, &v);

    if (r < 0 || v.flags & EVENT_ERASED)
        return r;
    if (aiex_get_str(v.map, "id", &id) != 1 || id.len > MAX_ID)
        return -EBADMSG;
    len = id_key(id, key);
    known_add(s, key, len);
    return run_add(ids, &ids->runs[0], key, len, event->number);
}

/* The events of `run` that the tree has no ids of. */
static int read_run(struct store *s, struct ids *ids, const struct tail *t, struct aiex_slice run)
{
    struct run_entry event;
    int r;

    while ((r = run_next(&run, &event)) == 1) {
        r = event.number > t->filed && event.number <= t->sequence ? read_event(s, ids, &event) : 0;
        if (r < 0)
            return r;
    }
    return r;
}

static int read_all(struct store *s, struct ids *ids, const struct tail *t)
{
    uint8_t key[8];
    DBT k = env_room(key, sizeof(key)), mem = env_grows();
    DB *db = env_file(&s->env, EVENTS);
    DBC *c;
    int r = env_errno(&s->env, db->cursor(db, NULL, &c, 0));

    if (r < 0)
        return r;
    put_be(key, t->filed + 1, 8);
    k.size = sizeof(key);
    r = env_errno(&s->env, c->get(c, &k, &mem, DB_SET_RANGE));
    while (r == 0) {
        r = read_run(s, ids, t, (struct aiex_slice){mem.data, mem.size});
        r = r ? r : env_errno(&s->env, c->get(c, &k, &mem, DB_NEXT));
    }
    c->close(c);
    free(mem.data);
    return r == -ENOENT ? 0 : r;
}

int ids_begin(struct store *s, const struct tail *t)
{
    struct ids found = {0};
    int r;

    randombytes_buf(found.hash, sizeof(found.hash));
    r = t->filed < t->sequence ? read_all(s, &found, t) : 0;
    if (r == -EUCLEAN || r == -EBADMSG) {
        state_damage(s, "events.db, the ids of the newest");
    } else if (r < 0) {
        ids_free(&found);
        return r;
    }
    ids_free(&s->ids);
    s->ids = found;
    return 0;
}

void ids_done(struct store *s)
{
    ids_free(&s->ids);
}
