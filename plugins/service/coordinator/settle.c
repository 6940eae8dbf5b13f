/*
 * settle.c - accounting: one usage record for each request, sent to whom the request named.
 *
 * A request whose last call was cancelled has cost something that only the provider knows; it
 * becomes a ghost until coordinator.settle brings the bill, or for 5 s, after which the prompt is
 * taken for used. A bill whose request this process does not know belongs to an earlier life of
 * the coordinator: its record is made from the account that came with it. A bill for a record
 * that was sent already is ignored.
 */
#include "route.h"

#include <stdlib.h>
#include <string.h>

/* ---- Sending ---- */

static void send(struct coordinator *c, const char *to, uint64_t trace, struct aiex_slice record)
{
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = AIEX_CALL_LAZY,
                             .service = to,
                             .method = "gateway.settle",
                             .trace = trace,
                             .body = record};

    if (c->host->call(c->host, &q, NULL, NULL, NULL) == 0)
        c->stats.records++;
    else
        c->host->log(c->host, AIEX_LOG_WARN, trace, "a usage record could not be sent");
}

static void emit(struct coordinator *c, const char *to, uint64_t trace, struct aiex_slice account,
                 const struct outcome *o, const struct try *tries, unsigned n)
{
    uint8_t mem[RECORD_MAX + 2048];
    struct aiex_writer w;

    if (!*to)
        return;
    aiex_writer_init(&w, mem, sizeof(mem));
    record_write(&w, trace, account, o, tries, n);
    send(c, to, trace, aiex_written(&w));
}

/* ---- The outcome ---- */

/* Failed attempts cost, too; one of unknown price makes the sum unknown. */
static void add_up(struct route *r, struct outcome *o)
{
    o->cost = 0;
    o->price = PRICE_FREE;
    for (unsigned i = 0; i < r->n_tries; i++) {
        const struct try *t = &r->tries[i];

        o->cost += t->cost;
        if (t->price == PRICE_UNKNOWN && t->code)
            o->price = PRICE_UNKNOWN;
        else if (t->price == PRICE_KNOWN && o->price != PRICE_UNKNOWN)
            o->price = PRICE_KNOWN;
    }
}

static void complete(struct route *r)
{
    struct outcome *o = &r->outcome;
    const struct try *last = r->n_tries ? &r->tries[r->n_tries - 1] : NULL;

    for (unsigned i = 0; i < r->n_tries; i++) /* a hedged loser may stand behind the winner */
        if (r->tries[i].code && !r->tries[i].code[0])
            last = &r->tries[i];
    o->alias = r->alias_name;
    o->strategy = strategy_names[r->strategy];
    o->provider = last ? last->provider : "";
    o->model = last ? last->model : r->bare ? r->bare : "";
    o->finish = o->finish_text;
    if (!o->cached)
        o->cached = "";
    if (!o->code)
        o->code = AIEX_E_CANCELLED;
    if (o->code[0] && last)
        o->usage = last->usage;
    o->total_ms = (int64_t)(r->over_ms - r->begun_ms);
    if (!o->cached[0])
        add_up(r, o);
    if (!last && !o->why)
        o->why = o->cached[0] ? "" : "nobody was asked";
}

static void count(struct route *r)
{
    const struct outcome *o = &r->outcome;
    struct member *m = r->winner;
    double total = (double)o->total_ms / 1000, first = (double)o->first_ms / 1000;

    if (!m || r->op == OP_COUNT || o->cached[0])
        return;
    histogram_take(&m->stats.duration, total);
    if (o->code[0] || r->op == OP_EMBED)
        return;
    histogram_take(&m->stats.first, first);
    if (r->stream && o->usage.output > 1 && total > first)
        histogram_take(&m->stats.between, (total - first) / (double)(o->usage.output - 1));
}

/* coordinator.call, for those who asked for events. */
static void publish(struct route *r)
{
    const struct outcome *o = &r->outcome;
    struct aiex_event e = {.struct_size = sizeof(e), .topic = "coordinator.call", .type = "done"};
    struct aiex_writer w;
    uint8_t mem[1024];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 7);
    aiex_w_key_str(&w, "provider", o->provider);
    aiex_w_key_str(&w, "model", o->model);
    aiex_w_key_str(&w, "code", o->code);
    aiex_w_key_int(&w, "input_tokens", o->usage.input > 0 ? o->usage.input : 0);
    aiex_w_key_int(&w, "output_tokens", o->usage.output > 0 ? o->usage.output : 0);
    aiex_w_key_uint(&w, "attempts", r->attempts);
    aiex_w_key_int(&w, "total_ms", o->total_ms);
    e.data = aiex_written(&w);
    e.trace = r->trace;
    r->c->host->publish(r->c->host, &e);
}

void settle_emit(struct route *r)
{
    complete(r);
    count(r);
    if (r->c->config->accounting_events && r->n_tries)
        publish(r);
    if (r->op == OP_COUNT || r->joined)
        return;
    if (r->lead_left && !r->outcome.code[0]) {
        r->outcome.code = AIEX_E_CANCELLED;
        r->outcome.http_status = 499;
    }
    emit(r->c, r->lead.settle, r->trace, r->lead.account, &r->outcome, r->tries, r->n_tries);
}

void settle_follower(struct sink *s, const char *code)
{
    struct route *r = s->route;
    struct outcome o = r->outcome;

    o.alias = r->alias_name;
    o.strategy = strategy_names[r->strategy];
    o.provider = r->winner ? r->winner->name : "";
    o.model = r->bare ? r->bare : "";
    o.code = code ? code : "";
    o.finish = r->outcome.finish_text;
    o.cached = "coalesced";
    o.why = "the same request was under way";
    o.cost = 0;
    o.price = PRICE_FREE;
    o.total_ms = (int64_t)(route_now(r) - s->begun_ms);
    if (code && !o.http_status)
        o.http_status = 499;
    emit(r->c, s->settle, s->trace, s->account, &o, NULL, 0);
}

/* ---- Ghosts ---- */

static void take_bill(struct route *r, struct try *t, const struct usage *u)
{
    struct price_tokens used = {u->input, u->output, u->cached, u->cache_write};
    const struct price_rule *rule = price_find(&r->plan->prices, t->provider, t->model);

    t->usage = *u;
    t->awaits_bill = 0;
    t->price = PRICE_FREE;
    if (used.input > 0 || used.output > 0)
        t->cost = price_cost(rule, &used, &t->price);
    r->unsettled--;
}

static void finish_ghost(struct route *r)
{
    settle_emit(r);
    route_free(r);
}

static void give_up(struct route *r)
{
    struct usage u = {route_prompt(r, 0), 0, -1, -1, -1, 1};

    for (unsigned i = 0; i < r->n_tries; i++)
        if (r->tries[i].awaits_bill)
            take_bill(r, &r->tries[i], &u);
    finish_ghost(r);
}

static void on_tick(void *arg)
{
    struct coordinator *c = arg;
    uint64_t now = c->host->now_ms(c->host);

    while (c->ghosts && c->ghosts->over_ms + GHOST_MS <= now)
        give_up(c->ghosts);
    if (!c->ghosts && c->ghost_timer) {
        c->host->unwatch(c->host, c->ghost_timer);
        c->ghost_timer = 0;
    }
}

void settle_ghost(struct route *r)
{
    struct coordinator *c = r->c;
    struct route **at = &c->ghosts;

    r->state = ROUTE_GHOST;
    while (*at)
        at = &(*at)->next_waiting;
    *at = r;
    r->next_waiting = NULL;
    if (++c->n_ghosts > MAX_GHOSTS)
        give_up(c->ghosts);
    if (!c->ghost_timer && c->host->timer(c->host, 1000, 1000, on_tick, c, &c->ghost_timer) != 0)
        c->ghost_timer = 0;
}

void settle_forget(struct route *r)
{
    struct route **at = &r->c->ghosts;

    while (*at && *at != r)
        at = &(*at)->next_waiting;
    if (!*at)
        return;
    *at = r->next_waiting;
    r->c->n_ghosts--;
}

void settle_stop(struct coordinator *c)
{
    if (c->ghost_timer)
        c->host->unwatch(c->host, c->ghost_timer);
    c->ghost_timer = 0;
}

/* ---- Bills ---- */

static struct route *find(struct coordinator *c, uint64_t serial)
{
    struct route *r = c->routes;

    while (r && r->serial != serial)
        r = r->next;
    return r;
}

static void bill_of_ours(struct coordinator *c, uint64_t serial, const char *provider,
                         const struct usage *u)
{
    struct route *r = find(c, serial);

    for (unsigned i = 0; r && i < r->n_tries; i++) {
        struct try *t = &r->tries[i];

        if (!t->awaits_bill || strcmp(t->provider, provider) != 0)
            continue;
        take_bill(r, t, u);
        if (r->state == ROUTE_GHOST && r->unsettled == 0)
            finish_ghost(r);
        return;
    }
}

/* Its coordinator is gone; the account has all that is left. */
static void bill_of_another(struct coordinator *c, struct aiex_slice account,
                            struct aiex_slice body, const char *provider, const struct usage *u)
{
    char settle[AIEX_MAX_NAME + 1] = "", model[MAX_MODEL + 1] = "", alias[ALIAS_NAME + 1] = "",
                                strategy[32] = "", code[24] = AIEX_E_CANCELLED;
    struct price_tokens used = {u->input, u->output, u->cached, u->cache_write};
    struct outcome o = {.code = code,
                        .finish = "",
                        .cached = "",
                        .why = "the coordinator was restarted before it had the end of this",
                        .usage = *u};
    struct aiex_slice own = account_own(account);
    struct aiex_value trace = {.u = 0};

    aiex_get(own, "trace", &trace);
    aiex_get_text(own, "settle", settle, sizeof(settle));
    aiex_get_text(own, "alias", alias, sizeof(alias));
    aiex_get_text(own, "strategy", strategy, sizeof(strategy));
    aiex_get_text(body, "model", model, sizeof(model));
    aiex_get_text(body, "code", code, sizeof(code));
    o.http_status = !code[0] ? 200 : strcmp(code, AIEX_E_CANCELLED) == 0 ? 499 : 502;
    o.alias = alias;
    o.strategy = strategy;
    o.provider = provider;
    o.model = model;
    o.cost = price_cost(price_find(&c->plan->prices, provider, model), &used, &o.price);
    aiex_get_int(body, "first_ms", &o.first_ms);
    aiex_get_int(body, "total_ms", &o.total_ms);
    emit(c, settle, trace.u, account, &o, NULL, 0);
}

void settle_cast(struct coordinator *c, struct aiex_slice body)
{
    struct aiex_slice account = {NULL, 0}, own;
    struct aiex_value cell = {.u = 0}, serial = {.u = 0};
    char provider[AIEX_MAX_NAME + 1] = "";
    struct facts f;

    if (aiex_get_bytes(body, "account", &account) != 1 || account.len > ACCOUNT_MAX ||
        !aiex_is_map(account))
        return;
    own = account_own(account);
    if (aiex_get(own, "cell", &cell) != 1 || aiex_get(own, "serial", &serial) != 1 ||
        aiex_get_text(body, "provider", provider, sizeof(provider)) != 1)
        return;
    facts_read(body, &f);
    if (cell.u == c->cell)
        bill_of_ours(c, serial.u, provider, &f.usage);
    else
        bill_of_another(c, account, body, provider, &f.usage);
}
