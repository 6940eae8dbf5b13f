/*
 * leg_end.c - how a call to a provider ends: what it used up and cost, what is learned of the
 * provider, and what follows: the answer, another provider, the same one later, or the error.
 */
#include "leg.h"
#include "validate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_ATTEMPTS 1000000u
#define KEPT_TEXT   160u /* bytes of an error's text in a record */

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
    leg_unbook(l, v.outcome, used < 0 ? 0 : used);
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

/* A fault of the request that only another model finds says less than the error that led there,
 * and that the last resort can not do it says nothing to who did not ask for it. */
static int rank_of(const struct route *r, const struct leg *l, const struct verdict *v)
{
    const struct member *m = l->lane->m;

    if (m->offline && m->lacks >> r->op & 1)
        return lists_has(&m->models, r->bare) == LIST_WITH;
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

/* The provider does not have this operation: neither the model nor the attempt is to blame. */
static int lacks_method(const struct leg *l, const char *code, const char *text)
{
    const struct route *r = l->r;

    return (r->op == OP_EMBED || r->op == OP_COMPLETE) && strcmp(code, AIEX_E_NOT_FOUND) == 0 &&
           text && (strstr(text, "does not have that method") || strstr(text, " has no method '"));
}

/* It is remembered, so that the next request goes past it. */
static void learn_method(struct leg *l, struct verdict *v)
{
    struct route *r = l->r;

    l->lane->m->lacks |= 1u << r->op;
    v->next = NEXT_ANY;
    r->attempts_here -= r->attempts_here > 0;
}

/* An error before the first part: what next. */
void leg_failed(struct leg *l, const char *code, const char *text, uint32_t retry_after_ms,
                struct aiex_slice body)
{
    struct route *r = l->r;
    struct lane *lane = l->lane;
    struct member *m = lane->m;
    struct aiex_slice who = {NULL, 0};
    struct verdict v = close_failed(l, code, text, body);

    if (lacks_method(l, code, text))
        learn_method(l, &v);
    blame(l, &v, retry_after_ms);
    /* the host's word, not the provider's; one that crashed is back at once, and its calls wait */
    if (strcmp(code, AIEX_E_UNAVAILABLE) == 0 && aiex_get_str(body, "provider", &who) != 1 &&
        !m->offline)
        members_gone(m, text && *text ? text : code);
    r->winner = m;
    ends_keep(r, rank_of(r, l, &v), code, text, retry_after_ms, body);
    if (leg_running(r)) { /* the other one may still answer */
        leg_give_way(lane);
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
    if (m->offline && r->error.rank) {
        ends_pass_on(r);
    } else {
        r->again = 1;
        if (!r->calling)
            leg_next(r); /* may free r */
    }
    leg_give_way(lane);
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
    if (!leg_start(r, &p) && r->again)
        leg_next(r);
}

static int is_valid(const struct route *r, char *fault, size_t size)
{
    return !leg_held_back(r) || validate_answer(r->dialect, r->body, tape_whole(r->tape),
                                                (enum validate)r->validate, fault, size);
}

static void good(struct leg *l, const struct aiex_answer *a)
{
    struct route *r = l->r;
    struct lane *lane = l->lane;
    struct member *m = lane->m;
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
    leg_unbook(l, slow ? OUTCOME_BAD : OUTCOME_GOOD, r->op == OP_COUNT ? 0 : tokens_of(&t->usage));
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
    leg_give_way(lane);
}

/* After the first part nothing is tried again. */
static void broke_off(struct leg *l, const struct aiex_answer *a)
{
    struct route *r = l->r;
    struct lane *lane = l->lane;
    struct verdict v;

    l->parts = 1;
    v = close_failed(l, a->code, a->text, a->body);
    blame(l, &v, a->retry_after_ms);
    r->winner = lane->m;
    ends_broken(r, a);
    leg_give_way(lane);
}

void leg_answer(void *arg, const struct aiex_answer *a)
{
    struct leg *l = arg;

    l->ended |= a->kind == AIEX_ANSWER_END;
    if (l->r->over || !l->active)
        return;
    if (a->kind == AIEX_ANSWER_PART)
        leg_part(l, a->body);
    else if (!a->code)
        good(l, a);
    else if ((a->flags & AIEX_AF_SPLICED) || (l->parts && !leg_held_back(l->r)))
        broke_off(l, a);
    else
        leg_failed(l, a->code, a->text, a->retry_after_ms, a->body);
}
