/*
 * admit.c - admission: what a request may cost at most, whether its accounts allow that, and the
 * reservation that is held until settle.c knows better.
 */
#include "gateway.h"

#include <aiex_chat.h>
#include <aiex_json.h>

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

static int64_t number(const struct aiex_json_span *v)
{
    int64_t n = 0;

    return v->type == AIEX_JSON_NUMBER && aiex_json_int(v, &n) == 0 && n > 0 ? n : 0;
}

static int64_t bounded(int64_t n)
{
    return n < 0 ? 0 : n > MAX_LIMIT ? MAX_LIMIT : n;
}

/* The most tokens that the answer may have, over all its choices. */
static int64_t answer_tokens(const struct gateway *g, struct aiex_slice body)
{
    struct aiex_json_field f[] = {{.key = "max_tokens"},
                                  {.key = "max_completion_tokens"},
                                  {.key = "max_output_tokens"},
                                  {.key = "options"},
                                  {.key = "n"}};
    struct aiex_json_span predict = {0};
    int64_t most = 0, choices;

    if (aiex_json_scan(body, 0, f, 5, NULL) == AIEX_JSON_OBJECT) {
        for (int i = 0; i < 3; i++)
            if (number(&f[i].value) > most)
                most = number(&f[i].value);
        if (aiex_json_find(&f[3].value, "num_predict", &predict) && number(&predict) > most)
            most = number(&predict);
    }
    if (most == 0)
        most = g->config->default_output;
    choices = number(&f[4].value);
    choices = choices < 1 ? 1 : choices > MAX_CHOICES ? MAX_CHOICES : choices;
    return bounded(bounded(most) * choices);
}

void admit_estimate(struct gateway *g, const struct ask *a, int64_t *ret_input, int64_t *ret_output)
{
    int dialect = aiex_dialect_of(a->dialect);
    int64_t input = aiex_chat_prompt_tokens(dialect, a->body);

    *ret_input = bounded(input < 0 ? aiex_tokens_estimate(a->body.len) : input);
    *ret_output = aiex_dialect_op(dialect) == AIEX_OP_EMBED ? 0 : answer_tokens(g, a->body);
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
