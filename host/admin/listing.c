/* listing.c - what status, plugin list and plugin stats answer with. */
#include "admin/admin_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static unsigned count(struct node *node)
{
    struct node_instance_info info;
    unsigned n = 0;

    while (node_instance(node, n, &info) == 0)
        n++;
    return n;
}

/* Layers of the sandbox that a cell has to do without, one line each; empty = all are active. */
static void pack_sandbox(struct node *node, struct pack *out)
{
    struct node_instance_info info;
    unsigned n = count(node);
    size_t missing = 0;

    for (int pass = 0; pass < 2; pass++) { /* the array's length comes first */
        if (pass) {
            pack_str(out, "sandbox_missing");
            pack_array(out, missing);
        }
        for (unsigned i = 0; i < n; i++) {
            node_instance(node, i, &info);
            for (const char *line = info.sandbox; *line;) {
                size_t len = strcspn(line, "\n");
                char text[256];

                if (*line == '-') {
                    snprintf(text, sizeof(text), "%s: %.*s", info.name, (int)len - 1, line + 1);
                    missing++;
                    if (pass)
                        pack_str(out, text);
                }
                line += len + (line[len] == '\n');
            }
        }
    }
}

void listing_status(struct admin *admin, struct pack *out)
{
    struct node *node = admin->node;
    struct node_memory_info memory;
    struct bus_stats bus;
    char why[600];
    int ready = node_ready(node, why, sizeof(why));

    bus_stats(node_bus(node), &bus);
    node_memory_info(node_memory(node), &memory);
    pack_map(out, 15);
    pack_key_str(out, "node", node_name(node));
    pack_key_str(out, "version", AIEX_VERSION);
    pack_key_int(out, "uptime_ms", (int64_t)node_uptime_ms(node));
    pack_key_bool(out, "ready", ready);
    pack_key_str(out, "reason", why);
    pack_key_int(out, "pid", getpid());
    pack_key_str(out, "data", node_data_dir(node));
    pack_key_str(out, "config", node_config_dir(node));
    pack_key_str(out, "memory", pressure_level_text(memory.pressure.level));
    pack_key_int(out, "plugins", count(node));
    pack_key_int(out, "open_calls", bus.open_calls);
    pack_key_int(out, "calls", (int64_t)bus.calls);
    pack_key_int(out, "events", (int64_t)bus.events);
    pack_key_int(out, "names", bus.names);
    pack_sandbox(node, out);
}

void listing_plugins(struct admin *admin, struct pack *out)
{
    struct node_instance_info info;
    unsigned n = count(admin->node);

    pack_map(out, 1);
    pack_str(out, "plugins");
    pack_array(out, n);
    for (unsigned i = 0; i < n; i++) {
        node_instance(admin->node, i, &info);
        pack_map(out, 19);
        pack_key_str(out, "name", info.name);
        pack_key_str(out, "pool", info.pool);
        pack_key_str(out, "plugin", info.plugin);
        pack_key_str(out, "kind", info.kind);
        pack_key_str(out, "version", info.version);
        pack_key_str(out, "cell", info.cell);
        pack_key_int(out, "pid", info.pid);
        pack_key_str(out, "state", info.state);
        pack_key_str(out, "reason", info.state_why);
        pack_key_int(out, "restarts", (int64_t)info.restarts);
        pack_key_str(out, "last_exit", info.last_exit);
        pack_key_int(out, "rss_bytes", (int64_t)info.rss_bytes);
        pack_key_int(out, "uptime_ms", (int64_t)info.uptime_ms);
        pack_key_int(out, "next_try_ms", (int64_t)info.next_try_ms);
        pack_key_int(out, "calls", (int64_t)info.stats->calls);
        pack_key_int(out, "in_flight", info.stats->in_flight);
        pack_key_int(out, "errors", (int64_t)info.stats->errors);
        pack_key_str(out, "sandbox", info.sandbox);
        pack_key_str(out, "summary", info.summary);
    }
}

void listing_jobs(struct admin *admin, struct pack *out)
{
    struct node_job_info info;
    unsigned n = 0;

    while (node_jobs_info(node_jobs(admin->node), n, &info) == 0)
        n++;
    pack_map(out, 1);
    pack_str(out, "jobs");
    pack_array(out, n);
    for (unsigned i = 0; i < n; i++) {
        node_jobs_info(node_jobs(admin->node), i, &info);
        pack_map(out, 12);
        pack_key_str(out, "name", info.name);
        pack_key_str(out, "cron", info.cron);
        pack_key_str(out, "zone", info.zone);
        pack_key_str(out, "service", info.service);
        pack_key_str(out, "method", info.method);
        pack_key_int(out, "next", info.next_ms);
        pack_key_int(out, "last", info.last_ms);
        pack_key_bool(out, "running", info.running);
        pack_key_int(out, "runs", (int64_t)info.runs);
        pack_key_int(out, "failures", (int64_t)info.failures);
        pack_key_int(out, "skipped", (int64_t)info.skipped);
        pack_key_str(out, "last_error", info.last_error);
    }
}

void listing_stats(struct admin *admin, const char *name, struct pack *out)
{
    struct node_instance_info info;
    unsigned n = count(admin->node), matching = 0;

    for (unsigned i = 0; i < n; i++) {
        node_instance(admin->node, i, &info);
        matching += !name[0] || !strcmp(name, info.name);
    }
    pack_map(out, 1);
    pack_str(out, "instances");
    pack_array(out, matching);
    for (unsigned i = 0; i < n; i++) {
        node_instance(admin->node, i, &info);
        if (name[0] && strcmp(name, info.name))
            continue;
        pack_map(out, 11);
        pack_key_str(out, "name", info.name);
        pack_key_int(out, "calls", (int64_t)info.stats->calls);
        pack_key_int(out, "errors", (int64_t)info.stats->errors);
        pack_key_int(out, "crashed", (int64_t)info.stats->crashed);
        pack_key_int(out, "refused", (int64_t)info.stats->refused);
        pack_key_int(out, "casts", (int64_t)info.stats->casts);
        pack_key_int(out, "bytes_in", (int64_t)info.stats->bytes_in);
        pack_key_int(out, "bytes_out", (int64_t)info.stats->bytes_out);
        pack_key_int(out, "in_flight", info.stats->in_flight);
        pack_key_int(out, "waiting", info.stats->waiting);
        pack_key_int(out, "mean_us",
                     info.stats->calls ? (int64_t)(info.stats->latency_us_sum / info.stats->calls) : 0);
    }
}

/* ---- Who holds a name ---- */

struct members {
    const char *name;
    struct pack *out; /* NULL: only counted */
    size_t n;
};

static void take_member(void *arg, const char *name, int group, const char *holder)
{
    struct members *m = arg;

    (void)group;
    if (strcmp(name, m->name))
        return;
    m->n++;
    if (m->out)
        pack_str(m->out, holder);
}

void listing_members(struct admin *admin, const char *name, struct pack *out)
{
    struct members m = {.name = name};

    bus_each_name(node_bus(admin->node), take_member, &m);
    pack_map(out, 1);
    pack_str(out, "members");
    pack_array(out, m.n);
    m.out = out;
    bus_each_name(node_bus(admin->node), take_member, &m);
}
