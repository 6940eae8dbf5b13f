/*
 * bench_host.c - figures of the host: bench_host BUILD [start|calls|events|faults].
 *
 * Every part runs aiex-host of the build folder with service_bench.so in cells and a
 * configuration of its own. Prints rows `name value unit`; see docs/benchmarks.md.
 */
#include "bench_host.h"

#include "measure.h"
#include "proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct aiex_slice load_body(const struct load_spec *spec)
{
    static uint8_t mem[512];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 7);
    aiex_w_key_str(&w, "service", spec->service);
    aiex_w_key_str(&w, "method", spec->method ? spec->method : "echo");
    aiex_w_key_int(&w, "n", spec->n);
    aiex_w_key_int(&w, "for_ms", spec->for_ms);
    aiex_w_key_int(&w, "window", spec->window ? spec->window : 1);
    aiex_w_key_int(&w, "bytes", spec->bytes ? spec->bytes : 48);
    aiex_w_key_int(&w, "samples", !spec->no_samples);
    return aiex_written(&w);
}

struct aiex_slice body_int(const char *key, int64_t v)
{
    static uint8_t mem[128];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_int(&w, key, v);
    return aiex_written(&w);
}

struct ending load_run(struct deployment *d, const char *by, const struct load_spec *spec)
{
    struct ending end;

    control_wait(d->control, control_send(d->control, by, "load", load_body(spec), 120000), &end);
    if (end.code[0])
        give_up("load of %s by %s failed: %s, %s", spec->service, by, end.code, end.text);
    return end;
}

/* ---- Readiness, memory, idle ---- */

static void ready(const char *name, const char *conf)
{
    struct series took = {0};

    for (long i = 0; i < rounds(15, 1); i++) {
        struct deployment d;

        deployment_start(&d, conf, BENCH_PLUGINS, -1);
        series_add(&took, d.ready_ms);
        deployment_stop(&d);
    }
    row(name, series_at(&took, 0.5), "ms");
    series_done(&took);
}

static void memory(const char *name, double mb)
{
    if (mb < 0)
        note("%s: memory of a cell can only be read by root", name);
    else
        row(name, mb, "MB");
}

static int pid_of(struct deployment *d, const char *instance)
{
    return (int)control_ask(d->control, instance, "pid", (struct aiex_slice){0}, "pid");
}

static void idle_cpu(struct deployment *d)
{
    struct tree tree = {{d->pid}, 1};
    struct tree_cost before = tree_cost(&tree), after;
    uint64_t t0 = now_ns();

    pause_ms((unsigned)rounds(10000, 300));
    after = tree_cost(&tree);
    row("host.idle_cpu_per_10s",
        (double)(after.cpu_ns - before.cpu_ns) / 1e6 * 1e10 / (double)(now_ns() - t0), "ms");
}

/* One of ten plain plugins; then one of three with libcurl beside ten plain ones. Proportional
 * figures fall with the number of cells that share a page, private ones do not. */
static void idle(const char *ten)
{
    struct deployment d;
    struct tree tree;
    char *conf = NULL;

    deployment_start(&d, ten, BENCH_PLUGINS, -1);
    pause_ms(200); /* the last work of starting */
    memory("host.idle_pss", pss_mb(d.pid));
    memory("host.idle_pss_plain_plugin", pss_mb(pid_of(&d, "service_bench3")));
    memory("host.idle_private_plain_plugin", private_mb(pid_of(&d, "service_bench3")));
    tree_of(d.pid, &tree);
    memory("host.idle_pss_all_10_plugins", tree_cost(&tree).pss_mb);
    idle_cpu(&d);
    deployment_stop(&d);

    if (asprintf(&conf, "%s[service_bench_http]\n[service_bench_http:b]\n[service_bench_http:c]\n",
                 ten) < 0)
        give_up("no memory");
    deployment_start(&d, conf, BENCH_PLUGINS, -1);
    free(conf);
    pause_ms(200);
    memory("host.idle_pss_http_plugin", pss_mb(pid_of(&d, "service_bench_http:b")));
    memory("host.idle_private_http_plugin", private_mb(pid_of(&d, "service_bench_http:b")));
    memory("host.idle_pss_plain_plugin_beside_http", pss_mb(pid_of(&d, "service_bench3")));
    deployment_stop(&d);
}

void bench_start(void)
{
    static const char ten[] =
        "[host]\nnode = bench\n"
        "[service_bench0]\n[service_bench1]\n[service_bench2]\n[service_bench3]\n"
        "[service_bench4]\n[service_bench5]\n[service_bench6]\n[service_bench7]\n"
        "[service_bench8]\n[service_bench9]\n";

    ready("host.ready_0_plugins.p50", "[host]\nnode = bench\n");
    ready("host.ready_10_plugins.p50", ten);
    idle(ten);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"start", bench_start},
                 {"calls", bench_calls},
                 {"events", bench_events},
                 {"faults", bench_faults}};
    int found = 0;

    if (argc < 2 || argc > 3) {
        fputs("usage: bench_host BUILD [start|calls|events|faults]\n", stderr);
        return 2;
    }
    bench_build = argv[1];
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (argc == 3 && strcmp(argv[2], parts[i].name))
            continue;
        found = 1;
        note("host: %s", parts[i].name);
        parts[i].run();
    }
    if (!found)
        give_up("no part is named '%s'", argv[2]);
    return 0;
}
