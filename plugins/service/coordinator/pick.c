/*
 * pick.c - who is asked next. In four steps: who could have the model and do what the body asks for
 * (gather.c), in which order (strategy, warm caches, refused keys last), who of them serves best
 * (choose.c), and who may go now (limits).
 */
#include "gather.h"

#include <stdio.h>
#include <string.h>

/* ---- In which order ---- */

static int64_t cost_of(struct route *r, const struct option *o)
{
    struct price_tokens t = {.input = route_prompt(r, 0)};
    enum price_kind kind = PRICE_UNKNOWN;
    int64_t cost;

    t.output = t.input / 4 + 256;
    cost = o->lane ? price_cost(lanes_price(o->lane, r->plan), &t, &kind) : 0;
    return kind == PRICE_UNKNOWN ? -1 : cost;
}

static struct contender contender_of(struct route *r, const struct options *o, size_t i)
{
    const struct option *at = &o->list[i];
    const struct model_info *info = NULL;
    struct contender c = {.at = (unsigned)i, .weight = at->weight};

    c.load = at->m->in_flight + (uint32_t)at->m->queue.n;
    c.latency_us = at->lane ? at->lane->latency.ewma_us : 0;
    if (r->strategy == STRATEGY_LOWEST_COST)
        c.cost = cost_of(r, at);
    if (r->strategy == STRATEGY_AFFINITY) {
        info = lists_find(&at->m->models, at->model);
        c.loaded = info && info->loaded;
        c.local = plan_is_local(r->plan, at->m->name);
    }
    return c;
}

static uint64_t turn_of(struct route *r)
{
    if (!r->turn_taken) {
        r->turn = r->alias ? r->alias->turn++ : r->c->turn++;
        r->turn_taken = 1;
    }
    return r->turn;
}

static uint64_t warm_place(struct route *r)
{
    struct siphash h;

    if (!r->c->affinity || r->op == OP_COUNT || r->op == OP_EMBED)
        return 0;
    if (!r->conversation) {
        siphash_init(&h, r->c->secret);
        siphash_field(&h, &r->flow, sizeof(r->flow));
        affinity_prefix(r->body, &h);
        r->conversation = siphash_end(&h).a | 1;
    }
    return affinity_find(r->c->affinity, r->conversation, route_now(r),
                         (uint64_t)r->c->config->affinity_ttl);
}

static void move(struct contender *list, size_t from, size_t to)
{
    struct contender moved = list[from];

    if (from > to)
        memmove(list + to + 1, list + to, (from - to) * sizeof(*list));
    else
        memmove(list + from, list + from + 1, (to - from) * sizeof(*list));
    list[to] = moved;
}

/* Sorts the usable ones; returns how many and, in *ret_warm, whether the first one is warm. */
static size_t sort(struct route *r, struct options *o, struct contender *list, int *ret_warm)
{
    size_t n = 0, end;
    uint64_t place;

    for (size_t i = 0; i < o->n; i++)
        if (gather_usable(&o->list[i]))
            list[n++] = contender_of(r, o, i);
    *ret_warm = 0;
    if (n < 2)
        return n;
    strategy_order(r->strategy, list, n, r->strategy == STRATEGY_ROUND_ROBIN ? turn_of(r) : 0,
                   &r->c->random);
    place = strategy_sticks(r->strategy) ? warm_place(r) : 0;
    for (size_t i = 0; place && i < n; i++)
        if (o->list[list[i].at].lane && lanes_place(o->list[list[i].at].lane) == place) {
            move(list, i, 0);
            *ret_warm = 1;
            break;
        }
    end = n;
    for (size_t i = 0; i < end;) /* refused keys last */
        if (o->list[list[i].at].resting) {
            *ret_warm &= i != 0;
            move(list, i, n - 1);
            end--;
        } else {
            i++;
        }
    return n;
}

/* ---- Who may now ---- */

static uint64_t wait_of(struct route *r, struct option *o)
{
    if (o->m->queue.n && !r->pass_queue)
        return LIMIT_AFTER_ANOTHER; /* others wait already */
    return limit_wait_ms(&o->m->limit, members_rule(o->m), route_now(r), route_prompt(r, 0));
}

static enum why why_of(const struct route *r, const struct option *o, size_t n, int warm)
{
    static const enum why by_strategy[N_STRATEGIES] = {
        [STRATEGY_ORDERED] = WHY_ORDER,    [STRATEGY_WEIGHTED] = WHY_WEIGHT,
        [STRATEGY_ROUND_ROBIN] = WHY_TURN, [STRATEGY_LEAST_LOAD] = WHY_LOAD,
        [STRATEGY_LOWEST_COST] = WHY_COST, [STRATEGY_LOWEST_LATENCY] = WHY_LATENCY,
        [STRATEGY_AFFINITY] = WHY_LOCAL,
    };

    if (r->same_now)
        return WHY_AGAIN;
    if (r->only == o->m)
        return WHY_NAMED;
    if (o->elsewhere)
        return WHY_CAPABLE;
    if (n < 2)
        return WHY_SOLE;
    return warm ? WHY_WARM : by_strategy[r->strategy];
}

static void take(const struct option *o, struct pick *ret)
{
    ret->m = o->m;
    ret->lane = o->lane;
    text_copy(ret->model, sizeof(ret->model), o->model);
}

/* Of those as good as `best`, the first that may go; else who may go soonest. */
static void go_or_wait(struct route *r, struct options *o, const struct contender *list, size_t n,
                       struct option *best, struct pick *ret)
{
    struct option *soonest = best;
    uint64_t least = wait_of(r, best);

    for (size_t i = 0; least && i < n; i++) {
        struct option *at = &o->list[list[i].at];
        uint64_t wait = at == best || at->lists != best->lists ? least : wait_of(r, at);

        if (wait < least) {
            soonest->not = NOT_LIMITS;
            least = wait;
            soonest = at;
        }
    }
    take(soonest, ret);
    ret->kind = least ? PICK_WAIT : PICK_GO;
    ret->wait_ms = least;
}

static void tell_skipped(const struct options *o, struct pick *ret)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct option *at = &o->list[i];

        if (at->m->offline || at->m == ret->m)
            return;
        if (at->not == NOT_SKIPPED || at->lists == LIST_WITHOUT)
            continue;
        ret->skipped = at->m->name;
        ret->why_not = at->not ;
        return;
    }
}

/* Candidates for choose.c in sorted order, behind them those that are not usable. */
static size_t candidates(const struct options *o, const struct contender *list, size_t n,
                         struct candidate *ret, size_t *index)
{
    size_t k = 0;

    for (; k < n; k++)
        index[k] = list[k].at;
    for (size_t i = 0; i < o->n; i++)
        if (!gather_usable(&o->list[i]))
            index[k++] = i;
    for (size_t i = 0; i < k; i++) {
        const struct option *at = &o->list[index[i]];

        ret[i] = (struct candidate){at->m->offline, at->healthy, at->tried, at->lists};
    }
    return k;
}

/* Whose breaker lets somebody through first, or NULL. */
static const struct option *soonest_barred(const struct route *r, const struct options *o)
{
    int pass = r->c->config->unlisted == UNLISTED_PASS;
    const struct option *found = NULL;

    for (size_t i = 0; i < o->n; i++) {
        const struct option *at = &o->list[i];

        if (at->not == NOT_BREAKER && (at->lists != LIST_WITHOUT || pass) &&
            (!found || at->rest_ms < found->rest_ms))
            found = at;
    }
    return found;
}

static void nobody(const struct route *r, const struct options *o, int why, struct pick *ret)
{
    const struct option *barred = soonest_barred(r, o);

    ret->kind = o->unable                           ? PICK_UNABLE
                : why == CHOOSE_NO_MODEL && !barred ? PICK_NO_MODEL
                                                    : PICK_NOBODY;
    ret->wait_ms = barred ? barred->rest_ms : 0;
    ret->barred = barred ? barred->lane : NULL;
}

/* Another model is set for embeddings, and was not tried for this request. */
static int may_embed_elsewhere(const struct route *r)
{
    return r->c->config->embed_model[0] && !r->embed_aimed;
}

void pick(struct route *r, struct pick *ret)
{
    struct wish wish = {r->only_listed, r->c->config->unlisted == UNLISTED_PASS, 0};
    struct options o;
    struct contender list[MAX_OPTIONS];
    struct candidate flags[MAX_OPTIONS];
    size_t index[MAX_OPTIONS], n;
    int at, warm;

    *ret = (struct pick){.kind = PICK_NOBODY};
    gather(r, &o);
    if (o.unable && r->op == OP_EMBED && may_embed_elsewhere(r)) {
        ret->kind = PICK_UNABLE;
        return;
    }
    n = sort(r, &o, list, &warm);
    at = choose_next(flags, candidates(&o, list, n, flags, index), &wish);
    if (at < 0) {
        nobody(r, &o, at, ret);
        return;
    }
    ret->n = (unsigned)n;
    ret->why = why_of(r, &o.list[index[at]], n, warm && at == 0);
    if (o.list[index[at]].m->offline) {
        take(&o.list[index[at]], ret);
        ret->kind = PICK_GO;
        return;
    }
    go_or_wait(r, &o, list, n, &o.list[index[at]], ret);
    tell_skipped(&o, ret);
}

int pick_offline(struct route *r, struct pick *ret)
{
    for (size_t i = 0; i < r->c->n_members; i++) {
        struct member *m = r->c->members[i];
        struct lane *lane;

        if (!m->present || !m->offline || members_is_spare(r->c, m) || m->lacks >> r->op & 1)
            continue;
        lane = gather_lane(m, "");
        if (!lane || gather_was_tried(r, m, lane->model))
            continue;
        *ret = (struct pick){.kind = PICK_GO, .m = m, .lane = lane, .why = WHY_OFFLINE, .n = 1};
        text_copy(ret->model, sizeof(ret->model), r->bare);
        return 1;
    }
    return 0;
}
