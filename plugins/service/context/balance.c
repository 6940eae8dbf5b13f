/*
 * balance.c - what moves between the tiers, by use.
 *
 * After each look at the tiers: for every two neighbours the most used of the colder one go up
 * when they were used `promote_uses` times or more, and while the hotter one is fuller than
 * HIGH_PERCENT its least used go down. A move is get, put, delete, in this order and one at a time:
 * whatever fails between leaves a content in both or in the first, never in none.
 */
#include "context.h"

#include <stdlib.h>

#define HIGH_PERCENT 90
#define CANDIDATES   500

enum step { CHOOSE, GET, PUT, DELETE };

static void step(struct context *c);
static void next_pair(struct context *c);

static void write_choose(struct aiex_writer *w, const void *arg)
{
    const struct move *m = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "direction", m->demote ? "down" : "up");
    aiex_w_key_int(w, "limit", CANDIDATES); /* others' keys are among them */
}

static void write_get(struct aiex_writer *w, const void *arg)
{
    const struct move *m = arg;
    uint8_t key[TIER_KEY];

    tier_key(m->all[m->at].doc, key);
    aiex_w_map(w, 2);
    aiex_w_key_bin(w, "key", key, sizeof(key));
    aiex_w_key_bool(w, "touch", 0);
}

static void write_move(struct aiex_writer *w, const void *arg)
{
    const struct move *m = arg;
    uint8_t key[TIER_KEY];

    tier_key(m->all[m->at].doc, key);
    aiex_w_map(w, 3 + (m->ttl_ms > 0));
    aiex_w_key_bin(w, "key", key, sizeof(key));
    aiex_w_key_bin(w, "value", m->value, m->value_len);
    aiex_w_key_int(w, "uses", m->uses);
    if (m->ttl_ms > 0)
        aiex_w_key_int(w, "ttl_ms", m->ttl_ms);
}

/* ---- What is chosen ---- */

static int64_t doc_of(struct aiex_slice key)
{
    uint64_t doc = 0;

    if (key.len != TIER_KEY || memcmp(key.data, "context/", 8) != 0)
        return 0;
    for (int i = 8; i < 16; i++)
        doc = doc << 8 | key.data[i];
    return (int64_t)doc;
}

static void take_candidates(struct context *c, struct aiex_slice body)
{
    struct move *m = &c->move;
    struct aiex_value list;

    if (aiex_get(body, "entries", &list) != 1 || list.type != AIEX_T_ARRAY)
        return;
    for (uint32_t i = 0; i < list.count && m->n < sizeof(m->all) / sizeof(m->all[0]); i++) {
        struct aiex_slice entry = list.bytes, key = {NULL, 0};
        struct candidate one = {0, 0};

        if (aiex_r_skip(&list.bytes) != 0)
            return;
        entry.len -= list.bytes.len;
        if (aiex_get_bytes(entry, "key", &key) == 1)
            one.doc = doc_of(key);
        aiex_get_int(entry, "uses", &one.uses);
        if (one.doc && (m->demote || one.uses >= c->config->promote_uses))
            m->all[m->n++] = one; /* others' keys are none of ours */
    }
}

static int take_value(struct move *m, struct aiex_slice body)
{
    struct aiex_slice value = {NULL, 0};
    int found = 0;

    m->uses = m->ttl_ms = 0;
    if (aiex_get_bool(body, "found", &found) != 1 || !found ||
        aiex_get_bytes(body, "value", &value) != 1)
        return 0;
    aiex_get_int(body, "uses", &m->uses);
    aiex_get_int(body, "ttl_ms", &m->ttl_ms);
    m->value = malloc(value.len + 1);
    if (!m->value)
        return 0;
    if (value.len)
        memcpy(m->value, value.data, value.len);
    m->value_len = value.len;
    return 1;
}

/* ---- Steps ---- */

static void forget_value(struct move *m)
{
    free(m->value);
    m->value = NULL;
    m->value_len = 0;
}

static void next_candidate(struct context *c)
{
    struct move *m = &c->move;

    forget_value(m);
    m->step = GET;
    if (++m->at < m->n)
        step(c);
    else
        next_pair(c);
}

static void on_answer(struct tier_ask *a, const struct aiex_answer *end)
{
    struct context *c = a->c;
    struct move *m = &c->move;

    if (m->step == CHOOSE) {
        if (!end->code)
            take_candidates(c, end->body);
        m->at = (unsigned)-1;
        next_candidate(c);
        return;
    }
    if (end->code || (m->step == GET && !take_value(m, end->body))) {
        next_candidate(c);
        return;
    }
    if (m->step == PUT) {
        m->promoted += !m->demote;
        m->demoted += m->demote != 0;
    }
    if (m->step++ == DELETE)
        next_candidate(c);
    else
        step(c);
}

static void step(struct context *c)
{
    struct move *m = &c->move;

    m->ask.end = on_answer;
    if (m->step == CHOOSE)
        tier_ask(&m->ask, m->from, "tier.candidates", write_choose, m);
    else if (m->step == PUT)
        tier_ask(&m->ask, m->to, "tier.put", write_move, m);
    else
        tier_ask(&m->ask, m->from, m->step == GET ? "tier.get" : "tier.delete", write_get, m);
}

/* Up and then down for each two neighbours, from the hottest on. */
static void next_pair(struct context *c)
{
    struct move *m = &c->move;
    struct tier *upper = m->demote ? m->from : m->to, *lower;

    for (;;) {
        int is_next = m->demote || !upper;

        if (is_next)
            upper = tier_next(c, upper);
        lower = upper ? tier_next(c, upper) : NULL;
        if (!lower) {
            m->running = 0;
            return;
        }
        m->demote = !is_next;
        m->from = m->demote ? upper : lower;
        m->to = m->demote ? lower : upper;
        if (!m->demote || upper->bytes * 100 > upper->max_bytes * HIGH_PERCENT)
            break;
    }
    m->n = 0;
    m->step = CHOOSE;
    step(c);
}

void balance_tick(struct context *c)
{
    struct move *m = &c->move;

    if (m->running || c->draining)
        return;
    m->ask.c = c;
    m->running = 1;
    m->demote = 0;
    m->from = m->to = NULL;
    next_pair(c);
}

void balance_stop(struct context *c)
{
    if (c->move.ask.c)
        tier_stop(&c->move.ask);
    forget_value(&c->move);
    c->move.running = 0;
}
