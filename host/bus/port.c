/*
 * port.c - ports: where records come in, and what happens to calls when one dies.
 *
 * A dead cell's published answers have been read before (channel_drain). Requests
 * behind its `started` mark were never handed to the plugin and go to the successor,
 * from the dead ring or queue itself; one that was begun is sent again only when its
 * caller called it idempotent, and only once; the rest end with `crashed`.
 */
#include "bus/bus_private.h"

#include <stdlib.h>
#include <string.h>

struct bus_port *bus_port_new(struct bus *bus, const struct bus_port_ops *ops, void *arg)
{
    struct bus_port *port = calloc(1, sizeof(*port));

    if (!port)
        return NULL;
    port->bus = bus;
    port->ops = *ops;
    port->arg = arg;
    port->names_in = names_in_new();
    port->names_out = names_out_new();
    list_init(&port->serving);
    if (!port->names_in || !port->names_out) {
        names_in_free(port->names_in);
        names_out_free(port->names_out);
        free(port);
        return NULL;
    }
    list_append(&bus->ports, &port->link);
    bus->sub_generation++;
    return port;
}

int bus_port_instance(struct bus_port *port, unsigned index, struct bus_instance *instance)
{
    if (index >= INSTANCES_PER_CELL)
        return -1;
    port->instances[index] = instance;
    return 0;
}

void bus_port_count(struct bus_port *port, struct bus_instance_stats *stats)
{
    port->stats = stats;
}

unsigned bus_port_owed(const struct bus_port *port)
{
    return port->n_serving;
}

void bus_port_record(struct bus_port *port, const struct record *head, const uint8_t *body)
{
    struct call *c;

    if (port->broken)
        return;
    switch (head->kind) {
    case RECORD_NAME:
        if (names_in_define(port->names_in, head->name, body, head->len) < 0)
            port_violation(port, "defined a name twice, out of bounds or malformed");
        return;
    case RECORD_REQ:
        route_request(port, head, body);
        return;
    case RECORD_STREAM:
    case RECORD_REP:
        route_answer(port, head, body);
        return;
    case RECORD_CREDIT:
        route_credit(port, head);
        return;
    case RECORD_CANCEL:
        c = call_of_caller(port, record_id_low(head));
        if (c)
            call_abandon(c);
        return;
    case RECORD_EVENT:
        event_publish(port, head, body);
        return;
    case RECORD_JOIN:
        registry_join(port, head, body);
        return;
    case RECORD_SUB:
        event_subscribe(port, head, body);
        return;
    default:
        port_violation(port, "sent a record of a kind that is the host's");
    }
}

/* What is kept of a request, in bytes of its body. */
static uint64_t held_bytes(const struct call *c)
{
    uint64_t bytes = 0;

    for (const struct held *h = c->held.first; h; h = h->next)
        bytes += h->head.len;
    return bytes;
}

/* A request that a dead process had not begun, or a piece of one, found in its ring or behind it. One
 * whose first pieces were given back already can not be put together again. */
static void keep_unstarted(void *arg, const struct record *head, const uint8_t *body)
{
    struct bus_port *port = arg;
    struct record clean = {.kind = RECORD_REQ, .len = head->len};
    struct call *c = head->kind == RECORD_REQ ? call_by_id(port->bus, record_id_low(head)) : NULL;
    uint64_t before = c ? held_bytes(c) : 0;

    if (!c || c->callee_port != port || c->unstarted)
        return;
    if (c->flags & RECORD_IDEMPOTENT) { /* kept whole from the beginning */
        c->unstarted = 1;
        return;
    }
    if (before)
        clean.flags |= RECORD_CONT;
    if (before + head->len < c->request_len || !c->whole)
        clean.flags |= RECORD_MORE;
    if (held_add(&c->held, &clean, body) == 0)
        c->unstarted = before + head->len == c->request_len;
}

/* Whether c may be sent again: not begun, or idempotent and sent once. */
static int repeatable(const struct call *c)
{
    if (c->parts || c->ending || c->repeats >= 3 || !c->held.first)
        return 0;
    return c->unstarted || ((c->flags & RECORD_IDEMPOTENT) && c->repeats < 1);
}

static void move_calls(struct bus_port *port, struct channel *channel, const char *why)
{
    if (channel)
        channel_each_unstarted(channel, keep_unstarted, port);
    while (!list_empty(&port->serving)) {
        struct call *c = list_of(port->serving.next, struct call, served);

        list_remove(&c->served);
        c->callee_port = NULL;
        port->n_serving--;
        if (channel && c->callee->serving != BUS_DOWN && repeatable(c)) {
            c->unstarted = 0;
            c->repeats++;
            port->bus->stats.redispatched++;
            if (c->callee->serving == BUS_UP && c->callee->port && c->callee->port != port) {
                call_dispatch_held(c);
            } else {
                call_wait(c);
            }
        } else {
            call_fail(c, c->unstarted ? WIRE_UNAVAILABLE : WIRE_CRASHED, why, 0);
        }
    }
}

void bus_port_dead(struct bus_port *port, struct channel *channel, const char *why)
{
    port->broken = 1; /* nothing is sent there any more */
    list_remove(&port->link);
    list_each(it, &port->bus->instances) {
        struct bus_instance *in = list_of(it, struct bus_instance, link);

        if (in->port == port)
            bus_instance_unbind(in, BUS_SOON, why);
    }
    move_calls(port, channel, why);
    for (unsigned i = 0; i < port->out_cap; i++) {
        struct call *c = port->out[i] ? call_by_id(port->bus, port->out[i]) : NULL;

        if (c && c->caller == port)
            call_abandon(c);
    }
    registry_port_gone(port);
    event_port_gone(port);
    names_in_free(port->names_in);
    names_out_free(port->names_out);
    free(port->out);
    free(port);
}
