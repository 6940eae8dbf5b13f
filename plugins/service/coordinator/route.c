/*
 * route.c - a request from its arrival to the first choice, and its two ends outside of the way:
 * the client leaves, everything stops. asked.c reads what came.
 */
#include "asked.h"

#include <aiex_chat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SPARE 64u /* routes kept for the next requests */

const char *const operation_names[N_OPERATIONS] = {"chat", "complete", "embed", "count"};

uint64_t route_now(const struct route *r)
{
    return r->c->host->now_ms(r->c->host);
}

/* ---- Sinks ---- */

static struct sink **slot_of(struct coordinator *c, uint64_t id)
{
    struct sink **at = &c->sinks[(id ^ id >> 32) % BUCKETS];

    while (*at && (*at)->id != id)
        at = &(*at)->next_id;
    return at;
}

struct sink *route_sink(struct coordinator *c, uint64_t id)
{
    return *slot_of(c, id);
}

static void add_sink(struct route *r, struct sink *s)
{
    struct sink **at = &r->sinks;

    while (*at)
        at = &(*at)->next;
    *at = s;
    s->route = r;
    s->next_id = NULL;
    *slot_of(r->c, s->id) = s;
}

/* Out of the table of ids and, unless parts are being handed out, of its route: then 1. */
static int take_sink_out(struct sink *s)
{
    struct route *r = s->route;
    struct sink **slot = slot_of(r->c, s->id), **at = &r->sinks;

    if (*slot == s)
        *slot = s->next_id;
    s->gone = 1;
    if (r->calling)
        return 0;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    return 1;
}

/* Its client is answered or gone. Freed at once, or when no parts are being handed out. */
void route_drop_sink(struct sink *s)
{
    if (take_sink_out(s) && s->own)
        free(s);
}

int route_listeners(const struct route *r)
{
    int n = 0;

    for (const struct sink *s = r->sinks; s; s = s->next)
        n += !s->gone;
    return n;
}

int route_join(struct route *r, struct route *newcomer)
{
    size_t len = newcomer->lead.account.len;
    struct sink *s = calloc(1, sizeof(*s) + len);

    if (!s)
        return -ENOMEM;
    *s = newcomer->lead;
    s->own = 1;
    s->next = NULL;
    if (len)
        memcpy(s + 1, s->account.data, len);
    s->account.data = (uint8_t *)(s + 1);
    take_sink_out(&newcomer->lead);
    s->gone = 0;
    add_sink(r, s);
    return 0;
}

/* ---- Life ---- */

static void unwait(struct route *r)
{
    struct route **at = &r->c->waiting;

    while (*at && *at != r)
        at = &(*at)->next_waiting;
    if (*at) {
        *at = r->next_waiting;
        r->c->n_waiting--;
    }
}

/* All clients have their end. */
static void drop_sinks(struct route *r)
{
    struct sink *next;

    for (struct sink *s = r->sinks; s; s = next) {
        next = s->next;
        if (!s->gone || !r->calling)
            route_drop_sink(s);
    }
}

/* A zeroed route; of `tries` only what n_tries counts is ever read. */
static struct route *route_new(struct coordinator *c)
{
    struct route *r = c->spare;

    if (!r)
        return c->host->alloc(c->host, sizeof(*r));
    c->spare = r->next;
    c->n_spare--;
    memset(r, 0, offsetof(struct route, tries));
    return r;
}

static void put_back(struct route *r)
{
    struct coordinator *c = r->c;

    if (c->n_spare == MAX_SPARE) {
        c->host->release(c->host, r);
        return;
    }
    r->next = c->spare;
    c->spare = r;
    c->n_spare++;
}

static void free_spare(struct coordinator *c)
{
    while (c->spare) {
        struct route *r = c->spare;

        c->spare = r->next;
        c->host->release(c->host, r);
    }
    c->n_spare = 0;
}

void route_free(struct route *r)
{
    if (r->calling) {
        r->free_later = 1;
        return;
    }
    drop_sinks(r);
    if (r->state == ROUTE_READY)
        unwait(r);
    wait_stop(r);
    hits_leave(r);
    if (r->state == ROUTE_GHOST)
        settle_forget(r);
    *(r->prev ? &r->prev->next : &r->c->routes) = r->next;
    if (r->next)
        r->next->prev = r->prev;
    for (unsigned i = 0; i < r->n_tries; i++)
        free(r->tries[i].text);
    tape_unref(r->tape);
    plan_unref(r->plan);
    free(r->packed);
    free(r->error.body);
    put_back(r);
}

/* Frees the sinks that went while parts were being handed out. */
static void sweep(struct route *r)
{
    for (struct sink **at = &r->sinks, *s; !r->calling && (s = *at) != NULL;) {
        if (!s->gone) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        if (s->own)
            free(s);
    }
}

void route_enter(struct route *r)
{
    r->calling++;
}

int route_leave(struct route *r)
{
    int over = r->over;

    if (--r->calling)
        return over;
    if (r->free_later) {
        route_free(r);
        return 1;
    }
    sweep(r);
    return over;
}

void route_finish(struct route *r)
{
    r->over = 1;
    r->over_ms = route_now(r);
    drop_sinks(r);
    wait_stop(r);
    hits_leave(r);
    leg_cancel_all(r);
    if (r->unsettled) {
        settle_ghost(r);
        return;
    }
    settle_emit(r);
    route_free(r);
}

/* ---- What is looked for ---- */

int64_t route_setting(int64_t own, int64_t general)
{
    return own >= 0 ? own : general;
}

void route_set_alias(struct route *r, const char *model)
{
    r->alias = alias_find(&r->plan->aliases, model);
    text_copy(r->alias_name, sizeof(r->alias_name), r->alias ? r->alias->name : "");
    r->strategy = r->alias && r->alias->has_strategy ? r->alias->strategy
                                                     : (enum strategy)r->c->config->strategy;
}

void route_aim(struct route *r, const char *model)
{
    const char *standard = r->c->config->auto_model;

    if (strcmp(model, "auto") == 0 && standard[0])
        model = standard;
    text_copy(r->target, sizeof(r->target), model);
    route_set_alias(r, r->target);
    r->automatic = strcmp(r->target, "auto") == 0;
    r->bare = r->target;
    r->only = r->alias ? NULL : members_named(r->c, r->target, &r->bare);
}

int64_t route_prompt(struct route *r, int exact)
{
    if (r->prompt < 0)
        r->prompt = (int64_t)(r->body.len / 4 + 1);
    if (exact && !r->prompt_exact) {
        int64_t tokens = aiex_chat_prompt_tokens(aiex_dialect_of(r->dialect), r->body);

        r->prompt_exact = 1;
        if (tokens >= 0)
            r->prompt = tokens;
    }
    return r->prompt;
}

/* ---- Requests ---- */

static int refuse(struct coordinator *c, uint64_t id, const char *code, int http_status,
                  const char *reason, const char *text)
{
    uint8_t mem[256];

    c->host->fail(c->host, id, code, text, 0,
                  ends_details(NULL, http_status, reason, mem, sizeof(mem)));
    return 0;
}

static void begin(struct route *r)
{
    r->state = ROUTE_NEW;
    route_aim(r, r->asked);
    retry_request(&r->c->budget, r->c->config->retry_budget);
    if (r->cached_mode != CACHE_OFF && hits_try(r))
        return;
    leg_next(r);
}

static void wait_for_round(struct route *r)
{
    struct route **at = &r->c->waiting;

    while (*at)
        at = &(*at)->next_waiting;
    *at = r;
    r->state = ROUTE_READY;
    r->c->n_waiting++;
}

int route_begin(struct coordinator *c, const struct aiex_message *m, enum operation op)
{
    struct wanted q = {.dialect = {NULL, 0}};
    const char *wrong;
    struct route *r;

    asked_find(m->body, &q);
    wrong = asked_check(&q);
    if (wrong)
        return refuse(c, m->id, AIEX_E_INVALID, 400, "request", wrong);
    if (!c->ready && c->n_waiting == MAX_WAITING)
        return refuse(c, m->id, AIEX_E_BUSY, 503, "overloaded",
                      "too many requests wait for the first providers");
    r = route_new(c);
    if (!r)
        return -ENOMEM;
    r->c = c;
    r->op = op;
    r->plan = plan_ref(c->plan);
    r->next = c->routes;
    if (r->next)
        r->next->prev = r;
    c->routes = r;
    r->serial = ++c->last_serial;
    r->trace = m->trace;
    r->begun_ms = route_now(r);
    r->lead = (struct sink){.id = m->id, .trace = m->trace, .begun_ms = r->begun_ms};
    add_sink(r, &r->lead);
    if (asked_fill(r, m, &q) != 0) {
        route_free(r);
        return -ENOMEM;
    }
    if (c->ready)
        begin(r);
    else
        wait_for_round(r);
    return 0;
}

void route_release(struct coordinator *c)
{
    while (c->waiting) {
        struct route *r = c->waiting;

        unwait(r);
        begin(r);
    }
}

/* ---- Leaving ---- */

static void client_left(struct route *r)
{
    r->outcome = (struct outcome){.code = AIEX_E_CANCELLED, .http_status = 499};
    route_finish(r);
}

void route_cancel(struct coordinator *c, uint64_t id)
{
    struct sink *s = route_sink(c, id);
    struct route *r = s ? s->route : NULL;

    if (!s)
        return;
    if (s->own)
        settle_follower(s, AIEX_E_CANCELLED);
    else
        r->lead_left = 1;
    route_drop_sink(s);
    if (route_listeners(r) == 0)
        client_left(r);
    else
        leg_resume(r); /* the one who left may have been the slow one */
}

void route_resume(struct coordinator *c, uint64_t id)
{
    struct sink *s = route_sink(c, id);

    if (!s)
        return;
    s->paused = 0;
    leg_resume(s->route);
}

void route_free_all(struct coordinator *c)
{
    while (c->routes) {
        struct route *r = c->routes;

        if (r->state == ROUTE_GHOST)
            settle_emit(r);
        r->over = 1;
        leg_cancel_all(r);
        route_free(r);
    }
    free_spare(c);
}
