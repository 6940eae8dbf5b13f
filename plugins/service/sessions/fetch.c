/*
 * fetch.c - what is read from the store before something can be done: rows of sessions that are
 * not in memory (archived, expired; or made when an answer was lost), and single events.
 */
#include "sessions.h"

#include <errno.h>
#include <stdlib.h>

void not_found(struct work *w)
{
    work_refuse(w, AIEX_E_NOT_FOUND, "there is no session '%s'", w->session);
}

/* Where no keys are demanded (`open`), a session without a user is anybody's who knows its id. */
int work_sees(const struct work *w, const struct row *row)
{
    return !w->who[0] || strcmp(w->who, row->user) == 0 ||
           (!row->user[0] && strcmp(w->who, "key:open") == 0);
}

int may_see(struct work *w, struct entry *e)
{
    struct sessions *s = w->s;

    entry_read(e, &w->row);
    if (work_sees(w, &w->row))
        return 0;
    denied_tell(w);
    not_found(w);
    guest_leave(s, e);
    return -1;
}

void guest_leave(struct sessions *s, struct entry *e)
{
    if (!e->lane && !e->listed)
        index_drop(&s->index, e);
}

/* ---- Rows ---- */

static void write_key(struct aiex_writer *w, const void *arg)
{
    const struct work *work = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "table", "session");
    aiex_w_key_bin(w, "key", work->session, strlen(work->session));
}

/* 1 = read, 0 = the work was ended. */
static int take_row(struct work *w, const struct aiex_answer *end, struct row *ret)
{
    struct aiex_slice value = {NULL, 0};
    int found = 0;

    if (end->code) {
        work_fail(w, end, "the session can not be looked up");
        return 0;
    }
    aiex_get_bool(end->body, "found", &found);
    if (!found || aiex_get_bytes(end->body, "value", &value) != 1) {
        not_found(w);
        return 0;
    }
    if (row_read(value, ret) < 0 || strcmp(ret->id, w->session) != 0) {
        work_refuse(w, AIEX_E_INTERNAL,
                    "the row of session '%s' in the table 'session' is damaged; see store.verify",
                    w->session);
        return 0;
    }
    return 1;
}

/* The row into the index. 0, or the work was ended. */
static int put_row(struct work *w, const struct row *row)
{
    struct sessions *s = w->s;
    struct entry *e = index_find(&s->index, row->id);

    if (e && entry_update(e, row)) {
        index_list(&s->index, e);
        return 0;
    }
    e = entry_new(&s->index, row);
    if (e && index_put(&s->index, e) == 0)
        return 0;
    if (e)
        entry_free(&s->index, e);
    work_refuse(w, AIEX_E_BUSY, "no memory for the session");
    return -1;
}

static void on_row(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct row row;

    if (index_find(&w->s->index, w->session) || (take_row(w, end, &row) && put_row(w, &row) == 0))
        w->found(w);
}

static void on_row_again(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct row row;

    if (!take_row(w, end, &row) || put_row(w, &row) < 0)
        return;
    w->lane->e->unsure = 0;
    w->found(w);
}

static void get(struct work *w, aiex_ask_end_fn end)
{
    w->ask.method = "store.get";
    w->ask.part = NULL;
    w->ask.end = end;
    ask_by(&w->ask, write_key, w);
}

void fetch(struct work *w, void (*found)(struct work *w))
{
    w->found = found;
    if (index_find(&w->s->index, w->session))
        found(w);
    else
        get(w, on_row);
}

void fetch_again(struct work *w, void (*found)(struct work *w))
{
    w->found = found;
    get(w, on_row_again);
}

/* ---- Events ---- */

struct box {
    size_t len;
    uint8_t bytes[];
};

struct wanted {
    const char *session;
    int64_t version;
};

static void write_read(struct aiex_writer *w, const void *arg)
{
    const struct wanted *q = arg;
    char stream[MAX_ID + 9];

    event_stream(stream, q->session);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "stream", stream);
    aiex_w_key_int(w, "from", q->version);
    aiex_w_key_int(w, "limit", 1);
}

static int keep_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct work *w = a->arg;
    struct box *box;

    free(w->reading);
    w->reading = NULL;
    if (!part.data)
        return 0;
    box = malloc(sizeof(*box) + part.len);
    if (box) {
        box->len = part.len;
        memcpy(box->bytes, part.data, part.len);
    }
    w->reading = box;
    return 0;
}

void read_event(struct work *w, const char *session, int64_t version, aiex_ask_end_fn end)
{
    w->ask.method = "store.read";
    w->ask.part = keep_part;
    w->ask.end = end;
    ask_by(&w->ask, write_read, &(struct wanted){session, version});
}

int event_of(const struct work *w, struct aiex_slice *ret)
{
    const struct box *box = w->reading;
    struct aiex_slice at;
    struct aiex_value v;

    if (!box)
        return 0;
    at = (struct aiex_slice){box->bytes, box->len};
    if (aiex_r_value(&at, &v) != 0 || v.type != AIEX_T_ARRAY || !v.count)
        return 0;
    *ret = at;
    return 1;
}

int values_of(struct aiex_slice event, struct aiex_slice *ret)
{
    struct aiex_slice data;

    return aiex_get_bytes(event, "data", &data) == 1 && aiex_get_whole(data, "values", ret) == 1 &&
           ret->len > 0;
}
