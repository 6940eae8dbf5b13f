/*
 * gather.c - who could serve a request: by alias, by name or by lists; what is known of each
 * (health, breaker, key); who of them can do what the body asks for, and has the operation at all.
 */
#include "gather.h"

#include <string.h>

/* ---- Who could ---- */

static unsigned needs(struct route *r)
{
    if (!r->needs_known) {
        r->needs = needs_of(r->dialect, r->body);
        r->needs_known = 1;
    }
    return r->needs;
}

int gather_was_tried(const struct route *r, const struct member *m, const char *model)
{
    for (unsigned i = 0; i < r->n_tries; i++)
        if (r->tries[i].provider == m->name && strncmp(r->tries[i].model, model, MAX_MODEL) == 0)
            return !(r->same_now && r->same && r->same->m == m &&
                     strcmp(r->same->model, model) == 0);
    return 0;
}

static void add(struct options *o, struct member *m, const char *model, uint32_t weight,
                enum lists lists)
{
    if (o->n < MAX_OPTIONS && m->present)
        o->list[o->n++] = (struct option){.m = m, .model = model, .weight = weight, .lists = lists};
}

static void add_everyone(struct route *r, struct options *o, const char *model, uint32_t weight)
{
    for (size_t i = 0; i < r->c->n_members; i++)
        if (!r->c->members[i]->offline)
            add(o, r->c->members[i], model, weight, lists_has(&r->c->members[i]->models, model));
}

/* The instance that a target names, with *ret_model behind its name, or NULL. */
static struct member *instance_of(struct route *r, const struct target *t, const char **ret_model)
{
    const char *slash = strchr(t->model, '/');

    for (size_t i = 0; slash && i < r->c->n_members; i++)
        if (members_answers(r->c->members[i], t->model, (size_t)(slash - t->model))) {
            *ret_model = slash + 1;
            return r->c->members[i];
        }
    return NULL;
}

static void add_target(struct route *r, struct options *o, const struct target *t)
{
    const char *model;
    struct member *m = instance_of(r, t, &model);

    if (m)
        add(o, m, model, t->weight, LIST_WITH);
    else
        add_everyone(r, o, t->model, t->weight);
}

/* Calls fn for each target of the alias whose conditions hold. */
static void each_target(struct route *r, struct options *o,
                        void (*fn)(struct route *r, struct options *o, const struct target *t))
{
    struct asked a = {.needs = r->needs, .stream = r->stream, .tags = r->tags};

    a.context = route_prompt(r, alias_wants_context(r->alias));
    for (size_t i = 0; i < r->alias->n; i++)
        if (alias_target_fits(&r->alias->targets[i], &a))
            fn(r, o, &r->alias->targets[i]);
}

/* Whether a member has the wanted model. Any real one's first will do for `auto`. */
static enum lists list_of(const struct route *r, const struct member *m)
{
    if (r->only == m)
        return LIST_WITH;
    if (!r->automatic)
        return lists_has(&m->models, r->bare);
    return m->offline       ? LIST_WITHOUT
           : !m->models.mem ? LIST_UNKNOWN
           : m->models.n    ? LIST_WITH
                            : LIST_WITHOUT;
}

static void add_all(struct route *r, struct options *o)
{
    struct coordinator *c = r->c;

    if (r->alias)
        each_target(r, o, add_target);
    for (size_t i = 0; i < c->n_members; i++) {
        struct member *m = c->members[i];
        enum lists lists = r->alias ? LIST_WITHOUT : list_of(r, m);

        if ((r->alias || (r->only && r->only != m)) && !m->offline)
            continue;
        if (!members_is_spare(c, m) || lists == LIST_WITH)
            add(o, m, r->bare, 1, lists);
    }
}

/* ---- What is known of them ---- */

struct lane *gather_lane(struct member *m, const char *model)
{
    return lanes_get(m, m->offline ? "(any)" : model);
}

static void look(struct route *r, struct option *o, uint64_t now)
{
    char first[MAX_MODEL + 1];

    o->lane = gather_lane(o->m, o->model);
    if (r->automatic && !o->m->offline && lists_first(&o->m->models, first, sizeof(first))) {
        o->lane = gather_lane(o->m, first);
        o->model = o->lane ? o->lane->model : o->model;
    }
    o->healthy = o->m->healthy;
    o->tried = gather_was_tried(r, o->m, o->lane ? o->lane->model : o->model);
    o->not = o->tried ? NOT_AGAIN : o->healthy ? NOT_SKIPPED : NOT_HEALTHY;
    if (o->m->offline)
        return;
    if (o->healthy && o->lane && !breaker_allows(&o->lane->breaker, &r->plan->breaker, now)) {
        o->healthy = 0;
        o->rest_ms = breaker_wait_ms(&o->lane->breaker, now);
        o->not = o->tried ? NOT_AGAIN : NOT_BREAKER;
    }
    o->resting = o->m->key_rest_ms > now;
    if (o->resting && o->not == NOT_SKIPPED)
        o->not = NOT_KEY;
}

int gather_usable(const struct option *o)
{
    return !o->m->offline && o->healthy && !o->tried;
}

/* Why a model can not do what is asked, as far as its provider told. */
static enum why_not unfit(struct route *r, const struct option *o)
{
    const struct model_info *info = lists_find(&o->m->models, o->model);

    if (!info)
        return NOT_SKIPPED;
    if (info->known && (needs(r) & ~info->capabilities))
        return NOT_CAPABLE;
    if (info->context && route_prompt(r, 0) > info->context / 2 &&
        route_prompt(r, 1) > info->context)
        return NOT_CONTEXT;
    return NOT_SKIPPED;
}

/* Leaves out who can not, unless nobody would be left that may have the model: then the provider
 * says it best. */
static void check_fitness(struct route *r, struct options *o)
{
    enum why_not not [MAX_OPTIONS] = {NOT_SKIPPED};
    size_t n_usable = 0, n_fit = 0;

    for (size_t i = 0; i < o->n; i++)
        n_usable += (size_t)(gather_usable(&o->list[i]) && o->list[i].lists != LIST_WITHOUT);
    if (n_usable < 2 || r->op == OP_COUNT)
        return;
    for (size_t i = 0; i < o->n; i++) {
        if (!gather_usable(&o->list[i]) || o->list[i].lists == LIST_WITHOUT)
            continue;
        not [i] = unfit(r, &o->list[i]);
        n_fit += not [i] == NOT_SKIPPED;
    }
    for (size_t i = 0; n_fit && i < o->n; i++)
        if (not [i] != NOT_SKIPPED) {
            o->list[i].tried = 1;
            o->list[i].not = not [i];
        }
}

/* ---- Operations that not everyone has ---- */

enum able { ABLE_NOT, ABLE_LACKS, ABLE_UNKNOWN, ABLE_YES };

/* It has no such method, its list says that the model can not, nothing is known, or it can. */
static enum able able_of(struct route *r, const struct member *m, const char *model)
{
    const struct model_info *info;
    unsigned wanted;

    if (m->lacks >> r->op & 1)
        return ABLE_NOT;
    info = lists_find(&m->models, model);
    if (!info || !info->known)
        return ABLE_UNKNOWN;
    wanted = needs(r) & (NEED_EMBED | NEED_FIM);
    return !wanted ? ABLE_UNKNOWN : wanted & ~info->capabilities ? ABLE_LACKS : ABLE_YES;
}

/* The best of those that have the model or may have it; ABLE_YES when there are none. */
static enum able best_able(struct route *r, const struct options *o)
{
    enum able best = ABLE_NOT;
    size_t n = 0;

    for (size_t i = 0; i < o->n; i++) {
        const struct option *at = &o->list[i];
        enum able able;

        if (at->m->offline || at->lists == LIST_WITHOUT)
            continue;
        able = able_of(r, at->m, at->model);
        best = able > best ? able : best;
        n++;
    }
    return n ? best : ABLE_YES;
}

static int is_there(const struct options *o, const struct member *m, const char *model)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->list[i].m == m && strcmp(o->list[i].model, model) == 0)
            return 1;
    return 0;
}

/* Providers that list the model of a target and can: those who say so before those who may. A
 * target without an instance means all of them already. */
static void add_elsewhere(struct route *r, struct options *o, const struct target *t)
{
    const char *model;

    if (!instance_of(r, t, &model))
        return;
    for (int able = ABLE_YES; able >= (int)ABLE_UNKNOWN; able--)
        for (size_t i = 0; i < r->c->n_members; i++) {
            struct member *m = r->c->members[i];
            size_t n = o->n;

            if (m->offline || lists_has(&m->models, model) != LIST_WITH ||
                (int)able_of(r, m, model) != able || is_there(o, m, model))
                continue;
            add(o, m, model, t->weight, LIST_WITH);
            if (o->n == n)
                continue;
            look(r, &o->list[n], route_now(r));
            o->list[n].elsewhere = 1;
        }
}

/* Leaves out who has no such method, and looks around when nobody has. A client that named its
 * provider gets that one and its answer. */
static void check_operation(struct route *r, struct options *o)
{
    if ((r->op != OP_EMBED && r->op != OP_COMPLETE) || r->only)
        return;
    if (r->alias && best_able(r, o) < ABLE_UNKNOWN)
        each_target(r, o, add_elsewhere);
    o->unable = best_able(r, o) < ABLE_UNKNOWN;
    for (size_t i = 0; i < o->n; i++) {
        struct option *at = &o->list[i];

        if (at->m->offline || at->lists == LIST_WITHOUT || able_of(r, at->m, at->model) != ABLE_NOT)
            continue;
        at->tried = 1;
        at->not = NOT_METHOD;
    }
}

void gather(struct route *r, struct options *ret)
{
    uint64_t now = route_now(r);

    ret->n = 0;
    ret->unable = 0;
    if (r->alias && alias_wants_needs(r->alias))
        needs(r);
    add_all(r, ret);
    for (size_t i = 0; i < ret->n; i++)
        look(r, &ret->list[i], now);
    check_operation(r, ret);
    check_fitness(r, ret);
}
