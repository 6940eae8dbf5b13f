/*
 * pool.c - pools of workers; see pool.h. A slot is one worker of schedule/workers.h. Which
 * unit fills it is decided when it is to start: one that is up before one that comes up
 * before one that has to be made, so a unit that has failed does not hold up the others.
 */
#include "node/pool.h"

#include "base/log.h"
#include "schedule/workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 64   /* of the keys workers, workers_max */
#define SOON_MS   2000 /* a back-off longer than this is no start to wait for */

enum life { FREE, STARTING, IDLE, BUSY, STOPPING };

struct slot {
    enum life life;
    struct unit *unit;     /* NULL: FREE, or none is to be had */
    struct bus_port *port; /* BUSY: compared only */
};

struct pool {
    struct list link;
    struct node *node;
    char name[64];
    struct bus_instance *bus;
    struct workers_spec spec;
    struct workers *workers;
    struct workers_actions actions;
    struct slot slots[SLOTS_MAX];
    unsigned n_units;
    int begun, removed;
    char text[160];
};

/* ---- Units ---- */

/* The port that serves for a unit, NULL = not up. */
static struct bus_port *port_of(const struct unit *unit)
{
    const struct process *p = unit ? unit->serving : NULL;

    return p && !p->draining && p->killed_for == SUPERVISE_WHY_NONE ? p->port : NULL;
}

static enum supervise_state state_of(const struct unit *unit, uint64_t *ret_wait_ms)
{
    uint64_t now = loop_now_ms(unit->node->loop);
    struct supervise_info info;

    *ret_wait_ms = 0;
    if (supervise_info(unit->node->supervisor, (uint32_t)unit->number, &info) < 0)
        return SUPERVISE_STOPPED;
    if (info.next_ms != SUPERVISE_NEVER && info.next_ms > now)
        *ret_wait_ms = info.next_ms - now;
    return (enum supervise_state)info.state;
}

/* 1 when nothing is to be expected of a unit that is not up. */
static int is_lost(const struct unit *unit)
{
    uint64_t wait_ms;
    enum supervise_state state = state_of(unit, &wait_ms);

    return state == SUPERVISE_FAILED || state == SUPERVISE_STOPPED ||
           (state == SUPERVISE_BACKOFF && wait_ms > SOON_MS);
}

static void order(const struct unit *unit, enum supervise_kind kind)
{
    unit_event(unit->node, (struct supervise_event){.kind = kind, .unit = (uint32_t)unit->number});
}

static struct slot *slot_of(struct pool *pool, const struct unit *unit)
{
    for (uint32_t i = 0; i < pool->spec.max_children; i++)
        if (pool->slots[i].unit == unit)
            return &pool->slots[i];
    return NULL;
}

/* How soon a unit without a slot can work: larger is sooner, 0 = not at all. */
static int rank_of(const struct unit *unit)
{
    uint64_t wait_ms;

    if (port_of(unit))
        return 4;
    switch (state_of(unit, &wait_ms)) {
    case SUPERVISE_UP:
    case SUPERVISE_STARTING:
        return 3;
    case SUPERVISE_DOWN:
    case SUPERVISE_STOPPED:
        return 2;
    case SUPERVISE_BACKOFF:
        return wait_ms <= SOON_MS ? 1 : 0;
    default:
        return 0;
    }
}

/* A unit for a slot that starts, and its start; NULL when none is to be had now. */
static struct unit *pick(struct pool *pool)
{
    struct unit *best = NULL;
    int rank = 0;

    list_each (it, &pool->node->units) {
        struct unit *unit = list_of(it, struct unit, link);

        if (unit->pool != pool || unit->removed || slot_of(pool, unit) || rank_of(unit) <= rank)
            continue;
        best = unit;
        rank = rank_of(unit);
    }
    if (!best)
        best = apply_worker(pool->node, pool, 1);
    if (best && (rank == 2 || rank == 0)) /* it is down, or new */
        order(best, SUPERVISE_START);
    return best;
}

/* ---- What the workers' machine wants ---- */

static void start(struct pool *pool, struct slot *slot)
{
    slot->life = STARTING;
    slot->unit = NULL;
    slot->unit = pick(pool);
}

static void stop(struct pool *pool, struct slot *slot)
{
    for (uint32_t i = 0; i < pool->spec.max_children && !slot->unit->temporary; i++)
        if (pool->slots[i].life == IDLE && pool->slots[i].unit->temporary) {
            struct unit *unit = pool->slots[i].unit;

            pool->slots[i].unit = slot->unit; /* the permanent one stays */
            slot->unit = unit;
        }
    slot->life = STOPPING;
    if (slot->unit->temporary)
        unit_retire(pool->node, slot->unit);
    else
        order(slot->unit, SUPERVISE_STOP);
}

static void run(struct pool *pool, struct slot *slot, uint64_t task)
{
    slot->life = BUSY;
    slot->port = port_of(slot->unit);
    /* a call that has ended meanwhile is noticed as one that is done */
    if (slot->port)
        bus_pool_run(pool->bus, (uint32_t)task, slot->port);
}

static void perform(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->actions.n; i++) {
        const struct workers_action *a = &pool->actions.at[i];

        switch (a->what) {
        case WORKERS_START:
            start(pool, &pool->slots[a->worker]);
            break;
        case WORKERS_STOP:
            stop(pool, &pool->slots[a->worker]);
            break;
        case WORKERS_RUN:
            run(pool, &pool->slots[a->worker], a->task);
            break;
        default: /* LOST: the bus has ended or moved it */
            break;
        }
    }
}

/* ---- What became of the slots ---- */

static int watch_starting(struct pool *pool, uint32_t i, uint64_t now)
{
    struct slot *slot = &pool->slots[i];
    struct bus_port *port;

    if (slot->unit && !port_of(slot->unit) && is_lost(slot->unit)) {
        struct unit *lost = slot->unit;

        slot->unit = NULL;
        if (lost->temporary) { /* tried again after a while */
            unit_retire(pool->node, lost);
            slot->life = FREE;
            workers_down(pool->workers, i, now, &pool->actions);
            perform(pool);
            return 1;
        }
    }
    if (!slot->unit)
        slot->unit = pick(pool);
    port = port_of(slot->unit);
    if (!port || bus_port_owed(port)) /* after an upgrade of the host it may have its call still */
        return 0;
    slot->life = IDLE;
    workers_up(pool->workers, i, now, &pool->actions);
    perform(pool);
    return 1;
}

static int watch(struct pool *pool, uint32_t i, uint64_t now)
{
    struct slot *slot = &pool->slots[i];
    uint64_t wait_ms;

    switch (slot->life) {
    case STARTING:
        return watch_starting(pool, i, now);
    case IDLE:
    case BUSY:
        if (!port_of(slot->unit)) {
            if (slot->unit && slot->unit->temporary && !slot->unit->removed)
                unit_retire(pool->node, slot->unit);
            *slot = (struct slot){.life = FREE};
            workers_down(pool->workers, i, now, &pool->actions);
        } else if (slot->life == BUSY &&
                   (port_of(slot->unit) != slot->port || !bus_port_owed(slot->port))) {
            slot->life = IDLE; /* done, or a new incarnation serves while the old one finishes */
            workers_done(pool->workers, i, now, &pool->actions);
        } else {
            return 0;
        }
        perform(pool);
        return 1;
    case STOPPING:
        if (slot->unit &&
            (slot->unit->temporary || state_of(slot->unit, &wait_ms) != SUPERVISE_STOPPED))
            return 0;
        *slot = (struct slot){.life = FREE};
        workers_down(pool->workers, i, now, &pool->actions);
        perform(pool);
        return 1;
    default:
        return 0;
    }
}

/* Units without a slot: a permanent one that is up again takes the place of an idle temporary one,
 * a temporary one ends. */
static void watch_others(struct pool *pool)
{
    list_each_safe (it, next, &pool->node->units) {
        struct unit *unit = list_of(it, struct unit, link);

        if (unit->pool != pool || unit->removed || slot_of(pool, unit))
            continue;
        for (uint32_t i = 0; i < pool->spec.max_children && !unit->temporary && port_of(unit); i++)
            if (pool->slots[i].life == IDLE && pool->slots[i].unit->temporary) {
                struct unit *other = pool->slots[i].unit;

                pool->slots[i].unit = unit;
                unit = other;
            }
        if (unit->temporary)
            unit_retire(pool->node, unit);
    }
}

static int take_calls(struct pool *pool, uint64_t now)
{
    unsigned priority;
    uint32_t call;
    int did = 0;

    while (bus_pool_next(pool->bus, &call, &priority)) {
        did = 1;
        if (workers_submit(pool->workers,
                           priority < WORKERS_N_PRIORITIES ? priority : WORKERS_NORMAL, call, now,
                           &pool->actions) < 0)
            bus_pool_refuse(pool->bus, call);
        else
            perform(pool);
    }
    return did;
}

/* ---- Whether it serves ---- */

static enum bus_serving serving_of(struct pool *pool, const struct unit **ret_culprit)
{
    enum bus_serving best = BUS_DOWN;

    *ret_culprit = NULL;
    list_each (it, &pool->node->units) {
        const struct unit *unit = list_of(it, struct unit, link);

        if (unit->pool != pool)
            continue;
        if (port_of(unit))
            return BUS_UP;
        if (unit->removed)
            continue;
        if (!is_lost(unit))
            best = BUS_SOON;
        else if (!*ret_culprit || unit->last_exit[0])
            *ret_culprit = unit;
    }
    return best;
}

static void tell_bus(struct pool *pool)
{
    enum bus_serving was = bus_instance_serving(pool->bus), serving;
    const struct unit *culprit = NULL;

    serving = pool->node->stopping ? BUS_DOWN : serving_of(pool, &culprit);
    if (serving == was)
        return;
    if (serving == BUS_UP)
        bus_pool_up(pool->bus);
    else if (pool->node->stopping)
        bus_instance_unbind(pool->bus, BUS_DOWN, "the host stops");
    else
        bus_instance_unbind(pool->bus, serving,
                            culprit && culprit->last_exit[0] ? culprit->last_exit
                                                             : "no worker is up");
}

/* ---- Turns ---- */

static int turn(struct pool *pool, uint64_t now)
{
    int did = 0;

    tell_bus(pool);
    if (pool->node->stopping)
        return 0;
    if (!pool->begun) {
        pool->begun = 1;
        workers_begin(pool->workers, now, &pool->actions);
        perform(pool);
    }
    for (uint32_t i = 0; i < pool->spec.max_children; i++)
        did |= watch(pool, i, now);
    did |= take_calls(pool, now);
    workers_tick(pool->workers, now, &pool->actions);
    perform(pool);
    watch_others(pool);
    return did;
}

void pools_each(struct node *node, void (*fn)(void *arg, struct pool *pool), void *arg)
{
    list_each_safe (it, next, &node->pools)
        fn(arg, list_of(it, struct pool, link));
}

int pools_turn(struct node *node)
{
    int did = 0;

    list_each_safe (it, next, &node->pools)
        if (!list_of(it, struct pool, link)->removed)
            did |= turn(list_of(it, struct pool, link), loop_now_ms(node->loop));
    return did;
}

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
            order(unit, SUPERVISE_REPLACE);
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
