#include "record.h"

#include "pairs.h"

#include <stdio.h>
#include <string.h>

#define ATTEMPT_MAX 900u /* bytes that one attempt needs at most */

static const char *const reasons[N_WHY] = {
    [WHY_NAMED] = "the client asked for this provider",
    [WHY_SOLE] = "the only one that fits",
    [WHY_ORDER] = "first in order",
    [WHY_WEIGHT] = "drawn by weight",
    [WHY_TURN] = "its turn",
    [WHY_LOAD] = "least load",
    [WHY_COST] = "lowest cost",
    [WHY_LATENCY] = "lowest latency",
    [WHY_LOCAL] = "local, with the model at hand",
    [WHY_WARM] = "the conversation's prompt cache is warm here",
    [WHY_AGAIN] = "asked again after a pause, no other one fits",
    [WHY_HEDGE] = "second request, the first one was slow to begin",
    [WHY_OFFLINE] = "no provider could answer",
    [WHY_REPAIR] = "asked again to repair its answer",
    [WHY_CAPABLE] = "has the model and can do this, unlike the providers named for it",
};

static const char *const refusals[N_WHY_NOT] = {
    [NOT_SKIPPED] = "",
    [NOT_HEALTHY] = "it is not healthy",
    [NOT_BREAKER] = "its breaker is open",
    [NOT_LIMITS] = "its limits are reached",
    [NOT_KEY] = "its key was refused lately",
    [NOT_CAPABLE] = "its model can not do what is asked",
    [NOT_CONTEXT] = "the prompt is too long for its model",
    [NOT_AGAIN] = "it was tried",
    [NOT_METHOD] = "it does not have that method",
};

void record_why(const struct try *t, char *out, size_t size)
{
    int counts = t->why >= WHY_ORDER && t->why <= WHY_LOCAL, n;

    n = (int)text_copy(out, size, reasons[t->why]);
    if (counts && t->n > 1 && n > 0 && (size_t)n < size)
        n += snprintf(out + n, size - (size_t)n, " of %u that fit", t->n);
    if (t->fallback && n > 0 && (size_t)n < size)
        n += snprintf(out + n, size - (size_t)n, "; fallback for %s", t->fallback);
    if (t->skipped && n > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, "; %s was passed over: %s", t->skipped,
                 refusals[t->why_not]);
}

/* ---- Reading ---- */

#define NOT_WANTED UINT32_MAX /* a type that no value has */

/* In the order in which providers write them: so each one is found at once behind the one before.
 */
static const struct fact {
    struct aiex_key key;
    uint32_t type;
    size_t offset;
} fact_rows[] = {
    {AIEX_KEY("model"), AIEX_T_STR, offsetof(struct facts, model)},
    {AIEX_KEY("provider"), NOT_WANTED, 0},
    {AIEX_KEY("first_ms"), AIEX_T_INT, offsetof(struct facts, first_ms)},
    {AIEX_KEY("total_ms"), NOT_WANTED, 0},
    {AIEX_KEY("finish"), AIEX_T_STR, offsetof(struct facts, finish)},
    {AIEX_KEY("input_tokens"), AIEX_T_INT, offsetof(struct facts, usage.input)},
    {AIEX_KEY("output_tokens"), AIEX_T_INT, offsetof(struct facts, usage.output)},
    {AIEX_KEY("cached_tokens"), AIEX_T_INT, offsetof(struct facts, usage.cached)},
    {AIEX_KEY("cache_write_tokens"), AIEX_T_INT, offsetof(struct facts, usage.cache_write)},
    {AIEX_KEY("reasoning_tokens"), AIEX_T_INT, offsetof(struct facts, usage.reasoning)},
    {AIEX_KEY("estimated"), AIEX_T_BOOL, offsetof(struct facts, usage.estimated)},
    {AIEX_KEY("attempts"), NOT_WANTED, 0},
    {AIEX_KEY("left_requests"), AIEX_T_INT, offsetof(struct facts, left_requests)},
    {AIEX_KEY("left_tokens"), AIEX_T_INT, offsetof(struct facts, left_tokens)},
    {AIEX_KEY("reset_ms"), AIEX_T_INT, offsetof(struct facts, reset_ms)},
    {AIEX_KEY("http_status"), AIEX_T_INT, offsetof(struct facts, http_status)},
    {AIEX_KEY("offline"), AIEX_T_BOOL, offsetof(struct facts, offline)},
    {AIEX_KEY("started"), AIEX_T_BOOL, offsetof(struct facts, started)},
    {AIEX_KEY("reason"), AIEX_T_STR, offsetof(struct facts, reason)},
};

#define FACT_MAX INT64_C(1000000000000) /* a provider may say any number, and they are added up */

#define N_FACTS (sizeof(fact_rows) / sizeof(fact_rows[0]))

static void take_fact(const struct fact *row, const struct aiex_value *v, struct facts *ret)
{
    uint8_t *at = (uint8_t *)ret + row->offset;

    if (v->type != row->type)
        return;
    if (v->type == AIEX_T_INT)
        *(int64_t *)(void *)at = v->i < FACT_MAX ? v->i : FACT_MAX;
    else if (v->type == AIEX_T_BOOL)
        *(int *)(void *)at = (int)v->i;
    else
        *(struct aiex_slice *)(void *)at = v->bytes;
}

void facts_read(struct aiex_slice body, struct facts *ret)
{
    struct aiex_value head;
    struct aiex_entry e;
    size_t row = 0, next = 0;

    *ret = (struct facts){.usage = {-1, -1, -1, -1, -1, 0},
                          .first_ms = -1,
                          .left_requests = -1,
                          .left_tokens = -1,
                          .reset_ms = -1,
                          .http_status = -1,
                          .started = -1};
    if (body.len == 0 || aiex_r_value(&body, &head) != 0 || head.type != AIEX_T_MAP)
        return;
    for (uint32_t i = 0; i < head.count; i++) {
        if (aiex_r_entry(&body, &e) != 0)
            return;
        row = aiex_row_of(fact_rows, sizeof(fact_rows[0]), N_FACTS, next, e.key);
        if (row == N_FACTS)
            continue;
        take_fact(&fact_rows[row], &e.v, ret);
        next = row + 1;
    }
}

/* ---- The account ---- */

/* The length of the bin whose head stands there. */
static void end_own(struct aiex_writer *w, size_t head)
{
    size_t len = w->len - head - 3;

    if (w->failed)
        return;
    w->data[head + 1] = (uint8_t)(len >> 8);
    w->data[head + 2] = (uint8_t)len;
}

void account_write(struct aiex_writer *w, const struct account *a)
{
    size_t fixed = 512 + strlen(a->asked) + strlen(a->alias), left;
    struct pairs p = pairs_begin(w), own;
    size_t own_at;

    left = fixed + a->principal.len < ACCOUNT_MAX ? ACCOUNT_MAX - fixed : 0;
    pairs_key(&p, "_");
    own_at = w->len;
    aiex_w_be(w, 0xc5, 0, 2); /* a bin: one step, for those who pass over it */
    own = pairs_begin(w);
    pairs_uint(&own, "serial", a->serial);
    pairs_uint(&own, "cell", a->cell);
    pairs_uint(&own, "trace", a->id);
    pairs_str(&own, "settle", a->settle);
    pairs_str(&own, "alias", a->alias);
    pairs_str(&own, "strategy", a->strategy);
    pairs_int(&own, "prompt", a->prompt);
    pairs_end(&own);
    end_own(w, own_at);
    pairs_int(&p, "time", a->time_ms);
    pairs_int(&p, "ticket", a->ticket);
    pairs_str(&p, "operation", a->operation);
    pairs_str(&p, "asked", a->asked);
    pairs_bool(&p, "stream", a->stream);
    if (a->dialect.len <= 64)
        pairs_raw(&p, "dialect", a->dialect);
    if (a->interface.len <= 80)
        pairs_raw(&p, "interface", a->interface);
    if (left)
        pairs_raw(&p, "principal", a->principal);
    if (left && a->principal.len + a->tags.len < left)
        pairs_raw(&p, "tags", a->tags);
    pairs_end(&p);
}

struct aiex_slice account_own(struct aiex_slice account)
{
    struct aiex_slice own = {NULL, 0};

    if (aiex_get_bytes(account, "_", &own) != 1)
        aiex_get_whole(account, "_", &own); /* of a coordinator that did not pack it */
    return own;
}

/* What stands behind "_" goes into the record as it is. */
static void write_account(struct pairs *p, struct aiex_slice account)
{
    struct aiex_value head, key;

    if (aiex_r_value(&account, &head) != 0 || head.type != AIEX_T_MAP || head.count < 1 ||
        aiex_r_value(&account, &key) != 0 || !aiex_slice_is(key.bytes, "_") ||
        aiex_r_skip(&account) != 0)
        return;
    aiex_w_raw(p->w, account.data, account.len);
    p->n += head.count - 1;
}

/* ---- The record ---- */

/* Token counts that are known. */
static void write_usage(struct pairs *p, const struct usage *u)
{
    const struct {
        const char *key;
        int64_t value;
    } rows[] = {{"input_tokens", u->input},
                {"output_tokens", u->output},
                {"cached_tokens", u->cached},
                {"cache_write_tokens", u->cache_write},
                {"reasoning_tokens", u->reasoning}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].value >= 0)
            pairs_int(p, rows[i].key, rows[i].value);
}

static void write_try(struct aiex_writer *w, const struct try *t)
{
    struct pairs p = pairs_begin(w);
    char why[300];

    record_why(t, why, sizeof(why));
    pairs_str(&p, "provider", t->provider);
    pairs_str(&p, "model", t->model);
    pairs_str(&p, "code", t->code ? t->code : "cancelled");
    pairs_text(&p, "reason", t->reason);
    pairs_text(&p, "text", t->text ? t->text : "");
    pairs_int(&p, "at_ms", t->at_ms);
    pairs_int(&p, "ms", t->ms);
    if (t->price != PRICE_UNKNOWN)
        pairs_int(&p, "cost", t->cost);
    pairs_str(&p, "why", why);
    pairs_end(&p);
}

static void write_tries(struct aiex_writer *w, const struct try *tries, unsigned n)
{
    unsigned room = w->len + ATTEMPT_MAX < RECORD_MAX
                        ? (unsigned)((RECORD_MAX - w->len) / ATTEMPT_MAX)
                        : 0;
    unsigned from = n > room ? n - room : 0;

    aiex_w_array(w, n - from);
    for (; from < n; from++)
        write_try(w, &tries[from]);
}

void record_write(struct aiex_writer *w, uint64_t trace, struct aiex_slice account,
                  const struct outcome *o, const struct try *tries, unsigned n_tries)
{
    struct pairs p = pairs_begin(w);
    char id[20], why[300];

    why[0] = 0;
    aiex_hex64(id, trace);
    if (!o->why && n_tries)
        record_why(&tries[n_tries - 1], why, sizeof(why));
    pairs_str(&p, "id", id);
    /* what the gateway settles by comes first: it need not read on */
    write_usage(&p, &o->usage);
    if (o->price != PRICE_UNKNOWN)
        pairs_int(&p, "cost", o->cost);
    pairs_str(&p, "price", price_names[o->price]);
    write_account(&p, account);
    pairs_text(&p, "alias", o->alias);
    pairs_text(&p, "strategy", o->strategy);
    pairs_str(&p, "provider", o->provider);
    pairs_str(&p, "model", o->vendor_model[0] ? o->vendor_model : o->model);
    pairs_str(&p, "code", o->code);
    pairs_int(&p, "http_status", o->http_status);
    pairs_text(&p, "finish", o->finish);
    pairs_true(&p, "estimated", o->usage.estimated);
    pairs_int(&p, "first_ms", o->first_ms);
    pairs_int(&p, "total_ms", o->total_ms);
    pairs_text(&p, "cached", o->cached);
    pairs_true(&p, "offline", o->offline);
    pairs_str(&p, "why", o->why ? o->why : why);
    pairs_key(&p, "attempts");
    write_tries(w, tries, n_tries);
    pairs_end(&p);
}
