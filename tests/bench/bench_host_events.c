/*
 * bench_host_events.c - publishing to 1, 100 and 1000 subscribers. A subscriber is an instance with
 * a subscription of its own; fifty share a cell, because the host sends one record per interested
 * cell and the cell fans out. The publisher stays at most a window ahead of the slowest cell, so
 * that nothing is dropped, and the clock stops when every subscriber has every event.
 */
#include "bench_host.h"

#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PER_CELL  50
#define ACK_EVERY 64

static char *make_conf(int subscribers)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (!f)
        give_up("no memory");
    fputs("[host]\nnode = bench\n[service_bench0]\n", f);
    for (int i = 0; i < subscribers; i++) {
        fprintf(f, "[service_bench1:s%d]\ncell = sink%d\nsubscribe = bench.topic\n", i,
                i / PER_CELL);
        if (i % PER_CELL == PER_CELL - 1 || i == subscribers - 1) /* the cell's last to be told */
            fprintf(f, "ack_to = service_bench0\nack_every = %d\nnumber = %d\n", ACK_EVERY,
                    i / PER_CELL);
    }
    fclose(f);
    return text;
}

static struct aiex_slice publish_body(int64_t n, int sinks)
{
    static uint8_t mem[128];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "topic", "bench.topic");
    aiex_w_key_int(&w, "n", n);
    aiex_w_key_int(&w, "window", 4 * ACK_EVERY);
    aiex_w_key_int(&w, "sinks", sinks);
    return aiex_written(&w);
}

static void publish(int subscribers, long n)
{
    char *conf = make_conf(subscribers), name[64];
    int sinks = (subscribers + PER_CELL - 1) / PER_CELL;
    struct series rate = {0};
    struct deployment d;

    n -= n % ACK_EVERY;
    deployment_start(&d, conf, BENCH_PLUGINS, -1);
    free(conf);
    for (int i = 0; i < 5; i++) {
        struct ending e;

        control_wait(
            d.control,
            control_send(d.control, "service_bench0", "publish", publish_body(n, sinks), 120000),
            &e);
        if (e.code[0] || ending_int(&e, "missed"))
            give_up("publish: %s %s, %ld missed", e.code, e.text, (long)ending_int(&e, "missed"));
        series_add(&rate, (double)n * 1e9 / (double)ending_int(&e, "ns"));
        ending_done(&e);
    }
    snprintf(name, sizeof(name), "service_bench1:s%d", subscribers / 2);
    if (control_ask(d.control, name, "seen", (struct aiex_slice){0}, "seen") != 5 * n)
        give_up("%s has not seen all of %ld events", name, 5 * n);
    snprintf(name, sizeof(name), "publish.%d_subscribers", subscribers);
    row(name, series_at(&rate, 0.5), "events/s");
    series_done(&rate);
    deployment_stop(&d);
}

void bench_events(void)
{
    publish(1, rounds(300000, 12800));
    publish(100, rounds(60000, 3200));
    publish(1000, rounds(8000, 640));
}
