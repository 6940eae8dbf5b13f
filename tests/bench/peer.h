/*
 * peer.h - what is measured beside the store: libraries that keep the same events with the same
 * indexes (order, stream and version, id, type, correlation), each as fast as it goes: prepared
 * statements, one transaction for all events that wait. None of them has the store's chain of
 * hashes, queue, or other thread.
 */
#ifndef AIEX_BENCH_PEER_H
#define AIEX_BENCH_PEER_H

#include <stdint.h>

#define PEER_DATA 500

struct peer_event {
    uint64_t sequence, version;
    int64_t time;
    char stream[32], id[32];
    const char *type; /* the correlation is the stream's name */
    uint8_t data[PEER_DATA];
};

struct peer {
    const char *name;
    /* synced = 0: a commit survives the end of the process, not that of the machine. */
    void *(*open)(const char *dir, int synced);
    void (*begin)(void *self);
    void (*put)(void *self, const struct peer_event *e);
    void (*commit)(void *self);
    /* Looks at all data of a stream, or of all, in order; the count of events. */
    long (*read)(void *self, const char *stream);
    long (*replay)(void *self);
    void (*close)(void *self);
};

extern const struct peer peer_sqlite, peer_lmdb;

#endif
