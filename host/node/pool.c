/*
 * pool.c - pools of workers; see pool.h. A slot is one worker of schedule/workers.h. Which
 * unit fills it is decided when it is to start: one that is up before one that comes up
 * before one that has to be made, so a unit that has failed does not hold up the others.
 */
#include "node/pool_private.h"

#define SOON_MS 2000 /* a back-off longer than this is no start to wait for */

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
