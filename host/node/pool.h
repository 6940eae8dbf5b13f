/*
 * pool.h - an instance with workers_max above 1: a pool of cells that share its calls.
 *
 * The instance NAME is served by the units NAME#1, NAME#2 ..., all with the same plugin and
 * options. `workers` of them always run, supervised as configured; the others are made when calls
 * wait and removed after `workers_idle` without work. Each worker has one call at a time; what
 * finds none free waits in one queue of at most `queue` calls, in order of priority (8 high : 3
 * normal : 1 low while all wait) and arrival; above that callers get `busy`. schedule/workers.h
 * decides, this performs.
 *
 *   - A call that is cancelled or runs out of time frees its worker at once, whatever the plugin
 *     still does; casts never occupy one.
 *   - When a worker dies, its call ends with `crashed`, or moves as any other instance's would.
 *   - Timers, subscriptions and data folders are per worker: events reach each of them. A name that
 *     they join stays until the last one is gone.
 *   - A new image of the host takes the workers over; temporary ones without a call end then.
 *
 * Everything is looked at once per loop turn (pools_turn), so no decision is made inside the bus or
 * the supervisor. Thread rule: loop thread.
 */
#ifndef AIEX_NODE_POOL_H
#define AIEX_NODE_POOL_H

#include "node/node_private.h"

struct pool;

/* 1 when the configuration wants a pool for it. */
int pool_wanted(const struct config_instance *c);
/* NULL when there is none of that name. */
struct pool *pool_find(struct node *node, const char *name);
/* Takes the bus instance. NULL: no memory; it is then still the caller's. */
struct pool *pool_new(struct node *node, const char *name, struct bus_instance *bus);
/* Takes over what the configuration says; workers that run stay. 0, -ENOMEM. */
int pool_set(struct pool *pool, const struct config_instance *c);
const char *pool_name(const struct pool *pool);
struct bus_instance *pool_bus(const struct pool *pool);
/* 1 when it was removed, and its workers still end. */
int pool_removed(const struct pool *pool);
/* Its instance, plain again and the caller's, NULL = gone already; the pool is then to be removed.
 */
struct bus_instance *pool_give_bus(struct pool *pool);
/* New incarnations of all workers. */
void pool_replace(struct pool *pool);
/* Ends its workers; it goes with the last of them and is not found any more. */
void pool_remove(struct pool *pool);
/* A unit joins; it leaves by pool_unit_gone(). */
void pool_unit_new(struct pool *pool, struct unit *unit, int temporary);
void pool_unit_gone(struct unit *unit);
/* Also those that were removed and still end; fn may remove the pool it is given. */
void pools_each(struct node *node, void (*fn)(void *arg, struct pool *pool), void *arg);
/* All pools; 1 when something was done. */
int pools_turn(struct node *node);
void pools_free(struct node *node);
/* Its row in the list of instances; texts live until the next loop turn. */
void pool_info(struct pool *pool, struct node_instance_info *ret);

#endif
