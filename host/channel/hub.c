/*
 * hub.c - all channels of a process, once per loop turn: drain every ring within a
 * budget, let gathered output go, flush; again until dry, at most a few rounds so
 * that descriptors get their turn too. Then the process may sleep, after telling
 * every peer so and looking once more.
 */
#include "channel/hub_private.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

#define ROUNDS 4
#define BUDGET 256

static void flush_all(struct hub *hub)
{
    for (int i = 0; i < hub->n; i++)
        if (hub->list[i])
            channel_flush(hub->list[i]);
}

static void compact(struct hub *hub)
{
    int n = 0;

    for (int i = 0; i < hub->n; i++)
        if (hub->list[i])
            hub->list[n++] = hub->list[i];
    hub->n = n;
}

/* The loop's work: returns 1 when rounds ran out before the rings did. */
static int hub_turn(void *arg)
{
    struct hub *hub = arg;
    int did = 0;

    hub->stats.turns++;
    hub->turning = 1;
    for (int i = 0; i < hub->n; i++)
        channel_progress(hub->list[i]);
    for (int round = 0; round < ROUNDS; round++) {
        did = 0;
        for (int i = 0; i < hub->n; i++)
            if (hub->list[i])
                did |= channel_turn(hub->list[i], BUDGET);
        if (hub->after)
            did |= hub->after(hub->after_arg);
        flush_all(hub);
        if (!did)
            break;
    }
    hub->turning = 0;
    compact(hub);
    return did;
}

static int anything(struct hub *hub)
{
    for (int i = 0; i < hub->n; i++)
        if (channel_pending(hub->list[i]))
            return 1;
    return 0;
}

static int spin(struct hub *hub)
{
    uint64_t until = clock_ns() + (uint64_t)hub->spin_us * 1000u;

    do {
        for (int i = 0; i < 32; i++) {
            if (anything(hub))
                return 1;
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#endif
        }
    } while (clock_ns() < until);
    return 0;
}

/* As soon as it runs: a callback that never returns must not look asleep to the watchdog. */
static void hub_awake(void *arg)
{
    struct hub *hub = arg;

    for (int i = 0; i < hub->n; i++)
        channel_sleeping(hub->list[i], 0);
}

static int hub_may_sleep(void *arg)
{
    struct hub *hub = arg;

    flush_all(hub); /* what was sent outside of a turn, e.g. before the loop ran */
    if (hub->spin_us && spin(hub))
        return 0;
    for (int i = 0; i < hub->n; i++)
        channel_sleeping(hub->list[i], 1);
    atomic_thread_fence(memory_order_seq_cst); /* our flags before the peers' indexes */
    if (!anything(hub))
        return 1;
    for (int i = 0; i < hub->n; i++)
        channel_sleeping(hub->list[i], 0);
    return 0;
}

struct hub *hub_new(struct loop *loop)
{
    struct hub *hub = calloc(1, sizeof(*hub));

    if (!hub)
        return NULL;
    hub->loop = loop;
    loop_hook(loop, &(struct loop_hooks){hub_awake, hub_turn, hub_may_sleep}, hub);
    return hub;
}

void hub_free(struct hub *hub)
{
    if (!hub)
        return;
    loop_hook(hub->loop, NULL, NULL);
    free(hub->list);
    free(hub);
}

void hub_wake_lazy(struct hub *hub)
{
    for (int i = 0; i < hub->n; i++)
        if (hub->list[i])
            channel_wake_lazy(hub->list[i]);
}

void hub_after(struct hub *hub, int (*fn)(void *arg), void *arg)
{
    hub->after = fn;
    hub->after_arg = arg;
}

void hub_spin(struct hub *hub, uint32_t spin_us)
{
    hub->spin_us = spin_us;
}

int hub_add(struct hub *hub, struct channel *ch)
{
    if (hub->n == hub->cap) {
        int cap = hub->cap ? hub->cap * 2 : 8;
        struct channel **list = realloc(hub->list, (size_t)cap * sizeof(*list));

        if (!list)
            return -ENOMEM;
        hub->list = list;
        hub->cap = cap;
    }
    hub->list[hub->n++] = ch;
    return 0;
}

void hub_remove(struct hub *hub, struct channel *ch)
{
    for (int i = 0; i < hub->n; i++)
        if (hub->list[i] == ch)
            hub->list[i] = NULL;
    if (!hub->turning)
        compact(hub);
}

void hub_stats(const struct hub *hub, struct hub_stats *out)
{
    *out = hub->stats;
}
