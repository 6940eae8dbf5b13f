/*
 * cells.h - a bus with cells around it, all in this process: each cell is an endpoint
 * whose records wait in two queues instead of rings, so that a test decides when they
 * travel, may look at them, refuse them, or put its own among them.
 */
#ifndef TESTS_HOST_BUS_CELLS_H
#define TESTS_HOST_BUS_CELLS_H

#include "base/buf.h"
#include "bus/bus.h"
#include "channel/endpoint.h"

#define CELLS_MAX  8u
#define CELL_PARTS 4u

struct kept {
    struct kept *next;
    uint64_t pos;
    struct record head;
    uint8_t body[];
};

struct kept_queue {
    struct kept *first, *last;
    size_t bytes;
};

struct cells;
struct cell_rig {
    struct cells *all;
    struct bus_port *port; /* NULL: dead */
    struct endpoint *endpoint;
    struct bus_instance *instances[CELL_PARTS];
    char names[CELL_PARTS][64];
    unsigned n;
    /* What its plugins do; NULL: echo the body. */
    int (*handle)(struct cell_rig *cell, unsigned instance, const struct aiex_message *message);
    int local; /* calls between its instances stay inside */
    struct kept_queue to_bus, to_cell;
    size_t room;      /* bytes of to_cell before the bus gets -ENOBUFS; 0 = any */
    size_t room_out;  /* the same towards the bus */
    int stopped;      /* reads nothing */
    int proto_errors; /* of endpoint_record() */
    unsigned violations;
    char why[128];
    unsigned begun;
    unsigned stream_records; /* that came to it or went from it */
    /* Seen by the handler of the rig itself. */
    unsigned requests, casts, cancels, resumes, events;
    uint64_t last_id, last_trace;
    unsigned last_instance;
    uint32_t last_flags, last_timeout_ms;
    char last_method[64], last_service[64];
    struct buf last_body;
};

struct cells {
    struct bus *bus;
    uint64_t now_ms;
    struct cell_rig *cells[CELLS_MAX];
    unsigned n;
};

void cells_init(struct cells *all);
void cells_done(struct cells *all);
/* A cell with n instances "name", "name:1", ...; each is bound. */
struct cell_rig *cells_add(struct cells *all, const char *name, unsigned n);
/* A new incarnation for the instances of a dead or living cell; they are bound to it. */
struct cell_rig *cells_successor(struct cells *all, struct cell_rig *old);
/* The process is gone, with no channel to look at. */
void cells_kill(struct cell_rig *cell);
/* Lets records travel until nothing moves. Returns how many did. */
unsigned cells_run(struct cells *all);
/* One round only: what waits now, not what that brings. */
unsigned cells_step(struct cells *all);
/* A record from the cell's process as the bus gets it, made by hand. */
void cells_raw(struct cell_rig *cell, const struct record *head, const void *body);
void cells_tick(struct cells *all, uint64_t ms);

/* What a caller saw of one call. */
struct seen_answer {
    unsigned parts, ends, after_end;
    size_t part_bytes, largest_part;
    char code[32], text[200];
    uint32_t retry_after_ms, flags;
    uint64_t call;
    struct buf body; /* of the end */
    struct buf streamed;
};
void seen_init(struct seen_answer *s);
void seen_done(struct seen_answer *s);
void seen_on(void *arg, const struct aiex_answer *answer);

/* {"n": n, "fill": bytes} of about `len` bytes in all. The caller frees data. */
struct aiex_slice cells_body(int64_t n, size_t len);
int64_t cells_body_n(struct aiex_slice body);

/* Calls from instance 0 of a cell; `more` (may be NULL) gives flags, parent, window, timeout. */
int cells_call(struct cell_rig *cell, const char *service, const char *method,
               struct aiex_slice body, const struct aiex_request *more, struct seen_answer *seen);

#endif
