/* pool_private.h - a pool's slots, shared by pool.c and pool_life.c only. */
#ifndef AIEX_NODE_POOL_PRIVATE_H
#define AIEX_NODE_POOL_PRIVATE_H

#include "node/pool.h"
#include "schedule/workers.h"

#define SLOTS_MAX 64 /* of the keys workers, workers_max */

enum life { FREE, STARTING, IDLE, BUSY, STOPPING };

struct slot {
    enum life life;
    struct unit *unit;     /* NULL: FREE, or none is to be had */
    struct bus_port *port; /* BUSY: compared only */
};

struct pool {
    struct list link;
    struct node *node;
    char name[64];
    struct bus_instance *bus;
    struct workers_spec spec;
    struct workers *workers;
    struct workers_actions actions;
    struct slot slots[SLOTS_MAX];
    unsigned n_units;
    int begun, removed;
    char text[160];
};

#endif
