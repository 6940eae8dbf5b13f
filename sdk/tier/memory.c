/*
 * memory.c - a tier in memory: the methods of kind tier/1 over a cache.
 *
 * The loop thread is the only one inside, so the shards are there for their tables alone: one that
 * has to grow stops nobody for long. A value that was packed has its length in the entry's tag.
 */
#include "memory.h"

#include <aiex_metrics.h>
#include <aiex_service.h>
#include <errno.h>
#include <stdlib.h>

#define SWEEP_MS    250u
#define SWEEP_ROUND 240u /* sweeps for the whole table: a minute */
#define SWEEP_MOST  20000u
#define SHARD_BYTES (16u << 20)
#define MAX_SHARDS  64u
#define STEP        (64u << 20) /* bytes that may go at once */

static uint64_t now_of(const struct aiex_tier_memory *t)
{
    return t->host->now_ms(t->host);
}

uint64_t tier_allowed(const struct aiex_tier_memory *t)
{
    uint64_t share = t->limits.max_bytes / 100 * t->pressure.percent;

    return t->pressure.percent && t->pressure.percent < 100 ? share : t->limits.max_bytes;
}

static int refuse(const struct aiex_tier_memory *t, const struct aiex_message *m,
                  const struct aiex_error *err)
{
    return aiex_refuse(t->host, m->id, AIEX_E_INVALID, "%s", err->text);
}

/* ---- tier.get ---- */

struct got {
    struct aiex_tier_memory *tier;
    struct aiex_slice body;
    int error;
};

/* The answer's bytes, while the entry is there; it is sent when the shard is free again. */
static void take_copy(void *arg, const struct aiex_cache_view *e)
{
    struct got *g = arg;
    uint64_t now = now_of(g->tier);
    struct aiex_tier_value v = {.meta = e->meta,
                                .uses = e->uses,
                                .age_ms = now - e->created_ms,
                                .ttl_ms = e->expires_ms ? e->expires_ms - now : 0};
    size_t len = e->tag ? (size_t)e->tag : e->value.len;
    uint8_t *at;

    g->error = aiex_tier_write_value(&v, len, &at, &g->body);
    if (g->error < 0)
        return;
    g->error = tier_value(g->tier, e, at);
}

static int on_get(void *self, const struct aiex_message *m)
{
    struct aiex_tier_memory *t = self;
    struct got g = {.tier = t};
    struct aiex_error err = {""};
    struct aiex_slice key;
    int touch, r;

    if (aiex_tier_read_key(m->body, &key, &touch, &err) < 0)
        return refuse(t, m, &err);
    r = aiex_cache_get(t->cache, key, touch ? AIEX_CACHE_TOUCH : 0, now_of(t), take_copy, &g);
    if (r == 0)
        return aiex_tier_reply_found(t->host, m->id, 0);
    if (g.error == -ENOMEM)
        r = aiex_refuse(t->host, m->id, AIEX_E_BUSY, "no memory for the value; ask again later");
    else if (g.error < 0)
        r = aiex_refuse(t->host, m->id, AIEX_E_INTERNAL, "the value can not be unpacked: %s",
                        strerror(-g.error));
    else
        r = m->id ? t->host->reply(t->host, m->id, g.body) : 0;
    free((void *)(uintptr_t)g.body.data);
    return r;
}

int tier_value(struct aiex_tier_memory *t, const struct aiex_cache_view *e, uint8_t *to)
{
    if (e->tag)
        return t->codec.unpack(t->codec.arg, e->value, to, (size_t)e->tag);
    if (e->value.len)
        memcpy(to, e->value.data, e->value.len);
    return 0;
}

/* ---- tier.put ---- */

/* The value made smaller, on the heap, or NULL: it stays as it is. */
static uint8_t *pack(struct aiex_tier_memory *t, struct aiex_cache_put *p)
{
    const struct aiex_tier_codec *codec = &t->codec;
    uint8_t *mem;
    size_t n;

    if (!codec->pack || !t->limits.compress_above || p->value.len < t->limits.compress_above ||
        p->value.len > codec->max_bytes)
        return NULL;
    mem = malloc(p->value.len);
    n = mem ? codec->pack(codec->arg, p->value, mem) : 0;
    if (!n) {
        free(mem);
        return NULL;
    }
    t->packed++;
    t->packed_from += p->value.len;
    t->packed_to += n;
    p->tag = p->value.len;
    p->value = (struct aiex_slice){mem, n};
    return mem;
}

static int refuse_put(const struct aiex_tier_memory *t, const struct aiex_message *m, int error,
                      size_t len)
{
    if (error == -EEXIST)
        return aiex_refuse(t->host, m->id, AIEX_E_CONFLICT, "the key is there already");
    if (error == -EFBIG)
        return aiex_refuse(t->host, m->id, AIEX_E_BUSY,
                           "a value of %zu bytes does not fit: max_bytes is %llu", len,
                           (unsigned long long)t->limits.max_bytes);
    return aiex_refuse(t->host, m->id, AIEX_E_BUSY, "no memory for a value of %zu bytes", len);
}

static int on_put(void *self, const struct aiex_message *m)
{
    struct aiex_tier_memory *t = self;
    struct aiex_error err = {""};
    struct aiex_cache_put p;
    uint64_t evicted = 0;
    uint8_t *packed;
    size_t len;
    int r;

    if (aiex_tier_read_put(m->body, &p, &err) < 0)
        return refuse(t, m, &err);
    len = p.value.len;
    packed = pack(t, &p);
    r = aiex_cache_put(t->cache, &p, now_of(t), &evicted);
    free(packed);
    if (r < 0)
        return refuse_put(t, m, r, len);
    return aiex_tier_reply_put(t->host, m->id, evicted, aiex_cache_bytes(t->cache));
}

/* ---- The others ---- */

static int on_delete(void *self, const struct aiex_message *m)
{
    struct aiex_tier_memory *t = self;
    struct aiex_error err = {""};
    struct aiex_slice key;

    if (aiex_tier_read_key(m->body, &key, NULL, &err) < 0)
        return refuse(t, m, &err);
    return aiex_tier_reply_found(t->host, m->id, aiex_cache_delete(t->cache, key, now_of(t)));
}

static int on_candidates(void *self, const struct aiex_message *m)
{
    struct aiex_tier_memory *t = self;
    struct aiex_cache_candidate *list;
    struct aiex_error err = {""};
    size_t limit, n;
    int direction, r;

    if (aiex_tier_read_candidates(m->body, &direction, &limit, &err) < 0)
        return refuse(t, m, &err);
    r = aiex_cache_candidates(t->cache, direction, limit, now_of(t), &list, &n);
    if (r < 0)
        return aiex_refuse(t->host, m->id, AIEX_E_BUSY, "no memory for %zu candidates", limit);
    r = aiex_tier_reply_candidates(t->host, m->id, list, n, now_of(t));
    free(list);
    return r;
}

static int on_shrink(void *self, const struct aiex_message *m)
{
    struct aiex_tier_memory *t = self;
    struct aiex_error err = {""};
    size_t bytes, freed = 0, n;

    if (aiex_tier_read_shrink(m->body, &bytes, &err) < 0)
        return refuse(t, m, &err);
    do { /* a large one takes long: the watchdog sees that it goes on */
        n = aiex_cache_shrink(t->cache, bytes - freed < STEP ? bytes - freed : STEP, now_of(t));
        freed += n;
        t->host->alive(t->host);
    } while (n && freed < bytes);
    return aiex_tier_reply_shrink(t->host, m->id, freed, aiex_cache_bytes(t->cache));
}

#define N_EXTRA 6

static void read_stats(struct aiex_tier_memory *t, struct aiex_tier_stats *ret,
                       struct aiex_tier_extra extra[N_EXTRA])
{
    struct aiex_cache_stats s;

    aiex_cache_stats(t->cache, &s);
    *ret = (struct aiex_tier_stats){.level = t->level,
                                    .entries = s.entries,
                                    .bytes = s.bytes,
                                    .max_bytes = s.max_bytes,
                                    .hits = s.hits,
                                    .misses = s.misses,
                                    .puts = s.puts,
                                    .evictions = s.evictions,
                                    .expired = s.expired,
                                    .extra = extra};
    const struct aiex_tier_extra all[N_EXTRA] = {
        {"demotions", "aiex_tier_demotions_total", "counter",
         "Entries that went to a colder tier because memory was short.", t->demotion.moved},
        {"demotions_lost", "aiex_tier_demotions_lost_total", "counter",
         "Entries for which that tier had no room or answer.", t->demotion.lost},
        {t->codec.pack ? "packed" : NULL, "aiex_tier_packed_total", "counter",
         "Values that were compressed.", t->packed},
        {"packed_from", "aiex_tier_packed_from_bytes_total", "counter", "Bytes before compression.",
         t->packed_from},
        {"packed_to", "aiex_tier_packed_to_bytes_total", "counter", "Bytes behind compression.",
         t->packed_to},
        {.name = NULL}};

    memcpy(extra, all, sizeof(all));
}

static int on_stats(void *self, const struct aiex_message *m)
{
    struct aiex_tier_memory *t = self;
    struct aiex_tier_extra extra[N_EXTRA];
    struct aiex_tier_stats s;

    read_stats(t, &s, extra);
    return aiex_tier_reply_stats(t->host, m->id, &s);
}

static int on_metrics(void *self, const struct aiex_message *m)
{
    struct aiex_tier_memory *t = self;
    struct aiex_tier_extra extra[N_EXTRA];
    struct aiex_tier_stats s;

    read_stats(t, &s, extra);
    return aiex_tier_reply_metrics(t->host, m->id, &s);
}

static int on_health(void *self, const struct aiex_message *m)
{
    struct aiex_tier_memory *t = self;

    return aiex_reply_health(t->host, m->id, 1, "entries are kept in memory");
}

static const struct aiex_method methods[] = {
    {"tier.get", on_get},
    {"tier.put", on_put},
    {"tier.delete", on_delete},
    {"tier.candidates", on_candidates},
    {"tier.shrink", on_shrink},
    {"tier.stats", on_stats},
    {"tier.metrics", on_metrics},
    {"tier.health", on_health},
    {"service.health", on_health},
    {"service.metrics", on_metrics},
    {0},
};

/* ---- Life ---- */

static unsigned shards_for(uint64_t max_bytes)
{
    unsigned n = 1;

    while (n < MAX_SHARDS && max_bytes / n > SHARD_BYTES)
        n *= 2;
    return n;
}

int aiex_tier_memory_create(const struct aiex_host *host, const char *level,
                            const struct aiex_tier_limits *limits,
                            const struct aiex_tier_codec *codec, struct aiex_tier_memory **ret_tier,
                            struct aiex_error *err)
{
    struct aiex_tier_memory *t = host->alloc(host, sizeof(*t));

    if (!t)
        return aiex_failed(err, -ENOMEM, "no memory");
    t->host = host;
    t->level = level;
    t->limits = *limits;
    if (codec)
        t->codec = *codec;
    t->cache = aiex_cache_new(
        &(struct aiex_cache_options){.max_bytes = limits->max_bytes,
                                     .max_entries = limits->max_entries,
                                     .shards = shards_for(limits->max_bytes)});
    if (!t->cache) {
        host->release(host, t);
        return aiex_failed(err, -ENOMEM, "no memory for the table");
    }
    *ret_tier = t;
    return 0;
}

static void sweep(void *arg)
{
    struct aiex_tier_memory *t = arg;
    struct aiex_cache_stats s;
    uint64_t steps;

    aiex_cache_stats(t->cache, &s);
    steps = s.places / SWEEP_ROUND + 64;
    aiex_cache_sweep(t->cache, steps < SWEEP_MOST ? steps : SWEEP_MOST, now_of(t));
}

int aiex_tier_memory_start(struct aiex_tier_memory *t, struct aiex_error *err)
{
    int r = t->host->join(t->host, "tier", AIEX_NAME_GROUP);

    if (r < 0)
        return aiex_failed(err, r, "the group 'tier' can not be joined: %s", strerror(-r));
    if (aiex_metrics_join(t->host) < 0)
        aiex_logf(t->host, AIEX_LOG_WARN, 0, "the page of metrics lacks this instance");
    r = t->host->timer(t->host, SWEEP_MS, SWEEP_MS, sweep, t, &t->sweeper);
    if (r < 0)
        return aiex_failed(err, r, "no timer: %s", strerror(-r));
    demotion_start(t);
    return 0;
}

int aiex_tier_memory_handle(struct aiex_tier_memory *t, const struct aiex_message *m)
{
    if (m->kind == AIEX_MSG_EVENT)
        return (void)aiex_pressure_event(&t->pressure, m), 0;
    return m->kind == AIEX_MSG_REQUEST || m->kind == AIEX_MSG_CAST ? aiex_dispatch(methods, t, m)
                                                                   : 0;
}

void aiex_tier_memory_reload(struct aiex_tier_memory *t, const struct aiex_tier_limits *limits)
{
    t->limits = *limits;
    t->pressure.order = limits->order;
    if (!demotion_goal(t))
        tier_fit(t);
}

void tier_fit(struct aiex_tier_memory *t)
{
    size_t held = aiex_cache_bytes(t->cache), allowed = (size_t)tier_allowed(t);

    for (; held > allowed + STEP; held -= STEP) {
        aiex_cache_resize(t->cache, held - STEP, 0, now_of(t));
        t->host->alive(t->host);
    }
    aiex_cache_resize(t->cache, allowed, t->limits.max_entries, now_of(t));
}

void aiex_tier_memory_free(struct aiex_tier_memory *t)
{
    if (!t)
        return;
    demotion_stop(t);
    if (t->sweeper)
        t->host->unwatch(t->host, t->sweeper);
    aiex_cache_free(t->cache);
    t->host->release(t->host, t);
}
