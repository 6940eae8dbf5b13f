/* report.c - coordinator.models, coordinator.status, coordinator.price, service.health. */
#include "coordinator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int report_models(struct coordinator *c, uint64_t id)
{
    if (c->ready)
        return lists_reply(c, id);
    if (c->n_asking == sizeof(c->asking) / sizeof(c->asking[0])) {
        c->host->fail(c->host, id, AIEX_E_BUSY, "too many questions wait for the first providers",
                      0, (struct aiex_slice){NULL, 0});
        return 0;
    }
    c->asking[c->n_asking++] = id;
    return 0;
}

void report_release(struct coordinator *c)
{
    while (c->n_asking) {
        uint64_t id = c->asking[--c->n_asking];

        if (lists_reply(c, id) != 0)
            c->host->fail(c->host, id, AIEX_E_INTERNAL, "no memory for the list of models", 0,
                          (struct aiex_slice){NULL, 0});
    }
}

void report_cancel(struct coordinator *c, uint64_t id)
{
    for (size_t i = 0; i < c->n_asking; i++)
        if (c->asking[i] == id)
            c->asking[i] = c->asking[--c->n_asking];
}

/* The worst breaker of its models. */
static enum breaker_state worst(const struct member *m, uint64_t now)
{
    enum breaker_state state = BREAKER_CLOSED;

    for (const struct lane *l = m->lanes; l; l = l->next) {
        enum breaker_state s = breaker_state(&l->breaker, now);

        if (s == BREAKER_OPEN || (s == BREAKER_HALF_OPEN && state == BREAKER_CLOSED))
            state = s;
    }
    return state;
}

static uint32_t slowest(const struct member *m)
{
    uint32_t us = 0;

    for (const struct lane *l = m->lanes; l; l = l->next)
        us = l->latency.ewma_us > us ? l->latency.ewma_us : us;
    return us;
}

static void write_member(struct aiex_writer *w, const struct member *m)
{
    uint64_t now = m->c->host->now_ms(m->c->host), until = m->limit.wait_until_ms;

    aiex_w_map(w, 15);
    aiex_w_key_str(w, "name", m->name);
    aiex_w_key_bool(w, "offline", m->offline);
    aiex_w_key_bool(w, "healthy", m->healthy);
    aiex_w_key_str(w, "reason", m->reason);
    aiex_w_key_int(w, "models", m->models.mem ? (int64_t)m->models.n : -1);
    aiex_w_key_uint(w, "in_flight", m->in_flight);
    aiex_w_key_uint(w, "queued", m->queue.n + recover_waiting(m));
    aiex_w_key_uint(w, "requests", m->stats.requests);
    aiex_w_key_uint(w, "errors", m->stats.errors);
    aiex_w_key_uint(w, "input_tokens", m->stats.input_tokens);
    aiex_w_key_uint(w, "output_tokens", m->stats.output_tokens);
    aiex_w_key_str(w, "breaker", breaker_names[worst(m, now)]);
    aiex_w_key_uint(w, "ewma_ms", slowest(m) / 1000);
    aiex_w_key_uint(w, "wait_ms", until > now ? until - now : 0);
    aiex_w_key_int(w, "cost", m->stats.cost);
}

int report_status(struct coordinator *c, uint64_t id)
{
    size_t cap = 64 + c->n_members * 768;
    uint8_t *mem = malloc(cap);
    struct aiex_writer w;
    uint32_t n = 0;

    if (!mem)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_members; i++)
        n += c->members[i]->present != 0;
    aiex_writer_init(&w, mem, cap);
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "providers");
    aiex_w_array(&w, n);
    for (size_t i = 0; i < c->n_members; i++)
        if (c->members[i]->present)
            write_member(&w, c->members[i]);
    c->host->reply(c->host, id, aiex_written(&w));
    free(mem);
    return 0;
}

/* ---- coordinator.price ---- */

struct quote {
    struct price_tokens tokens;
    int64_t cost, input, output; /* of all; per million tokens */
    int known;
};

/* The dearest of all who could serve it: what a reservation needs. */
static void quote(struct quote *q, const struct coordinator *c, const char *provider,
                  const char *model)
{
    const struct price_rule *rule = price_find(&c->plan->prices, provider, model);
    enum price_kind kind;
    int64_t cost = price_cost(rule, &q->tokens, &kind);

    q->known &= kind != PRICE_UNKNOWN;
    if (cost > q->cost)
        q->cost = cost;
    if (kind != PRICE_KNOWN)
        return;
    q->input = rule->input > q->input ? rule->input : q->input;
    q->output = rule->output > q->output ? rule->output : q->output;
}

static void quote_model(struct quote *q, struct coordinator *c, const char *model)
{
    const char *rest = model;
    const struct member *named = members_named(c, model, &rest);
    int found = 0;

    if (named) {
        quote(q, c, named->name, rest);
        return;
    }
    for (size_t i = 0; i < c->n_members; i++)
        if (c->members[i]->present && !c->members[i]->offline &&
            lists_has(&c->members[i]->models, model) == LIST_WITH) {
            quote(q, c, c->members[i]->name, model);
            found = 1;
        }
    if (!found)
        quote(q, c, "", model);
}

int report_price(struct coordinator *c, uint64_t id, struct aiex_slice body)
{
    struct quote q = {.tokens = {.input = 0}, .known = 1};
    char model[MAX_MODEL + 1];
    const struct alias *alias;
    struct aiex_writer w;
    uint8_t mem[96];

    if (aiex_get_text(body, "model", model, sizeof(model)) != 1) {
        c->host->fail(c->host, id, AIEX_E_INVALID,
                      "field 'model' (str, 1 to 256 bytes) is missing or wrong", 0,
                      (struct aiex_slice){NULL, 0});
        return 0;
    }
    aiex_get_int(body, "input_tokens", &q.tokens.input);
    aiex_get_int(body, "output_tokens", &q.tokens.output);
    if (strcmp(model, "auto") == 0 && c->config->auto_model[0])
        strncpy(model, c->config->auto_model, sizeof(model) - 1);
    alias = alias_find(&c->plan->aliases, model);
    for (size_t i = 0; alias && i < alias->n; i++)
        quote_model(&q, c, alias->targets[i].model);
    if (!alias)
        quote_model(&q, c, model);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, q.known ? 4 : 2);
    aiex_w_key_int(&w, "cost", q.cost);
    aiex_w_key_bool(&w, "known", q.known);
    if (q.known) {
        aiex_w_key_int(&w, "input_price", q.input);
        aiex_w_key_int(&w, "output_price", q.output);
    }
    c->host->reply(c->host, id, aiex_written(&w));
    return 0;
}

int report_health(struct coordinator *c, uint64_t id)
{
    const char *reason = c->ready ? "no provider is healthy" : "the providers were not asked yet";
    int healthy = 0;
    struct aiex_writer w;
    uint8_t mem[160];

    for (size_t i = 0; i < c->n_members && healthy < 2; i++) {
        const struct member *m = c->members[i];

        if (m->present && m->healthy && healthy < 2 - m->offline)
            healthy = 2 - m->offline;
    }
    if (healthy)
        reason = healthy == 2 ? "a provider is healthy" : "only the offline provider answers";
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "healthy", healthy != 0);
    aiex_w_key_str(&w, "reason", reason);
    c->host->reply(c->host, id, aiex_written(&w));
    return 0;
}
