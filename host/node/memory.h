/*
 * memory.h - the node's watch over memory: reads what the system says (memory_files.h), judges it
 * (schedule/pressure.h), and looks at one cell after the other.
 *
 * One reading each `memory_interval`, at most one cell with it; a cell whose figures took the
 * kernel long is read the quick way from then on. Whoever listens is told of each change, again
 * each MEMORY_TELL_MS while something is to be given back (an event may have been missed), and once
 * after an upgrade of the host.
 *
 * Thread rule: loop thread.
 */
#ifndef AIEX_NODE_MEMORY_H
#define AIEX_NODE_MEMORY_H

#include "node/memory_files.h"
#include "schedule/pressure.h"

#define MEMORY_TELL_MS 5000u
#define MEMORY_CALM_MS 60000u /* the same when all is well, once something was told */

struct node;
struct node_memory;
struct config_host;

struct node_memory *node_memory_new(struct node *node); /* NULL: no memory */
void node_memory_free(struct node_memory *memory);
/* New options; `again` = the program of the host was replaced. */
void node_memory_apply(struct node_memory *memory, const struct config_host *host, int again);

struct node_memory_info {
    struct pressure pressure;
    struct memory_reading reading;
    int watched;              /* memory_interval is not 0 */
    uint64_t rises, since_ms; /* times that the level rose; age of the level */
};
void node_memory_info(const struct node_memory *memory, struct node_memory_info *ret);
/* fn(arg) when there is something to tell. */
void node_memory_on_change(struct node_memory *memory, void (*fn)(void *arg), void *arg);

struct node_cell_memory {
    const char *cell;
    int pid;
    int64_t bytes; /* 0 = not looked at yet */
};
/* The i-th process of all cells, the host itself first. 0, -ENOENT past the last. */
int node_memory_cell(struct node *node, unsigned i, struct node_cell_memory *ret);

#endif
