/*
 * event.c - events: one record per interested cell, never one per subscriber. A cell
 * that does not keep up has a bounded backlog; the oldest events are dropped and the
 * next one that reaches it says how many it missed.
 */
#include "bus/bus_private.h"

#include "base/topic.h"

#include <stdlib.h>
#include <string.h>

void event_subscribe(struct bus_port *port, const struct record *head, const uint8_t *body)
{
    char text[AIEX_MAX_NAME + 1];
    struct pattern *p = NULL;

    if (head->len > AIEX_MAX_NAME) {
        port_violation(port, "subscribed to a topic that is too long");
        return;
    }
    memcpy(text, body, head->len);
    text[head->len] = 0;
    if (!topic_valid(text, 1)) {
        port_violation(port, "subscribed to a topic that is not one");
        return;
    }
    for (unsigned i = 0; i < port->n_patterns && !p; i++)
        if (!strcmp(port->patterns[i].text, text))
            p = &port->patterns[i];
    port->bus->sub_generation++;
    if (head->status) {
        if (!p && port->n_patterns < PATTERNS_MAX) {
            p = &port->patterns[port->n_patterns++];
            p->count = 0;
            memcpy(p->text, text, sizeof(text));
        }
        if (p)
            p->count++;
    } else if (p && --p->count == 0) {
        *p = port->patterns[--port->n_patterns];
    }
}

static int interested(const struct bus_port *port, const char *topic)
{
    for (unsigned i = 0; i < port->n_patterns; i++)
        if (topic_matches(port->patterns[i].text, topic))
            return 1;
    return 0;
}

/* The ports a publisher's topic goes to, remembered until any subscription changes. */
static struct fan *fan_of(struct bus_port *from, unsigned number, const char *topic)
{
    struct bus *bus = from->bus;
    struct fan *fan;
    unsigned cap = 0;

    if (!from->fans)
        from->fans = calloc(NAMES_MAX, sizeof(struct fan));
    if (!from->fans)
        return NULL;
    fan = &from->fans[number];
    if (fan->generation == bus->sub_generation)
        return fan;
    free(fan->ports);
    *fan = (struct fan){.generation = bus->sub_generation};
    list_each(it, &bus->ports) {
        struct bus_port *port = list_of(it, struct bus_port, link);

        if (!interested(port, topic))
            continue;
        if (fan->n == cap) {
            struct bus_port **grown = realloc(fan->ports, (cap + 8) * sizeof(struct bus_port *));

            if (!grown)
                break;
            cap += 8;
            fan->ports = grown;
        }
        fan->ports[fan->n++] = port;
    }
    return fan;
}

static int drop_event(struct bus_port *port)
{
    port->events_missed++;
    port->bus->stats.events_dropped++;
    return -1;
}

static int send_event(struct bus_port *port, const struct record *head, const uint8_t *body,
                      const char *topic)
{
    struct record out = *head;
    char text[NAME_TEXT_MAX];
    int number, fresh;
    size_t len;

    number = names_out_get(port->names_out, "", topic, &fresh, text, &len);
    if (number < 0)
        return drop_event(port);
    if (fresh && port_send(port, &(struct record){.kind = RECORD_NAME, .name = (uint16_t)number}, text,
                           len) < 0) {
        names_out_undo(port->names_out);
        return drop_event(port);
    }
    out.name = (uint16_t)number;
    out.id = 0;
    out.aux = port->events_missed;
    if (port_send(port, &out, body, head->len) < 0)
        return drop_event(port);
    port->events_missed = 0;
    port->bus->stats.deliveries++;
    return 0;
}

/* Behind what waits; the oldest go when the bound is reached. The topic is kept before the body. */
static void keep(struct bus_port *port, const struct record *head, const uint8_t *body, const char *topic)
{
    uint8_t joined[AIEX_MAX_NAME + 1 + RECORD_BODY_MAX];
    struct record with = *head;
    size_t n = strlen(topic) + 1;
    struct held *oldest;

    if (!port->events.first)
        port->bus->backlog++;
    memcpy(joined, topic, n);
    memcpy(joined + n, body, head->len);
    with.len += (uint32_t)n;
    if (held_add(&port->events, &with, joined) < 0)
        drop_event(port);
    while (port->events.bytes > port->bus->limits.events_max && (oldest = held_take(&port->events))) {
        free(oldest);
        drop_event(port);
    }
    if (!port->events.first)
        port->bus->backlog--;
}

void event_publish(struct bus_port *from, const struct record *head, const uint8_t *body)
{
    const struct name *name = names_in_get(from->names_in, head->name);
    struct fan *fan;

    if (!name || (head->flags & (RECORD_MORE | RECORD_CONT))) {
        port_violation(from, "published without a topic");
        return;
    }
    from->bus->stats.events++;
    fan = fan_of(from, head->name, name->method);
    for (unsigned i = 0; fan && i < fan->n; i++) {
        struct bus_port *to = fan->ports[i];

        if (to->events.first || (to->ops.queued && to->ops.queued(to->arg)))
            keep(to, head, body, name->method);
        else
            send_event(to, head, body, name->method);
    }
}

int bus_flush(struct bus *bus)
{
    int did = 0;

    bus->turn_ns = 0;
    if (!bus->backlog)
        return 0;
    list_each(it, &bus->ports) {
        struct bus_port *port = list_of(it, struct bus_port, link);
        struct held *h;

        while (port->events.first && !(port->ops.queued && port->ops.queued(port->arg))) {
            size_t n;

            h = held_take(&port->events);
            n = strlen((const char *)h->body) + 1;
            h->head.len -= (uint32_t)n;
            send_event(port, &h->head, h->body + n, (const char *)h->body);
            free(h);
            did = 1;
            if (!port->events.first)
                bus->backlog--;
        }
    }
    return did;
}

void event_port_gone(struct bus_port *port)
{
    if (port->events.first)
        port->bus->backlog--;
    held_clear(&port->events);
    for (unsigned i = 0; port->fans && i < NAMES_MAX; i++)
        free(port->fans[i].ports);
    free(port->fans);
    port->fans = NULL;
    port->bus->sub_generation++;
}
