/*
 * hits.c - the exact cache around requests: a hit is played at once, an equal request that is under
 * way is joined, a good answer is kept.
 *
 * Only answers that a provider ended well and whose finish is `stop` or `tool_calls` (embeddings:
 * any) are kept. The key has everything that makes an answer differ, also the key of the client
 * unless the cache is shared. Requests with a temperature are cached, too: who turns the cache on
 * asks for the same answer to the same question.
 *
 * With colder levels (shelf.c) a miss looks there before a provider is asked; who leads a flight
 * looks for all who have joined.
 */
#include "route.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- Keys ---- */

static void add(void *state, const void *bytes, size_t len)
{
    crypto_generichash_update(state, bytes, len);
}

/* Its length goes in, too, so that "ab" + "c" differs from "a" + "bc". */
static void add_field(crypto_generichash_state *state, struct aiex_slice field)
{
    uint64_t len = field.len;

    add(state, &len, sizeof(len));
    add(state, field.data, field.len);
}

void hits_owner(struct route *r, struct aiex_slice principal)
{
    struct aiex_slice key = {NULL, 0};

    if (r->c->config->cache_scope != SCOPE_KEY)
        return;
    aiex_get_str(principal, "key", &key);
    crypto_generichash(r->owner, sizeof(r->owner), key.data, key.len, NULL, 0);
}

/* The digest is the same in every process: it names the answer in the colder levels. The key is
 * made from it with the secret of this process, so that nobody can fill one chain of the table. */
static void make_key(struct route *r)
{
    const uint64_t fixed[2] = {r->op, (uint64_t)r->stream};
    crypto_generichash_state state;
    struct siphash h;

    crypto_generichash_init(&state, NULL, 0, sizeof(r->digest));
    add(&state, fixed, sizeof(fixed));
    add(&state, r->owner, sizeof(r->owner));
    add_field(&state, r->dialect);
    add_field(&state, (struct aiex_slice){(const uint8_t *)r->target, strlen(r->target)});
    add_field(&state, r->tags); /* they may steer the choice */
    add_field(&state, r->headers);
    cache_add_json(add, &state, r->body);
    crypto_generichash_final(&state, r->digest, sizeof(r->digest));
    siphash_init(&h, r->c->secret);
    siphash_add(&h, r->digest, sizeof(r->digest));
    r->key = siphash_end(&h);
}

/* ---- Playing ---- */

struct aiex_slice hits_mark(struct coordinator *c, struct aiex_slice end, const char *cached)
{
    struct aiex_slice rest = end;
    struct aiex_value head = {.count = 0};
    struct aiex_writer w;
    size_t cap = end.len + 64;

    free(c->marked);
    c->marked = malloc(cap);
    if (!c->marked || (end.len && (aiex_r_value(&rest, &head) != 0 || head.type != AIEX_T_MAP)))
        return end;
    aiex_writer_init(&w, c->marked, cap);
    aiex_w_map(&w, head.count + 1);
    aiex_w_raw(&w, rest.data, rest.len);
    aiex_w_key_str(&w, "cached", cached);
    return aiex_written(&w);
}

/* Ends r with a kept answer. A tape is at most 768 KiB, which stream() takes without waiting. */
static void play(struct route *r, struct tape *t, const char *cached)
{
    struct aiex_slice end = {t->end, t->end_len};
    struct outcome *o = &r->outcome;
    struct facts f;

    o->code = "";
    o->http_status = 200;
    o->cached = cached;
    o->why = strcmp(cached, "exact") == 0
                 ? "the same request was answered before"
                 : "no provider could answer; an old answer to the same request";
    o->price = PRICE_FREE;
    facts_read(end, &f);
    o->usage = f.usage;
    aiex_get_text(end, "finish", o->finish_text, sizeof(o->finish_text));
    aiex_get_text(end, "model", o->vendor_model, sizeof(o->vendor_model));
    tape_ref(t);
    route_enter(r);
    for (size_t i = 0; i < t->n && !r->over; i++)
        for (struct sink *s = r->sinks; s; s = s->next)
            if (!s->gone)
                r->c->host->stream(r->c->host, s->id, tape_part(t, i));
    end = hits_mark(r->c, end, cached);
    for (struct sink *s = r->sinks; s && !r->over; s = s->next) {
        if (s->gone)
            continue;
        r->c->host->reply(r->c->host, s->id, end);
        if (s->own)
            settle_follower(s, NULL);
    }
    tape_unref(t);
    if (!route_leave(r))
        route_finish(r);
}

/* ---- Requests under way ---- */

static struct route **flight_slot(struct coordinator *c, struct hash128 key)
{
    struct route **at = &c->flights[key.a % BUCKETS];

    while (*at && ((*at)->key.a != key.a || (*at)->key.b != key.b))
        at = &(*at)->next_flight;
    return at;
}

void hits_leave(struct route *r)
{
    struct route **at;

    aiex_levels_stop(r->look);
    r->look = NULL;
    if (!r->in_flight_table)
        return;
    r->in_flight_table = 0;
    at = flight_slot(r->c, r->key);
    if (*at == r)
        *at = r->next_flight;
}

/* The newcomer gets what has been said so far, then listens. 1 = done, r is gone. */
static int join(struct route *leader, struct route *r)
{
    uint64_t id = r->lead.id;

    if (!leader->tape || leader->tape->over || leader->validate != VALIDATE_OFF)
        return 0;
    if (route_join(leader, r) != 0)
        return 0;
    r->joined = 1;
    r->c->stats.coalesced++;
    route_free(r);
    route_enter(leader);
    for (size_t i = 0; i < leader->tape->n; i++)
        if (leader->c->host->stream(leader->c->host, id, tape_part(leader->tape, i)) ==
                AIEX_PAUSE &&
            route_sink(leader->c, id))
            route_sink(leader->c, id)->paused = 1;
    route_leave(leader);
    return 1;
}

/* ---- The colder levels ---- */

static void missed(struct route *r)
{
    r->c->stats.cache_misses++;
    if (r->cached_mode == CACHE_ONLY)
        ends_fail(r, AIEX_E_NOT_FOUND, 504, "request", "no answer to this request is cached", 0);
}

static void on_look(void *arg, const struct aiex_levels_value *v)
{
    struct route *r = arg;
    struct coordinator *c = r->c;
    struct tape *t = NULL;
    int only = r->cached_mode == CACHE_ONLY;

    r->look = NULL;
    if (v && v->age_ms <= (uint64_t)c->config->cache_ttl)
        t = tape_read(v->value, (size_t)c->config->cache_entry);
    if (t) {
        cache_put(c->cache, r->key, t, route_now(r) - v->age_ms);
        c->stats.cache_hits++;
        play(r, t, "exact");
        tape_unref(t);
        return;
    }
    r->state = ROUTE_NEW;
    missed(r);
    if (!only)
        leg_next(r);
}

/* 1 = it looks, and goes on by itself. */
static int look(struct route *r)
{
    struct aiex_levels *levels = shelf_levels(r->c);

    if (!levels)
        return 0;
    r->state = ROUTE_LOOKING;
    if (aiex_levels_look(levels, (struct aiex_slice){r->digest, sizeof(r->digest)}, on_look, r,
                         &r->look) == 0)
        return 1;
    r->state = ROUTE_NEW;
    return 0;
}

static void begin_flight(struct route *r)
{
    struct route **flight = flight_slot(r->c, r->key);

    r->tape = tape_new((size_t)r->c->config->cache_entry);
    if (!r->tape || *flight)
        return;
    r->next_flight = NULL;
    *flight = r;
    r->in_flight_table = 1;
}

int hits_try(struct route *r)
{
    struct coordinator *c = r->c;
    struct route *leader;
    struct tape *t;

    if (!shelf_cache(c)) {
        r->cached_mode = CACHE_OFF;
        return 0;
    }
    make_key(r);
    t = cache_find(c->cache, r->key, route_now(r), (uint64_t)c->config->cache_ttl);
    if (t) {
        c->stats.cache_hits++;
        play(r, t, "exact");
        return 1;
    }
    if (r->cached_mode == CACHE_ONLY) {
        if (!look(r))
            missed(r);
        return 1;
    }
    leader = *flight_slot(c, r->key);
    if (leader && join(leader, r))
        return 1;
    begin_flight(r);
    if (look(r))
        return 1;
    missed(r);
    return 0;
}

int hits_stale(struct route *r)
{
    struct tape *t = NULL;

    if (r->cached_mode != CACHE_OFF && r->c->cache)
        t = cache_find(r->c->cache, r->key, route_now(r), UINT64_MAX);
    if (!t)
        return 0;
    r->c->stats.stale++;
    play(r, t, "fallback");
    return 1;
}

static void keep_colder(struct route *r)
{
    const struct aiex_slice digest = {r->digest, sizeof(r->digest)};
    struct aiex_levels *levels = shelf_levels(r->c);
    struct aiex_slice bytes;

    if (!levels || !r->c->config->cache_ttl || tape_write(r->tape, &bytes) != 0)
        return;
    aiex_levels_put(levels, digest, bytes, (uint64_t)r->c->config->cache_ttl);
    free((void *)(uintptr_t)bytes.data);
}

void hits_keep(struct route *r, struct aiex_slice end)
{
    char finish[20] = "";

    if (r->cached_mode == CACHE_OFF || !r->tape || !r->c->cache || r->winner->offline || r->hops)
        return;
    aiex_get_text(end, "finish", finish, sizeof(finish));
    if (r->op != OP_EMBED && strcmp(finish, "stop") != 0 && strcmp(finish, "tool_calls") != 0)
        return;
    if (tape_end(r->tape, end) != 0)
        return;
    cache_put(r->c->cache, r->key, r->tape, route_now(r));
    keep_colder(r);
}
