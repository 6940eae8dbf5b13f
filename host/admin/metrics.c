/*
 * metrics.c - the host's counters as Prometheus text (exposition format 0.0.4). One
 * table names each metric; instance metrics have the label `plugin`.
 */
#include "admin/admin_private.h"

#include <string.h>

/* A pool's calls are counted at its name, its processes at their own. */
enum whose { ALL, SERVICE, PROCESS };

struct of_instance {
    const char *name, *type, *help;
    double (*value)(const struct node_instance_info *);
    enum whose whose;
};

static int is_of(const struct node_instance_info *i, enum whose whose)
{
    return whose == ALL || (whose == SERVICE ? !i->pool[0] : !i->workers);
}

static double v_up(const struct node_instance_info *i)
{
    return !strcmp(i->state, "up");
}

static double v_restarts(const struct node_instance_info *i)
{
    return (double)i->restarts;
}

static double v_rss(const struct node_instance_info *i)
{
    return (double)i->rss_bytes;
}

static double v_calls(const struct node_instance_info *i)
{
    return (double)i->stats->calls;
}

static double v_errors(const struct node_instance_info *i)
{
    return (double)i->stats->errors;
}

static double v_in_flight(const struct node_instance_info *i)
{
    return i->stats->in_flight;
}

static double v_waiting(const struct node_instance_info *i)
{
    return i->stats->waiting;
}

static double v_bytes_in(const struct node_instance_info *i)
{
    return (double)i->stats->bytes_in;
}

static double v_bytes_out(const struct node_instance_info *i)
{
    return (double)i->stats->bytes_out;
}

static const struct of_instance instance_metrics[] = {
    {"aiex_plugin_up", "gauge", "1 when the plugin serves.", v_up, ALL},
    {"aiex_plugin_restarts_total", "counter", "Times the plugin's cell was started again.", v_restarts, PROCESS},
    {"aiex_plugin_resident_memory_bytes", "gauge", "Resident memory of the plugin's cell.", v_rss, PROCESS},
    {"aiex_plugin_calls_total", "counter", "Calls that ended, well or not.", v_calls, SERVICE},
    {"aiex_plugin_call_errors_total", "counter", "Calls that ended with an error.", v_errors, SERVICE},
    {"aiex_plugin_calls_in_flight", "gauge", "Calls being served.", v_in_flight, SERVICE},
    {"aiex_plugin_calls_waiting", "gauge", "Calls that wait for the plugin to come up.", v_waiting, SERVICE},
    {"aiex_plugin_request_bytes_total", "counter", "Bytes of requests to the plugin.", v_bytes_in, SERVICE},
    {"aiex_plugin_answer_bytes_total", "counter", "Bytes of parts and answers from it.", v_bytes_out, SERVICE},
};

static void one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name, value);
}

static void latency(struct admin *admin, struct buf *out)
{
    struct node_instance_info info;

    buf_addf(out, "# HELP aiex_plugin_call_duration_seconds Time from request to end.\n"
                  "# TYPE aiex_plugin_call_duration_seconds histogram\n");
    for (unsigned i = 0; node_instance(admin->node, i, &info) == 0; i++) {
        uint64_t sum = 0;

        if (!is_of(&info, SERVICE))
            continue;
        for (int b = 0; b < 15; b++) {
            sum += info.stats->latency_bucket[b];
            buf_addf(out, "aiex_plugin_call_duration_seconds_bucket{plugin=\"%s\",le=\"%g\"} %llu\n",
                     info.name, (double)((uint64_t)64 << b) / 1e6, (unsigned long long)sum);
        }
        sum += info.stats->latency_bucket[15];
        buf_addf(out,
                 "aiex_plugin_call_duration_seconds_bucket{plugin=\"%s\",le=\"+Inf\"} %llu\n"
                 "aiex_plugin_call_duration_seconds_sum{plugin=\"%s\"} %.6f\n"
                 "aiex_plugin_call_duration_seconds_count{plugin=\"%s\"} %llu\n",
                 info.name, (unsigned long long)sum, info.name, (double)info.stats->latency_us_sum / 1e6,
                 info.name, (unsigned long long)sum);
    }
}

static void memory(struct admin *admin, struct buf *out)
{
    struct node_cell_memory cell;
    struct node_memory_info info;

    node_memory_info(node_memory(admin->node), &info);
    one(out, "aiex_memory_pressure_level", "gauge", "0 ok, 1 elevated, 2 high, 3 critical.",
        info.pressure.level);
    one(out, "aiex_memory_pressure_step", "gauge", "Who gives back: parts of this order and below.",
        info.pressure.step);
    one(out, "aiex_memory_pressure_rises_total", "counter", "Times that the level rose.", (double)info.rises);
    one(out, "aiex_memory_used_bytes", "gauge", "Memory in use of what limits first.",
        (double)info.reading.used_bytes);
    one(out, "aiex_memory_limit_bytes", "gauge", "That limit.", (double)info.reading.limit_bytes);
    buf_addf(out, "# HELP aiex_cell_memory_bytes Memory of a process, shared pages by their share.\n"
                  "# TYPE aiex_cell_memory_bytes gauge\n");
    for (unsigned i = 0; node_memory_cell(admin->node, i, &cell) == 0; i++)
        buf_addf(out, "aiex_cell_memory_bytes{cell=\"%s\",pid=\"%d\"} %lld\n",
                 cell.cell[0] ? cell.cell : "aiex-host", cell.pid, (long long)cell.bytes);
}

void metrics_text(struct admin *admin, struct buf *out)
{
    struct node_instance_info info;
    struct bus_stats bus;
    char why[16];

    bus_stats(node_bus(admin->node), &bus);
    one(out, "aiex_ready", "gauge", "1 when every plugin that should be up is up.",
        node_ready(admin->node, why, sizeof(why)));
    one(out, "aiex_uptime_seconds", "gauge", "Time since the host started.",
        (double)node_uptime_ms(admin->node) / 1000);
    one(out, "aiex_cluster_nodes", "gauge", "Nodes of the cluster that are up.", 1);
    one(out, "aiex_calls_total", "counter", "Calls routed.", (double)bus.calls);
    one(out, "aiex_casts_total", "counter", "Casts routed.", (double)bus.casts);
    one(out, "aiex_open_calls", "gauge", "Calls that wait for their end.", bus.open_calls);
    one(out, "aiex_call_timeouts_total", "counter", "Calls ended by their deadline.", (double)bus.timeouts);
    one(out, "aiex_calls_redispatched_total", "counter", "Requests that survived a crash by being sent again.",
        (double)bus.redispatched);
    one(out, "aiex_events_published_total", "counter", "Events published.", (double)bus.events);
    one(out, "aiex_events_delivered_total", "counter", "Events delivered to cells.", (double)bus.deliveries);
    one(out, "aiex_events_dropped_total", "counter", "Events that slow cells missed.",
        (double)bus.events_dropped);
    one(out, "aiex_protocol_violations_total", "counter", "Cells ended for breaking the protocol.",
        (double)bus.violations);
    for (size_t m = 0; m < sizeof(instance_metrics) / sizeof(instance_metrics[0]); m++) {
        const struct of_instance *metric = &instance_metrics[m];

        buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, metric->type);
        for (unsigned i = 0; node_instance(admin->node, i, &info) == 0; i++)
            if (is_of(&info, metric->whose))
                buf_addf(out, "%s{plugin=\"%s\"} %.17g\n", metric->name, info.name, metric->value(&info));
    }
    latency(admin, out);
    memory(admin, out);
}
