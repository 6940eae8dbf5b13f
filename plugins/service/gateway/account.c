/* account.c - see account.h. */
#include "account.h"

#define MINUTE_MS  60000
#define MAX_GAP_MS 1000000000 /* of a refill: MAX_LIMIT times this is far from overflow */

/* ---- Buckets ---- */

static int64_t capacity_of(int64_t rate)
{
    return rate * MINUTE_MS;
}

/* A new rate begins with what was left, at most its own minute; the first one with all of it. */
static void bucket_roll(struct bucket *b, int64_t rate, uint64_t now_ms)
{
    uint64_t gap = now_ms - b->at_ms;

    if (rate == 0 || b->rate == 0) {
        b->level = capacity_of(rate);
    } else {
        if (gap > MAX_GAP_MS)
            gap = MAX_GAP_MS;
        b->level += rate * (int64_t)gap;
        if (b->level > capacity_of(rate))
            b->level = capacity_of(rate);
    }
    b->rate = rate;
    b->at_ms = now_ms;
}

/* Milliseconds until `n` can be taken, 0 = now. */
static int64_t bucket_wait(const struct bucket *b, int64_t n)
{
    int64_t need = capacity_of(n < b->rate ? n : b->rate) - b->level;

    return need <= 0 ? 0 : (need + b->rate - 1) / b->rate;
}

static void bucket_add(struct bucket *b, int64_t n)
{
    if (b->rate == 0)
        return;
    b->level += capacity_of(n);
    if (b->level > capacity_of(b->rate))
        b->level = capacity_of(b->rate);
}

/* ---- Accounts ---- */

int account_has_budget(const struct account *a)
{
    return a->limits.budget_day || a->limits.budget_month;
}

/* A wall clock that goes back over midnight does not bring back the day before. One that was days
 * ahead and was put right is followed, with what was spent: its day may be years away. */
static void roll_sums(struct account *a, const struct calendar *c)
{
    if (c->day + 1 < a->day) {
        a->day = c->day;
        a->month = c->month;
    }
    if (c->day > a->day) {
        a->day = c->day;
        a->spent_day = a->since_day = 0;
        a->told &= ~(ACCOUNT_SOFT_DAY | ACCOUNT_HARD_DAY);
    }
    if (c->month > a->month) {
        a->month = c->month;
        a->spent_month = a->since_month = 0;
        a->told &= ~(ACCOUNT_SOFT_MONTH | ACCOUNT_HARD_MONTH);
    }
}

void account_roll(struct account *a, const struct moment *now)
{
    bucket_roll(&a->requests, a->limits.rpm, now->now_ms);
    bucket_roll(&a->tokens, a->limits.tpm, now->now_ms);
    roll_sums(a, now->calendar);
}

static void worsen(struct verdict *v, struct account *a, enum limit_kind kind, int64_t wait_ms,
                   int64_t left)
{
    if (wait_ms > v->retry_after_ms)
        v->retry_after_ms = wait_ms;
    if (kind <= v->kind)
        return;
    v->kind = kind;
    v->account = a;
    v->left = left;
}

static void judge_budget(struct account *a, int64_t budget, int64_t spent, int64_t cost,
                         enum limit_kind kind, int64_t wait_ms, struct verdict *v)
{
    if (budget == 0)
        return;
    if (spent >= budget || cost > budget - spent)
        worsen(v, a, kind, wait_ms, budget > spent ? budget - spent : 0);
    else if (cost > budget - spent - a->reserved)
        worsen(v, a, LIMIT_HELD, CONCURRENCY_RETRY_MS, budget - spent - a->reserved);
}

void account_judge(struct account *a, const struct use *want, const struct moment *now,
                   struct verdict *v)
{
    const struct limits *l = &a->limits;
    const struct calendar *c = now->calendar;
    int64_t wait;

    account_roll(a, now);
    if (l->rpm && (wait = bucket_wait(&a->requests, 1)) > 0)
        worsen(v, a, LIMIT_REQUESTS, wait, 0);
    if (l->tpm && (wait = bucket_wait(&a->tokens, want->tokens)) > 0)
        worsen(v, a, LIMIT_TOKENS, wait, 0);
    if (l->concurrency && a->in_flight >= l->concurrency)
        worsen(v, a, LIMIT_CONCURRENCY, CONCURRENCY_RETRY_MS, 0);
    judge_budget(a, l->budget_day, a->spent_day, want->cost, LIMIT_DAY, c->day_ends_ms - c->now_ms,
                 v);
    judge_budget(a, l->budget_month, a->spent_month, want->cost, LIMIT_MONTH,
                 c->month_ends_ms - c->now_ms, v);
}

void account_take(struct account *a, const struct use *want)
{
    bucket_add(&a->requests, -1);
    bucket_add(&a->tokens, -want->tokens);
    a->in_flight++;
    a->reserved += want->cost;
}

void account_leave(struct account *a)
{
    a->in_flight--;
}

static int reached(int64_t budget, int64_t percent, int64_t spent)
{
    return budget && percent && (spent > MAX_BUDGET || spent * 100 >= budget * percent);
}

unsigned account_soft(const struct account *a)
{
    const struct limits *l = &a->limits;

    return (reached(l->budget_day, l->soft_percent, a->spent_day) ? ACCOUNT_SOFT_DAY : 0u) |
           (reached(l->budget_month, l->soft_percent, a->spent_month) ? ACCOUNT_SOFT_MONTH : 0u);
}

unsigned account_settle(struct account *a, const struct use *reserved, const struct use *used,
                        int64_t day, int64_t month, const struct moment *now)
{
    unsigned fresh;

    account_roll(a, now);
    bucket_add(&a->tokens, reserved->tokens - used->tokens);
    a->reserved -= reserved->cost;
    if (day >= a->day || day >= now->calendar->day) {
        a->spent_day += used->cost;
        a->since_day += used->cost;
    }
    if (month >= a->month || month >= now->calendar->month) {
        a->spent_month += used->cost;
        a->since_month += used->cost;
    }
    fresh = account_soft(a) & ~a->told;
    a->told |= fresh;
    return fresh;
}
