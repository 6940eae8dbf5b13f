/*
 * aiex_pressure.h - memory that a plugin could do without, and when to give it back.
 *
 * The host watches memory and publishes `host.memory` (docs/operations.md, "Memory"). Whatever
 * keeps something for speed alone takes part with an order from 1 (gives first) to 9 (gives last):
 * while the event's `step` is not below the order, it keeps as much of its limit as the level says,
 * in one table: elevated 50 %, high 25 %, critical 10 %. When that is over it may fill up again.
 *
 *     t->pressure = (struct aiex_pressure){.host = host, .part = "entries", .order = 3,
 *                                          .keep = keep, .tell = tell, .arg = t};
 *     aiex_pressure_start(&t->pressure);                                        in start()
 *     case AIEX_MSG_EVENT:
 *         aiex_pressure_event(&t->pressure, m);
 *
 *     static void keep(void *arg, unsigned percent)
 *     {
 *         aiex_cache_resize(t->cache, t->limit * percent / 100, 0, now);
 *     }
 *
 * The host is told who takes part, how much each holds and what it gave: `aiex memory`. keep() may
 * take its time (aiex_pressure_gave() when it is done) and is called again only for another share.
 *
 * Threads: the loop thread. Memory: none but the struct.
 */
#ifndef AIEX_PRESSURE_H
#define AIEX_PRESSURE_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_PRESSURE_TOPIC "host.memory"

enum aiex_pressure_level {
    AIEX_PRESSURE_OK,
    AIEX_PRESSURE_ELEVATED,
    AIEX_PRESSURE_HIGH,
    AIEX_PRESSURE_CRITICAL
};

struct aiex_pressure {
    const struct aiex_host *host;
    const char *part; /* what it is, for people; static */
    int order;        /* 1 to 9 */
    /* Keep at most so much of what is allowed; 100 = all again. */
    void (*keep)(void *arg, unsigned percent);
    /* What is held, and what may be held when all is well. */
    void (*tell)(void *arg, uint64_t *ret_bytes, uint64_t *ret_limit);
    void *arg;
    /* its own */
    enum aiex_pressure_level level;
    unsigned percent; /* 0 = not begun */
    uint64_t given;   /* bytes in all */
};

/* Subscribes and tells the host. What subscribe() returned. */
int aiex_pressure_start(struct aiex_pressure *p);
/* 1: it was host.memory, and is done with; several parts of a plugin may each be given it. */
int aiex_pressure_event(struct aiex_pressure *p, const struct aiex_message *m);
/* So much was given back. */
void aiex_pressure_gave(struct aiex_pressure *p, uint64_t bytes);
/* Tells the host how it is now. */
void aiex_pressure_report(struct aiex_pressure *p);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_PRESSURE_H */
