/*
 * supervise.c - the public functions around the tables: units and groups come and go,
 * an event finds its unit and incarnation, timers are looked through. What an event does
 * stands in table.c.
 */
#include "supervise/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_NO_PROCESS ((uint32_t)SUPERVISE_N_KINDS) /* why_ended() makes WHY_SPAWN of it */

struct supervisor *supervise_new(uint32_t max_units, uint64_t seed)
{
    struct supervisor *s;

    if (max_units == 0 || max_units > SUPERVISE_MAX_UNITS)
        return NULL;
    s = calloc(1, sizeof *s + max_units * sizeof s->units[0]);
    if (!s)
        return NULL;
    s->max_units = max_units;
    s->random = seed ? seed : 0x9e3779b97f4a7c15ull;
    s->closing_by = SUPERVISE_NEVER;
    return s;
}

void supervise_free(struct supervisor *s)
{
    free(s);
}

/* ---- Units and groups ---------------------------------------------------------- */

static int name_ok(const char *name, size_t room)
{
    return name && name[0] && strnlen(name, room) < room;
}

int supervise_group(struct supervisor *s, const char *name, enum supervise_strategy strategy,
                    uint32_t max_restarts, uint32_t period_ms)
{
    struct group *g = NULL;

    if (!name_ok(name, sizeof s->groups[0].name) || (unsigned)strategy > SUPERVISE_ONE_FOR_ALL ||
        max_restarts > SUPERVISE_MAX_INTENSITY || period_ms == 0)
        return -EINVAL;
    for (uint32_t i = 0; i < SUPERVISE_MAX_GROUPS; i++) {
        if (s->groups[i].used && strcmp(s->groups[i].name, name) == 0) {
            g = &s->groups[i];
            break;
        }
        if (!g && !s->groups[i].used)
            g = &s->groups[i];
    }
    if (!g)
        return -ENOSPC;
    if (!g->used) {
        memset(g, 0, sizeof *g);
        strcpy(g->name, name);
        g->used = 1;
        g->due = SUPERVISE_NEVER;
    }
    g->strategy = (uint32_t)strategy;
    g->max_restarts = max_restarts;
    g->period_ms = period_ms;
    return (int)(g - s->groups);
}

static int spec_ok(const struct supervisor *s, const struct supervise_spec *spec)
{
    if (!name_ok(spec->name, sizeof spec->name) || spec->restart > SUPERVISE_TEMPORARY)
        return 0;
    if (spec->max_restarts > SUPERVISE_MAX_INTENSITY || !spec->period_ms ||
        !spec->start_deadline_ms || spec->spare > 1)
        return 0;
    return spec->group < 0 ||
           (spec->group < (int32_t)SUPERVISE_MAX_GROUPS && s->groups[spec->group].used);
}

static struct unit *unit_at(const struct supervisor *s, uint32_t unit)
{
    if (unit >= s->max_units || !s->units[unit].used)
        return NULL;
    return (struct unit *)&s->units[unit];
}

int supervise_find(const struct supervisor *s, const char *name)
{
    for (uint32_t i = 0; i < s->max_units; i++)
        if (s->units[i].used && strcmp(s->units[i].spec.name, name) == 0)
            return (int)i;
    return -ENOENT;
}

/* An empty unit; generations go on, so that no incarnation's number comes twice. */
static void clear_unit(struct unit *u)
{
    struct incarnation incs[SUPERVISE_INCARNATIONS];

    memcpy(incs, u->incs, sizeof incs);
    memset(u, 0, sizeof *u);
    for (uint32_t i = 0; i < SUPERVISE_INCARNATIONS; i++) {
        u->incs[i].generation = incs[i].generation;
        u->incs[i].deadline = SUPERVISE_NEVER;
    }
    u->due = u->spare_due = SUPERVISE_NEVER;
    u->state = SUPERVISE_DOWN;
    u->used = 1;
}

int supervise_add(struct supervisor *s, const struct supervise_spec *spec, uint32_t position)
{
    uint32_t unit = 0;

    if (!spec_ok(s, spec))
        return -EINVAL;
    if (supervise_find(s, spec->name) >= 0)
        return -EEXIST;
    while (unit < s->max_units && s->units[unit].used)
        unit++;
    if (unit == s->max_units)
        return -ENOSPC;
    clear_unit(&s->units[unit]);
    s->units[unit].spec = *spec;
    if (position > s->n_order)
        position = s->n_order;
    memmove(s->order + position + 1, s->order + position,
            (s->n_order - position) * sizeof s->order[0]);
    s->order[position] = unit;
    s->n_order++;
    return (int)unit;
}

int supervise_change(struct supervisor *s, uint32_t unit, const struct supervise_spec *spec)
{
    struct unit *u = unit_at(s, unit);
    int other;

    if (!u)
        return -ENOENT;
    if (!spec_ok(s, spec))
        return -EINVAL;
    other = supervise_find(s, spec->name);
    if (other >= 0 && (uint32_t)other != unit)
        return -EINVAL;
    if (u->spec.group != spec->group)
        u->to_stop = 0;
    u->spec = *spec;
    return 0;
}

/* ---- Events --------------------------------------------------------------------- */

/* The unit and incarnation of a number; 0 if it does not live. */
static int find_inc(const struct supervisor *s, uint32_t id, struct unit **ret_unit,
                    struct incarnation **ret_inc)
{
    uint32_t unit = (id & 0xfff) / 8, slot = id % 8;
    struct unit *u = unit_at(s, unit);

    if (!id || !u || slot >= SUPERVISE_INCARNATIONS || u->incs[slot].id != id)
        return 0;
    *ret_unit = u;
    *ret_inc = &u->incs[slot];
    return 1;
}

static int is_about_inc(uint32_t kind)
{
    return kind == SUPERVISE_READY || kind == SUPERVISE_EXIT || kind == SUPERVISE_DRAINED ||
           kind == SUPERVISE_HUNG || kind == SUPERVISE_SPAWN_FAILED;
}

static void tick_unit(struct supervisor *s, struct unit *u, uint64_t now,
                      struct supervise_actions *out)
{
    struct step st = {.s = s, .u = u, .now = now, .out = out};

    for (uint32_t i = 0; i < SUPERVISE_INCARNATIONS; i++) {
        struct incarnation *inc = &u->incs[i];
        if (inc->id && inc->deadline <= now)
            inc_kill(&st, inc,
                     inc->ready ? SUPERVISE_WHY_DRAIN_DEADLINE : SUPERVISE_WHY_START_DEADLINE);
    }
    if (u->due <= now || u->spare_due <= now)
        unit_table[u->state][SUPERVISE_TICK](&st);
}

static void tick(struct supervisor *s, uint64_t now, struct supervise_actions *out)
{
    for (uint32_t i = 0; i < s->n_order; i++)
        tick_unit(s, &s->units[s->order[i]], now, out);
    for (uint32_t i = 0; i < SUPERVISE_MAX_GROUPS; i++) {
        struct group *g = &s->groups[i];
        if (!g->used || g->phase != GROUP_FAILED || g->due > now)
            continue;
        g->phase = GROUP_PROBING;
        g->due = SUPERVISE_NEVER;
        group_pump(s, g, now, out);
    }
}

/* Time is up for supervise_stop_all(). */
static void kill_everything(struct supervisor *s, uint64_t now, struct supervise_actions *out)
{
    struct step st = {.s = s, .now = now, .out = out};

    s->closing_by = SUPERVISE_NEVER;
    for (uint32_t i = s->n_order; i-- > 0;) {
        st.u = &s->units[s->order[i]];
        for (uint32_t k = 0; k < SUPERVISE_INCARNATIONS; k++)
            if (st.u->incs[k].id)
                inc_kill(&st, &st.u->incs[k], SUPERVISE_WHY_SHUTDOWN);
        if (st.u->state != SUPERVISE_STOPPING && st.u->state != SUPERVISE_STOPPED)
            unit_leave(&st, SUPERVISE_STOPPED, SUPERVISE_WHY_SHUTDOWN, SUPERVISE_WHY_NONE);
    }
}

/* Looks the event up in its table. The group that may go on afterwards, or NULL. */
static struct group *dispatch(struct step *st, const struct supervise_event *e)
{
    struct group *g;

    if (is_about_inc(e->kind)) {
        if (!find_inc(st->s, e->inc, &st->u, &st->inc))
            return NULL;
        if (st->inc->killed_for && e->kind != SUPERVISE_EXIT && e->kind != SUPERVISE_SPAWN_FAILED)
            return NULL; /* said before the KILL reached it */
    } else {
        st->u = unit_at(st->s, e->unit);
        if (!st->u)
            return NULL;
    }
    g = group_of(st->s, st->u);
    if (st->inc && st->inc->role != SUPERVISE_CURRENT)
        role_table[st->inc->role][e->kind](st);
    else
        unit_table[st->u->state][e->kind](st);
    return g;
}

void supervise_step(struct supervisor *s, const struct supervise_event *e, uint64_t now_ms,
                    struct supervise_actions *out)
{
    struct step st = {.s = s, .class = e->class, .now = now_ms, .out = out};
    struct group *g;

    out->n = 0;
    if (s->closing && (e->kind == SUPERVISE_START || e->kind == SUPERVISE_REPLACE))
        return;
    if (e->kind == SUPERVISE_TICK) {
        tick(s, now_ms, out);
    } else if (e->kind < SUPERVISE_N_KINDS) {
        if (e->kind == SUPERVISE_SPAWN_FAILED)
            st.class = CLASS_NO_PROCESS;
        g = dispatch(&st, e);
        if (g)
            group_pump(s, g, now_ms, out);
    }
    if (e->kind == SUPERVISE_TICK)
        for (uint32_t i = 0; i < SUPERVISE_MAX_GROUPS; i++)
            if (s->groups[i].used)
                group_pump(s, &s->groups[i], now_ms, out);
    if (!s->closing)
        return;
    if (s->closing_by <= now_ms)
        kill_everything(s, now_ms, out);
    closing_pump(s, now_ms, out);
}

void supervise_stop_all(struct supervisor *s, uint64_t now_ms, uint32_t limit_ms,
                        struct supervise_actions *out)
{
    out->n = 0;
    s->closing = 1;
    s->closing_by = now_ms + limit_ms;
    for (uint32_t i = 0; i < s->n_order; i++) {
        struct unit *u = &s->units[s->order[i]];
        u->to_stop = 0;
        if (u->state == SUPERVISE_STOPPING && u->then != SUPERVISE_N_STATES)
            u->then = SUPERVISE_STOPPED;
    }
    closing_pump(s, now_ms, out);
}

/* ---- Questions ------------------------------------------------------------------ */

int supervise_quiet(const struct supervisor *s)
{
    for (uint32_t i = 0; i < s->n_order; i++) {
        const struct unit *u = &s->units[s->order[i]];
        if (u->state == SUPERVISE_STOPPING || unit_alive(u))
            return 0;
    }
    return 1;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t supervise_next_deadline(const struct supervisor *s)
{
    uint64_t next = s->closing ? s->closing_by : SUPERVISE_NEVER;

    for (uint32_t i = 0; i < s->n_order; i++) {
        const struct unit *u = &s->units[s->order[i]];
        next = earlier(next, earlier(u->due, u->spare_due));
        for (uint32_t k = 0; k < SUPERVISE_INCARNATIONS; k++)
            if (u->incs[k].id)
                next = earlier(next, u->incs[k].deadline);
    }
    for (uint32_t i = 0; i < SUPERVISE_MAX_GROUPS; i++)
        if (s->groups[i].used && s->groups[i].phase == GROUP_FAILED)
            next = earlier(next, s->groups[i].due);
    return next;
}

int supervise_info(const struct supervisor *s, uint32_t unit, struct supervise_info *ret_info)
{
    struct unit *u = unit_at(s, unit);
    const struct incarnation *current, *spare;
    const struct group *g;

    if (!u)
        return -ENOENT;
    current = unit_inc(u, SUPERVISE_CURRENT);
    spare = unit_inc(u, SUPERVISE_SPARE);
    g = u->spec.group < 0 ? NULL : &s->groups[u->spec.group];
    *ret_info = (struct supervise_info){
        .spec = &u->spec,
        .state = u->state,
        .why = u->why,
        .cause = u->cause,
        .since_ms = u->since,
        .next_ms = u->due,
        .current = current ? current->id : 0,
        .spare = spare && spare->ready ? spare->id : 0,
        .n_incarnations = (uint32_t)unit_alive(u),
        .n_restarts = u->n_restarts,
    };
    if (u->state == SUPERVISE_FAILED && g && g->phase == GROUP_FAILED && !u->config_refused)
        ret_info->next_ms = earlier(u->due, g->due);
    return 0;
}

int supervise_unit_of(const struct supervisor *s, uint32_t inc)
{
    struct unit *u;
    struct incarnation *found;

    return find_inc(s, inc, &u, &found) ? (int)unit_index(s, u) : -ENOENT;
}

int supervise_role_of(const struct supervisor *s, uint32_t inc)
{
    struct unit *u;
    struct incarnation *found;

    return find_inc(s, inc, &u, &found) ? found->role : -ENOENT;
}

int supervise_nth(const struct supervisor *s, uint32_t i)
{
    return i < s->n_order ? (int)s->order[i] : -ENOENT;
}
