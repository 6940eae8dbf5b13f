/* pool_life.c - pools made, changed, ended and shown; what they do is pool.c. */
#include "node/pool_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Making ---- */

int pool_wanted(const struct config_instance *c)
{
    return c && c->keys.enabled && c->keys.workers_max > 1 && !strcmp(c->keys.cell, c->name);
}

struct pool *pool_find(struct node *node, const char *name)
{
    list_each (it, &node->pools) {
        struct pool *pool = list_of(it, struct pool, link);

        if (!pool->removed && !strcmp(pool->name, name))
            return pool;
    }
    return NULL;
}

static void on_gone(void *arg, uint32_t call)
{
    struct pool *pool = arg;

    if (pool->workers)
        workers_cancel(pool->workers, call);
}

struct pool *pool_new(struct node *node, const char *name, struct bus_instance *bus)
{
    struct pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return NULL;
    pool->node = node;
    pool->bus = bus;
    snprintf(pool->name, sizeof(pool->name), "%s", name);
    bus_pool(bus, on_gone, pool);
    if (bus_instance_serving(bus) == BUS_UP) /* a plain instance until now */
        bus_instance_unbind(bus, BUS_SOON, "its workers start");
    list_append(&node->pools, &pool->link);
    return pool;
}

int pool_set(struct pool *pool, const struct config_instance *c)
{
    struct workers_spec spec = {
        .min_children = (uint32_t)c->keys.workers,
        .max_children = (uint32_t)c->keys.workers_max,
        .queue_max = (uint32_t)(c->keys.queue < WORKERS_MAX_QUEUE ? c->keys.queue
                                                                  : WORKERS_MAX_QUEUE),
        .idle_ms = (uint32_t)c->keys.workers_idle_ms,
    };
    struct workers *workers;

    if (pool->workers && !memcmp(&spec, &pool->spec, sizeof(spec)))
        return 0;
    workers = workers_new(&spec);
    if (!workers)
        return -ENOMEM;
    /* what waits is submitted anew, and slots find the units that run */
    bus_pool_again(pool->bus);
    workers_free(pool->workers);
    pool->workers = workers;
    pool->spec = spec;
    memset(pool->slots, 0, sizeof(pool->slots));
    pool->begun = 0;
    return 0;
}

const char *pool_name(const struct pool *pool)
{
    return pool->name;
}

struct bus_instance *pool_bus(const struct pool *pool)
{
    return pool->bus;
}

static void pool_free(struct pool *pool)
{
    list_remove(&pool->link);
    if (pool->bus)
        node_free_bus(pool->node, pool->bus);
    workers_free(pool->workers);
    free(pool);
}

int pool_removed(const struct pool *pool)
{
    return pool->removed;
}

struct bus_instance *pool_give_bus(struct pool *pool)
{
    struct bus_instance *bus = pool->bus;

    if (!bus)
        return NULL;
    bus_pool(bus, NULL, NULL);
    bus_instance_unbind(bus, BUS_SOON, "it is being replaced");
    pool->bus = NULL;
    return bus;
}

void pool_replace(struct pool *pool)
{
    list_each (it, &pool->node->units) {
        struct unit *unit = list_of(it, struct unit, link);

        if (unit->pool == pool && !unit->removed)
            unit_event(pool->node, (struct supervise_event){.kind = SUPERVISE_REPLACE,
                                                            .unit = (uint32_t)unit->number});
    }
}

void pool_remove(struct pool *pool)
{
    struct node *node = pool->node;

    pool->removed = 1;
    if (pool->bus)
        bus_instance_unbind(pool->bus, BUS_DOWN, "it was removed");
    if (!pool->n_units) {
        pool_free(pool);
        return;
    }
    pool->n_units++; /* removing the last unit must not free the pool under us */
    list_each_safe (it, next, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);

        if (unit->pool == pool && !unit->removed)
            unit_retire(pool->node, unit);
    }
    if (--pool->n_units == 0)
        pool_free(pool);
}

void pool_unit_new(struct pool *pool, struct unit *unit, int temporary)
{
    unit->pool = pool;
    unit->temporary = temporary;
    pool->n_units++;
}

void pool_unit_gone(struct unit *unit)
{
    struct pool *pool = unit->pool;

    if (!pool)
        return;
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        if (pool->slots[i].unit == unit)
            pool->slots[i].unit = NULL;
    unit->pool = NULL;
    if (--pool->n_units == 0 && pool->removed)
        pool_free(pool);
}

void pools_free(struct node *node)
{
    while (!list_empty(&node->pools))
        pool_free(list_of(node->pools.next, struct pool, link));
}

/* ---- What it tells ---- */

void pool_info(struct pool *pool, struct node_instance_info *ret)
{
    static const char *const states[] = {
        [BUS_DOWN] = "failed", [BUS_SOON] = "starting", [BUS_UP] = "up"};
    struct workers_count n = workers_count(pool->workers);

    snprintf(pool->text, sizeof(pool->text),
             "%u of %u workers: %u busy, %u idle, %u starting; %u calls wait",
             n.busy + n.idle + n.starting, pool->spec.max_children, n.busy, n.idle, n.starting,
             n.queued[0] + n.queued[1] + n.queued[2]);
    ret->name = ret->cell = pool->name;
    ret->pool = ret->last_exit = "";
    ret->pid = 0;
    ret->restarts = ret->next_try_ms = ret->rss_bytes = 0;
    ret->workers = pool->spec.max_children;
    list_each (it, &pool->node->units) {
        const struct unit *unit = list_of(it, struct unit, link);

        if (unit->pool == pool && unit->serving)
            ret->rss_bytes += cell_rss_bytes(unit->serving->cell);
    }
    ret->state = states[bus_instance_serving(pool->bus)];
    ret->state_why = pool->text;
    ret->stats = bus_instance_stats(pool->bus);
}
