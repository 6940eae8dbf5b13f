/*
 * demote.c - a tier in memory gives back when memory is short.
 *
 * Entries are moved to a colder tier, the least used first, DEMOTE_WINDOW at once so that a disk
 * syncs them together: put there, and deleted here only when that was answered and the entry is
 * still the one that was sent. What can not be moved (no such tier, refused, time is over) is
 * evicted: memory goes before a cache. Then the cache has its smaller size, and the allocator's
 * free pages go to the system.
 *
 * A call may be answered before call() returns, so a move is complete before it is made.
 */
#include "memory.h"

#include <aiex_service.h>
#include <errno.h>
#include <stdlib.h>

#define CALL_MS      2000u
#define GIVE_UP_MS   20000u /* a colder tier may take so long for all of it ... */
#define CRITICAL_MS  3000u  /* ... and so long when memory is all but gone */
#define OPEN_BYTES   (4u << 20)
#define MAX_FAILURES 8u /* in a row: the colder tier is not there */
#define TICK_MS      100u

struct move {
    struct aiex_tier_memory *tier;
    uint64_t call, created_ms;
    size_t bytes;
    int active;
    uint16_t key_len;
    uint8_t key[AIEX_TIER_MAX_KEY];
};

static void step(struct aiex_tier_memory *t);

/* ---- One entry ---- */

struct sent {
    struct move *move;
    struct aiex_slice body; /* malloc()ed */
    int error;
};

/* The request, while the entry is there. */
static void write_put(void *arg, const struct aiex_cache_view *e)
{
    struct sent *s = arg;
    struct aiex_tier_memory *t = s->move->tier;
    uint64_t now = t->host->now_ms(t->host);
    size_t len = e->tag ? (size_t)e->tag : e->value.len,
           size = 128 + e->key.len + e->meta.len + len;
    uint8_t *mem = malloc(size);
    struct aiex_writer w;

    s->error = -ENOMEM;
    if (!mem)
        return;
    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 3u + (e->expires_ms != 0) + (e->meta.len != 0));
    aiex_w_key_bin(&w, "key", e->key.data, e->key.len);
    aiex_w_key_int(&w, "uses", e->uses);
    if (e->expires_ms)
        aiex_w_key_uint(&w, "ttl_ms", e->expires_ms - now);
    if (e->meta.len) {
        aiex_w_str(&w, "meta");
        aiex_w_raw(&w, e->meta.data, e->meta.len);
    }
    aiex_w_str(&w, "value");
    aiex_w_bin_head(&w, len);
    s->error = tier_value(t, e, mem + w.len);
    s->body = (struct aiex_slice){mem, w.len + len};
    s->move->created_ms = e->created_ms;
    s->move->bytes = e->bytes;
}

static void look_created(void *arg, const struct aiex_cache_view *e)
{
    *(uint64_t *)arg = e->created_ms;
}

/* It is elsewhere, or given up: it goes from here, unless it was put anew meanwhile. */
static void drop(struct aiex_tier_memory *t, const struct move *m, uint64_t *count)
{
    const struct aiex_slice key = {m->key, m->key_len};
    uint64_t now = t->host->now_ms(t->host), created = 0;

    if (aiex_cache_get(t->cache, key, 0, now, look_created, &created) == 1 &&
        created == m->created_ms) {
        aiex_cache_delete(t->cache, key, now);
        ++*count;
    }
}

static void on_end(void *arg, const struct aiex_answer *answer)
{
    struct move *m = arg;
    struct aiex_tier_memory *t = m->tier;
    struct demotion *d = &t->demotion;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    m->active = 0;
    m->call = 0;
    d->n_open--;
    d->open_bytes -= m->bytes;
    if (answer->code) {
        d->failures++;
    } else {
        d->failures = 0;
        drop(t, m, &d->moved);
    }
    step(t);
}

/* 0: it is on its way, or gone already. */
static int send_one(struct aiex_tier_memory *t, const struct aiex_cache_candidate *c)
{
    struct demotion *d = &t->demotion;
    struct move *m = d->moves;
    struct sent s = {.error = 0};
    int r;

    while (m->active)
        m++;
    m->tier = t;
    s.move = m;
    if (c->key.len > sizeof(m->key) ||
        aiex_cache_get(t->cache, c->key, 0, t->host->now_ms(t->host), write_put, &s) != 1) {
        free((void *)(uintptr_t)s.body.data);
        return 0;
    }
    memcpy(m->key, c->key.data, c->key.len);
    m->key_len = (uint16_t)c->key.len;
    r = s.error;
    if (r == 0) {
        m->active = 1;
        d->n_open++;
        d->open_bytes += m->bytes;
        r = t->host->call(t->host,
                          &(struct aiex_request){.struct_size = sizeof(struct aiex_request),
                                                 .flags = AIEX_CALL_IDEMPOTENT,
                                                 .service = t->limits.demote_to,
                                                 .method = "tier.put",
                                                 .body = s.body,
                                                 .timeout_ms = CALL_MS},
                          on_end, m, &m->call);
        if (r < 0) {
            m->active = 0;
            d->n_open--;
            d->open_bytes -= m->bytes;
        }
    }
    free((void *)(uintptr_t)s.body.data);
    return r;
}

/* ---- All of them ---- */

static void finish(struct aiex_tier_memory *t)
{
    struct demotion *d = &t->demotion;
    struct aiex_cache_stats before, after;
    uint64_t now = t->host->now_ms(t->host);

    d->running = 0;
    free(d->list);
    d->list = NULL;
    d->n_list = d->at = 0;
    if (d->timer)
        t->host->unwatch(t->host, d->timer);
    d->timer = 0;
    for (unsigned i = 0; i < DEMOTE_WINDOW; i++)
        if (d->moves[i].active && d->moves[i].call)
            t->host->cancel(t->host, d->moves[i].call);
    free(d->moves);
    d->moves = NULL;
    d->n_open = 0;
    d->open_bytes = 0;
    aiex_cache_stats(t->cache, &before);
    tier_fit(t);
    aiex_cache_shrink(t->cache, 0, now); /* the allocator's pages */
    aiex_cache_stats(t->cache, &after);
    d->lost += before.entries - after.entries;
    if (before.entries > after.entries)
        aiex_logf(t->host, AIEX_LOG_WARN, 0,
                  "%llu entries were dropped because memory is short and '%s' did not take them",
                  (unsigned long long)(before.entries - after.entries),
                  t->limits.demote_to ? t->limits.demote_to : "");
    aiex_pressure_gave(&t->pressure,
                       d->began_bytes > after.bytes ? d->began_bytes - after.bytes : 0);
}

static int more_candidates(struct aiex_tier_memory *t)
{
    struct demotion *d = &t->demotion;

    free(d->list);
    d->list = NULL;
    d->at = d->n_list = 0;
    return aiex_cache_candidates(t->cache, AIEX_CACHE_DOWN, 4 * DEMOTE_WINDOW,
                                 t->host->now_ms(t->host), &d->list, &d->n_list) == 0 &&
           d->n_list;
}

/* What is on its way does not count any more: it will be gone. */
static int is_enough(const struct aiex_tier_memory *t)
{
    const struct demotion *d = &t->demotion;

    return aiex_cache_bytes(t->cache) - d->open_bytes <= d->goal;
}

static void step(struct aiex_tier_memory *t)
{
    struct demotion *d = &t->demotion;

    if (!d->running || d->stepping)
        return; /* an answer within a call: the loop below goes on */
    d->stepping = 1;
    while (d->n_open < DEMOTE_WINDOW && d->open_bytes < OPEN_BYTES && !is_enough(t) &&
           d->failures < MAX_FAILURES && t->host->now_ms(t->host) < d->give_up_ms) {
        if (d->at == d->n_list) {
            if (d->n_open || !more_candidates(t))
                break; /* what is under way would be listed again */
            continue;
        }
        if (send_one(t, &d->list[d->at++]) < 0)
            d->failures++;
    }
    d->stepping = 0;
    if (!d->n_open || t->host->now_ms(t->host) >= d->give_up_ms)
        finish(t);
}

static void tick(void *arg)
{
    step(arg);
}

static void begin(struct aiex_tier_memory *t)
{
    struct demotion *d = &t->demotion;

    d->moves = calloc(DEMOTE_WINDOW, sizeof(*d->moves));
    d->failures = 0;
    d->began_bytes = aiex_cache_bytes(t->cache);
    d->running = d->moves != NULL;
    if (d->running && t->host->timer(t->host, TICK_MS, TICK_MS, tick, t, &d->timer) == 0)
        return;
    free(d->moves);
    d->moves = NULL;
    d->running = 0;
}

/* From aiex_pressure.h: another share of what is allowed holds from now on. */
static void keep(void *arg, unsigned percent)
{
    struct aiex_tier_memory *t = arg;
    struct demotion *d = &t->demotion;

    (void)percent;
    d->goal = tier_allowed(t);
    d->give_up_ms = t->host->now_ms(t->host) +
                    (t->pressure.level == AIEX_PRESSURE_CRITICAL ? CRITICAL_MS : GIVE_UP_MS);
    if (!d->running && aiex_cache_bytes(t->cache) > d->goal && t->limits.demote_to &&
        *t->limits.demote_to)
        begin(t);
    if (d->running)
        step(t);
    else
        tier_fit(t);
}

int demotion_goal(struct aiex_tier_memory *t)
{
    t->demotion.goal = tier_allowed(t);
    step(t);
    return t->demotion.running;
}

static void tell(void *arg, uint64_t *ret_bytes, uint64_t *ret_limit)
{
    const struct aiex_tier_memory *t = arg;

    *ret_bytes = aiex_cache_bytes(t->cache);
    *ret_limit = t->limits.max_bytes;
}

void demotion_start(struct aiex_tier_memory *t)
{
    t->pressure = (struct aiex_pressure){.host = t->host,
                                         .part = "entries",
                                         .order = t->limits.order,
                                         .keep = keep,
                                         .tell = tell,
                                         .arg = t};
    if (aiex_pressure_start(&t->pressure) < 0)
        aiex_logf(t->host, AIEX_LOG_WARN, 0, "not told when memory is short: no subscription");
}

void demotion_stop(struct aiex_tier_memory *t)
{
    struct demotion *d = &t->demotion;

    for (unsigned i = 0; d->moves && i < DEMOTE_WINDOW; i++)
        if (d->moves[i].active && d->moves[i].call)
            t->host->cancel(t->host, d->moves[i].call);
    if (d->timer)
        t->host->unwatch(t->host, d->timer);
    free(d->moves);
    free(d->list);
    memset(d, 0, sizeof(*d));
}
