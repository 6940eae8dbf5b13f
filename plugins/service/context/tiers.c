/*
 * tiers.c - the tiers: who they are, and calls to them.
 *
 * Who: the option `tiers`, or every instance of kind tier/1 that host.plugins names; each is asked
 * for its level and size (tier.stats) every `balance`. A tier that fails is not asked for a while:
 * without tiers the store serves. What they hold is keyed by doc and so never out of date.
 */
#include "context.h"

#include <errno.h>
#include <stdlib.h>

#define ASK_MS   2000u
#define PAUSE_MS 5000u

const char *const level_names[N_LEVELS] = {"hot", "warm", "cold", "store"};

/* ---- Calls ---- */

static void failed(struct tier_ask *a, const struct aiex_answer *end)
{
    struct tier *t = a->tier;

    if (!t || !end->code || strcmp(end->code, AIEX_E_CONFLICT) == 0 ||
        strcmp(end->code, AIEX_E_BUSY) == 0 || strcmp(end->code, AIEX_E_READ_ONLY) == 0)
        return;
    if (!t->paused)
        aiex_logf(a->c->host, AIEX_LOG_WARN, 0, "tier '%s': %s (%s); not asked for %u s", t->name,
                  end->text ? end->text : "", end->code, PAUSE_MS / 1000);
    t->paused = a->c->host->now_ms(a->c->host) + PAUSE_MS;
}

static void finish(struct tier_ask *a, const struct aiex_answer *end)
{
    if (a->over)
        *a->over = 1;
    a->over = NULL;
    a->call = 0;
    a->active = 0;
    failed(a, end);
    a->end(a, end);
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    if (answer->kind == AIEX_ANSWER_END)
        finish(arg, answer);
}

void tier_ask(struct tier_ask *a, struct tier *t, const char *method, aiex_write_fn write,
              const void *arg)
{
    const struct aiex_answer failure = {.struct_size = sizeof(failure),
                                        .kind = AIEX_ANSWER_END,
                                        .code = AIEX_E_BUSY,
                                        .text = "no memory, or too many calls"};
    const struct aiex_host *host = a->c->host;
    struct aiex_request rq = {.struct_size = sizeof(rq),
                              .flags = AIEX_CALL_IDEMPOTENT,
                              .service = t ? t->name : "host",
                              .method = method,
                              .timeout_ms = ASK_MS};
    uint64_t id = 0;
    int over = 0, r = write ? aiex_write_alloc(write, arg, &rq.body) : 0;

    a->tier = t;
    a->active = 1;
    a->over = &over;
    r = r ? r : host->call(host, &rq, on_answer, a, &id);
    free((void *)(uintptr_t)rq.body.data);
    if (over)
        return;
    a->over = NULL;
    if (r == 0)
        a->call = id;
    else
        finish(a, &failure);
}

void tier_stop(struct tier_ask *a)
{
    if (!a->active)
        return;
    if (a->call)
        a->c->host->cancel(a->c->host, a->call);
    if (a->over)
        *a->over = 1;
    a->over = NULL;
    a->call = 0;
    a->active = 0;
}

/* ---- Order ---- */

static int is_usable(const struct context *c, struct tier *t)
{
    if (t->paused && t->paused <= c->host->now_ms(c->host))
        t->paused = 0;
    return t->present && t->known && !t->paused;
}

static int place(const struct context *c, const struct tier *t)
{
    return t ? (int)t->level * (int)MAX_TIERS + (int)(t - c->tiers) : -1;
}

struct tier *tier_next(struct context *c, const struct tier *after)
{
    struct tier *best = NULL;

    for (unsigned i = 0; i < c->n_tiers; i++) {
        struct tier *t = &c->tiers[i];

        if (is_usable(c, t) && place(c, t) > place(c, after) &&
            (!best || place(c, t) < place(c, best)))
            best = t;
    }
    return best;
}

/* ---- Contents ---- */

void tier_key(int64_t doc, uint8_t out[TIER_KEY])
{
    memcpy(out, "context/", 8);
    doc_key(doc, out + 8);
}

struct content {
    int64_t doc, ttl_ms;
    struct aiex_slice value;
};

static void write_content(struct aiex_writer *w, const void *arg)
{
    const struct content *p = arg;
    uint8_t key[TIER_KEY];

    tier_key(p->doc, key);
    aiex_w_map(w, 2 + (p->ttl_ms != 0));
    aiex_w_key_bin(w, "key", key, sizeof(key));
    aiex_w_key_bin(w, "value", p->value.data, p->value.len);
    if (p->ttl_ms)
        aiex_w_key_int(w, "ttl_ms", p->ttl_ms);
}

static void write_key(struct aiex_writer *w, const void *doc)
{
    uint8_t key[TIER_KEY];

    tier_key(*(const int64_t *)doc, key);
    aiex_w_map(w, 1);
    aiex_w_key_bin(w, "key", key, sizeof(key));
}

static void cast(struct context *c, struct tier *t, const char *method, aiex_write_fn write,
                 const void *arg)
{
    struct aiex_request rq = {.struct_size = sizeof(rq), .service = t->name, .method = method};
    uint64_t id;

    if (aiex_write_alloc(write, arg, &rq.body) != 0)
        return; /* a cache: it is read from the store the next time */
    c->host->call(c->host, &rq, NULL, NULL, &id);
    free((void *)(uintptr_t)rq.body.data);
}

void tier_put(struct context *c, struct tier *t, int64_t doc, struct aiex_slice value,
              int64_t expires)
{
    const struct content p = {doc, expires ? expires - wall_ms() : 0, value};

    if (p.ttl_ms >= 0)
        cast(c, t, "tier.put", write_content, &p);
}

void tiers_forget(struct context *c, int64_t doc)
{
    for (unsigned i = 0; i < c->n_tiers; i++)
        if (is_usable(c, &c->tiers[i]))
            cast(c, &c->tiers[i], "tier.delete", write_key, &doc);
}

/* ---- Who they are ---- */

static void next_member(struct context *c);

static void add(struct context *c, const char *name, size_t len)
{
    struct tier *t = c->tiers;

    while (len && *name == ' ')
        name++, len--;
    while (len && name[len - 1] == ' ')
        len--;
    if (!len || len > AIEX_MAX_NAME)
        return;
    for (; t < c->tiers + c->n_tiers; t++)
        if (strlen(t->name) == len && memcmp(t->name, name, len) == 0)
            break;
    if (t == c->tiers + MAX_TIERS)
        return;
    if (t == c->tiers + c->n_tiers) {
        memset(t, 0, sizeof(*t));
        memcpy(t->name, name, len);
        c->n_tiers++;
    }
    t->present = 1;
}

static void take_plugins(struct context *c, struct aiex_slice body)
{
    struct aiex_slice name, kind;
    struct aiex_value list;

    if (aiex_get(body, "plugins", &list) != 1 || list.type != AIEX_T_ARRAY)
        return;
    for (unsigned i = 0; i < c->n_tiers; i++)
        c->tiers[i].present = 0;
    for (uint32_t i = 0; i < list.count; i++) {
        struct aiex_slice entry = list.bytes;

        if (aiex_r_skip(&list.bytes) != 0)
            return;
        entry.len -= list.bytes.len;
        if (aiex_get_str(entry, "name", &name) == 1 && aiex_get_str(entry, "kind", &kind) == 1 &&
            aiex_slice_is(kind, "tier/1"))
            add(c, (const char *)name.data, name.len);
    }
}

static void take_stats(struct tier *t, struct aiex_slice body)
{
    struct aiex_slice level = {NULL, 0};

    aiex_get_int(body, "bytes", &t->bytes);
    aiex_get_int(body, "max_bytes", &t->max_bytes);
    if (aiex_get_str(body, "level", &level) != 1)
        return;
    for (unsigned i = HOT; i <= COLD; i++)
        if (aiex_slice_is(level, level_names[i])) {
            t->level = (enum level)i;
            t->known = 1;
        }
}

static void on_member(struct tier_ask *a, const struct aiex_answer *end)
{
    if (!end->code && a->tier)
        take_stats(a->tier, end->body);
    else if (!end->code)
        take_plugins(a->c, end->body);
    next_member(a->c);
}

static void next_member(struct context *c)
{
    c->members.end = on_member;
    while (c->asking < c->n_tiers) {
        struct tier *t = &c->tiers[c->asking++];

        if (!t->present)
            continue;
        tier_ask(&c->members, t, "tier.stats", NULL, NULL);
        return;
    }
    balance_tick(c);
}

static void by_names(struct context *c)
{
    const char *p = c->config->tiers;

    while (*p) {
        size_t n = strcspn(p, ",");

        add(c, p, n);
        p += n + (p[n] == ',');
    }
    next_member(c);
}

void tiers_tick(struct context *c)
{
    if (c->members.active || c->draining)
        return;
    c->members.c = c;
    c->asking = 0;
    if (strcmp(c->config->tiers, "auto") != 0) {
        by_names(c);
        return;
    }
    c->members.end = on_member;
    tier_ask(&c->members, NULL, "host.plugins", NULL, NULL);
}

void tiers_stop(struct context *c)
{
    if (c->members.c)
        tier_stop(&c->members);
}
