/*
 * unit.c - performs what the supervisor decides. Events are queued, because performing
 * an action may cause the next event.
 */
#include "node/node_private.h"

#include "base/log.h"
#include "node/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unit *unit_find(struct node *node, const char *name)
{
    list_each(it, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);

        if (!strcmp(unit->name, name) && !unit->removed)
            return unit;
    }
    return NULL;
}

struct unit *unit_of_number(struct node *node, uint32_t number)
{
    list_each(it, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);

        if (unit->number == (int)number)
            return unit;
    }
    return NULL;
}

struct unit *unit_new(struct node *node, const char *name)
{
    struct unit *unit = calloc(1, sizeof(*unit));

    if (!unit)
        return NULL;
    unit->node = node;
    unit->number = -1;
    snprintf(unit->name, sizeof(unit->name), "%s", name);
    list_init(&unit->instances);
    list_init(&unit->processes);
    list_append(&node->units, &unit->link);
    return unit;
}

void unit_clear_instances(struct unit *unit)
{
    while (!list_empty(&unit->instances)) {
        struct node_instance *in = list_of(unit->instances.next, struct node_instance, link);

        list_remove(&in->link);
        if (!unit->pool)
            node_free_bus(unit->node, in->bus);
        plugin_info_unref(in->info);
        free(in);
    }
}

void unit_free(struct unit *unit)
{
    if (!unit)
        return;
    while (!list_empty(&unit->processes))
        process_free(list_of(unit->processes.next, struct process, link));
    unit_clear_instances(unit);
    pool_unit_gone(unit);
    list_remove(&unit->link);
    free(unit);
}

const char *unit_section(const struct node_instance *in)
{
    return in->unit->pool ? pool_name(in->unit->pool) : in->name;
}

void unit_unbind(struct unit *unit, enum bus_serving serving, const char *why)
{
    if (unit->pool)
        return; /* the pool knows whether others serve */
    list_each(it, &unit->instances)
        bus_instance_unbind(list_of(it, struct node_instance, link)->bus, serving, why);
}

void unit_retire(struct node *node, struct unit *unit)
{
    struct supervise_info info;
    struct supervise_spec spec;

    unit->removed = 1;
    if (supervise_info(node->supervisor, (uint32_t)unit->number, &info) == 0) {
        spec = *info.spec;
        snprintf(spec.name, sizeof(spec.name), "%.40s leaving %d", unit->name, unit->number);
        supervise_change(node->supervisor, (uint32_t)unit->number, &spec);
    }
    unit_unbind(unit, BUS_DOWN, "it was removed");
    unit_event(node, (struct supervise_event){.kind = SUPERVISE_REMOVE, .unit = (uint32_t)unit->number});
}

/* A state that is not UP decides whether callers wait or are refused. */
static void announce(struct node *node, const struct supervise_action *a)
{
    struct unit *unit = unit_of_number(node, a->unit);
    const char *state = supervise_state_text(a->state), *why = supervise_why_text(a->why);
    struct log_origin origin = {.plugin = unit ? unit->name : "?", .cell = unit ? unit->name : "?"};
    char text[700];

    if (!unit)
        return;
    snprintf(text, sizeof(text), "%s%s%s%s%s", why, unit->last_exit[0] && a->cause ? ": " : "",
             a->cause ? unit->last_exit : "", a->in_ms ? ", next try soon" : "", "");
    if (a->state == SUPERVISE_UP)
        log_for(AIEX_LOG_INFO, &origin, "up");
    else if (a->in_ms)
        log_for(a->state == SUPERVISE_FAILED ? AIEX_LOG_ERROR : AIEX_LOG_WARN, &origin,
                "%s: %s; trying again in %u.%03u s", state, why, a->in_ms / 1000, a->in_ms % 1000);
    else
        log_for(a->state == SUPERVISE_FAILED ? AIEX_LOG_ERROR : AIEX_LOG_INFO, &origin, "%s: %s", state,
                a->state == SUPERVISE_FAILED && unit->last_exit[0] ? unit->last_exit : why);
    switch (a->state) {
    case SUPERVISE_STARTING:
    case SUPERVISE_DOWN:
        if (!unit->serving)
            unit_unbind(unit, BUS_SOON, why);
        break;
    case SUPERVISE_BACKOFF:
        if (!unit->serving)
            unit_unbind(unit, a->in_ms <= 2000 ? BUS_SOON : BUS_DOWN, text);
        break;
    case SUPERVISE_FAILED:
    case SUPERVISE_STOPPED:
        if (!unit->serving)
            unit_unbind(unit, BUS_DOWN, text);
        break;
    default:
        break;
    }
    if (node->on_state)
        list_each(it, &unit->instances)
            node->on_state(node->on_state_arg, list_of(it, struct node_instance, link)->name, state, why);
}

static void perform(struct node *node, const struct supervise_action *a)
{
    struct process *p = a->inc ? process_find(node, a->inc) : NULL;
    struct unit *unit = unit_of_number(node, a->unit);
    int r;

    switch (a->what) {
    case SUPERVISE_DO_SPAWN:
        r = unit ? process_start(unit, a->inc) : -ENOENT;
        if (r < 0) {
            log_error("cell '%s' could not be started: %s", unit ? unit->name : "?", strerror(-r));
            unit_event(node, (struct supervise_event){.kind = SUPERVISE_SPAWN_FAILED, .inc = a->inc});
        }
        return;
    case SUPERVISE_DO_SWITCH:
        if (p)
            process_switch(p);
        return;
    case SUPERVISE_DO_DRAIN:
        if (!p)
            return;
        if (p->unit->serving == p) {
            p->unit->serving = NULL;
            unit_unbind(p->unit, node->stopping || p->unit->removed ? BUS_DOWN : BUS_SOON, "it is being stopped");
        }
        process_drain(p);
        return;
    case SUPERVISE_DO_END:
        if (p)
            process_end(p);
        return;
    case SUPERVISE_DO_KILL:
        if (p)
            process_kill(p, a->why);
        return;
    case SUPERVISE_DO_ANNOUNCE:
        announce(node, a);
        return;
    case SUPERVISE_DO_GONE:
        unit_free(unit);
        return;
    default:
        return;
    }
}

void unit_perform(struct node *node)
{
    for (uint32_t i = 0; i < node->actions->n; i++)
        perform(node, &node->actions->at[i]);
}

void unit_event(struct node *node, struct supervise_event event)
{
    if (node->queue_n == QUEUE_MAX) {
        log_error("more than %u events for the supervisor at once: one is lost", QUEUE_MAX);
        return;
    }
    node->queue[(node->queue_head + node->queue_n++) % QUEUE_MAX] = event;
    if (node->stepping)
        return;
    node->stepping = 1;
    while (node->queue_n) {
        struct supervise_event next = node->queue[node->queue_head];

        node->queue_head = (node->queue_head + 1) % QUEUE_MAX;
        node->queue_n--;
        supervise_step(node->supervisor, &next, loop_now_ms(node->loop), node->actions);
        unit_perform(node);
    }
    node->stepping = 0;
    unit_arm(node);
}

void unit_arm(struct node *node)
{
    uint64_t next = supervise_next_deadline(node->supervisor), now = loop_now_ms(node->loop);

    if (next == SUPERVISE_NEVER)
        loop_timer_stop(node->supervise);
    else
        loop_timer_set(node->supervise, next > now ? next - now : 1, 0);
    if (node->stopping && supervise_quiet(node->supervisor))
        loop_stop(node->loop);
}
