/* show.c - one session, with its values when it has some. */
#include "sessions.h"

struct shown {
    const struct work *w;
    struct aiex_slice values;
};

static void write_shown(struct aiex_writer *w, const void *arg)
{
    const struct shown *q = arg;

    aiex_w_map(w, ROW_SHOWN + (q->values.len != 0));
    row_show(w, &q->w->row);
    if (!q->values.len)
        return;
    aiex_w_str(w, "values");
    aiex_w_raw(w, q->values.data, q->values.len);
}

static void on_values(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct shown q = {w, {NULL, 0}};
    struct aiex_slice event;

    if (end->code) {
        work_fail(w, end,
                  "the values of the session can not be read (with_values = false leaves "
                  "them out)");
        return;
    }
    if (event_of(w, &event))
        values_of(event, &q.values);
    work_reply(w, write_shown, &q);
}

static void show(struct work *w)
{
    struct sessions *s = w->s;
    struct entry *e = index_find(&s->index, w->session);

    if (may_see(w, e) < 0)
        return;
    guest_leave(s, e);
    if (w->row.state_at && w->with_state)
        read_event(w, w->session, w->row.state_at, on_values);
    else
        work_reply(w, write_shown, &(struct shown){w, {NULL, 0}});
}

void run_get(struct work *w)
{
    fetch(w, show);
}
