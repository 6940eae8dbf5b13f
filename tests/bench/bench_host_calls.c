/*
 * bench_host_calls.c - what a call costs: inside one cell, to the host, from cell to cell; one
 * at a time and pipelined. Latencies are measured with everything on one processor, where a hop
 * is a process switch; rates on all of them.
 */
#include "bench_host.h"

#include "measure.h"
#include "proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTING_CONF "[settings:bench]\nvalue = %d\n"

static const char conf[] = "[host]\nnode = bench\n"
                           "[service_bench0]\ncell = pair\n[service_bench0:near]\ncell = pair\n"
                           "[service_bench0:far]\n[service_bench1]\n[settings:bench]\nvalue = 1\n";

static void one_at_a_time(struct deployment *d)
{
    struct load_spec far = {.service = "service_bench0:far", .n = rounds(50000, 2000), .bytes = 48};
    struct load_spec host = {.service = "host", .method = "host.version", .n = rounds(50000, 2000)};
    struct ending e;

    e = load_run(d, "service_bench0", &far); /* warm */
    ending_done(&e);
    e = load_run(d, "service_bench0", &far);
    row("call.cell_host_cell_64B_same_core.p50", (double)ending_int(&e, "p50") / 1e3, "us");
    row("call.cell_host_cell_64B_same_core.p99", (double)ending_int(&e, "p99") / 1e3, "us");
    ending_done(&e);
    e = load_run(d, "service_bench0", &host);
    row("call.cell_host_64B_same_core.p50", (double)ending_int(&e, "p50") / 1e3, "us");
    ending_done(&e);
    far.bytes = 64 * 1024;
    far.n = rounds(5000, 500);
    e = load_run(d, "service_bench0", &far);
    row("call.cell_host_cell_64KB_same_core.p50", (double)ending_int(&e, "p50") / 1e3, "us");
    ending_done(&e);
}

static void inside_a_cell(struct deployment *d)
{
    struct load_spec near = {
        .service = "service_bench0:near", .n = rounds(2000000, 100000), .no_samples = 1};
    struct series took = {0};

    for (int i = 0; i < 5; i++) {
        struct ending e = load_run(d, "service_bench0", &near);

        series_add(&took, (double)ending_int(&e, "ns") / (double)ending_int(&e, "calls") / 1e3);
        ending_done(&e);
    }
    row("call.inside_one_cell", series_at(&took, 0.5), "us");
    series_done(&took);
}

/* Switches of the whole tree tell how well wake-ups are shared by the calls of a window. */
static void pipelined(struct deployment *d, const char *name, int64_t bytes, int64_t window,
                      int64_t n)
{
    struct load_spec spec = {
        .service = "service_bench0:far", .n = n, .window = window, .bytes = bytes, .no_samples = 1};
    struct series rate = {0}, switches = {0};
    struct tree tree;
    char text[96];

    tree_of(d->pid, &tree);
    for (int i = 0; i < 5; i++) {
        uint64_t before = tree_cost(&tree).switches;
        struct ending e = load_run(d, "service_bench1", &spec);

        if (ending_int(&e, "failed"))
            give_up("%s: %ld calls failed", name, (long)ending_int(&e, "failed"));
        series_add(&rate, (double)ending_int(&e, "calls") * 1e3 / (double)ending_int(&e, "ns"));
        series_add(&switches, (double)(tree_cost(&tree).switches - before) / (double)n);
        ending_done(&e);
    }
    row(name, series_at(&rate, 0.5), "M/s");
    snprintf(text, sizeof(text), "%s.switches_per_call", name);
    row(text, series_at(&switches, 0.5), "switches");
    series_done(&rate);
    series_done(&switches);
}

/* From the reload's request until its end, with the new value in every cell's page by then. */
static void settings(struct deployment *d)
{
    struct series took = {0};
    struct ending e;
    char text[1024];
    int64_t n = rounds(200000000, 20000000);

    control_wait(
        d->control,
        control_send(d->control, "service_bench1", "read_setting", body_int("n", n), 20000), &e);
    if (e.code[0] || ending_int(&e, "value") != 1)
        give_up("the setting can not be read: %s", e.text);
    row("setting.read", (double)n * 1e3 / (double)ending_int(&e, "ns"), "M/s");
    ending_done(&e);
    for (int i = 0; i < rounds(50, 5); i++) {
        uint64_t t;
        size_t head = (size_t)(strstr(conf, "[settings:bench]") - conf);

        snprintf(text, sizeof(text), "%.*s" SETTING_CONF, (int)head, conf, 100 + i);
        deployment_write_conf(d, text);
        t = now_ns();
        control_ask(d->control, "host", "host.config_reload", (struct aiex_slice){0}, NULL);
        series_add(&took, (double)(now_ns() - t) / 1e3);
        if (control_ask(d->control, "service_bench1", "read_setting", body_int("n", 1), "value") !=
            100 + i)
            give_up("a reloaded setting was not seen");
    }
    row("setting.reload_all_files.p50", series_at(&took, 0.5), "us");
    series_done(&took);
}

void bench_calls(void)
{
    struct deployment d;

    deployment_start(&d, conf, BENCH_PLUGINS, 0);
    one_at_a_time(&d);
    inside_a_cell(&d);
    pipelined(&d, "call.pipelined_64B_w128_same_core", 48, 128, rounds(500000, 20000));
    deployment_stop(&d);
    deployment_start(&d, conf, BENCH_PLUGINS, -1);
    pipelined(&d, "call.pipelined_64B_w128", 48, 128, rounds(500000, 20000));
    pipelined(&d, "call.pipelined_1KB_w128", 1024, 128, rounds(200000, 10000));
    pipelined(&d, "call.pipelined_64KB_w8", 65536, 8, rounds(5000, 500));
    settings(&d);
    deployment_stop(&d);
}
