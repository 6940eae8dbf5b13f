/*
 * leg.c - calls to providers: started, handing out parts, given up. leg_end.c has their ends.
 *
 * leg_next() is the engine: it picks, calls, and picks again, without recursion, until one
 * provider is at work, the route waits, or the route is over. Callbacks may come inside call() and
 * stream(): route_enter() and route_leave() stand around them.
 */
#include "leg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct aiex_slice nothing = {NULL, 0};

/* ---- Start ---- */

int leg_running(const struct route *r)
{
    int n = 0;

    for (unsigned i = 0; i < MAX_LEGS; i++)
        n += r->legs[i].active;
    return n;
}

/* The tail of the request, and the number of its pairs in its head. */
static struct aiex_slice pack_tail(struct route *r, const char *model)
{
    const struct config *config = r->c->config;
    const struct alias_settings *own = r->alias ? &r->alias->settings : NULL;
    int64_t first = route_setting(own ? own->first_token_ms : -1, config->first_token);
    int64_t idle = route_setting(own ? own->idle_ms : -1, config->idle);
    int64_t total = route_setting(own ? own->total_ms : -1, config->total);
    unsigned pairs = 7 + (r->tags.len != 0) + (r->headers.len != 0) + (first > 0) + (idle > 0) +
                     (total > 0);
    struct aiex_writer w;

    aiex_writer_init(&w, r->packed + r->packed_len, TAIL_BYTES);
    aiex_w_key_str(&w, "model", model);
    aiex_w_key_uint(&w, "attempt", r->attempts);
    if (first > 0)
        aiex_w_key_int(&w, "first_token_ms", first);
    if (idle > 0)
        aiex_w_key_int(&w, "idle_ms", idle);
    if (total > 0)
        aiex_w_key_int(&w, "total_ms", total);
    r->packed[1] = (uint8_t)(pairs >> 8);
    r->packed[2] = (uint8_t)pairs;
    return (struct aiex_slice){r->packed, r->packed_len + w.len};
}

static struct leg *free_leg(struct route *r)
{
    for (unsigned i = 0; i < MAX_LEGS; i++)
        if (!r->legs[i].active)
            return &r->legs[i];
    return NULL;
}

static void note_try(struct route *r, struct leg *l, const struct pick *p)
{
    if (r->n_tries == MAX_TRIES) { /* bounded by attempts and hops; the oldest but one goes */
        free(r->tries[1].text);
        memmove(&r->tries[1], &r->tries[2], (MAX_TRIES - 2) * sizeof(r->tries[0]));
        r->n_tries--;
    }
    l->try = r->n_tries++;
    r->tries[l->try] = (struct try){.provider = p->m->name,
                                    .model = p->lane->model,
                                    .fallback = r->hop_reason,
                                    .why = p->why,
                                    .why_not = p->why_not,
                                    .skipped = p->skipped,
                                    .n = p->n,
                                    .at_ms = (uint32_t)(l->begun_ms - r->begun_ms),
                                    .usage = {-1, -1, -1, -1, -1, 0}};
}

static void book(struct route *r, struct leg *l, const struct pick *p)
{
    struct member *m = p->m;

    *l = (struct leg){.r = r, .lane = p->lane, .begun_ms = route_now(r), .active = 1};
    l->booked = r->op == OP_COUNT ? 0 : route_prompt(r, 0);
    l->probe = breaker_begin(&l->lane->breaker, &r->plan->breaker, l->begun_ms);
    limit_begin(&m->limit, l->begun_ms, l->booked);
    m->in_flight++;
    l->lane->in_flight++;
    m->stats.requests++;
    m->stats.retries += p->why == WHY_AGAIN;
    r->attempts++;
    r->attempts_here++;
    r->winner = m;
    note_try(r, l, p);
}

/* Repeats at one place say no more of it than the first failure did; probes always count. */
static enum breaker_outcome counted(struct leg *l, enum breaker_outcome outcome)
{
    struct route *r = l->r;

    if (outcome != OUTCOME_BAD)
        return outcome;
    for (unsigned i = 0; !l->probe && i < r->n_tries; i++)
        if (r->tries[i].blamed && r->tries[i].provider == l->lane->m->name &&
            r->tries[i].model == l->lane->model)
            return OUTCOME_NEUTRAL;
    r->tries[l->try].blamed = 1;
    return outcome;
}

/* Gives back what book() took. */
void leg_unbook(struct leg *l, enum breaker_outcome outcome, int64_t used)
{
    struct route *r = l->r;
    struct member *m = l->lane->m;
    uint64_t now = route_now(r);

    l->active = 0;
    m->in_flight--;
    l->lane->in_flight--;
    limit_end(&m->limit, now, l->begun_ms, l->booked, used);
    if (breaker_end(&l->lane->breaker, &r->plan->breaker, now, l->probe, counted(l, outcome)) &&
        l->lane->breaker.state == BREAKER_OPEN)
        wait_flush(m);
}

void leg_give_way(struct lane *lane)
{
    recover_drain(lane);
    wait_drain(lane->m);
}

/* 1 = the route is over. */
int leg_start(struct route *r, const struct pick *p)
{
    static const char *const methods[N_OPERATIONS] = {"provider.chat", "provider.complete",
                                                      "provider.embed", "provider.count"};
    struct leg *l = free_leg(r);
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = r->relayed ? AIEX_CALL_MANUAL : AIEX_CALL_SPLICE,
                             .service = p->m->name,
                             .method = methods[r->op],
                             .trace = r->trace};
    uint64_t now, call = 0;
    int result;

    book(r, l, p);
    text_copy(r->sent, sizeof(r->sent), p->model);
    now = l->begun_ms;
    q.body = pack_tail(r, p->model);
    if (r->deadline_ms != UINT64_MAX)
        q.timeout_ms = (uint32_t)(r->deadline_ms - now);
    if (!r->relayed)
        q.parent = r->lead.id; /* relayed ones outlive the first client: the route cancels them */
    r->state = ROUTE_CALLING;
    r->again = 0;
    if (r->validate != VALIDATE_OFF) { /* what another attempt said is not wanted */
        tape_unref(r->tape);
        r->tape = tape_new(AIEX_MAX_BODY);
    }
    route_enter(r);
    result = r->c->host->call(r->c->host, &q, leg_answer, l, &call);
    l->call = call;
    if (result == 0 && !l->active && !l->ended)
        r->c->host->cancel(r->c->host, call); /* given up before its number was known */
    if (result < 0 && !r->over)
        leg_failed(l, result == -EBUSY ? AIEX_E_BUSY : AIEX_E_INTERNAL,
                   "the call to the provider could not be made", 0, nothing);
    return route_leave(r);
}

/* A second request makes sense, and when. 0 = no. */
static uint64_t hedge_after(struct route *r, const struct lane *l)
{
    struct hedge h = r->alias ? r->alias->settings.hedge : (struct hedge){HEDGE_UNSET, 0};

    if (h.kind == HEDGE_UNSET)
        h = r->plan->hedge;
    if ((r->op != OP_CHAT && r->op != OP_COMPLETE) || r->hops || l->m->offline)
        return 0;
    if (h.kind == HEDGE_TIME)
        return (uint64_t)h.value;
    return h.kind == HEDGE_QUANTILE ? latency_quantile(&l->latency, (unsigned)h.value) : 0;
}

unsigned leg_max_attempts(const struct route *r)
{
    return (unsigned)route_setting(r->alias ? r->alias->settings.attempts : -1,
                                   r->c->config->attempts);
}

void leg_next(struct route *r)
{
    for (;;) {
        struct pick p = {.kind = PICK_NOBODY};
        uint64_t hedge;

        if (route_now(r) >= r->deadline_ms) {
            ends_fail(r, AIEX_E_TIMEOUT, 504, "timeout",
                      "the deadline passed before a provider answered", 0);
            return;
        }
        if (r->attempts_here < leg_max_attempts(r))
            pick(r, &p);
        if (p.kind == PICK_WAIT && wait_for_limits(r, p.m, p.wait_ms) == 0)
            return;
        if (p.kind != PICK_GO) {
            enum last_resort how = ends_last_resort(r, &p);

            if (how == LAST_OVER)
                return;
            if (how == LAST_LOOK)
                continue;
        }
        if (p.why == WHY_AGAIN)
            r->same = NULL;
        r->same_now = r->pass_queue = 0;
        hedge = r->attempts ? 0 : hedge_after(r, p.lane);
        r->relayed |= hedge != 0 || r->cached_mode != CACHE_OFF || r->validate != VALIDATE_OFF;
        if (leg_start(r, &p))
            return;
        if (!r->again) {
            if (hedge && leg_running(r) && !r->begun_answer)
                wait_hedge(r, hedge);
            return;
        }
    }
}

void leg_hedge(struct route *r)
{
    struct pick p;

    if (leg_running(r) != 1 || r->begun_answer)
        return;
    pick(r, &p);
    if (p.kind != PICK_GO || p.m->offline || !retry_take(&r->c->budget, route_now(r)))
        return;
    p.why = WHY_HEDGE;
    p.m->stats.hedges++;
    leg_start(r, &p);
}

/* ---- Giving up ---- */

void leg_cancel(struct leg *l)
{
    struct route *r = l->r;
    struct lane *lane = l->lane;
    struct try *t;

    if (!l->active)
        return;
    t = &r->tries[l->try];
    t->code = AIEX_E_CANCELLED;
    t->ms = (uint32_t)(route_now(r) - l->begun_ms);
    t->awaits_bill = 1;
    r->unsettled++;
    lane->m->stats.results[RESULT_CANCELLED]++;
    leg_unbook(l, OUTCOME_NEUTRAL, -1);
    if (l->call)
        r->c->host->cancel(r->c->host, l->call);
    leg_give_way(lane);
}

void leg_cancel_all(struct route *r)
{
    for (unsigned i = 0; i < MAX_LEGS; i++)
        leg_cancel(&r->legs[i]);
}

/* ---- Parts ---- */

static int somebody_is_paused(const struct route *r)
{
    for (const struct sink *s = r->sinks; s; s = s->next)
        if (!s->gone && s->paused)
            return 1;
    return 0;
}

void leg_resume(struct route *r)
{
    if (r->over || somebody_is_paused(r))
        return;
    for (unsigned i = 0; i < MAX_LEGS; i++) {
        uint32_t bytes = r->legs[i].withheld;

        r->legs[i].withheld = 0;
        if (r->legs[i].active && bytes)
            r->c->host->credit(r->c->host, r->legs[i].call, bytes);
    }
}

static void hand_out(struct route *r, struct aiex_slice part)
{
    for (struct sink *s = r->sinks; s; s = s->next) {
        int result;

        if (s->gone)
            continue;
        result = r->c->host->stream(r->c->host, s->id, part);
        if (result == AIEX_PAUSE)
            s->paused = 1;
        if (result >= 0 || s->gone)
            continue;
        r->c->host->fail(r->c->host, s->id, AIEX_E_BUSY,
                         "the caller does not take its answer fast enough", 0, nothing);
        if (s->own)
            settle_follower(s, AIEX_E_BUSY);
        else
            r->lead_left = 1;
        route_drop_sink(s);
    }
}

/* The first part of a relayed answer: whoever else runs has lost. */
static void won(struct leg *l)
{
    struct route *r = l->r;

    l->parts = 1;
    r->begun_answer = 1;
    r->winner = l->lane->m;
    r->first_ms = route_now(r) - r->begun_ms;
    r->tries[l->try].first_ms = (uint32_t)(route_now(r) - l->begun_ms);
    wait_stop(r);
    for (unsigned i = 0; i < MAX_LEGS; i++)
        if (&r->legs[i] != l)
            leg_cancel(&r->legs[i]);
}

/* The answer is kept until it has been looked at. */
int leg_held_back(const struct route *r)
{
    return r->validate != VALIDATE_OFF && r->tape;
}

void leg_part(struct leg *l, struct aiex_slice part)
{
    struct route *r = l->r;

    route_enter(r);
    if (!l->parts)
        won(l);
    if (r->tape && tape_add(r->tape, part) != 0)
        hits_leave(r); /* too large to be given once more */
    if (!leg_held_back(r))
        hand_out(r, part);
    else if (r->tape->over)
        ends_fail(r, AIEX_E_UPSTREAM, 502, "server", "the answer is too large to be validated", 0);
    if (!route_listeners(r) && !r->over) {
        r->outcome = (struct outcome){.code = AIEX_E_CANCELLED, .http_status = 499};
        route_finish(r);
    }
    if (route_leave(r) || !r->relayed)
        return;
    l->withheld += (uint32_t)part.len;
    leg_resume(r);
}
