/*
 * admit.c - admission: what a request may cost at most, whether its accounts allow that, and the
 * reservation that is held until settle.c knows better.
 */
#include "gateway.h"

#include <aiex_chat.h>

#define MAX_CHOICES 128

static int any_account(const struct key *key, int (*is)(const struct account *))
{
    if (is(&key->account))
        return 1;
    for (int s = SCOPE_USER; s < N_SCOPES; s++)
        if (key->shared[s] && is(key->shared[s]))
            return 1;
    return 0;
}

static int counts_tokens(const struct account *a)
{
    return a->limits.tpm != 0;
}

int admit_needs_price(const struct key *key)
{
    return any_account(key, account_has_budget);
}

int admit_needs_tokens(const struct key *key)
{
    return any_account(key, counts_tokens) || admit_needs_price(key);
}

/* ---- Estimates ---- */

static int64_t bounded(int64_t n)
{
    return n < 0 ? 0 : n > MAX_LIMIT ? MAX_LIMIT : n;
}

void admit_estimate(struct gateway *g, const struct ask *a, int64_t *ret_input, int64_t *ret_output)
{
    int op = aiex_dialect_op(aiex_dialect_of(a->dialect));
    struct aiex_chat_size size;
    int64_t choices;

    aiex_chat_size(a->body, &size);
    choices = size.choices < MAX_CHOICES ? size.choices : MAX_CHOICES;
    *ret_input = bounded(size.prompt);
    if (size.output == 0)
        size.output = g->config->default_output;
    *ret_output = op == AIEX_OP_EMBED ? 0 : bounded(bounded(size.output) * choices);
}

/* ---- Judgement ---- */

static int refuse_rate(const struct verdict *v, struct refusal *r)
{
    const struct account *a = v->account;
    const struct limits *l = &a->limits;

    switch (v->kind) {
    case LIMIT_REQUESTS:
        return refuse(r, REFUSED_REQUESTS, AIEX_E_BUSY, 429, AIEX_REASON_RATE_LIMIT,
                      "%s %s has used its %lld requests per minute; retry in %lld ms",
                      scope_names[a->scope], a->name, (long long)l->rpm,
                      (long long)v->retry_after_ms);
    case LIMIT_TOKENS:
        return refuse(r, REFUSED_TOKENS, AIEX_E_BUSY, 429, AIEX_REASON_RATE_LIMIT,
                      "%s %s has used its %lld tokens per minute; retry in %lld ms",
                      scope_names[a->scope], a->name, (long long)l->tpm,
                      (long long)v->retry_after_ms);
    case LIMIT_CONCURRENCY:
        return refuse(r, REFUSED_CONCURRENCY, AIEX_E_BUSY, 429, AIEX_REASON_RATE_LIMIT,
                      "%s %s has %lld requests running, the most it may have",
                      scope_names[a->scope], a->name, (long long)l->concurrency);
    default:
        return refuse(r, REFUSED_BUDGET, AIEX_E_BUSY, 429, AIEX_REASON_RATE_LIMIT,
                      "what is left of the budget of %s %s is reserved for requests that run now",
                      scope_names[a->scope], a->name);
    }
}

static int refuse_limit(struct gateway *g, const struct verdict *v, const struct use *want,
                        struct refusal *r)
{
    int is_day = v->kind == LIMIT_DAY;
    struct account *a = v->account;
    unsigned bit = is_day ? ACCOUNT_HARD_DAY : ACCOUNT_HARD_MONTH;

    if (v->kind < LIMIT_DAY) {
        refuse_rate(v, r);
    } else {
        if (!(a->told & bit) && v->left == 0)
            audit_budget(g, "hard", a, is_day ? "day" : "month",
                         is_day ? a->spent_day : a->spent_month,
                         is_day ? a->limits.budget_day : a->limits.budget_month);
        a->told |= v->left == 0 ? bit : 0;
        refuse(r, REFUSED_BUDGET, AIEX_E_DENIED, 402, AIEX_REASON_QUOTA,
               "the budget of %s %s for this %s has %lld micro-dollars left, and this request may "
               "cost %lld (a smaller limit of output tokens lowers that)",
               scope_names[a->scope], a->name, is_day ? "day" : "month", (long long)v->left,
               (long long)want->cost);
    }
    r->retry_after_ms = v->retry_after_ms;
    return -1;
}

int admit(struct gateway *g, struct flight *f, const struct use *want, struct refusal *r)
{
    struct moment now = moment_of(g);
    struct verdict v = {.kind = LIMIT_NONE};

    for (int s = 0; s < N_SCOPES; s++) {
        f->accounts[s] = key_account(f->key, s);
        if (f->accounts[s])
            account_judge(f->accounts[s], want, &now, &v);
    }
    if (v.kind != LIMIT_NONE)
        return refuse_limit(g, &v, want, r);
    for (int s = 0; s < N_SCOPES; s++)
        if (f->accounts[s])
            account_take(f->accounts[s], want);
    f->reserved = *want;
    f->begun_wall_ms = g->calendar.now_ms;
    f->admitted = f->in_place = 1;
    g->flights.in_flight++;
    g->flights.reserved += want->cost;
    g->admitted++;
    return 0;
}

void admit_leave(struct gateway *g, struct flight *f)
{
    if (!f->in_place)
        return;
    f->in_place = 0;
    g->flights.in_flight--;
    for (int s = 0; s < N_SCOPES; s++)
        if (f->accounts[s])
            account_leave(f->accounts[s]);
}
