/*
 * pool.c - an instance that several ports serve, one call at a time each. Who serves which
 * call is its owner's decision: a call that comes is `fresh` until the owner takes it, then
 * it waits until the owner gives it to a port, or it ends before. A request that a dying
 * port had not begun is fresh again.
 */
#include "bus/bus_private.h"

#include <errno.h>
#include <stdio.h>

void call_wait(struct call *c)
{
    struct bus_instance *in = c->callee;

    in->stats.waiting++;
    list_append(in->pool_gone ? &in->fresh : &in->waiting, &c->waiting);
}

void bus_pool(struct bus_instance *in, void (*gone)(void *arg, uint32_t call), void *arg)
{
    struct list *from = gone ? &in->waiting : &in->fresh, *to = gone ? &in->fresh : &in->waiting;

    bus_pool_again(in);
    in->pool_gone = gone;
    in->pool_arg = arg;
    in->port = NULL;
    while (!list_empty(from)) {
        struct list *first = from->next;

        list_remove(first);
        list_append(to, first);
    }
}

int bus_pool_next(struct bus_instance *in, uint32_t *ret_call, unsigned *ret_priority)
{
    struct call *c;

    if (list_empty(&in->fresh))
        return 0;
    c = list_of(in->fresh.next, struct call, waiting);
    list_remove(&c->waiting);
    list_append(&in->waiting, &c->waiting);
    c->taken = 1;
    *ret_call = call_id(c);
    *ret_priority = c->flags >> RECORD_PRIO_SHIFT & 3;
    return 1;
}

static struct call *taken_call(struct bus_instance *in, uint32_t call)
{
    struct call *c = call_by_id(in->bus, call);

    return c && c->callee == in && c->taken ? c : NULL;
}

int bus_pool_run(struct bus_instance *in, uint32_t call, struct bus_port *port)
{
    struct call *c = taken_call(in, call);

    if (!c)
        return -ENOENT;
    c->taken = 0;
    in->stats.waiting--;
    call_dispatch_to(c, port);
    return 0;
}

void bus_pool_refuse(struct bus_instance *in, uint32_t call)
{
    struct call *c = taken_call(in, call);
    char text[256];

    if (!c)
        return;
    c->taken = 0; /* the owner knows */
    in->stats.refused++;
    snprintf(text, sizeof(text), "all workers of '%s' are busy and its queue is full", in->name);
    call_fail(c, WIRE_BUSY, text, 100);
}

void bus_pool_again(struct bus_instance *in)
{
    struct list *behind = &in->fresh;

    list_each_safe (it, next, &in->waiting) {
        struct call *c = list_of(it, struct call, waiting);

        if (!c->taken)
            continue;
        c->taken = 0;
        list_remove(it);
        list_append(behind->next, it); /* before what came later, in order */
        behind = it;
    }
}

void bus_pool_up(struct bus_instance *in)
{
    in->serving = BUS_UP;
}

struct bus_port *pool_other_port(struct bus_instance *in, const struct bus_port *but)
{
    list_each (it, &in->bus->ports) {
        struct bus_port *port = list_of(it, struct bus_port, link);

        if (in->pool_gone && port != but && !port->broken && port->instances[0] == in)
            return port;
    }
    return NULL;
}
