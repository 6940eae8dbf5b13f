/*
 * settle.c - the end of a reservation: by the coordinator's usage record, or, when none comes in
 * time, by estimate. The record goes on to the ledger as it came.
 */
#include "gateway.h"

#include <stdlib.h>
#include <string.h>

/* ---- Accounts ---- */

static void tell_soft(struct gateway *g, const struct account *a, unsigned fresh)
{
    if (fresh & ACCOUNT_SOFT_DAY)
        audit_budget(g, "soft", a, "day", a->spent_day, a->limits.budget_day);
    if (fresh & ACCOUNT_SOFT_MONTH)
        audit_budget(g, "soft", a, "month", a->spent_month, a->limits.budget_month);
}

static void settle_accounts(struct gateway *g, struct account *const accounts[N_SCOPES],
                            const struct use *reserved, const struct use *used, int64_t wall_ms)
{
    struct moment now = moment_of(g);
    int64_t day, month;

    calendar_split(wall_ms, &day, &month);
    for (int s = 0; s < N_SCOPES; s++)
        if (accounts[s])
            tell_soft(g, accounts[s],
                      account_settle(accounts[s], reserved, used, day, month, &now));
}

void admit_settle(struct gateway *g, struct flight *f, const struct use *used, int64_t wall_ms)
{
    struct use held = f->reserved, change = *used;

    if (!f->admitted)
        return;
    if (f->settled) { /* by estimate: put the difference right */
        held = (struct use){.tokens = f->counted.tokens};
        change.cost -= f->counted.cost;
    }
    settle_accounts(g, f->accounts, &held, &change, wall_ms);
    g->flights.reserved -= held.cost;
    f->settled = 1;
    f->counted = *used;
    f->reserved = (struct use){0, 0};
}

/* ---- The record ---- */

/* What is read of a record. It goes on to the ledger as it came: the coordinator was told for whom
 * the request was, and put that in. */
struct bill {
    int64_t ticket, input, output, cost, time;
    int seen; /* a bit for each of these, and for the price */
    int unpriced;
};

/* The bits, in the order in which records have the numbers. */
enum { SEEN_INPUT = 1, SEEN_OUTPUT = 2, SEEN_COST = 4, SEEN_TIME = 8, SEEN_TICKET = 16 };
#define SEEN_PRICE 32
#define SEEN_ALL   63

static int64_t within(int64_t v, int64_t most)
{
    return v < 0 ? 0 : v > most ? most : v;
}

static const struct number {
    struct aiex_key key;
    size_t offset;
    int seen;
} numbers[] = {
    {AIEX_KEY("input_tokens"), offsetof(struct bill, input), SEEN_INPUT},
    {AIEX_KEY("output_tokens"), offsetof(struct bill, output), SEEN_OUTPUT},
    {AIEX_KEY("cost"), offsetof(struct bill, cost), SEEN_COST},
    {AIEX_KEY("time"), offsetof(struct bill, time), SEEN_TIME},
    {AIEX_KEY("ticket"), offsetof(struct bill, ticket), SEEN_TICKET},
};
#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static void take_pair(struct bill *b, const struct aiex_entry *e, size_t *next)
{
    size_t row;

    if (e->v.type == AIEX_T_STR && aiex_slice_is(e->key, "price")) {
        b->seen |= SEEN_PRICE;
        b->unpriced = aiex_slice_is(e->v.bytes, "unknown");
    }
    if (e->v.type != AIEX_T_INT)
        return;
    row = aiex_row_of(numbers, sizeof(numbers[0]), N_NUMBERS, *next, e->key);
    if (row == N_NUMBERS)
        return;
    memcpy((uint8_t *)b + numbers[row].offset, &e->v.i, sizeof(e->v.i));
    b->seen |= numbers[row].seen;
    *next = row + 1;
}

/* One walk, which ends where all is known; 0, or -1: no map of pairs, or none with a ticket. */
static int bill_read(struct aiex_slice record, struct bill *ret)
{
    struct aiex_value head;
    struct aiex_entry e;
    size_t next = 0;

    *ret = (struct bill){.ticket = 0};
    if (aiex_r_value(&record, &head) != 0 || head.type != AIEX_T_MAP)
        return -1;
    for (uint32_t i = 0; i < head.count && ret->seen != SEEN_ALL; i++) {
        if (aiex_r_entry(&record, &e) != 0)
            return -1;
        take_pair(ret, &e, &next);
    }
    return ret->seen & SEEN_TICKET ? 0 : -1;
}

static struct use used_of(struct gateway *g, const struct bill *b)
{
    g->unpriced += (uint64_t)b->unpriced;
    return (struct use){.tokens = within(b->input, MAX_LIMIT) + within(b->output, MAX_LIMIT),
                        .cost = within(b->cost, MAX_BUDGET)};
}

static int64_t time_of(const struct gateway *g, const struct bill *b, int64_t otherwise)
{
    return b->time > 0 && b->time <= g->calendar.now_ms ? b->time : otherwise;
}

void settle_send(struct gateway *g, struct aiex_slice record, uint64_t trace)
{
    const struct aiex_request q = {.struct_size = sizeof(q),
                                   .service = g->config->ledger,
                                   .method = "ledger.record",
                                   .body = record,
                                   .trace = trace};

    if (strcmp(g->config->ledger, "none") == 0)
        return;
    if (aiex_recast_send(&g->records, &q) < 0)
        g->host->log(g->host, AIEX_LOG_WARN, trace,
                     "a usage record could not be sent to the ledger");
}

/* What only this process counts, for want of a ledger. */
static void settle_principal(struct gateway *g, struct aiex_slice record, const struct bill *b)
{
    struct aiex_slice principal = NOTHING, id = NOTHING;
    struct account *accounts[N_SCOPES] = {NULL};
    const struct use nothing = {0, 0};
    struct use used = used_of(g, b);
    struct key *key;

    if (aiex_get_whole(record, "principal", &principal) != 1 ||
        aiex_get_str(principal, "key", &id) != 1 || (key = keys_by_id(&g->keys, id)) == NULL)
        return;
    for (int s = 0; s < N_SCOPES; s++)
        accounts[s] = key_account(key, s);
    calendar_look(&g->calendar);
    settle_accounts(g, accounts, &nothing, &used, time_of(g, b, g->calendar.now_ms));
}

/* A record for a ticket of an earlier incarnation. It may have been counted already: the ledger
 * knows which records it had, and is asked for the sums anew. */
static void settle_foreign(struct gateway *g, struct aiex_slice record, const struct bill *b)
{
    if (strcmp(g->config->ledger, "none") == 0) {
        settle_principal(g, record, b);
        return;
    }
    settle_send(g, record, 0);
    spent_again(g);
}

int settle_take(struct gateway *g, struct aiex_slice record)
{
    struct flight *f;
    struct bill b;
    struct use used;
    int foreign;

    if (bill_read(record, &b) != 0)
        return 0;
    f = flight_of_ticket(&g->flights, b.ticket, &foreign);
    if (foreign)
        settle_foreign(g, record, &b);
    if (!f || (f->settled && f->state != FLIGHT_GHOST))
        return 0; /* a second record for the same request counts nothing */
    g->settled++;
    used = used_of(g, &b);
    calendar_look(&g->calendar);
    admit_settle(g, f, &used, time_of(g, &b, f->begun_wall_ms));
    if (f->content)
        content_record(g, f->content, record);
    else
        settle_send(g, record, f->trace);
    if (f->state != FLIGHT_RUNNING)
        flight_release(&g->flights, f);
    gateway_maybe_drained(g);
    return 0;
}

/* ---- No record came ---- */

/* All that was reserved; the part that was used, where the end said how much; nothing for an error
 * before anything had begun. */
static struct use estimate(const struct flight *f)
{
    struct use u = f->reserved;
    int64_t expected = f->reserved.tokens, real = f->input + f->output;

    if (f->nothing_used)
        return (struct use){0, 0};
    if (!f->tokens_known || expected <= 0)
        return u;
    u.tokens = real;
    if (real < expected)
        u.cost = (int64_t)((double)u.cost * (double)real / (double)expected);
    return u;
}

static void on_timer(void *arg)
{
    struct gateway *g = arg;

    g->flights.timer = 0;
    settle_overdue(g);
}

static void arm(struct gateway *g)
{
    uint64_t now = g->host->now_ms(g->host), due;

    if (g->flights.timer || !g->flights.waiting)
        return;
    due = g->flights.waiting->settle_by_ms;
    g->host->timer(g->host, due > now ? due - now : 1, 0, on_timer, g, &g->flights.timer);
}

void settle_overdue(struct gateway *g)
{
    uint64_t now = g->host->now_ms(g->host);
    struct flight *f;

    while ((f = g->flights.waiting) != NULL && f->settle_by_ms <= now) {
        struct use u = estimate(f);

        admit_settle(g, f, &u, f->begun_wall_ms);
        flight_forget_request(&g->flights, f);
        g->estimated_settles += !f->nothing_used;
        flight_haunt(&g->flights, f);
    }
    arm(g);
    gateway_maybe_drained(g);
}

void settle_later(struct gateway *g, struct flight *f)
{
    int64_t grace = g->drained ? DRAIN_GRACE_MS : g->config->settle_grace;

    f->settle_by_ms = g->host->now_ms(g->host) + (uint64_t)grace;
    flight_wait(&g->flights, f);
    arm(g);
}

void settle_hurry(struct gateway *g)
{
    uint64_t by = g->host->now_ms(g->host) + DRAIN_GRACE_MS;

    for (struct flight *f = g->flights.waiting; f; f = f->next)
        if (f->settle_by_ms > by)
            f->settle_by_ms = by;
    if (g->flights.timer)
        g->host->unwatch(g->host, g->flights.timer);
    g->flights.timer = 0;
    arm(g);
}
