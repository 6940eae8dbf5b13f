/*
 * bench_host_faults.c - what a crash, an endless loop, an upgrade and a reload cost, in time and in
 * other people's requests.
 *
 * Recovery is measured from kill(SIGSEGV) by this program until an answer of the next incarnation
 * is read here: death, detection, a new cell, and one round trip over the control socket.
 */
#include "bench_host.h"

#include "measure.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANG_MS 200

static const char head[] = "[host]\nnode = bench\n[service_bench1]\n";

static char *make_conf(const char *extra)
{
    char *text = NULL;

    if (asprintf(&text, "%s[service_bench0]\nmax_restarts = 60\nperiod = 100ms\n%s", head, extra) <
        0)
        give_up("no memory");
    return text;
}

static void start(struct deployment *d, const char *extra)
{
    char *conf = make_conf(extra);

    deployment_start(d, conf, BENCH_PLUGINS, -1);
    free(conf);
}

static void recovery(const char *name, const char *extra)
{
    struct series took = {0};
    struct deployment d;

    start(&d, extra);
    for (long i = 0; i < rounds(30, 2); i++) {
        int64_t pid = control_ask(d.control, "service_bench0", "pid", (struct aiex_slice){0},
                                  "pid"),
                next;
        uint64_t t;

        pause_ms(150); /* longer than `period`: the unit counts as healthy again */
        t = now_ns();
        kill((pid_t)pid, SIGSEGV);
        next = control_ask(d.control, "service_bench0", "pid", (struct aiex_slice){0}, "pid");
        series_add(&took, (double)(now_ns() - t) / 1e6);
        if (next == pid)
            give_up("an answer came from a process that was killed");
    }
    row(name, series_at(&took, 0.5), "ms");
    series_done(&took);
    deployment_stop(&d);
}

static void endless_loop(void)
{
    struct series took = {0};
    struct deployment d;
    struct ending e;
    char extra[64];

    snprintf(extra, sizeof(extra), "hang = %dms\n", HANG_MS);
    start(&d, extra);
    for (long i = 0; i < rounds(10, 1); i++) {
        uint64_t t = now_ns();

        control_wait(
            d.control,
            control_send(d.control, "service_bench0", "loop", (struct aiex_slice){0}, 20000), &e);
        series_add(&took, (double)(now_ns() - t) / 1e6 / HANG_MS);
        if (strcmp(e.code, AIEX_E_CRASHED))
            give_up("an endless loop ended as '%s' %s", e.code, e.text);
        ending_done(&e);
        control_ask(d.control, "service_bench0", "pid", (struct aiex_slice){0}, "pid");
        pause_ms(150);
    }
    row("fault.endless_loop_found.p50", series_at(&took, 0.5), "x_hang_ms");
    series_done(&took);
    deployment_stop(&d);
}

static void crash(struct deployment *d, int i)
{
    struct ending e;

    control_wait(
        d->control,
        control_send(d->control, "service_bench0", "segfault", (struct aiex_slice){0}, 20000), &e);
    if (strcmp(e.code, AIEX_E_CRASHED))
        give_up("a crash ended as '%s' %s", e.code, e.text);
    ending_done(&e);
}

static void upgrade(struct deployment *d, int i)
{
    uint8_t mem[64];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "name", "service_bench0");
    control_ask(d->control, "host", "host.reload", aiex_written(&w), NULL);
}

static void reload(struct deployment *d, int i)
{
    char note_line[32], *conf;

    snprintf(note_line, sizeof(note_line), "note = %d\n", i);
    conf = make_conf(note_line);
    deployment_write_conf(d, conf);
    free(conf);
    control_ask(d->control, "host", "host.config_reload", (struct aiex_slice){0}, NULL);
}

/* Sixty-four calls are always open while `what` happens to their callee again and again. */
static void under_load(const char *word, void (*what)(struct deployment *, int))
{
    unsigned every_ms = 150, times = (unsigned)rounds(20, 2);
    struct load_spec spec = {
        .service = "service_bench0", .window = 64, .for_ms = every_ms * (times + 2)};
    struct deployment d;
    struct ending e;
    char name[64];
    int64_t id;

    start(&d, "");
    id = control_send(d.control, "service_bench1", "load", load_body(&spec), 120000);
    for (unsigned i = 0; i < times; i++) {
        pause_ms(every_ms);
        what(&d, (int)i);
    }
    control_wait(d.control, id, &e);
    if (e.code[0])
        give_up("load while %s: %s %s", word, e.code, e.text);
    note("%s: %ld calls during %u times; first failure '%.16s'", word,
         (long)ending_int(&e, "calls"), times, ending_int(&e, "failed") ? "see failed" : "none");
    snprintf(name, sizeof(name), "fault.%s.others_failed", word);
    row(name, (double)ending_int(&e, "failed"), "calls");
    snprintf(name, sizeof(name), "fault.%s.longest_stall", word);
    row(name, (double)ending_int(&e, "max") / 1e6, "ms");
    ending_done(&e);
    deployment_stop(&d);
}

void bench_faults(void)
{
    recovery("fault.sigsegv_to_serving_zygote.p50", "");
    recovery("fault.sigsegv_to_serving_spare.p50", "spare = 1\n");
    endless_loop();
    under_load("crash", crash);
    under_load("upgrade", upgrade);
    under_load("reload", reload);
}
