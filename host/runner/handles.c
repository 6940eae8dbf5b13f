/*
 * handles.c - timers and descriptor watches of plugins. The plugin holds numbers, never
 * pointers, so an old number is refused instead of followed.
 */
#include "runner/runner_private.h"

#include <errno.h>
#include <stdlib.h>

struct handle {
    uint32_t slot, generation;
    struct runner *runner;
    struct loop_timer *timer;
    struct loop_watch *watch;
    int once; /* a timer that ends by firing */
    void (*on_time)(void *arg);
    void (*on_events)(void *arg, uint32_t events);
    void *arg;
    int live;
};

#define HANDLES_MAX 65536u

static uint64_t handle_id(const struct handle *h)
{
    return (uint64_t)h->generation << 32 | (h->slot + 1);
}

static struct handle *find(struct runner *r, uint64_t id)
{
    uint32_t slot = (uint32_t)id - 1;

    return slot < r->n_handles && r->handles[slot]->live && handle_id(r->handles[slot]) == id
               ? r->handles[slot]
               : NULL;
}

static struct handle *handle_new(struct runner *r)
{
    struct handle *h;

    for (unsigned i = 0; i < r->n_handles; i++)
        if (!r->handles[i]->live)
            return r->handles[i];
    if (r->n_handles == HANDLES_MAX)
        return NULL;
    if (r->n_handles == r->handles_cap) {
        unsigned cap = r->handles_cap ? r->handles_cap * 2 : 16;
        struct handle **grown = realloc(r->handles, cap * sizeof(struct handle *));

        if (!grown)
            return NULL;
        r->handles = grown;
        r->handles_cap = cap;
    }
    h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    h->slot = r->n_handles;
    h->runner = r;
    r->handles[r->n_handles++] = h;
    return h;
}

static void end(struct handle *h)
{
    loop_timer_free(h->timer);
    loop_watch_free(h->watch);
    h->timer = NULL;
    h->watch = NULL;
    h->live = 0;
}

static void on_time(void *arg)
{
    struct handle *h = arg;
    void (*fn)(void *arg) = h->on_time;
    void *fn_arg = h->arg;

    if (h->once)
        end(h);
    fn(fn_arg);
}

static void on_events(void *arg, unsigned events)
{
    struct handle *h = arg;

    h->on_events(h->arg, events);
}

int handle_timer(const struct aiex_host *host, uint64_t after_ms, uint64_t every_ms,
                 void (*fn)(void *arg), void *arg, uint64_t *ret)
{
    struct runner *r = instance_of(host)->runner;
    struct handle *h = fn ? handle_new(r) : NULL;

    if (!h)
        return fn ? -ENOMEM : -EINVAL;
    h->timer = loop_timer_new(r->loop, on_time, h);
    if (!h->timer)
        return -ENOMEM;
    h->live = 1;
    h->generation++;
    h->once = every_ms == 0;
    h->on_time = fn;
    h->arg = arg;
    loop_timer_set(h->timer, after_ms, every_ms);
    if (ret)
        *ret = handle_id(h);
    return 0;
}

int handle_watch(const struct aiex_host *host, int fd, uint32_t events,
                 void (*fn)(void *arg, uint32_t events), void *arg, uint64_t *ret)
{
    struct runner *r = instance_of(host)->runner;
    struct handle *h = fn && fd >= 0 ? handle_new(r) : NULL;

    if (!h)
        return fn && fd >= 0 ? -ENOMEM : -EINVAL;
    h->watch = loop_watch_new(r->loop, fd, events & (LOOP_READ | LOOP_WRITE), on_events, h);
    if (!h->watch)
        return -ENOMEM;
    h->live = 1;
    h->generation++;
    h->on_events = fn;
    h->arg = arg;
    if (ret)
        *ret = handle_id(h);
    return 0;
}

int handle_rewatch(const struct aiex_host *host, uint64_t watch, uint32_t events)
{
    struct handle *h = find(instance_of(host)->runner, watch);

    if (!h || !h->watch)
        return -ENOENT;
    loop_watch_set(h->watch, events & (LOOP_READ | LOOP_WRITE));
    return 0;
}

int handle_unwatch(const struct aiex_host *host, uint64_t watch)
{
    struct handle *h = find(instance_of(host)->runner, watch);

    if (!h)
        return -ENOENT;
    end(h);
    return 0;
}

void handles_done(struct runner *r)
{
    for (unsigned i = 0; i < r->n_handles; i++) {
        end(r->handles[i]);
        free(r->handles[i]);
    }
    free(r->handles);
    r->handles = NULL;
    r->n_handles = r->handles_cap = 0;
}
