/*
 * registry.c - instances, the names they hold, and the one function that turns a name
 * into who serves it. A group's member leaves with its process. A unique name stays with its
 * instance when the process dies, so that calls and casts to it wait for the successor as those to
 * the instance's own name do; it goes when the successor is up and has not taken it again, or when
 * somebody else takes it.
 */
#include "bus/bus_private.h"

#include "base/text.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct service *service_find(struct bus *bus, const char *name, uint32_t hash)
{
    list_each (it, &bus->services[hash % SERVICE_BUCKETS]) {
        struct service *s = list_of(it, struct service, link);

        if (s->hash == hash && !strcmp(s->name, name))
            return s;
    }
    return NULL;
}

static struct service *service_get(struct bus *bus, const char *name, int group)
{
    uint32_t hash = text_hash(name, strlen(name));
    struct service *s = service_find(bus, name, hash);

    if (s)
        return s;
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->hash = hash;
    s->group = group;
    list_append(&bus->services[s->hash % SERVICE_BUCKETS], &s->link);
    return s;
}

static void member_remove(struct service *s, unsigned i)
{
    s->members[i] = s->members[--s->n_members];
    if (s->n_members)
        return;
    list_remove(&s->link);
    free(s);
}

/* Its holder died and has not come back. An instance's own name has no port either, but is never up
 * for grabs. */
static int is_kept(const struct service *s)
{
    return !s->group && !s->members[0].port && strcmp(s->name, s->members[0].instance->name) != 0;
}

/* Among a group's members: those that are up before those that soon are, then the least loaded,
 * then in turn. */
static struct bus_instance *choose(struct service *s)
{
    struct bus_instance *best = NULL;

    s->turn++;
    for (unsigned i = 0; i < s->n_members; i++) {
        struct bus_instance *m = s->members[(i + s->turn) % s->n_members].instance;

        if (!best || m->serving > best->serving ||
            (m->serving == best->serving && m->stats.in_flight < best->stats.in_flight))
            best = m;
    }
    return best;
}

struct bus_instance *bus_resolve(struct bus *bus, const char *service, uint32_t hash)
{
    struct service *s = service_find(bus, service, hash);

    if (!s)
        return NULL;
    return s->n_members == 1 ? s->members[0].instance : choose(s);
}

int registry_hold(struct bus_instance *instance, struct bus_port *port, const char *name, int group)
{
    struct service *s = service_get(instance->bus, name, group);

    if (!s)
        return -1;
    for (unsigned i = 0; i < s->n_members; i++)
        if (s->members[i].instance == instance) {
            s->members[i].port = port;
            return 0;
        }
    if (s->n_members == 1 && is_kept(s)) {
        s->group = group;
        s->members[0] = (struct member){instance, port};
        return 0;
    }
    if (s->n_members && (!group || !s->group)) {
        log_for(AIEX_LOG_WARN, &(struct log_origin){.plugin = instance->name},
                "the name '%s' is held by '%s' and stays there", name,
                s->members[0].instance->name);
        return -1;
    }
    if (s->n_members == MEMBERS_MAX)
        return -1;
    s->members[s->n_members++] = (struct member){instance, port};
    return 0;
}

void registry_join(struct bus_port *port, const struct record *head, const uint8_t *body)
{
    unsigned index = record_instance(head);
    char name[AIEX_MAX_NAME + 1];

    if (index >= INSTANCES_PER_CELL || !port->instances[index] || head->len > AIEX_MAX_NAME) {
        port_violation(port, "joined a name for an instance it does not have");
        return;
    }
    memcpy(name, body, head->len);
    name[head->len] = 0;
    if (!text_is_name(name)) {
        port_violation(port, "joined a name that is not one");
        return;
    }
    registry_hold(port->instances[index], port, name, !!(head->status & AIEX_NAME_GROUP));
}

/* Takes members out for which `instance` and/or `port` match (NULL matches all but own names). */
static void leave(struct bus *bus, struct bus_instance *instance, struct bus_port *port)
{
    for (unsigned b = 0; b < SERVICE_BUCKETS; b++)
        list_each_safe (it, next, &bus->services[b]) {
            struct service *s = list_of(it, struct service, link);

            for (unsigned i = s->n_members; i-- > 0;) {
                int last = s->n_members == 1;
                struct bus_port *other = port && s->members[i].port == port
                                             ? pool_other_port(s->members[i].instance, port)
                                             : NULL;

                if (other) {
                    s->members[i].port = other;
                    continue;
                }
                if (port && s->members[i].port == port && !s->group &&
                    !s->members[i].instance->port) {
                    s->members[i].port = NULL;
                    continue;
                }
                if ((instance && s->members[i].instance == instance) ||
                    (port && s->members[i].port == port)) {
                    member_remove(s, i);
                    if (last)
                        break;
                }
            }
        }
}

void registry_port_gone(struct bus_port *port)
{
    leave(port->bus, NULL, port);
}

/* What an earlier process had taken and the one that is up now has not. */
static void drop_kept(struct bus_instance *in)
{
    for (unsigned b = 0; b < SERVICE_BUCKETS; b++)
        list_each_safe (it, next, &in->bus->services[b]) {
            struct service *s = list_of(it, struct service, link);

            if (s->n_members == 1 && s->members[0].instance == in && is_kept(s))
                member_remove(s, 0);
        }
}

struct bus_instance *bus_instance_new(struct bus *bus, const char *name,
                                      const struct bus_instance_options *options)
{
    struct bus_instance *in;

    if (!text_is_name(name) || service_find(bus, name, text_hash(name, strlen(name))))
        return NULL;
    in = calloc(1, sizeof(*in));
    if (!in)
        return NULL;
    in->bus = bus;
    bus_instance_options(in, options);
    in->serving = BUS_DOWN;
    snprintf(in->name, sizeof(in->name), "%s", name);
    in->asker_hash = names_hash(name, ASKER);
    snprintf(in->why, sizeof(in->why), "not started");
    list_init(&in->waiting);
    list_init(&in->fresh);
    list_append(&bus->instances, &in->link);
    /* its own name never leaves with a port */
    if (registry_hold(in, NULL, name, 0) < 0) {
        list_remove(&in->link);
        free(in);
        return NULL;
    }
    return in;
}

void bus_instance_free(struct bus_instance *in)
{
    if (!in)
        return;
    bus_instance_unbind(in, BUS_DOWN, "it was removed");
    for (uint32_t i = 0; i < in->bus->n_calls; i++) {
        struct call *c = in->bus->calls[i];

        if (c->live && c->callee == in)
            call_fail(c, WIRE_UNAVAILABLE, "the service was removed", 0);
    }
    list_each (it, &in->bus->ports) {
        struct bus_port *port = list_of(it, struct bus_port, link);

        for (unsigned i = 0; i < INSTANCES_PER_CELL; i++)
            if (port->instances[i] == in)
                port->instances[i] = NULL;
    }
    leave(in->bus, in, NULL);
    list_remove(&in->link);
    free(in);
}

struct bus_instance *bus_instance_find(struct bus *bus, const char *name)
{
    list_each (it, &bus->instances) {
        struct bus_instance *in = list_of(it, struct bus_instance, link);

        if (!strcmp(in->name, name))
            return in;
    }
    return NULL;
}

const char *bus_instance_name(const struct bus_instance *in)
{
    return in->name;
}

void bus_instance_options(struct bus_instance *in, const struct bus_instance_options *options)
{
    in->options = *options;
    in->options.callers = NULL; /* the owner's memory */
    callers_set(in, options->callers);
}

void bus_instance_bind(struct bus_instance *in, struct bus_port *port, unsigned index)
{
    drop_kept(in);
    in->port = port;
    in->index = index;
    in->serving = BUS_UP;
    while (!list_empty(&in->waiting) && in->serving == BUS_UP) {
        struct call *c = list_of(in->waiting.next, struct call, waiting);

        in->stats.waiting--;
        call_dispatch_held(c);
    }
}

static void refuse_all(struct bus_instance *in, struct list *waiting)
{
    char text[256];

    snprintf(text, sizeof(text), "'%s' is down: %s", in->name, in->why);
    while (!list_empty(waiting))
        call_fail(list_of(waiting->next, struct call, waiting), WIRE_UNAVAILABLE, text, 0);
}

void bus_instance_unbind(struct bus_instance *in, enum bus_serving serving, const char *why)
{
    in->port = NULL;
    in->serving = serving;
    snprintf(in->why, sizeof(in->why), "%s", why);
    if (serving == BUS_DOWN) {
        refuse_all(in, &in->waiting);
        refuse_all(in, &in->fresh);
    }
}

enum bus_serving bus_instance_serving(const struct bus_instance *in)
{
    return in->serving;
}

const struct bus_instance_stats *bus_instance_stats(const struct bus_instance *in)
{
    return &in->stats;
}

void bus_tap(struct bus_instance *in, bus_tap_fn fn, void *arg)
{
    in->tap = fn;
    in->tap_arg = arg;
}

void bus_each_name(struct bus *bus,
                   void (*fn)(void *arg, const char *name, int group, const char *holder),
                   void *arg)
{
    for (unsigned b = 0; b < SERVICE_BUCKETS; b++)
        list_each (it, &bus->services[b]) {
            struct service *s = list_of(it, struct service, link);

            for (unsigned i = 0; i < s->n_members; i++)
                fn(arg, s->name, s->group, s->members[i].instance->name);
        }
}
