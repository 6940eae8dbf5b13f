/*
 * levels_get.c - a cache in levels with its process level: who asks, who looks, who makes.
 *
 * A seat is one who asked and was not answered at once. The first one of a key leads: it looks in
 * the tiers, and when they have nothing it makes the value. A seat is freed before its callback,
 * which so may ask again.
 */
#include "levels.h"

#include <errno.h>
#include <stdlib.h>

#define TICK_MS 250u

struct aiex_levels_seat {
    struct aiex_levels_seat *prev, *next;
    struct aiex_levels *l;
    aiex_levels_fn fn;
    void *arg;
    struct aiex_flight_seat *flight;
    struct aiex_levels_look *look; /* while it looks */
    int *gone;                     /* of who tells others before it: a callback freed it */
    size_t key_len;
    uint8_t key[];
};

static uint64_t now_of(const struct aiex_levels *l)
{
    return l->host->now_ms(l->host);
}

static struct aiex_slice key_of(const struct aiex_levels_seat *s)
{
    return (struct aiex_slice){s->key, s->key_len};
}

/* ---- The process level ---- */

void levels_put_process(struct aiex_levels *l, struct aiex_slice key,
                        const struct aiex_levels_value *v)
{
    if (l->cache)
        aiex_cache_put(l->cache,
                       &(struct aiex_cache_put){
                           .key = key, .value = v->value, .ttl_ms = v->ttl_ms, .age_ms = v->age_ms},
                       now_of(l), NULL);
}

struct copy {
    struct aiex_levels_value v;
    uint8_t *mem; /* NULL: no memory, which is a miss */
    uint64_t now;
};

static void take_copy(void *arg, const struct aiex_cache_view *e)
{
    struct copy *c = arg;

    c->mem = malloc(e->value.len + 1);
    if (!c->mem)
        return;
    if (e->value.len)
        memcpy(c->mem, e->value.data, e->value.len);
    c->v = (struct aiex_levels_value){.level = AIEX_LEVEL_PROCESS,
                                      .value = {c->mem, e->value.len},
                                      .ttl_ms = e->expires_ms ? e->expires_ms - c->now : 0,
                                      .age_ms = c->now - e->created_ms};
}

static int in_process(struct aiex_levels *l, struct aiex_slice key, struct copy *ret)
{
    *ret = (struct copy){.now = now_of(l)};
    return l->cache &&
           aiex_cache_get(l->cache, key, AIEX_CACHE_TOUCH, ret->now, take_copy, ret) == 1 &&
           ret->mem;
}

/* ---- Seats ---- */

static void seat_free(struct aiex_levels_seat *s)
{
    *(s->prev ? &s->prev->next : &s->l->seats) = s->next;
    if (s->next)
        s->next->prev = s->prev;
    aiex_levels_stop(s->look);
    if (s->gone)
        *s->gone = 1;
    free(s);
}

/* Its last word. The flight's seat is gone already, or goes with the flight. */
static void seat_end(struct aiex_levels_seat *s, int result, const struct aiex_levels_value *v)
{
    aiex_levels_fn fn = s->fn;
    void *arg = s->arg;

    seat_free(s);
    fn(arg, result, v);
}

/* Tells all who wait. 0, or 1: one of them freed `s`. */
static int land(struct aiex_levels_seat *s, int error, const struct aiex_levels_value *v)
{
    struct aiex_levels *l = s->l;
    const struct aiex_levels_value *outer = l->landing;
    const struct aiex_flight_seat *flight = s->flight;
    int gone = 0;

    s->gone = &gone;
    s->flight = NULL; /* it goes with the flight */
    l->landing = v;
    aiex_flight_land(l->flights, key_of(s), flight, error,
                     v ? v->value : (struct aiex_slice){NULL, 0});
    l->landing = outer;
    if (!gone)
        s->gone = NULL;
    return gone;
}

static void on_look(void *arg, const struct aiex_levels_value *v)
{
    struct aiex_levels_seat *s = arg;

    s->look = NULL;
    if (!v) {
        s->fn(s->arg, AIEX_LEVELS_MAKE, NULL);
        return;
    }
    levels_put_process(s->l, key_of(s), v);
    if (!land(s, 0, v))
        seat_end(s, 0, v);
}

static void lead(struct aiex_levels_seat *s)
{
    if (aiex_levels_look(s->l, key_of(s), on_look, s, &s->look) < 0)
        on_look(s, NULL);
}

static void on_flight(void *arg, int result, struct aiex_slice value)
{
    struct aiex_levels_seat *s = arg;

    (void)value;
    if (result == AIEX_FLIGHT_LEADS)
        lead(s);
    else
        seat_end(s, result, result == 0 ? s->l->landing : NULL);
}

/* ---- Time ---- */

static void tick(void *arg)
{
    struct aiex_levels *l = arg;

    aiex_flight_tick(l->flights, now_of(l));
    if (l->cache)
        aiex_cache_sweep(l->cache, 256, now_of(l));
    if (!l->seats && l->timer) {
        l->host->unwatch(l->host, l->timer);
        l->timer = 0;
    }
}

/* ---- From outside ---- */

int aiex_levels_get(struct aiex_levels *l, struct aiex_slice key, uint64_t timeout_ms,
                    aiex_levels_fn fn, void *arg, struct aiex_levels_seat **ret_seat)
{
    struct aiex_levels_seat *s;
    struct copy found;
    int r;

    *ret_seat = NULL;
    if (!key.len || key.len > AIEX_LEVELS_MAX_KEY)
        return -EINVAL;
    if (in_process(l, key, &found)) {
        l->count.hits[AIEX_LEVEL_PROCESS]++;
        fn(arg, 0, &found.v);
        free(found.mem);
        return 0;
    }
    s = malloc(sizeof(*s) + key.len);
    if (!s)
        return -ENOMEM;
    *s = (struct aiex_levels_seat){
        .l = l, .fn = fn, .arg = arg, .key_len = key.len, .next = l->seats};
    memcpy(s->key, key.data, key.len);
    r = aiex_flight_join(l->flights, key, now_of(l), timeout_ms, on_flight, s, &s->flight);
    if (r >= 0 && !l->timer && l->host->timer(l->host, TICK_MS, TICK_MS, tick, l, &l->timer) < 0) {
        aiex_flight_leave(l->flights, s->flight);
        r = -ENOMEM;
    }
    if (r < 0) {
        free(s);
        return r;
    }
    if (s->next)
        s->next->prev = s;
    l->seats = s;
    *ret_seat = s;
    if (r == AIEX_FLIGHT_LEADS)
        lead(s);
    else
        l->count.joins++;
    return 0;
}

void aiex_levels_land(struct aiex_levels *l, struct aiex_levels_seat *s, int error,
                      struct aiex_slice value, uint64_t ttl_ms)
{
    const struct aiex_levels_value v = {.value = value, .ttl_ms = ttl_ms};

    if (!error)
        aiex_levels_put(l, key_of(s), value, ttl_ms);
    if (!land(s, error, error ? NULL : &v))
        seat_free(s);
}

void aiex_levels_leave(struct aiex_levels *l, struct aiex_levels_seat *s)
{
    struct aiex_flight_seat *flight = s ? s->flight : NULL;

    if (!s)
        return;
    seat_free(s);
    aiex_flight_leave(l->flights, flight);
}

void levels_stop_seats(struct aiex_levels *l)
{
    while (l->seats)
        seat_free(l->seats);
}
