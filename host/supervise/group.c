/*
 * group.c - units that stop and start together. A failure only marks members
 * (`to_stop`); group_pump() then does one thing after the other: it stops the marked ones
 * in reverse order, waiting for each, and starts what waits in declared order. It is
 * called at the end of every step, so there is no second state to keep in line.
 */
#include "supervise/machine.h"

struct group *group_of(struct supervisor *s, const struct unit *u)
{
    return u->spec.group < 0 ? NULL : &s->groups[u->spec.group];
}

int group_ordered(const struct group *g)
{
    return g->strategy != SUPERVISE_ONE_FOR_ONE;
}

static int is_member(struct supervisor *s, const struct group *g, const struct unit *u)
{
    return group_of(s, u) == g;
}

/* Up, or out of the game: those after it need not wait. */
static int lets_later_start(const struct unit *u)
{
    return u->state == SUPERVISE_UP || u->state == SUPERVISE_STOPPED ||
           (u->state == SUPERVISE_DOWN && !u->wanted);
}

int group_allows(struct supervisor *s, const struct unit *u)
{
    const struct group *g = group_of(s, u);
    int before = 1;

    if (!g)
        return 1;
    if (g->phase == GROUP_FAILED)
        return 0;
    if (!group_ordered(g))
        return 1;
    for (uint32_t i = 0; i < s->n_order; i++) {
        const struct unit *m = &s->units[s->order[i]];
        if (m == u)
            before = 0;
        if (!is_member(s, g, m) || m == u)
            continue;
        if (m->to_stop || (before && !lets_later_start(m)))
            return 0;
        if (g->strategy == SUPERVISE_ONE_FOR_ALL && m->config_refused)
            return 0;
    }
    return 1;
}

void group_mark(struct step *st, const struct group *g)
{
    struct supervisor *s = st->s;
    int after = 0;

    if (!group_ordered(g))
        return;
    for (uint32_t i = 0; i < s->n_order; i++) {
        struct unit *m = &s->units[s->order[i]];
        if (m == st->u)
            after = 1;
        if (m == st->u || !is_member(s, g, m))
            continue;
        if (!after && g->strategy == SUPERVISE_REST_FOR_ONE)
            continue;
        if (m->state == SUPERVISE_STARTING || m->state == SUPERVISE_UP ||
            m->state == SUPERVISE_BACKOFF)
            m->to_stop = 1;
    }
}

void group_give_up(struct step *st, struct group *g, enum supervise_why cause)
{
    struct supervisor *s = st->s;

    if (g->phase == GROUP_RUNS && st->now - g->since >= g->period_ms)
        g->probe_ms = 0;
    g->phase = GROUP_FAILED;
    g->restarts.n = 0;
    g->probe_ms = probe_next_ms(g->probe_ms);
    g->due = st->now + g->probe_ms;
    for (uint32_t i = 0; i < s->n_order; i++) {
        struct unit *m = &s->units[s->order[i]];
        if (m == st->u || !is_member(s, g, m))
            continue;
        if (m->state == SUPERVISE_STOPPING && m->then == SUPERVISE_DOWN)
            m->then = SUPERVISE_FAILED;
        else if (m->state == SUPERVISE_STARTING || m->state == SUPERVISE_UP ||
                 m->state == SUPERVISE_BACKOFF || (m->state == SUPERVISE_DOWN && m->wanted) ||
                 (m->state == SUPERVISE_FAILED && unit_alive(m)))
            m->to_stop = 1;
        if (m->state == SUPERVISE_FAILED)
            m->due = SUPERVISE_NEVER; /* probed with the group */
    }
    unit_leave(st, SUPERVISE_FAILED,
               st->u->config_refused ? SUPERVISE_WHY_CONFIG : SUPERVISE_WHY_INTENSITY, cause);
}

int group_member_failed(struct step *st, struct group *g)
{
    if (g->phase == GROUP_PROBING)
        return 1;
    return !st->u->config_refused &&
           intensity_add(&g->restarts, st->now, g->max_restarts, g->period_ms);
}

void group_retry(struct group *g)
{
    g->restarts.n = 0;
    g->probe_ms = 0;
    g->phase = GROUP_PROBING;
    g->due = SUPERVISE_NEVER;
}

/* 1 when no marked member is left. */
static int stop_marked(struct supervisor *s, struct group *g, struct step *st)
{
    for (uint32_t i = s->n_order; i-- > 0;) {
        struct unit *m = &s->units[s->order[i]];
        if (!is_member(s, g, m) || !m->to_stop)
            continue;
        if (m->state == SUPERVISE_STOPPING)
            return 0;
        st->u = m;
        unit_leave(st, g->phase == GROUP_FAILED ? SUPERVISE_FAILED : SUPERVISE_DOWN,
                   SUPERVISE_WHY_GROUP, SUPERVISE_WHY_NONE);
        if (m->to_stop)
            return 0;
    }
    return 1;
}

/* Starts what waits; 1 when every member is where it should be. */
static int start_waiting(struct supervisor *s, struct group *g, struct step *st)
{
    int settled = 1;

    for (uint32_t i = 0; i < s->n_order; i++) {
        struct unit *m = &s->units[s->order[i]];
        int waits, probe;
        if (!is_member(s, g, m))
            continue;
        waits = m->state == SUPERVISE_DOWN && m->wanted;
        probe = g->phase == GROUP_PROBING && m->state == SUPERVISE_FAILED && !m->config_refused &&
                m->due == SUPERVISE_NEVER && !unit_inc(m, SUPERVISE_CURRENT);
        st->u = m;
        if ((waits || probe) && group_allows(s, m))
            unit_begin(st, waits ? (enum supervise_why)m->why : SUPERVISE_WHY_RETRY);
        if (!lets_later_start(m) && m->state != SUPERVISE_STOPPING)
            settled = 0;
    }
    return settled;
}

void group_pump(struct supervisor *s, struct group *g, uint64_t now, struct supervise_actions *out)
{
    struct step st = {.s = s, .now = now, .out = out};

    if (s->closing || !stop_marked(s, g, &st) || g->phase == GROUP_FAILED)
        return;
    if (start_waiting(s, g, &st) && g->phase == GROUP_PROBING) {
        g->phase = GROUP_RUNS;
        g->since = now;
    }
}

void closing_pump(struct supervisor *s, uint64_t now, struct supervise_actions *out)
{
    struct step st = {.s = s, .now = now, .out = out};

    for (uint32_t i = s->n_order; i-- > 0;) {
        st.u = &s->units[s->order[i]];
        if (st.u->state == SUPERVISE_STOPPING)
            return;
        if (st.u->state == SUPERVISE_STOPPED)
            continue;
        unit_leave(&st, SUPERVISE_STOPPED, SUPERVISE_WHY_ASKED, SUPERVISE_WHY_NONE);
        if (st.u->state == SUPERVISE_STOPPING)
            return;
    }
}
