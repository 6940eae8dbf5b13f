/* levels_life.c - a cache in levels begins, changes, gives back, ends, and tells its numbers. */
#include "levels.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_FLIGHTS 4096u
#define MAX_SEATS   65536u
#define MAX_WAIT_MS 60000u

/* ---- When memory is short ---- */

static void fit(struct aiex_levels *l)
{
    unsigned percent = l->pressure.percent ? l->pressure.percent : 100;
    size_t bytes = l->max_bytes / 100 * percent;

    if (!l->cache)
        return;
    if (percent == 100)
        bytes = l->max_bytes;
    if (bytes < AIEX_CACHE_MIN_BYTES)
        bytes = AIEX_CACHE_MIN_BYTES;
    aiex_cache_resize(l->cache, bytes, 0, l->host->now_ms(l->host));
}

static void keep(void *arg, unsigned percent)
{
    struct aiex_levels *l = arg;
    size_t before = aiex_cache_bytes(l->cache), after;

    (void)percent;
    fit(l);
    aiex_cache_shrink(l->cache, 0, l->host->now_ms(l->host)); /* the allocator's pages */
    after = aiex_cache_bytes(l->cache);
    if (before > after)
        l->pressure.given += before - after; /* reported behind this */
}

static void tell(void *arg, uint64_t *ret_bytes, uint64_t *ret_limit)
{
    const struct aiex_levels *l = arg;

    *ret_bytes = aiex_cache_bytes(l->cache);
    *ret_limit = l->max_bytes;
}

int aiex_levels_event(struct aiex_levels *l, const struct aiex_message *m)
{
    return l->pressure.order ? aiex_pressure_event(&l->pressure, m) : 0;
}

/* ---- Life ---- */

static int is_sound(const struct aiex_levels_options *o)
{
    size_t len = o->name ? strlen(o->name) : 0;

    return len && len <= AIEX_LEVELS_MAX_NAME && o->wait_ms && o->wait_ms <= MAX_WAIT_MS &&
           (!o->max_bytes || o->max_bytes >= AIEX_CACHE_MIN_BYTES);
}

static void take_tiers(struct aiex_levels *l, const struct aiex_levels_options *o)
{
    for (unsigned i = 0; i < LEVELS_N_TIERS; i++) {
        const char *name = o->tiers[i] ? o->tiers[i] : "";

        if (strcmp(l->tiers[i].name, name) == 0)
            continue;
        memset(&l->tiers[i], 0, sizeof(l->tiers[i]));
        if (strlen(name) <= AIEX_MAX_NAME)
            memcpy(l->tiers[i].name, name, strlen(name));
    }
}

struct aiex_levels *aiex_levels_new(const struct aiex_levels_options *o)
{
    struct aiex_levels *l = is_sound(o) ? calloc(1, sizeof(*l)) : NULL;

    if (!l)
        return NULL;
    l->host = o->host;
    l->name_len = strlen(o->name);
    memcpy(l->name, o->name, l->name_len);
    l->wait_ms = o->wait_ms;
    l->max_bytes = o->max_bytes;
    take_tiers(l, o);
    l->flights = aiex_flights_new(MAX_FLIGHTS, MAX_SEATS);
    if (o->max_bytes)
        l->cache = aiex_cache_new(&(struct aiex_cache_options){.max_bytes = o->max_bytes});
    if (!l->flights || (o->max_bytes && !l->cache)) {
        aiex_levels_free(l);
        return NULL;
    }
    if (l->cache && o->order) {
        l->pressure = (struct aiex_pressure){.host = l->host,
                                             .part = l->name,
                                             .order = o->order,
                                             .keep = keep,
                                             .tell = tell,
                                             .arg = l};
        (void)aiex_pressure_start(&l->pressure); /* without it nothing is given back */
    }
    return l;
}

void aiex_levels_reload(struct aiex_levels *l, const struct aiex_levels_options *o)
{
    l->wait_ms = o->wait_ms && o->wait_ms <= MAX_WAIT_MS ? o->wait_ms : l->wait_ms;
    take_tiers(l, o);
    if (l->cache && o->max_bytes >= AIEX_CACHE_MIN_BYTES) {
        l->max_bytes = o->max_bytes;
        fit(l);
    }
}

void aiex_levels_free(struct aiex_levels *l)
{
    if (!l)
        return;
    levels_stop_seats(l);
    levels_stop_looks(l);
    if (l->timer)
        l->host->unwatch(l->host, l->timer);
    aiex_flights_free(l->flights);
    aiex_cache_free(l->cache);
    free(l);
}

/* ---- Numbers ---- */

void aiex_levels_stats(struct aiex_levels *l, struct aiex_levels_stats *ret)
{
    struct aiex_cache_stats s = {.bytes = 0};

    if (l->cache)
        aiex_cache_stats(l->cache, &s);
    *ret = l->count;
    ret->evictions = s.evictions;
    ret->entries = s.entries;
    ret->bytes = s.bytes;
    ret->max_bytes = s.max_bytes;
}

void aiex_levels_metrics(struct aiex_levels *l, struct aiex_metrics *m)
{
    struct aiex_levels_stats s;

    aiex_levels_stats(l, &s);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        {"aiex_levels_misses_total", "counter", "Looks that found nothing on any level.", s.misses},
        {"aiex_levels_joins_total", "counter", "Who waited for somebody else's value.", s.joins},
        {"aiex_levels_promotions_total", "counter", "Entries put to the node's level by use.",
         s.promotions},
        {"aiex_levels_puts_total", "counter", "Values that were put.", s.puts},
        {"aiex_levels_failures_total", "counter", "Calls to tiers that failed or took too long.",
         s.failures},
        {"aiex_levels_skipped_total", "counter", "Times that a resting tier was passed over.",
         s.skipped},
        {"aiex_levels_evictions_total", "counter", "Entries that left the process level for room.",
         s.evictions},
        {"aiex_levels_entries", "gauge", "Entries of the process level.", s.entries},
        {"aiex_levels_bytes", "gauge", "Bytes of the process level.", s.bytes},
        {"aiex_levels_max_bytes", "gauge", "Bytes that it may have.", s.max_bytes},
    };

    aiex_metrics_family(m, "aiex_levels_hits_total", "counter", "Values found, by level.");
    for (int i = 0; i < AIEX_N_LEVELS; i++)
        aiex_metrics_sample(
            m, (const char *const[]){"cache", l->name, "level", aiex_level_names[i], NULL},
            (double)s.hits[i]);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        aiex_metrics_family(m, rows[i].name, rows[i].type, rows[i].help);
        aiex_metrics_sample(m, (const char *const[]){"cache", l->name, NULL},
                            (double)rows[i].value);
    }
}
