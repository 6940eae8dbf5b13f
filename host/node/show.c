/* show.c - what the node tells about itself: readiness and instances. */
#include "node/node_private.h"

#include "base/clock.h"
#include "node/pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct loop *node_loop(struct node *node)
{
    return node->loop;
}

struct bus *node_bus(struct node *node)
{
    return node->bus;
}

struct inside *node_inside(struct node *node)
{
    return node->inside;
}

struct node_jobs *node_jobs(struct node *node)
{
    return node->jobs;
}

struct node_memory *node_memory(struct node *node)
{
    return node->memory;
}

const struct config *node_config(const struct node *node)
{
    return node->config;
}

const char *node_name(const struct node *node)
{
    return node->config ? node->config->host.node : "";
}

const char *node_data_dir(const struct node *node)
{
    return node->data_dir;
}

const char *node_config_dir(const struct node *node)
{
    return node->config_dir;
}

uint64_t node_uptime_ms(const struct node *node)
{
    return clock_ms() - node->started_ms;
}

int node_ready(struct node *node, char *why, size_t size)
{
    list_each(it, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);
        struct supervise_info info;

        if (unit->removed || unit->temporary || supervise_info(node->supervisor, (uint32_t)unit->number, &info) < 0 ||
            info.state == SUPERVISE_UP || info.state == SUPERVISE_STOPPED)
            continue;
        snprintf(why, size, "%s is %s (%s)", unit->name, supervise_state_text(info.state),
                 unit->last_exit[0] ? unit->last_exit : supervise_why_text(info.why));
        return 0;
    }
    snprintf(why, size, "%s", "");
    return 1;
}

static void fill_info(struct node *node, struct unit *unit, struct node_instance *in,
                      struct node_instance_info *ret)
{
    struct process *p = unit->serving;
    struct supervise_info info = {0};

    if (!p && !list_empty(&unit->processes))
        p = list_of(unit->processes.next, struct process, link);
    supervise_info(node->supervisor, (uint32_t)unit->number, &info);
    *ret = (struct node_instance_info){
        .name = in->name,
        .plugin = in->info->name,
        .kind = in->info->kind,
        .version = in->info->version,
        .summary = in->info->summary,
        .cell = unit->name,
        .state = supervise_state_text(info.state),
        .state_why = supervise_why_text(info.why),
        .last_exit = unit->last_exit,
        .sandbox = p && p->sandbox ? p->sandbox : "",
        .pid = p ? cell_pid(p->cell) : 0,
        .restarts = info.n_restarts,
        .rss_bytes = p ? cell_rss_bytes(p->cell) : 0,
        .uptime_ms = p && p->ready_ms ? loop_now_ms(node->loop) - p->ready_ms : 0,
        .next_try_ms = info.next_ms == SUPERVISE_NEVER || info.next_ms < loop_now_ms(node->loop)
                           ? 0
                           : info.next_ms - loop_now_ms(node->loop),
        .stats = unit->pool ? &unit->stats : bus_instance_stats(in->bus),
        .pool = unit->pool ? pool_name(unit->pool) : "",
    };
    if (unit->pool && unit->serving)
        unit->stats.in_flight = bus_port_owed(unit->serving->port);
}

/* 1 for the first unit of a pool: the pool's own row stands before it. */
static int begins_pool(struct node *node, const struct unit *unit)
{
    list_each(it, &node->units) {
        const struct unit *other = list_of(it, struct unit, link);

        if (other->pool == unit->pool && !other->removed)
            return other == unit && unit->pool != NULL;
    }
    return 0;
}

int node_instance(struct node *node, unsigned i, struct node_instance_info *ret)
{
    list_each(it, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);

        list_each(jt, &unit->instances) {
            int row_of_pool = begins_pool(node, unit);

            if (i == 0 || (i == 1 && row_of_pool)) {
                fill_info(node, unit, list_of(jt, struct node_instance, link), ret);
                if (i == 0 && row_of_pool)
                    pool_info(unit->pool, ret);
                return 0;
            }
            i -= 1 + (unsigned)row_of_pool;
        }
    }
    return -ENOENT;
}

struct bus_instance *node_bus_instance(struct node *node, const char *name)
{
    return bus_instance_find(node->bus, name);
}

void node_on_state(struct node *node,
                   void (*fn)(void *arg, const char *instance, const char *state, const char *why),
                   void *arg)
{
    node->on_state = fn;
    node->on_state_arg = arg;
}

void node_on_config(struct node *node,
                    void (*fn)(void *arg, const char *section, const char *change, const char *why),
                    void *arg)
{
    node->on_config = fn;
    node->on_config_arg = arg;
}

void node_on_turn(struct node *node, int (*fn)(void *arg), void *arg)
{
    node->on_turn = fn;
    node->on_turn_arg = arg;
}
