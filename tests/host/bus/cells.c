#include "cells.h"

#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int keep(struct kept_queue *q, const struct record *head, const void *body, size_t len)
{
    struct kept *k = malloc(sizeof(*k) + len);

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
    q->bytes += len + sizeof(*head);
    return 0;
}

static struct kept *next_of(struct kept_queue *q)
{
    struct kept *k = q->first;

    if (!k)
        return NULL;
    q->first = k->next;
    if (!q->first)
        q->last = NULL;
    q->bytes -= k->head.len + sizeof(k->head);
    return k;
}

static void clear(struct kept_queue *q)
{
    struct kept *k;

    while ((k = next_of(q)))
        free(k);
}

/* ---- The bus's side of a cell ---- */

static int port_send(void *arg, const struct record *head, const void *body, size_t len)
{
    struct cell_rig *cell = arg;

    if (cell->room && cell->to_cell.bytes + len + sizeof(*head) > cell->room)
        return -ENOBUFS;
    return keep(&cell->to_cell, head, body, len);
}

static size_t port_queued(void *arg)
{
    struct cell_rig *cell = arg;

    return cell->room && cell->to_cell.bytes > cell->room / 2 ? cell->to_cell.bytes : 0;
}

static void port_violation(void *arg, const char *why)
{
    struct cell_rig *cell = arg;

    cell->violations++;
    snprintf(cell->why, sizeof(cell->why), "%s", why);
}

/* ---- The cell's own side ---- */

/* Cut into records, as channel_send() does. */
static int endpoint_out(void *arg, const struct record *head, const void *body, size_t len)
{
    struct cell_rig *cell = arg;
    const uint8_t *at = body;
    struct record piece = *head;

    if (cell->room_out && cell->to_bus.bytes + len + sizeof(*head) > cell->room_out)
        return -ENOBUFS;
    do {
        size_t n = len > RECORD_BODY_MAX ? RECORD_BODY_MAX : len;

        piece.flags = (uint8_t)(head->flags | (len > n ? RECORD_MORE : 0) |
                                (body && at != body ? RECORD_CONT : 0));
        keep(&cell->to_bus, &piece, at, n);
        if (n)
            at += n;
        len -= n;
    } while (len);
    return 0;
}

static void on_begin(void *arg)
{
    struct cell_rig *cell = arg;

    cell->begun++;
}

static int on_message(void *arg, unsigned instance, const struct aiex_message *m)
{
    struct cell_rig *cell = arg;

    cell->requests += m->kind == AIEX_MSG_REQUEST;
    cell->casts += m->kind == AIEX_MSG_CAST;
    cell->cancels += m->kind == AIEX_MSG_CANCEL;
    cell->resumes += m->kind == AIEX_MSG_RESUME;
    cell->events += m->kind == AIEX_MSG_EVENT;
    cell->last_id = m->id;
    cell->last_trace = m->trace;
    cell->last_flags = m->flags;
    cell->last_instance = instance;
    cell->last_timeout_ms = m->timeout_ms;
    snprintf(cell->last_method, sizeof(cell->last_method), "%s", m->method);
    snprintf(cell->last_service, sizeof(cell->last_service), "%s", m->service);
    cell->last_body.len = 0;
    buf_add(&cell->last_body, m->body.data, m->body.len);
    if (cell->handle)
        return cell->handle(cell, instance, m);
    return m->kind == AIEX_MSG_REQUEST ? endpoint_reply(cell->endpoint, m->id, m->body) : 0;
}

static int on_local(void *arg, const char *service)
{
    struct cell_rig *cell = arg;

    for (unsigned i = 0; cell->local && i < cell->n; i++)
        if (!strcmp(cell->names[i], service))
            return (int)i;
    return -1;
}

static const char *on_name(void *arg, unsigned instance)
{
    struct cell_rig *cell = arg;

    return instance < cell->n ? cell->names[instance] : "?";
}

/* ---- Life ---- */

void cells_init(struct cells *all)
{
    static const struct bus_limits limits = {
        .timeout_ms = 10000, .calls_max = 4096, .queue_max = 100, .events_max = 100000};

    *all = (struct cells){.now_ms = 1000000};
    all->bus = bus_new(&limits, all->now_ms);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all->bus);
}

static struct cell_rig *cell_new_rig(struct cells *all)
{
    static const struct endpoint_ops ops = {endpoint_out, on_begin, on_message, on_local, on_name};
    static const struct bus_port_ops port_ops = {port_send, port_queued, port_violation};
    struct cell_rig *cell = calloc(1, sizeof(*cell));

    CU_ASSERT_FATAL(all->n < CELLS_MAX);
    all->cells[all->n++] = cell;
    cell->all = all;
    cell->endpoint = endpoint_new(&ops, cell, "test");
    cell->port = bus_port_new(all->bus, &port_ops, cell);
    buf_init(&cell->last_body, AIEX_MAX_BODY);
    CU_ASSERT_PTR_NOT_NULL_FATAL(cell->port);
    return cell;
}

struct cell_rig *cells_add(struct cells *all, const char *name, unsigned n)
{
    struct cell_rig *cell = cell_new_rig(all);

    cell->n = n;
    for (unsigned i = 0; i < n; i++) {
        snprintf(cell->names[i], sizeof(cell->names[i]), i ? "%s:%u" : "%s", name, i);
        cell->instances[i] = bus_instance_new(all->bus, cell->names[i],
                                              &(struct bus_instance_options){0});
        CU_ASSERT_PTR_NOT_NULL_FATAL(cell->instances[i]);
        bus_port_instance(cell->port, i, cell->instances[i]);
        bus_instance_bind(cell->instances[i], cell->port, i);
    }
    return cell;
}

struct cell_rig *cells_successor(struct cells *all, struct cell_rig *old)
{
    struct cell_rig *cell = cell_new_rig(all);

    cell->n = old->n;
    cell->handle = old->handle;
    cell->local = old->local;
    memcpy(cell->names, old->names, sizeof(cell->names));
    for (unsigned i = 0; i < cell->n; i++) {
        cell->instances[i] = old->instances[i];
        bus_port_instance(cell->port, i, cell->instances[i]);
        bus_instance_bind(cell->instances[i], cell->port, i);
    }
    return cell;
}

void cells_kill(struct cell_rig *cell)
{
    if (cell->port)
        bus_port_dead(cell->port, NULL, "it was killed by the test");
    cell->port = NULL;
    clear(&cell->to_bus);
    clear(&cell->to_cell);
}

void cells_done(struct cells *all)
{
    for (unsigned i = 0; i < all->n; i++)
        cells_kill(all->cells[i]);
    bus_free(all->bus);
    for (unsigned i = 0; i < all->n; i++) {
        endpoint_free(all->cells[i]->endpoint);
        clear(&all->cells[i]->to_cell);
        buf_done(&all->cells[i]->last_body);
        free(all->cells[i]);
    }
}

void cells_raw(struct cell_rig *cell, const struct record *head, const void *body)
{
    static const uint8_t nothing[1];

    bus_port_record(cell->port, head, body ? body : nothing);
}

unsigned cells_step(struct cells *all)
{
    unsigned moved = 0;

    for (unsigned i = 0; i < all->n; i++) {
        struct cell_rig *cell = all->cells[i];
        struct kept_queue now = cell->to_bus;
        struct kept *k;

        if (!cell->port)
            continue;
        cell->to_bus = (struct kept_queue){0};
        while ((k = next_of(&now))) {
            cell->stream_records += k->head.kind == RECORD_STREAM;
            if (cell->port)
                bus_port_record(cell->port, &k->head, k->body);
            free(k);
            moved++;
        }
        if (cell->stopped)
            continue;
        now = cell->to_cell;
        cell->to_cell = (struct kept_queue){0};
        while ((k = next_of(&now))) {
            cell->stream_records += k->head.kind == RECORD_STREAM;
            cell->proto_errors += endpoint_record(cell->endpoint, &k->head, k->body) < 0;
            free(k);
            moved++;
        }
    }
    return moved + (unsigned)bus_flush(all->bus);
}

unsigned cells_run(struct cells *all)
{
    unsigned n, moved = 0;

    while ((n = cells_step(all)))
        moved += n;
    return moved;
}

void cells_tick(struct cells *all, uint64_t ms)
{
    all->now_ms += ms;
    bus_tick(all->bus, all->now_ms);
}

/* ---- Calls ---- */

void seen_init(struct seen_answer *s)
{
    memset(s, 0, sizeof(*s));
    buf_init(&s->body, AIEX_MAX_BODY);
    buf_init(&s->streamed, 128u << 20);
}

void seen_done(struct seen_answer *s)
{
    buf_done(&s->body);
    buf_done(&s->streamed);
}

void seen_on(void *arg, const struct aiex_answer *a)
{
    struct seen_answer *s = arg;

    s->call = a->call;
    s->after_end += s->ends > 0;
    if (a->kind == AIEX_ANSWER_PART) {
        s->parts++;
        s->part_bytes += a->body.len;
        if (a->body.len > s->largest_part)
            s->largest_part = a->body.len;
        buf_add(&s->streamed, a->body.data, a->body.len);
        return;
    }
    s->ends++;
    snprintf(s->code, sizeof(s->code), "%s", a->code ? a->code : "ok");
    snprintf(s->text, sizeof(s->text), "%s", a->text);
    s->retry_after_ms = a->retry_after_ms;
    s->flags = a->flags;
    buf_add(&s->body, a->body.data, a->body.len);
}

struct aiex_slice cells_body(int64_t n, size_t len)
{
    uint8_t *mem = malloc(len + 64);
    uint8_t *fill = malloc(len + 1);
    struct aiex_writer w;

    for (size_t i = 0; i < len; i++)
        fill[i] = (uint8_t)((uint64_t)n + i * 7);
    aiex_writer_init(&w, mem, len + 64);
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "n", n);
    aiex_w_key_bin(&w, "fill", fill, len);
    free(fill);
    return aiex_written(&w);
}

int64_t cells_body_n(struct aiex_slice body)
{
    struct aiex_slice fill = {0};
    int64_t n = -1;

    if (aiex_get_int(body, "n", &n) != 1 || aiex_get_bytes(body, "fill", &fill) != 1)
        return -1;
    for (size_t i = 0; i < fill.len; i++)
        if (fill.data[i] != (uint8_t)((uint64_t)n + i * 7))
            return -2;
    return n;
}

int cells_call(struct cell_rig *cell, const char *service, const char *method,
               struct aiex_slice body, const struct aiex_request *more, struct seen_answer *seen)
{
    struct aiex_request req = more ? *more : (struct aiex_request){0};

    req.struct_size = sizeof(req);
    req.service = service;
    req.method = method;
    req.body = body;
    return endpoint_call(cell->endpoint, 0, &req, seen ? seen_on : NULL, seen,
                         seen ? &seen->call : NULL);
}
