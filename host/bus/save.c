/*
 * save.c - the bus written down and read again, when the host executes a new image of
 * itself: cells keep running with their rings, so every call must go on in the new image
 * exactly where it was.
 */
#include "bus/bus_private.h"

#include "wire/pack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bus_port_key(struct bus_port *port, uint32_t key)
{
    port->key = key;
}

static uint32_t key_of(const struct bus_port *port)
{
    return port ? port->key : 0;
}

static void save_port(struct bus_port *port, struct pack *out)
{
    const char *text;
    size_t len, n = 0;

    while (names_out_text(port->names_out, (unsigned)n, &len))
        n++;
    pack_map(out, 6);
    pack_key_int(out, "key", port->key);
    pack_key_int(out, "missed", port->events_missed);
    pack_str(out, "out");
    pack_array(out, n);
    for (unsigned i = 0; i < n; i++) {
        text = names_out_text(port->names_out, i, &len);
        pack_bin(out, text, len);
    }
    for (n = 0; names_in_text(port->names_in, (unsigned)n, &len);)
        n++;
    pack_str(out, "in");
    pack_array(out, n);
    for (unsigned i = 0; i < n; i++) {
        text = names_in_text(port->names_in, i, &len);
        pack_bin(out, text, len);
    }
    pack_str(out, "patterns");
    pack_array(out, port->n_patterns);
    for (unsigned i = 0; i < port->n_patterns; i++) {
        pack_array(out, 2);
        pack_str(out, port->patterns[i].text);
        pack_int(out, port->patterns[i].count);
    }
    pack_str(out, "instances");
    pack_array(out, INSTANCES_PER_CELL);
    for (unsigned i = 0; i < INSTANCES_PER_CELL; i++)
        pack_str(out, port->instances[i] ? port->instances[i]->name : "");
}

static void save_instance(const struct bus_instance *in, struct pack *out)
{
    pack_map(out, 6);
    pack_key_str(out, "name", in->name);
    pack_key_int(out, "serving", in->serving);
    pack_key_str(out, "why", in->why);
    pack_key_int(out, "port", key_of(in->port));
    pack_key_int(out, "index", in->index);
    pack_str(out, "stats");
    pack_bin(out, &in->stats, sizeof(in->stats));
}

static void save_names(struct bus *bus, struct pack *out)
{
    size_t n = 0;

    for (int pass = 0; pass < 2; pass++) {
        if (pass) {
            pack_str(out, "names");
            pack_array(out, n);
        }
        for (unsigned b = 0; b < SERVICE_BUCKETS; b++)
            list_each(it, &bus->services[b]) {
                const struct service *s = list_of(it, struct service, link);

                for (unsigned i = 0; i < s->n_members; i++) {
                    if (!s->members[i].port && !strcmp(s->name, s->members[i].instance->name))
                        continue; /* an instance's own name comes back with it */
                    n++;
                    if (!pass)
                        continue;
                    pack_array(out, 4);
                    pack_str(out, s->name);
                    pack_int(out, s->group);
                    pack_str(out, s->members[i].instance->name);
                    pack_int(out, key_of(s->members[i].port));
                }
            }
    }
}

/* What of a call is plain numbers travels as one block; both images check its size. */
struct saved_call {
    uint32_t slot, generation, caller, caller_id, caller_index, callee_port, window, request_len;
    uint64_t trace, deadline_ms, begun_ns, outstanding;
    int32_t whole, pieces, repeats, parts, ending, waiting, parent, into;
    uint32_t flags;
};

static void save_call(const struct call *c, struct pack *out)
{
    struct saved_call s = {
        .slot = c->slot, .generation = c->generation, .caller = key_of(c->caller),
        .caller_id = c->caller_id, .caller_index = c->caller_index, .callee_port = key_of(c->callee_port),
        .window = c->window, .request_len = c->request_len, .trace = c->trace,
        .deadline_ms = c->deadline_ms, .begun_ns = c->begun_ns, .outstanding = c->outstanding,
        .whole = c->whole, .pieces = c->pieces, .repeats = c->repeats,
        .parts = c->parts, .ending = c->ending, .waiting = !list_empty(&c->waiting),
        .parent = c->parent ? (int32_t)c->parent->slot : -1,
        .into = c->into ? (int32_t)c->into->slot : -1, .flags = c->flags,
    };
    size_t n = 0;

    for (const struct held *h = c->held.first; h; h = h->next)
        n++;
    pack_array(out, 4 + 2 * n);
    pack_bin(out, &s, sizeof(s));
    pack_str(out, c->callee->name);
    pack_str(out, c->service);
    pack_str(out, c->method);
    for (const struct held *h = c->held.first; h; h = h->next) {
        pack_bin(out, &h->head, sizeof(h->head));
        pack_bin(out, h->body, h->head.len);
    }
}

void bus_save(struct bus *bus, struct pack *out)
{
    struct bus_stats stats;
    size_t n = 0;

    bus_stats(bus, &stats);
    pack_map(out, 5);
    pack_str(out, "stats");
    pack_bin(out, &bus->stats, sizeof(bus->stats));
    pack_str(out, "ports");
    pack_array(out, stats.ports);
    list_each(it, &bus->ports) {
        struct bus_port *port = list_of(it, struct bus_port, link);
        struct held *h;

        while ((h = held_take(&port->events))) {
            free(h);
            port->events_missed++;
        }
        save_port(port, out);
    }
    pack_str(out, "instances");
    pack_array(out, stats.instances);
    list_each(it, &bus->instances)
        save_instance(list_of(it, struct bus_instance, link), out);
    save_names(bus, out);
    for (uint32_t i = 0; i < bus->n_calls; i++)
        n += bus->calls[i]->live != 0;
    pack_str(out, "calls");
    pack_array(out, n);
    for (uint32_t i = 0; i < bus->n_calls; i++)
        if (bus->calls[i]->live)
            save_call(bus->calls[i], out);
}

/* ---- Reading ---- */

static struct bus_port *port_by_key(struct bus *bus, int64_t key)
{
    list_each(it, &bus->ports) {
        struct bus_port *port = list_of(it, struct bus_port, link);

        if (key && port->key == key)
            return port;
    }
    return NULL;
}

static int load_port(struct bus *bus, doc_value v)
{
    struct bus_port *port = port_by_key(bus, doc_int(doc_get(v, "key"), 0));
    doc_value out = doc_get(v, "out"), in = doc_get(v, "in"), patterns = doc_get(v, "patterns");
    doc_value instances = doc_get(v, "instances");
    char copy[NAME_TEXT_MAX], text[NAME_TEXT_MAX];
    size_t len;
    int fresh;

    if (!port)
        return 0;
    port->events_missed = (uint32_t)doc_int(doc_get(v, "missed"), 0);
    for (size_t i = 0; i < doc_len(out); i++) {
        struct aiex_slice s = doc_bytes(doc_at(out, i));

        if (s.len < 2 || s.len >= sizeof(copy))
            return -EPROTO;
        memcpy(copy, s.data, s.len);
        copy[s.len] = 0;
        if (names_out_get(port->names_out, copy, copy + strlen(copy) + 1, &fresh, text, &len) != (int)i)
            return -EPROTO;
    }
    for (size_t i = 0; i < doc_len(in); i++) {
        struct aiex_slice s = doc_bytes(doc_at(in, i));

        if (names_in_define(port->names_in, (unsigned)i, s.data, s.len) < 0)
            return -EPROTO;
    }
    for (size_t i = 0; i < doc_len(patterns) && i < PATTERNS_MAX; i++) {
        struct pattern *p = &port->patterns[port->n_patterns++];

        doc_text(doc_at(doc_at(patterns, i), 0), p->text, sizeof(p->text), "");
        p->count = (unsigned)doc_int(doc_at(doc_at(patterns, i), 1), 1);
    }
    for (size_t i = 0; i < doc_len(instances) && i < INSTANCES_PER_CELL; i++) {
        char name[AIEX_MAX_NAME + 1];

        doc_text(doc_at(instances, i), name, sizeof(name), "");
        port->instances[i] = name[0] ? bus_instance_find(bus, name) : NULL;
    }
    return 0;
}

static void load_instance(struct bus *bus, doc_value v)
{
    char name[AIEX_MAX_NAME + 1];
    struct bus_instance *in = bus_instance_find(bus, doc_text(doc_get(v, "name"), name, sizeof(name), ""));
    struct aiex_slice stats = doc_bytes(doc_get(v, "stats"));

    if (!in)
        return;
    in->serving = (enum bus_serving)doc_int(doc_get(v, "serving"), BUS_DOWN);
    doc_text(doc_get(v, "why"), in->why, sizeof(in->why), "");
    in->port = port_by_key(bus, doc_int(doc_get(v, "port"), 0));
    in->index = (unsigned)doc_int(doc_get(v, "index"), 0);
    if (in->serving == BUS_UP && !in->port)
        in->serving = BUS_SOON;
    if (stats.len == sizeof(in->stats))
        memcpy(&in->stats, stats.data, stats.len);
    in->stats.in_flight = in->stats.waiting = 0; /* counted again with the calls */
}

static void load_name(struct bus *bus, doc_value v)
{
    char name[AIEX_MAX_NAME + 1], holder[AIEX_MAX_NAME + 1];
    struct bus_instance *in = bus_instance_find(bus, doc_text(doc_at(v, 2), holder, sizeof(holder), ""));
    int64_t key = doc_int(doc_at(v, 3), 0);
    struct bus_port *port = port_by_key(bus, key);

    if (in && (port || !key)) /* 0: kept for a successor */
        registry_hold(in, port, doc_text(doc_at(v, 0), name, sizeof(name), ""), (int)doc_int(doc_at(v, 1), 0));
}

/* 0; 1 = its instance is gone and the caller was told. */
static int load_call(struct bus *bus, doc_value v, struct saved_call *ret)
{
    struct aiex_slice block = doc_bytes(doc_at(v, 0));
    char callee[AIEX_MAX_NAME + 1];
    struct bus_port *caller;
    struct saved_call s;
    struct call *c;

    if (block.len != sizeof(s))
        return -EPROTO;
    memcpy(&s, block.data, sizeof(s));
    *ret = s;
    c = s.slot < CALLS_MAX ? call_at(bus, s.slot) : NULL;
    if (!c)
        return -ENOMEM;
    c->generation = s.generation;
    c->callee = bus_instance_find(bus, doc_text(doc_at(v, 1), callee, sizeof(callee), ""));
    c->callee_port = port_by_key(bus, s.callee_port);
    caller = port_by_key(bus, s.caller);
    if (!c->callee) {
        if (caller)
            refuse(caller, s.caller_id, s.trace, WIRE_UNAVAILABLE, "the service was removed", 0);
        return 1;
    }
    doc_text(doc_at(v, 2), c->service, sizeof(c->service), "");
    doc_text(doc_at(v, 3), c->method, sizeof(c->method), "");
    c->name_hash = names_hash(c->service, c->method);
    c->caller_index = s.caller_index;
    call_asked_by(c, caller, s.caller_index);
    c->trace = s.trace;
    c->begun_ns = s.begun_ns;
    c->window = s.window;
    c->outstanding = s.outstanding;
    c->flags = (uint8_t)s.flags;
    c->request_len = s.request_len;
    c->whole = s.whole;
    c->pieces = s.pieces;
    c->repeats = s.repeats;
    c->parts = s.parts;
    c->ending = s.ending;
    for (size_t i = 4; i + 1 < doc_len(v); i += 2) {
        struct aiex_slice head = doc_bytes(doc_at(v, i)), body = doc_bytes(doc_at(v, i + 1));
        struct record r;

        if (head.len != sizeof(r))
            return -EPROTO;
        memcpy(&r, head.data, sizeof(r));
        if (r.len != body.len || held_add(&c->held, &r, body.data) < 0)
            return -EPROTO;
    }
    if (!(c->flags & RECORD_CAST))
        c->callee->stats.in_flight++;
    if (c->callee_port) {
        c->callee_port->n_serving++;
        list_append(&c->callee_port->serving, &c->served);
    }
    if (s.waiting)
        call_wait(c);
    if (caller && call_book(c, caller, s.caller_id) < 0)
        return -ENOMEM;
    call_deadline(c, s.deadline_ms);
    return 0;
}

static void relate(struct bus *bus, const struct saved_call *s)
{
    struct call *c = bus->calls[s->slot];

    if (!c->live)
        return;
    if (s->parent >= 0 && (uint32_t)s->parent < bus->n_calls && bus->calls[s->parent]->live) {
        c->parent = bus->calls[s->parent];
        list_append(&c->parent->children, &c->sibling);
    }
    if (s->into >= 0 && (uint32_t)s->into < bus->n_calls && bus->calls[s->into]->live) {
        c->into = bus->calls[s->into];
        c->into->joined = c;
    }
}

static int load_calls(struct bus *bus, doc_value calls)
{
    size_t n = doc_len(calls);
    struct saved_call *saved = calloc(n + 1, sizeof(*saved));
    uint8_t *live = calloc(1, CALLS_MAX);
    int r = saved && live ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < n; i++) {
        r = load_call(bus, doc_at(calls, i), &saved[i]);
        if (r == 0)
            live[saved[i].slot] = 1;
        r = r == 1 ? 0 : r;
    }
    for (uint32_t i = 0; live && i < bus->n_calls; i++)
        bus->calls[i]->live = live[i];
    bus->n_free = 0;
    for (uint32_t i = bus->n_calls; i-- > 0;)
        if (!bus->calls[i]->live)
            bus->free_calls[bus->n_free++] = i;
    for (size_t i = 0; r == 0 && i < n; i++)
        relate(bus, &saved[i]);
    free(saved);
    free(live);
    return r;
}

int bus_load(struct bus *bus, const void *root)
{
    doc_value ports = doc_get(root, "ports"), instances = doc_get(root, "instances");
    doc_value names = doc_get(root, "names");
    struct aiex_slice stats = doc_bytes(doc_get(root, "stats"));
    int r = 0;

    if (stats.len == sizeof(bus->stats))
        memcpy(&bus->stats, stats.data, stats.len);
    for (size_t i = 0; r == 0 && i < doc_len(ports); i++)
        r = load_port(bus, doc_at(ports, i));
    for (size_t i = 0; r == 0 && i < doc_len(instances); i++)
        load_instance(bus, doc_at(instances, i));
    for (size_t i = 0; r == 0 && i < doc_len(names); i++)
        load_name(bus, doc_at(names, i));
    if (r == 0)
        r = load_calls(bus, doc_get(root, "calls"));
    bus->sub_generation++;
    bus->backlog = 0;
    return r;
}
