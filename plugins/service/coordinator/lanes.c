/*
 * lanes.c - one model at one provider: its breaker, its latency, its price. Lanes are made when a
 * model is first asked for and stay; when a provider has too many, the rest shares one.
 */
#include "coordinator.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(const char *text) /* FNV-1a */
{
    uint32_t h = 2166136261u;

    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 16777619u;
    return h;
}

static struct lane *find(struct member *m, const char *model, uint32_t hash)
{
    struct lane **at = &m->lanes, *l;

    while (*at && ((*at)->hash != hash || strcmp((*at)->model, model) != 0))
        at = &(*at)->next;
    l = *at;
    if (l && l != m->lanes) { /* the last used first: most providers serve one or two models */
        *at = l->next;
        l->next = m->lanes;
        m->lanes = l;
    }
    return l;
}

struct lane *lanes_get(struct member *m, const char *model)
{
    uint32_t hash = hash_of(model);
    struct lane *l = find(m, model, hash);

    if (l)
        return l;
    if (m->n_lanes == MAX_LANES) {
        model = "(others)";
        hash = hash_of(model);
        l = find(m, model, hash);
        if (l)
            return l;
    }
    l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    l->m = m;
    l->hash = hash;
    memcpy(l->model, model, strnlen(model, MAX_MODEL));
    l->next = m->lanes;
    m->lanes = l;
    m->n_lanes++;
    return l;
}

const struct price_rule *lanes_price(struct lane *l, const struct plan *p)
{
    if (l->price_version != p->version) {
        l->price = price_find(&p->prices, l->m->name, l->model);
        l->price_version = p->version;
    }
    return l->price;
}

uint64_t lanes_place(const struct lane *l)
{
    return (uint64_t)(l->m->index + 1) << 32 | l->hash;
}

void lanes_free(struct member *m)
{
    while (m->lanes) {
        struct lane *l = m->lanes;

        m->lanes = l->next;
        if (l->wake_timer)
            m->c->host->unwatch(m->c->host, l->wake_timer);
        free(l);
    }
    m->n_lanes = 0;
}
