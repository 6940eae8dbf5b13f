/*
 * fetch.c - the content of a doc: from the hottest tier that has it, else from the store. Works
 * that want the same doc at the same time share one flight. A content that came from the store
 * enters the memory tiers, where its use decides what becomes of it (balance.c).
 */
#include "context.h"

#include <stdlib.h>

struct flight {
    struct context *c;
    struct flight *next;
    struct work *first;
    int64_t doc, expires;
    struct tier *tier; /* that is asked */
    struct tier_ask tier_ask;
    struct aiex_ask ask;
};

static void step(struct flight *f);

static void unlink_flight(struct flight *f)
{
    struct flight **at = &f->c->flights;

    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
}

static void drop(struct flight *f)
{
    tier_stop(&f->tier_ask);
    aiex_ask_stop(&f->ask);
    free(f);
}

static struct work *pop(struct flight *f)
{
    struct work *w = f->first;

    if (w) {
        f->first = w->flight_next;
        w->flight = NULL;
        w->flight_next = NULL;
    }
    return w;
}

static void deliver(struct flight *f, struct aiex_slice text)
{
    struct work *w;

    unlink_flight(f);
    while ((w = pop(f)))
        w->found(w, text);
    drop(f);
}

void fetch_leave(struct work *w)
{
    struct flight *f = w->flight;
    struct work **at = &f->first;

    while (*at != w)
        at = &(*at)->flight_next;
    *at = w->flight_next;
    w->flight = NULL;
    w->flight_next = NULL;
}

static void on_tier(struct tier_ask *a, const struct aiex_answer *end)
{
    struct flight *f = (struct flight *)((char *)a - offsetof(struct flight, tier_ask));
    struct aiex_slice value;
    int found = 0;

    if (!end->code && aiex_get_bool(end->body, "found", &found) == 1 && found &&
        aiex_get_bytes(end->body, "value", &value) == 1 && aiex_is_map(value)) {
        f->c->count.hits[f->tier->level]++;
        deliver(f, value);
        return;
    }
    f->c->count.tier_misses[f->tier->level]++;
    step(f);
}

static void write_tier_get(struct aiex_writer *w, const void *arg)
{
    const struct flight *f = arg;
    uint8_t key[TIER_KEY];

    tier_key(f->doc, key);
    aiex_w_map(w, 1);
    aiex_w_key_bin(w, "key", key, sizeof(key));
}

static void enter_tiers(struct flight *f, struct aiex_slice value)
{
    struct tier *t = tier_next(f->c, NULL), *second = t ? tier_next(f->c, t) : NULL;

    if (second && second->level == WARM)
        t = second; /* hot is earned */
    if (t)
        tier_put(f->c, t, f->doc, value, f->expires);
}

static void on_store(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct flight *f = a->arg;
    struct aiex_slice value = {NULL, 0};
    struct work *w;
    int found = 0;

    if (end->code) {
        unlink_flight(f);
        while ((w = pop(f)))
            work_store_failed(w, end, "the content could not be read");
        drop(f);
        return;
    }
    aiex_get_bool(end->body, "found", &found);
    if (found && aiex_get_bytes(end->body, "value", &value) == 1) {
        f->c->count.hits[STORE]++;
        enter_tiers(f, value);
    } else {
        f->c->count.misses++;
    }
    deliver(f, value);
}

static void step(struct flight *f)
{
    uint8_t key[8];

    f->tier = tier_next(f->c, f->tier);
    if (f->tier) {
        f->tier_ask.end = on_tier;
        tier_ask(&f->tier_ask, f->tier, "tier.get", write_tier_get, f);
        return;
    }
    doc_key(f->doc, key);
    f->ask.end = on_store;
    ask_row(&f->ask, "context_text", key, sizeof(key));
}

static void join(struct work *w, struct flight *f)
{
    w->flight = f;
    w->flight_next = f->first;
    f->first = w;
}

void fetch(struct work *w, int64_t doc, int64_t expires,
           void (*found)(struct work *w, struct aiex_slice text))
{
    struct context *c = w->c;
    struct flight *f = c->flights;

    w->found = found;
    while (f && f->doc != doc)
        f = f->next;
    if (f) {
        c->count.shared++;
        join(w, f);
        return;
    }
    f = calloc(1, sizeof(*f));
    if (!f) {
        work_fail(w, AIEX_E_BUSY, "no memory to read the content");
        return;
    }
    *f = (struct flight){.c = c, .next = c->flights, .doc = doc, .expires = expires};
    f->tier_ask.c = f->ask.owner = c;
    f->ask.arg = f;
    f->ask.trace = w->trace;
    c->flights = f;
    join(w, f);
    step(f);
}

void flights_stop(struct context *c)
{
    while (c->flights) {
        struct flight *f = c->flights;

        c->flights = f->next;
        drop(f);
    }
}
