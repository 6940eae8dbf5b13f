/*
 * bench_store_peers.c - the store's events in SQLite and in LMDB, beside what the disk can do.
 *
 * `_1` is one event to a transaction, `_64` is 64 of them: what a group commit of 64 writers comes
 * to when handing over costs nothing. A stream has 1000 events. Figures: store.peer.NAME.*
 */
#include "disk.h"
#include "measure.h"
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS 100

static char dir[DISK_PATH];

static void make(struct peer_event *e, uint64_t n)
{
    e->sequence = n + 1;
    e->version = n / STREAMS + 1;
    e->time = 1795262400000 + (int64_t)n;
    e->type = n % 2 ? "message.added" : "tool.called";
    snprintf(e->stream, sizeof(e->stream), "stream-%d", (int)(n % STREAMS));
    snprintf(e->id, sizeof(e->id), "%08x%08x", (unsigned)(n * 2654435761u), (unsigned)n);
    memcpy(e->data, e->id, 16);
}

static void print(const struct peer *p, const char *what, double value, const char *unit)
{
    char name[64];

    snprintf(name, sizeof(name), "store.peer.%s.%s", p->name, what);
    row(name, value, unit);
}

static void append(const struct peer *p, void *self, const char *what, int batch, long count,
                   uint64_t *at)
{
    static struct peer_event e;
    uint64_t start = now_ns();
    long done = 0;

    while (done < count) {
        p->begin(self);
        for (int i = 0; i < batch; i++, done++) {
            make(&e, (*at)++);
            p->put(self, &e);
        }
        p->commit(self);
    }
    print(p, what, (double)done * 1e9 / (double)(now_ns() - start), "events/s");
}

static void read_streams(const struct peer *p, void *self, long count)
{
    struct series times = {0};
    long events = 0;

    for (long i = 0; i < count; i++) {
        char stream[32];
        uint64_t start = now_ns();

        snprintf(stream, sizeof(stream), "stream-%ld", i % STREAMS);
        events = p->read(self, stream);
        series_add(&times, (double)(now_ns() - start) / 1000);
    }
    print(p, "stream_events", (double)events, "events");
    print(p, "read_stream.p50", series_at(&times, 0.5), "us");
    series_done(&times);
}

static void replay(const struct peer *p, void *self)
{
    double best = 0;

    for (int i = 0; i < 5; i++) {
        uint64_t start = now_ns();
        double rate = (double)p->replay(self) * 1e9 / (double)(now_ns() - start);

        best = rate > best ? rate : best;
    }
    print(p, "replay", best, "events/s");
}

static void measure(const struct peer *p, long n)
{
    uint64_t at = 0;
    char limit[64];
    void *self;

    disk_folder(dir);
    self = p->open(dir, 1);
    snprintf(limit, sizeof(limit), "store.peer.%s.limit.fdatasync", p->name);
    disk_limit(limit, dir, 1, n / 20);
    append(p, self, "append_synced_1", 1, n / 20, &at);
    append(p, self, "append_synced_64", 64, n / 2, &at);
    p->close(self);
    self = p->open(dir, 0);
    append(p, self, "append_written_1", 1, n / 20, &at);
    append(p, self, "append_written_64", 64, n - (long)at, &at);
    read_streams(p, self, n / 50);
    replay(p, self);
    p->close(self);
    disk_remove(dir);
}

int main(void)
{
    long n = rounds(100000, 5000);

    measure(&peer_sqlite, n);
    measure(&peer_lmdb, n);
    return 0;
}
