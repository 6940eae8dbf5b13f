/*
 * spent.c - what was spent before this start: the ledger knows. Until it has answered, requests
 * of keys with a budget wait, at most ledger_wait, and are then refused: money is at stake.
 *
 * The answer and what was settled meanwhile are added without counting anything twice: the larger
 * of what is known here and of the ledger's sum plus what was settled since it was asked. The event
 * `ledger.spent` says that the ledger has learned of more, from the store or from other ledgers: it
 * is asked again.
 */
#include "stored.h"

#include <aiex_chat.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS     2000u
#define AGAIN_MS   500u
#define MAX_PARKED 1024u

struct parked {
    struct parked *next;
    struct gateway *gateway;
    uint64_t timer;
    struct aiex_message message; /* its texts and body are behind this struct */
};

/* ---- The answer ---- */

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t sum_of(struct aiex_slice entry, const char *key)
{
    int64_t v = 0;

    aiex_get_int(entry, key, &v);
    return v < 0 ? 0 : v > MAX_BUDGET ? MAX_BUDGET : v;
}

static struct account *account_of(struct gateway *g, struct aiex_slice entry)
{
    struct aiex_slice scope = NOTHING, name = NOTHING;
    struct key *key;
    int s;

    if (aiex_get_str(entry, "scope", &scope) != 1 || aiex_get_str(entry, "name", &name) != 1)
        return NULL;
    s = name_index(scope_names, N_SCOPES, scope);
    if (s != SCOPE_KEY)
        return s < 0 ? NULL : keys_account(&g->keys, (enum scope)s, name);
    key = keys_by_id(&g->keys, name);
    return key ? &key->account : NULL;
}

/* A day or month that ended while the answer was under way counts nothing any more. */
static void take_entry(struct gateway *g, struct aiex_slice entry, int same_day, int same_month,
                       const struct moment *now)
{
    struct account *a = account_of(g, entry);

    if (!a)
        return;
    account_roll(a, now);
    if (same_day)
        a->spent_day = larger(a->spent_day, sum_of(entry, "day") + a->since_day);
    if (same_month)
        a->spent_month = larger(a->spent_month, sum_of(entry, "month") + a->since_month);
}

static void take_spent(struct gateway *g, struct aiex_slice body)
{
    struct aiex_slice day = NOTHING, month = NOTHING, at;
    struct moment now = moment_of(g);
    char today[16], this_month[16];
    struct aiex_value list;

    calendar_names(&g->calendar, today, this_month);
    aiex_get_str(body, "day", &day);
    aiex_get_str(body, "month", &month);
    if (aiex_get(body, "spent", &list) != 1 || list.type != AIEX_T_ARRAY)
        return;
    at = list.bytes;
    for (uint32_t i = 0; i < list.count; i++) {
        struct aiex_slice entry = at;

        if (aiex_r_skip(&at) != 0)
            return;
        entry.len -= at.len;
        take_entry(g, entry, aiex_slice_is(day, today), aiex_slice_is(month, this_month), &now);
    }
}

/* ---- The question ---- */

static void ask(struct gateway *g);

static void on_again(void *arg)
{
    struct gateway *g = arg;

    g->ledger_timer = 0;
    if (g->ledger_call)
        spent_again(g); /* that answer may be older than what is asked for */
    else
        ask(g);
}

void spent_again(struct gateway *g)
{
    if (!g->ledger_timer && g->host->timer(g->host, AGAIN_MS, 0, on_again, g, &g->ledger_timer) < 0)
        g->host->log(g->host, AIEX_LOG_ERROR, 0, "no timer to ask the ledger again");
}

static void on_spent(void *arg, const struct aiex_answer *a)
{
    struct gateway *g = arg;

    if (a->kind != AIEX_ANSWER_END)
        return;
    g->ledger_call = 0;
    if (a->code) {
        spent_again(g);
        return;
    }
    take_spent(g, a->body);
    g->ledger_ready = 1;
    spent_release(g);
}

static void forget_since(struct gateway *g)
{
    struct map_node *n = NULL;
    size_t at = 0;

    for (struct key *key = g->keys.first; key; key = key->next)
        key->account.since_day = key->account.since_month = 0;
    while ((n = map_walk(&g->keys.accounts, &at, n)) != NULL) {
        struct account *a = map_entry(n, struct account, node);

        a->since_day = a->since_month = 0;
    }
}

static void ask(struct gateway *g)
{
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = AIEX_CALL_IDEMPOTENT,
                             .service = g->config->ledger,
                             .method = "ledger.spent",
                             .timeout_ms = ASK_MS};
    uint64_t call = 0;

    forget_since(g);
    g->ledger_call = UINT64_MAX; /* running, also while call() has not returned */
    if (g->host->call(g->host, &q, on_spent, g, &call) < 0) {
        g->ledger_call = 0;
        spent_again(g);
    } else if (g->ledger_call) {
        g->ledger_call = call;
    }
}

void spent_anew(struct gateway *g)
{
    if (strcmp(g->config->ledger, "none") == 0)
        return;
    g->ledger_ready = 0;
    if (g->ledger_call)
        spent_again(g);
    else
        ask(g);
}

int spent_start(struct gateway *g)
{
    int r;

    g->ledger_ready = strcmp(g->config->ledger, "none") == 0;
    if (g->ledger_ready)
        return 0;
    r = g->host->subscribe(g->host, "ledger.spent");
    if (r == 0)
        ask(g);
    return r;
}

/* ---- Those who wait ---- */

static void drop(struct gateway *g, struct parked *p)
{
    struct parked **at = &g->parked;

    while (*at && *at != p)
        at = &(*at)->next;
    if (*at) {
        *at = p->next;
        g->n_parked--;
    }
    if (p->timer)
        g->host->unwatch(g->host, p->timer);
    p->timer = 0;
}

/* Those that have to wait on stand behind the others then. */
void spent_release(struct gateway *g)
{
    struct parked *p;

    for (size_t n = g->n_parked; n && (p = g->parked) != NULL; n--) {
        drop(g, p);
        gateway_handle(g, &p->message);
        free(p);
    }
}

static void on_waited(void *arg)
{
    struct parked *p = arg;
    struct gateway *g = p->gateway;
    struct refusal r;
    struct ask a;

    p->timer = 0;
    drop(g, p);
    if (ask_read(&p->message, &a))
        a.dialect = NOTHING;
    if (stored_knows(g))
        refuse(&r, REFUSED_LEDGER, AIEX_E_UNAVAILABLE, 503, AIEX_REASON_SERVER,
               "the ledger does not answer, so it is not known what is left of the budget");
    else
        refuse(&r, REFUSED_STORE, AIEX_E_UNAVAILABLE, 503, AIEX_REASON_SERVER,
               "the store does not answer, so it is not known who may come in");
    r.retry_after_ms = ASK_MS;
    refusal_send(g, p->message.id, &r, a.dialect);
    free(p);
}

static struct parked *copy_message(struct gateway *g, const struct aiex_message *m)
{
    size_t service = strlen(m->service) + 1, method = strlen(m->method) + 1;
    struct parked *p = malloc(sizeof(*p) + service + method + m->body.len);
    char *at;

    if (!p)
        return NULL;
    *p = (struct parked){.gateway = g, .message = *m};
    at = (char *)(p + 1);
    p->message.service = memcpy(at, m->service, service);
    p->message.method = memcpy(at + service, m->method, method);
    if (m->body.len)
        memcpy(at + service + method, m->body.data, m->body.len);
    p->message.body.data = (uint8_t *)at + service + method;
    return p;
}

static int is_room_for(const struct gateway *g, const struct aiex_message *m)
{
    size_t bytes = m->body.len;

    for (const struct parked *p = g->parked; p; p = p->next)
        bytes += p->message.body.len;
    return g->n_parked < MAX_PARKED && bytes <= MAX_WAITING_BYTES;
}

int spent_park(struct gateway *g, const struct aiex_message *m, struct refusal *r)
{
    struct parked *p = is_room_for(g, m) ? copy_message(g, m) : NULL;
    struct parked **at = &g->parked;

    if (p &&
        g->host->timer(g->host, (uint64_t)g->config->ledger_wait, 0, on_waited, p, &p->timer) < 0) {
        free(p);
        p = NULL;
    }
    if (!p) {
        refuse(r, REFUSED_LEDGER, AIEX_E_UNAVAILABLE, 503, AIEX_REASON_SERVER,
               "too many requests wait for the ledger or the store");
        r->retry_after_ms = ASK_MS;
        return -1;
    }
    while (*at)
        at = &(*at)->next;
    *at = p;
    g->n_parked++;
    return 0;
}

void spent_cancel(struct gateway *g, uint64_t id)
{
    struct parked *p = g->parked;

    while (p && p->message.id != id)
        p = p->next;
    if (!p)
        return;
    drop(g, p);
    free(p);
}

void spent_stop(struct gateway *g)
{
    struct parked *p;

    while ((p = g->parked) != NULL) {
        drop(g, p);
        free(p);
    }
    if (g->ledger_timer)
        g->host->unwatch(g->host, g->ledger_timer);
    if (g->ledger_call && g->ledger_call != UINT64_MAX)
        g->host->cancel(g->host, g->ledger_call);
    g->ledger_timer = g->ledger_call = 0;
}
