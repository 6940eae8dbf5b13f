/*
 * bench_store_service.c - appends from a plugin in one cell to the store in another, through the
 * host: bench_store_service BUILD. The same events as in bench_store.c, 64 calls open at a time.
 */
#include "deployment.h"
#include "disk.h"
#include "measure.h"

#include <aiex/aiex_pack.h>
#include <stdio.h>

static const char conf[] = "[host]\nnode = bench\n"
                           "[store_bdb]\ncallers = service_*\n"
                           "[service_bench0]\n";

static struct aiex_slice body_of(const char *level, long n, int uuid7)
{
    static uint8_t mem[256];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 7);
    aiex_w_key_str(&w, "service", "store");
    aiex_w_key_str(&w, "method", "store.append");
    aiex_w_key_str(&w, "level", level);
    aiex_w_key_int(&w, "n", n);
    aiex_w_key_int(&w, "window", 64);
    aiex_w_key_int(&w, "bytes", 500);
    aiex_w_key_bool(&w, "uuid7", uuid7);
    return aiex_written(&w);
}

static void print(const char *level, int uuid7, const char *what, double value, const char *unit)
{
    char name[64];

    snprintf(name, sizeof(name), "store.service.append_%s_64%s%s", level, uuid7 ? "_uuid7" : "",
             what);
    row(name, value, unit);
}

static void append(struct deployment *d, const char *level, long n, int uuid7)
{
    struct ending e;

    control_wait(
        d->control,
        control_send(d->control, "service_bench0", "load", body_of(level, n, uuid7), 300000), &e);
    if (e.code[0] || ending_int(&e, "failed"))
        give_up("%s appends: %s %s, %ld failed", level, e.code, e.text,
                (long)ending_int(&e, "failed"));
    print(level, uuid7, "", (double)n * 1e9 / (double)ending_int(&e, "ns"), "events/s");
    print(level, uuid7, ".p50", (double)ending_int(&e, "p50") / 1e3, "us");
    print(level, uuid7, ".p99", (double)ending_int(&e, "p99") / 1e3, "us");
    ending_done(&e);
}

int main(int argc, char **argv)
{
    struct deployment d;
    char dir[DISK_PATH];
    long n = rounds(100000, 2000);

    if (argc != 2)
        give_up("usage: bench_store_service BUILD");
    bench_build = argv[1];
    disk_folder(dir);
    disk_limit("store.service.limit.fdatasync", dir, 1, n / 20);
    disk_remove(dir);
    deployment_start(&d, conf, "tests/bench/plugins", -1);
    for (int uuid7 = 0; uuid7 < 2; uuid7++) {
        append(&d, "synced", n, uuid7);
        append(&d, "written", n, uuid7);
    }
    deployment_stop(&d);
    return 0;
}
