/*
 * unit.c - the cells of the tables: what one event does to one unit. Read table.c first.
 *
 * An incarnation's slot is given up only by its EXIT or SPAWN_FAILED. A unit that must
 * wait for that is STOPPING; `then` says what it becomes. Failures all pass unit_fail():
 * it decides between staying stopped, giving up, the spare, a restart at once and a
 * delay.
 */
#include "supervise/machine.h"

#include <assert.h>
#include <string.h>

#define THEN_GONE ((uint8_t)SUPERVISE_N_STATES)

uint32_t unit_index(const struct supervisor *s, const struct unit *u)
{
    return (uint32_t)(u - s->units);
}

struct incarnation *unit_inc(struct unit *u, enum supervise_role role)
{
    for (uint32_t i = 0; i < SUPERVISE_INCARNATIONS; i++)
        if (u->incs[i].id && u->incs[i].role == role)
            return &u->incs[i];
    return NULL;
}

int unit_alive(const struct unit *u)
{
    int n = 0;

    for (uint32_t i = 0; i < SUPERVISE_INCARNATIONS; i++)
        n += u->incs[i].id != 0;
    return n;
}

void emit(struct step *st, struct supervise_action a)
{
    assert(st->out->n < SUPERVISE_MAX_ACTIONS); /* SUPERVISE_UNIT_ACTIONS bounds every step */
    a.unit = unit_index(st->s, st->u);
    st->out->at[st->out->n++] = a;
}

/* When the unit is tried next: its own timer, or its group's. */
static uint64_t next_try(struct supervisor *s, const struct unit *u)
{
    const struct group *g = group_of(s, u);

    if (u->due != SUPERVISE_NEVER || u->state != SUPERVISE_FAILED || u->config_refused)
        return u->due;
    return g && g->phase == GROUP_FAILED ? g->due : SUPERVISE_NEVER;
}

static void announce(struct step *st, enum supervise_why why, enum supervise_why cause)
{
    uint64_t next = next_try(st->s, st->u);

    emit(st,
         (struct supervise_action){
             .what = SUPERVISE_DO_ANNOUNCE,
             .state = st->u->state,
             .why = (uint8_t)why,
             .cause = (uint8_t)cause,
             .in_ms = next == SUPERVISE_NEVER || next < st->now ? 0 : (uint32_t)(next - st->now),
         });
}

void unit_enter(struct step *st, enum supervise_state state, enum supervise_why why,
                enum supervise_why cause, uint64_t due)
{
    struct unit *u = st->u;

    u->state = (uint8_t)state;
    u->why = (uint8_t)why;
    u->cause = (uint8_t)cause;
    u->since = st->now;
    u->due = due;
    u->spare_due = SUPERVISE_NEVER;
    announce(st, why, cause);
}

/* ---- Incarnations ------------------------------------------------------------ */

static struct incarnation *inc_spawn(struct step *st, enum supervise_role role)
{
    for (uint32_t i = 0; i < SUPERVISE_INCARNATIONS; i++) {
        struct incarnation *inc = &st->u->incs[i];
        if (inc->id)
            continue;
        inc->generation = (inc->generation + 1) & 0xfffff;
        if (inc->generation == 0)
            inc->generation = 1;
        inc->id = (unit_index(st->s, st->u) * 8 + i) | inc->generation << 12;
        inc->role = (uint8_t)role;
        inc->ready = 0;
        inc->killed_for = SUPERVISE_WHY_NONE;
        inc->deadline = st->now + st->u->spec.start_deadline_ms;
        emit(st, (struct supervise_action){
                     .what = SUPERVISE_DO_SPAWN, .role = (uint8_t)role, .inc = inc->id});
        return inc;
    }
    return NULL;
}

static void inc_free(struct incarnation *inc)
{
    inc->id = 0;
    inc->deadline = SUPERVISE_NEVER;
}

void inc_kill(struct step *st, struct incarnation *inc, enum supervise_why why)
{
    inc->deadline = SUPERVISE_NEVER;
    if (inc->killed_for)
        return;
    inc->killed_for = (uint8_t)why;
    emit(st,
         (struct supervise_action){.what = SUPERVISE_DO_KILL, .inc = inc->id, .why = (uint8_t)why});
}

static void inc_end(struct step *st, struct incarnation *inc)
{
    inc->deadline = st->now + SUPERVISE_END_MS;
    emit(st, (struct supervise_action){.what = SUPERVISE_DO_END, .inc = inc->id});
}

/* What served drains; a READY spare has nothing to drain; what is not READY is killed. */
static void inc_leave(struct step *st, struct incarnation *inc, enum supervise_why why)
{
    uint8_t was = inc->role;

    inc->role = SUPERVISE_LEAVING;
    if (inc->killed_for || was == SUPERVISE_LEAVING)
        return;
    if (!inc->ready || st->u->spec.drain_deadline_ms == 0) {
        inc_kill(st, inc, why);
    } else if (was == SUPERVISE_SPARE) {
        inc_end(st, inc);
    } else {
        inc->deadline = st->now + st->u->spec.drain_deadline_ms;
        emit(st, (struct supervise_action){.what = SUPERVISE_DO_DRAIN, .inc = inc->id});
    }
}

static void leave_all(struct step *st, enum supervise_why why)
{
    for (uint32_t i = 0; i < SUPERVISE_INCARNATIONS; i++)
        if (st->u->incs[i].id)
            inc_leave(st, &st->u->incs[i], why);
}

/* Why the process of this event ended. The host's own reason counts only if its KILL did it. */
static enum supervise_why why_ended(const struct step *st)
{
    enum supervise_why killed_for = st->inc->killed_for;

    switch (st->class) {
    case SUPERVISE_EXIT_DONE:
        return SUPERVISE_WHY_DONE;
    case SUPERVISE_EXIT_CONFIG:
        return SUPERVISE_WHY_CONFIG;
    case SUPERVISE_EXIT_HANG:
        return killed_for ? killed_for : SUPERVISE_WHY_HANG;
    case SUPERVISE_EXIT_PROTOCOL:
        return SUPERVISE_WHY_PROTOCOL;
    case SUPERVISE_EXIT_OOM:
        return SUPERVISE_WHY_OOM;
    case SUPERVISE_EXIT_ASKED:
        return killed_for ? killed_for : SUPERVISE_WHY_ASKED;
    case SUPERVISE_N_KINDS: /* SPAWN_FAILED, see supervise_step() */
        return SUPERVISE_WHY_SPAWN;
    default:
        return SUPERVISE_WHY_CRASH;
    }
}

/* ---- Starting and stopping --------------------------------------------------- */

void unit_begin(struct step *st, enum supervise_why why)
{
    struct unit *u = st->u;
    uint8_t probing = u->state == SUPERVISE_FAILED, waited = u->wanted;

    u->wanted = 0;
    u->replace_wanted = 0;
    if (!inc_spawn(st, SUPERVISE_CURRENT)) { /* leaving ones hold all slots: their end wakes it */
        u->wanted = !probing;
        if (probing)
            u->due = st->now + SUPERVISE_END_MS;
        else if (!waited)
            unit_enter(st, SUPERVISE_DOWN, why, SUPERVISE_WHY_NONE, SUPERVISE_NEVER);
    } else if (probing) {
        u->due = SUPERVISE_NEVER;
    } else {
        unit_enter(st, SUPERVISE_STARTING, why, SUPERVISE_WHY_NONE, SUPERVISE_NEVER);
    }
}

/* Starts now, or as soon as the group lets it. */
static void begin_or_wait(struct step *st, enum supervise_why why, enum supervise_why cause)
{
    if (group_allows(st->s, st->u)) {
        unit_begin(st, why);
        return;
    }
    st->u->wanted = 1;
    unit_enter(st, SUPERVISE_DOWN, why, cause, SUPERVISE_NEVER);
}

static void forget_failures(struct unit *u)
{
    u->restarts.n = 0;
    u->backoff_n = 0;
    u->spare_n = 0;
    u->probe_ms = 0;
    u->shaken = 0;
    u->config_refused = 0;
}

static void drop_from_order(struct supervisor *s, uint32_t index)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < s->n_order; i++)
        if (s->order[i] != index)
            s->order[kept++] = s->order[i];
    s->n_order = kept;
}

/* The last incarnation of a STOPPING unit is gone. */
static void finish_stop(struct step *st)
{
    struct unit *u = st->u;

    u->to_stop = 0;
    if (u->then == THEN_GONE) {
        emit(st, (struct supervise_action){.what = SUPERVISE_DO_GONE});
        drop_from_order(st->s, unit_index(st->s, u));
        u->used = 0;
        return;
    }
    if (u->then == SUPERVISE_DOWN)
        begin_or_wait(st, (enum supervise_why)u->why, (enum supervise_why)u->cause);
    else
        unit_enter(st, (enum supervise_state)u->then, (enum supervise_why)u->why,
                   (enum supervise_why)u->cause, SUPERVISE_NEVER);
}

void unit_leave(struct step *st, uint8_t then, enum supervise_why why, enum supervise_why cause)
{
    struct unit *u = st->u;

    leave_all(st, why);
    u->wanted = 0;
    u->replace_wanted = 0;
    u->then = then;
    if (then == SUPERVISE_STOPPED || then == THEN_GONE)
        u->to_stop = 0;
    if (unit_alive(u)) {
        unit_enter(st, SUPERVISE_STOPPING, why, cause, SUPERVISE_NEVER);
        return;
    }
    u->why = (uint8_t)why;
    u->cause = (uint8_t)cause;
    finish_stop(st);
}

/* ---- Failure ----------------------------------------------------------------- */

static int restarts_after(const struct unit *u, enum supervise_why why)
{
    if (u->spec.restart == SUPERVISE_TEMPORARY)
        return 0;
    if (u->spec.restart == SUPERVISE_TRANSIENT)
        return why != SUPERVISE_WHY_DONE && why != SUPERVISE_WHY_ASKED;
    return 1;
}

/* Visible, out of service; the incarnations that are left leave by themselves. */
static void give_up(struct step *st, enum supervise_why why, enum supervise_why cause)
{
    struct unit *u = st->u;
    uint64_t due = SUPERVISE_NEVER;

    leave_all(st, SUPERVISE_WHY_ASKED);
    u->wanted = 0;
    u->replace_wanted = 0;
    if (!u->config_refused) {
        u->probe_ms = probe_next_ms(u->probe_ms);
        due = st->now + u->probe_ms;
    }
    unit_enter(st, SUPERVISE_FAILED, why, cause, due);
}

/* Another incarnation becomes the current one: a READY spare, else whichever starts already. */
static int take_over(struct step *st, enum supervise_why why)
{
    struct incarnation *spare = unit_inc(st->u, SUPERVISE_SPARE);
    struct incarnation *next = spare;

    if (!spare || !spare->ready || spare->killed_for)
        next = unit_inc(st->u, SUPERVISE_REPLACEMENT);
    if (!next)
        next = spare;
    if (!next)
        return 0;
    next->role = SUPERVISE_CURRENT;
    if (!next->ready || next->killed_for) {
        unit_enter(st, SUPERVISE_STARTING, why, SUPERVISE_WHY_NONE, SUPERVISE_NEVER);
        return 1;
    }
    emit(st, (struct supervise_action){.what = SUPERVISE_DO_SWITCH, .inc = next->id});
    unit_enter(st, SUPERVISE_UP, SUPERVISE_WHY_SPARE, why, SUPERVISE_NEVER);
    if (st->u->spec.spare)
        st->u->spare_due = st->now + SUPERVISE_SPARE_MS;
    return 1;
}

static void restart_or_wait(struct step *st, int was_up, enum supervise_why why)
{
    struct unit *u = st->u;
    int at_once = was_up && !u->shaken;

    u->shaken = 1;
    if (take_over(st, why))
        return;
    if (at_once)
        begin_or_wait(st, why, SUPERVISE_WHY_NONE);
    else
        unit_enter(st, SUPERVISE_BACKOFF, why, SUPERVISE_WHY_NONE,
                   st->now + backoff_ms(st->s, u->backoff_n++));
}

/* The current incarnation ended and nobody asked it to. */
static void unit_fail(struct step *st, int was_up)
{
    struct unit *u = st->u;
    struct group *g = group_of(st->s, u);
    enum supervise_why why = why_ended(st);
    int replacement = unit_inc(u, SUPERVISE_REPLACEMENT) != NULL; /* newer code: give it its try */
    int give_up_unit = 0, give_up_group = 0;

    inc_free(st->inc);
    if (was_up && st->now - u->since >= u->spec.period_ms) {
        u->shaken = 0;
        u->backoff_n = 0;
        u->probe_ms = 0;
    }
    if (st->s->closing || !restarts_after(u, why)) {
        unit_leave(st, SUPERVISE_STOPPED, why, SUPERVISE_WHY_NONE);
        return;
    }
    u->to_stop = 0;
    u->config_refused = why == SUPERVISE_WHY_CONFIG && !replacement;
    if (!u->config_refused)
        u->n_restarts++;
    if (g && group_member_failed(st, g))
        give_up_group = 1;
    if (!u->config_refused &&
        intensity_add(&u->restarts, st->now, u->spec.max_restarts, u->spec.period_ms))
        give_up_unit = !replacement;
    if (give_up_group || (give_up_unit && g && group_ordered(g))) {
        group_give_up(st, g, why);
        return;
    }
    if (g)
        group_mark(st, g);
    if (u->config_refused)
        give_up(st, why, SUPERVISE_WHY_NONE);
    else if (give_up_unit)
        give_up(st, SUPERVISE_WHY_INTENSITY, why);
    else
        restart_or_wait(st, was_up, why);
}

/* ---- Cells of unit_table ------------------------------------------------------- */

void unit_ignore(struct step *st)
{
    (void)st;
}

void unit_want(struct step *st)
{
    begin_or_wait(st, SUPERVISE_WHY_ASKED, SUPERVISE_WHY_NONE);
}

/* New code while the old is starting: nobody waits for the old. */
void unit_begin_again(struct step *st)
{
    leave_all(st, SUPERVISE_WHY_REPLACED);
    forget_failures(st->u);
    unit_begin(st, SUPERVISE_WHY_REPLACED);
}

void unit_retry(struct step *st)
{
    struct group *g = group_of(st->s, st->u);

    leave_all(st, SUPERVISE_WHY_REPLACED);
    forget_failures(st->u);
    if (g && g->phase == GROUP_FAILED) {
        group_retry(g);
        return;
    }
    st->u->state = SUPERVISE_DOWN;
    begin_or_wait(st, SUPERVISE_WHY_ASKED, SUPERVISE_WHY_NONE);
}

void unit_up(struct step *st)
{
    struct unit *u = st->u;

    st->inc->ready = 1;
    st->inc->deadline = SUPERVISE_NEVER;
    if (u->state == SUPERVISE_FAILED)
        u->restarts.n = 0;
    emit(st, (struct supervise_action){.what = SUPERVISE_DO_SWITCH, .inc = st->inc->id});
    unit_enter(st, SUPERVISE_UP, (enum supervise_why)u->why, (enum supervise_why)u->cause,
               SUPERVISE_NEVER);
    if (u->spec.spare && !unit_inc(u, SUPERVISE_SPARE))
        u->spare_due = st->now + SUPERVISE_SPARE_MS;
}

void unit_failed_start(struct step *st)
{
    unit_fail(st, 0);
}

void unit_crashed(struct step *st)
{
    unit_fail(st, 1);
}

void unit_stop(struct step *st)
{
    unit_leave(st, SUPERVISE_STOPPED, SUPERVISE_WHY_ASKED, SUPERVISE_WHY_NONE);
}

void unit_remove(struct step *st)
{
    unit_leave(st, THEN_GONE, SUPERVISE_WHY_ASKED, SUPERVISE_WHY_NONE);
}

void unit_replace(struct step *st)
{
    struct incarnation *earlier = unit_inc(st->u, SUPERVISE_REPLACEMENT);

    if (earlier)
        inc_leave(st, earlier, SUPERVISE_WHY_REPLACED);
    st->u->replace_wanted = !inc_spawn(st, SUPERVISE_REPLACEMENT);
}

void unit_due(struct step *st)
{
    begin_or_wait(st, SUPERVISE_WHY_RETRY, (enum supervise_why)st->u->why);
}

void unit_spare_due(struct step *st)
{
    struct unit *u = st->u;

    u->spare_due = SUPERVISE_NEVER;
    if (!u->spec.spare || unit_inc(u, SUPERVISE_SPARE))
        return;
    if (unit_alive(u) + 2 > (int)SUPERVISE_INCARNATIONS) /* the last slot is for a replacement */
        u->spare_due = st->now + SUPERVISE_END_MS;
    else
        inc_spawn(st, SUPERVISE_SPARE);
}

void unit_probe(struct step *st)
{
    unit_begin(st, SUPERVISE_WHY_RETRY);
}

void unit_probe_failed(struct step *st)
{
    struct unit *u = st->u;
    struct group *g = group_of(st->s, u);
    enum supervise_why why = why_ended(st);

    inc_free(st->inc);
    if (st->s->closing || !restarts_after(u, why)) {
        unit_leave(st, SUPERVISE_STOPPED, why, SUPERVISE_WHY_NONE);
        return;
    }
    u->n_restarts++;
    u->config_refused = why == SUPERVISE_WHY_CONFIG;
    if (g && g->phase != GROUP_RUNS)
        group_give_up(st, g, why);
    else
        give_up(st, u->config_refused ? why : SUPERVISE_WHY_INTENSITY, why);
}

void unit_hung(struct step *st)
{
    inc_kill(st, st->inc, SUPERVISE_WHY_HANG);
}

void unit_start_after(struct step *st)
{
    if (st->u->then == SUPERVISE_STOPPED)
        st->u->then = SUPERVISE_DOWN;
}

void unit_stop_after(struct step *st)
{
    if (st->u->then == THEN_GONE)
        return;
    st->u->then = SUPERVISE_STOPPED;
    st->u->to_stop = 0;
}

void unit_remove_after(struct step *st)
{
    st->u->then = THEN_GONE;
    st->u->to_stop = 0;
}

/* ---- Cells of role_table ------------------------------------------------------- */

void replacement_ready(struct step *st)
{
    struct unit *u = st->u;
    struct incarnation *old = unit_inc(u, SUPERVISE_CURRENT);
    struct incarnation *spare = unit_inc(u, SUPERVISE_SPARE);

    st->inc->role = SUPERVISE_CURRENT;
    st->inc->ready = 1;
    st->inc->deadline = SUPERVISE_NEVER;
    emit(st, (struct supervise_action){.what = SUPERVISE_DO_SWITCH, .inc = st->inc->id});
    if (old)
        inc_leave(st, old, SUPERVISE_WHY_REPLACED);
    if (spare)
        inc_leave(st, spare, SUPERVISE_WHY_REPLACED);
    forget_failures(u);
    unit_enter(st, SUPERVISE_UP, SUPERVISE_WHY_REPLACED, SUPERVISE_WHY_NONE, SUPERVISE_NEVER);
    if (u->spec.spare)
        u->spare_due = st->now + SUPERVISE_SPARE_MS;
}

void replacement_failed(struct step *st)
{
    enum supervise_why why = why_ended(st);

    inc_free(st->inc);
    announce(st, SUPERVISE_WHY_REPLACEMENT_FAILED, why);
}

void spare_ready(struct step *st)
{
    st->inc->ready = 1;
    st->inc->deadline = SUPERVISE_NEVER;
}

void spare_failed(struct step *st)
{
    struct unit *u = st->u;
    enum supervise_why why = why_ended(st);

    inc_free(st->inc);
    announce(st, SUPERVISE_WHY_SPARE_FAILED, why);
    if (u->state == SUPERVISE_UP && why != SUPERVISE_WHY_CONFIG)
        u->spare_due = st->now + backoff_ms(st->s, u->spare_n++);
}

void leaving_ended(struct step *st)
{
    struct unit *u = st->u;

    inc_free(st->inc);
    if (u->state == SUPERVISE_STOPPING) {
        if (unit_alive(u) == 0)
            finish_stop(st);
    } else if (u->state == SUPERVISE_UP && u->replace_wanted) {
        unit_replace(st);
    } else if (u->state == SUPERVISE_DOWN && u->wanted && group_allows(st->s, u)) {
        unit_begin(st, (enum supervise_why)u->why);
    }
}

void leaving_drained(struct step *st)
{
    inc_end(st, st->inc);
}
