/*
 * events.c - the events of each change, as they stand in the stream for ever.
 *
 * `meta` of each says what holds behind it: whose the session is, the owner's epoch, how many
 * messages the history has and which event has the values. So a session goes back to any of its
 * versions by reading that one event.
 */
#include "sessions.h"

#include <stdio.h>

static const char *const types[N_ACTS] = {
    [CREATE] = "session.created",       [FORK] = "session.created",
    [APPEND] = "session.message",       [TOUCH] = "session.touched",
    [SET] = "session.changed",          [CLOSE] = "session.closed",
    [ARCHIVE] = "session.archived",     [RESTORE] = "session.restored",
    [ROLLBACK] = "session.rolled_back", [EXPIRE] = "session.expired",
    [DELETE] = "session.deleted",       [LOSE] = "session.turn_lost",
};

void event_stream(char out[MAX_ID + 9], const char *session)
{
    snprintf(out, MAX_ID + 9, "session/%s", session);
}

static int has_changed(const struct work *w)
{
    return (w->given & (F_TITLE | F_USER | F_PROJECT | F_TTL)) != 0;
}

/* Values that come as an event of their own, the last one. */
static int has_values(const struct work *w)
{
    return (w->act == APPEND || w->act == SET) && (w->given & F_STATE);
}

uint32_t events_count(const struct work *w)
{
    uint32_t n = 1;

    if (w->act == APPEND)
        n = w->n_messages;
    if (w->act == SET)
        n = (uint32_t)has_changed(w);
    return n + (uint32_t)has_values(w);
}

/* ---- Data ---- */

static void write_texts(struct aiex_writer *w, const struct work *work)
{
    aiex_w_key_str(w, "title", work->row.title);
    aiex_w_key_str(w, "user", work->row.user);
    aiex_w_key_str(w, "project", work->row.project);
    aiex_w_key_int(w, "ttl_ms", work->row.ttl);
}

static void write_values(struct aiex_writer *w, const struct work *work)
{
    aiex_w_str(w, "values");
    aiex_w_raw(w, work->state.data, work->state.len);
}

static void write_created(struct aiex_writer *w, const struct work *work)
{
    const struct row *row = &work->row;
    int values = (work->given & F_STATE) != 0;

    aiex_w_map(w, 4u + (row->origin[0] ? 2u : 0u) + (uint32_t)values);
    write_texts(w, work);
    if (row->origin[0]) {
        aiex_w_key_str(w, "origin", row->origin);
        aiex_w_key_int(w, "origin_at", row->origin_at);
    }
    if (values)
        write_values(w, work);
}

static void write_message(struct aiex_writer *w, const struct work *work, struct aiex_slice m)
{
    static const char *const keys[] = {"role", "content",  "model",   "usage",
                                       "name", "provider", "outcome", "finish"};
    enum { N = sizeof(keys) / sizeof(keys[0]) };
    struct aiex_slice value[N];
    uint32_t n = work->turn[0] != 0;

    for (int i = 0; i < N; i++) {
        value[i].len = 0;
        if (aiex_get_whole(m, keys[i], &value[i]) != 1)
            value[i].len = 0;
        n += value[i].len != 0;
    }
    aiex_w_map(w, n);
    for (int i = 0; i < N; i++)
        if (value[i].len) {
            aiex_w_str(w, keys[i]);
            aiex_w_raw(w, value[i].data, value[i].len);
        }
    if (work->turn[0])
        aiex_w_key_str(w, "turn", work->turn);
}

static void write_data(struct aiex_writer *w, const struct work *work, struct aiex_slice message,
                       int is_values)
{
    if (is_values) {
        aiex_w_map(w, 1);
        write_values(w, work);
    } else if (work->act == APPEND) {
        write_message(w, work, message);
    } else if (work->act == CREATE || work->act == FORK) {
        write_created(w, work);
    } else if (work->act == SET) {
        aiex_w_map(w, 4);
        write_texts(w, work);
    } else if (work->act == LOSE) {
        aiex_w_map(w, 1);
        aiex_w_key_str(w, "turn", work->turn);
    } else if (work->act == ROLLBACK) {
        aiex_w_map(w, 1);
        aiex_w_key_int(w, "to", work->at);
    } else {
        aiex_w_map(w, 0);
    }
}

/* ---- Events ---- */

struct event {
    const char *type;
    char last[4]; /* of its id */
    struct aiex_slice message;
    int is_values;
    int64_t messages, values_at;
};

static void write_bin_data(struct aiex_writer *w, const struct work *work, const struct event *e)
{
    struct aiex_writer count = {0};

    aiex_writer_init(&count, NULL, 0); /* only counts */
    write_data(&count, work, e->message, e->is_values);
    aiex_w_str(w, "data");
    aiex_w_bin_head(w, count.len);
    write_data(w, work, e->message, e->is_values);
}

static void write_event(struct aiex_writer *w, const struct work *work, const struct event *e)
{
    char id[MAX_ID + MAX_REQUEST + 8], trace[17];

    snprintf(id, sizeof(id), "%s/%s/%s", work->row.id, work->request, e->last);
    snprintf(trace, sizeof(trace), "%016llx", (unsigned long long)work->trace);
    aiex_w_map(w, 6);
    aiex_w_key_str(w, "id", id);
    aiex_w_key_str(w, "type", e->type);
    aiex_w_key_int(w, "time", work->row.updated);
    aiex_w_key_str(w, "correlation", trace);
    write_bin_data(w, work, e);
    aiex_w_str(w, "meta");
    aiex_w_map(w, 3u + (work->row.user[0] != 0));
    if (work->row.user[0]) /* for those who count: the other events of the stream are not at hand */
        aiex_w_key_str(w, "user", work->row.user);
    aiex_w_key_int(w, "epoch", work->s->epoch);
    aiex_w_key_int(w, "messages", e->messages);
    aiex_w_key_int(w, "values_at", e->values_at);
}

/* The first whole value; *at moves behind it. */
static struct aiex_slice cut_one(struct aiex_slice *at)
{
    struct aiex_slice one = *at;

    aiex_r_skip(at); /* request.c has read it */
    one.len -= at->len;
    return one;
}

static void write_messages(struct aiex_writer *w, const struct work *work)
{
    struct aiex_slice at = work->messages;

    for (uint32_t i = 0; i < work->n_messages; i++) {
        struct event e = {.type = types[APPEND],
                          .messages = work->messages_before + i + 1,
                          .values_at = work->state_before};

        snprintf(e.last, sizeof(e.last), "%u", i % 1000);
        e.message = cut_one(&at);
        write_event(w, work, &e);
    }
}

void events_write(struct aiex_writer *w, const struct work *work)
{
    const struct row *row = &work->row;
    struct event one = {.type = types[work->act],
                        .last = "0",
                        .messages = row->messages,
                        .values_at = work->act == SET ? work->state_before : row->state_at};

    aiex_w_array(w, events_count(work));
    if (work->act == APPEND)
        write_messages(w, work);
    else if (work->act != SET || has_changed(work))
        write_event(w, work, &one);
    if (has_values(work))
        write_event(w, work,
                    &(struct event){.type = "session.values",
                                    .last = "v",
                                    .is_values = 1,
                                    .messages = row->messages,
                                    .values_at = row->state_at});
}
