/*
 * route.c - calls on their way: a request to the port that serves its name, parts and
 * end back to who asked, or, spliced, to who asked the one who asked. Bodies that come
 * in pieces are handed on piece by piece.
 */
#include "bus/bus_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes beyond a window that are not a mistake any more: what an endpoint lets pass and one part. */
#define OVERRUN_MAX (AIEX_MAX_BODY + 4u * 1024u * 1024u)

int port_send(struct bus_port *port, const struct record *head, const void *body, size_t len)
{
    if (port->broken)
        return -EPIPE;
    return port->ops.send(port->arg, head, body, len);
}

void port_tell(struct bus_port *port, const struct record *head, const void *body, size_t len)
{
    if (port_send(port, head, body, len) == -ENOBUFS)
        port_violation(port, "does not read: not even short records fit into its queue");
}

void port_violation(struct bus_port *port, const char *why)
{
    if (port->broken)
        return;
    port->broken = 1;
    port->bus->stats.violations++;
    port->ops.violation(port->arg, why);
}

static void tap(struct call *c, int to_instance, const struct record *head)
{
    if (c->callee->tap)
        c->callee->tap(c->callee->tap_arg, to_instance, head, c->service, c->method);
}

/* The number under which a port knows a pair of names; told to it when it is new. */
static int number_of(struct bus_port *port, uint32_t hash, const char *service, const char *method)
{
    char text[NAME_TEXT_MAX];
    int fresh, r, number = names_out_find(port->names_out, hash, service, method);
    size_t len;

    if (number >= 0)
        return number;
    number = names_out_get(port->names_out, service, method, &fresh, text, &len);
    if (number < 0 || !fresh)
        return number;
    r = port_send(port,
                  &(struct record){.kind = RECORD_NAME, .name = (uint16_t)number, .flags = RECORD_LAZY},
                  text, len);
    if (r < 0)
        names_out_undo(port->names_out);
    return r < 0 ? r : number;
}

/* A piece of c's request was refused; -errno says why. Ends c. */
static void not_sent(struct call *c, int r)
{
    if (!c->pieces) { /* its port knows nothing of it: no cancel */
        list_remove(&c->served);
        c->callee_port->n_serving--;
        c->callee_port = NULL;
    }
    if (r == -ENOBUFS)
        call_fail(c, WIRE_BUSY, "the service's queue is full", 100);
    else if (r == -EPIPE)
        call_fail(c, WIRE_UNAVAILABLE, "the service is going down", 100);
    else
        call_fail(c, WIRE_NOT_FOUND, "too many method names in use", 0);
}

/* One piece of a request to the port that serves it. 0 or negative errno: the call has been ended. */
static int send_piece(struct call *c, const struct record *head, const uint8_t *body)
{
    struct record out = *head;
    int number = number_of(c->callee_port, c->name_hash, c->service, c->method), asker = -1, r;
    uint64_t left;

    if (number < 0) {
        not_sent(c, number);
        return number;
    }
    left = c->deadline_ms > c->callee->bus->now_ms ? c->deadline_ms - c->callee->bus->now_ms : 1;
    out.name = (uint16_t)number;
    if (c->asker[0]) /* unknown is no reason to refuse: who cares about it, does */
        asker = number_of(c->callee_port, c->asker_hash, c->asker, ASKER);
    out.id = call_id(c) | (uint64_t)(uint32_t)(asker >= 0 ? asker + 1 : 0) << 32;
    out.status = (int32_t)(left > INT32_MAX ? INT32_MAX : left);
    out.aux = c->callee->index | (c->window / RECORD_WINDOW_UNIT) << 16;
    out.flags = (uint8_t)((head->flags & (RECORD_MORE | RECORD_CONT | RECORD_LAZY)) |
                          (c->flags & (RECORD_IDEMPOTENT | RECORD_CAST)) | (c->into ? RECORD_SPLICE : 0));
    tap(c, 1, &out);
    c->callee->stats.bytes_in += head->len;
    /* pieces go as they came: channel_send() must not cut them again nor add flags */
    r = port_send(c->callee_port, &out, body, head->len);
    if (r < 0)
        not_sent(c, r);
    return r;
}

void call_dispatch_held(struct call *c)
{
    call_dispatch_to(c, c->callee->port);
}

void call_dispatch_to(struct call *c, struct bus_port *port)
{
    int keep = (c->flags & RECORD_IDEMPOTENT) && !(c->flags & RECORD_CAST);
    struct held *h;

    list_remove(&c->waiting);
    c->callee_port = port;
    port->n_serving++;
    list_append(&port->serving, &c->served);
    if (keep) {
        for (h = c->held.first; h; h = h->next)
            if (send_piece(c, &h->head, h->body) < 0)
                return;
        return;
    }
    while ((h = held_take(&c->held))) {
        int r = send_piece(c, &h->head, h->body);

        free(h);
        if (r < 0)
            return;
    }
    if ((c->flags & RECORD_CAST) && c->whole)
        call_free(c);
}

/* Hands one piece of c's request on, or keeps it until the instance is up. */
static void forward_request(struct call *c, const struct record *head, const uint8_t *body)
{
    if (!c->callee_port || (c->flags & RECORD_IDEMPOTENT)) {
        /* the body is bounded already; this bounds empty pieces */
        if (c->held.bytes > 2 * AIEX_MAX_BODY || held_add(&c->held, head, body) < 0) {
            call_fail(c, WIRE_BUSY, "the request is too large to wait for its service", 0);
            return;
        }
    }
    if (c->callee_port && send_piece(c, head, body) < 0)
        return;
    if (c->callee_port && (c->flags & RECORD_CAST) && c->whole)
        call_free(c);
}

/* Checks a request's destination; NULL after refusing it. */
static struct bus_instance *destination(struct bus_port *port, const struct record *head,
                                        const struct name *name)
{
    struct bus_instance *callee = bus_resolve(port->bus, name->service, name->service_hash);
    int cast = head->flags & RECORD_CAST;
    char text[256];
    int32_t status = WIRE_OK;
    uint32_t retry = 0;

    if (!callee) {
        snprintf(text, sizeof(text), "nobody serves '%s'", name->service);
        status = WIRE_UNAVAILABLE;
    } else if (callee->options.only_key && callee->options.only_key != port->key) {
        snprintf(text, sizeof(text), "'%s' is not for plugins", callee->name);
        status = WIRE_DENIED;
    } else if (!callers_is_open(name->method) &&
               !callers_allow(callee, call_asker(port, record_instance(head)))) {
        snprintf(text, sizeof(text), "'%s' is not for '%s': its key callers names who may call it",
                 callee->name, call_asker(port, record_instance(head)));
        status = WIRE_DENIED;
    } else if (callee->serving == BUS_DOWN) {
        snprintf(text, sizeof(text), "'%s' is down: %s", callee->name, callee->why);
        status = WIRE_UNAVAILABLE;
    } else if (callee->options.in_flight_max && callee->stats.in_flight >= callee->options.in_flight_max) {
        snprintf(text, sizeof(text), "'%s' has %u calls in flight, its limit", callee->name,
                 callee->stats.in_flight);
        status = WIRE_BUSY;
        retry = 100;
    } else if (callee->serving == BUS_SOON && !callee->pool_gone &&
               callee->stats.waiting >= (callee->options.queue_max ? callee->options.queue_max
                                                                   : port->bus->limits.queue_max)) {
        snprintf(text, sizeof(text), "'%s' is starting and %u calls wait for it already", callee->name,
                 callee->stats.waiting);
        status = WIRE_BUSY;
        retry = 100;
    } else if (port->n_out >= port->bus->limits.calls_max) {
        snprintf(text, sizeof(text), "the caller has %u open calls, its limit", port->n_out);
        status = WIRE_BUSY;
        retry = 100;
    }
    if (status == WIRE_OK)
        return callee;
    if (callee)
        callee->stats.refused++;
    if (!cast)
        refuse(port, record_id_low(head), head->trace, status, text, retry);
    return NULL;
}

static void adopt(struct call *c, struct bus_port *port, const struct record *head)
{
    struct call *parent = record_id_high(head) ? call_by_id(port->bus, record_id_high(head)) : NULL;
    uint32_t timeout = (uint32_t)head->status;
    uint64_t deadline;

    if (!timeout)
        timeout = c->callee->options.timeout_ms ? c->callee->options.timeout_ms
                                                : port->bus->limits.timeout_ms;
    deadline = port->bus->now_ms + timeout;
    if (parent && parent->callee_port == port) {
        c->parent = parent;
        list_append(&parent->children, &c->sibling);
        if (parent->deadline_ms < deadline)
            deadline = parent->deadline_ms;
        if ((head->flags & RECORD_SPLICE) && !parent->joined && !parent->parts && !parent->ending) {
            c->into = parent;
            parent->joined = c;
            c->window = parent->window; /* its consumer gives credit by that */
        }
    }
    call_deadline(c, deadline);
}

static void first_piece(struct bus_port *port, const struct record *head, const uint8_t *body)
{
    const struct name *name = names_in_get(port->names_in, head->name);
    int cast = head->flags & RECORD_CAST;
    struct bus_instance *callee;
    struct call *c;

    if (!name) {
        port_violation(port, "used a name it had not defined");
        return;
    }
    if (cast && (head->flags & RECORD_MORE)) {
        /* nothing would find its pieces together, nor count it against the caller's limit */
        port_violation(port, "sent a cast in pieces");
        return;
    }
    callee = destination(port, head, name);
    if (!callee)
        return;
    if (!cast && (c = call_in_slot(port, record_id_low(head))))
        call_abandon(c); /* reused a slot that is still open: the older call is lost to it */
    c = call_new(port->bus);
    if (!c) {
        if (!cast)
            refuse(port, record_id_low(head), head->trace, WIRE_BUSY, "too many calls in the host", 100);
        return;
    }
    c->callee = callee;
    c->flags = head->flags & (RECORD_IDEMPOTENT | RECORD_CAST | 3u << RECORD_PRIO_SHIFT);
    c->trace = head->trace;
    c->window = record_window(head);
    c->request_len = head->len;
    c->whole = !(head->flags & RECORD_MORE);
    c->pieces = !c->whole;
    c->caller_index = record_instance(head);
    call_asked_by(c, port, c->caller_index);
    c->name_hash = name->hash;
    memcpy(c->service, name->service, name->service_len + 1u);
    memcpy(c->method, name->method, name->method_len + 1u);
    if (cast) {
        callee->stats.casts++;
        port->bus->stats.casts++;
    } else {
        callee->stats.in_flight++;
        port->bus->stats.calls++;
        if (call_book(c, port, record_id_low(head)) < 0) {
            call_free(c);
            refuse(port, record_id_low(head), head->trace, WIRE_BUSY, "no memory for the call", 100);
            return;
        }
    }
    adopt(c, port, head);
    if (callee->serving == BUS_UP && !callee->pool_gone) {
        c->callee_port = callee->port;
        c->callee_port->n_serving++;
        list_append(&c->callee_port->serving, &c->served);
    } else {
        call_wait(c);
    }
    forward_request(c, head, body);
}

void route_request(struct bus_port *port, const struct record *head, const uint8_t *body)
{
    struct call *c;

    if (!(head->flags & RECORD_CONT)) {
        first_piece(port, head, body);
        return;
    }
    c = call_of_caller(port, record_id_low(head));
    if (!c || c->whole)
        return;
    c->whole = !(head->flags & RECORD_MORE);
    c->request_len += head->len;
    if (c->request_len > AIEX_MAX_BODY) {
        call_fail(c, WIRE_INVALID, "the request is larger than 32 MiB", 0);
        return;
    }
    forward_request(c, head, body);
}

static void part(struct call *c, const struct record *head, const uint8_t *body)
{
    struct call *to = c->into ? c->into : c;
    struct record out = *head;
    int r;

    tap(c, 0, head);
    c->parts = to->parts = 1;
    c->callee->stats.bytes_out += head->len;
    to->outstanding += head->len;
    if (to->outstanding > (uint64_t)c->window + OVERRUN_MAX) {
        port_violation(c->callee_port, "sent parts far beyond the call's window");
        return;
    }
    if (!to->caller)
        return;
    out.id = to->caller_id;
    r = port_send(to->caller, &out, body, head->len);
    if (r == -ENOBUFS)
        call_fail(c, WIRE_BUSY, "the caller does not take its answer fast enough", 0);
}

/* The copy of a joined end for the middle; without its body when that does not fit. */
static void copy_end(struct call *c, const struct record *head, const uint8_t *body)
{
    struct record copy = *head;

    copy.id = c->caller_id;
    copy.flags |= RECORD_SPLICE | RECORD_LAZY;
    if (port_send(c->caller, &copy, body, head->len) != -ENOBUFS)
        return;
    copy.flags = RECORD_SPLICE;
    port_tell(c->caller, &copy, NULL, 0);
    call_unbook(c); /* that was its end, whatever pieces follow */
}

/* The end of a call, or a piece of it. */
static void end(struct call *c, const struct record *head, const uint8_t *body)
{
    struct call *parent = c->into, *to;
    int joined = parent && (c->ending ? c->ending == 2 : c->parts || head->status == WIRE_OK);
    struct record out = *head;

    tap(c, 0, head);
    c->callee->stats.bytes_out += head->len;
    c->ending = joined ? 2 : 1;
    out.flags &= RECORD_MORE | RECORD_CONT;
    to = joined ? parent : c;
    to->ending = joined ? 1 : c->ending;
    out.id = to->caller_id;
    if (to->caller && port_send(to->caller, &out, body, head->len) == -ENOBUFS) {
        c->parts |= joined; /* fails both */
        call_fail(c, WIRE_BUSY, "the caller does not take its answer fast enough", 0);
        return;
    }
    if (joined && c->caller)
        copy_end(c, &out, body);
    if (head->flags & RECORD_MORE)
        return;
    call_count_end(c, head->status);
    call_free(c);
    if (joined) {
        call_count_end(parent, head->status);
        call_free(parent);
    }
}

void route_answer(struct bus_port *port, const struct record *head, const uint8_t *body)
{
    struct call *c = call_by_id(port->bus, record_id_low(head));

    /* an answer nobody waits for any more, a second one, or one to another's call */
    if (!c || c->callee_port != port || (c->flags & RECORD_CAST))
        return;
    c->joining = head->len + (head->flags & RECORD_CONT ? c->joining : 0);
    if (c->joining > AIEX_MAX_BODY) {
        port_violation(port, "sent a body larger than 32 MiB");
        return;
    }
    if (head->kind == RECORD_STREAM) {
        if (!c->ending)
            part(c, head, body);
    } else {
        end(c, head, body);
    }
}

void route_credit(struct bus_port *port, const struct record *head)
{
    struct call *c = call_of_caller(port, record_id_low(head));
    struct call *producer;

    if (!c)
        return;
    c->outstanding -= head->aux < c->outstanding ? head->aux : c->outstanding;
    producer = c->joined ? c->joined : c;
    if (producer->callee_port)
        port_tell(producer->callee_port,
                  &(struct record){.kind = RECORD_CREDIT, .id = call_id(producer), .aux = head->aux}, NULL,
                  0);
}
