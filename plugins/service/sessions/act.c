/*
 * act.c - what may be done with a session in which state: one table. What changes nothing is
 * answered at once; what is not allowed is refused, unless it is a repeated request, for then the
 * store is asked whether it was done before the state changed.
 */
#include "sessions.h"

#define NO   (-1)
#define SAME (-2)

/*                       open      closed    archived  expired   deleted */
static const int8_t after[N_ACTS][N_STATES] = {
    [APPEND] = {OPEN, NO, NO, NO, NO},
    [TOUCH] = {OPEN, CLOSED, NO, NO, NO},
    [SET] = {OPEN, CLOSED, NO, NO, NO},
    [CLOSE] = {CLOSED, SAME, NO, NO, NO},
    [ARCHIVE] = {ARCHIVED, ARCHIVED, SAME, ARCHIVED, NO},
    [RESTORE] = {SAME, OPEN, OPEN, OPEN, NO},
    [ROLLBACK] = {OPEN, NO, NO, NO, NO},
    [EXPIRE] = {EXPIRED, EXPIRED, NO, SAME, NO},
    [DELETE] = {DELETED, DELETED, DELETED, DELETED, SAME},
    [LOSE] = {OPEN, CLOSED, NO, NO, NO},
};

/* 0, or the work was ended: too many live ones. */
static int room_for_one(struct work *w)
{
    const struct sessions *s = w->s;

    if (s->index.n_live < (size_t)s->config->max_sessions)
        return 0;
    work_refuse(w, AIEX_E_BUSY,
                "%zu sessions are live, max_sessions is %lld; archive some, or raise it",
                s->index.n_live, (long long)s->config->max_sessions);
    return -1;
}

/* ---- Changes of what is there ---- */

static void set_texts(struct work *w)
{
    struct row *row = &w->row;

    if (w->given & F_TITLE)
        strcpy(row->title, w->title);
    if (w->given & F_USER)
        strcpy(row->user, w->user);
    if (w->given & F_PROJECT)
        strcpy(row->project, w->project);
    if (w->given & F_TTL)
        row->ttl = w->ttl;
}

/* What is left of a deleted session. */
static void bury(struct row *row)
{
    row->title[0] = row->user[0] = row->project[0] = row->origin[0] = row->turns[0] = 0;
    row->origin_at = row->messages = row->state_at = 0;
}

/* Messages and values as they were then. */
static int take_point(struct work *w, struct row *row)
{
    struct aiex_slice event, meta;

    return event_of(w, &event) && aiex_get_whole(event, "meta", &meta) == 1 &&
           aiex_get_int(meta, "messages", &row->messages) == 1 &&
           aiex_get_int(meta, "values_at", &row->state_at) == 1;
}

static void on_point(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;

    if (end->code)
        work_fail(w, end, "the point to go back to can not be read");
    else if (!take_point(w, &w->row))
        work_refuse(w, AIEX_E_NOT_FOUND, "session '%s' has no version %lld", w->session,
                    (long long)w->at);
    else
        write_send(w);
}

/* 0, or -1: the work was ended. */
static int take_turn(struct work *w)
{
    if (w->turn_state[0] == 'b' && turns_begin(&w->row, w->turn, wall_ms()) < 0) {
        work_refuse(w, AIEX_E_BUSY,
                    "%u turns of session '%s' are open; they must end, or be lost after "
                    "turn_timeout",
                    MAX_TURNS, w->session);
        return -1;
    }
    if (w->turn_state[0] != 'b' && !turns_end(&w->row, w->turn) && w->act == LOSE) {
        reply_row(w); /* it was ended meanwhile */
        return -1;
    }
    return 0;
}

static void change(struct work *w)
{
    if (w->turn[0] && take_turn(w) < 0)
        return;
    if (w->act == SET)
        set_texts(w);
    if (w->act == DELETE)
        bury(&w->row);
    if (w->act != ROLLBACK || w->probe)
        write_send(w);
    else if (w->at > w->row.version)
        work_refuse(w, AIEX_E_NOT_FOUND, "session '%s' has no version %lld", w->session,
                    (long long)w->at);
    else
        read_event(w, w->session, w->at, on_point);
}

static void not_allowed(struct work *w)
{
    unsigned state = w->row.state;

    if (!w->has_request || w->expected >= 0) {
        work_refuse(w, AIEX_E_CONFLICT, "session '%s' is %s%s", w->session, state_name(state),
                    state == DELETED ? "" : "; sessions.restore opens it again");
        return;
    }
    w->probe = 1;
    w->base = w->row.version + ((int64_t)1 << 40); /* never holds */
    change(w);
}

static void decide(struct work *w)
{
    const struct entry *e = w->lane->e;
    int to = after[w->act][e->state];

    entry_read(e, &w->row);
    w->base = w->row.version;
    w->probe = 0;
    w->messages_before = w->row.messages;
    w->state_before = w->row.state_at;
    if (w->due_only && w->act == EXPIRE && row_expires(&w->row, w->s->config->ttl) > wall_ms()) {
        work_free(w); /* somebody used it */
    } else if (to == SAME) {
        reply_row(w);
    } else if (to == NO) {
        not_allowed(w);
    } else if (w->expected >= 0 && w->expected != w->base && !w->has_request) {
        refuse_version(w, "the session has changed since");
    } else if (w->act != RESTORE || state_is_live(w->row.state) || room_for_one(w) == 0) {
        if (w->expected >= 0)
            w->base = w->expected;
        w->row.state = (uint8_t)to;
        change(w);
    }
}

void act_run(struct work *w)
{
    if (w->lane->e->unsure)
        fetch_again(w, decide);
    else
        decide(w);
}

static void enter(struct work *w)
{
    struct entry *e = index_find(&w->s->index, w->session);

    if (may_see(w, e) == 0)
        lane_enter(w, e);
}

void run_change(struct work *w)
{
    fetch(w, enter);
}

/* ---- New ones ---- */

static void fill_new(struct work *w, const char *id)
{
    struct row *row = &w->row;

    if (id[0])
        strcpy(row->id, id);
    else
        random_id(row->id);
    if (w->who[0]) {
        strcpy(w->user, w->who);
        w->given |= F_USER;
    }
    set_texts(w);
    row->state = OPEN;
    row->erased = 0;
    row->created = wall_ms();
    w->base = 0;
}

void run_create(struct work *w)
{
    if (w->has_request && !w->session[0]) {
        work_refuse(w, AIEX_E_INVALID,
                    "'request' needs 'session' here: a repeated request must name the same one");
        return;
    }
    if (room_for_one(w) < 0)
        return;
    w->row.ttl = -1;
    fill_new(w, w->session);
    w->row.state_at = w->given & F_STATE ? 1 : 0;
    write_send(w);
}

static void on_values(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct aiex_slice event;

    if (end->code) {
        work_fail(w, end, "the values of the session can not be read");
        return;
    }
    if (event_of(w, &event) && values_of(event, &w->state))
        w->given |= F_STATE;
    w->row.state_at = w->given & F_STATE ? 1 : 0;
    write_send(w);
}

static void on_fork_point(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;

    if (end->code)
        work_fail(w, end, "the point to fork at can not be read");
    else if (!take_point(w, &w->row))
        work_refuse(w, AIEX_E_NOT_FOUND, "session '%s' has no version %lld", w->session,
                    (long long)w->at);
    else if (w->row.state_at)
        read_event(w, w->session, w->row.state_at, on_values);
    else
        write_send(w);
}

static void fork_it(struct work *w)
{
    struct sessions *s = w->s;
    struct entry *e = index_find(&s->index, w->session);
    struct row *row = &w->row;

    if (may_see(w, e) < 0)
        return;
    guest_leave(s, e);
    if (row->state == DELETED) {
        not_found(w);
    } else if (row->depth >= MAX_DEPTH) {
        work_refuse(w, AIEX_E_INVALID,
                    "session '%s' is a fork of a fork, %u deep; no deeper ones are made",
                    w->session, MAX_DEPTH);
    } else if (w->at > row->version) {
        work_refuse(w, AIEX_E_NOT_FOUND, "session '%s' has no version %lld", w->session,
                    (long long)w->at);
    } else {
        row->depth++;
        row->turns[0] = 0;
        strcpy(row->origin, w->session);
        row->origin_at = w->at = w->at ? w->at : row->version;
        row->id[0] = 0;
        fill_new(w, w->as);
        read_event(w, w->session, w->at, on_fork_point);
    }
}

void run_fork(struct work *w)
{
    if (w->has_request && !w->as[0]) {
        work_refuse(w, AIEX_E_INVALID,
                    "'request' needs 'as' here: a repeated request must name the same one");
        return;
    }
    if (room_for_one(w) == 0)
        fetch(w, fork_it);
}
