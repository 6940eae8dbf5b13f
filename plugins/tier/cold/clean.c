/*
 * clean.c - the oldest segment goes, and what is worth it goes to the newest one.
 *
 * Two reasons: the store is nearly full, or half of it is dead. When it is full, entries that were
 * used since they were written are copied and the others are evicted: a clock over the whole store,
 * so that what is used least goes. When it is not, all are copied. A bit at a time, between
 * batches.
 */
#include "cold.h"

#include <errno.h>
#include <stdlib.h>

#define STEP     (1u << 20) /* bytes of the old segment that are looked at in one go */
#define PATIENCE 32         /* steps that a write waits for, before the oldest segment just goes */

static uint64_t reserve(const struct cold *c)
{
    return atomic_load(&c->max_bytes) / 16;
}

/* The oldest segment may go. */
static int may_go(const struct cold *c)
{
    return c->n_segments > 1 && (!c->batch_first || c->segments[0]->number < c->batch_first);
}

static int is_full(const struct cold *c)
{
    return atomic_load(&c->disk_bytes) + reserve(c) > atomic_load(&c->max_bytes);
}

static int is_wanted(const struct cold *c)
{
    uint64_t live = 0;

    if (c->n_segments < 2 || atomic_load(&c->read_only) || c->sync_failed)
        return 0;
    if (is_full(c) || c->n_segments > MANY_SEGMENTS)
        return 1;
    for (unsigned i = 0; i < c->n_segments; i++)
        live += atomic_load(&c->segments[i]->live);
    return c->n_segments > 4 && live < atomic_load(&c->disk_bytes) / 2;
}

void clean_stop(struct cold *c)
{
    aiex_rlog_read_done(&c->cleaning);
}

static int start(struct cold *c)
{
    char path[512];

    c->cleaning_number = c->segments[0]->number;
    c->cleaning_evicts = is_full(c);
    segment_path(c, c->cleaning_number, path);
    return aiex_rlog_read(&c->cleaning, path, NULL);
}

/* ---- One entry ---- */

struct state {
    uint64_t segment, offset;
    struct where where;
    uint32_t uses;
    int live;
};

static void look(void *arg, const struct aiex_cache_view *e)
{
    struct state *s = arg;

    memcpy(&s->where, e->value.data, sizeof(s->where));
    s->uses = e->uses;
    s->live = s->where.segment == s->segment && s->where.offset == s->offset;
}

static void point(void *arg, const struct aiex_cache_view *e, uint8_t *value)
{
    memcpy(value, arg, sizeof(struct where));
}

static int copy(struct cold *c, const struct record *r, struct state *s)
{
    struct record to = *r;
    struct aiex_slice data = r->data;
    uint8_t *mem = NULL;
    struct where w;
    int slot, e = 0;

    if (atomic_load(&c->disk_bytes) + s->where.bytes + 4096 > atomic_load(&c->max_bytes))
        return -EFBIG;
    if (r->pieces) {
        e = gather(c->segments[0], r, &mem);
        data = (struct aiex_slice){mem, r->packed_len};
    }
    to.uses = s->uses;
    if (e == 0)
        e = append(c, &to, data, &w);
    free(mem);
    if (e < 0)
        return e;
    c->batch_copied = 1;
    slot = r->dict ? dict_ref(c, r->dict) : -1;
    if (slot >= 0) {
        segment_newest(c)->dicts |= 1u << slot;
        dict_unref(c, slot);
    }
    if (aiex_cache_edit(c->index, r->key, c->host->now_ms(c->host), point, &w)) {
        segment_live(c, w.segment, (int64_t)w.bytes);
        segment_live(c, s->where.segment, -(int64_t)s->where.bytes);
    }
    return 0;
}

static int settle(struct cold *c, const struct record *r, uint64_t offset)
{
    struct state s = {.segment = c->cleaning_number, .offset = offset};
    uint64_t now = c->host->now_ms(c->host);
    int e = -EFBIG;

    if (r->kind != RECORD_PUT || !aiex_cache_get(c->index, r->key, 0, now, look, &s) || !s.live)
        return 0;
    if (!c->cleaning_evicts || s.uses > s.where.uses_then)
        e = copy(c, r, &s);
    if (e == -ENOSPC || e == -EIO || e == -EDQUOT || e == -ENOMEM)
        return e;
    if (e < 0 && aiex_cache_delete(c->index, r->key, now))
        atomic_fetch_add(&c->evicted, 1);
    return 0;
}

/* ---- The segment ---- */

static int is_in(void *arg, const struct aiex_cache_view *e)
{
    struct where w;

    memcpy(&w, e->value.data, sizeof(w));
    return w.segment == *(const uint64_t *)arg;
}

/* It is read to its end: what was copied must be on the disk before it goes. What still points into
 * it stands in a damaged place. */
static int finish(struct cold *c)
{
    clean_stop(c);
    if (aiex_rlog_sync(&segment_newest(c)->log) != 0) {
        c->sync_failed = c->batch_failed = 1;
        return -EIO;
    }
    mark_write(c);
    atomic_fetch_add(&c->evicted,
                     aiex_cache_prune(c->index, is_in, &c->cleaning_number, AIEX_CACHE_DELETED));
    segment_drop_oldest(c);
    return 0;
}

static int step(struct cold *c)
{
    uint64_t until = c->cleaning.at + STEP;
    struct aiex_rlog_item item;
    struct record r;
    int kind = 1, e = 0;

    while (e == 0 && c->cleaning.at < until && (kind = aiex_rlog_next(&c->cleaning, &item)) > 0)
        if (kind == AIEX_RLOG_RECORD && record_parse(item.body, &r) == 0)
            e = settle(c, &r, item.offset);
    if (e == 0 && kind < 0)
        e = kind;
    if (e == 0 && kind == 0)
        e = finish(c);
    return e;
}

/* A bit further. 0 or negative errno. */
static int advance(struct cold *c)
{
    int e = c->cleaning.fd > 0 ? 0 : start(c);

    if (e == 0)
        e = step(c);
    if (e < 0)
        clean_stop(c);
    return e;
}

int clean(struct cold *c)
{
    int e;

    if (c->cleaning.fd <= 0 && !is_wanted(c))
        return 0;
    e = advance(c);
    if (e == -ENOMEM)
        return 0; /* with the next batch again */
    if (e < 0) {
        set_read_only(c, e);
        return 0;
    }
    return c->cleaning.fd > 0 || is_wanted(c);
}

/* ---- At once ---- */

int make_room(struct cold *c, uint64_t bytes)
{
    uint64_t max = atomic_load(&c->max_bytes);

    if (bytes > max / 2)
        return -EFBIG;
    /* writing must not outrun cleaning, or what is in use would go with the rest */
    for (int i = 0; i < PATIENCE && may_go(c) && !c->sync_failed &&
                    atomic_load(&c->disk_bytes) + bytes + reserve(c) / 2 > max;
         i++)
        if (advance(c) < 0)
            break;
    while (atomic_load(&c->disk_bytes) + bytes > max) {
        uint64_t oldest;
        int e;

        if (!c->n_segments)
            return -EFBIG;
        if (c->n_segments == 1 && (e = segment_new(c)) < 0)
            return e;
        if (!may_go(c))
            return -EFBIG;
        clean_stop(c);
        oldest = c->segments[0]->number;
        atomic_fetch_add(&c->evicted,
                         aiex_cache_prune(c->index, is_in, &oldest, AIEX_CACHE_DELETED));
        segment_drop_oldest(c);
    }
    return 0;
}
