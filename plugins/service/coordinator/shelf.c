/*
 * shelf.c - the answer cache as a whole: made when it is wanted, smaller when memory is short, with
 * colder levels (aiex_levels.h) behind it when `cache_levels` is on. hits.c uses it.
 *
 * Switched off by a reload the levels stay, unused: requests may be looking there.
 */
#include "coordinator.h"

#include <stdlib.h>

#define ORDER 2 /* of giving back: docs/operations.md, Memory */

static size_t room(const struct coordinator *c)
{
    size_t max = (size_t)c->config->cache_bytes;

    return c->pressure.percent && c->pressure.percent < 100 ? max / 100 * c->pressure.percent : max;
}

struct cache *shelf_cache(struct coordinator *c)
{
    if (!c->cache)
        c->cache = cache_new(room(c));
    return c->cache;
}

static void keep(void *arg, unsigned percent)
{
    struct coordinator *c = arg;
    size_t before = c->cache ? cache_bytes(c->cache) : 0;

    (void)percent;
    if (!c->cache)
        return;
    cache_resize(c->cache, room(c));
    c->pressure.given += before - cache_bytes(c->cache);
}

static void tell(void *arg, uint64_t *ret_bytes, uint64_t *ret_limit)
{
    const struct coordinator *c = arg;

    *ret_bytes = c->cache ? cache_bytes(c->cache) : 0;
    *ret_limit = (uint64_t)c->config->cache_bytes;
}

static struct aiex_levels_options options_of(const struct coordinator *c)
{
    return (struct aiex_levels_options){.host = c->host,
                                        .name = "answers",
                                        .tiers = {c->config->cache_node, c->config->cache_disk},
                                        .wait_ms = (uint32_t)c->config->cache_wait};
}

struct aiex_levels *shelf_levels(struct coordinator *c)
{
    struct aiex_levels_options o;

    if (!c->config->cache_levels)
        return NULL;
    o = options_of(c);
    if (!c->levels)
        c->levels = aiex_levels_new(&o); /* without memory: the next request tries again */
    return c->levels;
}

int shelf_start(struct coordinator *c)
{
    int r;

    c->pressure = (struct aiex_pressure){
        .host = c->host, .part = "answers", .order = ORDER, .keep = keep, .tell = tell, .arg = c};
    r = aiex_pressure_start(&c->pressure);
    return r < 0 ? r : aiex_metrics_join(c->host);
}

void shelf_reload(struct coordinator *c)
{
    struct aiex_levels_options o = options_of(c);

    if (c->cache)
        cache_resize(c->cache, room(c));
    if (c->levels)
        aiex_levels_reload(c->levels, &o);
}

void shelf_stop(struct coordinator *c)
{
    aiex_levels_free(c->levels);
    cache_free(c->cache);
}

int shelf_metrics(struct coordinator *c, uint64_t id)
{
    struct aiex_metrics m;

    aiex_metrics_begin(&m, c->host);
    if (c->levels)
        aiex_levels_metrics(c->levels, &m);
    return aiex_metrics_reply(&m, id);
}
