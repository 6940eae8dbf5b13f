/* bus.c - the bus as a whole: making and freeing it, time, statistics. */
#include "bus/bus_private.h"

#include "base/clock.h"

#include <stdlib.h>

struct bus *bus_new(const struct bus_limits *limits, uint64_t now_ms)
{
    struct bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return NULL;
    bus->limits = *limits;
    bus->now_ms = bus->wheel_ms = now_ms;
    bus->sub_generation = 1;
    list_init(&bus->ports);
    list_init(&bus->instances);
    for (unsigned i = 0; i < SERVICE_BUCKETS; i++)
        list_init(&bus->services[i]);
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        list_init(&bus->wheel[i]);
    return bus;
}

uint64_t bus_clock_ns(struct bus *bus)
{
    if (!bus->turn_ns)
        bus->turn_ns = clock_ns();
    return bus->turn_ns;
}

void bus_default_timeout(struct bus *bus, uint32_t timeout_ms)
{
    bus->limits.timeout_ms = timeout_ms;
}

void bus_free(struct bus *bus)
{
    if (!bus)
        return;
    while (!list_empty(&bus->ports))
        bus_port_dead(list_of(bus->ports.next, struct bus_port, link), NULL, "the host stops");
    while (!list_empty(&bus->instances))
        bus_instance_free(list_of(bus->instances.next, struct bus_instance, link));
    for (uint32_t i = 0; i < bus->n_calls; i++) {
        if (bus->calls[i]->live)
            call_free(bus->calls[i]);
        free(bus->calls[i]);
    }
    for (unsigned i = 0; i < SERVICE_BUCKETS; i++)
        while (!list_empty(&bus->services[i])) {
            struct service *s = list_of(bus->services[i].next, struct service, link);

            list_remove(&s->link);
            free(s);
        }
    free(bus->calls);
    free(bus->free_calls);
    free(bus);
}

void bus_tick(struct bus *bus, uint64_t now_ms)
{
    uint64_t from = bus->wheel_ms / BUS_TICK_MS, to = now_ms / BUS_TICK_MS;

    bus->now_ms = now_ms;
    bus->turn_ns = 0;
    if (to - from > WHEEL_SLOTS)
        from = to - WHEEL_SLOTS;
    for (uint64_t slot = from; slot < to; slot++) {
        struct list due;

        /* ending a call may end others of the same slot: take the head anew each time */
        list_init(&due);
        list_each_safe(it, next, &bus->wheel[slot % WHEEL_SLOTS]) {
            if (list_of(it, struct call, wheel)->deadline_ms <= now_ms) {
                list_remove(it);
                list_append(&due, it);
            }
        }
        while (!list_empty(&due)) {
            struct call *c = list_of(due.next, struct call, wheel);

            list_remove(&c->wheel);
            bus->stats.timeouts++;
            call_fail(c, WIRE_TIMEOUT, "no answer within the call's time limit", 0);
        }
    }
    bus->wheel_ms = now_ms;
}

void bus_stats(const struct bus *bus, struct bus_stats *out)
{
    *out = bus->stats;
    out->open_calls = bus->n_calls - bus->n_free;
    for (struct list *it = bus->ports.next; it != &bus->ports; it = it->next)
        out->ports++;
    for (struct list *it = bus->instances.next; it != &bus->instances; it = it->next)
        out->instances++;
    for (unsigned i = 0; i < SERVICE_BUCKETS; i++)
        for (const struct list *it = bus->services[i].next; it != &bus->services[i]; it = it->next)
            out->names++;
}
