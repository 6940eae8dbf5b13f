/* streams.c - see streams.h. */
#include "streams.h"

#include "bytes.h"
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIXED      37u /* bytes of a head without its tail */
#define TAIL_AT    25u
#define HEAD_ROOM  (FIXED + 8 * TAIL_MAX)
#define CLOSED_BIT 1u

/* ---- Heads ---- */

int head_read(const uint8_t *value, size_t len, struct head *ret)
{
    size_t n = len >= FIXED ? (len - FIXED) / 8 : 0;

    if (len < FIXED || (len - FIXED) % 8 || n > TAIL_MAX)
        return -EBADMSG;
    ret->is.exists = 1;
    ret->is.number = get_be(value, 8);
    ret->is.first = get_be(value + 8, 8);
    ret->is.closed = value[16] & CLOSED_BIT;
    ret->base = get_be(value + 17, 8);
    ret->is.version = ret->base + n;
    for (size_t i = 0; i < n; i++)
        ret->tail[i] = get_be(value + TAIL_AT + 8 * i, 8);
    ret->is.last_sequence = get_be(value + len - 12, 8);
    ret->bytes = (uint32_t)get_be(value + len - 4, 4);
    return 0;
}

int head_get(struct env *e, DB_TXN *txn, struct aiex_slice name, struct head *ret)
{
    uint8_t value[HEAD_ROOM];
    int n = env_get(e, HEADS, txn, name.data, name.len, value, sizeof(value));

    memset(&ret->is, 0, sizeof(ret->is));
    ret->is.first = 1;
    ret->base = 0;
    ret->bytes = 0;
    if (n == -ENOENT)
        return 0;
    return n < 0 ? n : head_read(value, (size_t)n, ret);
}

/* What changes with an event stands at the end: the log gets no more than that. */
int head_put(struct store *s, DB_TXN *txn, struct aiex_slice name, const struct head *head)
{
    uint8_t value[HEAD_ROOM], *end = value + TAIL_AT;
    const struct head_found *is = &head->is;

    put_be(value, is->number, 8);
    put_be(value + 8, is->first, 8);
    value[16] = is->closed ? CLOSED_BIT : 0;
    put_be(value + 17, head->base, 8);
    for (size_t i = 0; i < is->version - head->base; i++, end += 8)
        put_be(end, head->tail[i], 8);
    put_be(end, is->last_sequence, 8);
    put_be(end + 8, head->bytes, 4);
    return env_put(&s->env, HEADS, txn, name.data, name.len, value, (size_t)(end + 12 - value), 0);
}

int head_hot(struct store *s, DB_TXN *txn, struct aiex_slice name, struct head **ret)
{
    uint64_t hash = 0xcbf29ce484222325u;
    struct hot *hot;
    int r;

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ name.data[i]) * 0x100000001b3u;
    hot = &s->heads.hot[(hash ^ hash >> 32) % HOT_HEADS];
    *ret = &hot->head;
    if (hot->name_len == name.len && memcmp(hot->name, name.data, name.len) == 0)
        return 0;
    hot->name_len = 0;
    r = head_get(&s->env, txn, name, &hot->head);
    if (r == 0 && hot->head.is.exists && name.len <= MAX_STREAM) {
        memcpy(hot->name, name.data, name.len);
        hot->name_len = (uint32_t)name.len;
        s->heads.used = 1;
    }
    return r;
}

void streams_forget(struct store *s)
{
    for (unsigned i = 0; i < HOT_HEADS && s->heads.used; i++)
        s->heads.hot[i].name_len = 0;
    s->heads.used = 0;
}

void streams_done(struct store *s)
{
    run_done(&s->heads.run);
    free(s->heads.found.data);
    s->heads.found = (DBT){0};
}

/* ---- Runs ---- */

static size_t run_key(uint64_t number, uint64_t version, uint8_t key[16])
{
    put_be(key, number, 8);
    put_be(key + 8, version, 8);
    return 16;
}

int stream_run(struct env *e, DB_TXN *txn, uint64_t number, uint64_t version, DBT *mem,
               uint64_t *ret_last)
{
    uint8_t key[16];
    DBT k = env_room(key, sizeof(key));
    int r;

    k.size = (uint32_t)run_key(number, version, key);
    r = env_seek(e, STREAMS, txn, &k, mem, DB_SET_RANGE);
    if (r < 0)
        return r;
    if (k.size != 16 || get_be(key, 8) != number)
        return -ENOENT;
    *ret_last = get_be(key + 8, 8);
    return 0;
}

/* A copy of the event becomes the next entry. */
static int copy_event(struct store *s, DB_TXN *txn, struct run *run, uint64_t version,
                      uint64_t sequence)
{
    DBT *mem = &s->heads.found;
    struct run_entry event;
    uint8_t *to;
    int r;

    mem->flags = DB_DBT_REALLOC;
    r = events_find(s, txn, sequence, mem, &event);

    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    to = run_room(run, event_copy_len(event.len));
    if (!to)
        return -ENOMEM;
    run_took(run, version, event_copy(to, event.record, event.len, sequence));
    return 0;
}

/* The tail becomes a run. */
static int close_tail(struct store *s, DB_TXN *txn, struct head *h)
{
    struct run *run = &s->heads.run;
    uint8_t key[16];
    int r = 0;

    run_clear(run);
    for (uint64_t v = h->base + 1; v <= h->is.version && r == 0; v++)
        if (h->tail[v - h->base - 1])
            r = copy_event(s, txn, run, v, h->tail[v - h->base - 1]);
    if (r == 0 && run->n)
        r = env_put(&s->env, STREAMS, txn, key, run_key(h->is.number, h->is.version, key), run->mem,
                    run->len, DB_NOOVERWRITE);
    if (r == 0) {
        h->base = h->is.version;
        h->bytes = 0;
    }
    return r;
}

/* How full a tail gets, in 64ths. Streams that grow side by side would close theirs side by side,
 * too, all in one batch; so their first ones are of lengths that are spread evenly (Knuth: The Art
 * of Computer Programming 3, 6.4, on multiplying by the golden ratio). */
static unsigned filling(const struct head *h)
{
    return h->base ? 64 : 16 + (uint32_t)(h->is.number * 2654435769u) / (UINT32_MAX / 48 + 1);
}

int stream_append(struct store *s, DB_TXN *txn, struct head *h, uint64_t sequence, size_t len)
{
    size_t bytes = RUN_HEAD + event_copy_len(len), n = h->is.version - h->base, fill = filling(h);
    int r = 0;

    if (n && (n >= TAIL_MAX * fill / 64 || h->bytes + bytes > RUN_FILL * fill / 64))
        r = close_tail(s, txn, h);

    if (r < 0)
        return r;
    h->tail[h->is.version++ - h->base] = sequence;
    h->is.last_sequence = sequence;
    h->bytes += (uint32_t)bytes;
    return 0;
}

/* ---- What is there ---- */

/* The same among the runs; *ret_version behind the base: there is none. */
static int run_at(struct env *e, DB_TXN *txn, const struct head *h, uint64_t from,
                  uint64_t *ret_version, uint64_t *ret_sequence)
{
    struct run_entry entry;
    DBT mem = env_grows();
    uint64_t last;
    int r = 0;

    while (r == 0 && from <= h->base && !*ret_sequence) {
        r = stream_run(e, txn, h->is.number, from, &mem, &last);
        if (r < 0)
            break;
        r = run_find((struct aiex_slice){mem.data, mem.size}, from, &entry);
        if (r == 1 && entry.len >= EVENT_COPY) {
            *ret_version = entry.number;
            *ret_sequence = get_be(entry.record + 16, 8);
        } else if (r == 1) {
            r = -EBADMSG;
        }
        r = r < 0 ? r : 0;
        from = last + 1; /* the end of this run was erased */
    }
    free(mem.data);
    return r == -ENOENT ? 0 : r;
}

int stream_at(struct env *e, DB_TXN *txn, const struct head *h, uint64_t from,
              uint64_t *ret_version, uint64_t *ret_sequence)
{
    int r;

    *ret_sequence = 0;
    r = run_at(e, txn, h, from, ret_version, ret_sequence);
    if (r < 0 || *ret_sequence)
        return r;
    for (uint64_t v = from > h->base ? from : h->base + 1; v <= h->is.version; v++)
        if (h->tail[v - h->base - 1]) {
            *ret_version = v;
            *ret_sequence = h->tail[v - h->base - 1];
            return 0;
        }
    return 0;
}

/* ---- Taking out ---- */

static int cut_run(struct store *s, DB_TXN *txn, const struct head *h, const DBT *mem,
                   uint64_t last, uint64_t from, uint64_t to)
{
    struct run run = {0};
    uint8_t key[16];
    size_t n = run_key(h->is.number, last, key);
    int r = run_without(&run, (struct aiex_slice){mem->data, mem->size}, from, to);

    if (r == 0 && run.n)
        r = env_put(&s->env, STREAMS, txn, key, n, run.mem, run.len, 0);
    else if (r == 0)
        r = env_del(&s->env, STREAMS, txn, key, n);
    run_done(&run);
    return r;
}

int stream_cut(struct store *s, DB_TXN *txn, struct head *h, uint64_t from, uint64_t to)
{
    DBT mem = env_grows();
    uint64_t last;
    int r = 0;

    for (uint64_t v = h->base + 1; v <= h->is.version; v++)
        if (v >= from && v <= to)
            h->tail[v - h->base - 1] = 0;
    for (uint64_t at = from; r == 0 && at <= to && at <= h->base; at = last + 1) {
        r = stream_run(&s->env, txn, h->is.number, at, &mem, &last);
        r = r ? r : cut_run(s, txn, h, &mem, last, from, to);
    }
    free(mem.data);
    return r == -ENOENT ? 0 : r;
}
