/*
 * leg.c - calls to providers: started, answered, failed, given up.
 *
 * leg_next() is the engine: it picks, calls, and picks again, without recursion, until one
 * provider is at work, the route waits, or the route is over. Callbacks may come inside call() and
 * stream(): route_enter() and route_leave() stand around them.
 */
#include "route.h"
#include "validate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_ATTEMPTS 1000000u
#define KEPT_TEXT   160u /* bytes of an error's text in a record */

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
    unsigned pairs = 7 + (r->tags.len != 0) + (first > 0) + (idle > 0) + (total > 0);
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

/* Gives back what book() took. */
static void unbook(struct leg *l, enum breaker_outcome outcome, int64_t used)
{
    struct route *r = l->r;
    struct member *m = l->lane->m;
    uint64_t now = route_now(r);

    l->active = 0;
    m->in_flight--;
    l->lane->in_flight--;
    limit_end(&m->limit, now, l->begun_ms, l->booked, used);
    if (breaker_end(&l->lane->breaker, &r->plan->breaker, now, l->probe, outcome) &&
        l->lane->breaker.state == BREAKER_OPEN)
        wait_flush(m);
}

static void on_answer(void *arg, const struct aiex_answer *a);
static void failed(struct leg *l, const char *code, const char *text, uint32_t retry_after_ms,
                   struct aiex_slice body);

/* 1 = the route is over. */
static int start(struct route *r, const struct pick *p)
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
    snprintf(r->sent, sizeof(r->sent), "%s", p->model);
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
    result = r->c->host->call(r->c->host, &q, on_answer, l, &call);
    l->call = call;
    if (result == 0 && !l->active && !l->ended)
        r->c->host->cancel(r->c->host, call); /* given up before its number was known */
    if (result < 0 && !r->over)
        failed(l, result == -EBUSY ? AIEX_E_BUSY : AIEX_E_INTERNAL,
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
        if (start(r, &p))
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
    start(r, &p);
}

/* ---- Giving up ---- */

void leg_cancel(struct leg *l)
{
    struct route *r = l->r;
    struct try *t;

    if (!l->active)
        return;
    t = &r->tries[l->try];
    t->code = AIEX_E_CANCELLED;
    t->ms = (uint32_t)(route_now(r) - l->begun_ms);
    t->awaits_bill = 1;
    r->unsettled++;
    l->lane->m->stats.results[RESULT_CANCELLED]++;
    unbook(l, OUTCOME_NEUTRAL, -1);
    if (l->call)
        r->c->host->cancel(r->c->host, l->call);
    wait_drain(l->lane->m);
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
static int held_back(const struct route *r)
{
    return r->validate != VALIDATE_OFF && r->tape;
}

static void on_part(struct leg *l, struct aiex_slice part)
{
    struct route *r = l->r;

    route_enter(r);
    if (!l->parts)
        won(l);
    if (r->tape && tape_add(r->tape, part) != 0)
        hits_leave(r); /* too large to be given once more */
    if (!held_back(r))
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

/* ---- Ends ---- */

/* What a failed call has used up: as it says, else what is likely. */
static void usage_of_failure(struct route *r, const struct leg *l, const char *code,
                             const struct facts *f, struct usage *u)
{
    int started = f->started >= 0 ? f->started : strcmp(code, AIEX_E_CRASHED) == 0;

    *u = f->usage;
    if (u->input >= 0 || u->output >= 0 || (!started && !l->parts))
        return;
    u->input = route_prompt(r, 0);
    u->output = 0;
    u->estimated = 1;
}

static void price_try(struct leg *l, struct try *t)
{
    struct price_tokens used = {t->usage.input, t->usage.output, t->usage.cached,
                                t->usage.cache_write};

    t->cost = 0;
    t->price = PRICE_FREE;
    if (used.input > 0 || used.output > 0)
        t->cost = price_cost(lanes_price(l->lane, l->r->plan), &used, &t->price);
    if (l->lane->m->offline) {
        t->cost = 0;
        t->price = PRICE_FREE;
    }
}

static void count(struct leg *l, const char *code)
{
    struct member_stats *s = &l->lane->m->stats;
    const struct usage *u = &l->r->tries[l->try].usage;

    s->results[result_of(code)]++;
    s->errors += code != NULL;
    s->input_tokens += u->input > 0 ? (uint64_t)u->input : 0;
    s->output_tokens += u->output > 0 ? (uint64_t)u->output : 0;
    s->cached_tokens += u->cached > 0 ? (uint64_t)u->cached : 0;
    s->cache_write_tokens += u->cache_write > 0 ? (uint64_t)u->cache_write : 0;
    s->cost += l->r->tries[l->try].cost;
}

static int64_t tokens_of(const struct usage *u)
{
    return u->input < 0 && u->output < 0
               ? -1
               : (u->input > 0 ? u->input : 0) + (u->output > 0 ? u->output : 0);
}

static void keep_text(struct try *t, const char *text)
{
    if (text && *text)
        t->text = strndup(text, KEPT_TEXT);
}

/* Closes the row of a call that failed, and what was booked for it. */
static struct verdict close_failed(struct leg *l, const char *code, const char *text,
                                   struct aiex_slice body)
{
    struct route *r = l->r;
    struct try *t = &r->tries[l->try];
    struct verdict v;
    struct facts f;
    int64_t used;

    facts_read(body, &f);
    if (f.reason.len < sizeof(t->reason) && f.reason.len)
        memcpy(t->reason, f.reason.data, f.reason.len);
    v = verdict_of(code, t->reason);
    t->code = result_names[result_of(code)];
    t->ms = (uint32_t)(route_now(r) - l->begun_ms);
    keep_text(t, text);
    usage_of_failure(r, l, code, &f, &t->usage);
    price_try(l, t);
    count(l, code);
    used = tokens_of(&t->usage);
    unbook(l, v.outcome, used < 0 ? 0 : used);
    return v;
}

static void blame(struct leg *l, const struct verdict *v, uint32_t retry_after_ms)
{
    struct member *m = l->lane->m;
    uint64_t now = route_now(l->r);

    if (v->blame == BLAME_KEY)
        m->key_rest_ms = now + (uint64_t)l->r->c->config->key_rest;
    if ((v->blame == BLAME_WAIT || v->again != AGAIN_NEVER) && retry_after_ms)
        limit_bench(&m->limit, now + retry_after_ms);
}

/* A fault of the request that only another model finds says less than the error that led there. */
static int rank_of(const struct route *r, const struct leg *l, const struct verdict *v)
{
    if (v->rank == 9 && r->error.rank && strcmp(r->tries[0].model, r->tries[l->try].model) != 0)
        return 0;
    return v->rank;
}

/* Remembers who may be asked again; an error that forbids it leaves the one of before. */
static void may_repeat(struct route *r, const struct leg *l, const struct verdict *v,
                       uint32_t retry_after_ms)
{
    if (v->again == AGAIN_NEVER || l->lane->m->offline || !l->lane->m->healthy)
        return;
    if ((v->again == AGAIN_AFTER_WAIT && !retry_after_ms) ||
        retry_after_ms > (uint64_t)r->c->config->retry_wait)
        return;
    r->same = l->lane;
    r->same_waits = retry_after_ms != 0;
}

/* An error before the first part: what next. */
static void failed(struct leg *l, const char *code, const char *text, uint32_t retry_after_ms,
                   struct aiex_slice body)
{
    struct route *r = l->r;
    struct member *m = l->lane->m;
    struct aiex_slice who = nothing;
    struct verdict v = close_failed(l, code, text, body);

    blame(l, &v, retry_after_ms);
    if ((strcmp(code, AIEX_E_UNAVAILABLE) == 0 || strcmp(code, AIEX_E_CRASHED) == 0) &&
        aiex_get_str(body, "provider", &who) != 1 && !m->offline)
        members_gone(m, text && *text ? text : code); /* the host's word, not the provider's */
    r->winner = m;
    ends_keep(r, rank_of(r, l, &v), code, text, retry_after_ms, body);
    if (leg_running(r)) { /* the other one may still answer */
        wait_drain(m);
        return;
    }
    wait_stop(r);
    r->offline_allowed &= v.offline == OFFLINE_ALWAYS ||
                          (v.offline == OFFLINE_IF_DOWN && !m->healthy);
    r->only_listed |= v.next == NEXT_LISTED;
    r->fallback = v.fallback;
    may_repeat(r, l, &v, retry_after_ms);
    if (v.next == NEXT_NONE)
        r->attempts_here = NO_ATTEMPTS; /* but a fallback may have some */
    if (m->offline) {
        ends_pass_on(r);
    } else {
        r->again = 1;
        if (!r->calling)
            leg_next(r); /* may free r */
    }
    wait_drain(m);
}

/* What the vendor's rate headers say: when nothing is left, all wait for the renewal. */
static void note_left(struct member *m, const struct facts *f, uint64_t now)
{
    if ((f->left_requests == 0 || f->left_tokens == 0) && f->reset_ms > 0 && f->reset_ms < 3600000)
        limit_bench(&m->limit, now + (uint64_t)f->reset_ms);
}

/* The answer is not what was asked for: once it is asked for again, with the fault. */
static void repair(struct leg *l, const char *fault)
{
    struct route *r = l->r;
    struct pick p = {.kind = PICK_GO, .m = l->lane->m, .lane = l->lane, .why = WHY_REPAIR, .n = 1};
    struct aiex_slice body;
    char text[600];
    int result = -EBUSY;

    r->tries[l->try].code = AIEX_E_UPSTREAM;
    keep_text(&r->tries[l->try], fault);
    if (!r->repaired && route_now(r) < r->deadline_ms &&
        validate_repair(r->body, fault, &body) == 0) {
        result = route_rebody(r, body);
        free((void *)body.data);
    }
    if (result != 0) {
        snprintf(text, sizeof(text), "the model's answer is not what was asked for: %s", fault);
        ends_fail(r, AIEX_E_UPSTREAM, 502, "server", text, 0);
        return;
    }
    r->repaired = 1;
    r->c->stats.repairs++;
    snprintf(p.model, sizeof(p.model), "%s", r->sent);
    if (!start(r, &p) && r->again)
        leg_next(r);
}

static int is_valid(const struct route *r, char *fault, size_t size)
{
    return !held_back(r) || validate_answer(r->dialect, r->body, tape_whole(r->tape),
                                            (enum validate)r->validate, fault, size);
}

static void good(struct leg *l, const struct aiex_answer *a)
{
    struct route *r = l->r;
    struct member *m = l->lane->m;
    struct try *t = &r->tries[l->try];
    uint64_t now = route_now(r), total = now - l->begun_ms;
    int slow = r->c->config->slow_call && total > (uint64_t)r->c->config->slow_call;
    char fault[512];
    struct facts f;

    facts_read(a->body, &f);
    t->code = "";
    t->ms = (uint32_t)total;
    if (!t->first_ms)
        t->first_ms = (uint32_t)(f.first_ms >= 0 ? f.first_ms : (int64_t)total);
    t->usage = f.usage;
    price_try(l, t);
    count(l, NULL);
    unbook(l, slow ? OUTCOME_BAD : OUTCOME_GOOD, r->op == OP_COUNT ? 0 : tokens_of(&t->usage));
    if (r->op == OP_CHAT || r->op == OP_COMPLETE)
        latency_take(&l->lane->latency, now, t->first_ms);
    if (r->conversation && r->c->affinity && !m->offline)
        affinity_note(r->c->affinity, r->conversation, lanes_place(l->lane), now);
    note_left(m, &f, now);
    r->winner = m;
    wait_stop(r);
    for (unsigned i = 0; i < MAX_LEGS; i++)
        if (&r->legs[i] != l)
            leg_cancel(&r->legs[i]);
    if (is_valid(r, fault, sizeof(fault)))
        ends_good(r, t, a->body, &f, (a->flags & AIEX_AF_SPLICED) != 0);
    else
        repair(l, fault);
    wait_drain(m);
}

/* After the first part nothing is tried again. */
static void broke_off(struct leg *l, const struct aiex_answer *a)
{
    struct route *r = l->r;
    struct member *m = l->lane->m;
    struct verdict v;

    l->parts = 1;
    v = close_failed(l, a->code, a->text, a->body);
    blame(l, &v, a->retry_after_ms);
    r->winner = m;
    ends_broken(r, a);
    wait_drain(m);
}

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct leg *l = arg;

    l->ended |= a->kind == AIEX_ANSWER_END;
    if (l->r->over || !l->active)
        return;
    if (a->kind == AIEX_ANSWER_PART)
        on_part(l, a->body);
    else if (!a->code)
        good(l, a);
    else if ((a->flags & AIEX_AF_SPLICED) || (l->parts && !held_back(l->r)))
        broke_off(l, a);
    else
        failed(l, a->code, a->text, a->retry_after_ms, a->body);
}
