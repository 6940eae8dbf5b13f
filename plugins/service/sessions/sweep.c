/*
 * sweep.c - what is done without being asked: sessions whose time is over expire, turns that nobody
 * ended are marked as lost, and the events of deleted sessions are erased.
 *
 * The sweep goes round the slots of the index, SLICE of them at a time, with at most MAX_RUNNING
 * expiries under way, so that neither the loop nor the store notices a night in which ten thousand
 * sessions run out. Each expiry is an ordinary write, which looks again before it is made.
 *
 * Deleting writes a tombstone first and erases then; the shelf `erase` of the table is the list of
 * what is still to be erased, also after a crash.
 */
#include "sessions.h"

#include <stdio.h>

#define SLICE       4096u
#define TICK_MS     200u
#define MAX_RUNNING 16u
#define ERASE_MAX   32u /* sessions of one tick */

/* ---- Expiry ---- */

static size_t running(const struct sessions *s)
{
    size_t n = 0;

    for (const struct work *w = s->works; w; w = w->next)
        n += (size_t)w->due_only;
    return n;
}

static int is_due(const struct sessions *s, const struct entry *e, int64_t now)
{
    struct row row = {.ttl = e->ttl, .updated = e->updated};

    return e->listed && !e->lane && row_expires(&row, s->config->ttl) <= now;
}

static void expire(struct sessions *s, const struct entry *e)
{
    struct row row;
    struct work *w;

    entry_read(e, &row);
    w = work_own(s, verb_of(EXPIRE), row.id);
    if (!w)
        return;
    w->due_only = 1;
    run_change(w);
}

/* The name of a turn that is open for too long. */
static int has_lost(const struct sessions *s, const struct entry *e, int64_t now,
                    char turn[MAX_TURN + 1])
{
    size_t len;
    const char *turns = entry_turns(e, &len);
    int64_t begun = len && e->listed && !e->lane ? turns_first(turns, len, turn) : INT64_MAX;

    return begun != INT64_MAX && now - begun >= s->config->turn_timeout;
}

static void lose(struct sessions *s, const struct entry *e, const char *turn)
{
    struct row row;
    struct work *w;

    entry_read(e, &row);
    w = work_own(s, verb_of(LOSE), row.id);
    if (!w)
        return;
    w->due_only = 1;
    strcpy(w->turn, turn);
    aiex_logf(s->host, AIEX_LOG_NOTICE, 0,
              "turn '%s' of session '%s' was begun and never ended; it is marked as lost", turn,
              row.id);
    run_change(w);
}

static void slice(struct sessions *s)
{
    struct sweep *q = &s->sweep;
    int64_t now = wall_ms();
    size_t left = MAX_RUNNING - running(s);

    for (size_t i = 0; i < SLICE && left && q->at < s->index.n_slots; i++) {
        struct entry *e = s->index.slots[q->at++];
        char turn[MAX_TURN + 1];

        if (e && is_due(s, e, now)) {
            expire(s, e);
            left--;
        } else if (e && has_lost(s, e, now, turn)) {
            lose(s, e, turn);
            left--;
        }
    }
    if (q->at >= s->index.n_slots) {
        q->at = 0;
        q->round_at = s->host->now_ms(s->host) + (uint64_t)s->config->sweep;
    }
}

/* ---- Erasing ---- */

static void erase_next(struct sessions *s);

static void write_doomed(struct aiex_writer *w, const void *arg)
{
    char from[MAX_ORDER], to[MAX_ORDER];

    (void)arg;
    shelf_bounds("erase", from, to);
    aiex_w_map(w, 5);
    aiex_w_key_str(w, "table", "session");
    aiex_w_key_str(w, "index", "order");
    aiex_w_key_str(w, "from", from);
    aiex_w_key_str(w, "to", to);
    aiex_w_key_int(w, "limit", 1);
}

static int doomed_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct sweep *q = &((struct sessions *)a->owner)->sweep;
    struct aiex_slice value = {NULL, 0};
    struct aiex_value v;

    if (part.data && aiex_r_value(&part, &v) == 0 && v.type == AIEX_T_ARRAY && v.count &&
        aiex_get_bytes(part, "value", &value) == 1 && row_read(value, &q->row) == 0)
        q->found = q->row.state == DELETED && !q->row.erased; /* nothing else is ever erased */
    return 0;
}

static void write_compact(struct aiex_writer *w, const void *arg)
{
    const struct row *row = arg;
    char stream[MAX_ID + 9];

    event_stream(stream, row->id);
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "stream", stream);
    aiex_w_key_int(w, "keep_from", row->version);
}

static void write_erased(struct aiex_writer *w, const void *arg)
{
    const struct sessions *s = arg;

    aiex_w_map(w, 2);
    aiex_w_str(w, "conditions");
    condition_write(w, s);
    aiex_w_str(w, "operations");
    aiex_w_array(w, 1);
    row_put_write(w, &s->sweep.row);
}

static void ask_next(struct sessions *s, const char *method, aiex_ask_part_fn part,
                     aiex_ask_end_fn end, aiex_write_fn write, const void *arg)
{
    struct aiex_ask *a = &s->sweep.ask;

    a->owner = s;
    a->method = method;
    a->part = part;
    a->end = end;
    ask_by(a, write, arg);
}

static void erase_over(struct sessions *s, const struct aiex_answer *end, const char *what)
{
    s->sweep.erasing = 0;
    if (end->code)
        aiex_logf(s->host, AIEX_LOG_WARN, 0,
                  "the events of the deleted session '%s' %s: %s (%s); trying again with the next "
                  "sweep",
                  s->sweep.row.id, what, end->text ? end->text : "", end->code);
}

static void on_marked(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct sessions *s = a->owner;
    struct entry *e = index_find(&s->index, s->sweep.row.id);

    erase_over(s, end, "are erased, which can not be written down");
    if (end->code)
        return;
    if (e)
        entry_update(e, &s->sweep.row);
    s->erased++;
    if (++s->sweep.erased < ERASE_MAX)
        erase_next(s);
    else
        s->sweep.erase_wanted = 1;
}

static void on_compacted(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct sessions *s = a->owner;

    if (end->code) {
        erase_over(s, end, "can not be erased");
        return;
    }
    s->sweep.row.erased = 1;
    ask_next(s, "store.transact", NULL, on_marked, write_erased, s);
}

static void on_doomed(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct sessions *s = a->owner;

    if (end->code || !s->sweep.found)
        s->sweep.erasing = 0; /* the next sweep looks again */
    else
        ask_next(s, "store.compact", NULL, on_compacted, write_compact, &s->sweep.row);
}

static void erase_next(struct sessions *s)
{
    s->sweep.erasing = 1;
    s->sweep.found = 0;
    ask_next(s, "store.range", doomed_part, on_doomed, write_doomed, NULL);
}

void erase_soon(struct sessions *s)
{
    s->sweep.erase_wanted = 1;
}

/* ---- The tick ---- */

static void tick(void *arg)
{
    struct sessions *s = arg;
    struct sweep *q = &s->sweep;
    uint64_t now = s->host->now_ms(s->host);
    char text[400];

    if (s->phase == LOADING && now > (uint64_t)s->config->load_wait) {
        snprintf(text, sizeof(text), "the sessions are still being read: %s",
                 s->boot.trouble[0] ? s->boot.trouble : "the store has not answered yet");
        works_end(s, now - (uint64_t)s->config->load_wait, text);
    }
    if (s->phase != READY || s->draining)
        return;
    if (q->at || now >= q->round_at) {
        if (!q->at && !q->hurry)
            q->erase_wanted = 1; /* what failed before */
        q->hurry = 0;
        slice(s);
    }
    if (q->erase_wanted && !q->erasing) {
        q->erase_wanted = 0;
        q->erased = 0;
        erase_next(s);
    }
}

int sweep_start(struct sessions *s)
{
    return s->host->timer(s->host, TICK_MS, TICK_MS, tick, s, &s->sweep.timer);
}

void sweep_stop(struct sessions *s)
{
    if (s->sweep.timer)
        s->host->unwatch(s->host, s->sweep.timer);
    s->sweep.timer = 0;
    if (s->sweep.ask.owner)
        aiex_ask_stop(&s->sweep.ask);
}

/* ---- sessions.expire ---- */

static void write_due(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, 1);
    aiex_w_key_uint(w, "due", *(const size_t *)arg);
}

void run_expire(struct work *w)
{
    struct sessions *s = w->s;
    int64_t now = wall_ms();
    size_t due = 0;

    if (w->session[0]) {
        run_change(w);
    } else if (w->who[0]) {
        work_refuse(w, AIEX_E_DENIED, "only an operator or an admin starts the sweep");
    } else {
        for (const struct entry *e = s->index.newest; e; e = e->older)
            due += (size_t)is_due(s, e, now);
        s->sweep.round_at = 0;
        s->sweep.hurry = 1;
        work_reply(w, write_due, &due);
    }
}
