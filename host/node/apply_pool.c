/*
 * apply_pool.c - from the configuration to the units of a pool (pool.h). Workers are numbered as
 * they are made: which of them are permanent is said by their flag, not by their number, so that
 * ones that still end do not stand in the way.
 */
#include "node/pool.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 999 /* of a worker: NAME#999 */

/* Workers stand together in the list that people see. */
static void join_the_others(struct unit *unit, const struct pool *pool)
{
    struct list *last = NULL;

    list_each (it, &unit->node->units)
        if (list_of(it, struct unit, link)->pool == pool)
            last = it;
    if (!last)
        return;
    list_remove(&unit->link);
    list_append(last->next, &unit->link);
}

static struct unit *unit_of_worker(struct node *node, struct pool *pool, const char *name,
                                   int temporary)
{
    const struct config_instance *c = config_find(node->config, pool_name(pool));
    struct node_instance *in = c ? calloc(1, sizeof(*in)) : NULL;
    struct unit *unit = in ? unit_new(node, name) : NULL;

    if (!unit) {
        free(in);
        return NULL;
    }
    in->unit = unit;
    in->bus = pool_bus(pool);
    snprintf(in->name, sizeof(in->name), "%s", name);
    list_append(&unit->instances, &in->link);
    join_the_others(unit, pool);
    pool_unit_new(pool, unit, temporary);
    return unit;
}

/* What the configuration says to a worker; 1 = its cell has to be replaced. */
static int set_worker(struct unit *unit, struct supervise_spec *ret_spec)
{
    struct node *node = unit->node;
    const struct config_instance *c = config_find(node->config, pool_name(unit->pool));
    const struct config_cell *cell = config_find_cell(node->config, c->keys.cell);
    int group = c->keys.group[0] && !unit->temporary
                    ? apply_group(node, node->config, c->keys.group)
                    : -1;

    apply_instance(node, list_of(unit->instances.next, struct node_instance, link), c);
    *ret_spec = apply_spec(unit, c, group);
    if (unit->temporary)
        ret_spec->restart = SUPERVISE_TEMPORARY; /* the pool makes another when it needs one */
    return cell ? apply_limits(unit, cell) : 0;
}

struct unit *apply_adopt_worker(struct node *node, struct pool *pool, const char *name, int number,
                                int temporary)
{
    struct unit *unit = unit_of_worker(node, pool, name, temporary);
    struct supervise_spec spec;

    if (!unit)
        return NULL;
    unit->number = number;
    set_worker(unit, &spec);
    return unit;
}

struct unit *apply_worker(struct node *node, struct pool *pool, int temporary)
{
    struct supervise_spec spec;
    struct unit *unit;
    char name[64];
    int n = 1;

    do
        snprintf(name, sizeof(name), "%.59s#%d", pool_name(pool), n);
    while (supervise_find(node->supervisor, name) >= 0 && ++n <= NUMBER_MAX);
    unit = unit_of_worker(node, pool, name, temporary);
    if (!unit)
        return NULL;
    set_worker(unit, &spec);
    unit->number = supervise_add(node->supervisor, &spec, UINT32_MAX);
    if (unit->number < 0) {
        log_error("cell '%s' can not be supervised: %s", unit->name, strerror(-unit->number));
        unit_free(unit);
        return NULL;
    }
    return unit;
}

/* The pool of that name: it is there, or takes over what a plain instance leaves, or is new. */
static struct pool *get_pool(struct node *node, const struct config_instance *c,
                             struct list *moving)
{
    struct bus_instance_options options = apply_bus_options(c);
    struct pool *pool = pool_find(node, c->name);
    struct node_instance *left = pool ? NULL : apply_take_moving(moving, c->name);
    struct bus_instance *bus;

    if (pool)
        return pool;
    bus = left ? left->bus : bus_instance_new(node->bus, c->name, &options);
    if (left)
        plugin_info_unref(left->info);
    free(left);
    if (!bus)
        return NULL;
    pool = pool_new(node, c->name, bus);
    if (!pool)
        node_free_bus(node, bus);
    return pool;
}

/* Workers that run: more are permanent than before, or fewer; then what else changed. */
static void change_workers(struct node *node, struct pool *pool, const struct config_instance *c,
                           const struct config_diff *diff)
{
    enum config_change change = apply_change(diff, c->name);
    struct supervise_spec spec;
    int64_t permanent = 0;

    list_each (it, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);
        int replace;

        if (unit->pool != pool || unit->removed)
            continue;
        unit->keep = 1;
        unit->temporary = permanent >= c->keys.workers;
        permanent++;
        replace = set_worker(unit, &spec) || change == CONFIG_REPLACE;
        supervise_change(node->supervisor, (uint32_t)unit->number, &spec);
        if (replace)
            unit_event(node, (struct supervise_event){.kind = SUPERVISE_REPLACE,
                                                      .unit = (uint32_t)unit->number});
        else if (change == CONFIG_OPTIONS && unit->serving)
            process_reload(unit->serving, 0, c);
    }
    while (permanent++ < c->keys.workers) {
        struct unit *unit = apply_worker(node, pool, 0);

        if (unit)
            unit->keep = 1; /* the pool starts it */
    }
}

void apply_pool(struct node *node, const struct config_instance *c, const struct config_diff *diff,
                struct list *moving)
{
    struct bus_instance_options options = apply_bus_options(c);
    struct pool *pool = get_pool(node, c, moving);

    if (!pool || pool_set(pool, c) < 0) {
        log_error("instance '%s': its workers can not be made: no memory, or the name is taken",
                  c->name);
        return;
    }
    bus_instance_options(pool_bus(pool), &options);
    if (diff)
        change_workers(node, pool, c, diff);
}

/* Puts a pool's place on the bus among those that move. */
static void give_up_bus(struct pool *pool, const struct config_instance *c, struct list *moving)
{
    struct node_instance *in = calloc(1, sizeof(*in));

    if (!in)
        return; /* its calls end with the pool */
    in->bus = pool_give_bus(pool);
    if (!in->bus) {
        free(in);
        return;
    }
    snprintf(in->name, sizeof(in->name), "%s", c->name);
    list_append(moving, &in->link);
}

struct leaving {
    struct node *node;
    const struct config *config;
    struct list *moving;
};

static void leave(void *arg, struct pool *pool)
{
    struct leaving *l = arg;
    const struct config_instance *c = config_find(l->config, pool_name(pool));
    int stays = c && c->keys.enabled && !apply_is_removed(l->node, c->name);

    if (stays && pool_wanted(c) && !pool_removed(pool))
        return;
    if (stays)
        give_up_bus(pool, c, l->moving);
    if (!pool_removed(pool))
        pool_remove(pool);
}

void pools_leave(struct node *node, const struct config *config, struct list *moving)
{
    pools_each(node, leave, &(struct leaving){node, config, moving});
}
