/*
 * scan.c - events that pass a filter, one slice at a time.
 *
 * Four ways to them: a stream is read from `streams`, everything from `events`, both in bulk; a
 * correlation or a type through `marks`, event by event. Nothing with a sequence above the bound
 * is shown, and what is below it never changes (but for being erased), so that slices with any
 * time between them are one consistent view, without a transaction that would hold locks or pages.
 */
#include "store.h"

#include "bytes.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>

#define SLICE_LOOKS 16u   /* bulk reads, of which a filter may let nothing through */
#define SLICE_STEPS 2048u /* single reads */
#define FULL_PART   1

enum way { BY_STREAM, BY_CORRELATION, BY_TYPE, BY_SEQUENCE };

static enum way way_of(const struct filter *f)
{
    return f->stream[0]        ? BY_STREAM
           : f->correlation[0] ? BY_CORRELATION
           : f->type[0]        ? BY_TYPE
                               : BY_SEQUENCE;
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
        return FULL_PART;
    }
    r = job_room(j, v->map.len);
    if (r < 0)
        return r;
    memcpy(j->part + j->part_len, v->map.data, v->map.len);
    j->part_len += v->map.len;
    c->shown++;
    c->last_sequence = v->sequence;
    if (c->note)
        c->note(c, v->sequence);
    if (c->left > 0)
        c->left--;
    return 0;
}

/* By its sequence, for what is not where it was found. 0 also when it is erased. */
static int add_from_events(struct job *j, struct scan *c, uint64_t sequence)
{
    struct env *e = &j->s->env;
    uint8_t key[8];
    DBT k = env_dbt(key, 8), v = {.flags = DB_DBT_MALLOC};
    struct event_view view;
    int r;

    put_be(key, sequence, 8);
    r = env_errno(e, env_file(e, EVENTS)->get(env_file(e, EVENTS), j->reader->txn, &k, &v, 0));
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r; /* something points at it */
    r = event_view(v.data, v.size, sequence, &view);
    if (r == 0 && !view.flags && passes(c, &view))
        r = add(j, c, &view);
    free(v.data);
    return r;
}

/* ---- One entry, of whichever file ---- */

static int take_stream(struct job *j, struct scan *c, const uint8_t *key, size_t key_len,
                       const uint8_t *data, size_t len)
{
    struct event_view v;
    uint64_t version;
    int r;

    if (key_len != 16 || get_be(key, 8) != c->number) {
        c->end = 1;
        return FULL_PART;
    }
    version = get_be(key + 8, 8);
    if (c->backwards ? version < c->to : version > c->to) {
        c->end = 1;
        return FULL_PART;
    }
    r = event_view_copy(data, len, version, &v);
    if (r == 0 && v.sequence > c->bound && !c->backwards) {
        c->end = 1;
        return FULL_PART;
    }
    if (r == 0 && v.flags & EVENT_ELSEWHERE)
        r = v.sequence <= c->bound ? add_from_events(j, c, v.sequence) : 0;
    else if (r == 0 && passes(c, &v))
        r = add(j, c, &v);
    if (r == 0)
        c->at = c->backwards ? version - 1 : version + 1;
    return r;
}

static int take_event(struct job *j, struct scan *c, const uint8_t *key, size_t key_len,
                      const uint8_t *data, size_t len)
{
    struct event_view v;
    uint64_t sequence = key_len == 8 ? get_be(key, 8) : 0;
    int r;

    if (!sequence || (c->backwards ? sequence < c->to : sequence > c->to)) {
        c->end = 1;
        return FULL_PART;
    }
    r = event_view(data, len, sequence, &v);
    if (r == 0 && !(v.flags & EVENT_ERASED) && passes(c, &v))
        r = add(j, c, &v);
    if (r == 0)
        c->at = c->backwards ? sequence - 1 : sequence + 1;
    return r;
}

static int take(struct job *j, struct scan *c, const uint8_t *key, size_t key_len,
                const uint8_t *data, size_t len)
{
    return way_of(&c->filter) == BY_STREAM ? take_stream(j, c, key, key_len, data, len)
                                           : take_event(j, c, key, key_len, data, len);
}

static size_t key_at(const struct scan *c, uint64_t at, uint8_t key[16])
{
    if (way_of(&c->filter) == BY_STREAM) {
        put_be(key, c->number, 8);
        put_be(key + 8, at, 8);
        return 16;
    }
    put_be(key, at, 8);
    return 8;
}

static enum file file_of(const struct scan *c)
{
    return way_of(&c->filter) == BY_STREAM ? STREAMS : EVENTS;
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
        r = take(j, c, key, key_len, data, len);
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

static int forwards(struct job *j, struct scan *c)
{
    DBT v;
    int r = 0;

    for (unsigned i = 0; i < SLICE_LOOKS && r == 0 && j->part_len < PART_BYTES; i++) {
        if (file_of(c) == EVENTS)
            skip_blocks(j, c);
        if (c->at > c->to) {
            c->end = 1;
            return 0;
        }
        r = bulk_get(j, c, &v);
        if (r == -ENOENT) {
            c->end = 1;
            return 0;
        }
        if (r == -ENOBUFS || r == -EAGAIN)
            r = r == -ENOBUFS ? bulk_grow(j->reader) : 0;
        else if (r == 0)
            r = bulk_take(j, c, &v);
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

/* At the last entry that is not behind `at`. */
static int seek_back(struct job *j, DBC *cursor, struct scan *c, DBT *k, DBT *v)
{
    int r;

    k->size = (uint32_t)key_at(c, c->at + 1, k->data);
    r = record_get(j, cursor, k, DB_SET_RANGE, v);
    if (r == -ENOENT)
        return record_get(j, cursor, k, DB_LAST, v);
    return r < 0 ? r : record_get(j, cursor, k, DB_PREV, v);
}

static int backwards(struct job *j, struct scan *c)
{
    struct env *e = &j->s->env;
    DB *db = env_file(e, file_of(c));
    uint8_t key[16];
    DBT k = env_room(key, sizeof(key)), v;
    DBC *cursor;
    int r;

    if (c->at < c->to || !c->at) {
        c->end = 1;
        return 0;
    }
    r = env_errno(e, db->cursor(db, j->reader->txn, &cursor, 0));
    if (r < 0)
        return r;
    r = seek_back(j, cursor, c, &k, &v);
    for (unsigned i = 0; i < SLICE_STEPS && r == 0 && j->part_len < PART_BYTES; i++) {
        r = take(j, c, key, k.size, v.data, v.size);
        env_look(file_of(c));
        if (r == 0)
            r = record_get(j, cursor, &k, DB_PREV, &v);
    }
    cursor->close(cursor);
    if (r == -ENOENT)
        c->end = 1;
    return r == -ENOENT ? 0 : r;
}

/* ---- Through marks ---- */

static size_t mark_prefix(const struct scan *c, uint8_t *key)
{
    int by_type = way_of(&c->filter) == BY_TYPE;
    const char *text = by_type ? c->filter.type : c->filter.correlation;
    size_t n = strlen(text);

    key[0] = by_type ? 't' : 'c';
    memcpy(key + 1, text, n + 1);
    return n + 2;
}

/* 0, -ENOENT: no mark is left. */
static int mark_seek(struct env *e, DBC *cursor, struct scan *c, DBT *k, size_t prefix)
{
    DBT none = {.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
    int r;

    put_be((uint8_t *)k->data + prefix, c->backwards ? c->at + 1 : c->at, 8);
    k->size = (uint32_t)prefix + 8;
    r = env_errno(e, cursor->get(cursor, k, &none, DB_SET_RANGE));
    if (!c->backwards)
        return r;
    if (r == -ENOENT)
        return env_errno(e, cursor->get(cursor, k, &none, DB_LAST));
    return r < 0 ? r : env_errno(e, cursor->get(cursor, k, &none, DB_PREV));
}

static int take_mark(struct job *j, struct scan *c, const DBT *k, const uint8_t *prefix, size_t n)
{
    const uint8_t *key = k->data;
    uint64_t sequence = k->size == n + 8 ? get_be(key + n, 8) : 0;
    int r;

    if (!sequence || memcmp(key, prefix, n) != 0 ||
        (c->backwards ? sequence < c->to : sequence > c->to)) {
        c->end = 1;
        return FULL_PART;
    }
    r = add_from_events(j, c, sequence);
    if (r == 0)
        c->at = c->backwards ? sequence - 1 : sequence + 1;
    return r;
}

static int through_marks(struct job *j, struct scan *c)
{
    struct env *e = &j->s->env;
    DB *db = env_file(e, MARKS);
    uint8_t key[2 + MAX_CORRELATION + 8 + MAX_TYPE], prefix[2 + MAX_CORRELATION + MAX_TYPE];
    size_t n = mark_prefix(c, prefix);
    DBT k = env_room(key, sizeof(key)), none = {.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
    DBC *cursor;
    int r;

    if (c->backwards ? c->at < c->to || !c->at : c->at > c->to) {
        c->end = 1;
        return 0;
    }
    r = env_errno(e, db->cursor(db, j->reader->txn, &cursor, 0));
    if (r < 0)
        return r;
    memcpy(key, prefix, n);
    r = mark_seek(e, cursor, c, &k, n);
    for (unsigned i = 0; i < SLICE_STEPS && r == 0 && j->part_len < PART_BYTES; i++) {
        r = take_mark(j, c, &k, prefix, n);
        env_look(MARKS);
        if (r == 0)
            r = env_errno(e, cursor->get(cursor, &k, &none, c->backwards ? DB_PREV : DB_NEXT));
    }
    cursor->close(cursor);
    if (r == -ENOENT)
        c->end = 1;
    return r == -ENOENT ? 0 : r;
}

/* ---- A slice ---- */

/* The first version from `from` on that is there: its sequence into *ret, 0 = none. */
static int sequence_from(struct job *j, struct scan *c, uint64_t from, uint64_t *ret)
{
    struct env *e = &j->s->env;
    DB *db = env_file(e, STREAMS);
    uint8_t key[16], head[EVENT_COPY];
    DBT k = env_room(key, sizeof(key)), v = env_room(head, sizeof(head));
    DBC *cursor;
    int r = env_errno(e, db->cursor(db, NULL, &cursor, 0));

    *ret = 0;
    if (r < 0)
        return r;
    k.size = (uint32_t)key_at(c, from, key);
    v.flags |= DB_DBT_PARTIAL;
    v.dlen = sizeof(head);
    r = env_errno(e, cursor->get(cursor, &k, &v, DB_SET_RANGE));
    cursor->close(cursor);
    if (r == 0 && k.size == 16 && get_be(key, 8) == c->number)
        *ret = get_be(head + 16, 8);
    return r == -ENOENT ? 0 : r;
}

/* Sequences grow with versions: the first version behind a sequence is found by halving. */
static int seek_version(struct job *j, struct scan *c, uint64_t versions)
{
    uint64_t low = 1, high = versions + 1, sequence;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int r = sequence_from(j, c, middle, &sequence);

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
    struct aiex_slice name = {(const uint8_t *)c->filter.stream, strlen(c->filter.stream)};
    struct head_found head;
    int r;

    c->begun = 1;
    if (!c->bound || c->bound > visible)
        c->bound = visible;
    if (way_of(&c->filter) != BY_STREAM) {
        if (c->backwards)
            c->at = c->at < c->bound ? c->at : c->bound;
        else
            c->to = c->to < c->bound ? c->to : c->bound;
        return 0;
    }
    do {
        r = head_get(j->s, NULL, name, &head);
    } while (r == -EAGAIN);
    c->number = head.number;
    if (r == 0 && !head.exists)
        c->end = 1;
    if (r == 0 && c->backwards && c->at > head.version)
        c->at = head.version;
    if (r == 0 && c->behind && head.exists)
        r = seek_version(j, c, head.version);
    return r;
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

int scan_slice(struct job *j, struct scan *c)
{
    uint64_t before = c->shown;
    enum way way;
    int r;

    j->part_len = 0;
    j->out.len = 0;
    r = job_room(j, 5);
    if (r == 0 && !c->begun)
        r = begin(j, c);
    if (r < 0 || c->end)
        return r;
    j->part_len = 5;
    way = way_of(&c->filter);
    if (way != BY_CORRELATION && way != BY_TYPE && !c->backwards) {
        r = forwards(j, c);
    } else {
        r = env_read_begin(&j->s->env, &j->reader->txn);
        if (r == 0)
            r = way == BY_CORRELATION || way == BY_TYPE ? through_marks(j, c) : backwards(j, c);
        env_read_end(j->reader->txn);
        j->reader->txn = NULL;
    }
    close_array(j, before, c->shown);
    return r == FULL_PART || r == -EAGAIN ? 0 : r;
}
