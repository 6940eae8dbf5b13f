/*
 * scan.c - events that pass a filter, one slice at a time.
 *
 * Four ways to them: a stream is read from `streams` and its tail, everything from `events`, both
 * in runs; a correlation or a type through `marks`, event by event (scan_marks.c). Nothing with a
 * sequence above the bound is shown, and what is below it never changes (but for being erased), so
 * that slices with any time between them are one consistent view, without a transaction that would
 * hold locks or pages.
 */
#include "scan.h"

#include "bytes.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>

#define SLICE_LOOKS 16u  /* bulk reads, of which a filter may let nothing through */
#define SLICE_RUNS  100u /* backwards */

enum scan_way scan_way(const struct filter *f)
{
    return f->stream[0]        ? BY_STREAM
           : f->correlation[0] ? BY_CORRELATION
           : f->type[0]        ? BY_TYPE
                               : BY_SEQUENCE;
}

static enum scan_way way_of(const struct scan *c)
{
    return c->in_order ? BY_SEQUENCE : scan_way(&c->filter);
}

/* ---- Filter ---- */

static int is_text(struct aiex_slice s, const char *text)
{
    return !text[0] || aiex_slice_is(s, text);
}

static int passes(const struct scan *c, const struct event_view *v)
{
    const struct filter *f = &c->filter;
    struct aiex_slice correlation = {NULL, 0};

    if (v->sequence > c->bound || v->time < f->from_time || v->time > f->to_time ||
        !is_text(v->type, f->type))
        return 0;
    if (f->partitions > 1 && !f->stream[0] &&
        v->number * 0x9e3779b97f4a7c15u % f->partitions != f->partition)
        return 0;
    if (!f->correlation[0])
        return 1;
    return aiex_get_str(v->map, "correlation", &correlation) == 1 &&
           is_text(correlation, f->correlation);
}

static int add(struct job *j, struct scan *c, const struct event_view *v)
{
    int r;

    if (c->left == 0) { /* only to know whether there was one more */
        c->end = 0;
        return SCAN_FULL;
    }
    r = job_room(j, v->map.len + VEIL_BYTES);
    if (r == 0 && j->veil)
        r = veil_event(j, v->map, j->part + j->part_len);
    if (r < 0)
        return r;
    if (r == 0)
        memcpy(j->part + j->part_len, v->map.data, v->map.len);
    j->part_len += r ? (size_t)r : v->map.len;
    c->shown++;
    c->last_sequence = v->sequence;
    if (c->note)
        c->note(c, v->sequence);
    if (c->left > 0)
        c->left--;
    return 0;
}

int scan_sequence(struct job *j, struct scan *c, uint64_t sequence)
{
    DBT mem = env_grows();
    struct run_entry event;
    struct event_view view;
    int r = events_get(&j->s->env, j->reader->txn, sequence, &mem, &event);

    r = r ? r : event_view(event.record, event.len, sequence, &view);
    if (r == 0 && !view.flags && passes(c, &view))
        r = add(j, c, &view);
    free(mem.data);
    return r == -ENOENT ? -EBADMSG : r; /* something points at it */
}

/* ---- One entry of a run, of whichever file ---- */

static int over(struct scan *c)
{
    c->end = 1;
    return SCAN_FULL;
}

static int take_version(struct job *j, struct scan *c, const struct run_entry *e)
{
    struct event_view v;
    int r;

    if (c->backwards ? e->number < c->to : e->number > c->to)
        return over(c);
    r = event_view_copy(e->record, e->len, e->number, &v);
    if (r == 0 && v.sequence > c->bound && !c->backwards)
        return over(c);
    if (r == 0 && v.flags & EVENT_ELSEWHERE)
        r = v.sequence <= c->bound ? scan_sequence(j, c, v.sequence) : 0;
    else if (r == 0 && passes(c, &v))
        r = add(j, c, &v);
    return r;
}

static int take_event(struct job *j, struct scan *c, const struct run_entry *e)
{
    struct event_view v;
    int r;

    if (c->backwards ? e->number < c->to : e->number > c->to)
        return over(c);
    r = event_view(e->record, e->len, e->number, &v);
    if (r == 0 && !(v.flags & EVENT_ERASED) && passes(c, &v))
        r = add(j, c, &v);
    return r;
}

static int take(struct job *j, struct scan *c, const struct run_entry *e)
{
    int r = way_of(c) == BY_STREAM ? take_version(j, c, e) : take_event(j, c, e);

    if (r == 0)
        c->at = c->backwards ? e->number - 1 : e->number + 1;
    return r;
}

/* The run may begin before the place that is wanted. SCAN_NO_RUN: it is of something else. */
static int take_run(struct job *j, struct scan *c, const uint8_t *key, size_t key_len,
                    struct aiex_slice run)
{
    struct run_entry e;
    uint64_t last;
    int r;

    if (key_len != (way_of(c) == BY_STREAM ? 16 : 8) ||
        (key_len == 16 && get_be(key, 8) != c->number))
        return SCAN_NO_RUN;
    r = run_find(run, c->at, &e);
    while (r == 1) {
        r = take(j, c, &e);
        if (r != 0)
            return r;
        run.len -= (size_t)(e.record + e.len - run.data);
        run.data = e.record + e.len;
        r = run_next(&run, &e);
    }
    last = get_be(key + key_len - 8, 8);
    if (r == 0 && c->at <= last) /* its end was erased */
        c->at = last + 1;
    return r;
}

static size_t key_at(const struct scan *c, uint64_t at, uint8_t key[16])
{
    if (way_of(c) == BY_STREAM) {
        put_be(key, c->number, 8);
        put_be(key + 8, at, 8);
        return 16;
    }
    put_be(key, at, 8);
    return 8;
}

static enum file file_of(const struct scan *c)
{
    return way_of(c) == BY_STREAM ? STREAMS : EVENTS;
}

/* ---- Forwards: in bulk ---- */

static int bulk_get(struct job *j, struct scan *c, DBT *v)
{
    struct env *e = &j->s->env;
    DB *db = env_file(e, file_of(c));
    uint8_t key[16];
    DBT k = env_room(key, sizeof(key));
    DBC *cursor;
    int r = env_errno(e, db->cursor(db, NULL, &cursor, 0));

    if (r < 0)
        return r;
    k.size = (uint32_t)key_at(c, c->at, key);
    *v = env_room(j->reader->bulk, j->reader->bulk_size);
    r = env_errno(e, cursor->get(cursor, &k, v, DB_SET_RANGE | DB_MULTIPLE_KEY));
    cursor->close(cursor);
    return r;
}

/* An event larger than the buffer: a larger buffer. */
static int bulk_grow(struct reader *reader)
{
    size_t size = reader->bulk_size * 4;
    uint8_t *mem = size <= 64u << 20 ? realloc(reader->bulk, size) : NULL;

    if (!mem)
        return -ENOMEM;
    reader->bulk = mem;
    reader->bulk_size = size;
    return 0;
}

static int bulk_take(struct job *j, struct scan *c, DBT *v)
{
    void *at, *key, *data;
    size_t key_len, len;
    int r = 0;

    DB_MULTIPLE_INIT(at, v);
    while (r == 0) {
        DB_MULTIPLE_KEY_NEXT(at, v, key, key_len, data, len);
        if (!at)
            return 0;
        r = take_run(j, c, key, key_len, (struct aiex_slice){data, len});
    }
    return r;
}

/* Over the blocks of events in which no time is wanted. */
static void skip_blocks(struct job *j, struct scan *c)
{
    const struct filter *f = &c->filter;
    uint8_t key[9] = {'b'}, value[16];

    if (f->from_time == 0 && f->to_time == INT64_MAX)
        return;
    while (c->at <= c->to) {
        put_be(key + 1, c->at / BLOCK, 8);
        if (env_get(&j->s->env, META, NULL, key, sizeof(key), value, sizeof(value)) != 16)
            return;
        if ((int64_t)get_be(value, 8) <= f->to_time &&
            (int64_t)get_be(value + 8, 8) >= f->from_time)
            return;
        c->at = (c->at / BLOCK + 1) * BLOCK;
    }
}

/* What a stream has behind its runs. 0 = look at the runs again: there are more by now. */
static int tail_forwards(struct job *j, struct scan *c)
{
    struct head h;
    int r = scan_head(j, c, &h);

    if (r < 0)
        return r;
    if (c->at <= h.base && c->base != h.base) {
        c->base = h.base;
        return 0;
    }
    c->at = c->at > h.base ? c->at : h.base + 1; /* what is not there up to the base was erased */
    while (c->at <= h.is.version && c->at <= c->to && j->part_len < PART_BYTES) {
        uint64_t sequence = h.tail[c->at - h.base - 1];

        if (sequence > c->bound)
            break;
        r = sequence ? scan_sequence(j, c, sequence) : 0;
        if (r != 0)
            return r;
        c->at++;
    }
    if (j->part_len < PART_BYTES)
        c->end = 1;
    return SCAN_FULL;
}

static int forwards(struct job *j, struct scan *c)
{
    DBT v;
    int r = 0;

    for (unsigned i = 0; i < SLICE_LOOKS && r == 0 && j->part_len < PART_BYTES; i++) {
        if (file_of(c) == EVENTS)
            skip_blocks(j, c);
        if (c->at > c->to)
            return over(c);
        r = bulk_get(j, c, &v);
        if (r == 0)
            r = bulk_take(j, c, &v);
        else if (r == -ENOBUFS || r == -EAGAIN)
            r = r == -ENOBUFS ? bulk_grow(j->reader) : 0;
        if (r == -ENOENT || r == SCAN_NO_RUN)
            r = file_of(c) == STREAMS ? tail_forwards(j, c) : over(c);
    }
    return r;
}

/* ---- Backwards ---- */

static int record_get(struct job *j, DBC *cursor, DBT *k, uint32_t how, DBT *v)
{
    struct env *e = &j->s->env;
    int r;

    do {
        *v = env_room(j->reader->bulk, j->reader->bulk_size);
        r = env_errno(e, cursor->get(cursor, k, v, how));
    } while (r == -ENOBUFS && bulk_grow(j->reader) == 0);
    return r;
}

/* At the run that has `at`, or the last one before it. */
static int seek_back(struct job *j, DBC *cursor, struct scan *c, DBT *k, DBT *v)
{
    size_t len = key_at(c, c->at, k->data);
    int r;

    k->size = (uint32_t)len;
    r = record_get(j, cursor, k, DB_SET_RANGE, v);
    if (r == -ENOENT)
        return record_get(j, cursor, k, DB_LAST, v);
    if (r == 0 && len == 16 && (k->size != 16 || get_be(k->data, 8) != c->number))
        r = record_get(j, cursor, k, DB_PREV, v);
    return r;
}

static int take_run_back(struct job *j, struct scan *c, const DBT *k, const DBT *v)
{
    struct run_entry all[RUN_ENTRIES];
    int n, r = 0;

    if (k->size != (way_of(c) == BY_STREAM ? 16 : 8) ||
        (k->size == 16 && get_be(k->data, 8) != c->number))
        return over(c);
    n = run_all((struct aiex_slice){v->data, v->size}, all);
    if (n < 0)
        return n;
    while (n-- > 0 && r == 0)
        if (all[n].number <= c->at)
            r = take(j, c, &all[n]);
    return r;
}

static int runs_backwards(struct job *j, struct scan *c)
{
    struct env *e = &j->s->env;
    DB *db = env_file(e, file_of(c));
    uint8_t key[16];
    DBT k = env_room(key, sizeof(key)), v;
    DBC *cursor;
    int r = env_errno(e, db->cursor(db, j->reader->txn, &cursor, 0));

    if (r < 0)
        return r;
    r = seek_back(j, cursor, c, &k, &v);
    for (unsigned i = 0; i < SLICE_RUNS && r == 0 && j->part_len < PART_BYTES; i++) {
        r = take_run_back(j, c, &k, &v);
        env_look(file_of(c));
        if (r == 0)
            r = record_get(j, cursor, &k, DB_PREV, &v);
    }
    cursor->close(cursor);
    return r == -ENOENT ? over(c) : r;
}

/* The tail of a stream, from its end. */
static int tail_backwards(struct job *j, struct scan *c)
{
    struct head h;
    int r = scan_head(j, c, &h);

    c->at = r == 0 && c->at > h.is.version ? h.is.version : c->at;
    while (r == 0 && c->at > h.base && c->at >= c->to && j->part_len < PART_BYTES) {
        uint64_t sequence = h.tail[c->at - h.base - 1];

        r = sequence && sequence <= c->bound ? scan_sequence(j, c, sequence) : 0;
        c->at -= r == 0;
    }
    return r;
}

static int backwards(struct job *j, struct scan *c)
{
    int r = file_of(c) == STREAMS ? tail_backwards(j, c) : 0;

    if (r == 0 && (c->at < c->to || !c->at))
        r = over(c);
    return r == 0 && j->part_len < PART_BYTES ? runs_backwards(j, c) : r;
}

/* ---- A slice ---- */

int scan_head(struct job *j, const struct scan *c, struct head *ret)
{
    struct aiex_slice name = {(const uint8_t *)c->filter.stream, strlen(c->filter.stream)};
    int r;

    do {
        r = head_get(&j->s->env, j->reader->txn, name, ret);
    } while (r == -EAGAIN && !j->reader->txn);
    return r;
}

/* Sequences grow with versions: the first version behind a sequence is found by halving. */
static int seek_version(struct job *j, struct scan *c, const struct head *h)
{
    uint64_t low = 1, high = h->is.version + 1, version, sequence;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int r = stream_at(&j->s->env, NULL, h, middle, &version, &sequence);

        if (r == -EAGAIN)
            continue;
        if (r < 0)
            return r;
        if (sequence && sequence <= c->behind)
            low = middle + 1;
        else
            high = middle;
    }
    c->at = low;
    c->behind = 0;
    return 0;
}

static int begin(struct job *j, struct scan *c)
{
    uint64_t visible = atomic_load(&j->s->visible);
    struct head h;
    int r;

    c->begun = 1;
    if (!c->bound || c->bound > visible)
        c->bound = visible;
    if (scan_way(&c->filter) != BY_STREAM) {
        if (c->backwards)
            c->at = c->at < c->bound ? c->at : c->bound;
        else
            c->to = c->to < c->bound ? c->to : c->bound;
        return 0;
    }
    r = scan_head(j, c, &h);
    if (r < 0)
        return r;
    c->number = h.is.number;
    if (!h.is.exists)
        c->end = 1;
    if (c->backwards && c->at > h.is.version)
        c->at = h.is.version;
    return c->behind && h.is.exists ? seek_version(j, c, &h) : 0;
}

static void close_array(struct job *j, uint64_t before, uint64_t after)
{
    if (after == before) {
        j->part_len = 0;
    } else {
        j->part[0] = 0xdd; /* array 32 */
        put_be(j->part + 1, after - before, 4);
    }
    j->out = (struct aiex_slice){j->part, j->part_len};
}

static int walk(struct job *j, struct scan *c)
{
    int by_marks = way_of(c) == BY_CORRELATION || way_of(c) == BY_TYPE, r;

    if (!by_marks && !c->backwards)
        return forwards(j, c);
    r = env_read_begin(&j->s->env, &j->reader->txn);
    if (r == 0)
        r = by_marks ? scan_marks(j, c) : backwards(j, c);
    env_read_end(j->reader->txn);
    j->reader->txn = NULL;
    return r;
}

/* By marks as far as there are some; the newest events have none yet and are looked at in order. */
static int marked(struct job *j, struct scan *c)
{
    uint64_t last = atomic_load(&j->s->marked), to = c->to;
    int r;

    c->in_order = c->at > last;
    if (c->backwards && c->in_order && to <= last)
        c->to = last + 1;
    else if (!c->backwards && !c->in_order && to > last)
        c->to = last;
    r = walk(j, c);
    if (c->end && c->to != to) { /* of this half */
        c->end = 0;
        c->at = c->backwards ? last : last + 1;
    }
    c->to = to;
    return r;
}

int scan_slice(struct job *j, struct scan *c)
{
    uint64_t before = c->shown;
    enum scan_way way;
    int r;

    j->part_len = 0;
    j->out.len = 0;
    r = job_room(j, 5);
    if (r == 0 && !c->begun)
        r = begin(j, c);
    if (r < 0 || c->end)
        return r;
    j->part_len = 5;
    way = scan_way(&c->filter);
    r = way == BY_CORRELATION || way == BY_TYPE ? marked(j, c) : walk(j, c);
    close_array(j, before, c->shown);
    return r == SCAN_FULL || r == -EAGAIN ? 0 : r;
}
