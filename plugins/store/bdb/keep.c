/*
 * keep.c - what else is written in batches: epochs, stamps, expired rows, erased events, and the
 * operator's word that what is there is right.
 */
#include "store.h"

#include "bytes.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_ROWS   500u
#define ERASE_EVENTS 500u

static const uint8_t stamp_key[1] = {0};

/* ---- Epochs: a later owner ends the earlier one's writes ---- */

static size_t epoch_key(struct aiex_slice owner, uint8_t key[MAX_ID + 1])
{
    key[0] = 'e';
    if (owner.len)
        memcpy(key + 1, owner.data, owner.len);
    return owner.len + 1;
}

static int epoch_get(struct store *s, DB_TXN *txn, struct aiex_slice owner, uint64_t *ret)
{
    uint8_t key[MAX_ID + 1], value[8];
    int n;

    *ret = s->writer.draft.epoch;
    if (!owner.len)
        return 0;
    n = env_get(&s->env, META, txn, key, epoch_key(owner, key), value, 8);
    *ret = n == 8 ? get_be(value, 8) : 0;
    return n < 0 && n != -ENOENT ? n : 0;
}

int epoch_check(struct store *s, DB_TXN *txn, struct write *w)
{
    uint64_t now;
    int r;

    if (w->epoch < 0)
        return 0;
    r = epoch_get(s, txn, w->owner, &now);
    if (r < 0 || (uint64_t)w->epoch >= now)
        return r;
    w->actual = (int64_t)now;
    return refuse(w, AIEX_E_CONFLICT, "epoch %lld of '%.*s' is over, %llu writes now",
                  (long long)w->epoch, (int)w->owner.len, (const char *)w->owner.data,
                  (unsigned long long)now);
}

int epoch_put(struct store *s, DB_TXN *txn, struct write *w)
{
    uint8_t key[MAX_ID + 1], value[8];
    uint64_t now;
    int r;

    if (w->epoch < 0)
        return 0;
    r = epoch_get(s, txn, w->owner, &now);
    if (r < 0 || (uint64_t)w->epoch <= now)
        return r;
    if (!w->owner.len) {
        s->writer.draft.epoch = (uint64_t)w->epoch;
        return 0;
    }
    put_be(value, (uint64_t)w->epoch, 8);
    return env_put(&s->env, META, txn, key, epoch_key(w->owner, key), value, 8, 0);
}

/* ---- Stamps: w may be NULL; w->a is the new one ---- */

static int stamp_all(struct store *s, DB_TXN *txn, struct write *w)
{
    uint8_t value[8];
    uint64_t stamp = ++s->writer.draft.stamp;
    int r = 0;

    put_be(value, stamp, 8);
    for (enum file f = 0; f < N_FILES && r == 0; f++)
        r = env_put(&s->env, f, txn, stamp_key, 1, value, 8, 0);
    if (w)
        w->a = stamp;
    return r;
}

static void stamped(struct store *s, struct write *w)
{
    atomic_store(&s->care.stamped, w->a);
    queue_nudge(s, &s->jobs.slow);
}

static void stamp_over(struct store *s, struct write *w)
{
    (void)w;
    atomic_store(&s->care.stamping, 0);
}

const struct write_kind stamp_kind = {
    .apply = stamp_all, .committed = stamped, .answer = stamp_over};

/* ---- Rows that are over ---- */

/* One key of what expires: the row goes when it still expires then. */
static int sweep_row(struct store *s, DB_TXN *txn, const uint8_t *key, size_t len)
{
    struct table *t = tables_by_id(&s->tables, (uint32_t)get_be(key + 12, 4));
    struct op op = {.kind = OP_DELETE, .in = t, .key = {key + 16, len - 16}};
    uint8_t row[ROW_KEY_MAX], head[ROW_HEAD];
    DBT k = env_dbt(row, t ? row_key(t, op.key, row) : 0), v = env_room(head, sizeof(head));
    DB *db = env_file(&s->env, ROWS);
    int r = -ENOENT;

    v.flags |= DB_DBT_PARTIAL;
    v.dlen = sizeof(head);
    if (t)
        r = env_errno(&s->env, db->get(db, txn, &k, &v, 0));
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && v.size == ROW_HEAD && get_be(head + 8, 8) == get_be(key + 4, 8))
        return rows_put(s, txn, &op, 0);
    r = env_del(&s->env, FIELDS, txn, key, len);
    return r == -ENOENT ? 0 : r;
}

static int sweep(struct store *s, DB_TXN *txn, struct write *w)
{
    uint8_t key[FIELD_KEY_MAX], now[8];
    unsigned rows = 0;
    int r = 0;

    put_be(now, (uint64_t)wall_ms(), 8);
    while (rows < SWEEP_ROWS && r == 0) {
        DBT k = env_room(key, sizeof(key)), v = {.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
        DB *db = env_file(&s->env, FIELDS);
        DBC *c;

        memset(key, 0, 5);
        k.size = 5; /* behind the stamp */
        r = env_errno(&s->env, db->cursor(db, txn, &c, 0));
        if (r < 0)
            return r;
        r = env_errno(&s->env, c->get(c, &k, &v, DB_SET_RANGE));
        c->close(c);
        if (r == -ENOENT || (r == 0 && (get_be(key, 4) || memcmp(key + 4, now, 8) > 0)))
            return rows ? 0 : UNCHANGED;
        if (r == 0)
            r = k.size > 16 ? sweep_row(s, txn, key, k.size) : -EBADMSG;
        rows++;
    }
    w->a = 1; /* more */
    return r;
}

static void sweep_over(struct store *s, struct write *w)
{
    atomic_store(&s->care.sweeping, 0);
    (void)w;
}

const struct write_kind sweep_kind = {.apply = sweep, .answer = sweep_over};

/* ---- Erasing: the tombstone keeps the chain whole (event.h) ---- */

/* Takes an event out of the indexes, as its map says. */
static int unmark(struct store *s, DB_TXN *txn, const struct event_view *v)
{
    struct aiex_slice text = {NULL, 0};
    uint8_t key[ID_KEY];
    int r = ids_file_all(s, txn);

    if (r == 0 && aiex_get_str(v->map, "id", &text) == 1 && text.len <= MAX_ID)
        r = env_del(&s->env, IDS, txn, key, id_key(text, key));
    if (r == 0 && v->type.len)
        r = marks_drop(s, txn, 't', v->type, v->sequence);
    if (r == 0 && aiex_get_str(v->map, "correlation", &text) == 1 && text.len &&
        text.len <= MAX_CORRELATION)
        r = marks_drop(s, txn, 'c', text, v->sequence);
    return r;
}

/* The event's tombstone; what is erased already stays as it is. */
static int erase_record(struct store *s, DB_TXN *txn, uint64_t sequence)
{
    uint8_t tombstone[EVENT_TOMBSTONE];
    DBT mem = env_grows();
    struct run_entry event;
    struct event_view view;
    int r = events_find(s, txn, sequence, &mem, &event);

    r = r ? r : event_view(event.record, event.len, sequence, &view);
    if (r == 0 && !(view.flags & EVENT_ERASED)) {
        r = unmark(s, txn, &view);
        event_tombstone(event.record, event.len, tombstone);
        r = r ? r : events_replace(s, txn, sequence, tombstone, sizeof(tombstone));
    }
    free(mem.data);
    return r;
}

/* a = next version, b = last one, c = close; removed is counted in w->version. */
static int erase(struct store *s, DB_TXN *txn, struct write *w)
{
    struct head *h;
    uint64_t at = w->a, sequence = 1, removed = 0;
    int r = head_hot(s, txn, w->ops->stream, &h);

    if (r < 0)
        return r;
    if (!h->is.exists)
        return refuse(w, AIEX_E_NOT_FOUND, "there is no stream '%.*s'", (int)w->ops->stream.len,
                      (const char *)w->ops->stream.data);
    while (removed < ERASE_EVENTS && r == 0) {
        r = stream_at(&s->env, txn, h, at, &at, &sequence);
        if (r < 0 || !sequence || at > w->b) {
            sequence = 0;
            break;
        }
        r = erase_record(s, txn, sequence);
        removed++;
        if (at++ == h->is.first)
            h->is.first = at;
    }
    r = r ? r : stream_cut(s, txn, h, w->a, sequence ? at - 1 : w->b);
    w->failed = sequence ? (int64_t)at : -1; /* go on from here */
    w->version = removed;
    if (!sequence && w->c)
        h->is.closed = 1;
    if (!sequence && w->a <= h->is.first && h->is.first <= w->b)
        h->is.first = (w->b < h->is.version ? w->b : h->is.version) + 1;
    return r ? r : head_put(s, txn, w->ops->stream, h);
}

static void write_removed(struct aiex_writer *out, const void *arg)
{
    aiex_w_map(out, 1);
    aiex_w_key_uint(out, "removed", ((const struct write *)arg)->version);
}

/* The next piece, as a write of its own, so that others come in between. */
static int erase_more(struct store *s, struct write *w)
{
    struct aiex_slice body = {w->body, w->bytes - sizeof(*w)};
    struct write *more = write_new(&erase_kind, w->id, body);

    if (more)
        more->ops = calloc(1, sizeof(*more->ops));
    if (!more || !more->ops) {
        if (more)
            write_free(more);
        return -ENOMEM;
    }
    more->n_ops = 1;
    more->ops->stream.data = more->body + (w->ops->stream.data - w->body);
    more->ops->stream.len = w->ops->stream.len;
    more->a = (uint64_t)w->failed;
    more->b = w->b;
    more->c = w->c;
    more->arg = NULL;
    more->erased = w->erased + w->version;
    write_submit(s, more);
    return 0;
}

static void erase_answer(struct store *s, struct write *w)
{
    if (!w->code && w->failed >= 0 && erase_more(s, w) == 0)
        return;
    w->version += w->erased;
    if (w->code)
        write_refused(s, w);
    else
        store_reply(s, w->id, write_removed, w);
}

const struct write_kind erase_kind = {.apply = erase, .answer = erase_answer};

/* ---- The operator accepts what is there ---- */

static int accept(struct store *s, DB_TXN *txn, struct write *w)
{
    struct tail *t = &s->writer.draft;
    DBT mem = env_grows();
    struct run_entry event;
    struct event_view view;
    int r = events_last(&s->env, &mem, &event);

    if (r == 0 && event.number) {
        t->sequence = event.number;
        r = event_view(event.record, event.len, event.number, &view);
        if (r == 0)
            memcpy(t->chain, view.chain, EVENT_HASH);
    }
    free(mem.data);
    if (r < 0)
        return r;
    t->filed = t->filed < t->sequence ? t->filed : t->sequence;
    r = ids_begin(s, t);
    r = r ? r : ids_file_all(s, txn); /* no later opening stumbles over what is accepted now */
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->side_lock);
    t->epoch = s->acknowledged.epoch > t->epoch ? s->acknowledged.epoch : t->epoch;
    t->commits = s->acknowledged.commits > t->commits ? s->acknowledged.commits : t->commits;
    t->stamp = s->acknowledged.stamp > t->stamp ? s->acknowledged.stamp : t->stamp;
    pthread_mutex_unlock(&s->side_lock);
    return stamp_all(s, txn, w);
}

static void accepted(struct store *s, struct write *w)
{
    (void)w;
    state_clear(s, DAMAGE);
}

static void accept_answer(struct store *s, struct write *w)
{
    if (w->code)
        write_refused(s, w);
    else
        aiex_reply_done(s->host, w->id);
    if (!w->code)
        store_tell_restored(s);
}

const struct write_kind accept_kind = {
    .apply = accept, .committed = accepted, .answer = accept_answer, .alone = 1};
