/*
 * bus.h - who gets which record. The bus routes calls, streams and events between
 * ports by their headers; it never looks into a body.
 *
 * A port is one incarnation of a cell (through its channel) or a part of the host
 * that serves or calls itself. An instance is a configured name; it is bound to the
 * port that serves it now, so a restart or an upgrade is a new binding. A service name
 * is held by one instance (unique) or by several (group). Names are resolved in one
 * function (registry.c: bus_resolve), which is where another node can be put behind a
 * name.
 *
 * Promises: every call that waits for an answer ends exactly once: with its answer,
 * `timeout`, `crashed`, `busy`, `unavailable`, or silently when the caller cancelled
 * or died. A request that a dying cell had not begun goes to its successor.
 *
 * Thread rule: loop thread. Ownership: objects belong to the bus until their _free.
 */
#ifndef AIEX_BUS_H
#define AIEX_BUS_H

#include "channel/channel.h"

#include <aiex/aiex_plugin.h>

struct bus;
struct bus_port;
struct bus_instance;

struct bus_limits {
    uint32_t timeout_ms;  /* calls that name none */
    uint32_t calls_max;   /* open calls made by one port */
    uint32_t queue_max;   /* calls that wait for one instance to come (back) up */
    uint32_t events_max;  /* bytes of events that wait for a slow cell */
};
struct bus *bus_new(const struct bus_limits *limits, uint64_t now_ms);
void bus_free(struct bus *bus);
/* From now on, for calls that name no limit and whose instance has none. */
void bus_default_timeout(struct bus *bus, uint32_t timeout_ms);
/* Ends overdue calls; to be called every BUS_TICK_MS or so with the loop's clock. */
#define BUS_TICK_MS 20u
void bus_tick(struct bus *bus, uint64_t now_ms);
/* Ends a turn: events that waited may go, the clock is asked anew. For hub_after(). 1 when something
 * went. */
int bus_flush(struct bus *bus);

/* ---- Ports ---- */

struct bus_port_ops {
    /* Sends to the port's process: as channel_send(). */
    int (*send)(void *arg, const struct record *head, const void *body, size_t len);
    /* Bytes waiting to be sent; may be NULL (never any). */
    size_t (*queued)(void *arg);
    /* The port broke the protocol: the owner ends it. */
    void (*violation)(void *arg, const char *why);
};
struct bus_port *bus_port_new(struct bus *bus, const struct bus_port_ops *ops, void *arg);
/* A record from the port: NAME REQ STREAM REP CREDIT CANCEL EVENT JOIN SUB. */
void bus_port_record(struct bus_port *port, const struct record *head, const uint8_t *body);
/* Says which instance of the node is number `index` in the port's process. */
int bus_port_instance(struct bus_port *port, unsigned index, struct bus_instance *instance);
/* Calls that end at this port are counted here, too; NULL ends that. */
struct bus_instance_stats;
void bus_port_count(struct bus_port *port, struct bus_instance_stats *stats);
/* Calls that the port still owes an answer. */
unsigned bus_port_owed(const struct bus_port *port);
/* The process is gone. `channel` (may be NULL) is its channel, already drained: what it had not
 * begun is found there and sent on. Frees the port. */
void bus_port_dead(struct bus_port *port, struct channel *channel, const char *why);

/* ---- Instances and names ---- */

enum bus_serving {
    BUS_DOWN, /* calls are refused: unavailable */
    BUS_SOON, /* calls wait, bounded by queue_max and their deadlines */
    BUS_UP
};
#define BUS_CALLERS_MAX 511u /* bytes */
struct bus_instance_options {
    uint32_t timeout_ms; /* 0 = the bus's */
    uint32_t queue_max;  /* 0 = the bus's */
    uint32_t only_key; /* only the port of this key (bus_port_key) may call it; 0 = everyone */
    uint32_t in_flight_max; /* 0 = unlimited; above it calls get busy */
    const char *callers; /* instances that may call it, patterns (copied); NULL or "" = everyone */
};
struct bus_instance *bus_instance_new(struct bus *bus, const char *name,
                                      const struct bus_instance_options *options);
/* Refuses what waits, forgets the names. */
void bus_instance_free(struct bus_instance *instance);
struct bus_instance *bus_instance_find(struct bus *bus, const char *name);
const char *bus_instance_name(const struct bus_instance *instance);
void bus_instance_options(struct bus_instance *instance, const struct bus_instance_options *options);
/* From now on requests go to this port, as its instance `index`; what waited goes first. */
void bus_instance_bind(struct bus_instance *instance, struct bus_port *port, unsigned index);
/* BUS_DOWN or BUS_SOON: no port serves it now. `why` is told to refused callers. */
void bus_instance_unbind(struct bus_instance *instance, enum bus_serving serving, const char *why);
enum bus_serving bus_instance_serving(const struct bus_instance *instance);

/* ---- Pools (pool.c) ----
 * An instance that several ports serve, one call at a time each; its owner says which serves what.
 * Ports of a pool have it as their instance 0. A name that its ports joined leaves with the last. */

/* Makes the instance a pool (gone NULL: a plain one again). gone() tells that a call that
 * bus_pool_next() gave ended before it was run; it must not enter the bus. */
void bus_pool(struct bus_instance *instance, void (*gone)(void *arg, uint32_t call), void *arg);
/* A call that came: 1, or 0 when there is none. priority as aiex_request.priority. */
int bus_pool_next(struct bus_instance *instance, uint32_t *ret_call, unsigned *ret_priority);
/* Sends a call that bus_pool_next() gave to a port. 0; -ENOENT: it has ended. */
int bus_pool_run(struct bus_instance *instance, uint32_t call, struct bus_port *port);
/* Ends it with `busy`. */
void bus_pool_refuse(struct bus_instance *instance, uint32_t call);
/* Calls that were given and not run come from bus_pool_next() again. */
void bus_pool_again(struct bus_instance *instance);
/* Some port serves now; bus_instance_unbind() when none does. */
void bus_pool_up(struct bus_instance *instance);

struct bus_instance_stats {
    uint64_t calls, errors, casts, bytes_in, bytes_out, crashed, refused;
    uint64_t latency_us_sum;
    uint64_t latency_bucket[16]; /* below 2^n * 64 us; the last one is the rest */
    uint32_t in_flight, waiting;
};
const struct bus_instance_stats *bus_instance_stats(const struct bus_instance *instance);

/* Names an instance holds beside its own: calls fn for each. */
void bus_each_name(struct bus *bus,
                   void (*fn)(void *arg, const char *name, int group, const char *holder), void *arg);

/* ---- For a host that executes a new image of itself (save.c) ---- */

/* A number of the owner's that names the port in what is saved; never 0. */
void bus_port_key(struct bus_port *port, uint32_t key);
struct pack;
/* Writes names, calls, bindings and subscriptions down. Waiting events are dropped and counted. */
void bus_save(struct bus *bus, struct pack *out);
/* Into a fresh bus in which ports (with their keys) and instances (by name) exist again. Calls whose
 * instance is gone end with `unavailable`. 0, -EPROTO, -ENOMEM. */
int bus_load(struct bus *bus, const void *doc_value);

struct bus_stats {
    uint64_t calls, casts, events, deliveries, events_dropped, timeouts, violations, redispatched;
    uint32_t open_calls, ports, instances, names;
};
void bus_stats(const struct bus *bus, struct bus_stats *out);

/* Shows every record of an instance (both directions) to fn; NULL ends it. One tap at a time per
 * instance. */
typedef void (*bus_tap_fn)(void *arg, int to_instance, const struct record *head, const char *service,
                           const char *method);
void bus_tap(struct bus_instance *instance, bus_tap_fn fn, void *arg);

#endif
