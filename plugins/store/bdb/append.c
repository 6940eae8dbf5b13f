/*
 * append.c - events into streams, inside of a batch.
 *
 * First everything is checked against what lies in the transaction, then put: a put that finds its
 * key taken is damage, not a conflict. An event whose id is known is the event that was stored:
 * a request whose events are all known gets the answer of that time, also when its expected
 * version no longer holds, because its caller only lost the answer.
 */
#include "store.h"

#include "bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static int same(struct aiex_slice a, struct aiex_slice b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* The head as the earlier operations of the same request leave it. */
static int head_for(struct store *s, DB_TXN *txn, struct write *w, uint32_t index)
{
    struct op *op = &w->ops[index];
    struct head *h;
    int r;

    for (uint32_t i = index; i-- > 0;) {
        struct op *before = &w->ops[i];

        if (before->kind != OP_APPEND || !same(before->stream, op->stream))
            continue;
        op->head = before->head;
        op->head.exists = 1;
        op->head.version = before->version;
        return 0;
    }
    r = head_hot(s, txn, op->stream, &h);
    op->head = h->is;
    return r;
}

/* Where the known event stands: 1, 0 = its stream is another, or negative errno. */
static int known_place(struct store *s, DB_TXN *txn, struct op *op, uint64_t sequence)
{
    DBT mem = env_grows();
    struct run_entry event;
    int r = events_find(s, txn, sequence, &mem, &event);

    if (r == 0 && event.len < EVENT_HEAD)
        r = -EBADMSG;
    if (r == 0) {
        op->version = get_be(event.record + 16, 8);
        op->sequence = sequence;
        r = get_be(event.record + 24, 8) == op->head.number;
    }
    free(mem.data);
    return r == -ENOENT ? -EBADMSG : r;
}

/* How many events are known. Place and version are those of the last one. */
static int count_known(struct store *s, DB_TXN *txn, struct write *w, struct op *op,
                       uint32_t *ret_known)
{
    uint8_t key[ID_KEY];
    uint64_t sequence;

    *ret_known = 0;
    for (uint32_t i = 0; i < op->n_events; i++) {
        struct aiex_slice id = op->events[i].id;
        int n = ids_find(s, txn, key, id_key(id, key), &sequence);

        if (n == 0)
            continue;
        n = n < 0 ? n : known_place(s, txn, op, sequence);
        if (n < 0)
            return n;
        if (n == 0)
            return refuse(w, AIEX_E_CONFLICT, "event id '%.*s' is one of another stream",
                          (int)id.len, (const char *)id.data);
        ++*ret_known;
    }
    return 0;
}

static int expect(struct write *w, const struct op *op)
{
    const struct head_found *h = &op->head;
    int good = op->expected == -1 || (op->expected == -2 && h->exists) ||
               (op->expected >= 0 && (uint64_t)op->expected == h->version);

    if (good && !h->closed)
        return 0;
    w->actual = (int64_t)h->version;
    if (h->closed)
        return refuse(w, AIEX_E_CONFLICT, "stream '%.*s' is closed", (int)op->stream.len,
                      (const char *)op->stream.data);
    return refuse(w, AIEX_E_CONFLICT, "stream '%.*s' has version %llu, not %lld",
                  (int)op->stream.len, (const char *)op->stream.data,
                  (unsigned long long)h->version, (long long)op->expected);
}

int append_check(struct store *s, DB_TXN *txn, struct write *w, uint32_t index)
{
    struct op *op = &w->ops[index];
    uint32_t known;
    int r = head_for(s, txn, w, index);

    op->duplicate = 0;
    w->actual = -1;
    r = r ? r : count_known(s, txn, w, op, &known);
    if (r != 0)
        return r;
    if (known == op->n_events) {
        op->duplicate = 1;
        return 0;
    }
    if (known)
        return refuse(w, AIEX_E_CONFLICT,
                      "%u of the %u events are stored already; the same request again has all of "
                      "them, another one none",
                      known, op->n_events);
    r = expect(w, op);
    op->version = op->head.version + op->n_events;
    return r;
}

/* ---- Puts ---- */

static const uint8_t *next_salt(struct writer *wr)
{
    if (wr->n_salts == 0) {
        size_t got = 0;

        while (got < sizeof(wr->salts)) {
            ssize_t n = getrandom((uint8_t *)wr->salts + got, sizeof(wr->salts) - got, 0);

            got += n > 0 ? (size_t)n : 0;
        }
        wr->n_salts = sizeof(wr->salts) / EVENT_SALT;
    }
    return wr->salts[--wr->n_salts];
}

/* Earliest and latest time of the block; they are written when it is full. */
static int note_time(struct store *s, DB_TXN *txn, uint64_t sequence, uint64_t time)
{
    struct tail *t = &s->writer.draft;
    uint8_t key[9] = {'b'}, value[16];

    if (sequence % BLOCK && sequence != 1) {
        t->earliest = time < t->earliest ? time : t->earliest;
        t->latest = time > t->latest ? time : t->latest;
        return 0;
    }
    put_be(key + 1, (sequence - 1) / BLOCK, 8);
    put_be(value, t->earliest, 8);
    put_be(value + 8, t->latest, 8);
    t->earliest = t->latest = time;
    return sequence == 1 ? 0 : env_put(&s->env, META, txn, key, sizeof(key), value, 16, 0);
}

static int put_event(struct store *s, DB_TXN *txn, const struct event *e,
                     const struct event_place *p, struct head *h)
{
    struct tail *t = &s->writer.draft;
    uint8_t key[ID_KEY];
    size_t len = 0;
    int r = events_add(s, txn, e, p, next_salt(&s->writer), t->chain, &len);

    t->events_bytes += len;
    r = r ? r : stream_append(s, txn, h, p->sequence, len);
    r = r ? r : ids_add(s, key, id_key(e->id, key), p->sequence);
    return r ? r : note_time(s, txn, p->sequence, (uint64_t)e->time);
}

int append_put(struct store *s, DB_TXN *txn, struct op *op)
{
    struct tail *t = &s->writer.draft;
    struct event_place p = {.stream = op->stream};
    struct head *h;
    int r = head_hot(s, txn, op->stream, &h);

    if (r == 0 && !h->is.exists) {
        h->is.number = ++t->next_number;
        h->is.exists = 1;
        t->streams++;
    }
    p.number = h->is.number;
    for (uint32_t i = 0; i < op->n_events && r == 0; i++) {
        p.version = h->is.version + 1;
        p.sequence = ++t->sequence;
        r = put_event(s, txn, &op->events[i], &p, h);
    }
    op->version = h->is.version;
    op->sequence = t->sequence;
    return r ? r : head_put(s, txn, op->stream, h);
}

/* ---- The kind ---- */

static int apply(struct store *s, DB_TXN *txn, struct write *w)
{
    int r = append_check(s, txn, w, 0);

    if (r != 0)
        return r;
    w->duplicate = w->ops->duplicate;
    if (w->duplicate)
        return UNCHANGED;
    w->version = ++s->writer.draft.transactions;
    return append_put(s, txn, w->ops);
}

static void write_end(struct aiex_writer *out, const void *arg)
{
    const struct write *w = arg;

    aiex_w_map(out, 3);
    aiex_w_key_uint(out, "version", w->ops->version);
    aiex_w_key_uint(out, "sequence", w->ops->sequence);
    aiex_w_key_bool(out, "duplicate", w->duplicate);
}

static void answer(struct store *s, struct write *w)
{
    if (w->code)
        write_refused(s, w);
    else
        store_reply(s, w->id, write_end, w);
}

const struct write_kind append_kind = {.apply = apply, .answer = answer};
