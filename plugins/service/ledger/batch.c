/*
 * batch.c - ledger.record: what came in one turn of the loop is written together.
 *
 *     record_take()    copies the record and asks for the end of the turn
 *     record_flush()   goes through the copies, in chunks of one day each:
 *                      read the facts, hold the segment, drop what was had, one write, count
 *
 * Everything else that the ledger is asked flushes first, so nobody can tell the difference, but
 * one: a process that is killed has taken records from its ring that it did not write. Their sender
 * keeps them for a second and sends them again when the ledger is back (aiex_recast.h). A request
 * is answered when its record is written.
 */
#include "ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_RECORDS 256u
#define BATCH_BYTES   (128u << 10) /* one record may be larger */
#define TIME_BYTES    8u           /* of a segment's record, before the usage record */
#define ROOM          (AIEX_RLOG_FRAME + TIME_BYTES)
#define CHUNK         32u

struct taken {
    size_t at; /* in mem: room for frame and time, then the record */
    size_t len;
    uint64_t id, trace;
    int64_t came_ms;
};

struct batch {
    uint8_t *mem;
    size_t len, cap;
    unsigned n;
    struct taken taken[BATCH_RECORDS];
};

/* Records of one day that are written together. */
struct chunk {
    struct ledger *l;
    struct day *day;
    int64_t number;
    unsigned n;
    const struct taken *taken[CHUNK];
    uint64_t prints[CHUNK];
    struct facts facts[CHUNK];
    struct aiex_rlog_item items[CHUNK];
};

/* ---- What becomes of a record ---- */

static void broken(struct ledger *l, uint64_t id, uint64_t trace, size_t len)
{
    if (l->broken++ == 0)
        aiex_logf(l->host, AIEX_LOG_ERROR, trace,
                  "a usage record of %zu bytes is no map of at most 1 MiB; not kept (told once, "
                  "ledger.status counts them)",
                  len);
    aiex_refuse(l->host, id, AIEX_E_INVALID, "a usage record is one map of at most 1 MiB");
}

static void lose(struct chunk *c, unsigned i, const char *why)
{
    record_lost(c->l, &c->facts[i], why);
    aiex_refuse(c->l->host, c->taken[i]->id, AIEX_E_UNAVAILABLE, "%s", why);
}

static void kept(struct chunk *c, unsigned i)
{
    struct ledger *l = c->l;

    c->day->dirty = 1;
    totals_add(&c->day->totals, &c->facts[i], &c->items[i]);
    record_spend(l, &c->facts[i], c->number);
    recent_add(&l->recent, &c->facts[i], c->number, c->items[i].offset);
    l->records++;
    record_works(l);
    acts_call(l, &c->facts[i], c->taken[i]->trace);
    aiex_reply_done(l->host, c->taken[i]->id);
}

/* ---- A chunk ---- */

/* The record's own time, when it can be believed. A time ahead would begin a month too early, and
 * with it forget what was spent in this one. */
static int64_t time_of(const struct facts *f, int64_t came_ms)
{
    return f->time >= came_ms - DAY_MS && f->time <= came_ms ? f->time : came_ms;
}

/* 0, or -1: of another day than the chunk is. */
static int add(struct chunk *c, const struct batch *b, const struct taken *t)
{
    uint8_t *time = b->mem + t->at + AIEX_RLOG_FRAME, *record = time + TIME_BYTES;
    struct facts *f = &c->facts[c->n];
    int64_t ms;

    if (facts_read((struct aiex_slice){record, t->len}, f) != 0) {
        broken(c->l, t->id, t->trace, t->len);
        return 0;
    }
    ms = time_of(f, t->came_ms);
    if (c->n && day_of(ms) != c->number)
        return -1;
    c->number = day_of(ms);
    for (unsigned i = 0; i < TIME_BYTES; i++)
        time[i] = (uint8_t)((uint64_t)ms >> (8 * i));
    c->items[c->n] = (struct aiex_rlog_item){.body = {time, TIME_BYTES + t->len}};
    c->prints[c->n] = recent_print(f);
    c->taken[c->n++] = t;
    return 0;
}

/* What was counted before, or stands in this chunk already. */
static int is_repeated(const struct chunk *c, unsigned n, uint64_t print)
{
    if (!print)
        return 0;
    for (unsigned i = 0; i < n; i++)
        if (c->prints[i] == print)
            return 1;
    return recent_has(&c->l->recent, print);
}

static void drop_repeated(struct chunk *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->n; i++) {
        if (is_repeated(c, n, c->prints[i])) {
            c->l->duplicates++;
            aiex_reply_done(c->l->host, c->taken[i]->id);
            continue;
        }
        if (i != n) {
            c->taken[n] = c->taken[i];
            c->prints[n] = c->prints[i];
            c->facts[n] = c->facts[i];
            c->items[n] = c->items[i];
        }
        n++;
    }
    c->n = n;
}

/* Together, or, when the disk does not take that, each alone: what fits is kept. */
static void write_chunk(struct chunk *c)
{
    struct aiex_error err;
    int r = aiex_rlog_add_all(&c->day->log, c->items, c->n), together = r == 0;

    for (unsigned i = 0; i < c->n; i++) {
        if (!together)
            r = aiex_rlog_add_all(&c->day->log, &c->items[i], 1);
        if (r == 0) {
            kept(c, i);
            continue;
        }
        aiex_failed(&err, r, "a record can not be written: %s", strerror(-r));
        lose(c, i, err.text);
    }
}

static void lose_all(struct chunk *c, const char *why)
{
    for (unsigned i = 0; i < c->n; i++)
        lose(c, i, why);
}

static void keep(struct chunk *c)
{
    struct aiex_error err = {""};
    int r;

    if (c->n == 0)
        return;
    if (days_open(c->l, c->number, &c->day, &err) < 0) {
        lose_all(c, err.text);
        return;
    }
    /* takes in what a predecessor kept a moment ago; looking and writing are one for others */
    r = aiex_rlog_hold(&c->day->log);
    if (r < 0) {
        aiex_failed(&err, r, "a record can not be written: %s", strerror(-r));
        lose_all(c, err.text);
        return;
    }
    drop_repeated(c);
    write_chunk(c);
    aiex_rlog_release(&c->day->log);
    days_sum(c->l, c->day, 0);
}

/* ---- The batch ---- */

/* Answers may bring the next request of a caller in this cell: it finds another batch. */
void record_flush(struct ledger *l)
{
    struct batch *b = l->batch;
    uint64_t before = l->records;
    unsigned i = 0;

    if (!b || b->n == 0)
        return;
    l->batch = NULL;
    while (i < b->n) {
        struct chunk c;

        c.l = l;
        c.n = 0;
        while (i < b->n && c.n < CHUNK && add(&c, b, &b->taken[i]) == 0)
            i++;
        keep(&c);
    }
    if (l->followers && l->records != before)
        jobs_wake(l);
    b->n = 0;
    b->len = 0;
    if (l->batch || b->cap > BATCH_BYTES) {
        free(b->mem);
        free(b);
    } else {
        l->batch = b;
    }
}

static void on_turn(void *arg)
{
    struct ledger *l = arg;

    l->flush_posted = 0;
    record_flush(l);
}

static struct batch *room_for(struct ledger *l, size_t size)
{
    struct batch *b = l->batch;
    size_t cap;

    if (b && (b->n == BATCH_RECORDS || (b->n && b->len + size > BATCH_BYTES)))
        record_flush(l);
    b = l->batch ? l->batch : calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    l->batch = b;
    if (b->len + size > b->cap) {
        uint8_t *mem;

        cap = b->len + size > BATCH_BYTES ? b->len + size : BATCH_BYTES;
        mem = realloc(b->mem, cap);
        if (!mem)
            return NULL;
        b->mem = mem;
        b->cap = cap;
    }
    return b;
}

int record_take(void *self, const struct aiex_message *m)
{
    static const char no_memory[] = "no memory for a usage record";
    struct ledger *l = self;
    struct facts f;
    struct batch *b;

    if (m->body.len == 0 || m->body.len > AIEX_RLOG_MAX_RECORD - TIME_BYTES) {
        broken(l, m->id, m->trace, m->body.len);
        return 0;
    }
    b = room_for(l, ROOM + m->body.len);
    if (!b) {
        (void)facts_read(m->body, &f);
        record_lost(l, &f, no_memory);
        return aiex_refuse(l->host, m->id, AIEX_E_UNAVAILABLE, no_memory);
    }
    memcpy(b->mem + b->len + ROOM, m->body.data, m->body.len);
    b->taken[b->n++] = (struct taken){b->len, m->body.len, m->id, m->trace, wall_ms()};
    b->len += ROOM + m->body.len;
    if (!l->flush_posted)
        l->flush_posted = l->host->post(l->host, on_turn, l) == 0;
    if (!l->flush_posted)
        record_flush(l);
    return 0;
}

void record_free(struct ledger *l)
{
    if (l->batch)
        free(l->batch->mem);
    free(l->batch);
    l->batch = NULL;
}
