#include "node/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 8

struct kept {
    struct kept *next;
    struct record head;
    uint8_t body[];
};

struct queue {
    struct kept *first, *last;
};

struct inside {
    struct bus *bus;
    struct bus_port *port;
    struct endpoint *endpoint;
    struct queue to_us, to_bus;
    struct {
        struct bus_instance *instance;
        inside_message_fn message;
        void *arg;
    } parts[PARTS_MAX];
    unsigned n_parts;
};

static int keep(struct queue *q, const struct record *head, const void *body, size_t len)
{
    struct kept *k = malloc(sizeof(*k) + len);

    if (!k)
        return -ENOMEM;
    k->next = NULL;
    k->head = *head;
    k->head.len = (uint32_t)len;
    if (len)
        memcpy(k->body, body, len);
    if (q->last)
        q->last->next = k;
    else
        q->first = k;
    q->last = k;
    return 0;
}

static struct kept *take_kept(struct queue *q)
{
    struct kept *k = q->first;

    if (k && !(q->first = k->next))
        q->last = NULL;
    return k;
}

/* What an operator sends to the host may hold a secret. */
static void kept_free(struct kept *k)
{
    explicit_bzero(k->body, k->head.len);
    free(k);
}

/* From the bus to a part of the host. */
static int port_send(void *arg, const struct record *head, const void *body, size_t len)
{
    struct inside *in = arg;

    return keep(&in->to_us, head, body, len);
}

static void port_violation(void *arg, const char *why)
{
    fprintf(stderr, "fault in the host's own port: %s\n", why);
    abort();
}

/* From a part of the host to the bus, cut into records. */
static int endpoint_send(void *arg, const struct record *head, const void *body, size_t len)
{
    struct inside *in = arg;
    const uint8_t *at = body;
    struct record piece = *head;
    int r;

    do {
        size_t n = len > RECORD_BODY_MAX ? RECORD_BODY_MAX : len;

        piece.flags = (uint8_t)(head->flags | (len > n ? RECORD_MORE : 0) | (at != body ? RECORD_CONT : 0));
        r = keep(&in->to_bus, &piece, at, n);
        at += n;
        len -= n;
    } while (len && r == 0);
    return r;
}

static int on_message(void *arg, unsigned index, const struct aiex_message *message)
{
    struct inside *in = arg;

    if (index >= in->n_parts || !in->parts[index].message)
        return -ENOSYS;
    return in->parts[index].message(in->parts[index].arg, message);
}

static const char *on_name(void *arg, unsigned index)
{
    struct inside *in = arg;

    return index < in->n_parts ? bus_instance_name(in->parts[index].instance) : "host";
}

struct inside *inside_new(struct bus *bus, const char *node)
{
    static const struct bus_port_ops port_ops = {port_send, NULL, port_violation};
    static const struct endpoint_ops endpoint_ops = {endpoint_send, NULL, on_message, NULL, on_name};
    struct inside *in = calloc(1, sizeof(*in));

    if (!in)
        return NULL;
    in->bus = bus;
    in->port = bus_port_new(bus, &port_ops, in);
    in->endpoint = endpoint_new(&endpoint_ops, in, node);
    if (!in->port || !in->endpoint) {
        inside_free(in);
        return NULL;
    }
    bus_port_key(in->port, INSIDE_KEY);
    return in;
}

void inside_free(struct inside *in)
{
    struct kept *k;

    if (!in)
        return;
    if (in->port)
        bus_port_dead(in->port, NULL, "the host stops");
    for (unsigned i = 0; i < in->n_parts; i++)
        bus_instance_free(in->parts[i].instance);
    endpoint_free(in->endpoint);
    while ((k = take_kept(&in->to_us)))
        kept_free(k);
    while ((k = take_kept(&in->to_bus)))
        kept_free(k);
    free(in);
}

int inside_add(struct inside *in, const char *name, inside_message_fn message, void *arg)
{
    struct bus_instance *instance;

    if (in->n_parts == PARTS_MAX)
        return -ENOSPC;
    instance = bus_instance_new(
        in->bus, name, &(struct bus_instance_options){.only_key = strchr(name, '.') ? INSIDE_KEY : 0});
    if (!instance)
        return -EEXIST;
    in->parts[in->n_parts].instance = instance;
    in->parts[in->n_parts].message = message;
    in->parts[in->n_parts].arg = arg;
    bus_port_instance(in->port, in->n_parts, instance);
    bus_instance_bind(instance, in->port, in->n_parts);
    return (int)in->n_parts++;
}

struct endpoint *inside_endpoint(struct inside *in)
{
    return in->endpoint;
}

int inside_turn(struct inside *in)
{
    struct kept *k;
    int did = 0;

    while ((k = take_kept(&in->to_us))) {
        endpoint_record(in->endpoint, &k->head, k->body);
        kept_free(k);
        did = 1;
    }
    while ((k = take_kept(&in->to_bus))) {
        bus_port_record(in->port, &k->head, k->body);
        kept_free(k);
        did = 1;
    }
    return did;
}
