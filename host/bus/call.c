/*
 * call.c - the table of open calls. Entries are reused last freed first, so that
 * tables on the callee's side, which are indexed by our slots, stay small.
 */
#include "bus/bus_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int held_add(struct held_list *list, const struct record *head, const uint8_t *body)
{
    struct held *h = malloc(sizeof(*h) + head->len);

    if (!h)
        return -ENOMEM;
    h->next = NULL;
    h->head = *head;
    if (head->len)
        memcpy(h->body, body, head->len);
    if (list->last)
        list->last->next = h;
    else
        list->first = h;
    list->last = h;
    list->bytes += head->len + sizeof(*h);
    return 0;
}

struct held *held_take(struct held_list *list)
{
    struct held *h = list->first;

    if (!h)
        return NULL;
    list->first = h->next;
    if (!list->first)
        list->last = NULL;
    list->bytes -= h->head.len + sizeof(*h);
    return h;
}

void held_clear(struct held_list *list)
{
    struct held *h;

    while ((h = held_take(list)))
        free(h);
}

static int grow(struct bus *bus)
{
    uint32_t cap = bus->calls_cap ? bus->calls_cap * 2 : 64;
    struct call **calls = realloc(bus->calls, cap * sizeof(struct call *));
    uint32_t *free_calls;

    if (!calls)
        return -ENOMEM;
    bus->calls = calls;
    free_calls = realloc(bus->free_calls, cap * sizeof(*free_calls));
    if (!free_calls)
        return -ENOMEM;
    bus->free_calls = free_calls;
    bus->calls_cap = cap;
    return 0;
}

struct call *call_new(struct bus *bus)
{
    struct call *c;
    uint32_t slot, generation;

    if (bus->n_free) {
        c = bus->calls[bus->free_calls[--bus->n_free]];
        slot = c->slot;
        generation = (c->generation + 1) & 0xffff;
    } else {
        if (bus->n_calls == CALLS_MAX || (bus->n_calls == bus->calls_cap && grow(bus) < 0))
            return NULL;
        c = calloc(1, sizeof(*c));
        if (!c)
            return NULL;
        slot = bus->n_calls;
        generation = 1;
        bus->calls[bus->n_calls++] = c;
    }
    if (!generation)
        generation = 1; /* id 0 means no call */
    c->slot = slot;
    c->generation = generation;
    c->live = 1;
    c->caller = NULL;
    c->callee = NULL;
    c->callee_port = NULL;
    c->outstanding = 0;
    c->joining = 0;
    c->whole = c->pieces = c->repeats = c->unstarted = c->taken = c->parts = c->ending = 0;
    c->held = (struct held_list){0};
    c->parent = c->into = c->joined = NULL;
    list_init(&c->children);
    list_init(&c->sibling);
    list_init(&c->wheel);
    list_init(&c->waiting);
    list_init(&c->served);
    c->begun_ns = bus_clock_ns(bus);
    return c;
}

static const struct bus_instance *asker_of(const struct bus_port *port, unsigned index)
{
    return port && index < INSTANCES_PER_CELL ? port->instances[index] : NULL;
}

const char *call_asker(const struct bus_port *port, unsigned index)
{
    const struct bus_instance *in = asker_of(port, index);

    return in ? in->name : "";
}

void call_asked_by(struct call *c, const struct bus_port *port, unsigned index)
{
    const struct bus_instance *in = asker_of(port, index);

    c->asker[0] = 0;
    if (!in)
        return;
    memcpy(c->asker, in->name, sizeof(c->asker));
    c->asker_hash = in->asker_hash;
}

struct call *call_at(struct bus *bus, uint32_t slot)
{
    while (bus->n_calls <= slot) {
        bus->n_free = 0; /* grow, do not reuse: the caller makes the free list anew */
        if (!call_new(bus))
            return NULL;
    }
    return bus->calls[slot];
}

struct call *call_by_id(struct bus *bus, uint32_t id)
{
    uint32_t slot = id & 0xffff;

    if (slot >= bus->n_calls || !bus->calls[slot]->live || call_id(bus->calls[slot]) != id)
        return NULL;
    return bus->calls[slot];
}

struct call *call_of_caller(struct bus_port *port, uint32_t caller_id)
{
    uint32_t slot = caller_id & 0xffff;
    struct call *c;

    if (slot >= port->out_cap || !port->out[slot])
        return NULL;
    c = call_by_id(port->bus, port->out[slot]);
    return c && c->caller == port && c->caller_id == caller_id ? c : NULL;
}

struct call *call_in_slot(struct bus_port *port, uint32_t caller_id)
{
    uint32_t slot = caller_id & 0xffff;
    struct call *c = slot < port->out_cap && port->out[slot] ? call_by_id(port->bus, port->out[slot]) : NULL;

    return c && c->caller == port ? c : NULL;
}

int call_book(struct call *c, struct bus_port *caller, uint32_t caller_id)
{
    uint32_t slot = caller_id & 0xffff;

    if (slot >= caller->out_cap) {
        unsigned cap = caller->out_cap ? caller->out_cap : 32;
        uint32_t *out;

        while (cap <= slot)
            cap *= 2;
        out = realloc(caller->out, cap * sizeof(*out));
        if (!out)
            return -ENOMEM;
        memset(out + caller->out_cap, 0, (cap - caller->out_cap) * sizeof(*out));
        caller->out = out;
        caller->out_cap = cap;
    }
    caller->out[slot] = call_id(c);
    caller->n_out++;
    c->caller = caller;
    c->caller_id = caller_id;
    return 0;
}

void call_unbook(struct call *c)
{
    if (!c->caller)
        return;
    c->caller->n_out--;
    c->caller->out[c->caller_id & 0xffff] = 0;
    c->caller = NULL;
}

void call_deadline(struct call *c, uint64_t deadline_ms)
{
    struct bus *bus = c->callee->bus;

    c->deadline_ms = deadline_ms;
    list_remove(&c->wheel);
    list_append(&bus->wheel[(deadline_ms / BUS_TICK_MS) % WHEEL_SLOTS], &c->wheel);
}

static void count_end(struct bus_instance_stats *s, int32_t status, uint64_t us)
{
    unsigned bucket = 0;

    s->calls++;
    if (status != WIRE_OK)
        s->errors++;
    if (status == WIRE_CRASHED)
        s->crashed++;
    s->latency_us_sum += us;
    while (bucket < 15 && us >= (uint64_t)64 << bucket)
        bucket++;
    s->latency_bucket[bucket]++;
}

void call_count_end(struct call *c, int32_t status)
{
    uint64_t us = (bus_clock_ns(c->callee->bus) - c->begun_ns) / 1000;

    count_end(&c->callee->stats, status, us);
    if (c->callee_port && c->callee_port->stats)
        count_end(c->callee_port->stats, status, us);
}

void call_free(struct call *c)
{
    struct bus *bus = c->callee ? c->callee->bus : NULL;

    call_unbook(c);
    if (c->callee_port)
        c->callee_port->n_serving--;
    if (c->callee && !(c->flags & RECORD_CAST))
        c->callee->stats.in_flight--;
    if (c->callee && !list_empty(&c->waiting))
        c->callee->stats.waiting--;
    list_each_safe(it, next, &c->children) {
        list_of(it, struct call, sibling)->parent = NULL;
        list_remove(it);
    }
    if (c->joined)
        c->joined->into = NULL;
    if (c->into)
        c->into->joined = NULL;
    if (c->taken)
        c->callee->pool_gone(c->callee->pool_arg, call_id(c));
    c->taken = 0;
    list_remove(&c->sibling);
    list_remove(&c->wheel);
    list_remove(&c->waiting);
    list_remove(&c->served);
    held_clear(&c->held);
    c->live = 0;
    if (bus)
        bus->free_calls[bus->n_free++] = c->slot;
}

void refuse(struct bus_port *caller, uint32_t caller_id, uint64_t trace, int32_t status,
            const char *text, uint32_t retry_after_ms)
{
    uint8_t body[1280];
    size_t len = wire_error_pack(body, sizeof(body), text, retry_after_ms, NULL, 0);

    port_tell(caller,
              &(struct record){.kind = RECORD_REP, .id = caller_id, .trace = trace, .status = status}, body,
              len);
}

void call_abandon(struct call *c)
{
    if (c->callee_port && !(c->flags & RECORD_CAST))
        port_tell(c->callee_port,
                  &(struct record){.kind = RECORD_CANCEL, .id = call_id(c), .trace = c->trace}, NULL, 0);
    while (!list_empty(&c->children)) {
        struct call *child = list_of(c->children.next, struct call, sibling);

        list_remove(&child->sibling);
        child->parent = NULL;
        call_abandon(child);
    }
    call_free(c);
}

void call_fail(struct call *c, int32_t status, const char *text, uint32_t retry_after_ms)
{
    struct bus_port *caller = c->caller;
    uint32_t id = c->caller_id;
    uint64_t trace = c->trace;

    call_count_end(c, status);
    if (c->into && c->parts) {
        /* parts went to the parent's caller: the parent is over too, the middle gets a copy */
        struct call *parent = c->into;
        struct bus_port *middle = caller;

        call_abandon(c);
        if (middle)
            port_tell(middle,
                      &(struct record){.kind = RECORD_REP, .id = id, .trace = trace, .status = status,
                                       .flags = RECORD_SPLICE},
                      NULL, 0);
        caller = parent->caller;
        id = parent->caller_id;
        call_count_end(parent, status);
        call_free(parent);
    } else {
        call_abandon(c);
    }
    if (caller)
        refuse(caller, id, trace, status, text, retry_after_ms);
}
