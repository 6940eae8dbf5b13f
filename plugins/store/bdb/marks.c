/* marks.c - see marks.h. */
#include "marks.h"

#include "bytes.h"
#include "store.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t mark_key(char letter, struct aiex_slice text, uint64_t sequence, uint8_t key[MARK_KEY])
{
    key[0] = (uint8_t)letter;
    memcpy(key + 1, text.data, text.len);
    key[1 + text.len] = 0;
    put_be(key + 2 + text.len, sequence, 8);
    return text.len + 10;
}

int piece_read(const DBT *key, const DBT *value, struct piece *ret)
{
    const uint8_t *at = value->data;
    uint64_t last;

    ret->n = 0;
    if (key->size < 10 || value->size % 2 || value->size > PIECE_BYTES)
        return -EBADMSG;
    last = get_be((const uint8_t *)key->data + key->size - 8, 8);
    for (; ret->n < value->size / 2; ret->n++, at += 2)
        ret->sequences[ret->n] = last - get_be(at, 2);
    return 0;
}

/* ---- Gathering ---- */

static int gather(struct marks *m, char letter, struct aiex_slice text, uint64_t sequence)
{
    if (m->n == m->room) {
        size_t room = m->room ? 2 * m->room : 2 * MARKS_STEP;
        struct mark *all = realloc(m->all, room * sizeof(*all));

        if (!all)
            return -ENOMEM;
        m->all = all;
        m->room = room;
    }
    if (m->len + MARK_KEY > m->size) {
        size_t size = m->size ? 2 * m->size : MARKS_STEP * MARK_KEY;
        uint8_t *mem = realloc(m->mem, size);

        if (!mem)
            return -ENOMEM;
        m->mem = mem;
        m->size = size;
    }
    m->all[m->n] = (struct mark){m->len, mark_key(letter, text, sequence, m->mem + m->len)};
    m->len += m->all[m->n++].len;
    return 0;
}

/* The marks of one event. */
static int gather_event(struct store *s, DB_TXN *txn, uint64_t sequence, DBT *mem)
{
    struct aiex_slice correlation = {NULL, 0};
    struct run_entry event;
    struct event_view v;
    int r = events_find(s, txn, sequence, mem, &event);

    r = r ? r : event_view(event.record, event.len, sequence, &v);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    if (v.flags & EVENT_ERASED)
        return 0;
    r = v.type.len ? gather(&s->marks, 't', v.type, sequence) : 0;
    if (r == 0 && aiex_get_str(v.map, "correlation", &correlation) == 1 && correlation.len &&
        correlation.len <= MAX_CORRELATION)
        r = gather(&s->marks, 'c', correlation, sequence);
    return r;
}

/* As the tree sorts them. */
static int by_key(const void *a, const void *b, void *arg)
{
    const struct mark *x = a, *y = b;
    const uint8_t *mem = arg;
    int r = memcmp(mem + x->at, mem + y->at, x->len < y->len ? x->len : y->len);

    return r ? r : x->len < y->len ? -1 : x->len > y->len;
}

/* ---- Putting ---- */

static uint64_t sequence_of(const struct marks *m, size_t i)
{
    return get_be(m->mem + m->all[i].at + m->all[i].len - 8, 8);
}

/* How many from `first` on are one piece. */
static size_t piece_end(const struct marks *m, size_t first)
{
    const struct mark *a = &m->all[first];
    size_t i = first + 1;

    while (i < m->n && i - first < PIECE_MAX && m->all[i].len == a->len &&
           memcmp(m->mem + m->all[i].at, m->mem + a->at, a->len - 8) == 0 &&
           sequence_of(m, i) - sequence_of(m, first) <= UINT16_MAX)
        i++;
    return i;
}

static int put_piece(struct store *s, DB_TXN *txn, size_t first, size_t end)
{
    const struct marks *m = &s->marks;
    const struct mark *last = &m->all[end - 1];
    uint8_t value[PIECE_BYTES];

    for (size_t i = first; i < end; i++)
        put_be(value + 2 * (i - first), sequence_of(m, end - 1) - sequence_of(m, i), 2);
    return env_put(&s->env, MARKS, txn, m->mem + last->at, last->len, value, 2 * (end - first), 0);
}

int marks_flush(struct store *s, DB_TXN *txn)
{
    struct tail *t = &s->writer.draft;
    struct marks *m = &s->marks;
    DBT mem = env_grows();
    int r = 0;

    if (t->sequence - t->marked < MARKS_STEP)
        return 0;
    m->n = m->len = 0;
    for (uint64_t i = t->marked + 1; i <= t->sequence && r == 0; i++)
        r = gather_event(s, txn, i, &mem);
    free(mem.data);
    if (r < 0)
        return r;
    if (m->n)
        qsort_r(m->all, m->n, sizeof(*m->all), by_key, m->mem);
    for (size_t i = 0, end; i < m->n && r == 0; i = end) {
        end = piece_end(m, i);
        r = put_piece(s, txn, i, end);
    }
    t->marked = t->sequence;
    return r;
}

void marks_done(struct store *s)
{
    free(s->marks.mem);
    free(s->marks.all);
    s->marks = (struct marks){0};
}

/* ---- Looking, and taking out ---- */

/* The piece that would have the mark with `key`, whose own key goes into `found`. */
static int piece_for(struct env *e, DB_TXN *txn, const uint8_t *key, size_t len,
                     uint8_t found[MARK_KEY], DBT *ret_key, struct piece *ret)
{
    uint8_t value[PIECE_BYTES];
    DBT v = env_room(value, sizeof(value));
    int r;

    if (len > MARK_KEY)
        return -ENOENT;
    memcpy(found, key, len);
    *ret_key = env_room(found, MARK_KEY);
    ret_key->size = (uint32_t)len;
    r = env_seek(e, MARKS, txn, ret_key, &v, DB_SET_RANGE);
    if (r == 0 && (ret_key->size != len || memcmp(found, key, len - 8) != 0))
        r = -ENOENT;
    return r ? r : piece_read(ret_key, &v, ret);
}

int marks_have(struct env *e, DB_TXN *txn, const uint8_t *key, size_t len)
{
    uint8_t found[MARK_KEY];
    struct piece piece;
    DBT k;
    int r = piece_for(e, txn, key, len, found, &k, &piece);

    for (unsigned i = 0; i < piece.n && r == 0; i++)
        if (piece.sequences[i] == get_be(key + len - 8, 8))
            return 1;
    return r == -ENOENT ? 0 : r;
}

int marks_drop(struct store *s, DB_TXN *txn, char letter, struct aiex_slice text, uint64_t sequence)
{
    uint8_t key[MARK_KEY], found[MARK_KEY], value[PIECE_BYTES], *end = value;
    size_t len = mark_key(letter, text, sequence, key);
    struct piece piece;
    uint64_t last;
    DBT k;
    int r;

    if (sequence > s->writer.draft.marked)
        return 0; /* it would have got one later */
    r = piece_for(&s->env, txn, key, len, found, &k, &piece);
    if (r < 0)
        return r;
    last = get_be(found + len - 8, 8);
    for (unsigned i = 0; i < piece.n; i++)
        if (piece.sequences[i] != sequence) {
            put_be(end, last - piece.sequences[i], 2);
            end += 2;
        }
    if (end == value)
        return env_del(&s->env, MARKS, txn, found, len);
    return env_put(&s->env, MARKS, txn, found, len, value, (size_t)(end - value), 0);
}
